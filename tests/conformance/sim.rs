//! The simulated host as a bench.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

use async_trait::async_trait;
use chrono::TimeDelta;
use db4sci::model::{ContainerId, ContainerSeen, ContainerSpec, Mount, RestartPolicy};
use db4sci::runtime::Runtime;
use db4sci::runtime::sim::{SimImage, World};

use crate::bench::{Bench, DECLARED_VOLUME, Does};

pub struct Sim {
    world: World,
    next_port: AtomicU16,
}

impl Sim {
    pub fn new() -> Self {
        let world = World::new(1);
        world.add_image("test:1", SimImage::plain("test", &[DECLARED_VOLUME]));
        Sim {
            world,
            next_port: AtomicU16::new(20_000),
        }
    }
}

#[async_trait]
impl Bench for Sim {
    fn runtime(&self) -> &dyn Runtime {
        &self.world
    }

    async fn spec(&self, name: &str, does: Does) -> ContainerSpec {
        let image = self.world.image("test:1").await.unwrap().unwrap();
        let words = match does {
            Does::Wait => vec!["wait".to_owned()],
            Does::Resist => vec!["resist".to_owned()],
            Does::Exit(code) => vec!["exit".to_owned(), code.to_string()],
            Does::Say(lines) => ["say"]
                .iter()
                .chain(lines)
                .map(|w| (*w).to_owned())
                .collect(),
        };
        ContainerSpec {
            name: name.to_owned(),
            image: image.id,
            reference: "test:1".parse().unwrap(),
            entrypoint: vec!["sim".to_owned()],
            command: words,
            env: Default::default(),
            labels: Default::default(),
            mounts: vec![Mount {
                source: self.folder("data"),
                target: DECLARED_VOLUME.to_owned(),
                read_only: false,
            }],
            ports: Vec::new(),
            memory: 64 << 20,
            nano_cpus: 0,
            shm: 32 << 20,
            restart: RestartPolicy::No,
            stop_signal: "SIGTERM".to_owned(),
            stop_timeout: 10,
        }
    }

    fn folder(&self, name: &str) -> PathBuf {
        let path = Path::new("/test").join(name);
        self.world.make_folder(&path);
        path
    }

    fn remove_folder(&self, path: &Path) {
        self.world.remove_folder(path);
    }

    fn port(&self) -> u16 {
        self.next_port.fetch_add(1, Ordering::Relaxed)
    }

    fn kill(&self, container: &ContainerSeen) {
        self.world.kill(&container.name);
    }

    fn pause(&self, id: &ContainerId) {
        self.world.pause_by_hand(id.as_str());
    }

    async fn a_moment(&self) {
        self.world.advance(TimeDelta::milliseconds(50));
    }
}
