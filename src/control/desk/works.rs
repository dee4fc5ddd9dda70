//! What is done and was done for databases' backups: one work a database at a time, each with an
//! id, so that whoever asked for one hears of that one's end and of no other's.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::view::WorkView;
use crate::model::{DbName, Timestamp};

/// Works of a database that are remembered.
const REMEMBERED: usize = 16;

/// All works, newest first.
pub(super) struct Works {
    held: Mutex<Held>,
}

struct Held {
    next: u64,
    all: BTreeMap<DbName, VecDeque<WorkView>>,
}

impl Works {
    /// None yet. Ids begin at the instant: those of an earlier daemon mean nothing here.
    pub(super) fn new(now: Timestamp) -> Self {
        let next = u64::try_from(now.timestamp_micros()).unwrap_or(1);
        let all = BTreeMap::new();
        Works {
            held: Mutex::new(Held { next, all }),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // No code panics while the lock is held.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The work that is under way for a database.
    pub(super) fn running(&self, name: &DbName) -> Option<WorkView> {
        let held = self.held();
        let newest = held.all.get(name)?.front()?;
        newest.running.then(|| newest.clone())
    }

    /// A work by its id.
    pub(super) fn find(&self, name: &DbName, id: u64) -> Option<WorkView> {
        let held = self.held();
        held.all.get(name)?.iter().find(|w| w.id == id).cloned()
    }

    /// Takes the turn for a work.
    ///
    /// # Errors
    /// The work that has it.
    pub(super) fn begin(
        &self,
        name: &DbName,
        what: String,
        now: Timestamp,
    ) -> Result<WorkView, WorkView> {
        let mut held = self.held();
        let id = held.next;
        let works = held.all.entry(name.clone()).or_default();
        if let Some(newest) = works.front().filter(|w| w.running) {
            return Err(newest.clone());
        }
        let work = WorkView {
            id,
            what,
            since: now,
            running: true,
            ok: None,
            message: String::new(),
        };
        works.push_front(work.clone());
        works.truncate(REMEMBERED);
        held.next += 1;
        Ok(work)
    }

    /// Notes how a work ended; the turn is free.
    pub(super) fn end(&self, name: &DbName, id: u64, ended: Result<String, String>) {
        let mut held = self.held();
        let works = held.all.get_mut(name);
        if let Some(work) = works.and_then(|works| works.iter_mut().find(|w| w.id == id)) {
            work.running = false;
            work.ok = Some(ended.is_ok());
            work.message = ended.unwrap_or_else(|why| why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_work_is_found_by_its_id_after_another_one_began() {
        let name: DbName = "genomics".parse().unwrap();
        let works = Works::new(Timestamp::default());
        let test = works
            .begin(&name, "test".to_owned(), Timestamp::default())
            .unwrap();
        let busy = works.begin(&name, "backup".to_owned(), Timestamp::default());
        assert_eq!(busy.unwrap_err(), test);
        works.end(&name, test.id, Err("damaged".to_owned()));
        let backup = works
            .begin(&name, "backup".to_owned(), Timestamp::default())
            .unwrap();
        assert_eq!(works.running(&name), Some(backup));
        let ended = works.find(&name, test.id).unwrap();
        assert_eq!(
            (ended.ok, ended.message),
            (Some(false), "damaged".to_owned())
        );
        assert_eq!(works.find(&name, 7), None);
    }
}
