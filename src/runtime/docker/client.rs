//! The connection: made when first needed, and every call under its own deadline.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, ClientVersion};
use tokio::sync::OnceCell;

use super::error::failed;
use crate::runtime::RuntimeError;

/// Where a Docker Engine listens unless told otherwise.
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// For calls that only look or that dockerd answers at once. A dockerd that was stopped with a
/// signal still accepts connections and never answers: without a deadline the calls pile up.
pub(super) const CALL: Duration = Duration::from_secs(20);

/// For creating, starting and removing, which wait for the disk and for other calls in dockerd.
pub(super) const WORK: Duration = Duration::from_secs(60);

/// For a pull: large images over slow lines.
pub(super) const PULL: Duration = Duration::from_secs(30 * 60);

/// bollard's own timeout covers the response's headers only, and is one for all calls; ours cover
/// the whole of each call, so bollard's is set out of the way.
const OUT_OF_THE_WAY_SECONDS: u64 = 24 * 60 * 60;

/// The oldest API version that is spoken, Docker 20.10's. What older engines do with our requests
/// was never looked at.
const OLDEST: ClientVersion = ClientVersion {
    major_version: 1,
    minor_version: 41,
};

/// A Docker Engine.
///
/// # Guarantees
/// Every call ends by its deadline. Connections are not kept: each call opens its own, so that a
/// restarted dockerd needs nothing from us; one that was exchanged for another version is agreed
/// with anew.
#[derive(Clone)]
pub struct Docker {
    host: Arc<str>,
    client: Arc<Mutex<Agreed>>,
}

/// A client whose API version the engine knows, once there is one.
type Agreed = Arc<OnceCell<bollard::Docker>>;

impl Docker {
    /// A Docker Engine at `host` (`unix:///path` or `tcp://address:port`); without one, at
    /// `DOCKER_HOST`, or else at `/var/run/docker.sock`. Nothing is sent yet: an engine that is
    /// down now is found when it comes up.
    pub fn connect(host: Option<&str>) -> Self {
        let host = host
            .map(str::to_owned)
            .or_else(|| std::env::var("DOCKER_HOST").ok())
            .filter(|h| !h.is_empty())
            .unwrap_or_else(|| DEFAULT_HOST.to_owned());
        Docker {
            host: host.into(),
            client: Arc::default(),
        }
    }

    /// Where it listens.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The client, after agreeing on an API version with the engine.
    pub(super) async fn client(&self) -> Result<bollard::Docker, RuntimeError> {
        const WHAT: &str = "agree on an API version";
        let open = || async {
            let client = self.unversioned()?;
            // bollard never negotiates by itself, and an older engine refuses its newest version.
            let client = client.negotiate_version().await;
            let client = client.map_err(|e| failed(WHAT, e))?;
            let version = client.client_version();
            if version < OLDEST {
                return Err(RuntimeError::Refused(format!(
                    "{} speaks API {version}, and db4sci {OLDEST} or later; install Docker 20.10 or \
                     newer there",
                    self.host
                )));
            }
            Ok(client)
        };
        let agreed = self.agreed().clone();
        within(CALL, WHAT, agreed.get_or_try_init(open))
            .await
            .cloned()
    }

    fn agreed(&self) -> std::sync::MutexGuard<'_, Agreed> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes an answer on. (bollard's own requests carry no version, and are answered in the engine's
    /// newest; the list's carries what was agreed on.) An engine that does not know the version any more that was agreed on was
    /// exchanged for another one: the next call agrees anew.
    pub(super) fn heed<T>(&self, answer: Result<T, RuntimeError>) -> Result<T, RuntimeError> {
        match answer {
            Err(error) if of_another_version(&error) => {
                *self.agreed() = Agreed::default();
                Err(RuntimeError::Unavailable(error.to_string()))
            }
            answer => answer,
        }
    }

