//! Files that somebody else changes under a running daemon: its journal, and modes in the data of
//! `mydb_admin`. Noticed within ten seconds, and mended.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};

use db4sci::model::{Change, Clock, SystemClock};

use crate::host::{Host, LONG, Postgres, eventually};
use crate::logins::acted;
use crate::nothing_is_left;
use crate::noticed::noticed;
use crate::recovery::{ADMIN, log_up_to, newest, settled, stopped_and_resumed};

#[test]
fn a_journal_that_is_harmed_under_a_running_daemon_is_written_back_within_seconds() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    let run = host.run_of("genomics");
    let run = stopped_and_resumed(&host, &run);
    let (admin, daemon) = (host.run_of(ADMIN), host.pid());
    let path = host.path("state/journal/ledger.v1.jsonl");
    type Harm = (&'static str, fn(&File));
    let harms: [Harm; 2] = [
        ("a bit of it is flipped", |file| {
            let mut byte = [0];
            file.read_exact_at(&mut byte, 300).unwrap();
            file.write_all_at(&[byte[0] ^ 1], 300).unwrap();
        }),
        ("it is cut", |file| {
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        }),
    ];
    for (what, harm) in harms {
        settled(&host);
        let whole = fs::read(&path).unwrap();
        let begun = SystemClock.now();
        harm(&File::options().read(true).write(true).open(&path).unwrap());
        noticed(&host, what, begun, |entry| {
            entry.message.contains("written back as they were")
        });
        assert!(fs::read(&path).unwrap().starts_with(&whole), "{what}");
        host.ok(&["audit", "verify"]);
    }
    let whole = fs::read(&path).unwrap();
    let begun = SystemClock.now();
    fs::remove_file(&path).unwrap();
    noticed(&host, "it is removed", begun, |entry| {
        entry.message.contains("it is in its place again")
    });
    assert!(fs::read(&path).unwrap().starts_with(&whole));
    let kept = fs::read_dir(path.parent().unwrap()).unwrap().flatten();
    let kept = kept.filter(|file| file.file_name().to_string_lossy().contains(".harmed-"));
    assert_eq!(kept.count(), 2);
    assert_eq!(host.pid(), daemon);
    assert_eq!(host.run_of(ADMIN), admin);
    assert_eq!(host.run_of("genomics"), run);

    // The next daemon believes it.
    host.kill();
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.ok(&["audit", "verify"]);
    nothing_is_left(&host);
}

#[test]
fn files_of_mydb_admin_that_may_not_be_read_are_harm_and_no_refused_login() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    let run = host.run_of("genomics");
    let last = newest(&host);
    let log = log_up_to(&host, last);
    let begun = SystemClock.now();
    for database in fs::read_dir(host.data(ADMIN).join("base"))
        .unwrap()
        .flatten()
    {
        let version = database.path().join("PG_VERSION");
        fs::set_permissions(version, Permissions::from_mode(0o000)).unwrap();
    }
    let told = noticed(&host, "its files may not be read", begun, |entry| {
        matches!(entry.change, Change::Quarantined { .. })
    });
    assert!(told.message.contains("Permission denied"), "{told:?}");
    eventually(LONG, "it comes back", || {
        let told = host.told_events(ADMIN);
        told.contains("had lost its data").then_some(()).ok_or(told)
    });
    host.ready(&[ADMIN]);
    assert_eq!(log_up_to(&host, last), log);
    assert!(acted(&host, "let_in").is_empty());
    assert_eq!(host.run_of("genomics"), run);
    nothing_is_left(&host);
}
