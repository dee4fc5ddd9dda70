//! The laws of the design, held to seeded runs of the real reconciler over a simulated host.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

/// Histories are made of small copies, which this one hands out faster than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod approvals;
mod begun;
mod bench;
mod cut_off;
mod daemon;
mod grudge;
mod hands;
mod host;
mod ignorance;
mod intents;
mod isolation;
mod keeping;
mod kills;
mod laws;
mod lives;
mod once;
mod rebuilt;
mod rng;
mod seeds;
mod shelf;
mod specs;
mod stillness;
mod stores;
mod waits;
