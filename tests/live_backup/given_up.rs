//! A server that can no longer be dumped: its files are taken, at rest, and compared.

use std::fs;

use db4sci::model::view::Phase;
use db4sci::model::{BackupKind, BackupState, Reason};

use crate::host::{Host, LONG, Postgres};
use crate::{backups, nothing_is_left, take, verify};

#[test]
fn a_server_that_was_given_up_is_retired_on_its_files() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics"]);
    host.write("genomics", 1);
    host.ok(&["stop", "genomics"]);
    host.ok(&["wait", "genomics", "--for", "stopped"]);
    let control = "global/pg_control";
    let good = fs::read(host.data("genomics").join(control)).unwrap();
    fs::write(host.data("genomics").join(control), vec![0; good.len()]).unwrap();
    host.ok(&["resume", "genomics"]);
    host.told("genomics", Reason::Quarantined, LONG);

    host.spec("genomics", Postgres, &["state: Retired"]);
    host.ok(&["wait", "genomics", "--for", "retired", "--timeout", "4m"]);
    let last = backups(&host, "genomics").remove(0);
    assert_eq!(
        (last.kind, last.state),
        (BackupKind::Files, BackupState::Verified)
    );
    let told = host.told_events("genomics");
    assert!(told.contains("byte by byte"), "{told}");

    // Under another name, broken as it is, and with the passwords that are in the files.
    let id = last.id.to_string();
    host.ok(&["restore", "genomics", "--from", &id, "--as", "copy"]);
    host.told("copy", Reason::Quarantined, LONG);
    fs::write(host.data("copy").join(control), &good).unwrap();
    host.ok(&["release", "copy", "--reason", "its file is mended"]);
    host.holds("copy", Postgres);
    host.ready(&["copy"]);
    assert_eq!(host.rows("copy"), [1]);

    // A copy is only as good as its comparison.
    fs::write(host.data("genomics").join(control), &good).unwrap();
    let why = verify(&host, &last).unwrap_err();
    assert!(why.contains("pg_control"), "{why}");

    // It was kept, and is mended by now.
    host.spec("genomics", Postgres, &[]);
    host.shows("genomics", LONG, "left alone as before", |view| {
        view.phase == Phase::Held && view.reason == Some(Reason::Quarantined)
    });
    host.ok(&["release", "genomics", "--reason", "its file is mended"]);
    host.ready(&["genomics"]);
    assert_eq!(host.rows("genomics"), [1]);
    nothing_is_left(&host);
}

#[test]
fn a_server_that_was_given_up_is_restored_and_starts() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics"]);
    host.write("genomics", 1);
    let id = take(&host, "genomics").id.to_string();
    host.ok(&["stop", "genomics"]);
    host.ok(&["wait", "genomics", "--for", "stopped"]);
    let control = host.data("genomics").join("global/pg_control");
    fs::write(&control, [0; 8192]).unwrap();
    host.ok(&["resume", "genomics"]);
    host.told("genomics", Reason::Quarantined, LONG);
    host.ok(&["restore", "genomics", "--from", &id, "--yes"]);
    host.ready(&["genomics"]);
    assert_eq!(host.rows("genomics"), [1]);
    nothing_is_left(&host);
}
