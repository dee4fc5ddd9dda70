//! What it costs to accept a change, beside what the disk itself needs to sync one.
//!
//! `dev/bench ledger` runs it. `DB4SCI_BENCH_FOLDER` says on which disk (`/var/tmp`).

mod figures;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use db4sci::admin::{FileStorage, Ledger, NewEntry};
use db4sci::model::{Change, DbName, Outcome, SystemClock};
use figures::{Error, told};

/// How long each figure is measured.
const SPAN: Duration = Duration::from_secs(5);
/// How often; the disk of a shared machine is not the same from one moment to the next.
const ROUNDS: usize = 3;

fn entry() -> NewEntry {
    let message = "a note of a busy host, as long as most are, and about nothing".to_owned();
    NewEntry::of(&DbName::mydb_admin(), Outcome::Done, message, Change::Noted)
}

/// Appends and syncs of as many bytes, one after the other, a second.
fn bare(folder: &Path) -> Result<f64, Error> {
    let mut file = File::create(folder.join("bare"))?;
    let bytes = [b'x'; 600];
    let (begun, mut done) = (Instant::now(), 0_u32);
    while begun.elapsed() < SPAN {
        file.write_all(&bytes)?;
        file.sync_data()?;
        done += 1;
    }
    Ok(f64::from(done) / begun.elapsed().as_secs_f64())
}

/// Entries a second that so many writers get accepted, each waiting for its own.
async fn accepted(folder: &Path, writers: usize) -> Result<f64, Error> {
    let folder = folder.join(format!("ledger-{}", uuid::Uuid::new_v4()));
    let storage = FileStorage::open(&folder)?;
    let (ledger, _) = Ledger::open(storage, Arc::new(SystemClock)).await?;
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..writers {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            let mut done = 0_u32;
            while begun.elapsed() < SPAN {
                ledger.append(entry()).await?;
                done += 1;
            }
            Ok::<_, db4sci::admin::LedgerError>(done)
        });
    }
    let mut all = 0;
    while let Some(done) = tasks.join_next().await {
        all += done??;
    }
    Ok(f64::from(all) / begun.elapsed().as_secs_f64())
}

async fn bench() -> Result<(), Error> {
    let disk = std::env::var("DB4SCI_BENCH_FOLDER").unwrap_or("/var/tmp".to_owned());
    let builder = tempfile::Builder::new()
        .prefix("db4sci-bench-")
        .tempdir_in(PathBuf::from(disk));
    let folder = builder?;
    let at = folder.path();
    let (mut disk, mut one, mut hundred) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        disk.push(bare(at)?);
        one.push(accepted(at, 1).await?);
        hundred.push(accepted(at, 100).await?);
    }
    told(
        "the disk: writes of 600 bytes, each synced",
        "a second",
        disk,
    );
    told("db4sci: one writer, each entry on disk", "a second", one);
    told(
        "db4sci: a hundred writers, each entry on disk",
        "a second",
        hundred,
    );
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    bench().await
}
