//! Backups: what a spec wants of them, and what is known of each one.

use std::fmt;
use std::str::FromStr;

use chrono::{NaiveDateTime, SubsecRound};
use serde::{Deserialize, Serialize};

use super::{DbName, Timestamp, Uid};

/// What a spec wants, every default resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupPolicy {
    /// When.
    pub schedule: Schedule,
    /// In which hours; of no meaning with a cron expression.
    pub window: BackupWindow,
    /// The stores, by their names in the settings; none named means all.
    pub stores: Vec<String>,
    /// What is kept.
    pub retention: Retention,
    /// The most work that may be lost, in minutes.
    pub rpo_minutes: u32,
    /// How often one is restored to prove it.
    pub verify: Verify,
}

impl Default for BackupPolicy {
    fn default() -> Self {
        BackupPolicy {
            schedule: Schedule::Daily,
            window: BackupWindow::AfterHours,
            stores: Vec::new(),
            retention: Retention::default(),
            rpo_minutes: 26 * 60,
            verify: Verify::Weekly,
        }
    }
}

/// How often backups are taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Schedule {
    /// Once a day.
    Daily,
    /// Once a week.
    Weekly,
    /// Not at all.
    Never,
    /// By a cron expression of five fields, in the database's time zone.
    Cron(String),
}

/// When backups are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum BackupWindow {
    /// At any time.
    Any,
    /// From 22:00 to 05:00.
    AfterHours,
    /// On Saturday or Sunday.
    Weekend,
}

/// How often a backup is restored to prove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Verify {
    /// Every one.
    Always,
    /// One a week.
    Weekly,
    /// One a month.
    Monthly,
    /// None.
    Never,
}

/// What is kept; the newest verified one is kept whatever this says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// The newest ones.
    pub last: u32,
    /// One of each of so many days.
    pub daily: u32,
    /// One of each of so many weeks.
    pub weekly: u32,
    /// One of each of so many months.
    pub monthly: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Retention {
            last: 3,
            daily: 14,
            weekly: 8,
            monthly: 6,
        }
    }
}

/// The instant that a backup stands for: the one it was due at, whenever it was taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slot(Timestamp);

const SLOT: &str = "%Y%m%dT%H%M%SZ";
/// Characters of a slot.
const WIDTH: usize = 16;

impl Slot {
    /// The slot of an instant: its whole second.
    pub fn at(at: Timestamp) -> Self {
        Slot(at.trunc_subsecs(0))
    }

    /// The instant.
    pub fn instant(self) -> Timestamp {
        self.0
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.format(SLOT).to_string())
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Slot {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        // As it is written and no other way: no year of more digits, no leap second.
        let read = NaiveDateTime::parse_from_str(s, SLOT).ok();
        let read = read.map(|at| Slot::at(at.and_utc()));
        read.filter(|slot| s.len() == WIDTH && slot.to_string() == s)
            .ok_or_else(|| format!("`{}` is no slot such as 20261122T021500Z", s.escape_debug()))
    }
}

impl TryFrom<String> for Slot {
    type Error = String;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<Slot> for String {
    fn from(slot: Slot) -> String {
        slot.to_string()
    }
}

/// One backup in one store: `genomics-20261122T021500Z-1@local`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BackupId {
    /// Whose it is.
    pub name: DbName,
    /// The instant it stands for.
    pub slot: Slot,
    /// Counts the attempts at a slot, from 1: a second one never meets the first.
    pub attempt: u32,
    /// The store, by its name in the settings.
    pub store: String,
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BackupId {
            name,
            slot,
            attempt,
            store,
        } = self;
        f.pad(&format!("{name}-{slot}-{attempt}@{store}"))
    }
}

