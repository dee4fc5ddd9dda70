//! Servers that are killed, hang, crash, start long or stop long.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use db4sci::model::view::Phase;
use db4sci::model::{Change, Reason};
use rustix::process::{Pid, Signal, kill_process};

use crate::host::{Host, LONG, MariaDB, MongoDB, Postgres, SOON, eventually, throughout};

/// The host's ids of a container's processes whose command line contains a text.
#[track_caller]
fn processes(host: &Host, name: &str, wanted: &str) -> Vec<Pid> {
    let top = host.docker(&["top", &host.name(name), "-eo", "pid,args"]);
    let lines = top.lines().skip(1).filter(|line| line.contains(wanted));
    let pids = lines.filter_map(|line| line.split_whitespace().next()?.parse().ok());
    let pids: Vec<Pid> = pids.filter_map(Pid::from_raw).collect();
    assert!(!pids.is_empty(), "no `{wanted}` in: {top}");
    pids
}

#[track_caller]
fn signal(pids: &[Pid], signal: Signal) {
    for pid in pids {
        kill_process(*pid, signal).unwrap();
    }
}

#[test]
fn a_server_killed_for_its_memory_names_the_limit() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &["resources: {memory: 128Mi}"]);
    host.spec("proteomics", MariaDB, &["resources: {memory: 256Mi}"]);
    host.start();
    host.ready(&["genomics", "proteomics", "mydb_admin"]);
    let admin = host.run_of("mydb_admin");
    for name in ["genomics", "proteomics"] {
        host.write(name, 1);
    }
    // PostgreSQL loses one process and recovers by itself; MariaDB is one process.
    let hog = "set work_mem = '2GB'; select count(*) from (select repeat(g::text, 50) from \
               generate_series(1, 3000000) g order by 1) x";
    host.try_sql("genomics", hog).unwrap_err();
    let hog = "set max_heap_table_size = 4294967296; create temporary table hog (t varchar(8000)) \
               engine = memory; insert into hog select repeat('x', 8000) from seq_1_to_200000";
    host.try_sql("proteomics", hog).unwrap_err();
    for (name, limit) in [("genomics", "128Mi"), ("proteomics", "256Mi")] {
        eventually(LONG, "OOMKilled is an event, with the limit", || {
            let told = host.told_events(name);
            let line = told
                .lines()
                .find(|l| l.contains("OOMKilled") && l.contains(limit));
            line.map(drop).ok_or(told)
        });
        // The event may come before the server is seen to be down.
        let row = eventually(LONG, "it is back", || {
            host.try_sql(name, "select n from kept")
        });
        assert_eq!(row, "1");
    }
    assert_eq!(host.run_of("mydb_admin"), admin);
}

/// The files of the only quarantine of a database.
#[track_caller]
fn evidence(host: &Host, name: &str) -> PathBuf {
    let folder = host.path("state/quarantine").join(name);
    let all: Vec<_> = fs::read_dir(&folder).unwrap().flatten().collect();
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].path()
}

