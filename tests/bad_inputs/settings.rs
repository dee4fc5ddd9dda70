//! Mode, settings file, environment.

use std::collections::BTreeMap;
use std::fs;

use db4sci::settings::{Mode, Settings};

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    owned.collect()
}

/// What a `prod/config.yaml` of this text gets, with this environment.
fn errors(text: Option<&str>, pairs: &[(&str, &str)]) -> Vec<String> {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("prod")).unwrap();
    if let Some(text) = text {
        fs::write(home.path().join("prod/config.yaml"), text).unwrap();
    }
    let found = Settings::load(home.path(), Mode::Prod, &env(pairs));
    let below = format!("{}/", home.path().display());
    let problems = found.expect_err("this should have been refused");
    let lines = problems.iter().map(ToString::to_string);
    lines.map(|line| line.replace(&below, "")).collect()
}

const GOOD: &str = "container_host: db.example.org\ndataVolumes: [{label: A, path: /srv/a}]\n";

#[test]
fn the_mode() {
    for (pairs, expected) in [
        (
            &[][..],
            "DB4SCI_MODE: not set; allowed: prod, dev, test, demo",
        ),
        (
            &[("DB4SCI_MODE", "production")],
            "DB4SCI_MODE: `production` is not a mode; allowed: prod, dev, test, demo",
        ),
    ] {
        let problem = Mode::from_env(&env(pairs)).unwrap_err();
        assert_eq!(problem.to_string(), expected);
    }
}

#[test]
fn the_file() {
    for (text, expected) in [
        (
            None,
            &["prod/config.yaml: there is no such file; run `db4sci init` to write one"][..],
        ),
        (
            Some("container_hots: x\nbucket: y\n"),
            &[
                "prod/config.yaml:1:1: container_hots: unknown field; did you mean `container_host`?",
                "prod/config.yaml:2:1: bucket: unknown field; allowed: admins, backupVolume, \
                 base_port, container_host, container_ip, container_prefix, dataVolumes, dbconfig, \
                 desired_state, encryption, heartbeat, http, image_mirrors, limits, owners, retired, \
                 shipJournal, socket, state_dir, stewardship, stores, time_zone, tls",
            ],
        ),
        (
            Some("base_port: 32010\n"),
            &[
                "prod/config.yaml:1:1: container_host: missing; prod needs the host name that \
                 users connect to",
                "prod/config.yaml:1:1: dataVolumes: missing; prod needs the folders for data",
            ],
        ),
        (
            Some(&format!(
                "{GOOD}state_dir: var\nhttp: 5000\ncontainer_ip: any\ntime_zone: Mars\n\
                 container_prefix: A/\n"
            )),
            &[
                "prod/config.yaml:3:12: state_dir: `var` is no absolute path; write one, without \
                 `..`",
                "prod/config.yaml:4:7: http: `5000` is not an address and a port such as \
                 `127.0.0.1:5000`",
                "prod/config.yaml:5:15: container_ip: `any` is not an address such as `127.0.0.1`",
                "prod/config.yaml:6:12: time_zone: `Mars` is not a time zone; write an IANA name \
                 such as `America/Los_Angeles`",
                "prod/config.yaml:7:19: container_prefix: `A/` cannot begin a container's name; \
                 allowed: ^([a-z0-9][a-z0-9_.-]{0,19})?$",
            ],
        ),
        (
            Some(
                "container_host: x\ndataVolumes:\n  - {label: A, path: /a, engines: [Postgress]}\n  \
                 - {label: A, path: /b}\n  - {label: B, path: /b}\n",
            ),
            &[
                "prod/config.yaml:3:36: dataVolumes[0].engines[0]: `Postgress` is not an engine; \
                 did you mean `Postgres`? Allowed: ALL, Postgres, MariaDB, MongoDB, Neo4j",
                "prod/config.yaml:4:13: dataVolumes[1].label: `A` stands twice",
                "prod/config.yaml:5:22: dataVolumes[2].path: `/b` is `A`'s, too",
            ],
        ),
        (
            Some(&format!(
                "{GOOD}owners:\n  default: {{databases: -1}}\n  lab: {{memory: 4g}}\n  chem: {{disks: 2}}\n"
            )),
            &[
                "prod/config.yaml:4:24: owners.default.databases: `-1` is not allowed; at least 0",
                "prod/config.yaml:6:10: owners.chem.disks: unknown field; allowed: databases, memory",
            ],
        ),
        (
            Some(&format!("{GOOD}owners: {{lab: {{memory: 4g}}}}\n")),
            &[
                "prod/config.yaml:3:24: owners.lab.memory: `4g` is read in two ways (Kubernetes: not a \
                 unit, Compose: 4 GiB); write `4Gi`",
            ],
        ),
        (
            Some(&format!(
                "{GOOD}stores:\n  \
                 - {{name: a, bucket: bbb, endpoint: \"http://s3.example.org\", credentials: /c}}\n  \
                 - {{name: b, bucket: bbb, endpoint: \"http://[::1]:9000\", credentials: /c}}\n  \
                 - {{name: c, bucket: bbb, endpoint: \"http://127.0.0.1:9000/\", credentials: /c}}\n  \
                 - {{name: d, bucket: bbb, endpoint: \"http://x\", credentials: /c, allowInsecure: true}}\n  \
                 - {{name: e, bucket: bbb, endpoint: \"http://localhost.example\", credentials: /c}}\n  \
                 - {{name: f, path: /f, allowInsecure: true}}\n"
            )),
            &[
                "prod/config.yaml:4:38: stores[0].endpoint: `http://s3.example.org` goes over the \
                 network in the clear: backups are encrypted, but their names and sizes are not, and \
                 somebody in between can withhold them; write https://…, or `allowInsecure: true` \
                 beside it",
                "prod/config.yaml:8:38: stores[4].endpoint: `http://localhost.example` goes over the \
                 network in the clear: backups are encrypted, but their names and sizes are not, and \
                 somebody in between can withhold them; write https://…, or `allowInsecure: true` \
                 beside it",
                "prod/config.yaml:9:40: stores[5].allowInsecure: goes with `bucket`; a folder has none",
            ],
        ),
    ] {
        assert_eq!(errors(text, &[]), expected);
    }
}

