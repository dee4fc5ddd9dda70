//! The identity that an engine gives its data, beside the one that DB4Sci puts there.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an engine calls its data itself: made anew by each first start, never changed afterwards. Data
/// that somebody put in place of other data has another one, even where the uid inside was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DataIdentity(String);

impl DataIdentity {
    /// As the engine's own tools show it.
    pub fn new(shown: impl Into<String>) -> Self {
        DataIdentity(shown.into())
    }
}

impl fmt::Display for DataIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an engine keeps that, readable without a server.
#[derive(Debug, Clone, Copy)]
pub struct IdentityFile {
    /// Below the first data folder.
    pub path: &'static str,
    /// How many bytes of it are read.
    pub length: usize,
    /// What they say; `None`: nothing that the engine wrote.
    pub read: fn(&[u8]) -> Option<DataIdentity>,
    /// Whether no server starts without it. Otherwise the engine makes another one.
    pub needed: bool,
}
