//! From the drivers' errors to ours.

use std::io::ErrorKind;

use rustix::io::Errno;
use sqlx::mysql::MySqlDatabaseError;

use super::{bolt, mongodb};
use crate::model::server::means_its_files;
use crate::runtime::ServerError;

/// What went wrong, before it is known what the statement was for.
#[derive(Debug)]
pub(super) enum WireError {
    /// PostgreSQL's or MySQL's protocol.
    Sql(sqlx::Error),
    /// PostgreSQL's, before the first statement.
    Login(sqlx::Error),
    /// MongoDB's.
    Mongo(::mongodb::error::Error),
    /// Neo4j's. Its driver's errors are large.
    Bolt(Box<neo4rs::Error>),
    /// The connection, before any protocol.
    Io(std::io::Error),
    /// Our words and the server's do not fit.
    Strange(&'static str),
}

impl From<sqlx::Error> for WireError {
    fn from(error: sqlx::Error) -> Self {
        WireError::Sql(error)
    }
}

impl From<::mongodb::error::Error> for WireError {
    fn from(error: ::mongodb::error::Error) -> Self {
        WireError::Mongo(error)
    }
}

impl From<neo4rs::Error> for WireError {
    fn from(error: neo4rs::Error) -> Self {
        WireError::Bolt(Box::new(error))
    }
}

impl From<std::io::Error> for WireError {
    fn from(error: std::io::Error) -> Self {
        WireError::Io(error)
    }
}

/// What a server or driver said.
pub(super) struct Told {
    pub(super) meaning: Meaning,
    /// The server's code; empty where there is none.
    pub(super) code: String,
    pub(super) words: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nobody listens, or the connection ended.
    Unreachable,
    /// This side has nothing to ask it with.
    NotAsked,
    /// It lives: it comes up, recovers, or is full.
    NotReady,
    /// It ends, or broke off what was asked of it.
    Interrupted,
    LoginRefused,
    /// The server cannot read its own files.
    Damaged,
    /// The server repeats the statement's text.
    Syntax,
    Statement,
}

impl WireError {
    fn told(&self) -> Told {
        let told = self.told_by_driver();
        // rustls' words. No restart would mend that: it is as a login that is refused.
        if told.words.contains("invalid peer certificate") {
            return Told::new(Meaning::LoginRefused, &told.words);
        }
        // A driver that tried for a while gives the last cause in its own words.
        if told.meaning == Meaning::Unreachable && lacks(&told.words) {
            return Told::new(Meaning::NotAsked, &told.words);
        }
        told
    }

    fn told_by_driver(&self) -> Told {
        match self {
            WireError::Sql(error) => told_by_sql(error),
            WireError::Login(error) => told_at_login(error),
            WireError::Mongo(error) => mongodb::told(error),
            WireError::Bolt(error) => bolt::told(error),
            WireError::Io(error) => Told::of_io(error),
            WireError::Strange(words) => Told::new(Meaning::Statement, words),
        }
    }

    /// Whether the connection itself ended, as it does when a server restarts.
    pub(super) fn is_lost_connection(&self) -> bool {
        matches!(
            self.told().meaning,
            Meaning::Unreachable | Meaning::NotReady | Meaning::Interrupted
        )
    }

    /// Whether the server says by this code that the statement's work was done before.
    pub(super) fn is_done(&self, done_code: Option<&str>) -> bool {
        done_code.is_some_and(|done| self.told().code == done)
    }

    /// The error of a statement with this purpose.
    pub(super) fn of(self, purpose: &'static str) -> ServerError {
        self.told().of(purpose)
    }
}

impl Told {
    pub(super) fn new(meaning: Meaning, words: &str) -> Self {
        Told {
            meaning,
            code: String::new(),
            words: words.to_owned(),
        }
    }

    pub(super) fn of_io(error: &std::io::Error) -> Self {
        Told::new(Meaning::Unreachable, &io_words(error))
    }

