//! Keeps the tables up to date with the ledger, whenever `mydb_admin` answers.
//!
//! It decides when to try, and when to stop for good: at harm it leaves the tables alone until it
//! is told to look again. Nobody waits for it: an accepted entry is safe without it, and users'
//! databases are none of its business.
//!
//! - here: the handle, and what it reports;
//! - `follow`: the task;
//! - `look`: what it looks at every few seconds;
//! - `held`: how much is surely on the server's disk;
//! - `reach`: getting at the tables, for real or in a simulation.

mod follow;
mod held;
mod look;
mod proven;
mod reach;

use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::ledger::Ledger;
use super::tables::TablesHarm;

pub use held::Held;
pub use reach::{MydbAdmin, Reach, Shelf};

/// What the applier is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doing {
    /// It has not reached the tables yet. Left at the first success or failure.
    Starting,
    /// It brings entries in as they come. Left when the connection or the server fails.
    Following,
    /// The last try failed; it tries again by itself. Left by a success or by harm.
    Waiting {
        /// What failed, with its causes; one line.
        why: String,
    },
    /// The tables are not what this ledger made. Left only by [`Applier::look_now`].
    Harmed(TablesHarm),
}

/// How far the tables are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplierStatus {
    /// The last entry known to be in the tables.
    pub applied: u64,
    /// Entries that are not in the tables yet.
    pub behind: u64,
    /// What is being done about that.
    pub doing: Doing,
}

/// The running applier; it ends when this is dropped. It holds a handle on the ledger, so the ledger
/// ends only after it.
#[derive(Debug)]
pub struct Applier {
    status: watch::Receiver<ApplierStatus>,
    wake: Arc<Notify>,
    task: AbortHandle,
}

impl Applier {
    /// Starts to follow a ledger, and remembers with `held` what the tables surely hold. Must be called
    /// inside a tokio runtime.
    pub fn spawn(ledger: Ledger, reach: impl Reach, held: Held) -> Self {
        let (publish, status) = watch::channel(ApplierStatus {
            applied: 0,
            behind: ledger.book().head().seq,
            doing: Doing::Starting,
        });
        let wake = Arc::new(Notify::new());
        let follower = follow::Follower::new(ledger, Box::new(reach), held, publish, wake.clone());
        let task = tokio::spawn(follower.run()).abort_handle();
        Applier { status, wake, task }
    }

    /// Shows every change of the status.
    pub fn watch(&self) -> watch::Receiver<ApplierStatus> {
        self.status.clone()
    }

    /// The status now.
    pub fn status(&self) -> ApplierStatus {
        self.status.borrow().clone()
    }

    /// Tries at once instead of waiting: `mydb_admin` came up, or its harm was repaired.
    pub fn look_now(&self) {
        self.wake.notify_one();
    }
}

impl Drop for Applier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
