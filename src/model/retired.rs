//! What is retired: how long it is kept, and how far it is gone.

use chrono::TimeDelta;

use super::Timestamp;

/// How long what is retired is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepRetired {
    /// Its data, from the day it was retired.
    pub data: TimeDelta,
    /// Its backups, from the day its data was removed; `None`: for ever.
    pub backups: Option<TimeDelta>,
}

impl Default for KeepRetired {
    fn default() -> Self {
        KeepRetired {
            data: TimeDelta::days(14),
            backups: None,
        }
    }
}

/// Whether the stores hold a tombstone of a database: who recovers a lost host from an older memory
/// then knows that it is retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tombstone {
    /// There is none.
    None,
    /// It is to be written, and may be there.
    Due,
    /// It lies in every store.
    Lies,
}

/// How far a database is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its data is being removed: there is no way back but a restore.
    Removing,
    /// Its data was removed. Nobody takes its name until a person lets go of it.
    Removed(Timestamp),
    /// It was released from db4sci with its data, which db4sci never touches again. Nobody takes its name
    /// until a person lets go of it.
    Ejected(Timestamp),
}
