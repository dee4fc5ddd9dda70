//! The whole memory of a host is set back to an older copy, as by the snapshot of a machine: journal and
//! tables agree with each other, and only the stores know what was accepted since.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use db4sci::model::view::Phase;

use crate::freeze::frozen;
use crate::host::{Host, Postgres, SOON, eventually, throughout};
use crate::nothing_is_left;
use crate::recovery::{ADMIN, log_up_to, pieces, settled, shipped, stopped_and_resumed};

#[track_caller]
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success());
}

/// What lies in the state folder, without the store, which is in it for tests alone.
fn of_state(folder: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().flatten().map(|e| e.path());
    all.filter(|path| !path.ends_with("backups")).collect()
}

/// Copies the memory of a host whose daemon does not run: its state, and the data of `mydb_admin`.
#[track_caller]
fn snapshot(host: &Host, name: &str) -> PathBuf {
    let to = host.path(name);
    fs::create_dir_all(to.join("state")).unwrap();
    for path in of_state(&host.path("state")) {
        copy(&path, &to.join("state"));
    }
    host.docker(&["stop", &host.name(ADMIN)]);
    copy(&host.data(ADMIN), &to.join("data"));
    to
}

/// Puts a copy back, while no daemon runs.
#[track_caller]
fn put_back(host: &Host, from: &Path) {
    host.docker(&["stop", &host.name(ADMIN)]);
    let state = host.path("state");
    for path in of_state(&state) {
        match path.is_dir() {
            true => fs::remove_dir_all(&path).unwrap(),
            false => fs::remove_file(&path).unwrap(),
        }
    }
    for path in of_state(&from.join("state")) {
        copy(&path, &state);
    }
    let data = host.data(ADMIN);
    fs::remove_dir_all(&data).unwrap();
    copy(&from.join("data"), &data);
}

/// Waits until nothing is frozen.
#[track_caller]
fn thawed(host: &Host) {
    eventually(SOON * 2, "all that lives is known", || {
        let said = host.db4sci(&["status"]).all();
        let still = said.contains("nothing is removed");
        (!still).then_some(()).ok_or(said)
    });
}

#[test]
fn a_memory_that_was_set_back_takes_in_what_the_store_holds_or_freezes_all() {
    let mut host = Host::new();
    host.set("DB4SCI_SHIP_JOURNAL", "1s");
    // Where it is away, no daemon makes another one.
    let store = host.path("state/backups");
    fs::create_dir_all(&store).unwrap();
    host.set("DB4SCI_BACKUP_VOLUME", &store.display().to_string());
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.write("genomics", 1);
    let run = host.run_of("genomics");
    host.stop();
    let older = snapshot(&host, "older");

    // Accepted, shipped, and forgotten: what a person did, and a database.
    host.start();
    host.ready(&["genomics", ADMIN]);
    let run = stopped_and_resumed(&host, &run);
    host.spec("assays", Postgres, &[]);
    host.ready(&["assays"]);
    host.write("assays", 1);
    let last = settled(&host);
    let log = log_up_to(&host, last);
    shipped(&host);
    host.kill();
    put_back(&host, &older);
    host.start();
    host.ready(&["genomics", "assays", ADMIN]);
    assert_eq!(log_up_to(&host, last), log);
    let told = host.events("");
    let words = "and the store local holds entry";
    assert!(told.iter().any(|e| e.message.contains(words)), "{told:?}");
    assert_eq!(host.run_of("genomics"), run);
    assert_eq!(host.rows("assays"), [1]);
    thawed(&host);
    let said = host.db4sci(&["audit", "verify"]);
    assert_eq!(said.code, 0, "{}", said.all());

    // The store is away at the start: what follows shows when it is back, and a person decides.
    host.stop();
    let newer = snapshot(&host, "newer");
    host.start();
    host.ready(&["genomics", "assays", ADMIN]);
    // More than the daemon will write by itself before anybody looks.
    for _ in 0..20 {
        host.ok(&["stop", "assays", "--for", "8h", "--reason", "INC-812"]);
        host.ok(&["resume", "assays"]);
    }
    host.ready(&["assays"]);
    settled(&host);
    shipped(&host);
    host.kill();
    put_back(&host, &newer);
    let held = pieces(&host);
    let away = host.path("store-away");
    fs::rename(&store, &away).unwrap();
    host.start();
    host.ready(&["genomics", ADMIN]);
    frozen(&host, "the store local does not answer");
    fs::rename(&away, &store).unwrap();
    frozen(
        &host,
        "the store local holds entries of this instance's journal",
    );
    let said = host.db4sci(&["audit", "verify"]);
    assert_eq!(said.code, 1, "{}", said.all());
    let words = "store local: it is there, and the log of this host ends at";
    assert!(said.out.contains(words), "{}", said.all());
    host.spec("genomics", Postgres, &["state: Retired"]);
    let not_retired = || match host.view("genomics") {
        Some(view) if view.phase != Phase::Retired => Ok(()),
        other => Err(format!("{other:?}")),
    };
    throughout(Duration::from_secs(12), "retired", not_retired);
    host.spec("genomics", Postgres, &[]);
    host.ready(&["genomics"]);
    // Started again, it is as frozen as before.
    host.stop();
    host.start();
    host.ready(&["genomics", ADMIN]);
    frozen(
        &host,
        "the store local holds entries of this instance's journal",
    );
    host.ok(&["thaw", "local", "--reason", "all of it was said again"]);
    thawed(&host);
    host.stop();
    host.start();
    host.ready(&["genomics", ADMIN]);
    thawed(&host);
    let said = host.db4sci(&["audit", "verify"]);
    assert_eq!(said.code, 0, "{}", said.all());
    let left = pieces(&host);
    let gone: Vec<_> = held.iter().filter(|one| !left.contains(one)).collect();
    assert!(gone.is_empty(), "{gone:?}");
    assert_eq!(host.rows("genomics"), [1]);
    nothing_is_left(&host);
}
