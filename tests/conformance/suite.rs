//! The tests. Each gets a bench of its own.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use db4sci::model::action::{Limits, StopHow};
use db4sci::model::{
    ContainerId, ContainerSeen, Mount, PortBinding, RestartPolicy, Status, Timestamp,
};
use db4sci::runtime::{Runtime, RuntimeError};
use futures_util::StreamExt;

use crate::bench::{Bench, DECLARED_VOLUME, Does};

/// For everything that comes by itself, on a busy machine.
const SOON: Duration = Duration::from_secs(60);

const STOP: StopHow = StopHow {
    deadline: 30,
    hung: false,
};

async fn seen(bench: &dyn Bench, id: &ContainerId) -> ContainerSeen {
    let seen = bench.runtime().inspect(id.as_str()).await.unwrap();
    seen.expect("the container is there")
}

/// Waits until a container is as wanted.
async fn becomes(
    bench: &dyn Bench,
    id: &ContainerId,
    what: &str,
    wanted: impl Fn(&ContainerSeen) -> bool,
) -> ContainerSeen {
    let begun = Instant::now();
    loop {
        let now = seen(bench, id).await;
        if wanted(&now) {
            return now;
        }
        assert!(begun.elapsed() < SOON, "not {what}: {now:?}");
        bench.a_moment().await;
    }
}

/// Creates and starts a container, and waits until it said that it is ready.
async fn started(bench: &dyn Bench, name: &str, does: Does, restart: RestartPolicy) -> ContainerId {
    let mut spec = bench.spec(name, does).await;
    spec.restart = restart;
    let id = bench.runtime().create(&spec).await.unwrap();
    bench.runtime().start(&id).await.unwrap();
    ready(bench, &id, 1).await;
    id
}

async fn ready(bench: &dyn Bench, id: &ContainerId, times: usize) {
    let begun = Instant::now();
    while bench
        .runtime()
        .logs(id, 100)
        .await
        .unwrap()
        .matches("ready")
        .count()
        < times
    {
        assert!(begun.elapsed() < SOON, "not ready");
        bench.a_moment().await;
    }
}

pub async fn the_engine_says_what_it_is(bench: &dyn Bench) {
    let info = bench.runtime().info().await.unwrap();
    assert!(
        !info.version.is_empty() && info.api.starts_with("1."),
        "{info:?}"
    );
    assert!(info.cpus > 0 && info.memory > 0, "{info:?}");
}

pub async fn what_was_created_is_seen(bench: &dyn Bench) {
    let mut spec = bench.spec("seen", Does::Wait).await;
    spec.labels
        .insert("some.label".to_owned(), "a value".to_owned());
    spec.nano_cpus = 500_000_000;
    spec.restart = RestartPolicy::Always;
    spec.ports = vec![PortBinding {
        container: 5432,
        host: bench.port(),
        ip: [127, 0, 0, 1].into(),
    }];
    let id = bench.runtime().create(&spec).await.unwrap();
    let seen = seen(bench, &id).await;
    assert_eq!(seen.id, id);
    assert_eq!(seen.name, spec.name);
    assert_eq!(seen.labels["some.label"], "a value");
    assert_eq!(seen.image, spec.image);
    assert_eq!((seen.status, seen.pid), (Status::Created, None));
    assert_eq!((seen.started_at, seen.finished_at), (None, None));
    assert_eq!(seen.memory, spec.memory);
    assert_eq!(seen.nano_cpus, spec.nano_cpus);
    assert_eq!(seen.shm, spec.shm);
    assert_eq!(seen.restart, RestartPolicy::Always);
    assert_eq!(seen.ports, spec.ports);
    assert_eq!(seen.mounts.len(), 1, "{:?}", seen.mounts);
    assert_eq!(seen.mounts[0].source, spec.mounts[0].source);
    assert_eq!(seen.mounts[0].target, DECLARED_VOLUME);
    assert!(!seen.mounts[0].anonymous);
    let by_name = bench.runtime().inspect(&spec.name).await.unwrap();
    assert_eq!(by_name.map(|c| c.id), Some(id.clone()));

    let find = async || {
        let rows = bench.runtime().list().await.unwrap();
        rows.into_iter().find(|row| row.id == id).unwrap()
    };
    let row = find().await;
    assert_eq!((row.name.as_str(), row.up), (spec.name.as_str(), false));
    assert_eq!(row.labels["some.label"], "a value");
    assert_eq!(row.host_ports, [0_u16; 0]);
    bench.runtime().start(&id).await.unwrap();
    let row = find().await;
    assert!(row.up);
    assert_eq!(row.host_ports, [spec.ports[0].host]);
}

