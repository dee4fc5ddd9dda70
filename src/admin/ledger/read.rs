//! Entries from the past: the recent ones from memory, older ones from the journal's file.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::{Ledger, LedgerError};
use crate::admin::book::Book;
use crate::admin::journal::{Head, JournalError, JournalReader, Record};
use crate::model::{DbName, Entry};

/// Which entries to show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// Only entries after this number, oldest first; `None`: the newest ones.
    pub after: Option<u64>,
    /// Only entries that concern this database.
    pub name: Option<DbName>,
    /// Names that it had before, each up to an entry: see [`crate::admin::Row::formerly`].
    pub formerly: Vec<(DbName, u64)>,
    /// At most so many.
    pub limit: usize,
}

impl Query {
    /// The newest entries about a database, those under earlier names of it included.
    pub fn of(book: &Book, name: &DbName, limit: usize) -> Self {
        Query {
            after: None,
            name: Some(name.clone()),
            formerly: book
                .row(name)
                .map(|row| row.formerly.clone())
                .unwrap_or_default(),
            limit,
        }
    }

    /// Whether an entry is asked for.
    pub fn wants(&self, entry: &Entry) -> bool {
        let then = |(name, until): &(DbName, u64)| {
            entry.seq <= *until && entry.name.as_ref() == Some(name)
        };
        self.name.is_none() || entry.name == self.name || self.formerly.iter().any(then)
    }
}

/// Records in a row, as they lie on the disk; whole units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The record before the first one.
    pub after: Head,
    /// The last one.
    pub last: Head,
    /// A line each.
    pub lines: Vec<u8>,
}

/// Records read in one step backwards through the file.
const STEP: u64 = 1024;

impl Ledger {
    /// Entries by number, oldest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn entries(&self, query: &Query) -> Result<Vec<Entry>, LedgerError> {
        if let Some(found) = self.recent(query) {
            return Ok(found);
        }
        let query = query.clone();
        let reader = self.shown.reader.clone();
        let found = read(reader, move |reader| match query.after {
            Some(after) => forwards(reader, after, &query),
            None => backwards(reader, &query),
        });
        found.await
    }

    /// The records after a number, oldest first, at most `limit`: for the tables.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn records(&self, after: u64, limit: usize) -> Result<Vec<Record>, LedgerError> {
        {
            let ring = self.shown.ring();
            if ring.front().is_some_and(|r| r.entry.seq <= after + 1) {
                let newer = ring.iter().filter(|r| r.entry.seq > after);
                return Ok(newer.take(limit).map(|r| Record::clone(r)).collect());
            }
        }
        self.on_disk(after, limit).await
    }

    /// The same, read from the disk whatever is in memory.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn on_disk(&self, after: u64, limit: usize) -> Result<Vec<Record>, LedgerError> {
        let reader = self.shown.reader.clone();
        let found = read(reader, move |reader| {
            let mut found = Vec::new();
            reader.after(after, &mut |record| {
                found.push(record);
                found.len() < limit
            })?;
            Ok(found)
        });
        found.await
    }

    /// The records after a number, up to the unit with which `most` bytes are reached; `None`: there
    /// is none.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn stretch(&self, after: u64, most: usize) -> Result<Option<Stretch>, LedgerError> {
        let reader = self.shown.reader.clone();
        let found = read(reader, move |reader| {
            let mut found: Option<Stretch> = None;
            reader.after(after, &mut |record| {
                let stretch = found.get_or_insert_with(|| Stretch {
                    after: Head {
                        seq: record.entry.seq - 1,
                        hash: record.prev,
                    },
                    last: record.head(),
                    lines: Vec::new(),
                });
                stretch.last = record.head();
                stretch.lines.extend_from_slice(record.line.as_bytes());
                stretch.lines.push(b'\n');
                record.rest > 0 || stretch.lines.len() < most
            })?;
            Ok(found)
        });
        found.await
    }

    /// The places of the records with these numbers, as far as there are such.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn heads(&self, of: BTreeSet<u64>) -> Result<Vec<Head>, LedgerError> {
        let (Some(first), Some(last)) = (of.first().copied(), of.last().copied()) else {
            return Ok(Vec::new());
        };
        let reader = self.shown.reader.clone();
        let found = read(reader, move |reader| {
            let mut found = Vec::new();
            reader.after(first.saturating_sub(1), &mut |record| {
                let head = record.head();
                if of.contains(&head.seq) {
                    found.push(head);
                }
                head.seq < last
            })?;
            Ok(found)
        });
        found.await
    }

    /// Writes all records up to now as they lie on the disk, a line each. Blocks.
    ///
    /// # Errors
    /// When the journal cannot be read, or what it is written to takes no more; for a person.
    pub fn copy_to(&self, to: &mut dyn std::io::Write) -> Result<(), String> {
        let mut written = Ok(());
        let read = self.shown.reader.after(0, &mut |record| {
            written = to
                .write_all(record.line.as_bytes())
                .and_then(|()| to.write_all(b"\n"));
            written.is_ok()
        });
        read.map_err(|e| e.to_string())?;
        written.map_err(|e| e.to_string())
    }

    /// The answer from memory, if it surely is the whole one.
    fn recent(&self, query: &Query) -> Option<Vec<Entry>> {
        let ring = self.shown.ring();
        let whole = ring.front().is_none_or(|r| r.entry.seq == 1);
        let wanted = |r: &&Arc<Record>| query.wants(&r.entry);
        match query.after {
            Some(after) => {
                let covered = whole || ring.front().is_some_and(|r| r.entry.seq <= after + 1);
                let newer = ring.iter().filter(|r| r.entry.seq > after).filter(wanted);
                covered.then(|| newer.take(query.limit).map(|r| r.entry.clone()).collect())
            }
            None => {
                let newest = ring.iter().rev().filter(wanted).take(query.limit);
                let mut found: Vec<Entry> = newest.map(|r| r.entry.clone()).collect();
                found.reverse();
                (whole || found.len() == query.limit).then_some(found)
            }
        }
    }
}

/// Reads on a thread that may block.
pub(super) async fn read<T: Send + 'static>(
    reader: JournalReader,
    work: impl FnOnce(&JournalReader) -> Result<T, JournalError> + Send + 'static,
) -> Result<T, LedgerError> {
    tokio::task::spawn_blocking(move || work(&reader))
        .await
        .map_err(|_| LedgerError::Closed)?
        .map_err(LedgerError::from)
}

fn forwards(reader: &JournalReader, after: u64, query: &Query) -> Result<Vec<Entry>, JournalError> {
    let mut found = Vec::new();
    if query.limit == 0 {
        return Ok(found);
    }
    reader.after(after, &mut |record| {
        if query.wants(&record.entry) {
            found.push(record.entry);
        }
        found.len() < query.limit
    })?;
    Ok(found)
}

/// Reads a step before the last one until enough is found: a name that is seldom spoken of takes
/// the whole file, the usual question only its end.
fn backwards(reader: &JournalReader, query: &Query) -> Result<Vec<Entry>, JournalError> {
    let mut found = VecDeque::new();
    let mut end = reader.head().seq;
    while end > 0 && found.len() < query.limit {
        let start = end.saturating_sub(STEP);
        let mut step = VecDeque::new();
        reader.after(start, &mut |record| {
            let seq = record.entry.seq;
            if seq <= end && query.wants(&record.entry) {
                step.push_back(record.entry);
            }
            seq < end
        })?;
        step.append(&mut found);
        found = step;
        end = start;
    }
    let surplus = found.len().saturating_sub(query.limit);
    Ok(found.into_iter().skip(surplus).collect())
}
