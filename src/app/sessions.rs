//! Who is connected to a database, and the end of a connection.

use crate::admin::NewEntry;
use crate::engine::{self, ADMIN_SECRET};
use crate::http::peer::Caller;
use crate::http::refusal::{Refusal, RefusalKind};
use crate::model::server::Target;
use crate::model::session::Session;
use crate::model::{Change, Database, DbName, Outcome};
use crate::runtime::ServerError;
use crate::specs::access::Need;

use super::backend::{Daemon, unwritten};

impl Daemon {
    pub(super) async fn list_sessions(
        &self,
        caller: &Caller,
        name: &DbName,
    ) -> Result<Vec<Session>, Refusal> {
        let db = self.database(name)?;
        self.allow(caller, &db, Need::User).await?;
        self.connected(&db, &self.own_login(&db)?).await
    }

    pub(super) async fn kill_session(
        &self,
        caller: &Caller,
        name: &DbName,
        id: &str,
        reason: String,
    ) -> Result<String, Refusal> {
        let db = self.database(name)?;
        self.allow(caller, &db, Need::User).await?;
        let target = self.own_login(&db)?;
        let refused = |kind, why: String| {
            Refusal::new(
                kind,
                format!("{why}; nothing was changed; see: db4sci sessions {name}"),
            )
        };
        let end = engine::sessions::end(&db, id);
        let end = end.map_err(|why| refused(RefusalKind::Invalid, why))?;
        let all = self.connected(&db, &target).await?;
        let Some(session) = all.iter().find(|session| session.id == id) else {
            let why = format!("{name} has no session {id}");
            return Err(refused(RefusalKind::Conflict, why));
        };
        self.servers
            .run(&target, &[end])
            .await
            .map_err(|error| unanswered(name, &error))?;
        let of = |what: &Option<String>| what.clone().unwrap_or_else(|| "nobody".to_owned());
        let mut message = format!(
            "session {id} of {} from {} ended",
            of(&session.user),
            of(&session.client)
        );
        if !reason.is_empty() {
            message = format!("{message}: {reason}");
        }
        let entry = NewEntry {
            who: caller.who.clone(),
            name: Some(name.clone()),
            outcome: Outcome::Done,
            message: message.clone(),
            change: Change::Noted,
        };
        let written = self.ledger.append(entry).await;
        written.map_err(|error| unwritten(&message, &error))?;
        Ok(format!("{name}: {message}"))
    }

    async fn connected(&self, db: &Database, target: &Target) -> Result<Vec<Session>, Refusal> {
        let query = engine::sessions::query(db);
        let asked = self.servers.sessions(target, &query).await;
        let mut all = asked.map_err(|error| unanswered(&db.name, &error))?;
        all.iter_mut().for_each(Session::tidy);
        Ok(all)
    }

    /// db4sci's own login, at the port that the server has now.
    pub(super) fn own_login(&self, db: &Database) -> Result<Target, Refusal> {
        let password = self.vault.secret(db, ADMIN_SECRET);
        let password =
            password.map_err(|e| Refusal::new(RefusalKind::Unavailable, e.to_string()))?;
        Ok(engine::recipe(db.engine).target(&self.where_it_is(db.clone()), &self.site, password))
    }
}

fn unanswered(name: &DbName, error: &ServerError) -> Refusal {
    let message = format!("{name}: {error}; see: db4sci describe {name}");
    Refusal::new(RefusalKind::Unavailable, message)
}
