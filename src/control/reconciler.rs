//! One look at one database: observe, plan, act, show.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::admin::book::Row;
use crate::admin::{Ledger, NewEntry};
use crate::execute::{Executor, LaneEnd};
use crate::model::view::Phase;
use crate::model::{
    Action, Attempts, Change, Clock, Cost, Database, DbName, ImageId, Lane, Outcome, SeenDatabase,
    Site, Timestamp, Verdict,
};
use crate::observe::Observer;
use crate::plan::blast::{Looked, Pass};
use crate::plan::stewardship::House;
use crate::plan::{self, Wanted, phase};
use crate::record::Metrics;

use super::view::view;
use super::wants::{
    FileStanding, coming, expected, fresh, journal_harmed, kept, newest, pass, running_of, seen,
    wanted, whose,
};
use super::{Board, stewards};

pub use super::wants::view_of;

mod rehearsal;

pub use rehearsal::Rehearsal;

/// Runs that are ready for this long count as a success; then it is looked at once more.
const JUDGE_AFTER: TimeDelta = TimeDelta::seconds(11);
/// When to look again after a lane that gave way to what it found.
const GAVE_WAY: TimeDelta = TimeDelta::seconds(1);

/// What is needed to look at a database, and what is remembered between two looks.
pub struct Reconciler {
    observer: Arc<Observer>,
    executor: Executor,
    pub(super) ledger: Ledger,
    pub(super) clock: Arc<dyn Clock>,
    site: Site,
    pub(super) board: Arc<Board>,
    metrics: Arc<Metrics>,
    lanes: Semaphore,
    /// Lanes that wait for a registry have turns of their own: a slow one keeps no repair waiting.
    pulls: Semaphore,
    /// What the settings say of the long run.
    pub(super) house: House,
    memory: Mutex<BTreeMap<DbName, Memory>>,
    files: Mutex<BTreeMap<DbName, FileStanding>>,
    /// The disruptions of late.
    pass: Mutex<Pass>,
    /// The daemon was told to stop.
    pub(super) ending: AtomicBool,
}

/// What is remembered of one database between two looks; lost at a restart without harm.
#[derive(Debug, Clone, Default)]
struct Memory {
    attempts: Attempts,
    generation: u64,
    retry_asked: Option<Timestamp>,
    recorded: Option<(String, ImageId)>,
}

/// A lane's turn among those that wait for the same.
struct Turn<'a> {
    pool: &'a Semaphore,
    _permit: SemaphorePermit<'a>,
}

/// All turns are taken.
struct NoTurn<'a>(&'a Semaphore);

/// When to look at a database again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// At once: something was done.
    Now,
    /// At an instant.
    At(Timestamp),
    /// When something happens.
    OnEvent,
}

impl Reconciler {
    /// A reconciler that carries out at most so many lanes at once.
    pub fn new(
        observer: Arc<Observer>,
        executor: Executor,
        board: Arc<Board>,
        lanes: usize,
        house: House,
    ) -> Self {
        Reconciler {
            observer,
            pass: Mutex::new(pass(&executor.ledger.book(), executor.clock.now())),
            ledger: executor.ledger.clone(),
            clock: executor.clock.clone(),
            site: executor.site.clone(),
            metrics: executor.metrics.clone(),
            executor,
            board,
            lanes: Semaphore::new(lanes),
            pulls: Semaphore::new(lanes),
            house,
            memory: Mutex::default(),
            files: Mutex::default(),
            ending: AtomicBool::new(false),
        }
    }

    /// Shows every database of the ledger before it was looked at.
    pub fn announce(&self) {
        let seen = SeenDatabase::unseen("not looked at since the daemon's start");
        for (_, row) in self.ledger.book().rows() {
            let mut shown = view_of(row, &seen, &self.site, self.clock.now());
            shown.backup = newest(row);
            self.board.announce(shown);
        }
    }

