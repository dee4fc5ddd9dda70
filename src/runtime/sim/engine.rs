//! How containers live and die in the simulated engine.

use chrono::TimeDelta;

use super::container::{FIRST_DELAY, Process, Server, Work};
use super::guard::guarded;
use super::state::State;
use crate::model::{ContainerSpec, RestartPolicy, Status};
use crate::runtime::RuntimeError;

/// Docker's exit code of a start that failed.
const START_FAILED: i64 = 128;
/// The exit code of a process that ends at once, and what it says.
type Refusal = (i64, Vec<String>);

/// How much longer a first start takes.
const INIT: TimeDelta = TimeDelta::seconds(2);
/// How long a start takes.
const BOOT: TimeDelta = TimeDelta::seconds(1);
/// Killed by signal 9.
pub(super) const KILLED: i64 = 137;

/// Who starts a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A call, which hears what goes wrong.
    Call,
    /// dockerd itself, after a death or its own restart.
    Dockerd,
}

impl State {
    /// Something was due for a container.
    pub(super) fn happen(&mut self, id: &str) {
        let now = self.now;
        let Some(container) = self.containers.get_mut(id) else {
            return;
        };
        if container.restart_at.is_some_and(|at| at <= now) {
            container.restart_at = None;
            container.restart_count += 1;
            // dockerd tries once; what went wrong is only in the container's error.
            if self.start_process(id, By::Dockerd).is_err()
                && let Some(container) = self.containers.get_mut(id)
            {
                container.status = Status::Exited;
            }
            return;
        }
        let Some(process) = &mut container.process else {
            return;
        };
        if let Work::Server(server) = &mut process.work
            && server.init_until.is_some_and(|at| at <= now)
        {
            server.init_until = None;
            let data = server.data;
            self.finish_init(id, data);
            return;
        }
        if let Some((_, code)) = process.ends.filter(|(at, _)| *at <= now) {
            self.die(id, code, false);
        }
    }

    /// Starts a container's process, or says why that is impossible.
    pub(super) fn start_process(&mut self, id: &str, by: By) -> Result<(), RuntimeError> {
        let Some(container) = self.containers.get(id) else {
            return Err(RuntimeError::NotFound(format!("No such container: {id}")));
        };
        let spec = container.spec.clone();
        if let Err(error) = self.startable(id, &spec) {
            let known_before = matches!(error, RuntimeError::MountMissing(_));
            if let Some(container) = self.containers.get_mut(id) {
                match (by, known_before) {
                    // The mounts of a call are checked before anything is touched.
                    (By::Call, true) => {}
                    (By::Dockerd, true) => container.error = error.to_string(),
                    (By::Call | By::Dockerd, false) => {
                        container.error = error.to_string();
                        container.exit_code = START_FAILED;
                    }
                }
            }
            return Err(error);
        }
        let now = self.wall();
        if let Some(container) = self.containers.get_mut(id) {
            container.status = Status::Running;
            container.error.clear();
            container.oom_killed = false;
            container.exit_code = 0;
            container.started_at = Some(now);
            container.restart_at = None;
        }
        self.tell(id, "start");
        let work = self.begin_work(id, &spec);
        match work {
            Ok(process) => {
                if let Some(container) = self.containers.get_mut(id) {
                    container.process = Some(process);
                }
                self.check_servers(id);
            }
            Err((code, lines)) => {
                if let Some(container) = self.containers.get_mut(id) {
                    container.log.extend(lines);
                }
                self.die(id, code, false);
            }
        }
        Ok(())
    }

