//! An instance of its own for each test: folders, ports, names, and the daemon.

mod cleaning;
mod containers;
mod daemon;
mod engine;
mod ports;
mod proxy;
mod specs;
mod verbs;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use chrono::Timelike;
use db4sci::model::{Clock, SystemClock};

pub use containers::Run;
pub use engine::PrivateEngine;
pub use proxy::Proxy;
pub use specs::{MariaDB, MongoDB, Neo4j, Postgres, Server};

use crate::support;
use ports::Ports;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_db4sci");
/// Where instances have their folders: the names are short, since a socket's path must be.
const FOLDERS: &str = "/var/tmp/db4sci-live";
/// The hour of the day at which a test begins, in the time zone of its daemon.
const MORNING: i64 = 10;
/// On everything that a test makes in Docker by itself.
const LABEL: &str = "db4sci.live";
/// For what needs no more than the daemon's own work.
pub const SOON: Duration = Duration::from_secs(30);
/// For what starts servers, on a machine that is busy with other tests.
pub const LONG: Duration = Duration::from_secs(240);

/// An instance. What it made is removed when it is dropped, also after a panic.
pub struct Host {
    /// Its folder: `desired-state/`, `dbconfig/`, `state/`, `volume/`, `daemon.log`.
    pub folder: PathBuf,
    /// For labels and names.
    id: String,
    ports: Ports,
    engine: Option<PrivateEngine>,
    env: BTreeMap<String, String>,
    servers: BTreeMap<String, Server>,
    daemon: Option<Child>,
    /// Says to other test processes that this instance is in use.
    _alive: File,
}

impl Host {
    /// An instance on this machine's Docker Engine. Its daemon is not started.
    #[track_caller]
    pub fn new() -> Self {
        Host::on(None)
    }

    /// An instance on an engine of its own, which goes with it.
    #[track_caller]
    pub fn with_engine(images: &[&str]) -> Self {
        Host::on(Some(PrivateEngine::start(images)))
    }

    #[track_caller]
    fn on(engine: Option<PrivateEngine>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        cleaning::sweep_once();
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{n}", std::process::id());
        let folder = Path::new(FOLDERS).join(&id);
        for below in ["desired-state", "dbconfig", "volume"] {
            fs::create_dir_all(folder.join(below)).unwrap();
        }
        let alive = cleaning::say_alive(&folder);
        let ports = Ports::take();
        // Fails here, and says what is missing, rather than in the middle of a test.
        support::docker(&["version", "--format", "{{.Server.Version}}"]);
        let mirrors = support::mirrors();
        let shown = |below: &str| folder.join(below).display().to_string();
        // Schedules are of the night. Here it is morning, whatever it is elsewhere: a backup that a test did not
        // ask for would be one too many.
        let east = match MORNING - i64::from(SystemClock.now().hour()) {
            // There is no zone so far in the west.
            west @ ..-12 => west + 24,
            east => east,
        };
        let env = [
            ("MODE", "test".to_owned()),
            ("HOME", folder.display().to_string()),
            ("STATE_DIR", shown("state")),
            ("SOCKET", shown("socket")),
            ("DATA_VOLUME", shown("volume")),
            ("HTTP", format!("127.0.0.1:{}", ports.http())),
            ("BASE_PORT", ports.base().to_string()),
            ("CONTAINER_PREFIX", format!("live-{id}-")),
            ("IMAGE_MIRRORS", mirrors.display().to_string()),
            // These zones count towards the west.
            ("TIME_ZONE", format!("Etc/GMT{:+}", -east)),
            ("LOG", "info,db4sci=debug,neo4rs=warn".to_owned()),
        ];
        let env = env.map(|(key, value)| (format!("DB4SCI_{key}"), value));
        Host {
            folder,
            id,
            ports,
            engine,
            env: env.into(),
            servers: BTreeMap::new(),
            daemon: None,
            _alive: alive,
        }
    }

    /// A path in its folder.
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.join(below)
    }

    /// The data folder of a database.
    pub fn data(&self, name: &str) -> PathBuf {
        self.folder.join("volume").join(name)
    }

    /// A host port that nobody else uses. The daemon gives out the first ones by itself.
    pub fn port(&self, n: u16) -> u16 {
        self.ports.database(n)
    }

    /// The port of health and metrics.
    pub fn http(&self) -> u16 {
        self.ports.http()
    }

    /// Sets a variable for the daemon and the command line from now on.
    pub fn set(&mut self, variable: &str, value: &str) {
        self.env.insert(variable.to_owned(), value.to_owned());
    }

    /// Gives the instance a second data volume, `Second`; to be called before the first start.
    #[track_caller]
    pub fn second_volume(&mut self, path: &Path) {
        let first = self.env.remove("DB4SCI_DATA_VOLUME").unwrap();
        let second = path.display();
        let text = format!(
            "container_host: localhost\nstate_dir: {0}/state\ndataVolumes:\n  \
             - {{label: Standard, path: {first}}}\n  - {{label: Second, path: {second}}}\n",
            self.folder.display()
        );
        fs::write(self.path("config.yaml"), text).unwrap();
        self.set("DB4SCI_CONFIG", "config.yaml");
    }

    /// Its own engine.
    #[track_caller]
    pub fn engine(&self) -> &PrivateEngine {
        self.engine
            .as_ref()
            .expect("this host has no engine of its own")
    }

    /// The program with this instance's settings.
    fn program(&self) -> Command {
        let mut command = match &self.engine {
            Some(engine) => engine.exec(PROGRAM),
            None => Command::new(PROGRAM),
        };
        for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("DB4SCI_")) {
            command.env_remove(key);
        }
        command.envs(&self.env).stdin(Stdio::null());
        command
    }
}

/// How a program ended.
#[derive(Debug)]
pub struct Said {
    /// Its exit code; -1 after a signal.
    pub code: i32,
    /// What it wrote to standard output.
    pub out: String,
    /// What it wrote to standard error.
    pub err: String,
}

impl Said {
    /// Both streams.
    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

/// Runs a program to its end. One that hangs is killed at the deadline, and fails the test.
#[track_caller]
pub fn run(mut command: Command, deadline: Duration) -> Said {
    let shown = format!("{command:?}");
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let child = child.unwrap_or_else(|e| panic!("{shown}: {e}"));
    let pid = rustix::process::Pid::from_child(&child);
    let (tell, told) = mpsc::channel();
    let waits = std::thread::spawn(move || tell.send(child.wait_with_output()));
    let Ok(output) = told.recv_timeout(deadline) else {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        let _ = waits.join();
        panic!("it did not end within {deadline:?}: {shown}");
    };
    let output = output.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

/// Asks again and again; at the deadline, fails with the last answer.
#[track_caller]
pub fn eventually<T>(
    deadline: Duration,
    what: &str,
    mut ask: impl FnMut() -> Result<T, String>,
) -> T {
    let begun = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(last) if begun.elapsed() > deadline => {
                panic!("not within {deadline:?}: {what}; last: {last}")
            }
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Holds all the time: asks for a while, and fails at the first `Err`.
#[track_caller]
pub fn throughout(span: Duration, what: &str, mut ask: impl FnMut() -> Result<(), String>) {
    let begun = Instant::now();
    while begun.elapsed() < span {
        if let Err(why) = ask() {
            panic!("after {:?}: not {what}: {why}", begun.elapsed());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}