    fn unversioned(&self) -> Result<bollard::Docker, RuntimeError> {
        let timeout = OUT_OF_THE_WAY_SECONDS;
        let client = if let Some(path) = self.host.strip_prefix("unix://") {
            bollard::Docker::connect_with_unix(path, timeout, API_DEFAULT_VERSION)
        } else if self.host.starts_with("tcp://") || self.host.starts_with("http://") {
            bollard::Docker::connect_with_http(&self.host, timeout, API_DEFAULT_VERSION)
        } else if self.host.starts_with('/') {
            bollard::Docker::connect_with_unix(&self.host, timeout, API_DEFAULT_VERSION)
        } else {
            return Err(RuntimeError::Refused(format!(
                "`{}` is no address of a Docker Engine; write unix:///var/run/docker.sock or \
                 tcp://host:2375",
                self.host
            )));
        };
        client.map_err(|e| failed("connect", e))
    }

    /// One call: its answer, or why there is none.
    pub(super) async fn call<T, F, Fut>(
        &self,
        what: &str,
        deadline: Duration,
        f: F,
    ) -> Result<T, RuntimeError>
    where
        F: FnOnce(bollard::Docker) -> Fut,
        Fut: Future<Output = Result<T, bollard::errors::Error>>,
    {
        let client = self.client().await?;
        let answer = within(deadline, what, async {
            f(client).await.map_err(|e| failed(what, e))
        });
        self.heed(answer.await)
    }
}

/// Whether the engine says that it speaks no such version (moby's `middleware/version.go`).
fn of_another_version(error: &RuntimeError) -> bool {
    match error {
        RuntimeError::Refused(words) => {
            let about = words.contains("client version") || words.contains("API version");
            about && (words.contains("too new") || words.contains("too old"))
        }
        RuntimeError::Unavailable(_)
        | RuntimeError::NotFound(_)
        | RuntimeError::Conflict(_)
        | RuntimeError::PortInUse { .. }
        | RuntimeError::MountMissing(_)
        | RuntimeError::Pull { .. }
        | RuntimeError::DiskFull(_)
        | RuntimeError::Engine(_) => false,
    }
}

/// Gives up after the deadline. What was asked may happen all the same.
pub(super) async fn within<T>(
    deadline: Duration,
    what: &str,
    call: impl Future<Output = Result<T, RuntimeError>>,
) -> Result<T, RuntimeError> {
    match tokio::time::timeout(deadline, call).await {
        Ok(result) => result,
        Err(_) => Err(RuntimeError::Unavailable(format!(
            "{what}: no answer within {} s",
            deadline.as_secs()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ContainerId;
    use crate::runtime::Runtime;

    /// A dockerd that was stopped with a signal: the kernel accepts for it, and nobody answers.
    #[tokio::test(start_paused = true)]
    async fn an_engine_that_says_nothing_is_given_up_at_the_deadline() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let _silent = tokio::net::UnixListener::bind(&socket).unwrap();
        let docker = Docker::connect(Some(&format!("unix://{}", socket.display())));
        let begun = tokio::time::Instant::now();
        let id = ContainerId("x".to_owned());
        let (list, start) = tokio::join!(docker.list(), docker.start(&id));
        for error in [list.map(drop).unwrap_err(), start.unwrap_err()] {
            assert!(matches!(error, RuntimeError::Unavailable(_)), "{error:?}");
        }
        assert!(begun.elapsed() <= CALL * 3, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn an_engine_that_is_down_is_found_when_it_is_up() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let docker = Docker::connect(Some(&format!("unix://{}", socket.display())));
        for _ in 0..2 {
            let error = docker.info().await.unwrap_err();
            assert!(matches!(error, RuntimeError::Unavailable(_)), "{error:?}");
            assert!(error.to_string().contains("docker.sock"), "{error}");
        }
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_refused_with_the_right_spelling() {
        let error = Docker::connect(Some("localhost")).info().await.unwrap_err();
        assert!(error.to_string().contains("unix:///"), "{error}");
    }
}
