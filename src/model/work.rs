//! Long work on one database: what is asked for, how far it is, how it ended.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{BackupId, DbName, Timestamp};

/// Long work on one database that a person asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "what", deny_unknown_fields)]
pub enum WorkAsk {
    /// A backup now.
    Backup {
        /// What to remember about it.
        #[serde(default)]
        note: String,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// A restore test.
    Verify {
        /// Of which; without one, of the newest.
        #[serde(default)]
        id: Option<BackupId>,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// A restore.
    Restore {
        /// Of which.
        from: BackupId,
        /// As another database of this name, instead of in place.
        #[serde(default)]
        copy: Option<DbName>,
        /// This database inside it alone, in its place.
        #[serde(default)]
        only: Option<String>,
        /// Of a copy: its image, as a spec names it; without one, that of the database.
        #[serde(default)]
        image: Option<String>,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// Another name.
    Rename {
        /// Which.
        to: DbName,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// Its release from db4sci, with its data.
    Eject {
        /// The folder on the daemon's host for what it takes to run it; without one, beside its data.
        #[serde(default)]
        to: Option<PathBuf>,
        /// Why.
        reason: String,
    },
    /// Another database with its data, and passwords of its own.
    Clone {
        /// Its name.
        copy: DbName,
        /// The backup; without one, the newest that is verified.
        #[serde(default)]
        from: Option<BackupId>,
        /// Of a backup that is taken now.
        #[serde(default)]
        live: bool,
        /// Why.
        #[serde(default)]
        reason: String,
    },
}

/// What is done for a database's backups, or was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkView {
    /// By what it is asked for.
    pub id: u64,
    /// What it is.
    pub what: String,
    /// Since when; of one that stands in line, since it was asked for.
    pub since: Timestamp,
    /// What goes before it, while it stands in line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Whether it goes on, or is still to begin.
    pub running: bool,
    /// How far its present stage is, while it can be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// How it ended.
    pub ok: Option<bool>,
    /// What came of it; one line.
    pub message: String,
}

/// How far a stage of a work is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// What is done: `dumping`.
    pub stage: String,
    /// Bytes so far, as they lie in a store.
    pub done_bytes: u64,
    /// Bytes in all; of a dump, those of the last backup.
    pub total_bytes: Option<u64>,
    /// Seconds until the stage is over, if it goes on as so far.
    pub seconds_left: Option<u64>,
}

impl Progress {
    /// A stage that has gone on for so long.
    pub fn new(stage: &str, done: u64, total: Option<u64>, elapsed: chrono::TimeDelta) -> Self {
        let elapsed = u128::try_from(elapsed.num_milliseconds()).unwrap_or(0);
        let left = total.filter(|_| done > 0 && elapsed >= 1000).map(|total| {
            let rest = u128::from(total.saturating_sub(done));
            u64::try_from(elapsed * rest / u128::from(done) / 1000).unwrap_or(u64::MAX)
        });
        Progress {
            stage: stage.to_owned(),
            done_bytes: done,
            total_bytes: total,
            seconds_left: left,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn what_is_left_is_told_once_something_is_known_of_the_speed() {
        let left = |done, total, millis| {
            let elapsed = TimeDelta::milliseconds(millis);
            Progress::new("dumping", done, total, elapsed).seconds_left
        };
        assert_eq!(left(100, Some(400), 10_000), Some(30));
        assert_eq!(left(0, Some(400), 10_000), None);
        assert_eq!(left(100, Some(400), 10), None);
        assert_eq!(left(100, None, 10_000), None);
        // It became more than it was the last time; the clock was set back.
        assert_eq!(left(500, Some(400), 10_000), Some(0));
        assert_eq!(left(100, Some(400), -10_000), None);
        assert_eq!(left(1, Some(u64::MAX), i64::MAX / 2), Some(u64::MAX));
    }
}