    fn startable(&self, id: &str, spec: &ContainerSpec) -> Result<(), RuntimeError> {
        for mount in &spec.mounts {
            if !self.disk.exists(&mount.source) {
                return Err(RuntimeError::MountMissing(format!(
                    "start {}: bind source path does not exist: {}",
                    spec.name,
                    mount.source.display()
                )));
            }
        }
        for port in &spec.ports {
            let taken = self.containers.values().any(|other| {
                other.id != id
                    && other.has_process()
                    && other.spec.ports.iter().any(|p| p.host == port.host)
            });
            if taken {
                return Err(RuntimeError::PortInUse {
                    port: port.host,
                    message: "port is already allocated".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// The first process, or how it ends at once.
    fn begin_work(&mut self, id: &str, spec: &ContainerSpec) -> Result<Process, Refusal> {
        let idle = |ends| Process {
            work: Work::Idle,
            ends,
            hung: false,
        };
        let words: Vec<&str> = spec
            .entrypoint
            .iter()
            .chain(&spec.command)
            .map(String::as_str)
            .collect();
        match words.as_slice() {
            ["sim", "exit", code] => return Err((code.parse().unwrap_or(1), Vec::new())),
            ["sim", "say", lines @ ..] => {
                return Err((0, lines.iter().map(|line| (*line).to_owned()).collect()));
            }
            ["sim", doing @ ("wait" | "resist")] => {
                let hung = *doing == "resist";
                if let Some(container) = self.containers.get_mut(id) {
                    container.log.push("ready".to_owned());
                }
                return Ok(Process { hung, ..idle(None) });
            }
            _ => {}
        }
        let serves = self
            .images
            .values()
            .any(|i| i.seen.id == spec.image && i.protocol.is_some());
        if !serves {
            return Ok(idle(None));
        }
        let (uid, inode, lock) = if guarded(spec) {
            let passed = self
                .guard(spec)
                .map_err(|(code, line)| (code, vec![line]))?;
            (Some(passed.uid), passed.data, Some(passed.lock))
        } else {
            let data = spec
                .mounts
                .iter()
                .find_map(|m| self.disk.data_at(&m.source));
            (None, data.ok_or((1, Vec::new()))?, None)
        };
        self.begin_server(id, uid, inode, lock)
    }

    fn begin_server(
        &mut self,
        id: &str,
        uid: Option<crate::model::Uid>,
        inode: u64,
        lock: Option<u64>,
    ) -> Result<Process, Refusal> {
        let now = self.now;
        let Some(data) = self.disk.data.get_mut(&inode) else {
            return Err((1, Vec::new()));
        };
        if data.strange || data.half_made {
            let line = "initdb: error: directory exists but is not empty";
            return Err((1, vec![line.to_owned()]));
        }
        let first = !data.sentinel;
        if first {
            data.sentinel = true;
            data.half_made = true;
            data.identity = Some(inode);
            data.made_for = uid;
        }
        // None of them goes on without room for its log.
        let ends = data.corrupt || self.disk.full;
        let init_until = first.then(|| now + INIT);
        let ready_at = init_until.unwrap_or(now) + BOOT;
        if first && let Some(uid) = uid.filter(|uid| self.began.contains(uid)) {
            let name = self.containers.get(id).map(|c| c.name.clone());
            self.violation(format!(
                "a new database was made for {uid} ({}), which had data",
                name.unwrap_or_default()
            ));
        }
        Ok(Process {
            work: Work::Server(Server {
                uid,
                data: inode,
                lock,
                init_until,
                ready_at,
            }),
            ends: ends.then_some((ready_at, 1)),
            hung: false,
        })
    }

    /// The end of a first start: the server knows its passwords from now on.
    fn finish_init(&mut self, id: &str, inode: u64) {
        let passwords: Vec<String> = self
            .containers
            .get(id)
            .into_iter()
            .flat_map(|c| &c.spec.mounts)
            .filter_map(|m| self.disk.secrets.get(&m.source))
            .flat_map(|files| files.values().map(|s| s.expose().to_owned()))
            .collect();
        if let Some(data) = self.disk.data.get_mut(&inode) {
            data.half_made = false;
            data.passwords = passwords.into_iter().collect();
        }
    }

    /// Checks the laws about data whenever a server has started.
    fn check_servers(&mut self, id: &str) {
        let Some(server) = self.containers.get(id).and_then(|c| c.server()).cloned() else {
            return;
        };
        let open =
            |c: &&super::container::Container| c.server().is_some_and(|s| s.data == server.data);
        if self.containers.values().filter(open).count() > 1 {
            self.violation(format!("two servers run on one data folder ({id})"));
        }
        let (Some(uid), Some(data)) = (server.uid, self.disk.data.get(&server.data)) else {
            return;
        };
        if data.made_for != Some(uid) {
            self.violation(format!(
                "a server of {uid} runs on data of {:?}",
                data.made_for
            ));
        } else if data.rows < self.accepted.get(&uid).copied().unwrap_or(0) {
            let text = format!("a server of {uid} runs without rows that were accepted");
            self.violation(text);
        }
    }

    /// A container's process ends.
    pub(super) fn die(&mut self, id: &str, code: i64, oom: bool) {
        let now = self.wall();
        let Some(container) = self.containers.get_mut(id) else {
            return;
        };
        container.process = None;
        container.exit_code = code;
        container.oom_killed = oom;
        container.finished_at = Some(now);
        let ran = container
            .started_at
            .map_or(TimeDelta::zero(), |at| now - at);
        if ran >= TimeDelta::seconds(10) {
            container.delay = FIRST_DELAY;
        }
        if oom {
            self.tell(id, "oom");
        }
        self.tell(id, "die");
        self.after_death(id);
    }

    /// What the restart policy does about it.
    fn after_death(&mut self, id: &str) {
        let now = self.now;
        let Some(container) = self.containers.get_mut(id) else {
            return;
        };
        match container.policy {
            RestartPolicy::Always | RestartPolicy::Other => {
                container.status = Status::Restarting;
                container.restart_at = Some(now + container.delay);
                container.delay = (container.delay * 2).min(TimeDelta::minutes(1));
            }
            RestartPolicy::No => container.status = Status::Exited,
        }
    }

    /// A stop by a call: whatever the policy, it stays down.
    pub(super) fn stop_process(&mut self, id: &str) {
        let Some(container) = self.containers.get_mut(id) else {
            return;
        };
        container.restart_at = None;
        match &container.process {
            Some(process) => {
                let frozen = container.status == Status::Paused;
                let code = if process.hung || frozen { KILLED } else { 0 };
                self.die(id, code, false);
                if let Some(container) = self.containers.get_mut(id) {
                    container.restart_at = None;
                    container.status = Status::Exited;
                }
                self.tell(id, "stop");
            }
            None if container.status == Status::Restarting => {
                container.status = Status::Exited;
                self.tell(id, "stop");
            }
            None => {}
        }
    }
}
