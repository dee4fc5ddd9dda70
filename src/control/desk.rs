//! The desk for backups: what is due is begun, what a person asks for is taken on, one work a
//! database at a time. It runs beside the reconciler: a dump of hours keeps nobody from being
//! repaired.

mod again;
mod asked;
mod came;
mod copies;
mod cut;
mod due;
mod dumps;
mod eject;
mod keep;
mod known;
mod left;
mod let_in;
mod one;
mod recover;
mod rename;
mod restore;
mod retired;
mod turns;
mod works;

pub(super) use retired::retirement;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, Semaphore, SetOnce, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::again::{About, Again};
use self::came::Came;
use self::known::Freeze;
use self::turns::Turns;
use self::works::Works;
use super::{Board, Intake, Queue};
use crate::admin::{Ledger, NewEntry, Row};
use crate::execute::backup::{Archive, Order};
use crate::model::view::{BackupView, DatabaseView, Phase, Snapshot, WorkView};
use crate::model::{
    Backup, BackupId, BackupState, Change, Clock, Cost, Database, DbName, KeepRetired, Outcome,
    Reason, Timestamp,
};
use crate::plan::approval;
use crate::plan::backups::{self, Known, Work};
use crate::plan::comeback::Priority;
use crate::plan::recovery::LetIns;
use crate::plan::retention::Fate;

/// How often it is asked what is due.
const BEAT: Duration = Duration::from_secs(5);
/// How long work under way may go on after the daemon was told to stop.
const GRACE: Duration = Duration::from_secs(5);
/// Until a restore test that could not be made is tried again.
const TEST_AGAIN: TimeDelta = TimeDelta::minutes(30);
/// Until a store, or what is left of a retired database, is tried again.
const STORE_AGAIN: TimeDelta = TimeDelta::minutes(1);
/// Until the end of a rename or a copy that was cut off is tried again.
const END_AGAIN: TimeDelta = TimeDelta::seconds(10);
/// Until a restore of lost data that failed is tried again, perhaps from an older backup.
const RECOVER_AGAIN: TimeDelta = TimeDelta::seconds(30);

/// What it needs, and what is under way.
pub struct Desk {
    pub(super) archive: Arc<Archive>,
    pub(super) ledger: Ledger,
    pub(super) board: Arc<Board>,
    queue: Arc<Queue>,
    intake: Arc<Intake>,
    pub(super) clock: Arc<dyn Clock>,
    dumps: Semaphore,
    /// Recoveries that may be on their way to their data at once.
    turns: Turns,
    stores: Vec<String>,
    keep: KeepRetired,
    works: Works,
    freeze: Freeze,
    again: Mutex<BTreeMap<(DbName, About), Again>>,
    /// How often data could not be brought back from a backup, since it last was.
    failed: Mutex<BTreeMap<BackupId, u32>>,
    /// When it let itself in again.
    let_in: Mutex<LetIns>,
    /// The jobs that an earlier daemon left are ended.
    taken_over: SetOnce<()>,
    /// Why they are not yet.
    not_over: Mutex<Option<String>>,
    claims: keep::Claims,
    /// A work ended well.
    done: Notify,
    tracker: TaskTracker,
    pub(super) stop: CancellationToken,
}

/// Why something is not begun; nothing was changed then.
pub type Refused = String;

impl Desk {
    /// A desk that lets so many works go on at once.
    pub fn new(
        archive: Arc<Archive>,
        board: Arc<Board>,
        queue: Arc<Queue>,
        intake: Arc<Intake>,
        dumps: usize,
        keep: KeepRetired,
        stop: CancellationToken,
    ) -> Self {
        let works = Works::new(archive.clock.now());
        Desk {
            ledger: archive.ledger.clone(),
            clock: archive.clock.clone(),
            stores: archive.stores.keys().cloned().collect(),
            archive,
            board,
            queue,
            intake,
            dumps: Semaphore::new(dumps),
            turns: Turns::new(dumps),
            keep,
            works,
            freeze: Freeze::default(),
            again: Mutex::default(),
            failed: Mutex::default(),
            let_in: Mutex::default(),
            taken_over: SetOnce::new(),
            not_over: Mutex::default(),
            claims: keep::Claims::default(),
            done: Notify::new(),
            tracker: TaskTracker::new(),
            stop,
        }
    }

