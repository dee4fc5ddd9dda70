//! Disks that are full: of the databases, of the throwaway servers, and of the store.

use std::time::Duration;

use db4sci::model::{BackupState, Reason};

use crate::host::{Host, LONG, MariaDB, MongoDB, Neo4j, Postgres, Server, eventually, throughout};
use crate::recovery::{ADMIN, settled};
use crate::small_disk::{fill_up, leave, resize, small};
use crate::{backups, nothing_is_left, place, take, verify, walk};

const FOUR: [(&str, Server); 4] = [
    ("genomics", Postgres),
    ("shop", MariaDB),
    ("docs", MongoDB),
    ("graph", Neo4j),
];

/// Writes data that does not compress away, about 130 bytes a row, in pieces: the server's own log stays
/// small.
#[track_caller]
fn fill(host: &Host, pieces: u32) {
    host.sql("genomics", "create table big (g int, h bytea, m text)");
    for piece in 0..pieces {
        let rows = format!(
            "insert into big select g, sha512(g::text::bytea), md5(g::text) \
             from generate_series({}, {}) g",
            piece * 100_000 + 1,
            (piece + 1) * 100_000
        );
        host.sql("genomics", &rows);
        let psql = ["psql", "-XqAt", "-U", "postgres", "-c", "checkpoint"];
        let container = host.name("genomics");
        host.docker(&[&["exec", container.as_str()], &psql[..]].concat());
    }
}

#[test]
fn servers_on_a_full_volume_are_waited_for_and_go_on_when_there_is_room() {
    let mut host = Host::new();
    let second = host.path("second");
    small(&second, 4000);
    host.second_volume(&second);
    let names = FOUR.map(|(name, _)| name);
    for (name, server) in FOUR {
        let memory = "resources: {memory: 1Gi}";
        host.spec(name, server, &["volume: Second", memory]);
    }
    host.start();
    host.ready(&names);
    host.ready(&[ADMIN]);
    for name in names {
        host.write(name, 1);
    }

    // Told while they run, then they end: by themselves, or by a hand.
    fill_up(&second);
    host.shows("shop", LONG, "told of", |view| {
        let told = [Reason::DiskPressure, Reason::DiskFull];
        view.held.iter().any(|h| told.contains(&h.reason))
    });
    for name in names {
        host.try_docker(&["kill", &host.name(name)]);
    }
    host.told("genomics", Reason::DiskFull, LONG);
    // One that can do without room may run, and one that waits for it.
    eventually(LONG, "each is waited for, or runs and is told of", || {
        for name in names {
            let view = host.view(name).ok_or(name)?;
            let told = [Reason::DiskFull, Reason::DiskPressure];
            if !view.held.iter().any(|h| told.contains(&h.reason)) {
                return Err(format!("{name}: {} {:?}", view.phase, view.held));
            }
        }
        Ok(())
    });
    let status = host.db4sci(&["status"]).all();
    assert!(status.contains("genomics"), "{status}");
    let run = host.run_of("genomics");
    throughout(Duration::from_secs(20), "started again and again", || {
        let now = host.run_of("genomics");
        (now == run)
            .then_some(())
            .ok_or(format!("{now:?}, it was {run:?}"))
    });

    resize(&second, 4000);
    host.ready(&names);
    for name in names {
        assert_eq!(host.rows(name), [1], "{name}");
        host.write(name, 2);
        assert_eq!(host.rows(name), [1, 2], "{name}");
        host.shows(name, LONG, "content", |view| view.held.is_empty());
    }
    let evidence = walk(&host.path("state/quarantine"));
    assert!(evidence.is_empty(), "{evidence:?}");
}

#[test]
fn a_state_directory_without_room_takes_a_persons_word_and_heals_what_needs_no_files() {
    let mut host = Host::new();
    let state = host.path("state");
    small(&state, 200);
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.write("genomics", 1);
    fill_up(&state);
    // Whose room it was does not matter: the journal has its own.
    host.ok(&["stop", "genomics", "--reason", "INC-814"]);
    host.ok(&["wait", "genomics", "--for", "stopped"]);
    host.kill();
    host.start();
    host.ok(&["resume", "genomics"]);
    host.ready(&["genomics"]);
    let disk = host.ok(&["disk"]);
    assert!(disk.contains("state_dir"), "{disk}");
    for n in 0..50 {
        let reason = format!("INC-{n}");
        host.ok(&["maintenance", "on", "genomics", "--reason", &reason]);
        host.ok(&["maintenance", "off", "genomics"]);
    }
    host.docker(&["kill", &host.name("genomics")]);
    host.ready(&["genomics"]);
    assert_eq!(host.rows("genomics"), [1]);
    resize(&state, 400);
    take(&host, "genomics");
    let said = host.ok(&["audit", "verify"]);
    assert!(said.contains("as it was written."), "{said}");
}

