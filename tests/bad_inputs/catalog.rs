//! The catalog.

use std::path::Path;

use db4sci::specs::Catalog;

fn errors(text: &str) -> Vec<String> {
    let problems = Catalog::parse(text, Path::new("catalog.yaml")).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

fn catalog(images: &str) -> String {
    format!(
        "Postgres:\n  pub_ports: [5432]\n  volumes:\n    - [DBVOL, /, /var/lib/postgresql/data]\n  \
         images:\n{images}"
    )
}

#[test]
fn images() {
    for (images, expected) in [
        (
            "    - [PostgreSQL, \"postgres:latest\"]\n",
            "catalog.yaml:6:20: Postgres.images[0][1]: `postgres:latest`: the tag `latest` moves; \
             pin a version",
        ),
        (
            "    - [PostgreSQL, postgres]\n",
            "catalog.yaml:6:20: Postgres.images[0][1]: `postgres` has no tag; pin a version, such \
             as `postgres:17`",
        ),
        (
            "    - [PostgreSQL, \"postgres:bookworm\"]\n",
            "catalog.yaml:6:20: Postgres.images[0][1]: the tag of `postgres:bookworm` names no \
             version that can be compared; write the row as a mapping with `series:`",
        ),
        (
            "    - [PostgreSQL 9.6, \"postgres:9.6\"]\n",
            "catalog.yaml:6:24: Postgres.images[0][1]: `postgres:9.6` is of series 9.6, and db4sci \
             serves 10 and later ones; take the row out",
        ),
        (
            "    - [PostgreSQL 17]\n",
            "catalog.yaml:6:7: Postgres.images[0]: has 1 entries; expected 2 entries",
        ),
        (
            "    - [PostgreSQL, \"postgres:17\"]\n    - [PostgreSQL, \"postgres:15\"]\n",
            "catalog.yaml:7:7: Postgres.images[1]: `PostgreSQL` stands twice",
        ),
        (
            "    - {display: x, image: \"postgres:17\", volume: 1}\n",
            "catalog.yaml:6:42: Postgres.images[0].volume: unknown field; did you mean `volumes`?",
        ),
    ] {
        assert_eq!(errors(&catalog(images)), [expected]);
    }
}

#[test]
fn volumes() {
    let good = catalog("    - [PostgreSQL 17, \"postgres:17\"]\n");
    for (row, expected) in [
        (
            "[/srv/data, /, /var/lib/postgresql/data]",
            &[
                "catalog.yaml:4:8: Postgres.volumes[0][0]: `/srv/data` is not a source; allowed: \
               DBVOL (a data volume of the settings), BACKUPVOL",
                "catalog.yaml:3:3: Postgres.volumes: no DBVOL row: the data would have no place on a \
               volume",
            ][..],
        ),
        (
            "[DBVOL, ../other, data]",
            &[
                "catalog.yaml:4:15: Postgres.volumes[0][1]: `../other` leaves the database's folder",
                "catalog.yaml:4:25: Postgres.volumes[0][2]: `data` is no absolute path",
            ],
        ),
    ] {
        let text = good.replace("[DBVOL, /, /var/lib/postgresql/data]", row);
        assert_eq!(errors(&text), expected);
    }
}

#[test]
fn engines() {
    let good = catalog("    - [PostgreSQL 17, \"postgres:17\"]\n");
    for (name, expected) in [
        (
            "Postgress",
            "catalog.yaml:1:1: Postgress: `Postgress` is not an engine; did you mean `Postgres`? \
             Allowed: Postgres, MariaDB, MongoDB, Neo4j",
        ),
        (
            "mongodb",
            "catalog.yaml:1:1: mongodb: `mongodb` is not an engine; did you mean `MongoDB`? \
             Allowed: Postgres, MariaDB, MongoDB, Neo4j",
        ),
    ] {
        assert_eq!(
            errors(&good.replace("Postgres:\n", &format!("{name}:\n"))),
            [expected]
        );
    }
}
