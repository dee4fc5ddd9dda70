//! Retired: a final backup that was restored to prove it, then stopped. Undeleted: all of it is back.

use std::fs;

use db4sci::model::view::Phase;
use db4sci::model::{BackupKind, BackupState, Reason};

use crate::host::{Host, LONG, Postgres, eventually};
use crate::{backups, nothing_is_left, take};

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
    eventually(LONG, "the final backup fails", || {
        match backups(&host, "genomics").first() {
            Some(b) if b.kind == BackupKind::Final && b.state == BackupState::Failed => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    let view = host.view("genomics").unwrap();
    assert!(view.ready, "{view:?}");
    assert!(
        view.held
            .iter()
            .any(|held| held.reason == Reason::RetireNeedsBackup)
    );
    assert_eq!(host.run_of("genomics"), run);
    assert_eq!(host.rows("genomics"), [1]);
}
