//! What a backup costs beside the same dump tool piped by hand, against a real PostgreSQL.
//!
//! `dev/bench backup` runs it. The two take turns: db4sci's dump into a local store, from the begin of
//! the tool until the store has every byte (as its manifest says; counting comes on top), and `pg_dump`
//! through `zstd -3`, `age` and `sha256sum` into a file. `DB4SCI_BENCH_GIB` says how large the
//! database is (2), `DB4SCI_BENCH_ROUNDS` how often each takes its turn (3), after a first one
//! for the caches; 0: that one counts.

mod figures;
mod host;
mod verbs;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use figures::{Error, told};
use host::Host;
use serde_json::Value;
use verbs::{run, verb};

const NAME: &str = "big";
/// Bytes of a row as `pg_dump` writes it, about.
const ROW: u64 = 113;

fn sql(host: &Host, statement: &str) -> Result<String, Error> {
    verb(host, &["connect", NAME, "--", "-X", "-Atc", statement])
}

/// Seconds of the newest backup's dump, as its manifest has them, and until it was proven to be whole.
fn ours(host: &Host) -> Result<(f64, f64, u64), Error> {
    let begun = Instant::now();
    verb(host, &["backup", "now", NAME, "--wait"])?;
    let whole = begun.elapsed().as_secs_f64();
    let store = host.home.path().join("state/backups");
    let find = ["-path", "*/big/*", "-name", "manifest.json"];
    let found = run(Command::new("find").arg(store).args(find))?;
    let newest = found.lines().max().ok_or("no manifest")?;
    let manifest: Value = serde_json::from_slice(&fs::read(newest)?)?;
    let files = manifest["files"].as_array().ok_or("files")?;
    let sum = |key: &str| files.iter().filter_map(|f| f[key].as_u64()).sum::<u64>();
    Ok((sum("tookMs") as f64 / 1000.0, whole, sum("plainBytes")))
}

/// Seconds of the same by hand, through a pipe of the file system as db4sci has it.
fn by_hand(host: &Host, work: &Path, recipient: &str) -> Result<f64, Error> {
    let container = format!("{}{NAME}", host.prefix);
    let image = run(Command::new("docker").args(["inspect", "-f", "{{.Image}}", &container]))?;
    let script = r#"set -euo pipefail
cd "$WORK"
rm -f fifo out sum
mkfifo -m 666 fifo
docker run --rm --log-driver none --network "container:$CONTAINER" -v "$WORK:/work" \
  -e PGPASSFILE=/work/pass --user 999 --entrypoint pg_dump "$IMAGE" \
  --format=custom --compress=0 --create --blobs --no-password --no-sync \
  -h 127.0.0.1 -U postgres -d big -f /work/fifo &
zstd -q -3 -c <fifo | age -r "$RECIPIENT" | tee >(sha256sum >sum) >out
wait $!"#;
    let begun = Instant::now();
    run(Command::new("bash")
        .args(["-c", script])
        .env("WORK", work)
        .env("CONTAINER", &container)
        .env("IMAGE", image.trim())
        .env("RECIPIENT", recipient))?;
    Ok(begun.elapsed().as_secs_f64())
}

async fn bench() -> Result<(), Error> {
    let number =
        |name: &str, usual: u64| std::env::var(name).map_or(Ok(usual), |text| text.parse::<u64>());
    let gib = number("DB4SCI_BENCH_GIB", 2)?;
    let rounds = number("DB4SCI_BENCH_ROUNDS", 3)?;
    let host = Host::start_in(Host::home()?)?;
    host.save_of("Postgres", NAME, "1Gi", "Running")?;
    host.ready(2, Duration::from_secs(120)).await?;
    let rows = (gib << 30) / ROW;
    // Half of it compresses.
    sql(
        &host,
        &format!(
            "create table big as select g, md5(g::text) || md5((g + 1)::text) as t, \
             repeat('acgt', 8) as s from generate_series(1, {rows}) g"
        ),
    )?;
    // Whoever reads new rows first writes all of them once more, with what became of their
    // transaction: that would be on the first one's account.
    sql(&host, "vacuum (freeze, analyze) big")?;
    let container = format!("{}{NAME}", host.prefix);
    let checkpoint = ["psql", "-U", "postgres", "-c", "checkpoint"];
    run(Command::new("docker")
        .arg("exec")
        .arg(&container)
        .args(checkpoint))?;
    let work: PathBuf = host.home.path().join("hand");
    fs::create_dir(&work)?;
    fs::set_permissions(&work, fs::Permissions::from_mode(0o755))?;
    let secret = fs::read_to_string(host.home.path().join("state/secrets/big/admin"))?;
    let pass = work.join("pass");
    fs::write(&pass, format!("*:*:*:*:{}\n", secret.trim()))?;
    fs::set_permissions(&pass, fs::Permissions::from_mode(0o600))?;
    run(Command::new("chown").arg("999").arg(&pass))?;
    let key = run(&mut Command::new("age-keygen"))?;
    let line = key.lines().find_map(|l| l.strip_prefix("# public key: "));
    let recipient = line.ok_or("age-keygen")?;
    let (mut dumps, mut wholes, mut hands, mut ratios) = (vec![], vec![], vec![], vec![]);
    let mut bytes = 0;
    for round in 0..=rounds {
        let (dump, whole, dumped) = ours(&host)?;
        let hand = by_hand(&host, &work, recipient)?;
        bytes = dumped;
        if round == 0 && rounds > 0 {
            // For the caches.
            continue;
        }
        ratios.push(hand / dump);
        dumps.push(dump);
        wholes.push(whole);
        hands.push(hand);
    }
    println!(
        "{:<52} {:.2} GiB",
        "what pg_dump writes",
        bytes as f64 / f64::from(1 << 30)
    );
    told("db4sci: dump, compress, encrypt, store", "s", dumps);
    told("by hand: pg_dump | zstd -3 | age | sha256sum", "s", hands);
    told("speed beside that by hand (1.0: the same)", "", ratios);
    told("db4sci: all of it, counted and read back", "s", wholes);
    println!("{:<52} {:.1} MiB", "the daemon's peak memory", host.peak()?);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    bench().await
}
