//! What a plan says of backups and removals, beside the lanes: rows for what takes a server away or data,
//! and lines for the removals of another day, about which nothing is to be done.

use serde_json::{Value, json};

use super::cost;
use super::rows::{Row, When, Which};
use crate::model::view::DatabaseView;
use crate::model::{BackupId, Coming, Cost, Expected, Reason, Timestamp};
use crate::plan::gate::{HIBERNATE, RETIRE};

/// Why a dump waits for the window.
const DUMP: &str = "dump: its server is stopped for it";

/// Adds rows for what comes, or says it in the rows that are there.
pub fn add(view: &DatabaseView, rows: &mut Vec<Row>) {
    for coming in &view.coming {
        match coming {
            Coming::Rest { until } => rows.push(Row {
                until: *until,
                reason: until.map(|_| Reason::OutsideWindow),
                when: if until.is_some() {
                    When::Waits
                } else {
                    When::Now
                },
                cost_text: match until {
                    None => cost::of_rest(view),
                    Some(_) => format!(
                        "{}; at once: db4sci backup now {}",
                        cost::of_rest(view),
                        view.name
                    ),
                },
                expected: view.expected.rest,
                ..row(view, Which::Change, Cost::Restart, DUMP)
            }),
            Coming::Retire {
                data_hours,
                backup_hours,
            } => {
                let deletes = Some(later(*data_hours, *backup_hours));
                match rows.iter_mut().find(|row| row.cost == Cost::Stop) {
                    // It waits for a person.
                    Some(row) => row.deletes = deletes,
                    None => rows.push(Row {
                        deletes,
                        ..row(view, Which::Stop, Cost::Stop, RETIRE)
                    }),
                }
            }
            Coming::Hibernate => rows.push(row(view, Which::Stop, Cost::Stop, HIBERNATE)),
            Coming::Remove {
                now: true, backup, ..
            } => rows.push(Row {
                deletes: Some(holds(backup.as_ref())),
                cost_text: String::new(),
                ..row(
                    view,
                    Which::Stop,
                    Cost::None,
                    "remove its container and its data",
                )
            }),
            Coming::Remove { now: false, .. } => {}
        }
    }
}

fn row(view: &DatabaseView, which: Which, cost: Cost, what: &str) -> Row {
    Row {
        name: view.name.to_string(),
        which: Some(which),
        when: When::Now,
        until: None,
        reason: None,
        what: what.to_owned(),
        cost_text: cost::sentence(view, which, cost),
        cost,
        expected: None::<Expected>,
        risk: None,
        hash: None,
        connections: view.connections,
        deletes: None,
        steps: Vec::new(),
    }
}

/// What a retirement ends in.
fn later(data_hours: i64, backup_hours: Option<i64>) -> String {
    let backups = match backup_hours {
        None => "its backups are kept".to_owned(),
        Some(hours) => format!("its backups {} after that", span(hours)),
    };
    format!("its data is removed {} later, {backups}", span(data_hours))
}

/// What is left of what is removed.
fn holds(backup: Option<&BackupId>) -> String {
    match backup {
        Some(backup) => format!("its data is removed; {backup} has all of it"),
        None => "what is left of it is removed; it never had data".to_owned(),
    }
}

fn span(hours: i64) -> String {
    match (hours / 24, hours % 24) {
        (1, 0) => "a day".to_owned(),
        (days, 0) if days > 1 => format!("{days} days"),
        _ => format!("{hours} hours"),
    }
}

/// Data that is removed on another day, or stays although that day has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Removal {
    /// The database.
    pub name: String,
    /// When its data is removed, at the earliest.
    pub at: Option<Timestamp>,
    /// The verified final backup that holds all of it.
    pub backup: Option<BackupId>,
    /// Why its data stays all the same.
    pub stays: Option<String>,
}

/// The removals of another day, in the databases' order.
pub fn removals(databases: &[DatabaseView]) -> Vec<Removal> {
    let of_view = |view: &DatabaseView| {
        view.coming.iter().find_map(|coming| match coming {
            Coming::Remove {
                at,
                now: false,
                backup,
                stays,
            } => Some(Removal {
                name: view.name.to_string(),
                at: *at,
                backup: backup.clone(),
                stays: stays.clone(),
            }),
            Coming::Remove { now: true, .. }
            | Coming::Rest { .. }
            | Coming::Retire { .. }
            | Coming::Hibernate => None,
        })
    };
    databases.iter().filter_map(of_view).collect()
}

impl Removal {
    /// What is removed, when, and what keeps it.
    pub fn sentence(&self) -> String {
        let at = self.at.map_or("now".to_owned(), |at| {
            format!("at {}", at.format("%F %H:%M UTC"))
        });
        let backup = match (&self.backup, &self.stays) {
            (_, Some(why)) => format!("not before this is over: {why}"),
            (Some(backup), None) => format!("{backup} has all of it"),
            (None, None) => "it never had any".to_owned(),
        };
        let name = &self.name;
        format!("retired; its data is removed {at}; {backup}; db4sci undelete {name}")
    }

    /// The form for programs.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name,
            "at": self.at,
            "backup": self.backup,
            "stays": self.stays,
        })
    }
}
