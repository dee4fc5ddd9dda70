//! The desk of one life of the daemon, with its loop made of plain steps: its works are polled by the
//! daemon's step, and dropped with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use db4sci::admin::{Ledger, Vault};
use db4sci::control::{Board, Desk, Intake, Queue, Reconciler};
use db4sci::execute::backup::{Archive, Meters, Tools, Unsaid};
use db4sci::model::{Clock, ContainerId, DbName, KeepRetired, Site, Timestamp};
use db4sci::record::Metrics;
use db4sci::runtime::jobs::{Job, JobEnd, Jobs};
use db4sci::runtime::sim::World;
use db4sci::runtime::{DataDirs, RuntimeError};
use db4sci::store::BackupStore;
use db4sci::store::manifest::Layout;
use db4sci::store::seal::Identity;

use crate::shelf::Store;
use crate::specs::rules;

/// Made once: nothing of a run depends on it but sums.
static IDENTITY: LazyLock<Identity> = LazyLock::new(Identity::generate);

/// Between two beats. In production it is five seconds.
const BEAT: TimeDelta = TimeDelta::seconds(15);
/// A work that is under way goes on after this.
const MOMENT: TimeDelta = TimeDelta::seconds(1);
/// Polls of a work in one step: time passes while it goes on.
const ROUNDS: usize = 40;

/// What outlives the daemon: stores, and how long what is retired is kept.
#[derive(Clone)]
pub struct Shelf {
    pub stores: BTreeMap<String, Store>,
    pub keep: KeepRetired,
    pub layout: Layout,
}

/// The parts of a daemon that its desk needs.
pub struct Parts {
    pub world: World,
    pub ledger: Ledger,
    pub board: Arc<Board>,
    pub reconciler: Arc<Reconciler>,
    pub vault: Arc<Vault>,
    pub metrics: Arc<Metrics>,
    pub site: Site,
    pub dirs: Arc<dyn DataDirs>,
    pub tools: Arc<dyn Tools>,
    pub jobs: Arc<dyn Jobs>,
}

impl Parts {
    /// What backups are made with.
    pub fn archive(&self, shelf: &Shelf) -> Archive {
        let world = &self.world;
        let shared = |store: &Store| Arc::new(store.clone()) as Arc<dyn BackupStore>;
        let stores = shelf.stores.iter();
        Archive {
            runtime: Arc::new(world.clone()),
            jobs: self.jobs.clone(),
            tools: self.tools.clone(),
            dirs: self.dirs.clone(),
            vault: self.vault.clone(),
            ledger: self.ledger.clone(),
            site: self.site.clone(),
            clock: Arc::new(world.clock()),
            metrics: self.metrics.clone(),
            stores: stores.map(|(name, s)| (name.clone(), shared(s))).collect(),
            layout: shelf.layout.clone(),
            identities: vec![IDENTITY.clone()],
            recipients: vec![IDENTITY.recipient()],
            meters: Meters::default(),
            spec_text: Box::new(|db| db.name.to_string()),
            unsaid: Unsaid::default(),
            stops: TaskTracker::new(),
        }
    }
}

/// One life of the desk.
pub struct Bench {
    desk: Arc<Desk>,
    queue: Arc<Queue>,
    works: Vec<BoxFuture<'static, ()>>,
    took_over: bool,
    beat: Timestamp,
}

impl Bench {
    pub fn new(shelf: &Shelf, parts: Parts) -> Self {
        let archive = parts.archive(shelf);
        let Parts {
            world,
            ledger,
            board,
            reconciler,
            ..
        } = parts;
        let clock: Arc<dyn Clock> = Arc::new(world.clock());
        let queue = Arc::new(Queue::default());
        let intake = Arc::new(Intake::new(
            ledger,
            reconciler,
            board.clone(),
            queue.clone(),
            clock,
            "/desired-state".into(),
            Box::new(|| Ok(rules())),
        ));
        let stop = CancellationToken::new();
        let desk = Desk::new(
            Arc::new(archive),
            board,
            queue.clone(),
            intake,
            2,
            shelf.keep,
            stop,
        );
        Bench {
            desk: Arc::new(desk),
            queue,
            works: Vec::new(),
            took_over: false,
            beat: Clock::now(&world),
        }
    }

    /// What persons ask.
    pub fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// Whether nothing is under way.
    pub fn idle(&self) -> bool {
        self.works.is_empty() && self.took_over
    }

    /// When it goes on.
    pub fn next(&self, now: Timestamp) -> Timestamp {
        if self.works.is_empty() {
            self.beat
        } else {
            self.beat.min(now + MOMENT)
        }
    }

    /// Begins what is due, and gives the names that are to be looked at.
    pub async fn begin(&mut self, now: Timestamp) -> BTreeSet<DbName> {
        if self.beat <= now {
            self.beat = now + BEAT;
            if !self.took_over {
                self.took_over = self.desk.take_over().await.is_ok();
            }
            if self.took_over {
                let desk = self.desk.clone();
                self.works
                    .push(async move { desk.know_again().await }.boxed());
                self.works.extend(self.desk.begin_due());
            }
        }
        let mut names = BTreeSet::new();
        while let Some(turn) = self.queue.next().now_or_never() {
            names.insert(turn.name);
        }
        names
    }

    /// Lets the works go on for a while.
    pub async fn work(&mut self, now: Timestamp) {
        let before = self.works.len();
        for _ in 0..ROUNDS {
            let works = &mut self.works;
            std::future::poll_fn(|cx| {
                works.retain_mut(|work| work.poll_unpin(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            if works.is_empty() {
                break;
            }
            tokio::task::yield_now().await;
        }
        if self.works.len() < before {
            // What follows from it need not wait.
            self.beat = self.beat.min(now + MOMENT);
        }
    }

    /// A look at a name is over.
    pub fn looked(&self, name: &DbName) {
        self.queue.done(name);
    }
}

/// There are no tools in containers here.
pub struct NoJobs;

const NONE: &str = "a job in a simulation";

fn none<T>() -> Result<T, RuntimeError> {
    Err(RuntimeError::Refused(NONE.to_owned()))
}

#[async_trait]
impl Jobs for NoJobs {
    async fn run(&self, _: &Job, _: Duration) -> Result<JobEnd, RuntimeError> {
        none()
    }
    async fn launch(&self, _: &Job) -> Result<ContainerId, RuntimeError> {
        none()
    }
    async fn ended(&self, _: &ContainerId) -> Result<Option<i64>, RuntimeError> {
        none()
    }
    async fn words(&self, _: &ContainerId) -> Result<String, RuntimeError> {
        none()
    }
    async fn settle(&self, _: &ContainerId, _: Duration) -> Result<i64, RuntimeError> {
        none()
    }
    async fn discard(&self, _: &ContainerId) -> Result<(), RuntimeError> {
        none()
    }
    async fn clear(&self, _: &str, _: Timestamp) -> Result<u32, RuntimeError> {
        none()
    }
}
