//! Disks that are full: of the throwaway servers, and of the store.

use std::fs;
use std::path::Path;
use std::process::Command;

use db4sci::model::BackupState;

use crate::host::{Host, LONG, Postgres, eventually};
use crate::{backups, nothing_is_left, place, take, verify, walk};

/// A file system of its own at a folder. It goes with the host.
#[track_caller]
fn small(at: &Path, mebibytes: u32) {
    fs::create_dir_all(at).unwrap();
    mount(&format!("size={mebibytes}m"), at);
}

#[track_caller]
fn mount(options: &str, at: &Path) {
    let done = Command::new("mount")
        .args(["-t", "tmpfs", "-o", options, "tmpfs"])
        .arg(at)
        .status();
    assert!(done.unwrap().success(), "mount {}", at.display());
}

/// Makes it larger.
#[track_caller]
fn grow(at: &Path, mebibytes: u32) {
    mount(&format!("remount,size={mebibytes}m"), at);
}

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
fn a_restore_test_that_finds_no_room_says_so_and_nothing_counts_as_damaged() {
    let mut host = Host::new();
    let second = host.path("second");
    small(&second, 200);
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

    grow(&second, 1500);
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

    grow(&store, 300);
    let next = take(&host, "genomics");
    verify(&host, &next).unwrap();
    nothing_is_left(&host);
}
