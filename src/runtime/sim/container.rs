//! One simulated container.

use std::path::PathBuf;

use chrono::TimeDelta;

use crate::model::{
    ContainerId, ContainerSeen, ContainerSpec, MountSeen, RestartPolicy, Status, Timestamp, Uid,
};

/// dockerd's first delay before it starts a dead container again; it doubles up to a minute.
pub(super) const FIRST_DELAY: TimeDelta = TimeDelta::milliseconds(100);

/// A container of the simulated engine.
#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) spec: ContainerSpec,
    /// Made by somebody else: nothing of it may be touched.
    pub(super) foreign: bool,
    pub(super) status: Status,
    pub(super) exit_code: i64,
    pub(super) oom_killed: bool,
    pub(super) error: String,
    pub(super) started_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
    pub(super) restart_count: u32,
    pub(super) policy: RestartPolicy,
    pub(super) memory: u64,
    pub(super) nano_cpus: i64,
    /// Its process, while it has one.
    pub(super) process: Option<Process>,
    /// When dockerd starts it again.
    pub(super) restart_at: Option<Timestamp>,
    /// The next delay.
    pub(super) delay: TimeDelta,
    pub(super) log: Vec<String>,
    /// Declared volumes of its image that no mount covers: path in the container, place.
    pub(super) anonymous: Vec<(String, PathBuf)>,
}

/// What runs in a container.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) work: Work,
    /// When it ends by itself, and with which code.
    pub(super) ends: Option<(Timestamp, i64)>,
    /// Heeds neither questions nor the stop signal.
    pub(super) hung: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Work {
    /// Nothing in particular.
    Idle,
    /// A database server.
    Server(Server),
}

#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) uid: Option<Uid>,
    /// The data it has open, by inode.
    pub(super) data: u64,
    /// The lock it holds, by inode.
    pub(super) lock: Option<u64>,
    /// End of the first start, if this is one.
    pub(super) init_until: Option<Timestamp>,
    pub(super) ready_at: Timestamp,
}

impl Container {
    pub(super) fn new(id: String, spec: ContainerSpec, anonymous: Vec<(String, PathBuf)>) -> Self {
        Container {
            id,
            name: spec.name.clone(),
            foreign: false,
            status: Status::Created,
            exit_code: 0,
            oom_killed: false,
            error: String::new(),
            started_at: None,
            finished_at: None,
            restart_count: 0,
            policy: spec.restart,
            memory: spec.memory,
            nano_cpus: spec.nano_cpus,
            process: None,
            restart_at: None,
            delay: FIRST_DELAY,
            log: Vec::new(),
            anonymous,
            spec,
        }
    }

    /// When something happens to it by itself.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let init = self.server().and_then(|s| s.init_until);
        let ends = self.process.as_ref().and_then(|p| p.ends).map(|(at, _)| at);
        // What is frozen does not get on; dockerd does not restart what is frozen either.
        if self.status == Status::Paused {
            return None;
        }
        [self.restart_at, init, ends].into_iter().flatten().min()
    }

    pub(super) fn server(&self) -> Option<&Server> {
        match &self.process.as_ref()?.work {
            Work::Server(server) => Some(server),
            Work::Idle => None,
        }
    }

    /// Whether it has a process (it may be frozen).
    pub(super) fn has_process(&self) -> bool {
        self.process.is_some()
    }

    /// Whether its list row says `up`.
    pub(super) fn up(&self) -> bool {
        match self.status {
            Status::Running | Status::Paused | Status::Restarting => true,
            Status::Created | Status::Exited | Status::Removing | Status::Dead => false,
        }
    }

    pub(super) fn seen(&self) -> ContainerSeen {
        let spec = &self.spec;
        // Field by field: each look at each database asks, and most of a spec is not shown.
        let bound = spec.mounts.iter().map(|mount| MountSeen {
            source: mount.source.clone(),
            target: mount.target.clone(),
            anonymous: false,
        });
        let anonymous = self.anonymous.iter().map(|(target, source)| MountSeen {
            source: source.clone(),
            target: target.clone(),
            anonymous: true,
        });
        let mut ports = spec.ports.clone();
        ports.sort();
        ContainerSeen {
            id: ContainerId(self.id.clone()),
            name: self.name.clone(),
            labels: spec.labels.clone(),
            image: spec.image.clone(),
            status: self.status,
            exit_code: self.exit_code,
            oom_killed: self.oom_killed,
            error: self.error.clone(),
            started_at: self.started_at,
            finished_at: self.finished_at,
            restart_count: self.restart_count,
            memory: self.memory,
            nano_cpus: self.nano_cpus,
            shm: spec.shm,
            restart: self.policy,
            mounts: bound.chain(anonymous).collect(),
            ports,
            pid: self.has_process().then_some(4711),
        }
    }
}
