//! The words of scenario files, and what they stand for.

use std::path::Path;

use chrono::TimeDelta;
use serde_json::Value;
use uuid::Uuid;

use db4sci::engine;
use db4sci::model::{
    ContainerId, ContainerSeen, DataSeen, Database, ImageId, ImageSeen, Marker, MarkerState, Probe,
    Silence, Site, Source, Status, Timestamp, Uid,
};
use db4sci::specs::parse::from_json;
use db4sci::specs::{self, Catalog, ConfigFiles, Request, Rules, VolumeRule};

/// A time: `90s`, `15m`, `2h`, `1d`, `-1h`.
pub fn span(text: &str) -> TimeDelta {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (number, unit) = text.split_at(text.len() - 1);
    let number: i32 = number.parse().unwrap_or_else(|e| panic!("`{text}`: {e}"));
    let unit = match unit {
        "s" => TimeDelta::seconds(1),
        "m" => TimeDelta::minutes(1),
        "h" => TimeDelta::hours(1),
        "d" => TimeDelta::days(1),
        _ => panic!("`{text}`: write s, m, h or d"),
    };
    unit * number * sign
}

pub fn image_id(word: &str) -> ImageId {
    ImageId(format!("sha256:{word}"))
}

pub fn image(word: &str) -> ImageSeen {
    ImageSeen {
        id: image_id(word),
        entrypoint: vec!["docker-entrypoint.sh".to_owned()],
        volumes: vec!["/var/lib/postgresql/data".to_owned()],
    }
}

pub fn site() -> Site {
    Site {
        instance: "scenarios".to_owned(),
        container_prefix: String::new(),
        state_dir: "/state".into(),
        publish_ip: [127, 0, 0, 1].into(),
        container_host: "db.example.org".to_owned(),
    }
}

pub fn rules() -> Rules {
    let catalog = "Postgres:\n  dbengine: Postgres\n  pub_ports: [5432]\n  volumes:\n    - [DBVOL, \
                   /, /var/lib/postgresql/data]\n  command: postgres\n  images:\n    - \
                   [PostgreSQL 17, \"postgres:17\"]\n    - [PostgreSQL 17.6, \"postgres:17.6\"]\n";
    Rules {
        catalog: Catalog::parse(catalog, Path::new("catalog.yaml")).unwrap(),
        mirrors: Default::default(),
        volumes: vec![VolumeRule {
            label: "Standard".to_owned(),
            path: "/data".into(),
            engines: None,
            users: None,
            encrypted: false,
        }],
        admins: Vec::new(),
        host: None,
        base_port: 32010,
        reserved: Default::default(),
        taken: Default::default(),
        owners: Default::default(),
        shares: Default::default(),
        stores: ["local".to_owned()].into(),
        time_zone: "UTC".parse().unwrap(),
        config_files: ConfigFiles::default(),
    }
}

pub fn own() -> Uid {
    Uid(Uuid::from_u128(1))
}

pub fn admit(spec: &Value, earlier: Option<&Database>) -> Database {
    let parsed = from_json("genomics", spec, Path::new("spec")).unwrap();
    let request = Request {
        parsed: &parsed,
        source: Source::File("genomics.yaml".into()),
    };
    specs::admit(&request, earlier, &rules(), own()).unwrap()
}

/// The container that the recipe makes, running since an hour.
pub fn made(db: &Database, now: Timestamp) -> ContainerSeen {
    let recipe = engine::recipe(db.engine);
    let spec = recipe.container(db, &site(), &image("17"));
    ContainerSeen {
        status: Status::Running,
        started_at: Some(now - TimeDelta::hours(1)),
        ..spec.made(ContainerId("c0ffee".to_owned()))
    }
}

pub fn data(word: &str) -> DataSeen {
    let marker = |state| Some(Marker { uid: own(), state });
    let whole = DataSeen {
        marker: marker(MarkerState::Initialised),
        dirs_exist: true,
        empty: false,
        sentinel: true,
        inner_uid: Some(own()),
        identity: None,
        tight: None,
    };
    match word {
        "whole" => whole,
        "empty" => DataSeen {
            empty: true,
            sentinel: false,
            inner_uid: None,
            ..whole
        },
        "gone" => DataSeen {
            dirs_exist: false,
            empty: true,
            sentinel: false,
            inner_uid: None,
            ..whole
        },
        "prepared" => DataSeen {
            marker: marker(MarkerState::Initialising),
            empty: true,
            sentinel: false,
            inner_uid: None,
            ..whole
        },
        "half-made" => DataSeen {
            marker: marker(MarkerState::Initialising),
            inner_uid: None,
            ..whole
        },
        "foreign" => DataSeen {
            inner_uid: Some(Uid(Uuid::from_u128(2))),
            ..whole
        },
        other => panic!("data: {other}"),
    }
}

pub fn answers(since: Timestamp) -> Probe {
    Probe::Answering {
        since,
        version: "17.5".to_owned(),
        account: true,
        further: Default::default(),
        resorted: Default::default(),
        connections: Some(12),
    }
}

pub fn silent(since: Timestamp, answered_before: bool, refused: bool) -> Probe {
    Probe::Silent {
        since,
        failures: 30,
        why: "no answer".to_owned(),
        cause: if refused {
            Silence::Refused
        } else {
            Silence::Unexplained
        },
        answered_before,
    }
}
