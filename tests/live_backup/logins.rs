//! Somebody shuts db4sci out of `mydb_admin`: it comes back by itself, with all that it held.

use std::fs;

use chrono::TimeDelta;
use db4sci::model::{Change, Clock, Entry, SystemClock};

use crate::host::{Host, LONG, Postgres, eventually};
use crate::nothing_is_left;
use crate::recovery::{ADMIN, log_up_to, newest};

/// What is noticed while all runs, is noticed within this time.
pub(crate) const NOTICED: TimeDelta = TimeDelta::seconds(10);

/// A statement of the superuser on the server's own socket.
#[track_caller]
fn as_superuser(host: &Host, sql: &str) {
    let name = host.name(ADMIN);
    host.docker(&["exec", &name, "psql", "-q", "-U", "postgres", "-c", sql]);
}

/// The entries of something that was done, the oldest first.
pub(crate) fn acted(host: &Host, what: &str) -> Vec<Entry> {
    let is = |e: &Entry| matches!(&e.change, Change::Acted { action } if action == what);
    let mut found: Vec<Entry> = host.events(ADMIN).into_iter().filter(is).collect();
    found.sort_by_key(|entry| entry.seq);
    found
}

/// A harm of the logins, and what is told when it is noticed.
type Harm = (&'static str, fn(&Host), &'static str);

const HARMS: [Harm; 4] = [
    (
        "its password is changed",
        |host| as_superuser(host, "alter role postgres password 'x'"),
        "password authentication failed",
    ),
    (
        "it may not log in, and is called otherwise",
        |host| {
            as_superuser(
                host,
                "create role other superuser login; set role other; \
                 alter role postgres nologin valid until '2001-01-01'",
            );
            let name = host.name(ADMIN);
            let rename = "alter role postgres rename to mallory";
            let by = [
                "exec", &name, "psql", "-q", "-U", "other", "postgres", "-c", rename,
            ];
            host.docker(&by);
        },
        "login refused",
    ),
    (
        "it is superuser no more",
        |host| as_superuser(host, "update pg_authid set rolsuper = false where oid = 10"),
        "permission denied",
    ),
    (
        "another file says who may come in, and that is nobody",
        |host| {
            let hba = host.data(ADMIN).join("pg_hba.conf");
            fs::write(hba, "local all all trust\nhost all all all reject\n").unwrap();
            let file = "/var/lib/postgresql/data/pg_hba.conf";
            as_superuser(host, &format!("alter system set hba_file = '{file}'"));
            host.docker(&["restart", &host.name(ADMIN)]);
        },
        "rejects connection",
    ),
];

#[test]
fn mydb_admin_lets_db4sci_in_again_whatever_was_done_to_its_logins() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.write("genomics", 1);
    let run = host.run_of("genomics");
    let secret = host.path("state/secrets/mydb_admin/admin");
    let secret = fs::read_to_string(secret).unwrap();

    for (n, (what, harm, told)) in HARMS.into_iter().enumerate() {
        let last = newest(&host);
        let log = log_up_to(&host, last);
        let before = acted(&host, "let_in").len();
        harm(&host);
        let begun = SystemClock.now();
        let seen = eventually(LONG, what, || {
            let seen = acted(&host, "let_in");
            // Noticed, and done.
            (seen.len() >= before + 2)
                .then_some(seen)
                .ok_or_else(|| host.told_events(ADMIN))
        });
        host.ready(&[ADMIN]);
        let (noticed, done) = (&seen[before], &seen[before + 1]);
        println!(
            "{what}: noticed after {} ms, let in after {} ms, ready after {} ms",
            (noticed.at - begun).num_milliseconds(),
            (done.at - begun).num_milliseconds(),
            (SystemClock.now() - begun).num_milliseconds()
        );
        assert!(
            noticed.message.contains(told),
            "{what}: {}",
            noticed.message
        );
        assert!(noticed.at - begun < NOTICED, "{what}: {noticed:?}");
        assert_eq!(log_up_to(&host, last), log, "{what}");
        // Runs that db4sci ended count for nothing; the one that the last harm ends does, if it was short.
        let described = host.ok(&["describe", ADMIN]);
        let failed = described.matches("failed runs in a row: 1\n").count();
        let told = described.matches("failed runs").count();
        assert!(failed <= n / 3 && told == failed, "{what}: {described}");
    }

    let hba = |file: &str| fs::read_to_string(host.data(ADMIN).join(file)).unwrap();
    assert!(!hba("pg_hba.conf").contains("reject"));
    assert!(hba("pg_hba.conf.before").contains("reject"));

    // The daemon's own role, whose connection goes on: nothing is restarted for it.
    let admin = host.run_of(ADMIN);
    let before = acted(&host, "let_in").len();
    as_superuser(&host, "alter role db4sci nologin password 'x'");
    let begun = SystemClock.now();
    let seen = eventually(LONG, "its role is made right again", || {
        let seen = acted(&host, "let_in");
        (seen.len() > before).then_some(seen).ok_or(String::new())
    });
    let noticed = seen.last().unwrap();
    println!(
        "its own role: noticed after {} ms",
        (noticed.at - begun).num_milliseconds()
    );
    assert!(
        noticed.message.contains("the role of db4sci"),
        "{noticed:?}"
    );
    assert!(noticed.at - begun < NOTICED, "{noticed:?}");
    assert_eq!(host.run_of(ADMIN), admin);

    // Nobody else noticed anything, and no password was told.
    assert_eq!(host.run_of("genomics"), run);
    assert_eq!(host.rows("genomics"), [1]);
    let logs = host.docker(&["logs", &host.name(ADMIN)]);
    let inspected = host.docker(&["inspect", &host.name(ADMIN)]);
    for text in [host.log(), logs, inspected, host.told_events(ADMIN)] {
        assert!(!text.contains(secret.trim()));
    }
    nothing_is_left(&host);
}

#[test]
fn a_daemon_that_dies_while_it_lets_itself_in_leaves_nobody_out() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    let run = host.run_of("genomics");
    for failpoint in ["let_in.down", "let_in.set"] {
        let last = newest(&host);
        let log = log_up_to(&host, last);
        host.stop();
        host.start_with(&[("DB4SCI_FAILPOINT", failpoint)]);
        host.ready(&[ADMIN]);
        as_superuser(&host, "alter role postgres password 'x'");
        host.wait_killed();
        host.start();
        host.ready(&["genomics", ADMIN]);
        assert_eq!(log_up_to(&host, last), log, "{failpoint}");
        assert_eq!(host.run_of("genomics"), run, "{failpoint}");
    }
    nothing_is_left(&host);
}
