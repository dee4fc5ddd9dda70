//! The whole program in memory, and a command line that is run against it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use clap::Parser;
use tokio::task::JoinHandle;

use crate::cli::args::Cli;
use crate::cli::context::{Context, Io};
use crate::cli::{
    Checked, Exit, Finding, Found, Globals, Health, Host, ImageInfo, JobRequest, KeyInfo, KeyKind,
    RecoverArgs, Recovered, dispatch,
};
use crate::http::fake::{Fake, Served, serve};
use crate::model::view::{BackupView, DatabaseView, Snapshot};
use crate::model::{
    BackupId, Change, Clock, DbName, Entry, Outcome, Place, Problem, Timestamp, Who,
};
use crate::plan::comeback::{Lost, Priority};
use crate::plan::render::sample;

/// A clock that stands still.
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        sample::now()
    }
}

/// The whole program.
#[derive(Default)]
pub struct FakeHost {
    pub socket: PathBuf,
    pub jobs: Mutex<Vec<JobRequest>>,
    pub offline: Vec<DatabaseView>,
}

#[async_trait]
impl Host for FakeHost {
    fn socket(&self, globals: &Globals) -> PathBuf {
        globals
            .socket
            .clone()
            .unwrap_or_else(|| self.socket.clone())
    }

    async fn run_daemon(&self, _: &Globals) -> Result<(), String> {
        Err("DB4SCI_MODE is not set; write prod, dev, test or demo".to_owned())
    }

    async fn init(&self, _: &Globals, _: bool) -> Result<Vec<String>, String> {
        Ok(vec!["prod/config.yaml written".to_owned()])
    }

    async fn recover(&self, _: &Globals, args: RecoverArgs) -> Result<Recovered, String> {
        let found = |backup: Option<&str>, what: &str| Found {
            priority: match backup {
                Some(_) => Priority::None,
                None => Priority::Basic,
            },
            lost: Some(match backup {
                Some(_) => Lost::AtMost { minutes: 192 },
                None => Lost::Everything,
            }),
            engine: "Postgres 17".to_owned(),
            backup: backup.map(ToOwned::to_owned),
            as_of: backup.map(|_| sample::now()),
            bytes: 5 << 20,
            what: what.to_owned(),
        };
        if args.instance.is_some() {
            return Err("there is no instance `x`".to_owned());
        }
        let genomics = found(Some("genomics-20261122T021500Z-1@local"), "comes back");
        Ok(Recovered {
            instance: "4711".to_owned(),
            ledger: "mydb_admin-20261122T021500Z-1@local".to_owned(),
            entries: 42,
            shipped: 3,
            as_of: sample::now(),
            problems: vec!["s3: one manifest cannot be read".to_owned()],
            databases: [
                ("genomics".parse().unwrap(), genomics),
                (
                    "notes".parse().unwrap(),
                    found(None, "is lost: there is no backup"),
                ),
            ]
            .into(),
        })
    }

    async fn check(&self, _: &Globals, paths: &[PathBuf]) -> Result<Checked, String> {
        let place = |file: &PathBuf| Place {
            file: file.clone(),
            line: 2,
            column: 3,
        };
        let problem = |file: &PathBuf| Problem::new("spec", "wrong").at(place(file));
        Ok(Checked {
            files: paths.len(),
            problems: (paths.iter())
                .filter(|path| path.to_string_lossy().contains("bad"))
                .map(problem)
                .collect(),
            warnings: (paths.iter())
                .filter(|path| path.to_string_lossy().contains("rare"))
                .map(problem)
                .collect(),
        })
    }

    fn schema(&self) -> serde_json::Value {
        serde_json::json!({"title": "Database"})
    }

    async fn doctor(&self, _: &Globals) -> Vec<Finding> {
        vec![Finding {
            what: "docker".to_owned(),
            health: Health::Warn,
            message: "version 20.10 is old".to_owned(),
            next: Some("apt-get upgrade".to_owned()),
        }]
    }

    async fn authority(&self, _: &Globals) -> Result<String, String> {
        Ok("from the file\n".to_owned())
    }

    async fn keys(&self, _: &Globals) -> Result<Vec<KeyInfo>, String> {
        let key = |id: &str, there, seals| KeyInfo {
            id: id.to_owned(),
            kind: KeyKind::Secrets,
            there,
            seals,
            opens: 2,
        };
        let lost = key("0001-3f9c2a1b", false, false);
        Ok(vec![lost, key("0002-00ff00ff", true, true)])
    }

    async fn export_keys(&self, _: &Globals, to: PathBuf) -> Result<Vec<String>, String> {
        Ok(vec![
            to.join("seal-0002-00ff00ff.key").display().to_string(),
        ])
    }

    async fn renew_keys(&self, _: &Globals, reason: &str) -> Result<String, String> {
        Ok(format!("made without the daemon: {reason}"))
    }

    async fn images(&self, _: &Globals) -> Result<Vec<ImageInfo>, String> {
        let image = |display: Option<&str>, id: Option<&str>| ImageInfo {
            display: display.map(str::to_owned),
            reference: "postgres:17".to_owned(),
            id: id.map(|id| format!("sha256:{}", id.repeat(8))),
            moved: display.is_none(),
            used_by: match display {
                Some(_) => Vec::new(),
                None => vec!["genomics".parse().expect("a name")],
            },
        };
        Ok(vec![
            image(Some("PostgreSQL 17"), Some("0a1b2c3d")),
            image(Some("PostgreSQL 16"), None),
            image(None, Some("99887766")),
        ])
    }

