//! The daemon killed at every step, and between an effect and its record: the next one finds what
//! was done by its uid, goes on from there, and does nothing twice.

use crate::host::{Host, LONG, Postgres, Run};

/// A daemon that dies at a failpoint while it makes a new database; another one that goes on.
#[track_caller]
fn dies_making_one_and_goes_on(failpoints: &[&str]) {
    let mut host = Host::new();
    host.start();
    host.ready(&["mydb_admin"]);
    let admin = host.run_of("mydb_admin");
    let mut before: Vec<(String, Run)> = Vec::new();
    for (n, failpoint) in failpoints.iter().enumerate() {
        let name = format!("db{n}");
        host.stop();
        host.start_with(&[("DB4SCI_FAILPOINT", failpoint)]);
        host.spec(&name, Postgres, &[]);
        host.wait_killed();
        host.start();
        host.ready(&[&name, "mydb_admin"]);
        let ours = host.containers_of(&name);
        assert_eq!(ours.len(), 1, "{failpoint}: {ours:?}");
        assert_eq!(ours[0].name(), host.name(&name), "{failpoint}");
        host.write(&name, 1);
        assert_eq!(host.rows(&name), [1], "{failpoint}");
        assert!(!host.path("volume/.db4sci/.aside").exists(), "{failpoint}");
        before.push((name, ours[0].run()));
    }
    // Nothing was done to those that were settled, over all these restarts.
    for (name, run) in before {
        assert_eq!(host.run_of(&name), run, "{name}");
    }
    assert_eq!(host.run_of("mydb_admin"), admin);
    assert_eq!(host.containers().len(), failpoints.len() + 1);
}

#[test]
fn killed_around_intent_and_files_it_goes_on() {
    dies_making_one_and_goes_on(&[
        "intent.before",
        "intent.after",
        "prepare.before",
        "prepare.after",
        "pin.before",
        "pin.after",
        "write_files.before",
        "secrets.sealed",
        "write_files.after",
    ]);
}

#[test]
fn killed_around_create_and_start_it_goes_on() {
    dies_making_one_and_goes_on(&[
        "create.before",
        "create.after",
        "record.before",
        "record.after",
        "start.before",
        "start.after",
    ]);
}

#[test]
fn killed_around_account_and_marker_it_goes_on() {
    dies_making_one_and_goes_on(&[
        "account.before",
        "account.after",
        "mark_initialised.before",
        "mark_initialised.between",
        "mark_initialised.after",
    ]);
}

#[test]
fn killed_around_a_reload_it_goes_on() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    let run = host.run_of("genomics");
    for (n, failpoint) in (5..).zip(["reload.before", "reload.written", "reload.after"]) {
        host.stop();
        host.start_with(&[("DB4SCI_FAILPOINT", failpoint)]);
        let parameter = format!("parameters: {{work_mem: {n}MB}}");
        host.spec("genomics", Postgres, &[&parameter]);
        host.wait_killed();
        host.start();
        host.shows("genomics", LONG, "in force", |view| {
            view.ready && view.observed_generation == view.generation
        });
        let said = host.sql("genomics", "show work_mem");
        assert_eq!(said.trim(), format!("{n}MB"), "{failpoint}");
        assert_eq!(host.run_of("genomics"), run, "{failpoint}");
    }
}

#[test]
fn killed_while_it_replaces_a_container_it_goes_on() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &["maintenanceWindow: Any"]);
    host.spec("chembank", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "chembank", "mydb_admin"]);
    host.write("genomics", 0);
    let neighbours = [host.run_of("chembank"), host.run_of("mydb_admin")];
    let failpoints = [
        "set_policy.before",
        "set_policy.after",
        "stop.before",
        "stop.after",
        "remove.before",
        "remove.after",
        "create.after",
        "start.after",
        "record.before",
    ];
    for (n, failpoint) in (1_u16..).zip(failpoints) {
        let before = host.container("genomics");
        host.stop();
        host.start_with(&[("DB4SCI_FAILPOINT", failpoint)]);
        // Another port takes another container.
        let port = host.port(2 + n % 2);
        host.spec(
            "genomics",
            Postgres,
            &["maintenanceWindow: Any", &format!("port: {port}")],
        );
        host.wait_killed();
        host.start();
        host.shows("genomics", LONG, "in force", |view| {
            view.ready && view.port == port && view.observed_generation == view.generation
        });
        let ours = host.containers_of("genomics");
        assert_eq!(ours.len(), 1, "{failpoint}: {ours:?}");
        assert_ne!(ours[0].id(), before.id(), "{failpoint}");
        assert_eq!(ours[0].policy(), "always", "{failpoint}");
        host.write("genomics", u32::from(n));
    }
    assert_eq!(host.rows("genomics"), (0..=9).collect::<Vec<_>>());
    assert_eq!(
        [host.run_of("chembank"), host.run_of("mydb_admin")],
        neighbours
    );
}
