//! Data that is lost comes back by itself: `mydb_admin`'s always, a database's where its spec says so.

use std::fs;
use std::path::PathBuf;

use db4sci::model::view::Phase;
use db4sci::model::{BackupState, Reason};

use crate::host::{Host, LONG, MariaDB, Postgres, Run, SOON, eventually};
use crate::{backups, nothing_is_left, place, take, verify};

pub(crate) const ADMIN: &str = "mydb_admin";

/// A statement in `mydb_admin`, as a person.
fn asked(host: &Host, sql: &str) -> Result<String, String> {
    host.try_sql(ADMIN, sql)
}

/// Waits until the tables hold as many entries as the ledger had when this was called; gives the sum
/// of the rows of `log` up to `last`, and how many there are.
#[track_caller]
pub(crate) fn log_up_to(host: &Host, last: u64) -> String {
    let sql = format!(
        "select count(*) || ' ' || md5(string_agg(l::text, '|' order by id)) from log l where id <= {last}"
    );
    let all = format!("select count(*) from log where id <= {last}");
    eventually(LONG, "the log is there", || {
        let count = asked(host, &all)?;
        (count == last.to_string()).then_some(()).ok_or(count)
    });
    // It may be restarted meanwhile.
    eventually(LONG, "the log answers", || asked(host, &sql))
}

/// The number of the newest row of `log`, once the tables have settled.
#[track_caller]
pub(crate) fn newest(host: &Host) -> u64 {
    let newest = eventually(LONG, "the tables answer", || {
        asked(host, "select max(id) from log")
    });
    newest.parse().unwrap()
}

/// Waits until the tables hold all that the ledger does, and gives the number of its newest entry: what they
/// do not hold yet is nowhere else when the journal loses it.
#[track_caller]
pub(crate) fn settled(host: &Host) -> u64 {
    eventually(LONG, "the tables hold all of the ledger", || {
        let ledger = host.events("").last().map_or(0, |entry| entry.seq);
        let tables = asked(host, "select max(id) from log")?;
        (tables == ledger.to_string())
            .then_some(ledger)
            .ok_or(format!("{tables} of {ledger}"))
    })
}

/// A person stops `genomics`, and lets it go on: entries of the log, and another run of it.
#[track_caller]
pub fn stopped_and_resumed(host: &Host, before: &Run) -> Run {
    host.ok(&["stop", "genomics", "--for", "1h", "--reason", "INC-812"]);
    host.ok(&["wait", "genomics", "--for", "stopped"]);
    host.ok(&["resume", "genomics"]);
    host.ready(&["genomics"]);
    let now = host.run_of("genomics");
    assert_ne!(*before, now);
    now
}