#[test]
fn mydb_admin_has_room_on_a_full_volume_that_no_other_database_gets() {
    let mut host = Host::new();
    let volume = host.path("volume");
    small(&volume, 700);
    host.spec("genomics", Postgres, &["resources: {memory: 1Gi}"]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    let reserve = volume.join(".db4sci/.reserve");
    let held = |held: bool| {
        eventually(LONG, "the reserve", || {
            let there = reserve.exists();
            (there == held).then_some(()).ok_or(format!("{there}"))
        });
    };
    held(true);
    // Filled until nothing is left, the filler would take what is given free, too.
    leave(&volume, 1024);
    held(false);
    for name in ["genomics", ADMIN] {
        host.try_docker(&["kill", &host.name(name)]);
    }
    host.ready(&[ADMIN]);
    // What is accepted meanwhile is in its tables.
    for n in 0..20 {
        let reason = format!("INC-{n}");
        host.ok(&["maintenance", "on", "genomics", "--reason", &reason]);
        host.ok(&["maintenance", "off", "genomics"]);
    }
    settled(&host);
    host.shows("genomics", LONG, "told of", |view| {
        let told = [Reason::DiskPressure, Reason::DiskFull];
        view.held.iter().any(|h| told.contains(&h.reason))
    });

    resize(&volume, 1000);
    host.ready(&["genomics", ADMIN]);
    held(true);
}

#[test]
fn a_restore_test_that_finds_no_room_says_so_and_nothing_counts_as_damaged() {
    let mut host = Host::new();
    let second = host.path("second");
    small(&second, 260);
    host.second_volume(&second);
    host.spec(
        "genomics",
        Postgres,
        &[
            "volume: Second",
            // Pages of this file system count as the memory of whoever wrote them.
            "resources: {memory: 1Gi}",
            "parameters: {max_wal_size: 64MB, min_wal_size: 32MB}",
        ],
    );
    host.start();
    host.ready(&["genomics"]);
    fill(&host, 3);
    let run = host.run_of("genomics");
    let backup = take(&host, "genomics");
    let why = verify(&host, &backup).unwrap_err();
    assert!(why.to_lowercase().contains("no space left"), "{why}");
    let now = backups(&host, "genomics");
    let same = now.iter().find(|b| b.id == backup.id).unwrap();
    assert_eq!(same.state, BackupState::Stored);
    let id = backup.id.to_string();
    let restored = host.db4sci(&["restore", "genomics", "--from", &id, "--yes"]);
    assert_eq!(restored.code, 1, "{}", restored.all());
    assert!(
        restored.all().to_lowercase().contains("no space left"),
        "{}",
        restored.all()
    );
    let copied = host.db4sci(&["restore", "genomics", "--from", &id, "--as", "copy"]);
    assert_eq!(copied.code, 1, "{}", copied.all());
    let works = second.join(".db4sci/.work");
    eventually(LONG, "nothing of it is left", || {
        let left = walk(&works);
        left.is_empty().then_some(()).ok_or(format!("{left:?}"))
    });
    nothing_is_left(&host);
    // The server itself was not touched.
    host.ready(&["genomics"]);
    assert_eq!(host.run_of("genomics"), run);
    assert_eq!(host.sql("genomics", "select count(*) from big"), "300000");

    resize(&second, 1500);
    verify(&host, &backup).unwrap();
    nothing_is_left(&host);
}

#[test]
fn a_full_store_fails_that_backup_alone_and_keeps_the_older_one() {
    let mut host = Host::new();
    let store = host.path("store");
    small(&store, 24);
    host.set("DB4SCI_BACKUP_VOLUME", &store.display().to_string());
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics"]);
    host.write("genomics", 1);
    let older = take(&host, "genomics");
    fill(&host, 4);
    let said = host.db4sci(&["backup", "now", "genomics", "--wait"]);
    assert_eq!(said.code, 1, "{}", said.all());
    assert!(
        said.all().to_lowercase().contains("no space left"),
        "{}",
        said.all()
    );
    let all = backups(&host, "genomics");
    assert_eq!(all[0].state, BackupState::Failed);
    let error = all[0].error.clone().unwrap();
    assert!(error.to_lowercase().contains("no space left"), "{error}");
    assert!(
        walk(&place(&all[0])).is_empty(),
        "{:?}",
        walk(&place(&all[0]))
    );
    assert!(place(&older).join("manifest.json").exists());
    verify(&host, &older).unwrap();
    nothing_is_left(&host);

    resize(&store, 300);
    let next = take(&host, "genomics");
    verify(&host, &next).unwrap();
    nothing_is_left(&host);
}
