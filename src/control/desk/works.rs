//! What is done and was done for databases' backups: one work a database at a time, each with an
//! id, so that whoever asked for one hears of that one's end and of no other's. What is due by itself
//! waits for a free turn by not beginning; what a person asks for stands in line.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as Line, OwnedMutexGuard};

use crate::model::view::WorkView;
use crate::model::{DbName, Timestamp};

/// Works of a database that are remembered.
const REMEMBERED: usize = 16;
/// Works of a database that may stand in line.
const WAITING: usize = 4;

/// All works, newest first.
pub(super) struct Works {
    held: Mutex<Held>,
}

struct Held {
    next: u64,
    all: BTreeMap<DbName, Of>,
}

/// One database's.
#[derive(Default)]
struct Of {
    works: VecDeque<WorkView>,
    line: Arc<Line<()>>,
}

/// A database's turn; the next work begins when it is dropped.
pub(super) type Turn = OwnedMutexGuard<()>;

/// What became of a person's ask.
pub(super) enum Asked {
    /// The same is done already, or stands in line: its end is the answer.
    Same(WorkView),
    /// It has the turn when this line is locked.
    InLine(WorkView, Arc<Line<()>>),
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

    /// Whether a work of a database is under way or stands in line.
    pub(super) fn busy(&self, name: &DbName) -> bool {
        let held = self.held();
        let of = held.all.get(name);
        of.is_some_and(|of| of.works.iter().any(|work| work.running))
    }

    /// A work by its id.
    pub(super) fn find(&self, name: &DbName, id: u64) -> Option<WorkView> {
        let held = self.held();
        let works = &held.all.get(name)?.works;
        works.iter().find(|w| w.id == id).cloned()
    }

    /// Takes the turn for a work, if nobody has it or waits for it.
    pub(super) fn begin(
        &self,
        name: &DbName,
        what: String,
        now: Timestamp,
    ) -> Option<(WorkView, Turn)> {
        let mut held = self.held();
        let line = held.all.entry(name.clone()).or_default().line.clone();
        let turn = line.try_lock_owned().ok()?;
        Some((held.push(name, what, now, None), turn))
    }

    /// Stands in line with a work that a person asks for. With `join`, one that is under way serves
    /// as well as one that is still to begin.
    ///
    /// # Errors
    /// The line is long enough; for a person.
    pub(super) fn stand(
        &self,
        name: &DbName,
        what: String,
        join: bool,
        now: Timestamp,
    ) -> Result<Asked, String> {
        let mut held = self.held();
        let of = held.all.entry(name.clone()).or_default();
        let line = of.line.clone();
        let under_way: Vec<&WorkView> = of.works.iter().filter(|work| work.running).collect();
        let same = |work: &&&WorkView| work.what == what && (join || work.waits_for.is_some());
        if let Some(same) = under_way.iter().find(same) {
            return Ok(Asked::Same((*same).clone()));
        }
        let before = under_way.first().map(|work| work.what.clone());
        if under_way.len() > WAITING {
            let all: Vec<&str> = under_way.iter().rev().map(|w| w.what.as_str()).collect();
            return Err(format!(
                "{name}: {} are under way or stand in line; try again when they are over",
                all.join(", ")
            ));
        }
        Ok(Asked::InLine(held.push(name, what, now, before), line))
    }

    /// Notes that a work has the turn.
    pub(super) fn begun(&self, name: &DbName, id: u64) {
        self.held().change(name, id, |work| work.waits_for = None);
    }

    /// Notes how a work ended.
    pub(super) fn end(&self, name: &DbName, id: u64, ended: Result<String, String>) {
        self.held().change(name, id, |work| {
            work.running = false;
            work.ok = Some(ended.is_ok());
            work.message = ended.unwrap_or_else(|why| why);
        });
    }
}

