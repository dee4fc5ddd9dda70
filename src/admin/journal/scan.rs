//! Reading a journal from its first byte, and telling a torn tail from harm.
//!
//! A crash in the middle of a write leaves a part of the last group: its first bytes, or pages of
//! zeros between good ones, since a file system may have written a later page first. None of that
//! was acknowledged, so the journal ends before it. Everything else that is wrong happened to
//! records that were on disk, and is harm:
//!
//! - a damaged line with its end of line and without zeros: no crash makes one;
//! - a damaged line that a later good record knows to have been synced (`synced` in the record);
//! - a good line at the wrong place of the chain.
//!
//! So a single flipped bit anywhere is harm, also in the last record, and a cut anywhere is an end.
//! Only a cut between two records cannot be seen here; the head's number in the tables shows it.

use std::io::BufRead;

use super::record::{Decoded, Head, Record, decode, synced_of, verify};
use super::{Harm, JournalError};

/// A place between two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Bytes before it.
    pub offset: u64,
    /// The record before it.
    pub head: Head,
}

impl Cursor {
    /// Before the first record.
    pub const START: Cursor = Cursor {
        offset: 0,
        head: Head::GENESIS,
    };
}

/// A tail that was never acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Where a journal ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// After the last record that counts.
    pub cursor: Cursor,
    /// What follows it and does not count.
    pub torn: Option<Torn>,
}

/// Reads records from a cursor on, and hands each to `each` together with the cursor before it.
/// Records of an incomplete unit at the end are not handed out.
///
/// # Errors
/// [`JournalError::Harm`] as told above, or when `each` objects;
/// [`JournalError::Newer`] at a good record that this program cannot read;
/// [`JournalError::Io`] when reading fails.
pub fn scan(
    reader: &mut dyn BufRead,
    file: &str,
    from: Cursor,
    each: &mut dyn FnMut(Cursor, Record) -> Result<(), String>,
) -> Result<End, JournalError> {
    let mut lines = Lines { reader, file };
    let mut line = Vec::new();
    // After the last complete unit, and after the last line of the unit under way.
    let (mut done, mut at) = (from, from);
    let mut unit: Vec<(Cursor, Record)> = Vec::new();
    loop {
        let read = lines.next(&mut line)?;
        let Some((b'\n', text)) = line.split_last().map(|(last, text)| (*last, text)) else {
            return tail(file, &line, at, done);
        };
        let bad = |what: String| harm(file, at, what);
        let record = match decode(text) {
            Decoded::Good(record) => *record,
            Decoded::Unreadable(why) => {
                return Err(JournalError::Newer {
                    file: file.to_owned(),
                    record: at.head.seq + 1,
                    why,
                });
            }
            Decoded::Damaged => {
                let end = damaged(&mut lines, &line, at, done)?;
                return Ok(end);
            }
        };
        if record.entry.seq != at.head.seq + 1 || record.prev != at.head.hash {
            return Err(bad(format!(
                "it is record {} and does not follow the one before it",
                record.entry.seq
            )));
        }
        let before = at;
        at = Cursor {
            offset: at.offset + read,
            head: record.head(),
        };
        if unit
            .last()
            .is_some_and(|(_, last)| last.rest.checked_sub(1) != Some(record.rest))
        {
            return Err(harm(
                file,
                before,
                "it does not belong to the unit before it",
            ));
        }
        let complete = record.rest == 0;
        unit.push((before, record));
        if complete {
            for (cursor, record) in unit.drain(..) {
                each(cursor, record).map_err(|why| harm(file, cursor, why))?;
            }
            done = at;
        }
    }
}

/// The end of the file: what follows the last end of line, and an incomplete unit before that.
fn tail(file: &str, rest: &[u8], at: Cursor, done: Cursor) -> Result<End, JournalError> {
    if let Some((_, text)) = rest.split_last()
        && verify(text).is_some()
    {
        return Err(harm(file, at, "its end of line is damaged"));
    }
    let bytes = at.offset + rest.len() as u64 - done.offset;
    Ok(End {
        cursor: done,
        torn: (bytes > 0).then_some(Torn {
            offset: done.offset,
            bytes,
        }),
    })
}

/// A whole line whose checksum does not agree: the remains of a crash only where it has zeros and
/// nothing after it was written later.
fn damaged(
    lines: &mut Lines<'_>,
    line: &[u8],
    at: Cursor,
    done: Cursor,
) -> Result<End, JournalError> {
    let number = at.head.seq + 1;
    let mut bytes = at.offset + line.len() as u64 - done.offset;
    let hole = has_hole(line);
    let mut rest = Vec::new();
    loop {
        let read = lines.next(&mut rest)?;
        if read == 0 {
            break;
        }
        bytes += read;
        let text = rest.strip_suffix(b"\n").unwrap_or(&rest);
        if let Some(synced) = synced_of(text) {
            if synced >= number {
                return Err(harm(
                    lines.file,
                    at,
                    "its checksum does not agree, and it was on disk before a good record after it",
                ));
            }
            if !hole {
                return Err(harm(
                    lines.file,
                    at,
                    "its checksum does not agree, and good records follow",
                ));
            }
        }
    }
    if !hole {
        return Err(harm(
            lines.file,
            at,
            "it is complete, and its checksum does not agree",
        ));
    }
    Ok(End {
        cursor: done,
        torn: Some(Torn {
            offset: done.offset,
            bytes,
        }),
    })
}

/// Whether a page that never reached the disk shows in it. A record holds no zero byte; a single
/// one could be a flipped bit.
fn has_hole(line: &[u8]) -> bool {
    line.windows(2).any(|pair| pair == [0, 0])
}

fn harm(file: &str, at: Cursor, what: impl Into<String>) -> JournalError {
    JournalError::Harm(Harm {
        file: file.to_owned(),
        record: at.head.seq + 1,
        offset: at.offset,
        what: what.into(),
    })
}

struct Lines<'a> {
    reader: &'a mut dyn BufRead,
    file: &'a str,
}

impl Lines<'_> {
    /// The next line with its end, into `line`; its length in bytes, 0 at the end.
    fn next(&mut self, line: &mut Vec<u8>) -> Result<u64, JournalError> {
        line.clear();
        self.reader
            .read_until(b'\n', line)
            .map(|read| read as u64)
            .map_err(|source| JournalError::io(self.file, "read", source))
    }
}
