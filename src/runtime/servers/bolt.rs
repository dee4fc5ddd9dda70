//! Neo4j's protocol, Bolt, by its own driver.

use std::time::Duration;

use neo4rs::{ConfigBuilder, Error, Graph, Neo4jErrorKind, Row, query};

use super::ServerTrust;
use super::error::{Meaning, Told, WireError};
use crate::model::Secret;
use crate::model::server::{Answer, Target};
use crate::model::session::Session;

/// For connecting and for each answer; above it, the caller's own deadline has passed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A pool of one connection.
pub(super) struct Bolt {
    graph: Graph,
    /// Where statements are carried out.
    database: String,
}

impl Bolt {
    /// Connects and logs in.
    pub(super) async fn open(
        target: &Target,
        database: &str,
        trust: Option<&ServerTrust>,
    ) -> Result<Self, WireError> {
        // The driver verifies the name that it connects to.
        let name = trust.and_then(|trust| trust.name.as_ref());
        let host = bracketed(name.unwrap_or(&target.host));
        // `bolt:` is this one server; `neo4j:` would ask it for a table of others.
        let scheme = if trust.is_some() { "bolt+s" } else { "bolt" };
        let mut config = ConfigBuilder::new()
            .uri(format!("{scheme}://{host}:{}", target.port))
            .user(target.user.as_str())
            .password(target.password.expose())
            .db(database)
            .max_connections(1)
            .connection_timeout(PATIENCE);
        if let Some(trust) = trust {
            config = config.with_client_certificate(&trust.authority);
        }
        let bolt = Bolt {
            graph: Graph::connect(config.build()?)?,
            database: database.to_owned(),
        };
        // The pool connects when it is first used. Each database answers this, the one for
        // accounts, too.
        bolt.one(database, "SHOW DEFAULT DATABASE YIELD name AS answer")
            .await?;
        Ok(bolt)
    }

    /// Asks the question, a line for each part of the answer.
    pub(super) async fn ask(&self, question: &str) -> Result<Answer, WireError> {
        let mut lines = question.lines().filter_map(|line| line.split_once('\t'));
        let mut next = || {
            lines
                .next()
                .ok_or(WireError::Strange("a question in parts"))
        };
        let (database, query) = next()?;
        let version: String = value(&self.one(database, query).await?)?;
        let (database, query) = next()?;
        let connections: i64 = value(&self.one(database, query).await?)?;
        let (database, query) = next()?;
        let account: bool = value(&self.one(database, query).await?)?;
        let further: Vec<String> = match next() {
            Ok((database, query)) => value(&self.one(database, query).await?)?,
            Err(_) => Vec::new(),
        };
        Ok(Answer {
            version,
            // The question's own is one of them.
            connections: Some(u32::try_from(connections - 1).unwrap_or(0)),
            account,
            further: further.into_iter().collect(),
            resorted: Default::default(),
        })
    }

    /// Who is connected: rows of maps.
    pub(super) async fn sessions(&self, question: &str) -> Result<Vec<Session>, WireError> {
        let parts = question.split_once('\t');
        let (database, text) = parts.ok_or(WireError::Strange("a question in parts"))?;
        let mut rows = self.graph.execute_on(database, query(text)).await?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().await? {
            all.push(value(&row)?);
        }
        Ok(all)
    }

    /// The one row of a query.
    async fn one(&self, database: &str, text: &str) -> Result<Row, WireError> {
        let mut rows = self.graph.execute_on(database, query(text)).await?;
        let row = rows.next().await?;
        // To its end: the connection is used again.
        while rows.next().await?.is_some() {}
        row.ok_or(WireError::Strange("no row in the server's answer"))
    }

    /// Carries out one statement.
    pub(super) async fn execute(&self, text: &Secret) -> Result<(), WireError> {
        let statement = query(text.expose());
        Ok(self.graph.run_on(self.database.as_str(), statement).await?)
    }
}

fn value<'a, T: serde::Deserialize<'a>>(row: &'a Row) -> Result<T, WireError> {
    let found = row.get("answer");
    found.map_err(|_| WireError::Strange("an answer of another type"))
}

/// An address as it stands in a URL.
fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

/// What an error of the driver says.
pub(super) fn told(error: &Error) -> Told {
    match error {
        Error::IOError { detail } => Told::of_io(detail),
        Error::ConnectionError
        | Error::ConnectionTimedOut
        | Error::IncompleteBoltExchange
        | Error::RequestIgnoredError
        | Error::ProtocolMismatch(_)
        | Error::UnexpectedMessage(_)
        | Error::UnknownMessage(_) => Told::new(Meaning::Unreachable, &error.to_string()),
        Error::AuthenticationError(words) => Told::new(at_login(words), words),
        Error::Neo4j(e) => Told {
            meaning: by_code(e.code(), e.kind()),
            code: e.code().to_owned(),
            words: e.message().to_owned(),
        },
        _ => Told::new(Meaning::Statement, &error.to_string()),
    }
}

/// The driver gives the words of a refused login without their code.
fn at_login(words: &str) -> Meaning {
    if words.contains("not available") || words.contains("unavailable") {
        Meaning::NotReady
    } else {
        Meaning::LoginRefused
    }
}

/// Neo4j's status codes (the list in its manual).
fn by_code(code: &str, kind: Neo4jErrorKind) -> Meaning {
    match (code, kind) {
        // Still starting: one that goes down hangs up first.
        ("Neo.TransientError.General.DatabaseUnavailable", _)
        | ("Neo.ClientError.Database.DatabaseNotFound", _)
        | ("Neo.TransientError.Database.DatabaseUnavailable", _) => Meaning::NotReady,
        // The server repeats the statement's text.
        ("Neo.ClientError.Statement.SyntaxError", _) => Meaning::Syntax,
        (code, _) if code.starts_with("Neo.ClientError.Security.") => {
            // Said of a new password, too, which is no login.
            if code.ends_with("Unauthorized") || code.ends_with("CredentialsExpired") {
                Meaning::LoginRefused
            } else {
                Meaning::Statement
            }
        }
        (_, Neo4jErrorKind::Transient) => Meaning::Interrupted,
        _ => Meaning::Statement,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_get_their_meaning() {
        let other = Neo4jErrorKind::Unknown;
        for (code, expected) in [
            (
                "Neo.TransientError.General.DatabaseUnavailable",
                Meaning::NotReady,
            ),
            (
                "Neo.ClientError.Security.Unauthorized",
                Meaning::LoginRefused,
            ),
            ("Neo.ClientError.Security.Forbidden", Meaning::Statement),
            ("Neo.ClientError.Statement.SyntaxError", Meaning::Syntax),
            (
                "Neo.ClientError.Statement.ArgumentError",
                Meaning::Statement,
            ),
        ] {
            assert_eq!(by_code(code, other), expected, "{code}");
        }
        assert_eq!(at_login("Unsupported database"), Meaning::LoginRefused);
        assert_eq!(at_login("The database is not available"), Meaning::NotReady);
    }

    #[test]
    fn an_address_of_the_newer_kind_stands_in_brackets() {
        assert_eq!(bracketed("::1"), "[::1]");
        assert_eq!(bracketed("127.0.0.1"), "127.0.0.1");
    }
}
