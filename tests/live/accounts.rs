//! Accounts besides a database's own, on real servers: they may do what their role says, they are made
//! again when somebody drops them, and who is removed is gone at once.

use std::fs;

use crate::host::{Host, LONG, MariaDB, MongoDB, Neo4j, Postgres, SOON, Server, eventually};
use crate::secrets::password_in;

/// Adds an account; its password.
#[track_caller]
fn add(host: &Host, name: &str, user: &str, role: &str) -> String {
    let said = host.ok(&["account", "add", name, user, "--role", role]);
    password_in(&said)
}

/// What a list of accounts has of one: role and state.
#[track_caller]
fn listed(host: &Host, name: &str, user: &str) -> Option<(String, String)> {
    let all: serde_json::Value =
        serde_json::from_str(&host.ok(&["account", "list", name, "-o", "json"])).unwrap();
    let mut all = all.as_array().unwrap().iter();
    let found = all.find(|account| account["user"] == user)?;
    let text = |key: &str| found[key].as_str().unwrap().to_owned();
    Some((text("role"), text("state")))
}

#[track_caller]
fn refused(host: &Host, args: &[&str], code: i32, words: &str) {
    let said = host.db4sci(args);
    assert_eq!(said.code, code, "{args:?}: {}", said.all());
    assert!(said.err.contains(words), "{args:?}: {}", said.err);
}

/// What becomes of an account on any engine, apart from what it may do.
#[track_caller]
fn comes_and_goes(host: &Host, name: &str, role: &str, drop: impl Fn(&Host)) {
    let run = host.run_of(name);
    let password = add(host, name, "reader", role);
    assert!(host.logs_in(name, "reader", &password));
    assert!(!host.logs_in(name, "reader", "another"));
    let there = (role.to_owned(), "there".to_owned());
    assert_eq!(listed(host, name, "reader"), Some(there));
    let file = host.path("state/secrets").join(name).join("account-reader");
    assert_eq!(fs::read_to_string(&file).unwrap(), password);
    // Shown once.
    let again = ["password", name, "--account", "reader"];
    refused(host, &again, 1, "shown once only");
    let twice = ["account", "add", name, "reader", "--role", role];
    refused(host, &twice, 1, "has an account `reader` already");

    drop(host);
    eventually(LONG, "it is made again", || {
        let in_again = host.logs_in(name, "reader", &password);
        in_again.then_some(()).ok_or_else(|| host.told_events(name))
    });
    let told = host.told_events(name);
    assert!(told.contains("its account reader is gone"), "{told}");

    let said = host.ok(&["rotate", name, "--account", "reader"]);
    let new = password_in(&said);
    assert!(host.logs_in(name, "reader", &new));
    assert!(!host.logs_in(name, "reader", &password));
    assert_eq!(fs::read_to_string(&file).unwrap(), new);

    let said = host.ok(&["account", "remove", name, "reader", "--reason", "left"]);
    assert!(said.contains("is removed"), "{said}");
    assert!(!host.logs_in(name, "reader", &new));
    assert_eq!(listed(host, name, "reader"), None);
    eventually(SOON, "its password is gone", || {
        (!file.exists())
            .then_some(())
            .ok_or_else(|| "it is there".to_owned())
    });
    refused(
        host,
        &["account", "remove", name, "reader"],
        1,
        "has no account",
    );
    let told = host.told_events(name);
    assert!(told.contains("not wanted any more: left"), "{told}");
    for secret in [password, new] {
        assert!(!told.contains(&secret), "a password in the log: {told}");
    }
    // A way back: another password.
    let third = add(host, name, "reader", role);
    assert!(host.logs_in(name, "reader", &third));
    assert_eq!(host.run_of(name), run);
}

