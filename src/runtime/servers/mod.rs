//! Real database servers, over their own protocols.
//!
//! Which questions to ask and which statements to run is said by the engines' recipes; here they
//! are only carried. Statement texts may hold passwords: they are never logged and never part of a
//! message.

mod bolt;
mod connection;
mod error;
mod mongodb;

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use self::connection::Connection;
use self::error::WireError;
use crate::model::Uid;
use crate::model::server::{Answer, Statement, Target};
use crate::model::session::Session;
use crate::runtime::{ServerError, Servers};

/// For one question over a connection that is open.
const ASK: Duration = Duration::from_secs(3);
/// For connecting, logging in and the first question: a server that has just come up on a busy
/// host (a JVM, say) takes its time over its first ones.
const OPEN: Duration = Duration::from_secs(15);
/// For all statements of one call.
const RUN: Duration = Duration::from_secs(30);
/// For telling a server that we go; it finds out by itself otherwise.
const GOODBYE: Duration = Duration::from_secs(1);

/// Servers reached by TCP, one kept connection each.
///
/// # Guarantees
/// A kept connection that failed, or whose answer did not come in time, is never used again. Asking
/// one server never waits for another.
#[derive(Default)]
pub struct WireServers {
    /// How a server that demands TLS is verified; without it, none can be reached.
    trust: Option<ServerTrust>,
    kept: Mutex<HashMap<Uid, Arc<Slot>>>,
}

/// How servers' certificates are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTrust {
    /// The file with the authority's certificate.
    pub authority: PathBuf,
    /// The host name that certificates stand for, where they do not stand for the address that a
    /// server is reached at.
    pub name: Option<String>,
}

/// The place of one server's kept connection; locked for the length of a question.
type Slot = tokio::sync::Mutex<Option<Kept>>;

struct Kept {
    /// How it was opened: a changed port or password makes it useless.
    target: Target,
    connection: Connection,
}

impl WireServers {
    /// No connection yet, and no server that demands TLS.
    pub fn new() -> Self {
        WireServers::default()
    }

    /// No connection yet; servers that demand TLS are verified in this way.
    pub fn trusting(trust: ServerTrust) -> Self {
        WireServers {
            trust: Some(trust),
            kept: Mutex::default(),
        }
    }

    async fn open(&self, target: &Target, database: &str) -> Result<Connection, WireError> {
        let trust = match (target.tls, &self.trust) {
            (false, _) => None,
            (true, Some(trust)) => Some(trust),
            (true, None) => return Err(WireError::Strange("nothing to verify the server with")),
        };
        Connection::open(target, database, trust).await
    }

    fn slot(&self, uid: Uid) -> Arc<Slot> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.entry(uid).or_default().clone()
    }
}

#[async_trait]
impl Servers for WireServers {
    async fn ask(&self, target: &Target, query: &str) -> Result<Answer, ServerError> {
        let slot = self.slot(target.uid);
        within(OPEN, async {
            let mut kept = slot.lock().await;
            // Taken out while in use: if the deadline cuts this future off, it is gone, and no
            // later question reads this one's late answer.
            if let Some(mut old) = kept.take().filter(|k| k.target == *target) {
                match within(ASK, async { Ok(old.connection.ask(query).await) }).await? {
                    Ok(answer) => {
                        *kept = Some(old);
                        return Ok(answer);
                    }
                    // The server may have restarted since; only a new connection tells.
                    Err(error) if error.is_lost_connection() => {}
                    Err(error) => return Err(error.of("probe")),
                }
            }
            let mut connection = self
                .open(target, &target.database)
                .await
                .map_err(|e| e.of("connect"))?;
            let answer = connection.ask(query).await.map_err(|e| e.of("probe"))?;
            *kept = Some(Kept {
                target: target.clone(),
                connection,
            });
            Ok(answer)
        })
        .await
    }

    async fn run(&self, target: &Target, statements: &[Statement]) -> Result<(), ServerError> {
        within(RUN, async {
            let mut open: Option<(&str, Connection)> = None;
            for statement in statements {
                let mut connection = match open.take() {
                    Some((database, connection)) if database == statement.database => connection,
                    Some((_, connection)) => {
                        connection.close().await;
                        self.open(target, &statement.database)
                            .await
                            .map_err(|e| e.of(statement.purpose))?
                    }
                    None => self
                        .open(target, &statement.database)
                        .await
                        .map_err(|e| e.of(statement.purpose))?,
                };
                match connection.execute(&statement.text).await {
                    Ok(()) => {}
                    Err(error) if error.is_done(statement.done_code) => {}
                    Err(error) => return Err(error.of(statement.purpose)),
                }
                open = Some((&statement.database, connection));
            }
            if let Some((_, connection)) = open {
                connection.close().await;
            }
            Ok(())
        })
        .await
    }

    async fn login(&self, target: &Target) -> Result<(), ServerError> {
        within(OPEN, async {
            let connection = self
                .open(target, &target.database)
                .await
                .map_err(|e| e.of("login"))?;
            connection.close().await;
            Ok(())
        })
        .await
    }

    async fn sessions(&self, target: &Target, query: &str) -> Result<Vec<Session>, ServerError> {
        const WHAT: &str = "list the sessions";
        within(RUN, async {
            let connection = self.open(target, &target.database).await;
            let mut connection = connection.map_err(|e| e.of(WHAT))?;
            let sessions = connection.sessions(query).await;
            connection.close().await;
            sessions.map_err(|e| e.of(WHAT))
        })
        .await
    }

    async fn forget(&self, uid: Uid) {
        let slot = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.remove(&uid)
        };
        let Some(slot) = slot else { return };
        let goodbye = async {
            if let Some(kept) = slot.lock().await.take() {
                kept.connection.close().await;
            }
        };
        // Not heard: then the socket closes when it is dropped.
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
    }
}

async fn within<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, ServerError>>,
) -> Result<T, ServerError> {
    match tokio::time::timeout(deadline, work).await {
        Ok(result) => result,
        Err(_) => Err(ServerError::Unreachable(format!(
            "no answer within {} s",
            deadline.as_secs()
        ))),
    }
}

#[cfg(test)]
mod tests;
