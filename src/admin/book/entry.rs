//! What somebody wants to be accepted.

use crate::model::{Change, DbName, Outcome, Who};

/// A change somebody wants to be accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEntry {
    /// Who wants it.
    pub who: Who,
    /// The database, if it concerns one.
    pub name: Option<DbName>,
    /// How it ended.
    pub outcome: Outcome,
    /// What happened, for people; one line, no secret.
    pub message: String,
    /// What it changes.
    pub change: Change,
}

impl NewEntry {
    /// One of the daemon's own about a database.
    pub fn of(name: &DbName, outcome: Outcome, message: String, change: Change) -> Self {
        NewEntry {
            who: Who::Daemon,
            name: Some(name.clone()),
            outcome,
            message,
            change,
        }
    }
}
