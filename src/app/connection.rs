//! The way to a database's server, for its engine's own client.

use crate::engine::{self, Reach, Trust};
use crate::http::backend::Connection;
use crate::http::peer::Caller;
use crate::http::refusal::{Refusal, RefusalKind};
use crate::model::database::Tls;
use crate::model::{ContainerId, Database, DbName};
use crate::specs::access::Need;

use super::backend::Daemon;

impl Daemon {
    /// A database with the port and address that its server has now: changed ones may wait for its window.
    pub(super) fn where_it_is(&self, db: Database) -> Database {
        let Some(view) = self.board.view(&db.name) else {
            return db;
        };
        Database {
            port: view.port.try_into().unwrap_or(db.port),
            bound: view.bound,
            ..db
        }
    }

    /// The last lines that a server wrote. Statements and values stand in them.
    pub(super) async fn last_lines(
        &self,
        caller: &Caller,
        name: &DbName,
        lines: u32,
    ) -> Result<String, Refusal> {
        self.row_for(caller, name, Need::User).await?;
        let container = self
            .board
            .view(name)
            .and_then(|view| view.container.clone());
        let Some(id) = container else {
            let message = format!("{name} has no container now; see: db4sci describe {name}");
            return Err(Refusal::new(RefusalKind::Conflict, message));
        };
        let read = self.runtime.logs(&ContainerId(id), lines).await;
        read.map_err(|error| {
            let message = format!("the log of {name}: {error}");
            Refusal::new(RefusalKind::Unavailable, message)
        })
    }

    /// How to reach a database, for somebody who may use it.
    pub(super) async fn way_to(
        &self,
        caller: &Caller,
        name: &DbName,
        from_job: bool,
        user: Option<&str>,
    ) -> Result<Connection, Refusal> {
        let db = self.database(name)?;
        self.allow(caller, &db, Need::User).await?;
        let recipe = engine::recipe(db.engine);
        let user = user.filter(|user| *user != db.account.user);
        let password = self.user_password(&db, user).await?;
        let view = self.board.view(name);
        let db = self.where_it_is(db);
        let db = user.map_or_else(|| db.clone(), |user| engine::accounts::seen_by(&db, user));
        let (inner, outer) = recipe.client_port(&db);
        let demanded = db.tls == Some(Tls::Required);
        let published = db.bound.unwrap_or(self.site.publish_ip);
        // Older clients take no address for a name that a certificate stands for.
        let (host, port) = if from_job && demanded {
            ("localhost".to_owned(), inner)
        } else if from_job {
            ("127.0.0.1".to_owned(), inner)
        } else if published.is_loopback() && !demanded {
            (published.to_string(), outer)
        } else {
            (self.site.container_host.clone(), outer)
        };
        let at = Reach {
            host: &host,
            port,
            trust: demanded.then_some(Trust {
                authority: Connection::AUTHORITY,
                names: !from_job || self.authority.knows_inside(),
                store: from_job,
            }),
        };
        Ok(Connection {
            name: name.clone(),
            client: recipe.client(&db, &at, Connection::PASSFILE),
            passfile: recipe.passfile(&db, &at, &password),
            authority: match demanded {
                true => Some(self.certificate()?),
                false => None,
            },
            image: db.image.pinned.as_ref().map(ToString::to_string),
            container: view.and_then(|view| view.container.clone()),
        })
    }
}
