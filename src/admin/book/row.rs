//! What is known of one database.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::model::view::Phase;
use crate::model::{
    Backup, BackupId, Database, End, KeptSecrets, Override, Reason, Timestamp, Tombstone,
    WantedState, Who,
};

/// Everything the ledger says about one database.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The last good spec, with all defaults.
    pub database: Database,
    /// When that was admitted.
    pub admitted_at: Timestamp,
    /// Its sealed secrets.
    pub secrets: KeptSecrets,
    /// When the account's password was shown, and to whom. Ended by another password.
    pub password_shown: Option<(Timestamp, Who)>,
    /// Whether its first start was finished: it has data.
    pub initialised: bool,
    /// Since when, if it was.
    pub initialised_at: Option<Timestamp>,
    /// Its backups, those of an earlier database of this name included.
    pub backups: BTreeMap<BackupId, Backup>,
    /// The restore in place that is under way: what is restored, and where the data that was there
    /// is kept.
    pub restoring: Option<(BackupId, PathBuf)>,
    /// The entry that its last backup was begun with; 0: none was.
    pub backup_begun: u64,
    /// Whether lost data is to come back by itself, whatever the spec says.
    pub recover: bool,
    /// Since when it is retired, and with which final backup. Ended by another wanted state.
    pub retired: Option<(Timestamp, Option<BackupId>)>,
    /// Whether the stores say so, too.
    pub tombstone: Tombstone,
    /// How far it is gone, long after it was retired.
    pub end: Option<End>,
    /// When the last override ended.
    pub resumed_at: Option<Timestamp>,
    /// A person's override in force. Ended by `Resumed`, never by the clock alone.
    pub over: Option<Override>,
    /// Since when and why it is left alone. Ended by `RetryAsked`.
    pub quarantined: Option<(Timestamp, String)>,
    /// Problems of a newer spec that was refused. Ended by a good one.
    pub refused: Option<Vec<String>>,
    /// The phase last observed.
    pub phase: Phase,
    /// Its reason.
    pub reason: Option<Reason>,
    /// One line about it.
    pub message: String,
    /// Since when that is so.
    pub since: Timestamp,
    /// When a person last asked for a restart. Ended by the next start, whatever the clock says
    /// about the two.
    pub restart_asked: Option<Timestamp>,
    /// When a person last asked to forget failed attempts.
    pub retry_asked: Option<Timestamp>,
}

impl Row {
    /// A database that was just admitted.
    pub fn new(database: Database, at: Timestamp) -> Self {
        Row {
            database,
            admitted_at: at,
            secrets: KeptSecrets::new(),
            password_shown: None,
            initialised: false,
            initialised_at: None,
            backups: BTreeMap::new(),
            restoring: None,
            backup_begun: 0,
            recover: false,
            retired: None,
            tombstone: Tombstone::None,
            end: None,
            resumed_at: None,
            over: None,
            quarantined: None,
            refused: None,
            phase: Phase::Pending,
            reason: None,
            message: String::new(),
            since: at,
            restart_asked: None,
            retry_asked: None,
        }
    }

    /// The state that is in force: the override's, otherwise the spec's.
    pub fn wanted(&self) -> WantedState {
        use crate::model::OverrideState;
        match self.over.as_ref().map(|over| over.state) {
            Some(OverrideState::Running) => WantedState::Running,
            Some(OverrideState::Stopped) => WantedState::Stopped,
            Some(OverrideState::Maintenance) => WantedState::Maintenance,
            None => self.database.state,
        }
    }

    /// Since when it is to be retired, if it is: whatever it was before, an override that ended since
    /// let it be written to.
    pub fn retire_asked(&self) -> Timestamp {
        self.resumed_at
            .map_or(self.admitted_at, |at| at.max(self.admitted_at))
    }

    /// Why nothing can be wanted of a database that is gone, or on its way.
    pub fn gone(&self) -> Option<String> {
        let name = &self.database.name;
        let back = match &self.retired {
            Some((_, Some(last))) => {
                format!("its last backup is {last}: db4sci restore {name} --from {last} --as NEW")
            }
            Some((_, None)) | None => "it never had data".to_owned(),
        };
        Some(match self.end? {
            End::Removing => {
                format!("`{name}` was retired, and its data is being removed; {back}")
            }
            End::Removed(at) => format!(
                "`{name}` was retired, and its data removed at {}; {back}. To let another database \
                 have the name: db4sci delete {name} --forget",
                at.format("%F %T UTC")
            ),
        })
    }

    /// Why no override can be put over it: what a retired database would write is in no final backup.
    pub fn over_refused(&self) -> Option<String> {
        let name = &self.database.name;
        let retired = self
            .retired
            .as_ref()
            .map(|_| format!("`{name}` is retired; take it back first: db4sci undelete {name}"));
        self.gone().or(retired)
    }
}
