//! Users of Neo4j besides the account: without roles, each may do everything.

use crate::model::server::Statement;
use crate::model::{Database, Secret};

use super::{SYSTEM, identifier, literal};

pub(in crate::engine) fn make(user: &str, password: &Secret) -> Vec<Statement> {
    let (user, password) = (identifier(user), literal(password.expose()));
    // In one step: to alter a password to what it is would be refused. Without roles, there is nothing
    // to lose by a replacement, and sessions stay.
    vec![statement(
        "create the account, or set its password",
        SYSTEM,
        format!(
            "CREATE OR REPLACE USER {user} SET PLAINTEXT PASSWORD {password} CHANGE NOT REQUIRED"
        ),
    )]
}

pub(in crate::engine) fn remove(db: &Database, user: &str) -> Vec<Statement> {
    vec![
        statement(
            "remove the account",
            SYSTEM,
            format!("DROP USER {} IF EXISTS", identifier(user)),
        ),
        statement(
            "end its sessions",
            &db.database,
            format!(
                "CALL dbms.listConnections() YIELD connectionId, username WHERE username = {} \
                 WITH collect(connectionId) AS ids \
                 CALL dbms.killConnections(ids) YIELD message RETURN count(message) AS ended",
                literal(user)
            ),
        ),
    ]
}

/// The line that asks which of these users there are.
pub(super) fn question(users: &[&str]) -> String {
    let all: Vec<String> = users.iter().map(|user| literal(user)).collect();
    match all.as_slice() {
        [] => String::new(),
        all => format!(
            "\n{SYSTEM}\tSHOW USERS YIELD user WHERE user IN [{}] RETURN collect(user) AS answer",
            all.join(", ")
        ),
    }
}

fn statement(purpose: &'static str, database: &str, text: String) -> Statement {
    Statement {
        purpose,
        database: database.to_owned(),
        text: Secret::new(text),
        done_code: None,
    }
}
