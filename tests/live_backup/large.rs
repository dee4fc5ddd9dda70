//! Many tables, and many rows. Minutes each: `dev/test --full` runs them.

use std::fs;
use std::time::Instant;

use crate::host::{Host, MariaDB, Postgres, Server};
use crate::{nothing_is_left, take, verify};

/// The most memory the daemon ever had, in MiB.
fn peak(host: &Host) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", host.pid())).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1024
}

/// Takes, proves and restores; tells how long each took, and the daemon's memory.
#[track_caller]
fn round(host: &mut Host, name: &str, server: Server, what: &str) {
    let idle = peak(host);
    let begun = Instant::now();
    let backup = take(host, name);
    let taken = begun.elapsed();
    verify(host, &backup).unwrap();
    let verified = begun.elapsed() - taken;
    let id = backup.id.to_string();
    host.ok(&["restore", name, "--from", &id, "--as", "copy"]);
    let restored = begun.elapsed() - taken - verified;
    host.holds("copy", server);
    let most = peak(host);
    eprintln!(
        "{what}: taken in {} s ({} MiB), proven in {} s, restored in {} s; the daemon's memory at \
         most {most} MiB, {idle} MiB before",
        taken.as_secs(),
        backup.bytes >> 20,
        verified.as_secs(),
        restored.as_secs()
    );
    // Counts of many tables are held in memory; data is not.
    assert!(most < 200, "{most} MiB");
    nothing_is_left(host);
}

#[test]
#[ignore = "minutes; dev/test --full"]
fn ten_thousand_tables_of_postgres_come_back() {
    let mut host = Host::new();
    // With the locks that a server has by default: the dump takes one a table, and who counts keeps none.
    host.spec("genomics", Postgres, &["resources: {memory: 1Gi}"]);
    host.start();
    host.ready(&["genomics"]);
    for from in (1..=10_000).step_by(500) {
        host.sql(
            "genomics",
            &format!(
                "do $$ begin for n in {from}..{} loop execute format('create table t%s as select %s as n', \
                 n, n); end loop; end $$",
                from + 499
            ),
        );
    }
    round(
        &mut host,
        "genomics",
        Postgres,
        "10,000 tables of PostgreSQL",
    );
    let tables = "select count(*) from pg_tables where schemaname = 'public'";
    assert_eq!(host.sql("copy", tables), "10000");
    assert_eq!(host.sql("copy", "select n from t9999"), "9999");
}

#[test]
#[ignore = "minutes; dev/test --full"]
fn ten_thousand_tables_of_mariadb_come_back() {
    let mut host = Host::new();
    host.spec("chem", MariaDB, &["resources: {memory: 1Gi}"]);
    host.start();
    host.ready(&["chem"]);
    host.sql(
        "chem",
        "delimiter //
create procedure fill() begin for n in 1..10000 do
execute immediate concat('create table t', n, ' (n int)');
execute immediate concat('insert into t', n, ' values (', n, ')');
end for; end//
call fill()//",
    );
    round(&mut host, "chem", MariaDB, "10,000 tables of MariaDB");
    let tables = "select count(*) from information_schema.tables where table_schema = 'chem'";
    assert_eq!(host.sql("copy", tables), "10000");
    assert_eq!(host.sql("copy", "select n from t9999"), "9999");
}

#[test]
#[ignore = "minutes; dev/test --full"]
fn a_gigabyte_of_rows_comes_back() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &["resources: {memory: 1Gi}"]);
    host.start();
    host.ready(&["genomics"]);
    host.sql(
        "genomics",
        "create table big as select g, sha512(g::text::bytea) as h, md5(g::text) as m \
         from generate_series(1, 9000000) g",
    );
    let size = "select pg_table_size('big') / 1073741824 >= 1";
    assert_eq!(host.sql("genomics", size), "t");
    round(&mut host, "genomics", Postgres, "1 GiB of rows");
    assert_eq!(host.sql("copy", "select count(*) from big"), "9000000");
}
