//! `mydb_admin` on real servers: what the daemon writes there, what people may, and what happens
//! when either goes wrong. Needs Docker.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "live_admin/harm.rs"]
mod harm;
#[path = "live_admin/pages.rs"]
mod pages;
mod support_admin;

use std::sync::Arc;
use std::time::Duration;

use db4sci::admin::applier::{Doing, Held};
use db4sci::admin::bootstrap::bootstrap;
use db4sci::admin::tables::newer_step;
use db4sci::admin::{
    Access, Applier, Edit, Feed, Hint, MydbAdmin, Tables, TablesError, TablesHarm,
};
use db4sci::model::database::Source;
use db4sci::model::view::Phase;
use db4sci::model::{Change, Class, DataIdentity, Reason, Secret, SystemClock, Who};
use serde_json::json;
use sqlx::Connection;
use support_admin::{
    Server, admitted, apply, database, entry, ledger, name, one, refusal, run, sql, stopped,
};

const INSERT: &str = r#"insert into state (name, spec) values ('proteomics', '{"engine":"MariaDB","owner":"proteomics-lab","contact":"proteomics-lab@example.org"}')"#;
const UPDATE: &str =
    r#"update state set spec['resources']['memory'] = '"4Gi"' where name = 'proteomics'"#;
const STOP: &str = "update state set state = 'Stopped', until = now() + interval '2 hours', note = 'INC-812' where name = 'proteomics'";
const RETIRE: &str =
    "update state set state = 'Retired', note = 'grant ended' where name = 'proteomics'";

/// The one edit that waits.
async fn edit(tables: &mut Tables) -> Edit {
    let mut edits = tables.edits().await.unwrap();
    assert_eq!(edits.len(), 1, "{edits:?}");
    edits.pop().unwrap()
}

#[tokio::test]
async fn what_a_dba_writes_is_given_out_until_it_is_answered() {
    let server = Server::start("postgres:17").await;
    let mut tables = server.tables().await;
    let mut anna = server.person("anna").await;
    let mut feed = Feed::connect(&server.access).await.unwrap();
    let ledger = ledger().await;

    assert_eq!(run(&mut anna, INSERT).await.unwrap(), 1);
    let hint = tokio::time::timeout(Duration::from_secs(10), feed.next()).await;
    assert_eq!(hint.unwrap().unwrap(), Hint::Row(name("proteomics")));
    let inserted = edit(&mut tables).await;
    assert_eq!(inserted.spec.as_ref().unwrap()["engine"], "MariaDB");
    assert_eq!(
        (inserted.state.as_str(), inserted.generation),
        ("Running", 1)
    );
    assert_eq!(inserted.changed_by, "anna");
    assert_eq!(edit(&mut tables).await, inserted, "until it is answered");

    let mut proteomics = database("proteomics", 32011, 1);
    proteomics.given = inserted.spec.unwrap();
    let accepted = admitted(sql("anna", 1), proteomics.clone());
    ledger.append(accepted).await.unwrap();
    apply(&mut tables, &ledger).await;
    assert_eq!(tables.edits().await.unwrap(), []);

    assert_eq!(run(&mut anna, UPDATE).await.unwrap(), 1);
    let updated = edit(&mut tables).await;
    assert_eq!(
        updated.spec.as_ref().unwrap()["resources"],
        json!({"memory": "4Gi"})
    );
    proteomics.given = updated.spec.unwrap();
    proteomics.generation = 2;
    let accepted = admitted(sql("anna", 2), proteomics.clone());
    ledger.append(accepted).await.unwrap();
    apply(&mut tables, &ledger).await;

    assert_eq!(run(&mut anna, STOP).await.unwrap(), 1);
    let stop = edit(&mut tables).await;
    assert_eq!(
        (stop.state.as_str(), stop.note.as_deref()),
        ("Stopped", Some("INC-812"))
    );
    assert_eq!((stop.generation, stop.until.is_some()), (3, true));
    let who = sql("anna", 3);
    ledger
        .append(entry(who.clone(), "proteomics", stopped(&who)))
        .await
        .unwrap();
    apply(&mut tables, &ledger).await;
    assert_eq!(tables.edits().await.unwrap(), []);

    assert_eq!(run(&mut anna, RETIRE).await.unwrap(), 1);
    let retired = edit(&mut tables).await;
    assert_eq!(
        (retired.state.as_str(), retired.note.as_deref()),
        ("Retired", Some("grant ended"))
    );
    assert_eq!(
        retired.until, None,
        "the end of the stop is not that of the retirement"
    );
    proteomics.state = db4sci::model::WantedState::Retired;
    proteomics.generation = 4;
    let both = vec![
        entry(
            sql("anna", 4),
            "proteomics",
            Change::Resumed { since: None },
        ),
        admitted(sql("anna", 4), proteomics),
    ];
    ledger.append_all(both).await.unwrap();
    apply(&mut tables, &ledger).await;
    let row = one(
        &mut anna,
        "select state, note, changed_by, generation, observed_generation, source from state",
    )
    .await;
    assert_eq!(
        row,
        json!({"state": "Retired", "note": "grant ended", "changed_by": "anna",
               "generation": 4, "observed_generation": 4, "source": "row"})
    );
}

