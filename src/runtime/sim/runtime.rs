//! `Runtime` for the simulated host.

use async_trait::async_trait;
use futures_util::stream::{BoxStream, StreamExt, try_unfold};

use super::World;
use super::container::{Container, FIRST_DELAY};
use super::engine::By;
use super::fault::{Part, Simulated};
use super::state::{State, missing};
use crate::model::action::{Limits, StopHow};
use crate::model::{
    ContainerId, ContainerSeen, ContainerSpec, ImageSeen, RestartPolicy, Status, Timestamp,
};
use crate::runtime::{ContainerBrief, EngineInfo, Runtime, RuntimeError, RuntimeEvent};

type Answer<T> = Result<T, RuntimeError>;

#[async_trait]
impl Runtime for World {
    async fn info(&self) -> Answer<EngineInfo> {
        self.look(Part::Engine, "info", |_| {
            Ok(EngineInfo {
                version: "sim".to_owned(),
                api: "1.41".to_owned(),
                cpus: 8,
                memory: 64 << 30,
            })
        })
        .await
    }

    async fn list(&self) -> Answer<Vec<ContainerBrief>> {
        self.look(Part::Engine, "list", |state| {
            Ok(state.containers.values().map(brief).collect())
        })
        .await
    }

    async fn inspect(&self, id_or_name: &str) -> Answer<Option<ContainerSeen>> {
        self.look(Part::Engine, "inspect", |state| {
            Ok(state.find(id_or_name).map(Container::seen))
        })
        .await
    }

    async fn image(&self, reference_or_id: &str) -> Answer<Option<ImageSeen>> {
        self.look(Part::Engine, "image", |state| {
            let found = state.images.get(reference_or_id).or_else(|| {
                let is_it = |i: &&super::SimImage| i.seen.id.as_str() == reference_or_id;
                state.images.values().find(is_it)
            });
            Ok(found.map(|i| i.seen.clone()))
        })
        .await
    }

    async fn pull(&self, reference: &str) -> Answer<()> {
        self.act(Part::Engine, "pull", |state| state.pull(reference))
            .await
    }

    async fn create(&self, spec: &ContainerSpec) -> Answer<ContainerId> {
        self.act(Part::Engine, "create", |state| state.create(spec.clone()))
            .await
    }

    async fn start(&self, id: &ContainerId) -> Answer<()> {
        self.act(Part::Engine, "start", |state| state.start(id))
            .await
    }

    async fn stop(&self, id: &ContainerId, _how: &StopHow) -> Answer<()> {
        self.act(Part::Engine, "stop", |state| {
            let container = state.container(id)?;
            let (key, runs) = (container.id.clone(), container.up());
            if runs {
                state.touch("stop", &key);
                state.stop_process(&key);
            }
            Ok(())
        })
        .await
    }

    async fn unpause(&self, id: &ContainerId) -> Answer<()> {
        self.act(Part::Engine, "unpause", |state| {
            let container = state.container(id)?;
            let key = container.id.clone();
            if container.status == Status::Paused {
                container.status = Status::Running;
                state.touch("unpause", &key);
                state.tell(&key, "unpause");
            }
            Ok(())
        })
        .await
    }

    async fn rename(&self, id: &ContainerId, name: &str) -> Answer<()> {
        self.act(Part::Engine, "rename", |state| {
            let key = state.container(id)?.id.clone();
            if state
                .containers
                .values()
                .any(|c| c.name == name && c.id != key)
            {
                return Err(name_taken(name));
            }
            let container = state.container(id)?;
            if container.name != name {
                name.clone_into(&mut container.name);
                state.touch("rename", &key);
                state.tell(&key, "rename");
            }
            Ok(())
        })
        .await
    }

    async fn update(&self, id: &ContainerId, limits: Limits) -> Answer<()> {
        self.act(Part::Engine, "update", |state| {
            let container = state.container(id)?;
            let key = container.id.clone();
            if limits.nano_cpus == 0 && container.nano_cpus != 0 {
                return Err(RuntimeError::Refused(
                    "a processor limit cannot be taken away in place".to_owned(),
                ));
            }
            container.memory = limits.memory;
            container.nano_cpus = limits.nano_cpus;
            state.touch("update", &key);
            state.tell(&key, "update");
            Ok(())
        })
        .await
    }

    async fn set_policy(&self, id: &ContainerId, policy: RestartPolicy) -> Answer<()> {
        self.act(Part::Engine, "set_policy", |state| {
            if policy == RestartPolicy::Other {
                return Err(RuntimeError::Refused("`Other` cannot be set".to_owned()));
            }
            let container = state.container(id)?;
            // A restart that is due already still happens once.
            container.policy = policy;
            let key = container.id.clone();
            state.touch("set_policy", &key);
            state.tell(&key, "update");
            Ok(())
        })
        .await
    }

    async fn remove(&self, id: &ContainerId) -> Answer<()> {
        self.act(Part::Engine, "remove", |state| {
            let Some(container) = state.find(id.as_str()) else {
                return Ok(());
            };
            let key = container.id.clone();
            if container.up() {
                return Err(RuntimeError::Conflict(format!(
                    "You cannot remove a running container {key}"
                )));
            }
            state.touch("remove", &key);
            state.tell(&key, "destroy");
            state.containers.remove(&key);
            Ok(())
        })
        .await
    }

