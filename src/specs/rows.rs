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
use super::document::{nearest, whole};
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

/// Reads a row. Problems have `state row NAME` in place of a file; those of the columns are flaws,
/// like those of the spec's shape. An error means that nothing can be made of the spec.
pub fn read(edit: &RowEdit) -> Result<RowRequest, Vec<Problem>> {
    let origin = PathBuf::from(format!("state row {}", edit.name));
    let mut parsed = from_json(&edit.name, &edit.spec, &origin)?;
    let state = edit.state.as_deref().map(state).transpose();
    let overriding = match (state, edit.until) {
        (Err(problem), _) => {
            parsed.flaws.push(problem.at(whole(&origin)));
            None
        }
        (Ok(None), None) => None,
        (Ok(None), Some(_)) => {
            let problem = Problem::new("until", "ends a state, and no state is given");
            parsed.flaws.push(problem.at(whole(&origin)));
            None
        }
        (Ok(Some(state)), Some(until)) => match overridden(state) {
            Some(state) => Some((state, until, edit.note.clone().unwrap_or_default())),
            None => {
                let message = "Retired does not end; remove `until`, or set the state to Stopped";
                parsed
                    .flaws
                    .push(Problem::new("until", message).at(whole(&origin)));
                None
            }
        },
        // `Running` is the default: left out in the spec, it stays left out.
        (Ok(Some(WantedState::Running)), None) if parsed.raw.spec.state.is_none() => None,
        (Ok(Some(state)), None) => {
            parsed.raw.spec.state = Some(state);
            None
        }
    };
    Ok(RowRequest { parsed, overriding })
}

/// A state that can be put over a spec for a while.
fn overridden(state: WantedState) -> Option<OverrideState> {
    match state {
        WantedState::Running => Some(OverrideState::Running),
        WantedState::Stopped => Some(OverrideState::Stopped),
        WantedState::Maintenance => Some(OverrideState::Maintenance),
        WantedState::Retired => None,
    }
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

#[cfg(test)]
mod tests;
