mod edges;

use std::collections::BTreeMap;
use std::path::Path;

use super::super::testing::{admit_text, named, rules, spec, uid};
use super::*;
use crate::engine;
use crate::model::database::{Encryption, OnLost, Window};
use crate::model::{Cpus, Memory, OwnerLimits, SecretKind, Share, WantedState};

/// Admits a spec with some lines over an earlier one, and gives the result.
fn change(earlier: &Database, lines: &str, rules: &Rules) -> Database {
    admit_text(&spec(lines), Some(earlier), rules).unwrap()
}

fn first(lines: &str) -> Database {
    admit_text(&spec(lines), None, &rules()).unwrap()
}

#[test]
fn what_is_left_out_gets_its_default() {
    let db = first("");
    assert_eq!(db.name.as_str(), "genomics");
    assert_eq!((db.uid, db.generation), (uid(1), 1));
    assert_eq!(db.image.display, "PostgreSQL 17");
    assert_eq!(db.image.reference.as_str(), "postgres:17");
    assert_eq!(db.database, "genomics");
    assert_eq!(db.port.get(), 32010);
    assert_eq!(db.data_dir(), Path::new("/srv/data/genomics"));
    assert_eq!(db.account.user, "genomics");
    assert_eq!(db.resources.memory, Memory::mebibytes(2048));
    assert_eq!(db.resources.shm, Memory::mebibytes(256));
    assert_eq!(db.resources.cpus, None);
    assert_eq!(db.maintenance_window, Window::AfterHours);
    assert_eq!(db.on_lost, OnLost::Hold);
    assert_eq!(db.state, WantedState::Running);
    let facts = [
        ("BACKUP_FREQ", "Daily"),
        ("BACKUP_WINDOW", "AfterHours"),
        ("LIFE", "Long"),
        ("MAINTAIN", "AfterHours"),
        ("PHI", "No"),
        ("SUPPORT", "Basic"),
    ];
    let facts = facts.map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(db.facts, BTreeMap::from(facts));
}

#[test]
fn what_is_said_is_taken() {
    let db = first(
        "  image: postgres:15\n  database: calls\n  state: Stopped\n  port: 40000\n  \
         account: {user: bob, role: ReadOnly, passwordFile: /etc/pw}\n  \
         resources: {memory: 4Gi, cpus: 1.50, shm: 1Gi}\n  config: a.conf\n  \
         parameters: {work_mem: 64MB, jit: off, max_connections: 300}\n  \
         timeZone: Europe/Berlin\n  maintenanceWindow: Sun 01:00-03:00\n  \
         backup: {schedule: \"0 3 * * *\", rpo: 25h}\n  onLost: Restore\n  life: Short\n",
    );
    assert_eq!(db.image.display, "PostgreSQL 15");
    assert_eq!(db.image.series, "15");
    assert_eq!(db.database, "calls");
    assert_eq!(db.state, WantedState::Stopped);
    assert_eq!(db.port.get(), 40000);
    assert_eq!(db.account.user, "bob");
    assert_eq!(
        db.account.password_file.as_deref(),
        Some(Path::new("/etc/pw"))
    );
    assert_eq!(db.resources.cpus, Some(Cpus::from_milli(1500)));
    assert_eq!(db.given["resources"]["cpus"], "1.50");
    assert_eq!(db.config.unwrap().text, "work_mem = 1GB\n");
    assert_eq!(db.settings["work_mem"], "64MB");
    assert_eq!(db.settings["jit"], "off");
    assert_eq!(db.settings["max_connections"], "300");
    assert_eq!(db.settings["shared_buffers"], "1024MB");
    assert_eq!(db.time_zone.to_string(), "Europe/Berlin");
    assert_eq!(db.facts["BACKUP_FREQ"], "0 3 * * *");
    assert_eq!(db.facts["MAINTAIN"], "Sun 01:00-03:00");
    assert_eq!(db.facts["LIFE"], "Short");
}

