//! A backup taken while somebody writes: one instant of it, never a mixture.
//!
//! A writer moves amounts between two tables and keeps a sequence without holes, all in one
//! transaction. Were the tables dumped at different instants, the sum or the sequence would tell.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use db4sci::model::{Clock, SystemClock, Timestamp};

use crate::host::{Host, LONG, MariaDB, Neo4j, Postgres, Server, eventually};
use crate::{nothing_is_left, take};

/// Accounts of each table, and what each has at first.
const ACCOUNTS: u64 = 1000;
/// Between two moves.
const BETWEEN: Duration = Duration::from_millis(2);
/// The sum of it all.
const SUM: &str = "200000";

/// A client that writes without an end in a database's own container.
struct Writer {
    client: Child,
    feeds: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    /// `statements` gives the next ones for a number; the client goes on until this value is dropped.
    fn start(
        host: &Host,
        name: &str,
        client: &[&str],
        statements: impl Fn(u64) -> String + Send + 'static,
    ) -> Self {
        let mut client = Command::new("docker")
            .args(["exec", "-i", &host.name(name)])
            .args(client)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut to = client.stdin.take().unwrap();
        let feeds = std::thread::spawn(move || {
            // It ends with the client, whose pipe breaks.
            for n in 1.. {
                if to.write_all(statements(n).as_bytes()).is_err() {
                    return;
                }
                // So much that it is dense, and that the dump gets its share of the machine.
                std::thread::sleep(BETWEEN);
            }
        });
        Writer {
            client,
            feeds: Some(feeds),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
        if let Some(feeds) = self.feeds.take() {
            let _ = feeds.join();
        }
    }
}

/// A number that a query gives.
#[track_caller]
fn number(host: &Host, name: &str, sql: &str) -> u64 {
    let said = host.sql(name, sql);
    let last = said.lines().last().unwrap_or_default();
    last.trim().parse().unwrap_or_else(|_| panic!("{said}"))
}

/// Takes a backup while `moves` grows, restores it as a copy, and compares: what the copy has is one
/// instant, and one within the dump.
#[track_caller]
fn one_instant(host: &mut Host, name: &str, server: Server, writer: Writer) {
    let (moves, highest) = ("select count(*) from moves", "select max(n) from moves");
    eventually(LONG, "somebody writes", || {
        match number(host, name, moves) {
            n @ 0..50 => Err(n.to_string()),
            _ => Ok(()),
        }
    });
    let before = number(host, name, moves);
    let backup = take(host, name);
    let after = number(host, name, moves);
    let took = backup.finished.unwrap() - backup.started;
    // Somebody wrote all the while, or this would show nothing.
    assert!(after > before + 100, "{before} and {after} in {took}");
    drop(writer);
    let id = backup.id.to_string();
    host.ok(&["restore", name, "--from", &id, "--as", "copy"]);
    host.holds("copy", server);
    let sum = "select (select sum(has) from left_side) + (select sum(has) from right_side)";
    assert_eq!(host.sql("copy", sum).trim_end_matches(".0"), SUM);
    let (count, last) = (number(host, "copy", moves), number(host, "copy", highest));
    assert_eq!(count, last, "a hole in the sequence");
    assert!(
        (before..=after).contains(&count),
        "{before} {count} {after}"
    );
    // The amounts are those of as many moves, not only some that add up.
    let moved =
        "select (select sum(has) from right_side) - 100000 - (select sum(amount) from moves)";
    assert_eq!(number(host, "copy", moved), 0);
    eprintln!("{name}: {before} moves before, {count} in the copy, {after} after; {took}");
    nothing_is_left(host);
}

/// One move: number `n`, from the left to the right.
fn one_move(n: u64, begin: &str) -> String {
    let (from, to) = (n * 7919 % ACCOUNTS, n * 104_729 % ACCOUNTS);
    format!(
        "{begin}; update left_side set has = has - 3 where id = {from}; \
         update right_side set has = has + 3 where id = {to}; \
         insert into moves values ({n}, 3); commit;\n"
    )
}

#[test]
#[ignore = "minutes; dev/test --full"]
fn postgres_is_dumped_as_of_one_instant_while_it_is_written() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics"]);
    // Between the two in the order of a dump lies one that takes seconds.
    host.sql(
        "genomics",
        "create table left_side as select g as id, 100 as has from generate_series(0, 999) g;
         create table right_side as select g as id, 100 as has from generate_series(0, 999) g;
         alter table left_side add primary key (id); alter table right_side add primary key (id);
         create table moves (n int primary key, amount int);
         create table middle as select g, md5(g::text) || md5((g + 1)::text) as t
           from generate_series(1, 700000) g",
    );
    let client = ["psql", "-XqAt", "-U", "postgres", "-d", "genomics"];
    let writer = Writer::start(&host, "genomics", &client, |n| one_move(n, "begin"));
    one_instant(&mut host, "genomics", Postgres, writer);
}

