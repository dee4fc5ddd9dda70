//! Jobs without a person: dumps, loads, counts, throwaway servers.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use bollard::container::{AttachContainerResults, LogOutput};
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig, ResourcesUlimits};
use bollard::query_parameters::{
    AttachContainerOptions, RemoveContainerOptions, StopContainerOptions, WaitContainerOptions,
};
use chrono::DateTime;
use futures_util::StreamExt;
use rustix::process::{Resource, getrlimit};

use super::client::{CALL, Docker, WORK, within};
use super::create;
use super::error::failed;
use crate::model::{ContainerId, Timestamp};
use crate::runtime::jobs::{Job, JobEnd, Jobs, Network};
use crate::runtime::{Runtime, RuntimeError};

/// Label with the instance that a job without a person belongs to. Not the label of a person's
/// jobs: those are left alone while they run.
pub const LABEL_WORK_INSTANCE: &str = "db4sci.work-instance";
/// Label with what it is for.
const LABEL_WORK: &str = "db4sci.work";

/// What is kept of standard error.
const WORDS: usize = 256 << 10;
/// What is taken from standard output: the counts of a few hundred thousand tables.
const OUTPUT: usize = 64 << 20;
/// Lines of a throwaway server's log that are shown when it fails.
const LINES: u32 = 40;

