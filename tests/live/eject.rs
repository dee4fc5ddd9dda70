//! A database that is released from db4sci: whoever has its folder can run it, and db4sci never touches it
//! again; a daemon that dies in between finishes that, or goes back.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use db4sci::model::view::Phase;
use serde_json::Value;

use crate::host::{Host, LONG, MariaDB, MongoDB, Neo4j, Postgres, SOON, Server, eventually};

const ADMIN: &str = "mydb_admin";

/// A refusal that names these.
#[track_caller]
fn refused(host: &Host, args: &[&str], words: &[&str]) {
    let said = host.db4sci(args);
    assert_eq!(said.code, 1, "{args:?}: {}", said.all());
    for word in words.iter().chain(&["nothing was changed"]) {
        assert!(said.err.contains(word), "{args:?}: {word}: {}", said.err);
    }
}

fn words(value: &Value) -> Vec<String> {
    let all = value.as_array().into_iter().flatten();
    all.map(text).collect()
}

/// A text of the compose file as compose takes it.
fn text(value: &Value) -> String {
    let text = value.as_str().map(str::to_owned);
    text.unwrap_or_else(|| value.to_string()).replace("$$", "$")
}

/// Runs what a compose file describes, as `docker compose up -d` would; gives the container's name.
#[track_caller]
fn up(host: &Host, folder: &Path) -> String {
    let compose = fs::read_to_string(folder.join("compose.yaml")).unwrap();
    let compose: Value = serde_yaml::from_str(&compose).unwrap();
    let services = compose["services"].as_object().unwrap();
    let service = services.values().next().unwrap();
    let name = text(&service["container_name"]);
    let mut args = vec!["run".to_owned(), "-d".to_owned()];
    let mut give = |flag: &str, value: String| args.extend([flag.to_owned(), value]);
    give("--name", name.clone());
    give("--label", host.label());
    give("--memory", text(&service["mem_limit"]));
    give("--memory-swap", text(&service["memswap_limit"]));
    give("--shm-size", text(&service["shm_size"]));
    give("--stop-signal", text(&service["stop_signal"]));
    for (key, value) in service["environment"].as_object().unwrap() {
        give("--env", format!("{key}={}", text(value)));
    }
    for port in service["ports"].as_array().unwrap() {
        let (ip, outside) = (text(&port["host_ip"]), text(&port["published"]));
        give("--publish", format!("{ip}:{outside}:{}", port["target"]));
    }
    for volume in service["volumes"].as_array().unwrap() {
        let source = folder.join(text(&volume["source"]).trim_start_matches("./"));
        let only = if volume["read_only"] == true {
            ",readonly"
        } else {
            ""
        };
        let (source, target) = (source.display(), text(&volume["target"]));
        give(
            "--mount",
            format!("type=bind,source={source},target={target}{only}"),
        );
    }
    // Docker takes the first word of it alone; the others come before the command.
    let mut entrypoint = words(&service["entrypoint"]).into_iter();
    if let Some(first) = entrypoint.next() {
        args.extend(["--entrypoint".to_owned(), first]);
    }
    args.push(text(&service["image"]));
    args.extend(entrypoint);
    args.extend(words(&service["command"]));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    host.docker(&args);
    name
}

/// The rows, asked of the container itself with the account's password of the secret file.
#[track_caller]
fn rows(host: &Host, container: &str, name: &str) -> String {
    rows_of(host, container, name, Postgres)
}

/// The same of any engine.
#[track_caller]
fn rows_of(host: &Host, container: &str, name: &str, server: Server) -> String {
    const PASSWORD: &str = "$(cat /db4sci/secrets/user)";
    let ask = match server {
        Postgres => format!(
            "PGPASSWORD={PASSWORD} psql -h 127.0.0.1 -U {name} -d {name} -Atc \
             'select string_agg(n::text, chr(32) order by n) from kept'"
        ),
        MariaDB => format!(
            "mariadb -h127.0.0.1 -u{name} -p{PASSWORD} -N -B {name} -e \
             'select group_concat(n order by n separator \" \") from kept'"
        ),
        MongoDB => format!(
            "mongosh --quiet mongodb://{name}:{PASSWORD}@127.0.0.1:27017/{name} --eval \
             'db.kept.find().sort({{_id: 1}}).toArray().map(row => row._id).join(\" \")'"
        ),
        Neo4j => format!(
            "rows=$(cypher-shell -u {name} -p {PASSWORD} --format plain \
             'MATCH (row:Kept) RETURN row.n ORDER BY row.n') && echo $rows | cut -d ' ' -f 2-"
        ),
    };
    eventually(LONG, "it answers", || {
        let said = host.try_docker(&["exec", container, "sh", "-c", &ask]);
        if said.code == 0 {
            Ok(said.out.trim().to_owned())
        } else {
            Err(said.err)
        }
    })
}

