//! How to reach `mydb_admin`.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions, Connection};

use super::error::TablesError;
use super::in_time;
use crate::model::names::MYDB_ADMIN;
use crate::model::{DataIdentity, Secret};

/// The daemon's own role: owns the tables, and is the one the triggers let through.
pub const DAEMON_ROLE: &str = "db4sci";

/// The group role of people who may read the tables and edit `state`.
pub const PEOPLE_ROLE: &str = "db4sci_people";

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Where `mydb_admin`'s server is, and the two logins for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The image's superuser, used for the bootstrap only.
    pub superuser: String,
    /// Its password.
    pub superuser_password: Secret,
    /// The password of the role `db4sci`; the bootstrap sets it.
    pub password: Secret,
    /// What the server calls its data. One that calls it otherwise is another server on the same port, and
    /// no word is said to it. `None`: that is not known, and whoever answers is taken for it.
    pub identity: Option<DataIdentity>,
}

impl Access {
    /// A connection as the daemon's role.
    pub(in crate::admin) async fn as_daemon(&self) -> Result<PgConnection, TablesError> {
        self.connect(&self.daemon_options()).await
    }

    /// A connection as the superuser to one database of the server.
    pub(in crate::admin) async fn as_superuser(
        &self,
        database: &str,
    ) -> Result<PgConnection, TablesError> {
        let options = self.options(&self.superuser, &self.superuser_password, database);
        self.connect(&options).await
    }

    async fn connect(&self, options: &PgConnectOptions) -> Result<PgConnection, TablesError> {
        let mut conn = connect(options).await?;
        let Some(own) = &self.identity else {
            return Ok(conn);
        };
        const WHAT: &str = "ask whose data it is";
        let asked = sqlx::query_scalar("select system_identifier::text from pg_control_system()");
        let found: String = in_time(WHAT, async {
            let found = asked.fetch_one(&mut conn).await;
            found.map_err(|e| TablesError::sql(WHAT, e))
        })
        .await?;
        if found == own.to_string() {
            return Ok(conn);
        }
        Err(TablesError::Stranger {
            port: self.port,
            found,
            own: own.to_string(),
        })
    }

    pub(super) fn daemon_options(&self) -> PgConnectOptions {
        // The journal is what must survive; tables that lose their last moments are brought up to
        // date from it, so their commits need not wait for the disk.
        self.options(DAEMON_ROLE, &self.password, MYDB_ADMIN)
            .options([("synchronous_commit", "off")])
    }

    fn options(&self, user: &str, password: &Secret, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .username(user)
            .password(password.expose())
            .database(database)
            .ssl_mode(PgSslMode::Prefer)
            .application_name("db4sci")
            // The bootstrap's statements hold a password; sqlx would write them to our own log.
            .disable_statement_logging()
            // A server that hangs ends its own side too, and a lock held by a person is given up on.
            .options([
                ("search_path", "public"),
                ("statement_timeout", "30s"),
                ("lock_timeout", "10s"),
                ("idle_in_transaction_session_timeout", "60s"),
            ])
    }
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, TablesError> {
    tokio::time::timeout(CONNECT, PgConnection::connect_with(options))
        .await
        .map_err(|_| TablesError::TimedOut {
            what: "a connection",
            seconds: CONNECT.as_secs(),
        })?
        .map_err(TablesError::at_login)
}