    fn memory(&self) -> MutexGuard<'_, BTreeMap<DbName, Memory>> {
        // No code panics while the lock is held.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the folder of specs says about vanished and renamed files; gives the databases
    /// for which that is news.
    pub fn set_files(&self, standing: BTreeMap<DbName, FileStanding>) -> Vec<DbName> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let names: BTreeSet<&DbName> = files.keys().chain(standing.keys()).collect();
        let news = names
            .into_iter()
            .filter(|n| files.get(*n) != standing.get(*n));
        let news = news.cloned().collect();
        *files = standing;
        news
    }

    /// What the folder of specs says about a database whose file changed its name or went away.
    pub fn file_standing(&self, name: &DbName) -> Option<FileStanding> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.get(name).cloned()
    }

    /// Looks at one database, acts on what the planner says, and says when to look again. At most
    /// one look a name may be under way: the queue sees to that.
    pub async fn look(&self, name: &DbName) -> Again {
        let mut turn = None;
        loop {
            match self.look_with(name, turn.take()).await {
                Ok(again) => return again,
                // The world goes on while a lane waits for its turn: it is looked at again, with the
                // turn in hand, or all who wait would look again at each turn.
                Err(NoTurn(pool)) => match pool.acquire().await {
                    Ok(permit) => {
                        turn = Some(Turn {
                            pool,
                            _permit: permit,
                        })
                    }
                    Err(_) => return Again::Now,
                },
            }
        }
    }

    /// One look, and its lane if it has its turn or there is one to be had.
    async fn look_with<'a>(
        &'a self,
        name: &DbName,
        turn: Option<Turn<'a>>,
    ) -> Result<Again, NoTurn<'a>> {
        let Some(mut row) = self.ledger.book().kept_row(name) else {
            self.board.hide(name);
            self.pass().forget(name);
            self.memory().remove(name);
            return Ok(Again::OnEvent);
        };
        self.end_overrides(&mut row).await;
        if !self.ledger.writable() {
            // Whether there is room again shows only in trying.
            if let Err(error) = self.ledger.probe().await {
                tracing::warn!(%error, "the ledger cannot be written");
            }
        }
        let db = &row.database;
        let mut memory = self.recall(&row);
        let mut seen = seen(&self.observer, &row, self.ledger.writable()).await;
        let now = self.clock.now();
        let attempts = &mut memory.attempts;
        attempts.starve_if(seen.data.present().is_some_and(|d| d.tight.is_some()));
        attempts.observe(running_of(db, &seen), &seen.probe, now);
        let standing = self.file_standing(name);
        let dirs = self.executor.dirs.as_ref();
        let whose = whose(dirs, &self.ledger.book(), db, &seen.data).await;
        let rests = self.board.rests(name);
        let wanted = wanted(&row, standing.as_ref(), rests, whose.as_ref());
        memory.attempts.stop_if(wanted.hands.is_some());
        seen.attempts = memory.attempts.clone();
        let verdict = self.decide(&wanted, &seen, now);
        memory
            .attempts
            .rest_if(verdict.lane.is_none() && verdict.held.is_empty());
        self.memory().insert(name.clone(), memory.clone());
        let before = self.board.view(name);
        let mut shown = view(&wanted, &seen, &verdict, &self.site, before.as_deref(), now);
        shown.expected = expected(&self.ledger.book(), db);
        shown
            .conditions
            .push(fresh(&row, &self.house, before.as_deref(), now));
        if name.is_mydb_admin() {
            let harm = self.board.harm_of_journal();
            journal_harmed(&mut shown, harm, before.as_deref(), now);
        }
        let frozen = self.board.is_frozen();
        shown.coming = coming(&row, &self.house, shown.phase, frozen, now);
        let book = self.ledger.book();
        stewards::show(&mut shown, &row, &self.house, &book, before.as_deref(), now);
        shown.backup = newest(&row);
        shown.evidence = kept(&row, &self.executor).await;
        let (phase, reason, message) = (shown.phase, shown.reason, shown.message.clone());
        self.board.show(shown);
        // Its answer ends what is measured, even if nobody looked before, and that it is to come back.
        let ends = phase == Phase::Ready && (row.away.is_some() || row.recover);
        if (row.phase, row.reason) != (phase, reason) || ends {
            let change = Change::Observed { phase, reason };
            let message = match (reason, message.is_empty()) {
                (Some(reason), false) => format!("{phase} ({}): {message}", reason.as_str()),
                (None, false) => format!("{phase}: {message}"),
                (Some(_) | None, true) => phase.to_string(),
            };
            self.note(name, Outcome::Done, message, change).await;
        }
        let changed = self.tell(&row, now).await;
        if changed && self.ledger.writable() {
            return Ok(Again::Now);
        }
        if phase == Phase::Ready {
            self.record_container(name, db, &seen).await;
        }
        self.void_approval(&row, &verdict, phase).await;
        let Some(lane) = verdict.lane else {
            let ready = seen.probe.answering() && !memory.attempts.run_was_ready;
            let judge = ready.then(|| now + JUDGE_AFTER);
            // One that is past and could not be ended (a full disk) is tried again at each look.
            let words = [&row.over, &row.host].into_iter().flatten();
            let ends = words.filter_map(|over| over.until);
            let expiry = ends.filter(|until| now < *until).min();
            let next = [verdict.wake_at, judge, expiry].into_iter().flatten().min();
            return Ok(next.map_or(Again::OnEvent, Again::At));
        };
        if self.leaves_to_the_next(&lane) {
            return Ok(Again::OnEvent);
        }
        let pool = match lane.actions.as_slice() {
            [Action::PullImage(_)] => &self.pulls,
            _ => &self.lanes,
        };
        let turn = match turn.filter(|turn| std::ptr::eq(turn.pool, pool)) {
            Some(turn) => turn,
            None => match pool.try_acquire() {
                Ok(permit) => Turn {
                    pool,
                    _permit: permit,
                },
                Err(_) => return Err(NoTurn(pool)),
            },
        };
        tracing::info!(%name, why = lane.why.join(", "), "acting");
        // Nobody may take it for ready while it is on its way down.
        if lane.cost != Cost::None
            && let Some(shown) = self.board.view(name)
        {
            self.board
                .show(phase::acting(&shown, &lane, self.clock.now()));
            self.board.take_down(name);
        }
        let shown = self.board.view(name);
        // Most looks carry out nothing, and all of them would be as large as the largest step.
        let end = Box::pin(self.executor.run(&row, &lane, shown.as_deref())).await;
        drop(turn);
        if lane.actions.iter().any(Action::changes_accounts) {
            self.observer.probes().refresh(db.uid).await;
        }
        let down = row.initialised && !seen.probe.answering();
        self.finish(name, &lane, &end, down);
        if let LaneEnd::Abandoned(_) = end {
            // The world is not as it was seen: a lost event, or an effect without an answer.
            if let Err(error) = self.observer.relist().await {
                tracing::warn!(%error, "the containers could not be listed");
            }
            return Ok(Again::At(self.clock.now() + GAVE_WAY));
        }
        Ok(Again::Now)
    }

    /// Remembers how a lane ended; `down`: of a database that has data, and whose server did not answer.
    fn finish(&self, name: &DbName, lane: &Lane, end: &LaneEnd, down: bool) {
        let mut all = self.memory();
        let memory = all.entry(name.clone()).or_default();
        memory.attempts.stop_if(lane.stops_in_order());
        match end {
            LaneEnd::Done => {
                memory.attempts.succeed(lane);
                if lane.repair {
                    self.metrics.restarted(name);
                }
            }
            LaneEnd::Abandoned(why) => tracing::info!(%name, why, "gave way"),
            LaneEnd::Failed(failure) => {
                tracing::warn!(%name, message = failure.message, "failed");
                // What the engine refuses is no reason to bring mydb_admin back from its backup.
                if down && !name.is_mydb_admin() {
                    memory.attempts.fail_repair(failure);
                }
                memory.attempts.fail(failure.clone());
            }
        }
    }

    /// What the planner says, and its place among the disruptions of late, in one piece: looks go on
    /// side by side, and no two may take the last place.
    fn decide(&self, wanted: &Wanted<'_>, seen: &SeenDatabase, now: Timestamp) -> Verdict {
        let name = &wanted.db.name;
        let mut pass = self.pass();
        let leave = pass.leave(name, self.ledger.book().alive(), now);
        let wanted = Wanted { leave, ..*wanted };
        let verdict = plan::plan(&wanted, seen, &self.site, now);
        pass.note(name, &verdict, Looked::at(&wanted, seen, now), now);
        verdict
    }

    fn pass(&self) -> MutexGuard<'_, Pass> {
        // No code panics while the lock is held.
        self.pass.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered, with what the ledger says has ended forgotten.
    fn recall(&self, row: &Row) -> Memory {
        let mut memory = self
            .memory()
            .get(&row.database.name)
            .cloned()
            .unwrap_or_default();
        let generation = row.database.generation;
        if memory.generation != generation || memory.retry_asked != row.retry_asked {
            memory.attempts.forget();
            memory.generation = generation;
            memory.retry_asked = row.retry_asked;
        }
        memory
    }

    /// Keeps the container's facts in the ledger, once a container and image.
    async fn record_container(&self, name: &DbName, db: &Database, seen: &SeenDatabase) {
        let Some(container) = running_of(db, seen) else {
            return;
        };
        let facts = (container.id.to_string(), container.image.clone());
        let known = self
            .memory()
            .get(name)
            .is_some_and(|m| m.recorded.as_ref() == Some(&facts));
        if known {
            return;
        }
        let change = Change::Inspected {
            uid: db.uid,
            container: serde_json::to_value(container).unwrap_or_default(),
        };
        let message = format!("container {} runs {}", container.name, db.image.reference);
        if self.note(name, Outcome::Done, message, change).await {
            self.memory().entry(name.clone()).or_default().recorded = Some(facts);
        }
    }

    /// Writes to the ledger; that it fails changes nothing about what is done.
    pub(super) async fn note(
        &self,
        name: &DbName,
        outcome: Outcome,
        message: String,
        change: Change,
    ) -> bool {
        let entry = NewEntry::of(name, outcome, message, change);
        let result = self.ledger.append(entry).await;
        if let Err(error) = &result {
            tracing::warn!(%name, %error, "could not be recorded");
        }
        result.is_ok()
    }
}
