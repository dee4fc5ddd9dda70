//! The book: what is the case according to the ledger, as the fold of its entries.
//!
//! Pure. [`Book::check`] holds the rules that a new entry must meet; [`Book::apply`] brings in an
//! entry that is accepted already, and objects only to what makes no sense at all, so that a rule
//! added later never makes an old journal unreadable.

mod accounts;
mod check;
mod chosen;
mod eject;
mod entry;
mod harm;
mod names;
mod row;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use entry::NewEntry;
pub use row::{Approved, Row};

use crate::admin::journal::Head;
use crate::model::action::START;
use crate::model::audit::LogHarm;
use crate::model::{
    Backup, BackupId, BackupState, Change, Database, DbName, End, Entry, Notice, Outcome, Override,
    Timestamp, Tombstone, WantedState,
};

/// The steps that lanes end with which take a server away, or bring it back.
const ENDS: [&str; 3] = [START, "stop", "remove"];

/// The fold of all entries. Cheap to clone: rows are shared until they change.
#[derive(Debug, Clone, PartialEq)]
pub struct Book {
    rows: BTreeMap<DbName, Arc<Row>>,
    unborn: BTreeMap<DbName, Arc<Vec<String>>>,
    /// Backups of databases whose names are free again.
    forgotten: BTreeMap<DbName, BTreeMap<BackupId, Backup>>,
    /// Hands off the whole host; stands in every row, too.
    host: Option<Override>,
    /// Harm of the log that nobody has acknowledged.
    log_harms: Arc<Vec<LogHarm>>,
    /// The last entry that tells of harm; 0: none does.
    harm: u64,
    /// When a person last decided about other histories in a store, or (`None`) in all of them.
    chosen: Arc<BTreeMap<Option<String>, Timestamp>>,
    head: Head,
}

impl Book {
    /// Before the first entry.
    pub fn new() -> Self {
        Book {
            rows: BTreeMap::new(),
            unborn: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            host: None,
            log_harms: Arc::default(),
            harm: 0,
            chosen: Arc::default(),
            head: Head::GENESIS,
        }
    }

