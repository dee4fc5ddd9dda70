//! The daemon, from its start to its end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admin::audit::knows_key;
use crate::admin::{FileStorage, Keyring, Ledger, NewEntry, OpenReport, Vault};
use crate::engine;
use crate::http::serve::{self, Options};
use crate::model::{Change, Clock, Cpus, EngineKind, Memory, Outcome, Problem, SystemClock, Who};
use crate::runtime::docker::Docker;
use crate::runtime::{EngineInfo, Runtime};
use crate::settings::Settings;
use crate::specs::{Catalog, HostSize, Rules, yaml};

use super::authority;
use super::parts::{Kept, Parts};
use super::{history, home, lock, witness};

/// The group whose members may use the socket.
const GROUP: &str = "db4sci";
/// How long steps under way may go on after the daemon was told to stop. One that is cut off is
/// taken up again at the next start.
const GRACE: Duration = Duration::from_secs(20);
/// How long a server that the daemon took down may need, beyond its own stop, to be started again.
const UP_AGAIN: Duration = Duration::from_secs(20);

/// Runs the daemon until SIGTERM or SIGINT. Databases keep running.
pub(super) async fn run(settings: Settings) -> Result<(), String> {
    home::make_folder(&settings.state_dir, 0o700)?;
    let holder = format!(
        "db4sci {} process {} on {}",
        settings.mode.as_str(),
        std::process::id(),
        settings.socket.display()
    );
    let _lock = lock::take(&settings.state_dir, &holder)?;
    let site = settings.site(home::instance(&settings.state_dir)?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ledger = witness::open(&settings, &site, clock.clone()).await?;
    if ledger.book().head().seq == 0 {
        history::refuse_history(&settings).await?;
    }
    refuse_strange_keys(&home::keys(&settings.state_dir), &ledger).await?;
    let vault = Arc::new(open_vault(&settings.state_dir, &ledger)?);
    ledger.seal_with(vault.sealer());
    let opened = authority::open(&settings, &site.instance, clock.now())?;
    if let Some(made) = &opened.made {
        note(&ledger, made).await;
    }
    let docker = Docker::connect(None);
    let size = match docker.info().await {
        Ok(info) => Some(size_of(&info)),
        Err(error) => {
            tracing::warn!(%error, "starting without the container engine");
            None
        }
    };
    // A broken catalog is told at once, not with the first spec.
    rules(&settings, size).map_err(lines)?;
    let options = Options {
        socket: settings.socket.clone(),
        group: GROUP.to_owned(),
        http: Some(settings.http),
    };
    let bound = serve::bind(&options).await.map_err(|e| chain(&e))?;
    if let Err(error) = docker.sweep_jobs(&site.instance, clock.now()).await {
        tracing::warn!(%error, "left-over job containers could not be removed");
    }

    let stop = CancellationToken::new();
    let mut parts = Parts::assemble(
        settings,
        size,
        site,
        Kept {
            ledger,
            vault,
            opened,
        },
        docker,
        clock,
        stop.clone(),
    )?;
    let started = format!("started, version {}", env!("CARGO_PKG_VERSION"));
    note(&parts.ledger, &started).await;
    history::has_begun(&parts.settings.state_dir);
    parts.intake.mydb_admin().await?;
    let mut tasks = JoinSet::new();
    parts.spawn(&mut tasks);
    tasks.spawn(bound.serve(parts.backend.clone(), stop.clone()));
    tracing::info!(socket = %parts.settings.socket.display(), http = %parts.settings.http, "running");

    until_told_to_stop(&mut tasks, &parts.ledger).await?;
    tracing::info!("stopping; databases keep running");
    stop.cancel();
    let ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, ended).await.is_err() {
        // Nobody may find a server down because the daemon was stopped.
        let _ = tokio::time::timeout(longest_stop() + UP_AGAIN, parts.triggers.looked.cancelled())
            .await;
        tracing::warn!("steps under way were cut off; the next start takes them up");
    }
    let down = parts.triggers.still_down().await;
    let names: Vec<String> = down.iter().map(ToString::to_string).collect();
    let mut said = "stopped; databases keep running".to_owned();
    if !names.is_empty() {
        said.push_str(", but for what the daemon took down, and the next start brings up: ");
        said.push_str(&names.join(", "));
        tracing::warn!("{said}");
    }
    note(&parts.ledger, &said).await;
    Ok(())
}

