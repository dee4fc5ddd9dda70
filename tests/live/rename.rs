//! Another name for a database: everything goes with it, and a daemon that dies in between leaves
//! neither half of it.

use std::fs;

use db4sci::model::view::{BackupView, Phase};
use db4sci::model::{BackupState, Reason};

use crate::host::{Host, LONG, Postgres, SOON, eventually};

const ADMIN: &str = "mydb_admin";

#[track_caller]
fn backups(host: &Host, name: &str) -> Vec<BackupView> {
    serde_json::from_str(&host.ok(&["backup", "list", name, "-o", "json"])).unwrap()
}

/// What must hold of a database under its new name, and of the old one.
#[track_caller]
fn went_over(host: &Host, old: &str, new: &str) {
    assert!(host.view(old).is_none(), "{old} is still shown");
    let ours = host.containers_of(new);
    assert_eq!(ours.len(), 1, "{ours:?}");
    assert_eq!(ours[0].name(), host.name(new));
    assert_eq!(ours[0].label("db4sci.name").as_deref(), Some(new));
    assert_eq!(ours[0].policy(), "always");
    assert_eq!(host.inspect(&host.name(old)).map(|c| c.name()), None);
    for folder in [
        "volume/",
        "volume/.db4sci/",
        "state/secrets/",
        "state/config/",
    ] {
        let there = |name: &str| host.path(&format!("{folder}{name}")).exists();
        assert!(there(new) && !there(old), "{folder}");
    }
    let spec = fs::read_to_string(host.path(&format!("volume/.db4sci/{new}/spec.yaml"))).unwrap();
    assert!(spec.contains(&format!("name: {new}")), "{spec}");
}

/// A refusal that names these.
#[track_caller]
fn refused(host: &Host, args: &[&str], words: &[&str]) {
    let said = host.db4sci(args);
    assert_eq!(said.code, 1, "{args:?}: {}", said.all());
    for word in words.iter().chain(&["nothing was changed"]) {
        assert!(said.err.contains(word), "{args:?}: {word}: {}", said.err);
    }
}

#[test]
fn everything_goes_with_a_database_of_the_tables() {
    let mut host = Host::new();
    host.start();
    host.ready(&[ADMIN]);
    host.insert("genomics");
    host.write("genomics", 1);
    host.ok(&["backup", "now", "genomics", "--wait"]);
    let backup = backups(&host, "genomics").remove(0);
    host.write("genomics", 2);
    let before = host.view("genomics").unwrap();
    let neighbour = host.run_of(ADMIN);
    // A restart of its own is what it is measured by.
    let run = host.run_of("genomics");
    host.ok(&["restart", "genomics"]);
    host.shows("genomics", LONG, "ready again", |view| {
        view.ready && host.run_of("genomics") != run
    });

    // The backup is proven first, by itself.
    let plan = eventually(LONG, "nothing else is done", || {
        let said = host.db4sci(&["rename", "genomics", "gen-2", "--plan"]);
        (said.code == 0).then_some(said.out).ok_or(said.err)
    });
    assert!(
        plan.contains("genomics  -> gen-2") && plan.contains("connection"),
        "{plan}"
    );
    let said = host.db4sci(&["rename", "genomics", "gen-2", "--reason", "a new grant"]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert!(said.err.contains("-> gen-2"), "{}", said.err);
    assert!(said.out.contains("it was down for"), "{}", said.out);
    went_over(&host, "genomics", "gen-2");
    let after = host.view("gen-2").unwrap();
    assert_eq!((after.uid, after.port), (before.uid, before.port));
    host.shows("gen-2", SOON, "measured", |view| {
        view.expected
            .recreate
            .is_some_and(|e| e.own && e.times == 1)
    });
    assert_eq!(host.rows("gen-2"), [1, 2]);
    assert_eq!(
        host.sql("gen-2", "select current_user || ' ' || current_database()"),
        "genomics genomics"
    );
    host.was_wanted_by_somebody("", "rename_began");
    let told = host.told_events("gen-2");
    assert!(
        told.contains("its first start is over") && told.contains("a new grant"),
        "{told}"
    );
    let export = host.ok(&["export", "gen-2"]);
    assert!(
        export.contains("database: genomics") && export.contains("user: genomics"),
        "{export}"
    );

    // Its row went with it, and the tables are as they should be.
    eventually(SOON, "its row went with it", || {
        let rows = host.try_sql(
            ADMIN,
            "select string_agg(name, ' ' order by name) from state",
        )?;
        (rows == "gen-2 mydb_admin").then_some(()).ok_or(rows)
    });
    host.sql(ADMIN, "update state set note = 'seen' where name = 'gen-2'");
    host.ok(&["rotate", "gen-2"]);
    assert_eq!(host.rows("gen-2"), [1, 2]);

    // Backups of before are its own: proven, kept, restored; and so are new ones.
    let listed = backups(&host, "gen-2");
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0].id, backup.id);
    let id = backup.id.to_string();
    host.ok(&["backup", "verify", "gen-2", &id]);
    host.ok(&["backup", "keep", &id, "--until", "2099-01-01"]);
    host.ok(&["backup", "now", "gen-2", "--wait"]);
    host.ok(&["restore", "gen-2", "--from", &id, "--yes"]);
    assert_eq!(host.rows("gen-2"), [1]);
    let listed = backups(&host, "gen-2");
    let verified = listed.iter().find(|b| b.id == backup.id).unwrap();
    assert_eq!(verified.state, BackupState::Verified);
    assert!(
        listed.iter().any(|b| b.id.name.as_str() == "gen-2"),
        "{listed:?}"
    );

    // A new daemon finds all of it known, and leaves it alone.
    let run = host.run_of("gen-2");
    host.stop();
    host.start();
    host.ready(&["gen-2", ADMIN]);
    assert_eq!(host.run_of("gen-2"), run);
    eventually(SOON, "nothing is frozen", || {
        let status = host.db4sci(&["status"]).all();
        (!status.contains("frozen")).then_some(()).ok_or(status)
    });
    assert_eq!(backups(&host, "gen-2").len(), listed.len());
    assert_eq!(host.run_of(ADMIN), neighbour);
    let admin = host.told_events(ADMIN);
    assert!(!admin.contains("made again from the ledger"), "{admin}");

    // The old name is free, for a database of its own.
    host.insert("genomics");
    host.write("genomics", 7);
    assert_eq!(host.rows("genomics"), [7]);
    assert_ne!(host.view("genomics").unwrap().uid, before.uid);
    assert!(backups(&host, "genomics").is_empty());
    refused(
        &host,
        &["rename", "gen-2", "genomics"],
        &["there is a database `genomics` already"],
    );
}

