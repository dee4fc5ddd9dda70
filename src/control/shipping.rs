//! The ledger is shipped: what was accepted goes to every store a few seconds later, so that a host
//! that is lost loses no more than that. Each store on its own: one that is down or slow keeps neither
//! another one nor a writer waiting.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::Desk;
use crate::execute::backup::{BackupError, Shipper};
use crate::model::audit::Findings;
use crate::model::view::Unshipped;
use crate::plan::shipping;

/// How often it is looked what a store holds, and what it needs no more.
const LOOK: Duration = Duration::from_secs(600);
/// What an upload left behind that began so long ago is removed.
const LEFT: TimeDelta = TimeDelta::hours(1);
/// After a failure, the next try is not before this.
const AGAIN: Duration = Duration::from_secs(5);
/// For what is left when the daemon is told to stop.
const LAST: Duration = Duration::from_secs(5);

/// How far one store is.
struct Reach {
    /// The last entry that it surely holds.
    upto: u64,
    /// When that was last found out by looking; `None`: it is to be.
    looked: Option<Instant>,
    /// What failed since when.
    failing: Option<Unshipped>,
}

impl Desk {
    /// Ships the ledger to all stores this often, until the token is cancelled.
    pub async fn ship(self: Arc<Self>, every: Duration) {
        let shipper = self.archive.shipper();
        let stores = shipper.stores.keys();
        join_all(stores.map(|store| self.ship_to(&shipper, store, every))).await;
    }

    async fn ship_to(&self, shipper: &Shipper, store: &str, every: Duration) {
        let mut reach = Reach {
            upto: 0,
            looked: None,
            failing: None,
        };
        loop {
            let pause = match reach.failing {
                Some(_) => every.max(AGAIN),
                None => every,
            };
            // Cancel-safe: a piece that is cut off is found, or shipped again.
            let stopped = tokio::select! {
                () = self.stop.cancelled() => true,
                () = tokio::time::sleep(pause) => false,
            };
            let round = self.round(shipper, store, &mut reach);
            if stopped {
                let _ = tokio::time::timeout(LAST, round).await;
                return;
            }
            let done = tokio::select! {
                () = self.stop.cancelled() => return,
                done = round => done,
            };
            self.tell(store, &mut reach, done);
        }
    }

    /// Compares the ends of the log that lie in the stores with this host's own chain: how many there
    /// are, what does not agree, and which stores could not be read.
    pub async fn compare_ends(&self) -> (u64, Findings, Vec<String>) {
        let shipper = self.archive.shipper();
        let (mut ends, mut findings, mut unread) = (0, Findings::default(), Vec::new());
        for store in shipper.stores.keys() {
            let compared = async {
                let there = shipper.look_at_all(store, None).await?;
                let ours = shipper.ours(there.links()).await?;
                Ok::<_, BackupError>((there, ours))
            };
            let (there, ours) = match compared.await {
                Ok(compared) => compared,
                Err(error) => {
                    unread.push(format!("store {store}: {error}"));
                    continue;
                }
            };
            ends += there.links().len() as u64;
            let book = self.ledger.book();
            let (head, chosen) = (book.head().seq, book.history_chosen(store));
            let found = shipping::disagrees(store, &there, &ours, chosen, head);
            found.into_iter().for_each(|one| findings.add(one));
        }
        (ends, findings, unread)
    }

    /// Brings a store up to date.
    async fn round(
        &self,
        shipper: &Shipper,
        store: &str,
        reach: &mut Reach,
    ) -> Result<(), BackupError> {
        if reach.looked.is_none_or(|at| at.elapsed() >= LOOK) {
            reach.looked = None;
            let there = shipper.look(store).await?;
            let ours = shipper.ours(there.links()).await?;
            reach.upto = shipping::reach(&there, &ours);
            let chosen = self.ledger.book().history_chosen(store);
            if shipping::strange(&there, &ours, chosen).is_some() {
                self.know_anew(store);
            }
            if !self.frozen() {
                let gone = shipping::superseded(&there, &ours);
                let before = self.clock.now() - LEFT;
                shipper.sweep(store, &gone, before).await?;
            }
            reach.looked = Some(Instant::now());
        }
        while let Some(upto) = shipper.ship(store, reach.upto).await? {
            reach.upto = upto;
        }
        Ok(())
    }

    /// Shows how far a store is; a failure is told once, and its end.
    fn tell(&self, store: &str, reach: &mut Reach, done: Result<(), BackupError>) {
        let head = self.ledger.book().head().seq;
        let entries = head.saturating_sub(reach.upto);
        self.archive.metrics.unshipped(store, entries);
        match done {
            Ok(()) => {
                if let Some(was) = reach.failing.take() {
                    tracing::info!(store, since = %was.since, "the journal is in the store again");
                    self.board.unshipped(store, None);
                }
            }
            Err(error) => {
                // What lies there is to be found out anew.
                reach.looked = None;
                let why = error.to_string();
                if reach.failing.is_none() {
                    tracing::warn!(store, entries, why, "the journal does not reach the store");
                }
                let since = reach.failing.as_ref().map(|was| was.since);
                let failing = Unshipped {
                    store: store.to_owned(),
                    entries,
                    since: since.unwrap_or_else(|| self.clock.now()),
                    why,
                };
                reach.failing = Some(failing.clone());
                self.board.unshipped(store, Some(failing));
            }
        }
    }
}
