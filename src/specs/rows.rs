//! Rows of the `state` table: what a person wrote with SQL.
//!
//! A row holds what a file has below `spec:`, and beside it the columns `state`, `until` and
//! `note`. A state without `until` is part of the spec; one with `until` is a word over the spec
//! that ends by itself.

use std::path::PathBuf;

use serde_json::Value;

use crate::model::database::Source;
use crate::model::{OverrideState, Problem, Timestamp, WantedState};

use super::admit::Request;
use super::document::nearest;
use super::parse::{Parsed, from_json};

/// What a person wrote into a row.
#[derive(Debug, Clone, PartialEq)]
pub struct RowEdit {
    /// The key.
    pub name: String,
    /// The spec's JSON.
    pub spec: Value,
    /// `Running`, `Stopped`, `Maintenance`, `Retired`; `None` leaves it to the spec.
    pub state: Option<String>,
    /// When that state ends.
    pub until: Option<Timestamp>,
    /// Why.
    pub note: Option<String>,
}

/// A row, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRequest {
    /// The spec. Its state is the column's, unless that one ends by itself.
    pub parsed: Parsed,
    /// A state that ends by itself, when, and why.
    pub overriding: Option<(OverrideState, Timestamp, String)>,
}

impl RowRequest {
    /// The wish to admit.
    pub fn request(&self) -> Request<'_> {
        Request {
            parsed: &self.parsed,
            source: Source::Row,
        }
    }
}

/// Reads a row. Problems have `state row NAME` in place of a file.
pub fn read(edit: &RowEdit) -> Result<RowRequest, Vec<Problem>> {
    let origin = PathBuf::from(format!("state row {}", edit.name));
    let parsed = from_json(&edit.name, &edit.spec, &origin);
    let state = edit.state.as_deref().map(state).transpose();
    match (parsed, state) {
        (Ok(parsed), Ok(state)) => resolve(parsed, state, edit),
        (parsed, state) => {
            let mut problems = parsed.err().unwrap_or_default();
            problems.extend(state.err());
            Err(finish(problems, edit, &origin))
        }
    }
}

fn resolve(
    mut parsed: Parsed,
    state: Option<WantedState>,
    edit: &RowEdit,
) -> Result<RowRequest, Vec<Problem>> {
    let mut overriding = None;
    match (state, edit.until) {
        (None, None) => {}
        (None, Some(_)) => {
            let problem = Problem::new("until", "ends a state, and no state is given");
            return Err(finish(vec![problem], edit, &parsed.places.origin));
        }
        (Some(WantedState::Retired), Some(_)) => {
            let problem = Problem::new(
                "until",
                "Retired does not end; remove `until`, or set the state to Stopped",
            );
            return Err(finish(vec![problem], edit, &parsed.places.origin));
        }
        (Some(WantedState::Running), Some(until)) => {
            overriding = Some((OverrideState::Running, until));
        }
        (Some(WantedState::Stopped), Some(until)) => {
            overriding = Some((OverrideState::Stopped, until));
        }
        (Some(WantedState::Maintenance), Some(until)) => {
            overriding = Some((OverrideState::Maintenance, until));
        }
        // `Running` is the default: left out in the spec, it stays left out.
        (Some(WantedState::Running), None) if parsed.raw.spec.state.is_none() => {}
        (Some(state), None) => parsed.raw.spec.state = Some(state),
    }
    let note = edit.note.clone().unwrap_or_default();
    Ok(RowRequest {
        parsed,
        overriding: overriding.map(|(state, until)| (state, until, note)),
    })
}

fn state(text: &str) -> Result<WantedState, Problem> {
    const STATES: [(&str, WantedState); 4] = [
        ("Running", WantedState::Running),
        ("Stopped", WantedState::Stopped),
        ("Maintenance", WantedState::Maintenance),
        ("Retired", WantedState::Retired),
    ];
    let words = STATES.map(|(word, _)| word);
    let found = STATES.iter().find(|(word, _)| *word == text);
    found.map(|(_, state)| *state).ok_or_else(|| {
        let hint = nearest(text, words).map_or_else(
            || "; allowed".to_owned(),
            |near| format!("; did you mean `{near}`? Allowed"),
        );
        Problem::new(
            "state",
            format!(
                "`{}` is not allowed{hint}: {}",
                text.escape_debug(),
                words.join(", ")
            ),
        )
    })
}

/// Gives problems the row's name and place.
fn finish(problems: Vec<Problem>, edit: &RowEdit, origin: &std::path::Path) -> Vec<Problem> {
    let name = edit.name.parse().ok();
    problems
        .into_iter()
        .map(|problem| {
            let problem = match &name {
                Some(name) => problem.of(name),
                None => problem,
            };
            if problem.place.is_some() {
                problem
            } else {
                problem.at(super::document::whole(origin))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
