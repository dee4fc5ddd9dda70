//! The task behind the applier.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::held::Held;
use super::look::Seen;
use super::proven::Proven;
use super::reach::{Reach, Shelf};
use super::{ApplierStatus, Doing};
use crate::admin::audit::AuditError;
use crate::admin::book::{Book, NewEntry};
use crate::admin::journal::Head;
use crate::admin::ledger::{Ledger, LedgerError};
use crate::admin::tables::{TablesError, TablesHarm};
use crate::model::action::MENDED;
use crate::model::audit::{Finding, Findings};
use crate::model::{Change, DbName, Outcome, Timestamp};

/// Entries brought in with one transaction at most.
const BATCH: usize = 256;

/// How often the tables are asked whether they are still what they were.
pub(super) const BEAT: Duration = Duration::from_secs(5);

/// Tables are made again so often within an hour; after that it waits for its end, or for a person.
const MENDS: usize = 3;
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// First and longest wait after a failure.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Why a session with the tables ended.
pub(super) enum Ended {
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

impl From<AuditError> for Ended {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Tables(error) => Ended::Tables(error),
            AuditError::Ledger(error) => Ended::Ledger(error),
        }
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
    pub(super) ledger: Ledger,
    books: watch::Receiver<Arc<Book>>,
    pub(super) reach: Box<dyn Reach>,
    /// What the tables surely hold.
    pub(super) held: Held,
    pub(super) publish: watch::Sender<ApplierStatus>,
    wake: Arc<Notify>,
    failures: u32,
    mends: Vec<Instant>,
    /// When a person had last asked for another attempt, as far as that was seen to.
    asked: Option<Timestamp>,
    /// When tables that a damaged server could not read were made again.
    patched: Option<Instant>,
    /// What was told of the harmed tables that are still in their place.
    told: Option<Findings>,
    /// The step of a newer program that was told of.
    pub(super) newer: Option<i64>,
}

impl Follower {
    pub(super) fn new(
        ledger: Ledger,
        reach: Box<dyn Reach>,
        held: Held,
        publish: watch::Sender<ApplierStatus>,
        wake: Arc<Notify>,
    ) -> Self {
        let books = ledger.watch();
        let asked = retry_asked(&ledger);
        Follower {
            ledger,
            books,
            reach,
            held,
            publish,
            wake,
            failures: 0,
            mends: Vec::new(),
            asked,
            patched: None,
            told: None,
            newer: None,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let (doing, until) = match self.session().await {
                Ended::Closed => return,
                Ended::Tables(TablesError::Harm(harm)) => match self.mend(&harm).await {
                    Ok(true) => continue,
                    Ok(false) => {
                        tracing::error!(%harm, "mydb_admin's tables are left alone");
                        self.asked = retry_asked(&self.ledger);
                        // Made again too often: once that is an hour ago, or when a person asks.
                        let first = self.mends.first().filter(|_| harm.is_mendable());
                        let until = first.map(|at| *at + HOUR);
                        let until = until.or(self.tell_newer(&harm).await);
                        (Doing::Harmed(harm), until)
                    }
                    Err(error) => self.waiting(&error),
                },
                Ended::Tables(error) => self.waiting(&error),
                Ended::Ledger(error) => self.waiting(&error),
            };
            self.show(None, Some(doing));
            loop {
                match self.rest(until).await {
                    Rested::Look => break,
                    Rested::Book if retry_asked(&self.ledger) != self.asked => {
                        self.asked = retry_asked(&self.ledger);
                        self.mends.clear();
                        break;
                    }
                    Rested::Book => self.show(None, None),
                    Rested::Closed => return,
                }
            }
        }
    }

    /// Moves harmed tables out of the way: new ones are made from the ledger. `false`: that is no way
    /// out, or it was gone too often. A server that cannot read its files is given up where that does not
    /// help.
    async fn mend(&mut self, harm: &TablesHarm) -> Result<bool, AuditError> {
        let now = Instant::now();
        self.mends.retain(|at| now < *at + HOUR);
        let often = self.mends.len() >= MENDS;
        let damaged = matches!(harm, TablesHarm::Damaged(_));
        if !harm.is_mendable() || (often && !damaged) {
            return Ok(false);
        }
        // While it can still be told which rows they are; and in the journal before they move, so that
        // a daemon that dies in between has told it.
        let findings = self.harm_of_log(harm).await?;
        if let Some(first) = findings.named.first()
            && self.told.as_ref() != Some(&findings)
        {
            let rest = findings.named.len() as u64 - 1 + findings.more;
            let rest = (rest > 0).then(|| format!(", and {rest} more findings"));
            let message = format!(
                "the log is not as it was written: {first}{}; see: db4sci audit verify",
                rest.unwrap_or_default()
            );
            let harmed = Change::LogHarmed {
                findings: findings.clone(),
            };
            self.note(message, harmed).await?;
            self.told = Some(findings);
        }
        let patched = self.patched.is_some_and(|at| now - at < HOUR);
        if damaged && (patched || often) {
            return self.give_up(harm).await;
        }
        // What the harmed ones have of it may be all that is left of an entry.
        self.journal_is_whole().await?;
        let schema = match self.reach.set_aside().await {
            Err(TablesError::Harm(harm @ TablesHarm::Damaged(_))) => {
                return self.give_up(&harm).await;
            }
            moved => moved?,
        };
        self.told = None;
        self.show(Some(0), None);
        self.patched = damaged.then_some(now).or(self.patched);
        self.mends.push(now);
        let message = format!(
            "{harm}; the tables are made again from the ledger, and what was there is kept in the schema \
             {schema}"
        );
        let action = MENDED.to_owned();
        match self.note(message, Change::Acted { action }).await {
            // The new ones begin empty: that is no older copy. As long as that is not known here, empty ones
            // are told of, also by the next daemon.
            Ok(()) => self.held.set(0),
            Err(error) => {
                tracing::error!(%error, "the repair of mydb_admin's tables could not be recorded");
            }
        }
        Ok(true)
    }