#[test]
fn mydb_admin_comes_back_whatever_is_left_of_it() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.write("genomics", 1);
    let run = host.run_of("genomics");

    // Before there is any backup: from the ledger alone.
    let last = newest(&host);
    let log = log_up_to(&host, last);
    host.destroy(ADMIN);
    eventually(LONG, "it begins anew", || {
        let told = host.told_events(ADMIN);
        told.contains("begins anew").then_some(()).ok_or(told)
    });
    host.ready(&[ADMIN]);
    assert_eq!(log_up_to(&host, last), log);

    // From a backup, and the ledger from there on.
    let backup = take(&host, ADMIN);
    verify(&host, &backup).unwrap();
    let stopped = stopped_and_resumed(&host, &run);
    let last = newest(&host);
    let log = log_up_to(&host, last);
    host.destroy(ADMIN);
    eventually(LONG, "it is recovered", || {
        let told = host.told_events(ADMIN);
        let words = format!("had lost its data: {} was restored", backup.id);
        told.contains(&words).then_some(()).ok_or(told)
    });
    host.ready(&[ADMIN]);
    assert_eq!(log_up_to(&host, last), log);
    // Where its data and what was seen of it are kept is told, and each of them names the other.
    let told = host.told_events(ADMIN);
    let kept = told.rsplit(" are in ").next().unwrap_or_default();
    let kept = PathBuf::from(kept.split(';').next().unwrap_or_default());
    let noted = fs::read_to_string(kept.join("data-place.txt")).unwrap();
    let aside = noted.lines().next().unwrap();
    assert!(
        aside.contains("/.db4sci/.aside/") && told.contains(aside),
        "{told}"
    );
    let described = host.ok(&["describe", ADMIN]);
    for line in [
        &format!("{aside}  its data from then"),
        &kept.display().to_string(),
    ] {
        let words: Vec<&str> = line.split_whitespace().collect();
        let found = described
            .lines()
            .any(|l| words.iter().all(|word| l.contains(word)));
        assert!(found, "{line}: {described}");
    }
    let state = "select state || ' ' || observed from state where name = 'genomics'";
    eventually(SOON, "the state of its databases is back", || {
        let row = asked(&host, state)?;
        (row == "Running Ready").then_some(()).ok_or(row)
    });

    // Its newest backup is damaged: from an older one.
    let second = take(&host, ADMIN);
    verify(&host, &second).unwrap();
    let objects = fs::read_dir(place(&second)).unwrap().flatten();
    for object in objects.filter(|o| o.file_name().to_string_lossy().contains(".age")) {
        let bytes = fs::read(object.path()).unwrap();
        fs::write(object.path(), &bytes[..bytes.len() / 2]).unwrap();
    }
    let last = newest(&host);
    let log = log_up_to(&host, last);
    host.destroy(ADMIN);
    eventually(LONG, "it is recovered from the older one", || {
        let told = host.told_events(ADMIN);
        let words = format!("had lost its data: {} was restored", backup.id);
        (told.matches(&words).count() == 2)
            .then_some(())
            .ok_or(told)
    });
    host.ready(&[ADMIN]);
    let damaged = backups(&host, ADMIN)
        .into_iter()
        .find(|b| b.id == second.id);
    assert_eq!(damaged.unwrap().state, BackupState::Damaged);
    assert_eq!(log_up_to(&host, last), log);

    // And the tables alone, while everything runs.
    let last = newest(&host);
    let log = log_up_to(&host, last);
    let admin = host.run_of(ADMIN);
    let drop = "drop table state cascade; delete from log where id = 3";
    let psql = [
        "exec",
        &host.name(ADMIN),
        "psql",
        "-q",
        "-U",
        "postgres",
        ADMIN,
        "-c",
    ];
    let mut harm = psql.to_vec();
    let quiet = format!("set session_replication_role = replica; {drop}");
    harm.push(&quiet);
    host.docker(&harm);
    eventually(SOON, "it is noticed and mended", || {
        let told = host.told_events(ADMIN);
        told.contains("made again from the ledger")
            .then_some(())
            .ok_or(told)
    });
    assert_eq!(log_up_to(&host, last), log);
    eventually(SOON, "state is back", || {
        let row = asked(&host, state)?;
        (row == "Running Ready").then_some(()).ok_or(row)
    });
    assert_eq!(host.run_of(ADMIN), admin);
    // What was altered is named until somebody has looked into it.
    let said = host.db4sci(&["audit", "verify"]);
    assert_eq!(said.code, 1, "{}", said.all());
    assert!(
        said.out
            .contains("entry 3: mydb_admin: its row of log is gone"),
        "{}",
        said.all()
    );
    assert!(host.db4sci(&[]).out.contains("audit verify"));
    let blank = host.db4sci(&["audit", "acknowledge", "--reason", " "]);
    assert_eq!(blank.code, 1, "{}", blank.all());
    host.ok(&["audit", "acknowledge", "--reason", "a test"]);
    let said = host.db4sci(&["audit", "verify"]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert!(said.out.contains("as it was written."), "{}", said.out);
    // All the while, nobody touched what is the users'.
    assert_eq!(host.run_of("genomics"), stopped);
    assert_eq!(host.rows("genomics"), [1]);
    nothing_is_left(&host);
}

