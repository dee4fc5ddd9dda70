//! The interlock: a database that held data never starts on an empty, wrong or doubly used folder.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use db4sci::model::Reason;
use db4sci::model::view::Phase;
use rustix::process::{Pid, Signal, kill_process};

use crate::host::{
    Host, LONG, MariaDB, MongoDB, Neo4j, Postgres, Run, SOON, eventually, throughout,
};

/// Stops a database by a person's word, and waits until it is down.
#[track_caller]
fn stop(host: &Host, name: &str) {
    host.ok(&["stop", name]);
    host.ok(&["wait", name, "--for", "stopped"]);
}

/// An empty folder as a person, or an image, would make it.
#[track_caller]
fn empty_folder(path: &Path) {
    fs::create_dir(path).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
    chown(path, Some(999), Some(999)).unwrap();
}

#[track_caller]
fn is_empty(path: &Path) -> bool {
    fs::read_dir(path).unwrap().next().is_none()
}

/// A database is held for a reason, and its container stays down.
#[track_caller]
fn held(host: &Host, name: &str, reason: Reason) -> String {
    let said = host.told(name, reason, LONG);
    let view = host.shows(name, LONG, "held", |view| view.phase == Phase::Held);
    assert_eq!(view.reason, Some(reason));
    let container = host.container(name);
    assert_ne!(container.status(), "running");
    assert_eq!(container.policy(), "no", "dockerd would start it by itself");
    said
}

#[test]
fn lost_data_is_never_replaced_by_an_empty_server() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.spec("proteomics", MariaDB, &[]);
    host.start();
    let names = ["genomics", "proteomics"];
    host.ready(&["genomics", "proteomics", "mydb_admin"]);
    let admin = host.run_of("mydb_admin");
    for name in names {
        host.write(name, 1);
        stop(&host, name);
        let (data, away) = (host.data(name), host.path("away"));

        // Emptied.
        fs::rename(&data, &away).unwrap();
        empty_folder(&data);
        host.ok(&["resume", name]);
        let said = held(&host, name, Reason::DataLost);
        assert!(said.contains(&*data.to_string_lossy()), "{said}");
        assert!(is_empty(&data));
        let view = host.view(name).unwrap();
        let safe = view
            .conditions
            .iter()
            .find(|c| c.kind == "DataSafe")
            .unwrap();
        assert_eq!(safe.reason, "DataLost");

        // By a person's hand, while no daemon looks: the guard refuses, whatever dockerd tries.
        host.kill();
        host.try_docker(&["start", &host.name(name)]);
        eventually(SOON, "the guard refuses", || {
            let container = host.container(name);
            let done = container.status() != "running" && container.exit_code() == 83;
            done.then_some(())
                .ok_or(format!("{} {}", container.status(), container.exit_code()))
        });
        assert!(is_empty(&data));
        host.start();
        held(&host, name, Reason::DataLost);

        // Not there at all.
        fs::remove_dir(&data).unwrap();
        host.db4sci(&["retry", name]);
        held(&host, name, Reason::DataLost);
        assert!(!data.exists());

        // Put back: it comes up by itself.
        fs::rename(&away, &data).unwrap();
        host.ready(&[name]);
        assert_eq!(host.rows(name), [1]);

        // Gone while it runs, and its container, too.
        host.destroy(name);
        host.told(name, Reason::DataLost, LONG);
        assert!(!data.exists());
        assert!(host.inspect(&host.name(name)).is_none());
    }
    assert_eq!(host.run_of("mydb_admin"), admin);
}

#[test]
fn swapped_data_starts_neither_database() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.spec("chembank", Postgres, &[]);
    host.start();
    let names = ["genomics", "chembank"];
    host.ready(&["genomics", "chembank", "mydb_admin"]);
    for (n, name) in (1..).zip(names) {
        host.write(name, n);
        stop(&host, name);
    }
    let uids = names.map(|name| host.view(name).unwrap().uid.to_string());
    let swap = |host: &Host| {
        let [a, b] = names.map(|name| host.data(name));
        let aside = host.path("aside");
        fs::rename(&a, &aside).unwrap();
        fs::rename(&b, &a).unwrap();
        fs::rename(&aside, &b).unwrap();
    };
    swap(&host);
    for name in names {
        host.ok(&["resume", name]);
    }
    let said = names.map(|name| held(&host, name, Reason::DataForeign));
    assert!(
        said[0].contains(&uids[1]) && said[1].contains(&uids[0]),
        "{said:?}"
    );
    let status = host.ok(&["status"]);
    assert!(names.iter().all(|name| status.contains(name)), "{status}");

    // The guard says the same.
    host.kill();
    for name in names {
        host.try_docker(&["start", &host.name(name)]);
        eventually(SOON, "the guard refuses", || {
            let code = host.container(name).exit_code();
            (code == 81).then_some(()).ok_or(code.to_string())
        });
    }
    host.start();
    for name in names {
        held(&host, name, Reason::DataForeign);
    }
    swap(&host);
    host.ready(&names);
    assert_eq!(names.map(|name| host.rows(name)), [[1], [2]]);
}

