//! What goes by a database's name: a clone has its data, and passwords of its own; one whose daemon dies
//! is finished, or gone with its name free. Backups of a renamed database come back to an empty machine.

use db4sci::model::view::Phase;

use crate::host::{Host, LONG, MariaDB, Postgres, SOON, eventually};
use crate::recovery::{ADMIN, lose, shipped};
use crate::{backups, nothing_is_left, take, verify};

#[track_caller]
fn refused(host: &Host, args: &[&str], words: &str) {
    let said = host.db4sci(args);
    assert_eq!(said.code, 1, "{args:?}: {}", said.all());
    assert!(said.err.contains(words), "{args:?}: {}", said.err);
    assert!(said.err.contains("nothing was changed"), "{}", said.err);
}

#[test]
fn a_copy_may_have_a_newer_server_and_never_an_older_one() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &["image: PostgreSQL 15"]);
    host.spec("shop", MariaDB, &["image: MariaDB 10.11"]);
    host.start();
    host.ready(&["genomics", "shop"]);
    let copies = [
        (
            "genomics",
            Postgres,
            "variants",
            "PostgreSQL 17",
            "show server_version",
        ),
        (
            "shop",
            MariaDB,
            "market",
            "MariaDB 11.8",
            "select version()",
        ),
    ];
    for (name, server, copy, image, version) in copies {
        host.write(name, 1);
        let run = host.run_of(name);
        let id = take(&host, name).id.to_string();
        host.ok(&[
            "restore", name, "--from", &id, "--as", copy, "--image", image,
        ]);
        host.holds(copy, server);
        assert_eq!(host.rows(copy), [1]);
        let (_, series) = image.split_once(' ').unwrap();
        let newer = host.sql(copy, version);
        assert!(newer.starts_with(series), "{newer}");
        assert!(!host.sql(name, version).starts_with(series));
        // It goes on as one that was always of that image.
        host.write(copy, 2);
        let again = take(&host, copy);
        verify(&host, &again).unwrap();
        assert_eq!(host.run_of(name), run);

        // And not back.
        let id = again.id.to_string();
        let older = host.ok(&["export", name]);
        let older = older
            .lines()
            .find_map(|l| l.trim().strip_prefix("image: "))
            .unwrap();
        let back = [
            "restore", copy, "--from", &id, "--as", "back", "--image", older,
        ];
        let said = host.db4sci(&back);
        assert_eq!(said.code, 1, "{}", said.all());
        assert!(
            said.all().contains("cannot be loaded into"),
            "{}",
            said.all()
        );
        assert!(host.view("back").is_none());
    }
    let id = backups(&host, "genomics")[0].id.to_string();
    let said = host.db4sci(&[
        "restore",
        "genomics",
        "--from",
        &id,
        "--yes",
        "--image",
        "PostgreSQL 17",
    ]);
    assert_eq!(said.code, 2, "{}", said.all());
    nothing_is_left(&host);
}

#[test]
fn a_clone_has_the_newest_proven_data_and_is_a_database_of_its_own() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.write("genomics", 1);
    let run = host.run_of("genomics");
    refused(&host, &["clone", "genomics", "copy"], "no verified backup");
    let proven = take(&host, "genomics");
    refused(
        &host,
        &["clone", "genomics", "copy"],
        "backup verify genomics",
    );
    verify(&host, &proven).unwrap();
    host.write("genomics", 2);
    let newest = take(&host, "genomics");
    refused(&host, &["clone", "genomics", ADMIN], "mydb_admin");
    refused(&host, &["clone", ADMIN, "copy"], "mydb_admin");
    refused(
        &host,
        &["clone", "genomics", "genomics"],
        "choose another name",
    );

    host.ok(&["clone", "genomics", "copy"]);
    host.ok(&[
        "clone",
        "genomics",
        "newer",
        "--from",
        &newest.id.to_string(),
    ]);
    host.write("genomics", 3);
    host.ok(&["clone", "genomics", "live", "--live"]);
    let rows = ["copy", "newer", "live", "genomics"].map(|name| host.rows(name));
    assert_eq!(rows, [vec![1], vec![1, 2], vec![1, 2, 3], vec![1, 2, 3]]);
    host.was_wanted_by_somebody("copy", "admitted");
    let export = host.ok(&["export", "copy"]);
    assert!(export.contains("schedule: Never"), "{export}");
    assert!(backups(&host, "copy").is_empty());
    let password = |name: &str| {
        let file = format!("state/secrets/{name}/user");
        std::fs::read_to_string(host.path(&file)).unwrap_or_else(|e| panic!("{file}: {e}"))
    };
    assert_ne!(password("copy"), password("genomics"));
    assert_eq!(host.run_of("genomics"), run);
    host.write("copy", 9);
    assert_eq!(host.rows("genomics"), [1, 2, 3]);
    nothing_is_left(&host);
}

