//! The program as its command line sees it.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use crate::admin::{Query, read_offline};
use crate::cli::{
    Checked, Finding, Globals, Host, ImageInfo, JobRequest, KeyInfo, RecoverArgs, Recovered,
};
use crate::model::view::{BackupView, Snapshot};
use crate::model::{
    BackupId, Clock, ContainerId, Database, DbName, Entry, ImageId, Memory, Mount, Place, Problem,
    Source, SystemClock, Timestamp,
};
use crate::plan::backups;
use crate::record::tracing as log;
use crate::runtime::Runtime;
use crate::runtime::docker::{Docker, JobSpec};
use crate::settings::{Mode, Settings};
use crate::specs;

use super::{
    authority, bundles, daemon, doctor, history, home, images, init, keys, limits, offline, panics,
    recover,
};

/// Where the socket is when no settings say otherwise.
const SOCKET: &str = "/run/db4sci/db4sci.sock";

/// The program with its real backends.
#[derive(Debug, Clone, Copy, Default)]
pub struct Program;

impl Program {
    fn env(globals: &Globals) -> BTreeMap<String, String> {
        let mut env: BTreeMap<String, String> = std::env::vars().collect();
        if let Some(mode) = &globals.mode {
            env.insert("DB4SCI_MODE".to_owned(), mode.clone());
        }
        env
    }

    fn home(globals: &Globals) -> PathBuf {
        globals.home.clone().unwrap_or_else(|| PathBuf::from("."))
    }

    /// The settings of this call: mode, file, environment.
    pub(super) fn settings(globals: &Globals) -> Result<Settings, String> {
        let env = Program::env(globals);
        let mode = Mode::from_env(&env).map_err(|problem| problem.to_string())?;
        let mut settings =
            Settings::load(&Program::home(globals), mode, &env).map_err(daemon::lines)?;
        if let Some(socket) = &globals.socket {
            settings.socket.clone_from(socket);
        }
        Ok(settings)
    }
}

#[async_trait]
impl Host for Program {
    fn socket(&self, globals: &Globals) -> PathBuf {
        globals.socket.clone().unwrap_or_else(|| {
            Program::settings(globals).map_or_else(|_| PathBuf::from(SOCKET), |s| s.socket)
        })
    }

    async fn run_daemon(&self, globals: &Globals) -> Result<(), String> {
        let settings = Program::settings(globals)?;
        let filter = std::env::var("DB4SCI_LOG").ok();
        let colours = std::io::stderr().is_terminal();
        log::init(filter.as_deref(), colours).map_err(|e| daemon::chain(&e))?;
        panics::end_the_process();
        limits::set();
        daemon::run(settings).await
    }

    async fn init(&self, globals: &Globals, fresh: bool) -> Result<Vec<String>, String> {
        let env = Program::env(globals);
        let mode = Mode::from_env(&env).map_err(|problem| problem.to_string())?;
        let home = Program::home(globals);
        init::write_files(&home, mode)?;
        let settings = Program::settings(globals)?;
        let mut done = init::make_folders(&home, &settings)?;
        if fresh {
            done.push(history::begin_fresh(&settings.state_dir)?);
        }
        Ok(done)
    }

    async fn recover(&self, globals: &Globals, args: RecoverArgs) -> Result<Recovered, String> {
        recover::recover(&Program::settings(globals)?, args).await
    }

    async fn check(&self, globals: &Globals, paths: &[PathBuf]) -> Result<Checked, String> {
        let settings = Program::settings(globals)?;
        let size = Docker::connect(None)
            .info()
            .await
            .ok()
            .map(|info| daemon::size_of(&info));
        let paths = if paths.is_empty() {
            vec![settings.desired_state.clone()]
        } else {
            paths.to_vec()
        };
        let work = move || match daemon::rules(&settings, size) {
            Ok(rules) => specs::check(&paths, &rules),
            Err(problems) => specs::Checked {
                problems,
                ..specs::Checked::default()
            },
        };
        let checked = tokio::task::spawn_blocking(work)
            .await
            .map_err(|e| e.to_string())?;
        let now = SystemClock.now();
        Ok(Checked {
            files: checked.files,
            warnings: (checked.good.iter())
                .filter_map(|db| contradicts(db, now))
                .collect(),
            problems: checked.problems,
        })
    }

    fn schema(&self) -> serde_json::Value {
        specs::schema()
    }

    async fn doctor(&self, globals: &Globals) -> Vec<Finding> {
        doctor::look(globals).await
    }

    async fn authority(&self, globals: &Globals) -> Result<String, String> {
        authority::certificate(&Program::settings(globals)?)
    }

    async fn keys(&self, globals: &Globals) -> Result<Vec<KeyInfo>, String> {
        keys::list(&Program::settings(globals)?)
    }

    async fn export_keys(&self, globals: &Globals, to: PathBuf) -> Result<Vec<String>, String> {
        keys::export(&Program::settings(globals)?, &to)
    }

    async fn renew_keys(&self, globals: &Globals, reason: &str) -> Result<String, String> {
        keys::renew(&Program::settings(globals)?, reason).await
    }

