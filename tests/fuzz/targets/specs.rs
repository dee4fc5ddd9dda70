//! A spec file: read, and admitted.

use std::path::Path;

use db4sci::model::{Database, Source, Uid};
use db4sci::specs::{self, Parsed, Request, Rules, document};
use uuid::Uuid;

use super::{Check, Fate, Target, lines, must, told};

pub const TARGET: Target = Target {
    name: "specs",
    words: &[
        "apiVersion: db4sci/v1\n",
        "kind: Database\n",
        "metadata:\n  name: a\n",
        "metadata: {name: a, labels: {lab: x}}\n",
        "spec:\n",
        "  engine: Postgres\n",
        "  engine: Neo4j\n",
        "  owner: o\n",
        "  contact: a@example.org\n",
        "  image: ",
        "  port: ",
        "  state: Stopped\n",
        "  backup: {schedule: \"*/5 * * * *\"}\n",
        "  backup:\n    retention: {daily: 3}\n",
        "  maintenanceWindow: \"Sat 22:00-04:00\"\n",
        "  timeZone: Europe/Berlin\n",
        "  parameters: {work_mem: 64MB}\n",
        "  resources: {memory: 4Gi, cpus: \"2\"}\n",
        "  config: tuned.conf\n",
        "  phi: true\n",
        "  - ",
        "[",
        "]",
        "{",
        "}",
        ": ",
        "\n",
        "\t",
        "&a ",
        "*a",
        "<<: ",
        "!x ",
        "'",
        "\"",
        "|\n",
        ">-\n",
        "---\n",
        "...\n",
        "? ",
        "#",
        "%TAG ! x\n",
        "\u{feff}",
        "\u{85}",
        "\u{2028}",
        "\0",
        "é",
        "\u{202e}",
        "\r",
        "0x",
        ".nan",
        "~",
        "Gi",
        "1G",
        "999M",
        "1_0",
        ",",
    ],
    cases: 900,
    made: super::none,
    repair: super::as_it_is,
    start,
};

const FILE: &str = "spec.yaml";

fn start() -> Check {
    let rules = super::rules::rules();
    Box::new(move |bytes| {
        let text = match document::text(bytes, Path::new(FILE)) {
            Ok(text) => text,
            Err(problem) => {
                return told(&[problem], bytes.split(|byte| *byte == b'\n').count());
            }
        };
        let parsed = match specs::parse(text, Path::new(FILE)) {
            Ok(parsed) => parsed,
            Err(problems) => return told(&problems, lines(text)),
        };
        match admit(&parsed, None, &rules) {
            Ok(database) => admitted(&parsed, &database, &rules),
            Err(problems) => told(&problems, lines(text)),
        }
    })
}

fn admit(
    parsed: &Parsed,
    earlier: Option<&Database>,
    rules: &Rules,
) -> Result<Database, Vec<db4sci::model::Problem>> {
    let source = Source::File(FILE.into());
    specs::admit(
        &Request { parsed, source },
        earlier,
        rules,
        Uid(Uuid::nil()),
    )
}

/// What was admitted stays what it is: unchanged, in the ledger, and as an exported document.
fn admitted(parsed: &Parsed, database: &Database, rules: &Rules) -> Result<Fate, String> {
    let again = admit(parsed, Some(database), rules);
    must(again.as_ref() == Ok(database), || {
        format!("unchanged, it is another: {again:?}, and not {database:?}")
    })?;
    let kept = serde_json::to_string(database).map_err(|e| e.to_string())?;
    let kept: Result<Database, _> = serde_json::from_str(&kept);
    must(kept.as_ref().ok() == Some(database), || {
        format!("from the ledger it comes as {kept:?}, and not {database:?}")
    })?;
    let document = specs::export(database);
    let text = serde_yaml::to_string(&document).map_err(|e| e.to_string())?;
    let exported = specs::parse(&text, Path::new("exported.yaml"));
    let exported = exported.map_err(|why| format!("{text}\nis not read: {}", shown(&why)))?;
    let made = admit(&exported, None, rules);
    let made = made.map_err(|why| format!("{text}\nis not admitted: {}", shown(&why)))?;
    // How it was written is the one difference that there may be.
    let made = Database {
        given: database.given.clone(),
        ..made
    };
    must(made == *database, || {
        format!("exported, it is {made:?}, and not {database:?}")
    })?;
    Ok(Fate::Taken)
}

fn shown(problems: &[db4sci::model::Problem]) -> String {
    let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
    all.join("; ")
}