/// What SQL lets a reader and a writer do.
#[track_caller]
fn may(host: &Host, name: &str, server: Server) {
    host.write(name, 1);
    add(host, name, "viewer", "ReadOnly");
    add(host, name, "writer", "ReadWrite");
    // A table that comes later, too.
    host.sql(
        name,
        "create table later (n int); insert into later values (7)",
    );
    let sql = |user, text: &str| host.try_sql_as(name, Some(user), text);
    for table in ["kept", "later"] {
        let read = format!("select n from {table}");
        let write = format!("insert into {table} values (2)");
        assert!(sql("viewer", &read).is_ok(), "{:?}", sql("viewer", &read));
        let told = sql("viewer", &write).unwrap_err();
        let denied = ["denied", "read-only"].iter().any(|w| told.contains(w));
        assert!(denied, "{told}");
        assert_eq!(sql("writer", &write).map(drop), Ok(()), "{name}");
    }
    assert_eq!(host.rows(name), [1, 2]);
    for user in ["viewer", "writer"] {
        let (table, person) = match server {
            Postgres => ("create table private.mine (n int)", "create role other"),
            MariaDB | MongoDB | Neo4j => ("create table mine (n int)", "create user other"),
        };
        assert!(sql(user, table).is_err(), "{user} makes a table");
        assert!(sql(user, person).is_err(), "{user} makes an account");
    }
    // Who is removed is sent away in the middle of a statement.
    let sleep = match server {
        Postgres => "select pg_sleep(120)",
        MariaDB | MongoDB | Neo4j => "select sleep(120), count(*) from kept",
    };
    std::thread::scope(|scope| {
        let client = scope.spawn(|| host.try_sql_as(name, Some("viewer"), sleep));
        eventually(SOON, "it is connected", || {
            let all = host.ok(&["sessions", name]);
            all.contains("viewer").then_some(()).ok_or(all)
        });
        host.ok(&["account", "remove", name, "viewer"]);
        let ended = client.join().unwrap();
        assert!(ended.is_err(), "its session went on: {ended:?}");
    });
}

#[test]
fn accounts_of_postgresql_may_do_what_their_role_says() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.spec("older", Postgres, &["image: PostgreSQL 13"]);
    host.start();
    host.ready(&["genomics", "older", "mydb_admin"]);
    for name in ["genomics", "older"] {
        may(&host, name, Postgres);
    }
    let psql = ["psql", "-U", "postgres", "-d", "genomics", "-c"];
    comes_and_goes(&host, "genomics", "ReadOnly", |host| {
        let container = host.name("genomics");
        let drop = "drop owned by reader; drop role reader";
        host.docker(&[&["exec", container.as_str()], psql.as_slice(), &[drop]].concat());
    });
    // An admin's tables are not lost with the admin.
    add(&host, "genomics", "boss", "Admin");
    let made = host.try_sql_as("genomics", Some("boss"), "create table boss (n int)");
    assert_eq!(made.map(drop), Ok(()));
    host.ok(&["account", "remove", "genomics", "boss"]);
    host.sql("genomics", "insert into boss values (1)");
}

#[test]
fn accounts_of_mariadb_may_do_what_their_role_says() {
    let mut host = Host::new();
    host.spec("proteomics", MariaDB, &[]);
    host.start();
    host.ready(&["proteomics", "mydb_admin"]);
    may(&host, "proteomics", MariaDB);
    comes_and_goes(&host, "proteomics", "ReadOnly", |host| {
        let root = fs::read_to_string(host.path("state/secrets/proteomics/admin")).unwrap();
        let (container, word) = (host.name("proteomics"), format!("-p{root}"));
        let args = [
            "exec",
            &container,
            "mariadb",
            "-h127.0.0.1",
            "-uroot",
            &word,
        ];
        host.docker(&[args.as_slice(), &["-e", "drop user reader"]].concat());
    });
}

/// The stand-in has passwords and no rights: what a role may do is not shown here.
#[test]
fn accounts_of_mongodb_come_and_go() {
    let mut host = Host::new();
    host.spec("assays", MongoDB, &[]);
    host.start();
    host.ready(&["assays", "mydb_admin"]);
    comes_and_goes(&host, "assays", "ReadOnly", |host| {
        host.sql("assays", "db.dropUser('reader')");
    });
}

#[test]
fn accounts_of_neo4j_are_admins_or_not_at_all() {
    let mut host = Host::new();
    host.spec("pathways", Neo4j, &[]);
    host.start();
    host.ready(&["pathways", "mydb_admin"]);
    for role in ["ReadOnly", "ReadWrite"] {
        let add = ["account", "add", "pathways", "reader", "--role", role];
        refused(&host, &add, 1, "Neo4j Community has no roles");
    }
    comes_and_goes(&host, "pathways", "Admin", |host| {
        let word = fs::read_to_string(host.path("state/secrets/pathways/admin")).unwrap();
        let container = host.name("pathways");
        let shell = [
            "exec",
            &container,
            "cypher-shell",
            "-u",
            "neo4j",
            "-p",
            &word,
        ];
        host.docker(&[shell.as_slice(), &["-d", "system", "DROP USER reader"]].concat());
    });
}