#[test]
fn a_mirror_replaces_the_image() {
    let mut rules = rules();
    let mirror = "registry.example.org/postgres:17".parse().unwrap();
    rules.mirrors.insert("postgres:17".to_owned(), mirror);
    let db = admit_text(&spec(""), None, &rules).unwrap();
    assert_eq!(db.image.display, "PostgreSQL 17");
    assert_eq!(
        db.image.reference.as_str(),
        "registry.example.org/postgres:17"
    );
}

/// Rules on another day: another catalog, other volumes, another time zone, a smaller host.
fn other_day() -> Rules {
    let mut rules = rules();
    let text = "Postgres:\n  pub_ports: [5433]\n  volumes: [[DBVOL, /x, /elsewhere]]\n  \
        command: other\n  images: [[PostgreSQL 19, \"postgres:19\"]]\n";
    rules.catalog = Catalog::parse(text, Path::new("catalog.yaml")).unwrap();
    rules.volumes[0].label = "New".to_owned();
    rules.volumes[0].path = "/new".into();
    rules.time_zone = "Asia/Tokyo".parse().unwrap();
    rules.base_port = 50000;
    rules.host = rules.host.map(|host| super::super::rules::HostSize {
        memory: Memory::mebibytes(1),
        ..host
    });
    rules
}

use super::super::catalog::Catalog;

#[test]
fn an_unchanged_spec_changes_nothing_whatever_the_rules_say() {
    for lines in [
        "",
        "  image: PostgreSQL 15\n  port: 32010\n  volume: Standard\n  config: a.conf\n",
    ] {
        let db = first(lines);
        assert_eq!(change(&db, lines, &other_day()), db);
    }
}

#[test]
fn a_change_leaves_all_else_as_it_was_on_another_day() {
    let db = first("  resources: {memory: 4Gi}\n");
    let lines = "  resources: {memory: 4Gi}\n  description: calls\n";
    let changed = change(&db, lines, &other_day());
    let expected = Database {
        generation: 2,
        given: changed.given.clone(),
        description: "calls".to_owned(),
        ..db
    };
    assert_eq!(changed, expected);
}

#[test]
fn labels_and_source_follow_without_a_new_generation() {
    let db = first("");
    let text = spec("").replace("  name: genomics", "  name: genomics\n  labels: {lab: x}");
    let changed = admit_text(
        &text,
        Some(&Database {
            source: Source::Row,
            ..db.clone()
        }),
        &rules(),
    );
    let expected = Database {
        labels: [("lab".to_owned(), "x".to_owned())].into(),
        ..db
    };
    assert_eq!(changed.unwrap(), expected);
}

#[test]
fn a_changed_configuration_file_is_a_changed_spec() {
    let db = first("  config: a.conf\n");
    let mut rules = rules();
    let files = rules.config_files.files.values_mut().next().unwrap();
    files.insert("a.conf".to_owned(), Ok("work_mem = 2GB\n".to_owned()));
    let changed = change(&db, "  config: a.conf\n", &rules);
    assert_eq!(changed.generation, 2);
    assert_eq!(changed.config.unwrap().text, "work_mem = 2GB\n");
}

#[test]
fn image_port_and_volume_stay_when_their_line_goes() {
    let db = first("  image: PostgreSQL 15\n  port: 40000\n  volume: Standard\n");
    let changed = change(&db, "", &rules());
    assert_eq!(changed.generation, 2);
    assert_eq!(changed.image, db.image);
    assert_eq!(changed.port, db.port);
    assert_eq!(changed.volume, db.volume);
}

#[test]
fn other_fields_fall_back_to_the_default_when_their_line_goes() {
    let db = first(
        "  resources: {memory: 4Gi, cpus: 2, shm: 1Gi}\n  timeZone: Europe/Berlin\n  \
         maintenanceWindow: Any\n  onLost: Restore\n  parameters: {work_mem: 64MB, jit: off}\n  \
         life: Short\n  state: Stopped\n  config: a.conf\n",
    );
    let changed = change(&db, "", &rules());
    let expected = Database {
        generation: 2,
        given: changed.given.clone(),
        ..first("")
    };
    assert_eq!(changed, expected);
}