/// The system identifier of a PostgreSQL's data.
#[track_caller]
fn system_identifier(data: &Path) -> String {
    let control = fs::read(data.join("global/pg_control")).unwrap();
    u64::from_ne_bytes(control[..8].try_into().unwrap()).to_string()
}

#[test]
fn other_data_with_the_uid_copied_into_it_is_told_by_its_system_identifier() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    host.write("genomics", 1);
    let (data, fresh, away) = (host.data("genomics"), host.path("fresh"), host.path("away"));
    let own = system_identifier(&data);
    for (name, identity) in [
        ("genomics", own.clone()),
        ("mydb_admin", system_identifier(&host.data("mydb_admin"))),
    ] {
        eventually(SOON, "its data is identified", || {
            let events = host.told_events(name);
            let known = events.contains(&format!("its data is {identity}"));
            known.then_some(()).ok_or(events)
        });
    }
    stop(&host, "genomics");
    let image = host.container("genomics").image();
    let before = host.run_of("genomics");

    empty_folder(&fresh);
    let mount = format!("type=bind,source={},target=/fresh", fresh.display());
    host.docker(&[
        "run",
        "--rm",
        "--user",
        "999:999",
        "--network",
        "none",
        "--mount",
        &mount,
        "--entrypoint",
        "initdb",
        &image,
        "-D",
        "/fresh",
    ]);
    let other = system_identifier(&fresh);
    assert_ne!(other, own);
    fs::copy(data.join("db4sci-uid"), fresh.join("db4sci-uid")).unwrap();
    chown(fresh.join("db4sci-uid"), Some(999), Some(999)).unwrap();
    fs::rename(&data, &away).unwrap();
    fs::rename(&fresh, &data).unwrap();

    host.ok(&["resume", "genomics"]);
    let said = held(&host, "genomics", Reason::DataForeign);
    assert!(said.contains(&own) && said.contains(&other), "{said}");
    // Another daemon knows it, too.
    host.kill();
    host.start();
    held(&host, "genomics", Reason::DataForeign);
    host.db4sci(&["retry", "genomics"]);
    held(&host, "genomics", Reason::DataForeign);
    assert_eq!(host.run_of("genomics"), before, "it was started");

    fs::rename(&data, &fresh).unwrap();
    fs::rename(&away, &data).unwrap();
    host.ready(&["genomics"]);
    assert_eq!(host.rows("genomics"), [1]);
}

/// Mounts one folder on another one.
#[track_caller]
fn bind(from: &Path, at: &Path) {
    let done = Command::new("mount")
        .arg("--bind")
        .args([from, at])
        .status()
        .unwrap();
    assert!(done.success(), "mount {from:?} {at:?}");
}

#[track_caller]
fn unmount(at: &Path) {
    let done = Command::new("umount")
        .arg("--lazy")
        .arg(at)
        .status()
        .unwrap();
    assert!(done.success(), "umount {at:?}");
}

#[test]
fn a_volume_that_is_not_mounted_is_not_an_empty_one() {
    let mut host = Host::new();
    let (disk, second) = (host.path("disk"), host.path("second"));
    fs::create_dir(&disk).unwrap();
    fs::create_dir(&second).unwrap();
    bind(&disk, &second);
    host.second_volume(&second);
    host.spec("genomics", Postgres, &["volume: Second"]);
    host.spec("chembank", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "chembank", "mydb_admin"]);
    host.write("genomics", 1);
    let others = |host: &Host| -> [Run; 2] { ["chembank", "mydb_admin"].map(|n| host.run_of(n)) };
    let before = others(&host);

    // Under a running server: told, and left running, since it still has its files.
    let run = host.run_of("genomics");
    unmount(&second);
    host.ok(&["retry", "genomics"]);
    let said = host.told("genomics", Reason::DataUnmounted, LONG);
    assert!(said.contains("left running"), "{said}");
    assert_eq!(host.run_of("genomics"), run);
    assert_eq!(host.rows("genomics"), [1]);
    bind(&disk, &second);
    host.shows("genomics", LONG, "well again", |view| {
        view.ready && view.held.is_empty()
    });
    assert_eq!(host.run_of("genomics"), run);

    // Under one that is down: not started, and nothing is made on the mount point.
    stop(&host, "genomics");
    unmount(&second);
    host.ok(&["resume", "genomics"]);
    let said = held(&host, "genomics", Reason::DataUnmounted);
    assert!(said.contains(&*second.to_string_lossy()), "{said}");
    // A new database has to wait for the volume as well.
    host.spec("later", Postgres, &["volume: Second"]);
    host.told("later", Reason::DataUnmounted, SOON);
    host.kill();
    host.try_docker(&["start", &host.name("genomics")]);
    host.start();
    held(&host, "genomics", Reason::DataUnmounted);
    host.docker(&["rm", "-f", &host.name("genomics")]);
    host.told("genomics", Reason::DataUnmounted, SOON);
    throughout(Duration::from_secs(6), "left alone", || {
        is_empty(&second)
            .then_some(())
            .ok_or("something is on the mount point".to_owned())
    });
    assert!(host.containers_of("genomics").is_empty());
    assert!(host.containers_of("later").is_empty());

    bind(&disk, &second);
    host.ready(&["genomics", "later"]);
    assert_eq!(host.rows("genomics"), [1]);
    assert_eq!(others(&host), before);
}