    async fn images(&self, globals: &Globals) -> Result<Vec<ImageInfo>, String> {
        images::list(&Program::settings(globals)?, &Docker::connect(None)).await
    }

    async fn save_images(
        &self,
        globals: &Globals,
        to: PathBuf,
        only: Vec<String>,
    ) -> Result<String, String> {
        images::save(&Program::settings(globals)?, &to, &only).await
    }

    async fn load_images(&self, globals: &Globals, from: PathBuf) -> Result<Vec<String>, String> {
        images::load(&Program::settings(globals)?, &from).await
    }

    async fn offline_snapshot(&self, globals: &Globals) -> Result<Snapshot, String> {
        offline::snapshot(&Program::settings(globals)?, &SystemClock).await
    }

    async fn offline_events(
        &self,
        globals: &Globals,
        name: Option<&DbName>,
        limit: usize,
    ) -> Result<Vec<Entry>, String> {
        let folder = Program::settings(globals)?.state_dir.join("journal");
        let name = name.cloned();
        let read = move || match name {
            None => read_offline(&folder, limit).map(|(_, entries)| entries),
            Some(name) => read_offline(&folder, usize::MAX).map(|(book, entries)| {
                let query = Query::of(&book, &name, limit);
                let of: Vec<_> = entries.into_iter().filter(|e| query.wants(e)).collect();
                let skip = of.len().saturating_sub(limit);
                of.into_iter().skip(skip).collect()
            }),
        };
        let read = tokio::task::spawn_blocking(read)
            .await
            .map_err(|e| e.to_string())?;
        read.map_err(|e| daemon::chain(&e))
    }

    async fn offline_logs(
        &self,
        globals: &Globals,
        name: &DbName,
        lines: u32,
    ) -> Result<String, String> {
        let settings = Program::settings(globals)?;
        let site = settings.site(home::instance_of(&settings.state_dir)?);
        let docker = Docker::connect(None);
        let container = site.container_name(name);
        let found = docker
            .inspect(&container)
            .await
            .map_err(|e| e.to_string())?;
        let found = found.ok_or_else(|| format!("there is no container {container}"))?;
        docker
            .logs(&found.id, lines)
            .await
            .map_err(|e| e.to_string())
    }

    async fn offline_backups(
        &self,
        globals: &Globals,
        name: &DbName,
    ) -> Result<Vec<BackupView>, String> {
        bundles::list(&Program::settings(globals)?, name).await
    }

    async fn download(
        &self,
        globals: &Globals,
        id: &BackupId,
        to: &Path,
    ) -> Result<Vec<String>, String> {
        bundles::download(&Program::settings(globals)?, id, to).await
    }

    async fn run_job(&self, globals: &Globals, job: JobRequest) -> Result<i32, String> {
        let settings = Program::settings(globals)?;
        let passfile = private(job.passfile.expose().as_bytes(), 0o600)?;
        // No secret; the client in the image may be somebody else's.
        let authority = job.authority.as_deref().map(|bytes| private(bytes, 0o644));
        let authority = authority.transpose()?;
        let mount = |file: &tempfile::NamedTempFile, target: &str| Mount {
            source: file.path().to_owned(),
            target: target.to_owned(),
            read_only: true,
        };
        let mut mounts = vec![mount(&passfile, JobRequest::PASSFILE)];
        mounts.extend(
            authority
                .iter()
                .map(|file| mount(file, JobRequest::AUTHORITY)),
        );
        let spec = JobSpec {
            name: format!("connect {}", job.name),
            instance: home::instance_of(&settings.state_dir)?,
            image: ImageId(job.image),
            network_of: ContainerId(job.container),
            mounts,
            entrypoint: vec![job.client.program],
            command: job.client.args,
            env: job.client.env,
            tty: job.terminal,
            memory: Memory::mebibytes(512).bytes(),
        };
        let code = Docker::connect(None)
            .run_attached(&spec)
            .await
            .map_err(|e| e.to_string())?;
        Ok(i32::try_from(code).unwrap_or(1))
    }
}

/// What of an admitted spec contradicts itself.
fn contradicts(db: &Database, now: Timestamp) -> Option<Problem> {
    let why = backups::contradiction(db, now)?;
    let place = match &db.source {
        Source::File(file) => Some(Place {
            file: file.clone(),
            line: 0,
            column: 0,
        }),
        Source::Row | Source::Api | Source::Builtin => None,
    };
    Some(Problem {
        place,
        ..Problem::new("spec.maintenanceWindow", why).of(&db.name)
    })
}

/// A file of this process, gone with its use of it.
fn private(bytes: &[u8], mode: u32) -> Result<tempfile::NamedTempFile, String> {
    let told = |e: std::io::Error| format!("a file for the client cannot be written: {e}");
    let mut file = tempfile::NamedTempFile::new().map_err(told)?;
    file.write_all(bytes).map_err(told)?;
    let mode = std::fs::Permissions::from_mode(mode);
    file.as_file().set_permissions(mode).map_err(told)?;
    Ok(file)
}
