//! Accounts of a server besides the database's own: how they are made, and how they go.

use crate::model::account::Rights;
use crate::model::database::Account;
use crate::model::server::Statement;
use crate::model::{Database, EngineKind, Secret};

use super::{mariadb, mongodb, neo4j, postgres, recipe};

/// Whether a server can have an account of this name that may do this and no more. The error says what
/// is wrong and what to do.
pub fn check(db: &Database, user: &str, rights: Rights) -> Result<(), String> {
    recipe(db.engine).check_user(user)?;
    match (db.engine, rights) {
        (EngineKind::Neo4j, Rights::ReadOnly | Rights::ReadWrite) => Err(format!(
            "Neo4j Community has no roles: each account may do everything, and {rights} would be a promise \
             that nobody keeps; add it with `--role Admin`, or keep who may only read away from the server"
        )),
        (EngineKind::Neo4j, Rights::Admin)
        | (EngineKind::Postgres | EngineKind::MariaDB | EngineKind::MongoDB, _) => Ok(()),
    }
}

/// What makes an account, or gives one that is there this password and exactly these rights; may be
/// repeated.
pub fn make(db: &Database, user: &str, rights: Rights, password: &Secret) -> Vec<Statement> {
    match db.engine {
        EngineKind::Postgres => postgres::further::make(db, user, rights, password),
        EngineKind::MariaDB => mariadb::further::make(db, user, rights, password),
        EngineKind::MongoDB => mongodb::further::make(db, user, rights, password),
        EngineKind::Neo4j => neo4j::further::make(user, password),
    }
}

/// What takes an account away: it cannot log in any more, then its sessions end, then it is gone. May be
/// repeated.
pub fn remove(db: &Database, user: &str) -> Vec<Statement> {
    match db.engine {
        EngineKind::Postgres => postgres::further::remove(db, user),
        EngineKind::MariaDB => mariadb::further::remove(user),
        EngineKind::MongoDB => mongodb::further::remove(db, user),
        EngineKind::Neo4j => neo4j::further::remove(db, user),
    }
}

/// The database as another account of it sees it: for logins and clients.
pub fn seen_by(db: &Database, user: &str) -> Database {
    Database {
        account: Account {
            user: user.to_owned(),
            ..db.account.clone()
        },
        ..db.clone()
    }
}

#[cfg(test)]
mod tests;