    /// All databases that were ever admitted, by name.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (&DbName, &Row)> {
        self.rows.iter().map(|(name, row)| (name, row.as_ref()))
    }

    /// How many databases can be disrupted: those that are neither retired, removed nor released.
    pub fn alive(&self) -> usize {
        let rows = self.rows.values();
        rows.filter(|row| row.end.is_none() && row.retired.is_none())
            .count()
    }

    /// One database.
    pub fn row(&self, name: &DbName) -> Option<&Row> {
        self.rows.get(name).map(Arc::as_ref)
    }

    /// One database, to keep: it does not change with the book.
    pub fn kept_row(&self, name: &DbName) -> Option<Arc<Row>> {
        self.rows.get(name).cloned()
    }

    /// Hands off the whole host, if they are.
    pub fn host(&self) -> Option<&Override> {
        self.host.as_ref()
    }

    /// Harm of the log that nobody has acknowledged, oldest first.
    pub fn log_harms(&self) -> &[LogHarm] {
        &self.log_harms
    }

    /// Backups of names that are free again.
    pub fn forgotten(&self) -> impl Iterator<Item = &BackupId> {
        self.forgotten.values().flat_map(BTreeMap::keys)
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
        self.note_harm(entry);
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
                let database = &mut self.change(entry)?.database;
                Arc::make_mut(database).image.pinned = Some(image.clone());
            }
            Change::DataIdentified { uid: _, identity } => {
                self.change(entry)?.identity = Some(identity.clone());
            }
            Change::Sealed { .. }
            | Change::SecretsOffered { .. }
            | Change::SecretsTaken { .. }
            | Change::PasswordShown { .. }
            | Change::AccountWanted { .. }
            | Change::AccountMade { .. }
            | Change::AccountUnwanted { .. }
            | Change::AccountGone { .. } => self.fold_secrets(entry)?,
            Change::Initialised { uid: _ } => {
                let row = self.change(entry)?;
                row.initialised = true;
                row.initialised_at.get_or_insert(at);
            }
            Change::Backup { backup } => {
                let row = self.change(entry)?;
                if backup.state == BackupState::Running {
                    row.backup_begun = entry.seq;
                    row.began.insert(backup.id.clone(), entry.seq);
                    row.begin_backup();
                }
                row.backups.insert(backup.id.clone(), (**backup).clone());
                forget_failures(&mut row.backups);
            }
            Change::BackupRemoved { uid: _, id } => {
                let row = self.change(entry)?;
                row.backups.remove(id);
                row.began.remove(id);
            }
            Change::RestoreBegan {
                uid: _,
                from,
                aside,
            } => {
                let row = self.change(entry)?;
                row.restoring = Some((from.clone(), aside.clone()));
                // The old data or the new one: whichever answers next is called by its name.
                row.identity = None;
            }
            Change::RestoreEnded { uid: _ } => {
                let row = self.change(entry)?;
                let from = row.restoring.take();
                row.data_returned(from.as_ref().map(|(from, _)| from), at);
                row.identity = None;
                row.recover &= entry.outcome != Outcome::Done;
            }
            Change::RecoverAsked { uid: _ } => {
                let row = self.change(entry)?;
                row.recover = true;
                // The memory may be older than the data's last restore.
                row.identity = None;
            }
            Change::Retired { uid: _, backup } => {
                let row = self.change(entry)?;
                row.retired = Some((at, backup.clone()));
                row.tombstone = Tombstone::Due;
            }
            Change::TombstoneSet { uid: _ } => self.change(entry)?.tombstone = Tombstone::Lies,
            Change::TombstoneTaken { uid: _ } => self.change(entry)?.tombstone = Tombstone::None,
            Change::RemovalBegan { uid: _ } => self.change(entry)?.end = Some(End::Removing),
            Change::Removed { uid: _ } => self.change(entry)?.end = Some(End::Removed(at)),
            Change::Forgotten { uid: _ } => {
                self.change(entry)?;
                if let Some((name, row)) =
                    entry.name.as_ref().and_then(|n| self.rows.remove_entry(n))
                {
                    let old = self.forgotten.entry(name).or_default();
                    old.extend(row.backups.clone());
                }
            }
            Change::StartedOver { uid: _ } => {
                let row = self.change(entry)?;
                (row.initialised, row.initialised_at) = (false, None);
                // What failed with other data is forgotten, or it would be given up again at once.
                (row.identity, row.quarantined, row.retry_asked) = (None, None, Some(at));
            }
            Change::Overridden { by } => self.change(entry)?.over = Some(by.clone()),
            Change::Resumed { .. } => {
                let row = self.change(entry)?;
                row.over = None;
                row.resumed_at = Some(at);
                row.forget_finals();
            }
            Change::RestartAsked => self.change(entry)?.restart_asked = Some(at),
            Change::RetryAsked => {
                let row = self.change(entry)?;
                row.retry_asked = Some(at);
                row.quarantined = None;
            }
            Change::Released { .. } => {
                let row = self.change(entry)?;
                row.retry_asked = Some(at);
                if row.quarantined.take().is_none() {
                    row.identity = None;
                }
            }
            Change::Approved { uid: _, hash } => {
                self.change(entry)?.approved = Some(Approved {
                    hash: hash.clone(),
                    at,
                    who: entry.who.clone(),
                });
            }
            Change::ApprovalVoided { uid: _, hash } => {
                let row = self.change(entry)?;
                row.approved.take_if(|approved| approved.hash == *hash);
            }
            Change::HandsOff { by } => self.hands(Some(by)),
            Change::HandsOn { .. } => self.hands(None),
            Change::LogHarmed { findings } => Arc::make_mut(&mut self.log_harms).push(LogHarm {
                entry: entry.seq,
                at,
                findings: findings.clone(),
            }),
            Change::AuditAcknowledged { reason: _ } => self.log_harms = Arc::default(),
            Change::HistoryChosen { store, .. } => self.choose(store.as_ref(), at),
            Change::Intended {
                approval, disrupts, ..
            } => {
                // Steps of what was never admitted change nothing here.
                if let Some(row) = entry.name.as_ref().and_then(|n| self.rows.get_mut(n)) {
                    Arc::make_mut(row).begin(at, approval.as_ref(), *disrupts);
                }
            }
            Change::Quarantined { why } => {
                self.change(entry)?.quarantined = Some((at, why.clone()));
            }
            Change::Observed { phase, reason } => {
                let row = self.change(entry)?;
                row.observe(at, *phase, *reason, &entry.message);
            }
            Change::Acted { action }
                if ENDS.contains(&action.as_str()) && entry.outcome == Outcome::Done =>
            {
                let waits = |row: &Row| row.restart_asked.is_some() || row.under.is_some();
                let row = entry.name.as_ref().and_then(|n| self.rows.get_mut(n));
                if let Some(row) = row.filter(|row| waits(row)) {
                    Arc::make_mut(row).end_lane(action);
                }
            }
            Change::RenameBegan { uid: _, to, source } => self.begin_rename(entry, to, source)?,
            Change::Renamed { from, database } => self.rename(entry, from, database)?,
            Change::RenameEnded { uid: _ } => self.change(entry)?.renaming = None,
            Change::CopyBegan { uid: _, from } => {
                let brought = self.brought_by(from, at);
                let row = self.change(entry)?;
                (row.copying, row.accounts) = (Some(from.clone()), brought);
            }
            Change::CopyEnded { uid: _ } => self.end_copy(entry)?,
            Change::Noticed { uid: _, notice } => {
                let row = self.change(entry)?;
                row.told.note(notice);
                if let Notice::Enforced { .. } = notice {
                    row.enforce();
                    row.forget_finals();
                }
            }
            Change::Hibernated { uid: _, backup } => {
                self.change(entry)?.hibernates = Some(backup.clone());
            }
            Change::EjectBegan { uid: _, to } => self.begin_eject(entry, to)?,
            Change::Ejected { uid: _, to } => self.eject(entry, to)?,
            Change::EjectEnded { uid: _ } => self.change(entry)?.ejecting = None,
            // These change tables and the log, not what should be.
            Change::Inspected { .. } | Change::Acted { .. } | Change::Noted => {}
        }
        Ok(())
    }

    /// Hands are off the whole host, or on it again.
    fn hands(&mut self, off: Option<&Override>) {
        self.host = off.cloned();
        for row in self.rows.values_mut() {
            Arc::make_mut(row).host = off.cloned();
        }
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
                let mut database = database.clone();
                // The pin may have been made after the spec was read: the same reference keeps it.
                let (image, old) = (&mut database.image, &row.database.image);
                if image.pinned.is_none() && image.reference == old.reference {
                    image.pinned.clone_from(&old.pinned);
                }
                let state = database.state;
                row.replace(database);
                row.admitted_at = at;
                row.forget_finals();
                row.refused = None;
                row.approved = None;
                if state != WantedState::Retired {
                    row.retired = None;
                }
            }
            None => {
                let mut row = Row::new(database.clone(), at);
                row.enforce();
                row.host.clone_from(&self.host);
                // Those of an earlier database of this name outlive it.
                row.backups = self.forgotten.remove(&database.name).unwrap_or_default();
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
