//! What people and programs are shown: phases, conditions and the API's documents.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

use super::disk::{DiskUse, VolumeView};
pub use super::work::{Progress, WorkAsk, WorkView};
use super::{
    Backup, BackupId, BackupKind, BackupState, Coming, DbName, EngineKind, Expectations, Held,
    Lane, Override, Reason, Slot, Timestamp, Uid,
};

/// What a database is, in one word. Derived by `plan::phase`, never stored as state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Nothing was made yet.
    Pending,
    /// Its first start is under way.
    Creating,
    /// It answers.
    Ready,
    /// It should answer and does not, or something about it needs a look; being worked on.
    Degraded,
    /// Stopped as wanted.
    Stopped,
    /// Hands off as wanted.
    Maintenance,
    /// A restore is under way.
    Restoring,
    /// Down, and left alone until somebody or something changes.
    Held,
    /// Its life is over; its data is still kept.
    Retired,
    /// It was released from db4sci, which does not know what became of it.
    Ejected,
}

impl Phase {
    /// All phases, in the order of messages.
    pub const ALL: [Phase; 10] = [
        Phase::Pending,
        Phase::Creating,
        Phase::Ready,
        Phase::Degraded,
        Phase::Stopped,
        Phase::Maintenance,
        Phase::Restoring,
        Phase::Held,
        Phase::Retired,
        Phase::Ejected,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Pending => "Pending",
            Phase::Creating => "Creating",
            Phase::Ready => "Ready",
            Phase::Degraded => "Degraded",
            Phase::Stopped => "Stopped",
            Phase::Maintenance => "Maintenance",
            Phase::Restoring => "Restoring",
            Phase::Held => "Held",
            Phase::Retired => "Retired",
            Phase::Ejected => "Ejected",
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The state of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody can tell.
    Unknown,
}

/// One aspect of a database (`Ready`, `InSync`, `DataSafe`), after Kubernetes' conditions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which aspect.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// One word why.
    pub reason: String,
    /// One line why.
    pub message: String,
    /// When the status last changed.
    pub last_transition_time: Timestamp,
}

/// One database as `get -o json` shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseView {
    /// Its name.
    pub name: DbName,
    /// Its identity.
    pub uid: Uid,
    /// Its engine.
    pub engine: EngineKind,
    /// The image: display name.
    pub image: String,
    /// The image: reference.
    pub image_reference: String,
    /// The image: pinned id.
    pub image_id: Option<String>,
    /// The server's own version, once it answered.
    pub version: Option<String>,
    /// First host port.
    pub port: u16,
    /// The host address where it is bound now, if not the one of the settings.
    #[serde(skip)]
    pub bound: Option<IpAddr>,
    /// Host name for its users.
    pub host: String,
    /// Memory limit, as specs write it.
    pub memory: String,
    /// What it is.
    pub phase: Phase,
    /// Why it is not plainly Ready.
    pub reason: Option<Reason>,
    /// One line about that.
    pub message: String,
    /// Whether it answers.
    pub ready: bool,
    /// Its owner.
    pub owner: String,
    /// Whom to write to about it.
    #[serde(default)]
    pub contact: String,
    /// When its life ends, if that is set.
    #[serde(default)]
    pub life_ends: Option<Timestamp>,
    /// Where its spec comes from.
    pub source: String,
    /// Accepted changes of the spec.
    pub generation: u64,
    /// The generation that what runs agrees with.
    pub observed_generation: u64,
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// A person's word in force over the spec.
    pub overridden: Option<Override>,
    /// Whether that is a word over the whole host, and not over this database.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole_host: bool,
    /// The container's id.
    pub container: Option<String>,
    /// The data folder.
    pub data_dir: String,
    /// Open connections, where known.
    pub connections: Option<u32>,
    /// What was kept for people when it was given up, as long as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// What is held, and until when.
    pub held: Vec<Held>,
    /// What is being done or about to be.
    pub lane: Option<Lane>,
    /// What is to become of it besides that, where it takes its server away or its data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coming: Vec<Coming>,
    /// Why "nothing happens": what was last seen of each part, one line each.
    pub seen: Vec<String>,
    /// How long it may be away, from what was measured here.
    #[serde(default)]
    pub expected: Expectations,
    /// Its data volume.
    #[serde(default)]
    pub volume: String,
    /// What its data takes, once that was measured.
    #[serde(default)]
    pub disk: Option<DiskUse>,
    /// Its newest backups.
    #[serde(default)]
    pub backup: NewestBackups,
}

/// The newest backups of a database, by the instant that they stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewestBackups {
    /// The newest one that is whole.
    pub last: Option<Timestamp>,
    /// The newest one that was proven by a restore.
    pub last_verified: Option<Timestamp>,
}

