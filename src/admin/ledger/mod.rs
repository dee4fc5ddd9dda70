//! The ledger: the daemon's one way to write. An entry is checked against the book, put on disk,
//! made visible, and then acknowledged.
//!
//! - here: the handle that everybody holds;
//! - `writer`: the one task that appends, a group at a time;
//! - `read`: entries from the past;
//! - `whole`: whether they lie on the disk as they were written, and writing them back.

mod read;
mod whole;
mod writer;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};

use crate::admin::book::{Book, NewEntry};
use crate::admin::journal::{
    Extent, Head, Journal, JournalError, JournalReader, JournalStorage, Record, Sealer, Sealing,
    Torn,
};
use crate::model::{Class, Clock, Entry};

pub use read::{Query, Stretch};
use writer::{Request, Writer};

/// Appends that may wait their turn; further ones wait to be let in.
const QUEUE: usize = 1024;

/// Records kept in memory for readers of the recent past.
const RING: usize = 256;

/// Why an entry was not accepted, or the past could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// It breaks a rule. Nothing was written.
    #[error("refused: {0}")]
    Refused(String),
    /// The journal failed. Nothing of the entry was accepted.
    #[error(transparent)]
    Journal(Arc<JournalError>),
    /// The ledger was closed.
    #[error("the ledger is closed; the entry was not written")]
    Closed,
}

impl LedgerError {
    /// Whether the journal is no longer the file it was.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, LedgerError::Journal(error) if matches!(**error, JournalError::Gone { .. }))
    }

    /// What it asks for.
    pub fn class(&self) -> Class {
        match self {
            LedgerError::Refused(_) => Class::Permanent,
            LedgerError::Journal(error) => error.class(),
            LedgerError::Closed => Class::Cancelled,
        }
    }
}

impl From<JournalError> for LedgerError {
    fn from(error: JournalError) -> Self {
        LedgerError::Journal(Arc::new(error))
    }
}

/// What was found at opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenReport {
    /// The last entry. Number 0: the journal is empty.
    pub head: Head,
    /// A tail that was never acknowledged and was cut away.
    pub torn: Option<Torn>,
}

/// A handle on the ledger; clones are the same ledger. The ledger ends with its last handle, after
/// the appends that are under way.
#[derive(Clone)]
pub struct Ledger {
    requests: mpsc::Sender<Request>,
    shown: Shown,
}

/// The last records, oldest first.
type Ring = VecDeque<Arc<Record>>;

/// What was made of a journal up to the end that an opening found: another opening may go on from there.
#[derive(Clone)]
pub struct Past {
    book: Book,
    ring: Ring,
    extent: Extent,
}

impl Past {
    /// Before the first record.
    fn none() -> Self {
        Past {
            book: Book::new(),
            ring: Ring::with_capacity(RING),
            extent: Extent::NONE,
        }
    }
}

/// What the writer shows to everybody.
#[derive(Clone)]
struct Shown {
    book: watch::Receiver<Arc<Book>>,
    ring: Arc<Mutex<Ring>>,
    writable: Arc<AtomicBool>,
    reader: JournalReader,
    sealing: Sealing,
}

impl Ledger {
    /// Opens the ledger of a storage: folds all entries into the book and starts the writer.
    ///
    /// Must be called inside a tokio runtime. The caller holds the lock on the state directory.
    ///
    /// # Errors
    /// See [`JournalError`]. At harm nothing was written.
    pub async fn open(
        storage: impl JournalStorage,
        clock: Arc<dyn Clock>,
    ) -> Result<(Ledger, OpenReport), JournalError> {
        let (ledger, report, _) = Ledger::open_after(storage, clock, None).await?;
        Ok((ledger, report))
    }