    async fn logs(&self, id: &ContainerId, lines: u32) -> Answer<String> {
        self.look(Part::Engine, "logs", |state| {
            let container = state.find(id.as_str()).ok_or_else(|| missing(id))?;
            let log = &container.log;
            let lines = usize::try_from(lines).unwrap_or(usize::MAX);
            let last = &log[log.len().saturating_sub(lines)..];
            Ok(last.iter().map(|line| format!("{line}\n")).collect())
        })
        .await
    }

    fn events(&self, since: Option<Timestamp>) -> BoxStream<'static, Answer<RuntimeEvent>> {
        let (from, streams_broken) = self.read(|state| {
            let from = match since {
                Some(since) => state.events.partition_point(|e| e.at < since),
                None => state.events.len(),
            };
            (from, state.streams_broken)
        });
        let watcher = self.shared.events.subscribe();
        try_unfold(
            (self.clone(), watcher, from),
            move |(world, mut watcher, next)| async move {
                loop {
                    watcher.mark_unchanged();
                    let found = world.read(|state| {
                        if state.streams_broken != streams_broken {
                            return Err(RuntimeError::away("events"));
                        }
                        Ok(state.events.get(next).cloned())
                    })?;
                    if let Some(event) = found {
                        return Ok(Some((event, (world, watcher, next + 1))));
                    }
                    if watcher.changed().await.is_err() {
                        return Ok(None);
                    }
                }
            },
        )
        .boxed()
    }
}

impl State {
    fn pull(&mut self, reference: &str) -> Answer<()> {
        let failed = |message: &str, unknown| RuntimeError::Pull {
            reference: reference.to_owned(),
            message: message.to_owned(),
            unknown,
        };
        if self.disk.full {
            return Err(RuntimeError::DiskFull(format!("pull {reference}")));
        }
        match &self.registry {
            None => Err(failed("the registry does not answer", false)),
            Some(images) => match images.get(reference) {
                None => Err(failed("manifest unknown", true)),
                Some(image) => {
                    self.images.insert(reference.to_owned(), image.clone());
                    self.journal.push(format!("pull {reference}"));
                    Ok(())
                }
            },
        }
    }

    fn create(&mut self, spec: ContainerSpec) -> Answer<ContainerId> {
        if self.containers.values().any(|c| c.name == spec.name) {
            return Err(name_taken(&spec.name));
        }
        let image = self.images.values().find(|i| i.seen.id == spec.image);
        let Some(image) = image.cloned() else {
            return Err(RuntimeError::NotFound(format!(
                "No such image: {}",
                spec.image
            )));
        };
        for mount in &spec.mounts {
            if !self.disk.exists(&mount.source) {
                return Err(RuntimeError::MountMissing(format!(
                    "create {}: bind source path does not exist: {}",
                    spec.name,
                    mount.source.display()
                )));
            }
        }
        let anonymous = image
            .seen
            .volumes
            .iter()
            .filter(|volume| !spec.mounts.iter().any(|m| m.target == **volume))
            .map(|volume| (volume.clone(), self.rng.hex(64).into()))
            .collect();
        let id = self.rng.hex(64);
        self.containers
            .insert(id.clone(), Container::new(id.clone(), spec, anonymous));
        self.touch("create", &id);
        self.tell(&id, "create");
        Ok(ContainerId(id))
    }

    fn start(&mut self, id: &ContainerId) -> Answer<()> {
        let container = self.container(id)?;
        let key = container.id.clone();
        match container.status {
            Status::Running | Status::Restarting => Ok(()),
            Status::Paused => Err(RuntimeError::Conflict(format!(
                "cannot start a paused container {key}"
            ))),
            Status::Removing | Status::Dead => Err(RuntimeError::Conflict(format!(
                "{key} is being removed or dead"
            ))),
            Status::Created | Status::Exited => {
                container.restart_count = 0;
                container.delay = FIRST_DELAY;
                self.touch("start", &key);
                self.start_process(&key, By::Call)
            }
        }
    }

    /// Notes what a call changes, and that nothing foreign is touched.
    fn touch(&mut self, verb: &str, id: &str) {
        let Some(container) = self.containers.get(id) else {
            return;
        };
        let (name, foreign) = (container.name.clone(), container.foreign);
        self.journal.push(format!("{verb} {name}"));
        if foreign {
            self.violation(format!("{verb} of the foreign container {name}"));
        }
    }
}

fn brief(container: &Container) -> ContainerBrief {
    let held = container.has_process();
    let mut host_ports: Vec<u16> = container
        .spec
        .ports
        .iter()
        .filter(|_| held)
        .map(|p| p.host)
        .collect();
    host_ports.sort_unstable();
    ContainerBrief {
        id: ContainerId(container.id.clone()),
        name: container.name.clone(),
        labels: container.spec.labels.clone(),
        up: container.up(),
        host_ports,
    }
}

fn name_taken(name: &str) -> RuntimeError {
    RuntimeError::Conflict(format!("The container name \"/{name}\" is already in use"))
}
