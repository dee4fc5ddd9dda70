//! What people do to containers behind db4sci's back.

use std::net::TcpListener;

use db4sci::model::Reason;
use db4sci::model::view::Phase;

use crate::host::{Host, LONG, MariaDB, Postgres, SOON, eventually, throughout};

#[test]
fn a_removed_container_is_made_again_on_the_same_data() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.spec("proteomics", MariaDB, &[]);
    host.start();
    host.ready(&["genomics", "proteomics", "mydb_admin"]);
    let admin = host.run_of("mydb_admin");
    for name in ["genomics", "proteomics"] {
        host.write(name, 1);
        let before = host.run_of(name);
        host.docker(&["rm", "-f", &host.name(name)]);
        host.ready(&[name]);
        assert_ne!(host.run_of(name).id, before.id);
        assert_eq!(host.containers_of(name).len(), 1);
        host.write(name, 2);
        assert_eq!(host.rows(name), [1, 2]);
        let told = host.told_events(name);
        assert!(
            told.contains("another one is made on the same data"),
            "{told}"
        );
    }
    assert_eq!(host.run_of("mydb_admin"), admin);
}

#[test]
fn a_stopped_container_is_started_again_unless_somebody_wants_it_stopped() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    host.write("genomics", 1);
    let admin = host.run_of("mydb_admin");
    let first = host.run_of("genomics");
    let container = host.name("genomics");

    host.docker(&["stop", &container]);
    host.ready(&["genomics"]);
    let second = host.run_of("genomics");
    assert_eq!(second.id, first.id);
    assert_ne!(second.started_at, first.started_at);
    let told = host.told_events("genomics");
    assert!(
        told.contains("to keep it stopped: db4sci stop genomics"),
        "{told}"
    );
    assert_eq!(host.rows("genomics"), [1]);

    // By a person's word, over the spec: also when somebody starts it by hand.
    host.ok(&["stop", "genomics", "--reason", "INC-812"]);
    host.ok(&["wait", "genomics", "--for", "stopped"]);
    host.docker(&["start", &container]);
    let by_hand = host.run_of("genomics");
    assert_ne!(by_hand.started_at, second.started_at);
    host.shows("genomics", SOON, "stopped again", |v| {
        v.phase == Phase::Stopped && host.container("genomics").status() == "exited"
    });
    let stopped = host.container("genomics");
    assert_eq!(
        (stopped.status().as_str(), stopped.policy().as_str()),
        ("exited", "no")
    );
    // 130: the signal came while the image's script was still at work. Killed would be 137.
    assert!(
        [0, 130].contains(&stopped.exit_code()),
        "{}",
        stopped.exit_code()
    );
    assert!(
        host.ok(&["get"]).contains("Overridden"),
        "{}",
        host.ok(&["get"])
    );
    assert!(host.ok(&["status"]).contains("INC-812"));
    let plan = host.db4sci(&["plan"]);
    assert!(
        plan.code == 0
            && plan.out.contains("= genomics  stopped by ")
            && plan.out.contains("(INC-812); db4sci resume genomics\n"),
        "{}",
        plan.all()
    );
    host.ok(&["resume", "genomics"]);
    host.ready(&["genomics"]);
    assert_eq!(host.container("genomics").policy(), "always");

    // By the spec.
    host.spec("genomics", Postgres, &["state: Stopped"]);
    host.shows("genomics", SOON, "stopped by its spec", |v| {
        v.phase == Phase::Stopped
    });
    let stopped = host.container("genomics");
    assert_eq!(
        (stopped.id(), stopped.policy().as_str()),
        (first.id.clone(), "no")
    );
    host.spec("genomics", Postgres, &[]);
    host.ready(&["genomics"]);

    // In maintenance nothing is done either way.
    host.ok(&["maintenance", "on", "genomics", "--for", "1h"]);
    host.docker(&["stop", &container]);
    throughout(SOON / 5, "left alone in maintenance", || {
        match host.container("genomics").status().as_str() {
            "exited" => Ok(()),
            other => Err(other.to_owned()),
        }
    });
    assert_eq!(host.view("genomics").unwrap().phase, Phase::Maintenance);
    host.ok(&["maintenance", "off", "genomics"]);
    host.ready(&["genomics"]);

    assert_eq!(host.rows("genomics"), [1]);
    assert_eq!(host.containers_of("genomics").len(), 1);
    assert_eq!(host.run_of("mydb_admin"), admin);
}

