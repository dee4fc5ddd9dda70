//! The book: what is the case according to the ledger, as the fold of its entries.
//!
//! Pure. [`Book::check`] holds the rules that a new entry must meet; [`Book::apply`] brings in an
//! entry that is accepted already, and objects only to what makes no sense at all, so that a rule
//! added later never makes an old journal unreadable.

mod check;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::admin::journal::Head;
use crate::model::action::START;
use crate::model::view::Phase;
use crate::model::{
    Backup, BackupId, BackupState, Change, Database, DbName, Entry, KeptSecret, KeptSecrets,
    Outcome, Override, Reason, Timestamp, WantedState, Who,
};

/// A change somebody wants to be accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEntry {
    /// Who wants it.
    pub who: Who,
    /// The database, if it concerns one.
    pub name: Option<DbName>,
    /// How it ended.
    pub outcome: Outcome,
    /// What happened, for people; one line, no secret.
    pub message: String,
    /// What it changes.
    pub change: Change,
}

impl NewEntry {
    /// One of the daemon's own about a database.
    pub fn of(name: &DbName, outcome: Outcome, message: String, change: Change) -> Self {
        NewEntry {
            who: Who::Daemon,
            name: Some(name.clone()),
            outcome,
            message,
            change,
        }
    }
}

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
}

/// The fold of all entries. Cheap to clone: rows are shared until they change.
#[derive(Debug, Clone, PartialEq)]
pub struct Book {
    rows: BTreeMap<DbName, Arc<Row>>,
    unborn: BTreeMap<DbName, Arc<Vec<String>>>,
    head: Head,
}

impl Book {
    /// Before the first entry.
    pub fn new() -> Self {
        Book {
            rows: BTreeMap::new(),
            unborn: BTreeMap::new(),
            head: Head::GENESIS,
        }
    }

