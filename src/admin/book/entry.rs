//! What somebody wants to be accepted.

use crate::model::{Change, DbName, Entry, Outcome, Timestamp, Who};

/// Longest message, in characters.
const MESSAGE: usize = 4000;

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

    /// The entry that it becomes.
    pub(crate) fn numbered(self, seq: u64, at: Timestamp) -> Entry {
        Entry {
            seq,
            at,
            who: self.who,
            name: self.name,
            outcome: self.outcome,
            message: one_line(&self.message),
            change: self.change,
        }
    }
}

/// A message as the log takes it: one line, and of bounded length.
fn one_line(message: &str) -> String {
    message
        .chars()
        .take(MESSAGE)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
