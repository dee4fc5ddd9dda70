//! Roles of PostgreSQL: the user's account with what its role may do, and passwords.

use crate::model::database::AccountRole;
use crate::model::server::Statement;
use crate::model::{Database, Secret};

use super::{identifier, literal};

/// Sets off what logs a part of all statements, and of all transactions. Asked of the server's own list:
/// before 13, and before 12, it does not know them. Whether a transaction is logged is decided when it
/// begins: it has to come before.
pub(in crate::engine) const SAMPLE_NOTHING: &str = "select pg_catalog.set_config(name, '0', false) \
    from pg_catalog.pg_settings where name operator(pg_catalog.=) \
    any ('{log_statement_sample_rate,log_transaction_sample_rate}')";

/// What keeps the texts that follow in the same session out of the server's log, whatever its
/// settings are: they hold a password.
pub(in crate::engine) const QUIET: [&str; 6] = [
    SAMPLE_NOTHING,
    "set log_statement = 'none'",
    "set log_min_duration_statement = -1",
    "set log_duration = off",
    "set log_min_error_statement = 'panic'",
    "set password_encryption = 'scram-sha-256'",
];

/// Makes account and database, and gives the account what its role says.
pub(super) fn create(db: &Database, password: &Secret) -> Vec<Statement> {
    let user = identifier(&db.account.user);
    let database = identifier(&db.database);
    let rights = match db.account.role {
        AccountRole::Admin => "createdb createrole",
        AccountRole::Owner | AccountRole::ReadOnly => "nocreatedb nocreaterole",
    };
    let mut all = quiet();
    all.extend([
        // 42710: the role exists. 42P04: the database exists.
        server(
            "create the account",
            format!("create role {user} login"),
            Some("42710"),
        ),
        server(
            "set the account's password",
            format!(
                "alter role {user} with login nosuperuser {rights} password {}",
                literal(password.expose())
            ),
            None,
        ),
        server(
            "create the database",
            format!("create database {database}"),
            Some("42P04"),
        ),
        server(
            "close the database to others",
            format!("revoke all on database {database} from public"),
            None,
        ),
    ]);
    match db.account.role {
        AccountRole::Admin | AccountRole::Owner => all.push(server(
            "give the database to the account",
            format!("alter database {database} owner to {user}"),
            None,
        )),
        AccountRole::ReadOnly => {
            all.push(server(
                "let the account connect",
                format!("grant connect on database {database} to {user}"),
                None,
            ));
            let reads = [
                // Up to PostgreSQL 14, everybody may make tables there.
                "revoke create on schema public from public".to_owned(),
                format!("grant usage on schema public to {user}"),
                format!("grant select on all tables in schema public to {user}"),
                format!("grant select on all sequences in schema public to {user}"),
                format!(
                    "alter default privileges in schema public grant select on tables to {user}"
                ),
            ];
            all.extend(reads.map(|text| Statement {
                purpose: "let the account read, and no more",
                database: db.database.clone(),
                text: Secret::new(text),
                done_code: None,
            }));
        }
    }
    all
}

/// Gives a role another password. Sessions that are open go on.
pub(super) fn password(role: &str, password: &Secret) -> Vec<Statement> {
    let mut all = quiet();
    let (role, password) = (identifier(role), literal(password.expose()));
    let text = format!("alter role {role} password {password}");
    all.push(server("change the password", text, None));
    all
}

pub(super) fn quiet() -> Vec<Statement> {
    let keep = |text: &str| server("keep the log quiet", text.to_owned(), None);
    QUIET.map(keep).to_vec()
}

pub(super) fn server(
    purpose: &'static str,
    text: String,
    done_code: Option<&'static str>,
) -> Statement {
    Statement {
        purpose,
        database: "postgres".to_owned(),
        text: Secret::new(text),
        done_code,
    }
}
