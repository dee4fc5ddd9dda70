//! A real Docker Engine, spoken to over its socket.
//!
//! This folder knows Docker's words and nothing of databases: what a container is for, when to
//! stop it and what its labels mean is said elsewhere. It is the only place that uses `bollard`.

mod attach;
mod client;
mod create;
mod error;
mod events;
mod images;
mod job;
mod list;
mod logs;
mod seen;
mod terminal;
mod verbs;
mod work;

pub use client::Docker;
pub use job::{JobSpec, LABEL_JOB, LABEL_JOB_INSTANCE};
pub use work::LABEL_WORK_INSTANCE;
