//! Which engine a dump is of, where nothing but the names of its files is left.

use super::{mariadb, mongodb, postgres};
use crate::model::EngineKind;

/// What the name of each database's own dump ends with, before what compression and encryption add.
const DUMP: &str = ".dump";

/// The engine whose dump files of these names are, if that can be told. Compression and encryption add
/// to the names.
pub fn engine_of<'a>(files: impl IntoIterator<Item = &'a str> + Clone) -> Option<EngineKind> {
    let has = |part: &str| {
        let part = format!("{part}.");
        files.clone().into_iter().any(|file| file.contains(&part))
    };
    // PostgreSQL's and Neo4j's dumps end alike: only the one has its globals beside them.
    [
        (postgres::GLOBALS, EngineKind::Postgres),
        (mariadb::ALL, EngineKind::MariaDB),
        (mongodb::DATA, EngineKind::MongoDB),
        (DUMP, EngineKind::Neo4j),
    ]
    .into_iter()
    .find_map(|(part, engine)| has(part).then_some(engine))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_told_by_the_files_of_a_dump() {
        let of = |files: &[&str]| engine_of(files.iter().copied());
        let postgres = ["genomics.dump.zst.age", "globals.sql.zst.age", "spec.yaml"];
        assert_eq!(of(&postgres), Some(EngineKind::Postgres));
        assert_eq!(of(&["all.sql.zst.age"]), Some(EngineKind::MariaDB));
        let mongodb = ["accounts.ejson.zst.age", "data.archive.zst.age"];
        assert_eq!(of(&mongodb), Some(EngineKind::MongoDB));
        assert_eq!(of(&["neo4j.dump.zst.age"]), Some(EngineKind::Neo4j));
        assert_eq!(of(&["files.tar.zst.age", "spec.yaml"]), None);
    }
}
