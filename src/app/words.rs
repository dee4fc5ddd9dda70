//! A person's word over a spec: what is in force instead, and its end.

use crate::http::peer::Caller;
use crate::http::refusal::{Refusal, RefusalKind};
use crate::model::{Change, DbName, OverrideState, Timestamp, WantedState, Who};
use crate::specs::access::Need;

use super::backend::{Daemon, because, unavailable};

impl Daemon {
    /// Puts a word over a spec.
    pub(super) async fn override_spec(
        &self,
        caller: &Caller,
        name: &DbName,
        state: OverrideState,
        until: Option<Timestamp>,
        reason: String,
    ) -> Result<String, Refusal> {
        let book = self.ledger.book();
        let over = book.row(name).and_then(|row| row.over.as_ref());
        let need = Need::of_override(state, over.map(|over| over.state));
        let row = self.row_for(caller, name, need).await?;
        let db = &row.database;
        let who = caller.who.clone();
        if name.is_mydb_admin() && state == OverrideState::Stopped {
            let message = "mydb_admin is DB4Sci's own memory and is not stopped; for work on it: \
                           db4sci maintenance on mydb_admin";
            return Err(Refusal::new(RefusalKind::Conflict, message));
        }
        let already = match (state, db.state) {
            // Of a life that is over the spec does not say so any more.
            (OverrideState::Running, WantedState::Running) => until.is_none() && !row.held_back(),
            (OverrideState::Stopped, WantedState::Stopped)
            | (OverrideState::Maintenance, WantedState::Maintenance) => until.is_none(),
            (OverrideState::Running | OverrideState::Stopped | OverrideState::Maintenance, _) => {
                false
            }
        };
        if already {
            // The spec says so by itself; an override in the way is ended.
            let message = format!("{name}: {state:?}, as its spec says{}", because(&reason));
            return self
                .wish(who, name, message, Change::Resumed { since: None })
                .await;
        }
        let over = self.intake.over(who, name, state, until, reason.clone());
        let until = over.await.map_err(unavailable)?;
        let end = until.map_or_else(
            || format!("until `db4sci resume {name}`"),
            |at| format!("until {}", at.format("%F %T UTC")),
        );
        Ok(format!(
            "{name}: {state:?} {end}, over its spec{}",
            because(&reason)
        ))
    }

    /// Ends a quarantine, or lets a database run on what lies there now.
    pub(super) async fn let_run(
        &self,
        caller: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal> {
        let row = self.row_for(caller, name, Need::Owner).await?;
        let what = match row.quarantined {
            Some(_) => "released from quarantine",
            None => "may run on the data that is there now",
        };
        let message = format!("{name}: {what}{}", because(&reason));
        let change = Change::Released { reason };
        self.wish(caller.who.clone(), name, message, change).await
    }

    /// A wish that needs no more than a right and a reason.
    pub(super) async fn wish_of(
        &self,
        caller: &Caller,
        name: &DbName,
        need: Need,
        message: String,
        change: Change,
    ) -> Result<String, Refusal> {
        self.row_for(caller, name, need).await?;
        self.wish(caller.who.clone(), name, message, change).await
    }

    /// Writes a wish about a database that is there.
    pub(super) async fn wish(
        &self,
        who: Who,
        name: &DbName,
        message: String,
        change: Change,
    ) -> Result<String, Refusal> {
        self.database(name)?;
        self.intake
            .wish(who, name, message.clone(), change)
            .await
            .map_err(unavailable)?;
        Ok(message)
    }
}
