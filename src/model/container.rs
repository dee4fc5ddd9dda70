//! Containers: what to create, and what was seen of one. The same for every runtime.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ContainerId, DbName, ImageId, ImageRef, Labels, Timestamp, Uid};

/// Label with the instance a container belongs to. One daemon touches only its own instance.
pub const LABEL_INSTANCE: &str = "db4sci.instance";
/// Label with the database's name at creation.
pub const LABEL_NAME: &str = "db4sci.name";
/// Label with the database's uid.
pub const LABEL_UID: &str = "db4sci.uid";
/// Label with the generation of the spec at creation.
pub const LABEL_GENERATION: &str = "db4sci.generation";

/// A container to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerSpec {
    /// Its name.
    pub name: String,
    /// The image, by id: a tag may have moved since it was looked at.
    pub image: ImageId,
    /// The reference it was chosen by, for people.
    pub reference: ImageRef,
    /// Replaces the image's entrypoint: the guard, then the image's own.
    pub entrypoint: Vec<String>,
    /// The command.
    pub command: Vec<String>,
    /// Environment; never a secret.
    pub env: BTreeMap<String, String>,
    /// Labels.
    pub labels: Labels,
    /// Bind mounts; a missing source is an error, never made.
    pub mounts: Vec<Mount>,
    /// Published ports.
    pub ports: Vec<PortBinding>,
    /// Memory limit in bytes; swap is limited to the same, so there is none.
    pub memory: u64,
    /// Processor limit in billionths of a core; 0 is none.
    pub nano_cpus: i64,
    /// Size of `/dev/shm` in bytes.
    pub shm: u64,
    /// What the engine does when it stops by itself.
    pub restart: RestartPolicy,
    /// The signal of an orderly stop.
    pub stop_signal: String,
    /// Seconds before an orderly stop becomes a kill.
    pub stop_timeout: u32,
}

impl ContainerSpec {
    /// How the container looks that is made by it, never started yet.
    pub fn made(self, id: ContainerId) -> ContainerSeen {
        let bound = |m: Mount| MountSeen {
            source: m.source,
            target: m.target,
            anonymous: false,
        };
        let mut ports = self.ports;
        ports.sort();
        ContainerSeen {
            id,
            name: self.name,
            labels: self.labels,
            image: self.image,
            status: Status::Created,
            exit_code: 0,
            oom_killed: false,
            error: String::new(),
            started_at: None,
            finished_at: None,
            restart_count: 0,
            memory: self.memory,
            nano_cpus: self.nano_cpus,
            shm: self.shm,
            restart: self.restart,
            mounts: self.mounts.into_iter().map(bound).collect(),
            ports,
            pid: None,
        }
    }
}

/// A bind mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// Folder or file on the host.
    pub source: PathBuf,
    /// Path in the container.
    pub target: String,
    /// Whether the container may not write.
    pub read_only: bool,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortBinding {
    /// TCP port in the container.
    pub container: u16,
    /// TCP port on the host.
    pub host: u16,
    /// Host address it is bound to.
    pub ip: IpAddr,
}

/// What the engine does when a container stops by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RestartPolicy {
    /// It stays down: set before every planned stop.
    No,
    /// It is started again, also when dockerd itself starts.
    Always,
    /// Something else that a person has set.
    Other,
}

/// What the engine says a container is doing. Read this, never the `Running` flag, which is also
/// set while a container is paused or restarting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Made, never started (or a start that failed).
    Created,
    /// Its process runs.
    Running,
    /// Frozen by someone.
    Paused,
    /// Died, and dockerd is about to start it again.
    Restarting,
    /// Stopped.
    Exited,
    /// Being removed.
    Removing,
    /// A removal that failed halfway; it can only be removed.
    Dead,
}

/// What was seen of one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerSeen {
    /// Its id.
    pub id: ContainerId,
    /// Its name, without the leading slash.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Id of the image it was made from.
    pub image: ImageId,
    /// What it is doing.
    pub status: Status,
    /// Exit code of the last run; meaningful when it is not running.
    pub exit_code: i64,
    /// Whether the kernel killed it for its memory limit.
    pub oom_killed: bool,
    /// The engine's own words about a start that failed; empty otherwise.
    pub error: String,
    /// Start of the last run.
    pub started_at: Option<Timestamp>,
    /// End of the last run.
    pub finished_at: Option<Timestamp>,
    /// How often dockerd itself started it again since the last start by a call.
    pub restart_count: u32,
    /// Memory limit in bytes; 0 is none.
    pub memory: u64,
    /// Processor limit in billionths of a core; 0 is none.
    pub nano_cpus: i64,
    /// Size of `/dev/shm` in bytes.
    pub shm: u64,
    /// Restart policy.
    pub restart: RestartPolicy,
    /// Mounts.
    pub mounts: Vec<MountSeen>,
    /// Ports it asks for (also while it is stopped).
    pub ports: Vec<PortBinding>,
    /// Host process id while it runs.
    pub pid: Option<u32>,
}

impl ContainerSeen {
    /// The database it belongs to, if it carries a uid of ours.
    pub fn uid(&self) -> Option<Uid> {
        self.labels.get(LABEL_UID)?.parse().ok()
    }

    /// The name its database had at its creation.
    pub fn labelled_name(&self) -> Option<DbName> {
        self.labels.get(LABEL_NAME)?.parse().ok()
    }
}

/// A mount that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MountSeen {
    /// Host path of a bind; the engine's own path of a volume.
    pub source: PathBuf,
    /// Path in the container.
    pub target: String,
    /// Whether it is a volume of the engine without a name: data there is lost with the container.
    pub anonymous: bool,
}

/// What was seen of an image on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageSeen {
    /// Its id.
    pub id: ImageId,
    /// Its entrypoint, which the guard runs in its turn.
    pub entrypoint: Vec<String>,
    /// Paths it declares as volumes; each must be covered by a mount of ours.
    pub volumes: Vec<String>,
}