#[test]
fn a_database_whose_spec_says_so_comes_back_from_its_newest_backup() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &["onLost: Restore"]);
    host.spec("assays", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "assays"]);
    for name in ["genomics", "assays"] {
        host.write(name, 1);
        let backup = take(&host, name);
        verify(&host, &backup).unwrap();
        host.write(name, 2);
        host.destroy(name);
    }
    eventually(LONG, "it says what is lost", || {
        let told = host.told_events("genomics");
        told.contains("what was written since")
            .then_some(())
            .ok_or(told)
    });
    host.ready(&["genomics"]);
    assert_eq!(host.rows("genomics"), [1]);
    // Of the other one a person decides.
    host.told("assays", Reason::DataLost, LONG);
    let id = backups(&host, "assays").remove(0).id.to_string();
    assert_eq!(host.view("assays").unwrap().phase, Phase::Held);
    host.ok(&["restore", "assays", "--from", &id, "--yes"]);
    host.ready(&["assays"]);
    assert_eq!(host.rows("assays"), [1]);
    nothing_is_left(&host);
}

/// Containers, data and state are gone; the store is left.
pub(crate) fn lose(host: &mut Host) {
    host.kill();
    lose_stopped(host);
}

/// As `lose`, of a host whose daemon does not run.
fn lose_stopped(host: &mut Host) {
    for container in host.containers() {
        host.docker(&["rm", "-f", "-v", &container.id()]);
    }
    // Jobs outlive a daemon that was killed, and write into its folders.
    let instance = fs::read_to_string(host.path("state/instance")).unwrap();
    let filter = format!("label=db4sci.work-instance={}", instance.trim());
    let jobs = host.docker(&["ps", "-aq", "--filter", &filter]);
    for job in jobs.lines() {
        host.docker(&["rm", "-f", "-v", job]);
    }
    let (state, store) = (host.path("state"), host.path("store-copied"));
    fs::rename(state.join("backups"), &store).unwrap();
    for gone in [&state, &host.path("volume")] {
        fs::remove_dir_all(gone).unwrap();
        fs::create_dir(gone).unwrap();
    }
    fs::rename(&store, state.join("backups")).unwrap();
}

