//! Whether anything may be removed or retired: only once all that lives is known.
//!
//! After harm the ledger may know less than there is: a container, a backup. Until each has its row,
//! nothing is deleted, retired or pruned anywhere. What does not answer may hold something unknown.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::view::Remark;
use crate::model::{BackupId, DbName, Uid};
use crate::plan::shipping::{self, Strange};

/// Ids that a remark names.
const NAMED: usize = 3;

/// A container that carries this instance's label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// Its name.
    pub name: String,
    /// The uid of its labels.
    pub uid: Option<Uid>,
    /// The generation of the spec that it was made of, by its labels.
    pub generation: Option<u64>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The containers that carry this instance's label; or why that is unknown.
    pub containers: Result<Vec<Labelled>, String>,
    /// The manifests of this instance in each store, with their databases' uids; or why they are
    /// unknown.
    pub stores: BTreeMap<String, Result<BTreeMap<BackupId, Uid>, String>>,
    /// What stores hold of another history of this instance.
    pub strange: BTreeMap<String, Strange>,
}

/// What the ledger knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// The databases.
    pub uids: BTreeMap<Uid, DbName>,
    /// Those of whom backups are known: an earlier database's of a name are among them.
    pub past: BTreeMap<Uid, DbName>,
    /// Their backups, those of earlier databases of the same names included.
    pub backups: BTreeSet<BackupId>,
    /// The generations of the databases' specs.
    pub generations: BTreeMap<Uid, u64>,
    /// The backups that should lie in a store, each with the database whose row has it.
    pub stored: BTreeMap<BackupId, DbName>,
}

/// What is to be done about what is not known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unknown {
    /// Backups of databases, or of names, that are known: they get their row.
    pub adopt: Vec<BackupId>,
    /// What keeps everything frozen, one line each.
    pub frozen: Vec<String>,
    /// What is known and not as it should be: that is told, and keeps nothing frozen.
    pub remarks: Vec<Remark>,
}

/// What is told of backups of a name that nobody has.
fn nameless_backups(store: &str, name: &DbName) -> String {
    format!(
        "the store {store} holds backups of {name}, and there is no such database; apply the spec.yaml of \
         one of them, or: db4sci thaw {store} --reason TEXT"
    )
}

/// What keeps everything frozen of backups that could not be adopted, since their manifests are not
/// what their places say: those of names that nobody has.
pub fn refused(known: &Known, store: &str, ids: &BTreeSet<BackupId>) -> Vec<String> {
    let held = |name: &&DbName| !known.uids.values().any(|known| known == *name);
    let names: BTreeSet<&DbName> = ids.iter().map(|id| &id.name).filter(held).collect();
    let lines = names.into_iter().map(|name| nameless_backups(store, name));
    lines.collect()
}

/// What is known, and is not where or as it should be. A store that does not answer misses nothing.
fn remarks(known: &Known, found: &Found) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for container in found.containers.iter().flatten() {
        let Some((name, row)) = container.uid.and_then(|uid| {
            let row = known.generations.get(&uid)?;
            Some((known.uids.get(&uid)?, *row))
        }) else {
            continue;
        };
        let told = container.generation.filter(|made_of| *made_of != row);
        remarks.extend(told.map(|made_of| Remark {
            name: name.clone(),
            notable: made_of > row,
            what: if made_of > row {
                format!(
                    "its container was made of generation {made_of} of its spec, and generation {row} is the \
                     last one that is known: what was changed after that is lost; look at its spec"
                )
            } else {
                format!(
                    "its container is labelled with generation {made_of} of its spec, which is at {row}: \
                     Docker cannot change labels, and what runs is compared field by field"
                )
            },
        }));
    }
    let mut missing: BTreeMap<(&DbName, &str), Vec<&BackupId>> = BTreeMap::new();
    for (id, name) in &known.stored {
        let there = found.stores.get(&id.store).and_then(|s| s.as_ref().ok());
        if there.is_some_and(|there| !there.contains_key(id)) {
            missing.entry((name, &id.store)).or_default().push(id);
        }
    }
    remarks.extend(missing.into_iter().map(|((name, store), ids)| {
        let some: Vec<String> = ids.iter().take(NAMED).map(ToString::to_string).collect();
        let more = match ids.len().saturating_sub(NAMED) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        Remark {
            name: name.clone(),
            notable: true,
            what: format!(
                "the store {store} does not list what it should hold: {}{more}; see who removed it: db4sci \
                 backup verify {name}",
                some.join(", ")
            ),
        }
    }));
    remarks
}

/// What is not known. `thawed` are stores that a person gave up: what they hold, or do not answer,
/// keeps nothing frozen.
pub fn unknown(known: &Known, found: &Found, thawed: &BTreeSet<String>) -> Unknown {
    let mut unknown = Unknown {
        remarks: remarks(known, found),
        ..Unknown::default()
    };
    match &found.containers {
        Err(why) => unknown
            .frozen
            .push(format!("Docker does not answer: {why}")),
        Ok(containers) => {
            let known = |uid: &Option<Uid>| uid.is_some_and(|uid| known.uids.contains_key(&uid));
            for container in containers.iter().filter(|c| !known(&c.uid)) {
                unknown.frozen.push(format!(
                    "the container {} is labelled as this instance's, and nothing is known of its \
                     database; look what it is, and give it another place",
                    container.name
                ));
            }
        }
    }
    let strange = found.strange.iter().filter(|(s, _)| !thawed.contains(*s));
    let told = strange.map(|(store, strange)| shipping::frozen_by(store, strange));
    unknown.frozen.extend(told);
    let names: BTreeSet<&DbName> = known.uids.values().collect();
    for (store, manifests) in &found.stores {
        let given_up = thawed.contains(store);
        match manifests {
            Err(_) if given_up => {}
            Err(why) => unknown.frozen.push(format!(
                "the store {store} does not answer: {why}; if it is gone for good: db4sci thaw {store} \
                 --reason TEXT"
            )),
            Ok(manifests) => {
                let mut nameless: BTreeSet<&DbName> = BTreeSet::new();
                let unknown_ids = manifests
                    .iter()
                    .filter(|(id, _)| !known.backups.contains(*id));
                for (id, uid) in unknown_ids {
                    // A database may have been renamed since: then only its uid tells.
                    let of_uid = known.uids.contains_key(uid) || known.past.contains_key(uid);
                    if of_uid || names.contains(&id.name) {
                        unknown.adopt.push(id.clone());
                    } else {
                        nameless.insert(&id.name);
                    }
                }
                for name in nameless.into_iter().filter(|_| !given_up) {
                    unknown.frozen.push(nameless_backups(store, name));
                }
            }
        }
    }
    unknown
}

#[cfg(test)]
mod tests;