/// The request that makes a job's container, by a process that may open so many files itself.
fn body(job: &Job, attached: bool, may: Option<u64>) -> Result<ContainerCreateBody, RuntimeError> {
    let Job {
        name,
        instance,
        image,
        network,
        mounts,
        entrypoint,
        command,
        env,
        user,
        memory,
        nano_cpus,
        shm,
    } = job;
    let memory = create::bytes("memory", *memory)?;
    let log_config = if attached {
        // What a dump says must not lie on the engine's disk.
        HostConfigLogConfig {
            typ: Some("none".to_owned()),
            config: None,
        }
    } else {
        HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(HashMap::from([
                ("max-size".to_owned(), "1m".to_owned()),
                ("max-file".to_owned(), "1".to_owned()),
            ])),
        }
    };
    Ok(ContainerCreateBody {
        image: Some(image.as_str().to_owned()),
        entrypoint: (!entrypoint.is_empty()).then(|| entrypoint.clone()),
        cmd: Some(command.clone()),
        env: Some(env.iter().map(|(k, v)| format!("{k}={v}")).collect()),
        // Without a network, no other name of its own can be resolved, and some servers ask.
        hostname: (*network == Network::None).then(|| "localhost".to_owned()),
        user: user.map(|uid| format!("{uid}:{uid}")),
        labels: Some(HashMap::from([
            (LABEL_WORK.to_owned(), name.clone()),
            (LABEL_WORK_INSTANCE.to_owned(), instance.clone()),
        ])),
        attach_stdout: Some(attached),
        attach_stderr: Some(attached),
        host_config: Some(HostConfig {
            network_mode: Some(match network {
                Network::Of(id) => format!("container:{id}"),
                Network::None => "none".to_owned(),
            }),
            mounts: Some(mounts.iter().map(create::bind).collect()),
            memory: Some(memory),
            memory_swap: Some(memory),
            nano_cpus: (*nano_cpus > 0).then_some(*nano_cpus),
            shm_size: Some(create::bytes("shm", *shm)?).filter(|n| *n > 0),
            // Users' databases come first where both want the processor.
            cpu_shares: Some(256),
            log_config: Some(log_config),
            ulimits: open_files(may).map(|limit| vec![limit]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    })
}

/// How many files a job may open: a server that is started for a restore test has no guard before it that raises
/// what newer engines give (1,024). An engine that runs in a container itself may not be allowed to give more than it
/// has, and refuses the start; the daemon beside it has as much. Where that is little, the engine's own choice is no
/// worse.
fn open_files(may: Option<u64>) -> Option<ResourcesUlimits> {
    const ENOUGH: i64 = 65_536;
    const MOST: i64 = 524_288;
    let files = may.map_or(MOST, |n| i64::try_from(n).unwrap_or(MOST).min(MOST));
    (files >= ENOUGH).then(|| ResourcesUlimits {
        name: Some("nofile".to_owned()),
        soft: Some(files),
        hard: Some(files),
    })
}

impl Docker {
    async fn create_work(&self, job: &Job, attached: bool) -> Result<ContainerId, RuntimeError> {
        // None is no limit.
        let may = getrlimit(Resource::Nofile).maximum;
        let body = body(job, attached, may)?;
        self.create_unnamed("work", body).await
    }

    async fn start_work(&self, id: &ContainerId) -> Result<(), RuntimeError> {
        self.call("start a job", WORK, |d| async move {
            d.start_container(id.as_str(), None).await
        })
        .await
    }

    /// Follows a job from before its start to its end.
    async fn follow(&self, id: &ContainerId) -> Result<JobEnd, RuntimeError> {
        let options = AttachContainerOptions {
            stream: true,
            stdout: true,
            stderr: true,
            ..AttachContainerOptions::default()
        };
        // Before the start, so that nothing it says is missed.
        let AttachContainerResults { mut output, input } = self
            .call("attach to a job", CALL, |d| async move {
                d.attach_container(id.as_str(), Some(options)).await
            })
            .await?;
        drop(input);
        self.start_work(id).await?;
        let (mut out, mut words) = (Vec::new(), Vec::new());
        while let Some(piece) = output.next().await {
            match piece.map_err(|e| failed("read from a job", e))? {
                LogOutput::StdErr { message } => {
                    words.extend_from_slice(&message);
                    let over = words.len().saturating_sub(WORDS);
                    words.drain(..over);
                }
                LogOutput::StdOut { message } => {
                    if out.len() + message.len() > OUTPUT {
                        let why = "a job answers with more than 64 MiB".to_owned();
                        return Err(RuntimeError::Engine(why));
                    }
                    out.extend_from_slice(&message);
                }
                // Without a terminal this means that the stream is out of step.
                LogOutput::Console { .. } | LogOutput::StdIn { .. } => {
                    return Err(RuntimeError::Engine(
                        "the engine's stream of a job's output is garbled".to_owned(),
                    ));
                }
            }
        }
        Ok(JobEnd {
            code: self.wait_work(id).await?,
            output: out,
            words: String::from_utf8_lossy(&words).trim().to_owned(),
        })
    }

    async fn wait_work(&self, id: &ContainerId) -> Result<i64, RuntimeError> {
        let options = WaitContainerOptions {
            condition: "not-running".to_owned(),
        };
        let client = self.client().await?;
        let mut ends = std::pin::pin!(client.wait_container(id.as_str(), Some(options)));
        match ends.next().await {
            Some(Ok(end)) => Ok(end.status_code),
            // Every code but 0 is an error to bollard.
            Some(Err(Error::DockerContainerWaitError { code, .. })) => Ok(code),
            Some(Err(error)) => Err(failed("wait for a job", error)),
            None => Err(RuntimeError::Engine("wait for a job: no answer".to_owned())),
        }
    }
}

/// Removes a job that nobody waits for any more, since its future was dropped.
struct Dropped {
    docker: Docker,
    id: Option<ContainerId>,
}

impl Drop for Dropped {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let docker = self.docker.clone();
        // Without a runtime this process is about to end; the next daemon clears.
        if let Ok(handle) = tokio::runtime::Handle::try_current() {
            handle.spawn(async move {
                if let Err(error) = docker.discard(&id).await {
                    tracing::warn!(%id, %error, "a job could not be removed; the next start does");
                }
            });
        }
    }
}

#[async_trait]
impl Jobs for Docker {
    async fn run(&self, job: &Job, deadline: Duration) -> Result<JobEnd, RuntimeError> {
        let id = self.create_work(job, true).await?;
        let mut dropped = Dropped {
            docker: self.clone(),
            id: Some(id.clone()),
        };
        let what = format!("{} (then it was killed)", job.name);
        let result = within(deadline, &what, self.follow(&id)).await;
        let removed = self.discard(&id).await;
        if removed.is_ok() {
            dropped.id = None;
        }
        result
    }

    async fn launch(&self, job: &Job) -> Result<ContainerId, RuntimeError> {
        let id = self.create_work(job, false).await?;
        let mut dropped = Dropped {
            docker: self.clone(),
            id: Some(id.clone()),
        };
        self.start_work(&id).await?;
        dropped.id = None;
        Ok(id)
    }

    async fn ended(&self, id: &ContainerId) -> Result<Option<i64>, RuntimeError> {
        let seen = self.inspect(id.as_str()).await?;
        let seen = seen.ok_or_else(|| RuntimeError::NotFound(format!("{id} is gone")))?;
        Ok(seen.pid.is_none().then_some(seen.exit_code))
    }

    async fn words(&self, id: &ContainerId) -> Result<String, RuntimeError> {
        self.logs(id, LINES).await
    }

    async fn settle(&self, id: &ContainerId, deadline: Duration) -> Result<i64, RuntimeError> {
        let options = StopContainerOptions {
            t: Some(i32::try_from(deadline.as_secs()).unwrap_or(i32::MAX)),
            ..StopContainerOptions::default()
        };
        self.call("stop a job", deadline + WORK, |d| async move {
            d.stop_container(id.as_str(), Some(options)).await
        })
        .await?;
        within(WORK, "wait for a job", self.wait_work(id)).await
    }

    async fn discard(&self, id: &ContainerId) -> Result<(), RuntimeError> {
        let options = RemoveContainerOptions {
            v: true,
            force: true,
            link: false,
        };
        let answer = self
            .call("remove a job", WORK, |d| async move {
                d.remove_container(id.as_str(), Some(options)).await
            })
            .await;
        match answer {
            Ok(()) | Err(RuntimeError::NotFound(_) | RuntimeError::Conflict(_)) => Ok(()),
            Err(other) => Err(other),
        }
    }

    async fn clear(&self, instance: &str, before: Timestamp) -> Result<u32, RuntimeError> {
        let (mut cleared, mut goes_on) = (0, Ok(()));
        for job in self.jobs(LABEL_WORK_INSTANCE, instance).await? {
            let created = job.created.and_then(|at| DateTime::from_timestamp(at, 0));
            if let Some(id) = job.id.filter(|_| created.is_none_or(|at| at <= before)) {
                let id = ContainerId(id);
                let Err(error) = self.discard(&id).await else {
                    cleared += 1;
                    continue;
                };
                match self.ended(&id).await {
                    // It does nothing any more, and the next start removes it.
                    Ok(Some(_)) => tracing::warn!(%id, %error, "a job that is over stays"),
                    Err(RuntimeError::NotFound(_)) => cleared += 1,
                    Ok(None) | Err(_) => goes_on = Err(error),
                }
            }
        }
        goes_on.map(|()| cleared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ImageId;

    #[test]
    fn a_job_may_open_as_many_files_as_a_server_does_behind_its_guard() {
        let job = Job {
            name: "throwaway".to_owned(),
            instance: "test".to_owned(),
            image: ImageId("sha256:ab".to_owned()),
            network: Network::None,
            mounts: Vec::new(),
            entrypoint: Vec::new(),
            command: Vec::new(),
            env: Default::default(),
            user: None,
            memory: 1 << 30,
            nano_cpus: 0,
            shm: 0,
        };
        let given = |may| {
            let host = body(&job, false, may).unwrap().host_config.unwrap();
            let limit = host.ulimits?.remove(0);
            assert_eq!(
                (limit.name.as_deref(), limit.soft),
                (Some("nofile"), limit.hard)
            );
            limit.soft
        };
        assert_eq!(given(None), Some(524_288));
        assert_eq!(given(Some(1 << 30)), Some(524_288));
        assert_eq!(given(Some(100_000)), Some(100_000));
        // The engine would have to give less than it may give by itself.
        assert_eq!(given(Some(4096)), None);
    }
}
