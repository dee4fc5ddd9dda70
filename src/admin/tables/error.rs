//! What can be wrong with the tables.

use sqlx::migrate::MigrateError;

use crate::admin::quote::QuoteError;
use crate::model::Class;
use crate::model::server::means_its_files;

/// The tables are not what the ledger made them. Nothing is applied to them until they were made
/// again, or somebody has looked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TablesHarm {
    /// A table, column or the row that counts is gone.
    #[error("mydb_admin: {0}")]
    Missing(String),
    /// They say more was applied than the journal holds: the journal lost its end, or is another's.
    #[error(
        "mydb_admin holds {tables} entries, the journal only {journal}: the journal is not the one \
         these tables were made from, or has lost its end"
    )]
    Ahead {
        /// Entries in the tables.
        tables: u64,
        /// Entries in the journal.
        journal: u64,
    },
    /// The checksum they hold is not that of the journal's record.
    #[error(
        "mydb_admin was made from another journal: entry {seq} has another checksum in each of them"
    )]
    WrongChain {
        /// The last entry in the tables.
        seq: u64,
    },
    /// The daemon's role may not use what is its own.
    #[error("mydb_admin: {0}")]
    Denied(String),
    /// The server cannot read its own files.
    #[error("mydb_admin: its data is damaged: {0}")]
    Damaged(String),
    /// Rows are not as they were written.
    #[error("mydb_admin: somebody else changed what only db4sci writes: {0}")]
    Altered(String),
    /// A row has the number of an entry that was not applied yet.
    #[error("mydb_admin: somebody else wrote rows that only db4sci writes: {0}")]
    Foreign(String),
    /// A newer program made them.
    #[error(
        "mydb_admin's tables were made by a newer db4sci (step {version} is not known here); \
         nothing was written; install at least the version that ran here last"
    )]
    Newer {
        /// The first step that is not known.
        version: i64,
    },
}

impl TablesHarm {
    /// Whether tables made again from the ledger end it. Where the two disagree about what was
    /// accepted, the ledger may be the one that is harmed.
    pub fn is_mendable(&self) -> bool {
        match self {
            TablesHarm::Missing(_)
            | TablesHarm::Denied(_)
            | TablesHarm::Damaged(_)
            | TablesHarm::Altered(_)
            | TablesHarm::Foreign(_) => true,
            TablesHarm::Ahead { .. } | TablesHarm::WrongChain { .. } | TablesHarm::Newer { .. } => {
                false
            }
        }
    }
}

