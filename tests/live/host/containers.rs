//! Docker, by the hand of a person at its command line.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::{Host, LABEL, Said, run};
use crate::support::{FREEZES, did_not_freeze};

/// One container, as `docker inspect` shows it.
#[derive(Debug, Clone)]
pub struct Container(Value);

/// One run of one container: equal as long as it was neither restarted nor replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub id: String,
    pub started_at: String,
}

impl Container {
    fn text(&self, path: &str) -> String {
        let found = self.0.pointer(path).and_then(Value::as_str);
        found
            .unwrap_or_else(|| panic!("{path} in {}", self.0))
            .to_owned()
    }

    fn number(&self, path: &str) -> i64 {
        let found = self.0.pointer(path).and_then(Value::as_i64);
        found.unwrap_or_else(|| panic!("{path} in {}", self.0))
    }

    pub fn id(&self) -> String {
        self.text("/Id")
    }

    pub fn name(&self) -> String {
        self.text("/Name").trim_start_matches('/').to_owned()
    }

    /// `running`, `exited`, …
    pub fn status(&self) -> String {
        self.text("/State/Status")
    }

    pub fn exit_code(&self) -> i64 {
        self.number("/State/ExitCode")
    }

    pub fn run(&self) -> Run {
        Run {
            id: self.id(),
            started_at: self.text("/State/StartedAt"),
        }
    }

    /// Its first process, as the host counts.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.number("/State/Pid")).unwrap()
    }

    pub fn policy(&self) -> String {
        self.text("/HostConfig/RestartPolicy/Name")
    }

    pub fn memory(&self) -> i64 {
        self.number("/HostConfig/Memory")
    }

    pub fn image(&self) -> String {
        self.text("/Image")
    }

    pub fn label(&self, label: &str) -> Option<String> {
        let labels = self.0.pointer("/Config/Labels")?;
        labels.get(label)?.as_str().map(str::to_owned)
    }

    /// All of it.
    pub fn json(&self) -> &Value {
        &self.0
    }
}

impl Host {
    fn docker_command(&self, args: &[&str]) -> Command {
        let mut command = match &self.engine {
            Some(engine) => engine.docker(),
            None => Command::new("docker"),
        };
        command.args(args);
        command
    }

    /// Removes a database's container and all of its data at one blow, as a careless hand would.
    ///
    /// The folder goes first and in one step: what is healed as soon as its container is gone would
    /// write into a folder that is being removed.
    #[track_caller]
    pub fn destroy(&self, name: &str) {
        // On its own volume, which may be a file system of its own.
        let gone = self.data(name).with_file_name(".gone");
        std::fs::rename(self.data(name), &gone).unwrap();
        // The daemon may have been faster.
        self.try_docker(&["rm", "-f", "-v", &self.name(name)]);
        std::fs::remove_dir_all(gone).unwrap();
    }

    /// Runs `docker`, whatever it says.
    #[track_caller]
    pub fn try_docker(&self, args: &[&str]) -> Said {
        run(self.docker_command(args), Duration::from_secs(120))
    }

    /// Runs `docker`, which must go well.
    #[track_caller]
    pub fn docker(&self, args: &[&str]) -> String {
        let mut tries = 0..FREEZES;
        let mut said = self.try_docker(args);
        while did_not_freeze(&said.err) && tries.next().is_some() {
            said = self.try_docker(args);
        }
        assert_eq!(said.code, 0, "docker {args:?}: {}", said.err);
        said.out.trim().to_owned()
    }

    /// What the daemon calls itself on what it makes in Docker; empty before its first start.
    pub fn instance(&self) -> String {
        let id = std::fs::read_to_string(self.path("state/instance")).unwrap_or_default();
        id.trim().to_owned()
    }

    /// The label for what a test makes in Docker by itself: `docker run --label …`.
    pub fn label(&self) -> String {
        format!("{LABEL}={}", self.id)
    }

    /// What a database's container is called.
    pub fn name(&self, name: &str) -> String {
        format!("live-{}-{name}", self.id)
    }

    /// The container with a name (as Docker knows it) or id.
    #[track_caller]
    pub fn inspect(&self, key: &str) -> Option<Container> {
        let said = self.try_docker(&["inspect", "--type", "container", key]);
        if said.code != 0 {
            assert!(
                said.err.contains("No such container"),
                "inspect {key}: {}",
                said.err
            );
            return None;
        }
        let mut all: Vec<Value> = serde_json::from_str(&said.out).unwrap();
        all.pop().map(Container)
    }

    /// A database's container, which must be there.
    #[track_caller]
    pub fn container(&self, name: &str) -> Container {
        let key = self.name(name);
        self.inspect(&key)
            .unwrap_or_else(|| panic!("there is no container {key}"))
    }

    /// The run of a database's container.
    #[track_caller]
    pub fn run_of(&self, name: &str) -> Run {
        self.container(name).run()
    }

    /// All containers of this instance, by Docker's name, those of jobs left out.
    #[track_caller]
    pub fn containers(&self) -> Vec<Container> {
        let filter = format!("label=db4sci.instance={}", self.instance());
        let ids = self.docker(&["ps", "-aq", "--no-trunc", "--filter", &filter]);
        let mut all: Vec<_> = ids
            .split_whitespace()
            .filter_map(|id| self.inspect(id))
            .collect();
        all.sort_by_key(Container::name);
        all
    }

    /// The containers that carry a database's uid.
    #[track_caller]
    pub fn containers_of(&self, name: &str) -> Vec<Container> {
        let uid = self
            .view(name)
            .unwrap_or_else(|| panic!("there is no {name}"))
            .uid
            .to_string();
        let of = |c: &Container| c.label("db4sci.uid").as_ref() == Some(&uid);
        self.containers().into_iter().filter(of).collect()
    }
}