impl Held {
    fn push(
        &mut self,
        name: &DbName,
        what: String,
        now: Timestamp,
        waits_for: Option<String>,
    ) -> WorkView {
        let work = WorkView {
            id: self.next,
            what,
            since: now,
            waits_for,
            running: true,
            progress: None,
            ok: None,
            message: String::new(),
        };
        self.next += 1;
        let works = &mut self.all.entry(name.clone()).or_default().works;
        works.push_front(work.clone());
        works.truncate(REMEMBERED);
        work
    }

    fn change(&mut self, name: &DbName, id: u64, change: impl FnOnce(&mut WorkView)) {
        let of = self.all.get_mut(name);
        if let Some(work) = of.and_then(|of| of.works.iter_mut().find(|w| w.id == id)) {
            change(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> DbName {
        "genomics".parse().unwrap()
    }

    /// In line with something, which must be new.
    fn stand(works: &Works, what: &str) -> (WorkView, Arc<Line<()>>) {
        match works.stand(&name(), what.to_owned(), true, Timestamp::default()) {
            Ok(Asked::InLine(work, line)) => (work, line),
            Ok(Asked::Same(work)) => panic!("the same as {work:?}"),
            Err(why) => panic!("{why}"),
        }
    }

    #[test]
    fn each_work_is_found_by_its_id_after_another_one_began() {
        let works = Works::new(Timestamp::default());
        let begin = |what: &str| works.begin(&name(), what.to_owned(), Timestamp::default());
        let (test, turn) = begin("test").unwrap();
        assert!(begin("backup").is_none());
        works.end(&name(), test.id, Err("damaged".to_owned()));
        drop(turn);
        let (backup, _turn) = begin("backup").unwrap();
        assert!(works.busy(&name()));
        assert_eq!(works.find(&name(), backup.id), Some(backup));
        let ended = works.find(&name(), test.id).unwrap();
        assert_eq!(
            (ended.ok, ended.message),
            (Some(false), "damaged".to_owned())
        );
        assert_eq!(works.find(&name(), 7), None);
    }

    #[tokio::test]
    async fn what_a_person_asks_for_is_next_and_nothing_due_overtakes_it() {
        let works = Works::new(Timestamp::default());
        let begin = |what: &str| works.begin(&name(), what.to_owned(), Timestamp::default());
        let (test, turn) = begin("test of 1").unwrap();
        let (restore, line) = stand(&works, "restore of 1");
        assert_eq!(restore.waits_for.as_deref(), Some("test of 1"));
        let waits = line.lock_owned();
        tokio::pin!(waits);
        let early = tokio::time::timeout(std::time::Duration::ZERO, &mut waits).await;
        assert!(early.is_err());
        works.end(&name(), test.id, Ok(String::new()));
        drop(turn);
        assert!(begin("scheduled backup").is_none());
        let _turn = waits.await;
        works.begun(&name(), restore.id);
        assert_eq!(works.find(&name(), restore.id).unwrap().waits_for, None);
    }

    #[test]
    fn the_same_twice_is_done_once_but_a_backup_that_began_is_too_old() {
        let works = Works::new(Timestamp::default());
        let ask =
            |what: &str, join| works.stand(&name(), what.to_owned(), join, Timestamp::default());
        let (test, _turn) = works
            .begin(&name(), "test of 1".to_owned(), Timestamp::default())
            .unwrap();
        assert!(matches!(ask("test of 1", true), Ok(Asked::Same(same)) if same == test));
        let Ok(Asked::InLine(first, _)) = ask("backup", false) else {
            panic!("it waits");
        };
        // Still to begin: what it saves is newer than both asks.
        assert!(matches!(ask("backup", false), Ok(Asked::Same(same)) if same.id == first.id));
        works.begun(&name(), first.id);
        assert!(matches!(ask("backup", false), Ok(Asked::InLine(..))));
        for n in 2..4 {
            let _ = stand(&works, &format!("test of {n}"));
        }
        let Err(why) = ask("test of 5", true) else {
            panic!("the line has an end");
        };
        assert!(why.contains("test of 1, backup"), "{why}");
    }
}
