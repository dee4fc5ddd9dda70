//! The catalog of engines and images.

use std::path::Path;

use db4sci::model::EngineKind;
use db4sci::specs::{Catalog, document};

use super::{Check, Fate, Target, lines, must, told};

pub const TARGET: Target = Target {
    name: "catalog",
    words: &[
        "Postgres:\n",
        "MariaDB:\n",
        "  dbengine: Postgres\n",
        "  pub_ports: [5432]\n",
        "  volumes:\n",
        "    - [DBVOL, /, /data]\n",
        "    - [BACKUPVOL, /, /backup]\n",
        "  command: postgres\n",
        "  command: [a, b]\n",
        "  images:\n",
        "    - [PostgreSQL 17, postgres:17]\n",
        "    - {display: A, image: \"a/b:1@sha256:00\", series: \"1\"}\n",
        "..",
        "/",
        ":",
        "@sha256:",
        "[",
        "]",
        "{",
        "}",
        "&a ",
        "*a",
        "'",
        "\"",
        "\n",
        "\t",
        "\0",
        "é",
        "~",
        ",",
        "- ",
    ],
    cases: 500,
    made: || vec![Catalog::BUILTIN.as_bytes().to_vec()],
    repair: super::as_it_is,
    start: || Box::new(check) as Check,
};

const FILE: &str = "catalog.yaml";

fn check(bytes: &[u8]) -> Result<Fate, String> {
    let text = match document::text(bytes, Path::new(FILE)) {
        Ok(text) => text,
        Err(problem) => return told(&[problem], bytes.split(|byte| *byte == b'\n').count()),
    };
    let catalog = match Catalog::parse(text, Path::new(FILE)) {
        Ok(catalog) => catalog,
        Err(problems) => return told(&problems, lines(text)),
    };
    for engine in EngineKind::ALL {
        for offer in catalog.offers(engine) {
            must(catalog.find(engine, &offer.display) == Some(offer), || {
                format!("`{}` is offered and not found", offer.display)
            })?;
            must(!offer.layout.data.is_empty(), || {
                format!("`{}` has no place for its data", offer.display)
            })?;
        }
    }
    Ok(Fate::Taken)
}