    async fn save_images(
        &self,
        _: &Globals,
        to: PathBuf,
        only: Vec<String>,
    ) -> Result<String, String> {
        Ok(format!("{} images in {}", only.len(), to.display()))
    }

    async fn load_images(&self, _: &Globals, from: PathBuf) -> Result<Vec<String>, String> {
        Err(format!("load {}: no image is in it", from.display()))
    }

    async fn offline_snapshot(&self, _: &Globals) -> Result<Snapshot, String> {
        if self.offline.is_empty() {
            return Err("the journal cannot be read".to_owned());
        }
        Ok(Snapshot {
            databases: self.offline.clone(),
            first_pass_done: true,
            mode: "test".to_owned(),
            ..Snapshot::default()
        })
    }

    async fn offline_events(
        &self,
        _: &Globals,
        name: Option<&DbName>,
        _: usize,
    ) -> Result<Vec<Entry>, String> {
        Ok(vec![Entry {
            seq: 1,
            at: sample::at(19, 30),
            who: Who::Daemon,
            name: name.cloned(),
            outcome: Outcome::Failed,
            message: "from the journal".to_owned(),
            change: Change::Noted,
        }])
    }

    async fn offline_logs(&self, _: &Globals, _: &DbName, _: u32) -> Result<String, String> {
        Ok("from Docker".to_owned())
    }

    async fn offline_backups(&self, _: &Globals, _: &DbName) -> Result<Vec<BackupView>, String> {
        Ok(Vec::new())
    }

    async fn download(&self, _: &Globals, id: &BackupId, to: &Path) -> Result<Vec<String>, String> {
        Ok(vec![format!("{id} is in {}", to.display())])
    }

    async fn run_job(&self, _: &Globals, job: JobRequest) -> Result<i32, String> {
        self.jobs.lock().unwrap().push(job);
        Ok(3)
    }
}

/// What a command line said.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub exit: u8,
    pub out: String,
    pub err: String,
}

/// Where words go; others can look.
#[derive(Clone, Default)]
pub struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    /// Returns once it holds a text.
    pub async fn holds(&self, text: &str) {
        while !self.text().contains(text) {
            tokio::task::yield_now().await;
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// A command line that is running, and what it has said so far.
pub struct Running {
    pub out: Sink,
    pub err: Sink,
    task: JoinHandle<Exit>,
}

/// An output that takes nothing, and why.
pub struct Shut(pub io::ErrorKind);

impl Write for Shut {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts a command line; words are separated by blanks.
pub fn start(host: Arc<FakeHost>, line: &str) -> Running {
    let out = Sink::default();
    start_into(host, line, Box::new(out.clone()), out)
}

/// Runs a command line whose output goes nowhere.
pub async fn run_into(host: Arc<FakeHost>, line: &str, out: Shut) -> Said {
    let nothing = Sink::default();
    start_into(host, line, Box::new(out), nothing).end().await
}

fn start_into(host: Arc<FakeHost>, line: &str, to: Box<dyn Write + Send>, out: Sink) -> Running {
    let words = std::iter::once("db4sci").chain(line.split(' ').filter(|word| !word.is_empty()));
    let parsed = Cli::try_parse_from(words);
    let err = Sink::default();
    let io = Io::to(to, Box::new(err.clone()));
    let task = tokio::spawn(async move {
        match parsed {
            Ok(cli) => {
                let context = Context::new(cli.globals, cli.output, host, io, Arc::new(Still));
                dispatch(cli.verb, &context).await
            }
            Err(error) => {
                io.say(false, &error.to_string());
                Exit::of(u8::try_from(error.exit_code()).unwrap())
            }
        }
    });
    Running { out, err, task }
}

impl Running {
    /// What it said by its end.
    pub async fn end(self) -> Said {
        Said {
            exit: self.task.await.unwrap().code(),
            out: self.out.text(),
            err: self.err.text(),
        }
    }
}

/// Runs a command line.
pub async fn run_on(host: Arc<FakeHost>, line: &str) -> Said {
    start(host, line).end().await
}

/// A daemon, and the program beside it.
pub struct World {
    pub daemon: Arc<Fake>,
    pub served: Served,
    pub host: Arc<FakeHost>,
}

/// A world with these databases.
pub async fn world(databases: Vec<DatabaseView>) -> World {
    let daemon = Fake::new(databases);
    let served = serve(&daemon).await;
    let host = Arc::new(FakeHost {
        socket: served.socket.clone(),
        ..FakeHost::default()
    });
    World {
        daemon,
        served,
        host,
    }
}

impl World {
    /// Runs a command line in it.
    pub async fn run(&self, line: &str) -> Said {
        run_on(Arc::clone(&self.host), line).await
    }
}

/// Said on standard output, with exit code 0 and nothing on standard error.
pub fn out(text: &str) -> Said {
    Said {
        exit: 0,
        out: text.to_owned(),
        err: String::new(),
    }
}