#[test]
fn the_environment() {
    for (pair, expected) in [
        (
            ("DB4SCI_BASE_PROT", "33010"),
            "DB4SCI_BASE_PROT: unknown variable; did you mean `DB4SCI_BASE_PORT`?",
        ),
        (
            ("DB4SCI_BASE_PORT", "many"),
            "DB4SCI_BASE_PORT: `many` is not allowed; allowed: 2 to 65535",
        ),
        (
            ("DB4SCI_LIMITS_LANES", "0"),
            "DB4SCI_LIMITS_LANES: `0` is not allowed; allowed: 1 to 64",
        ),
        (
            ("DB4SCI_STATE_DIR", "here"),
            "DB4SCI_STATE_DIR: `here` is no absolute path; write one, without `..`",
        ),
        (
            ("DB4SCI_DATA_VOLUME", "here"),
            "DB4SCI_DATA_VOLUME: `here` is no absolute path; write one, without `..`",
        ),
        (
            ("DB4SCI_SHIP_JOURNAL", "2h"),
            "DB4SCI_SHIP_JOURNAL: `2h` is no time from `1s` to `60m`; write such as `10s`, `5m`, or \
             `Never`",
        ),
        (
            ("DB4SCI_SHIP_JOURNAL", "0s"),
            "DB4SCI_SHIP_JOURNAL: `0s` is no time from `1s` to `60m`; write such as `10s`, `5m`, or \
             `Never`",
        ),
        (("DB4SCI_HTTP", ""), "DB4SCI_HTTP: empty; a value is needed"),
        (
            ("DB4SCI_IMAGE_MIRRORS", "none.yaml"),
            "none.yaml: there is no such file; set `image_mirrors` to one, or remove it",
        ),
    ] {
        assert_eq!(errors(Some(GOOD), &[pair]), [expected]);
    }
}