#[tokio::test]
async fn people_and_superusers_are_refused_what_is_not_theirs_with_a_hint() {
    let server = Server::start("postgres:17").await;
    let mut tables = server.tables().await;
    let mut anna = server.person("anna").await;
    let mut root = server.session("postgres").await;
    let ledger = ledger().await;
    let mut filed = database("genomics", 32012, 1);
    filed.source = Source::File("lab/genomics.yaml".into());
    let file = Who::File("lab/genomics.yaml".into());
    ledger.append(admitted(file, filed)).await.unwrap();
    let mut own = database("mydb_admin", 32009, 1);
    own.source = Source::Builtin;
    ledger.append(admitted(Who::Daemon, own)).await.unwrap();
    apply(&mut tables, &ledger).await;
    run(&mut anna, INSERT).await.unwrap();

    let spec = r#"'{"engine":"Postgres"}'"#;
    let both = [
        ("delete from state", "state='Retired'"),
        ("delete from state where false", "state='Retired'"),
        (
            &format!("insert into state (name, spec) values ('No Good', {spec})"),
            "allowed: ^[a-z]",
        ),
        (
            &format!("insert into state (name, spec) values ('a;id', {spec})"),
            "allowed: ^[a-z]",
        ),
        (
            &format!("insert into state (name, spec) values ('mydb_admin', {spec})"),
            "own database",
        ),
        (
            "update state set note = 'x' where name = 'mydb_admin'",
            "own database",
        ),
        (
            "insert into state (name, spec) values ('a', '[]')",
            "an object is needed",
        ),
        (
            "insert into state (name) values ('a')",
            "an object is needed",
        ),
        (
            "insert into state (name, spec) values ('a', jsonb_build_object('x', repeat('y', 300000)))",
            "at most 262144",
        ),
        (
            &format!("insert into state (name, spec, state) values ('a', {spec}, 'Paused')"),
            "Running, Stopped, Maintenance, Retired",
        ),
        (
            "update state set state = 'stopped' where name = 'proteomics'",
            "Running, Stopped, Maintenance, Retired",
        ),
        (
            "update state set state = null where name = 'proteomics'",
            "is not a state",
        ),
        (
            "update state set until = now() - interval '1 h' where name = 'proteomics'",
            "in the past",
        ),
        (
            "update state set until = 'infinity' where name = 'proteomics'",
            "leave until empty",
        ),
        (
            "update state set until = '250000-01-01' where name = 'proteomics'",
            "leave until empty",
        ),
        (
            "update state set state = 'Retired', until = now() + interval '1 h' where name = 'proteomics'",
            "has no end",
        ),
        (
            "update state set note = repeat('x', 1001) where name = 'proteomics'",
            "at most 1000",
        ),
        (
            "update state set spec = '{}' where name = 'genomics'",
            "lab/genomics.yaml / edit the file",
        ),
        (
            "update state set state = 'Retired' where name = 'genomics'",
            "lab/genomics.yaml / write `state: Retired`",
        ),
    ];
    for (statement, expected) in both {
        for session in [&mut anna, &mut root] {
            let said = refusal(session, statement).await;
            assert!(said.contains(expected), "{statement}: {said}");
        }
    }
    let roots = [
        ("truncate state", "state='Retired'"),
        ("truncate log", "kept by db4sci"),
        ("delete from log", "kept by db4sci"),
        ("update log set message = ''", "kept by db4sci"),
        (
            "insert into log values (9, now(), 'x', 'x', 'x', 'x', 'x', 'x')",
            "kept by db4sci",
        ),
        ("update container set name = ''", "kept by db4sci"),
        ("delete from backup_log", "kept by db4sci"),
        (
            "update state set generation = 9",
            "only spec, state, until and note may be changed",
        ),
        (
            "update state set source = 'row'",
            "only spec, state, until and note may be changed",
        ),
        (
            "update state set observed_generation = 9",
            "db4sci keeps the other columns",
        ),
        (
            "update state set name = 'p2' where name = 'proteomics'",
            "db4sci rename proteomics p2",
        ),
        (
            &format!("insert into state (name, spec, source) values ('a', {spec}, 'api')"),
            "only name, spec, state, until and note",
        ),
    ];
    for (statement, expected) in roots {
        let said = refusal(&mut root, statement).await;
        assert!(said.contains(expected), "{statement}: {said}");
        let said = refusal(&mut anna, statement).await;
        assert!(said.contains("permission denied"), "{statement}: {said}");
    }
    for statement in [
        "create table public.mine ()",
        "create schema mine",
        "select * from db4sci.applied",
        "alter table state disable trigger all",
        "drop table state",
    ] {
        let said = refusal(&mut anna, statement).await;
        assert!(
            said.contains("permission denied") || said.contains("owner"),
            "{statement}: {said}"
        );
    }

    // Nothing of it left a trace; what is allowed with a file's row goes through.
    let count = one(&mut anna, "select count(*), max(generation) from state").await;
    assert_eq!(count, json!({"count": 3, "max": 1}));
    run(
        &mut anna,
        "update state set state = 'Stopped', note = 'fan' where name = 'genomics'",
    )
    .await
    .unwrap();
    run(
        &mut anna,
        "update state set note = 'fan' where name = 'genomics'",
    )
    .await
    .unwrap();
    let edits = tables.edits().await.unwrap();
    let seen: Vec<_> = edits
        .iter()
        .map(|e| (e.name.as_str(), e.generation))
        .collect();
    assert_eq!(
        seen,
        [("genomics", 2), ("proteomics", 1)],
        "no edit, no generation"
    );
}

