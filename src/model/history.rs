//! How long servers were away, and what is to be expected from that.

use serde::{Deserialize, Serialize};

/// Why a server is away for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Away {
    /// It is not there yet: from its first step until it answers.
    Create,
    /// It is restarted.
    Restart,
    /// It gets another container on the same data.
    Recreate,
    /// It is dumped at rest: from its stop until it answers again.
    Rest,
}

/// How long it was away, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Took {
    /// Why.
    pub why: Away,
    /// From the first step until it answered again, rounded up.
    pub seconds: u32,
}

/// How long it may be away the next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Expected {
    /// The median of what was measured.
    pub seconds: u32,
    /// Of how many times.
    pub times: u32,
    /// Whether they were its own; otherwise those of other databases of its engine here.
    pub own: bool,
}

/// All that is to be expected of one database. What was never measured is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Expectations {
    /// Of a creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create: Option<Expected>,
    /// Of a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Expected>,
    /// Of another container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recreate: Option<Expected>,
    /// Of a dump at rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<Expected>,
}
