//! From the drivers' errors to ours.

use std::io::ErrorKind;

use sqlx::mysql::MySqlDatabaseError;

use crate::runtime::ServerError;

/// What went wrong, before it is known what the statement was for.
pub(super) struct SqlError(sqlx::Error);

impl From<sqlx::Error> for SqlError {
    fn from(error: sqlx::Error) -> Self {
        SqlError(error)
    }
}

impl SqlError {
    /// Whether the connection itself ended, as it does when a server restarts.
    pub(super) fn is_lost_connection(&self) -> bool {
        match &self.0 {
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(e) => {
                let code = e.code().unwrap_or_default();
                matches!(by_state(&code), Meaning::NotReady)
            }
            _ => false,
        }
    }

    /// Whether the server says by this code that the statement's work was done before.
    pub(super) fn is_done(&self, done_code: Option<&str>) -> bool {
        match (&self.0, done_code) {
            (sqlx::Error::Database(e), Some(done)) => e.code().is_some_and(|code| code == done),
            _ => false,
        }
    }

    /// The error of a statement with this purpose.
    pub(super) fn of(self, purpose: &'static str) -> ServerError {
        match self.0 {
            sqlx::Error::Io(e) => ServerError::Unreachable(io_words(&e)),
            sqlx::Error::Protocol(words) => ServerError::Unreachable(words),
            sqlx::Error::Database(e) => {
                let code = e.code().unwrap_or_default().into_owned();
                let number = e
                    .try_downcast_ref::<MySqlDatabaseError>()
                    .map(|e| e.number());
                let meaning = number.map_or_else(|| by_state(&code), by_number);
                let number = number.map(|n| n.to_string());
                database_error(
                    purpose,
                    meaning,
                    number.as_ref().unwrap_or(&code),
                    e.message(),
                )
            }
            // Configuration, decoding and the like: our query does not fit this server.
            other => ServerError::Statement {
                purpose,
                message: other.to_string(),
            },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    NotReady,
    LoginRefused,
    /// The server repeats the statement's text.
    Syntax,
    Statement,
}

/// PostgreSQL's SQLSTATE.
fn by_state(code: &str) -> Meaning {
    match code {
        // cannot_connect_now; admin, crash and database shutdown; too many connections
        "57P03" | "57P01" | "57P02" | "57P04" | "53300" => Meaning::NotReady,
        "28P01" | "28000" => Meaning::LoginRefused,
        "42601" => Meaning::Syntax,
        _ => Meaning::Statement,
    }
}

/// MySQL's error number.
fn by_number(number: u16) -> Meaning {
    match number {
        // too many connections; shutting down; killed
        1040 | 1053 | 1927 => Meaning::NotReady,
        // access denied: to the server, to the database, without a password; host not allowed
        1045 | 1044 | 1698 | 1130 => Meaning::LoginRefused,
        1064 => Meaning::Syntax,
        _ => Meaning::Statement,
    }
}

fn database_error(
    purpose: &'static str,
    meaning: Meaning,
    code: &str,
    message: &str,
) -> ServerError {
    let words = format!("{message} ({code})");
    match meaning {
        Meaning::NotReady => ServerError::NotReady(words),
        Meaning::LoginRefused => ServerError::LoginRefused(words),
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
            ("57P01", Meaning::NotReady),
            ("28P01", Meaning::LoginRefused),
            ("28000", Meaning::LoginRefused),
            ("3D000", Meaning::Statement),
            ("42601", Meaning::Syntax),
        ] {
            assert_eq!(by_state(code), expected, "{code}");
        }
        for (number, expected) in [
            (1045, Meaning::LoginRefused),
            (1053, Meaning::NotReady),
            (1064, Meaning::Syntax),
            (1049, Meaning::Statement),
        ] {
            assert_eq!(by_number(number), expected, "{number}");
        }
    }

    #[test]
    fn a_syntax_error_does_not_repeat_the_statement() {
        let error = database_error(
            "account",
            Meaning::Syntax,
            "1064",
            "near 'IDENTIFIED BY 'hunter2''",
        );
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn a_proxy_that_hangs_up_is_a_server_that_does_not_answer() {
        let error = SqlError(sqlx::Error::Io(ErrorKind::UnexpectedEof.into())).of("probe");
        assert!(matches!(error, ServerError::Unreachable(_)), "{error:?}");
    }
}
