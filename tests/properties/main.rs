//! The laws of the design, held to seeded runs of the real reconciler over a simulated host.

mod daemon;
mod hands;
mod host;
mod ignorance;
mod isolation;
mod laws;
mod rng;
mod seeds;
mod specs;
mod stillness;
