//! The journal while it is in use: whether it lies on the disk as it was written. What does not is written
//! back, from memory and from `mydb_admin`'s tables, and told either way.
//!
//! Where another file lies in its place, nothing is written to either: the ledger ends with it, and the next
//! start makes it whole.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admin::journal::{FILE_NAME, Gap, Stirred};
use crate::admin::tables::records_between;
use crate::admin::{Ledger, NewEntry};
use crate::control::{Board, Queue};
use crate::model::{Change, Clock, DbName, Outcome};

use super::admin::Logins;
use super::daemon::chain;

/// Between two looks at what the file system says of the file.
const BEAT: Duration = Duration::from_secs(2);
/// All of it is read this often, whatever the file system says: a disk harms it without a trace.
const HOUR: Duration = Duration::from_secs(3600);
/// One part in so many of the time is spent on that at most.
const SHARE: u32 = 50;

/// Has the lines of entries.
#[async_trait]
pub(super) trait Lines: Send + Sync {
    /// Those after a number up to another one, as far as they are there; why not, for a person.
    async fn between(&self, after: u64, upto: u64) -> Result<Vec<String>, String>;
}

#[async_trait]
impl Lines for Logins {
    async fn between(&self, after: u64, upto: u64) -> Result<Vec<String>, String> {
        let access = self.access().ok_or("mydb_admin has no logins")?;
        let lines = records_between(&access, after, upto).await;
        lines.map_err(|e| chain(&e))
    }
}

/// Looks after the journal.
pub(super) struct Watch {
    pub(super) ledger: Ledger,
    pub(super) board: Arc<Board>,
    pub(super) queue: Arc<Queue>,
    pub(super) lines: Box<dyn Lines>,
    /// The journal's.
    pub(super) folder: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stop: CancellationToken,
}

impl Watch {
    /// Looks until the token is cancelled. Safe to cancel anywhere: what was harmed is found again.
    pub(super) async fn run(self) {
        let mut harm = None;
        // It was read when it was opened.
        let mut read_at = Instant::now() + HOUR;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(BEAT) => {}
            }
            let stirred = match self.ledger.stirred().await {
                Ok(stirred) => stirred,
                Err(error) => {
                    tracing::error!(%error, "the journal cannot be looked at");
                    continue;
                }
            };
            if stirred != Stirred::No || Instant::now() >= read_at {
                let begun = Instant::now();
                harm = self.look(stirred, harm).await;
                // What could not be mended may be at any moment: its source may answer again.
                let rest = if harm.is_some() { BEAT } else { HOUR };
                read_at = Instant::now() + rest.max(begun.elapsed() * SHARE);
            }
        }
    }

    /// Reads all of it, and writes back what can be; gives the harm that stays, and tells of it once.
    async fn look(&self, stirred: Stirred, told: Option<String>) -> Option<String> {
        let mut done = Vec::new();
        match stirred {
            Stirred::No | Stirred::Written => {}
            Stirred::Removed => done.push(
                "the journal was removed while it was in use; it is in its place again, with all that it \
                 held"
                    .to_owned(),
            ),
        }
        let harm = self.mend(&mut done).await.err();
        // To one that is cut nothing can be added before all of it is there.
        for message in done {
            self.note(Outcome::Done, message).await;
        }
        if harm != told {
            if let Some(why) = &harm {
                self.note(Outcome::Failed, why.clone()).await;
            }
            self.board.journal_harm(harm.clone());
            self.queue.add(&DbName::mydb_admin());
        }
        harm
    }

    /// Writes back what is not as it was written, in its order: behind a cut there is nothing to write to.
    /// Adds what is to be told of that.
    async fn mend(&self, done: &mut Vec<String>) -> Result<(), String> {
        let gaps = self.ledger.gaps().await.map_err(|e| chain(&e))?;
        for gap in gaps {
            let (first, last) = (gap.from.head.seq + 1, gap.to.head.seq);
            let harm = &gap.harm;
            let harm = format!(
                "{}: record {} (at byte {}): {}",
                harm.file, harm.record, harm.offset, harm.what
            );
            let lines = match self.ledger.filled(&gap, &[]) {
                Some(lines) => Ok(lines),
                None => self.told_by_tables(&gap).await,
            };
            let lines = lines.map_err(|why| {
                format!(
                    "the journal is harmed ({harm}); its entries {first} to {last} are in force, and \
                     cannot be written back now: {why}; it is tried again. See that mydb_admin is Ready; \
                     what only a store holds is brought in by a start of the daemon: systemctl restart \
                     db4sci"
                )
            })?;
            let kept = self.keep(&gap)?;
            let back = self.ledger.put_back(gap, lines).await;
            back.map_err(|e| format!("the journal is harmed ({harm}): {}", chain(&e)))?;
            done.push(format!(
                "the journal was harmed while it was in use ({harm}); its entries {first} to {last} are \
                 written back as they were; what lay there is kept in {}",
                kept.display()
            ));
        }
        Ok(())
    }

    async fn told_by_tables(&self, gap: &Gap) -> Result<Vec<u8>, String> {
        let (after, upto) = (gap.from.head.seq, gap.to.head.seq);
        let lines = self.lines.between(after, upto).await?;
        let filled = self.ledger.filled(gap, &lines);
        filled.ok_or_else(|| "mydb_admin's tables do not hold all of them".to_owned())
    }

    /// Keeps what lies in a gap, in a file that nothing else is in.
    fn keep(&self, gap: &Gap) -> Result<PathBuf, String> {
        let now = self.clock.now().format("%Y%m%dT%H%M%SZ");
        let mut n = gap.from.head.seq + 1;
        loop {
            let kept = self.folder.join(format!("{FILE_NAME}.harmed-{now}-{n}"));
            let mut options = OpenOptions::new();
            let file = options.write(true).create_new(true).mode(0o600).open(&kept);
            let written = match file {
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                    n += 1;
                    continue;
                }
                Ok(mut file) => file.write_all(&gap.found).and_then(|()| file.sync_all()),
                Err(e) => Err(e),
            };
            return match written {
                Ok(()) => Ok(kept),
                Err(e) => Err(format!("{}: {e}", kept.display())),
            };
        }
    }

    async fn note(&self, outcome: Outcome, message: String) {
        tracing::warn!(message);
        let entry = NewEntry::of(&DbName::mydb_admin(), outcome, message, Change::Noted);
        if let Err(error) = self.ledger.append(entry).await {
            tracing::error!(%error, "could not be recorded");
        }
    }
}

#[cfg(test)]
mod tests;
