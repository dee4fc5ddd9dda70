//! `db4sci check`: everything that can be said about specs without a daemon.

use std::collections::BTreeMap;
use std::path::PathBuf;

use uuid::Uuid;

use crate::model::{Database, Problem, Uid};

use super::admit::admit_every;
use super::merge::{FolderSeen, merge};
use super::rules::Rules;
use super::yaml;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// Files that were looked at.
    pub files: usize,
    /// The specs that would be admitted, each with where it comes from.
    pub good: Vec<Database>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// Checks files and folders as if nothing had been admitted before. Blocking.
pub fn check(paths: &[PathBuf], rules: &Rules) -> Checked {
    let mut rules = rules.clone();
    let mut checked = Checked::default();
    for path in paths {
        let seen = if path.is_dir() {
            yaml::read_folder(path)
        } else {
            FolderSeen::Read {
                files: vec![yaml::read_file(path)],
                unread: Vec::new(),
            }
        };
        if let FolderSeen::Read { files, .. } = &seen {
            checked.files += files.len();
        }
        let merged = merge(&seen, path, &BTreeMap::new());
        let nobody = || Uid(Uuid::nil());
        for verdict in admit_every(&merged, &BTreeMap::new(), &mut rules, nobody) {
            match verdict.result {
                Ok(database) => checked.good.push(database),
                Err(problems) => checked.problems.extend(problems),
            }
        }
        checked.problems.extend(merged.problems);
    }
    checked.problems.sort();
    checked
}
