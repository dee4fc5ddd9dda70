//! Harm done to the tables of a real server, by its superuser: noticed, and mended from the ledger.

use std::sync::Arc;
use std::time::Duration;

use db4sci::admin::applier::{Doing, Held};
use db4sci::admin::audit;
use db4sci::admin::journal::{Journal, Record};
use db4sci::admin::{Applier, Keyring, Ledger, MemoryStorage, MydbAdmin, Vault};
use db4sci::model::{Change, SystemClock, Who};
use sqlx::postgres::PgConnection;

use crate::support_admin::{Server, admitted, apply, database, entry, ledger, one, run, stopped};

/// What the superuser does, from the plain to the devious; and what is found of the log, if it is harmed.
const HARMS: &[(&str, &str, Option<&str>)] = &[
    ("a table dropped", "drop table state cascade", None),
    (
        "all tables dropped",
        "drop table container, state, log, backup_log cascade",
        Some("its rows cannot be read"),
    ),
    (
        "the technical schema dropped",
        "drop schema db4sci cascade",
        None,
    ),
    (
        "rows of log removed",
        "delete from log where id = 2",
        Some("entry 2: mydb_admin: its row of log is gone"),
    ),
    (
        "a row of log altered",
        "update log set message = 'nothing happened' where id = 3",
        Some("entry 3: mydb_admin: its message is `nothing happened`, and `as wanted` was written"),
    ),
    (
        "a row of log swapped",
        "update log set id = -id where id in (3, 4); update log set id = 7 + id where id < 0",
        Some("entry 3: mydb_admin: its "),
    ),
    (
        "a row of log made up",
        "insert into log values (999, now(), 'x', null, 'x', 'x', 'x', 'x')",
        Some("log has a row 999, and there is no such entry"),
    ),
    (
        "log emptied",
        "truncate log",
        Some("entry 1: mydb_admin: its row of log is gone"),
    ),
    (
        "a row of state removed",
        "delete from state where name = 'genomics'",
        None,
    ),
    (
        "what is observed altered",
        "update state set observed = 'Stopped' where name = 'genomics'",
        None,
    ),
    (
        "a spec altered without an edit",
        "update state set spec = '{}' where name = 'genomics'",
        None,
    ),
    (
        "a secret altered",
        "update container set secrets = '{}'",
        None,
    ),
    (
        "a container's row made up",
        "insert into container (id, uid, name, engine, image, ts) values (77, gen_random_uuid(), 'x', 'x', 'x', now())",
        None,
    ),
    (
        "a backup made up",
        "insert into backup_log (id, ts, name, uid, slot, attempt, kind, store, state) values (5, now(), 'x', gen_random_uuid(), '', '', '', '', 'Verified')",
        None,
    ),
    (
        "a column added",
        "alter table log add column extra text",
        None,
    ),
    (
        "a column renamed",
        "alter table state rename note to remark",
        None,
    ),
    (
        "its number moved",
        "update db4sci.applied set seq = 4000",
        None,
    ),
    (
        "its number moved back",
        "update db4sci.applied set seq = 1, hash = repeat('a', 64)",
        None,
    ),
    (
        "the guard switched off",
        "alter table state disable trigger guard_state",
        None,
    ),
    ("the guard removed", "drop trigger guard_rows on log", None),
    (
        "the daemon's rights taken",
        "revoke all on log from db4sci; alter table log owner to postgres",
        None,
    ),
];

/// Everything that only the daemon writes, without what is written about the repairs.
async fn digest(root: &mut PgConnection, last: u64) -> serde_json::Value {
    let sql = format!(
        "select (select md5(string_agg(l::text, '|' order by id)) from log l where id <= {last}) as log,
                (select count(*) from log where id <= {last}) as rows,
                (select string_agg(row(name, spec, state, note, c_id, source, observed, generation,
                    observed_generation)::text, '|' order by name) from state
                 where source <> 'row' or c_id is not null) as state,
                (select string_agg(row(id, uid, name, engine, image, data, secrets)::text, '|'
                    order by id) from container) as container,
                (select count(*) from backup_log) as backups"
    );
    one(root, Box::leak(sql.into_boxed_str())).await
}

