//! A memory made of what lives.

use std::fs;

use db4sci::model::view::Phase;

use crate::host::{Host, LONG, MariaDB, Postgres, eventually};
use crate::recovery::ADMIN;
use crate::{backups, nothing_is_left, take};

#[test]
fn a_memory_that_is_nowhere_any_more_is_made_of_what_lives() {
    let mut host = Host::new();
    host.set("DB4SCI_SHIP_JOURNAL", "Never");
    for (name, server) in [
        ("genomics", Postgres),
        ("shop", MariaDB),
        ("sealed", Postgres),
        ("labelled", Postgres),
    ] {
        host.spec(name, server, &[]);
    }
    host.start();
    let names = ["genomics", "shop", "sealed", "labelled"];
    host.ready(&names);
    host.ready(&[ADMIN]);
    for name in names {
        host.write(name, 1);
    }
    let backup = take(&host, "genomics");
    let of_sealed = take(&host, "sealed");
    let runs = names.map(|name| host.run_of(name));
    host.kill();
    let keys = host.path("state/keys");
    let journal = host.path("state/journal");

    // The tables know more: nothing is made.
    let away = host.path("journal-away");
    fs::rename(&journal, &away).unwrap();
    let refused = host.db4sci(&["recover", "--from-docker"]);
    assert!(
        refused.code == 1 && refused.err.contains("tables hold"),
        "{}",
        refused.all()
    );
    host.destroy(ADMIN);
    let none = host.db4sci(&["recover"]);
    assert!(
        none.code == 1 && none.err.contains("--from-docker"),
        "{}",
        none.all()
    );

    // A container of which nothing is known, and passwords that are gone.
    fs::remove_dir_all(host.path("state/secrets/sealed")).unwrap();
    // And a marker that cannot be read any more: only its container says what it is.
    let marker = host.path("volume/.db4sci/labelled/spec.yaml");
    fs::write(&marker, "name: [").unwrap();
    let kept = fs::read_dir(&keys).unwrap().count();
    let plan = host.ok(&["recover", "--from-docker", "--plan", "-o", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(
        plan["databases"]["shop"]["what"],
        "lives; its container runs on"
    );
    assert_eq!(
        plan["databases"]["genomics"]["backup"],
        backup.id.to_string()
    );
    let what = plan["databases"]["sealed"]["what"].as_str().unwrap();
    assert!(what.starts_with("is left alone: its passwords"), "{plan:#}");
    let what = plan["databases"]["labelled"]["what"].as_str().unwrap();
    assert!(what.starts_with("is left alone: its marker"), "{plan:#}");
    assert!(!journal.join("ledger.v1.jsonl").exists());

    host.ok(&["recover", "--from-docker"]);
    assert_eq!(fs::read_dir(&keys).unwrap().count(), kept);
    let again = host.db4sci(&["recover", "--from-docker"]);
    assert!(
        again.code == 1 && again.err.contains("has its memory"),
        "{}",
        again.all()
    );
    host.start();
    host.ready(&["genomics", "shop", ADMIN]);
    // Nobody's server was touched, and what was known of each is known again.
    assert_eq!(names.map(|name| host.run_of(name)), runs);
    for name in ["genomics", "shop"] {
        assert_eq!(host.rows(name), [1], "{name}");
    }
    let view = host.view("labelled").unwrap();
    assert_eq!(view.phase, Phase::Maintenance, "{}", view.message);
    // Its file said its spec by now.
    host.ok(&["resume", "labelled"]);
    host.ready(&["labelled"]);
    assert_eq!(host.rows("labelled"), [1]);
    let view = host.view("sealed").unwrap();
    let over = view.overridden.unwrap();
    assert!(over.reason.contains("passwords"), "{}", over.reason);
    // With a backup it gets other passwords, also when somebody has renamed the container that is up.
    host.docker(&["rename", &host.name("sealed"), &host.name("moved")]);
    let id = of_sealed.id.to_string();
    host.ok(&["restore", "sealed", "--from", &id, "--yes"]);
    host.ok(&["resume", "sealed"]);
    host.ready(&["sealed"]);
    assert_eq!(host.rows("sealed"), [1]);
    let ids: Vec<_> = backups(&host, "genomics")
        .into_iter()
        .map(|b| b.id)
        .collect();
    assert_eq!(ids, [backup.id]);
    let sql = "select string_agg(name, ' ' order by name) from container";
    eventually(LONG, "the tables show them", || {
        let names = host.try_sql(ADMIN, sql)?;
        (names == "genomics labelled mydb_admin sealed shop")
            .then_some(())
            .ok_or(names)
    });
    // It goes on as one that never lost anything.
    take(&host, "shop");
    take(&host, ADMIN);
    nothing_is_left(&host);
}
