//! What is told of a database in the long run: its life, what protects it, whom to write to.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Timestamp;

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
}

impl Told {
    /// Takes notice of what is told.
    pub fn note(&mut self, notice: &Notice) {
        match notice {
            Notice::Life { ends, stage } => {
                self.life.insert((*ends, *stage));
            }
            Notice::Unprotected { missing } => self.unprotected.clone_from(missing),
            Notice::Contact { trouble } => self.contact.clone_from(trouble),
        }
    }
}