#[test]
fn settings_follow_the_memory_and_nothing_else() {
    let db = first("  parameters: {work_mem: 64MB}\n");
    // As if an older program had derived another value.
    let mut older = db.clone();
    older
        .settings
        .insert("shared_buffers".to_owned(), "100MB".to_owned());
    let changed = change(&older, "  parameters: {jit: off}\n", &rules());
    assert_eq!(changed.settings["shared_buffers"], "100MB");
    assert_eq!(changed.settings["work_mem"], "5MB");
    assert_eq!(changed.settings["jit"], "off");
    let changed = change(&older, "  resources: {memory: 4Gi}\n", &rules());
    let recipe = engine::recipe(older.engine);
    assert_eq!(changed.settings, recipe.settings(Memory::mebibytes(4096)));
}

#[test]
fn an_image_of_the_same_series_may_follow_and_is_pinned_anew() {
    let mut rules = rules();
    let text = "Postgres:\n  pub_ports: [5432]\n  volumes: [[DBVOL, /, /var/lib/postgresql/data]]\n  \
        images: [[PostgreSQL 17, \"postgres:17.5\"], [PostgreSQL 17.6, \"postgres:17.6\"]]\n";
    rules.catalog = Catalog::parse(text, Path::new("catalog.yaml")).unwrap();
    let mut db = admit_text(&spec(""), None, &rules).unwrap();
    db.image.pinned = Some(crate::model::ImageId("sha256:1".to_owned()));
    let changed = change(&db, "  image: PostgreSQL 17.6\n", &rules);
    assert_eq!(changed.image.reference.as_str(), "postgres:17.6");
    assert_eq!(changed.image.pinned, None);
    assert_eq!(changed.layout, db.layout);
}

#[test]
fn an_image_that_keeps_its_data_elsewhere_is_refused() {
    let mut rules = rules();
    let db = first("");
    let text = "Postgres:\n  pub_ports: [5432]\n  volumes: [[DBVOL, /, /var/lib/postgresql]]\n  \
        images: [[Other 17, \"postgres:17.9\"]]\n";
    rules.catalog = Catalog::parse(text, Path::new("catalog.yaml")).unwrap();
    let found = admit_text(&spec("  image: Other 17\n"), Some(&db), &rules).unwrap_err();
    assert!(found[0].message.contains("at another path"), "{}", found[0]);
}

#[test]
fn ports_go_to_the_next_that_is_free() {
    let mut rules = rules();
    for (name, port) in [("a", 32010), ("b", 32011), ("c", 32013)] {
        rules.taken.insert(port, name.parse().unwrap());
    }
    rules.reserved.insert(32014, "something".to_owned());
    let db = admit_text(&spec(""), None, &rules).unwrap();
    assert_eq!(db.port.get(), 32012);
    rules.take(&db);
    let next = admit_text(&named("next", ""), None, &rules).unwrap();
    assert_eq!(next.port.get(), 32015);
    // Its own port is no obstacle.
    assert_eq!(change(&db, "  port: 32012\n", &rules).port.get(), 32012);
}

#[test]
fn several_ports_stand_in_a_row() {
    let mut rules = rules();
    let text = "Postgres:\n  pub_ports: [1, 2]\n  volumes: [[DBVOL, /, /d]]\n  \
        images: [[Two, \"postgres:17\"]]\n";
    rules.catalog = Catalog::parse(text, Path::new("catalog.yaml")).unwrap();
    rules.taken.insert(32011, "a".parse().unwrap());
    let db = admit_text(&spec(""), None, &rules).unwrap();
    assert_eq!(db.published().collect::<Vec<_>>(), [(1, 32012), (2, 32013)]);
    for (port, word) in [
        (32010, "32011 belongs to `a`"),
        (65535, "no room for 2 ports"),
    ] {
        let found = admit_text(&spec(&format!("  port: {port}\n")), None, &rules).unwrap_err();
        assert!(found[0].message.contains(word), "{}", found[0]);
    }
}

#[test]
fn a_small_memory_has_a_small_shared_memory() {
    let db = first("  resources: {memory: 256Mi}\n");
    assert_eq!(db.resources.shm, Memory::mebibytes(64));
    let changed = change(&db, "  resources: {memory: 4Gi}\n", &rules());
    assert_eq!(
        changed.resources.shm,
        Memory::mebibytes(64),
        "it was left to its default"
    );
}

