//! What nobody tells the daemon of: the files of a running `mydb_admin` are moved, emptied or exchanged, and
//! another server answers in its place. Noticed within ten seconds, and all of it comes back.

use std::fs;
use std::path::Path;
use std::process::Command;

use db4sci::model::{Change, Clock, Entry, Reason, SystemClock, Timestamp};

use crate::host::{Host, LONG, Postgres, eventually};
use crate::logins::NOTICED;
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
