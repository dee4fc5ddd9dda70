//! Job containers that a person works in: `db4sci connect`.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, ContainerSummary, ContainerSummaryStateEnum, HostConfig,
    HostConfigLogConfig,
};
use bollard::query_parameters::{
    CreateContainerOptions, ListContainersOptions, RemoveContainerOptions,
};
use chrono::{DateTime, TimeDelta};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::client::{CALL, Docker, WORK};
use super::{attach, create};
use crate::model::{ContainerId, ImageId, Mount, Timestamp};
use crate::runtime::RuntimeError;

/// Label with a job's name. Jobs do not carry a database's labels: no reconciler may take one for
/// a database's container.
pub const LABEL_JOB: &str = "db4sci.job";
/// Label with the instance a job belongs to.
pub const LABEL_JOB_INSTANCE: &str = "db4sci.job-instance";

/// A job that was created this long ago and never started was left by a process that died.
const STALE: TimeDelta = TimeDelta::minutes(10);

/// How long a removal is tried when this process is told to end.
const LAST_WISH: Duration = Duration::from_secs(30);

/// A container to work in: another container's network, nothing to write to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSpec {
    /// What it is for, as a label: `connect genomics`.
    pub name: String,
    /// The instance, for `sweep_jobs`.
    pub instance: String,
    /// The image, by id.
    pub image: ImageId,
    /// Whose network it shares: there the server is at 127.0.0.1.
    pub network_of: ContainerId,
    /// Mounts, all of them read-only whatever they say.
    pub mounts: Vec<Mount>,
    /// The program.
    pub entrypoint: Vec<String>,
    /// Its arguments; never a secret.
    pub command: Vec<String>,
    /// Environment; never a secret.
    pub env: BTreeMap<String, String>,
    /// Whether it gets a terminal. This process' own stdin must be one.
    pub tty: bool,
    /// Memory limit in bytes.
    pub memory: u64,
}

impl Docker {
    /// Runs a job with this process' stdin, stdout and stderr, and gives its exit code; 128 plus
    /// the signal's number if this process was told to end, 141 if nobody reads its output.
    ///
    /// # Guarantees
    /// The container is removed with its volumes, also after SIGINT, SIGTERM and SIGHUP; the
    /// terminal is as it was before.
    ///
    /// # Caveats
    /// If this future is dropped, or the process killed, the container stays until `sweep_jobs`.
    /// Bytes that were typed and not yet read by the job are lost.
    pub async fn run_attached(&self, job: &JobSpec) -> Result<i64, RuntimeError> {
        // Before anything is made: from here on, a signal does not just kill this process.
        let mut told = Told::listen()?;
        let id = self.create_job(job).await?;
        let result = tokio::select! {
            // Either way the container is removed below; nothing else is lost by being cut off.
            result = attach::attached(self, &id, job.tty) => result,
            number = told.wait() => Ok(128 + number),
        };
        let removed = tokio::time::timeout(LAST_WISH, self.remove_job(&id)).await;
        if !matches!(removed, Ok(Ok(()))) {
            tracing::warn!(%id, "the job container could not be removed; the daemon will do it");
        }
        result
    }

