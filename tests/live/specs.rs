//! The way of a spec into force: what changes in place, what waits, what is refused.

use std::fs;

use chrono::TimeDelta;
use db4sci::model::view::Phase;
use db4sci::model::{Clock, Reason, SystemClock};

use crate::host::{Host, LONG, MariaDB, Postgres, SOON, eventually};

/// A window that does not open for days, whatever day and hour it is.
pub fn far_away() -> String {
    let day = SystemClock.now() + TimeDelta::days(3);
    format!("maintenanceWindow: \"{} 01:00-02:00\"", day.format("%a"))
}

const MEBIBYTES: i64 = 1 << 20;

#[test]
fn limits_grow_in_place_and_all_else_waits_for_the_window() {
    let mut host = Host::new();
    let far = far_away();
    host.spec("genomics", Postgres, &[&far]);
    host.spec("proteomics", MariaDB, &[]);
    host.start();
    host.ready(&["genomics", "proteomics", "mydb_admin"]);
    host.write("genomics", 1);
    let neighbour = host.run_of("proteomics");
    let run = host.run_of("genomics");
    let buffers = host.sql("genomics", "show shared_buffers");
    assert_eq!(host.db4sci(&["plan"]).code, 0);

    // Memory and processors at once; what the server makes of them at a restart.
    let grown = "resources: {memory: 256Mi, cpus: \"1.5\"}";
    host.spec("genomics", Postgres, &[&far, grown]);
    host.shows("genomics", SOON, "in force as far as it may be", |view| {
        view.generation == 2 && view.reason == Some(Reason::OutsideWindow) && view.lane.is_none()
    });
    let now = host.container("genomics");
    assert_eq!(now.memory(), 256 * MEBIBYTES);
    assert_eq!(now.json()["HostConfig"]["NanoCpus"], 1_500_000_000);
    assert_eq!(now.run(), run);
    assert_eq!(host.sql("genomics", "show shared_buffers"), buffers);
    let plan = host.db4sci(&["plan", "genomics"]);
    assert_eq!(plan.code, 3, "{}", plan.all());
    assert!(
        plan.out.contains("shared_buffers") && plan.out.contains("restart"),
        "{}",
        plan.out
    );
    let get = host.ok(&["get"]);
    assert!(get.contains("OutsideWindow"), "{get}");

    // A port is another container's. It waits too, and until then the server is where it was,
    // for a new daemon as well.
    let (old, new) = (host.view("genomics").unwrap().port, host.port(9));
    let port = format!("port: {new}");
    host.spec("genomics", Postgres, &[&far, grown, &port]);
    host.shows("genomics", SOON, "generation 3", |view| {
        view.generation == 3
    });
    host.stop();
    host.start();
    host.ready(&["genomics"]);
    let view = host.told("genomics", Reason::OutsideWindow, SOON);
    assert!(view.contains(&format!("port {old} -> {new}")), "{view}");
    assert_eq!(host.view("genomics").unwrap().port, old);
    assert_eq!(host.rows("genomics"), [1]);
    assert_eq!(host.run_of("genomics"), run);

    // The window opens.
    host.spec(
        "genomics",
        Postgres,
        &["maintenanceWindow: Any", grown, &port],
    );
    host.shows("genomics", LONG, "all in force", |view| {
        view.ready && view.observed_generation == 4 && view.port == new
    });
    assert_ne!(host.run_of("genomics").id, run.id);
    assert_eq!(host.sql("genomics", "show shared_buffers"), "64MB");
    assert_eq!(host.rows("genomics"), [1]);
    assert_eq!(host.db4sci(&["plan"]).code, 0);

    // Less memory is never taken from under a server: it is restarted.
    let run = host.run_of("genomics");
    let shrunk = grown.replace("256Mi", "192Mi");
    host.spec(
        "genomics",
        Postgres,
        &["maintenanceWindow: Any", &shrunk, &port],
    );
    host.shows("genomics", LONG, "in force", |view| {
        view.ready && view.observed_generation == 5
    });
    let now = host.container("genomics");
    assert_eq!((now.id(), now.memory()), (run.id, 192 * MEBIBYTES));
    assert_ne!(now.run().started_at, run.started_at);
    assert_eq!(host.rows("genomics"), [1]);
    assert_eq!(host.run_of("proteomics"), neighbour);
}

