//! One record: an entry of the ledger in one line of JSON, sealed by a checksum and chained to the
//! record before it.
//!
//! ```text
//! {"hash":"<64 hex digits>","seal":"<key>:<hex digits>","prev":"<64 hex digits>","synced":41,"rest":0,"entry":{…}}
//! ```
//!
//! `hash` is the SHA-256 of everything in the line after it, bytes as they stand; since that
//! includes `prev`, it covers the whole past too. A line can be read with `jq`, and checked without
//! knowing what an entry is. Whoever writes lines of their own can compute it; the seal they cannot: it
//! is made of everything after it with a key that lies elsewhere. Lines of a daemon without a key have
//! none.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::Entry;

/// Longest line that is written, in bytes. Longer entries are refused before they reach the disk.
pub const MAX_LINE: usize = 4 << 20;

const HEAD: &[u8] = b"{\"hash\":\"";
const HEX: usize = 64;
/// Bytes that most lines have room in.
const USUAL: usize = 512;
const SEAL: &[u8] = b"\"seal\":\"";
const AFTER_SEAL: &[u8] = b"\",";

/// Seals bytes, if there is a key: text of letters, digits, `-` and `:`.
pub type Sealer = Arc<dyn Fn(&[u8]) -> Option<String> + Send + Sync>;

/// The checksum of a record, and through the chain of all records before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChainHash([u8; 32]);

impl ChainHash {
    /// What the first record is chained to.
    pub const GENESIS: ChainHash = ChainHash([0; 32]);

    fn of(bytes: &[u8]) -> Self {
        ChainHash(Sha256::digest(bytes).into())
    }

    fn digits(self) -> [u8; HEX] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; HEX];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        digits
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Digits are ASCII.
        f.write_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ChainHash {
    type Err = String;

    /// Reads 64 lower-case hexadecimal digits, and nothing else.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let bad = || format!("`{s}` is not 64 lower-case hexadecimal digits");
        // Whole journals are read at a start, and each of their lines has two of these.
        const NONE: u8 = 16;
        const DIGITS: [u8; 256] = {
            let mut all = [NONE; 256];
            let mut n = 0;
            while n < NONE {
                all[if n < 10 { b'0' + n } else { b'a' - 10 + n } as usize] = n;
                n += 1;
            }
            all
        };
        let digits = s.as_bytes();
        if digits.len() != HEX {
            return Err(bad());
        }
        let mut hash = [0; 32];
        let mut wrong = 0;
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = [pair[0], pair[1]].map(|digit| DIGITS[usize::from(digit)]);
            wrong |= (high | low) & NONE;
            *byte = high << 4 | low;
        }
        if wrong == 0 {
            Ok(ChainHash(hash))
        } else {
            Err(bad())
        }
    }
}

impl TryFrom<String> for ChainHash {
    type Error = String;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<ChainHash> for String {
    fn from(h: ChainHash) -> String {
        h.to_string()
    }
}

/// The end of the chain: number and checksum of its last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// Number of the last record; 0 when there is none.
    pub seq: u64,
    /// Its checksum.
    pub hash: ChainHash,
}

impl Head {
    /// Of a journal without records.
    pub const GENESIS: Head = Head {
        seq: 0,
        hash: ChainHash::GENESIS,
    };
}

/// An entry with its place in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its checksum.
    pub hash: ChainHash,
    /// The checksum of the record before it.
    pub prev: ChainHash,
    /// All records up to this number were surely on disk before this one was written.
    pub synced: u64,
    /// How many further records belong to the same unit, of which all or none count.
    pub rest: u32,
    /// What it says.
    pub entry: Entry,
    /// Its line as it lies on the disk, without the end of line.
    pub line: String,
}

impl Record {
    /// Its number and checksum.
    pub fn head(&self) -> Head {
        Head {
            seq: self.entry.seq,
            hash: self.hash,
        }
    }
}

#[derive(Serialize)]
struct Body {
    prev: ChainHash,
    synced: u64,
    rest: u32,
    entry: Entry,
}

#[derive(Deserialize)]
struct Line {
    hash: ChainHash,
    prev: ChainHash,
    synced: u64,
    rest: u32,
    entry: Entry,
}

/// What became of a line that was read.
#[derive(Debug)]
pub enum Decoded {
    /// The checksum agrees and the entry is known.
    Good(Box<Record>),
    /// The checksum agrees, but this program does not know what it says: a newer one wrote it.
    Unreadable(String),
    /// The checksum does not agree.
    Damaged,
}

