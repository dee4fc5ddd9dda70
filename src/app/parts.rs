//! The daemon's parts, put together and started.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admin::{Ledger, Vault};
use crate::control::{Board, Desk, Intake, Measure, Queue, Reconciler, Triggers};
use crate::execute::Executor;
use crate::model::{Clock, Site};
use crate::observe::ports::ThisHost;
use crate::observe::{Observer, Probes};
use crate::plan::stewardship::House;
use crate::record::Metrics;
use crate::runtime::docker::Docker;
use crate::runtime::host::HostDirs;
use crate::runtime::jobs::Jobs;
use crate::runtime::servers::WireServers;
use crate::runtime::{DataDirs, Runtime, Servers};
use crate::settings::Settings;
use crate::specs::HostSize;

use super::admin::{Admin, Logins};
use super::authority::Opened;
use super::backend::Daemon;
use super::daemon::rules;
use super::{follow, heartbeat, journal};

/// What outlives the daemon: the ledger, what is sealed in it, and the authority.
pub(super) struct Kept {
    pub(super) ledger: Ledger,
    pub(super) vault: Arc<Vault>,
    pub(super) opened: Opened,
}

/// The daemon's parts, put together.
pub(super) struct Parts {
    pub(super) settings: Settings,
    pub(super) ledger: Ledger,
    pub(super) intake: Arc<Intake>,
    pub(super) triggers: Triggers,
    pub(super) changed: Option<mpsc::UnboundedReceiver<crate::model::DbName>>,
    pub(super) head: watch::Sender<u64>,
    pub(super) admin: Option<Admin>,
    pub(super) journal: Option<journal::Watch>,
    pub(super) desk: Arc<Desk>,
    pub(super) backend: Arc<Daemon>,
    pub(super) stop: CancellationToken,
}

impl Parts {
    pub(super) fn assemble(
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
            servers: servers.clone(),
            vault: vault.clone(),
            authority: authority.clone(),
            ledger: ledger.clone(),
            site: site.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
        };
        let lanes = settings.limits.lanes;
        let reconciler = Arc::new(Reconciler::new(
            observer.clone(),
            executor,
            board.clone(),
            lanes,
            house(&settings),
        ));
        reconciler.announce();
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
        let logins = Logins {
            ledger: ledger.clone(),
            vault: vault.clone(),
            site: site.clone(),
            board: board.clone(),
        };
        let journal = journal::Watch {
            ledger: ledger.clone(),
            board: board.clone(),
            queue: queue.clone(),
            lines: Box::new(logins.clone()),
            folder: settings.state_dir.join("journal"),
            clock: clock.clone(),
            stop: stop.clone(),
        };
        let admin = Admin {
            ledger: ledger.clone(),
            board: board.clone(),
            intake: intake.clone(),
            logins,
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
            servers,
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
            put_down: CancellationToken::new(),
            looked: CancellationToken::new(),
        };
        Ok(Parts {
            settings,
            ledger,
            intake,
            triggers,
            changed: Some(changed),
            head,
            admin: Some(admin),
            journal: Some(journal),
            desk,
            backend,
            stop,
        })
    }

    /// Starts every task of the daemon.
    pub(super) fn spawn(&mut self, tasks: &mut JoinSet<()>) {
        tasks.spawn(self.triggers.clone().run_queue());
        tasks.spawn(self.triggers.clone().run_events());
        tasks.spawn(self.triggers.clone().run_watch());
        let minutes = self.triggers.clone();
        tasks.spawn(async move {
            if let Err(error) = minutes.run_minutes().await {
                tracing::error!(%error, "the minute's tick failed");
            }
        });
        if let Some(changed) = self.changed.take() {
            tasks.spawn(self.triggers.clone().run_probes(changed));
        }
        if let Some(journal) = self.journal.take() {
            tasks.spawn(journal.run());
        }
        if let Some(admin) = self.admin.take() {
            tasks.spawn(admin.run());
        }
        let (desk, put_down) = (self.desk.clone(), self.triggers.put_down.clone());
        tasks.spawn(async move {
            desk.run().await;
            put_down.cancel();
        });
        tasks.spawn(follow::folder(
            self.intake.clone(),
            self.settings.desired_state.clone(),
            self.stop.clone(),
        ));
        let (url, seen) = (self.settings.heartbeat.clone(), self.backend.board.watch());
        tasks.spawn(heartbeat::beat(url, seen, self.stop.clone()));
        let measure = Measure {
            disks: Arc::new(follow::HostDisks),
            ledger: self.ledger.clone(),
            board: self.backend.board.clone(),
            clock: self.backend.clock.clone(),
            volumes: follow::volumes(&self.settings),
        };
        tasks.spawn(measure.run(self.stop.clone()));
        tasks.spawn(follow::reserve(
            self.ledger.clone(),
            self.settings.state_dir.clone(),
            self.stop.clone(),
        ));
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

/// What the settings say that databases are held against in the long run.
fn house(settings: &Settings) -> House {
    let volumes = settings.data_volumes.iter();
    House {
        stores: settings.stores.iter().map(|s| s.name.clone()).collect(),
        encrypted: volumes
            .filter(|volume| volume.encrypted)
            .map(|volume| volume.label.clone())
            .collect(),
        owners: settings.owners.clone(),
        enforce: settings.enforce,
        keep: settings.retired,
    }
}
