//! From a target to its runs.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use sha2::{Digest, Sha256};

use super::mutate::{self, Input, Pool};
use super::targets::{Fate, Target};
use super::worker::Worker;

/// Inputs that one runner makes; the next one has a seed of its own.
const BATCH: u32 = 500;

/// Where all corpora are.
pub fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus")
}

/// How long to go on.
enum Until {
    Cases(u32),
    Time(Instant),
}

/// What became of the inputs.
#[derive(Default)]
struct Tally {
    taken: Cell<u64>,
    refused: Cell<u64>,
}

impl Tally {
    fn add(&self, fate: Fate) {
        let cell = match fate {
            Fate::Taken => &self.taken,
            Fate::Refused => &self.refused,
        };
        cell.set(cell.get() + 1);
    }
}

/// Holds a target to its corpus, and to as many inputs as wanted.
pub fn run(target: &'static Target) {
    let mut worker = Worker::new(target);
    let tally = Tally::default();
    let mut seeds = Vec::new();
    for (name, bytes) in kept(target).into_iter().chain(made(target)) {
        match worker.check(&bytes) {
            Ok(fate) => tally.add(fate),
            Err(why) => panic!("{}: {name}: {why}", target.name),
        }
        seeds.push(Arc::from(bytes));
    }
    // A target that refuses all, or takes all, shows nothing.
    let both = tally.taken.get() > 0 && tally.refused.get() > 0;
    assert!(
        both,
        "{}: its corpus has no good or no bad one",
        target.name
    );
    let pool = Arc::new(Pool {
        seeds,
        words: target.words,
    });
    let seed = number("DB4SCI_SEED").unwrap_or(1);
    let mut until = match number("DB4SCI_FUZZ_SECONDS") {
        Some(seconds) => Until::Time(Instant::now() + Duration::from_secs(seconds)),
        None => {
            let cases = number("DB4SCI_FUZZ_CASES");
            Until::Cases(cases.map_or(target.cases, |cases| u32::try_from(cases).unwrap()))
        }
    };
    let worker = RefCell::new(worker);
    for batch in 0_u64.. {
        let cases = match &mut until {
            Until::Time(end) if Instant::now() >= *end => break,
            Until::Time(_) => BATCH,
            Until::Cases(0) => break,
            Until::Cases(left) => {
                let now = BATCH.min(*left);
                *left -= now;
                now
            }
        };
        tries(target, &pool, &worker, &tally, (seed, batch), cases);
    }
    println!(
        "{}: {} taken, {} refused",
        target.name,
        tally.taken.get(),
        tally.refused.get()
    );
}

fn tries(
    target: &Target,
    pool: &Arc<Pool>,
    worker: &RefCell<Worker>,
    tally: &Tally,
    (seed, batch): (u64, u64),
    cases: u32,
) {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    };
    let start: [u8; 32] = Sha256::digest(format!("{seed} {batch} {}", target.name)).into();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &start);
    let bytes_of = |input: &Input| {
        let bytes = input.bytes();
        if input.repaired {
            (target.repair)(bytes)
        } else {
            bytes
        }
    };
    // After a hang nothing is tried any more: the first one is told.
    let hung = Cell::new(false);
    let result =
        TestRunner::new_with_rng(config, rng).run(&mutate::inputs(pool.clone()), |input| {
            if hung.get() {
                return Ok(());
            }
            let fate = worker.borrow_mut().check(&bytes_of(&input));
            let fate = fate.map_err(|why| {
                hung.set(why.starts_with("no end"));
                TestCaseError::fail(why)
            })?;
            tally.add(fate);
            Ok(())
        });
    match result {
        Ok(()) => {}
        Err(TestError::Abort(why)) => panic!("{}: {why}", target.name),
        Err(TestError::Fail(why, input)) => {
            let bytes = bytes_of(&input);
            let found = keep(target, &bytes);
            panic!(
                "{}: {why}\n  with {} bytes: {:?}\n  kept in {}; once it is mended, keep it as a file of {}\n  again: \
                 DB4SCI_SEED={seed} cargo test --test fuzz {} -- --exact",
                target.name,
                bytes.len(),
                String::from_utf8_lossy(&bytes[..bytes.len().min(600)]),
                found.display(),
                corpora().join(target.name).display(),
                target.name,
            );
        }
    }
}

/// The committed inputs of a target.
fn kept(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = corpora().join(target.name);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        (
            path.file_name().unwrap().to_string_lossy().into_owned(),
            bytes,
        )
    };
    files.into_iter().map(read).collect()
}

/// Those that the program writes itself.
fn made(target: &Target) -> impl Iterator<Item = (String, Vec<u8>)> {
    let made = (target.made)();
    let named = |(n, bytes)| (format!("what it writes ({n})"), bytes);
    made.into_iter().enumerate().map(named)
}

fn keep(target: &Target, bytes: &[u8]) -> PathBuf {
    let digest = Sha256::digest(bytes);
    let mark: String = digest.iter().take(4).map(|b| format!("{b:02x}")).collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    let path = folder.join(format!("{}-{mark}", target.name));
    fs::write(&path, bytes).unwrap();
    path
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}: `{text}` is no number")),
    )
}