#[tokio::test]
async fn an_edit_that_waits_is_never_written_over() {
    let server = Server::start("postgres:17").await;
    let mut tables = server.tables().await;
    let mut anna = server.person("anna").await;
    let ledger = ledger().await;
    run(&mut anna, INSERT).await.unwrap();
    ledger
        .append(admitted(sql("anna", 1), database("proteomics", 32011, 1)))
        .await
        .unwrap();
    apply(&mut tables, &ledger).await;

    run(&mut anna, UPDATE).await.unwrap();
    let waiting = edit(&mut tables).await;
    let mut other = database("proteomics", 32011, 2);
    other.given["description"] = "by the API".into();
    other.source = Source::Api;
    let ready = Change::Observed {
        phase: Phase::Ready,
        reason: None,
    };
    ledger
        .append(admitted(Who::Daemon, other.clone()))
        .await
        .unwrap();
    ledger
        .append(entry(Who::Daemon, "proteomics", stopped(&Who::Daemon)))
        .await
        .unwrap();
    ledger
        .append(entry(Who::Daemon, "proteomics", ready))
        .await
        .unwrap();
    apply(&mut tables, &ledger).await;
    assert_eq!(
        edit(&mut tables).await,
        waiting,
        "the same generation, still not answered"
    );
    let row = one(&mut anna, "select observed, source from state").await;
    assert_eq!(row, json!({"observed": "Ready", "source": "api"}));

    // While that edit is answered, the next one is made.
    run(
        &mut anna,
        "update state set note = 'one more' where name = 'proteomics'",
    )
    .await
    .unwrap();
    let mut answer = other.clone();
    answer.generation = 3;
    answer.given = waiting.spec.clone().unwrap();
    ledger
        .append(admitted(sql("anna", waiting.generation), answer.clone()))
        .await
        .unwrap();
    apply(&mut tables, &ledger).await;
    let next = edit(&mut tables).await;
    assert_eq!(
        (next.generation, next.note.as_deref()),
        (3, Some("one more"))
    );

    answer.generation = 4;
    ledger
        .append(admitted(sql("anna", 3), answer))
        .await
        .unwrap();
    apply(&mut tables, &ledger).await;
    assert_eq!(tables.edits().await.unwrap(), []);
    let row = one(
        &mut anna,
        "select spec->'resources' as r, state, note, generation as g from state",
    )
    .await;
    assert_eq!(
        row,
        json!({"r": {"memory": "4Gi"}, "state": "Stopped", "note": "INC-812", "g": 4}),
        "the override is shown once nothing waits"
    );
}

