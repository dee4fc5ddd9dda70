//! How long a backup is kept is a person's to say, up to the moment in which retention removes it.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Desk;
use crate::admin::{LedgerError, NewEntry};
use crate::model::{BackupId, Change, Outcome, Timestamp, Uid, Who};

/// Backups of which it is being decided whether they stay: by one at a time.
#[derive(Default)]
pub(super) struct Claims(Mutex<BTreeSet<BackupId>>);

/// A backup's claim; it ends when this is dropped.
pub(super) struct Claim<'a> {
    claims: &'a Claims,
    id: BackupId,
}

impl Claims {
    fn all(&self) -> MutexGuard<'_, BTreeSet<BackupId>> {
        // No code panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims a backup, if nobody has.
    pub(super) fn take(&self, id: &BackupId) -> Option<Claim<'_>> {
        let taken = self.all().insert(id.clone());
        taken.then(|| Claim {
            claims: self,
            id: id.clone(),
        })
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.claims.all().remove(&self.id);
    }
}

impl Desk {
    /// Keeps a backup of a database until an instant, or as the retention says; what was done, for people. `why`
    /// stands after that in the log.
    ///
    /// # Errors
    /// `Refused` when there is none any more, or when it is being removed; as
    /// [`crate::admin::Ledger::append`].
    pub async fn keep(
        &self,
        who: Who,
        uid: Uid,
        id: &BackupId,
        until: Option<Timestamp>,
        note: Option<String>,
        why: &str,
    ) -> Result<String, LedgerError> {
        // From here on retention leaves it alone.
        let Some(_claim) = self.claims.take(id) else {
            let why = format!("{id} is being removed, or kept, at this moment; try again");
            return Err(LedgerError::Refused(why));
        };
        // As it is now: whoever asked may have waited for the directory to say who that is.
        let book = self.ledger.book();
        let found = book.holder_of(id).filter(|(_, b)| b.state.good());
        let found = found.filter(|(row, _)| row.database.uid == uid);
        let Some((row, known)) = found else {
            let why = format!(
                "there is no backup {id} any more; see: db4sci backup list {}",
                id.name
            );
            return Err(LedgerError::Refused(why));
        };
        let mut backup = known.clone();
        backup.keep_until = until;
        if let Some(note) = note {
            backup.note = note;
        }
        let message = match until {
            Some(until) => format!("{id} is kept until {}", until.format("%F %T UTC")),
            None => format!("{id} is kept as the retention says"),
        };
        let name = &row.database.name;
        let change = Change::Backup {
            backup: Box::new(backup),
        };
        let mut entry = NewEntry::of(name, Outcome::Done, format!("{message}{why}"), change);
        entry.who = who;
        self.ledger.append(entry).await?;
        self.queue.add(name);
        Ok(message)
    }
}
