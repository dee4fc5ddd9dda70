//! A Docker Engine that a test may kill and freeze.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{Said, run};

/// Starting an engine copies no image, but starts two daemons.
const DEADLINE: Duration = Duration::from_secs(180);
/// What the names of tests' engines begin with.
const PREFIX: &str = "live";

/// An engine in a network namespace of its own (`dev/engine`); removed when it is dropped.
pub struct PrivateEngine {
    name: String,
    socket: String,
}

impl PrivateEngine {
    /// Starts one that has these images of the catalog.
    #[track_caller]
    pub fn start(images: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}-{}-{n}", std::process::id());
        must(dev_engine("start", &name, images));
        let socket = must(dev_engine("socket", &name, &[])).trim().to_owned();
        PrivateEngine { name, socket }
    }

    /// Its address.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket)
    }

    /// SIGKILL to dockerd; containers live on.
    #[track_caller]
    pub fn kill(&self) {
        must(dev_engine("kill", &self.name, &[]));
    }

    /// Freezes dockerd.
    #[track_caller]
    pub fn pause(&self) {
        must(dev_engine("pause", &self.name, &[]));
    }

    /// Thaws it.
    #[track_caller]
    pub fn resume(&self) {
        must(dev_engine("resume", &self.name, &[]));
    }

    /// Starts dockerd again; one that runs is ended in order first.
    #[track_caller]
    pub fn restart(&self) {
        must(dev_engine("restart", &self.name, &[]));
    }

    /// A program in its network namespace, where its published ports are.
    pub fn exec(&self, program: &str) -> Command {
        let mut command = Command::new(script());
        command.args(["exec", &self.name, program]);
        command
    }

    /// Docker's command line for it.
    pub(super) fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command.args(["-H", &self.address()]);
        command
    }
}

impl Drop for PrivateEngine {
    fn drop(&mut self) {
        let said = dev_engine("stop", &self.name, &[]);
        if said.code != 0 {
            eprintln!("the engine {} is not removed: {}", self.name, said.all());
        }
    }
}

/// Removes engines of test processes that were killed.
pub(super) fn sweep() {
    let listed = Command::new(script()).arg("list").output();
    let Ok(listed) = listed else { return };
    for line in String::from_utf8_lossy(&listed.stdout).lines() {
        let name = line.split(' ').next().unwrap_or_default();
        let mut parts = name.split('-');
        if let (Some(PREFIX), Some(pid)) = (parts.next(), parts.next())
            && pid.parse::<u32>().is_ok()
            && !PathBuf::from(format!("/proc/{pid}")).exists()
        {
            dev_engine("stop", name, &[]);
        }
    }
}

fn script() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("dev/engine")
}

fn dev_engine(verb: &str, name: &str, more: &[&str]) -> Said {
    let mut command = Command::new(script());
    command.args([verb, name]).args(more);
    run(command, DEADLINE)
}

#[track_caller]
fn must(said: Said) -> String {
    assert_eq!(said.code, 0, "dev/engine: {}", said.all());
    said.out
}
