//! The verbs over an engine that does as it is told: what the faults are told from.

use std::collections::BTreeMap;
use std::time::Duration;

use db4sci::model::{ImageId, RestartPolicy, Status};
use db4sci::runtime::jobs::{Job, Jobs, Network};
use db4sci::runtime::{Runtime, RuntimeError};

use super::answers::frame;
use super::{HOW, engine, spec};

#[tokio::test]
async fn a_container_lives_through_all_verbs() {
    let (_engine, docker) = engine();
    assert_eq!(docker.info().await.unwrap().api, "1.41");
    assert!(docker.list().await.unwrap().is_empty());
    assert_eq!(docker.inspect("genomics").await.unwrap(), None);
    docker.pull("postgres:17").await.unwrap();
    assert!(docker.image("postgres:17").await.unwrap().is_some());
    assert_eq!(docker.image("none").await.unwrap(), None);
    let id = docker.create(&spec("genomics")).await.unwrap();
    let twice = docker.create(&spec("genomics")).await.unwrap_err();
    assert!(matches!(twice, RuntimeError::Conflict(_)), "{twice:?}");
    let seen = docker.inspect(id.as_str()).await.unwrap().unwrap();
    assert_eq!(seen.status, Status::Created);
    assert_eq!(seen.restart, RestartPolicy::Always);
    for _ in 0..2 {
        docker.start(&id).await.unwrap();
    }
    assert!(docker.list().await.unwrap()[0].up);
    docker.set_policy(&id, RestartPolicy::No).await.unwrap();
    docker.rename(&id, "gen").await.unwrap();
    for _ in 0..2 {
        docker.stop(&id, &HOW).await.unwrap();
    }
    let seen = docker.inspect("gen").await.unwrap().unwrap();
    assert_eq!(seen.status, Status::Exited);
    assert_eq!(seen.restart, RestartPolicy::No);
    assert_eq!(docker.logs(&id, 10).await.unwrap(), "done\n");
    for _ in 0..2 {
        docker.remove(&id).await.unwrap();
    }
    assert_eq!(docker.inspect("gen").await.unwrap(), None);
}

/// A job as dumps are made by.
pub fn job() -> Job {
    Job {
        name: "dump".to_owned(),
        instance: "i".to_owned(),
        image: ImageId("sha256:ab".to_owned()),
        network: Network::None,
        mounts: Vec::new(),
        entrypoint: vec!["pg_dump".to_owned()],
        command: Vec::new(),
        env: BTreeMap::new(),
        user: None,
        memory: 1 << 30,
        nano_cpus: 0,
        shm: 0,
    }
}

#[tokio::test]
async fn a_job_gives_its_output_its_words_and_its_code() {
    let (engine, docker) = engine();
    let said = [frame(1, b"one "), frame(2, b"trouble\n"), frame(1, b"two")].concat();
    engine.state().job = (said, 3);
    let end = docker.run(&job(), Duration::from_secs(10)).await.unwrap();
    assert_eq!(end.output, b"one two");
    assert_eq!(end.words, "trouble");
    assert_eq!(end.code, 3);
    assert!(engine.state().containers.is_empty(), "the job is removed");
}