    fn of(self, purpose: &'static str) -> ServerError {
        let Told {
            meaning,
            code,
            words,
        } = self;
        let words = if code.is_empty() {
            words
        } else {
            format!("{words} ({code})")
        };
        match meaning {
            Meaning::Unreachable => ServerError::Unreachable(words),
            Meaning::NotAsked => ServerError::NotAsked(words),
            Meaning::NotReady => ServerError::NotReady(words),
            Meaning::Interrupted => ServerError::Interrupted(words),
            Meaning::LoginRefused => ServerError::LoginRefused(words),
            Meaning::Damaged => ServerError::Damaged(words),
            // "near 'IDENTIFIED BY …": the server's words would show the password.
            Meaning::Syntax => ServerError::Statement {
                purpose,
                message: format!("syntax error ({code}); the server's words are left out"),
            },
            Meaning::Statement => ServerError::Statement {
                purpose,
                message: words,
            },
        }
    }
}

fn told_by_sql(error: &sqlx::Error) -> Told {
    match error {
        sqlx::Error::Io(e) => Told::of_io(e),
        sqlx::Error::Protocol(words) => Told::new(Meaning::Unreachable, words),
        sqlx::Error::WorkerCrashed => Told::new(Meaning::Unreachable, &error.to_string()),
        sqlx::Error::Database(e) => {
            let state = e.code().unwrap_or_default().into_owned();
            let words = e.message().to_owned();
            let number = e
                .try_downcast_ref::<MySqlDatabaseError>()
                .map(|e| e.number());
            Told {
                meaning: number.map_or_else(|| by_state(&state, &words), by_number),
                code: number.map_or(state, |n| n.to_string()),
                words,
            }
        }
        // Configuration, decoding and the like: our query does not fit this server.
        other => Told::new(Meaning::Statement, &other.to_string()),
    }
}

/// A login asks nothing of PostgreSQL but to read the database's own files: its version, the map of its
/// catalog. What it finds wrong there has no code of its own (`ValidatePgVersion`, `read_relmap_file`).
fn told_at_login(error: &sqlx::Error) -> Told {
    let told = told_by_sql(error);
    match told.code.as_str() {
        // invalid_parameter_value (of parameters, db4sci sends only such as every server takes); internal_error
        "22023" | "XX000" => Told {
            meaning: Meaning::Damaged,
            ..told
        },
        _ => told,
    }
}

/// PostgreSQL's SQLSTATE.
fn by_state(code: &str, words: &str) -> Meaning {
    match code {
        "42501" if means_its_files(words) => Meaning::Damaged,
        // cannot_connect_now, of a server that comes up as of one that goes down
        "57P03" if words.contains("shutting down") => Meaning::Interrupted,
        // The last: too many connections.
        "57P03" | "53300" => Meaning::NotReady,
        // admin, crash and database shutdown
        "57P01" | "57P02" | "57P04" => Meaning::Interrupted,
        // The last: insufficient_privilege. What the privileged login may not do, it was deprived of.
        "28P01" | "28000" | "42501" => Meaning::LoginRefused,
        // data_corrupted, index_corrupted; undefined_file, io_error
        "XX001" | "XX002" | "58P01" | "58030" => Meaning::Damaged,
        "42601" => Meaning::Syntax,
        _ => Meaning::Statement,
    }
}

/// MySQL's error number.
fn by_number(number: u16) -> Meaning {
    match number {
        // too many connections
        1040 => Meaning::NotReady,
        // shutting down; killed
        1053 | 1927 => Meaning::Interrupted,
        // access denied: to the server, to the database, without a password; host not allowed
        1045 | 1044 | 1698 | 1130 => Meaning::LoginRefused,
        1064 => Meaning::Syntax,
        _ => Meaning::Statement,
    }
}

/// Whether an error of the system is a lack on this side, by how `std` ends its words.
fn lacks(words: &str) -> bool {
    let lacks = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::ADDRNOTAVAIL,
        Errno::NOMEM,
    ];
    lacks
        .iter()
        .any(|errno| words.contains(&format!("(os error {})", errno.raw_os_error())))
}

