//! A daemon of the release build on a host of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use db4sci::model::view::{Phase, Snapshot};
use db4sci::model::{Clock, SystemClock, Timestamp};

use crate::figures::Error;

pub struct Host {
    pub home: tempfile::TempDir,
    pub daemon: Child,
    pub client: db4sci::http::Client,
    pub prefix: String,
}

impl Host {
    /// A folder for a host.
    pub fn home() -> Result<tempfile::TempDir, Error> {
        let builder = tempfile::Builder::new()
            .prefix("db4sci-bench-")
            .tempdir_in("/var/tmp");
        Ok(builder?)
    }

    pub fn start_in(home: tempfile::TempDir) -> Result<Self, Error> {
        let at = |name: &str| home.path().join(name);
        for folder in ["desired-state", "data"] {
            fs::create_dir_all(at(folder))?;
        }
        let prefix = format!("bench{}-", std::process::id());
        let socket = at("db4sci.sock");
        let lab = std::env::var("DB4SCI_LAB").unwrap_or("/var/cache/db4sci-lab".to_owned());
        let mirrors = PathBuf::from(lab).join("mirrors.yaml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_db4sci"));
        command
            .arg("run")
            .envs([
                ("DB4SCI_MODE", "test"),
                ("DB4SCI_LOG", "warn"),
                ("DB4SCI_BASE_PORT", "22010"),
            ])
            .envs([
                ("DB4SCI_CONTAINER_PREFIX", prefix.as_str()),
                ("DB4SCI_HTTP", "127.0.0.1:22008"),
            ])
            .env("DB4SCI_HOME", home.path())
            .env("DB4SCI_STATE_DIR", at("state"))
            .env("DB4SCI_DATA_VOLUME", at("data"))
            .env("DB4SCI_SOCKET", &socket)
            .stdout(Stdio::null());
        without_our_own(&mut command);
        if mirrors.exists() {
            command.env("DB4SCI_IMAGE_MIRRORS", mirrors);
        }
        let daemon = command.spawn()?;
        Ok(Host {
            client: db4sci::http::Client::new(socket),
            home,
            daemon,
            prefix,
        })
    }

    /// Saves a spec as a careful editor does: beside it, then renamed over it.
    pub fn save_of(
        &self,
        engine: &str,
        name: &str,
        memory: &str,
        state: &str,
    ) -> Result<Timestamp, Error> {
        // Without backups: one that the clock begins would be measured, too.
        let text = format!(
            "apiVersion: db4sci/v1\nkind: Database\nmetadata: {{name: {name}}}\nspec:\n  \
             engine: {engine}\n  owner: bench\n  contact: bench@example.org\n  \
             resources: {{memory: {memory}, shm: 64Mi}}\n  state: {state}\n  \
             backup: {{schedule: Never, verify: Never}}\n"
        );
        let folder = self.home.path().join("desired-state");
        let draft = folder.join(format!(".{name}"));
        fs::write(&draft, text)?;
        let now = SystemClock.now();
        fs::rename(&draft, folder.join(format!("{name}.yaml")))?;
        Ok(now)
    }

    /// Waits until so many databases are ready and nothing is being done.
    pub async fn ready(&self, count: usize, patience: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + patience;
        loop {
            let snapshot: Result<Snapshot, _> = self.client.get("/snapshot").await;
            let ready = snapshot.map_or(0, |s| {
                s.databases
                    .iter()
                    .filter(|d| d.phase == Phase::Ready && d.lane.is_none())
                    .count()
            });
            if ready >= count {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("{ready} of {count} were ready in {patience:?}").into());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The most resident memory it ever had, in MiB (proc(5): VmHWM).
    pub fn peak(&self) -> Result<f64, Error> {
        self.memory("VmHWM:")
    }

    pub fn memory(&self, line: &str) -> Result<f64, Error> {
        let path = Path::new("/proc").join(self.daemon.id().to_string());
        let status = fs::read_to_string(path.join("status"))?;
        let mut lines = status.lines();
        let size = lines.find_map(|l| l.strip_prefix(line)).ok_or("status")?;
        let kib: f64 = size.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib / 1024.0)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Whatever fails here leaves a container behind, and its name says whose it is.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        let list = Command::new("docker")
            .args(["ps", "-aq", "--filter", &format!("name=^/{}", self.prefix)])
            .output();
        let ids = list
            .map(|o| String::from_utf8_lossy(&o.stdout).into_owned())
            .unwrap_or_default();
        let ids: Vec<&str> = ids.split_whitespace().collect();
        for some in ids.chunks(20) {
            let _ = Command::new("docker")
                .args(["rm", "-f", "-v"])
                .args(some)
                .stdout(Stdio::null())
                .status();
        }
    }
}

/// Takes the benchmarks' own variables away: the program refuses those that it does not know.
pub fn without_our_own(command: &mut Command) {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DB4SCI_BENCH_")) {
        command.env_remove(name);
    }
}