impl fmt::Debug for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for BackupId {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (front, store) = s.rsplit_once('@')?;
            let (front, attempt) = front.rsplit_once('-')?;
            let (name, slot) = front.rsplit_once('-')?;
            Some(BackupId {
                name: name.parse().ok()?,
                slot: slot.parse().ok()?,
                attempt: attempt.parse().ok()?,
                store: (!store.is_empty()).then(|| store.to_owned())?,
            })
        };
        read().ok_or_else(|| {
            format!(
                "`{}` is no backup's id such as genomics-20261122T021500Z-1@local; see: db4sci \
                 backup list",
                s.escape_debug()
            )
        })
    }
}

impl TryFrom<String> for BackupId {
    type Error = String;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<BackupId> for String {
    fn from(id: BackupId) -> String {
        id.to_string()
    }
}

/// Why a backup was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BackupKind {
    /// It was due.
    Scheduled,
    /// A person asked for it.
    Manual,
    /// Before a restore in place: what the restore takes away.
    BeforeRestore,
    /// In place of one that could not be restored.
    Again,
    /// Before its database is retired: the last one.
    Final,
    /// The same of a server that can no longer be dumped: a copy of its files, at rest.
    Files,
}

impl BackupKind {
    /// Whether a database may be retired on it.
    pub fn is_last(self) -> bool {
        matches!(self, BackupKind::Final | BackupKind::Files)
    }

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            BackupKind::Scheduled => "scheduled",
            BackupKind::Manual => "manual",
            BackupKind::BeforeRestore => "before restore",
            BackupKind::Again => "again",
            BackupKind::Final => "final",
            BackupKind::Files => "files",
        }
    }
}

/// How far a backup got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BackupState {
    /// It is being taken. Ended by `Stored` or `Failed`; a daemon that starts ends those of its
    /// predecessor.
    Running,
    /// It lies in its store whole: every object was read back. Not restored yet.
    Stored,
    /// It was restored into a throwaway container, and its contents agreed.
    Verified,
    /// It was not taken; nothing of it counts.
    Failed,
    /// It was stored, and could not be restored. Never used, never counted.
    Damaged,
}

impl BackupState {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            BackupState::Running => "Running",
            BackupState::Stored => "Stored",
            BackupState::Verified => "Verified",
            BackupState::Failed => "Failed",
            BackupState::Damaged => "Damaged",
        }
    }

    /// Whether it counts as a backup.
    pub fn good(self) -> bool {
        match self {
            BackupState::Stored | BackupState::Verified => true,
            BackupState::Running | BackupState::Failed | BackupState::Damaged => false,
        }
    }
}

/// What is known of one backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// Its id.
    pub id: BackupId,
    /// The database's identity: a database made again under an old name has another one.
    pub uid: Uid,
    /// Why it was taken.
    pub kind: BackupKind,
    /// How far it got.
    pub state: BackupState,
    /// When it was begun.
    pub started: Timestamp,
    /// When it was stored, or given up.
    pub finished: Option<Timestamp>,
    /// When it was last restored to prove it.
    pub verified: Option<Timestamp>,
    /// Bytes in the store.
    pub bytes: u64,
    /// SHA-256 of the manifest, which holds those of all files.
    pub sha256: Option<String>,
    /// Where it is, for people; empty of one that was never begun, since its store did not answer.
    pub url: String,
    /// Why it failed or is damaged.
    pub error: Option<String>,
    /// Kept until then, whatever the retention says.
    pub keep_until: Option<Timestamp>,
    /// What a person said about it.
    pub note: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_as_it_is_written() {
        for text in [
            "genomics-20261122T021500Z-1@local",
            "a-b_c-20261122T021500Z-12@off-site@x",
        ] {
            let id: Result<BackupId, _> = text.parse();
            match id {
                Ok(id) => assert_eq!(id.to_string(), text),
                Err(_) => assert!(text.contains("@x"), "{text}"),
            }
        }
        for text in ["", "genomics", "genomics-1@local", "x-20261122T021500Z-1@"] {
            assert!(text.parse::<BackupId>().is_err(), "{text}");
        }
    }
}
