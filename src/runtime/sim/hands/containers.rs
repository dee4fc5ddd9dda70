//! Hands on images, containers and the engine.

use chrono::TimeDelta;

use crate::model::{
    ContainerId, ContainerSeen, ContainerSpec, ImageId, PortBinding, RestartPolicy, Status,
};
use crate::runtime::sim::World;
use crate::runtime::sim::container::Container;
use crate::runtime::sim::disk::SimImage;
use crate::runtime::sim::engine::{By, KILLED};
use crate::runtime::sim::state::State;

/// Images.
impl World {
    /// Puts an image on this host.
    pub fn add_image(&self, reference: &str, image: SimImage) {
        self.with(|state| state.images.insert(reference.to_owned(), image));
    }

    /// Puts an image into the registry.
    pub fn publish_image(&self, reference: &str, image: SimImage) {
        self.with(|state| {
            let registry = state.registry.get_or_insert_default();
            registry.insert(reference.to_owned(), image);
        });
    }
}

/// Containers. Each hand does nothing when there is no such container.
impl World {
    /// All containers, as the engine shows them.
    pub fn containers(&self) -> Vec<ContainerSeen> {
        self.read(|state| state.containers.values().map(Container::seen).collect())
    }

    /// The name of the container that holds a host port: one that runs, or is frozen.
    pub fn holder_of(&self, port: u16) -> Option<String> {
        let holds = |c: &&Container| match c.status {
            Status::Running | Status::Paused => c.spec.ports.iter().any(|p| p.host == port),
            Status::Created
            | Status::Restarting
            | Status::Exited
            | Status::Removing
            | Status::Dead => false,
        };
        self.read(|state| {
            let holder = state.containers.values().find(holds);
            holder.map(|c| c.name.clone())
        })
    }

    /// Kills a container's process from the host: dockerd follows the restart policy.
    pub fn kill(&self, name: &str) {
        self.on(name, |state, id| state.die(id, KILLED, false));
    }

    /// The kernel kills it for its memory limit.
    pub fn kill_for_memory(&self, name: &str) {
        self.on(name, |state, id| state.die(id, KILLED, true));
    }

    /// `docker stop`.
    pub fn stop_by_hand(&self, name: &str) {
        self.on(name, |state, id| state.stop_process(id));
    }

    /// `docker rm -f`.
    pub fn remove_by_hand(&self, name: &str) {
        self.on(name, |state, id| {
            if let Some(container) = state.containers.get_mut(id) {
                container.policy = RestartPolicy::No;
            }
            if state.containers.get(id).is_some_and(Container::up) {
                state.die(id, KILLED, false);
            }
            state.tell(id, "destroy");
            state.containers.remove(id);
        });
    }

    /// `docker rename`.
    pub fn rename_by_hand(&self, name: &str, new: &str) {
        self.on(name, |state, id| {
            if let Some(container) = state.containers.get_mut(id) {
                new.clone_into(&mut container.name);
            }
            state.tell(id, "rename");
        });
    }

    /// `docker pause`.
    pub fn pause_by_hand(&self, name: &str) {
        self.on(name, |state, id| {
            if let Some(container) = state.containers.get_mut(id)
                && container.status == Status::Running
            {
                container.status = Status::Paused;
                state.tell(id, "pause");
            }
        });
    }

    /// `docker update` of memory and processors.
    pub fn update_by_hand(&self, name: &str, memory: u64, nano_cpus: i64) {
        self.on(name, |state, id| {
            if let Some(container) = state.containers.get_mut(id) {
                container.memory = memory;
                container.nano_cpus = nano_cpus;
            }
            state.tell(id, "update");
        });
    }

    /// `docker update --restart`.
    pub fn set_policy_by_hand(&self, name: &str, policy: RestartPolicy) {
        self.on(name, |state, id| {
            if let Some(container) = state.containers.get_mut(id) {
                container.policy = policy;
            }
            state.tell(id, "update");
        });
    }

    /// Its server runs on and answers nothing, not even the stop signal.
    pub fn hang(&self, name: &str) {
        self.on(name, |state, id| {
            let process = state
                .containers
                .get_mut(id)
                .and_then(|c| c.process.as_mut());
            if let Some(process) = process {
                process.hung = true;
            }
        });
    }

    /// A running container of somebody else, with this name and these host ports.
    pub fn add_foreign(&self, name: &str, host_ports: &[u16]) -> ContainerId {
        self.with(|state| {
            let id = state.rng.hex(64);
            if let Some(spec) = foreign_spec(name, host_ports) {
                let mut container = Container::new(id.clone(), spec, Vec::new());
                container.foreign = true;
                state.containers.insert(id.clone(), container);
                // Nothing stands in its way: it has no mounts, and tests choose its ports.
                let _ = state.start_process(&id, By::Call);
            }
            ContainerId(id)
        })
    }

    /// dockerd is killed and comes back: every process dies, `always` is started again, also what
    /// was stopped by a call.
    pub fn restart_engine(&self) {
        self.with(|state| {
            let wall = state.wall();
            let ids: Vec<String> = state.containers.keys().cloned().collect();
            for id in &ids {
                if let Some(container) = state.containers.get_mut(id) {
                    if container.process.take().is_some() {
                        container.exit_code = 0;
                        container.finished_at = Some(wall);
                    }
                    container.restart_at = None;
                    if container.status != Status::Created {
                        container.status = Status::Exited;
                    }
                }
            }
            for id in &ids {
                let again = state.containers.get(id).is_some_and(|c| {
                    c.policy == RestartPolicy::Always && c.status == Status::Exited
                });
                if again {
                    // What cannot start shows its error.
                    let _ = state.start_process(id, By::Dockerd);
                }
            }
            state.streams_broken += 1;
        });
        self.wake_watchers();
    }

    /// The engine does not answer for so long.
    pub fn engine_away(&self, how_long: TimeDelta) {
        self.with(|state| {
            state.fault.away_until = Some(state.now + how_long);
            state.streams_broken += 1;
        });
        self.wake_watchers();
    }

    /// The stream of events breaks.
    pub fn break_events(&self) {
        self.with(|state| state.streams_broken += 1);
        self.wake_watchers();
    }

    fn wake_watchers(&self) {
        self.shared.events.send_modify(|_| ());
    }

    fn on(&self, name: &str, hand: impl FnOnce(&mut State, &str)) {
        self.with(|state| {
            let id = state.find(name).map(|c| c.id.clone());
            if let Some(id) = id {
                hand(state, &id);
            }
        });
    }
}

fn foreign_spec(name: &str, host_ports: &[u16]) -> Option<ContainerSpec> {
    Some(ContainerSpec {
        name: name.to_owned(),
        image: ImageId("sha256:foreign".to_owned()),
        reference: "foreign:1".parse().ok()?,
        entrypoint: Vec::new(),
        command: Vec::new(),
        env: Default::default(),
        labels: Default::default(),
        mounts: Vec::new(),
        ports: host_ports
            .iter()
            .map(|host| PortBinding {
                container: 80,
                host: *host,
                ip: [0, 0, 0, 0].into(),
            })
            .collect(),
        memory: 0,
        nano_cpus: 0,
        shm: 64 << 20,
        restart: RestartPolicy::No,
        stop_signal: "SIGTERM".to_owned(),
        stop_timeout: 10,
    })
}
