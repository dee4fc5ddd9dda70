//! The whole program put together: the only place that names concrete backends.

mod accounts;
mod admin;
mod apply;
mod approve;
mod archive;
mod audit;
mod authority;
mod backend;
mod beside;
mod bundles;
mod connection;
mod daemon;
mod doctor;
mod follow;
mod from_docker;
mod heartbeat;
mod history;
mod home;
mod images;
mod init;
mod keys;
mod leave_file;
mod lock;
mod offline;
mod parts;
mod program;
mod rebuild;
mod recover;
mod rejoin;
mod retire;
mod secrets;
mod sessions;
mod tombstones;
mod witness;
mod works;

pub use program::Program;
