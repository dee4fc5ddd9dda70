//! Containers for one piece of work: dumps, loads, counts, and the throwaway servers of drills.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::RuntimeError;
use crate::model::{ContainerId, ImageId, Mount, Timestamp};

/// A container for one piece of work. It belongs to no database: no reconciler touches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What it is for, as a label: `dump genomics`.
    pub name: String,
    /// The instance, for [`Jobs::clear`].
    pub instance: String,
    /// The image, by id.
    pub image: ImageId,
    /// Whose network it has.
    pub network: Network,
    /// Mounts.
    pub mounts: Vec<Mount>,
    /// Replaces the image's entrypoint; empty: the image's own.
    pub entrypoint: Vec<String>,
    /// The command.
    pub command: Vec<String>,
    /// Environment; never a secret.
    pub env: BTreeMap<String, String>,
    /// The numeric user it runs as; `None`: the image's.
    pub user: Option<u32>,
    /// Memory limit in bytes; there is no swap beyond it.
    pub memory: u64,
    /// Processor limit in billionths of a core; 0 is none.
    pub nano_cpus: i64,
    /// Size of `/dev/shm` in bytes.
    pub shm: u64,
}

/// Whose network a job has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// Another container's: there its server is at 127.0.0.1.
    Of(ContainerId),
    /// None but its own loopback.
    None,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobEnd {
    /// The exit code.
    pub code: i64,
    /// What it wrote to standard output.
    pub output: Vec<u8>,
    /// The last it wrote to standard error.
    pub words: String,
}

/// Runs jobs.
///
/// # Guarantees
/// When `run` returns, in whatever way, its container is gone or being removed, and its process
/// dead: also when the future is dropped. No job's output lies on the engine's disk.
#[async_trait]
pub trait Jobs: Send + Sync + 'static {
    /// Runs a job to its end. After the deadline it is killed, and that is an error.
    async fn run(&self, job: &Job, deadline: Duration) -> Result<JobEnd, RuntimeError>;

    /// Starts a job that goes on until it is discarded: a throwaway server.
    async fn launch(&self, job: &Job) -> Result<ContainerId, RuntimeError>;

    /// How a launched job is: `None` while it runs, otherwise its exit code.
    async fn ended(&self, id: &ContainerId) -> Result<Option<i64>, RuntimeError>;

    /// The last that a launched job wrote.
    async fn words(&self, id: &ContainerId) -> Result<String, RuntimeError>;

    /// Stops a launched job in order (with the image's own stop signal), so that its data is at
    /// rest, and gives its exit code.
    async fn settle(&self, id: &ContainerId, deadline: Duration) -> Result<i64, RuntimeError>;

    /// Kills and removes a job with its volumes; no error if there is none.
    async fn discard(&self, id: &ContainerId) -> Result<(), RuntimeError>;

    /// Removes all jobs of these kinds that an instance has, running or not, from before an instant:
    /// those that a daemon left that died. Gives their number.
    /// One that is over and cannot be removed stays.
    ///
    /// # Errors
    /// When one may go on; all others were seen to.
    async fn clear(&self, instance: &str, before: Timestamp) -> Result<u32, RuntimeError>;
}
