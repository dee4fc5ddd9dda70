//! A plan as people and programs read it, before anything happens.
//!
//! It decides nothing: it lays out what the planner said of each database. Pure, so that equal
//! plans give equal texts and an equal hash.

mod cost;
mod rows;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
mod text;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::model::view::DatabaseView;
use crate::model::{Problem, Timestamp};

pub use self::rows::{Row, When, Which};
pub use self::text::Local;

/// Version of the JSON form.
const VERSION: u32 = 1;
/// Hexadecimal digits of the hash that people see.
const HASH_DIGITS: usize = 6;

/// What will happen, to which database, when, and what it costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// What happens or is held back, in the databases' order.
    pub rows: Vec<Row>,
    /// Databases without a row.
    pub unchanged: usize,
    /// Names the plan: equal for equal steps, whatever the time and the number of connections.
    pub hash: String,
}

impl Preview {
    /// Lays out what was planned for databases, and the problems of specs that have none.
    pub fn of(databases: &[DatabaseView], problems: &[Problem]) -> Self {
        let mut rows = Vec::new();
        let mut unchanged = 0;
        for view in databases {
            let of_view = rows::of(view);
            unchanged += usize::from(of_view.is_empty());
            rows.extend(of_view);
        }
        // A database's own refused spec has its row already.
        let told = |problem: &Problem| {
            let name = problem.name.as_ref().map(|name| name.as_str());
            rows.iter()
                .any(|row| row.when == When::Refused && Some(row.name.as_str()) == name)
        };
        let untold = problems.iter().filter(|problem| !told(problem));
        let untold: Vec<Row> = untold.map(rows::of_problem).collect();
        rows.extend(untold);
        let hash = hash(&rows);
        Preview {
            rows,
            unchanged,
            hash,
        }
    }

    /// How many rows are of a kind.
    pub fn count(&self, when: When) -> usize {
        self.rows.iter().filter(|row| row.when == when).count()
    }

    /// Whether everything is as it should be and nothing waits.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The exit code of `plan`: 0 nothing to do, 3 changes.
    pub fn exit_code(&self) -> u8 {
        if self.is_empty() { 0 } else { 3 }
    }

    /// The text; times are shown as `local` says, in words relative to `now`'s day.
    pub fn text(&self, now: Timestamp, local: Local<'_>) -> String {
        text::text(self, now, local)
    }

    /// The form for programs.
    pub fn json(&self) -> Value {
        json!({
            "version": VERSION,
            "hash": self.hash,
            "changes": self.rows.iter().map(Row::json).collect::<Vec<_>>(),
            "counts": {
                "now": self.count(When::Now),
                "waits": self.count(When::Waits),
                "refused": self.count(When::Refused),
                "held": self.count(When::Held),
                "unchanged": self.unchanged,
            },
            "deletesData": false,
        })
    }
}

/// The hash over what is done, not over when or to how many connections.
fn hash(rows: &[Row]) -> String {
    let mut hasher = Sha256::new();
    for row in rows {
        for part in row.identity() {
            // The length goes first, so that no two lists of parts read alike.
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
    }
    let mut hex: String = hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    hex.truncate(HASH_DIGITS);
    hex
}
