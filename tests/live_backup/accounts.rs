//! Accounts besides a database's own over restores and copies: what is true today stays true.

use crate::host::{Host, MariaDB, Neo4j, Postgres, Server};
use crate::{take, verify};

/// The password in what was said.
#[track_caller]
fn password_in(said: &str) -> String {
    let words = said
        .split_once("password ")
        .unwrap_or_else(|| panic!("{said}"));
    words.1.split_whitespace().next().unwrap().to_owned()
}

#[track_caller]
fn today_stays_true(server: Server, role: &str) {
    let (name, copy) = ("genomics", "copy");
    let mut host = Host::new();
    host.spec(name, server, &["maintenanceWindow: Any"]);
    host.also(copy, server);
    host.start();
    host.ready(&[name, "mydb_admin"]);
    host.write(name, 1);
    let add = |user: &str| password_in(&host.ok(&["account", "add", name, user, "--role", role]));
    let (old, former) = (add("reader"), add("former"));
    let backup = take(&host, name);
    verify(&host, &backup).unwrap();
    let id = backup.id.to_string();
    let new = password_in(&host.ok(&["rotate", name, "--account", "reader"]));
    host.ok(&["account", "remove", name, "former"]);
    let later = add("later");

    host.ok(&["restore", name, "--from", &id, "--yes"]);
    assert_eq!(host.rows(name), [1]);
    let says = |user: &str, password: &str| host.logs_in(name, user, password);
    assert!(says("reader", &new), "{}", host.told_events(name));
    assert!(!says("reader", &old), "the password of the backup");
    assert!(!says("former", &former), "one that was removed");
    assert!(says("later", &later), "one that is younger than the backup");

    host.ok(&["clone", name, copy, "--from", &id]);
    assert_eq!(host.rows(copy), [1]);
    for (user, password) in [("reader", &new), ("reader", &old), ("former", &former)] {
        let user_db = host.logs_in_at(copy, name, user, password);
        assert!(!user_db, "{user} is let into the copy");
    }
    let listed = host.ok(&["account", "list", copy, "-o", "name"]);
    assert_eq!(listed.lines().count(), 1, "{listed}");
}

#[test]
fn accounts_of_postgresql_survive_a_restore_and_are_not_in_a_clone() {
    today_stays_true(Postgres, "ReadOnly");
}

#[test]
fn accounts_of_mariadb_survive_a_restore_and_are_not_in_a_clone() {
    today_stays_true(MariaDB, "ReadOnly");
}

#[test]
fn accounts_of_neo4j_survive_a_restore_and_are_not_in_a_clone() {
    today_stays_true(Neo4j, "Admin");
}
