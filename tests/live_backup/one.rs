//! One database of a backup goes into a server that goes on serving its others.

use crate::host::{Host, MariaDB, MongoDB, Postgres};
use crate::{backups, nothing_is_left, take};

#[test]
fn one_postgres_database_comes_back_beside_what_others_wrote_since() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &["account: {user: gen, role: Admin}"]);
    host.start();
    host.ready(&["genomics"]);
    host.write("genomics", 1);
    let odd = "Ünï \"q\" 'x'";
    let quoted = "\"Ünï \"\"q\"\" 'x'\"";
    host.sql("genomics", &format!("create database {quoted}"));
    host.sql("genomics", "create role reader");
    let inside = |sql: &str| {
        let dbname = format!("dbname='{}'", odd.replace('\'', "\\'"));
        let psql = [
            "psql", "-X", "-q", "-A", "-t", "-U", "postgres", "-c", sql, "-d",
        ];
        let container = host.name("genomics");
        let said = host.docker(&[&["exec", &container], &psql[..], &[&dbname]].concat());
        said.trim().to_owned()
    };
    inside("create table kept as select 1 as n; grant select on kept to reader");
    let id = take(&host, "genomics").id.to_string();
    inside("drop table kept; create table later ()");
    host.write("genomics", 2);

    let one = ["restore", "genomics", "--from", &id, "--only"];
    let ask = |database: &str| host.db4sci(&[&one[..], &[database, "--yes"]].concat());
    assert_eq!(host.db4sci(&[&one[..], &[odd]].concat()).code, 2);
    let refused = ask("nothing");
    assert!(
        refused.code == 1 && refused.err.contains("genomics") && refused.err.contains("nothing"),
        "{}",
        refused.all()
    );
    // A role that it needs is gone: it cannot be loaded, and nothing is lost by that.
    inside("drop owned by reader; drop role reader");
    let failed = ask(odd);
    assert!(
        failed.code == 1 && failed.err.contains("reader") && failed.err.contains("as it was"),
        "{}",
        failed.all()
    );
    assert_eq!(inside("select to_regclass('later') is not null"), "t");

    host.sql("genomics", "create role reader");
    let run = host.run_of("genomics");
    let done = ask(odd);
    assert_eq!(done.code, 0, "{}", done.all());
    assert_eq!(inside("select n from kept"), "1");
    assert_eq!(inside("select to_regclass('later') is null"), "t");
    assert_eq!(host.rows("genomics"), [1, 2]);
    assert_eq!(host.run_of("genomics"), run);
    // What was there is kept, and in no later backup.
    let aside =
        "select count(*) from pg_database where datname like '% before %' and not datallowconn";
    assert_eq!(host.sql("genomics", aside), "1");
    take(&host, "genomics");
    // One that was dropped comes back as well, and one that was half dropped is in the way.
    let cut_off = format!("update pg_database set datconnlimit = -2 where datname = $${odd}$$");
    crate::hostile::inside(&host, "genomics", "postgres", "postgres", &cut_off);
    let failed = ask(odd);
    assert!(
        failed.code == 1 && failed.err.contains("drop it"),
        "{}",
        failed.all()
    );
    host.sql("genomics", &format!("drop database {quoted}"));
    let done = ask(odd);
    assert_eq!(done.code, 0, "{}", done.all());
    assert_eq!(inside("select n from kept"), "1");
    nothing_is_left(&host);
}

#[test]
fn one_database_of_mariadb_and_mongodb_comes_back_or_stays_as_it_was() {
    let mut host = Host::new();
    host.spec("chem", MariaDB, &[]);
    host.spec("shop", MongoDB, &[]);
    host.start();
    host.ready(&["chem", "shop"]);
    for name in ["chem", "shop"] {
        host.write(name, 1);
    }
    host.sql(
        "chem",
        "create database `o``db`; create table `o``db`.t (n int, b longtext) row_format = compressed; \
         insert into `o``db`.t values (1, repeat('x', 200000)); \
         create event `o``db`.e on schedule every 1 day do delete from `o``db`.t",
    );
    host.sql(
        "shop",
        "void db.getSiblingDB('other').t.insertOne({_id: 1})",
    );
    let ids = ["chem", "shop"].map(|name| take(&host, name).id.to_string());
    host.sql(
        "chem",
        "truncate `o``db`.t; alter table `o``db`.t row_format = dynamic; \
         insert into `o``db`.t values (2, 'y')",
    );
    host.sql(
        "shop",
        "const o = db.getSiblingDB('other'); o.t.drop(); void o.later.insertOne({_id: 2})",
    );
    for name in ["chem", "shop"] {
        host.write(name, 2);
    }
    let restore = |name: &str, id: &str, only: &str| {
        host.db4sci(&["restore", name, "--from", id, "--only", only, "--yes"])
    };

    // The server makes no table like the old one any more.
    let compressed = |refused: &str| {
        let root = format!(
            "mariadb -u root -p\"$(cat /db4sci/secrets/admin)\" -e 'set global innodb_read_only_compressed = {refused}'"
        );
        host.docker(&["exec", &host.name("chem"), "sh", "-c", &root]);
    };
    compressed("on");
    let failed = restore("chem", &ids[0], "o`db");
    assert!(
        failed.code == 1 && failed.err.contains("as it was"),
        "{}",
        failed.all()
    );
    assert_eq!(host.sql("chem", "select n from `o``db`.t"), "2");
    compressed("off");
    let done = restore("chem", &ids[0], "o`db");
    assert_eq!(done.code, 0, "{}", done.all());
    assert_eq!(
        host.sql("chem", "select n, length(b) from `o``db`.t"),
        "1\t200000"
    );
    let events = "select event_name from information_schema.events where event_schema = 'o`db'";
    assert_eq!(host.sql("chem", events), "e");

    let done = restore("shop", &ids[1], "other");
    assert_eq!(done.code, 0, "{}", done.all());
    let all = "const o = db.getSiblingDB('other'); print(o.getCollectionNames().join(), o.t.findOne()._id)";
    assert_eq!(host.sql("shop", all), "t 1");
    for name in ["chem", "shop"] {
        assert_eq!(host.rows(name), [1, 2]);
        assert!(backups(&host, name).len() >= 2, "one before");
    }
    nothing_is_left(&host);
}
