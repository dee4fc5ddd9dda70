//! Bad inputs of specs, catalog and settings, and the error each gets: whole messages, as a person reads them, each with
//! line and column, or with what stands for a file.

#![allow(clippy::unwrap_used, reason = "what helps a test may fail it")]

use std::collections::BTreeMap;
use std::path::Path;

use db4sci::model::database::Source;
use db4sci::model::{Cpus, Database, EngineKind, Memory, Problem, Uid};
use db4sci::settings::{Mode, Settings};
use db4sci::specs::{self, Catalog, ConfigFiles, HostSize, Request, Rules, VolumeRule};
use uuid::Uuid;

mod catalog;
mod documents;
mod fields;
mod files;
mod settings;

/// A spec with some lines below `spec:`; they begin on line 9.
fn spec(lines: &str) -> String {
    format!(
        "apiVersion: db4sci/v1\nkind: Database\nmetadata:\n  name: genomics\nspec:\n  \
         engine: Postgres\n  owner: genomics-lab\n  contact: lab@example.org\n{lines}"
    )
}

fn volume(label: &str, engines: Option<Vec<EngineKind>>, users: Option<&str>) -> VolumeRule {
    VolumeRule {
        label: label.to_owned(),
        path: Path::new("/srv").join(label),
        engines,
        users: users.map(|user| vec![user.to_owned()]),
        encrypted: users.is_some(),
    }
}

/// A host of 8 GiB and 4 processors with three volumes, where 32011 is taken.
fn rules() -> Rules {
    let settings = Settings::load(Path::new("/nowhere"), Mode::Test, &BTreeMap::new()).unwrap();
    let host = HostSize {
        memory: Memory::mebibytes(8192),
        cpus: Cpus::from_milli(4000),
    };
    let away = "a link that leaves its folder, to /etc/passwd; put the file itself here";
    let files = BTreeMap::from([
        ("tuned.conf".to_owned(), Ok("work_mem = 1GB\n".to_owned())),
        ("away.conf".to_owned(), Err(away.to_owned())),
    ]);
    let files = ConfigFiles {
        folder: "dbconfig".into(),
        files: [("Postgres".parse().unwrap(), files)].into(),
        ..ConfigFiles::default()
    };
    let mut rules = settings.rules(Catalog::builtin().unwrap(), files, Some(host));
    rules.volumes = vec![
        volume("Standard", None, None),
        volume("Fast", Some(vec!["MariaDB".parse().unwrap()]), None),
        volume("Private", None, Some("chem-lab")),
    ];
    rules.taken.insert(32011, "proteomics".parse().unwrap());
    rules
}

fn admit(text: &str, earlier: Option<&Database>) -> Result<Database, Vec<Problem>> {
    let parsed = specs::parse(text, Path::new("FILE"))?;
    let request = Request {
        parsed: &parsed,
        source: Source::File("genomics.yaml".into()),
    };
    specs::admit(&request, earlier, &rules(), Uid(Uuid::nil()))
}

/// What the text of a spec file gets, without the file's name.
fn errors(text: &str) -> Vec<String> {
    refusal(admit(text, None))
}

fn refusal(result: Result<Database, Vec<Problem>>) -> Vec<String> {
    let problems = result.expect_err("this should have been refused");
    let lines = problems.iter().map(ToString::to_string);
    lines.map(|line| line.replace("FILE:", "")).collect()
}
