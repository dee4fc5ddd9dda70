//! What nobody tells the daemon of: the files of a running `mydb_admin` are moved, emptied or exchanged, and
//! another server answers in its place. Noticed within ten seconds, and all of it comes back.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use db4sci::model::{Change, Clock, Entry, Reason, SystemClock, Timestamp};

use crate::host::{Host, LONG, Postgres, eventually, throughout};
use crate::logins::{NOTICED, acted};
use crate::nothing_is_left;
use crate::recovery::{ADMIN, log_up_to, newest};

/// The first entry about `mydb_admin` of this kind since an instant; fails unless it came soon enough.
#[track_caller]
fn noticed(host: &Host, what: &str, begun: Timestamp, is: impl Fn(&Entry) -> bool) -> Entry {
    let found = eventually(LONG, what, || {
        let all = host.events(ADMIN);
        let found = all.into_iter().find(|entry| entry.at >= begun && is(entry));
        found.ok_or_else(|| host.told_events(ADMIN))
    });
    let after = found.at - begun;
    println!("{what}: noticed after {} ms", after.num_milliseconds());
    assert!(after < NOTICED, "{what}: {found:?}");
    found
}

/// Whether an entry tells that it was seen for this reason.
fn seen_for(reason: Reason) -> impl Fn(&Entry) -> bool {
    move |entry| matches!(&entry.change, Change::Observed { reason: Some(seen), .. } if *seen == reason)
}

/// Copies a folder as it is, with its owners.
#[track_caller]
fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(done.unwrap().success());
}

