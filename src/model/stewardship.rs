//! What is told of a database in the long run: its life, what protects it, whom to write to.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{BackupId, Timestamp};

/// How near the end of its life a database is. Each is told once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// At most so many days are left.
    DaysLeft(u16),
    /// It is over, since so many whole months.
    Over(u16),
}

/// What protected health information needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Protection {
    /// TLS that is demanded.
    Tls,
    /// A store, in which every backup is encrypted.
    Backups,
    /// An encrypted volume, or files that the server encrypts.
    Files,
}

impl Protection {
    /// In words; `able`: the engine encrypts by itself.
    pub fn words(self, able: bool) -> &'static str {
        match (self, able) {
            (Protection::Tls, _) => "TLS that is demanded (`tls: Required`)",
            (Protection::Backups, _) => "encrypted backups",
            (Protection::Files, true) => "an encrypted data volume, or `encryption: Engine`",
            (Protection::Files, false) => "an encrypted data volume",
        }
    }
}

/// When something is done about a life that is over: from its end on, or from when that was announced,
/// whichever is later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enforce {
    /// Until users are held to reading.
    pub read_only_after: TimeDelta,
    /// Until it hibernates.
    pub hibernate_after: TimeDelta,
}

impl Default for Enforce {
    fn default() -> Self {
        Enforce {
            read_only_after: TimeDelta::days(14),
            hibernate_after: TimeDelta::days(60),
        }
    }
}

/// What is done about a life that is over, where the settings want more than notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Measure {
    /// Nothing yet: it is told what will be.
    Announced,
    /// Its users write nothing more, where the engine can hold them to that.
    ReadOnly,
    /// It is stopped, after a final backup that was proven.
    Hibernation,
}

/// How far the measures about a life that is over are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Enforced {
    /// The end of the life that it is about; with another `life` all begins anew.
    pub ends: Timestamp,
    /// When it was told what will be; nothing is done sooner after that than after the end itself.
    pub announced: Timestamp,
    /// What is in force.
    pub measure: Measure,
    /// Since when.
    pub since: Timestamp,
}

/// How far a hibernation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hibernation<'a> {
    /// It is not to hibernate.
    None,
    /// It is, since then, and has no final backup yet.
    Asked(Timestamp),
    /// It does, on this final backup.
    Done(&'a BackupId),
}

/// Something that owner and admins are told. It is written to the log once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Notice {
    /// Its life ends, or is over.
    Life {
        /// When it ends; with another `life` all is told anew.
        ends: Timestamp,
        /// How near that is.
        stage: Stage,
    },
    /// Protections that it needs are missing now; none: they are there again.
    Unprotected {
        /// Which.
        missing: BTreeSet<Protection>,
    },
    /// Nobody can be written to, or somebody can again.
    Contact {
        /// What is wrong with the address.
        trouble: Option<String>,
    },
    /// Something else is done about its life that is over; or nothing any more.
    Enforced {
        /// What.
        enforced: Option<Enforced>,
    },
}

/// What was told of a database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// Stages of lives, by their ends.
    pub life: BTreeSet<(Timestamp, Stage)>,
    /// Protections that were last said to be missing.
    pub unprotected: BTreeSet<Protection>,
    /// What was last said to be wrong with its contact.
    pub contact: Option<String>,
    /// What was last said to be done about its life.
    pub enforced: Option<Enforced>,
}

impl Told {
    /// What is in force about its life.
    pub fn measure(&self) -> Option<Measure> {
        self.enforced.map(|enforced| enforced.measure)
    }

    /// Takes notice of what is told.
    pub fn note(&mut self, notice: &Notice) {
        match notice {
            Notice::Life { ends, stage } => {
                self.life.insert((*ends, *stage));
            }
            Notice::Unprotected { missing } => self.unprotected.clone_from(missing),
            Notice::Contact { trouble } => self.contact.clone_from(trouble),
            Notice::Enforced { enforced } => self.enforced = *enforced,
        }
    }
}
