//! Telling what happened: counts for Prometheus, and lines for the operator's log.
//!
//! Nothing here can fail in a way that changes what the daemon does.

pub mod metrics;
pub mod tracing;

pub use metrics::{Metrics, Step, StepOutcome};
