//! A journal, as whatever bytes lie in its file.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use db4sci::admin::journal::{Journal, JournalSource, Record, follow, read_line, seal_of, verify};
use db4sci::admin::{Head, JournalError, Ledger, MemoryStorage, NewEntry};
use db4sci::model::{
    Change, DbName, Entry, Outcome, Override, OverrideState, Source, SystemClock, Uid, Who,
};
use db4sci::specs::{self, Request};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Check, Fate, Target, must};

pub const TARGET: Target = Target {
    name: "journal",
    words: &[
        "\n",
        "\0",
        "\0\0",
        "{\"hash\":\"",
        "\"seal\":\"seal-1-00000000:00\",",
        "\"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\",",
        "\"synced\":",
        "\"rest\":4294967295,",
        "\"rest\":0,",
        "\"entry\":{",
        "\"seq\":",
        "\"kind\":\"noted\"",
        "\"kind\":\"fromTheFuture\"",
        "\"name\":\"mydb_admin\"",
        "\"name\":null",
        "\"at\":\"+262142-12-31T23:59:59Z\"",
        "null",
        "[",
        "]",
        "}",
        ",",
        "\"",
        "\u{fffd}",
        "é",
    ],
    cases: 700,
    made,
    repair,
    start,
};

/// What every line begins with.
const HEAD: &[u8] = b"{\"hash\":\"";
const HEX: usize = 64;
const PREV: &[u8] = b"\"prev\":\"";

/// Journals of a life: specs, a stop, units of several entries.
fn made() -> Vec<Vec<u8>> {
    let rules = super::rules::rules();
    let at = "2026-03-01T02:00:00Z".parse().unwrap();
    let name: DbName = "genomics".parse().unwrap();
    let uid = Uid(Uuid::from_u128(7));
    let text = "apiVersion: db4sci/v1\nkind: Database\nmetadata: {name: genomics}\nspec: {engine: Postgres, owner: lab, \
                contact: lab@example.org}\n";
    let parsed = specs::parse(text, "genomics.yaml".as_ref()).unwrap();
    let source = Source::File("genomics.yaml".into());
    let request = Request {
        parsed: &parsed,
        source,
    };
    let database = Box::new(specs::admit(&request, None, &rules, uid).unwrap());
    let by = Override {
        state: OverrideState::Stopped,
        until: Some(at),
        reason: "a move".to_owned(),
        who: Who::Daemon,
        since: at,
    };
    let changes = [
        vec![Change::Admitted { database }],
        vec![Change::Initialised { uid }],
        vec![
            Change::Overridden { by },
            Change::RestartAsked,
            Change::Noted,
        ],
        vec![Change::Resumed { since: None }],
        vec![Change::Noted, Change::Noted],
    ];
    let mut seq = 0;
    let mut entry = |change| {
        seq += 1;
        Entry {
            seq,
            at,
            who: Who::Socket {
                uid: 1000,
                user: "ada".to_owned(),
            },
            name: Some(name.clone()),
            outcome: Outcome::Done,
            message: "as wanted: é".to_owned(),
            change,
        }
    };
    let units: Vec<Vec<Entry>> = changes
        .into_iter()
        .map(|unit| unit.into_iter().map(&mut entry).collect())
        .collect();
    let storage = MemoryStorage::new();
    let (mut journal, _) = Journal::open(Box::new(storage.clone()), &mut |_| Ok(())).unwrap();
    let mut journals = vec![Vec::new()];
    for unit in units {
        journal.append(vec![unit]).unwrap();
        journals.push(storage.bytes());
    }
    journals
}

/// Gives every line the checksum of the line before it, and its own.
fn repair(bytes: Vec<u8>) -> Vec<u8> {
    let mut prev = "0".repeat(HEX);
    let mut repaired = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let covered = line
            .strip_prefix(HEAD)
            .and_then(|rest| rest.split_at_checked(HEX));
        let Some(covered) = covered.and_then(|(_, rest)| rest.strip_prefix(b"\",")) else {
            repaired.extend_from_slice(line);
            continue;
        };
        let (mut covered, end) = match covered.strip_suffix(b"\n") {
            Some(covered) => (covered.to_vec(), &b"\n"[..]),
            None => (covered.to_vec(), &b""[..]),
        };
        let at = covered.windows(PREV.len()).position(|part| part == PREV);
        if let Some(at) = at.map(|at| at + PREV.len())
            && let Some(digits) = covered.get_mut(at..at + HEX)
        {
            digits.copy_from_slice(prev.as_bytes());
        }
        prev = hash(&covered);
        for part in [HEAD, prev.as_bytes(), b"\",", &covered, end] {
            repaired.extend_from_slice(part);
        }
    }
    repaired
}

fn hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn start() -> Check {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    Box::new(move |bytes| {
        for line in bytes.split(|byte| *byte == b'\n').take(50) {
            one_line(line)?;
        }
        let fate = journal(bytes)?;
        runtime.block_on(ledger(bytes))?;
        Ok(fate)
    })
}

