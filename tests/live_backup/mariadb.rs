//! What users of MariaDB leave behind: large rows, grants on what is gone, plugins, histories, views of what
//! is not there. None of it stops a backup of the others, and what is not in one is said.

use std::process::Command;

use crate::host::{Host, MariaDB, run};
use crate::{nothing_is_left, place, take, verify};

/// Statements of the privileged account.
#[track_caller]
fn root(host: &Host, name: &str, sql: &str) -> String {
    let client = "mariadb -u root -p\"$(cat /db4sci/secrets/admin)\" -N -B -e \"$SQL\"";
    let sql = format!("SQL={sql}");
    let said = host.docker(&["exec", "-e", &sql, &host.name(name), "sh", "-c", client]);
    said.trim().to_owned()
}

const LEFT: [&str; 5] = [
    // More than half of the largest statement that the server takes, and twice as much in a dump.
    "create database large; create table large.t (id int primary key, b longblob); \
     insert into large.t values (1, repeat(unhex('00ff'), 6000000))",
    "create database lab; create table lab.gone (n int); create user reader@'%' identified by 'pw'; \
     grant select on lab.gone to reader; drop table lab.gone; \
     create table lab.kept (n int); grant select on lab.kept to reader",
    "install soname 'auth_ed25519'; create user ed@'%' identified via ed25519 using password('pw')",
    "create table lab.h (id int primary key, v int) with system versioning; \
     insert into lab.h values (1, 1), (2, 2); update lab.h set v = 10 where id = 1; \
     delete from lab.h where id = 2",
    "create table lab.base (x int, y int); create view lab.v as select x, y from lab.base; \
     alter table lab.base drop column x",
];

const HISTORY: &str = "select group_concat(v order by id, v), (select group_concat(v) from lab.h) \
                       from lab.h for system_time all";
const PACKET: &str = "select @@global.max_allowed_packet";

#[test]
fn what_users_leave_behind_in_mariadb_comes_back() {
    let installed = Command::new("age").arg("--version").output().is_ok();
    assert!(installed, "install age: apt-get install age");
    let mut host = Host::new();
    // The server takes a statement with such a row several times into its memory.
    host.spec("chem", MariaDB, &["resources: {memory: 1Gi}"]);
    host.start();
    host.ready(&["chem"]);
    for statements in LEFT {
        root(&host, "chem", statements);
    }
    let backup = take(&host, "chem");
    verify(&host, &backup).unwrap();
    let said = host.ok(&["events", "chem"]);
    assert!(said.contains("; without the view lab.v:"), "{said}");
    let files = std::fs::read_dir(place(&backup)).unwrap();
    let files: Vec<_> = files.map(|f| f.unwrap().file_name()).collect();
    assert!(
        files.iter().any(|f| f == "broken-views.sql.zst.age"),
        "{files:?}"
    );

    // A view holds nothing: what replaces all is not refused for it.
    let id = backup.id.to_string();
    root(&host, "chem", "drop table lab.h; drop user ed@'%'");
    host.ok(&["restore", "chem", "--from", &id, "--yes"]);
    host.ready(&["chem"]);
    let there = |name: &str| {
        assert_eq!(root(&host, name, HISTORY), "1,10,2\t10");
        let length = "select length(b), hex(left(b, 2)) from large.t";
        assert_eq!(root(&host, name, length), "12000000\t00FF");
        let plugin = "select plugin from mysql.user where user = 'ed'";
        assert_eq!(root(&host, name, plugin), "ed25519");
        let grants = "show grants for reader";
        assert!(root(&host, name, grants).contains("`lab`.`kept`"));
    };
    there("chem");

    // One database alone is as large, and has its history; the running server's limit is what it was.
    let packet = root(&host, "chem", PACKET);
    for (only, spoilt) in [("large", "truncate large.t"), ("lab", "drop table lab.h")] {
        root(&host, "chem", spoilt);
        host.ok(&["restore", "chem", "--from", &id, "--only", only, "--yes"]);
    }
    there("chem");
    assert_eq!(root(&host, "chem", PACKET), packet);

    // And without the daemon.
    let keys = host.path("keys-copied");
    host.ok(&["key", "export", &keys.display().to_string()]);
    let to = host.path("fetched");
    host.ok(&["backup", "download", &id, "--to", &to.display().to_string()]);
    let image = host.container("chem").image();
    let container = host.name("chem-restored");
    let mut script = Command::new("sh");
    script
        .arg("restore.sh")
        .current_dir(&to)
        .env("KEY", keys.join("backup.agekey"))
        .env("IMAGE", image)
        .env("NAME", &container);
    let said = run(script, std::time::Duration::from_secs(180));
    let password = std::fs::read_to_string(to.join(format!("{container}.password")));
    let asked = password.map(|password| {
        let secret = format!("MYSQL_PWD={}", password.trim());
        let sql = format!(
            "{HISTORY}; select length(b) from large.t; select plugin from mysql.user where user = 'ed'"
        );
        let client = ["mariadb", "-uroot", "-h127.0.0.1", "-N", "-B", "-e", &sql];
        host.try_docker(&[&["exec", "-e", &secret, &container], &client[..]].concat())
    });
    host.try_docker(&["rm", "-f", "-v", &container]);
    assert_eq!(said.code, 0, "{}", said.all());
    let asked = asked.unwrap();
    assert_eq!(
        asked.out.trim(),
        "1,10,2\t10\n12000000\ned25519",
        "{}",
        asked.all()
    );
    nothing_is_left(&host);
}

