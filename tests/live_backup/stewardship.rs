//! A life that is over, where the settings want more than notices. The daemon's clock was wrong by two
//! hundred days when the databases were made, and is right since: their lives are over.

use std::time::Duration;

use db4sci::model::view::{BackupView, ConditionStatus, DatabaseView, Phase};
use db4sci::model::{BackupKind, BackupState, Reason};

use crate::backups;
use crate::host::{Host, LONG, MariaDB, MongoDB, Neo4j, Postgres, Server, eventually};

const ALL: [(&str, Server); 4] = [
    ("genomics", Postgres),
    ("shop", MariaDB),
    ("docs", MongoDB),
    ("graph", Neo4j),
];
/// For a final backup of each of four servers, and its restore test, beside other tests.
const ALL_PROVEN: Duration = Duration::from_secs(600);
const SHORT: &[&str] = &[
    "life: Short",
    "maintenanceWindow: Any",
    "backup: {schedule: Never}",
];

/// The daemon goes on with measures, of which the last comes after so long.
fn enforce(host: &mut Host, hibernate_after: &str) {
    host.stop();
    host.start_with(&[
        ("DB4SCI_STEWARDSHIP_LIFE", "Enforce"),
        ("DB4SCI_STEWARDSHIP_READ_ONLY_AFTER", "1s"),
        ("DB4SCI_STEWARDSHIP_HIBERNATE_AFTER", hibernate_after),
    ]);
}

fn is(reason: Reason, phase: Phase) -> impl Fn(&DatabaseView) -> bool {
    move |view| view.reason == Some(reason) && view.phase == phase
}

fn last(host: &Host, name: &str) -> BackupView {
    backups(host, name).remove(0)
}

#[test]
fn a_life_that_is_over_is_read_only_then_hibernates_and_a_person_wakes_it() {
    let mut host = Host::new();
    for (name, server) in ALL {
        host.spec(name, server, SHORT);
    }
    host.start_at("-200d");
    let names = ALL.map(|(name, _)| name);
    host.ready(&names);
    for name in names {
        host.write(name, 1);
    }

    // Told, and nothing else, where the settings say nothing.
    host.stop();
    host.start();
    host.shows("genomics", LONG, "over", |view| {
        let life = view.condition(DatabaseView::WITHIN_LIFE);
        life.is_some_and(|life| life.status == ConditionStatus::False && life.reason == "Over")
    });
    host.ready(&names);
    for name in names {
        host.write(name, 2);
    }

    enforce(&mut host, "3650d");
    for (name, server) in ALL {
        host.shows(name, LONG, "read-only", is(Reason::ReadOnly, Phase::Ready));
        eventually(LONG, "its users are held to reading", || {
            assert_eq!(host.rows(name), [1, 2]);
            let write = match server {
                Postgres | MariaDB => "delete from kept",
                Neo4j => "CREATE (:Other)",
                // The engine has no such setting, and db4sci says so.
                MongoDB => return Ok(()),
            };
            let said = host.try_sql(name, write);
            let why = said.err().ok_or_else(|| format!("{name} took `{write}`"))?;
            let words = why.to_lowercase();
            let named = words.contains("read-only") || words.contains("read only");
            named.then_some(()).ok_or(why)
        });
    }
    let told = host.told_events("docs");
    assert!(told.contains("cannot hold its users to reading"), "{told}");
    // What is db4sci's own goes on, the table of accounts included.
    for name in ["genomics", "shop", "graph"] {
        host.ok(&["rotate", name]);
        let role = if name == "graph" { "Admin" } else { "ReadOnly" };
        host.ok(&["account", "add", name, "reader", "--role", role]);
    }
    eventually(LONG, "the new account reads", || {
        host.try_sql_as("genomics", Some("reader"), "select n from kept")
    });

    enforce(&mut host, "2s");
    for name in names {
        let hibernates = is(Reason::Hibernated, Phase::Stopped);
        host.shows(name, ALL_PROVEN, "hibernates", hibernates);
        let last = last(&host, name);
        let proven = (BackupKind::Final, BackupState::Verified);
        assert_eq!((last.kind, last.state), proven, "{name}");
        let container = host.container(name);
        assert_eq!(
            (container.status(), container.policy()),
            ("exited".into(), "no".into())
        );
    }
    let said = host.ok(&["describe", "genomics"]);
    assert!(said.contains("db4sci start genomics"), "{said}");
    // Nothing is owed of what hibernates, and a daemon that starts again leaves it as it is.
    enforce(&mut host, "2s");
    host.shows("genomics", LONG, "hibernates still", |view| {
        is(Reason::Hibernated, Phase::Stopped)(view)
            && view
                .backup_fresh()
                .is_some_and(|fresh| fresh.reason == "Hibernated")
    });

    // What is put in its place sleeps on, and nobody waits for its server.
    let id = last(&host, "shop").id.to_string();
    host.ok(&["restore", "shop", "--from", &id, "--yes"]);
    host.shows(
        "shop",
        LONG,
        "hibernates on",
        is(Reason::Hibernated, Phase::Stopped),
    );

    // Woken for a while, it is its users' again; after that another final backup is taken.
    for name in ["genomics", "graph"] {
        let before = last(&host, name).id;
        host.ok(&["start", name, "--for", "1h", "--reason", "one more paper"]);
        host.ready(&[name]);
        host.write(name, 3);
        host.ok(&["resume", name]);
        host.shows(
            name,
            ALL_PROVEN,
            "hibernates again",
            is(Reason::Hibernated, Phase::Stopped),
        );
        let after = last(&host, name);
        assert_ne!(after.id, before);
        assert_eq!(after.kind, BackupKind::Final);
    }

    // A longer life ends it.
    host.spec(
        "genomics",
        Postgres,
        &["life: Long", "backup: {schedule: Never}"],
    );
    host.ready(&["genomics"]);
    eventually(LONG, "it is written to again", || {
        host.try_sql("genomics", "insert into kept values (4)")
    });
    assert_eq!(host.rows("genomics"), [1, 2, 3, 4]);
    assert_eq!(host.container("shop").status(), "exited");
}
