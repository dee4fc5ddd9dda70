//! The real adapter of Docker over an engine that is none: one that speaks the Docker HTTP API over a unix socket, and
//! does wrong whatever it is told to.
//!
//! What a real engine does is shown by `tests/conformance` and the live tests. Here is what no engine does when it is
//! asked to: garbage, cut answers, words of later versions, silence. Whatever comes, a call ends with an error of the
//! right class, and what was not understood is never taken for a container that is gone or at rest.

#![allow(clippy::unwrap_used, reason = "what helps a test may fail it")]

mod answers;
mod engine;
mod faults;
mod life;
mod scale;
mod states;
mod streams;
mod versions;

use std::collections::BTreeMap;
use std::future::Future;

use db4sci::model::action::StopHow;
use db4sci::model::{ContainerId, ContainerSpec, ImageId, RestartPolicy};
use db4sci::runtime::docker::Docker;
use db4sci::runtime::{Runtime, RuntimeError};

use engine::Engine;

/// An orderly stop.
const HOW: StopHow = StopHow {
    deadline: 1,
    hung: false,
};

/// An engine, and the adapter over it.
fn engine() -> (Engine, Docker) {
    let engine = Engine::start();
    let docker = Docker::connect(Some(&engine.host()));
    (engine, docker)
}

/// A container to make.
fn spec(name: &str) -> ContainerSpec {
    ContainerSpec {
        name: name.to_owned(),
        image: ImageId("sha256:ab".to_owned()),
        reference: "postgres:17".parse().unwrap(),
        entrypoint: vec!["/guard".to_owned()],
        command: vec!["postgres".to_owned()],
        env: BTreeMap::new(),
        labels: [("db4sci.name".to_owned(), name.to_owned())].into(),
        mounts: Vec::new(),
        ports: Vec::new(),
        memory: 1 << 30,
        nano_cpus: 0,
        shm: 64 << 20,
        restart: RestartPolicy::Always,
        stop_signal: "SIGINT".to_owned(),
        stop_timeout: 30,
    }
}

/// All verbs, each with the beginning of the path it asks for: the same call by any other name would not meet its fault.
const VERBS: [(&str, &str); 13] = [
    ("info", "/info"),
    ("list", "/containers/json"),
    ("inspect", "/containers/genomics/json"),
    ("image", "/images/postgres:17/json"),
    ("pull", "/images/create"),
    ("create", "/containers/create"),
    ("start", "/containers/genomics/start"),
    ("stop", "/containers/genomics/stop"),
    ("rename", "/containers/genomics/rename"),
    ("policy", "/containers/genomics/update"),
    ("remove", "/containers/genomics"),
    ("logs", "/containers/genomics/logs"),
    ("unpause", "/containers/genomics/unpause"),
];

/// Calls a verb; what it found, in words.
async fn call(docker: &Docker, verb: &str) -> Result<String, RuntimeError> {
    let id = &ContainerId("genomics".to_owned());
    match verb {
        "info" => docker.info().await.map(|info| info.version),
        "list" => docker.list().await.map(|all| format!("{all:?}")),
        "inspect" => said(docker.inspect("genomics")).await,
        "image" => said(docker.image("postgres:17")).await,
        "pull" => said(docker.pull("postgres:17")).await,
        "create" => said(docker.create(&spec("genomics"))).await,
        "start" => said(docker.start(id)).await,
        "stop" => said(docker.stop(id, &HOW)).await,
        "rename" => said(docker.rename(id, "gen")).await,
        "policy" => said(docker.set_policy(id, RestartPolicy::No)).await,
        "remove" => said(docker.remove(id)).await,
        "logs" => docker.logs(id, 10).await,
        "unpause" => said(docker.unpause(id)).await,
        other => panic!("no verb {other}"),
    }
}

async fn said<T: std::fmt::Debug>(
    call: impl Future<Output = Result<T, RuntimeError>>,
) -> Result<String, RuntimeError> {
    call.await.map(|found| format!("{found:?}"))
}
