//! The whole program put together: the only place that names concrete backends.

mod admin;
mod authority;
mod backend;
mod daemon;
mod doctor;
mod home;
mod images;
mod init;
mod keys;
mod lock;
mod offline;
mod program;
mod secrets;

pub use program::Program;