/// Waits until the tables are proven, with everything up to a number in them.
async fn until(applier: &Applier, what: &str, seq: u64) {
    let mut status = applier.watch();
    let found = status.wait_for(|s| s.applied >= seq && s.doing == Doing::Following);
    let found = tokio::time::timeout(Duration::from_secs(60), found).await;
    assert!(found.is_ok(), "{what}: {:?}", applier.status());
}

#[tokio::test]
async fn whatever_a_superuser_does_to_the_tables_is_noticed_and_mended() {
    let server = Server::start("postgres:17").await;
    let ledger = ledger().await;
    let access = server.access.clone();
    let reach = MydbAdmin::new(Arc::new(SystemClock), move || Some(access.clone()));
    let applier = Applier::spawn(ledger.clone(), reach, Held::in_memory());
    for new in [
        admitted(Who::Daemon, database("genomics", 32012, 1)),
        entry(Who::Daemon, "genomics", Change::Noted),
        entry(Who::Daemon, "genomics", stopped(&Who::Daemon)),
        admitted(Who::Daemon, database("assays", 32013, 1)),
        entry(Who::Daemon, "assays", Change::Noted),
    ] {
        ledger.append(new).await.unwrap();
    }
    until(&applier, "the first entries", 5).await;
    drop(applier);
    let mut root = server.session("postgres").await;
    let before = digest(&mut root, 5).await;
    assert_eq!(before["rows"], 5);

    for (what, harm, of_log) in HARMS {
        // A new one each time: of one applier that mends again and again, a person is wanted.
        let access = server.access.clone();
        let reach = MydbAdmin::new(Arc::new(SystemClock), move || Some(access.clone()));
        let applier = Applier::spawn(ledger.clone(), reach, Held::in_memory());
        let head = ledger.book().head().seq;
        until(&applier, what, head).await;

        run(&mut root, "set session_replication_role = replica")
            .await
            .unwrap();
        run(&mut root, harm).await.unwrap();
        run(&mut root, "set session_replication_role = origin")
            .await
            .unwrap();
        let begun = std::time::Instant::now();
        // Its own entry about the repair is in the tables, too.
        until(&applier, what, head + 1).await;
        let took = begun.elapsed();
        let book = ledger.book();
        let found = book.log_harms().iter().find(|h| h.entry > head);
        let found = found.map(|harm| harm.findings.named[0].to_string());
        match (of_log, &found) {
            (Some(words), Some(found)) => assert!(found.contains(words), "{what}: {found}"),
            (None, None) => {}
            _ => panic!("{what}: {found:?}"),
        }
        assert!(took < Duration::from_secs(15), "{what}: {took:?}");
        assert_eq!(digest(&mut root, 5).await, before, "{what}");
        drop(applier);
    }
    // The newest of them are kept, with the records of the ledger that were in them.
    let kept = "select count(*), max(nspname) as newest from pg_namespace
                where starts_with(nspname, 'harmed_')";
    let kept = one(&mut root, kept).await;
    assert_eq!(kept["count"], 12);
    let with = "select count(*) from pg_tables
                where starts_with(schemaname, 'harmed_') and tablename = 'records'";
    assert_eq!(one(&mut root, with).await["count"], 12);
    let newest = kept["newest"].as_str().unwrap();
    let records = format!("select count(*) from {newest}.records where seq <= 5");
    assert_eq!(one(&mut root, &records).await["count"], 5);
}