#[test]
fn the_files_of_a_running_mydb_admin_are_moved_emptied_and_exchanged_and_it_comes_back() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.write("genomics", 1);
    let run = host.run_of("genomics");
    let data = host.data(ADMIN);
    let aside = host.path("volume/aside");

    let harms: [(&str, &dyn Fn()); 2] = [
        ("its directory is renamed", &|| {
            fs::rename(&data, &aside).unwrap();
        }),
        ("its directory is emptied", &|| {
            for file in fs::read_dir(&data).unwrap().flatten() {
                match file.file_type().unwrap().is_dir() {
                    true => fs::remove_dir_all(file.path()).unwrap(),
                    false => fs::remove_file(file.path()).unwrap(),
                }
            }
        }),
    ];
    for (what, harm) in harms {
        let last = newest(&host);
        let log = log_up_to(&host, last);
        let before = host.run_of(ADMIN);
        let begun = SystemClock.now();
        harm();
        let told = noticed(&host, what, begun, seen_for(Reason::DataLost));
        assert!(told.message.contains("held data"), "{told:?}");
        eventually(LONG, "another server runs", || {
            let now = host.inspect(&host.name(ADMIN)).map(|c| c.run());
            match now {
                Some(now) if now != before => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        host.ready(&[ADMIN]);
        assert_eq!(log_up_to(&host, last), log, "{what}");
    }

    // A copy in its place: the server goes on writing into files that no path leads to any more.
    let older = host.path("volume/older");
    copy(&data, &older);
    host.ok(&["stop", "genomics", "--for", "1h", "--reason", "INC-812"]);
    host.ok(&["wait", "genomics", "--for", "stopped"]);
    host.ok(&["resume", "genomics"]);
    host.ready(&["genomics"]);
    let restarted = host.run_of("genomics");
    assert_ne!(run, restarted);
    let last = newest(&host);
    let log = log_up_to(&host, last);
    let before = host.run_of(ADMIN);
    let begun = SystemClock.now();
    fs::rename(&data, host.path("volume/exchanged")).unwrap();
    fs::rename(&older, &data).unwrap();
    noticed(&host, "another folder lies there", begun, |entry| {
        matches!(entry.change, Change::RestartAsked)
    });
    eventually(LONG, "it runs on what is there", || {
        let now = host.inspect(&host.name(ADMIN)).map(|c| c.run());
        match now {
            Some(now) if now != before => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    host.ready(&[ADMIN]);
    assert_eq!(log_up_to(&host, last), log);
    assert_eq!(host.run_of("genomics"), restarted);
    assert_eq!(host.rows("genomics"), [1]);
    nothing_is_left(&host);
}

#[test]
fn another_server_on_the_port_of_mydb_admin_is_named_and_gets_no_word_until_the_port_is_free() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.write("genomics", 1);
    let run = host.run_of("genomics");
    let last = newest(&host);
    let log = log_up_to(&host, last);
    let image = host.container(ADMIN).image();
    let port = host.view(ADMIN).unwrap().port;

    // It lets everybody in, and writes down whatever is said to it.
    let stranger = host.name("stranger");
    let (label, publish) = (host.label(), format!("127.0.0.1:{port}:5432"));
    host.docker(&[
        "create",
        "--name",
        &stranger,
        "--label",
        &label,
        "--publish",
        &publish,
        "--env",
        "POSTGRES_HOST_AUTH_METHOD=trust",
        &image,
        "postgres",
        "-c",
        "log_statement=all",
        "-c",
        "log_connections=on",
    ]);
    // The daemon may be faster than the other one's start.
    let begun = eventually(LONG, "it has the port", || {
        let begun = SystemClock.now();
        host.try_docker(&["rm", "-f", &host.name(ADMIN)]);
        let said = host.try_docker(&["start", &stranger]);
        (said.code == 0).then_some(begun).ok_or_else(|| said.all())
    });
    let told = noticed(&host, "another server", begun, seen_for(Reason::PortInUse));
    assert!(told.message.contains(&stranger), "{told:?}");
    let ask = |sql: &str| {
        let args = [
            "exec",
            &stranger,
            "psql",
            "-h",
            "/var/run/postgresql",
            "-U",
            "postgres",
            "-Atc",
            sql,
        ];
        host.try_docker(&args)
    };
    eventually(LONG, "the other one answers", || {
        let said = ask("select 1");
        (said.code == 0).then_some(()).ok_or_else(|| said.all())
    });
    let described = host.ok(&["describe", ADMIN]);
    assert!(described.contains(&stranger), "{described}");
    assert!(host.page("/readyz").is_ok_and(|(code, _)| code != 200));
    // What waits for the tables is tried all the while.
    host.ok(&["stop", "genomics", "--for", "1h", "--reason", "INC-812"]);
    host.ok(&["wait", "genomics", "--for", "stopped"]);
    host.ok(&["resume", "genomics"]);
    host.ready(&["genomics"]);
    let restarted = host.run_of("genomics");
    assert_ne!(run, restarted);
    throughout(Duration::from_secs(10), "nothing is written there", || {
        let made = "select (select count(*) from pg_database) || ' ' || (select count(*) from pg_roles \
                    where rolname like 'db4sci%')";
        let said = ask(made);
        (said.out.trim() == "3 0")
            .then_some(())
            .ok_or_else(|| said.all())
    });
    let logs = host.try_docker(&["logs", &stranger]).all();
    for words in ["create role", "create database", "alter role"] {
        assert!(!logs.contains(words), "{logs}");
    }

    host.docker(&["rm", "-f", "-v", &stranger]);
    host.ready(&[ADMIN]);
    assert_eq!(log_up_to(&host, last), log);
    assert_eq!(host.run_of("genomics"), restarted);
    assert_eq!(host.rows("genomics"), [1]);
    nothing_is_left(&host);
}

#[test]
fn a_page_of_its_log_that_is_overwritten_on_the_disk_is_told_and_made_again() {
    let mut host = Host::new();
    host.start();
    host.ready(&[ADMIN]);
    let last = newest(&host);
    let log = log_up_to(&host, last);
    let name = host.name(ADMIN);
    let ask = |sql: &str| {
        let psql = ["exec", &name, "psql", "-U", "postgres", "-Atc", sql, ADMIN];
        host.docker(&psql)
    };
    // What the server has in its memory is as it was: it is to read its files again.
    ask("checkpoint");
    let file = host
        .data(ADMIN)
        .join(ask("select pg_relation_filepath('log')"));
    let mut bytes = fs::read(&file).unwrap();
    bytes[4000..4100].fill(0xa5);
    let open = fs::OpenOptions::new().write(true).open(&file).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&open, &bytes[4000..4100], 4000).unwrap();
    host.docker(&["kill", &name]);
    let told = eventually(LONG, "it is told", || {
        let told = acted(&host, "mend_tables").into_iter().next();
        told.ok_or_else(|| host.told_events(ADMIN))
    });
    assert!(told.message.contains("is damaged"), "{told:?}");
    host.ready(&[ADMIN]);
    assert_eq!(log_up_to(&host, last), log);
    nothing_is_left(&host);
}