#[test]
fn a_server_that_crashes_again_and_again_is_left_alone_with_evidence() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.spec("chembank", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "chembank", "mydb_admin"]);
    host.write("genomics", 1);
    host.write("chembank", 1);
    host.ok(&["stop", "genomics"]);
    host.ok(&["wait", "genomics", "--for", "stopped"]);
    let control = host.data("genomics").join("global/pg_control");
    let good = fs::read(&control).unwrap();
    fs::write(&control, vec![0; good.len()]).unwrap();

    host.ok(&["resume", "genomics"]);
    // Neighbours are healed as fast as ever meanwhile.
    host.shows("genomics", SOON, "crashing", |view| {
        view.held
            .iter()
            .any(|held| held.reason == Reason::CrashLoop)
            || host.container("genomics").json()["RestartCount"].as_i64() > Some(0)
    });
    let begun = Instant::now();
    host.docker(&["rm", "-f", &host.name("chembank")]);
    host.ready(&["chembank"]);
    // Long before the other one is given up.
    assert!(begun.elapsed() < 3 * SOON, "{:?}", begun.elapsed());

    let said = host.told("genomics", Reason::Quarantined, LONG);
    assert!(
        said.contains("db4sci release genomics --reason TEXT"),
        "{said}"
    );
    let view = host.view("genomics").unwrap();
    assert_eq!(
        (view.phase, view.reason),
        (Phase::Held, Some(Reason::Quarantined))
    );
    let folder = evidence(&host, "genomics");
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
    assert!(
        read("log.txt").contains("PANIC") || read("log.txt").contains("FATAL"),
        "{}",
        read("log.txt")
    );
    assert!(read("container.json").contains(&view.uid.to_string()));
    assert!(read("why.txt").contains("exit code"), "{}", read("why.txt"));
    assert!(
        read("data.txt").contains("Initialised"),
        "{}",
        read("data.txt")
    );
    assert!(
        read("data.txt").contains("bytes free of"),
        "{}",
        read("data.txt")
    );
    let plan: serde_json::Value = serde_json::from_str(&read("plan.json")).unwrap();
    assert_eq!(
        plan["lane"]["actions"].as_array().map(Vec::is_empty),
        Some(false),
        "{plan}"
    );
    assert_eq!(plan["conditions"][0]["type"], "Ready", "{plan}");
    let described = host.ok(&["describe", "genomics"]);
    let line = described
        .lines()
        .find(|l| l.contains(&*folder.to_string_lossy()) && l.contains("plan.json"));
    assert!(line.is_some(), "{described}");
    assert!(
        host.told_events("genomics")
            .contains(&*folder.to_string_lossy())
    );
    let left = host.container("genomics");
    assert_eq!(
        (left.policy().as_str(), left.status().as_str()),
        ("no", "exited")
    );
    throughout(Duration::from_secs(8), "left alone", || {
        let now = host.container("genomics");
        (now.run() == left.run()).then_some(()).ok_or(now.status())
    });
    // A new daemon knows it, too.
    host.kill();
    host.start();
    host.ready(&["chembank"]);
    host.told("genomics", Reason::Quarantined, SOON);
    assert_eq!(host.run_of("genomics"), left.run());

    fs::write(&control, good).unwrap();
    for (args, says) in [
        (&["retry", "genomics"][..], "db4sci release genomics"),
        (&["release", "chembank", "--reason", "x"], "not quarantined"),
        (&["release", "genomics"], "--reason"),
    ] {
        let said = host.db4sci(args);
        assert_ne!(said.code, 0, "{args:?}: {}", said.all());
        assert!(said.err.contains(says), "{args:?}: {}", said.err);
    }
    host.ok(&[
        "release",
        "genomics",
        "--reason",
        "its control file is back",
    ]);
    host.ready(&["genomics"]);
    assert_eq!(host.rows("genomics"), [1]);
    assert_eq!(host.rows("chembank"), [1]);
    assert_eq!(host.container("genomics").policy(), "always");
}

/// Adds a line to the configuration that PostgreSQL reads last of all.
#[track_caller]
fn set_in_auto_conf(data: &Path, line: &str) {
    let file = data.join("postgresql.auto.conf");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}{line}\n")).unwrap();
}

#[test]
fn a_long_recovery_is_waited_for() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    host.write("genomics", 1);
    host.ok(&["stop", "genomics"]);
    host.ok(&["wait", "genomics", "--for", "stopped"]);
    // A recovery that lasts as long as a file is there.
    let data = host.data("genomics");
    let inside = "/var/lib/postgresql/data";
    fs::write(data.join("slow"), "").unwrap();
    fs::write(data.join("recovery.signal"), "").unwrap();
    let wait = format!("while [ -e {inside}/slow ]; do sleep 0.2; done; false");
    set_in_auto_conf(&data, &format!("restore_command = '{wait}'"));

    host.ok(&["resume", "genomics"]);
    host.shows("genomics", SOON, "coming up", |v| {
        v.reason == Some(Reason::Starting)
    });
    let run = host.run_of("genomics");
    let mut restarted = false;
    throughout(Duration::from_secs(60), "waited for", || {
        let view = host.view("genomics").unwrap();
        if view.reason != Some(Reason::Starting) || view.phase != Phase::Degraded {
            return Err(format!("{} {:?} {}", view.phase, view.reason, view.message));
        }
        // A new daemon has no less patience.
        if !std::mem::replace(&mut restarted, true) {
            host.kill();
            host.start();
            host.shows("genomics", SOON, "coming up", |v| {
                v.reason == Some(Reason::Starting)
            });
        }
        let now = host.run_of("genomics");
        (now == run).then_some(()).ok_or(format!("{now:?}"))
    });
    fs::remove_file(data.join("slow")).unwrap();
    host.ready(&["genomics"]);
    assert_eq!(host.run_of("genomics"), run);
    assert_eq!(host.rows("genomics"), [1]);
}

