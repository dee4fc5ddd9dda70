//! Reading records while others are being added.

use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::record::{Decoded, Head, Record, decode, follow};
use super::scan::Cursor;
use super::storage::JournalSource;
use super::{Harm, JournalError};

/// Every so many records their offset is remembered, so that reading can begin there.
const STRIDE: u64 = 256;

/// How far the journal reaches and where records lie: what the writer tells readers.
#[derive(Debug, Clone)]
pub struct Extent {
    pub(super) end: Cursor,
    /// The cursor before record `1 + i * STRIDE`.
    pub(super) marks: Vec<Cursor>,
}

impl Extent {
    /// Of a journal of which nothing was read.
    pub(in crate::admin) const NONE: Extent = Extent {
        end: Cursor::START,
        marks: Vec::new(),
    };

    pub(super) fn add(&mut self, before: Cursor) {
        if before.head.seq.is_multiple_of(STRIDE) {
            self.marks.push(before);
        }
    }
}

/// A stretch that does not lie on the disk any more as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The place before it.
    pub from: Cursor,
    /// The place after it.
    pub to: Cursor,
    /// What lies there now.
    pub found: Vec<u8>,
    /// What is wrong with it.
    pub harm: Harm,
}

/// Where bytes are not the records between two places; `None`: they are.
pub(super) fn differs(from: Cursor, to: Cursor, bytes: &[u8]) -> Option<Cursor> {
    let mut at = from;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let next = line
            .strip_suffix(b"\n")
            .and_then(|text| follow(at.head, text));
        let Some(head) = next else { return Some(at) };
        at = Cursor {
            offset: at.offset + line.len() as u64,
            head,
        };
    }
    (at != to).then_some(at)
}

/// Reads records of a journal while its writer adds to it; only what is on disk is seen.
#[derive(Clone)]
pub struct JournalReader {
    pub(super) source: Arc<dyn JournalSource>,
    pub(super) extent: Arc<Mutex<Extent>>,
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
            let record = match decode(text) {
                Decoded::Good(record) => *record,
                Decoded::Damaged | Decoded::Unreadable(_) => {
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

    /// Where it is not as it was written, stretch by stretch, up to its end. What each of them began and ended
    /// with is known from when it was opened, or written. Waits for the disk.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn gaps(&self) -> Result<Vec<Gap>, JournalError> {
        let bounds: Vec<Cursor> = {
            let extent = self.lock();
            extent.marks.iter().copied().chain([extent.end]).collect()
        };
        let file = self.source.describe();
        let told = |e| JournalError::io(&file, "read", e);
        let mut gaps = Vec::new();
        for pair in bounds.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let mut found = Vec::new();
            let reader = self.source.read_from(from.offset).map_err(told)?;
            let mut stretch = reader.take(to.offset - from.offset);
            stretch.read_to_end(&mut found).map_err(told)?;
            if let Some(at) = differs(from, to, &found) {
                let harm = Harm {
                    file: file.clone(),
                    record: at.head.seq + 1,
                    offset: at.offset,
                    what: "it was good and is not any more".to_owned(),
                };
                gaps.push(Gap {
                    from,
                    to,
                    found,
                    harm,
                });
            }
        }
        Ok(gaps)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Extent> {
        self.extent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
