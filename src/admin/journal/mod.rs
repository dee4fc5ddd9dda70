//! The journal: one append-only file of checksummed, chained records, outside every database.
//!
//! It decides when a record is on disk (an append returns then, and not before), and where a
//! damaged journal ends. It does not know what entries mean, and takes no lock: the lock on the
//! state directory keeps a second writer away.
//!
//! - `record`: one record as one line;
//! - `scan`: reading, and telling a torn tail from harm;
//! - `storage`, `memory`: where the bytes lie;
//! - `reader`: reading while others are being added;
//! - here: appending, and undoing an append that failed.

mod error;
mod memory;
mod reader;
mod record;
mod scan;
mod storage;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::Entry;

pub(in crate::admin) use reader::Extent;

pub use error::{Harm, JournalError};
pub use memory::{Fault, MemoryStorage};
pub use reader::{Gap, JournalReader};
pub use record::{
    ChainHash, Head, MAX_LINE, Record, Sealer, fits, follow, read_line, seal_of, verify,
};
pub use scan::{Cursor, End, Torn};
pub use storage::{FILE_NAME, FileStorage, JournalSource, JournalStorage, LENGTH, Stirred, length};

/// The one writer of a journal.
pub struct Journal {
    storage: Box<dyn JournalStorage>,
    reader: JournalReader,
    sealing: Sealing,
    end: Cursor,
    /// Bytes after `end` may lie on the disk, and must go before anything is written.
    dirty: bool,
}

/// What seals the records that are appended from now on, if anything does: keys are read only after the
/// journal is.
#[derive(Clone, Default)]
pub struct Sealing(Arc<Mutex<Option<Sealer>>>);

impl Sealing {
    /// Seals with this.
    pub fn begin(&self, sealer: Sealer) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sealer);
    }

    fn now(&self) -> Option<Sealer> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A group as it will lie on the disk.
#[derive(Default)]
struct Laid {
    bytes: Vec<u8>,
    /// The cursor before each record.
    cursors: Vec<Cursor>,
    records: Vec<Record>,
}

impl Journal {
    /// Reads all records, hands each to `each`, cuts a torn tail away, and stands ready to append.
    ///
    /// # Errors
    /// See [`JournalError`]; at harm, also when `each` objects to a record, nothing was written.
    pub fn open(
        storage: Box<dyn JournalStorage>,
        each: &mut dyn FnMut(Record) -> Result<(), String>,
    ) -> Result<(Journal, Option<Torn>), JournalError> {
        Journal::open_from(storage, Extent::NONE, each)
    }

    /// The same, of a journal that was read already up to there and not touched before that end since:
    /// hands out what follows.
    ///
    /// # Errors
    /// As [`Journal::open`]. What lies before that end is not looked at.
    pub(in crate::admin) fn open_from(
        mut storage: Box<dyn JournalStorage>,
        mut extent: Extent,
        each: &mut dyn FnMut(Record) -> Result<(), String>,
    ) -> Result<(Journal, Option<Torn>), JournalError> {
        let source = storage.source();
        let end = read_from(source.as_ref(), extent.end, &mut |before, record| {
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
            sealing: Sealing::default(),
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
        let laid = self.lay_out(units)?;
        self.repair()?;
        self.dirty = true;
        let offset = self.end.offset;
        let written = self
            .storage
            .write_at(offset, &laid.bytes)
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
            offset: offset + laid.bytes.len() as u64,
            head: laid.records.last().map_or(self.end.head, Record::head),
        };
        self.storage.acknowledge(self.end.offset);
        let mut extent = self.reader.lock();
        laid.cursors.into_iter().for_each(|at| extent.add(at));
        extent.end = self.end;
        drop(extent);
        Ok(laid.records)
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

    /// What somebody else did to it since it was last asked, as far as that shows without reading it.
    ///
    /// # Errors
    /// [`JournalError::Gone`] when it is not the file any more that was opened.
    pub fn stirred(&mut self) -> Result<Stirred, JournalError> {
        self.storage.stirred().map_err(|e| self.io("look at", e))
    }

    /// Writes the records of a gap back. Readers may see a part of them meanwhile.
    ///
    /// # Errors
    /// When these are not its records, and as an append.
    pub fn put_back(&mut self, gap: &Gap, lines: &[u8]) -> Result<(), JournalError> {
        if reader::differs(gap.from, gap.to, lines).is_some() {
            let why = "these are not the records that were there".to_owned();
            return Err(JournalError::Unfit { why });
        }
        self.storage
            .write_at(gap.from.offset, lines)
            .and_then(|()| self.storage.sync())
            .map_err(|e| self.io("write", e))
    }

    /// The last record.
    pub fn head(&self) -> Head {
        self.end.head
    }

    /// How far it reaches.
    pub(in crate::admin) fn extent(&self) -> Extent {
        self.reader.lock().clone()
    }

    /// A reader that may be used while this writes.
    pub fn reader(&self) -> JournalReader {
        self.reader.clone()
    }

    /// What seals its records.
    pub fn sealing(&self) -> Sealing {
        self.sealing.clone()
    }

    /// Whether calls may wait for a device.
    pub fn may_block(&self) -> bool {
        self.storage.may_block()
    }

    fn lay_out(&self, units: Vec<Vec<Entry>>) -> Result<Laid, JournalError> {
        let synced = self.end.head.seq;
        let sealer = self.sealing.now();
        let mut at = self.end;
        let mut laid = Laid::default();
        for unit in units {
            let mut rest = u32::try_from(unit.len()).unwrap_or(u32::MAX);
            for entry in unit {
                rest -= 1;
                if entry.seq != at.head.seq + 1 {
                    let why = format!("it is number {} after {}", entry.seq, at.head.seq);
                    return Err(JournalError::Unfit { why });
                }
                let record = record::encode(at.head.hash, synced, rest, entry, sealer.as_ref())
                    .map_err(|why| JournalError::Unfit { why })?;
                laid.cursors.push(at);
                laid.bytes.extend_from_slice(record.line.as_bytes());
                laid.bytes.push(b'\n');
                at = Cursor {
                    offset: self.end.offset + laid.bytes.len() as u64,
                    head: record.head(),
                };
                laid.records.push(record);
            }
        }
        Ok(laid)
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

/// Reads all records of a source that nobody writes to, or whose writer may add to it meanwhile:
/// what is half written then counts as a torn tail. An end before what was acknowledged is harm.
///
/// # Errors
/// See [`JournalError`].
pub fn read_all(
    source: &dyn JournalSource,
    each: &mut dyn FnMut(Cursor, Record) -> Result<(), String>,
) -> Result<End, JournalError> {
    read_from(source, Cursor::START, each)
}

fn read_from(
    source: &dyn JournalSource,
    from: Cursor,
    each: &mut dyn FnMut(Cursor, Record) -> Result<(), String>,
) -> Result<End, JournalError> {
    let file = source.describe();
    let mut reader = source
        .read_from(from.offset)
        .map_err(|e| JournalError::io(&file, "read", e))?;
    let end = scan::scan(reader.as_mut(), &file, from, each)?;
    let (offset, acknowledged) = (end.cursor.offset, source.acknowledged());
    if offset < acknowledged {
        return Err(JournalError::Harm(Harm {
            file,
            record: end.cursor.head.seq + 1,
            offset,
            what: format!("it ends there, and had {acknowledged} bytes"),
        }));
    }
    Ok(end)
}

#[cfg(test)]
mod tests;
