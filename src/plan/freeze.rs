//! Whether anything may be removed or retired: only once all that lives is known.
//!
//! After harm the ledger may know less than there is: a container, a backup. Until each has its row,
//! nothing is deleted, retired or pruned anywhere. What does not answer may hold something unknown.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::view::Remark;
use crate::model::{BackupId, DbName, Uid};

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
mod tests {
    use super::*;
    use crate::model::{Slot, Timestamp};

    fn id(name: &str, day: u32, store: &str) -> BackupId {
        let at: Timestamp = format!("2026-03-{day:02}T02:00:00Z").parse().unwrap();
        BackupId {
            name: name.parse().unwrap(),
            slot: Slot::at(at),
            attempt: 1,
            store: store.to_owned(),
        }
    }

    fn uid(n: u128) -> Uid {
        Uid(uuid::Uuid::from_u128(n))
    }

    fn known() -> Known {
        Known {
            uids: [(uid(1), "genomics".parse().unwrap())].into(),
            past: [(uid(3), "genomics".parse().unwrap())].into(),
            backups: [id("genomics", 1, "local"), id("old", 1, "local")].into(),
            ..Known::default()
        }
    }

    fn labelled(name: &str, uid: Option<Uid>, generation: Option<u64>) -> Labelled {
        Labelled {
            name: name.to_owned(),
            uid,
            generation,
        }
    }

    fn found(
        containers: &[(&str, Option<u128>)],
        local: &[BackupId],
        offsite: Result<&[BackupId], &str>,
    ) -> Found {
        // `was-…` is the name that a database had before it was renamed.
        let whose = |id: &BackupId| match id.name.as_str() {
            "genomics" | "was-genomics" => uid(1),
            "was-before" => uid(3),
            _ => uid(2),
        };
        let all = |ids: &[BackupId]| ids.iter().map(|id| (id.clone(), whose(id))).collect();
        Found {
            containers: Ok(containers
                .iter()
                .map(|(name, n)| labelled(name, n.map(uid), None))
                .collect()),
            stores: [
                ("local".to_owned(), Ok(all(local))),
                (
                    "offsite".to_owned(),
                    offsite.map(all).map_err(str::to_owned),
                ),
            ]
            .into(),
        }
    }

