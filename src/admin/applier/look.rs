//! One look at the tables, every few seconds: cheap enough for that, and such that whoever puts an older
//! copy there, or forges a row with its checksum, is found out by the next one.

use tokio::time::Instant;

use super::follow::{Ended, Follower, HOUR};
use super::proven::{Proven, SHARE};
use super::reach::Shelf;
use crate::admin::journal::{Head, verify};
use crate::admin::ledger::LedgerError;
use crate::admin::tables::{TablesError, TablesHarm};
use crate::model::Change;
use crate::model::action::{LET_IN, ROLLED_BACK};

/// What the tables were like after the last entry that was brought in.
pub(super) struct Seen {
    /// That entry.
    pub(super) applied: Head,
    /// What all checksums come to that are kept beside the rows: they change with an entry alone.
    pub(super) sums: String,
    /// When every row was last compared with its checksum.
    pub(super) proven: Proven,
    /// When the indexes are to be compared with their tables.
    pub(super) indexes: Instant,
}

impl Follower {
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
            seen.applied = found;
            // As they are after what is missing was brought in.
            seen.sums = String::new();
        } else if !seen.sums.is_empty() && shelf.sums().await? != seen.sums {
            let what = "the checksums that are kept beside the rows".to_owned();
            return Err(TablesHarm::Altered(what).into());
        }
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

    /// Compares all indexes with their tables, and gives when that is due again. That it could not be
    /// done is no harm.
    async fn check_indexes(&self) -> Result<Instant, Ended> {
        let begun = Instant::now();
        match self.reach.check_indexes().await {
            Ok(Some(checked)) => tracing::debug!(checked, "the indexes of mydb_admin are whole"),
            Ok(None) => tracing::debug!("mydb_admin has no amcheck: its indexes are not checked"),
            Err(TablesError::Harm(harm @ TablesHarm::Damaged(_))) => return Err(harm.into()),
            Err(error) => tracing::warn!(%error, "the indexes of mydb_admin could not be checked"),
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

    /// Tells of tables that hold less than they held.
    pub(super) async fn tell_older(&self, found: Head) -> Result<(), LedgerError> {
        let known = self.publish.borrow().applied;
        // New ones hold nothing, and were made by a repair that was told.
        if found.seq >= known || found.seq == 0 {
            return Ok(());
        }
        let message = format!(
            "its tables held entry {known} and now end with entry {}: an older copy of them was put there, \
             or its server lost its last moments; what is missing is brought in from the ledger",
            found.seq
        );
        let action = ROLLED_BACK.to_owned();
        self.note(message, Change::Acted { action }).await
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
