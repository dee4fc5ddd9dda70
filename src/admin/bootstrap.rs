//! What has to be there before the tables: roles and the database, made as the superuser.
//!
//! Safe to repeat, and repeated whenever the daemon's login or its rights are refused: a `mydb_admin`
//! that was made again, whose role lost its password, or whose bootstrap was cut off, is right
//! afterwards.

use std::future::Future;
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::quote::{identifier, literal};
use super::tables::{Access, DAEMON_ROLE, PEOPLE_ROLE, TablesError, TablesHarm};
use crate::model::names::MYDB_ADMIN;

const WHAT: &str = "bootstrap";

/// What PostgreSQL says of a role or a database that is there, and of one that came in the same moment.
const THERE: [&str; 3] = ["42710", "42P04", "23505"];

/// Sets off what logs a part of all statements, and of all transactions, where the server knows it.
const SAMPLE_NOTHING: &str = "select pg_catalog.set_config(name, '0', false) \
    from pg_catalog.pg_settings where name operator(pg_catalog.=) \
    any ('{log_statement_sample_rate,log_transaction_sample_rate}')";

/// Longest time for all of it.
const DEADLINE: Duration = Duration::from_secs(60);

/// Makes the role `db4sci` with its password, the group role `db4sci_people`, and the database
/// `mydb_admin` that the former owns; leaves alone what is there and right.
///
/// # Errors
/// See [`TablesError`]. What was done before an error stays.
pub async fn bootstrap(access: &Access) -> Result<(), TablesError> {
    in_time(async {
        let mut server = access.as_superuser("postgres").await?;
        make_roles(&mut server, access).await?;
        make_database(&mut server).await?;
        close(server).await;
        let mut database = match access.as_superuser(MYDB_ADMIN).await {
            // It was made, or found, a moment ago.
            Err(TablesError::Login { source, .. }) => {
                let why = format!("its database is listed and cannot be opened: {source}");
                return Err(TablesHarm::Damaged(why).into());
            }
            opened => opened?,
        };
        set_privileges(&mut database).await?;
        close(database).await;
        Ok(())
    })
    .await
}

/// Lets a login read the tables and edit `state`. The login exists already.
///
/// # Errors
/// See [`TablesError`]; also when there is no such login.
pub async fn admit_person(access: &Access, user: &str) -> Result<(), TablesError> {
    in_time(async {
        let mut server = access.as_superuser("postgres").await?;
        let grant = format!(
            "grant {} to {}",
            identifier(PEOPLE_ROLE)?,
            identifier(user)?
        );
        run(&mut server, grant).await?;
        close(server).await;
        Ok(())
    })
    .await
}

async fn make_roles(server: &mut PgConnection, access: &Access) -> Result<(), TablesError> {
    let daemon = identifier(DAEMON_ROLE)?;
    let people = identifier(PEOPLE_ROLE)?;
    if !exists(
        server,
        "select 1 from pg_roles where rolname = $1",
        DAEMON_ROLE,
    )
    .await?
    {
        make(server, format!("create role {daemon}")).await?;
    }
    if !exists(
        server,
        "select 1 from pg_roles where rolname = $1",
        PEOPLE_ROLE,
    )
    .await?
    {
        make(server, format!("create role {people} nologin")).await?;
    }
    let password = literal(access.password.expose())?;
    // The text of this one statement holds a password: the server must write it to no log, also
    // not when it fails. The settings end with the transaction, but for the first, which has to be there
    // when it begins, and ends with the session.
    run(server, SAMPLE_NOTHING.to_owned()).await?;
    let mut tx = server.begin().await.map_err(sql)?;
    for quiet in [
        "set local log_statement = 'none'",
        "set local log_min_duration_statement = -1",
        "set local log_duration = off",
        "set local log_min_error_statement = 'panic'",
        "set local password_encryption = 'scram-sha-256'",
    ] {
        tx.execute(quiet).await.map_err(sql)?;
    }
    let alter = format!(
        "alter role {daemon} login nosuperuser nocreatedb nocreaterole noreplication \
         nobypassrls password {password}"
    );
    run(&mut tx, alter).await?;
    tx.commit().await.map_err(sql)
}

async fn make_database(server: &mut PgConnection) -> Result<(), TablesError> {
    let (database, daemon) = (identifier(MYDB_ADMIN)?, identifier(DAEMON_ROLE)?);
    let there = "select 1 from pg_database where datname = $1";
    if !exists(server, there, MYDB_ADMIN).await? {
        make(server, format!("create database {database} owner {daemon}")).await?;
    }
    let people = identifier(PEOPLE_ROLE)?;
    for statement in [
        format!("alter database {database} owner to {daemon}"),
        format!("revoke all on database {database} from public"),
        format!("grant connect on database {database} to {people}"),
    ] {
        run(server, statement).await?;
    }
    Ok(())
}

/// Before PostgreSQL 15 everybody may create things in `public`; there, and on a database made by
/// somebody else, the schema has to be handed over.
async fn set_privileges(database: &mut PgConnection) -> Result<(), TablesError> {
    let (daemon, people) = (identifier(DAEMON_ROLE)?, identifier(PEOPLE_ROLE)?);
    for statement in [
        format!("create schema if not exists {daemon} authorization {daemon}"),
        format!("alter schema {daemon} owner to {daemon}"),
        format!("alter schema public owner to {daemon}"),
        "revoke all on schema public from public".to_owned(),
        format!("grant usage on schema public to {people}"),
    ] {
        run(database, statement).await?;
    }
    Ok(())
}

async fn exists(
    conn: &mut PgConnection,
    question: &'static str,
    name: &str,
) -> Result<bool, TablesError> {
    sqlx::query(question)
        .bind(name)
        .fetch_optional(conn)
        .await
        .map(|row| row.is_some())
        .map_err(sql)
}

/// Runs one statement that makes something. The step that makes the account of `mydb_admin` makes its
/// database, too, and may come first.
async fn make(conn: &mut PgConnection, statement: String) -> Result<(), TablesError> {
    match conn.execute(AssertSqlSafe(statement)).await {
        Err(sqlx::Error::Database(error))
            if error.code().is_some_and(|c| THERE.contains(&c.as_ref())) =>
        {
            Ok(())
        }
        made => made.map(drop).map_err(sql),
    }
}

/// Runs one statement made of quoted parts; its text goes into no error.
async fn run(conn: &mut PgConnection, statement: String) -> Result<(), TablesError> {
    conn.execute(AssertSqlSafe(statement))
        .await
        .map(|_| ())
        .map_err(sql)
}

fn sql(error: sqlx::Error) -> TablesError {
    TablesError::server(WHAT, error)
}

async fn close(conn: PgConnection) {
    // A courtesy; the server notices by itself otherwise.
    let _ = conn.close().await;
}

async fn in_time(work: impl Future<Output = Result<(), TablesError>>) -> Result<(), TablesError> {
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(result) => result,
        Err(_) => Err(TablesError::TimedOut {
            what: WHAT,
            seconds: DEADLINE.as_secs(),
        }),
    }
}