    /// Removes the jobs that ended, or never began, and that nobody removed; gives their number.
    /// Jobs that run are left alone: a person may be working in one.
    pub async fn sweep_jobs(&self, instance: &str, now: Timestamp) -> Result<u32, RuntimeError> {
        let mut removed = 0;
        for job in self.jobs(LABEL_JOB_INSTANCE, instance).await? {
            let created = job.created.and_then(|at| DateTime::from_timestamp(at, 0));
            let stale = created.is_some_and(|at| now - at > STALE);
            let over = match job.state {
                Some(ContainerSummaryStateEnum::EXITED | ContainerSummaryStateEnum::DEAD) => true,
                Some(ContainerSummaryStateEnum::CREATED) => stale,
                Some(
                    ContainerSummaryStateEnum::RUNNING
                    | ContainerSummaryStateEnum::PAUSED
                    | ContainerSummaryStateEnum::RESTARTING
                    | ContainerSummaryStateEnum::REMOVING
                    | ContainerSummaryStateEnum::STOPPING
                    | ContainerSummaryStateEnum::EMPTY,
                )
                | None => false,
            };
            if let Some(id) = job.id.filter(|_| over) {
                self.remove_job(&ContainerId(id)).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// The jobs with a label of this value, those that ended included.
    pub(super) async fn jobs(
        &self,
        label: &str,
        value: &str,
    ) -> Result<Vec<ContainerSummary>, RuntimeError> {
        let options = ListContainersOptions {
            all: true,
            filters: Some(HashMap::from([(
                "label".to_owned(),
                vec![format!("{label}={value}")],
            )])),
            ..ListContainersOptions::default()
        };
        self.call("list jobs", CALL, |d| async move {
            d.list_containers(Some(options)).await
        })
        .await
    }

    async fn create_job(&self, job: &JobSpec) -> Result<ContainerId, RuntimeError> {
        let JobSpec {
            name,
            instance,
            image,
            network_of,
            mounts,
            entrypoint,
            command,
            env,
            tty,
            memory,
        } = job;
        let memory = create::bytes("memory", *memory)?;
        let read_only = |mount: &Mount| Mount {
            read_only: true,
            ..mount.clone()
        };
        let body = ContainerCreateBody {
            image: Some(image.as_str().to_owned()),
            entrypoint: Some(entrypoint.clone()),
            cmd: Some(command.clone()),
            env: Some(env.iter().map(|(k, v)| format!("{k}={v}")).collect()),
            labels: Some(HashMap::from([
                (LABEL_JOB.to_owned(), name.clone()),
                (LABEL_JOB_INSTANCE.to_owned(), instance.clone()),
            ])),
            tty: Some(*tty),
            open_stdin: Some(true),
            // When this process dies, the job's stdin ends, and so does the client in it.
            stdin_once: Some(true),
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            host_config: Some(HostConfig {
                network_mode: Some(format!("container:{network_of}")),
                mounts: Some(
                    mounts
                        .iter()
                        .map(read_only)
                        .map(|m| create::bind(&m))
                        .collect(),
                ),
                memory: Some(memory),
                memory_swap: Some(memory),
                // What a person reads must not lie on the engine's disk.
                log_config: Some(HostConfigLogConfig {
                    typ: Some("none".to_owned()),
                    config: None,
                }),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        self.create_unnamed("job", body).await
    }

    /// Makes a container of no database, with a name of its own.
    pub(super) async fn create_unnamed(
        &self,
        kind: &str,
        body: ContainerCreateBody,
    ) -> Result<ContainerId, RuntimeError> {
        // With a dot, which no database's name has.
        let name = format!("db4sci-{kind}.{}", uuid::Uuid::new_v4().simple());
        let options = CreateContainerOptions {
            name: Some(name),
            ..CreateContainerOptions::default()
        };
        let made = self
            .call("create a job", WORK, |d| async move {
                d.create_container(Some(options), body).await
            })
            .await?;
        Ok(ContainerId(made.id))
    }

    async fn remove_job(&self, id: &ContainerId) -> Result<(), RuntimeError> {
        let options = RemoveContainerOptions {
            v: true,
            // It runs still if this process was told to end.
            force: true,
            link: false,
        };
        let answer = self
            .call("remove a job", WORK, |d| async move {
                d.remove_container(id.as_str(), Some(options)).await
            })
            .await;
        match answer {
            Ok(()) | Err(RuntimeError::NotFound(_)) => Ok(()),
            Err(other) => Err(other),
        }
    }
}

/// The signals that tell this process to end.
struct Told {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Told {
    fn listen() -> Result<Self, RuntimeError> {
        let listen = |kind| {
            signal(kind).map_err(|e| RuntimeError::Refused(format!("listen for signals: {e}")))
        };
        Ok(Told {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for one of them and gives its number. Safe to cancel.
    async fn wait(&mut self) -> i64 {
        let kind = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.hang_up.recv() => SignalKind::hangup(),
        };
        i64::from(kind.as_raw_value())
    }
}