/// What must hold of a database that was released, and that nobody runs yet.
#[track_caller]
fn released(host: &Host, name: &str) {
    host.shows(name, LONG, "released", |view| view.phase == Phase::Ejected);
    assert!(host.inspect(&host.name(name)).is_none());
    let state = host.path(&format!("volume/.db4sci/{name}/state"));
    assert_eq!(fs::read_to_string(state).unwrap(), "ejected\n");
    let folder = host.path(&format!("volume/{name}.ejected"));
    for (file, mode) in [
        ("", 0o700),
        ("secrets/user", 0o400),
        ("secrets/admin", 0o400),
    ] {
        let path = folder.join(file);
        let found = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(found, mode, "{}", path.display());
    }
    let secret = fs::read_to_string(folder.join("secrets/user")).unwrap();
    for file in ["compose.yaml", "README.md"] {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        assert!(!text.contains(secret.trim()), "{file}");
    }
}

#[test]
fn each_engine_runs_from_its_folder() {
    let mut host = Host::new();
    host.start();
    host.ready(&[ADMIN]);
    let all = [("shop", MariaDB), ("docs", MongoDB), ("graph", Neo4j)];
    for (name, server) in all {
        // As a file it would be that file's to let go.
        host.spec(name, server, &["backup: {schedule: Never}"]);
        let file = host.path(&format!("desired-state/{name}.yaml"));
        let spec = host.path(&format!("{name}.yaml"));
        fs::rename(&file, &spec).unwrap();
        host.ok(&["apply", "-f", &spec.display().to_string()]);
    }
    host.ready(&all.map(|(name, _)| name));
    for (name, server) in all {
        host.write(name, 1);
        host.write(name, 2);
        eventually(LONG, "it is released", || {
            let said = host.db4sci(&["eject", name, "--reason", "the group runs it"]);
            (said.code == 0).then_some(()).ok_or(said.all())
        });
        released(&host, name);
        host.was_wanted_by_somebody(name, "eject_began");
        let container = up(&host, &host.path(&format!("volume/{name}.ejected")));
        assert_eq!(rows_of(&host, &container, name, server), "1 2", "{name}");
        host.docker(&["rm", "-f", "-v", &container]);
    }
}

