//! `db4sci check`: everything that can be said about specs without a daemon.

use std::collections::BTreeMap;
use std::path::PathBuf;

use uuid::Uuid;

use crate::model::{Problem, Uid};

use super::admit::admit_every;
use super::merge::{FolderSeen, merge};
use super::rules::Rules;
use super::yaml;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// Files that were looked at.
    pub files: usize,
    /// Specs that would be admitted.
    pub good: usize,
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
                Ok(_) => checked.good += 1,
                Err(problems) => checked.problems.extend(problems),
            }
        }
        checked.problems.extend(merged.problems);
    }
    checked.problems.sort();
    checked
}