#[test]
fn what_cannot_be_an_account_is_refused_and_changes_nothing() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    host.sql("genomics", "create role mine login");
    for (name, user, role, code, words) in [
        (
            "genomics",
            "reader",
            "Owner",
            2,
            "ReadOnly, ReadWrite, Admin",
        ),
        ("genomics", "postgres", "ReadOnly", 1, "is reserved"),
        ("genomics", "pg_reader", "ReadOnly", 1, "is reserved"),
        ("genomics", "Anna", "ReadOnly", 1, "cannot be a login name"),
        ("genomics", "genomics", "ReadOnly", 1, "is the own account"),
        (
            "genomics",
            "mine",
            "ReadOnly",
            1,
            "that db4sci did not make",
        ),
        ("nosuch", "reader", "ReadOnly", 1, "no database `nosuch`"),
        ("mydb_admin", "reader", "ReadOnly", 1, "mydb_admin"),
    ] {
        let args = ["account", "add", name, user, "--role", role];
        refused(&host, &args, code, words);
    }
    refused(
        &host,
        &["account", "remove", "genomics", "genomics"],
        1,
        "stays as long",
    );
    refused(
        &host,
        &["account", "list", "nosuch"],
        1,
        "no database `nosuch`",
    );
    refused(
        &host,
        &["connect", "genomics", "--account", "nobody"],
        1,
        "has no account",
    );
    add(&host, "genomics", "reader", "ReadOnly");
    host.ok(&["stop", "genomics", "--reason", "a test"]);
    host.ok(&["wait", "genomics", "--for", "stopped"]);
    let args = ["account", "add", "genomics", "other", "--role", "Admin"];
    refused(&host, &args, 1, "is stopped");
    // Who is to go goes when the server is back.
    let said = host.ok(&["account", "remove", "genomics", "reader"]);
    assert!(said.contains("as soon as its server answers"), "{said}");
    host.ok(&["resume", "genomics"]);
    host.ready(&["genomics"]);
    eventually(LONG, "it is gone", || {
        let left = listed(&host, "genomics", "reader");
        left.map_or(Ok(()), |left| Err(format!("{left:?}")))
    });
}

#[test]
fn killed_while_an_account_comes_or_goes_it_goes_on() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    let (genomics, reader) = ("genomics", "reader");
    for failpoint in [
        "make_account.before",
        "make_account.made",
        "make_account.after",
        "drop_account.before",
        "drop_account.dropped",
        "drop_account.after",
    ] {
        let makes = failpoint.starts_with("make");
        host.stop();
        host.start_with(&[("DB4SCI_FAILPOINT", failpoint)]);
        host.ready(&[genomics]);
        let asked = if makes {
            host.db4sci(&["account", "add", genomics, reader, "--role", "ReadOnly"])
        } else {
            host.db4sci(&["account", "remove", genomics, reader])
        };
        host.wait_killed();
        host.start();
        host.ready(&[genomics, "mydb_admin"]);
        let wanted = makes.then(|| ("ReadOnly".to_owned(), "there".to_owned()));
        eventually(LONG, failpoint, || {
            let now = listed(&host, genomics, reader);
            (now == wanted)
                .then_some(())
                .ok_or_else(|| format!("{now:?}"))
        });
        if makes {
            let file = host.path("state/secrets/genomics/account-reader");
            let password = fs::read_to_string(file).unwrap();
            assert!(host.logs_in(genomics, reader, &password), "{failpoint}");
            // Killed before it could answer, nobody has seen the password; after that, the answer may have
            // been on its way.
            if failpoint != "make_account.after" {
                assert_ne!(asked.code, 0, "{failpoint}: {}", asked.out);
                let args = ["password", genomics, "--account", reader];
                assert_eq!(password_in(&host.ok(&args)), password);
            }
        }
        if failpoint == "make_account.before" || failpoint == "make_account.made" {
            host.ok(&["account", "remove", genomics, reader]);
        } else if !makes && failpoint != "drop_account.after" {
            host.ok(&["account", "add", genomics, reader, "--role", "ReadOnly"]);
        }
    }
}
