//! How long `mydb_admin` is away when its directory is lost, beside the same by hand: `docker run`, a
//! restore of the same dump, a first query.
//!
//! `dev/bench recovery` runs it. `DB4SCI_BENCH_DATABASES` and `DB4SCI_BENCH_ENTRIES` say how many stopped
//! databases and further entries the ledger holds (0 each): 1000 and 100000 are those of a busy host.

mod figures;
mod host;
mod verbs;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use db4sci::admin::{FileStorage, Ledger, NewEntry, Vault};
use db4sci::model::{Change, DbName, Outcome, SystemClock};
use figures::{Error, told};
use host::Host;
use verbs::{run, verb};

/// How often each takes its turn.
const ROUNDS: usize = 3;
/// Entries that are accepted together.
const GROUP: u64 = 250;
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(250);
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(900);

fn docker(args: &[&str]) -> Result<String, Error> {
    run(Command::new("docker").args(args))
}

fn number(variable: &str) -> Result<u64, Error> {
    Ok(std::env::var(variable).map_or(Ok(0), |text| text.parse())?)
}

/// A ledger that has seen something.
async fn fill(home: &Path) -> Result<(), Error> {
    let entries = number("DB4SCI_BENCH_ENTRIES")?;
    let state = home.join("state");
    let storage = FileStorage::open(&state.join("journal"))?;
    let (ledger, _) = Ledger::open(storage, Arc::new(SystemClock)).await?;
    let books = ledger.clone();
    let vault = Vault::open(&state.join("keys"), move || books.book())?;
    ledger.seal_with(vault.sealer());
    let note = || {
        let message = "a note of a busy host, as long as most are, and about nothing".to_owned();
        NewEntry::of(&DbName::mydb_admin(), Outcome::Done, message, Change::Noted)
    };
    for _ in 0..entries.div_ceil(GROUP) {
        ledger
            .append_all((0..GROUP).map(|_| note()).collect())
            .await?;
    }
    Ok(())
}

/// Entries, and how many of them the tables show.
fn shown(host: &Host) -> Result<(u64, u64), Error> {
    let sql = "select count(*) from log";
    let args = ["connect", "mydb_admin", "--", "-X", "-Atc", sql];
    let rows = verb(host, &args)?.parse()?;
    let journal = host.home.path().join("state/journal/ledger.v1.jsonl");
    let bytes = fs::read(journal)?;
    Ok((bytes.iter().filter(|b| **b == b'\n').count() as u64, rows))
}

async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> Result<T, Error> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = ask().await {
            return Ok(found);
        }
        if Instant::now() > deadline {
            return Err(format!("{what} not in {PATIENCE:?}").into());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Seconds until `/readyz` answers well after the directory is lost, and until the tables are whole.
async fn ours(host: &Host) -> Result<(f64, f64), Error> {
    let container = format!("{}mydb_admin", host.prefix);
    let lost = docker(&["inspect", "-f", "{{.Id}}", &container])?;
    let begun = Instant::now();
    // In one step: what is healed at once would write into a folder that is being removed.
    let gone = host.home.path().join("gone");
    fs::rename(host.home.path().join("data/mydb_admin"), &gone)?;
    docker(&["rm", "-f", "-v", &container]).ok();
    fs::remove_dir_all(gone)?;
    // Asked so that the asking costs little: a snapshot of a thousand databases is a megabyte.
    until("it has another container", async || {
        let id = docker(&["inspect", "-f", "{{.State.Running}} {{.Id}}", &container]).ok()?;
        (id.starts_with("true") && !id.ends_with(&lost)).then_some(())
    })
    .await?;
    let readyz = ["-fsS", "-o", "/dev/null", "http://127.0.0.1:22008/readyz"];
    until("/readyz", async || {
        run(Command::new("curl").args(readyz)).ok()
    })
    .await?;
    let ready = begun.elapsed().as_secs_f64();
    until("the tables are whole", async || {
        let (entries, rows) = shown(host).ok()?;
        (rows >= entries).then_some(())
    })
    .await?;
    Ok((ready, begun.elapsed().as_secs_f64()))
}

/// Seconds of the same by hand.
async fn by_hand(host: &Host, image: &str, dump: &Path) -> Result<f64, Error> {
    let name = format!("{}by-hand", host.prefix);
    let begun = Instant::now();
    let run_it = [
        "run",
        "-d",
        "--name",
        &name,
        "-e",
        "POSTGRES_PASSWORD=bench",
        "-e",
        "POSTGRES_DB=mydb_admin",
    ];
    docker(
        &[
            &run_it[..],
            &["-v", &format!("{}:/dump.sql:ro", dump.display()), image],
        ]
        .concat(),
    )?;
    let psql = [
        "exec",
        &name,
        "psql",
        "-qAt",
        "-h",
        "127.0.0.1",
        "-U",
        "postgres",
    ];
    until("the server answers", async || {
        docker(&[&psql[..], &["-c", "select 1", "mydb_admin"]].concat()).ok()
    })
    .await?;
    docker(
        &[
            &psql[..],
            &["-o", "/dev/null", "-f", "/dump.sql", "postgres"],
        ]
        .concat(),
    )?;
    let rows = docker(&[&psql[..], &["-c", "select count(*) from log", "mydb_admin"]].concat())?;
    let took = begun.elapsed().as_secs_f64();
    assert_ne!(rows, "0", "the dump holds rows");
    docker(&["rm", "-f", "-v", &name])?;
    Ok(took)
}

async fn bench() -> Result<(), Error> {
    let home = Host::home()?;
    fill(home.path()).await?;
    let host = Host::start_in(home)?;
    for n in 1..=number("DB4SCI_BENCH_DATABASES")? {
        host.save_of("Postgres", &format!("db-{n}"), "256Mi", "Stopped")?;
    }
    host.ready(1, PATIENCE).await?;
    until("the tables are whole", async || {
        let (entries, rows) = shown(&host).ok()?;
        (rows >= entries).then_some(())
    })
    .await?;
    verb(&host, &["backup", "now", "mydb_admin", "--wait"])?;
    let container = format!("{}mydb_admin", host.prefix);
    let image = docker(&["inspect", "-f", "{{.Image}}", &container])?;
    let dump = host.home.path().join("dump.sql");
    let dumped = docker(&[
        "exec",
        &container,
        "pg_dumpall",
        "-U",
        "postgres",
        "--clean",
        "--if-exists",
    ])?;
    fs::write(&dump, dumped)?;
    let (mut readies, mut wholes, mut hands, mut ratios) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let hand = by_hand(&host, &image, &dump).await?;
        let (ready, whole) = ours(&host).await?;
        ratios.push(ready / hand);
        readies.push(ready);
        wholes.push(whole);
        hands.push(hand);
    }
    let (entries, _) = shown(&host)?;
    println!("{:<52} {entries}", "entries of the ledger");
    told("by hand: docker run, restore, first query", "s", hands);
    told("db4sci: directory lost, /readyz again", "s", readies);
    told("beside that by hand (3.0: three times as long)", "", ratios);
    told("db4sci: until the tables hold every entry", "s", wholes);
    println!("{:<52} {:.1} MiB", "the daemon's peak memory", host.peak()?);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    bench().await
}
