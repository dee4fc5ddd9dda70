//! Where looks come from: the engine's events, the minute's tick, probes, and the queue's loop.
//!
//! Every task here ends when the token is cancelled, and each may be cancelled at any await: a
//! trigger that is lost is made up for by the next resync.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{Ledger, NewEntry};
use crate::model::container::{LABEL_INSTANCE, LABEL_UID};
use crate::model::{Change, Clock, DbName, Outcome, Reason, Site, Timestamp, Uid};
use crate::observe::Observer;
use crate::record::Metrics;
use crate::runtime::{Runtime, RuntimeEvent};

use super::reconciler::Again;
use super::{Board, Queue, Reconciler};

/// Without a tick of the scheduler for this long, a resync comes all the same.
const BACKSTOP: Duration = Duration::from_secs(75);
/// After a list that failed, another one is tried; each may take its whole deadline.
const ENGINE_AGAIN: Duration = Duration::from_secs(5);
/// Between two attempts to reach an engine that does not answer.
const RECONNECT: Duration = Duration::from_secs(1);

/// Everything that the triggers need.
#[derive(Clone)]
pub struct Triggers {
    /// Looks.
    pub reconciler: Arc<Reconciler>,
    /// Knows the containers.
    pub observer: Arc<Observer>,
    /// The engine.
    pub runtime: Arc<dyn Runtime>,
    /// Names to look at.
    pub queue: Arc<Queue>,
    /// What is shown.
    pub board: Arc<Board>,
    /// What is known.
    pub ledger: Ledger,
    /// This host.
    pub site: Site,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Ends everything.
    pub stop: CancellationToken,
    /// The desk has put down what it was at, after that.
    pub put_down: CancellationToken,
    /// What the daemon took down was looked at for the last time.
    pub looked: CancellationToken,
}

impl Triggers {
    /// Asks for a look at every database.
    pub fn add_all(&self) {
        for (name, _) in self.ledger.book().rows() {
            self.queue.add(name);
        }
    }

    /// Takes names from the queue and looks at them, side by side, until the token is cancelled; then
    /// looks once more at what the daemon took down, and waits for the looks under way.
    pub async fn run_queue(self) {
        let tracker = TaskTracker::new();
        loop {
            // Cancel-safe: `next` takes a name only in the moment of its return.
            let turn = tokio::select! {
                () = self.stop.cancelled() => break,
                turn = self.queue.next() => turn,
            };
            self.metrics.queue_waited(turn.waited);
            self.metrics.queue_depth(self.queue.depth());
            let this = self.clone();
            tracker.spawn(async move {
                let started = Instant::now();
                let again = this.reconciler.look(&turn.name).await;
                let ok = this.sees_and_writes();
                this.metrics.pass(started.elapsed(), ok, this.clock.now());
                this.queue.done(&turn.name);
                match again {
                    Again::Now => this.queue.add(&turn.name),
                    Again::At(at) => {
                        let wait = (at - this.clock.now()).max(TimeDelta::milliseconds(50));
                        let wait = wait.to_std().unwrap_or(BACKSTOP);
                        this.queue.add_at(&turn.name, Instant::now() + wait);
                    }
                    Again::OnEvent => {}
                }
                this.end_first_pass();
            });
        }
        self.last_looks().await;
        self.looked.cancel();
        tracker.close();
        tracker.wait().await;
    }

    /// Whether a look is worth something: Docker answers, and what comes of it can be written down.
    fn sees_and_writes(&self) -> bool {
        self.board.watch().borrow().docker.is_none() && self.ledger.writable()
    }

    /// Shows that every database was looked at once, as soon as that is so.
    fn end_first_pass(&self) {
        if self.board.watch().borrow().first_pass_done {
            return;
        }
        let book = self.ledger.book();
        if book.rows().all(|(name, _)| self.board.looked_at(name)) {
            self.board.first_pass_done();
        }
    }