#[test]
fn a_limit_that_was_accepted_stays_acceptable() {
    let db = first("  resources: {memory: 4Gi, cpus: 8}\n");
    let lines = "  resources: {memory: 4Gi, cpus: 8}\n  life: Short\n";
    let mut small = other_day();
    small.host = Some(super::super::rules::HostSize {
        memory: Memory::mebibytes(512),
        cpus: Cpus::from_milli(1000),
    });
    assert_eq!(change(&db, lines, &small).resources, db.resources);
    let more = "  resources: {memory: 5Gi, cpus: 9}\n";
    assert_eq!(
        admit_text(&spec(more), Some(&db), &small)
            .unwrap_err()
            .len(),
        2
    );
}

#[test]
fn the_uid_is_the_databases_own_for_life() {
    let db = Database {
        uid: uid(7),
        ..first("")
    };
    assert_eq!(change(&db, "  life: Short\n", &rules()).uid, uid(7));
}

#[test]
fn mydb_admin_goes_the_same_way() {
    let rules = rules();
    let db = mydb_admin(&rules, None, uid(3)).unwrap();
    assert!(db.name.is_mydb_admin());
    assert_eq!(db.source, Source::Builtin);
    assert_eq!(db.port.get(), 32009);
    assert_eq!(db.resources.memory, Memory::mebibytes(512));
    assert_eq!(db.maintenance_window, Window::Any);
    assert_eq!(db.on_lost, OnLost::Restore);
    assert_eq!(db.account.user, "operator");
    assert_eq!(mydb_admin(&other_day(), Some(&db), uid(4)).unwrap(), db);
}

#[test]
fn an_example_that_says_everything_is_admitted() {
    let readme = include_str!("../../../desired-state/README.md");
    let mut admitted = 0;
    for block in readme.split("```yaml\n").skip(1) {
        let text = block.split("```").next().unwrap();
        admit_text(text, None, &rules()).unwrap();
        admitted += 1;
    }
    assert_eq!(admitted, 2);
}

#[test]
fn encryption_is_chosen_at_creation_and_kept() {
    let mariadb = |lines: &str| spec(lines).replace("Postgres", "MariaDB");
    let admit = |lines: &str, earlier| admit_text(&mariadb(lines), earlier, &rules());
    let plain = admit("", None).unwrap();
    assert_eq!(plain.encryption, Encryption::None);
    let encrypted = admit("  encryption: Engine\n", None).unwrap();
    assert_eq!(encrypted.encryption, Encryption::Engine);
    // A line that is deleted leaves data as it is.
    let changed = admit("  life: Short\n", Some(&encrypted)).unwrap();
    assert_eq!(changed.encryption, Encryption::Engine);
    for (lines, earlier) in [
        ("  encryption: None\n", &encrypted),
        ("  encryption: Engine\n", &plain),
    ] {
        let problems = admit(lines, Some(earlier)).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].field, "spec.encryption");
        assert!(
            problems[0].message.contains("a new database"),
            "{problems:?}"
        );
    }
}

#[test]
fn a_server_that_encrypts_finds_its_key_in_a_file() {
    let admit = |lines: &str| {
        let text = spec(lines).replace("Postgres", "MariaDB");
        let db = admit_text(&text, None, &rules()).unwrap();
        engine::recipe(db.engine).files(&db)
    };
    let plain = admit("");
    assert_eq!(plain.secrets.len(), 2);
    assert!(!plain.config[0].1.contains("encrypt"), "{plain:?}");
    let files = admit("  encryption: Engine\n");
    assert_eq!(files.secrets[2].kind, SecretKind::Key { before: "1;" });
    let text = &files.config[0].1;
    for line in [
        "plugin_load_add = file_key_management",
        "file_key_management_filename = /db4sci/secrets/encryption",
        "innodb_encrypt_tables = FORCE",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}: {text}");
    }
}

