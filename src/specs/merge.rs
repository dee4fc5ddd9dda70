//! Files beside what was admitted before.
//!
//! Absence is not deletion: a file that vanished leaves an *orphan*, whose last good spec stays in
//! force, and a folder that cannot be read leaves nothing at all to conclude. One bad file is one
//! problem, and blocks no other.

mod moved;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::model::database::Source;
use crate::model::{DbName, Problem, Timestamp, Uid};

use super::admit::{Request, admit};
use super::parse::Parsed;
use super::rules::Rules;

/// What was found in `desired-state/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FolderSeen {
    /// It could not be read, or is not there; the text says why. Nothing follows from that.
    Unknown(String),
    /// It was read.
    Read {
        /// Its spec files.
        files: Vec<FileSeen>,
        /// Sub-folders that could not be read, and why: what lies there is unknown.
        unread: Vec<(PathBuf, String)>,
    },
}

/// One spec file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSeen {
    /// Its path below the folder.
    pub path: PathBuf,
    /// SHA-256 of its bytes, in hex; empty where they could not be read.
    pub hash: String,
    /// When it was last written, by its file system's word; `None` where that is not known.
    pub changed: Option<Timestamp>,
    /// The spec, or everything that is wrong with the file; nothing of either while it is being written.
    pub spec: Result<Parsed, Vec<Problem>>,
}

impl FileSeen {
    /// Whether it is being written.
    fn is_settling(&self) -> bool {
        self.spec.as_ref().is_err_and(Vec::is_empty)
    }
}

/// A spec to admit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The database.
    pub name: DbName,
    /// The file, by its path below the folder.
    pub path: PathBuf,
    /// The spec.
    pub parsed: Parsed,
}

/// A spec without a usable name. `admit` refuses it, and says all that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nameless {
    /// The database that the file held before, if any.
    pub was: Option<DbName>,
    /// The file, by its path below the folder.
    pub path: PathBuf,
    /// The spec.
    pub parsed: Parsed,
}

impl Nameless {
    /// All that is wrong with it, as problems of the database that the file held before.
    pub fn problems(&self, rules: &Rules) -> Vec<Problem> {
        let request = Request {
            parsed: &self.parsed,
            source: Source::File(self.path.clone()),
        };
        // Refused for its name, whatever else; so the identity is nobody's.
        let found = admit(&request, None, rules, Uid(Uuid::nil()));
        let problems = found.err().unwrap_or_default();
        match &self.was {
            Some(was) => problems.into_iter().map(|p| p.of(was)).collect(),
            None => problems,
        }
    }
}

/// A file that says another name than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The database as it was admitted.
    pub old: DbName,
    /// What the file says now.
    pub new: DbName,
    /// The file, by its path below the folder.
    pub path: PathBuf,
}

/// What follows from the files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Merged {
    /// Specs to admit, those that name a port first: a default port must not take what another
    /// file asks for. Then by name.
    pub candidates: Vec<Candidate>,
    /// Specs without a usable name.
    pub nameless: Vec<Nameless>,
    /// What is wrong besides what `admit` will say.
    pub problems: Vec<Problem>,
    /// Databases whose file is surely gone. Their last good spec stays in force.
    pub orphans: BTreeSet<DbName>,
    /// Databases whose file now says another name. They stay as they are, and the new name is not
    /// admitted.
    pub renamed: Vec<Renamed>,
}

