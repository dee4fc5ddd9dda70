//! A plan as people and programs read it, before anything happens.
//!
//! It decides nothing: it lays out what the planner said of each database. Pure, so that equal
//! plans give equal texts and an equal hash.

mod coming;
mod cost;
mod overrides;
mod rows;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
mod text;

use serde_json::{Value, json};

use crate::model::view::DatabaseView;
use crate::model::{Problem, Timestamp};
use crate::plan::approval;

pub use self::coming::Removal;
pub use self::cost::sentence;
pub use self::overrides::Overridden;
pub use self::rows::{Row, When, Which};
pub use self::text::Local;

/// Version of the JSON form.
const VERSION: u32 = 1;

/// What will happen, to which database, when, and what it costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// What happens or is held back, in the databases' order.
    pub rows: Vec<Row>,
    /// Databases without a row.
    pub unchanged: usize,
    /// Whose word is in force over specs. Nothing is to be done about it.
    pub overrides: Vec<Overridden>,
    /// What is retired, and whose data is removed on another day.
    pub removals: Vec<Removal>,
    /// Names the plan: equal for equal steps, whatever the time and the number of connections. As
    /// long as something waits that a person may let go, it names exactly that, and `approve` takes
    /// it; what is done meanwhile does not change it.
    pub hash: String,
    /// How many rows wait for their window or a person, and may be let go.
    pub approvable: usize,
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
        let waiting = approval::waiting(databases);
        let hash = approval::hash_of_all(&waiting).unwrap_or_else(|| hash(&rows));
        Preview {
            rows,
            unchanged,
            overrides: overrides::of(databases),
            removals: coming::removals(databases),
            hash,
            approvable: waiting.len(),
        }
    }

    /// How many rows are of a kind.
    pub fn count(&self, when: When) -> usize {
        self.rows.iter().filter(|row| row.when == when).count()
    }

    /// The databases whose data goes with what the rows say, now or some time after it.
    pub fn deletes(&self) -> impl Iterator<Item = &str> {
        let rows = self.rows.iter().filter(|row| row.deletes.is_some());
        rows.map(|row| row.name.as_str())
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
        let mut form = json!({
            "version": VERSION,
            "hash": self.hash,
            "changes": self.rows.iter().map(Row::json).collect::<Vec<_>>(),
            "counts": {
                "now": self.count(When::Now),
                "waits": self.count(When::Waits),
                "refused": self.count(When::Refused),
                "held": self.count(When::Held),
                "unchanged": self.unchanged,
                "approvable": self.approvable,
            },
            "deletesData": self.deletes().next().is_some(),
        });
        if !self.removals.is_empty() {
            form["removals"] = self.removals.iter().map(Removal::json).collect();
        }
        if !self.overrides.is_empty() {
            form["overrides"] = self.overrides.iter().map(Overridden::json).collect();
        }
        form
    }
}

/// The hash over what is done, not over when or to how many connections.
fn hash(rows: &[Row]) -> String {
    let parts: Vec<String> = rows.iter().flat_map(Row::identity).collect();
    approval::of(parts.iter().map(String::as_str))
}
