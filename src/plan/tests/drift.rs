//! Differences between container and spec: in place, by a restart, by another container.

use std::sync::Arc;

use super::config::config;
use super::*;
use crate::model::action::Renewal;
use crate::model::database::TLS;
use crate::model::{Cpus, PortBinding, Secret};

fn window() -> Timestamp {
    noon() + seconds(10 * 3600)
}

/// A change to a database that is ready, with a name for messages.
type Change = (&'static str, fn(&mut Case));

/// Nothing now, these steps once the window opens, and these of it when the container is down.
#[track_caller]
fn waits_for_the_window(change: &Change, steps: &[&str], down: &[&str]) {
    let (name, change) = change;
    let mut case = Case::ready();
    change(&mut case);
    assert_eq!(case.steps(), [""; 0], "{name}");
    let held = case.held(Reason::OutsideWindow);
    assert_eq!(held.until, Some(window()), "{name}");
    assert_eq!(kinds(&held.would.unwrap()), steps, "{name}");
    assert_eq!(case.plan().wake_at, Some(window()), "{name}");
    case.now = window();
    assert_eq!(case.steps(), steps, "{name}");
    case.now = noon();
    let image = case.seen.image.clone();
    case.down(Status::Exited, 0);
    if image.present().is_some() {
        case.seen.image = image;
    }
    assert_eq!(case.steps(), down, "{name}");
}

#[test]
fn what_can_be_changed_in_place_is_changed_at_once() {
    let cases: [(Change, &[&str]); 6] = [
        (
            ("more memory", |c| {
                c.db.resources.memory = Memory::mebibytes(4096);
            }),
            &["update"],
        ),
        (
            ("cpus", |c| {
                c.db.resources.cpus = Some("1.5".parse::<Cpus>().unwrap());
            }),
            &["update"],
        ),
        (
            ("fewer cpus", |c| {
                c.db.resources.cpus = Some("1".parse::<Cpus>().unwrap());
                c.container().nano_cpus = 2_000_000_000;
            }),
            &["update"],
        ),
        (
            ("policy", |c| c.container().restart = RestartPolicy::Other),
            &["set_policy"],
        ),
        (
            ("name", |c| "old".clone_into(&mut c.container().name)),
            &["rename"],
        ),
        (
            ("all of it", |c| {
                c.db.resources.memory = Memory::mebibytes(4096);
                c.container().restart = RestartPolicy::No;
                "old".clone_into(&mut c.container().name);
            }),
            &["update", "set_policy", "rename"],
        ),
    ];
    for ((name, change), steps) in cases {
        let mut case = Case::ready();
        change(&mut case);
        let lane = case.plan().lane.unwrap();
        assert_eq!(kinds(&lane), steps, "{name}");
        assert_eq!(lane.cost, Cost::None, "{name}");
        assert!(!lane.why.is_empty(), "{name}");
    }
}

#[test]
fn settings_and_configuration_wait_for_a_restart_in_the_window() {
    let cases: [Change; 5] = [
        ("a new setting", |c| {
            c.db.settings
                .insert("shared_buffers".to_owned(), "99MB".to_owned());
        }),
        ("a setting taken away", |c| {
            c.db.settings.remove("shared_buffers");
        }),
        ("a configuration file", |c| {
            config(c, None, Some("shared_buffers = 99MB"));
        }),
        ("another text of it", |c| {
            let old = "max_connections = 7\nwork_mem = 1MB";
            config(c, Some(old), Some("work_mem = 2MB\nmax_connections = 8"));
        }),
        ("no configuration file any more", |c| {
            config(c, Some("max_connections = 7"), None);
        }),
    ];
    for change in &cases {
        waits_for_the_window(change, &RESTART, &["write_files", "start"]);
    }
}

#[test]
fn less_memory_waits_for_a_restart_since_it_could_kill() {
    let less: Change = ("less memory", |c| {
        c.db.resources.memory = Memory::mebibytes(1024);
    });
    let steps = [
        "set_policy",
        "stop",
        "write_files",
        "update",
        "set_policy",
        "start",
    ];
    waits_for_the_window(&less, &steps, &["update", "start"]);
    let unlimited: Change = ("no limit by hand", |c| c.container().memory = 0);
    waits_for_the_window(&unlimited, &steps, &["update", "start"]);
}

#[test]
fn the_limit_rises_first_and_what_follows_the_memory_at_a_start_waits_for_one() {
    let mut case = Case::ready();
    let recipe = crate::engine::recipe(EngineKind::MariaDB);
    let (before, after) = (Memory::mebibytes(2048), Memory::mebibytes(4096));
    case.db.engine = EngineKind::MariaDB;
    case.db.settings = recipe.settings(before);
    if let Seen::Present(files) = &mut case.seen.files {
        files.settings = recipe.files(&case.db).settings.into();
    }
    case.db.settings = recipe.settings(after);
    case.db.resources.memory = after;
    assert_eq!(case.steps(), ["update", "reload"]);
    let lane = case.plan().lane.unwrap();
    assert!(
        !lane.why.iter().any(|why| why.starts_with("innodb_")),
        "{lane:?}"
    );
    case.container().memory = after.bytes();
    let small = ["max_heap_table_size", "tmp_table_size"];
    if let Seen::Present(files) = &mut case.seen.files {
        let settings = Arc::make_mut(&mut files.settings);
        for name in small {
            settings.insert(name.to_owned(), case.db.settings[name].clone());
        }
    }
    assert_eq!(case.steps(), [""; 0]);
    let held = case.held(Reason::OutsideWindow);
    assert_eq!(kinds(&held.would.unwrap()), RESTART);
}

#[test]
fn what_only_another_container_mends_waits_for_the_window_and_is_free_when_it_is_down() {
    let cases: [Change; 6] = [
        ("image", |c| {
            c.db.image.pinned = Some(image_id("17.6"));
            c.seen.image = Seen::Present(image("17.6"));
        }),
        ("port", |c| c.db.port = 32099.try_into().unwrap()),
        ("address", |c| {
            c.container().ports[0].ip = [0, 0, 0, 0].into();
        }),
        ("shm", |c| {
            c.db.resources.shm = Memory::mebibytes(512);
        }),
        ("mount", |c| {
            c.container().mounts[0].source = "/elsewhere".into();
        }),
        ("no cpu limit any more", |c| {
            c.container().nano_cpus = 2_000_000_000;
        }),
    ];
    for change in &cases {
        waits_for_the_window(change, &RECREATE, &["remove"]);
    }
}

#[test]
fn another_address_of_the_settings_is_its_servers_with_its_next_container() {
    let mut case = Case::ready();
    case.site.publish_ip = [10, 0, 0, 7].into();
    // Until then it is reached where it is bound, and its certificate stands for both.
    let lane = case.plan().lane.unwrap();
    assert_eq!(kinds(&lane), ["reload"]);
    let c = case.container().clone();
    let reached = case.db.at_port_of(&c, &case.site);
    let names = engine::certificate_names(&reached, &case.site);
    assert!(names.contains("10.0.0.7") && names.contains("127.0.0.1"));
    let recipe = engine::recipe(case.db.engine);
    let target = recipe.target(&reached, &case.site, Secret::new("x"));
    assert_eq!(
        (target.host.as_str(), target.port),
        ("127.0.0.1", case.db.port.get())
    );
    if let Seen::Present(files) = &mut case.seen.files {
        files.certificate.as_mut().unwrap().names = names;
    }
    assert_eq!(case.steps(), [""; 0]);
    case.now = window();
    assert_eq!(case.steps(), RECREATE);
    let lane = case.plan().lane.unwrap();
    assert_eq!(lane.why, ["address 127.0.0.1 -> 10.0.0.7"]);
    // The same address in other words is none.
    case.site.publish_ip = "::ffff:127.0.0.1".parse().unwrap();
    if let Seen::Present(files) = &mut case.seen.files {
        let names = engine::certificate_names(&case.db, &case.site);
        files.certificate.as_mut().unwrap().names = names;
    }
    assert_eq!(case.plan(), Verdict::default());
}

#[test]
fn the_container_that_replaces_one_has_all_that_is_wanted() {
    let mut case = Case::gone();
    case.db.port = 32099.try_into().unwrap();
    case.db.resources.shm = Memory::mebibytes(512);
    let lane = case.plan().lane.unwrap();
    let Some(Action::Create(spec)) = lane.actions.last() else {
        panic!("{lane:?}");
    };
    let port = |p: &PortBinding| (p.container, p.host);
    assert_eq!(
        spec.ports.iter().map(port).collect::<Vec<_>>(),
        [(5432, 32099)]
    );
    assert_eq!(spec.shm, 512 << 20);
    assert!(lane.repair);
}

#[test]
fn a_path_that_docker_writes_otherwise_is_the_same_path() {
    for written in [
        "/var/lib/postgresql/data/",
        "/var/lib//postgresql/data",
        "/var/lib/./postgresql/data",
    ] {
        let mut case = Case::ready();
        case.db.layout.data[0].1 = written.to_owned();
        assert_eq!(case.plan(), Verdict::default(), "{written}");
    }
}

#[test]
fn a_reload_that_is_refused_keeps_nothing_else_back() {
    for class in [Class::Transient, Class::Permanent] {
        let mut case = Case::ready();
        case.now = window();
        case.db
            .settings
            .insert("work_mem".to_owned(), "99MB".to_owned());
        assert_eq!(case.steps(), ["reload"]);
        case.failed(class, "reload", 3);
        assert_eq!(case.steps(), [""; 0]);
        case.db.port = 32099.try_into().unwrap();
        assert_eq!(case.steps(), RECREATE);
        case.db.resources.memory = Memory::mebibytes(4096);
        assert_eq!(case.steps(), ["update"]);
        // It is told meanwhile, and tried again after its wait.
        let reason = match class {
            Class::Permanent => Reason::NeedsSpecChange,
            Class::Transient | Class::Cancelled => Reason::Backoff,
        };
        let held = case.held(reason);
        assert!(held.message.contains("reload: no"), "{held:?}");
        if let Some(until) = held.until {
            case.now = until;
            assert_eq!(case.steps(), ["update", "reload"]);
        }
    }
}

#[test]
fn what_is_free_comes_first_and_the_rest_still_waits() {
    let mut case = Case::ready();
    case.db.resources.memory = Memory::mebibytes(4096);
    case.db
        .settings
        .insert("shared_buffers".to_owned(), "99MB".to_owned());
    assert_eq!(case.steps(), ["update"]);
    assert_eq!(
        kinds(&case.held(Reason::OutsideWindow).would.unwrap()),
        RESTART
    );
    case.now = window();
    assert_eq!(case.steps(), ["update"]);
    case.container().memory = 4096 << 20;
    assert_eq!(case.steps(), RESTART);
}

#[test]
fn a_window_that_is_always_open_never_waits() {
    let mut case = Case::ready();
    case.db.maintenance_window = Window::Any;
    case.db
        .settings
        .insert("shared_buffers".to_owned(), "99MB".to_owned());
    assert_eq!(case.steps(), RESTART);
}

#[test]
fn labels_environment_and_command_of_an_older_version_are_no_drift() {
    let mut case = Case::ready();
    case.container()
        .labels
        .retain(|label, _| label == LABEL_UID);
    case.db.description = "another one".to_owned();
    case.db.layout.command = vec!["postgres".to_owned(), "-c".to_owned()];
    assert_eq!(case.plan(), Verdict::default());
}

#[test]
fn an_account_that_is_gone_is_made_again() {
    let mut case = Case::ready();
    if let Probe::Answering { account, .. } = &mut case.seen.probe {
        *account = false;
    }
    assert_eq!(case.steps(), ["account"]);
}

#[test]
fn lost_secret_files_are_put_back_under_a_running_server() {
    let mut case = Case::ready();
    case.seen.files = case.seen.files.clone().map(|files| FilesSeen {
        secrets: false,
        ..files
    });
    let lane = case.plan().lane.unwrap();
    assert_eq!(kinds(&lane), ["write_secrets"]);
    assert_eq!(lane.cost, Cost::None);
    // What cannot be known is not written over.
    case.seen.files = Seen::Unknown("no key".to_owned());
    assert!(case.plan().lane.is_none());
}

#[test]
fn what_a_server_takes_while_it_runs_waits_for_nothing() {
    let mut case = Case::ready();
    let old = case.db.settings["work_mem"].clone();
    let set = |case: &mut Case, name: &str, value: &str| {
        case.db.settings.insert(name.to_owned(), value.to_owned());
    };
    set(&mut case, "work_mem", "99MB");
    set(&mut case, "max_connections", "500");
    let lane = case.plan().lane.unwrap();
    let [Action::Reload(settings)] = lane.actions.as_slice() else {
        panic!("{lane:?}");
    };
    assert_eq!(lane.cost, Cost::None);
    assert_eq!(lane.why, [format!("work_mem {old} -> 99MB")]);
    assert_eq!(settings.all["work_mem"], "99MB");
    assert_eq!(settings.all["max_connections"], "100", "a restart's");
    assert_eq!(settings.changed.len(), 1);
    let held = case.held(Reason::OutsideWindow);
    assert!(held.message.contains("max_connections"), "{}", held.message);
}

/// The certificate among its files.
fn certificate(case: &mut Case) -> &mut CertificateSeen {
    match &mut case.seen.files {
        Seen::Present(files) => files.certificate.as_mut().unwrap(),
        Seen::Absent | Seen::Unknown(_) => panic!("its files are not known"),
    }
}

#[test]
fn a_certificate_is_renewed_under_a_running_server() {
    let cases: [(Change, Renewal); 4] = [
        (
            ("it ends soon", |c| {
                certificate(c).until = noon() + seconds(3600);
            }),
            Renewal::Issue,
        ),
        (
            ("another host name", |c| {
                certificate(c).names = ["old.example.org".to_owned()].into();
            }),
            Renewal::Issue,
        ),
        (
            ("another authority", |c| {
                certificate(c).origin = Origin::Elsewhere;
            }),
            Renewal::Issue,
        ),
        (
            ("written and not read", |c| {
                certificate(c).mark = "new".to_owned();
            }),
            Renewal::Load,
        ),
    ];
    for ((name, change), renewal) in cases {
        let mut case = Case::ready();
        change(&mut case);
        let lane = case.plan().lane.unwrap();
        let [Action::Reload(settings)] = lane.actions.as_slice() else {
            panic!("{name}: {lane:?}");
        };
        assert_eq!(settings.certificate, Some(renewal), "{name}");
        assert!(settings.changed.is_empty(), "{name}");
        assert_eq!(lane.cost, Cost::None, "{name}");
        // One that is down gets it with its files.
        case.down(Status::Exited, 0);
        assert_eq!(case.steps(), ["write_files", "start"], "{name}");
    }
}

#[test]
fn a_server_that_reads_its_certificate_at_its_start_only_is_restarted_in_the_window() {
    let ends: Change = ("it ends soon", |c| {
        c.db.engine = EngineKind::Neo4j;
        certificate(c).until = noon() + seconds(3600);
    });
    waits_for_the_window(&ends, &RESTART, &["write_files", "start"]);
}

#[test]
fn tls_is_demanded_by_a_reload_and_begun_by_a_restart() {
    let mut case = Case::ready();
    case.db.tls = Some(Tls::Required);
    let lane = case.plan().lane.unwrap();
    assert_eq!(kinds(&lane), ["reload"]);
    assert_eq!(lane.why, ["tls Preferred -> Required"]);
    let begins: Change = ("before there was a choice", |c| {
        if let Seen::Present(files) = &mut c.seen.files {
            Arc::make_mut(&mut files.settings).remove(TLS);
            files.certificate = None;
            files.in_use = None;
        }
    });
    waits_for_the_window(&begins, &RESTART, &["write_files", "start"]);
}

#[test]
fn one_that_was_admitted_before_there_was_tls_is_left_alone() {
    let mut case = Case::ready();
    case.db.tls = None;
    if let Seen::Present(files) = &mut case.seen.files {
        Arc::make_mut(&mut files.settings).remove(TLS);
        files.certificate = None;
        files.in_use = None;
    }
    assert_eq!(case.plan(), Verdict::default());
}
