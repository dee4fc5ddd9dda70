//! A person's word over a spec.

use serde::{Deserialize, Serialize};

use super::{Timestamp, Who};

/// A person's word over a spec: shown everywhere, ends by itself or by `resume`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Override {
    /// What is in force instead of the spec's state.
    pub state: OverrideState,
    /// When it ends; `None`: by `resume` only.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
    /// Who.
    pub who: Who,
    /// Since when.
    pub since: Timestamp,
}

/// What an override can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OverrideState {
    /// Run although the spec says otherwise.
    Running,
    /// Stop although the spec says otherwise.
    Stopped,
    /// Hands off.
    Maintenance,
}
