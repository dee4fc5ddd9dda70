//! The task behind the applier.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::reach::{Reach, Shelf};
use super::{ApplierStatus, Doing};
use crate::admin::book::Book;
use crate::admin::journal::Head;
use crate::admin::ledger::{Ledger, LedgerError};
use crate::admin::tables::{TablesError, TablesHarm};

/// Entries brought in with one transaction at most.
const BATCH: usize = 256;

/// Without new entries, how often the tables are asked whether they are still what they were.
const BEAT: Duration = Duration::from_secs(30);

/// First and longest wait after a failure.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Why a session with the tables ended.
enum Ended {
    /// The tables failed.
    Tables(TablesError),
    /// The journal could not be read.
    Ledger(LedgerError),
    /// The ledger is closed: there will be nothing to apply any more.
    Closed,
}

impl From<TablesError> for Ended {
    fn from(error: TablesError) -> Self {
        Ended::Tables(error)
    }
}

impl From<TablesHarm> for Ended {
    fn from(harm: TablesHarm) -> Self {
        Ended::Tables(harm.into())
    }
}

impl From<LedgerError> for Ended {
    fn from(error: LedgerError) -> Self {
        Ended::Ledger(error)
    }
}

/// Why a rest ended.
enum Rested {
    /// Its time is over, or somebody asked to look.
    Look,
    /// The book changed.
    Book,
    /// The ledger is closed.
    Closed,
}

pub(super) struct Follower {
    ledger: Ledger,
    books: watch::Receiver<Arc<Book>>,
    reach: Box<dyn Reach>,
    publish: watch::Sender<ApplierStatus>,
    wake: Arc<Notify>,
    failures: u32,
}

impl Follower {
    pub(super) fn new(
        ledger: Ledger,
        reach: Box<dyn Reach>,
        publish: watch::Sender<ApplierStatus>,
        wake: Arc<Notify>,
    ) -> Self {
        let books = ledger.watch();
        Follower {
            ledger,
            books,
            reach,
            publish,
            wake,
            failures: 0,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let (doing, until) = match self.session().await {
                Ended::Closed => return,
                Ended::Tables(TablesError::Harm(harm)) => {
                    tracing::error!(%harm, "mydb_admin's tables are left alone");
                    (Doing::Harmed(harm), None)
                }
                Ended::Tables(error) => self.waiting(&error),
                Ended::Ledger(error) => self.waiting(&error),
            };
            self.show(None, Some(doing));
            loop {
                match self.rest(until).await {
                    Rested::Look => break,
                    Rested::Book => self.show(None, None),
                    Rested::Closed => return,
                }
            }
        }
    }

    fn waiting(&mut self, error: &dyn std::error::Error) -> (Doing, Option<Instant>) {
        let why = chain(error);
        if self.failures == 0 {
            tracing::warn!(why, "entries wait for mydb_admin");
        }
        self.failures = self.failures.saturating_add(1);
        let wait = backoff(self.failures, self.books.borrow().head());
        (Doing::Waiting { why }, Some(Instant::now() + wait))
    }

    /// Connects, compares, and brings entries in until something fails.
    async fn session(&mut self) -> Ended {
        match self.follow().await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    async fn follow(&mut self) -> Result<std::convert::Infallible, Ended> {
        let mut shelf = self.reach.reach().await?;
        let mut applied = shelf.applied().await?;
        self.compare(applied).await?;
        loop {
            applied = self.catch_up(shelf.as_mut(), applied).await?;
            self.failures = 0;
            self.show(Some(applied.seq), Some(Doing::Following));
            match self.rest(Some(Instant::now() + BEAT)).await {
                Rested::Book => {}
                Rested::Closed => return Err(Ended::Closed),
                Rested::Look => {
                    let found = shelf.applied().await?;
                    if found != applied {
                        self.compare(found).await?;
                        applied = found;
                    }
                }
            }
        }
    }

    async fn catch_up(&mut self, shelf: &mut dyn Shelf, mut applied: Head) -> Result<Head, Ended> {
        loop {
            // The book first: it may be newer than the batch, never older.
            let book = self.books.borrow_and_update().clone();
            if applied.seq >= book.head().seq {
                return Ok(applied);
            }
            let mut records = self.ledger.records(applied.seq, BATCH).await?;
            records.retain(|r| r.entry.seq <= book.head().seq);
            let now = shelf.apply(&records, &book).await?;
            if now.seq <= applied.seq {
                // Somebody put older tables there meanwhile. The next session begins with them.
                self.compare(now).await?;
                return Err(TablesError::Replaced.into());
            }
            applied = now;
            self.show(Some(applied.seq), None);
        }
    }

    /// Whether the tables were made from this ledger.
    async fn compare(&self, applied: Head) -> Result<(), Ended> {
        let head = self.ledger.book().head();
        if applied.seq > head.seq {
            return Err(TablesHarm::Ahead {
                tables: applied.seq,
                journal: head.seq,
            }
            .into());
        }
        let ours = match applied.seq.checked_sub(1) {
            None => Head::GENESIS,
            Some(before) => {
                let records = self.ledger.records(before, 1).await?;
                records.first().map_or(Head::GENESIS, |r| r.head())
            }
        };
        if ours != applied {
            return Err(TablesHarm::WrongChain { seq: applied.seq }.into());
        }
        Ok(())
    }

    /// Waits for a new book, a call, or an instant. Safe to cancel: all three are only looked at.
    async fn rest(&mut self, until: Option<Instant>) -> Rested {
        let over = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.wake.notified() => Rested::Look,
            changed = self.books.changed() => match changed {
                Ok(()) => Rested::Book,
                Err(_) => Rested::Closed,
            },
            () = over => Rested::Look,
        }
    }

    fn show(&self, applied: Option<u64>, doing: Option<Doing>) {
        let head = self.books.borrow().head().seq;
        self.publish.send_modify(|status| {
            status.applied = applied.unwrap_or(status.applied);
            status.behind = head.saturating_sub(status.applied);
            status.doing = doing.unwrap_or_else(|| status.doing.clone());
        });
    }
}

/// Doubling waits, spread by a quarter either way. The spread comes from numbers at hand, not from
/// chance, so that a simulation repeats itself.
fn backoff(failures: u32, head: Head) -> Duration {
    let doubled = BACKOFF
        .0
        .saturating_mul(1 << failures.saturating_sub(1).min(16));
    let seed = Sha256::digest(format!("{failures} {head:?}"));
    let spread = 0.75 + f64::from(seed[0]) / 510.0;
    doubled.min(BACKOFF.1).mul_f64(spread)
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
