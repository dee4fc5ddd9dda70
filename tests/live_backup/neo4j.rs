//! Neo4j Community is dumped at rest: down for a while that is told, and up again whatever happens.

use db4sci::model::BackupState;

use crate::host::{Host, LONG, Neo4j, eventually};
use crate::{backups, nothing_is_left, take, verify};

#[test]
fn neo4j_comes_back_whole_and_in_place() {
    let mut host = Host::new();
    host.spec("graph", Neo4j, &[]);
    host.start();
    host.ready(&["graph"]);
    host.sql("graph", "CREATE (:Odd {`a \"b\" Ünï`: 'x\\ny'})");
    host.write("graph", 1);
    // Accounts lie in a database of their own.
    host.sql(
        "graph",
        "CREATE USER bob SET PASSWORD 'a-password' CHANGE NOT REQUIRED",
    );
    let container = host.view("graph").unwrap().container;
    let said = host.ok(&["backup", "now", "graph", "--wait"]);
    assert!(said.contains("it was down for"), "{said}");
    let backup = backups(&host, "graph").remove(0);
    // Started again, not made again.
    host.ready(&["graph"]);
    assert_eq!(host.view("graph").unwrap().container, container);
    verify(&host, &backup).unwrap();

    host.write("graph", 2);
    host.sql("graph", "DROP USER bob");
    host.ok(&["rotate", "graph"]);
    let id = backup.id.to_string();
    host.ok(&["restore", "graph", "--from", &id, "--yes"]);
    host.ready(&["graph"]);
    // With the password of today.
    assert_eq!(host.rows("graph"), [1]);
    let users = host.sql("graph", "SHOW USERS YIELD user");
    assert!(users.contains("bob"), "{users}");
    nothing_is_left(&host);
}

#[test]
fn a_daemon_killed_while_neo4j_is_down_for_its_dump_starts_it_again() {
    let mut host = Host::new();
    host.spec("graph", Neo4j, &[]);
    host.start();
    host.ready(&["graph"]);
    host.write("graph", 1);
    host.stop();
    host.start_with(&[("DB4SCI_FAILPOINT", "backup.resting")]);
    host.ready(&["graph"]);
    let _ = host.db4sci(&["backup", "now", "graph"]);
    host.wait_killed();
    host.start();
    host.ready(&["graph"]);
    assert_eq!(host.rows("graph"), [1]);
    eventually(LONG, "what was begun has failed", || {
        match backups(&host, "graph").first() {
            Some(b) if b.state == BackupState::Failed => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    take(&host, "graph");
    nothing_is_left(&host);
}

/// Told to stop, as by an upgrade of the daemon: nobody may find a server down for that.
#[test]
fn a_daemon_told_to_stop_while_neo4j_is_down_for_its_dump_starts_it_first() {
    let mut host = Host::new();
    host.spec("graph", Neo4j, &[]);
    host.start();
    host.ready(&["graph"]);
    host.write("graph", 1);
    host.ok(&["backup", "now", "graph"]);
    eventually(LONG, "it is being stopped, or is down", || {
        match host.container("graph").policy().as_str() {
            "no" => Ok(()),
            other => Err(other.to_owned()),
        }
    });
    host.stop();
    let graph = host.container("graph");
    assert_eq!(
        (graph.status(), graph.policy()),
        ("running".to_owned(), "always".to_owned()),
        "{}",
        host.log()
    );
    assert!(!host.log().contains("brings up"), "{}", host.log());
    host.start();
    host.ready(&["graph"]);
    assert_eq!(host.rows("graph"), [1]);
    take(&host, "graph");
    nothing_is_left(&host);

    // With nothing under way it is gone at once.
    let told = std::time::Instant::now();
    host.stop();
    let took = told.elapsed();
    assert!(took < std::time::Duration::from_secs(2), "{took:?}");
}
