//! Databases that are newer than the memory that comes back: their rows are made again from their backups,
//! so that no spec of theirs begins them empty.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::admin::{Book, NewEntry};
use crate::cli::Found;
use crate::execute::backup::hex;
use crate::model::database::Source;
use crate::model::{
    BackupId, Change, Clock, Database, DbName, Outcome, Owners, Slot, SystemClock, Uid,
};
use crate::plan::recovery;
use crate::specs::{self, Request, Rules};
use crate::store::{Stores, read_small};

use super::daemon;
use super::history::Place;
use super::recover::{Kept, comes_back, has_data_after_all, held, was_found};

/// The file of a backup that says what its database was to be.
const SPEC: &str = "spec.yaml";
/// No spec is larger.
const LIMIT: usize = 1 << 20;

/// What comes of it.
#[derive(Default)]
pub(super) struct Rebuilt {
    pub(super) databases: BTreeMap<DbName, Found>,
    /// To be written, in this order.
    pub(super) entries: Vec<NewEntry>,
    pub(super) problems: Vec<String>,
}

/// Databases of which only the stores know: of no row, of no name that was let go, and not retired since.
pub(super) fn unknown(
    book: &Book,
    places: &[Place],
    retired: &BTreeSet<Uid>,
) -> BTreeMap<Uid, DbName> {
    let rows = book.rows();
    let known: BTreeSet<Uid> = rows
        .flat_map(|(_, row)| {
            let past = row.backups.values().map(|b| b.uid);
            past.chain([row.database.uid])
        })
        .collect();
    let id = |place: &Place| {
        Some(BackupId {
            name: place.name.clone(),
            slot: place.slot.parse::<Slot>().ok()?,
            attempt: place.attempt,
            store: place.store.clone(),
        })
    };
    let let_go: BTreeSet<&BackupId> = book.forgotten().collect();
    let of_gone: BTreeSet<Uid> = places
        .iter()
        .filter(|place| id(place).is_some_and(|id| let_go.contains(&id)))
        .map(|place| place.uid)
        .collect();
    let mut newest: BTreeMap<Uid, &Place> = BTreeMap::new();
    for place in places.iter().filter(|place| {
        !place.name.is_mydb_admin()
            && !known.contains(&place.uid)
            && !of_gone.contains(&place.uid)
            && !retired.contains(&place.uid)
    }) {
        let at = |place: &Place| (place.slot.clone(), place.attempt);
        let newer = newest.entry(place.uid).or_insert(place);
        if at(newer) < at(place) {
            *newer = place;
        }
    }
    newest
        .into_iter()
        .map(|(uid, place)| (uid, place.name.clone()))
        .collect()
}

/// Makes their rows again, each as the spec beside its newest backup says.
pub(super) async fn rebuild(
    book: &Book,
    stores: &Stores,
    places: &[Place],
    unknown: BTreeMap<Uid, DbName>,
    mut rules: Rules,
    only: &[DbName],
) -> Rebuilt {
    // What lived comes back, whatever its owner may have today.
    rules.owners = Owners::default();
    for (_, row) in book.rows() {
        rules.take(&row.database);
    }
    let mut rebuilt = Rebuilt::default();
    // The newest of a name first: uids sort by age.
    for (uid, name) in unknown.into_iter().rev() {
        let wanted = only.is_empty() || only.contains(&name);
        match one(book, stores, places, uid, &rules).await {
            Ok(_) if rebuilt.databases.contains_key(&name) => rebuilt.problems.push(format!(
                "{name}: the store holds backups of an earlier database of that name ({uid}), too"
            )),
            Ok((db, found, mut entries)) => {
                rules.take(&db);
                if wanted {
                    entries.push(comes_back(&db));
                }
                let what = if wanted {
                    "comes back; it is newer than the memory: its spec is its backup's, its passwords are new"
                } else {
                    "waits: db4sci restore; it is newer than the memory"
                };
                let what = what.to_owned();
                rebuilt.databases.insert(name, Found { what, ..found });
                rebuilt.entries.extend(entries);
            }
            Err(why) => rebuilt.problems.push(format!(
                "{name}: it is newer than the memory, and its row cannot be made again ({why}): take its \
                 spec out of desired-state before db4sci runs, or it begins empty there; the restore.sh of \
                 its backup brings it back"
            )),
        }
    }
    rebuilt
}

async fn one(
    book: &Book,
    stores: &Stores,
    places: &[Place],
    uid: Uid,
    rules: &Rules,
) -> Result<(Database, Found, Vec<NewEntry>), String> {
    let held = held(stores, places, uid).await;
    let newest = held
        .backups
        .iter()
        .max_by_key(|kept| (kept.backup.id.slot, kept.backup.id.attempt));
    let Some(newest) = newest else {
        return Err("none of its manifests can be read".to_owned());
    };
    let text = spec(stores, newest).await?;
    let (newest, made_by) = (&newest.backup, &newest.manifest);
    let parsed = specs::parse(&text, Path::new(SPEC)).map_err(daemon::lines)?;
    // A file of its name wins over it, as it does over what was applied.
    let source = Source::Api;
    let request = Request {
        parsed: &parsed,
        source,
    };
    let db = specs::admit(&request, None, rules, uid).map_err(daemon::lines)?;
    if db.name != newest.id.name || db.engine != made_by.engine {
        return Err(format!("its {SPEC} is that of {} ({})", db.name, db.engine));
    }
    let message = format!("{} as the {SPEC} of {} says", db.image.display, newest.id);
    let database = Box::new(db.clone());
    let admitted = NewEntry::of(
        &db.name,
        Outcome::Done,
        message,
        Change::Admitted { database },
    );
    book.check(&admitted)?;
    let mut entries = vec![admitted];
    let found = held
        .backups
        .iter()
        .map(|kept| was_found(&db.name, kept.backup.clone()));
    entries.extend(found);
    entries.extend(has_data_after_all(&db, Some(made_by)));
    let there = held.backups.into_iter().map(|kept| kept.backup);
    let there = there.map(|b| (b.id.clone(), b)).collect();
    let from = recovery::source(&db, &there, true, &BTreeMap::new(), SystemClock.now());
    let found = Found {
        engine: format!("{} {}", db.engine, db.image.series),
        backup: from.map(|b| b.id.to_string()),
        as_of: from.map(|b| b.started),
        bytes: from.map_or(0, |b| b.bytes),
        what: String::new(),
    };
    Ok((db, found, entries))
}

/// The spec beside a backup, if it is the one that was written there.
async fn spec(stores: &Stores, kept: &Kept) -> Result<String, String> {
    let store = &stores[&kept.backup.id.store];
    let key = format!("{}{SPEC}", kept.prefix);
    let bytes = read_small(store.as_ref(), &key, LIMIT).await;
    let bytes = bytes.map_err(|e| e.to_string())?;
    let sum = kept.manifest.files.iter().find(|file| file.name == SPEC);
    let is = hex(&Sha256::digest(&bytes));
    if sum.is_some_and(|file| file.sha256 != is) {
        return Err(format!(
            "{}: {key}: it is not what was written",
            store.place()
        ));
    }
    String::from_utf8(bytes).map_err(|_| format!("{}: {key}: it is no text", store.place()))
}