const CATALOG: &str = "Postgres:
  pub_ports: [5432]
  volumes:
    - [DBVOL, /, /var/lib/postgresql/data]
  command: postgres
  images:
    - [PostgreSQL 17, \"postgres:17\"]
    - [PostgreSQL 15, \"postgres:15\"]
    - [PostgreSQL 15 b, \"postgres:15-b\"]
    - [PostgreSQL 13, \"postgres:13\"]
";

#[test]
fn an_image_changes_within_its_series_and_never_across() {
    let mut host = Host::new();
    fs::write(host.path("dbconfig/catalog.yaml"), CATALOG).unwrap();
    let any = "maintenanceWindow: Any";
    host.spec("genomics", Postgres, &[any, "image: PostgreSQL 15"]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    host.write("genomics", 1);
    let (first, admin) = (host.container("genomics"), host.run_of("mydb_admin"));

    // Another image opens data that is in no backup: inside its window, too, a person is asked.
    host.spec("genomics", Postgres, &[any, "image: PostgreSQL 15 b"]);
    let told = host.told("genomics", Reason::NeedsApproval, SOON);
    assert!(told.contains("there is no backup of it"), "{told}");
    let plan = host.plan("genomics");
    assert!(plan["dataAtRisk"].is_string(), "{plan}");
    assert_eq!(host.container("genomics").id(), first.id());
    host.ok(&["approve", plan["hash"].as_str().unwrap()]);
    host.shows("genomics", LONG, "in force", |view| {
        view.ready && view.observed_generation == 2
    });
    let second = host.container("genomics");
    assert_ne!(second.id(), first.id());
    assert_ne!(second.image(), first.image());
    assert_eq!(host.containers_of("genomics").len(), 1);
    assert_eq!(host.rows("genomics"), [1]);

    for other in ["PostgreSQL 17", "PostgreSQL 13"] {
        host.spec("genomics", Postgres, &[any, &format!("image: {other}")]);
        host.shows("genomics", SOON, "refused", |view| {
            let held = view
                .held
                .iter()
                .find(|held| held.reason == Reason::InvalidSpec);
            let series = other.trim_start_matches("PostgreSQL ");
            let words = ["genomics.yaml:", "spec.image", series, "PostgreSQL 15 b"];
            held.is_some_and(|held| words.iter().all(|word| held.message.contains(word)))
        });
        let plan = host.db4sci(&["plan", "genomics"]);
        assert!(plan.out.contains("refused"), "{}", plan.out);
        assert_eq!(host.run_of("genomics"), second.run());
        assert!(host.view("genomics").unwrap().ready);
    }
    // The last good spec heals.
    host.docker(&["rm", "-f", &host.name("genomics")]);
    host.ready(&["genomics"]);
    assert_eq!(host.container("genomics").image(), second.image());
    assert_eq!(host.rows("genomics"), [1]);

    host.spec("genomics", Postgres, &[any, "image: PostgreSQL 15 b"]);
    host.shows("genomics", SOON, "good again", |view| {
        view.held.is_empty() && view.ready
    });

    // An edited catalog changes nothing that runs, however wrong it is.
    let before = host.run_of("genomics");
    fs::write(
        host.path("dbconfig/catalog.yaml"),
        CATALOG.replace("15-b", "13"),
    )
    .unwrap();
    host.stop();
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    assert_eq!(host.db4sci(&["plan"]).code, 0);
    assert_eq!(host.run_of("genomics"), before);
    assert_eq!(host.run_of("mydb_admin"), admin);
}

#[test]
fn a_file_that_makes_no_sense_leaves_its_last_good_spec_in_force() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &["maintenanceWindow: Any"]);
    host.spec("chembank", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "chembank", "mydb_admin"]);
    host.write("genomics", 1);
    let runs = |host: &Host| ["genomics", "chembank", "mydb_admin"].map(|n| host.run_of(n));
    let before = runs(&host);
    let good = fs::read_to_string(host.path("desired-state/genomics.yaml")).unwrap();

    // No YAML; an unknown key; a value out of range; nothing at all.
    let cases = [
        (
            good.replace("engine: Postgres", "engine: [Postgres"),
            "genomics.yaml:",
        ),
        (good.replace("  owner:", "  ownr:"), "genomics.yaml:7:3: "),
        (good.replace("192Mi", "512m"), "512m"),
        (String::new(), "genomics.yaml"),
    ];
    for (text, words) in cases {
        host.spec_text("genomics", &text);
        host.shows("genomics", SOON, words, |view| {
            let mut held = view.held.iter().filter(|h| h.reason == Reason::InvalidSpec);
            held.any(|h| h.message.contains(words))
        });
        let check = host.db4sci(&["check"]);
        assert!(
            check.code == 1 && check.out.contains("genomics.yaml"),
            "{}",
            check.all()
        );
        assert_eq!(host.db4sci(&["plan"]).code, 3);
        assert_eq!(runs(&host), before);
    }
    // A new daemon stands by it, and the other files are not held up.
    host.kill();
    host.start();
    host.told("genomics", Reason::InvalidSpec, SOON);
    host.spec("chembank", Postgres, &["description: still read"]);
    host.shows("chembank", SOON, "read", |view| view.generation == 2);
    assert_eq!(runs(&host), before);
    host.spec_text("genomics", &good);
    host.shows("genomics", SOON, "good again", |view| {
        view.held.is_empty() && view.ready
    });
    assert_eq!(host.db4sci(&["check"]).code, 0);

    // Another name in the file makes nothing and removes nothing.
    host.spec_text("genomics", &good.replace("name: genomics", "name: genome"));
    let said = host.told("genomics", Reason::Renamed, SOON);
    assert!(
        said.contains("`genome`") && said.contains("set the name back"),
        "{said}"
    );
    assert!(host.view("genome").is_none());
    let status = host.ok(&["status"]);
    assert!(status.contains("db4sci rename genomics genome"), "{status}");
    assert_eq!(runs(&host), before);
    host.spec_text("genomics", &good);
    host.shows("genomics", SOON, "itself again", |view| {
        view.held.is_empty() && view.ready
    });

    // Two files of one name: neither is taken.
    host.spec_text("copy", &good.replace("192Mi", "1Gi"));
    host.shows("genomics", SOON, "a double", |view| {
        view.held
            .iter()
            .any(|h| h.message.contains("one file a database"))
            || {
                let status = host.ok(&["status"]);
                status.contains("one file a database")
            }
    });
    assert_eq!(host.container("genomics").memory(), 192 * MEBIBYTES);
    fs::remove_file(host.path("desired-state/copy.yaml")).unwrap();
    host.shows("genomics", SOON, "itself again", |view| {
        view.held.is_empty() && view.ready
    });
    assert_eq!(runs(&host), before);
    assert_eq!(host.rows("genomics"), [1]);
    assert_eq!(host.view("genomics").unwrap().phase, Phase::Ready);
}

#[test]
fn a_parameter_is_reloaded_or_waits_for_a_restart_as_the_server_needs() {
    let mut host = Host::new();
    let far = far_away();
    let cases = [
        (
            "genomics",
            Postgres,
            "parameters: {work_mem: 7MB, max_connections: \"55\"}",
        ),
        (
            "proteomics",
            MariaDB,
            "parameters: {max_allowed_packet: 32M, ft_min_word_len: \"5\"}",
        ),
    ];
    for (name, server, _) in cases {
        host.spec(name, server, &[&far]);
    }
    host.start();
    host.ready(&["genomics", "proteomics", "mydb_admin"]);
    let runs = ["genomics", "proteomics"].map(|name| host.run_of(name));
    for (name, server, parameters) in cases {
        host.spec(name, server, &[&far, parameters]);
    }
    let reloaded = [
        ("genomics", "show work_mem", "7MB"),
        (
            "proteomics",
            "select @@global.max_allowed_packet",
            "33554432",
        ),
    ];
    for (name, question, answer) in reloaded {
        let told = host.told(name, Reason::OutsideWindow, LONG);
        eventually(SOON, "in force without a restart", || {
            let said = host.sql(name, question);
            (said.trim() == answer).then_some(()).ok_or(said)
        });
        let waits = ["max_connections", "ft_min_word_len"];
        assert!(waits.iter().any(|word| told.contains(word)), "{told}");
    }
    assert_eq!(host.sql("genomics", "show max_connections").trim(), "100");
    assert_eq!(
        ["genomics", "proteomics"].map(|name| host.run_of(name)),
        runs
    );

    // What no server would take is refused, and nothing is changed.
    for (name, server, parameters, words) in [
        (
            "genomics",
            Postgres,
            "parameters: {work_men: 7MB}",
            "did you mean `work_mem`",
        ),
        (
            "proteomics",
            MariaDB,
            "parameters: {max_connections: \"many\"}",
            "allowed",
        ),
    ] {
        host.spec(name, server, &[&far, parameters]);
        let told = host.told(name, Reason::InvalidSpec, SOON);
        assert!(told.contains(words), "{told}");
    }
    assert_eq!(
        ["genomics", "proteomics"].map(|name| host.run_of(name)),
        runs
    );
}

#[test]
fn another_owner_comes_by_a_file_by_apply_and_by_sql_without_a_restart() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    let run = host.run_of("genomics");
    let file = fs::read_to_string(host.path("desired-state/genomics.yaml")).unwrap();
    let by_file = file
        .replace("owner: genomics-lab", "owner: others")
        .replace("contact: genomics@", "contact: others@");
    host.spec_text("genomics", &by_file);
    host.shows("genomics", SOON, "the file's owner", |view| {
        view.owner == "others" && view.observed_generation == view.generation && view.ready
    });
    let told = host.told_events("genomics");
    assert!(
        told.contains("owner `genomics-lab` -> `others`, contact `genomics@example.org` -> `others@example.org`"),
        "{told}"
    );
    // Labels say whose it was when its container was made; nothing is restarted for them.
    assert_eq!(host.run_of("genomics"), run);
    assert_eq!(
        host.container("genomics").label("OWNER").as_deref(),
        Some("genomics-lab")
    );

    let path = host.path("proteomics.yaml");
    let spec = file.replace("genomics", "proteomics");
    let apply = |text: &str| {
        fs::write(&path, text).unwrap();
        host.ok(&["apply", "-f", &path.display().to_string(), "--wait"]);
    };
    apply(&spec);
    let run = host.run_of("proteomics");
    apply(&spec.replace("owner: proteomics-lab", "owner: others"));
    assert_eq!(host.view("proteomics").unwrap().owner, "others");
    eventually(SOON, "the tables are there", || {
        host.try_sql(
            "mydb_admin",
            "update state set spec['owner'] = '\"more\"' where name = 'proteomics'",
        )
    });
    host.shows("proteomics", SOON, "the row's owner", |view| {
        view.owner == "more" && view.observed_generation == view.generation && view.ready
    });
    let told = host.told_events("proteomics");
    assert!(
        told.contains("owner `proteomics-lab` -> `others`")
            && told.contains("owner `others` -> `more`"),
        "{told}"
    );
    assert_eq!(host.run_of("proteomics"), run);
}

#[test]
fn what_lost_its_file_for_good_is_changed_and_deleted_without_it() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    let run = host.run_of("genomics");
    let file = host.path("desired-state/genomics.yaml");
    let written = fs::read_to_string(&file).unwrap();
    let release = [
        "release",
        "genomics",
        "--to-rows",
        "--reason",
        "its lab left",
    ];
    let refused = |args: &[&str], words: &str| {
        let said = host.db4sci(args);
        assert!(
            said.code == 1 && said.err.contains(words) && said.err.contains("nothing was changed"),
            "{args:?}: {}",
            said.all()
        );
    };
    refused(&release, &file.display().to_string());
    let admin = ["release", "mydb_admin", "--to-rows", "--reason", "x"];
    refused(&admin, "no file describes it");

    // Gone: neither changed nor deleted, until it is released.
    fs::remove_file(&file).unwrap();
    let told = host.told("genomics", Reason::Orphan, SOON);
    assert!(told.contains("release genomics --to-rows"), "{told}");
    let path = host.path("new.yaml");
    let path = path.display().to_string();
    fs::write(&path, format!("{written}  description: applied\n")).unwrap();
    refused(&["apply", "-f", &path], "--to-rows");
    refused(&["delete", "genomics"], "--to-rows");
    let said = host.ok(&release);
    assert!(said.contains("its lab left"), "{said}");
    host.shows("genomics", SOON, "no orphan any more", |view| {
        view.source == "api" && view.held.is_empty() && view.ready
    });
    refused(&release, "no file describes `genomics`");
    host.ok(&["apply", "-f", &path, "--wait"]);

    // Back: it changes nothing, and is told so.
    fs::write(&file, &written).unwrap();
    eventually(SOON, "the file is refused", || {
        let status = host.db4sci(&["status"]).out;
        let told = status.contains("genomics.yaml:") && status.contains("was released from");
        told.then_some(()).ok_or(status)
    });
    assert!(
        host.ok(&["export", "genomics"])
            .contains("description: applied")
    );
    fs::remove_file(&file).unwrap();
    assert_eq!(host.run_of("genomics"), run);
    let rows = eventually(SOON, "the row is one that people change", || {
        host.try_sql(
            "mydb_admin",
            "select source from state where name = 'genomics'",
        )
    });
    assert_eq!(rows, "api");
    host.ok(&["delete", "genomics", "--reason", "its lab left"]);
    host.shows("genomics", LONG, "retired", |view| {
        view.phase == Phase::Retired
    });
}
