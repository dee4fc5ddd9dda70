use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::model::{EngineKind, ImageId};
use crate::runtime::fixture::{database, site};

fn image() -> ImageSeen {
    ImageSeen {
        id: ImageId(format!("sha256:{}", "a1".repeat(32))),
        entrypoint: vec!["docker-entrypoint.sh".to_owned()],
        volumes: Vec::new(),
    }
}

/// What is written for a database, the compose file read back.
fn files(db: &Database) -> (ReleasedFiles, Value) {
    let site = site(Path::new("/var/lib/db4sci"));
    let to = PathBuf::from("/srv/data/genomics.ejected");
    let files = released(db, &site, &image(), &to).unwrap();
    let (name, text) = &files.texts[0];
    assert_eq!(name, COMPOSE_FILE);
    let compose = serde_yaml::from_str(text).unwrap();
    (files, compose)
}

/// Sources and targets of a service's mounts. Nothing is made where a source is missing.
fn sources(service: &Value) -> Vec<(&str, &str)> {
    let volumes = service["volumes"].as_array().unwrap().iter();
    volumes
        .map(|volume| {
            assert_eq!(volume["bind"]["create_host_path"], false);
            let text = |field: &str| volume[field].as_str().unwrap();
            (text("source"), text("target"))
        })
        .collect()
}

#[test]
fn the_container_is_as_db4sci_would_make_it_without_what_db4sci_needs() {
    let mut db = database("genomics", Path::new("/srv/data"));
    db.port = 32019.try_into().unwrap();
    let (_, compose) = files(&db);
    let service = &compose["services"]["genomics"];
    assert_eq!(service["image"].as_str(), Some(image().id.as_str()));
    assert_eq!(service["pull_policy"], "never");
    assert_eq!(service["entrypoint"], Value::Null, "the image's own");
    let command = service["command"].as_array().unwrap();
    assert_eq!(command[0], "postgres");
    assert_eq!(command[2], "config_file=/db4sci/config/postgresql.conf");
    assert_eq!(
        (&service["mem_limit"], &service["memswap_limit"]),
        (&Value::from(512 << 20), &Value::from(512 << 20))
    );
    assert_eq!(
        service["stop_grace_period"].as_str().map(str::is_empty),
        Some(false)
    );
    let port = &service["ports"][0];
    assert_eq!(
        (&port["target"], &port["published"], &port["host_ip"]),
        (&5432.into(), &"32019".into(), &"127.0.0.1".into())
    );
    assert_eq!(
        sources(service),
        [
            ("/srv/data/genomics/data", "/var/lib/postgresql/data"),
            ("/srv/data/genomics/backup", "/var/lib/postgresql/backup"),
            ("./secrets", "/db4sci/secrets"),
            ("./config", "/db4sci/config"),
        ]
    );
    let all = compose.to_string();
    for gone in ["guard", "marker", "db4sci.uid", "/var/lib/db4sci"] {
        assert!(!all.contains(gone), "{gone}: {all}");
    }
    assert_eq!(
        service["environment"]["POSTGRES_PASSWORD_FILE"],
        "/db4sci/secrets/admin"
    );
}

#[test]
fn other_engines_keep_their_own_mounts_and_entrypoints() {
    let mut db = database("genomics", Path::new("/srv/data"));
    db.engine = EngineKind::MongoDB;
    let (_, compose) = files(&db);
    let all = sources(&compose["services"]["genomics"]);
    assert!(
        all.iter()
            .any(|(s, t)| s.starts_with("./config/") && t.starts_with("/docker-entrypoint")),
        "{all:?}"
    );
    db.engine = EngineKind::Neo4j;
    let (_, compose) = files(&db);
    let service = &compose["services"]["genomics"];
    assert_eq!(
        service["entrypoint"],
        serde_json::json!(["env", "--chdir=/db4sci/config", "docker-entrypoint.sh"])
    );
    let mounted = sources(service);
    let config = mounted.iter().filter(|(source, _)| *source == "./config");
    assert_eq!(config.count(), 2, "{mounted:?}");
}

#[test]
fn a_dollar_sign_is_no_variable_of_compose() {
    let mut db = database("genomics", Path::new("/srv/da$ta"));
    db.layout.command = vec!["postgres".to_owned(), "-c".to_owned(), "x=$HOME".to_owned()];
    let (_, compose) = files(&db);
    let service = &compose["services"]["genomics"];
    assert_eq!(service["command"][2], "x=$$HOME");
    assert_eq!(sources(service)[0].0, "/srv/da$$ta/genomics/data");
}

#[test]
fn the_text_says_how_to_run_it_and_where_everything_is() {
    let mut db = database("genomics", Path::new("/srv/data"));
    let readme = |db: &Database| files(db).0.texts[1].1.clone();
    let text = readme(&db);
    for word in [
        "cd /srv/data/genomics.ejected",
        "docker compose up -d",
        "/srv/data/genomics`",
        "postgres:17",
        image().id.as_str(),
        "127.0.0.1:32011",
        "secrets/user",
        "db4sci delete genomics --forget",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(!text.contains("certificate"), "{text}");
    db.tls = Some(Default::default());
    assert!(readme(&db).contains("Nobody renews them any more"));
}

#[test]
fn what_is_removed_are_the_files_that_are_written() {
    let (written, _) = files(&database("genomics", Path::new("/srv/data")));
    let names = |files: &ReleasedFiles| -> Vec<String> {
        files.texts.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&folders()), names(&written));
    assert_eq!(
        (folders().secrets, folders().config),
        (written.secrets, written.config)
    );
}