pub async fn a_name_is_given_once(bench: &dyn Bench) {
    let spec = bench.spec("once", Does::Wait).await;
    bench.runtime().create(&spec).await.unwrap();
    let error = bench.runtime().create(&spec).await.unwrap_err();
    assert!(matches!(error, RuntimeError::Conflict(_)), "{error:?}");
    assert!(error.to_string().contains(&spec.name), "{error}");
}

pub async fn every_verb_may_be_repeated(bench: &dyn Bench) {
    let runtime = bench.runtime();
    let id = started(bench, "again", Does::Wait, RestartPolicy::No).await;
    let before = seen(bench, &id).await;
    runtime.start(&id).await.unwrap();
    let after = seen(bench, &id).await;
    assert_eq!((after.status, after.pid), (Status::Running, before.pid));
    for _ in 0..2 {
        runtime.stop(&id, &STOP).await.unwrap();
        let seen = seen(bench, &id).await;
        assert_eq!((seen.status, seen.exit_code), (Status::Exited, 0));
    }
    for _ in 0..2 {
        runtime.remove(&id).await.unwrap();
        assert_eq!(runtime.inspect(id.as_str()).await.unwrap(), None);
    }
}

pub async fn what_is_not_there_is_said_to_be_not_there(bench: &dyn Bench) {
    let runtime = bench.runtime();
    let id = ContainerId("f".repeat(64));
    assert_eq!(runtime.inspect(id.as_str()).await.unwrap(), None);
    assert_eq!(runtime.image("db4sci/no-such-image:1").await.unwrap(), None);
    runtime.remove(&id).await.unwrap();
    let limits = Limits {
        memory: 64 << 20,
        nano_cpus: 0,
    };
    for (verb, answer) in [
        ("start", runtime.start(&id).await),
        ("stop", runtime.stop(&id, &STOP).await),
        ("unpause", runtime.unpause(&id).await),
        ("rename", runtime.rename(&id, "other").await),
        ("update", runtime.update(&id, limits).await),
        (
            "set_policy",
            runtime.set_policy(&id, RestartPolicy::No).await,
        ),
        ("logs", runtime.logs(&id, 1).await.map(drop)),
    ] {
        let error = answer.expect_err(verb);
        assert!(
            matches!(error, RuntimeError::NotFound(_)),
            "{verb}: {error:?}"
        );
    }
    let mut spec = bench.spec("imageless", Does::Wait).await;
    spec.image = db4sci::model::ImageId(format!("sha256:{}", "0".repeat(64)));
    let error = runtime.create(&spec).await.unwrap_err();
    assert!(matches!(error, RuntimeError::NotFound(_)), "{error:?}");
}

pub async fn the_beginning_of_an_id_names_nothing(bench: &dyn Bench) {
    let spec = bench.spec("whole", Does::Wait).await;
    let id = bench.runtime().create(&spec).await.unwrap();
    // A database may well be called `db1`: that is no container's id.
    for length in [4, 12, 63] {
        let beginning = &id.as_str()[..length];
        assert_eq!(bench.runtime().inspect(beginning).await.unwrap(), None);
    }
}

pub async fn a_missing_source_is_refused_at_creation(bench: &dyn Bench) {
    let mut spec = bench.spec("sourceless", Does::Wait).await;
    let source = bench.folder("gone");
    bench.remove_folder(&source);
    spec.mounts.push(Mount {
        source: source.clone(),
        target: "/somewhere".to_owned(),
        read_only: true,
    });
    let error = bench.runtime().create(&spec).await.unwrap_err();
    assert!(matches!(error, RuntimeError::MountMissing(_)), "{error:?}");
    let source = source.display().to_string();
    assert!(error.to_string().contains(&source), "{error}");
    assert_eq!(bench.runtime().inspect(&spec.name).await.unwrap(), None);
}

pub async fn a_source_that_vanished_is_refused_at_start(bench: &dyn Bench) {
    let mut spec = bench.spec("vanished", Does::Wait).await;
    spec.restart = RestartPolicy::Always;
    let source = bench.folder("vanishing");
    spec.mounts.push(Mount {
        source: source.clone(),
        target: "/somewhere".to_owned(),
        read_only: false,
    });
    let id = bench.runtime().create(&spec).await.unwrap();
    bench.remove_folder(&source);
    let error = bench.runtime().start(&id).await.unwrap_err();
    assert!(matches!(error, RuntimeError::MountMissing(_)), "{error:?}");
    assert_eq!(seen(bench, &id).await.status, Status::Created);
}