/// Puts files and what was admitted before side by side. `folder` is where the files' paths begin,
/// for messages; `accepted` holds the sources of all admitted databases.
///
/// A file wins over a row or the API: its spec becomes a candidate for a name that came from there.
pub fn merge(seen: &FolderSeen, folder: &Path, accepted: &BTreeMap<DbName, Source>) -> Merged {
    let (files, unread) = match seen {
        FolderSeen::Unknown(why) => {
            let problem = Problem::new("", format!("{why}; nothing is changed"));
            return Merged {
                problems: vec![problem.at(super::document::whole(folder))],
                ..Merged::default()
            };
        }
        FolderSeen::Read { files, unread } => (files, unread),
    };
    let mut merged = Merged::default();
    for (path, why) in unread {
        let place = super::document::whole(&folder.join(path));
        let problem = Problem::new("", format!("{why}; nothing is changed for what lies there"));
        merged.problems.push(problem.at(place));
    }
    let owner = |path: &Path| {
        accepted
            .iter()
            .find(|(_, source)| matches!(source, Source::File(p) if p == path))
            .map(|(name, _)| name)
    };
    let mut claims: BTreeMap<DbName, Vec<(&Path, &Parsed)>> = BTreeMap::new();
    let mut broken: BTreeSet<DbName> = BTreeSet::new();
    for FileSeen { path, spec, .. } in files {
        match spec {
            Ok(parsed) => match parsed.raw.metadata.name.parse::<DbName>() {
                Ok(name) => claims.entry(name).or_default().push((path, parsed)),
                Err(_) => merged.nameless.push(Nameless {
                    was: owner(path).cloned(),
                    path: path.clone(),
                    parsed: parsed.clone(),
                }),
            },
            Err(problems) => {
                broken.extend(problems.iter().filter_map(|p| p.name.clone()));
                let known = owner(path).cloned();
                merged.problems.extend(problems.iter().map(|p| Problem {
                    name: p.name.clone().or_else(|| known.clone()),
                    ..p.clone()
                }));
            }
        }
    }
    let settling: Vec<&Path> = files
        .iter()
        .filter(|file| file.is_settling())
        .map(|file| file.path.as_path())
        .collect();
    for (name, files) in &claims {
        let source = accepted.get(name);
        let own = |path: &&Path| source.is_some_and(|s| *s == Source::File(path.to_path_buf()));
        if settling.iter().any(own) {
            // It will name its database again: until then another file of that name is no claim.
            continue;
        }
        let [(path, parsed)] = files.as_slice() else {
            merged.problems.push(duplicate(name, files));
            continue;
        };
        match owner(path) {
            // The file was another database's, which no other file names now, and the name is new.
            Some(old)
                if old != name && !claims.contains_key(old) && !accepted.contains_key(name) =>
            {
                merged.problems.push(renamed(old, name, parsed));
                merged.renamed.push(Renamed {
                    old: old.clone(),
                    new: name.clone(),
                    path: path.to_path_buf(),
                });
            }
            Some(_) | None => merged.candidates.push(Candidate {
                name: name.clone(),
                path: path.to_path_buf(),
                parsed: (*parsed).clone(),
            }),
        }
    }
    merged
        .candidates
        .sort_by_key(|c| c.parsed.raw.spec.port.is_none());
    for (name, source) in accepted {
        let Source::File(path) = source else { continue };
        let there = files.iter().any(|f| f.path == *path);
        let hidden = unread.iter().any(|(dir, _)| path.starts_with(dir));
        let taken_over = merged.candidates.iter().any(|c| {
            // Its file now holds another admitted database.
            c.path == *path && c.name != *name
        });
        let named = claims.contains_key(name) || broken.contains(name);
        if (!there || taken_over) && !hidden && !named {
            merged.orphans.insert(name.clone());
        }
    }
    merged
}

fn duplicate(name: &DbName, files: &[(&Path, &Parsed)]) -> Problem {
    let places: Vec<_> = files
        .iter()
        .map(|(_, parsed)| parsed.places.place("metadata.name"))
        .collect();
    let others: Vec<String> = places.iter().skip(1).map(ToString::to_string).collect();
    let problem = Problem::new(
        "metadata.name",
        format!(
            "`{name}` stands here and at {}; one file a database, so neither is taken",
            others.join(", ")
        ),
    )
    .of(name);
    match places.into_iter().next() {
        Some(place) => problem.at(place),
        None => problem,
    }
}

fn renamed(old: &DbName, new: &DbName, parsed: &Parsed) -> Problem {
    let problem = Problem::new(
        "metadata.name",
        format!(
            "was `{old}`, is `{new}`: `{old}` goes on unchanged, and `{new}` is not made; run \
             `db4sci rename {old} {new}`, or set the name back"
        ),
    );
    parsed.places.locate(problem.of(old))
}

#[cfg(test)]
mod tests;