#[test]
#[ignore = "minutes; dev/test --full"]
fn mariadb_is_dumped_as_of_one_instant_while_it_is_written() {
    let mut host = Host::new();
    host.spec("chem", MariaDB, &[]);
    host.start();
    host.ready(&["chem"]);
    host.sql(
        "chem",
        "create table left_side (id int primary key, has int);
         create table right_side (id int primary key, has int);
         create table moves (n int primary key, amount int);
         insert into left_side select seq, 100 from seq_0_to_999;
         insert into right_side select seq, 100 from seq_0_to_999;
         create table middle as select seq, concat(md5(seq), md5(seq + 1)) as t
           from seq_1_to_700000",
    );
    let script = "MYSQL_PWD=$(cat /db4sci/secrets/admin) \
                  exec mariadb --host=127.0.0.1 --skip-ssl --user=root chem";
    let client = ["sh", "-c", script];
    let writer = Writer::start(&host, "chem", &client, |n| one_move(n, "begin"));
    one_instant(&mut host, "chem", MariaDB, writer);
}

/// Neo4j is down for its dump: whoever writes goes on before and after, and each write that was
/// acknowledged before is in it, whole.
#[test]
#[ignore = "minutes; dev/test --full"]
fn neo4j_is_dumped_between_two_transactions_of_a_writer_that_comes_back() {
    let mut host = Host::new();
    host.spec("graph", Neo4j, &[]);
    host.start();
    host.ready(&["graph"]);
    host.sql(
        "graph",
        "CREATE (:Side {name: 'left', has: 100000}), (:Side {name: 'right', has: 100000})",
    );
    let writes = |n: u32| {
        format!(
            "MATCH (l:Side {{name: 'left'}}), (r:Side {{name: 'right'}}) \
             SET l.has = l.has - 3, r.has = r.has + 3 CREATE (:Move {{n: {n}}})"
        )
    };
    let (stop, asked) = std::sync::mpsc::channel::<()>();
    let shared = &host;
    let (backup, times) = std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let mut acknowledged: Vec<Timestamp> = Vec::new();
            while asked.try_recv().is_err() {
                let next = u32::try_from(acknowledged.len()).unwrap() + 1;
                // An answer that got lost: whether it is there, the next question tells.
                if shared.try_sql("graph", &writes(next)).is_ok() {
                    acknowledged.push(SystemClock.now());
                } else {
                    let there = format!("MATCH (m:Move {{n: {next}}}) RETURN count(m) AS n");
                    let said =
                        eventually(LONG, "it is up again", || shared.try_sql("graph", &there));
                    if said.lines().last() == Some("1") {
                        acknowledged.push(SystemClock.now());
                    }
                }
            }
            acknowledged
        });
        let wrote = |least: u64, since: &str| {
            eventually(LONG, since, || {
                let said = shared.try_sql("graph", "MATCH (m:Move) RETURN count(m) AS n")?;
                let count: u64 = said.lines().last().unwrap_or("").parse().unwrap_or(0);
                (count >= least).then_some(count).ok_or(said)
            })
        };
        let before = wrote(3, "somebody writes");
        let backup = take(shared, "graph");
        wrote(before + 3, "somebody writes again");
        std::thread::sleep(Duration::from_millis(1));
        stop.send(()).unwrap();
        (backup, writer.join().unwrap())
    });
    let id = backup.id.to_string();
    host.ok(&["restore", "graph", "--from", &id, "--as", "copy"]);
    host.holds("copy", Neo4j);
    let number = |cypher: &str| number(&host, "copy", cypher);
    assert_eq!(number("MATCH (s:Side) RETURN sum(s.has) AS n"), 200_000);
    let moves = number("MATCH (m:Move) RETURN count(m) AS n");
    assert_eq!(number("MATCH (m:Move) RETURN max(m.n) AS n"), moves);
    let right = number("MATCH (s:Side {name: 'right'}) RETURN s.has AS n");
    assert_eq!(right, 100_000 + 3 * moves);
    let until = |at: Timestamp| times.iter().filter(|t| **t <= at).count() as u64;
    let (least, most) = (until(backup.started), until(backup.finished.unwrap()));
    eprintln!("graph: {least} moves before, {moves} in the copy, {most} when it was done");
    assert!(
        least > 0 && (least..=most + 1).contains(&moves),
        "{least} {moves} {most}"
    );
    assert!((times.len() as u64) > moves, "nobody wrote afterwards");
    nothing_is_left(&host);
}
