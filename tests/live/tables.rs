//! `mydb_admin`'s tables, as the people's login uses them.

use db4sci::model::Reason;
use db4sci::model::view::Phase;

use crate::host::{Host, LONG, MariaDB, Postgres, SOON, eventually};

/// Runs a person's statement, which must be refused, with these words.
#[track_caller]
fn refused(host: &Host, sql: &str, words: &[&str]) {
    let said = host.try_sql("mydb_admin", sql).expect_err(sql);
    for word in words {
        assert!(said.contains(word), "{sql}: no `{word}` in: {said}");
    }
}

/// Waits until the daemon has dealt with the last edit of a row.
#[track_caller]
fn answered(host: &Host, name: &str) {
    let sql = format!("select observed_generation, generation from state where name = '{name}'");
    eventually(SOON, "the edit is answered", || {
        let row = host.try_sql("mydb_admin", &sql)?;
        let (observed, wanted) = row.split_once('|').ok_or_else(|| row.clone())?;
        (observed == wanted).then_some(()).ok_or(row)
    });
}

#[test]
fn an_edit_that_waited_while_a_newer_spec_was_applied_is_refused_and_told() {
    let mut host = Host::new();
    host.start();
    host.ready(&["mydb_admin"]);
    let path = host.path("proteomics.yaml").display().to_string();
    let apply = |memory: &str| {
        let text = format!(
            "apiVersion: db4sci/v1\nkind: Database\nmetadata: {{name: proteomics}}\nspec:\n  \
             engine: Postgres\n  owner: proteomics-lab\n  contact: proteomics@example.org\n  \
             state: Stopped\n  resources: {{memory: {memory}}}\n"
        );
        std::fs::write(&path, text).unwrap();
        host.ok(&["apply", "-f", &path]);
    };
    apply("192Mi");
    let row = |what: &str| {
        let sql = format!("select {what} from state where name = 'proteomics'");
        host.try_sql("mydb_admin", &sql)
    };
    eventually(SOON, "its row is there", || {
        let source = row("source")?;
        (source == "api").then_some(()).ok_or(source)
    });

    // A person's transaction that is open while a newer spec is accepted.
    let edit =
        r#"update state set spec['resources']['memory'] = '"4Gi"' where name = 'proteomics'"#;
    let name = host.name("mydb_admin");
    let open = [
        "exec",
        "-d",
        &name,
        "psql",
        "-U",
        "postgres",
        "mydb_admin",
        // What it sleeps through is cancelled, and it goes on.
        "-v",
        "ON_ERROR_ROLLBACK=on",
        "-c",
        "begin",
        "-c",
        edit,
        "-c",
        "select pg_sleep(600)",
        "-c",
        "commit",
    ];
    host.docker(&open);
    let sleepers = |what: &str| {
        let sql = format!("select {what} from pg_stat_activity where wait_event = 'PgSleep'");
        host.docker(&["exec", &name, "psql", "-U", "postgres", "-Atc", &sql])
    };
    eventually(SOON, "the edit waits", || {
        let asleep = sleepers("count(*)");
        (asleep == "1").then_some(()).ok_or(asleep)
    });
    apply("256Mi");
    assert_eq!(sleepers("pg_cancel_backend(pid)"), "t");

    // The person sees why in the row that was edited, and everybody in the log.
    let seen = eventually(LONG, "it is refused in its row", || {
        let seen = row("concat_ws('|', reason, message)")?;
        seen.contains("after this was written")
            .then_some(seen.clone())
            .ok_or(seen)
    });
    assert!(
        seen.starts_with("InvalidSpec|generation 2 was applied at ")
            && seen.ends_with("look at it, and write it again"),
        "{seen}"
    );
    answered(&host, "proteomics");
    let told = host.told_events("proteomics");
    assert!(told.contains("generation 2 was applied at "), "{told}");
    assert_eq!(host.view("proteomics").unwrap().memory, "256Mi");
    // Written again, it is taken.
    host.sql(
        "mydb_admin",
        "update state set note = 'again' where name = 'proteomics'",
    );
    host.shows("proteomics", SOON, "what was written again", |view| {
        view.memory == "4Gi"
    });
}

