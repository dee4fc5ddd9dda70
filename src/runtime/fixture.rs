//! A database for tests of this folder.

use std::path::Path;

use crate::model::database::{
    Account, AccountRole, Image, Layout, OnLost, Resources, Volume, Window,
};
use crate::model::{Database, EngineKind, Memory, Site, Source, Uid, WantedState};

/// A PostgreSQL database on a volume at `volume`, owned by the user who runs the test.
pub fn database(name: &str, volume: &Path) -> Database {
    Database {
        name: name.parse().unwrap(),
        uid: Uid(uuid::Uuid::new_v4()),
        generation: 1,
        source: Source::Api,
        given: serde_json::json!({"engine": "Postgres"}),
        labels: Default::default(),
        state: WantedState::Running,
        engine: EngineKind::Postgres,
        image: Image {
            display: "PostgreSQL 17".to_owned(),
            reference: "postgres:17".parse().unwrap(),
            pinned: None,
            series: "17".to_owned(),
        },
        database: name.to_owned(),
        owner: "lab".to_owned(),
        contact: "lab@example.org".to_owned(),
        description: String::new(),
        facts: Default::default(),
        volume: Volume {
            label: "Standard".to_owned(),
            path: volume.to_owned(),
        },
        port: 32011.try_into().unwrap(),
        account: Account {
            user: name.to_owned(),
            role: AccountRole::Admin,
            password_file: None,
        },
        resources: Resources {
            memory: Memory::mebibytes(512),
            cpus: None,
            shm: Memory::mebibytes(64),
        },
        settings: Default::default(),
        config: None,
        time_zone: "UTC".parse().unwrap(),
        maintenance_window: Window::Any,
        on_lost: OnLost::Hold,
        backup: Default::default(),
        layout: Layout {
            ports: vec![5432],
            data: vec![
                ("/data".to_owned(), "/var/lib/postgresql/data".to_owned()),
                (
                    "/backup".to_owned(),
                    "/var/lib/postgresql/backup".to_owned(),
                ),
            ],
            command: vec!["postgres".to_owned()],
            sentinel: "PG_VERSION".to_owned(),
            uid: rustix::process::geteuid().as_raw(),
        },
        tls: None,
        encryption: Default::default(),
        read_only: false,
        bound: None,
    }
}

/// A site with its state directory there.
pub fn site(state_dir: &Path) -> Site {
    Site {
        instance: "test".to_owned(),
        container_prefix: String::new(),
        state_dir: state_dir.to_owned(),
        publish_ip: [127, 0, 0, 1].into(),
        container_host: "localhost".to_owned(),
    }
}
