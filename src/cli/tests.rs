//! Verbs against a daemon in memory behind a real socket.

mod fake;
mod offline;
mod reasons;
mod shown;
mod verbs;
mod waits;