#[test]
fn a_dba_makes_changes_stops_and_ends_databases_with_sql() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    let genomics = host.run_of("genomics");
    let admin = "mydb_admin";
    eventually(SOON, "the tables are there", || {
        host.try_sql(admin, "select count(*) from state")
    });

    let insert = r#"insert into state (name, spec) values ('proteomics', '{"engine":"MariaDB","owner":"proteomics-lab","contact":"proteomics-lab@example.org"}')"#;
    host.sql(admin, insert);
    host.shows("proteomics", LONG, "ready", |view| {
        view.ready && view.source == "row"
    });
    host.holds("proteomics", MariaDB);
    host.write("proteomics", 1);
    answered(&host, "proteomics");
    let run = host.run_of("proteomics");

    let memory =
        r#"update state set spec['resources']['memory'] = '"4Gi"' where name = 'proteomics'"#;
    host.sql(admin, memory);
    host.shows("proteomics", SOON, "4Gi", |view| view.memory == "4Gi");
    eventually(SOON, "in force", || {
        let now = host.container("proteomics");
        (now.memory() == 4 << 30 && now.run() == run)
            .then_some(())
            .ok_or(now.memory().to_string())
    });
    answered(&host, "proteomics");

    // A spec that makes no sense says so in its row; the last good one stays.
    host.sql(
        admin,
        r#"update state set spec['resources']['memory'] = '"4g"' where name = 'proteomics'"#,
    );
    answered(&host, "proteomics");
    let row = host.sql(
        admin,
        "select reason, message from state where name = 'proteomics'",
    );
    assert!(
        row.starts_with("InvalidSpec|") && row.contains("4g"),
        "{row}"
    );
    assert_eq!(host.run_of("proteomics"), run);
    host.sql(admin, memory);
    answered(&host, "proteomics");
    host.shows("proteomics", SOON, "good again", |view| {
        view.held
            .iter()
            .all(|held| held.reason != Reason::InvalidSpec)
    });

    let stop = "update state set state = 'Stopped', until = now() + interval '2 hours', note = 'INC-812' where name = 'proteomics'";
    host.sql(admin, stop);
    let view = host.shows("proteomics", LONG, "stopped", |view| {
        view.phase == Phase::Stopped
    });
    let over = view.overridden.unwrap();
    assert_eq!(over.reason, "INC-812");
    assert!(over.until.is_some());
    let soon = "update state set until = now() + interval '3 seconds' where name = 'proteomics'";
    host.sql(admin, soon);
    host.shows("proteomics", LONG, "back when its time was up", |view| {
        view.ready
    });
    assert_eq!(host.rows("proteomics"), [1]);

    // Retired, it is stopped once its final backup is proven; its data is kept, and comes back.
    let retire =
        "update state set state = 'Retired', note = 'grant ended' where name = 'proteomics'";
    host.sql(admin, retire);
    host.shows("proteomics", LONG, "retired", |view| {
        view.phase == Phase::Retired
    });
    host.sql(
        admin,
        "update state set state = 'Running', note = '' where name = 'proteomics'",
    );
    host.shows("proteomics", LONG, "back", |view| view.ready);
    assert_eq!(host.rows("proteomics"), [1]);

    refused(
        &host,
        "delete from state where name = 'proteomics'",
        &["never deleted", "set state='Retired'"],
    );
    refused(
        &host,
        "update state set observed = 'Ready' where name = 'proteomics'",
        &["permission denied"],
    );
    refused(&host, "truncate state", &["permission denied"]);
    refused(
        &host,
        "insert into log values (1, now(), 'me', null, 'x', 'done', 'x', 'x')",
        &["permission denied"],
    );
    refused(
        &host,
        "update state set state = 'Off' where name = 'proteomics'",
        &["allowed: Running, Stopped"],
    );
    // A file's database: its spec names the file, its state can be set.
    refused(
        &host,
        r#"update state set spec['description'] = '"mine"' where name = 'genomics'"#,
        &["genomics.yaml", "edit the file"],
    );
    refused(
        &host,
        "update state set state = 'Retired' where name = 'genomics'",
        &["genomics.yaml", "state: Retired"],
    );
    assert_eq!(host.run_of("genomics"), genomics);
    host.sql(
        admin,
        "update state set state = 'Maintenance', note = 'by hand' where name = 'genomics'",
    );
    host.shows("genomics", SOON, "maintenance", |view| {
        view.phase == Phase::Maintenance
    });
    host.ok(&["resume", "genomics"]);
    host.ready(&["genomics"]);
    let row = "select state || ' ' || observed from state where name = 'genomics'";
    eventually(SOON, "the row follows", || {
        match host.try_sql(admin, row)? {
            row if row == "Running Ready" => Ok(()),
            row => Err(row),
        }
    });
    assert_eq!(host.run_of("genomics"), genomics);
    // Everything is in the log, with who did it.
    let who = host.sql(
        admin,
        "select distinct who from log where name = 'proteomics' order by 1",
    );
    assert!(who.contains("sql:"), "{who}");
}
