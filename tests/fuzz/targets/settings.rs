//! A settings file, and those that it names.

use std::collections::BTreeMap;
use std::fs;

use db4sci::settings::{Mode, Settings, template};
use db4sci::specs::{Catalog, ConfigFiles};

use super::{Check, Fate, Target, must};

pub const TARGET: Target = Target {
    name: "settings",
    words: &[
        "container_host: db.example.org\n",
        "container_ip: \"::1\"\n",
        "base_port: ",
        "state_dir: /var/lib/x\n",
        "socket: /run/x\n",
        "http: 127.0.0.1:5000\n",
        "dataVolumes: [{label: A, path: /srv/a}]\n",
        "dataVolumes:\n  - {label: B, path: /srv/b, engines: [Postgres], users: [a], encrypted: true}\n",
        "backupVolume: /srv/backup\n",
        "stores:\n  - {name: a, path: /srv/a}\n",
        "  - {name: b, bucket: bbb, endpoint: \"https://s3.example.org\", credentials: /c}\n",
        "encryption: {recipients: [age1]}\n",
        "image_mirrors: mirrors.yaml\n",
        "image_mirrors: ",
        "/dev/zero",
        "time_zone: Europe/Berlin\n",
        "heartbeat: {url: \"https://example.org/x\", every: 30s}\n",
        "retired: {data: 30d, backups: 365d}\n",
        "shipJournal: 10s\n",
        "limits: {lanes: 4, dumps: 2}\n",
        "tls: {certificate: a, key: b, ca: c}\n",
        "admins: [root]\n",
        "container_prefix: a-\n",
        "..",
        "/",
        "~",
        "[",
        "]",
        "{",
        "}",
        ": ",
        "\n",
        "\t",
        "\0",
        "é",
        "9999999999999999999d",
        "w",
        "m",
        ",",
    ],
    cases: 500,
    made: || {
        let modes = [Mode::Prod, Mode::Dev, Mode::Test, Mode::Demo];
        modes.map(|mode| template(mode).into_bytes()).to_vec()
    },
    repair: super::as_it_is,
    start,
};

fn start() -> Check {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("prod")).unwrap();
    fs::write(
        home.path().join("mirrors.yaml"),
        "postgres:17: lab/postgres:17\n",
    )
    .unwrap();
    let env = BTreeMap::new();
    Box::new(move |bytes| {
        fs::write(home.path().join("prod/config.yaml"), bytes).unwrap();
        match Settings::load(home.path(), Mode::Prod, &env) {
            Ok(settings) => {
                let _ = settings.site("instance");
                let _ = settings.rules(Catalog::default(), ConfigFiles::default(), None);
                Ok(Fate::Taken)
            }
            Err(problems) => {
                must(!problems.is_empty(), || "refused without a word".to_owned())?;
                for problem in problems {
                    let shown = problem.to_string();
                    let placed = problem.place.is_some() && !problem.message.is_empty();
                    must(placed && !shown.contains('\n'), || {
                        format!("without its place, or more than a line: {shown:?}")
                    })?;
                }
                Ok(Fate::Refused)
            }
        }
    })
}
