//! The hint that somebody wrote into `state`.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};

use super::{Access, TablesError};
use crate::model::DbName;

const WHAT: &str = "listen";

/// The channel that the triggers notify, with the row's name as payload.
const CHANNEL: &str = "db4sci_state";

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// At the edits of this name.
    Row(DbName),
    /// At all edits: the connection was lost for a while, or the hint made no sense.
    All,
}

/// A stream of hints. Only hints: what is there to do, [`super::Tables::edits`] says, and it is
/// asked on a slow beat too, since a connection can be dead for long before anybody notices.
#[derive(Debug)]
pub struct Feed {
    listener: PgListener,
}

impl Feed {
    /// Connects and listens.
    ///
    /// # Errors
    /// See [`TablesError`].
    pub async fn connect(access: &Access) -> Result<Self, TablesError> {
        // A pool would hide a refused connection behind its own time-out: ask once without it.
        Box::pin(access.as_daemon()).await?;
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(Duration::from_secs(10))
            .connect_lazy_with(access.daemon_options());
        let sql = |e| TablesError::sql(WHAT, e);
        let mut listener = PgListener::connect_with(&pool).await.map_err(sql)?;
        listener.ignore_pool_close_event(true);
        listener.listen(CHANNEL).await.map_err(sql)?;
        Ok(Feed { listener })
    }

    /// The next hint; waits for it. Safe to cancel: no hint is lost that [`Hint::All`] would not
    /// make up for.
    ///
    /// # Errors
    /// When the connection is lost and cannot be made again: connect a new feed after a while.
    pub async fn next(&mut self) -> Result<Hint, TablesError> {
        let notification = self.listener.try_recv().await;
        match notification.map_err(|e| TablesError::sql(WHAT, e))? {
            Some(notification) => Ok(notification.payload().parse().map_or(Hint::All, Hint::Row)),
            None => Ok(Hint::All),
        }
    }
}
