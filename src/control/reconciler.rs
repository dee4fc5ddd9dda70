//! One look at one database: observe, plan, act, show.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use tokio::sync::Semaphore;

use crate::admin::book::Row;
use crate::admin::{Ledger, NewEntry};
use crate::execute::{Executor, LaneEnd};
use crate::model::view::{Condition, DatabaseView, Phase};
use crate::model::{
    Action, Attempts, Change, Clock, ContainerSeen, Cost, Database, DbName, ImageId, KeepRetired,
    Lane, Outcome, SeenDatabase, Site, Timestamp,
};
use crate::observe::Observer;
use crate::plan::{self, Hands, Wanted, phase};
use crate::record::Metrics;

use super::Board;
use super::view::view;

/// Runs that are ready for this long count as a success; then it is looked at once more.
const JUDGE_AFTER: TimeDelta = TimeDelta::seconds(11);
/// When to look again after a lane that gave way to what it found.
const GAVE_WAY: TimeDelta = TimeDelta::seconds(1);

/// What is needed to look at a database, and what is remembered between two looks.
pub struct Reconciler {
    observer: Arc<Observer>,
    executor: Executor,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    site: Site,
    board: Arc<Board>,
    metrics: Arc<Metrics>,
    lanes: Semaphore,
    /// The stores of the settings, by name.
    stores: Vec<String>,
    memory: Mutex<BTreeMap<DbName, Memory>>,
    files: Mutex<BTreeMap<DbName, FileStanding>>,
}

/// What is remembered of one database between two looks; lost at a restart without harm.
#[derive(Debug, Clone, Default)]
struct Memory {
    attempts: Attempts,
    generation: u64,
    retry_asked: Option<Timestamp>,
    recorded: Option<(String, ImageId)>,
}

