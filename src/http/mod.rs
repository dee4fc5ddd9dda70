//! The API: what the daemon shows, and the changes it accepts.
//!
//! Two doors. The unix socket has the whole API under `/api/v1`, for root, the daemon's own user
//! and members of one group; the kernel says who is there. TCP has health and metrics and
//! changes nothing; metrics name each database with its owner and contact, to whoever reaches that
//! port. Handlers never talk to a container engine: they read the daemon's snapshot, and hand changes
//! to a [`Backend`], which writes them to the ledger.

pub mod accounts;
pub mod api;
pub mod backend;
pub mod capped;
pub mod client;
pub mod document;
#[cfg(test)]
pub(crate) mod fake;
pub mod peer;
pub mod portioned;
pub mod problem;
pub mod public;
pub mod readiness;
pub mod refusal;
pub mod serve;
pub mod socket;
#[cfg(test)]
mod tests;
pub mod wait;

pub use backend::{Applied, AppliedOutcome, Backend, Connection};
pub use client::{Client, ClientError};
pub use document::Document;
pub use problem::ProblemDetails;
pub use refusal::{Refusal, RefusalKind};
pub use serve::{Bound, HttpError, Options, bind};
