//! `Servers` for the simulated host.

use async_trait::async_trait;

use super::World;
use super::fault::Part;
use super::state::State;
use crate::model::server::{Answer, Statement, Target};
use crate::model::session::Session;
use crate::model::{PortBinding, Status, Uid};
use crate::runtime::{ServerError, Servers};

#[async_trait]
impl Servers for World {
    async fn ask(&self, target: &Target, query: &str) -> Result<Answer, ServerError> {
        self.look(Part::Server, "ask", |state| {
            let (inode, version) = state.reach(target)?;
            Ok(Answer {
                version,
                connections: Some(0),
                // Nobody drops one by hand here: whoever is asked about is there.
                further: quoted(query).collect(),
                resorted: Default::default(),
                account: state.disk.data.get(&inode).is_some_and(|d| d.account),
            })
        })
        .await
    }

    async fn run(&self, target: &Target, statements: &[Statement]) -> Result<(), ServerError> {
        self.act(Part::Server, "run", |state| {
            let (inode, _) = state.reach(target)?;
            if let Some(data) = state.disk.data.get_mut(&inode) {
                data.account = true;
                // Whatever stands in quotes may be a password that is set.
                for statement in statements {
                    data.passwords.extend(quoted(statement.text.expose()));
                }
            }
            state.journal.push(format!("run {}", target.uid));
            Ok(())
        })
        .await
    }

    async fn login(&self, target: &Target) -> Result<(), ServerError> {
        self.look(Part::Server, "login", |state| state.reach(target).map(drop))
            .await
    }

    async fn sessions(&self, target: &Target, _query: &str) -> Result<Vec<Session>, ServerError> {
        self.look(Part::Server, "sessions", |state| {
            state.reach(target)?;
            Ok(Vec::new())
        })
        .await
    }

    async fn forget(&self, _uid: Uid) {}
}

/// Whether who connects there comes to this port.
fn is_at(port: &PortBinding, target: &Target) -> bool {
    let here = port.ip.is_unspecified() || port.ip.to_string() == target.host;
    here && port.host == target.port
}

/// What stands in quotes.
fn quoted(text: &str) -> impl Iterator<Item = String> {
    text.split('\'').skip(1).step_by(2).map(str::to_owned)
}

impl State {
    /// The data behind a server that answers this login, and the server's version.
    fn reach(&self, target: &Target) -> Result<(u64, String), ServerError> {
        let unreachable = |why: &str| Err(ServerError::Unreachable(why.to_owned()));
        let container = self
            .containers
            .values()
            .find(|c| c.has_process() && c.spec.ports.iter().any(|p| is_at(p, target)));
        let Some(container) = container else {
            return unreachable("connection refused");
        };
        let hung = container.process.as_ref().is_some_and(|p| p.hung);
        if hung || container.status == Status::Paused {
            return unreachable("no answer within 3 s");
        }
        let image = self
            .images
            .values()
            .find(|i| i.seen.id == container.spec.image);
        let version = match image {
            Some(image) if image.protocol == Some(target.protocol) => image.version.clone(),
            Some(_) => return unreachable("unexpected data"),
            // The tag moved, and the image of the running container has no name any more.
            None => String::new(),
        };
        let Some(server) = container.server() else {
            return unreachable("unexpected data");
        };
        if self.now < server.ready_at {
            return Err(ServerError::NotReady(
                "the database system is starting up (57P03)".to_owned(),
            ));
        }
        let refused = || {
            Err(ServerError::LoginRefused(
                "password authentication failed".to_owned(),
            ))
        };
        let Some(data) = self.disk.data.get(&server.data) else {
            return unreachable("unexpected data");
        };
        let is_account = self.accounts.get(&target.uid) == Some(&target.user);
        if !data.passwords.contains(target.password.expose()) || (is_account && !data.account) {
            return refused();
        }
        Ok((server.data, version))
    }
}
