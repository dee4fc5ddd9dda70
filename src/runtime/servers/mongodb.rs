//! MongoDB's protocol, by its own driver.

use std::collections::BTreeSet;
use std::time::Duration;

use ::mongodb::Client;
use ::mongodb::bson::Document;
use ::mongodb::error::{Error, ErrorKind};
use ::mongodb::options::{
    AuthMechanism, ClientOptions, Credential, ServerAddress, ServerMonitoringMode, Tls, TlsOptions,
};

use super::ServerTrust;
use super::error::{Meaning, Told, WireError};
use crate::model::Secret;
use crate::model::server::{Answer, Target};
use crate::model::session::Session;

/// How long the driver looks for the server; below the deadline of a question, so that its reason
/// is heard.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// Between two looks of the driver's own monitor: the probe is the one that watches.
const MONITOR: Duration = Duration::from_secs(30);
/// Connections that the driver has for one client: its monitor's and the question's.
const OWN_CONNECTIONS: i64 = 2;

/// A client with one connection for commands.
pub(super) struct Mongo {
    client: Client,
    /// Where statements are carried out.
    database: String,
}

impl Mongo {
    /// Connects and logs in; the login is kept in the target's database.
    pub(super) async fn open(
        target: &Target,
        database: &str,
        trust: Option<&ServerTrust>,
    ) -> Result<Self, WireError> {
        // The driver waits for a server to appear; that nobody listens is known at once.
        // The driver verifies the name that it connects to.
        let name = trust.and_then(|trust| trust.name.as_ref());
        let host = name.unwrap_or(&target.host);
        let address = (host.as_str(), target.port);
        drop(tokio::net::TcpStream::connect(address).await?);
        let credential = Credential::builder()
            .username(target.user.clone())
            .password(target.password.expose().to_owned())
            .source(target.database.clone())
            .mechanism(AuthMechanism::ScramSha256)
            .build();
        let mut options = ClientOptions::builder()
            .hosts(vec![ServerAddress::Tcp {
                host: host.clone(),
                port: Some(target.port),
            }])
            .app_name("db4sci".to_owned())
            .credential(credential)
            .direct_connection(true)
            .server_selection_timeout(PATIENCE)
            .connect_timeout(PATIENCE)
            .heartbeat_freq(MONITOR)
            .server_monitoring_mode(ServerMonitoringMode::Poll)
            .max_pool_size(1)
            .build();
        if let Some(trust) = trust {
            let authority = trust.authority.clone();
            let tls = TlsOptions::builder().ca_file_path(authority).build();
            options.tls = Some(Tls::Enabled(tls));
        }
        let mongo = Mongo {
            client: Client::with_options(options)?,
            database: database.to_owned(),
        };
        // The driver connects when it is first used.
        mongo.run("{\"ping\": 1}").await?;
        Ok(mongo)
    }

    /// Asks the question, a command a line.
    pub(super) async fn ask(&self, question: &str) -> Result<Answer, WireError> {
        let admin = self.client.database("admin");
        let (mut version, mut connections, mut users) = (None, None, Vec::new());
        for line in question.lines() {
            let answer = admin.run_command(command(line)?).await?;
            if let Ok(found) = answer.get_str("version") {
                version = Some(found.to_owned());
            }
            if let Ok(counts) = answer.get_document("connections") {
                connections = number(counts, "current").or(connections);
            }
            if let Ok(found) = answer.get_array("users") {
                let each = found.iter().filter_map(|user| user.as_document());
                let names = each.filter_map(|user| Some(user.get_str("user").ok()?.to_owned()));
                users.push(names.collect());
            }
        }
        // One that is not told is not none.
        let connections = connections.map(|all| (all - OWN_CONNECTIONS).max(0));
        Ok(Answer {
            version: version.ok_or(WireError::Strange("no version in the server's answer"))?,
            connections: connections.map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
            account: users
                .first()
                .is_some_and(|all: &BTreeSet<_>| !all.is_empty()),
            further: users.into_iter().nth(1).unwrap_or_default(),
            resorted: BTreeSet::new(),
        })
    }

    /// Who is connected, db4sci's own connections apart.
    pub(super) async fn sessions(&self, question: &str) -> Result<Vec<Session>, WireError> {
        let admin = self.client.database("admin");
        let answer = admin.run_command(command(question)?).await?;
        let all = answer.get_array("inprog");
        let all = all.map_err(|_| WireError::Strange("no list of operations in the answer"))?;
        let each = all.iter().filter_map(|one| one.as_document());
        Ok(each.filter_map(session).collect())
    }

    /// Carries out one command.
    pub(super) async fn execute(&self, text: &Secret) -> Result<(), WireError> {
        self.run(text.expose()).await
    }

    async fn run(&self, text: &str) -> Result<(), WireError> {
        let database = self.client.database(&self.database);
        database.run_command(command(text)?).await?;
        Ok(())
    }

    /// Closes the connections.
    pub(super) async fn close(self) {
        self.client.shutdown().immediate(true).await;
    }
}

/// A command from its JSON, in the order of its keys: the first one is the verb.
fn command(json: &str) -> Result<Document, WireError> {
    // The parser's words may repeat a password.
    serde_json::from_str(json).map_err(|_| WireError::Strange("a command that is no JSON"))
}

