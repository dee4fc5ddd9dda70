//! What the daemon costs and how soon it acts, against a real Docker Engine with real servers.
//!
//! `dev/bench` runs it. Figures: a saved spec until the engine begins to create the container; an
//! engine's event until the plan for it is written; processor time and memory while nothing
//! happens; twenty specs saved at once. `DB4SCI_BENCH_DATABASES` says how many databases run
//! meanwhile (100); with 0, the twenty are all that is measured.

mod figures;
mod host;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use db4sci::model::{Change, Clock, Entry, SystemClock, Timestamp};
use db4sci::runtime::Runtime;
use db4sci::runtime::docker::Docker;
use figures::{Error, told};
use futures_util::StreamExt;
use host::Host;

/// How long nothing happens while the daemon is watched.
const IDLE: Duration = Duration::from_secs(120);
/// How often each latency is measured.
const ROUNDS: usize = 15;
/// Specs that are saved at once on an empty host: how many of which engine, with how much memory.
const BURST: [(&str, usize, &str); 4] = [
    ("Postgres", 8, "128Mi"),
    ("MariaDB", 6, "256Mi"),
    ("MongoDB", 4, "512Mi"),
    ("Neo4j", 2, "768Mi"),
];
/// How often that is done, each time on a host of its own.
const BURSTS: usize = 3;

impl Host {
    /// Saves a small PostgreSQL's spec.
    fn save(&self, name: &str) -> Result<Timestamp, Error> {
        self.save_of("Postgres", name, "128Mi", "Running")
    }

    /// When a plan was written for a database after an instant.
    async fn planned_after(&self, name: &str, after: Timestamp) -> Result<Timestamp, Error> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            let entries = self.entries(name).await?;
            let planned = entries
                .iter()
                .filter(|e| e.at >= after && matches!(e.change, Change::Intended { .. }))
                .map(|e| e.at)
                .min();
            if let Some(at) = planned {
                return Ok(at);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("no plan was written for {name}").into())
    }

    async fn entries(&self, name: &str) -> Result<Vec<Entry>, Error> {
        Ok(self
            .client
            .get(&format!("/events?name={name}&limit=20"))
            .await?)
    }

    /// Processor time used so far and resident memory in MiB (proc(5): fields 14, 15; VmRSS).
    fn cost(&self) -> Result<(Duration, f64), Error> {
        let proc = Path::new("/proc").join(self.daemon.id().to_string());
        let stat = fs::read_to_string(proc.join("stat"))?;
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .ok_or("stat")?
            .1
            .split_whitespace()
            .collect();
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        Ok((Duration::from_millis(ticks * 10), self.memory("VmRSS:")?))
    }
}

fn milliseconds(from: Timestamp, to: Timestamp) -> f64 {
    (to - from).num_microseconds().unwrap_or(i64::MAX) as f64 / 1000.0
}

/// Specs of all engines, saved at once on an empty host.
async fn at_once() -> Result<(), Error> {
    let (mut seconds, mut memory) = (Vec::new(), Vec::new());
    let count: usize = BURST.iter().map(|(_, count, _)| count).sum();
    for _ in 0..BURSTS {
        let host = Host::start_in(Host::home()?)?;
        host.ready(1, Duration::from_secs(120)).await?;
        let started = Instant::now();
        for (engine, count, size) in BURST {
            for number in 0..count {
                let name = format!("{}{number}", engine.to_lowercase());
                host.save_of(engine, &name, size, "Running")?;
            }
        }
        host.ready(1 + count, Duration::from_secs(900)).await?;
        seconds.push(started.elapsed().as_secs_f64());
        memory.push(host.peak()?);
    }
    let what = format!("{count} specs of four engines until all are ready");
    told(&what, "s", seconds);
    told("  meanwhile, the daemon's memory at most", "MiB", memory);
    Ok(())
}