fn io_words(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        // Docker's proxy accepts for a server that does not listen yet, and hangs up.
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            "the connection was closed".to_owned()
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_get_their_meaning() {
        for (code, expected) in [
            ("57P03", Meaning::NotReady),
            ("53300", Meaning::NotReady),
            ("57P01", Meaning::Interrupted),
            ("57P02", Meaning::Interrupted),
            ("28P01", Meaning::LoginRefused),
            ("28000", Meaning::LoginRefused),
            ("42501", Meaning::LoginRefused),
            ("3D000", Meaning::Statement),
            ("XX001", Meaning::Damaged),
            ("42601", Meaning::Syntax),
        ] {
            assert_eq!(by_state(code, ""), expected, "{code}");
        }
        for (words, expected) in [
            ("permission denied for table log", Meaning::LoginRefused),
            (
                "could not open file \"base/16384/1259\": Permission denied",
                Meaning::Damaged,
            ),
            (
                "could not access directory \"base/16384\": Permission denied",
                Meaning::Damaged,
            ),
        ] {
            assert_eq!(by_state("42501", words), expected, "{words}");
        }
        for (words, expected) in [
            ("the database system is starting up", Meaning::NotReady),
            ("the database system is in recovery mode", Meaning::NotReady),
            ("the database system is shutting down", Meaning::Interrupted),
        ] {
            assert_eq!(by_state("57P03", words), expected, "{words}");
        }
        for (number, expected) in [
            (1045, Meaning::LoginRefused),
            (1040, Meaning::NotReady),
            (1053, Meaning::Interrupted),
            (1064, Meaning::Syntax),
            (1049, Meaning::Statement),
        ] {
            assert_eq!(by_number(number), expected, "{number}");
        }
    }

    /// What PostgreSQL says; the drivers' errors cannot be made by hand.
    #[derive(Debug)]
    struct Says(&'static str);

    impl std::fmt::Display for Says {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("\"base/5\" is not a valid data directory")
        }
    }

    impl std::error::Error for Says {}

    impl sqlx::error::DatabaseError for Says {
        fn message(&self) -> &str {
            "\"base/5\" is not a valid data directory"
        }
        fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
            Some(self.0.into())
        }
        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }
        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }
        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }
        fn kind(&self) -> sqlx::error::ErrorKind {
            sqlx::error::ErrorKind::Other
        }
    }

    #[test]
    fn a_login_that_ends_in_the_servers_own_files_tells_of_damage_and_a_statement_does_not() {
        for (code, at_login, later) in [
            ("22023", Meaning::Damaged, Meaning::Statement),
            ("XX000", Meaning::Damaged, Meaning::Statement),
            ("28P01", Meaning::LoginRefused, Meaning::LoginRefused),
            ("57P03", Meaning::NotReady, Meaning::NotReady),
        ] {
            let said = || sqlx::Error::Database(Box::new(Says(code)));
            let meanings = [WireError::Login(said()), WireError::Sql(said())];
            let meanings = meanings.map(|error| error.told().meaning);
            assert_eq!(meanings, [at_login, later], "{code}");
        }
    }

    #[test]
    fn a_syntax_error_does_not_repeat_the_statement() {
        let told = Told::new(Meaning::Syntax, "near 'IDENTIFIED BY 'hunter2''");
        let error = told.of("account").to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn what_this_side_lacks_is_no_word_about_the_server() {
        for errno in [
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOBUFS,
            Errno::ADDRNOTAVAIL,
            Errno::NOMEM,
        ] {
            let lacks = || std::io::Error::from(errno);
            let mongo = || ::mongodb::error::Error::from(lacks());
            assert!(super::lacks(&format!("no server available: {}", lacks())));
            let errors = [
                WireError::Sql(sqlx::Error::Io(lacks())),
                WireError::Login(sqlx::Error::Io(lacks())),
                WireError::from(neo4rs::Error::IOError { detail: lacks() }),
                WireError::from(mongo()),
                WireError::from(lacks()),
            ];
            for error in errors {
                assert!(!error.is_lost_connection());
                let error = error.of("probe");
                assert!(matches!(error, ServerError::NotAsked(_)), "{error:?}");
            }
        }
    }

    #[test]
    fn a_proxy_that_hangs_up_is_a_server_that_does_not_answer() {
        let closed = || std::io::Error::from(ErrorKind::UnexpectedEof);
        let errors = [
            WireError::Sql(sqlx::Error::Io(closed())),
            WireError::from(neo4rs::Error::IOError { detail: closed() }),
            WireError::from(closed()),
        ];
        for error in errors {
            assert!(error.is_lost_connection());
            let error = error.of("probe");
            assert!(matches!(error, ServerError::Unreachable(_)), "{error:?}");
        }
    }
}