/// What the readers of single lines say of one.
fn one_line(line: &[u8]) -> Result<(), String> {
    let _ = seal_of(line);
    for seq in [0, 1, u64::MAX] {
        let _ = follow(
            Head {
                seq,
                ..Head::GENESIS
            },
            line,
        );
    }
    match (verify(line), read_line(line)) {
        (None, Some(record)) => Err(format!("read without a checksum: {record:?}")),
        (Some(found), Some(record)) => {
            must(found == record.hash, || {
                format!("two checksums of {record:?}")
            })?;
            must(record.line.as_bytes() == line, || {
                format!("it is kept as another line: {:?}", record.line)
            })
        }
        (Some(_) | None, None) => Ok(()),
    }
}

/// A journal that opens gave the records at its beginning, each with its own checksum and after the one before it; one
/// that does not is as it was.
fn journal(bytes: &[u8]) -> Result<Fate, String> {
    let storage = MemoryStorage::holding(bytes.to_vec());
    let seen: Rc<RefCell<Vec<Record>>> = Rc::default();
    let opened = Journal::open(Box::new(storage.clone()), &mut |record| {
        seen.borrow_mut().push(record);
        Ok(())
    });
    let mut journal = match opened {
        Ok((journal, _)) => journal,
        Err(error) => {
            must(storage.bytes() == bytes, || {
                format!("it was written to: {error}")
            })?;
            let told = error.to_string();
            must(told.contains("record "), || format!("no place: {told}"))?;
            return match error {
                JournalError::Harm(_) | JournalError::Newer { .. } => Ok(Fate::Refused),
                other => Err(format!("neither harm nor newer: {other:?}")),
            };
        }
    };
    let kept = storage.bytes();
    must(bytes.starts_with(&kept), || {
        "it was made into something else".to_owned()
    })?;
    let mut lines = kept.split(|byte| *byte == b'\n');
    let (mut seq, mut prev) = (0, "0".repeat(HEX));
    for record in seen.borrow().iter() {
        let line = lines.next().unwrap_or_default();
        must(record.line.as_bytes() == line, || {
            format!("record {seq} is not the line that lies there")
        })?;
        let (begin, covered) = (HEAD.len(), HEAD.len() + HEX + 2);
        let own = std::str::from_utf8(&line[begin..begin + HEX]).unwrap_or_default();
        must(hash(&line[covered..]) == own, || {
            format!("record {seq} was taken with a wrong checksum")
        })?;
        must(record.prev.to_string() == prev, || {
            format!("record {seq} does not follow the one before it")
        })?;
        seq += 1;
        must(record.entry.seq == seq, || {
            format!("record {seq} is number {}", record.entry.seq)
        })?;
        own.clone_into(&mut prev);
    }
    must(lines.eq([&b""[..]]), || {
        "more is kept than was handed out".to_owned()
    })?;
    must(journal.head().seq == seq, || {
        format!("its head is {}, and not {seq}", journal.head().seq)
    })?;
    // It goes on where it ended.
    let next = Entry {
        seq: seq + 1,
        at: "2026-03-02T02:00:00Z".parse().unwrap(),
        who: Who::Daemon,
        name: None,
        outcome: Outcome::Done,
        message: String::new(),
        change: Change::Noted,
    };
    journal
        .append(vec![vec![next]])
        .map_err(|e| e.to_string())?;
    let mut count = 0;
    let again = Journal::open(
        Box::new(MemoryStorage::holding(storage.bytes())),
        &mut |_| {
            count += 1;
            Ok(())
        },
    );
    again.map_err(|e| format!("what was appended made it unreadable: {e}"))?;
    must(count == seq + 1, || {
        format!("{count} records, and not {}", seq + 1)
    })?;
    Ok(Fate::Taken)
}

/// The same with the book over it: what was forged well may be refused, and is never a panic.
async fn ledger(bytes: &[u8]) -> Result<(), String> {
    let storage = MemoryStorage::holding(bytes.to_vec());
    let (ledger, report) = match Ledger::open(storage.clone(), Arc::new(SystemClock)).await {
        Ok(opened) => opened,
        Err(_) => {
            let same = storage.bytes() == bytes;
            return must(same, || {
                "a ledger that was refused was written to".to_owned()
            });
        }
    };
    let noted = NewEntry::of(
        &DbName::mydb_admin(),
        Outcome::Done,
        "on".to_owned(),
        Change::Noted,
    );
    let entry = ledger.append(noted).await.map_err(|e| e.to_string())?;
    must(entry.seq == report.head.seq + 1, || {
        format!("number {} after {}", entry.seq, report.head.seq)
    })?;
    let source: &dyn JournalSource = &storage;
    let again = db4sci::admin::journal::read_all(source, &mut |_, _| Ok(()));
    again
        .map(drop)
        .map_err(|e| format!("it is unreadable: {e}"))
}
