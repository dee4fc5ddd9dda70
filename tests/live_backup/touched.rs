//! Files that somebody else changes under a running daemon: modes in the data of `mydb_admin`. Noticed within ten seconds, and mended.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use db4sci::model::{Change, Clock, SystemClock};

use crate::host::{Host, LONG, Postgres, eventually};
use crate::logins::acted;
use crate::nothing_is_left;
use crate::noticed::noticed;
use crate::recovery::{ADMIN, log_up_to, newest};

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
