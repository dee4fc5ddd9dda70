//! Retired: a final backup that was restored to prove it, then stopped. Undeleted: all of it is back.

use std::fs;

use db4sci::model::view::{BackupView, Phase};
use db4sci::model::{BackupKind, BackupState, Reason};

use crate::host::{Host, LONG, MariaDB, Postgres, eventually};
use crate::recovery::{ADMIN, lose};
use crate::{backups, nothing_is_left, take, walk};

#[test]
fn what_is_deleted_is_proven_first_and_comes_back() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics"]);
    host.write("genomics", 1);
    let id = take(&host, "genomics").id.to_string();
    host.ok(&["restore", "genomics", "--from", &id, "--as", "copy"]);
    host.write("copy", 2);

    host.ok(&["delete", "copy", "--wait", "--reason", "grant ended"]);
    let view = host.view("copy").unwrap();
    assert_eq!(view.phase, Phase::Retired, "{view:?}");
    let last = backups(&host, "copy").remove(0);
    assert_eq!(
        (last.kind, last.state),
        (BackupKind::Final, BackupState::Verified)
    );
    let status = host.docker(&["inspect", "-f", "{{.State.Status}}", &host.name("copy")]);
    assert_eq!(status.trim(), "exited");
    // Nobody starts it by another way.
    host.kill();
    host.start();
    host.ready(&["genomics"]);
    eventually(LONG, "still retired", || match host.view("copy") {
        Some(view) if view.phase == Phase::Retired => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(host.db4sci(&["delete", "copy"]).code, 1);

    host.ok(&["undelete", "copy"]);
    host.ready(&["copy"]);
    assert_eq!(host.rows("copy"), [1, 2]);
    assert_eq!(host.db4sci(&["undelete", "copy"]).code, 1);

    // Files win, and say so; what they say is done.
    let said = host.db4sci(&["delete", "genomics"]);
    assert!(
        said.code == 1 && said.err.contains("genomics.yaml") && said.err.contains("state: Retired"),
        "{}",
        said.all()
    );
    assert_eq!(host.db4sci(&["delete", "mydb_admin"]).code, 1);
    host.spec("genomics", Postgres, &["state: Retired"]);
    host.ok(&["wait", "genomics", "--for", "retired", "--timeout", "4m"]);
    host.spec("genomics", Postgres, &[]);
    host.ready(&["genomics"]);
    assert_eq!(host.rows("genomics"), [1]);
    nothing_is_left(&host);
}

#[test]
fn without_a_store_that_takes_its_final_backup_nothing_is_retired() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics"]);
    host.write("genomics", 1);
    let run = host.run_of("genomics");
    let (store, aside) = (host.path("state/backups"), host.path("aside"));
    fs::rename(&store, &aside).unwrap();
    fs::write(&store, "no folder").unwrap();
    host.spec("genomics", Postgres, &["state: Retired"]);
    // Either the first look at the stores was over, or everything is frozen until they answer.
    eventually(LONG, "the final backup fails, or none is begun", || {
        let all = backups(&host, "genomics");
        let failed = |b: &BackupView| (b.kind, b.state) == (BackupKind::Final, BackupState::Failed);
        let said = host.db4sci(&["status"]).all();
        let frozen = said.contains("the store local does not answer");
        let told = frozen || all.first().is_some_and(failed);
        told.then_some(()).ok_or(format!("{all:?}; {said}"))
    });
    host.told("genomics", Reason::RetireNeedsBackup, LONG);
    let view = host.view("genomics").unwrap();
    assert!(view.ready, "{view:?}");
    assert_eq!(host.run_of("genomics"), run);
    assert_eq!(host.rows("genomics"), [1]);
}

/// What a removed database must not leave on this host.
#[track_caller]
fn nothing_of_it_is_left(host: &Host, name: &str) {
    let container = host.try_docker(&["inspect", &host.name(name)]);
    assert_ne!(container.code, 0, "{}", container.all());
    let volume = walk(&host.path("volume"));
    let of_it = |path: &&std::path::PathBuf| path.components().any(|c| c.as_os_str() == name);
    assert_eq!(volume.iter().find(of_it), None);
    assert!(!host.path(&format!("state/secrets/{name}")).exists());
}

/// Whether a backup of its last state was restored to prove it.
fn proven(host: &Host, name: &str) -> bool {
    let verified = |b: &BackupView| b.kind == BackupKind::Final && b.state == BackupState::Verified;
    backups(host, name).iter().any(verified)
}