#[test]
fn a_first_start_that_was_cut_off_is_begun_again() {
    let mut host = Host::new();
    host.start();
    host.ready(&["mydb_admin"]);
    for (name, server, sentinel) in [
        ("genomics", Postgres, "PG_VERSION"),
        ("proteomics", MariaDB, "ibdata1"),
    ] {
        host.spec(name, server, &[]);
        let sentinel = host.data(name).join(sentinel);
        eventually(LONG, "its first start is under way", || {
            sentinel
                .exists()
                .then_some(())
                .ok_or_else(|| sentinel.display().to_string())
        });
        // Half the databases by a kill that dockerd answers with a restart, half by Docker's own.
        let pid = Pid::from_raw(host.container(name).pid()).unwrap();
        match server {
            Postgres => kill_process(pid, Signal::KILL).unwrap(),
            MariaDB | MongoDB | Neo4j => drop(host.docker(&["kill", &host.name(name)])),
        }
        host.ready(&[name]);
        assert_eq!(host.containers_of(name).len(), 1);
        host.write(name, 1);
        assert_eq!(host.rows(name), [1]);
        let aside = fs::read_dir(host.path("volume/.db4sci/.aside"))
            .unwrap()
            .flatten();
        let aside: Vec<_> = aside
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect();
        let ours = aside
            .iter()
            .filter(|a| a.starts_with(&format!("{name}-")))
            .count();
        assert_eq!(ours, 1, "{aside:?}");
        assert!(
            host.told_events(name)
                .contains("half-made data was moved to")
        );
    }
}

#[test]
fn a_second_container_on_the_same_data_is_refused() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    host.write("genomics", 1);
    let ours = host.container("genomics");
    let twin = |name: &str, labels: &[&str]| {
        let json = ours.json();
        let mut args = vec![
            "run".to_owned(),
            "-d".to_owned(),
            "--name".to_owned(),
            host.name(name),
        ];
        for label in labels.iter().map(|l| (*l).to_owned()).chain([host.label()]) {
            args.extend(["--label".to_owned(), label]);
        }
        for mount in json["Mounts"].as_array().unwrap() {
            let text = |key: &str| mount[key].as_str().unwrap();
            let read_only = if mount["RW"] == true { "" } else { ",readonly" };
            let (source, target) = (text("Source"), text("Destination"));
            args.extend([
                "--mount".to_owned(),
                format!("type=bind,source={source},target={target}{read_only}"),
            ]);
        }
        for variable in json["Config"]["Env"].as_array().unwrap() {
            args.extend(["--env".to_owned(), variable.as_str().unwrap().to_owned()]);
        }
        let entrypoint: Vec<&str> = json["Config"]["Entrypoint"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e.as_str().unwrap())
            .collect();
        let command: Vec<&str> = json["Config"]["Cmd"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e.as_str().unwrap())
            .collect();
        args.extend([
            "--entrypoint".to_owned(),
            entrypoint[0].to_owned(),
            ours.image(),
        ]);
        args.extend(
            entrypoint[1..]
                .iter()
                .chain(&command)
                .map(|e| (*e).to_owned()),
        );
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        host.docker(&args);
        let name = host.name(name);
        eventually(SOON, "the guard refuses", || {
            let seen = host.inspect(&name).unwrap();
            (seen.exit_code() == 82).then_some(()).ok_or(format!(
                "{} {}",
                seen.status(),
                seen.exit_code()
            ))
        });
    };
    twin("twin", &[]);
    assert_eq!(host.run_of("genomics"), ours.run());

    // Even one that carries its labels is told about, and never touched.
    let label = |key: &str| format!("{key}={}", ours.label(key).unwrap());
    let labels = ["db4sci.uid", "db4sci.instance", "db4sci.name"].map(label);
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    twin("double", &labels);
    let said = host.told("genomics", Reason::Duplicate, SOON);
    assert!(said.contains("none is removed"), "{said}");
    let double = host.inspect(&host.name("double")).unwrap();
    assert_eq!(double.status(), "exited");
    assert_eq!(host.run_of("genomics"), ours.run());
    host.docker(&["rm", "-f", &host.name("double"), &host.name("twin")]);
    host.shows("genomics", LONG, "well", |view| {
        view.ready && view.held.is_empty()
    });
    assert_eq!(host.rows("genomics"), [1]);
}
