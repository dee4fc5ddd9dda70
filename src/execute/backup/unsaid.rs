//! Ends that the ledger did not take: nothing goes on before they are written, and nobody but this
//! daemon knows of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Archive;
use crate::admin::{LedgerError, NewEntry};
use crate::model::{Change, DbName};

/// Entries that are to be written, by database.
#[derive(Default)]
pub struct Unsaid(Mutex<BTreeMap<DbName, Vec<NewEntry>>>);

impl Unsaid {
    fn all(&self) -> MutexGuard<'_, BTreeMap<DbName, Vec<NewEntry>>> {
        // No code panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something is to be written about a database.
    pub fn about(&self, name: &DbName) -> bool {
        self.all().contains_key(name)
    }

    fn keep(&self, entry: NewEntry) {
        if let Some(name) = entry.name.clone() {
            self.all().entry(name).or_default().push(entry);
        }
    }
}

impl Archive {
    /// Writes the end of something. One that the journal does not take now is kept until
    /// [`Archive::say_again`]: without it the work would count as under way for as long as this daemon
    /// lives.
    ///
    /// # Errors
    /// As [`crate::admin::Ledger::append`].
    pub async fn say_end(&self, entry: NewEntry) -> Result<(), LedgerError> {
        let said = self.ledger.append(entry.clone()).await;
        if let Err(LedgerError::Journal(_)) = said {
            self.unsaid.keep(entry);
        }
        said.map(drop)
    }

    /// Writes what could not be written about a database.
    ///
    /// # Errors
    /// As [`crate::admin::Ledger::append`]; the rest stays to be written.
    pub async fn say_again(&self, name: &DbName) -> Result<(), LedgerError> {
        let entries = self.unsaid.all().remove(name).unwrap_or_default();
        let mut ends = Ok(());
        for entry in entries {
            match &ends {
                Ok(()) => ends = self.say_end(self.as_kept(&entry)).await,
                Err(_) => self.unsaid.keep(entry),
            }
        }
        ends
    }

    /// A backup as it is to be written: how long it is kept and why is a person's to say, who may have
    /// said so while it was worked on.
    pub(super) fn as_kept(&self, entry: &NewEntry) -> NewEntry {
        let mut entry = entry.clone();
        if let Change::Backup { backup } = &mut entry.change
            && let Some((_, known)) = self.ledger.book().holder_of(&backup.id)
        {
            backup.keep_until = known.keep_until;
            backup.note.clone_from(&known.note);
        }
        entry
    }
}