/// An operation as `currentOp` tells it; `None`: of the server's own, or of db4sci.
fn session(op: &Document) -> Option<Session> {
    let text = |key: &str| op.get_str(key).ok().map(str::to_owned);
    let client = text("client")?;
    let program = text("appName").filter(|name| !name.is_empty());
    if program.as_deref() == Some("db4sci") {
        return None;
    }
    let users = op.get_array("effectiveUsers").ok();
    let user = users.and_then(|all| all.first()?.as_document()?.get_str("user").ok());
    let active = op.get_bool("active").unwrap_or_default();
    Some(Session {
        // What is idle has no operation that could be ended.
        id: number(op, "opid")
            .or(number(op, "connectionId"))?
            .to_string(),
        user: user.map(str::to_owned),
        database: text("ns").and_then(|ns| Some(ns.split_once('.')?.0.to_owned())),
        client: Some(client),
        program,
        state: Some(if active { "active" } else { "idle" }.to_owned()),
        seconds: number(op, "secs_running").and_then(|n| n.try_into().ok()),
        statement: text("op").filter(|op| op != "none"),
    })
}

fn number(counts: &Document, key: &str) -> Option<i64> {
    let whole = counts.get_i32(key).map(i64::from);
    whole.or_else(|_| counts.get_i64(key)).ok()
}

/// What an error of the driver says.
pub(super) fn told(error: &Error) -> Told {
    match &*error.kind {
        ErrorKind::Authentication { message, .. } => {
            let meaning = match error.source_code() {
                Some(code) => by_code(code),
                None => Meaning::LoginRefused,
            };
            Told::new(meaning, message)
        }
        ErrorKind::Command(e) => Told {
            meaning: by_code(e.code),
            code: e.code.to_string(),
            words: e.message.clone(),
        },
        ErrorKind::Io(e) => Told::of_io(e),
        // Long, and it repeats the whole topology; its end is the cause.
        ErrorKind::ServerSelection { message, .. } => {
            Told::new(Meaning::Unreachable, tail(message))
        }
        ErrorKind::ConnectionPoolCleared { message, .. } => {
            Told::new(Meaning::Unreachable, tail(message))
        }
        ErrorKind::IncompatibleServer { message, .. } => Told::new(Meaning::Statement, message),
        _ => Told::new(Meaning::Statement, &error.to_string()),
    }
}

/// What stands behind the last `Error:` or `error:` of a text.
fn tail(message: &str) -> &str {
    let behind = |word: &str| message.rfind(word).map(|at| &message[at + word.len()..]);
    let words = behind("rror: ").unwrap_or(message);
    words.trim_matches([' ', '}', ']', ',', '"'])
}

/// MongoDB's error codes (`error_codes.yml` of its source).
fn by_code(code: i32) -> Meaning {
    match code {
        // ShutdownInProgress, InterruptedAtShutdown, InterruptedDueToReplStateChange
        91 | 11600 | 11602 => Meaning::Interrupted,
        // Unauthorized, AuthenticationFailed
        13 | 18 => Meaning::LoginRefused,
        // FailedToParse repeats what it could not read.
        9 => Meaning::Syntax,
        _ => Meaning::Statement,
    }
}

/// The code of an error's cause, where it has one.
trait SourceCode {
    fn source_code(&self) -> Option<i32>;
}

impl SourceCode for Error {
    fn source_code(&self) -> Option<i32> {
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<Error>()
                && let ErrorKind::Command(e) = &*error.kind
            {
                return Some(e.code);
            }
            cause = error.source();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_keeps_the_order_of_its_keys() {
        let text = r#"{"updateUser": "x", "roles": [], "mechanisms": []}"#;
        let read = command(text).unwrap();
        let keys: Vec<&str> = read.keys().map(String::as_str).collect();
        assert_eq!(keys, ["updateUser", "roles", "mechanisms"]);
    }

    #[test]
    fn an_operation_is_a_session_unless_it_is_the_server_s_or_our_own() {
        let read = |json: &str| session(&command(json).unwrap());
        let found = read(
            r#"{"desc": "conn12", "client": "172.17.0.1:5100", "appName": "mongosh", "active": true,
                "effectiveUsers": [{"user": "assays", "db": "assays"}], "opid": 4711, "connectionId": 12,
                "ns": "assays.kept", "secs_running": 3, "op": "query"}"#,
        );
        let text = |text: &str| Some(text.to_owned());
        let expected = Session {
            id: "4711".to_owned(),
            user: text("assays"),
            database: text("assays"),
            client: text("172.17.0.1:5100"),
            program: text("mongosh"),
            state: text("active"),
            seconds: Some(3),
            statement: text("query"),
        };
        assert_eq!(found, Some(expected));
        let idle =
            read(r#"{"client": "[::1]:5", "active": false, "connectionId": 12, "op": "none"}"#);
        let idle = idle.unwrap();
        assert_eq!(
            (idle.id.as_str(), idle.state.as_deref()),
            ("12", Some("idle"))
        );
        assert_eq!(idle.statement, None);
        for other in [
            r#"{"desc": "Checkpointer", "active": true, "opid": 3}"#,
            r#"{"client": "172.17.0.1:5", "appName": "db4sci", "opid": 4}"#,
            "{}",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn codes_get_their_meaning() {
        for (code, expected) in [
            (91, Meaning::Interrupted),
            (18, Meaning::LoginRefused),
            (51003, Meaning::Statement),
        ] {
            assert_eq!(by_code(code), expected, "{code}");
        }
    }

    #[test]
    fn the_cause_is_what_stands_last() {
        let long = "Server selection timeout: No available servers. Topology: { Type: Single, \
                    Servers: [ { Address: 127.0.0.1:1, Error: Kind: I/O error: Connection refused \
                    } ] }";
        assert_eq!(tail(long), "Connection refused");
        assert_eq!(tail("plain"), "plain");
    }
}