pub async fn a_source_that_vanished_under_a_container_is_tried_once_by_the_engine(
    bench: &dyn Bench,
) {
    let mut spec = bench.spec("orphaned", Does::Wait).await;
    spec.restart = RestartPolicy::Always;
    let source = bench.folder("vanishing");
    spec.mounts.push(Mount {
        source: source.clone(),
        target: "/somewhere".to_owned(),
        read_only: false,
    });
    let id = bench.runtime().create(&spec).await.unwrap();
    bench.runtime().start(&id).await.unwrap();
    bench.remove_folder(&source);
    bench.kill(&seen(bench, &id).await);
    let down = becomes(bench, &id, "given up", |c| c.status == Status::Exited).await;
    assert!(!down.error.is_empty(), "{down:?}");
    assert_eq!((down.exit_code, down.restart_count), (137, 1));
}

pub async fn a_start_that_failed_leaves_the_engine_s_words(bench: &dyn Bench) {
    let port = PortBinding {
        container: 5432,
        host: bench.port(),
        ip: [127, 0, 0, 1].into(),
    };
    let mut ids = Vec::new();
    for name in ["holder", "latecomer"] {
        let mut spec = bench.spec(name, Does::Wait).await;
        spec.ports = vec![port.clone()];
        spec.restart = RestartPolicy::Always;
        ids.push(bench.runtime().create(&spec).await.unwrap());
    }
    bench.runtime().start(&ids[0]).await.unwrap();
    bench.runtime().start(&ids[1]).await.unwrap_err();
    let seen = seen(bench, &ids[1]).await;
    assert_eq!((seen.status, seen.exit_code), (Status::Created, 128));
    assert!(seen.error.contains("allocated"), "{seen:?}");
    let rows = bench.runtime().list().await.unwrap();
    let row = rows.iter().find(|row| row.id == ids[1]).unwrap();
    assert_eq!((row.up, row.host_ports.len()), (false, 0));
}

pub async fn a_taken_port_is_named(bench: &dyn Bench) {
    let port = PortBinding {
        container: 5432,
        host: bench.port(),
        ip: [127, 0, 0, 1].into(),
    };
    let mut ids = Vec::new();
    for name in ["first", "second"] {
        let mut spec = bench.spec(name, Does::Wait).await;
        spec.ports = vec![port.clone()];
        ids.push(bench.runtime().create(&spec).await.unwrap());
    }
    bench.runtime().start(&ids[0]).await.unwrap();
    let error = bench.runtime().start(&ids[1]).await.unwrap_err();
    assert!(
        matches!(error, RuntimeError::PortInUse { port: p, .. } if p == port.host),
        "{error:?}"
    );
    bench.runtime().stop(&ids[0], &STOP).await.unwrap();
    bench.runtime().start(&ids[1]).await.unwrap();
}

pub async fn a_container_gets_another_name(bench: &dyn Bench) {
    let runtime = bench.runtime();
    let id = started(bench, "old", Does::Wait, RestartPolicy::No).await;
    let other = bench.spec("other", Does::Wait).await;
    runtime.create(&other).await.unwrap();
    let new = bench.spec("new", Does::Wait).await.name;
    for _ in 0..2 {
        runtime.rename(&id, &new).await.unwrap();
        let found = runtime.inspect(&new).await.unwrap();
        assert_eq!(
            found.map(|c| (c.id, c.status)),
            Some((id.clone(), Status::Running))
        );
    }
    let error = runtime.rename(&id, &other.name).await.unwrap_err();
    assert!(matches!(error, RuntimeError::Conflict(_)), "{error:?}");
}

pub async fn limits_change_while_it_runs(bench: &dyn Bench) {
    let id = started(bench, "limits", Does::Wait, RestartPolicy::No).await;
    let pid = seen(bench, &id).await.pid;
    for (memory, nano_cpus) in [(256 << 20, 500_000_000), (32 << 20, 1_000_000_000)] {
        for _ in 0..2 {
            let limits = Limits { memory, nano_cpus };
            bench.runtime().update(&id, limits).await.unwrap();
            let seen = seen(bench, &id).await;
            assert_eq!((seen.memory, seen.nano_cpus), (memory, nano_cpus));
            assert_eq!(seen.pid, pid, "the same process");
        }
    }
}

