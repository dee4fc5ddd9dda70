//! What is backed up comes back: contents, accounts, settings, today's passwords.

use std::path::Path;
use std::process::Command;

use crate::host::{Host, MariaDB, MongoDB, Neo4j, Postgres, run};
use crate::{backups, nothing_is_left, place, take, verify};

/// Contents that break tools that quote badly.
const NASTY_PG: &str = r#"
create table "Ünï ""q"" \ t" (id int primary key, v text, b bytea);
insert into "Ünï ""q"" \ t" values (1, E'a\nb\tc\\.', '\x00ff'), (2, '\.', null), (3, '', '');
create schema "s p";
create table "s p".parent (id int primary key);
create table "s p".child (id int references "s p".parent);
insert into "s p".parent values (1); insert into "s p".child values (1);
create view "s p".v as select * from "s p".child;
create materialized view mv as select count(*) from "s p".parent;
create function f(int) returns int language sql as 'select $1 + 1';
create sequence sq start 42;
create role "r'1"; create role "r 2"; grant "r'1" to "r 2";
grant select on "s p".parent to "r 2";
create table part (d date, n int) partition by range (d);
create table part_1 partition of part for values from ('2026-01-01') to ('2027-01-01');
insert into part select '2026-02-03', g from generate_series(1, 1000) g;
select lo_from_bytea(4242, 'a large object');
"#;

const NASTY_MY: &str = r#"
create table `t``a b` (id int primary key, v varchar(100), b blob);
insert into `t``a b` values (1,'a\'(b),(c\\',0xfffe00),(2,'x\ny',null),(3,');',0x27),(4,'Ünï',null);
create table e (id int);
create view v as select * from e;
create procedure p() select 1;
create function f() returns int deterministic return 1;
create event ev on schedule every 1 day do delete from e;
create trigger tr before insert on e for each row set new.id = new.id + 1;
insert into e values (1);
create role r1; create user `o'x`@'%' identified by 'pw'; grant r1 to `o'x`@'%';
create database `other db`; create table `other db`.x (y int); insert into `other db`.x values (7);
"#;

#[test]
fn postgres_comes_back_whole_and_in_place() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &["tls: Required"]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    host.sql("genomics", NASTY_PG);
    host.sql("genomics", "create database \"other =db'x\"");
    let backup = take(&host, "genomics");
    verify(&host, &backup).unwrap();
    let server = host.run_of("genomics");

    host.sql(
        "genomics",
        "drop table part cascade; drop schema \"s p\" cascade; create table later (x int)",
    );
    let id = backup.id.to_string();
    let asked = host.db4sci(&["restore", "genomics", "--from", &id]);
    assert_eq!(asked.code, 2, "{}", asked.all());
    host.ok(&["restore", "genomics", "--from", &id, "--yes"]);
    host.ready(&["genomics"]);
    assert_eq!(host.sql("genomics", "select count(*) from part"), "1000");
    assert_eq!(
        host.sql(
            "genomics",
            "select b from \"Ünï \"\"q\"\" \\ t\" where id = 1"
        ),
        "\\x00ff"
    );
    assert_eq!(
        host.sql("genomics", "select to_regclass('later') is null"),
        "t"
    );
    assert_ne!(host.run_of("genomics"), server);
    // What was there before was backed up first, and is kept.
    assert!(
        backups(&host, "genomics")
            .iter()
            .any(|b| b.note.contains(&id)),
        "a backup before"
    );
    assert_eq!(
        std::fs::read_dir(host.path("volume/.db4sci/.aside"))
            .unwrap()
            .count(),
        1
    );

    let copied = host.ok(&["restore", "genomics", "--from", &id, "--as", "copy"]);
    assert!(copied.contains("copy is ready"), "{copied}");
    assert_eq!(host.sql("copy", "select count(*) from part"), "1000");
    nothing_is_left(&host);
}

#[test]
fn mariadb_comes_back_whole_and_in_place() {
    let mut host = Host::new();
    // A server that takes no connection in the clear is dumped as well.
    host.spec("chem", MariaDB, &["tls: Required"]);
    host.start();
    host.ready(&["chem"]);
    host.sql("chem", NASTY_MY);
    let backup = take(&host, "chem");
    verify(&host, &backup).unwrap();
    host.sql(
        "chem",
        "drop table `t``a b`; drop procedure p; create table later (x int)",
    );
    let id = backup.id.to_string();
    host.ok(&["restore", "chem", "--from", &id, "--yes"]);
    host.ready(&["chem"]);
    assert_eq!(
        host.sql("chem", "select hex(b) from `t``a b` where id = 1"),
        "FFFE00"
    );
    assert_eq!(host.sql("chem", "select y from `other db`.x"), "7");
    assert!(host.try_sql("chem", "select * from later").is_err());
    host.ok(&["restore", "chem", "--from", &id, "--as", "copy"]);
    host.holds("copy", MariaDB);
    assert_eq!(host.sql("copy", "select count(*) from `t``a b`"), "4");
    nothing_is_left(&host);
}