    /// The same, going on from what an earlier opening of this storage made of it; gives what this
    /// one did. For simulations of many starts, whose disk is surely what it was.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    ///
    /// # Caveats
    /// Harm before that end is not found.
    pub async fn open_after(
        storage: impl JournalStorage,
        clock: Arc<dyn Clock>,
        past: Option<Past>,
    ) -> Result<(Ledger, OpenReport, Past), JournalError> {
        let past = past.unwrap_or_else(Past::none);
        let opened = if storage.may_block() {
            let opening = tokio::task::spawn_blocking(move || fold(Box::new(storage), past));
            opening.await.map_err(|e| JournalError::Io {
                file: "journal".to_owned(),
                what: "read",
                source: std::io::Error::other(e),
            })?
        } else {
            fold(Box::new(storage), past)
        };
        let Opened {
            journal,
            book,
            ring,
            torn,
        } = opened?;
        let head = book.head();
        let past = Past {
            book: book.clone(),
            ring: ring.clone(),
            extent: journal.extent(),
        };
        let (requests, queue) = mpsc::channel(QUEUE);
        let (publish, watched) = watch::channel(Arc::new(book));
        let shown = Shown {
            book: watched,
            ring: Arc::new(Mutex::new(ring)),
            writable: Arc::new(AtomicBool::new(true)),
            reader: journal.reader(),
            sealing: journal.sealing(),
        };
        let writer = Writer::new(journal, clock, publish, shown.clone());
        tokio::spawn(writer.run(queue));
        let ledger = Ledger { requests, shown };
        Ok((ledger, OpenReport { head, torn }, past))
    }

    /// Seals the entries that follow.
    pub fn seal_with(&self, sealer: Sealer) {
        self.shown.sealing.begin(sealer);
    }

    /// Appends one entry. On return it is on disk, and the book shows it.
    ///
    /// # Errors
    /// See [`LedgerError`]; then nothing of it was accepted.
    ///
    /// # Caveats
    /// When the returned future is dropped, the entry may have been written or not; one whose turn
    /// has not come is not.
    pub async fn append(&self, new: NewEntry) -> Result<Entry, LedgerError> {
        let mut entries = self.append_all(vec![new]).await?;
        entries.pop().ok_or(LedgerError::Closed)
    }

    /// Appends several entries, of which all or none are accepted, also across a crash.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub async fn append_all(&self, new: Vec<NewEntry>) -> Result<Vec<Entry>, LedgerError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Append { new, reply };
        self.requests
            .send(request)
            .await
            .map_err(|_| LedgerError::Closed)?;
        answer.await.map_err(|_| LedgerError::Closed)?
    }

    /// Whether the last append went well. While it is false, no intent can be written, so nothing
    /// should be done; [`Ledger::probe`] finds out whether it is over.
    pub fn writable(&self) -> bool {
        self.shown.writable.load(Ordering::Acquire)
    }

    /// Tries the disk by writing a page that no reader sees, and sets [`Ledger::writable`].
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub async fn probe(&self) -> Result<(), LedgerError> {
        let (reply, answer) = oneshot::channel();
        self.requests
            .send(Request::Probe { reply })
            .await
            .map_err(|_| LedgerError::Closed)?;
        answer.await.map_err(|_| LedgerError::Closed)?
    }

    /// What is the case according to the last acknowledged entry.
    pub fn book(&self) -> Arc<Book> {
        self.shown.book.borrow().clone()
    }

    /// Waits until it takes nothing any more. Safe to cancel.
    pub async fn ended(&self) {
        let mut books = self.watch();
        while books.changed().await.is_ok() {}
    }

    /// Shows every new book; several entries may come as one.
    pub fn watch(&self) -> watch::Receiver<Arc<Book>> {
        self.shown.book.clone()
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ledger({:?})", self.book().head())
    }
}

struct Opened {
    journal: Journal,
    book: Book,
    ring: Ring,
    torn: Option<Torn>,
}

fn fold(storage: Box<dyn JournalStorage>, past: Past) -> Result<Opened, JournalError> {
    let Past {
        mut book,
        mut ring,
        extent,
    } = past;
    let (journal, torn) = Journal::open_from(storage, extent, &mut |record| {
        book.apply(&record.entry)?;
        book.seal(record.head());
        push(&mut ring, record);
        Ok(())
    })?;
    Ok(Opened {
        journal,
        book,
        ring,
        torn,
    })
}

fn push(ring: &mut Ring, record: Record) {
    if ring.len() >= RING {
        ring.pop_front();
    }
    ring.push_back(Arc::new(record));
}

impl Shown {
    fn ring(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