pub async fn a_processor_limit_is_not_taken_away_in_place(bench: &dyn Bench) {
    let mut spec = bench.spec("cpus", Does::Wait).await;
    spec.nano_cpus = 500_000_000;
    let id = bench.runtime().create(&spec).await.unwrap();
    let limits = Limits {
        memory: spec.memory,
        nano_cpus: 0,
    };
    let error = bench.runtime().update(&id, limits).await.unwrap_err();
    assert!(matches!(error, RuntimeError::Refused(_)), "{error:?}");
}

pub async fn the_policy_can_be_changed(bench: &dyn Bench) {
    let runtime = bench.runtime();
    let id = started(bench, "policy", Does::Wait, RestartPolicy::No).await;
    for policy in [
        RestartPolicy::Always,
        RestartPolicy::Always,
        RestartPolicy::No,
    ] {
        runtime.set_policy(&id, policy).await.unwrap();
        assert_eq!(seen(bench, &id).await.restart, policy);
    }
    let error = runtime
        .set_policy(&id, RestartPolicy::Other)
        .await
        .unwrap_err();
    assert!(matches!(error, RuntimeError::Refused(_)), "{error:?}");
    runtime.stop(&id, &STOP).await.unwrap();
    runtime
        .set_policy(&id, RestartPolicy::Always)
        .await
        .unwrap();
    let seen = seen(bench, &id).await;
    assert_eq!(
        (seen.status, seen.restart),
        (Status::Exited, RestartPolicy::Always)
    );
}

pub async fn a_dead_container_is_started_again_by_its_policy(bench: &dyn Bench) {
    let id = started(bench, "phoenix", Does::Wait, RestartPolicy::Always).await;
    let before = seen(bench, &id).await;
    bench.kill(&before);
    let after = becomes(bench, &id, "up again", |c| {
        c.status == Status::Running && c.restart_count == 1
    })
    .await;
    assert!(after.started_at > before.started_at, "{after:?}");
    ready(bench, &id, 2).await;
    bench.runtime().stop(&id, &STOP).await.unwrap();
    let after = seen(bench, &id).await;
    assert_eq!((after.status, after.pid), (Status::Exited, None));
    assert!(after.finished_at >= after.started_at, "{after:?}");
}

pub async fn a_stop_is_final_while_it_is_being_restarted(bench: &dyn Bench) {
    let mut spec = bench.spec("crashing", Does::Exit(3)).await;
    spec.restart = RestartPolicy::Always;
    let id = bench.runtime().create(&spec).await.unwrap();
    bench.runtime().start(&id).await.unwrap();
    let seen = becomes(bench, &id, "restarting", |c| {
        c.status == Status::Restarting && c.restart_count >= 3
    })
    .await;
    assert_eq!(seen.exit_code, 3);
    bench.runtime().start(&id).await.unwrap();
    bench
        .runtime()
        .set_policy(&id, RestartPolicy::No)
        .await
        .unwrap();
    bench.runtime().stop(&id, &STOP).await.unwrap();
    let down = becomes(bench, &id, "exited", |c| c.status == Status::Exited).await;
    for _ in 0..60 {
        bench.a_moment().await;
    }
    let later = self::seen(bench, &id).await;
    assert_eq!(later.status, Status::Exited);
    assert_eq!(later.started_at, down.started_at, "not started once more");
}

pub async fn a_stubborn_container_is_killed_at_the_deadline(bench: &dyn Bench) {
    let id = started(bench, "stubborn", Does::Resist, RestartPolicy::Always).await;
    let how = StopHow {
        deadline: 1,
        hung: true,
    };
    bench.runtime().stop(&id, &how).await.unwrap();
    let seen = seen(bench, &id).await;
    assert_eq!((seen.status, seen.exit_code), (Status::Exited, 137));
    assert!(!seen.oom_killed);
}

pub async fn an_exit_code_is_seen(bench: &dyn Bench) {
    let spec = bench.spec("exits", Does::Exit(83)).await;
    let id = bench.runtime().create(&spec).await.unwrap();
    bench.runtime().start(&id).await.unwrap();
    let seen = becomes(bench, &id, "exited", |c| c.status == Status::Exited).await;
    assert_eq!((seen.exit_code, seen.pid), (83, None));
    assert_eq!(seen.restart_count, 0);
    assert!(seen.started_at.is_some() && seen.finished_at.is_some());
}

