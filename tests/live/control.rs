//! Faults of the daemon's own side: a second one, `mydb_admin`, the folder of specs.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use db4sci::model::view::Phase;
use db4sci::model::{Change, Entry, Reason};

use crate::host::{Host, LONG, MariaDB, Postgres, SOON, eventually, run, throughout};

#[test]
fn a_second_daemon_names_the_holder_and_does_nothing() {
    let mut host = Host::new();
    host.start();
    host.ready(&["mydb_admin"]);
    let (before, admin) = (host.events("").len(), host.run_of("mydb_admin"));
    let said = run(host.another_daemon(), SOON);
    assert_eq!(said.code, 1, "{}", said.all());
    assert!(
        said.err.contains(&format!("process {}", host.pid())),
        "{}",
        said.err
    );
    assert!(said.err.contains("did nothing"), "{}", said.err);
    // The first one's socket and pages are as they were.
    host.ready(&["mydb_admin"]);
    assert_eq!(host.events("").len(), before);
    assert_eq!(host.run_of("mydb_admin"), admin);
    // A holder that was killed holds nothing.
    host.kill();
    host.start();
    host.ready(&["mydb_admin"]);
    assert_eq!(host.run_of("mydb_admin"), admin);
}

/// A watcher; counts what it is asked for.
fn watcher() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/ping/0815", listener.local_addr().unwrap());
    let beats = Arc::new(AtomicUsize::new(0));
    let count = beats.clone();
    // It ends with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = [0; 1024];
            let read = stream.read(&mut asked).unwrap_or(0);
            if asked[..read].starts_with(b"GET /ping/0815 HTTP/1.1\r\n") {
                count.fetch_add(1, Ordering::SeqCst);
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(answer);
        }
    });
    (url, beats)
}

#[test]
fn a_watcher_misses_its_heartbeat_when_something_is_wrong() {
    let mut host = Host::new();
    let (url, beats) = watcher();
    host.set("DB4SCI_HEARTBEAT_URL", &url);
    host.set("DB4SCI_HEARTBEAT_EVERY", "1s");
    host.start();
    host.ready(&["mydb_admin"]);
    let beats = || beats.load(Ordering::SeqCst);
    let three_more = |what: &str| {
        let before = beats();
        eventually(SOON, what, || {
            (beats() >= before + 3)
                .then_some(())
                .ok_or_else(|| beats().to_string())
        });
    };
    three_more("it beats");
    host.ok(&["maintenance", "on", "mydb_admin"]);
    eventually(SOON, "hands off", || match host.view("mydb_admin") {
        Some(view) if view.phase == Phase::Maintenance => Ok(()),
        other => Err(format!("{other:?}")),
    });
    // One may be on its way.
    let at_most = beats() + 1;
    throughout(Duration::from_secs(5), "it is silent", || {
        let now = beats();
        (now <= at_most).then_some(()).ok_or(format!("{now}"))
    });
    let log = fs::read_to_string(host.path("daemon.log")).unwrap();
    assert!(
        log.contains("no heartbeat is sent") && !log.contains("0815"),
        "{log}"
    );
    host.ok(&["resume", "mydb_admin"]);
    three_more("it beats again");
    host.kill();
    let at_most = beats() + 1;
    throughout(Duration::from_secs(3), "it is silent", || {
        let now = beats();
        (now <= at_most).then_some(()).ok_or(format!("{now}"))
    });
    host.start();
    three_more("it beats after that");
}

/// How much of the ledger is in the tables.
fn in_tables(host: &Host) -> Result<(usize, String), String> {
    let log = host.try_sql("mydb_admin", "select count(*) from log")?;
    let described = "select spec->>'description' from state where name = 'genomics'";
    let count = log.parse().map_err(|_| log)?;
    Ok((count, host.try_sql("mydb_admin", described)?))
}

