//! A piece of the ledger in a store, as its name tells it.
//!
//! ```text
//! <first>-<last>-<hash before the first>-<hash of the last>-<when it was shipped>
//! ```
//!
//! Names alone tell which piece follows which: a piece of an abandoned history has other hashes.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use chrono::{NaiveDateTime, SubsecRound};

use super::Timestamp;

/// Digits of a record's checksum that a name holds.
const DIGITS: usize = 16;
const INSTANT: &str = "%Y%m%dT%H%M%SZ";

/// A place in the ledger's chain: a record's number, and how its checksum begins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// The record's number; 0 before the first.
    pub seq: u64,
    /// The first digits of its checksum.
    pub hash: String,
}

impl Link {
    /// The place of a record with this number and checksum.
    pub fn new(seq: u64, hash: &str) -> Self {
        Link {
            seq,
            hash: hash.chars().take(DIGITS).collect(),
        }
    }
}

/// A piece of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// The record before its first one.
    pub after: Link,
    /// Its last one.
    pub last: Link,
    /// When it was written.
    pub shipped: Timestamp,
}

impl Segment {
    /// A piece that is written now; never empty.
    pub fn new(after: Link, last: Link, now: Timestamp) -> Self {
        Segment {
            after,
            last,
            shipped: now.trunc_subsecs(0),
        }
    }

    /// Its first entry.
    pub fn first(&self) -> u64 {
        self.after.seq + 1
    }
}

/// A copy of the ledger beside a backup of `mydb_admin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Up to where it surely goes.
    pub upto: Link,
    /// When its backup was begun.
    pub at: Timestamp,
}

/// What a store holds of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shipped {
    /// The copies that count: those of proven backups, where the question is what is needed no more.
    pub copies: Vec<Copied>,
    /// The pieces.
    pub segments: Vec<Segment>,
}

impl Shipped {
    /// All ends of pieces and copies: whoever knows which of them are in this host's chain knows
    /// what is its own.
    pub fn links(&self) -> BTreeSet<Link> {
        self.ends().map(|(end, _)| end.clone()).collect()
    }

    /// All ends, each with when it was written.
    pub fn ends(&self) -> impl Iterator<Item = (&Link, Timestamp)> {
        let pieces = self.segments.iter().map(|s| (&s.last, s.shipped));
        let copies = self.copies.iter().map(|copy| (&copy.upto, copy.at));
        copies.chain(pieces)
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of equal width, so that a list in the order of keys is one in the order of entries.
        write!(
            f,
            "{:012}-{:012}-{}-{}-{}",
            self.first(),
            self.last.seq,
            self.after.hash,
            self.last.hash,
            self.shipped.format(INSTANT)
        )
    }
}

impl FromStr for Segment {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let read = || {
            let mut parts = s.split('-');
            let mut number = || parts.next()?.parse::<u64>().ok();
            let (first, last) = (number()?, number()?);
            let hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
            let mut hash = || {
                let text = parts.next()?;
                (text.len() == DIGITS && text.chars().all(hex)).then_some(text)
            };
            let (before, end) = (hash()?, hash()?);
            let shipped = NaiveDateTime::parse_from_str(parts.next()?, INSTANT).ok()?;
            (parts.next().is_none() && first > 0 && last >= first).then(|| Segment {
                after: Link::new(first - 1, before),
                last: Link::new(last, end),
                shipped: shipped.and_utc(),
            })
        };
        // As it is written and no other way: its key is made of it again.
        let read = read().filter(|segment| segment.to_string() == s);
        read.ok_or_else(|| format!("`{}` is no piece of the ledger", s.escape_debug()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_as_it_was_written_and_nothing_else_does() {
        let now: Timestamp = "2026-03-01T02:00:00.123Z".parse().unwrap();
        let (before, end) = (
            Link::new(41, &"a1".repeat(32)),
            Link::new(50, &"b2".repeat(32)),
        );
        let segment = Segment::new(before, end, now);
        let name = segment.to_string();
        assert_eq!(
            name,
            "000000000042-000000000050-a1a1a1a1a1a1a1a1-b2b2b2b2b2b2b2b2-20260301T020000Z"
        );
        assert_eq!(name.parse(), Ok(segment));
        for wrong in [
            "",
            "000000000042-000000000050",
            &name.replace("42", "51"),
            &name.replace("000000000042", "000000000000"),
            &name.replace("a1a1", "A1a1"),
            &name.replace("T020000Z", "T990000Z"),
            &format!("{name}-1"),
        ] {
            assert!(wrong.parse::<Segment>().is_err(), "{wrong}");
        }
    }
}
