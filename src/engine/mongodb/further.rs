//! Users of MongoDB besides the account.

use serde_json::{Value, json};

use crate::model::account::Rights;
use crate::model::server::Statement;
use crate::model::{Database, Secret};

use super::{ADMIN, command};

pub(in crate::engine) fn make(
    db: &Database,
    user: &str,
    rights: Rights,
    password: &Secret,
) -> Vec<Statement> {
    let roles: &[&str] = match rights {
        Rights::ReadOnly => &["readAnyDatabase"],
        Rights::ReadWrite => &["readWriteAnyDatabase"],
        Rights::Admin => &[
            "readWriteAnyDatabase",
            "dbAdminAnyDatabase",
            "userAdminAnyDatabase",
            "clusterMonitor",
        ],
    };
    let roles: Vec<Value> = roles
        .iter()
        .map(|role| json!({"role": role, "db": ADMIN}))
        .collect();
    let give = |purpose, verb: &str, done_code| {
        let parts = [
            (verb, json!(user)),
            ("pwd", json!(password.expose())),
            ("roles", json!(roles)),
            ("mechanisms", json!(["SCRAM-SHA-256"])),
        ];
        statement(db, purpose, &parts, done_code)
    };
    vec![
        // 51003: the user exists.
        give("create the account", "createUser", Some("51003")),
        give(
            "set the account's password and its rights",
            "updateUser",
            None,
        ),
    ]
}

/// Connections of a user that is gone stay open, and may do nothing any more.
pub(in crate::engine) fn remove(db: &Database, user: &str) -> Vec<Statement> {
    // 11: there is no such user.
    let parts = [("dropUser", json!(user))];
    vec![statement(db, "remove the account", &parts, Some("11"))]
}

fn statement(
    db: &Database,
    purpose: &'static str,
    parts: &[(&str, Value)],
    done_code: Option<&'static str>,
) -> Statement {
    Statement {
        purpose,
        database: db.database.clone(),
        text: Secret::new(command(parts)),
        done_code,
    }
}
