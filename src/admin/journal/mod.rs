//! The journal: one append-only file of checksummed, chained records, outside every database.
//!
//! It decides when a record is on disk (an append returns then, and not before), and where a
//! damaged journal ends. It does not know what entries mean, and takes no lock: the lock on the
//! state directory keeps a second writer away.
//!
//! - `record`: one record as one line;
//! - `scan`: reading, and telling a torn tail from harm;
//! - `storage`, `memory`: where the bytes lie;
//! - here: appending, and undoing an append that failed.

mod memory;
mod record;
mod scan;
mod storage;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::{Class, Entry};

pub use memory::{Fault, MemoryStorage};
pub use record::{ChainHash, Head, MAX_LINE, Record, fits};
pub use scan::{Cursor, End, Torn};
pub use storage::{FILE_NAME, FileStorage, JournalSource, JournalStorage};

/// Every so many records their offset is remembered, so that reading can begin there.
const STRIDE: u64 = 256;

/// A record that was on disk and is no longer what it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: record {record} (at byte {offset}): {what}; nothing was written")]
pub struct Harm {
    /// The journal.
    pub file: String,
    /// The first record that is wrong, counted from 1.
    pub record: u64,
    /// Where it begins.
    pub offset: u64,
    /// What is wrong with it.
    pub what: String,
}

/// Why a journal could not be read or added to.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// What was on disk is damaged. The file is left as it is.
    #[error(transparent)]
    Harm(Harm),
    /// A newer program wrote it.
    #[error(
        "{file}: record {record} was written by a newer db4sci; nothing was written; \
         install at least the version that ran here last"
    )]
    Newer {
        /// The journal.
        file: String,
        /// The first record that cannot be read.
        record: u64,
        /// What is not known about it.
        why: String,
    },
    /// No space left. Nothing of the entry stays; it can be appended again.
    #[error("{file}: no space left on its disk; nothing was written")]
    DiskFull {
        /// The journal.
        file: String,
    },
    /// The storage failed.
    #[error("{file}: cannot {what}")]
    Io {
        /// The journal.
        file: String,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The entry cannot be put into a record.
    #[error("the entry cannot be kept: {why}")]
    Unfit {
        /// Why.
        why: String,
    },
}

impl JournalError {
    /// What it asks for.
    pub fn class(&self) -> Class {
        match self {
            JournalError::Harm(_) | JournalError::Newer { .. } | JournalError::Unfit { .. } => {
                Class::Permanent
            }
            JournalError::DiskFull { .. } | JournalError::Io { .. } => Class::Transient,
        }
    }

    pub(crate) fn io(file: &str, what: &'static str, source: io::Error) -> Self {
        let file = file.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                JournalError::DiskFull { file }
            }
            _ => JournalError::Io { file, what, source },
        }
    }
}

/// How far the journal reaches and where records lie: what the writer tells readers.
#[derive(Debug)]
struct Extent {
    end: Cursor,
    /// The cursor before record `1 + i * STRIDE`.
    marks: Vec<Cursor>,
}

impl Extent {
    fn add(&mut self, before: Cursor) {
        if before.head.seq.is_multiple_of(STRIDE) {
            self.marks.push(before);
        }
    }
}

/// The one writer of a journal.
pub struct Journal {
    storage: Box<dyn JournalStorage>,
    reader: JournalReader,
    end: Cursor,
    /// Bytes after `end` may lie on the disk, and must go before anything is written.
    dirty: bool,
}

impl Journal {
    /// Reads all records, hands each to `each`, cuts a torn tail away, and stands ready to append.
    ///
    /// # Errors
    /// See [`JournalError`]; at harm, also when `each` objects to a record, nothing was written.
    pub fn open(
        mut storage: Box<dyn JournalStorage>,
        each: &mut dyn FnMut(Record) -> Result<(), String>,
    ) -> Result<(Journal, Option<Torn>), JournalError> {
        let source = storage.source();
        let mut extent = Extent {
            end: Cursor::START,
            marks: Vec::new(),
        };
        let end = read_all(source.as_ref(), &mut |before, record| {
            extent.add(before);
            each(record)
        })?;
        extent.end = end.cursor;
        if end.torn.is_some() {
            let file = source.describe();
            storage
                .truncate(end.cursor.offset)
                .map_err(|e| JournalError::io(&file, "cut its torn tail away", e))?;
        }
        let journal = Journal {
            storage,
            reader: JournalReader {
                source,
                extent: Arc::new(Mutex::new(extent)),
            },
            end: end.cursor,
            dirty: false,
        };
        Ok((journal, end.torn))
    }

    /// Appends units of entries with one sync. On return all are on disk.
    ///
    /// The entries' numbers must follow the head's. Of a unit, all or none count after a crash.
    ///
    /// # Errors
    /// See [`JournalError`]. After an error none of the entries counts, and what was written of
    /// them is gone or will be before the next append.
    pub fn append(&mut self, units: Vec<Vec<Entry>>) -> Result<Vec<Record>, JournalError> {
        let (bytes, cursors, records) = self.lay_out(units)?;
        self.repair()?;
        self.dirty = true;
        let offset = self.end.offset;
        let written = self
            .storage
            .write_at(offset, &bytes)
            .map_err(|e| ("write", e))
            .and_then(|()| self.storage.sync().map_err(|e| ("sync", e)));
        if let Err((what, source)) = written {
            let error = self.io(what, source);
            // Should this fail too, the next append begins with it.
            let _ = self.repair();
            return Err(error);
        }
        self.dirty = false;
        self.end = Cursor {
            offset: offset + bytes.len() as u64,
            head: records.last().map_or(self.end.head, Record::head),
        };
        let mut extent = self.reader.lock();
        cursors.into_iter().for_each(|before| extent.add(before));
        extent.end = self.end;
        drop(extent);
        Ok(records)
    }

