//! A server to talk to over its own protocol.

use std::fmt;

use super::{Secret, Uid};

/// The wire protocol of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// PostgreSQL's.
    Postgres,
    /// MySQL's, which MariaDB speaks.
    MySql,
}

/// One server and the login db4sci uses there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Whose server it is; kept connections are kept by it.
    pub uid: Uid,
    /// How to talk.
    pub protocol: Protocol,
    /// Address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Login name.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// Database to open.
    pub database: String,
}

/// One statement to carry out. Its text may hold a password, so `Debug` shows only what it is for.
#[derive(Clone, PartialEq, Eq)]
pub struct Statement {
    /// What it is for, for messages.
    pub purpose: &'static str,
    /// The database to run it in.
    pub database: String,
    /// The text.
    pub text: Secret,
    /// The server's error code that means: this was done before (`42P04`).
    pub done_code: Option<&'static str>,
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Statement({} in {})", self.purpose, self.database)
    }
}

/// What a server answered to the probe's one query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its version: `17.5`.
    pub version: String,
    /// Connections of clients, the probe's own apart.
    pub connections: u32,
    /// Whether the user's account exists.
    pub account: bool,
}
