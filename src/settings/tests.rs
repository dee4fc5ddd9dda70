use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;

use super::*;

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    owned.collect()
}

/// A home folder with the settings file that `db4sci init` writes.
fn home(mode: Mode) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(mode.as_str());
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("config.yaml"), template(mode)).unwrap();
    home
}

#[test]
fn what_init_writes_is_what_is_committed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for mode in [Mode::Prod, Mode::Dev] {
        let path = root.join(mode.as_str()).join("config.yaml");
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(committed, template(mode), "{}", path.display());
    }
}

#[test]
fn what_init_writes_says_the_defaults() {
    for mode in Mode::ALL {
        let home = home(mode);
        let file = home.path().join(mode.as_str()).join("config.yaml");
        let file = file.to_str().unwrap();
        let all = Settings::load(home.path(), mode, &env(&[("DB4SCI_CONFIG", file)])).unwrap();
        let least = "container_host: h\ndataVolumes: [{label: Standard, path: /srv}]\n";
        fs::write(file, least).unwrap();
        let least = Settings::load(home.path(), mode, &env(&[("DB4SCI_CONFIG", file)])).unwrap();
        let same = Settings {
            container_host: least.container_host.clone(),
            data_volumes: least.data_volumes.clone(),
            ..all
        };
        assert_eq!(same, least, "{mode}");
    }
}

#[test]
fn what_stands_behind_a_hash_is_the_default() {
    for mode in Mode::ALL {
        let home = home(mode);
        let file = home.path().join(mode.as_str()).join("config.yaml");
        let hidden: String = template(mode)
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                // Not the two that name no default.
                Some(key) if key.starts_with("image_mirrors") => line,
                Some(key) if key.starts_with("backupVolume") => line,
                Some(key) if key.split(':').next().is_some_and(is_key) => key,
                Some(_) | None => line,
            })
            .flat_map(|line| [line, "\n"])
            .collect();
        fs::write(&file, &hidden).unwrap();
        let pairs = env(&[("DB4SCI_CONFIG", file.to_str().unwrap())]);
        let shown = Settings::load(home.path(), mode, &pairs).unwrap();
        fs::write(&file, template(mode)).unwrap();
        let default = Settings::load(home.path(), mode, &pairs).unwrap();
        assert_eq!(shown, default, "{hidden}");
    }
}

fn is_key(word: &str) -> bool {
    [
        "socket",
        "http",
        "desired_state",
        "dbconfig",
        "container_prefix",
        "retired",
        "  data",
        "shipJournal",
        "limits",
        "  lanes",
    ]
    .contains(&word)
}

#[test]
fn test_and_demo_need_no_file() {
    let home = Path::new("/nowhere");
    let demo = Settings::load(home, Mode::Demo, &env(&[])).unwrap();
    assert_eq!(demo.state_dir, Path::new("/var/lib/db4sci-demo"));
    assert_eq!(demo.socket, Path::new("/var/lib/db4sci-demo/db4sci.sock"));
    assert_eq!(
        demo.data_volumes[0].path,
        Path::new("/var/lib/db4sci-demo/data")
    );
    assert_eq!(demo.desired_state, Path::new("/nowhere/desired-state"));
    assert!(demo.container_ip.is_loopback());
    let prod = home_settings(Mode::Prod, &[]);
    assert!(prod.container_ip.is_unspecified());
    assert_eq!(prod.base_port, 32010);
}

fn home_settings(mode: Mode, pairs: &[(&str, &str)]) -> Settings {
    let home = home(mode);
    Settings::load(home.path(), mode, &env(pairs)).unwrap()
}

#[test]
fn the_environment_overrides_each_single_value() {
    let mirrors = tempfile::NamedTempFile::new().unwrap();
    fs::write(mirrors.path(), "\"postgres:17\": \"lab/postgres:17\"\n").unwrap();
    let settings = home_settings(
        Mode::Dev,
        &[
            ("DB4SCI_MODE", "dev"),
            ("DB4SCI_LOG", "debug"),
            ("DB4SCI_LAB", "1"),
            ("DB4SCI_LAB_DIR", "/x"),
            ("PATH", "/bin"),
            ("DB4SCI_CONTAINER_HOST", "db.example.org"),
            ("DB4SCI_CONTAINER_IP", "::1"),
            ("DB4SCI_BASE_PORT", "33010"),
            ("DB4SCI_STATE_DIR", "/tmp/state"),
            ("DB4SCI_SOCKET", "/tmp/state/s"),
            ("DB4SCI_HTTP", "127.0.0.1:5001"),
            ("DB4SCI_DESIRED_STATE", "/tmp/desired"),
            ("DB4SCI_DBCONFIG", "conf"),
            ("DB4SCI_BACKUP_VOLUME", "/tmp/backup"),
            ("DB4SCI_SHIP_JOURNAL", "3m"),
            ("DB4SCI_CONTAINER_PREFIX", "t1-"),
            ("DB4SCI_IMAGE_MIRRORS", mirrors.path().to_str().unwrap()),
            ("DB4SCI_TIME_ZONE", "Europe/Berlin"),
            ("DB4SCI_LIMITS_LANES", "2"),
            ("DB4SCI_DATA_VOLUME", "/tmp/data"),
        ],
    );
    assert_eq!(settings.container_host, "db.example.org");
    assert_eq!(settings.container_ip.to_string(), "::1");
    assert_eq!(settings.base_port, 33010);
    assert_eq!(settings.state_dir, Path::new("/tmp/state"));
    assert_eq!(settings.socket, Path::new("/tmp/state/s"));
    assert_eq!(settings.http.port(), 5001);
    assert_eq!(settings.desired_state, Path::new("/tmp/desired"));
    assert!(settings.dbconfig.ends_with("conf"));
    let folder = StorePlace::Folder {
        path: PathBuf::from("/tmp/backup"),
        own: false,
    };
    assert_eq!(settings.stores[0].place, folder);
    assert_eq!(settings.container_prefix, "t1-");
    assert_eq!(settings.ship_journal, Some(Duration::from_secs(180)));
    assert_eq!(
        settings.image_mirrors["postgres:17"].as_str(),
        "lab/postgres:17"
    );
    assert_eq!(settings.time_zone.to_string(), "Europe/Berlin");
    assert_eq!(settings.limits.lanes, 2);
    assert_eq!(settings.data_volumes.len(), 1);
    assert_eq!(settings.data_volumes[0].path, Path::new("/tmp/data"));
}