    #[test]
    fn everything_is_frozen_until_all_that_lives_is_known() {
        let (one, two) = (id("genomics", 1, "local"), id("genomics", 2, "local"));
        let there = id("genomics", 2, "offsite");
        let other = id("assays", 2, "offsite");
        let (renamed, before) = (id("was-genomics", 1, "local"), id("was-before", 1, "local"));
        let ours = &[("genomics", Some(1))][..];
        type Case<'a> = (Found, &'a [&'a str], Vec<BackupId>, &'a [&'a str]);
        let cases: Vec<Case<'_>> = vec![
            (
                found(ours, std::slice::from_ref(&one), Ok(&[])),
                &[],
                vec![],
                &[],
            ),
            // Known, and no longer there: told elsewhere, no reason to wait.
            (found(&[], &[], Ok(&[])), &[], vec![], &[]),
            // Of a name that is gone, but known.
            (
                found(ours, &[id("old", 1, "local")], Ok(&[])),
                &[],
                vec![],
                &[],
            ),
            (
                found(
                    ours,
                    &[one.clone(), two.clone()],
                    Ok(std::slice::from_ref(&there)),
                ),
                &[],
                vec![two.clone(), there.clone()],
                &[],
            ),
            (
                found(&[("genomics", Some(1)), ("assays", Some(2))], &[], Ok(&[])),
                &[],
                vec![],
                &["container assays"],
            ),
            (
                found(&[("x", None)], &[], Ok(&[])),
                &[],
                vec![],
                &["container x"],
            ),
            (
                found(ours, &[], Ok(&[other.clone(), id("assays", 3, "offsite")])),
                &[],
                vec![],
                &["store offsite holds backups of assays"],
            ),
            (found(ours, &[], Ok(&[other])), &["offsite"], vec![], &[]),
            (
                found(ours, std::slice::from_ref(&two), Err("no route")),
                &[],
                vec![two.clone()],
                &["store offsite does not answer: no route"],
            ),
            (found(ours, &[], Err("no route")), &["offsite"], vec![], &[]),
            // Taken under a name that its database, or an earlier one, does not have any more.
            (
                found(ours, &[renamed.clone(), before.clone()], Ok(&[])),
                &[],
                vec![before, renamed],
                &[],
            ),
            // Another store's end does not give up this one.
            (
                found(ours, &[], Err("no route")),
                &["local"],
                vec![],
                &["store offsite does not answer"],
            ),
            // What it still holds of known names is known again.
            (
                found(ours, &[], Ok(std::slice::from_ref(&there))),
                &["offsite"],
                vec![there.clone()],
                &[],
            ),
        ];
        for (found, thawed, adopt, frozen) in cases {
            let thawed = thawed.iter().map(ToString::to_string).collect();
            let unknown = unknown(&known(), &found, &thawed);
            assert_eq!(unknown.adopt, adopt, "{found:?}");
            assert_eq!(unknown.frozen.len(), frozen.len(), "{found:?}: {unknown:?}");
            for (line, words) in unknown.frozen.iter().zip(frozen) {
                assert!(line.contains(words), "{line}: {words}");
            }
        }
        let silent = Found {
            containers: Err("no socket".to_owned()),
            stores: BTreeMap::new(),
        };
        let unknown = unknown(&known(), &silent, &BTreeSet::new());
        assert_eq!(unknown.frozen, ["Docker does not answer: no socket"]);
    }

    #[test]
    fn other_generations_and_missing_objects_are_told_and_freeze_nothing() {
        let of = |day| id("genomics", day, "local");
        let mut known = known();
        known.generations = [(uid(1), 5)].into();
        known.stored = (1..=5)
            .map(|day| (of(day), "genomics".parse().unwrap()))
            .collect();
        known.backups = known.stored.keys().cloned().collect();
        let told = |generation, local: Result<&[BackupId], &str>| {
            let mut found = found(&[], &[], Ok(&[]));
            found.containers = Ok(vec![labelled("genomics", Some(uid(1)), generation)]);
            let there = local.map(|ids| ids.iter().map(|id| (id.clone(), uid(1))).collect());
            found.stores = [("local".to_owned(), there.map_err(str::to_owned))].into();
            let unknown = unknown(&known, &found, &["local".to_owned()].into());
            assert_eq!(unknown.frozen, [""; 0]);
            unknown.remarks
        };
        let all: Vec<BackupId> = (1..=5).map(of).collect();
        assert_eq!(told(Some(5), Ok(&all)), []);
        assert_eq!(
            told(None, Ok(&all)),
            [],
            "made by a program that wrote none"
        );
        // A store that does not answer says nothing of what it holds.
        assert_eq!(told(Some(5), Err("no route")), []);
        let older = told(Some(3), Ok(&all));
        assert!(
            !older[0].notable
                && older[0]
                    .what
                    .contains("generation 3 of its spec, which is at 5")
        );
        let newer = told(Some(7), Ok(&all));
        assert!(
            newer[0].notable
                && newer[0]
                    .what
                    .contains("what was changed after that is lost")
        );
        let [one] = &told(Some(5), Ok(&all[..4]))[..] else {
            panic!()
        };
        assert!(
            one.notable && one.what.contains(&format!("hold: {}; see", of(5))),
            "{one:?}"
        );
        let [all_of_it] = &told(Some(5), Ok(&[]))[..] else {
            panic!()
        };
        assert!(
            all_of_it.what.contains(&format!("{} and 2 more", of(3))),
            "{all_of_it:?}"
        );
    }

    #[test]
    fn refused_manifests_freeze_all_where_nobody_has_their_name() {
        let ids = [
            id("genomics", 1, "local"),
            id("assays", 1, "local"),
            id("assays", 2, "local"),
        ];
        let lines = refused(&known(), "local", &ids.into());
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("the store local holds backups of assays, and there is"));
    }
}
