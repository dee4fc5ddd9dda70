//! The four engines by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A database engine. Only `engine/` and this module may tell the variants apart.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
pub enum EngineKind {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    MariaDB,
    /// MongoDB.
    MongoDB,
    /// Neo4j Community.
    Neo4j,
}

impl EngineKind {
    /// All engines, in the order in which messages list them.
    pub const ALL: [EngineKind; 4] = [
        EngineKind::Postgres,
        EngineKind::MariaDB,
        EngineKind::MongoDB,
        EngineKind::Neo4j,
    ];

    /// The name as specs and the catalog write it; also the folder below `dbconfig/`.
    pub fn as_str(self) -> &'static str {
        match self {
            EngineKind::Postgres => "Postgres",
            EngineKind::MariaDB => "MariaDB",
            EngineKind::MongoDB => "MongoDB",
            EngineKind::Neo4j => "Neo4j",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EngineKind {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        EngineKind::ALL
            .into_iter()
            .find(|k| k.as_str() == s)
            .ok_or_else(|| format!("`{s}` is not an engine"))
    }
}