pub async fn a_frozen_container_is_unfrozen(bench: &dyn Bench) {
    let runtime = bench.runtime();
    let id = started(bench, "frozen", Does::Wait, RestartPolicy::No).await;
    bench.pause(&id);
    assert_eq!(seen(bench, &id).await.status, Status::Paused);
    let error = runtime.start(&id).await.unwrap_err();
    assert!(!matches!(error, RuntimeError::Unavailable(_)), "{error:?}");
    for _ in 0..2 {
        runtime.unpause(&id).await.unwrap();
        assert_eq!(seen(bench, &id).await.status, Status::Running);
    }
}

pub async fn a_running_container_is_not_removed(bench: &dyn Bench) {
    let id = started(bench, "running", Does::Wait, RestartPolicy::No).await;
    let error = bench.runtime().remove(&id).await.unwrap_err();
    assert!(matches!(error, RuntimeError::Conflict(_)), "{error:?}");
    assert_eq!(seen(bench, &id).await.status, Status::Running);
}

pub async fn the_last_lines_of_the_log_are_read(bench: &dyn Bench) {
    let says = Does::Say(&["one", "two", "three", "four"]);
    let spec = bench.spec("talker", says).await;
    let id = bench.runtime().create(&spec).await.unwrap();
    assert_eq!(bench.runtime().logs(&id, 10).await.unwrap(), "");
    bench.runtime().start(&id).await.unwrap();
    becomes(bench, &id, "exited", |c| c.status == Status::Exited).await;
    let lines = async |n| {
        let text = bench.runtime().logs(&id, n).await.unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        // The two streams of one process may arrive in either order.
        lines.sort();
        lines
    };
    assert_eq!(lines(10).await, ["four", "one", "three", "two"]);
    assert_eq!(lines(2).await.len(), 2);
}

pub async fn events_tell_what_happened(bench: &dyn Bench) {
    let mut spec = bench.spec("eventful", Does::Wait).await;
    spec.labels
        .insert("some.label".to_owned(), "a value".to_owned());
    let id = bench.runtime().create(&spec).await.unwrap();
    // By the engine's own clock, which the test does not know beforehand.
    let begun = first_event(bench.runtime(), &id).await;
    bench.runtime().start(&id).await.unwrap();
    ready(bench, &id, 1).await;
    let mut events = bench.runtime().events(Some(begun));
    bench.runtime().stop(&id, &STOP).await.unwrap();
    bench.runtime().remove(&id).await.unwrap();
    let mut actions = Vec::new();
    while actions.last().map(String::as_str) != Some("destroy") {
        let event = tokio::time::timeout(SOON, events.next()).await;
        let event = event.expect("in time").expect("no end").unwrap();
        if event.id == id {
            assert_eq!(event.name, spec.name);
            assert_eq!(event.labels["some.label"], "a value");
            assert!(!event.labels.contains_key("image"));
            actions.push(event.action);
        }
    }
    let order: Vec<&str> = ["create", "start", "die", "stop", "destroy"]
        .into_iter()
        .filter(|a| actions.iter().any(|seen| seen == a))
        .collect();
    assert_eq!(order.len(), 5, "{actions:?}");
}

/// When a container's first event was.
async fn first_event(runtime: &dyn Runtime, id: &ContainerId) -> Timestamp {
    #[allow(
        clippy::disallowed_methods,
        reason = "older than every event of this test"
    )]
    let long_ago = (Utc::now() - TimeDelta::hours(1)).min(sim_beginning());
    let mut events = runtime.events(Some(long_ago));
    loop {
        let event = tokio::time::timeout(SOON, events.next()).await;
        let event = event.expect("in time").expect("no end").unwrap();
        if event.id == *id {
            return event.at;
        }
    }
}

fn sim_beginning() -> Timestamp {
    use db4sci::model::Clock;
    db4sci::runtime::sim::World::new(0).clock().now()
}

pub async fn an_anonymous_volume_is_seen(bench: &dyn Bench) {
    let mut spec = bench.spec("anonymous", Does::Wait).await;
    spec.mounts.clear();
    let image = bench
        .runtime()
        .image(spec.image.as_str())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(image.volumes, [DECLARED_VOLUME]);
    let id = bench.runtime().create(&spec).await.unwrap();
    let mounts = seen(bench, &id).await.mounts;
    assert_eq!(mounts.len(), 1);
    assert_eq!(mounts[0].target, DECLARED_VOLUME);
    assert!(mounts[0].anonymous, "{mounts:?}");
}
