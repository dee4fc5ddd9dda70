//! One look at the tables, every few seconds: cheap enough for that, and such that whoever puts an older
//! copy there, or forges a row with its checksum, is found out by the next one.

use std::time::Duration;

use tokio::time::Instant;

use super::follow::{Ended, Follower, HOUR};
use super::proven::{Proven, SHARE};
use super::reach::Shelf;
use crate::admin::journal::{Head, verify};
use crate::admin::ledger::LedgerError;
use crate::admin::tables::{TablesError, TablesHarm};
use crate::model::Change;
use crate::model::action::{LAST_MOMENTS, LET_IN, MENDED, ROLLED_BACK};

/// How often tables of a newer program are looked at.
const NEWER: Duration = Duration::from_secs(60);

/// What the tables were like after the last entry that was brought in.
pub(super) struct Seen {
    /// That entry.
    pub(super) applied: Head,
    /// What all checksums come to that are kept beside the rows: they change with an entry alone.
    pub(super) sums: String,
    /// An entry that was in the tables, and how far the server had written by then.
    pub(super) written: Option<(u64, u64)>,
    /// When every row was last compared with its checksum.
    pub(super) proven: Proven,
    /// When all pages are to be read, and the indexes compared with their tables.
    pub(super) indexes: Instant,
}

impl Seen {
    /// Whether the checksums are what they were after the last entry.
    async fn same_sums(&self, shelf: &mut dyn Shelf) -> Result<(), Ended> {
        if !self.sums.is_empty() && shelf.sums().await? != self.sums {
            let what = "the checksums that are kept beside the rows".to_owned();
            return Err(TablesHarm::Altered(what).into());
        }
        Ok(())
    }
}

impl Follower {
    /// Looks at the checksums before another entry is brought in: what was forged since the one before
    /// would pass for its doing.
    pub(super) async fn look_before(
        &self,
        shelf: &mut dyn Shelf,
        seen: &Seen,
    ) -> Result<(), Ended> {
        let news = self.ledger.book().head().seq > seen.applied.seq;
        // An older copy is found out by what comes in.
        if news && shelf.applied().await? == seen.applied {
            seen.same_sums(shelf).await?;
        }
        Ok(())
    }

    /// Looks whether the tables are still what they were.
    pub(super) async fn look(
        &mut self,
        shelf: &mut dyn Shelf,
        seen: &mut Seen,
    ) -> Result<(), Ended> {
        let found = shelf.applied().await?;
        if found != seen.applied {
            self.compare(shelf, found).await?;
            self.tell_older(found).await?;
            (seen.applied, seen.written) = (found, None);
            // As they are after what is missing was brought in.
            seen.sums = String::new();
        } else {
            seen.same_sums(shelf).await?;
        }
        self.settle(shelf, seen).await?;
        let findings = shelf.newest(&self.ledger).await?;
        if let Some(first) = findings.named.first() {
            return Err(TablesHarm::Altered(first.to_string()).into());
        }
        // The server tells of changes late, and of some never.
        let stirred = shelf.stamp().await? != seen.proven.stamp;
        if stirred || Instant::now() >= seen.proven.again {
            seen.proven = Proven::now(shelf).await?;
        }
        if Instant::now() >= seen.indexes {
            seen.indexes = self.check_indexes().await?;
        }
        self.stay_in().await
    }

    /// Reads all pages of the tables, compares all indexes with them, and gives when that is due again. That
    /// it could not be done is no harm.
    async fn check_indexes(&self) -> Result<Instant, Ended> {
        let begun = Instant::now();
        match self.reach.check_indexes().await {
            Ok(Some(checked)) => {
                tracing::debug!(checked, "the tables and indexes of mydb_admin are whole")
            }
            Ok(None) => tracing::debug!("mydb_admin has no amcheck: its pages are not checked"),
            Err(TablesError::Harm(harm @ TablesHarm::Damaged(_))) => return Err(harm.into()),
            Err(error) => tracing::warn!(%error, "the pages of mydb_admin could not be checked"),
        }
        Ok(begun + HOUR.max(begun.elapsed() * SHARE))
    }

