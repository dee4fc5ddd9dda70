//! Admitting what a folder holds, one spec after another.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::model::database::Source;
use crate::model::{Database, DbName, Problem, Uid};

use super::super::merge::{Candidate, Merged};
use super::super::rules::Rules;
use super::{Request, admit};

/// What became of one spec file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The database; `None` where the file has no usable name and held none before.
    pub name: Option<DbName>,
    /// The file, by its path below the folder.
    pub path: PathBuf,
    /// The database, or all that is wrong. It may equal the one that was admitted before.
    pub result: Result<Database, Vec<Problem>>,
}

/// Admits all candidates in order; the ports of each are taken for those after it. `accepted` holds
/// what was admitted before.
pub fn admit_every(
    merged: &Merged,
    accepted: &BTreeMap<DbName, Database>,
    rules: &mut Rules,
    mut fresh: impl FnMut() -> Uid,
) -> Vec<Verdict> {
    accepted.values().for_each(|db| rules.take(db));
    let mut verdicts = Vec::new();
    for Candidate { name, path, parsed } in &merged.candidates {
        let request = Request {
            parsed,
            source: Source::File(path.clone()),
        };
        let result = admit(&request, accepted.get(name), rules, fresh());
        if let Ok(database) = &result {
            rules.take(database);
        }
        verdicts.push(Verdict {
            name: Some(name.clone()),
            path: path.clone(),
            result,
        });
    }
    for nameless in &merged.nameless {
        verdicts.push(Verdict {
            name: nameless.was.clone(),
            path: nameless.path.clone(),
            result: Err(nameless.problems(rules)),
        });
    }
    verdicts
}