/// Makes the record of an entry as it will be read, with its line.
///
/// # Errors
/// When the entry cannot be put into JSON, or its line would be longer than [`MAX_LINE`].
pub fn encode(
    prev: ChainHash,
    synced: u64,
    rest: u32,
    entry: Entry,
    sealer: Option<&Sealer>,
) -> Result<Record, String> {
    let body = Body {
        prev,
        synced,
        rest,
        entry,
    };
    let hex = HEAD.len()..HEAD.len() + HEX;
    let mut line = Vec::with_capacity(USUAL);
    line.extend_from_slice(HEAD);
    line.resize(hex.end, b'0');
    line.push(b'"');
    let brace = line.len();
    serde_json::to_writer(&mut line, &body).map_err(|e| e.to_string())?;
    let length = line.len() - brace;
    if length > MAX_LINE {
        return Err(format!("{length} bytes; an entry may have {MAX_LINE}"));
    }
    // The body loses its opening brace: the line's own one stands before the checksum.
    line[brace] = b',';
    let covered = brace + 1;
    let seal = sealer.and_then(|seal| seal(&line[covered..]));
    if let Some(seal) = seal {
        let seal = [SEAL, seal.as_bytes(), AFTER_SEAL].concat();
        line.splice(covered..covered, seal);
    }
    let hash = ChainHash::of(&line[covered..]);
    line[hex].copy_from_slice(&hash.digits());
    let line = String::from_utf8(line).map_err(|e| e.to_string())?;
    let Body { entry, .. } = body;
    Ok(Record {
        line,
        hash,
        prev,
        synced,
        rest,
        entry,
    })
}

/// Whether an entry can be put into a record.
///
/// # Errors
/// When it cannot be put into JSON, or its line would be longer than [`MAX_LINE`].
pub fn fits(entry: &Entry) -> Result<(), String> {
    // Room for the checksums and numbers around it.
    const AROUND: usize = 512;
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(AROUND);
    serde_json::to_writer(&mut count, entry).map_err(|e| e.to_string())?;
    if count.0 > MAX_LINE {
        return Err(format!("{} bytes; an entry may have {MAX_LINE}", count.0));
    }
    Ok(())
}

/// Reads a line without its end of line.
pub fn decode(line: &[u8]) -> Decoded {
    if verify(line).is_none() {
        return Decoded::Damaged;
    }
    // Where an unknown field holds other bytes, they would be lost with the line that is kept.
    let text = match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(error) => return Decoded::Unreadable(error.to_string()),
    };
    match serde_json::from_str(text) {
        Ok(Line {
            hash,
            prev,
            synced,
            rest,
            entry,
        }) => Decoded::Good(Box::new(Record {
            hash,
            prev,
            synced,
            rest,
            entry,
            line: text.to_owned(),
        })),
        Err(error) => Decoded::Unreadable(error.to_string()),
    }
}

/// The record of a line, if its checksum agrees and this program knows what it says.
pub fn read_line(line: &[u8]) -> Option<Record> {
    match decode(line) {
        Decoded::Good(record) => Some(*record),
        Decoded::Unreadable(_) | Decoded::Damaged => None,
    }
}

/// The head after a line, if that is the record that follows a head.
pub fn follow(head: Head, line: &[u8]) -> Option<Head> {
    let record = read_line(line)?;
    let follows = head.seq.checked_add(1) == Some(record.entry.seq);
    let next = record.prev == head.hash && follows;
    next.then(|| record.head())
}

/// The checksum of a line, if what follows it agrees with it.
pub fn verify(line: &[u8]) -> Option<ChainHash> {
    let (hex, covered) = split(line)?;
    let hash: ChainHash = std::str::from_utf8(hex).ok()?.parse().ok()?;
    (hash == ChainHash::of(covered)).then_some(hash)
}

/// The digits of a line's checksum, and what it covers.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (hex, rest) = line.strip_prefix(HEAD)?.split_at_checked(HEX)?;
    Some((hex, rest.strip_prefix(b"\",")?))
}

/// The seal of a line, and what it was made of; `None`: it has none.
pub fn seal_of(line: &[u8]) -> Option<(&str, &[u8])> {
    let (_, covered) = split(line)?;
    let rest = covered.strip_prefix(SEAL)?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    let (seal, rest) = rest.split_at_checked(end)?;
    Some((
        std::str::from_utf8(seal).ok()?,
        rest.strip_prefix(AFTER_SEAL)?,
    ))
}

/// The `synced` of a line whose checksum agrees, whatever else it says.
pub fn synced_of(line: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Synced {
        synced: u64,
    }
    verify(line)?;
    serde_json::from_slice(line).ok().map(|s: Synced| s.synced)
}
