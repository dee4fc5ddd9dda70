//! Which engine a dump is of, where nothing but the names of its files is left.

use super::{files, mariadb, mongodb, postgres};
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

/// Whether the file of this name is an archive of a server's own files.
pub fn is_of_files(file: &str) -> bool {
    file.starts_with(&format!("{}.", files::ALL))
}

/// The engine whose files an archive of them holds, as its first block tells: they have the names that they
/// have in the image, without the first slash.
pub fn engine_of_files(block: &[u8]) -> Option<EngineKind> {
    let end = block.iter().position(|byte| *byte == 0)?;
    let first = std::str::from_utf8(&block[..end]).ok()?;
    [
        ("var/lib/postgresql/", EngineKind::Postgres),
        ("var/lib/mysql/", EngineKind::MariaDB),
        // It is below Neo4j's.
        ("data/db/", EngineKind::MongoDB),
        ("data/", EngineKind::Neo4j),
    ]
    .into_iter()
    .find_map(|(place, engine)| first.starts_with(place).then_some(engine))
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

    #[test]
    fn the_engine_of_an_archive_of_files_is_told_by_where_its_image_has_them() {
        assert!(is_of_files("files.tar.zst.age") && !is_of_files("spec.yaml"));
        for (engine, target) in [
            (EngineKind::Postgres, "/var/lib/postgresql/data"),
            (EngineKind::MariaDB, "/var/lib/mysql"),
            (EngineKind::MongoDB, "/data/db"),
            (EngineKind::Neo4j, "/data"),
        ] {
            let mut block = [0; 512];
            let name = format!("{}/", target.trim_start_matches('/'));
            block[..name.len()].copy_from_slice(name.as_bytes());
            assert_eq!(engine_of_files(&block), Some(engine), "{target}");
        }
        assert_eq!(engine_of_files(b"etc/passwd\0"), None);
        assert_eq!(engine_of_files(&[b'x'; 512]), None);
    }
}