/// Everything the API shows, taken at one instant.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// When it was taken.
    pub at: Option<Timestamp>,
    /// The databases, `mydb_admin` last.
    pub databases: Vec<DatabaseView>,
    /// What is wrong with specs and files, one line each.
    pub problems: Vec<super::Problem>,
    /// Whether Docker answers; otherwise what it said.
    pub docker: Option<String>,
    /// Whether the first pass over all databases is done.
    pub first_pass_done: bool,
    /// Entries of the ledger not yet in the tables.
    pub tables_behind: u64,
    /// Why the tables are left alone, if they are: a person is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables_harm: Option<String>,
    /// What is wrong with the journal, as long as it cannot be written back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal_harm: Option<String>,
    /// How often the log was found altered, and nobody has acknowledged it.
    #[serde(default)]
    pub log_harms: u64,
    /// Why nothing is removed or retired, if it is not, one line each: something that lives is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frozen: Vec<String>,
    /// What is known and not as it should be, found while nothing was removed or retired: it is no reason
    /// to wait.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
    /// Whether it is still to be found out if all that lives is known: nothing is removed or retired until
    /// then.
    #[serde(default)]
    pub comparing: bool,
    /// How `mydb_admin` comes back, from the decision on until all that lives is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<ComesBack>,
    /// The data volumes, as far as they could be measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeView>,
    /// Stores that the journal does not reach now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unshipped: Vec<Unshipped>,
    /// The mode: `prod`, `dev`, `test`, `demo`.
    pub mode: String,
    /// The instance's id.
    pub instance: String,
}

/// What is known of a database, and not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Remark {
    /// Whose.
    pub name: DbName,
    /// What.
    pub what: String,
    /// Whether it is an event: something went away.
    pub notable: bool,
}

/// How `mydb_admin` comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "how")]
pub enum ComesBack {
    /// From a backup.
    Restore {
        /// Which.
        from: BackupId,
        /// When it was taken.
        taken: Option<Timestamp>,
        /// Whether it was restored before, to prove it.
        proven: bool,
        /// How often that failed since it last came back.
        failed: u32,
        /// The entry of the log that the backup was begun with, where that is known.
        entry: Option<u64>,
        /// The last entry of the log.
        head: u64,
    },
    /// Empty, and filled from the journal.
    StartOver {
        /// The last entry of the log.
        head: u64,
    },
    /// Its data is whole: only db4sci's own login is set again.
    LetIn,
}

/// What was kept of a database that is given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Its folder, as an absolute path.
    pub folder: String,
    /// The files in it, by name.
    pub files: Vec<String>,
    /// Where the data lies that it is about, if that was moved out of its place: db4sci removes nothing
    /// there but with a database's own data, long after it was retired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

impl DatabaseView {
    /// The kind of the condition that says whether its backups are new enough.
    pub const BACKUP_FRESH: &str = "BackupFresh";

    /// The kind of the condition that says whether its life goes on.
    pub const WITHIN_LIFE: &str = "WithinLife";
    /// The reason of that condition in the month before the end.
    pub const ENDS_SOON: &str = "EndsSoon";
    /// The kind of the condition that says whether protected health information is protected.
    pub const PROTECTED: &str = "Protected";
    /// The kind of the condition that says whether somebody can be written to.
    pub const CONTACT_KNOWN: &str = "ContactKnown";
    /// The kind of the condition that says whether its owner has no more than is allowed.
    pub const WITHIN_LIMITS: &str = "WithinLimits";
    /// All that owner and admins are told of in the long run.
    pub const STEWARDSHIP: [&str; 4] = [
        Self::WITHIN_LIFE,
        Self::PROTECTED,
        Self::CONTACT_KNOWN,
        Self::WITHIN_LIMITS,
    ];

    /// Whether its backups are new enough, where that is known.
    pub fn backup_fresh(&self) -> Option<&Condition> {
        self.condition(Self::BACKUP_FRESH)
    }

    /// The condition of a kind, if it has one.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|c| c.kind == kind)
    }
}

/// A store that the journal does not reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unshipped {
    /// The store.
    pub store: String,
    /// Accepted changes that are not known to be there.
    pub entries: u64,
    /// Since when.
    pub since: Timestamp,
    /// What it said last.
    pub why: String,
}

/// One backup as `backup list -o json` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupView {
    /// Its id.
    pub id: BackupId,
    /// The instant it stands for.
    pub slot: Slot,
    /// The attempt at it.
    pub attempt: u32,
    /// Whose it is.
    pub name: DbName,
    /// The database's identity then.
    pub uid: Uid,
    /// Why it was taken.
    pub kind: BackupKind,
    /// Its store.
    pub store: String,
    /// How far it got.
    pub state: BackupState,
    /// Bytes in the store.
    pub bytes: u64,
    /// When it was begun.
    pub started: Timestamp,
    /// When it was stored, or given up.
    pub finished: Option<Timestamp>,
    /// When it was last restored to prove it.
    pub verified: Option<Timestamp>,
    /// What keeps it.
    pub kept_because: Vec<String>,
    /// Where it is.
    pub url: String,
    /// Why it failed or is damaged.
    pub error: Option<String>,
    /// What a person said.
    pub note: String,
}

impl BackupView {
    /// The view of a backup.
    pub fn of(backup: &Backup, kept_because: Vec<String>) -> Self {
        let backup = backup.clone();
        BackupView {
            slot: backup.id.slot,
            attempt: backup.id.attempt,
            name: backup.id.name.clone(),
            store: backup.id.store.clone(),
            id: backup.id,
            uid: backup.uid,
            kind: backup.kind,
            state: backup.state,
            bytes: backup.bytes,
            started: backup.started,
            finished: backup.finished,
            verified: backup.verified,
            kept_because,
            url: backup.url,
            error: backup.error,
            note: backup.note,
        }
    }
}