    /// Whether the journal has every entry that tables are to be made from.
    async fn journal_is_whole(&self) -> Result<(), LedgerError> {
        let head = self.ledger.book().head().seq;
        let mut read = 0;
        while read < head {
            let records = self.ledger.on_disk(read, BATCH).await?;
            let Some(last) = records.last() else { break };
            read = last.entry.seq;
        }
        Ok(())
    }

    /// More than the tables is damaged: the server is given up, and comes back from its newest backup.
    async fn give_up(&self, harm: &TablesHarm) -> Result<bool, AuditError> {
        let admin = DbName::mydb_admin();
        let book = self.ledger.book();
        if book
            .row(&admin)
            .is_some_and(|row| row.quarantined.is_none())
        {
            let why = harm.to_string();
            let message = format!("{why}; it is stopped, to come back from its newest backup");
            self.note(message, Change::Quarantined { why }).await?;
        }
        Err(TablesError::from(harm.clone()).into())
    }

    pub(super) async fn note(&self, message: String, change: Change) -> Result<(), LedgerError> {
        tracing::warn!(message);
        let entry = NewEntry::of(&DbName::mydb_admin(), Outcome::Done, message, change);
        self.ledger.append(entry).await.map(drop)
    }

    /// What of the log in harmed tables is not as it was written. Rows that cannot be read any more are
    /// harm of it, too.
    async fn harm_of_log(&self, harm: &TablesHarm) -> Result<Findings, AuditError> {
        match self.reach.harm_of_log(&self.ledger).await {
            Err(AuditError::Tables(error)) if !error.is_lost() => {
                let what = format!("mydb_admin: {harm}; its rows cannot be read: {error}");
                let mut findings = Findings::default();
                findings.add(Finding::new(0, what));
                Ok(findings)
            }
            found => found,
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
        let applied = shelf.applied().await?;
        self.compare(shelf.as_mut(), applied).await?;
        self.tell_older(applied).await?;
        let proven = Proven::now(shelf.as_mut()).await?;
        let applied = self.catch_up(shelf.as_mut(), applied).await?;
        let carried = shelf.carry_over(&self.ledger.book().left_names()).await?;
        if carried > 0 {
            tracing::info!(carried, "edits of harmed tables are to be answered");
        }
        let mut seen = Seen {
            applied,
            sums: shelf.sums().await?,
            written: None,
            proven,
            // Data that a server was just started on, or that was just brought back, is looked at once.
            indexes: Instant::now(),
        };
        let mut look_at = Instant::now() + BEAT;
        loop {
            self.look_before(shelf.as_mut(), &seen).await?;
            let applied = self.catch_up(shelf.as_mut(), seen.applied).await?;
            if applied != seen.applied {
                seen.applied = applied;
                seen.sums = shelf.sums().await?;
            }
            self.failures = 0;
            self.show(Some(applied.seq), Some(Doing::Following));
            match self.rest(Some(look_at)).await {
                Rested::Book => {}
                Rested::Closed => return Err(Ended::Closed),
                Rested::Look => {
                    self.look(shelf.as_mut(), &mut seen).await?;
                    look_at = Instant::now() + BEAT;
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
            let now = match shelf.apply(&records, &book).await {
                // The next session finds out whose they are.
                Err(TablesError::Harm(TablesHarm::WrongChain { .. })) => {
                    return Err(TablesError::Replaced.into());
                }
                applied => applied?,
            };
            if now.seq <= applied.seq {
                // Somebody put older tables there meanwhile. The next session begins with them.
                self.compare(shelf, now).await?;
                return Err(TablesError::Replaced.into());
            }
            applied = now;
            self.show(Some(applied.seq), None);
        }
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

    pub(super) fn show(&self, applied: Option<u64>, doing: Option<Doing>) {
        let head = self.books.borrow().head().seq;
        self.publish.send_modify(|status| {
            status.applied = applied.unwrap_or(status.applied);
            status.behind = head.saturating_sub(status.applied);
            status.doing = doing.unwrap_or_else(|| status.doing.clone());
        });
    }
}

/// When a person last asked to forget failed attempts at `mydb_admin`.
fn retry_asked(ledger: &Ledger) -> Option<Timestamp> {
    let book = ledger.book();
    let row = book.row(&DbName::mydb_admin())?;
    row.retry_asked
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
