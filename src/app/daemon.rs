//! The daemon, from its start to its end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admin::{FileStorage, Ledger, NewEntry, OpenReport, Vault};
use crate::control::{Board, Desk, Intake, Queue, Reconciler, Triggers};
use crate::execute::Executor;
use crate::http::serve::{self, Options};
use crate::model::{Change, Clock, Cpus, Memory, Outcome, Problem, Site, SystemClock, Who};
use crate::observe::ports::ThisHost;
use crate::observe::{Observer, Probes};
use crate::record::Metrics;
use crate::runtime::docker::Docker;
use crate::runtime::host::HostDirs;
use crate::runtime::jobs::Jobs;
use crate::runtime::servers::WireServers;
use crate::runtime::{DataDirs, EngineInfo, Runtime, Servers};
use crate::settings::Settings;
use crate::specs::{Catalog, HostSize, Rules, yaml};

use super::admin::{Admin, Logins};
use super::authority::{self, Opened};
use super::backend::Daemon;
use super::{follow, heartbeat, history, home, lock, witness};

/// The group whose members may use the socket.
const GROUP: &str = "db4sci";
/// How long steps under way may go on after the daemon was told to stop. One that is cut off is
/// taken up again at the next start.
const GRACE: Duration = Duration::from_secs(20);

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
    let vault = Arc::new(open_vault(&settings.state_dir, &ledger)?);
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

    until_told_to_stop(&mut tasks).await?;
    tracing::info!("stopping; databases keep running");
    stop.cancel();
    let ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, ended).await.is_err() {
        tracing::warn!("steps under way were cut off; the next start takes them up");
    }
    note(&parts.ledger, "stopped; databases keep running").await;
    Ok(())
}

/// Waits for a signal; a task that ends by itself before that is a defect, and ends the daemon.
async fn until_told_to_stop(tasks: &mut JoinSet<()>) -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
    // Cancel-safe: nothing is lost by not waiting any longer.
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
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

pub(super) fn tell_torn(report: &OpenReport) {
    if let Some(torn) = &report.torn {
        tracing::warn!(
            ?torn,
            "the journal ended in an entry that was never acknowledged"
        );
    }
}

