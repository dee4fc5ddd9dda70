//! What tests of this folder share: small specs and rules.

use std::path::Path;

use uuid::Uuid;

use crate::model::database::Source;
use crate::model::{Cpus, Database, DbName, Memory, Problem, Uid};

use super::admit::{Request, admit};
use super::catalog::Catalog;
use super::parse::parse;
use super::rules::{ConfigFiles, HostSize, Rules, VolumeRule};

/// A spec named `genomics` with some lines below `spec:`.
pub(crate) fn spec(lines: &str) -> String {
    named("genomics", lines)
}

/// A spec with some lines below `spec:`.
pub(crate) fn named(name: &str, lines: &str) -> String {
    format!(
        "apiVersion: db4sci/v1\nkind: Database\nmetadata:\n  name: {name}\nspec:\n  \
         engine: Postgres\n  owner: lab\n  contact: lab@example.org\n{lines}"
    )
}

/// One volume, the built-in catalog, a host of 64 GiB and 16 processors.
pub(crate) fn rules() -> Rules {
    let engine = |name: &str| name.parse().unwrap();
    let file = |name: &str, text: &str| [(name.to_owned(), Ok(text.to_owned()))].into();
    Rules {
        catalog: Catalog::builtin().unwrap(),
        mirrors: Default::default(),
        volumes: vec![VolumeRule {
            label: "Standard".to_owned(),
            path: "/srv/data".into(),
            engines: None,
            users: None,
            encrypted: false,
        }],
        admins: Vec::new(),
        host: Some(HostSize {
            memory: Memory::mebibytes(65536),
            cpus: Cpus::from_milli(16_000),
        }),
        base_port: 32010,
        reserved: [(5000, "health checks".to_owned())].into(),
        taken: [(32009, DbName::mydb_admin())].into(),
        owners: Default::default(),
        shares: Default::default(),
        stores: ["local".to_owned()].into(),
        time_zone: "UTC".parse().unwrap(),
        config_files: ConfigFiles {
            folder: "dbconfig".into(),
            files: [(engine("Postgres"), file("a.conf", "work_mem = 1GB\n"))].into(),
            unread: Default::default(),
        },
    }
}

/// An identity that tells itself apart.
pub(crate) fn uid(n: u128) -> Uid {
    Uid(Uuid::from_u128(n))
}

/// Admits a text of `genomics.yaml`; a new database gets the identity 1.
pub(crate) fn admit_text(
    text: &str,
    earlier: Option<&Database>,
    rules: &Rules,
) -> Result<Database, Vec<Problem>> {
    let parsed = parse(text, Path::new("genomics.yaml"))?;
    let request = Request {
        parsed: &parsed,
        source: Source::File("genomics.yaml".into()),
    };
    admit(&request, earlier, rules, uid(1))
}
