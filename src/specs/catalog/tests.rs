use std::path::Path;

use super::Catalog;
use crate::model::EngineKind;

fn kind(name: &str) -> EngineKind {
    name.parse().unwrap()
}

#[test]
fn the_built_in_catalog_is_good_and_begins_with_the_defaults() {
    let catalog = Catalog::builtin().unwrap();
    for (engine, display, image, series, target) in [
        (
            "Postgres",
            "PostgreSQL 17",
            "postgres:17",
            "17",
            "/var/lib/postgresql/data",
        ),
        (
            "MariaDB",
            "MariaDB 11.8",
            "mariadb:11.8",
            "11.8",
            "/var/lib/mysql",
        ),
        ("MongoDB", "MongoDB 8.0", "mongo:8.0", "8.0", "/data/db"),
        ("Neo4j", "Neo4j 5", "neo4j:5.26", "5", "/data"),
    ] {
        let first = &catalog.offers(kind(engine))[0];
        assert_eq!(first.display, display);
        assert_eq!(first.image.as_str(), image);
        assert_eq!(first.series, series);
        assert_eq!(first.layout.data[0].1, target);
    }
    // What the images declare as volumes: the data of one that is left out goes with the container.
    for (engine, folders) in [
        (
            "MongoDB",
            [("db", "/data/db"), ("configdb", "/data/configdb")],
        ),
        ("Neo4j", [("data", "/data"), ("logs", "/logs")]),
    ] {
        let first = &catalog.offers(kind(engine))[0];
        let folders = folders.map(|(sub, target)| (sub.to_owned(), target.to_owned()));
        assert_eq!(first.layout.data, folders);
    }
}

#[test]
fn an_image_is_found_by_its_name_or_its_reference() {
    let catalog = Catalog::builtin().unwrap();
    let postgres = kind("Postgres");
    for name in ["PostgreSQL 15", "postgres:15"] {
        let found = catalog.find(postgres, name).unwrap();
        assert_eq!(found.series, "15");
    }
    assert_eq!(catalog.find(postgres, "MariaDB 11.8"), None);
}

#[test]
fn an_image_may_have_folders_of_its_own() {
    let catalog = Catalog::builtin().unwrap();
    let eighteen = catalog.find(kind("Postgres"), "PostgreSQL 18").unwrap();
    let data = [("/".to_owned(), "/var/lib/postgresql".to_owned())];
    assert_eq!(eighteen.layout.data, data);
    let text = "Postgres:\n  pub_ports: [5432, 5433]\n  volumes: [[DBVOL, /a/, /data]]\n  \
        command: [postgres, -c, a b]\n  images:\n    - {display: Own, image: \"lab/pg:spring\", \
        series: \"17\", sentinel: base/1, uid: 70}\n";
    let catalog = Catalog::parse(text, Path::new("c")).unwrap();
    let own = &catalog.offers(kind("Postgres"))[0];
    assert_eq!(own.series, "17");
    assert_eq!(own.layout.ports, [5432, 5433]);
    assert_eq!(own.layout.command, ["postgres", "-c", "a b"]);
    assert_eq!(
        (own.layout.sentinel.as_str(), own.layout.uid),
        ("base/1", 70)
    );
}

#[test]
fn series_are_compared_number_by_number() {
    for (series, than, is) in [
        ("9.6", "10", true),
        ("10", "10", false),
        ("10.11", "10.4", false),
        ("10.3", "10.4", true),
        ("4.2", "4.4", true),
        ("2025", "5", false),
        ("nightly", "5", false),
    ] {
        assert_eq!(super::older(series, than), is, "{series} {than}");
    }
}

#[test]
fn all_that_is_offered_is_what_each_engine_offers() {
    let catalog = Catalog::builtin().unwrap();
    let each = EngineKind::ALL
        .iter()
        .flat_map(|kind| catalog.offers(*kind));
    let (mut each, mut all): (Vec<_>, Vec<_>) = (each.collect(), catalog.all().collect());
    each.sort_by_key(|offer| &offer.display);
    all.sort_by_key(|offer| &offer.display);
    assert!(all.len() > EngineKind::ALL.len());
    assert_eq!(all, each);
}

/// What is wrong with a catalog of one engine, with these volume rows and images.
fn wrong(volumes: &str, images: &str) -> Vec<String> {
    let text =
        format!("Postgres:\n  pub_ports: [5432]\n  volumes: {volumes}\n  images: {images}\n");
    match Catalog::parse(&text, Path::new("c")) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.into_iter().map(|p| p.message).collect(),
    }
}

#[test]
fn folders_stay_inside_and_stand_once() {
    let image = "[[P, \"postgres:17\"]]";
    for (volumes, words) in [
        ("[[DBVOL, /, /data]]", None),
        ("[[DBVOL, a/b, /data/x], [BACKUPVOL, /, /backup]]", None),
        (
            "[[DBVOL, a/../b, /data]]",
            Some("leaves the database's folder"),
        ),
        (
            "[[DBVOL, ./a, /data]]",
            Some("leaves the database's folder"),
        ),
        ("[[DBVOL, /, /]]", Some("is no absolute path")),
        ("[[DBVOL, /, data]]", Some("is no absolute path")),
        ("[[DBVOL, /, /a/../b]]", Some("is no absolute path")),
        ("[[DBVOL, /, //]]", Some("is no absolute path")),
        ("[[DBVOL, /, /a/b/]]", Some("`/a/b/`: write `/a/b`")),
        ("[[DBVOL, /, /a//b]]", Some("`/a//b`: write `/a/b`")),
        ("[[DBVOL, /, /a/./b]]", Some("`/a/./b`: write `/a/b`")),
        ("[[DBVOL, /, /a/b/.]]", Some("`/a/b/.`: write `/a/b`")),
        (
            "[[DBVOL, a, /data], [DBVOL, b, /data]]",
            Some("`/data` stands twice"),
        ),
        ("[[BACKUPVOL, /, /backup]]", Some("no DBVOL row")),
    ] {
        let found = wrong(volumes, image);
        assert_eq!(
            found.len(),
            usize::from(words.is_some()),
            "{volumes}: {found:?}"
        );
        if let Some(words) = words {
            assert!(found[0].contains(words), "{volumes}: {found:?}");
        }
    }
}

#[test]
fn a_series_is_read_from_the_tag_whatever_stands_around_it() {
    let series = |image: &str| {
        let text = format!(
            "Postgres:\n  pub_ports: [5432]\n  volumes: [[DBVOL, /, /data]]\n  images: [[P, \"{image}\"]]\n"
        );
        let catalog = Catalog::parse(&text, Path::new("c")).unwrap();
        catalog.offers(kind("Postgres"))[0].series.clone()
    };
    let digest = format!("postgres:16.2@sha256:{}", "a".repeat(64));
    for (image, expected) in [
        ("postgres:17", "17"),
        ("registry.example.org:5000/lab/postgres:15.4", "15"),
        (&digest, "16"),
    ] {
        assert_eq!(series(image), expected, "{image}");
    }
}

#[test]
fn the_section_and_the_engine_that_it_names_agree() {
    let with = |named: &str| {
        let text = format!(
            "Postgres:\n  dbengine: {named}\n  pub_ports: [5432]\n  volumes: [[DBVOL, /, /data]]\n  \
             images: [[P, \"postgres:17\"]]\n"
        );
        Catalog::parse(&text, Path::new("c"))
    };
    assert!(with("Postgres").is_ok());
    let problems = with("MariaDB").unwrap_err();
    assert_eq!(
        problems[0].message,
        "`MariaDB` does not agree with the section's name `Postgres`"
    );
}