#[test]
fn which_files_there_are_is_said_without_their_texts() {
    let of_mariadb = ["db4sci.cnf", "user.cnf"].as_slice();
    for (engine, line, all) in [
        (
            "Postgres",
            "",
            ["postgresql.conf", "user.conf", "pg_hba.conf"].as_slice(),
        ),
        ("MariaDB", "", of_mariadb),
        ("MariaDB", "  encryption: Engine\n", of_mariadb),
        ("MongoDB", "", &["mongod.conf", "first-start.js"]),
        ("Neo4j", "", &["neo4j.conf", "initial-password"]),
    ] {
        let text = spec(line).replace("Postgres", engine);
        let db = admit_text(&text, None, &rules()).unwrap();
        let recipe = engine::recipe(db.engine);
        let (files, named) = (recipe.files(&db), recipe.named(&db));
        let names: Vec<&str> = files.config.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((names.as_slice(), named.config), (all, all));
        assert_eq!(files.secrets, named.secrets);
    }
}

/// Rules in which `lab` may have so much, and has these databases.
fn limited(databases: Option<u32>, memory: Option<u64>, has: &[(&str, &str, u64)]) -> Rules {
    let mut rules = rules();
    let limits = OwnerLimits {
        databases,
        memory: memory.map(|gi| Memory::mebibytes(gi * 1024)),
    };
    rules.owners.named.insert("lab".to_owned(), limits);
    for (name, owner, gi) in has {
        let share = Share {
            owner: (*owner).to_owned(),
            memory: Memory::mebibytes(gi * 1024),
        };
        rules.shares.insert(name.parse().unwrap(), share);
    }
    rules
}

#[test]
fn a_database_beyond_its_owners_limits_is_refused_with_what_is_used() {
    let has = [("a", "lab", 2), ("b", "lab", 3), ("c", "other", 50)];
    let refused = |rules: &Rules| {
        let found = admit_text(&spec(""), None, rules).unwrap_err();
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        lines
    };
    assert_eq!(
        refused(&limited(Some(2), None, &has)),
        [
            "genomics.yaml:7:10: spec.owner: `lab` may have 2 databases at once \
             (`owners.lab.databases` of the settings), and has 2: `a`, `b`; retire one (db4sci \
             delete NAME), or have the limit raised there"
        ]
    );
    assert_eq!(
        refused(&limited(None, Some(6), &has)),
        [
            "genomics.yaml:5:1: spec.resources.memory: `lab` may have 6Gi of memory at once \
             (`owners.lab.memory` of the settings), and with 2Gi here it would be 7Gi; the others \
             take 5Gi: `a` 2Gi, `b` 3Gi; write at most 1Gi, make another one smaller, retire one \
             (db4sci delete NAME), or have the limit raised there"
        ]
    );
    for (databases, memory) in [(Some(3), Some(7)), (None, None)] {
        let rules = limited(databases, memory, &has);
        assert!(admit_text(&spec(""), None, &rules).is_ok());
    }
    // What is retired takes nothing, and neither do others' databases.
    let rules = limited(Some(2), Some(5), &has);
    assert!(admit_text(&spec("  state: Retired\n"), None, &rules).is_ok());
}

#[test]
fn owners_that_are_not_named_have_the_limits_of_default() {
    let mut rules = rules();
    rules.owners.others.databases = Some(0);
    let found = admit_text(&spec(""), None, &rules).unwrap_err();
    let message = &found[0].message;
    assert!(
        message.contains("`owners.default.databases`") && message.contains("has 0: none"),
        "{message}"
    );
    let unlimited = OwnerLimits::default();
    rules.owners.named.insert("lab".to_owned(), unlimited);
    assert!(admit_text(&spec(""), None, &rules).is_ok());
}

