//! A real Docker Engine as a bench.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use db4sci::model::container::LABEL_INSTANCE;
use db4sci::model::{ContainerId, ContainerSeen, ContainerSpec, Mount, RestartPolicy};
use db4sci::runtime::Runtime;
use db4sci::runtime::docker::Docker;

use crate::bench::{Bench, DECLARED_VOLUME, Does};
use crate::support::{self, Corner};

pub struct Live {
    docker: Docker,
    corner: Corner,
}

impl Live {
    pub fn new() -> Self {
        Live {
            docker: Docker::connect(None),
            corner: Corner::new(),
        }
    }
}

#[async_trait]
impl Bench for Live {
    fn runtime(&self) -> &dyn Runtime {
        &self.docker
    }

    async fn spec(&self, name: &str, does: Does) -> ContainerSpec {
        let reference = support::image("postgres:15");
        let image = self.docker.image(&reference).await.unwrap();
        let image = image.unwrap_or_else(|| panic!("no image {reference}; run dev/setup"));
        let (script, arguments) = match does {
            Does::Wait => (
                "trap 'exit 0' TERM; echo ready; sleep 1000 & wait".to_owned(),
                &[][..],
            ),
            Does::Resist => ("trap '' TERM; echo ready; sleep 1000".to_owned(), &[][..]),
            Does::Exit(code) => (format!("exit {code}"), &[][..]),
            // Every second line to stderr: both streams are one log.
            Does::Say(lines) => (
                "for line; do n=$((n + 1)); echo \"$line\" >&$((1 + n % 2)); done".to_owned(),
                lines,
            ),
        };
        let words = [script.as_str(), "sh"];
        let words = words.iter().chain(arguments);
        ContainerSpec {
            name: self.corner.name(name),
            image: image.id,
            reference: reference.parse().unwrap(),
            entrypoint: vec!["/bin/sh".to_owned(), "-c".to_owned()],
            command: words.map(|w| (*w).to_owned()).collect(),
            env: Default::default(),
            labels: [(LABEL_INSTANCE.to_owned(), self.corner.instance.clone())].into(),
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
        let path = self.corner.folder.join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn remove_folder(&self, path: &Path) {
        std::fs::remove_dir(path).unwrap();
    }

    fn port(&self) -> u16 {
        support::free_port()
    }

    fn kill(&self, container: &ContainerSeen) {
        // By the host's process id: a kill through dockerd would count as a stop by a call.
        let pid = i32::try_from(container.pid.unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }

    fn pause(&self, id: &ContainerId) {
        support::docker(&["pause", id.as_str()]);
    }

    async fn a_moment(&self) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
