//! What a comparison of the log with what proves it found.

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// Findings that are named at most; more of them are counted.
pub const NAMED: usize = 100;

/// Something that is not as the daemon wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The entry's number, which is also its row's id in `log`; 0: it is about no entry.
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
        match self.entry {
            0 => f.write_str(&self.what),
            entry => write!(f, "entry {entry}: {}", self.what),
        }
    }
}

/// Findings in the order of the entries that they are about, whoever made them: the first ones, and how many
/// more there are. What is about no entry comes last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// The first ones.
    pub named: Vec<Finding>,
    /// How many more there are.
    pub more: u64,
}

impl Findings {
    /// One more. Of the same entry, those that were made first come first.
    pub fn add(&mut self, finding: Finding) {
        let order = |finding: &Finding| (finding.entry == 0, finding.entry);
        let at = self.named.partition_point(|f| order(f) <= order(&finding));
        self.named.insert(at, finding);
        if self.named.len() > NAMED {
            self.named.truncate(NAMED);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_altered_entry_is_named_first_whoever_found_it_and_when() {
        let mut findings = Findings::default();
        for (entry, what) in [
            (0, "a stray row"),
            (7, "late"),
            (3, "a row"),
            (3, "its record"),
        ] {
            findings.add(Finding::new(entry, what));
        }
        let named: Vec<String> = findings.named.iter().map(ToString::to_string).collect();
        assert_eq!(
            named,
            [
                "entry 3: a row",
                "entry 3: its record",
                "entry 7: late",
                "a stray row"
            ]
        );
        // However many strays somebody puts there, they push no altered entry out.
        for _ in 0..2 * NAMED {
            findings.add(Finding::new(0, "another stray"));
        }
        findings.add(Finding::new(2, "found last"));
        assert_eq!(findings.named[0], Finding::new(2, "found last"));
        assert_eq!(findings.named.len(), NAMED);
        assert_eq!(findings.more, 2 * NAMED as u64 + 5 - NAMED as u64);
    }
}
