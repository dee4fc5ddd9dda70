//! The daemon as the program puts it together, with its loop made of plain steps: no timers, no
//! tasks but the ledger's writer.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};

use async_trait::async_trait;
use chrono::TimeDelta;
use futures_util::future::{join, join_all};
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};

use db4sci::admin::{Authority, Keyring, Ledger, MemoryStorage, Past, Vault};
use db4sci::control::reconciler::Again;
use db4sci::control::{Board, Desk, Reconciler};
use db4sci::execute::Executor;
use db4sci::model::container::LABEL_UID;
use db4sci::model::{Clock, DbName, Site, Timestamp, Uid};
use db4sci::observe::{HostPorts, Observer, Probes};
use db4sci::plan::stewardship::House;
use db4sci::record::Metrics;
use db4sci::runtime::sim::World;
use db4sci::runtime::{DataDirs, Runtime, RuntimeError, RuntimeEvent, Servers};

use crate::bench::{Bench, NoJobs, Parts, Shelf};
use crate::grudge::Grudge;
use crate::shelf::RowTools;

/// Made once: it outlives the daemon. All worlds begin at the same instant.
static AUTHORITY: LazyLock<Arc<Authority>> = LazyLock::new(|| {
    let made = Authority::of_simulation(World::new(0).clock().now());
    Arc::new(made.unwrap_or_else(|e| panic!("{e}")))
});

/// Made once: nothing of a run depends on it, and it takes longer than a life of most daemons.
static METRICS: LazyLock<Arc<Metrics>> =
    LazyLock::new(|| Arc::new(Metrics::new("test").unwrap_or_else(|e| panic!("{e}"))));

/// As in production: a full resync at least this often.
const RESYNC: TimeDelta = TimeDelta::seconds(60);
/// The shortest wait between two looks that are not asked for at once.
const SHORTEST: TimeDelta = TimeDelta::milliseconds(50);
/// Looks at one name at one instant that can be no accident.
const HOT: u32 = 60;
/// So many polls finish any step that can be finished.
const PLENTY: usize = 4000;

/// Host ports as the simulated containers hold them.
struct WorldPorts(World);

#[async_trait]
impl HostPorts for WorldPorts {
    async fn owner(&self, _ip: IpAddr, port: u16) -> Option<String> {
        let holder = self.0.holder_of(port)?;
        Some(format!("container {holder}"))
    }
}

type Events = BoxStream<'static, Result<RuntimeEvent, RuntimeError>>;

/// One life of the daemon.
pub struct Daemon {
    pub ledger: Ledger,
    /// What its start made of the journal.
    pub past: Past,
    pub board: Arc<Board>,
    pub reconciler: Arc<Reconciler>,
    observer: Arc<Observer>,
    /// What its engine refuses.
    pub grudge: Grudge,
    vault: Arc<Vault>,
    /// Its desk for backups, where a test wants one.
    bench: Option<Bench>,
    world: World,
    events: Option<Events>,
    /// Whether events get lost.
    pub deaf: bool,
    due: BTreeMap<DbName, Timestamp>,
    resync: Timestamp,
    /// When it last made a step.
    stepped: Timestamp,
    looks: BTreeMap<DbName, (Timestamp, u32)>,
}

impl Daemon {
    /// Starts on what the last life left behind. `past` is what that one's start made of the journal; a
    /// grudge is the engine's, and outlives it.
    pub async fn start(
        world: &World,
        storage: MemoryStorage,
        past: Option<Past>,
        site: &Site,
        grudge: Grudge,
    ) -> Result<Self, String> {
        let clock: Arc<dyn Clock> = Arc::new(world.clock());
        let (ledger, _, past) = Ledger::open_after(storage, clock.clone(), past)
            .await
            .map_err(|e| format!("the ledger did not open: {e}"))?;
        let runtime: Arc<dyn Runtime> = Arc::new(grudge.clone());
        let dirs: Arc<dyn DataDirs> = Arc::new(world.clone());
        let servers: Arc<dyn Servers> = Arc::new(world.clone());
        let books = ledger.clone();
        let vault = Arc::new(Vault::with(Keyring::of([7; 32]), move || books.book()));
        let probes = Probes::asking(servers.clone(), vault.clone(), clock.clone(), site.clone());
        let ports = Arc::new(WorldPorts(world.clone()));
        let observer = Arc::new(Observer::new(
            runtime.clone(),
            dirs.clone(),
            ports,
            probes,
            vault.clone(),
            AUTHORITY.clone(),
            site.clone(),
        ));
        let executor = Executor {
            runtime,
            dirs,
            servers,
            vault: vault.clone(),
            authority: AUTHORITY.clone(),
            ledger: ledger.clone(),
            site: site.clone(),
            clock: clock.clone(),
            metrics: METRICS.clone(),
        };
        let board = Arc::new(Board::new(clock, "test", &site.instance));
        let reconciler = Reconciler::new(
            observer.clone(),
            executor,
            board.clone(),
            2,
            House::default(),
        );
        Ok(Daemon {
            ledger,
            past,
            board,
            reconciler: Arc::new(reconciler),
            observer,
            grudge,
            vault,
            bench: None,
            world: world.clone(),
            events: None,
            deaf: false,
            due: BTreeMap::new(),
            resync: world.now(),
            stepped: world.now(),
            looks: BTreeMap::new(),
        })
    }