#[tokio::test]
async fn a_refused_spec_stays_in_the_row_with_its_problems() {
    let server = Server::start("postgres:17").await;
    let mut tables = server.tables().await;
    let mut anna = server.person("anna").await;
    let ledger = ledger().await;
    let refused = |generation, problems: &[&str]| {
        let problems = problems.iter().map(|p| (*p).to_owned()).collect();
        let row_generation = Some(generation);
        entry(
            sql("anna", generation),
            "proteomics",
            Change::SpecRefused {
                row_generation,
                problems,
            },
        )
    };
    const ROW: &str = "select spec->>'engine' as e, reason, message, observed from state";

    run(
        &mut anna,
        r#"insert into state (name, spec) values ('proteomics', '{"engine":"Oracle"}')"#,
    )
    .await
    .unwrap();
    ledger
        .append(refused(1, &["engine: unknown", "owner: missing"]))
        .await
        .unwrap();
    apply(&mut tables, &ledger).await;
    assert_eq!(tables.edits().await.unwrap(), []);
    assert_eq!(
        one(&mut anna, ROW).await,
        json!({"e": "Oracle", "reason": "InvalidSpec", "message": "engine: unknown\nowner: missing",
               "observed": null})
    );

    run(
        &mut anna,
        r#"update state set spec = '{"engine":"MariaDB"}'"#,
    )
    .await
    .unwrap();
    ledger
        .append(admitted(sql("anna", 2), database("proteomics", 32011, 2)))
        .await
        .unwrap();
    run(&mut anna, r#"update state set spec['engine'] = '"Sybase"'"#)
        .await
        .unwrap();
    ledger
        .append(refused(3, &["engine: unknown"]))
        .await
        .unwrap();
    let held = Change::Observed {
        phase: Phase::Degraded,
        reason: Some(Reason::NotAnswering),
    };
    ledger
        .append(entry(Who::Daemon, "proteomics", held))
        .await
        .unwrap();
    apply(&mut tables, &ledger).await;
    assert_eq!(
        one(&mut anna, ROW).await,
        json!({"e": "Sybase", "reason": "InvalidSpec", "message": "engine: unknown",
               "observed": "Degraded"})
    );
    assert_eq!(tables.edits().await.unwrap(), []);

    run(
        &mut anna,
        r#"update state set spec['engine'] = '"MariaDB"'"#,
    )
    .await
    .unwrap();
    ledger.append(refused(4, &[])).await.unwrap();
    apply(&mut tables, &ledger).await;
    let row = one(&mut anna, ROW).await;
    assert_eq!(
        (&row["reason"], &row["e"]),
        (&json!("NotAnswering"), &json!("MariaDB"))
    );
    assert_eq!(tables.edits().await.unwrap(), []);
}

#[tokio::test]
async fn an_override_made_while_an_edit_waits_shows_after_the_answer() {
    let server = Server::start("postgres:17").await;
    let mut tables = server.tables().await;
    let mut anna = server.person("anna").await;
    let ledger = ledger().await;
    run(&mut anna, INSERT).await.unwrap();
    let first = admitted(sql("anna", 1), database("proteomics", 32011, 1));
    ledger.append(first).await.unwrap();
    apply(&mut tables, &ledger).await;

    let bad = r#"update state set spec['engine'] = '"Oracle"', state = 'Maintenance'"#;
    run(&mut anna, bad).await.unwrap();
    let stop = entry(Who::Daemon, "proteomics", stopped(&Who::Daemon));
    ledger.append(stop).await.unwrap();
    apply(&mut tables, &ledger).await;
    assert_eq!(edit(&mut tables).await.state, "Maintenance");
    let refused = Change::SpecRefused {
        row_generation: Some(2),
        problems: vec!["engine: unknown".to_owned()],
    };
    ledger
        .append(entry(Who::Daemon, "proteomics", refused))
        .await
        .unwrap();
    apply(&mut tables, &ledger).await;
    assert_eq!(tables.edits().await.unwrap(), []);
    let row = one(
        &mut anna,
        "select spec->>'engine' as e, state, note from state",
    )
    .await;
    assert_eq!(
        row,
        json!({"e": "Oracle", "state": "Stopped", "note": "INC-812"})
    );
}

#[tokio::test]
async fn every_entry_is_in_the_log_once_however_often_it_is_applied() {
    let server = Server::start("postgres:17").await;
    let mut tables = server.tables().await;
    let mut root = server.session("postgres").await;
    let ledger = ledger().await;
    let genomics = database("genomics", 32012, 1);
    let uid = genomics.uid;
    let text = |message: &str, change| {
        let mut new = entry(Who::Daemon, "genomics", change);
        new.message = message.to_owned();
        new
    };
    let inspected = json!({"Id": "abc", "Odd\0": "zero \0 byte"});
    for new in [
        admitted(
            Who::Socket {
                uid: 1000,
                user: "anna".to_owned(),
            },
            genomics,
        ),
        text(
            "made",
            Change::Acted {
                action: "create".to_owned(),
            },
        ),
        text(
            "seen",
            Change::Inspected {
                uid,
                container: inspected,
            },
        ),
        text(
            "up",
            Change::Observed {
                phase: Phase::Ready,
                reason: None,
            },
        ),
        text("stopped", stopped(&Who::Daemon)),
        text(
            "down",
            Change::Observed {
                phase: Phase::Stopped,
                reason: Some(Reason::Stopped),
            },
        ),
    ] {
        ledger.append(new).await.unwrap();
    }
    let book = ledger.book();
    let records = ledger.records(0, 100).await.unwrap();
    // In overlapping pieces, twice, with the book ahead of them; and one piece too early.
    for range in [0..2, 4..6, 1..3, 0..6, 3..6, 0..6] {
        tables.apply(&records[range], &book).await.unwrap();
    }
    assert_eq!(tables.applied().await.unwrap(), book.head());

    let log = one(
        &mut root,
        "select count(*), min(id), max(id), count(distinct hash) as hashes from log",
    )
    .await;
    assert_eq!(log, json!({"count": 6, "min": 1, "max": 6, "hashes": 6}));
    let last = one(
        &mut root,
        "select who, name, action, outcome, message, hash from log where id = 6",
    )
    .await;
    assert_eq!(
        last,
        json!({"who": "db4sci", "name": "genomics", "action": "observed", "outcome": "done",
               "message": "down", "hash": book.head().hash.to_string()})
    );
    let first = one(&mut root, "select who from log where id = 1").await;
    assert_eq!(first, json!({"who": "anna(1000)"}));
    let row = one(&mut root, "select state, until, note, last_state, observed, reason, message, generation, observed_generation, changed_by, c_id from state").await;
    assert_eq!(row["until"], "2030-01-02T03:04:05+00:00");
    assert_eq!(
        (
            &row["state"],
            &row["note"],
            &row["observed"],
            &row["reason"],
            &row["message"]
        ),
        (
            &json!("Stopped"),
            &json!("INC-812"),
            &json!("Stopped"),
            &json!("Stopped"),
            &json!("down")
        )
    );
    assert_eq!(row["changed_by"], "db4sci");
    let container = one(
        &mut root,
        "select c.id = s.c_id as same, c.engine, c.data->>'Id' as data from container c, state s",
    )
    .await;
    assert_eq!(
        container,
        json!({"same": true, "engine": "MariaDB", "data": "abc"})
    );

    ledger
        .append(entry(
            Who::Daemon,
            "genomics",
            Change::Resumed { since: None },
        ))
        .await
        .unwrap();
    apply(&mut tables, &ledger).await;
    let row = one(&mut root, "select state, until, note from state").await;
    assert_eq!(
        row,
        json!({"state": "Running", "until": null, "note": null})
    );
}

#[tokio::test]
async fn one_row_that_makes_no_sense_stops_no_other() {
    let server = Server::start("postgres:17").await;
    let mut tables = server.tables().await;
    let mut anna = server.person("anna").await;
    run(
        &mut anna,
        r#"insert into state (name, spec) values ('a', '{"cpus": 1e400}')"#,
    )
    .await
    .unwrap();
    run(&mut anna, INSERT).await.unwrap();
    let mut root = server.session("postgres").await;
    run(&mut root, "set session_replication_role = replica")
        .await
        .unwrap();
    run(&mut root, "insert into state (name, spec, state, until) values ('NO!', '{}', 'Running', 'infinity'), ('b', '{}', '', 'infinity')").await.unwrap();
    let edits = tables.edits().await.unwrap();
    let seen: Vec<_> = edits
        .iter()
        .map(|e| (e.name.as_str(), e.spec.is_ok(), e.until))
        .collect();
    assert_eq!(
        seen,
        [
            ("a", false, None),
            ("b", true, None),
            ("proteomics", true, None)
        ]
    );
}

#[tokio::test]
async fn a_bootstrap_can_be_repeated_and_heals_a_lost_password() {
    let logs_all = [
        "-c",
        "log_statement=all",
        "-c",
        "log_min_duration_sample=0",
        "-c",
        "log_transaction_sample_rate=1",
    ];
    let server = Server::start_with("postgres:17", &logs_all).await;
    let (log, _guard) = support_admin::capture_log();
    let Err(error) = Tables::connect(&server.access).await else {
        panic!("nothing is there")
    };
    assert!(matches!(error, TablesError::Login { .. }), "{error}");
    for _ in 0..2 {
        bootstrap(&server.access).await.unwrap();
    }
    server.tables().await.close().await;
    let mut root = server.session_in("postgres", "postgres").await;
    run(
        &mut root,
        "alter role db4sci password 'lost'; grant connect on database mydb_admin to public",
    )
    .await
    .unwrap();
    let mut tables = server.tables().await;
    assert_eq!(tables.applied().await.unwrap().seq, 0);
    bootstrap(&server.access).await.unwrap();
    let role = one(
        &mut root,
        "select rolsuper, rolcreaterole, rolcreatedb from pg_roles where rolname = 'db4sci'",
    )
    .await;
    assert_eq!(
        role,
        json!({"rolsuper": false, "rolcreaterole": false, "rolcreatedb": false})
    );

    let error = db4sci::admin::bootstrap::admit_person(&server.access, "no \"such\" one").await;
    assert!(matches!(error, Err(TablesError::Sql { .. })));
    let logs = server.docker("logs");
    assert!(logs.contains("create role"), "statements are logged");
    assert!(!logs.contains("a secret"), "no password is");
    let own = log.text();
    assert!(!own.contains("a secret"), "nor in our own log: {own}");
}

#[tokio::test]
async fn a_bootstrap_that_was_cut_off_or_came_second_is_no_harm() {
    let server = Server::start("postgres:17").await;
    let mut root = server.session_in("postgres", "postgres").await;

    // Two look for the database before either has made it: PostgreSQL waits for whoever is in the
    // template, and looks before that.
    let in_template = server.session_in("postgres", "template1").await;
    let access = server.access.clone();
    let first = tokio::spawn(async move { bootstrap(&access).await });
    let mut other = server.session_in("postgres", "postgres").await;
    let second = tokio::spawn(async move {
        run(&mut other, "create database mydb_admin")
            .await
            .map(drop)
    });
    let both = "select count(*) from pg_stat_activity where query like 'create database%' \
                and state = 'active' and pid <> pg_backend_pid()";
    let deadline = tokio::time::Instant::now() + Duration::from_secs(4);
    while one(&mut root, both).await != json!({"count": 2}) {
        assert!(
            tokio::time::Instant::now() < deadline,
            "they wait side by side"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    in_template.close().await.unwrap();
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert!(first.is_ok(), "{first:?}, the other: {second:?}");
    server.tables().await.close().await;

    // All that a bootstrap had come to when it was cut off is a database of the superuser.
    run(&mut root, "drop database mydb_admin").await.unwrap();
    run(&mut root, "create database mydb_admin").await.unwrap();
    let mut tables = Tables::connect(&server.access).await.unwrap();
    let error = tables.migrate().await.unwrap_err();
    assert!(
        matches!(error, TablesError::Harm(TablesHarm::Denied(_))),
        "{error}"
    );
    tables.close().await;
    let mut tables = server.tables().await;
    assert_eq!(tables.applied().await.unwrap().seq, 0);
}

#[tokio::test]
async fn tables_of_a_newer_program_are_refused_and_left_alone() {
    let server = Server::start("postgres:17").await;
    server.tables().await.close().await;
    let mut root = server.session("postgres").await;
    run(&mut root, "insert into db4sci.steps (version, description, success, checksum, execution_time) values (9000, 'future', true, '', 0)").await.unwrap();
    let access = server.access.clone();
    let error = MydbAdmin::new(Arc::new(SystemClock), move || Some(access.clone()))
        .tables()
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            TablesError::Harm(TablesHarm::Newer { version: 9000 })
        ),
        "{error}"
    );
    assert_eq!(error.class(), Class::Permanent);
}

#[tokio::test]
async fn tables_that_a_newer_program_changes_meanwhile_get_nothing_more() {
    let server = Server::start("postgres:17").await;
    let ledger = ledger().await;
    let who = sql("anna", 1);
    let first = admitted(who.clone(), database("proteomics", 32011, 1));
    ledger.append(first).await.unwrap();
    let mut tables = server.tables().await;
    apply(&mut tables, &ledger).await;
    let before = tables.applied().await.unwrap();
    let mut root = server.session("postgres").await;
    run(&mut root, "insert into db4sci.steps (version, description, success, checksum, execution_time) values (9000, 'future', true, '', 0)").await.unwrap();

    // On the connection that is kept.
    ledger
        .append(entry(who.clone(), "proteomics", stopped(&who)))
        .await
        .unwrap();
    let records = ledger.records(before.seq, 10).await.unwrap();
    let errors = [
        tables.applied().await.unwrap_err(),
        tables.apply(&records, &ledger.book()).await.unwrap_err(),
    ];
    for error in errors {
        let newer = TablesHarm::Newer { version: 9000 };
        assert!(
            matches!(&error, TablesError::Harm(h) if *h == newer),
            "{error}"
        );
        assert!(!newer.is_mendable());
    }
    let newer = newer_step(&server.access).await.unwrap();
    assert_eq!(newer, Some(9000));
    let rows = one(&mut root, "select count(*) as n, max(id) as last from log").await;
    assert_eq!(rows, json!({"n": before.seq, "last": before.seq}));
}

#[tokio::test]
async fn what_was_done_to_the_tables_behind_our_back_is_harm() {
    let server = Server::start("postgres:17").await;
    server.tables().await.close().await;
    let mut root = server.session("postgres").await;
    let ledger = ledger().await;
    ledger
        .append(admitted(Who::Daemon, database("genomics", 32012, 1)))
        .await
        .unwrap();
    let book = ledger.book();
    let records = ledger.records(0, 10).await.unwrap();
    for (harm, undo, expected) in [
        (
            "alter table log rename to log2",
            "alter table log2 rename to log",
            "log",
        ),
        (
            "alter table state rename note to remark",
            "alter table state rename remark to note",
            "note",
        ),
        (
            "set session_replication_role = replica; insert into log values (1, now(), 'x', null, 'x', 'x', 'x', 'x')",
            "delete from log; set session_replication_role = origin",
            "somebody else wrote",
        ),
        (
            "delete from db4sci.applied",
            "insert into db4sci.applied (seq, hash) values (0, repeat('0', 64))",
            "no row",
        ),
    ] {
        run(&mut root, harm).await.unwrap();
        let mut tables = server.tables().await;
        let error = tables.apply(&records, &book).await.unwrap_err();
        assert!(matches!(error, TablesError::Harm(_)), "{harm}: {error:?}");
        assert!(error.to_string().contains(expected), "{harm}: {error}");
        run(&mut root, undo).await.unwrap();
    }
    run(&mut root, "alter table backup_log rename to old")
        .await
        .unwrap();
    let mut tables = server.tables().await;
    let error = tables.applied().await.unwrap_err();
    assert!(error.to_string().contains("no table backup_log"), "{error}");
    run(
        &mut root,
        "alter table old rename to backup_log; alter table db4sci.steps rename to old",
    )
    .await
    .unwrap();
    let access = server.access.clone();
    let error = MydbAdmin::new(Arc::new(SystemClock), move || Some(access.clone()))
        .tables()
        .await;
    assert!(matches!(error, Err(TablesError::Harm(_))), "{error:?}");
    run(
        &mut root,
        "drop table db4sci.steps; alter table db4sci.old rename to steps",
    )
    .await
    .unwrap();
    let mut tables = server.tables().await;
    tables.apply(&records, &book).await.unwrap();
    run(
        &mut root,
        "update db4sci.applied set hash = repeat('a', 64)",
    )
    .await
    .unwrap();
    let error = tables.apply(&records, &book).await.unwrap_err();
    assert!(
        matches!(error, TablesError::Harm(TablesHarm::WrongChain { seq: 1 })),
        "{error}"
    );
}

#[tokio::test]
async fn entries_wait_for_a_server_that_is_away_and_none_is_lost() {
    let server = Server::start("postgres:17").await;
    let ledger = ledger().await;
    let access: Access = server.access.clone();
    let applier = Applier::spawn(
        ledger.clone(),
        MydbAdmin::new(Arc::new(SystemClock), move || Some(access.clone())),
        Held::in_memory(),
    );
    let mut status = applier.watch();
    let mut until = async |what: &dyn Fn(&db4sci::admin::ApplierStatus) -> bool| {
        let found =
            tokio::time::timeout(Duration::from_secs(120), status.wait_for(|s| what(s))).await;
        found.expect("it comes to that").unwrap().clone()
    };
    until(&|s| s.doing == Doing::Following).await;
    ledger
        .append(admitted(Who::Daemon, database("genomics", 32012, 1)))
        .await
        .unwrap();
    until(&|s| s.applied == 1).await;

    let mut root = server.session_in("postgres", "postgres").await;
    let note = || entry(Who::Daemon, "genomics", Change::Noted);
    for round in 0..3 {
        run(
            &mut root,
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'db4sci'",
        )
        .await
        .unwrap();
        ledger.append(note()).await.unwrap();
        until(&|s| s.applied == 2 + round).await;
    }
    server.docker("kill");
    for _ in 0..300 {
        ledger.append(note()).await.unwrap();
    }
    let waiting = until(&|s| matches!(s.doing, Doing::Waiting { .. }) && s.behind >= 300).await;
    assert!(!format!("{waiting:?}").contains("secret"));
    server.docker("start");
    server.wait().await;
    applier.look_now();
    until(&|s| s.behind == 0 && s.doing == Doing::Following).await;
    let mut root = server.session("postgres").await;
    let log = one(&mut root, "select count(*), max(id) from log").await;
    // That a server which was killed had lost its last moments is an entry, too.
    let all = ledger.book().head().seq;
    assert!((304..=305).contains(&all), "{all}");
    assert_eq!(log, json!({"count": all, "max": all}));
}

#[tokio::test]
async fn a_feed_says_when_it_was_away() {
    let server = Server::start("postgres:17").await;
    server.tables().await.close().await;
    let mut anna = server.person("anna").await;
    let mut feed = Feed::connect(&server.access).await.unwrap();
    let mut root = server.session("postgres").await;
    run(
        &mut root,
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'db4sci'",
    )
    .await
    .unwrap();
    let hint = tokio::time::timeout(Duration::from_secs(30), feed.next())
        .await
        .unwrap();
    assert!(
        matches!(hint, Ok(Hint::All) | Err(TablesError::Unreachable { .. })),
        "{hint:?}"
    );
    let mut feed = Feed::connect(&server.access).await.unwrap();
    run(
        &mut anna,
        "select pg_notify('db4sci_state', 'NO SUCH; NAME')",
    )
    .await
    .unwrap();
    let hint = tokio::time::timeout(Duration::from_secs(30), feed.next())
        .await
        .unwrap();
    assert_eq!(
        hint.unwrap(),
        Hint::All,
        "nonsense is a hint to look at everything"
    );

    let mut wrong = server.access.clone();
    wrong.password = Secret::new("wrong");
    assert!(matches!(
        Feed::connect(&wrong).await,
        Err(TablesError::Login { .. })
    ));
}

#[tokio::test]
async fn the_oldest_postgresql_does_as_well() {
    let server = Server::start("postgres:13").await;
    let mut tables = server.tables().await;
    let mut anna = server.person("anna").await;
    let ledger = ledger().await;
    run(&mut anna, INSERT).await.unwrap();
    let inserted = edit(&mut tables).await;
    ledger
        .append(admitted(
            sql("anna", inserted.generation),
            database("proteomics", 32011, 1),
        ))
        .await
        .unwrap();
    apply(&mut tables, &ledger).await;
    assert_eq!(tables.edits().await.unwrap(), []);
    for statement in [STOP, RETIRE] {
        run(&mut anna, statement).await.unwrap();
    }
    assert_eq!(edit(&mut tables).await.generation, 3);
    assert!(
        refusal(&mut anna, "delete from state")
            .await
            .contains("state='Retired'")
    );
    assert!(
        refusal(&mut anna, "create table public.mine ()")
            .await
            .contains("permission denied")
    );
}

#[tokio::test]
async fn a_server_that_calls_its_data_otherwise_gets_no_word() {
    let server = Server::start("postgres:17").await;
    let mut root = server.session_in("postgres", "postgres").await;
    let own = "select system_identifier::text as own from pg_control_system()";
    let own = one(&mut root, own).await["own"]
        .as_str()
        .unwrap()
        .to_owned();
    let reached = async |identity: &str| {
        let access = Access {
            identity: Some(DataIdentity::new(identity)),
            ..server.access.clone()
        };
        let admin = MydbAdmin::new(Arc::new(SystemClock), move || Some(access.clone()));
        admin.tables().await
    };
    let error = reached("7390000000000000001").await.unwrap_err();
    assert!(matches!(error, TablesError::Stranger { .. }), "{error}");
    assert_eq!(error.class(), Class::Transient);
    assert!(error.to_string().contains(&own), "{error}");
    let made = "select count(*) as n from pg_database where datname = 'mydb_admin'";
    assert_eq!(one(&mut root, made).await, json!({"n": 0}));
    let tables = reached(&own).await.unwrap();
    tables.close().await;
}
