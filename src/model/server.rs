//! A server to talk to over its own protocol.

use std::collections::BTreeSet;
use std::fmt;

use super::{Secret, Uid};

/// The wire protocol of an engine, and with it what a probe's question and a statement are.
///
/// The question's answer has three parts: the server's version, the connections of clients, and
/// whether the account exists; and a fourth where further accounts are asked about: those that exist.
/// PostgreSQL's may have a fifth: the databases whose text is sorted otherwise by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// PostgreSQL's. The question is one query with a column for each part: text, bigint, boolean, and
    /// text with a comma between names; the fifth is an array of JSON. Both may be null.
    Postgres,
    /// MySQL's, which MariaDB speaks. As PostgreSQL's; the truth value is 0 or 1.
    MySql,
    /// MongoDB's. A statement is a command, as JSON. The question is one or more, a line each, asked
    /// of `admin`; of their answers `version`, `connections.current` and `users` are looked at: the first
    /// list of users is the account, the second one the further accounts.
    MongoDb,
    /// Neo4j's. The question is a line for each part in their order: database, tab,
    /// query, whose one row has the column `answer`.
    Bolt,
}

/// Whether a PostgreSQL that says `insufficient_privilege` means its own files, whose modes somebody changed
/// or whose disk is read-only now, and not a right that a login lacks (`errcode_for_file_access`). Its words
/// then say what it could not do with the file; of rights it says that they are denied.
pub fn means_its_files(words: &str) -> bool {
    words.starts_with("could not ")
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
    /// Database to open; of MongoDB, the one that holds the login.
    pub database: String,
    /// Whether the server lets nobody in without TLS; its certificate is verified then.
    pub tls: bool,
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
    pub connections: Option<u32>,
    /// Whether the user's account exists.
    pub account: bool,
    /// Which of the further accounts that were asked about exist.
    pub further: BTreeSet<String>,
    /// Databases whose text the server's library sorts otherwise than the one they were made with.
    pub resorted: BTreeSet<String>,
}
