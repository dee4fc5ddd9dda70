//! `Runtime` for a Docker Engine: each verb one call, and what makes it safe to repeat.

use std::convert::Infallible;
use std::time::Duration;

use async_trait::async_trait;
use bollard::models::ContainerUpdateBody;
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptions, KillContainerOptions, LogsOptions,
    RemoveContainerOptions, RenameContainerOptions, StopContainerOptions,
};
use futures_util::stream::{BoxStream, TryStreamExt};

use super::client::{CALL, Docker, PULL, WORK, within};
use super::error::classify_pull;
use super::{create, events, list, logs, seen};
use crate::model::action::{Limits, StopHow};
use crate::model::{
    ContainerId, ContainerSeen, ContainerSpec, ImageSeen, RestartPolicy, Status, Timestamp,
};
use crate::runtime::{ContainerBrief, EngineInfo, Runtime, RuntimeError, RuntimeEvent};

/// Between two stop signals to a container that is being stopped.
const SIGNAL_AGAIN: Duration = Duration::from_secs(3);

#[async_trait]
impl Runtime for Docker {
    async fn info(&self) -> Result<EngineInfo, RuntimeError> {
        let info = self
            .call("info", CALL, |d| async move { d.info().await })
            .await?;
        let api = self.client().await?.client_version().to_string();
        let natural = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        Ok(EngineInfo {
            version: info.server_version.unwrap_or_default(),
            api,
            cpus: u32::try_from(natural(info.ncpu)).unwrap_or(0),
            memory: natural(info.mem_total),
        })
    }

    async fn list(&self) -> Result<Vec<ContainerBrief>, RuntimeError> {
        let version = self.client().await?.client_version().to_string();
        let rows = within(CALL, list::WHAT, list::rows(self.host(), &version)).await;
        let rows = self.heed(rows)?;
        rows.into_iter().map(seen::brief).collect()
    }

    async fn inspect(&self, id_or_name: &str) -> Result<Option<ContainerSeen>, RuntimeError> {
        let what = format!("inspect {id_or_name}");
        let answer = self
            .call(&what, CALL, |d| async move {
                d.inspect_container(id_or_name, None).await
            })
            .await;
        let found = match answer {
            // The beginning of several ids.
            Err(RuntimeError::Refused(words) | RuntimeError::Engine(words))
                if words.to_lowercase().contains("multiple ids found") =>
            {
                None
            }
            other => absent_is_none(other)?.map(seen::container).transpose()?,
        };
        // Docker also takes the beginning of an id, and a database may be called `db1`.
        Ok(found.filter(|c| c.name == id_or_name || c.id.as_str() == id_or_name))
    }

    async fn image(&self, reference_or_id: &str) -> Result<Option<ImageSeen>, RuntimeError> {
        let what = format!("inspect image {reference_or_id}");
        let answer = self
            .call(&what, CALL, |d| async move {
                d.inspect_image(reference_or_id).await
            })
            .await;
        absent_is_none(answer)?.map(seen::image).transpose()
    }

    async fn pull(&self, reference: &str) -> Result<(), RuntimeError> {
        let client = self.client().await?;
        let options = CreateImageOptions {
            from_image: Some(reference.to_owned()),
            ..CreateImageOptions::default()
        };
        within(PULL, &format!("pull {reference}"), async {
            client
                .create_image(Some(options), None, None)
                .try_for_each(|_progress| async { Ok(()) })
                .await
                .map_err(|e| classify_pull(reference, e))
        })
        .await
    }

    async fn create(&self, spec: &ContainerSpec) -> Result<ContainerId, RuntimeError> {
        let body = create::body(spec)?;
        let options = CreateContainerOptions {
            name: Some(spec.name.clone()),
            ..CreateContainerOptions::default()
        };
        let what = format!("create {}", spec.name);
        let made = self
            .call(&what, WORK, |d| async move {
                d.create_container(Some(options), body).await
            })
            .await?;
        Ok(ContainerId(made.id))
    }

    async fn start(&self, id: &ContainerId) -> Result<(), RuntimeError> {
        let what = format!("start {}", short(id));
        self.call(&what, WORK, |d| async move {
            d.start_container(id.as_str(), None).await
        })
        .await
    }

    async fn stop(&self, id: &ContainerId, how: &StopHow) -> Result<(), RuntimeError> {
        let what = format!("stop {}", short(id));
        let options = StopContainerOptions {
            signal: None,
            t: Some(i32::try_from(how.deadline).unwrap_or(i32::MAX)),
        };
        let deadline = Duration::from_secs(u64::from(how.deadline)) + WORK;
        let stopped = self.call(&what, deadline, |d| async move {
            d.stop_container(id.as_str(), Some(options)).await
        });
        // Safe to cut off: a signal more or less is no harm.
        tokio::select! {
            ended = stopped => ended,
            never = self.repeat_stop_signal(id) => match never {},
        }
    }

    async fn unpause(&self, id: &ContainerId) -> Result<(), RuntimeError> {
        let what = format!("unpause {}", short(id));
        let answer = self
            .call(&what, CALL, |d| async move {
                d.unpause_container(id.as_str()).await
            })
            .await;
        match answer {
            Err(error) if !lost(&error) && self.status(id).await? != Some(Status::Paused) => {
                self.must_exist(id, error).await
            }
            other => other,
        }
    }