    /// Ends what an earlier daemon left, and then begins what is due until the token is cancelled.
    pub async fn run(self: Arc<Self>) {
        loop {
            match self.take_over().await {
                Ok(()) => break,
                Err(error) => tracing::warn!(%error, "jobs of an earlier daemon go on"),
            }
            // Cancel-safe: it is repeated at the next start.
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(BEAT) => {}
            }
        }
        let knows = self.clone();
        self.tracker
            .spawn(async move { knows.keep_knowing().await });
        let mut shown = self.board.watch();
        let mut held = BTreeSet::new();
        loop {
            // Cancel-safe: what is due is asked anew after each of them.
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = tokio::time::sleep(BEAT) => {}
                // What follows from it need not wait.
                () = self.done.notified() => {}
                // Its data may be lost, and somebody waits for it.
                () = another_is_held(&mut shown, &mut held) => {}
            }
            for work in self.begin_due() {
                self.tracker.spawn(work);
            }
        }
        self.cut().await;
        self.tracker.close();
        // What is cut off is cleared at the next start.
        let _ = tokio::time::timeout(GRACE, self.tracker.wait()).await;
    }

    /// Begins what is due of each database that nothing is done for: each work has its turn, and whoever
    /// asks carries it out. One that is dropped is cut off as by a kill.
    pub fn begin_due(self: &Arc<Self>) -> Vec<BoxFuture<'static, ()>> {
        let book = self.ledger.book();
        let now = self.clock.now();
        let mut begun = Vec::new();
        // When a host comes back, its memory comes first, and then what matters most.
        let mut rows: Vec<_> = book.rows().collect();
        rows.sort_by_key(|(_, row)| Priority::of(&row.database));
        for (name, row) in rows {
            if self.works.busy(name) {
                continue;
            }
            let Some(due) = self.due(row, now) else {
                continue;
            };
            if !self.has_turn(&book, row, &due) {
                continue;
            }
            let (this, row) = (self.clone(), row.clone());
            // Whoever was quicker has the turn; what is due now is due at the next beat, too.
            let Some((work, turn)) = self.works.begin(name, due.what(), now) else {
                self.turns.end(row.database.uid);
                continue;
            };
            let done = self.carried(name, work.id, async move {
                let _turn = turn;
                this.do_due(row, due).await
            });
            begun.push(done.boxed());
        }
        begun
    }

    /// The stores that a database is backed up to.
    pub fn stores_of(&self, db: &Database) -> Vec<String> {
        if db.backup.stores.is_empty() {
            self.stores.clone()
        } else {
            db.backup.stores.clone()
        }
    }

    fn known<R>(&self, row: &Row, ask: impl FnOnce(&Known<'_>) -> R) -> R {
        let stores = self.stores_of(&row.database);
        let view = self.board.view(&row.database.name);
        // Its retirement is one too many at once: a person is asked before it begins.
        let stop_waits = view.as_ref().is_some_and(|view| {
            let mut lanes = view.held.iter().filter_map(approval::approvable);
            lanes.any(|lane| lane.cost == Cost::Stop)
        });
        let phase = view.map(|view| view.phase);
        let untested = self.untested(self.clock.now());
        ask(&Known {
            untested: &untested,
            db: &row.database,
            since: row.initialised_at.unwrap_or(row.admitted_at),
            backups: &row.backups,
            stores: &stores,
            answers: row.initialised && phase == Some(Phase::Ready),
            initialised: row.initialised,
            given_up: row
                .quarantined
                .as_ref()
                .filter(|_| phase == Some(Phase::Held))
                .map(|(since, _)| *since),
            earlier: &row.earlier_finals,
            retirement: retirement(row),
            hibernation: row.hibernation(),
            frozen: self.frozen() || row.host.is_some() || stop_waits,
            last: row.retired.as_ref().and_then(|(_, last)| last.as_ref()),
            tombstone: row.tombstone,
            keep: self.keep,
            unsaved: self.unsaved(row),
            cut_off: !self.works.busy(&row.database.name),
        })
    }

    /// Entries of the ledger since the last backup of `mydb_admin` was begun.
    fn unsaved(&self, row: &Row) -> u64 {
        if row.database.name.is_mydb_admin() {
            self.ledger
                .book()
                .head()
                .seq
                .saturating_sub(row.backup_begun)
        } else {
            0
        }
    }

    fn ask(&self, row: &Row, now: Timestamp) -> Option<Work> {
        let work = self.known(row, |known| backups::due(known, now))?;
        let waits = self.waits(&row.database.name, About::Work, now);
        (!waits || matches!(work, Work::Take { .. })).then_some(work)
    }

    /// The backups of a database, newest first, with what keeps them.
    pub fn backups(&self, row: &Row) -> Vec<BackupView> {
        let now = self.clock.now();
        let kept = self.known(row, |known| backups::kept(known, now));
        let mut all: Vec<BackupView> = row
            .backups
            .values()
            .map(|backup| {
                let because = match kept.get(&backup.id) {
                    Some(Fate::Kept(why)) => why.clone(),
                    Some(Fate::Goes) | None => Vec::new(),
                };
                BackupView::of(backup, because)
            })
            .collect();
        all.sort_by_key(|b| std::cmp::Reverse((b.slot, b.attempt)));
        all
    }

    /// A work of a database, under way or over; `None` when nothing is known of it any more.
    pub fn work(&self, name: &DbName, id: u64) -> Option<WorkView> {
        let mut work = self.works.find(name, id)?;
        if work.running && work.waits_for.is_none() {
            work.progress = self.archive.meters.progress(name, self.clock.now());
        }
        Some(self.shown(work))
    }

    /// A work, or its wait for its turn, to its end, which is noted.
    fn carried(
        self: &Arc<Self>,
        name: &DbName,
        id: u64,
        work: impl Future<Output = Result<String, String>> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (this, name) = (self.clone(), name.clone());
        async move {
            // Cancel-safe: jobs go with their futures, and what is half done is cleared at the next
            // start.
            let ended = tokio::select! {
                ended = work => ended,
                () = this.cut() => Err("the daemon is stopping".to_owned()),
            };
            let done = ended.is_ok();
            if let Err(why) = &ended {
                tracing::warn!(%name, why, "backup work failed");
            }
            this.archive.meters.end(&name);
            this.works.end(&name, id, ended);
            if done {
                this.done.notify_one();
            }
            this.queue.add(&name);
        }
    }

    async fn carry_out(&self, row: Row, work: Work) -> Result<String, String> {
        let (wait, done) = match work {
            Work::Take {
                slot,
                attempt,
                kind,
                stores,
            } => {
                let order = Order {
                    slot,
                    attempt,
                    kind,
                    stores,
                    note: String::new(),
                    version: self.version(&row),
                };
                // When it is due again is the plan's to say.
                return self.dump_in_window(&row.database, order).await;
            }
            Work::Verify(id) => {
                let backup = self.chosen(&row, Some(&id))?;
                let done = self.test(&row, &backup).await;
                return self.put_off(&row, About::Test(id), TEST_AGAIN, done).await;
            }
            Work::Prune(ids) => (TEST_AGAIN, self.prune(&row, ids).await),
            Work::Retire(backup) => (STORE_AGAIN, self.retire(&row, backup).await),
            Work::Hibernate(backup) => (STORE_AGAIN, self.hibernate(&row, backup).await),
            Work::SetTombstone => (STORE_AGAIN, self.set_tombstone(&row).await),
            Work::TakeTombstone => (STORE_AGAIN, self.take_tombstone(&row).await),
            Work::Remove(last) => (STORE_AGAIN, self.remove(&row, &last).await),
        };
        self.put_off(&row, About::Work, wait, done).await
    }

    fn version(&self, row: &Row) -> String {
        let view = self.board.view(&row.database.name);
        view.and_then(|view| view.version.clone())
            .unwrap_or_else(|| row.database.image.series.clone())
    }

    async fn test(&self, row: &Row, backup: &Backup) -> Result<String, String> {
        let _turn = self.dumps.acquire().await.map_err(|e| e.to_string())?;
        let tested = self.archive.verify(&row.database, backup).await;
        let tested = tested.map_err(|e| e.to_string())?;
        match tested.state {
            BackupState::Verified => Ok(format!("{} is verified", tested.id)),
            BackupState::Running
            | BackupState::Stored
            | BackupState::Failed
            | BackupState::Damaged => Err(tested.error.unwrap_or_default()),
        }
    }

    /// Writes to the ledger about a database.
    async fn note(
        &self,
        name: &DbName,
        outcome: Outcome,
        message: String,
        change: Change,
    ) -> Result<(), String> {
        let entry = NewEntry::of(name, outcome, message, change);
        let written = self.ledger.append(entry).await;
        written.map(|_| ()).map_err(|e| e.to_string())
    }
}

/// Waits until a database is held, or refuses db4sci, that was not among these, which are brought up to
/// date. Cancel-safe.
async fn another_is_held(shown: &mut watch::Receiver<Arc<Snapshot>>, held: &mut BTreeSet<DbName>) {
    while shown.changed().await.is_ok() {
        let now: BTreeSet<DbName> = {
            let all = shown.borrow_and_update();
            let refuses = |d: &DatabaseView| d.reason == Some(Reason::LoginRefused);
            let down = all
                .databases
                .iter()
                .filter(|d| d.phase == Phase::Held || refuses(d));
            down.map(|d| d.name.clone()).collect()
        };
        let more = !now.is_subset(held);
        *held = now;
        if more {
            return;
        }
    }
    // Nobody shows anything any more.
    std::future::pending().await
}