    /// All databases that were ever admitted, by name.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (&DbName, &Row)> {
        self.rows.iter().map(|(name, row)| (name, row.as_ref()))
    }

    /// One database.
    pub fn row(&self, name: &DbName) -> Option<&Row> {
        self.rows.get(name).map(Arc::as_ref)
    }

    /// Names whose first spec was refused, with its problems.
    pub fn unborn(&self) -> impl ExactSizeIterator<Item = (&DbName, &[String])> {
        self.unborn.iter().map(|(name, why)| (name, why.as_slice()))
    }

    /// Number and checksum of the last entry. The checksum is the genesis one until the entry's
    /// record is known.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Brings in the next accepted entry.
    ///
    /// # Errors
    /// When its number is not the next one, or it speaks of a database that is not there. The book
    /// is then as it was.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), String> {
        if entry.seq != self.head.seq + 1 {
            return Err(format!(
                "entry {} cannot follow entry {}",
                entry.seq, self.head.seq
            ));
        }
        self.fold(entry)?;
        self.head.seq = entry.seq;
        Ok(())
    }

    /// Says which checksum belongs to the last entry.
    pub(crate) fn seal(&mut self, head: Head) {
        self.head = head;
    }

    fn fold(&mut self, entry: &Entry) -> Result<(), String> {
        let at = entry.at;
        match &entry.change {
            Change::Admitted { database } => self.admit(at, database),
            Change::SpecRefused { problems, .. } => {
                if let Some(name) = &entry.name {
                    self.refuse(name, problems);
                }
            }
            Change::ImagePinned { uid: _, image } => {
                self.change(entry)?.database.image.pinned = Some(image.clone());
            }
            Change::Sealed { uid: _, secrets } => {
                let row = self.change(entry)?;
                for (name, sealed) in secrets {
                    let next = row.secrets.remove(name).and_then(|kept| kept.next);
                    let sealed = sealed.clone();
                    row.secrets
                        .insert(name.clone(), KeptSecret { sealed, next });
                }
            }
            Change::SecretsOffered { uid: _, secrets } => {
                let row = self.change(entry)?;
                for (name, sealed) in secrets {
                    if let Some(kept) = row.secrets.get_mut(name) {
                        kept.next = Some(sealed.clone());
                    }
                }
            }
            Change::PasswordShown { uid: _ } => {
                self.change(entry)?.password_shown = Some((at, entry.who.clone()));
            }
            Change::SecretsTaken { uid: _, names } => {
                let row = self.change(entry)?;
                row.password_shown = None;
                for name in names {
                    let kept = row.secrets.get_mut(name);
                    if let Some((kept, next)) = kept.and_then(|k| k.next.take().map(|n| (k, n))) {
                        kept.sealed = next;
                    }
                }
            }
            Change::Initialised { uid: _ } => {
                let row = self.change(entry)?;
                row.initialised = true;
                row.initialised_at.get_or_insert(at);
            }
            Change::Backup { backup } => {
                let row = self.change(entry)?;
                if backup.state == BackupState::Running {
                    row.backup_begun = entry.seq;
                }
                row.backups.insert(backup.id.clone(), (**backup).clone());
                forget_failures(&mut row.backups);
            }
            Change::BackupRemoved { uid: _, id } => {
                self.change(entry)?.backups.remove(id);
            }
            Change::RestoreBegan {
                uid: _,
                from,
                aside,
            } => {
                self.change(entry)?.restoring = Some((from.clone(), aside.clone()));
            }
            Change::RestoreEnded { uid: _ } => {
                let row = self.change(entry)?;
                row.restoring = None;
                row.recover &= entry.outcome != Outcome::Done;
            }
            Change::RecoverAsked { uid: _ } => self.change(entry)?.recover = true,
            Change::Retired { uid: _, backup } => {
                self.change(entry)?.retired = Some((at, backup.clone()));
            }
            Change::StartedOver { uid: _ } => {
                let row = self.change(entry)?;
                (row.initialised, row.initialised_at) = (false, None);
                row.quarantined = None;
            }
            Change::Overridden { by } => self.change(entry)?.over = Some(by.clone()),
            Change::Resumed => self.change(entry)?.over = None,
            Change::RestartAsked => self.change(entry)?.restart_asked = Some(at),
            Change::RetryAsked => {
                let row = self.change(entry)?;
                row.retry_asked = Some(at);
                row.quarantined = None;
            }
            Change::Quarantined { why } => {
                self.change(entry)?.quarantined = Some((at, why.clone()));
            }
            Change::Observed { phase, reason } => {
                let row = self.change(entry)?;
                if (row.phase, row.reason) != (*phase, *reason) {
                    row.since = at;
                }
                (row.phase, row.reason) = (*phase, *reason);
                row.message.clone_from(&entry.message);
            }
            Change::Acted { action } if action == START && entry.outcome == Outcome::Done => {
                let waits = |row: &Row| row.restart_asked.is_some();
                if entry
                    .name
                    .as_ref()
                    .and_then(|n| self.row(n))
                    .is_some_and(waits)
                {
                    self.change(entry)?.restart_asked = None;
                }
            }
            // These change tables and the log, not what should be.
            Change::Inspected { .. }
            | Change::Intended { .. }
            | Change::Acted { .. }
            | Change::Noted => {}
        }
        Ok(())
    }

    fn change(&mut self, entry: &Entry) -> Result<&mut Row, String> {
        let kind = entry.change.kind();
        let name = entry
            .name
            .as_ref()
            .ok_or_else(|| format!("`{kind}` names no database"))?;
        self.rows
            .get_mut(name)
            .map(Arc::make_mut)
            .ok_or_else(|| format!("`{kind}`: there is no database `{name}`"))
    }

    fn admit(&mut self, at: Timestamp, database: &Database) {
        self.unborn.remove(&database.name);
        match self.rows.get_mut(&database.name).map(Arc::make_mut) {
            Some(row) => {
                let old = std::mem::replace(&mut row.database, database.clone());
                // The pin may have been made after the spec was read: the same reference keeps it.
                let image = &mut row.database.image;
                if image.pinned.is_none() && image.reference == old.image.reference {
                    image.pinned = old.image.pinned;
                }
                row.admitted_at = at;
                row.refused = None;
                if database.state != WantedState::Retired {
                    row.retired = None;
                }
            }
            None => {
                let row = Row::new(database.clone(), at);
                self.rows.insert(database.name.clone(), Arc::new(row));
            }
        }
    }

    fn refuse(&mut self, name: &DbName, problems: &[String]) {
        let problems = (!problems.is_empty()).then(|| problems.to_vec());
        match (self.rows.get_mut(name).map(Arc::make_mut), problems) {
            (Some(row), problems) => row.refused = problems,
            (None, Some(problems)) => {
                self.unborn.insert(name.clone(), Arc::new(problems));
            }
            (None, None) => {
                self.unborn.remove(name);
            }
        }
    }
}

/// Of attempts that came to nothing only the newest are remembered; the log has them all.
fn forget_failures(backups: &mut BTreeMap<BackupId, Backup>) {
    const MOST: usize = 20;
    let failed = |b: &&Backup| b.state == BackupState::Failed;
    let mut old: Vec<_> = backups
        .values()
        .filter(failed)
        .map(|b| (b.started, b.id.clone()))
        .collect();
    old.sort();
    old.truncate(old.len().saturating_sub(MOST));
    for (_, id) in old {
        backups.remove(&id);
    }
}

impl Default for Book {
    fn default() -> Self {
        Book::new()
    }
}

#[cfg(test)]
mod tests;