/// Says that something is over when it is dropped, also by a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn what_is_written_while_mydb_admin_restarts_arrives_in_its_tables() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.spec("proteomics", MariaDB, &[]);
    host.start();
    host.ready(&["genomics", "proteomics", "mydb_admin"]);
    let users = [host.run_of("genomics"), host.run_of("proteomics")];
    let admin = host.name("mydb_admin");
    let done = AtomicBool::new(false);
    let mut last = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            // However this thread ends, the loop below does, too.
            let _over = Over(&done);
            // The daemon may be quicker than Docker's own start, which is an error of Docker's then.
            let _ = host.try_docker(&["restart", &admin]);
            host.ready(&["mydb_admin"]);
            host.docker(&["kill", &admin]);
            host.ready(&["mydb_admin"]);
        });
        // Each of them is accepted at once, whatever mydb_admin does.
        while !done.load(Ordering::Relaxed) || last < 20 {
            last += 1;
            host.ok(&[
                "maintenance",
                "on",
                "genomics",
                "--reason",
                &format!("change {last}"),
            ]);
            host.ok(&["maintenance", "off", "genomics"]);
        }
    });
    let accepted = host.events("");
    let overridden = |e: &&Entry| matches!(e.change, Change::Overridden { .. });
    assert_eq!(accepted.iter().filter(overridden).count(), last);
    eventually(SOON, "all of it is in the tables", || {
        let sql = "select count(*) from log where action = 'overridden'";
        let found = host.try_sql("mydb_admin", sql)?;
        (found == last.to_string()).then_some(()).ok_or(found)
    });
    // Nothing twice, no gap, and the same as the ledger says.
    let sql = "select count(*) = max(id) and min(id) = 1 from log";
    assert_eq!(host.sql("mydb_admin", sql), "t");
    host.spec("genomics", Postgres, &["description: the last one"]);
    eventually(SOON, "the tables follow again", || {
        match in_tables(&host)? {
            (_, text) if text == "the last one" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    assert_eq!([host.run_of("genomics"), host.run_of("proteomics")], users);
}

#[test]
fn mydb_admin_without_its_container_gets_another_one_on_the_same_volume() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    eventually(SOON, "tables", || in_tables(&host));
    let genomics = host.run_of("genomics");
    let before = host.run_of("mydb_admin");
    let inode = fs::metadata(host.data("mydb_admin").join("PG_VERSION")).unwrap();
    let accepted = host.events("").len();

    host.docker(&["rm", "-f", &host.name("mydb_admin")]);
    host.ready(&["mydb_admin"]);
    assert_ne!(host.run_of("mydb_admin").id, before.id);
    assert_eq!(host.containers_of("mydb_admin").len(), 1);
    // The very same files: nothing was restored, nothing made anew.
    let after = fs::metadata(host.data("mydb_admin").join("PG_VERSION")).unwrap();
    assert_eq!(after.modified().unwrap(), inode.modified().unwrap());
    eventually(
        LONG,
        "the tables hold what they held, and what came later",
        || {
            let (rows, _) = in_tables(&host)?;
            (rows > accepted).then_some(()).ok_or(rows.to_string())
        },
    );
    assert_eq!(host.run_of("genomics"), genomics);
}

#[test]
fn specs_that_vanish_remove_nothing() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.spec("chembank", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "chembank", "mydb_admin"]);
    let runs = |host: &Host| ["genomics", "chembank", "mydb_admin"].map(|name| host.run_of(name));
    let before = runs(&host);
    let (folder, away) = (host.path("desired-state"), host.path("away"));

    // Emptied: each is shown as an orphan, and its last spec stays in force.
    fs::rename(&folder, &away).unwrap();
    fs::create_dir(&folder).unwrap();
    for name in ["genomics", "chembank"] {
        let said = host.told(name, Reason::Orphan, SOON);
        assert!(said.contains("nothing is removed"), "{said}");
    }
    assert!(host.ok(&["get"]).contains("Orphan"));
    let plan = host.db4sci(&["plan"]);
    assert!(plan.out.contains("Nothing is deleted"), "{}", plan.out);
    host.docker(&["rm", "-f", &host.name("chembank")]);
    host.shows("chembank", LONG, "healed although an orphan", |v| {
        v.ready && v.container.is_some()
    });
    let before = [
        before[0].clone(),
        host.run_of("chembank"),
        before[2].clone(),
    ];

    // Back again.
    fs::remove_dir(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    for name in ["genomics", "chembank"] {
        host.shows(name, SOON, "no orphan any more", |v| {
            v.held.iter().all(|held| held.reason != Reason::Orphan)
        });
    }

    // Not there, and no folder at all: unreadable is not empty, so nobody is an orphan.
    fs::rename(&folder, &away).unwrap();
    for file_in_its_place in [false, true] {
        if file_in_its_place {
            fs::write(&folder, "not a folder").unwrap();
        }
        eventually(SOON, "it is said that the folder cannot be read", || {
            let status = host.ok(&["status"]);
            status
                .contains(&*folder.to_string_lossy())
                .then_some(())
                .ok_or(status)
        });
        let view = host.view("genomics").unwrap();
        assert!(view.held.is_empty() && view.ready, "{view:?}");
        // A daemon that starts then knows no more, and does no more.
        host.kill();
        host.start();
        host.ready(&["genomics", "chembank", "mydb_admin"]);
    }
    assert_eq!(runs(&host), before);
    fs::remove_file(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    host.spec("genomics", Postgres, &["description: seen again"]);
    host.shows("genomics", SOON, "its file is read again", |v| {
        v.generation == 2
    });
    assert_eq!(runs(&host), before);
}
