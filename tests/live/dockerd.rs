//! Faults of the Docker Engine itself, and of the way to it.

use std::fs;
use std::time::{Duration, Instant};

use db4sci::model::Reason;

use crate::host::{Host, LONG, Postgres, Proxy, SOON, eventually, throughout};

/// A resync comes every minute, and a call may take its whole deadline before.
const RESYNC: Duration = Duration::from_secs(60 + 20 + 10);

#[test]
fn all_come_back_after_dockerd_was_killed_or_restarted() {
    let mut host = Host::with_engine(&["postgres:17"]);
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    host.write("genomics", 1);
    let names = ["genomics", "mydb_admin"];
    let ids = names.map(|name| host.run_of(name).id);

    host.engine().kill();
    // Nothing is known, so nothing is concluded; what is known already is told at once.
    let get = host.ok(&["get"]);
    assert!(get.contains("genomics"), "{get}");
    eventually(RESYNC, "it is told that Docker does not answer", || {
        let status = host.ok(&["status"]);
        status
            .contains("Docker: it does not answer")
            .then_some(())
            .ok_or(status)
    });
    host.engine().restart();
    host.shows("genomics", LONG, "back", |view| {
        view.ready && view.held.is_empty()
    });
    host.ready(&names);
    host.write("genomics", 2);

    // In order: dockerd stops every container, and starts those whose policy says so.
    host.engine().restart();
    host.ready(&names);
    host.shows("genomics", LONG, "back", |view| {
        view.ready && view.held.is_empty()
    });
    host.write("genomics", 3);
    assert_eq!(host.rows("genomics"), [1, 2, 3]);
    assert_eq!(names.map(|name| host.run_of(name).id), ids);
    assert_eq!(host.containers().len(), 2);
}

/// Threads and open files of the daemon.
fn load(host: &Host) -> (usize, usize) {
    let count = |what| {
        fs::read_dir(format!("/proc/{}/{what}", host.pid()))
            .unwrap()
            .count()
    };
    (count("task"), count("fd"))
}

#[test]
fn a_frozen_dockerd_piles_nothing_up_and_is_waited_for() {
    let mut host = Host::with_engine(&["postgres:17"]);
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    host.write("genomics", 1);
    let names = ["genomics", "mydb_admin"];
    let runs = names.map(|name| host.run_of(name));
    let (threads, files) = load(&host);

    host.engine().pause();
    let frozen = Instant::now();
    let mut worst = (0, 0);
    host.shows("genomics", RESYNC, "DockerUnavailable", |view| {
        // Whoever wants to know more only asks for the same look.
        let asked = Instant::now();
        host.db4sci(&["wait", "genomics", "--for", "stopped", "--timeout", "1s"]);
        host.db4sci(&["get"]);
        assert!(
            asked.elapsed() < SOON / 2,
            "answers took {:?}",
            asked.elapsed()
        );
        let now = load(&host);
        worst = (worst.0.max(now.0), worst.1.max(now.1));
        view.held
            .iter()
            .any(|held| held.reason == Reason::DockerUnavailable)
    });
    let took = frozen.elapsed();
    assert!(took < Duration::from_secs(45), "told after {took:?}");
    let status = host.ok(&["status"]);
    assert!(status.contains("does not answer"), "{status}");
    // The server itself is none the worse.
    host.write("genomics", 2);
    throughout(
        SOON,
        "answering at once, with few threads and files",
        || {
            let asked = Instant::now();
            host.ok(&["get"]);
            let (took, now) = (asked.elapsed(), load(&host));
            worst = (worst.0.max(now.0), worst.1.max(now.1));
            // A call to the engine is given up after twenty seconds.
            (took < SOON / 2)
                .then_some(())
                .ok_or(format!("get took {took:?}"))
        },
    );
    assert!(
        worst.0 <= threads + 16 && worst.1 <= files + 32,
        "{worst:?} of {threads}, {files}"
    );

    host.engine().resume();
    host.shows("genomics", RESYNC, "well again", |view| {
        view.ready && view.held.is_empty()
    });
    assert_eq!(names.map(|name| host.run_of(name)), runs);
    host.docker(&["rm", "-f", &host.name("genomics")]);
    host.shows("genomics", LONG, "healed", |view| {
        view.ready && view.held.is_empty()
    });
    assert_eq!(host.rows("genomics"), [1, 2]);
}

#[test]
fn lost_events_are_made_up_for_by_the_resync() {
    let mut host = Host::new();
    let proxy = Proxy::start(&host.path("docker.sock"));
    host.set("DOCKER_HOST", &proxy.address());
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    host.write("genomics", 1);
    let before = host.run_of("genomics");
    let (name, other) = (host.name("genomics"), host.name("other"));
    let named_again = |deadline| {
        host.shows("genomics", deadline, "its name again", |_| {
            host.inspect(&name).is_some()
        })
    };

    // Broken off, again and again: each new stream begins with a list.
    for _ in 0..3 {
        proxy.cut_events();
        host.docker(&["rename", &name, &other]);
        named_again(SOON);
    }
    // Open, and silent: nothing tells that events are missing. The server is not asked by a rename
    // either, so that only the resync can find out.
    proxy.swallow_events(true);
    host.docker(&["rename", &name, &other]);
    named_again(RESYNC);
    host.docker(&["rm", "-f", &name]);
    host.shows("genomics", RESYNC, "made again", |view| {
        view.ready && view.container.as_ref().is_some_and(|id| *id != before.id)
    });
    proxy.swallow_events(false);
    assert_eq!(host.containers_of("genomics").len(), 1);
    assert_eq!(host.rows("genomics"), [1]);
}
