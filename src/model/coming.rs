//! What is to become of a database besides the planner's steps: by the hand that looks after its
//! backups, and what that costs.

use serde::{Deserialize, Serialize};

use super::{BackupId, Timestamp};

/// Something that is due, or comes by itself, and takes a server away or data with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Coming {
    /// A dump that its server is stopped for.
    #[serde(rename_all = "camelCase")]
    Rest {
        /// When its window opens; `None`: it may begin.
        until: Option<Timestamp>,
    },
    /// It is retired: after a final backup it is stopped, and long after that its data is removed.
    #[serde(rename_all = "camelCase")]
    Retire {
        /// How many hours its data is kept after that.
        data_hours: i64,
        /// How many hours its backups are kept once its data is gone; `None`: for ever.
        backup_hours: Option<i64>,
    },
    /// It hibernates: its life is over, and after a final backup it is stopped. Its data is kept.
    Hibernate,
    /// It is retired, and its data is removed.
    #[serde(rename_all = "camelCase")]
    Remove {
        /// When, or since when that is due; `None`: it is under way.
        at: Option<Timestamp>,
        /// Whether that is now.
        now: bool,
        /// The verified final backup that holds all of it; `None`: it never had data, or nothing is
        /// removed before there is one.
        backup: Option<BackupId>,
        /// Why its data stays all the same.
        stays: Option<String>,
    },
}