    /// Opens its desk for backups.
    pub fn open_desk(&mut self, shelf: &Shelf, site: &Site) {
        self.open(Bench::new(shelf, self.parts(site)));
    }

    /// Opens a desk that was made of other parts.
    pub fn open(&mut self, desk: Bench) {
        self.bench = Some(desk);
    }

    /// What persons ask its desk.
    pub fn desk(&self) -> Arc<Desk> {
        self.bench.as_ref().unwrap().desk().clone()
    }

    /// What a desk needs of it.
    pub fn parts(&self, site: &Site) -> Parts {
        Parts {
            world: self.world.clone(),
            ledger: self.ledger.clone(),
            board: self.board.clone(),
            reconciler: self.reconciler.clone(),
            vault: self.vault.clone(),
            metrics: METRICS.clone(),
            site: site.clone(),
            dirs: Arc::new(self.world.clone()),
            tools: Arc::new(RowTools(self.world.clone())),
            jobs: Arc::new(NoJobs),
        }
    }

    /// Whether the desk has nothing under way.
    pub fn desk_rests(&self) -> bool {
        self.bench.as_ref().is_none_or(Bench::idle)
    }

    /// Asks for a look at a name now.
    pub fn add(&mut self, name: &DbName) {
        self.due.insert(name.clone(), self.world.now());
    }

    /// When something is due next.
    pub fn next(&self) -> Timestamp {
        let due = self.due.values().min().copied();
        let due = due.map_or(self.resync, |due| due.min(self.resync));
        let bench = self.bench.as_ref();
        bench.map_or(due, |bench| due.min(bench.next(self.stepped)))
    }

    /// Whether a step can find nothing to do before something is due or happens in the world: it hears
    /// the engine, and shows of each server what that answers.
    pub fn idle(&self) -> bool {
        self.events.is_some() && self.desk_rests() && self.mistaken().is_empty()
    }