#[test]
fn a_lost_host_comes_back_from_its_store_and_its_keys() {
    let mut host = Host::new();
    // The memory is to end with its backup.
    host.set("DB4SCI_SHIP_JOURNAL", "Never");
    host.spec("genomics", Postgres, &[]);
    host.spec("shop", MariaDB, &["support: Full"]);
    host.spec("unsaved", Postgres, &[]);
    host.spec("late", Postgres, &["state: Stopped"]);
    host.start();
    let names = ["genomics", "shop", "unsaved", ADMIN];
    host.ready(&names);
    for name in ["genomics", "shop"] {
        host.write(name, 1);
        // Proven, and yet it is not what comes back where there is a newer one.
        let backup = take(&host, name);
        verify(&host, &backup).unwrap();
    }
    take(&host, ADMIN);
    // Newer than what the ledger beside mydb_admin's backup knows: found by its manifest.
    host.write("shop", 2);
    let newer = take(&host, "shop");
    host.write("shop", 3);
    // Of the one it knows no first start, of the other one nothing at all.
    host.spec("late", Postgres, &[]);
    host.spec("unknown", MariaDB, &[]);
    host.spec("unread", Postgres, &[]);
    host.ready(&["late", "unknown", "unread"]);
    for name in ["late", "unknown", "unread"] {
        host.write(name, 1);
        take(&host, name);
    }
    let unread = backups(&host, "unread").remove(0);
    let last = newest(&host).min(20);
    let log = log_up_to(&host, last);
    let keys = host.path("keys-copied");
    host.ok(&["key", "export", &keys.display().to_string()]);

    lose(&mut host);
    let state = host.path("state");

    let refused = host.db4sci(&["run"]);
    assert!(
        refused.code == 1 && refused.err.contains("StoreHasHistory"),
        "{}",
        refused.all()
    );
    assert!(host.containers().is_empty());
    let refused = host.db4sci(&["recover", "--plan"]);
    assert!(
        refused.code == 1 && refused.err.contains("key export"),
        "{}",
        refused.all()
    );
    fs::rename(&keys, state.join("keys")).unwrap();
    // What it was to be is not known any more: it is not begun empty for that.
    fs::write(place(&unread).join("spec.yaml"), "spec: {").unwrap();
    let shown = host.ok(&["recover", "--plan"]);
    let order = ["mydb_admin ", "shop ", "genomics "].map(|name| shown.find(name).unwrap());
    assert!(order.is_sorted(), "{shown}");
    let plan = host.ok(&["recover", "--plan", "-o", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(
        plan["databases"]["shop"]["backup"],
        newer.id.to_string(),
        "{plan:#}"
    );
    let lost = |name: &str| plan["databases"][name]["lost"]["how"].clone();
    assert_eq!(
        (lost("shop"), lost("unsaved")),
        ("atMost".into(), "everything".into())
    );
    let what = plan["databases"]["unread"]["what"].as_str().unwrap();
    assert!(what.starts_with("is held: its spec is not known"), "{what}");
    assert_eq!(
        plan["databases"]["unsaved"]["what"],
        "is lost: there is no backup"
    );
    assert!(host.db4sci(&["run"]).err.contains("StoreHasHistory"));
    let told = host.ok(&["recover"]);
    assert!(told.contains("genomics"), "{told}");
    assert_eq!(host.db4sci(&["recover"]).code, 1, "it has its memory");

    host.start();
    host.ready(&["genomics", "shop", ADMIN]);
    assert_eq!(host.rows("genomics"), [1]);
    assert_eq!(host.rows("shop"), [1, 2]);
    host.ready(&["late", "unknown"]);
    for name in ["late", "unknown"] {
        assert_eq!(host.rows(name), [1], "{name} did not begin empty");
    }
    let status = host.ok(&["recover", "--status", "-o", "json"]);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let of = |name: &str, field: &str| status["databases"][name][field].clone();
    for name in ["genomics", "shop", "late", "unknown", ADMIN] {
        assert_eq!(of(name, "how"), "back", "{name}: {status:#}");
    }
    assert_eq!(of("shop", "from"), newer.id.to_string());
    assert_eq!(of("shop", "lost")["how"], "atMost", "{status:#}");
    assert_eq!(of("unsaved", "how"), serde_json::Value::Null);
    // Passwords that nobody knows are made without a word, and at once.
    assert!(!host.log().contains("backup work failed"), "{}", host.log());
    assert_eq!(log_up_to(&host, last), log);
    host.told("unsaved", Reason::DataLost, LONG);
    // Its file names it all the while, and yet it waits until a person has seen to it.
    let held = host.view("unread").unwrap();
    assert_eq!(held.phase, Phase::Maintenance, "{}", held.message);
    assert!(
        held.overridden
            .unwrap()
            .reason
            .contains("spec is not known")
    );
    assert!(!host.data("unread").exists(), "it did not begin empty");
    // It goes on as before: backups, and passwords of then.
    take(&host, "genomics");
    nothing_is_left(&host);

    // Whoever wants to begin anew beside all that says so.
    lose(&mut host);
    assert!(host.db4sci(&["run"]).err.contains("StoreHasHistory"));
    host.ok(&["init", "--fresh"]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    assert!(host.try_sql("genomics", "select n from kept").is_err());
    assert!(!state.join("fresh").exists(), "it has a history now");
}

/// Entries of the journal that are not known to be in the store, as Prometheus is told.
fn unshipped(host: &Host) -> Result<u64, String> {
    let (_, text) = host.page("/metrics")?;
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix("db4sci_journal_unshipped_entries{store=\"local\"} "));
    line.and_then(|n| n.parse().ok()).ok_or(text)
}

/// Waits until the store holds what is accepted now.
#[track_caller]
pub(crate) fn shipped(host: &Host) {
    let journal = fs::read_to_string(host.path("state/journal/ledger.v1.jsonl")).unwrap();
    let head = journal.lines().count() as u64;
    eventually(SOON, "the journal is in the store", || {
        let upto = pieces(host).last().map_or(0, |(last, _)| *last);
        (upto >= head)
            .then_some(())
            .ok_or_else(|| format!("{upto} of {head} entries"))
    });
}

/// The pieces of the journal in the store, the last one last, each with its last entry.
pub(crate) fn pieces(host: &Host) -> Vec<(u64, PathBuf)> {
    let instance = fs::read_dir(host.path("state/backups/test")).unwrap();
    let folders = instance.flatten().map(|e| e.path().join("@journal"));
    let files = folders.filter_map(|folder| fs::read_dir(folder).ok());
    let mut found: Vec<(u64, PathBuf)> = files
        .flat_map(|files| files.flatten().map(|file| file.path()))
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            Some((name.split('-').nth(1)?.parse().ok()?, path))
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_lost_host_knows_what_was_accepted_seconds_ago() {
    let mut host = Host::new();
    host.set("DB4SCI_SHIP_JOURNAL", "1s");
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    take(&host, ADMIN);
    // After the last backup of mydb_admin: another database, and a person's word.
    host.spec("shop", MariaDB, &[]);
    host.ready(&["shop"]);
    host.write("shop", 1);
    take(&host, "shop");
    host.ok(&["stop", "genomics", "--for", "2h", "--reason", "INC-812"]);
    host.ok(&["wait", "genomics", "--for", "stopped"]);
    shipped(&host);

    // The store goes away: that is told, nothing else waits for it, and it is caught up with.
    let (store, away) = (host.path("state/backups"), host.path("state/backups-away"));
    fs::rename(&store, &away).unwrap();
    host.ok(&["resume", "genomics"]);
    host.ready(&["genomics"]);
    eventually(SOON, "status tells", || {
        let said = host.db4sci(&["status"]).all();
        said.contains("store local: ").then_some(()).ok_or(said)
    });
    assert!(unshipped(&host).unwrap() > 0);
    fs::rename(&away, &store).unwrap();
    shipped(&host);
    // The pieces lie there a moment before the daemon knows that they do.
    eventually(SOON, "status is content again", || {
        let said = host.db4sci(&["status"]).all();
        (!said.contains("store local")).then_some(()).ok_or(said)
    });
    let told = host.log().matches("does not reach the store").count();
    assert_eq!(told, 1, "once an outage");
    // What is accepted in the same second as the end is what may be lost.
    host.ok(&["stop", "genomics", "--for", "2h", "--reason", "INC-813"]);
    host.ok(&["wait", "genomics", "--for", "stopped"]);
    let last = newest(&host);
    let log = log_up_to(&host, last);
    let keys = host.path("keys-copied");
    host.ok(&["key", "export", &keys.display().to_string()]);
    // Up to the last one that is looked for, and not up to one before it.
    shipped(&host);

    lose(&mut host);
    fs::rename(&keys, host.path("state/keys")).unwrap();
    let plan = host.ok(&["recover", "--plan", "-o", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    assert!(plan["shipped"].as_u64().unwrap() > 5, "{plan:#}");
    assert!(plan["entries"].as_u64().unwrap() >= last, "{plan:#}");
    assert_eq!(plan["databases"]["shop"]["what"], "comes back");
    assert_eq!(plan["problems"], serde_json::json!([]));

    // A piece that was damaged meanwhile is the end of what is known, and says so.
    let (_, damaged) = pieces(&host).pop().unwrap();
    let whole = fs::read(&damaged).unwrap();
    fs::write(&damaged, &whole[..whole.len() / 2]).unwrap();
    let cut = host.ok(&["recover", "--plan", "-o", "json"]);
    let cut: serde_json::Value = serde_json::from_str(&cut).unwrap();
    let problem = cut["problems"][0].as_str().unwrap_or_default();
    assert!(
        problem.contains("is lost") && problem.contains("@journal/"),
        "{cut:#}"
    );
    assert!(cut["entries"].as_u64() < plan["entries"].as_u64());
    fs::write(&damaged, &whole).unwrap();

    host.ok(&["recover"]);
    host.start();
    host.ready(&["shop", ADMIN]);
    assert_eq!(host.rows("shop"), [1]);
    assert_eq!(log_up_to(&host, last), log);
    let reason = host.view("genomics").unwrap().overridden.unwrap().reason;
    assert_eq!(reason, "INC-813");
    // It goes on being shipped, and can be lost again.
    host.ok(&["resume", "genomics"]);
    shipped(&host);
    host.kill();
    let keys = host.path("keys-again");
    fs::rename(host.path("state/keys"), &keys).unwrap();
    let entries = fs::read_to_string(host.path("state/journal/ledger.v1.jsonl")).unwrap();
    let resumed = entries.lines().position(|l| l.contains("\"resumed\""));
    lose_stopped(&mut host);
    fs::rename(&keys, host.path("state/keys")).unwrap();
    let plan = host.ok(&["recover", "--plan", "-o", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    assert!(
        plan["entries"].as_u64().unwrap() > resumed.unwrap() as u64,
        "{plan:#}"
    );
    assert_eq!(plan["problems"], serde_json::json!([]));
}

#[test]
fn a_journal_that_lost_some_of_itself_is_made_whole_from_the_tables() {
    let mut host = Host::new();
    // Or the stores had it, too.
    host.set("DB4SCI_SHIP_JOURNAL", "Never");
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.write("genomics", 1);
    let run = host.run_of("genomics");
    let journal = host.path("state/journal/ledger.v1.jsonl");
    type Harm = fn(&mut Vec<u8>);
    let harms: [(&str, Harm); 4] = [
        ("cut in half", |bytes| {
            let middle = bytes.len() / 2;
            let end = bytes[middle..].iter().position(|b| *b == b'\n').unwrap();
            bytes.truncate(middle + end + 1);
        }),
        ("a bit flipped", |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }),
        ("emptied", Vec::clear),
        ("overwritten", |bytes| bytes.fill(0)),
    ];
    for (what, harm) in harms {
        let last = settled(&host);
        let log = log_up_to(&host, last);
        host.kill();
        let mut bytes = fs::read(&journal).unwrap();
        harm(&mut bytes);
        fs::write(&journal, bytes).unwrap();
        if what == "a bit flipped" {
            // Without the tables nothing is believed, and nothing done.
            host.docker(&["stop", &host.name(ADMIN)]);
            let refused = host.db4sci(&["run"]);
            assert!(
                refused.code == 1 && refused.err.contains("start its container"),
                "{}",
                refused.all()
            );
            host.docker(&["start", &host.name(ADMIN)]);
            let ready = ["exec", &host.name(ADMIN), "pg_isready", "-h", "127.0.0.1"];
            eventually(SOON, "it answers", || {
                let said = host.try_docker(&ready);
                (said.code == 0).then_some(()).ok_or(said.all())
            });
        }
        host.start();
        host.ready(&["genomics", ADMIN]);
        let told = host.told_events(ADMIN);
        assert!(told.contains("was made whole"), "{what}: {told}");
        assert_eq!(log_up_to(&host, last), log, "{what}");
        assert_eq!(host.run_of("genomics"), run, "{what}");
    }
    // Cut while nobody can tell: it is not believed, whatever of it can be read.
    settled(&host);
    host.kill();
    host.docker(&["stop", &host.name(ADMIN)]);
    let mut bytes = fs::read(&journal).unwrap();
    harms[0].1(&mut bytes);
    fs::write(&journal, &bytes).unwrap();
    let refused = host.db4sci(&["run"]);
    assert!(
        refused.code == 1 && refused.err.contains("it ends there, and had"),
        "{}",
        refused.all()
    );
    assert_eq!(fs::read(&journal).unwrap(), bytes, "nothing was changed");
    host.docker(&["start", &host.name(ADMIN)]);
    eventually(SOON, "it answers", || {
        let said = host.try_docker(&["exec", &host.name(ADMIN), "pg_isready", "-h", "127.0.0.1"]);
        (said.code == 0).then_some(()).ok_or(said.all())
    });
    host.start();
    host.ready(&["genomics", ADMIN]);
    // A daemon that had it cut beneath it adds nothing before what is missing is written back.
    settled(&host);
    let file = fs::File::options().write(true).open(&journal).unwrap();
    file.set_len(fs::metadata(&journal).unwrap().len() / 2)
        .unwrap();
    let before = host.events("genomics").len();
    let _ = host.db4sci(&["restart", "genomics"]);
    eventually(SOON, "it is written back", || {
        let told = host.told_events(ADMIN);
        let back = told.contains("written back as they were");
        back.then_some(()).ok_or(told)
    });
    host.ready(&["genomics", ADMIN]);
    host.ok(&["audit", "verify"]);
    assert!(
        host.events("genomics").len() >= before,
        "all of it is there"
    );
    let kept = fs::read_dir(journal.parent().unwrap()).unwrap().flatten();
    let kept = kept.filter(|f| f.file_name().to_string_lossy().contains("harmed"));
    assert!(kept.count() >= harms.len() + 2, "each is kept");
    assert_eq!(host.rows("genomics"), [1]);
}