#[test]
fn what_is_released_runs_from_its_folder_and_is_never_touched_again() {
    let mut host = Host::new();
    host.spec("proteomics", Postgres, &[]);
    host.start();
    host.ready(&[ADMIN, "proteomics"]);
    host.insert("genomics");
    host.write("genomics", 1);
    host.ok(&["backup", "now", "genomics", "--wait"]);
    host.write("genomics", 2);
    let uid = host.view("genomics").unwrap().uid;
    let run = host.run_of("genomics");
    let why = &["--reason", "the group runs it"];
    let eject = |name: &'static str| ["eject", name, why[0], why[1]];

    refused(&host, &eject(ADMIN), &["own memory"]);
    refused(
        &host,
        &eject("proteomics"),
        &["proteomics.yaml", "remove that file"],
    );
    refused(
        &host,
        &["eject", "genomics", "--reason", " "],
        &["needs a reason"],
    );
    assert_eq!(host.db4sci(&["eject", "genomics"]).code, 2);
    let said = host.db4sci(&["eject", "nothing", why[0], why[1]]);
    assert!(
        said.code == 1 && said.err.contains("nothing"),
        "{}",
        said.all()
    );
    let volume = host.path("volume");
    for (to, word) in [
        ("here".to_owned(), "absolute"),
        (
            host.path("state/out").display().to_string(),
            "choose another",
        ),
        (
            volume.join("proteomics/out").display().to_string(),
            "choose another",
        ),
        (volume.join("missing/out").display().to_string(), "missing"),
    ] {
        let args = ["eject", "genomics", "--to", &to, why[0], why[1]];
        // The backup is proven first, by itself.
        eventually(LONG, &to, || {
            let said = host.db4sci(&args);
            let as_expected = said.code == 1 && said.err.contains(word);
            as_expected.then_some(()).ok_or(said.all())
        });
    }
    host.ok(&["maintenance", "on", "genomics"]);
    refused(&host, &eject("genomics"), &["hands are off"]);
    host.ok(&["maintenance", "off", "genomics"]);
    host.ready(&["genomics"]);
    // Nothing had been begun, but for the folder that could not be made: that was taken back.
    let again = host.run_of("genomics");
    assert_eq!(again.id, run.id);

    let said = eventually(LONG, "nothing else is done", || {
        let said = host.db4sci(&eject("genomics"));
        if said.code == 0 {
            Ok(said)
        } else {
            Err(said.all())
        }
    });
    assert!(said.out.contains("README.md"), "{}", said.out);
    released(&host, "genomics");
    let told = host.told_events("genomics");
    assert!(told.contains("the group runs it"), "{told}");

    let folder = volume.join("genomics.ejected");
    let container = up(&host, &folder);
    assert_eq!(rows(&host, &container, "genomics"), "1 2");
    let theirs = host.inspect(&container).unwrap().run();

    // Whatever is asked of db4sci, and whatever daemon comes: nothing of it is touched.
    for args in [
        &["restart", "genomics"][..],
        &["stop", "genomics"],
        &["backup", "now", "genomics"],
        &["rename", "genomics", "gen"],
        &["delete", "genomics"],
        &["rotate", "genomics"],
        &["eject", "genomics", why[0], why[1]],
    ] {
        let said = host.db4sci(args);
        assert!(
            said.code == 1 && said.err.contains("released"),
            "{args:?}: {}",
            said.all()
        );
    }
    host.stop();
    host.start();
    host.ready(&[ADMIN, "proteomics"]);
    host.shows("genomics", SOON, "released", |view| {
        view.phase == Phase::Ejected
    });
    assert_eq!(host.inspect(&container).unwrap().run(), theirs);
    let status = host.ok(&["status"]);
    assert!(!status.contains("genomics"), "{status}");

    // Its backups stay, for another database.
    let listed: Value =
        serde_json::from_str(&host.ok(&["backup", "list", "genomics", "-o", "json"])).unwrap();
    let id = text(&listed[0]["id"]);
    host.ok(&["restore", "genomics", "--from", &id, "--as", "copy"]);
    assert_eq!(
        host.try_sql("copy", "select count(*) from kept").unwrap(),
        "1"
    );

    // The name is free by a person's word alone, and what lies there is in the way of nobody's data.
    let spec = r#"{"engine":"Postgres","owner":"lab","contact":"lab@example.org","resources":{"memory":"192Mi"}}"#;
    let again = format!("update state set spec = '{spec}' where name = 'genomics'");
    let _ = host.try_sql(ADMIN, &again);
    host.shows("genomics", SOON, "still released", |view| {
        view.phase == Phase::Ejected
    });
    host.ok(&["delete", "genomics", "--forget"]);
    eventually(SOON, "it is shown no more", || {
        match host.view("genomics") {
            None => Ok(()),
            Some(view) => Err(view.message),
        }
    });
    assert_eq!(host.inspect(&container).unwrap().run(), theirs);
    assert_eq!(rows(&host, &container, "genomics"), "1 2");
    let inner = host.path("volume/.db4sci/genomics/uid");
    assert_eq!(fs::read_to_string(inner).unwrap().trim(), uid.to_string());
}

#[test]
fn the_daemon_killed_at_any_step_of_a_release_finishes_it_or_goes_back() {
    let mut host = Host::new();
    host.start();
    host.ready(&[ADMIN]);
    let stages = ["begun", "written", "down", "removed", "marked", "ended"];
    for stage in stages {
        let name = format!("db{stage}");
        host.insert(&name);
        host.write(&name, 1);
        host.stop();
        host.start_with(&[("DB4SCI_FAILPOINT", &format!("eject.{stage}"))]);
        host.ready(&[&name, ADMIN]);
        let said = host.db4sci(&["eject", &name, "--reason", "a test"]);
        assert_eq!(said.code, 1, "{stage}: {}", said.all());
        host.wait_killed();
        host.start();
        released(&host, &name);
        let container = up(&host, &host.path(&format!("volume/{name}.ejected")));
        // One server at a time, for the memory of the machine.
        assert_eq!(rows(&host, &container, &name), "1", "{stage}");
        host.docker(&["rm", "-f", &container]);
    }

    // Something is in the way when the next daemon wants to finish it: it goes back.
    host.insert("genomics");
    host.write("genomics", 1);
    host.stop();
    host.start_with(&[("DB4SCI_FAILPOINT", "eject.removed")]);
    host.ready(&["genomics", ADMIN]);
    host.db4sci(&["eject", "genomics", "--reason", "a test"]);
    host.wait_killed();
    let folder = host.path("volume/genomics.ejected");
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("theirs"), "kept").unwrap();
    host.start();
    host.shows("genomics", LONG, "back", |view| view.phase == Phase::Ready);
    assert_eq!(host.rows("genomics"), [1]);
    assert!(folder.join("theirs").exists() && !folder.join("secrets").exists());
    let told = host.told_events("genomics");
    assert!(told.contains("stays with db4sci"), "{told}");
}
