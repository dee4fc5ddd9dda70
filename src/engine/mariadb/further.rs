//! Accounts of MariaDB besides the database's own.

use crate::model::account::Rights;
use crate::model::server::Statement;
use crate::model::{Database, Secret};

use super::{ADMIN_RIGHTS, identifier, literal, quiet, statement};

pub(in crate::engine) fn make(
    db: &Database,
    user: &str,
    rights: Rights,
    password: &Secret,
) -> Vec<Statement> {
    let user = account(user);
    // On a database, these stand for any characters.
    let database = db.database.replace('_', "\\_").replace('%', "\\%");
    let database = identifier(&database);
    let grant = match rights {
        Rights::ReadOnly => format!("GRANT SELECT, SHOW VIEW ON {database}.* TO {user}"),
        Rights::ReadWrite => format!(
            "GRANT SELECT, SHOW VIEW, INSERT, UPDATE, DELETE, EXECUTE, CREATE TEMPORARY TABLES, \
             LOCK TABLES ON {database}.* TO {user}"
        ),
        Rights::Admin => format!("GRANT {ADMIN_RIGHTS} ON *.* TO {user} WITH GRANT OPTION"),
    };
    let mut all = quiet();
    all.extend([
        statement(
            "create the account",
            format!("CREATE USER IF NOT EXISTS {user}"),
        ),
        statement(
            "set the account's password",
            format!(
                "ALTER USER {user} IDENTIFIED BY {} ACCOUNT UNLOCK",
                literal(password.expose())
            ),
        ),
        statement(
            "take what rights it had",
            format!("REVOKE ALL PRIVILEGES, GRANT OPTION FROM {user}"),
        ),
        statement("give the account its rights", grant),
    ]);
    all
}

pub(in crate::engine) fn remove(user: &str) -> Vec<Statement> {
    let user = account(user);
    vec![
        statement(
            "keep the account out",
            format!("ALTER USER IF EXISTS {user} ACCOUNT LOCK"),
        ),
        statement("end its sessions", format!("KILL USER {user}")),
        statement("remove the account", format!("DROP USER IF EXISTS {user}")),
    ]
}

fn account(user: &str) -> String {
    format!("{}@'%'", literal(user))
}