/// The bundle, with Docker, age and zstd alone.
#[test]
fn a_bundle_comes_back_without_the_daemon() {
    let installed = Command::new("age").arg("--version").output().is_ok();
    assert!(installed, "install age: apt-get install age");
    let mut host = Host::new();
    let servers = [
        ("genomics", Postgres),
        ("chem", MariaDB),
        ("shop", MongoDB),
        ("graph", Neo4j),
    ];
    for (name, server) in servers {
        host.spec(name, server, &[]);
    }
    host.start();
    host.ready(&servers.map(|(name, _)| name));
    host.sql(
        "genomics",
        "create database archive allow_connections false",
    );
    let taken = servers.map(|(name, _)| {
        host.write(name, 7);
        take(&host, name)
    });
    // What cannot be dumped is said, and nothing is taken away on a backup without it.
    let said = host.ok(&["events", "genomics"]);
    assert!(said.contains("; without archive:"), "{said}");
    let id = taken[0].id.to_string();
    let back = host.db4sci(&["restore", "genomics", "--from", &id, "--yes"]);
    let told = back.all();
    assert!(
        back.code != 0 && told.contains("`archive` would not be in"),
        "{told}"
    );
    let keys = host.path("keys-copied");
    host.ok(&["key", "export", &keys.display().to_string()]);
    host.kill();
    for ((name, server), backup) in servers.iter().zip(&taken) {
        let to = host.path(&format!("fetched-{name}"));
        let id = backup.id.to_string();
        host.ok(&["backup", "download", &id, "--to", &to.display().to_string()]);
        let manifest = std::fs::read_to_string(to.join("manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        let container = host.name(&format!("{name}-restored"));
        let key = keys.join("backup.agekey");
        let restore = |key: &Path, container: &str| {
            let mut script = Command::new("sh");
            script
                .arg("restore.sh")
                .current_dir(&to)
                .env("KEY", key)
                .env("IMAGE", manifest["imageId"].as_str().unwrap())
                .env("NAME", container);
            run(script, std::time::Duration::from_secs(180))
        };
        if matches!(server, MariaDB) {
            // Its client takes nothing for an answer, and says that all is well.
            let other = host.path("other.agekey");
            let mut keygen = Command::new("age-keygen");
            keygen.arg("-o").arg(&other);
            assert_eq!(run(keygen, std::time::Duration::from_secs(10)).code, 0);
            let container = format!("{container}-unread");
            let said = restore(&other, &container);
            host.try_docker(&["rm", "-f", "-v", &container]);
            let unread = "could not be read to its end";
            assert!(
                said.code == 1 && said.err.contains(unread),
                "{}",
                said.all()
            );
        }
        let said = restore(&key, &container);
        let again = restore(&key, &container);
        let password = std::fs::read_to_string(to.join(format!("{container}.password")));
        let asked = password.map(|password| {
            let client = match server {
                MariaDB => {
                    "MYSQL_PWD=$PW mariadb -uroot -h127.0.0.1 -N -B chem -e 'select n from kept'"
                }
                MongoDB => {
                    "mongosh --quiet -u db4sci -p \"$PW\" --authenticationDatabase admin shop \
                     --eval 'print(db.kept.findOne()._id)'"
                }
                Neo4j => {
                    "until cypher-shell -u neo4j -p \"$PW\" 'RETURN 1' >&2; do sleep 1; done; \
                     cypher-shell -u neo4j -p \"$PW\" --format plain \
                     'MATCH (kept:Kept) RETURN kept.n AS n' | tail -n 1"
                }
                Postgres => {
                    "PGPASSWORD=$PW psql -U postgres -h 127.0.0.1 -At genomics -c 'select n from kept'"
                }
            };
            let secret = format!("PW={}", password.trim());
            host.try_docker(&["exec", "-e", &secret, &container, "sh", "-c", client])
        });
        host.try_docker(&["rm", "-f", "-v", &container]);
        host.try_docker(&["volume", "rm", &container]);
        assert_eq!(said.code, 0, "{}", said.all());
        // What exists is not touched, its password's file least of all.
        assert!(
            again.code == 1 && again.err.contains("already"),
            "{}",
            again.all()
        );
        let asked = asked.unwrap();
        assert_eq!(asked.out.trim(), "7", "{}", asked.all());
    }
    assert!(place(&taken[0]).join("manifest.json").exists());
}