#[tokio::test]
async fn rows_that_a_superuser_wrote_and_chained_are_told_from_those_that_were_sealed() {
    let server = Server::start("postgres:17").await;
    let ledger = ledger().await;
    let books = ledger.clone();
    let vault = Vault::with(Keyring::of([7; 32]), move || books.book());
    ledger.seal_with(vault.sealer());
    for text in ["first", "second", "third"] {
        let mut new = entry(Who::Daemon, "genomics", Change::Noted);
        new.message = text.to_owned();
        ledger.append(new).await.unwrap();
    }
    let mut tables = server.tables().await;
    apply(&mut tables, &ledger).await;
    let compared = audit::tables(&ledger, &mut tables, true).await.unwrap();
    assert_eq!((compared.0, compared.1.is_empty()), (3, true));
    let judged = audit::journal(&ledger, &vault.ring()).await.unwrap();
    assert_eq!((judged.entries, judged.sealed), (3, 3));

    // The same ledger with another second entry, written by somebody who has all but the key.
    let (storage, forged) = forgery(&ledger, "second", "innocent").await;
    let mut root = server.session("postgres").await;
    run(&mut root, "set session_replication_role = replica")
        .await
        .unwrap();
    for record in &forged {
        let line = record.line.replace('\'', "''");
        let (seq, message) = (record.entry.seq, &record.entry.message);
        let (hash, text) = (record.hash, "md5(l::text || r.line)");
        for sql in [
            format!("update log set message = '{message}', hash = '{hash}' where id = {seq}"),
            format!("update db4sci.records set line = '{line}' where seq = {seq}"),
            format!(
                "update db4sci.records r set sum = {text} from log l where l.id = {seq} and r.seq = {seq}"
            ),
            format!("update db4sci.applied set hash = '{hash}'"),
        ] {
            run(&mut root, &sql).await.unwrap();
        }
    }
    tables
        .prove()
        .await
        .expect("the tables agree with themselves");
    let (_, findings) = audit::tables(&ledger, &mut tables, true).await.unwrap();
    let first = findings.named[0].to_string();
    let words = "entry 2: mydb_admin: its message is `innocent`, and `second` was written";
    assert!(first.contains(words), "{first}");

    // And a journal made of those records shows it by itself.
    let (theirs, _) = Ledger::open(storage, Arc::new(SystemClock)).await.unwrap();
    let judged = audit::journal(&theirs, &vault.ring()).await.unwrap();
    let found: Vec<String> = judged
        .findings
        .named
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].starts_with("entry 2: the journal: it has no seal"),
        "{found:?}"
    );
    let last = forged.last().unwrap();
    let why = audit::believe(&vault.ring(), last.line.as_bytes()).unwrap_err();
    assert!(why.contains("it has no seal"), "{why}");
}

/// All records of a ledger with one message another one: the entries before it as they are, those from
/// it on chained, and without the key.
async fn forgery(ledger: &Ledger, was: &str, is: &str) -> (MemoryStorage, Vec<Record>) {
    let records = ledger.on_disk(0, 100).await.unwrap();
    let first = records.iter().position(|r| r.entry.message == was).unwrap();
    let mut bytes = Vec::new();
    for record in &records[..first] {
        bytes.extend_from_slice(record.line.as_bytes());
        bytes.push(b'\n');
    }
    let storage = MemoryStorage::holding(bytes);
    let (mut journal, _) = Journal::open(Box::new(storage.clone()), &mut |_| Ok(())).unwrap();
    for record in &records[first..] {
        let mut entry = record.entry.clone();
        entry.message = entry.message.replace(was, is);
        journal.append(vec![vec![entry]]).unwrap();
    }
    drop(journal);
    let (forged, _) = Ledger::open(storage.clone(), Arc::new(SystemClock))
        .await
        .unwrap();
    (storage, forged.on_disk(0, 100).await.unwrap())
}

#[tokio::test]
async fn edits_that_waited_in_harmed_tables_wait_in_the_new_ones() {
    let server = Server::start("postgres:15").await;
    let ledger = ledger().await;
    ledger
        .append(admitted(Who::Daemon, database("genomics", 32012, 1)))
        .await
        .unwrap();
    let access = server.access.clone();
    let reach = || {
        let access = access.clone();
        MydbAdmin::new(Arc::new(SystemClock), move || Some(access.clone()))
    };
    let applier = Applier::spawn(ledger.clone(), reach(), Held::in_memory());
    until(&applier, "the first entry", 1).await;
    let mut person = server.person("anna").await;
    run(&mut person, crate::INSERT).await.unwrap();
    let stop = "update state set state = 'Stopped', note = 'INC-812' where name = 'genomics'";
    run(&mut person, stop).await.unwrap();
    let mut root = server.session("postgres").await;
    run(&mut root, "drop table log cascade").await.unwrap();
    until(&applier, "the repair", 2).await;

    let mut tables = server.tables().await;
    let edits = tables.edits().await.unwrap();
    let edits: Vec<(&str, &str, &str)> = edits
        .iter()
        .map(|e| (e.name.as_str(), e.state.as_str(), e.changed_by.as_str()))
        .collect();
    assert_eq!(
        edits,
        [
            ("genomics", "Stopped", "anna"),
            ("proteomics", "Running", "anna")
        ]
    );
    tables.prove().await.unwrap();
}
