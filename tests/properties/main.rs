//! The laws of the design, held to seeded runs of the real reconciler over a simulated host.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod approvals;
mod daemon;
mod hands;
mod host;
mod ignorance;
mod isolation;
mod laws;
mod once;
mod rng;
mod seeds;
mod specs;
mod stillness;
