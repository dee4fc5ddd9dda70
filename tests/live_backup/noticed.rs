//! What nobody tells the daemon of: the files of a running `mydb_admin` are moved, emptied or exchanged, and
//! another server answers in its place. Noticed within ten seconds, and all of it comes back.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use db4sci::model::{Change, Clock, Entry, Reason, SystemClock, Timestamp};

use crate::host::{Host, LONG, Postgres, Run, eventually, throughout};
use crate::logins::{NOTICED, acted};
use crate::nothing_is_left;
use crate::recovery::{ADMIN, log_up_to, newest, settled, stopped_and_resumed};

/// The first entry about `mydb_admin` of this kind since an instant; fails unless it came soon enough after the
/// harm, which is done now.
#[track_caller]
pub(crate) fn noticed(
    host: &Host,
    what: &str,
    since: Timestamp,
    is: impl Fn(&Entry) -> bool,
) -> Entry {
    let harmed = SystemClock.now();
    let found = eventually(LONG, what, || {
        let all = host.events(ADMIN);
        let found = all.into_iter().find(|entry| entry.at >= since && is(entry));
        found.ok_or_else(|| host.told_events(ADMIN))
    });
    let after = found.at - harmed;
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

/// A question of the superuser to `mydb_admin`, on its server's own socket.
#[track_caller]
fn ask(host: &Host, sql: &str) -> String {
    let name = host.name(ADMIN);
    let psql = ["exec", &name, "psql", "-U", "postgres", "-Atc", sql, ADMIN];
    host.docker(&psql)
}

/// Waits until a server runs that is not the one of before.
#[track_caller]
fn runs_anew(host: &Host, name: &str, before: &Run) {
    eventually(LONG, "another server runs", || {
        let now = host.inspect(&host.name(name)).map(|c| c.run());
        match now {
            Some(now) if now != *before => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
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
            // The daemon may be faster, and move what is left aside.
            for file in fs::read_dir(&data).unwrap().flatten() {
                let gone = match file.file_type().is_ok_and(|kind| kind.is_dir()) {
                    true => fs::remove_dir_all(file.path()),
                    false => fs::remove_file(file.path()),
                };
                drop(gone);
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
        runs_anew(&host, ADMIN, &before);
        host.ready(&[ADMIN]);
        assert_eq!(log_up_to(&host, last), log, "{what}");
    }

    // A copy in its place: the server goes on writing into files that no path leads to any more.
    let older = host.path("volume/older");
    copy(&data, &older);
    let restarted = stopped_and_resumed(&host, &run);
    let last = newest(&host);
    let log = log_up_to(&host, last);
    let before = host.run_of(ADMIN);
    let begun = SystemClock.now();
    fs::rename(&data, host.path("volume/exchanged")).unwrap();
    fs::rename(&older, &data).unwrap();
    noticed(&host, "another folder lies there", begun, |entry| {
        matches!(entry.change, Change::RestartAsked)
    });
    runs_anew(&host, ADMIN, &before);
    host.ready(&[ADMIN]);
    assert_eq!(log_up_to(&host, last), log);
    assert_eq!(host.run_of("genomics"), restarted);
    assert_eq!(host.rows("genomics"), [1]);
    nothing_is_left(&host);
}

#[test]
fn other_data_in_the_place_of_mydb_admin_is_kept_aside_and_what_another_database_misses_stays() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.write("genomics", 1);
    let data = host.data(ADMIN);

    // A copy of a database that has its data.
    let last = newest(&host);
    let log = log_up_to(&host, last);
    let before = host.run_of(ADMIN);
    let run = host.run_of("genomics");
    let theirs = host.path("volume/theirs");
    copy(&host.data("genomics"), &theirs);
    let begun = SystemClock.now();
    fs::rename(&data, host.path("volume/own")).unwrap();
    fs::rename(&theirs, &data).unwrap();
    noticed(&host, "another's data lies there", begun, |entry| {
        matches!(entry.change, Change::RestartAsked) || seen_for(Reason::DataLost)(entry)
    });
    runs_anew(&host, ADMIN, &before);
    host.ready(&[ADMIN]);
    assert_eq!(log_up_to(&host, last), log);
    assert_eq!(host.run_of("genomics"), run);
    let described = host.ok(&["describe", ADMIN]);
    assert!(described.contains("/.db4sci/.aside/"), "{described}");

    // Exchanged: all that there is of the other lies there.
    let last = newest(&host);
    let log = log_up_to(&host, last);
    let (genomics, aside) = (host.data("genomics"), host.path("volume/aside"));
    let names = [ADMIN, "genomics"];
    host.kill();
    for name in names {
        host.docker(&["stop", &host.name(name)]);
    }
    let exchange = || {
        fs::rename(&data, &aside).unwrap();
        fs::rename(&genomics, &data).unwrap();
        fs::rename(&aside, &genomics).unwrap();
    };
    exchange();
    host.start();
    for (name, other) in [(ADMIN, "genomics"), ("genomics", ADMIN)] {
        let said = host.told(name, Reason::DataForeign, LONG);
        assert!(said.contains(other), "{said}");
    }
    throughout(Duration::from_secs(10), "neither is touched", || {
        let runs = names.map(|name| {
            host.inspect(&host.name(name))
                .map(|c| c.status().to_owned())
        });
        let none = runs.iter().flatten().all(|status| status != "running");
        let theirs = data.join("db4sci-uid").exists() && genomics.join("db4sci-uid").exists();
        (none && theirs).then_some(()).ok_or(format!("{runs:?}"))
    });
    exchange();
    host.ready(&names);
    assert_eq!(log_up_to(&host, last), log);
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
    assert!(told.message.contains(&port.to_string()), "{told:?}");
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
    // A container that is only starting is in no list: at first it may be known as Docker's proxy.
    eventually(LONG, "it is named", || {
        let described = host.ok(&["describe", ADMIN]);
        let named = described.contains(&stranger);
        named.then_some(()).ok_or(described)
    });
    assert!(host.page("/readyz").is_ok_and(|(code, _)| code != 200));
    // What waits for the tables is tried all the while.
    let restarted = stopped_and_resumed(&host, &run);
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
    // What the server has in its memory is as it was: it is to read its files again.
    ask(&host, "checkpoint");
    let file = host
        .data(ADMIN)
        .join(ask(&host, "select pg_relation_filepath('log')"));
    let mut bytes = fs::read(&file).unwrap();
    bytes[4000..4100].fill(0xa5);
    let open = fs::OpenOptions::new().write(true).open(&file).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&open, &bytes[4000..4100], 4000).unwrap();
    host.docker(&["kill", &host.name(ADMIN)]);
    let told = eventually(LONG, "it is told", || {
        let told = acted(&host, "mend_tables").into_iter().next();
        told.ok_or_else(|| host.told_events(ADMIN))
    });
    assert!(told.message.contains("is damaged"), "{told:?}");
    host.ready(&[ADMIN]);
    assert_eq!(log_up_to(&host, last), log);
    nothing_is_left(&host);
}

#[test]
fn tables_of_a_newer_program_are_told_while_it_runs_and_end_its_start_and_databases_go_on() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.write("genomics", 1);
    let run = host.run_of("genomics");
    newest(&host);
    let begun = SystemClock.now();
    ask(
        &host,
        "insert into db4sci.steps (version, description, success, checksum, execution_time) \
         values (9000, 'future', true, '', 0)",
    );
    let told = noticed(&host, "a newer program", begun, |entry| {
        entry.message.contains("newer db4sci") && entry.message.contains("step 9000")
    });
    let status = host.db4sci(&[]).out;
    assert!(status.contains("newer db4sci"), "{status}");
    let rows = ask(&host, "select max(id) from log");
    assert!(rows.parse::<u64>().unwrap() < told.seq);
    // Its databases are looked after as ever.
    host.docker(&["kill", &host.name("genomics")]);
    runs_anew(&host, "genomics", &run);
    host.ready(&["genomics"]);
    let run = host.run_of("genomics");
    assert_eq!(ask(&host, "select max(id) from log"), rows);
    host.stop();

    let journal = fs::read(host.path("state/journal/ledger.v1.jsonl")).unwrap();
    let said = host.db4sci(&["run"]);
    assert_eq!(said.code, 1, "{}", said.all());
    for words in [
        "newer db4sci",
        "step 9000",
        "nothing was written",
        "install at least",
    ] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    let after = fs::read(host.path("state/journal/ledger.v1.jsonl")).unwrap();
    assert!(after == journal, "the journal was written");
    assert_eq!(ask(&host, "select max(id) from log"), rows);
    assert_eq!(host.run_of("genomics"), run);

    ask(&host, "delete from db4sci.steps where version = 9000");
    host.start();
    host.ready(&["genomics", ADMIN]);
    let last = settled(&host);
    log_up_to(&host, last);
    assert!(last >= told.seq);
    assert_eq!(host.run_of("genomics"), run);
    assert_eq!(host.rows("genomics"), [1]);
    nothing_is_left(&host);
}
