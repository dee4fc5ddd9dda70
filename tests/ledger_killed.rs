//! The ledger of a process that is killed with SIGKILL holds everything that was acknowledged.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use db4sci::admin::{FileStorage, Ledger, NewEntry, read_offline};
use db4sci::model::{Change, Outcome, SystemClock, Who};

/// Set for the process that is to be killed: its journal's folder.
const FOLDER: &str = "DB4SCI_TEST_VICTIM";

fn note(message: String) -> NewEntry {
    NewEntry {
        who: Who::Daemon,
        name: None,
        outcome: Outcome::Done,
        message,
        change: Change::Noted,
    }
}

/// Not a test by itself: the process that [`an_acknowledged_entry_survives_a_kill_at_any_moment`]
/// starts. Appends from ten tasks, and prints each number once it is acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn victim() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let storage = FileStorage::open(&folder).unwrap();
    let (ledger, _) = Ledger::open(storage, Arc::new(SystemClock)).await.unwrap();
    let tasks = (0..10).map(|task| {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            for turn in 0.. {
                let message = "x".repeat((task * 971 + turn * 37) % 9000);
                let entry = ledger.append(note(message)).await.unwrap();
                let mut out = std::io::stdout().lock();
                writeln!(out, "\nack {}", entry.seq).unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[test]
fn an_acknowledged_entry_survives_a_kill_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    // Each round goes on with what the one before left, and is killed after another number of
    // acknowledgements, so at another place of a write.
    for round in 0..25 {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let mut acks = lines
            .by_ref()
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("ack ")?.parse::<u64>().ok());
        for _ in 0..=round * 3 {
            acknowledged = acknowledged.max(acks.next().expect("the victim appends"));
        }
        victim.kill().unwrap();
        acknowledged = acks.fold(acknowledged, u64::max);
        victim.wait().unwrap();
        let (book, last) = read_offline(folder.path(), usize::MAX).unwrap();
        let head = book.head().seq;
        assert!(
            head >= acknowledged,
            "{head} on disk, {acknowledged} acknowledged"
        );
        assert!(last.iter().map(|e| e.seq).eq(1..=head));
    }
}