    async fn rename(&self, id: &ContainerId, name: &str) -> Result<(), RuntimeError> {
        let what = format!("rename {} to {name}", short(id));
        let options = RenameContainerOptions {
            name: name.to_owned(),
        };
        let answer = self
            .call(&what, CALL, |d| async move {
                d.rename_container(id.as_str(), options).await
            })
            .await;
        match answer {
            // Its own name is refused by Docker, and is what was asked for.
            Err(error) if !lost(&error) => match self.inspect(id.as_str()).await? {
                Some(seen) if seen.name == name => Ok(()),
                Some(_) | None => Err(error),
            },
            other => other,
        }
    }

    async fn update(&self, id: &ContainerId, limits: Limits) -> Result<(), RuntimeError> {
        let what = format!("update {}", short(id));
        let Limits { memory, nano_cpus } = limits;
        // Docker reads 0 as "leave it": a processor limit cannot be taken away from a container.
        if nano_cpus == 0
            && let Some(seen) = self.inspect(id.as_str()).await?
            && seen.nano_cpus != 0
        {
            return Err(RuntimeError::Refused(format!(
                "{what}: Docker cannot take a processor limit away in place; the container has to \
                 be made anew"
            )));
        }
        let memory = create::bytes("memory", memory)?;
        let body = ContainerUpdateBody {
            memory: Some(memory),
            // Alone, memory above the old swap limit is a conflict.
            memory_swap: Some(memory),
            nano_cpus: (nano_cpus != 0).then_some(nano_cpus),
            ..ContainerUpdateBody::default()
        };
        self.call(&what, CALL, |d| async move {
            d.update_container(id.as_str(), body).await
        })
        .await
    }

    async fn set_policy(
        &self,
        id: &ContainerId,
        policy: RestartPolicy,
    ) -> Result<(), RuntimeError> {
        let what = format!("set the restart policy of {}", short(id));
        let body = ContainerUpdateBody {
            restart_policy: Some(create::policy(policy)?),
            ..ContainerUpdateBody::default()
        };
        self.call(&what, CALL, |d| async move {
            d.update_container(id.as_str(), body).await
        })
        .await
    }

    async fn remove(&self, id: &ContainerId) -> Result<(), RuntimeError> {
        let what = format!("remove {}", short(id));
        let options = RemoveContainerOptions {
            v: true,
            force: false,
            link: false,
        };
        let answer = self
            .call(&what, WORK, |d| async move {
                d.remove_container(id.as_str(), Some(options)).await
            })
            .await;
        absent_is_none(answer).map(|_| ())
    }

    async fn logs(&self, id: &ContainerId, lines: u32) -> Result<String, RuntimeError> {
        let options = LogsOptions {
            stdout: true,
            stderr: true,
            tail: lines.to_string(),
            ..LogsOptions::default()
        };
        let what = format!("logs of {}", short(id));
        self.call(&what, CALL, |d| async move {
            logs::collect(d.logs(id.as_str(), Some(options))).await
        })
        .await
    }

    fn events(
        &self,
        since: Option<Timestamp>,
    ) -> BoxStream<'static, Result<RuntimeEvent, RuntimeError>> {
        events::stream(self.clone(), since)
    }
}

impl Docker {
    /// Sends a container its stop signal again and again. Docker sends it once, and the kernel
    /// drops a signal that a container's first process has no handler for: a shell has none, so a
    /// server whose image's script was still at work would not hear of it, and be killed at the
    /// deadline.
    async fn repeat_stop_signal(&self, id: &ContainerId) -> Infallible {
        loop {
            tokio::time::sleep(SIGNAL_AGAIN).await;
            let what = format!("signal {id}");
            let seen = self
                .call(&what, CALL, |d| async move {
                    d.inspect_container(id.as_str(), None).await
                })
                .await;
            let config = seen.ok().and_then(|seen| seen.config);
            // Without a name, Docker's call would be SIGKILL.
            let Some(signal) = config.and_then(|c| c.stop_signal).filter(|s| !s.is_empty()) else {
                continue;
            };
            let options = KillContainerOptions { signal };
            let sent = self
                .call(&what, CALL, |d| async move {
                    d.kill_container(id.as_str(), Some(options)).await
                })
                .await;
            if let Err(error) = sent {
                tracing::debug!(%error, "the stop signal could not be repeated");
            }
        }
    }

    async fn status(&self, id: &ContainerId) -> Result<Option<Status>, RuntimeError> {
        Ok(self.inspect(id.as_str()).await?.map(|seen| seen.status))
    }

    /// A verb that had nothing to do: fine for a container that exists.
    async fn must_exist(&self, id: &ContainerId, error: RuntimeError) -> Result<(), RuntimeError> {
        match self.status(id).await? {
            Some(_) => Ok(()),
            None => Err(error),
        }
    }
}

/// An id as `docker ps` shows it.
fn short(id: &ContainerId) -> &str {
    id.as_str().get(..12).unwrap_or(id.as_str())
}

/// Whether nobody knows what happened: then there is no point in asking again at once.
fn lost(error: &RuntimeError) -> bool {
    matches!(error, RuntimeError::Unavailable(_))
}

fn absent_is_none<T>(answer: Result<T, RuntimeError>) -> Result<Option<T>, RuntimeError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(RuntimeError::NotFound(_)) => Ok(None),
        Err(other) => Err(other),
    }
}