    /// Everything that is due now: resync, events, looks side by side. Gives the names that were
    /// looked at.
    pub async fn step(&mut self) -> Result<usize, String> {
        let now = self.world.now();
        self.stepped = now;
        self.listen().await;
        self.ask();
        // A step that is cut off takes the works with it.
        let mut bench = self.bench.take();
        if let Some(bench) = &mut bench {
            for name in bench.begin(now).await {
                self.due.insert(name, now);
            }
        }
        if self.resync <= now {
            self.resync = now + RESYNC;
            // What is not listed is unknown until the next resync.
            let _ = self.observer.relist().await;
            self.add_all();
        }
        let names: Vec<DbName> = self
            .due
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(name, _)| name.clone())
            .collect();
        for name in &names {
            self.due.remove(name);
            self.count(name, now)?;
        }
        let looks = join_all(names.iter().map(|name| self.reconciler.look(name)));
        let ends = match &mut bench {
            Some(bench) => join(looks, bench.work(now)).await.0,
            None => looks.await,
        };
        if let Some(bench) = &bench {
            names.iter().for_each(|name| bench.looked(name));
        }
        self.bench = bench;
        for (name, again) in names.iter().zip(ends) {
            let at = match again {
                Again::Now => self.world.now(),
                Again::At(at) => {
                    // The wall clock may be wrong; waiting is not measured by it.
                    let wait = (at - self.world.clock().now()).max(SHORTEST);
                    self.world.now() + wait
                }
                Again::OnEvent => continue,
            };
            let due = self.due.entry(name.clone()).or_insert(at);
            *due = at.min(*due);
        }
        Ok(names.len())
    }

    fn count(&mut self, name: &DbName, now: Timestamp) -> Result<(), String> {
        let (at, looks) = self.looks.entry(name.clone()).or_insert((now, 0));
        if *at != now {
            (*at, *looks) = (now, 0);
        }
        *looks += 1;
        if *looks > HOT {
            let view = self.board.view(name);
            let lane = view.and_then(|v| v.lane.clone());
            return Err(format!("{name} is looked at without end; last {lane:?}"));
        }
        Ok(())
    }

    fn add_all(&mut self) {
        for (name, _) in self.ledger.book().rows() {
            self.due.insert(name.clone(), self.world.now());
        }
    }

    /// Follows the engine's events; a broken stream begins anew with a list.
    async fn listen(&mut self) {
        let Some(mut events) = self.events.take() else {
            let events = self.world.events(None);
            if self.observer.relist().await.is_ok() {
                self.events = Some(events);
                self.add_all();
            }
            return;
        };
        loop {
            match events.next().now_or_never() {
                Some(Some(Ok(event))) if self.deaf => drop(event),
                Some(Some(Ok(event))) => self.on_event(&event),
                Some(Some(Err(_)) | None) => return,
                None => break,
            }
        }
        self.events = Some(events);
    }

    /// In place of the tasks that follow servers: whose answer would be another one by now is looked
    /// at.
    fn ask(&mut self) {
        for name in self.mistaken() {
            self.due.insert(name, self.world.now());
        }
    }

    /// Databases that are shown as ready and do not answer, or the other way round. While the engine is
    /// away no server is followed, since nobody knows which containers there are.
    fn mistaken(&self) -> Vec<DbName> {
        if self.world.engine_is_away() {
            return Vec::new();
        }
        let book = self.ledger.book();
        let wrong = book.rows().filter(|(name, row)| {
            let answers = || self.world.rows(row.database.uid).is_some();
            let view = self.board.view(name);
            view.is_some_and(|v| v.ready != answers())
        });
        wrong.map(|(name, _)| name.clone()).collect()
    }

    fn on_event(&mut self, event: &RuntimeEvent) {
        self.observer.note(event);
        let uid: Option<Uid> = event
            .labels
            .get(LABEL_UID)
            .and_then(|text| text.parse().ok());
        let book = self.ledger.book();
        for (name, row) in book.rows() {
            if uid == Some(row.database.uid) || name.as_str() == event.name {
                self.add(name);
            }
        }
    }

    /// One step, as far as it gets where a call may hang; whether it came to its end.
    pub async fn step_until_hung(&mut self) -> Result<bool, String> {
        // Works of a desk have threads of their own.
        let desk = self.bench.is_some();
        let step = pin!(self.step());
        let ended = if desk {
            poll_some(step, PLENTY).await
        } else {
            poll_until_hung(step, PLENTY).await
        };
        Ok(ended.transpose()?.is_some())
    }

    /// One step that is cut off after so many polls, as by a kill between any two awaits.
    pub async fn step_cut_off(&mut self, polls: usize) -> Result<bool, String> {
        let step = pin!(self.step());
        match poll_some(step, polls).await {
            Some(Ok(_)) => Ok(false),
            Some(Err(why)) => Err(why),
            None => Ok(true),
        }
    }
}

/// Polls that find nothing to do until what nothing has woken is taken for hung.
const STILL: usize = 3;

/// Notes whether somebody woke it.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Polls a future so often at most, and no more once nothing is left that could wake it: what hangs would
/// be asked thousands of times. Not for one that waits for another thread.
async fn poll_until_hung<F: Future>(mut future: Pin<&mut F>, polls: usize) -> Option<F::Output> {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut still = 0;
    for _ in 0..polls {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        // The ledger's writer has its turn, and all that was put off.
        tokio::task::yield_now().await;
        still = match woken.0.swap(false, Ordering::Relaxed) {
            true => 0,
            false => still + 1,
        };
        if still >= STILL {
            return None;
        }
    }
    None
}

/// Polls a future so often at most; then it is left where it is.
async fn poll_some<F: Future>(mut future: Pin<&mut F>, polls: usize) -> Option<F::Output> {
    for _ in 0..polls {
        let polled = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}