async fn spec_to_create(host: &Host, before: usize) -> Result<(), Error> {
    let mut figures = Vec::new();
    for round in 0..ROUNDS {
        let name = format!("fresh{round}");
        let saved = host.save(&name)?;
        host.ready(before + round + 1, Duration::from_secs(120))
            .await?;
        let output = Command::new("docker")
            .args([
                "inspect",
                "-f",
                "{{.Created}}",
                &format!("{}{name}", host.prefix),
            ])
            .output()?;
        // The engine takes this instant when the call arrives.
        let created: Timestamp = String::from_utf8(output.stdout)?.trim().parse()?;
        figures.push(milliseconds(saved, created));
    }
    told("spec saved -> create call", "ms", figures);
    Ok(())
}

/// Something happens to a container: from the engine's event until the plan for it is written.
///
/// After a rename the engine answers at once. After a kill it keeps the container locked while it
/// takes the process's network and file system down, and no inspect is answered meanwhile; how long
/// is measured beside, by a call of our own, since no plan can be sooner than what it is made from.
async fn event_to_plan(host: &Host, count: usize, rename: bool) -> Result<(), Error> {
    let docker = Docker::connect(None);
    let (mut figures, mut withheld) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let name = format!("bench{round:03}");
        let container = format!("{}{name}", host.prefix);
        let moved = format!("{container}-moved");
        let (args, action): (&[&str], _) = if rename {
            (&["rename", &container, &moved], "rename")
        } else {
            (&["kill", &container], "die")
        };
        // The stream begins with its first poll, after the deed: hence from an instant before it.
        let mut events = docker.events(Some(SystemClock.now()));
        let mut child = Command::new("docker")
            .args(args)
            .stdout(Stdio::null())
            .spawn()?;
        let (id, happened) = loop {
            let event = events.next().await.ok_or("the events ended")??;
            if [&container, &moved].contains(&&event.name) && event.action == action {
                break (event.id, event.at);
            }
        };
        let asked = Instant::now();
        docker.inspect(id.as_str()).await?;
        withheld.push(asked.elapsed().as_secs_f64() * 1000.0);
        if !child.wait()?.success() {
            return Err(format!("docker {} failed", args.join(" ")).into());
        }
        let planned = host.planned_after(&name, happened).await?;
        figures.push(milliseconds(happened, planned));
        host.ready(count, Duration::from_secs(60)).await?;
    }
    let what = if rename { "renamed" } else { "killed" };
    told(
        &format!("event ({what}) -> plan, {count} databases"),
        "ms",
        figures,
    );
    told("  meanwhile, one inspect by hand", "ms", withheld);
    Ok(())
}

async fn idle(host: &Host, count: usize) -> Result<(), Error> {
    // Readiness is judged once more ten seconds after it began; let that pass.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let (before, _) = host.cost()?;
    tokio::time::sleep(IDLE).await;
    let (after, rss) = host.cost()?;
    let share = (after - before).as_secs_f64() / IDLE.as_secs_f64() * 100.0;
    println!(
        "{:<52} {share:.2} % of one core over {} s",
        format!("idle, {count} databases"),
        IDLE.as_secs()
    );
    println!(
        "{:<52} {rss:.1} MiB",
        format!("resident memory, {count} databases")
    );
    Ok(())
}

async fn run() -> Result<(), Error> {
    let variables: BTreeMap<String, String> = std::env::vars().collect();
    let databases: usize = match variables.get("DB4SCI_BENCH_DATABASES") {
        Some(text) => text.parse()?,
        None => 100,
    };
    at_once().await?;
    if databases == 0 {
        return Ok(());
    }
    let host = Host::start_in(Host::home()?)?;
    host.ready(1, Duration::from_secs(120)).await?;
    spec_to_create(&host, 1).await?;
    let started = Instant::now();
    let more = databases.saturating_sub(ROUNDS);
    for number in 0..more {
        host.save(&format!("bench{number:03}"))?;
    }
    let count = 1 + ROUNDS + more;
    host.ready(count, Duration::from_secs(1800)).await?;
    println!(
        "{:<52} {:.0} s",
        format!("{more} specs at once until all are ready"),
        started.elapsed().as_secs_f64()
    );
    event_to_plan(&host, count, true).await?;
    event_to_plan(&host, count, false).await?;
    idle(&host, count).await
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    run().await
}