/// What the folder of specs says about a database whose file changed its name or went away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileStanding {
    /// Its file is gone.
    Orphan,
    /// Its file names another database now.
    RenamedTo(DbName),
}

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
    /// A reconciler that carries out at most so many lanes at once; `stores` are those of the
    /// settings.
    pub fn new(
        observer: Arc<Observer>,
        executor: Executor,
        board: Arc<Board>,
        lanes: usize,
        stores: Vec<String>,
    ) -> Self {
        Reconciler {
            observer,
            ledger: executor.ledger.clone(),
            clock: executor.clock.clone(),
            site: executor.site.clone(),
            metrics: executor.metrics.clone(),
            executor,
            board,
            lanes: Semaphore::new(lanes),
            stores,
            memory: Mutex::default(),
            files: Mutex::default(),
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

    fn file_standing(&self, name: &DbName) -> Option<FileStanding> {
        self.files
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    /// Looks at one database, acts on what the planner says, and says when to look again. At most
    /// one look a name may be under way: the queue sees to that.
    pub async fn look(&self, name: &DbName) -> Again {
        let Some(mut row) = self.ledger.book().row(name).cloned() else {
            self.board.hide(name);
            return Again::OnEvent;
        };
        if self.end_override(&row).await {
            row.over = None;
        }
        if !self.ledger.writable() {
            // Whether there is room again shows only in trying.
            if let Err(error) = self.ledger.probe().await {
                tracing::warn!(%error, "the ledger cannot be written");
            }
        }
        let db = &row.database;
        let mut memory = self.recall(&row);
        let mut seen = self
            .observer
            .look(db, Attempts::default(), self.ledger.writable())
            .await;
        let now = self.clock.now();
        memory
            .attempts
            .observe(running_of(db, &seen), &seen.probe, now);
        seen.attempts = memory.attempts.clone();
        self.memory().insert(name.clone(), memory.clone());

        let standing = self.file_standing(name);
        let wanted = wanted(&row, standing.as_ref(), self.board.rests(name));
        let verdict = plan::plan(&wanted, &seen, &self.site, now);
        let before = self.board.view(name);
        let mut shown = view(&wanted, &seen, &verdict, &self.site, before.as_deref(), now);
        shown
            .conditions
            .push(fresh(&row, &self.stores, before.as_deref(), now));
        let (phase, reason, message) = (shown.phase, shown.reason, shown.message.clone());
        self.board.show(shown);
        if (row.phase, row.reason) != (phase, reason) {
            let change = Change::Observed { phase, reason };
            let message = match (reason, message.is_empty()) {
                (Some(reason), false) => format!("{phase} ({}): {message}", reason.as_str()),
                (None, false) => format!("{phase}: {message}"),
                (Some(_) | None, true) => phase.to_string(),
            };
            self.note(name, Outcome::Done, message, change).await;
        }
        if phase == Phase::Ready {
            self.record_container(name, db, &seen).await;
        }
        let Some(lane) = verdict.lane else {
            let ready = seen.probe.answering() && !memory.attempts.run_was_ready;
            let judge = ready.then(|| now + JUDGE_AFTER);
            // One that is past and could not be ended (a full disk) is tried again at each look.
            let expiry = row.over.as_ref().and_then(|over| over.until);
            let expiry = expiry.filter(|until| now < *until);
            let next = [verdict.wake_at, judge, expiry].into_iter().flatten().min();
            return next.map_or(Again::OnEvent, Again::At);
        };
        let permit = match self.lanes.try_acquire() {
            Ok(permit) => permit,
            Err(_) => {
                // The world goes on while a lane waits for its turn: look again then.
                drop(self.lanes.acquire().await);
                return Again::Now;
            }
        };
        tracing::info!(%name, why = lane.why.join(", "), "acting");
        // Nobody may take it for ready while it is on its way down.
        if lane.cost != Cost::None
            && let Some(shown) = self.board.view(name)
        {
            self.board
                .show(phase::acting(&shown, &lane, self.clock.now()));
        }
        let end = self.executor.run(&row, &lane).await;
        drop(permit);
        if lane.actions.contains(&Action::EnsureAccount) {
            self.observer.probes().refresh(db.uid).await;
        }
        self.finish(name, &lane, &end);
        if let LaneEnd::Abandoned(_) = end {
            // The world is not as it was seen: a lost event, or an effect without an answer.
            if let Err(error) = self.observer.relist().await {
                tracing::warn!(%error, "the containers could not be listed");
            }
            return Again::At(self.clock.now() + GAVE_WAY);
        }
        Again::Now
    }

    /// Remembers how a lane ended.
    fn finish(&self, name: &DbName, lane: &Lane, end: &LaneEnd) {
        let mut all = self.memory();
        let memory = all.entry(name.clone()).or_default();
        match end {
            LaneEnd::Done => {
                memory.attempts.succeed();
                if lane.repair {
                    self.metrics.restarted(name);
                }
            }
            LaneEnd::Abandoned(why) => tracing::info!(%name, why, "gave way"),
            LaneEnd::Failed(failure) => {
                tracing::warn!(%name, message = failure.message, "failed");
                memory.attempts.fail(failure.clone());
            }
        }
    }

    /// What the planner would say of a database as it would be; nothing is done.
    pub async fn preview(&self, row: &Row) -> DatabaseView {
        let db = &row.database;
        let mut seen = self
            .observer
            .look(db, Attempts::default(), self.ledger.writable())
            .await;
        seen.attempts = self.recall(row).attempts;
        let now = self.clock.now();
        let wanted = wanted(row, None, self.board.rests(&db.name));
        let verdict = plan::plan(&wanted, &seen, &self.site, now);
        let before = self.board.view(&db.name);
        view(&wanted, &seen, &verdict, &self.site, before.as_deref(), now)
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

    /// Ends an override whose time is over; whether that was written.
    async fn end_override(&self, row: &Row) -> bool {
        let until = row.over.as_ref().and_then(|over| over.until);
        if until.is_none_or(|until| self.clock.now() < until) {
            return false;
        }
        let message = "the override ended; the spec is in force again".to_owned();
        self.note(&row.database.name, Outcome::Done, message, Change::Resumed)
            .await
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
    async fn note(&self, name: &DbName, outcome: Outcome, message: String, change: Change) -> bool {
        let entry = NewEntry::of(name, outcome, message, change);
        let result = self.ledger.append(entry).await;
        if let Err(error) = &result {
            tracing::warn!(%name, %error, "could not be recorded");
        }
        result.is_ok()
    }
}

/// How a database looks to somebody who only looks.
pub fn view_of(row: &Row, seen: &SeenDatabase, site: &Site, now: Timestamp) -> DatabaseView {
    let wanted = wanted(row, None, false);
    let verdict = plan::plan(&wanted, seen, site, now);
    view(&wanted, seen, &verdict, site, None, now)
}

/// The condition that says whether the backups are new enough.
fn fresh(row: &Row, stores: &[String], before: Option<&DatabaseView>, now: Timestamp) -> Condition {
    let db = &row.database;
    let stores = if db.backup.stores.is_empty() {
        stores
    } else {
        &db.backup.stores
    };
    let known = plan::backups::Known {
        db,
        since: row.initialised_at.unwrap_or(now),
        backups: &row.backups,
        stores,
        answers: true,
        initialised: row.initialised,
        retirement: super::desk::retirement(row),
        last: None,
        frozen: false,
        tombstone: row.tombstone,
        keep: KeepRetired::default(),
        unsaved: 0,
    };
    let (status, reason, message) = plan::backups::fresh(&known, now);
    let earlier = before.and_then(DatabaseView::backup_fresh);
    Condition {
        kind: DatabaseView::BACKUP_FRESH.to_owned(),
        status,
        reason: reason.to_owned(),
        message,
        last_transition_time: match earlier {
            Some(earlier) if earlier.status == status => earlier.last_transition_time,
            Some(_) | None => now,
        },
    }
}

/// What is wanted of a database, from its row and its file; `rests` while it is dumped at rest.
fn wanted<'a>(row: &'a Row, standing: Option<&'a FileStanding>, rests: bool) -> Wanted<'a> {
    Wanted {
        db: &row.database,
        over: row.over.as_ref(),
        initialised: row.initialised,
        quarantined: row.quarantined.as_ref().map(|(_, why)| why.as_str()),
        refused: row.refused.as_deref(),
        restart_asked: row.restart_asked,
        hands: match &row.restoring {
            Some((from, _)) => Some(Hands::Restore(from)),
            None => rests.then_some(Hands::Dump),
        },
        retired: row.retired.is_some(),
        end: row.end,
        rotating: row.secrets.values().any(|kept| kept.next.is_some()),
        orphan: matches!(standing, Some(FileStanding::Orphan)),
        renamed_to: match standing {
            Some(FileStanding::RenamedTo(new)) => Some(new.as_str()),
            Some(FileStanding::Orphan) | None => None,
        },
    }
}

/// The container of a database, the running one first.
fn running_of<'s>(db: &Database, seen: &'s SeenDatabase) -> Option<&'s ContainerSeen> {
    let all = seen.containers.present()?;
    let ours = all.iter().filter(|c| c.uid() == Some(db.uid));
    ours.max_by_key(|c| c.status == crate::model::Status::Running)
}