#[test]
#[ignore = "five minutes; dev/test --full"]
fn a_clone_whose_daemon_dies_is_finished_or_gone_and_its_name_is_free() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.write("genomics", 1);
    let proven = take(&host, "genomics");
    verify(&host, &proven).unwrap();
    let run = host.run_of("genomics");
    let stages = [
        "copy.begun",
        "copy.prepared",
        "copy.sealed",
        "restore.loaded",
        "restore.between",
        "restore.placed",
    ];
    for stage in stages {
        host.stop();
        host.start_with(&[("DB4SCI_FAILPOINT", stage)]);
        host.ready(&["genomics", ADMIN]);
        let said = host.db4sci(&["clone", "genomics", "copy"]);
        assert_eq!(said.code, 1, "{stage}: {}", said.all());
        host.wait_killed();
        // The one that clears it away may be killed, too.
        let again = [("DB4SCI_FAILPOINT", "copy.removed")];
        if stage == "restore.placed" {
            host.start_with(&again);
            host.wait_killed();
        }
        host.start();
        let left = ["volume/copy", "volume/.db4sci/copy", "state/secrets/copy"];
        eventually(LONG, stage, || {
            let there = left.iter().find(|left| host.path(left).exists());
            match (host.view("copy"), there) {
                (None, None) => Ok(()),
                (view, there) => Err(format!("{:?} {there:?}", view.map(|v| v.message))),
            }
        });
        host.ready(&["genomics", ADMIN]);
        eventually(SOON, "its row is gone", || {
            let rows = host.try_sql(
                ADMIN,
                "select string_agg(name, ' ' order by name) from state",
            )?;
            (rows == "genomics mydb_admin").then_some(()).ok_or(rows)
        });
        let told = host.told_events("copy");
        assert!(told.contains("the name is free"), "{stage}: {told}");
        nothing_is_left(&host);
    }
    // From the marker on it has its data, and the next daemon finishes it.
    for (stage, copy) in [("copy.placed", "whole"), ("copy.ended", "ended")] {
        host.stop();
        host.start_with(&[("DB4SCI_FAILPOINT", stage)]);
        host.ready(&["genomics", ADMIN]);
        host.db4sci(&["clone", "genomics", copy]);
        host.wait_killed();
        host.start();
        host.shows(copy, LONG, "finished", |view| view.phase == Phase::Ready);
        assert_eq!(host.rows(copy), [1], "{stage}");
    }
    assert_eq!(host.run_of("genomics"), run);
    nothing_is_left(&host);
}

#[test]
fn a_renamed_database_comes_back_to_an_empty_machine() {
    let mut host = Host::new();
    host.set("DB4SCI_SHIP_JOURNAL", "1s");
    host.spec("genomics", Postgres, &["backup: {schedule: Never}"]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.write("genomics", 1);
    let uid = host.view("genomics").unwrap().uid;
    let old = take(&host, "genomics");
    take(&host, ADMIN);
    let keys = host.path("keys-copied");
    host.ok(&["key", "export", &keys.display().to_string()]);
    let path = host.path("desired-state/genomics.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    host.spec_text("genomics", &text.replace("name: genomics", "name: gen-2"));
    eventually(LONG, "it is renamed", || {
        let said = host.db4sci(&["rename", "genomics", "gen-2"]);
        (said.code == 0).then_some(()).ok_or(said.err)
    });
    shipped(&host);
    host.stop();
    let offline = host.ok(&["backup", "list", "gen-2", "-o", "name"]);
    assert!(offline.contains(&old.id.to_string()), "{offline}");
    host.start();
    host.ready(&["gen-2", ADMIN]);
    lose(&mut host);
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([&keys, &host.path("state/keys")])
        .status();
    assert!(copied.unwrap().success());
    let said = host.ok(&["recover"]);
    assert!(said.contains("gen-2"), "{said}");
    host.start();
    host.ready(&["gen-2", ADMIN]);
    assert_eq!(host.rows("gen-2"), [1]);
    assert_eq!(host.view("gen-2").unwrap().uid, uid);
    assert!(host.view("genomics").is_none());
    let listed = backups(&host, "gen-2");
    assert!(listed.iter().any(|b| b.id == old.id), "{listed:?}");
    eventually(LONG, "nothing is frozen", || {
        let status = host.db4sci(&["status"]).all();
        (!status.contains("frozen")).then_some(()).ok_or(status)
    });
}