    /// Finds out whether an append could succeed, by writing and syncing a page and cutting it
    /// away again.
    ///
    /// # Errors
    /// As an append.
    pub fn probe(&mut self) -> Result<(), JournalError> {
        self.repair()?;
        self.dirty = true;
        let tried = self
            .storage
            .write_at(self.end.offset, &[0; 4096])
            .and_then(|()| self.storage.sync());
        let tried = tried.map_err(|e| self.io("write", e));
        let repaired = self.repair();
        tried.and(repaired)
    }

    /// The last record.
    pub fn head(&self) -> Head {
        self.end.head
    }

    /// A reader that may be used while this writes.
    pub fn reader(&self) -> JournalReader {
        self.reader.clone()
    }

    /// Whether calls may wait for a device.
    pub fn may_block(&self) -> bool {
        self.storage.may_block()
    }

    fn lay_out(
        &self,
        units: Vec<Vec<Entry>>,
    ) -> Result<(Vec<u8>, Vec<Cursor>, Vec<Record>), JournalError> {
        let synced = self.end.head.seq;
        let mut at = self.end;
        let (mut bytes, mut cursors, mut records) = (Vec::new(), Vec::new(), Vec::new());
        for unit in units {
            let mut rest = u32::try_from(unit.len()).unwrap_or(u32::MAX);
            for entry in unit {
                rest -= 1;
                if entry.seq != at.head.seq + 1 {
                    let why = format!("it is number {} after {}", entry.seq, at.head.seq);
                    return Err(JournalError::Unfit { why });
                }
                let (line, record) = record::encode(at.head.hash, synced, rest, entry)
                    .map_err(|why| JournalError::Unfit { why })?;
                cursors.push(at);
                at = Cursor {
                    offset: at.offset + line.len() as u64,
                    head: record.head(),
                };
                bytes.extend_from_slice(&line);
                records.push(record);
            }
        }
        Ok((bytes, cursors, records))
    }

    /// Cuts away what a failed append may have left, for good: a later, shorter append would
    /// otherwise leave the rest of it behind its own end.
    fn repair(&mut self) -> Result<(), JournalError> {
        if self.dirty {
            self.storage
                .truncate(self.end.offset)
                .map_err(|e| self.io("cut a failed append away", e))?;
            self.dirty = false;
        }
        Ok(())
    }

    fn io(&self, what: &'static str, source: io::Error) -> JournalError {
        JournalError::io(&self.reader.source.describe(), what, source)
    }
}

/// Reads records of a journal while its writer adds to it; only what is on disk is seen.
#[derive(Clone)]
pub struct JournalReader {
    source: Arc<dyn JournalSource>,
    extent: Arc<Mutex<Extent>>,
}

impl JournalReader {
    /// Number of the last record on disk.
    pub fn head(&self) -> Head {
        self.lock().end.head
    }

    /// The records after a number, oldest first, for as long as `each` returns true. Waits for the
    /// disk.
    ///
    /// # Errors
    /// See [`JournalError`].
    pub fn after(
        &self,
        seq: u64,
        each: &mut dyn FnMut(Record) -> bool,
    ) -> Result<(), JournalError> {
        let (from, end) = {
            let extent = self.lock();
            let mark = usize::try_from(seq / STRIDE).unwrap_or(usize::MAX);
            let from = extent.marks.get(mark).copied().unwrap_or(extent.end);
            (from, extent.end)
        };
        let file = self.source.describe();
        let mut reader = self
            .source
            .read_from(from.offset)
            .map_err(|e| JournalError::io(&file, "read", e))?;
        let mut at = from;
        let mut line = Vec::new();
        while at.offset < end.offset {
            line.clear();
            let read = reader
                .read_until(b'\n', &mut line)
                .map_err(|e| JournalError::io(&file, "read", e))?;
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let record = match record::decode(text) {
                record::Decoded::Good(record) => *record,
                record::Decoded::Damaged | record::Decoded::Unreadable(_) => {
                    return Err(JournalError::Harm(Harm {
                        file,
                        record: at.head.seq + 1,
                        offset: at.offset,
                        what: "it was good and is not any more".to_owned(),
                    }));
                }
            };
            at = Cursor {
                offset: at.offset + read as u64,
                head: record.head(),
            };
            if record.entry.seq > seq && !each(record) {
                break;
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Extent> {
        self.extent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads all records of a source that nobody writes to, or whose writer may add to it meanwhile:
/// what is half written then counts as a torn tail.
///
/// # Errors
/// See [`JournalError`].
pub fn read_all(
    source: &dyn JournalSource,
    each: &mut dyn FnMut(Cursor, Record) -> Result<(), String>,
) -> Result<End, JournalError> {
    let file = source.describe();
    let mut reader = source
        .read_from(0)
        .map_err(|e| JournalError::io(&file, "read", e))?;
    scan::scan(reader.as_mut(), &file, Cursor::START, each)
}

#[cfg(test)]
mod tests;