#[test]
fn the_journal_is_shipped_every_few_seconds_or_never() {
    let shipped =
        |text: &str| home_settings(Mode::Dev, &[("DB4SCI_SHIP_JOURNAL", text)]).ship_journal;
    let seconds = |n| Some(Duration::from_secs(n));
    assert_eq!(home_settings(Mode::Prod, &[]).ship_journal, seconds(10));
    for (text, expected) in [("1s", seconds(1)), ("60m", seconds(3600)), ("Never", None)] {
        assert_eq!(shipped(text), expected, "{text}");
    }
}

#[test]
fn a_volume_is_for_some_engines_and_some_owners() {
    let home = home(Mode::Prod);
    let text = "container_host: h\nadmins: [root]\ndataVolumes:\n  \
        - {label: A, path: /a, engines: [Postgres, MariaDB], users: [Admin, chem]}\n  \
        - {label: B, path: /b, engines: [ALL], users: ALL, encrypted: true}\n";
    fs::write(home.path().join("prod/config.yaml"), text).unwrap();
    let settings = Settings::load(home.path(), Mode::Prod, &env(&[])).unwrap();
    let [a, b] = settings.data_volumes.as_slice() else {
        panic!("two volumes")
    };
    let (postgres, mongo) = ("Postgres".parse().unwrap(), "MongoDB".parse().unwrap());
    for (volume, engine, owner, allowed) in [
        (a, postgres, "chem", true),
        (a, postgres, "root", true),
        (a, postgres, "bio", false),
        (a, mongo, "chem", false),
        (b, mongo, "bio", true),
    ] {
        assert_eq!(volume.allows(engine, owner, &settings.admins), allowed);
    }
    assert!(b.encrypted && !a.encrypted);
}

#[test]
fn an_owner_has_its_own_limits_or_those_of_default() {
    let home = home(Mode::Prod);
    let text = "container_host: h\ndataVolumes: [{label: A, path: /a}]\nowners:\n  \
        default: {databases: 10, memory: 32Gi}\n  genomics-lab: {databases: 40}\n  free: {}\n";
    fs::write(home.path().join("prod/config.yaml"), text).unwrap();
    let settings = Settings::load(home.path(), Mode::Prod, &env(&[])).unwrap();
    let has = |owner: &str| {
        let limits = settings.owners.of(owner);
        let memory = limits.memory.map(|memory| memory.to_string());
        (limits.databases, memory, settings.owners.key(owner))
    };
    let memory = Some("32Gi".to_owned());
    assert_eq!(has("chem"), (Some(10), memory, "owners.default".to_owned()));
    assert_eq!(
        has("genomics-lab"),
        (Some(40), None, "owners.genomics-lab".to_owned())
    );
    assert_eq!(has("free"), (None, None, "owners.free".to_owned()));
}

#[test]
fn what_is_done_about_lives_that_are_over_is_said_in_full_and_in_order() {
    let enforce = |stewardship: &str| {
        let text = format!(
            "container_host: h\ndataVolumes: [{{label: A, path: /a}}]\nstewardship: {stewardship}\n"
        );
        let home = home(Mode::Prod);
        fs::write(home.path().join("prod/config.yaml"), text).unwrap();
        let read = Settings::load(home.path(), Mode::Prod, &env(&[]));
        read.map(|settings| settings.enforce)
            .map_err(|problems| problems[0].to_string())
    };
    let days = |read_only, hibernate| Enforce {
        read_only_after: TimeDelta::days(read_only),
        hibernate_after: TimeDelta::days(hibernate),
    };
    assert_eq!(enforce("{life: Notify}"), Ok(None));
    assert_eq!(enforce("{life: Enforce}"), Ok(Some(days(14, 60))));
    assert_eq!(
        enforce("{life: Enforce, readOnlyAfter: 30d, hibernateAfter: 90d}"),
        Ok(Some(days(30, 90)))
    );
    let sooner = enforce("{life: Enforce, hibernateAfter: 7d}").unwrap_err();
    assert!(
        sooner.contains("`7d` is sooner than its users are held to reading"),
        "{sooner}"
    );
    let alone = enforce("{readOnlyAfter: 7d}").unwrap_err();
    assert!(alone.contains("write `Enforce`, or `Notify`"), "{alone}");
    let wrong = enforce("{life: Stop}").unwrap_err();
    assert!(
        wrong.contains("Notify") && wrong.contains("Enforce"),
        "{wrong}"
    );
}
