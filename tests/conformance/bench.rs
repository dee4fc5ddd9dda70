//! What the suite needs besides a `Runtime`.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use db4sci::model::{ContainerId, ContainerSeen, ContainerSpec};
use db4sci::runtime::Runtime;

/// A path that the test image declares as a volume.
pub const DECLARED_VOLUME: &str = "/var/lib/postgresql/data";

/// What a test's container does.
#[derive(Debug, Clone)]
pub enum Does {
    /// Says `ready`, then nothing, until it is told to stop; then it exits with 0.
    Wait,
    /// Says `ready`, and does not heed the stop signal.
    Resist,
    /// Exits at once.
    Exit(u8),
    /// Says this, line by line, and exits.
    Say(&'static [&'static str]),
}

/// A backend, and the hands that a test needs on it.
#[async_trait]
pub trait Bench: Send + Sync {
    /// The backend.
    fn runtime(&self) -> &dyn Runtime;

    /// A container to create: no ports, no restarts, the declared volume covered by a bind.
    async fn spec(&self, name: &str, does: Does) -> ContainerSpec;

    /// A folder that exists.
    fn folder(&self, name: &str) -> PathBuf;

    /// Removes a folder again.
    fn remove_folder(&self, path: &Path);

    /// A host port that nobody uses.
    fn port(&self) -> u16;

    /// Kills a container's process from outside.
    fn kill(&self, container: &ContainerSeen);

    /// Freezes a container.
    fn pause(&self, id: &ContainerId);

    /// Lets a little time pass.
    async fn a_moment(&self);
}