/// Why the tables could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TablesError {
    /// The server does not answer, or cut the connection.
    #[error("mydb_admin does not answer ({what})")]
    Unreachable {
        /// What was tried.
        what: &'static str,
        /// What was said.
        #[source]
        source: Box<sqlx::Error>,
    },
    /// The server took too long.
    #[error("mydb_admin did not answer within {seconds} s ({what})")]
    TimedOut {
        /// What was tried.
        what: &'static str,
        /// How long was waited.
        seconds: u64,
    },
    /// The login is refused, or the database is not there.
    #[error("mydb_admin refuses the login ({what})")]
    Login {
        /// What was tried.
        what: &'static str,
        /// What was said.
        #[source]
        source: Box<sqlx::Error>,
    },
    /// Another server answers on its port.
    #[error(
        "another server answers on port {port}: it calls its data {found}, and that of mydb_admin is {own}; \
         nothing was written to it; find out whose it is, and free the port"
    )]
    Stranger {
        /// The port of `mydb_admin`.
        port: u16,
        /// What it calls its data.
        found: String,
        /// What `mydb_admin` calls its own.
        own: String,
    },
    /// A step that made the tables could not be done.
    #[error("mydb_admin's tables could not be made")]
    Migrate(#[source] Box<MigrateError>),
    /// They are not what the ledger made them.
    #[error(transparent)]
    Harm(#[from] TablesHarm),
    /// A name cannot be used in SQL.
    #[error(transparent)]
    Name(#[from] QuoteError),
    /// Older tables stand where newer ones stood a moment ago: somebody restored them.
    #[error("mydb_admin was replaced by an older one meanwhile")]
    Replaced,
    /// What is read from them cannot be kept.
    #[error("what mydb_admin holds cannot be written")]
    Io(#[source] std::io::Error),
    /// There is no `mydb_admin` yet.
    #[error("mydb_admin is not there yet")]
    Absent,
    /// Something else the server refused.
    #[error("mydb_admin refuses: {what}")]
    Sql {
        /// What was tried.
        what: &'static str,
        /// What was said.
        #[source]
        source: Box<sqlx::Error>,
    },
}

impl TablesError {
    /// What it asks for.
    pub fn class(&self) -> Class {
        match self {
            TablesError::Unreachable { .. }
            | TablesError::TimedOut { .. }
            | TablesError::Login { .. }
            | TablesError::Absent
            | TablesError::Io(_)
            | TablesError::Replaced
            | TablesError::Stranger { .. }
            | TablesError::Sql { .. } => Class::Transient,
            TablesError::Migrate(_) | TablesError::Harm(_) | TablesError::Name(_) => {
                Class::Permanent
            }
        }
    }

    /// Whether the server went away: a later try may tell more.
    pub(in crate::admin) fn is_lost(&self) -> bool {
        matches!(
            self,
            TablesError::Unreachable { .. } | TablesError::TimedOut { .. }
        )
    }

    /// Whether roles, database and rights have to be made (again).
    pub(in crate::admin) fn asks_for_bootstrap(&self) -> bool {
        matches!(
            self,
            TablesError::Login { .. } | TablesError::Harm(TablesHarm::Denied(_))
        )
    }

    /// Sorts what sqlx says of a login: that reads the database's own files, and what it finds wrong with
    /// them has no code of its own (`ValidatePgVersion`, `read_relmap_file`).
    pub(in crate::admin) fn at_login(error: sqlx::Error) -> Self {
        match code(&error).as_str() {
            // invalid_parameter_value, of which db4sci sends none; internal_error
            "22023" | "XX000" => TablesHarm::Damaged(said(&error)).into(),
            _ => TablesError::sql("connect", error),
        }
    }

    /// Sorts what sqlx says of the tables by what can be done about it.
    pub(in crate::admin) fn sql(what: &'static str, error: sqlx::Error) -> Self {
        if let sqlx::Error::RowNotFound = error {
            return TablesHarm::Missing(format!("{what}: no row")).into();
        }
        match code(&error).as_str() {
            // No such schema, table, column, function.
            "3F000" | "42P01" | "42703" | "42883" => TablesHarm::Missing(said(&error)).into(),
            "42501" if means_its_files(&said(&error)) => TablesHarm::Damaged(said(&error)).into(),
            // No right to what is the daemon's own.
            "42501" => TablesHarm::Denied(said(&error)).into(),
            "23505" => TablesHarm::Foreign(said(&error)).into(),
            // A page or an index that makes no sense; a file that is not there, or that the disk does not give.
            "XX001" | "XX002" | "58P01" | "58030" => TablesHarm::Damaged(said(&error)).into(),
            _ => TablesError::server(what, error),
        }
    }

    /// Sorts what sqlx says of the server, where no table is concerned: nothing of that is harm.
    pub(in crate::admin) fn server(what: &'static str, error: sqlx::Error) -> Self {
        if let sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) = error {
            let source = Box::new(error);
            return TablesError::Unreachable { what, source };
        }
        match code(&error).as_str() {
            // Invalid authorization, invalid password, no such database.
            "28000" | "28P01" | "3D000" => TablesError::Login {
                what,
                source: Box::new(error),
            },
            // Connection trouble; shutting down, starting up, ended by an administrator.
            c if c.starts_with("08") || c.starts_with("57P") => TablesError::Unreachable {
                what,
                source: Box::new(error),
            },
            _ => TablesError::Sql {
                what,
                source: Box::new(error),
            },
        }
    }

    pub(super) fn migrate(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => TablesHarm::Newer { version }.into(),
            MigrateError::Execute(error) => TablesError::sql("make the tables", error),
            MigrateError::ExecuteMigration(error, _)
                if !matches!(error, sqlx::Error::Database(_)) =>
            {
                TablesError::sql("make the tables", error)
            }
            // A table is there already, and nobody knows by whom.
            MigrateError::ExecuteMigration(error, _) if code(&error) == "42P07" => {
                TablesHarm::Missing(format!("the list of steps is gone: {}", said(&error))).into()
            }
            // sqlx's enum is not ours and grows.
            other => TablesError::Migrate(Box::new(other)),
        }
    }
}

/// The server's code for an error of its own.
fn code(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(db) => db.code().map(|c| c.into_owned()).unwrap_or_default(),
        _ => String::new(),
    }
}

/// The server's own words, without the statement.
fn said(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(db) => db.message().to_owned(),
        other => other.to_string(),
    }
}
