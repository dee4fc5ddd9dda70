//! Inputs made of others.

use std::fmt;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

/// Numbers at which something ends.
const NUMBERS: [&str; 18] = [
    "0",
    "-1",
    "1",
    "00",
    "255",
    "1000",
    "65535",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e309",
    "0.1",
    "99999999999999999999999999999999999999",
];

/// One change. Places are parts of the whole, so that a change fits whatever the others did.
#[derive(Debug, Clone)]
enum Mutation {
    Flip(u32, u8),
    Byte(u32, u8),
    End(u32),
    Cut(u32, u16),
    Insert(u32, Vec<u8>),
    Word(u32, usize),
    Again(u32, u16, u8),
    Number(u32, usize),
    Line(u32, u32),
    Splice(u32, usize, u32),
}

/// An input: what it was made of, and how.
#[derive(Clone)]
pub struct Input {
    seed: Arc<[u8]>,
    changes: Vec<Mutation>,
    /// Whether checksums and the like are put right again.
    pub repaired: bool,
    pool: Arc<Pool>,
}

/// What inputs are made of.
pub struct Pool {
    pub seeds: Vec<Arc<[u8]>>,
    pub words: &'static [&'static str],
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, repaired: {}", self.changes, self.repaired)
    }
}

impl Input {
    /// Its bytes, before any repair.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.seed.to_vec();
        for change in &self.changes {
            apply(change, &mut bytes, &self.pool);
            // Changes that repeat must not grow it without end.
            bytes.truncate(1 << 20);
        }
        bytes
    }
}

/// What an input begins with, and what becomes of it.
type Made = (Arc<[u8]>, Vec<Mutation>);

/// Inputs of a pool: few are any bytes at all, since hardly any of those get far.
pub fn inputs(pool: Arc<Pool>) -> impl Strategy<Value = Input> {
    let from = pool.clone();
    let seeded = (0..pool.seeds.len(), vec(mutation(), 1..7))
        .prop_map(move |(seed, changes)| -> Made { (from.seeds[seed].clone(), changes) });
    let from = pool.clone();
    let worded = vec(any::<prop::sample::Index>(), 0..60).prop_map(move |words| -> Made {
        let words = words.iter().map(|index| *index.get(from.words));
        let text: String = words.collect();
        (Arc::from(text.into_bytes()), Vec::new())
    });
    let any_bytes =
        vec(any::<u8>(), 0..400).prop_map(|bytes| -> Made { (Arc::from(bytes), Vec::new()) });
    let made = prop_oneof![12 => seeded, 3 => worded, 1 => any_bytes];
    (made, any::<bool>()).prop_map(move |((seed, changes), repaired)| Input {
        seed,
        changes,
        repaired,
        pool: pool.clone(),
    })
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<u32>;
    let short = || prop_oneof![4 => 0..20_u16, 1 => any::<u16>()];
    prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Byte(at, byte)),
        at().prop_map(Mutation::End),
        (at(), short()).prop_map(|(at, len)| Mutation::Cut(at, len)),
        (at(), vec(any::<u8>(), 0..8)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (at(), any::<usize>()).prop_map(|(at, word)| Mutation::Word(at, word)),
        (at(), any::<usize>()).prop_map(|(at, word)| Mutation::Word(at, word)),
        (at(), short(), 1..40_u8).prop_map(|(at, len, times)| Mutation::Again(at, len, times)),
        (at(), any::<usize>()).prop_map(|(at, number)| Mutation::Number(at, number)),
        (at(), any::<usize>()).prop_map(|(at, number)| Mutation::Number(at, number)),
        (at(), at()).prop_map(|(from, to)| Mutation::Line(from, to)),
        (at(), any::<usize>(), at()).prop_map(|(at, seed, from)| Mutation::Splice(at, seed, from)),
    ]
}

/// A place among so many.
fn place(at: u32, of: usize) -> usize {
    usize::try_from((u64::from(at) * (of as u64 + 1)) >> 32).unwrap()
}

fn apply(change: &Mutation, bytes: &mut Vec<u8>, pool: &Pool) {
    let len = bytes.len();
    match change {
        Mutation::Flip(at, bit) => {
            if let Some(byte) = bytes.get_mut(place(*at, len)) {
                *byte ^= 1 << bit;
            }
        }
        Mutation::Byte(at, value) => {
            if let Some(byte) = bytes.get_mut(place(*at, len)) {
                *byte = *value;
            }
        }
        Mutation::End(at) => bytes.truncate(place(*at, len)),
        Mutation::Cut(at, much) => {
            let from = place(*at, len);
            bytes.drain(from..len.min(from + usize::from(*much)));
        }
        Mutation::Insert(at, what) => put(bytes, place(*at, len), what),
        Mutation::Word(at, word) => {
            if let Some(word) = pool.words.get(word % pool.words.len().max(1)) {
                put(bytes, place(*at, len), word.as_bytes());
            }
        }
        Mutation::Again(at, much, times) => {
            let from = place(*at, len);
            let stretch = bytes[from..len.min(from + usize::from(*much))].to_vec();
            put(bytes, from, &stretch.repeat(usize::from(*times)));
        }
        Mutation::Number(at, number) => {
            let from = place(*at, len);
            let digit = |byte: &u8| byte.is_ascii_digit();
            let Some(first) = bytes[from..].iter().position(digit) else {
                return;
            };
            let first = from + first;
            let end = bytes[first..].iter().position(|byte| !digit(byte));
            let end = end.map_or(len, |end| first + end);
            bytes.splice(first..end, NUMBERS[number % NUMBERS.len()].bytes());
        }
        Mutation::Line(from, to) => {
            let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
            let (from, to) = (place(*from, lines.len()), place(*to, lines.len()));
            if let Some(line) = lines.get(from).copied() {
                lines.insert(to, line);
                *bytes = lines.concat();
            }
        }
        Mutation::Splice(at, seed, from) => {
            let other = &pool.seeds[seed % pool.seeds.len()];
            bytes.truncate(place(*at, len));
            bytes.extend_from_slice(&other[place(*from, other.len())..]);
        }
    }
}

fn put(bytes: &mut Vec<u8>, at: usize, what: &[u8]) {
    bytes.splice(at..at, what.iter().copied());
}
