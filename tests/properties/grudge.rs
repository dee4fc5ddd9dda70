//! An engine that refuses one thing of one container, for as long as it likes, and nothing else.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use db4sci::model::action::{Limits, StopHow};
use db4sci::model::{
    ContainerId, ContainerSeen, ContainerSpec, DbName, ImageSeen, RestartPolicy, Timestamp,
};
use db4sci::runtime::sim::World;
use db4sci::runtime::{ContainerBrief, EngineInfo, Runtime, RuntimeError, RuntimeEvent};

type Answer<T> = Result<T, RuntimeError>;

/// What may be refused of a container.
pub const VERBS: [&str; 8] = [
    "create",
    "start",
    "stop",
    "unpause",
    "rename",
    "update",
    "set_policy",
    "remove",
];

/// The simulated engine, with a grudge or none.
#[derive(Clone)]
pub struct Grudge {
    world: World,
    /// Whose container it is, and what is refused.
    against: Arc<Mutex<Option<(DbName, &'static str)>>>,
}

impl Grudge {
    pub fn new(world: &World) -> Self {
        Grudge {
            world: world.clone(),
            against: Arc::default(),
        }
    }

    /// From now on this verb fails for the container of that name.
    pub fn bear(&self, against: Option<(DbName, &'static str)>) {
        *self.against.lock().unwrap_or_else(PoisonError::into_inner) = against;
    }

    fn allows(&self, what: &str, name: &str) -> Answer<()> {
        let against = self.against.lock().unwrap_or_else(PoisonError::into_inner);
        match &*against {
            Some((of, verb)) if of.as_str() == name && *verb == what => Err(RuntimeError::Engine(
                format!("{what} {name}: simulated refusal"),
            )),
            Some(_) | None => Ok(()),
        }
    }

    fn allows_of(&self, what: &str, id: &ContainerId) -> Answer<()> {
        let all = self.world.containers();
        match all.iter().find(|c| c.id == *id) {
            Some(container) => self.allows(what, &container.name),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Runtime for Grudge {
    async fn info(&self) -> Answer<EngineInfo> {
        self.world.info().await
    }
    async fn list(&self) -> Answer<Vec<ContainerBrief>> {
        self.world.list().await
    }
    async fn inspect(&self, id_or_name: &str) -> Answer<Option<ContainerSeen>> {
        self.world.inspect(id_or_name).await
    }
    async fn image(&self, reference_or_id: &str) -> Answer<Option<ImageSeen>> {
        self.world.image(reference_or_id).await
    }
    async fn pull(&self, reference: &str) -> Answer<()> {
        self.world.pull(reference).await
    }
    async fn create(&self, spec: &ContainerSpec) -> Answer<ContainerId> {
        self.allows("create", &spec.name)?;
        self.world.create(spec).await
    }
    async fn start(&self, id: &ContainerId) -> Answer<()> {
        self.allows_of("start", id)?;
        self.world.start(id).await
    }
    async fn stop(&self, id: &ContainerId, how: &StopHow) -> Answer<()> {
        self.allows_of("stop", id)?;
        self.world.stop(id, how).await
    }
    async fn unpause(&self, id: &ContainerId) -> Answer<()> {
        self.allows_of("unpause", id)?;
        self.world.unpause(id).await
    }
    async fn rename(&self, id: &ContainerId, name: &str) -> Answer<()> {
        self.allows_of("rename", id)?;
        self.world.rename(id, name).await
    }
    async fn update(&self, id: &ContainerId, limits: Limits) -> Answer<()> {
        self.allows_of("update", id)?;
        self.world.update(id, limits).await
    }
    async fn set_policy(&self, id: &ContainerId, policy: RestartPolicy) -> Answer<()> {
        self.allows_of("set_policy", id)?;
        self.world.set_policy(id, policy).await
    }
    async fn remove(&self, id: &ContainerId) -> Answer<()> {
        self.allows_of("remove", id)?;
        self.world.remove(id).await
    }
    async fn logs(&self, id: &ContainerId, lines: u32) -> Answer<String> {
        self.world.logs(id, lines).await
    }
    fn events(&self, since: Option<Timestamp>) -> BoxStream<'static, Answer<RuntimeEvent>> {
        self.world.events(since)
    }
}