/// Opens what is sealed; a key that is lost ends the start here, before anything is done.
fn open_vault(state_dir: &Path, ledger: &Ledger) -> Result<Vault, String> {
    let books = ledger.clone();
    Vault::open(&home::keys(state_dir), move || books.book()).map_err(|e| e.to_string())
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

/// What outlives the daemon: the ledger, what is sealed in it, and the authority.
struct Kept {
    ledger: Ledger,
    vault: Arc<Vault>,
    opened: Opened,
}

/// The daemon's parts, put together.
struct Parts {
    settings: Settings,
    ledger: Ledger,
    intake: Arc<Intake>,
    triggers: Triggers,
    changed: Option<mpsc::UnboundedReceiver<crate::model::DbName>>,
    head: watch::Sender<u64>,
    admin: Option<Admin>,
    desk: Arc<Desk>,
    backend: Arc<Daemon>,
    stop: CancellationToken,
}

impl Parts {
    fn assemble(
        settings: Settings,
        size: Option<HostSize>,
        site: Site,
        kept: Kept,
        docker: Docker,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) -> Result<Self, String> {
        let Kept {
            ledger,
            vault,
            opened,
        } = kept;
        let Opened {
            authority, trust, ..
        } = opened;
        let jobs: Arc<dyn Jobs> = Arc::new(docker.clone());
        let runtime: Arc<dyn Runtime> = Arc::new(docker);
        let dirs: Arc<dyn DataDirs> = Arc::new(HostDirs::new(&settings.state_dir));
        let servers: Arc<dyn Servers> = Arc::new(WireServers::trusting(trust));
        let metrics = Arc::new(Metrics::new(settings.mode.as_str()).map_err(|e| e.to_string())?);
        let board = Arc::new(Board::new(
            clock.clone(),
            settings.mode.as_str(),
            &site.instance,
        ));
        let queue = Arc::new(Queue::default());
        let (tell, changed) = mpsc::unbounded_channel();
        let probes = Probes::following(
            servers.clone(),
            vault.clone(),
            clock.clone(),
            site.clone(),
            tell,
        );
        let observer = Arc::new(Observer::new(
            runtime.clone(),
            dirs.clone(),
            Arc::new(ThisHost),
            probes,
            vault.clone(),
            authority.clone(),
            site.clone(),
        ));
        let executor = Executor {
            runtime: runtime.clone(),
            dirs: dirs.clone(),
            servers,
            vault: vault.clone(),
            authority: authority.clone(),
            ledger: ledger.clone(),
            site: site.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
        };
        let lanes = settings.limits.lanes;
        let stores = settings.stores.iter().map(|s| s.name.clone()).collect();
        let reconciler = Arc::new(Reconciler::new(
            observer.clone(),
            executor,
            board.clone(),
            lanes,
            stores,
        ));
        let for_rules = settings.clone();
        let intake = Arc::new(Intake::new(
            ledger.clone(),
            reconciler.clone(),
            board.clone(),
            queue.clone(),
            clock.clone(),
            settings.desired_state.clone(),
            Box::new(move || rules(&for_rules, size)),
        ));
        let archive = Arc::new(super::archive::archive(
            &settings,
            super::archive::Parts {
                vault: vault.clone(),
                runtime: runtime.clone(),
                jobs,
                dirs: dirs.clone(),
                ledger: ledger.clone(),
                site: site.clone(),
                clock: clock.clone(),
                metrics: metrics.clone(),
            },
        )?);
        let desk = Arc::new(Desk::new(
            archive,
            board.clone(),
            queue.clone(),
            intake.clone(),
            settings.limits.dumps,
            settings.retired,
            stop.clone(),
        ));
        let (head, heads) = watch::channel(ledger.book().head().seq);
        let admin = Admin {
            ledger: ledger.clone(),
            board: board.clone(),
            intake: intake.clone(),
            logins: Logins {
                ledger: ledger.clone(),
                vault: vault.clone(),
                site: site.clone(),
            },
            clock: clock.clone(),
            stop: stop.clone(),
        };
        let backend = Arc::new(Daemon {
            intake: intake.clone(),
            desk: desk.clone(),
            reconciler: reconciler.clone(),
            queue: queue.clone(),
            board: board.clone(),
            ledger: ledger.clone(),
            head: heads,
            runtime: runtime.clone(),
            vault,
            authority,
            dirs,
            admins: settings.admins.clone(),
            site: site.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
        });
        let triggers = Triggers {
            reconciler,
            observer,
            runtime,
            queue,
            board,
            ledger: ledger.clone(),
            site,
            clock,
            metrics,
            stop: stop.clone(),
        };
        Ok(Parts {
            settings,
            ledger,
            intake,
            triggers,
            changed: Some(changed),
            head,
            admin: Some(admin),
            desk,
            backend,
            stop,
        })
    }

    /// Starts every task of the daemon.
    fn spawn(&mut self, tasks: &mut JoinSet<()>) {
        tasks.spawn(self.triggers.clone().run_queue());
        tasks.spawn(self.triggers.clone().run_events());
        let minutes = self.triggers.clone();
        tasks.spawn(async move {
            if let Err(error) = minutes.run_minutes().await {
                tracing::error!(%error, "the minute's tick failed");
            }
        });
        if let Some(changed) = self.changed.take() {
            tasks.spawn(self.triggers.clone().run_probes(changed));
        }
        if let Some(admin) = self.admin.take() {
            let stop = self.stop.clone();
            tasks.spawn(async move {
                admin.run().await;
                stop.cancelled().await;
            });
        }
        let (desk, stop) = (self.desk.clone(), self.stop.clone());
        tasks.spawn(async move {
            desk.run().await;
            stop.cancelled().await;
        });
        tasks.spawn(follow::folder(
            self.intake.clone(),
            self.settings.desired_state.clone(),
            self.stop.clone(),
        ));
        let (url, seen) = (self.settings.heartbeat.clone(), self.backend.board.watch());
        tasks.spawn(heartbeat::beat(url, seen, self.stop.clone()));
        if let Some(every) = self.settings.ship_journal {
            tasks.spawn(follow::ship(self.desk.clone(), every, self.stop.clone()));
        }
        tasks.spawn(follow::head(
            self.ledger.clone(),
            self.head.clone(),
            self.stop.clone(),
        ));
    }
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
