//! What live tests share: images, free ports, a place of their own, and cleaning up.
//!
//! Live tests need a Docker Engine and the images of `dev/setup`; without them they fail, and say
//! so. They touch only what carries their own random instance label.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use db4sci::model::container::LABEL_INSTANCE;
use db4sci::model::database::{
    Account, AccountRole, Image, Layout, OnLost, Resources, Volume, Window,
};
use db4sci::model::{Database, EngineKind, Memory, Site, Source, Uid, WantedState};
use db4sci::runtime::docker::LABEL_JOB_INSTANCE;

/// Where `dev/setup` says which of its images stands in for which official one.
const MIRRORS: &str = "/var/cache/db4sci-lab/mirrors.yaml";

/// The image that stands in for an official one on this host.
#[track_caller]
pub fn image(reference: &str) -> String {
    let path = mirrors();
    let text = std::fs::read_to_string(&path).unwrap();
    let mirrors: BTreeMap<String, String> = serde_yaml::from_str(&text).unwrap();
    mirrors
        .get(reference)
        .unwrap_or_else(|| panic!("{} has no {reference}", path.display()))
        .clone()
}

/// The file that says which image stands in for which; fails where there is none.
#[track_caller]
pub fn mirrors() -> PathBuf {
    let path = std::env::var_os("DB4SCI_IMAGE_MIRRORS").unwrap_or_else(|| MIRRORS.into());
    let path = PathBuf::from(path);
    assert!(
        path.is_file(),
        "{} is not there; run dev/setup first, or set DB4SCI_IMAGE_MIRRORS",
        path.display()
    );
    path
}

/// A host port that nobody uses now, below those that the kernel hands out.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    if NEXT.load(Ordering::Relaxed) == 0 {
        // Another test binary may run at the same time.
        let random = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
        let _ = NEXT.compare_exchange(0, random, Ordering::Relaxed, Ordering::Relaxed);
    }
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if port >= 32_000 {
            NEXT.store(20_000, Ordering::Relaxed);
        } else if std::net::TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}

/// A test's own corner of the host. Everything in it is removed when it is dropped, also after a
/// panic.
pub struct Corner {
    /// The instance, unlike all others.
    pub instance: String,
    /// Its folder: `volume/` and `state/` exist.
    pub folder: PathBuf,
}

impl Corner {
    /// Makes one; fails if there is no Docker Engine.
    #[track_caller]
    pub fn new() -> Self {
        let instance = format!("test-{}", uuid::Uuid::new_v4().simple());
        let folder = Path::new("/var/tmp").join(format!("db4sci-{instance}"));
        docker(&["version", "--format", "{{.Server.Version}}"]);
        for below in ["volume", "state"] {
            std::fs::create_dir_all(folder.join(below)).unwrap();
        }
        Corner { instance, folder }
    }

    /// A name that no other test uses.
    pub fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix())
    }

    fn prefix(&self) -> String {
        format!("t{}-", &self.instance[self.instance.len() - 8..])
    }

    /// The site of this corner.
    pub fn site(&self) -> Site {
        Site {
            instance: self.instance.clone(),
            container_prefix: self.prefix(),
            state_dir: self.folder.join("state"),
            publish_ip: [127, 0, 0, 1].into(),
            container_host: "localhost".to_owned(),
        }
    }

    /// A database of this corner, on an official image's stand-in.
    #[track_caller]
    pub fn database(&self, name: &str, engine: EngineKind, reference: &str) -> Database {
        let recipe = db4sci::engine::recipe(engine);
        let defaults = recipe.defaults();
        let memory = Memory::mebibytes(256);
        let tag = reference.split(':').next_back().unwrap();
        let (target, port, command) = match engine {
            EngineKind::Postgres => ("/var/lib/postgresql/data", 5432, "postgres"),
            EngineKind::MariaDB => ("/var/lib/mysql", 3306, "mariadbd"),
            // Several folders or ports: tests/live has these.
            EngineKind::MongoDB | EngineKind::Neo4j => panic!("no corner for {engine}"),
        };
        Database {
            name: name.parse().unwrap(),
            uid: Uid(uuid::Uuid::new_v4()),
            generation: 1,
            source: Source::Api,
            given: serde_json::json!({}),
            labels: BTreeMap::new(),
            state: WantedState::Running,
            engine,
            image: Image {
                display: reference.to_owned(),
                reference: image(reference).parse().unwrap(),
                pinned: None,
                series: recipe.series(tag).unwrap(),
            },
            database: name.to_owned(),
            owner: "lab".to_owned(),
            contact: "lab@example.org".to_owned(),
            description: String::new(),
            facts: BTreeMap::new(),
            volume: Volume {
                label: "Standard".to_owned(),
                path: self.folder.join("volume"),
            },
            port: free_port().try_into().unwrap(),
            account: Account {
                user: name.to_owned(),
                role: AccountRole::Admin,
                password_file: None,
            },
            resources: Resources {
                memory,
                cpus: None,
                shm: Memory::mebibytes(64),
            },
            settings: recipe.settings(memory),
            config: None,
            time_zone: "UTC".parse().unwrap(),
            maintenance_window: Window::Any,
            on_lost: OnLost::Hold,
            backup: Default::default(),
            layout: Layout {
                ports: vec![port],
                data: vec![("/".to_owned(), target.to_owned())],
                command: vec![command.to_owned()],
                sentinel: defaults.sentinel.to_owned(),
                uid: defaults.uid,
            },
            tls: None,
            encryption: Default::default(),
            read_only: false,
            bound: None,
        }
    }
}

impl Drop for Corner {
    fn drop(&mut self) {
        for label in [LABEL_INSTANCE, LABEL_JOB_INSTANCE] {
            let filter = format!("label={label}={}", self.instance);
            let listed = Command::new("docker")
                .args(["ps", "-aq", "--no-trunc", "--filter", &filter])
                .output();
            let Ok(listed) = listed else { continue };
            let ids = String::from_utf8_lossy(&listed.stdout).into_owned();
            for id in ids.split_whitespace() {
                let _ = Command::new("docker").args(["rm", "-f", "-v", id]).output();
            }
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The hand of a person at the `docker` command line.
#[track_caller]
pub fn docker(arguments: &[&str]) -> String {
    let mut tries = 0..FREEZES;
    loop {
        let output = Command::new("docker")
            .args(arguments)
            .output()
            .unwrap_or_else(|e| panic!("docker: {e}; live tests need a Docker Engine (dev/setup)"));
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            return String::from_utf8_lossy(&output.stdout).trim().to_owned();
        }
        assert!(
            did_not_freeze(&said) && tries.next().is_some(),
            "docker {arguments:?}: {said}"
        );
    }
}

/// Tries to freeze a container, each of which takes runc some time.
pub const FREEZES: usize = 20;

/// Whether runc gave up a freeze, as it does at times on a busy host; it thaws what it had frozen.
pub fn did_not_freeze(said: &str) -> bool {
    said.contains("unable to freeze")
}

/// Asks again and again until there is an answer; panics with `what` at the deadline.
pub async fn until<T>(
    what: &str,
    deadline: Duration,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            begun.elapsed() < deadline,
            "not within {deadline:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