    /// Sees to it that the daemon's own role would be let in anew: this connection outlives every change
    /// of its password.
    async fn stay_in(&self) -> Result<(), Ended> {
        match self.reach.let_in().await {
            Ok(false) => {}
            Ok(true) => {
                let message = "it refused the role of db4sci itself: somebody changed its password or its \
                               rights; they are set again";
                let action = LET_IN.to_owned();
                self.note(message.to_owned(), Change::Acted { action })
                    .await?;
            }
            // This connection answers; that the superuser's login is refused, the probe tells.
            Err(error) => tracing::debug!(%error, "mydb_admin lets nobody in anew"),
        }
        Ok(())
    }

    /// Takes notice of what the server has on its disk by now.
    async fn settle(&mut self, shelf: &mut dyn Shelf, seen: &mut Seen) -> Result<(), Ended> {
        if self.held.entry() >= seen.applied.seq {
            return Ok(());
        }
        let wal = shelf.wal().await?;
        let now = Some((seen.applied.seq, wal.written));
        let earlier = std::mem::replace(&mut seen.written, now);
        // A server that is written to all the time has never all of it there.
        let mut settled = [now, earlier].into_iter().flatten();
        if let Some((entry, _)) = settled.find(|(_, end)| wal.flushed >= *end) {
            self.held.set(entry);
        }
        Ok(())
    }

    /// Tells of tables that hold less than they held, also at an earlier daemon's time.
    pub(super) async fn tell_older(&mut self, found: Head) -> Result<(), LedgerError> {
        let (held, found) = (self.held.entry(), found.seq);
        let known = held.max(self.publish.borrow().applied);
        if found >= known {
            return Ok(());
        }
        // New ones hold nothing, and were made by a repair. That was told, unless a kill came between.
        if found == 0 && held > 0 && self.ledger.book().last_harm() <= held {
            let message = format!(
                "its tables held entry {held} and are empty: they were harmed, and a repair was cut off \
                 before it could tell; they are made again from the ledger"
            );
            let action = MENDED.to_owned();
            self.note(message, Change::Acted { action }).await?;
        }
        if found > 0 {
            let (how, action) = if held == 0 {
                // They were made a moment ago, and nobody knows yet what is on the disk.
                let how =
                    "an older copy of them was put there, or its server lost its last moments";
                (how, ROLLED_BACK)
            } else if found < held {
                ("an older copy of them was put there", ROLLED_BACK)
            } else {
                let how = "its server lost its last moments, as one does that is killed, and nothing that \
                           was on its disk for sure";
                (how, LAST_MOMENTS)
            };
            let message = format!(
                "its tables held entry {known} and now end with entry {found}: {how}; what is missing is \
                 brought in from the ledger"
            );
            let action = action.to_owned();
            self.note(message, Change::Acted { action }).await?;
        }
        // It is told once, also where what is missing does not come in at once.
        self.held.set(held.min(found));
        self.show(Some(found), None);
        Ok(())
    }

    /// Tells, once, that a newer program has the tables; gives when to look whether that is over, which
    /// nothing else tells.
    pub(super) async fn tell_newer(&mut self, harm: &TablesHarm) -> Option<Instant> {
        let TablesHarm::Newer { version } = harm else {
            return None;
        };
        if self.newer != Some(*version) {
            match self.note(harm.to_string(), Change::Noted).await {
                Ok(()) => self.newer = Some(*version),
                Err(error) => tracing::error!(%error, "a newer program could not be recorded"),
            }
        }
        Some(Instant::now() + NEWER)
    }

    /// Whether the tables were made from this ledger.
    pub(super) async fn compare(&self, shelf: &mut dyn Shelf, applied: Head) -> Result<(), Ended> {
        let head = self.ledger.book().head();
        let wrong = if applied.seq > head.seq {
            TablesHarm::Ahead {
                tables: applied.seq,
                journal: head.seq,
            }
        } else {
            let ours = match applied.seq.checked_sub(1) {
                None => Head::GENESIS,
                Some(before) => {
                    let records = self.ledger.records(before, 1).await?;
                    records.first().map_or(Head::GENESIS, |r| r.head())
                }
            };
            if ours == applied {
                return Ok(());
            }
            TablesHarm::WrongChain { seq: applied.seq }
        };
        // Another ledger's tables can prove it; a number that somebody changed cannot.
        let witness = shelf.record(applied.seq).await?;
        let proven = witness.and_then(|line| verify(line.as_bytes()));
        if proven == Some(applied.hash) {
            return Err(wrong.into());
        }
        let what = format!(
            "db4sci.applied is at {}, and no record proves it",
            applied.seq
        );
        Err(TablesHarm::Altered(what).into())
    }
}