    /// Follows the engine's events; each (re)connection begins with a relist and a full resync,
    /// since events may have been missed.
    pub async fn run_events(self) {
        let mut last: Option<Timestamp> = None;
        while !self.stop.is_cancelled() {
            // From before the list on: nothing falls between the two.
            let mut events = self
                .runtime
                .events(Some(last.unwrap_or_else(|| self.clock.now())));
            if self.relist().await {
                loop {
                    let event = tokio::select! {
                        () = self.stop.cancelled() => return,
                        event = events.next() => event,
                    };
                    match event {
                        Some(Ok(event)) => {
                            last = Some(event.at);
                            self.on_event(&event).await;
                        }
                        Some(Err(error)) => {
                            tracing::warn!(%error, "the engine's events broke off");
                            break;
                        }
                        None => break,
                    }
                }
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(RECONNECT) => {}
            }
        }
    }

    /// Lists the containers anew and asks for a look at everything.
    async fn relist(&self) -> bool {
        let listed = self.observer.relist().await;
        self.board
            .docker(listed.as_ref().err().map(ToString::to_string));
        if let Err(error) = &listed {
            tracing::warn!(%error, "the containers could not be listed");
        } else {
            self.observer.look_at_tags().await;
        }
        self.add_all();
        listed.is_ok()
    }

    async fn on_event(&self, event: &RuntimeEvent) {
        self.observer.note(event);
        let book = self.ledger.book();
        let uid: Option<Uid> = event
            .labels
            .get(LABEL_UID)
            .and_then(|text| text.parse().ok());
        let named = event
            .name
            .strip_prefix(&self.site.container_prefix)
            .unwrap_or(&event.name);
        for (name, row) in book.rows() {
            let ours = uid == Some(row.database.uid);
            // A foreign container may take or free a name that is wanted.
            if ours || name.as_str() == named {
                if ours {
                    self.observer.probes().kick(row.database.uid);
                    if event.action == "oom" {
                        self.tell_of_oom(name, row.database.resources.memory.to_string())
                            .await;
                    }
                }
                self.queue.add(name);
            }
        }
        let foreign = event.labels.get(LABEL_INSTANCE) != Some(&self.site.instance);
        if foreign && matches!(event.action.as_str(), "die" | "destroy") {
            // It may have freed a port that somebody waits for. Jobs come and go by the dozen: whoever is down
            // for another reason is not looked at for each of them.
            let waits = |name: &DbName| {
                let view = self.board.view(name);
                view.is_some_and(|view| view.held.iter().any(|h| h.reason == Reason::PortInUse))
            };
            for (name, _) in book.rows().filter(|(name, _)| waits(name)) {
                self.queue.add(name);
            }
        }
    }

    async fn tell_of_oom(&self, name: &DbName, limit: String) {
        let entry = NewEntry::of(
            name,
            Outcome::Failed,
            format!(
                "OOMKilled: a process of it was killed at its memory limit of {limit}; raise \
                 resources.memory if that goes on"
            ),
            Change::Acted {
                action: "oom".to_owned(),
            },
        );
        if let Err(error) = self.ledger.append(entry).await {
            tracing::warn!(%name, %error, "could not be recorded");
        }
    }

    /// A resync each minute: the scheduler's tick (it only wakes), or the backstop without one.
    ///
    /// # Errors
    /// When the scheduler cannot be set up; nothing runs then.
    pub async fn run_minutes(self) -> Result<(), JobSchedulerError> {
        let (tick, mut ticks) = mpsc::channel::<()>(1);
        let mut scheduler = JobScheduler::new().await?;
        scheduler
            .add(Job::new("0 * * * * *", move |_, _| {
                // A full channel already holds a tick.
                let _ = tick.try_send(());
            })?)
            .await?;
        scheduler.start().await?;
        let mut wait = BACKSTOP;
        loop {
            // Cancel-safe: a lost tick comes again within a minute.
            tokio::select! {
                () = self.stop.cancelled() => break,
                _ = ticks.recv() => {}
                () = tokio::time::sleep(wait) => {}
            }
            // No event tells that an engine answers again.
            wait = if self.relist().await {
                BACKSTOP
            } else {
                ENGINE_AGAIN
            };
        }
        scheduler.shutdown().await
    }

    /// Looks at a database whenever its server's answer changes.
    pub async fn run_probes(self, mut changed: mpsc::UnboundedReceiver<DbName>) {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                name = changed.recv() => match name {
                    Some(name) => self.queue.add(&name),
                    None => return,
                },
            }
        }
    }
}