#[test]
fn a_history_that_is_in_no_backup_is_said_and_nothing_is_taken_away_without_it() {
    let mut host = Host::new();
    host.spec("chem", MariaDB, &["image: MariaDB 10.11"]);
    host.start();
    host.ready(&["chem"]);
    root(&host, "chem", &format!("create database lab; {}", LEFT[3]));
    let backup = take(&host, "chem");
    verify(&host, &backup).unwrap();
    let id = backup.id.to_string();
    // What is in force there ends in 2038, and would not be in force where time ends later.
    let newer = host.db4sci(&[
        "restore",
        "chem",
        "--from",
        &id,
        "--as",
        "newer",
        "--image",
        "MariaDB 11.8",
    ]);
    assert!(
        newer.code == 1 && newer.err.contains("has a history"),
        "{}",
        newer.all()
    );
    host.ok(&["restore", "chem", "--from", &id, "--as", "copy"]);
    host.holds("copy", MariaDB);
    assert_eq!(root(&host, "copy", HISTORY), "1,10,2\t10");

    // Told by transactions, it is dumped by no tool.
    root(
        &host,
        "chem",
        "create table lab.exact (id int primary key, since bigint unsigned generated always as row start, \
         until bigint unsigned generated always as row end, period for system_time (since, until)) \
         with system versioning; insert into lab.exact (id) values (1), (2); delete from lab.exact where id = 2",
    );
    let backup = take(&host, "chem");
    verify(&host, &backup).unwrap();
    let said = host.ok(&["events", "chem"]);
    for table in ["lab.exact", "lab.h"] {
        let without = format!("; without the history of {table}:");
        assert!(said.contains(&without), "{said}");
    }
    let id = backup.id.to_string();
    let back = host.db4sci(&["restore", "chem", "--from", &id, "--yes"]);
    let told = back.all();
    assert!(
        back.code != 0
            && told.contains("`the history of lab.exact`")
            && told.contains("would not be in"),
        "{told}"
    );
    host.ok(&["restore", "chem", "--from", &id, "--as", "second"]);
    host.holds("second", MariaDB);
    assert_eq!(root(&host, "second", "select id from lab.exact"), "1");
    nothing_is_left(&host);
}
