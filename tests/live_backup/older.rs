//! Older copies of `mydb_admin`, and rows that are forged with their checksums: noticed within ten seconds
//! while all runs, and brought up to date.

use std::path::Path;
use std::process::Command;

use db4sci::model::{Clock, Entry, SystemClock};

use crate::host::{Host, LONG, Postgres, eventually};
use crate::logins::{NOTICED, acted};
use crate::nothing_is_left;
use crate::recovery::{ADMIN, log_up_to, newest};

/// Statements of the superuser in `mydb_admin`, in one transaction, without its triggers.
#[track_caller]
fn forge(host: &Host, sql: &str) {
    let name = host.name(ADMIN);
    let sql = format!("set session_replication_role = replica; {sql}");
    host.docker(&[
        "exec", &name, "psql", "-q", "-U", "postgres", ADMIN, "-c", &sql,
    ]);
}

/// Copies a folder as it is, with its owners.
#[track_caller]
fn copy(from: &Path, to: &Path) {
    let mut command = Command::new("cp");
    assert!(
        command
            .arg("-a")
            .args([from, to])
            .status()
            .unwrap()
            .success()
    );
}

/// Waits until the daemon knows that its tables hold an entry, and their server has it on its disk.
#[track_caller]
fn held(host: &Host, entry: u64) {
    eventually(LONG, "the tables are known to hold all", || {
        let text = std::fs::read_to_string(host.path("state/tables")).unwrap_or_default();
        let known: u64 = text.trim().parse().unwrap_or(0);
        (known >= entry).then_some(()).ok_or(text)
    });
}

/// The next entry of this kind after so many; fails unless it came soon enough.
#[track_caller]
fn noticed(host: &Host, what: &str, kind: &str, before: usize) -> Entry {
    // What harmed it is over now.
    let begun = SystemClock.now();
    let found = eventually(LONG, what, || {
        let seen = acted(host, kind);
        seen.get(before)
            .cloned()
            .ok_or_else(|| host.told_events(ADMIN))
    });
    println!(
        "{what}: noticed after {} ms",
        (found.at - begun).num_milliseconds()
    );
    assert!(found.at - begun < NOTICED, "{what}: {found:?}");
    found
}

#[test]
fn an_index_that_lacks_rows_is_noticed_and_made_again() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    // As damage does it: no statement fails, and who asks by name is not given all.
    let skip = |skipped: bool| {
        let ready = !skipped;
        let sql = format!(
            "update pg_index set indisready = {ready} where indexrelid = 'log_name'::regclass"
        );
        forge(&host, &sql);
    };
    let before = newest(&host);
    skip(true);
    host.ok(&["stop", "genomics", "--for", "1h", "--reason", "INC-812"]);
    host.ok(&["wait", "genomics", "--for", "stopped"]);
    host.ok(&["resume", "genomics"]);
    host.ready(&["genomics"]);
    let last = newest(&host);
    assert!(last > before);
    let log = log_up_to(&host, last);
    skip(false);
    assert_eq!(acted(&host, "mend_tables").len(), 0);
    let run = host.run_of("genomics");
    // It is looked at every hour, and whenever a connection begins.
    forge(
        &host,
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'db4sci'",
    );
    let told = noticed(&host, "an index", "mend_tables", 0);
    assert!(told.message.contains("log_name"), "{told:?}");
    assert_eq!(log_up_to(&host, last), log);
    let indexed = "set enable_seqscan = off; select count(*) from log where name = 'genomics'";
    let counted = "set enable_indexscan = off; set enable_bitmapscan = off; \
                   set enable_indexonlyscan = off; select count(*) from log where name = 'genomics'";
    let ask = |sql| host.sql(ADMIN, sql);
    assert_eq!(ask(indexed), ask(counted));
    assert_eq!(host.run_of("genomics"), run);
    nothing_is_left(&host);
}

#[test]
fn older_copies_and_forged_checksums_are_noticed_and_mended() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.write("genomics", 1);
    newest(&host);
    let (data, older) = (host.data(ADMIN), host.path("older"));
    host.kill();
    host.docker(&["stop", &host.name(ADMIN)]);
    copy(&data, &older);
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.ok(&["stop", "genomics", "--for", "1h", "--reason", "INC-812"]);
    host.ok(&["wait", "genomics", "--for", "stopped"]);
    host.ok(&["resume", "genomics"]);
    host.ready(&["genomics"]);
    let run = host.run_of("genomics");

    // By SQL, consistent in itself.
    let last = newest(&host);
    let log = log_up_to(&host, last);
    let at = last - 5;
    held(&host, last);
    forge(
        &host,
        &format!(
            "delete from log where id > {at}; delete from db4sci.records where seq > {at}; \
             update db4sci.applied set seq = {at}, hash = (select hash from log where id = {at})"
        ),
    );
    let told = noticed(&host, "rolled back by SQL", "rolled_back", 0);
    assert!(told.message.contains(&format!("entry {at}:")), "{told:?}");
    assert_eq!(log_up_to(&host, last), log);

    // One row alone, with the checksum that is kept beside it.
    forge(
        &host,
        "update state set message = 'as wanted' where name = 'genomics'; \
         update db4sci.sums o set whole = md5(s::text) from state s \
         where o.of = 'state' and o.key = s.name and s.name = 'genomics'",
    );
    noticed(&host, "a row of state with its checksum", "mend_tables", 0);
    assert_eq!(log_up_to(&host, last), log);
    let newest_row = newest(&host);
    forge(
        &host,
        &format!(
            "update log set message = 'nothing' where id = {newest_row}; \
             update db4sci.records r set sum = md5(l::text || r.line) from log l \
             where l.id = r.seq and r.seq = {newest_row}"
        ),
    );
    noticed(&host, "a row of log with its checksum", "mend_tables", 1);
    assert_eq!(log_up_to(&host, last), log);

    // Its whole directory, while the daemon runs and somebody keeps its hands off.
    let last = newest(&host);
    let log = log_up_to(&host, last);
    let before = acted(&host, "rolled_back").len();
    let put_back = |host: &Host| {
        host.docker(&["stop", &host.name(ADMIN)]);
        std::fs::remove_dir_all(&data).unwrap();
        copy(&older, &data);
    };
    host.ok(&["maintenance", "on", "--all", "--reason", "new disks"]);
    put_back(&host);
    host.docker(&["start", &host.name(ADMIN)]);
    noticed(&host, "an older directory", "rolled_back", before);
    host.ok(&["maintenance", "off", "--all"]);
    host.ready(&[ADMIN]);
    assert_eq!(log_up_to(&host, last), log);

    // And while no daemon runs.
    let last = newest(&host);
    let log = log_up_to(&host, last);
    held(&host, last);
    let before = acted(&host, "rolled_back").len();
    host.kill();
    put_back(&host);
    host.start();
    host.ready(&[ADMIN]);
    let told = noticed(&host, "one at a start", "rolled_back", before);
    assert!(told.message.contains("an older copy"), "{told:?}");
    host.ready(&[ADMIN]);
    assert_eq!(log_up_to(&host, last), log);
    assert_eq!(acted(&host, "rolled_back").len(), before + 1);
    assert_eq!(acted(&host, "last_moments").len(), 0);
    assert_eq!(host.run_of("genomics"), run);
    assert_eq!(host.rows("genomics"), [1]);
    nothing_is_left(&host);
}
