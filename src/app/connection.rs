//! The way to a database's server, for its engine's own client.

use crate::engine::{self, Reach, Trust};
use crate::http::backend::Connection;
use crate::http::peer::Caller;
use crate::http::refusal::Refusal;
use crate::model::database::Tls;
use crate::model::{Database, DbName};

use super::backend::Daemon;

impl Daemon {
    /// How to reach a database, for somebody who may use it.
    pub(super) async fn way_to(
        &self,
        caller: &Caller,
        name: &DbName,
        from_job: bool,
    ) -> Result<Connection, Refusal> {
        let db = self.database(name)?;
        self.may_use(caller, &db).await?;
        let recipe = engine::recipe(db.engine);
        let password = self.user_password(&db).await?;
        let view = self.board.view(name);
        // Where it is now: a changed port may wait for its window.
        let now = view.as_ref().and_then(|view| view.port.try_into().ok());
        let db = Database {
            port: now.unwrap_or(db.port),
            ..db
        };
        let (inner, outer) = recipe.client_port(&db);
        let demanded = db.tls == Some(Tls::Required);
        // Older clients take no address for a name that a certificate stands for.
        let (host, port) = if from_job && demanded {
            ("localhost".to_owned(), inner)
        } else if from_job {
            ("127.0.0.1".to_owned(), inner)
        } else if self.site.publish_ip.is_loopback() && !demanded {
            (self.site.publish_ip.to_string(), outer)
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