#[test]
fn a_renamed_container_gets_its_name_back_and_a_frozen_one_is_thawed() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    host.write("genomics", 1);
    let before = host.run_of("genomics");
    let (name, other) = (host.name("genomics"), host.name("mine"));

    host.docker(&["rename", &name, &other]);
    host.shows("genomics", SOON, "its name again", |_| {
        host.inspect(&name).is_some_and(|c| c.run() == before)
    });

    // Also while nobody looks.
    host.kill();
    host.docker(&["rename", &name, &other]);
    host.start();
    host.ready(&["genomics"]);
    host.shows("genomics", SOON, "its name again", |_| {
        host.inspect(&name).is_some_and(|c| c.run() == before)
    });
    // Docker takes the new name before it lets go of the old one.
    eventually(SOON, "its other name is free", || {
        host.inspect(&other).map_or(Ok(()), |c| Err(c.name()))
    });

    host.docker(&["pause", &name]);
    host.shows("genomics", SOON, "thawed", |_| {
        host.container("genomics").status() == "running"
    });
    host.ready(&["genomics"]);
    assert_eq!(host.run_of("genomics"), before);
    assert_eq!(host.containers_of("genomics").len(), 1);
    assert_eq!(host.rows("genomics"), [1]);
}

#[test]
fn a_foreign_container_that_holds_a_name_is_never_touched() {
    let mut host = Host::new();
    let image = crate::support::image("postgres:15");
    let foreign = |name: &str| {
        let (label, name) = (host.label(), host.name(name));
        let args = [
            "run",
            "-d",
            "--label",
            &label,
            "--name",
            &name,
            "--entrypoint",
            "sleep",
        ];
        host.docker(&[args.as_slice(), &[&image, "3600"]].concat());
    };
    foreign("genomics");
    let first = host.run_of("genomics");
    host.spec("genomics", Postgres, &[]);
    host.spec("chembank", Postgres, &[]);
    host.start();
    host.ready(&["chembank", "mydb_admin"]);
    let said = host.told("genomics", Reason::NameConflict, SOON);
    assert!(said.contains("rename or remove it"), "{said}");
    assert_eq!(host.view("genomics").unwrap().phase, Phase::Held);
    assert_eq!(host.run_of("genomics"), first);
    host.docker(&["rm", "-f", &host.name("genomics")]);
    host.ready(&["genomics"]);
    host.write("genomics", 1);

    // The same after its own container went, behind a daemon that did not look.
    let chembank = host.run_of("chembank");
    host.kill();
    host.docker(&["rm", "-f", &host.name("genomics")]);
    let (label, name) = (host.label(), host.name("genomics"));
    let args = [
        "run",
        "-d",
        "--label",
        &label,
        "--name",
        &name,
        "--entrypoint",
        "sleep",
    ];
    host.docker(&[args.as_slice(), &[&image, "3600"]].concat());
    let second = host.run_of("genomics");
    host.start();
    host.told("genomics", Reason::NameConflict, SOON);
    assert_eq!(host.run_of("genomics"), second);
    host.docker(&["rename", &name, &host.name("away")]);
    host.ready(&["genomics"]);
    assert_eq!(host.inspect(&host.name("away")).unwrap().run(), second);
    assert_eq!(host.rows("genomics"), [1]);
    assert_eq!(host.run_of("chembank"), chembank);
}

#[test]
fn a_taken_port_names_its_owner_and_holds_up_nobody_else() {
    let mut host = Host::new();
    let (wanted, free) = (host.port(5), host.port(6));
    let held = TcpListener::bind(("127.0.0.1", wanted)).unwrap();
    host.spec("genomics", Postgres, &[&format!("port: {wanted}")]);
    host.spec("chembank", Postgres, &[&format!("port: {free}")]);
    host.start();
    host.ready(&["chembank", "mydb_admin"]);
    let said = host.told("genomics", Reason::PortInUse, SOON);
    let us = format!("process {}", std::process::id());
    assert!(
        said.contains(&wanted.to_string()) && said.contains(&us),
        "{said}"
    );
    let status = host.ok(&["status"]);
    assert!(status.contains("PortInUse"), "{status}");
    drop(held);
    // Nothing tells of a freed port: it is looked at every half minute.
    host.ready(&["genomics"]);
    host.write("genomics", 1);
    let chembank = host.run_of("chembank");

    // A container holds it: then that one is named.
    host.ok(&["stop", "genomics"]);
    host.ok(&["wait", "genomics", "--for", "stopped"]);
    let (label, name) = (host.label(), host.name("thief"));
    let publish = format!("127.0.0.1:{wanted}:5432");
    let image = crate::support::image("postgres:15");
    let args = [
        "run", "-d", "--label", &label, "--name", &name, "-p", &publish,
    ];
    host.docker(&[args.as_slice(), &["--entrypoint", "sleep", &image, "3600"]].concat());
    let thief = host.inspect(&name).unwrap().run();
    host.ok(&["resume", "genomics"]);
    let said = host.told("genomics", Reason::PortInUse, SOON);
    assert!(said.contains(&format!("container {name}")), "{said}");
    assert_eq!(host.inspect(&name).unwrap().run(), thief);
    host.docker(&["rm", "-f", &name]);
    host.shows("genomics", LONG, "ready again", |v| v.ready);
    assert_eq!(host.rows("genomics"), [1]);
    assert_eq!(host.run_of("chembank"), chembank);
}