#[test]
fn what_cannot_be_renamed_is_told_why() {
    let mut host = Host::new();
    host.start();
    host.ready(&[ADMIN]);
    host.insert("genomics");
    host.write("genomics", 1);
    let run = host.run_of("genomics");
    refused(&host, &["rename", ADMIN, "memory"], &["keeps its name"]);
    refused(&host, &["rename", "genomics", ADMIN], &["mydb_admin"]);
    refused(
        &host,
        &["rename", "nothing", "something"],
        &["no database `nothing`"],
    );
    refused(
        &host,
        &["rename", "genomics", "genomics"],
        &["has that name already"],
    );
    let said = host.db4sci(&["rename", "genomics", "../x"]);
    assert!(
        said.code == 2 && said.err.contains("^[a-z]"),
        "{}",
        said.all()
    );

    let foreign = host.name("taken");
    let image = host.container("genomics").image();
    host.docker(&[
        "create",
        "--name",
        &foreign,
        "--label",
        &host.label(),
        &image,
    ]);
    refused(&host, &["rename", "genomics", "taken"], &[&foreign]);
    host.docker(&["rm", &foreign]);
    fs::create_dir(host.path("volume/taken")).unwrap();
    fs::write(host.path("volume/taken/theirs"), "kept").unwrap();
    refused(&host, &["rename", "genomics", "taken"], &["volume/taken"]);
    assert!(host.path("volume/taken/theirs").exists());

    host.ok(&["maintenance", "on", "genomics"]);
    refused(&host, &["rename", "genomics", "gen"], &["hands are off"]);
    host.ok(&["resume", "genomics"]);
    host.ok(&["maintenance", "on", "--all"]);
    refused(&host, &["rename", "genomics", "gen"], &["whole host"]);
    host.ok(&["maintenance", "off", "--all"]);
    host.ready(&["genomics", ADMIN]);
    assert_eq!(host.run_of("genomics"), run);

    // One that is stopped stays so.
    host.ok(&["stop", "genomics"]);
    host.shows("genomics", LONG, "stopped", |view| {
        view.phase == Phase::Stopped
    });
    let said = host.ok(&["rename", "genomics", "gen"]);
    assert!(said.contains("down as it was"), "{said}");
    host.shows("gen", SOON, "stopped", |view| {
        view.phase == Phase::Stopped && view.overridden.is_some()
    });
    host.ok(&["resume", "gen"]);
    host.ready(&["gen"]);
    assert_eq!(host.rows("gen"), [1]);
    went_over(&host, "genomics", "gen");

    host.stop();
    fs::rename(host.path("volume/gen"), host.path("volume/lost")).unwrap();
    host.docker(&["kill", &host.name("gen")]);
    host.start();
    host.told("gen", Reason::DataLost, LONG);
    refused(&host, &["rename", "gen", "genomics"], &["gen"]);
    fs::rename(host.path("volume/lost"), host.path("volume/gen")).unwrap();
    host.ready(&["gen"]);
    assert_eq!(host.rows("gen"), [1]);
}

