//! What a comparison of the log with what proves it found.

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// Findings that are named at most; more of them are counted.
pub const NAMED: usize = 100;

/// Something that is not as the daemon wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The entry's number, which is also its row's id in `log`.
    pub entry: u64,
    /// Where it was found, and what is wrong there, for people.
    pub what: String,
}

impl Finding {
    /// A finding about an entry.
    pub fn new(entry: u64, what: impl Into<String>) -> Self {
        let what = what.into();
        Finding { entry, what }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "entry {}: {}", self.entry, self.what)
    }
}

/// Findings in the order in which they were made: the first ones, and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// The first ones.
    pub named: Vec<Finding>,
    /// How many more there are.
    pub more: u64,
}

impl Findings {
    /// One more.
    pub fn add(&mut self, finding: Finding) {
        if self.named.len() < NAMED {
            self.named.push(finding);
        } else {
            self.more += 1;
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }
}

/// Harm of the log that was mended, and that nobody has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogHarm {
    /// The entry that tells of it.
    pub entry: u64,
    /// When it was noticed.
    pub at: Timestamp,
    /// What was found.
    pub findings: Findings,
}

/// What `audit verify` shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditView {
    /// Entries of the journal that were read.
    pub entries: u64,
    /// Of them, those that are sealed with a key of this host.
    pub sealed: u64,
    /// Rows of `log` that were compared.
    pub rows: u64,
    /// Ends of the log that stores hold, and that were compared.
    pub ends: u64,
    /// What is not as it was written.
    pub findings: Findings,
    /// What was mended before, and is not acknowledged.
    pub harms: Vec<LogHarm>,
    /// What could not be compared now, and why.
    pub unread: Vec<String>,
}

impl AuditView {
    /// Whether all was compared, and is as it was written.
    pub fn is_good(&self) -> bool {
        self.findings.is_empty() && self.harms.is_empty() && self.unread.is_empty()
    }
}
