//! One connection of any protocol.

use std::collections::BTreeSet;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, Row};

use super::ServerTrust;
use super::bolt::Bolt;
use super::error::WireError;
use super::mongodb::Mongo;
use crate::model::Secret;
use crate::model::server::{Answer, Protocol, Target};
use crate::model::session::Session;

/// The probe is the only statement that is asked twice.
const STATEMENTS_KEPT: usize = 1;

/// A direct connection: a pool would answer "timed out" where the server said "refused".
pub(super) enum Connection {
    Postgres(PgConnection),
    MySql(MySqlConnection),
    Mongo(Mongo),
    Bolt(Bolt),
}

impl Connection {
    /// Connects and logs in; with `trust`, by TLS, and only if the server is the one it says.
    pub(super) async fn open(
        target: &Target,
        database: &str,
        trust: Option<&ServerTrust>,
    ) -> Result<Self, WireError> {
        match target.protocol {
            Protocol::Postgres => {
                let mut options = PgConnectOptions::new_without_pgpass()
                    .host(&target.host)
                    .port(target.port)
                    .username(&target.user)
                    .password(target.password.expose())
                    .database(database)
                    .application_name("db4sci")
                    // Whatever its users are held to: passwords and accounts go on being db4sci's to set.
                    .options([("default_transaction_read_only", "off")])
                    // On loopback, TLS would cost more than the question.
                    .ssl_mode(PgSslMode::Disable)
                    .statement_cache_capacity(STATEMENTS_KEPT)
                    .disable_statement_logging();
                if let Some(trust) = trust {
                    let mode = match trust.name {
                        None => PgSslMode::VerifyFull,
                        Some(_) => PgSslMode::VerifyCa,
                    };
                    options = options.ssl_mode(mode).ssl_root_cert(&trust.authority);
                }
                let opened = options.connect().await.map_err(WireError::Login)?;
                Ok(Connection::Postgres(opened))
            }
            Protocol::MySql => {
                let mut options = MySqlConnectOptions::new()
                    .host(&target.host)
                    .port(target.port)
                    .username(&target.user)
                    .password(target.password.expose())
                    .database(database)
                    .ssl_mode(MySqlSslMode::Disabled)
                    // The session as the server makes it: statements mean what its manual says.
                    .pipes_as_concat(false)
                    .no_engine_substitution(false)
                    .timezone(None)
                    .statement_cache_capacity(STATEMENTS_KEPT)
                    .disable_statement_logging();
                if let Some(trust) = trust {
                    let mode = match trust.name {
                        None => MySqlSslMode::VerifyIdentity,
                        Some(_) => MySqlSslMode::VerifyCa,
                    };
                    options = options.ssl_mode(mode).ssl_ca(&trust.authority);
                }
                Ok(Connection::MySql(options.connect().await?))
            }
            Protocol::MongoDb => Ok(Connection::Mongo(
                Mongo::open(target, database, trust).await?,
            )),
            Protocol::Bolt => Ok(Connection::Bolt(Bolt::open(target, database, trust).await?)),
        }
    }

    /// Asks the probe's question.
    pub(super) async fn ask(&mut self, question: &str) -> Result<Answer, WireError> {
        let query = || AssertSqlSafe(question.to_owned());
        match self {
            Connection::Postgres(c) => {
                let row: PgRow = sqlx::query(query()).fetch_one(c).await?;
                let part = |n: usize| match n < row.len() {
                    true => row.try_get::<Option<String>, _>(n),
                    false => Ok(None),
                };
                let (further, resorted) = (part(3)?, part(4)?);
                let account = row.try_get(2)?;
                let further = further.unwrap_or_default();
                let answer = answer(row.try_get(0)?, row.try_get(1)?, account, &further)?;
                let resorted = serde_json::from_str(resorted.as_deref().unwrap_or("[]"))
                    .map_err(|_| WireError::Strange("databases that cannot be read"))?;
                Ok(Answer { resorted, ..answer })
            }
            Connection::MySql(c) => {
                let row: MySqlRow = sqlx::query(query()).fetch_one(c).await?;
                // A truth value is a number here.
                let account: i64 = row.try_get(2)?;
                let further = match row.len() {
                    4.. => row.try_get(3)?,
                    _ => String::new(),
                };
                answer(row.try_get(0)?, row.try_get(1)?, account != 0, &further)
            }
            Connection::Mongo(c) => c.ask(question).await,
            Connection::Bolt(c) => c.ask(question).await,
        }
    }

    /// Asks who is connected.
    pub(super) async fn sessions(&mut self, query: &str) -> Result<Vec<Session>, WireError> {
        let sql = AssertSqlSafe(query.to_owned());
        let rows: Vec<String> = match self {
            Connection::Postgres(c) => sqlx::query_scalar(sql).fetch_all(c).await?,
            Connection::MySql(c) => sqlx::query_scalar(sql).fetch_all(c).await?,
            Connection::Mongo(c) => return c.sessions(query).await,
            Connection::Bolt(c) => return c.sessions(query).await,
        };
        let read = |row: &String| serde_json::from_str(row);
        let all: Result<_, _> = rows.iter().map(read).collect();
        all.map_err(|_| WireError::Strange("a session that cannot be read"))
    }

    /// Carries out one statement; of SQL by the simple protocol, which takes every statement.
    pub(super) async fn execute(&mut self, text: &Secret) -> Result<(), WireError> {
        let sql = || AssertSqlSafe(text.expose().to_owned());
        match self {
            Connection::Postgres(c) => sqlx::raw_sql(sql()).execute(c).await.map(drop)?,
            Connection::MySql(c) => sqlx::raw_sql(sql()).execute(c).await.map(drop)?,
            Connection::Mongo(c) => c.execute(text).await?,
            Connection::Bolt(c) => c.execute(text).await?,
        }
        Ok(())
    }

    /// Says goodbye, so that the server logs no aborted connection.
    pub(super) async fn close(self) {
        // A server that is gone needs no goodbye.
        match self {
            Connection::Postgres(c) => drop(c.close().await),
            Connection::MySql(c) => drop(c.close().await),
            Connection::Mongo(c) => c.close().await,
            // Its driver says goodbye when it is dropped.
            Connection::Bolt(_) => {}
        }
    }
}

fn answer(
    version: String,
    connections: i64,
    account: bool,
    further: &str,
) -> Result<Answer, WireError> {
    let further = further.split(',').filter(|user| !user.is_empty());
    Ok(Answer {
        version,
        connections: u32::try_from(connections).ok(),
        account,
        further: further.map(str::to_owned).collect(),
        resorted: BTreeSet::new(),
    })
}
