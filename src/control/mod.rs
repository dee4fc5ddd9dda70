//! The loop: triggers say which name to look at again, the reconciler looks, plans and acts.
//!
//! Triggers (engine events, file changes, SQL edits, probes, the minute's tick) carry no orders:
//! lose any of them, and the next resync repairs it.

pub mod board;
pub mod desk;
pub mod disks;
mod endings;
pub mod intake;
mod last;
pub mod queue;
pub mod reconciler;
mod shipping;
mod stewards;
pub mod triggers;
mod view;
mod wants;
mod watch;

pub use board::Board;
pub use desk::Desk;
pub use disks::{Disks, Measure};
pub use intake::{Admitted, Intake, if_gone};
pub use queue::Queue;
pub use reconciler::view_of;
pub use reconciler::{Reconciler, Rehearsal};
pub use triggers::Triggers;
