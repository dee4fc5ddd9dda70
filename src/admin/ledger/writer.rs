//! The one task that appends: takes all requests that wait, checks each against the book as the
//! ones before it leave it, and puts the accepted ones on disk with one sync.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{mpsc, oneshot, watch};

use super::{LedgerError, Shown, push};
use crate::admin::book::{Book, NewEntry};
use crate::admin::journal::{Gap, Journal, JournalError, Record, Stirred, fits};
use crate::model::{Clock, Entry};

/// Requests that share a sync at most.
const GROUP: usize = 256;

/// Something for the writer to do.
pub(super) enum Request {
    /// Append all or none.
    Append {
        new: Vec<NewEntry>,
        reply: oneshot::Sender<Result<Vec<Entry>, LedgerError>>,
    },
    /// Find out what somebody else did to the journal.
    Stirred {
        reply: oneshot::Sender<Result<Stirred, LedgerError>>,
    },
    /// Write records of it back.
    PutBack {
        gap: Gap,
        lines: Vec<u8>,
        reply: oneshot::Sender<Result<(), LedgerError>>,
    },
    /// Find out whether the disk takes anything.
    Probe {
        reply: oneshot::Sender<Result<(), LedgerError>>,
    },
}

/// A unit that was accepted and is not on disk yet.
struct Accepted {
    entries: usize,
    reply: oneshot::Sender<Result<Vec<Entry>, LedgerError>>,
}

pub(super) struct Writer {
    /// `None` only after the thread that wrote to it panicked.
    journal: Option<Journal>,
    clock: Arc<dyn Clock>,
    publish: watch::Sender<Arc<Book>>,
    shown: Shown,
    /// The journal is no longer the file it was: nothing can be accepted any more.
    gone: bool,
}

impl Writer {
    pub(super) fn new(
        journal: Journal,
        clock: Arc<dyn Clock>,
        publish: watch::Sender<Arc<Book>>,
        shown: Shown,
    ) -> Self {
        Writer {
            journal: Some(journal),
            clock,
            publish,
            shown,
            gone: false,
        }
    }

    /// Runs until the last handle is gone.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut group = Vec::with_capacity(GROUP);
        while queue.recv_many(&mut group, GROUP).await > 0 {
            self.write(group.drain(..)).await;
            if self.gone {
                return;
            }
        }
    }

    async fn write(&mut self, group: impl Iterator<Item = Request>) {
        let mut book = self.publish.borrow().clone();
        let (mut units, mut accepted, mut probes) = (Vec::new(), Vec::new(), Vec::new());
        for request in group {
            match request {
                Request::Probe { reply } => probes.push(reply),
                Request::Stirred { reply } => {
                    let stirred = self.ask(Journal::stirred).await;
                    drop(reply.send(stirred));
                }
                Request::PutBack { gap, lines, reply } => {
                    let back = self
                        .ask(move |journal| journal.put_back(&gap, &lines))
                        .await;
                    drop(reply.send(back));
                }
                // The caller has gone before its turn: nobody would learn that it happened.
                Request::Append { reply, .. } if reply.is_closed() => {}
                Request::Append { new, reply } => match self.accept(&book, new) {
                    Ok((entries, next)) => {
                        book = Arc::new(next);
                        accepted.push(Accepted {
                            entries: entries.len(),
                            reply,
                        });
                        units.push(entries);
                    }
                    Err(why) => drop(reply.send(Err(LedgerError::Refused(why)))),
                },
            }
        }
        if !units.is_empty() {
            let written = self.ask(move |journal| journal.append(units)).await;
            self.show(book, accepted, written);
        }
        if !probes.is_empty() {
            let probed = self.ask(Journal::probe).await;
            self.shown.writable.store(probed.is_ok(), Ordering::Release);
            for reply in probes {
                drop(reply.send(probed.clone()));
            }
        }
        // Its thread took it along: nothing is ever written again, and whoever waits for the ledger's end hears so.
        self.gone |= self.journal.is_none();
    }

    /// The entries of a unit, and the book after them.
    fn accept(&self, book: &Book, new: Vec<NewEntry>) -> Result<(Vec<Entry>, Book), String> {
        let mut book = book.clone();
        let mut entries = Vec::with_capacity(new.len());
        for new in new {
            book.check(&new)?;
            let entry = new.numbered(book.head().seq + 1, self.clock.now());
            // One entry that cannot be kept must not take the group down with it.
            fits(&entry)?;
            book.apply(&entry)?;
            entries.push(entry);
        }
        Ok((entries, book))
    }

    /// Makes what was written visible, then acknowledges it.
    fn show(
        &self,
        mut book: Arc<Book>,
        accepted: Vec<Accepted>,
        written: Result<Vec<Record>, LedgerError>,
    ) {
        self.shown
            .writable
            .store(written.is_ok(), Ordering::Release);
        match written {
            Ok(records) => {
                if let Some(last) = records.last() {
                    Arc::make_mut(&mut book).seal(last.head());
                }
                let entries: Vec<Entry> = records.iter().map(|r| r.entry.clone()).collect();
                let mut ring = self.shown.ring();
                for record in records {
                    push(&mut ring, record);
                }
                drop(ring);
                self.publish.send_replace(book);
                let mut entries = entries.into_iter();
                for unit in accepted {
                    let own = entries.by_ref().take(unit.entries).collect();
                    drop(unit.reply.send(Ok(own)));
                }
            }
            Err(error) => {
                tracing::error!(%error, "the ledger cannot be written");
                for unit in accepted {
                    drop(unit.reply.send(Err(error.clone())));
                }
            }
        }
    }

    /// Has something done with the journal, and takes notice when that is no longer the file it was.
    async fn ask<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Journal) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let done = self.on_journal(work).await;
        let done = done.and_then(|result| result.map_err(LedgerError::from));
        self.gone |= done.as_ref().is_err_and(LedgerError::is_gone);
        done
    }

    async fn on_journal<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Journal) -> T + Send + 'static,
    ) -> Result<T, LedgerError> {
        let mut journal = self.journal.take().ok_or(LedgerError::Closed)?;
        if !journal.may_block() {
            let done = work(&mut journal);
            self.journal = Some(journal);
            return Ok(done);
        }
        let working = tokio::task::spawn_blocking(move || {
            let done = work(&mut journal);
            (done, journal)
        });
        match working.await {
            Ok((done, journal)) => {
                self.journal = Some(journal);
                Ok(done)
            }
            Err(_) => Err(LedgerError::Closed),
        }
    }
}