/// The longest that a server may take to stop in order. `stop_grace_period` in the compose file is this
/// and both graces at least.
fn longest_stop() -> Duration {
    let stops = EngineKind::ALL.map(|kind| engine::recipe(kind).defaults().stop_deadline);
    Duration::from_secs(u64::from(stops.into_iter().max().unwrap_or_default()))
}

/// Waits for a signal; a task that ends by itself before that is a defect, and ends the daemon.
/// So does a ledger that takes nothing any more: it is made whole at the next start.
async fn until_told_to_stop(tasks: &mut JoinSet<()>, ledger: &Ledger) -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
    // Cancel-safe: nothing is lost by not waiting any longer.
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        () = ledger.ended() => Err("the journal is no longer the file it was; databases keep running; start it again".to_owned()),
        ended = tasks.join_next() => {
            let why = match ended {
                Some(Err(error)) => error.to_string(),
                Some(Ok(())) | None => "it ended".to_owned(),
            };
            Err(format!("a part of the daemon failed ({why}); start it again"))
        }
    }
}

/// Opens the ledger of a folder.
pub(super) async fn open_ledger(folder: &Path, clock: Arc<dyn Clock>) -> Result<Ledger, String> {
    let storage = FileStorage::open(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let (ledger, report) = Ledger::open(storage, clock).await.map_err(|e| chain(&e))?;
    tell_torn(&report);
    Ok(ledger)
}

/// Seals what is written while there is no vault, with the keys that are there.
pub(super) fn seal(settings: &Settings, ledger: &Ledger) -> Result<(), String> {
    let ring = Keyring::read(&home::keys(&settings.state_dir)).map_err(|e| e.to_string())?;
    ledger.seal_with(ring.sealer());
    Ok(())
}

pub(super) fn tell_torn(report: &OpenReport) {
    if let Some(torn) = &report.torn {
        tracing::warn!(
            ?torn,
            "the journal ended in an entry that was never acknowledged"
        );
    }
}

/// Opens what is sealed; a key that is lost ends the start here, before anything is done.
pub(super) fn open_vault(state_dir: &Path, ledger: &Ledger) -> Result<Vault, String> {
    let books = ledger.clone();
    Vault::open(&home::keys(state_dir), move || books.book()).map_err(|e| e.to_string())
}

/// Refuses keys that are not those of the ledger, before it is added to: a short one may have nothing sealed
/// in it, but its records are. What is told first is what cannot be opened.
pub(super) async fn refuse_strange_keys(keys: &Path, ledger: &Ledger) -> Result<(), String> {
    let ring = Keyring::read(keys).map_err(|e| e.to_string())?;
    ring.opens(keys, &ledger.book())
        .map_err(|e| e.to_string())?;
    let before = ledger.book().head().seq.saturating_sub(1);
    let last = ledger.records(before, 1).await.map_err(|e| chain(&e))?;
    match last.first() {
        Some(record) => knows_key(&ring, record.line.as_bytes()),
        None => Ok(()),
    }
}

/// The rules of this moment: catalog and configuration files are read anew each time.
pub(super) fn rules(settings: &Settings, size: Option<HostSize>) -> Result<Rules, Vec<Problem>> {
    let catalog = match yaml::read_catalog(&settings.dbconfig)? {
        Some(catalog) => catalog,
        None => Catalog::builtin()?,
    };
    Ok(settings.rules(catalog, yaml::read_config_files(&settings.dbconfig), size))
}

pub(super) fn size_of(info: &EngineInfo) -> HostSize {
    HostSize {
        memory: Memory::from_bytes(info.memory),
        cpus: Cpus::from_milli(info.cpus.saturating_mul(1000)),
    }
}

/// Problems as a person reads them.
pub(super) fn lines(problems: Vec<Problem>) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

async fn note(ledger: &Ledger, message: &str) {
    let entry = NewEntry {
        who: Who::Daemon,
        name: None,
        outcome: Outcome::Done,
        message: message.to_owned(),
        change: Change::Noted,
    };
    if let Err(error) = ledger.append(entry).await {
        tracing::warn!(%error, "could not be recorded");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_stops_the_daemon_waits_until_all_it_took_down_is_up() {
        let needed = (GRACE + longest_stop() + UP_AGAIN).as_secs();
        let after = |text: &str, key: &str| {
            let (_, rest) = text.split_once(key).unwrap();
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u64>().unwrap()
        };
        let unit = include_str!("../../README.md");
        assert!(after(unit, "TimeoutStopSec=") >= needed);
        let compose = include_str!("../../compose/docker-compose.yaml");
        assert!(after(compose, "stop_grace_period: ") * 60 >= needed);
    }
}