#[test]
fn a_slow_shutdown_is_not_cut_off() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    host.write("genomics", 1);
    let run = host.run_of("genomics");
    // The shutdown's checkpoint waits for this process.
    let checkpointer = processes(&host, "genomics", "checkpointer");
    signal(&checkpointer, Signal::STOP);
    host.ok(&["stop", "genomics"]);
    throughout(Duration::from_secs(15), "given its time", || {
        let now = host.container("genomics");
        (now.run() == run && now.status() == "running")
            .then_some(())
            .ok_or(now.status())
    });
    signal(&checkpointer, Signal::CONT);
    host.ok(&["wait", "genomics", "--for", "stopped"]);
    let stopped = host.container("genomics");
    assert_eq!(
        (stopped.status().as_str(), stopped.exit_code()),
        ("exited", 0)
    );
    host.ok(&["resume", "genomics"]);
    host.ready(&["genomics"]);
    assert_eq!(host.rows("genomics"), [1]);

    // By hand, and at the end of dockerd, the container's own deadline counts.
    let container = host.container("genomics");
    assert_eq!(container.json()["Config"]["StopTimeout"], 300);
    let checkpointer = processes(&host, "genomics", "checkpointer");
    signal(&checkpointer, Signal::STOP);
    host.ok(&["maintenance", "on", "genomics"]);
    std::thread::scope(|scope| {
        scope.spawn(|| host.docker(&["stop", &host.name("genomics")]));
        throughout(Duration::from_secs(15), "given its time", || {
            let status = host.container("genomics").status();
            (status == "running").then_some(()).ok_or(status)
        });
        signal(&checkpointer, Signal::CONT);
    });
    assert_eq!(host.container("genomics").exit_code(), 0);
}

#[test]
fn a_server_that_hangs_is_restarted_once() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.spec("proteomics", MariaDB, &[]);
    host.start();
    host.ready(&["genomics", "proteomics", "mydb_admin"]);
    let admin = host.run_of("mydb_admin");
    let names = ["genomics", "proteomics"];
    for name in names {
        host.write(name, 1);
    }
    let runs = names.map(|name| host.run_of(name));
    let frozen = Instant::now();
    for (name, program) in [("genomics", "postgres"), ("proteomics", "mariadbd")] {
        signal(&processes(&host, name, program), Signal::STOP);
    }
    host.told("genomics", Reason::NotAnswering, SOON);
    host.told("proteomics", Reason::NotAnswering, SOON);
    for (name, run) in names.into_iter().zip(&runs) {
        host.shows(name, LONG, "answering again", |view| {
            view.ready && host.run_of(name) != *run
        });
    }
    let took = frozen.elapsed();
    assert!(
        took > Duration::from_secs(30) && took < Duration::from_secs(100),
        "{took:?}"
    );
    let after = names.map(|name| host.run_of(name));
    for ((name, before), after) in names.into_iter().zip(&runs).zip(&after) {
        assert_eq!(before.id, after.id);
        let repairs = host.events(name);
        let repairs = repairs.iter().filter(|e| {
            matches!(e.change, Change::Intended { .. }) && e.message.contains("does not answer")
        });
        assert_eq!(repairs.count(), 1, "{name}");
        assert_eq!(host.rows(name), [1]);
    }
    throughout(Duration::from_secs(12), "restarted once", || {
        let now = names.map(|name| host.run_of(name));
        (now == after).then_some(()).ok_or(format!("{now:?}"))
    });
    assert_eq!(host.run_of("mydb_admin"), admin);
}

#[test]
fn a_daemon_that_starts_leaves_alone_what_has_run_for_long() {
    let mut host = Host::new();
    let all = [("genomics", Postgres), ("shop", MariaDB), ("docs", MongoDB)];
    for (name, server) in all {
        host.spec(name, server, &[]);
    }
    host.start();
    let names = all.map(|(name, _)| name);
    host.ready(&names);
    let runs = names.map(|name| host.run_of(name));
    // Each daemon finds servers that have run for longer than any may take to start, and looks at some
    // before it has asked them.
    for _ in 0..4 {
        host.stop();
        host.start_at("+2h");
        host.ready(&names);
        assert_eq!(names.map(|name| host.run_of(name)), runs);
    }
}
