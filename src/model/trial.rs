//! Settings that a server was started with for the first time, and those that it did not start with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// What is known of the settings among a server's files, besides what they are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trial {
    /// Those that it last answered with, as long as it has not answered with what its files say now.
    /// Set when its files are written, ended by its first answer or by taking them back.
    pub open: Option<Earlier>,
    /// What it did not start with. Ended when files are written for a spec that says something else.
    pub refused: Option<Refused>,
}

/// Settings that a server last answered with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Earlier {
    /// All of them.
    pub settings: BTreeMap<String, String>,
    /// The text of its configuration file.
    pub config: Option<String>,
    /// When other ones were written.
    pub since: Timestamp,
}

/// What a server did not start with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// Settings; `None`: the server's default.
    pub settings: BTreeMap<String, Option<String>>,
    /// The text of its configuration file (empty: none), if that was another.
    pub config: Option<String>,
    /// When it was taken back.
    pub at: Timestamp,
    /// The server's own last words.
    pub words: String,
}