#[test]
fn a_lowered_limit_holds_back_only_what_takes_more() {
    let two = first("  resources: {memory: 2Gi}\n");
    let mut rules = limited(Some(0), Some(1), &[]);
    rules.take(&two);
    let as_it_is = "  resources: {memory: 2Gi}\n";
    let change = |lines: &str| admit_text(&spec(lines), Some(&two), &rules);
    assert_eq!(change(as_it_is).as_ref(), Ok(&two));
    for lines in [
        "  resources: {memory: 2Gi}\n  description: more\n",
        "  resources: {memory: 1Gi}\n",
        "  state: Stopped\n  resources: {memory: 2Gi}\n",
        "  state: Retired\n  resources: {memory: 2Gi}\n",
    ] {
        assert!(change(lines).is_ok(), "{lines}");
    }
    let fields = |lines: &str| -> Vec<String> {
        let found = change(lines).unwrap_err();
        found.into_iter().map(|p| p.field).collect()
    };
    let more = "  resources: {memory: 3Gi}\n";
    assert_eq!(fields(more), ["spec.resources.memory"]);
    // To take it back is to take it anew; so is to give it to somebody who has no room for it.
    let retired = change("  state: Retired\n").unwrap();
    rules.take(&retired);
    assert!(rules.shares.is_empty());
    let back = admit_text(&spec(as_it_is), Some(&retired), &rules).unwrap_err();
    assert_eq!(back.len(), 2);
    rules.owners.others.databases = Some(0);
    let text = spec(as_it_is).replace("owner: lab", "owner: others");
    let given = admit_text(&text, Some(&two), &rules).unwrap_err();
    assert_eq!(given[0].field, "spec.owner");
}

proptest::proptest! {
    /// Whatever comes in which order: the limits are exceeded by nothing that was let in, and what
    /// was let in stays admitted under any limits.
    #[test]
    fn what_is_admitted_is_within_the_limits_and_stays_admitted(
        databases in 0u32..4,
        memory in 0u64..9,
        wishes in proptest::collection::vec((0usize..4, 1u64..5, proptest::bool::ANY), 1..24),
    ) {
        let mut rules = limited(Some(databases), Some(memory), &[]);
        let mut all: BTreeMap<&str, (String, Database)> = BTreeMap::new();
        for (at, gi, retired) in wishes {
            let name = ["ab", "bb", "cb", "db"][at];
            let state = if retired { "Retired" } else { "Running" };
            let text = named(name, &format!("  state: {state}\n  resources: {{memory: {gi}Gi}}\n"));
            let before = all.get(name).map(|(_, db)| db.clone());
            if let Ok(db) = admit_text(&text, before.as_ref(), &rules) {
                rules.take(&db);
                all.insert(name, (text, db));
            }
            let live = all.values().filter_map(|(_, db)| Share::of(db));
            let sizes: Vec<u64> = live.map(|share| share.memory.bytes() >> 30).collect();
            proptest::prop_assert!(sizes.len() <= databases as usize);
            proptest::prop_assert!(sizes.iter().sum::<u64>() <= memory);
        }
        let mut none = limited(Some(0), Some(0), &[]);
        none.shares.clone_from(&rules.shares);
        for (text, db) in all.values() {
            proptest::prop_assert_eq!(&admit_text(text, Some(db), &none).unwrap(), db);
        }
    }
}

#[test]
fn another_owner_must_be_one_who_may_use_the_volume() {
    let db = first("");
    let spec = |owner: &str| spec("").replace("owner: lab\n", &format!("owner: {owner}\n"));
    let mut rules = rules();
    rules.admins = vec!["root-lab".to_owned()];
    rules.volumes[0].users = Some(vec!["others".to_owned(), "Admin".to_owned()]);
    for owner in ["others", "root-lab"] {
        let changed = admit_text(&spec(owner), Some(&db), &rules).unwrap();
        assert_eq!((changed.owner.as_str(), changed.generation), (owner, 2));
        // What users notice stays.
        assert_eq!((&changed.volume, changed.port), (&db.volume, db.port));
        assert_eq!(changed.account, db.account);
    }
    let problems = admit_text(&spec("strangers"), Some(&db), &rules).unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let told = told.join("; ");
    assert!(
        told.contains("spec.owner") && told.contains("`Standard`") && told.contains("strangers"),
        "{told}"
    );
    // Who has it stays, whatever the settings say by now; and where the volume is in them no more,
    // nobody can tell.
    assert_eq!(
        admit_text(&spec("lab"), Some(&db), &rules).unwrap().owner,
        "lab"
    );
    rules.volumes.clear();
    assert!(admit_text(&spec("strangers"), Some(&db), &rules).is_ok());
}