#[test]
fn what_was_kept_for_long_enough_is_removed_and_its_last_backup_stays() {
    let mut host = Host::new();
    host.set("DB4SCI_RETIRED_DATA", "1s");
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics"]);
    host.write("genomics", 1);
    let id = take(&host, "genomics").id.to_string();
    // Killed at each step of the way out, on a database of its own.
    let failpoints = [
        "backup.dumped",
        "retire.tombstone",
        "remove.began",
        "remove.container",
        "remove.done",
    ];
    for (n, failpoint) in failpoints.iter().enumerate() {
        let name = format!("copy{n}");
        host.ok(&["restore", "genomics", "--from", &id, "--as", &name]);
        host.ready(&[&name]);
        host.write(&name, 2);
        host.stop();
        host.start_with(&[("DB4SCI_FAILPOINT", failpoint)]);
        host.ready(&[&name]);
        let _ = host.db4sci(&["delete", &name]);
        host.wait_killed();
        // Never neither: its data is here, or a backup that was proven holds it.
        let here = host.data(&name).exists();
        assert!(here || failpoint.starts_with("remove."), "{failpoint}");
        host.start();
        assert!(here || proven(&host, &name), "{failpoint}");
        if failpoint.starts_with("backup.") {
            // It is still there; asked for again, it does not wait for the next attempt.
            host.ready(&[&name]);
            host.ok(&["undelete", &name]);
            host.ok(&["delete", &name]);
        }
        eventually(LONG, "it is removed", || {
            let told = host.told_events(&name);
            told.contains("container and data are gone")
                .then_some(())
                .ok_or(told)
        });
        assert!(proven(&host, &name), "{failpoint}");
        nothing_of_it_is_left(&host, &name);
    }
    let name = "copy0";
    let last = backups(&host, name).remove(0).id.to_string();
    for verb in ["undelete", "delete", "start", "restart"] {
        let said = host.db4sci(&[verb, name]);
        assert!(said.code == 1 && said.err.contains(&last), "{}", said.all());
    }
    // What it held comes back under another name, and its own name is free when a person says so.
    host.ok(&["restore", name, "--from", &last, "--as", "again"]);
    host.ready(&["again"]);
    assert_eq!(host.rows("again"), [1, 2]);
    host.ok(&["delete", name, "--forget"]);
    eventually(LONG, "it is shown no more", || {
        host.view(name)
            .map_or(Ok(()), |view| Err(format!("{view:?}")))
    });
    host.spec(name, MariaDB, &[]);
    host.ready(&[name]);
    assert_eq!(host.rows("genomics"), [1]);
    nothing_is_left(&host);
}

#[test]
fn data_stays_when_its_last_backup_is_damaged() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics"]);
    host.write("genomics", 1);
    let id = take(&host, "genomics").id.to_string();
    host.ok(&["restore", "genomics", "--from", &id, "--as", "copy"]);
    host.ok(&["delete", "copy", "--wait"]);
    let last = backups(&host, "copy").remove(0);
    let object = walk(&host.path("state/backups"))
        .into_iter()
        .find(|p| {
            let path = p.display().to_string();
            path.contains("/copy/")
                && path.contains(&last.slot.to_string())
                && path.ends_with(".dump.zst.age")
        })
        .unwrap();
    let mut bytes = fs::read(&object).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&object, bytes).unwrap();
    host.stop();
    host.set("DB4SCI_RETIRED_DATA", "1s");
    host.start();
    eventually(LONG, "the removal is refused", || {
        let told = host.told_events("copy");
        let refused = told.contains("the data of copy stays");
        refused.then_some(()).ok_or(told)
    });
    host.ok(&["undelete", "copy"]);
    host.ready(&["copy"]);
    assert_eq!(host.rows("copy"), [1]);
}

#[test]
fn a_lost_host_that_remembers_less_does_not_bring_back_what_was_retired() {
    let mut host = Host::new();
    // Its memory is the backup's alone.
    host.set("DB4SCI_SHIP_JOURNAL", "Never");
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.write("genomics", 1);
    let id = take(&host, "genomics").id.to_string();
    for name in ["copy", "again"] {
        host.ok(&["restore", "genomics", "--from", &id, "--as", name]);
        host.ready(&[name]);
        take(&host, name);
    }
    take(&host, ADMIN);
    for name in ["copy", "again"] {
        host.ok(&["delete", name, "--wait"]);
        eventually(LONG, "the stores know", || {
            let told = host.told_events(name);
            let known = told.contains("the stores know");
            known.then_some(()).ok_or(told)
        });
    }
    // Taken back, it comes back.
    host.ok(&["undelete", "again"]);
    eventually(LONG, "the stores know that, too", || {
        let told = host.told_events("again");
        let known = told.contains("the stores no longer say");
        known.then_some(()).ok_or(told)
    });
    let keys = host.path("keys-copied");
    host.ok(&["key", "export", &keys.display().to_string()]);

    lose(&mut host);
    fs::rename(&keys, host.path("state/keys")).unwrap();
    let plan = host.ok(&["recover", "--plan", "-o", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(
        plan["databases"]["copy"]["what"],
        "is retired, and stays so"
    );
    assert_eq!(plan["databases"]["again"]["what"], "comes back");
    host.ok(&["recover"]);
    host.start();
    host.ready(&["genomics", "again"]);
    assert_eq!(host.rows("again"), [1]);
    let view = host.view("copy").unwrap();
    assert_eq!(view.phase, Phase::Retired, "{view:?}");
    assert!(!host.data("copy").exists());
}