#[test]
fn the_daemon_killed_at_any_step_finishes_it_or_goes_back() {
    let mut host = Host::new();
    host.start();
    host.ready(&[ADMIN]);
    host.insert("genomics");
    host.write("genomics", 0);
    let uid = host.view("genomics").unwrap().uid;
    let neighbour = host.run_of(ADMIN);
    let stages = [
        "begun", "down", "removed", "data", "marker", "secrets", "config", "aside", "evidence",
        "written",
    ];
    let names = ["genomics", "gen-2"];
    for (n, stage) in stages.into_iter().enumerate() {
        let (old, new) = (names[n % 2], names[(n + 1) % 2]);
        host.stop();
        host.start_with(&[("DB4SCI_FAILPOINT", &format!("rename.{stage}"))]);
        host.ready(&[old, ADMIN]);
        let said = host.db4sci(&["rename", old, new]);
        assert_eq!(said.code, 1, "{stage}: {}", said.all());
        host.wait_killed();
        let up = host.containers();
        assert!(
            up.iter().filter(|c| c.status() == "running").count() <= 2,
            "{stage}"
        );
        host.start();
        host.shows(new, LONG, stage, |view| view.phase == Phase::Ready);
        went_over(&host, old, new);
        assert_eq!(host.view(new).unwrap().uid, uid, "{stage}");
        let kept: Vec<u32> = (0..=n as u32).collect();
        assert_eq!(host.rows(new), kept, "{stage}");
        host.write(new, n as u32 + 1);
        assert_eq!(host.containers().len(), 2, "{stage}");
    }

    // Something is in the way when the next daemon wants to finish it: it goes back.
    host.stop();
    host.start_with(&[("DB4SCI_FAILPOINT", "rename.secrets")]);
    host.ready(&["genomics", ADMIN]);
    host.db4sci(&["rename", "genomics", "gen-2"]);
    host.wait_killed();
    fs::create_dir(host.path("state/config/gen-2")).unwrap();
    host.start();
    host.shows("genomics", LONG, "back", |view| view.phase == Phase::Ready);
    assert!(host.view("gen-2").is_none());
    assert_eq!(host.rows("genomics").len(), stages.len() + 1);
    let told = host.told_events("genomics");
    assert!(told.contains("keeps its name"), "{told}");
    fs::remove_dir(host.path("state/config/gen-2")).unwrap();
    host.ok(&["rename", "genomics", "gen-2"]);
    went_over(&host, "genomics", "gen-2");
    assert_eq!(host.run_of(ADMIN), neighbour);
}

#[test]
fn a_file_says_the_new_name_first_and_its_spec_goes_over() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", ADMIN]);
    host.write("genomics", 1);
    let uid = host.view("genomics").unwrap().uid;
    refused(
        &host,
        &["rename", "genomics", "gen"],
        &["genomics.yaml", "name: gen"],
    );

    // Another name in the same file.
    let run = host.run_of("genomics");
    let path = host.path("desired-state/genomics.yaml");
    let text = fs::read_to_string(&path).unwrap();
    host.spec_text("genomics", &text.replace("name: genomics", "name: gen"));
    let hint = host.told("genomics", Reason::Renamed, SOON);
    assert!(hint.contains("db4sci rename genomics gen"), "{hint}");
    assert!(host.view("gen").is_none());
    assert_eq!(host.run_of("genomics"), run);
    refused(&host, &["rename", "genomics", "other"], &["says `gen`"]);
    let said = host.ok(&["rename", "genomics", "gen"]);
    assert!(said.contains("account: {user: genomics}"), "{said}");
    went_over(&host, "genomics", "gen");
    let view = host.view("gen").unwrap();
    assert_eq!(
        (view.uid, view.source.as_str()),
        (uid, "file:genomics.yaml")
    );
    assert!(view.held.is_empty(), "{view:?}");
    assert_eq!(host.rows("gen"), [1]);

    // The file goes on to say what is wanted, and may say what the names inside are.
    let text = fs::read_to_string(&path).unwrap();
    let more = "  database: genomics\n  account: {user: genomics}\n  description: read again\n";
    host.spec_text("genomics", &format!("{text}{more}"));
    host.shows("gen", LONG, "the new spec", |view| {
        view.generation > 2 && view.observed_generation == view.generation && view.ready
    });

    // Another name and another path at once, as `git mv` and an editor do.
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    host.spec_text(
        "transcripts",
        &text.replace("name: gen\n", "name: transcripts\n"),
    );
    host.told("gen", Reason::Renamed, SOON);
    assert!(host.view("transcripts").is_none());
    let said = host.ok(&["rename", "gen", "transcripts"]);
    assert!(!said.contains("account:"), "{said}");
    went_over(&host, "gen", "transcripts");
    let view = host.view("transcripts").unwrap();
    assert_eq!(
        (view.uid, view.source.as_str()),
        (uid, "file:transcripts.yaml")
    );
    assert_eq!(host.rows("transcripts"), [1]);

    // A new daemon reads the same, and finds nothing to do.
    let run = host.run_of("transcripts");
    host.stop();
    host.start();
    host.ready(&["transcripts", ADMIN]);
    assert_eq!(host.run_of("transcripts"), run);
    assert_eq!(host.containers().len(), 2);
}
