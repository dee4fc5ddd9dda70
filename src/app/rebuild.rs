//! Databases that are newer than the memory that comes back: their rows are made again from their backups,
//! so that no spec of theirs begins them empty.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::admin::{Book, NewEntry};
use crate::cli::Found;
use crate::engine::backup::{engine_of, engine_of_files, is_of_files};
use crate::execute::backup::{first_block, hex};
use crate::model::database::Source;
use crate::model::{
    BackupId, Change, Clock, Database, DbName, EngineKind, Outcome, Owners, Slot, SystemClock,
    Timestamp, Uid,
};
use crate::plan::comeback::{Lost, Priority};
use crate::plan::recovery;
use crate::specs::{self, Request, Rules};
use crate::store::seal::Identity;
use crate::store::{Stores, read_small};

use super::daemon;
use super::history::Place;
use super::recover::{Held, Kept, comes_back, has_data_after_all, held, was_found};

pub(super) mod stub;
use stub::{Left, left_alone, stub};

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

/// What is asked of them.
pub(super) struct Wish<'a> {
    /// Those that are to come back by themselves; none: all.
    pub(super) only: &'a [DbName],
    /// The last moment at which their host is known to have lived; `None`: nothing tells.
    pub(super) lived: Option<Timestamp>,
    /// Now.
    pub(super) at: Timestamp,
    /// What opens backups.
    pub(super) keys: &'a [Identity],
}

/// Makes their rows again, each as the spec beside its newest backup says. One whose spec cannot be read gets
/// a row all the same, that is held: a file of its name would begin it empty otherwise.
pub(super) async fn rebuild(
    book: &Book,
    stores: &Stores,
    places: &[Place],
    unknown: BTreeMap<Uid, DbName>,
    mut rules: Rules,
    wish: &Wish<'_>,
) -> Rebuilt {
    // What lived comes back, whatever its owner may have today.
    rules.owners = Owners::default();
    for (_, row) in book.rows() {
        rules.take(&row.database);
    }
    let mut rebuilt = Rebuilt::default();
    let (mut names, mut unread) = (BTreeSet::new(), Vec::new());
    // The newest of a name first: uids sort by age.
    for (uid, name) in unknown.into_iter().rev() {
        if book.row(&name).is_some() || !names.insert(name.clone()) {
            rebuilt.problems.push(format!(
                "{name}: the store holds backups of an earlier database of that name ({uid}), too"
            ));
            continue;
        }
        let held = held(stores, places, uid).await;
        match of_spec(book, stores, &held, uid, &rules).await {
            Ok((db, mut entries)) => {
                let wanted = wish.only.is_empty() || wish.only.contains(&name);
                if wanted {
                    entries.push(comes_back(&db));
                }
                let what = if wanted {
                    "comes back; it is newer than the memory: its spec is its backup's, its passwords are new"
                } else {
                    "waits: db4sci restore; it is newer than the memory"
                };
                rules.take(&db);
                rebuilt.add(book, (&db, entries, what.to_owned()), &held, wish);
            }
            Err(why) => unread.push((uid, name, held, why)),
        }
    }
    // Behind all whose specs say which port is theirs: these take what is left.
    for (uid, name, held, why) in unread {
        match of_what_is_left(stores, (places, wish.keys), &held, uid, &name, &rules).await {
            Ok(db) => {
                let (entries, what) = is_held(&db, &held, why, wish.at);
                rules.take(&db);
                rebuilt.add(book, (&db, entries, what), &held, wish);
            }
            Err(none) => rebuilt.problems.push(format!(
                "{name}: it is newer than the memory, and its row cannot be made again ({why}; {none}): take \
                 its spec out of desired-state before db4sci runs, or it begins empty there; what is left of \
                 it lies in the store below {name}/{uid}"
            )),
        }
    }
    rebuilt
}

impl Rebuilt {
    /// Adds a database with what is to be written and shown of it, and the backups that were found.
    fn add(
        &mut self,
        book: &Book,
        (db, mut entries, what): (&Database, Vec<NewEntry>, String),
        held: &Held,
        wish: &Wish<'_>,
    ) {
        let name = &db.name;
        if let Err(why) = book.check(&entries[0]) {
            self.problems.push(format!("{name}: {why}"));
            return;
        }
        let found = held.backups.iter();
        let found = found.map(|kept| was_found(name, kept.backup.clone()));
        // Behind its first one, which makes the row.
        entries.splice(1..1, found);
        self.entries.extend(entries);
        let shown = shown(db, held, wish, what);
        self.databases.insert(name.clone(), shown);
    }
}

/// That it is to be, as the message says.
fn admitted(db: &Database, message: String) -> NewEntry {
    let database = Box::new(db.clone());
    NewEntry::of(
        &db.name,
        Outcome::Done,
        message,
        Change::Admitted { database },
    )
}

/// What is shown of one.
fn shown(db: &Database, held: &Held, wish: &Wish<'_>, what: String) -> Found {
    let there = held.backups.iter().map(|kept| kept.backup.clone());
    let there = there.map(|b| (b.id.clone(), b)).collect();
    let from = recovery::source(db, &there, true, &BTreeMap::new(), SystemClock.now());
    Found {
        priority: Priority::of(db),
        engine: format!("{} {}", db.engine, db.image.series),
        lost: Some(match from {
            Some(backup) => Lost::between(Some(backup.started), wish.lived),
            None => Lost::Unknown,
        }),
        backup: from.map(|b| b.id.to_string()),
        as_of: from.map(|b| b.started),
        bytes: from.map_or(0, |b| b.bytes),
        what,
    }
}

/// The database as the newest spec says that can be read, and what is to be written of it.
async fn of_spec(
    book: &Book,
    stores: &Stores,
    held: &Held,
    uid: Uid,
    rules: &Rules,
) -> Result<(Database, Vec<NewEntry>), String> {
    let mut why = "none of its manifests can be read".to_owned();
    for (nth, kept) in newest_first(held).into_iter().enumerate() {
        let read = async {
            let text = spec(stores, kept).await?;
            let parsed = specs::parse(&text, Path::new(SPEC)).map_err(daemon::lines)?;
            // A file of its name wins over it, as it does over what was applied.
            let source = Source::Api;
            let request = Request {
                parsed: &parsed,
                source,
            };
            let db = specs::admit(&request, None, rules, uid).map_err(daemon::lines)?;
            let (backup, made_by) = (&kept.backup, &kept.manifest);
            if db.name != backup.id.name || db.engine != made_by.engine {
                return Err(format!("its {SPEC} is that of {} ({})", db.name, db.engine));
            }
            let message = format!("{} as the {SPEC} of {} says", db.image.display, backup.id);
            let entry = admitted(&db, message);
            book.check(&entry)?;
            let mut entries = vec![entry];
            entries.extend(has_data_after_all(&db, Some(made_by)));
            Ok((db, entries))
        };
        match read.await {
            Ok(done) => return Ok(done),
            // That of the newest is what a person looks at first.
            Err(error) if nth == 0 => why = error,
            Err(_) => {}
        }
    }
    Err(why)
}

/// The database as far as anything but its spec tells.
async fn of_what_is_left(
    stores: &Stores,
    (places, keys): (&[Place], &[Identity]),
    held: &Held,
    uid: Uid,
    name: &DbName,
    rules: &Rules,
) -> Result<Database, String> {
    let newest = newest_first(held).into_iter().next();
    let engine = match newest {
        Some(kept) => Some(kept.manifest.engine),
        None => engine_in(stores, places, keys, uid).await,
    };
    let left = Left {
        name,
        uid,
        engine: engine.ok_or("not even its engine is known")?,
        image: newest.map(|kept| kept.manifest.image.as_str()),
        port: None,
        more: serde_json::Value::Null,
    };
    stub(&left, rules)
}

/// What is to be written of one that is held, and what is shown of it.
fn is_held(db: &Database, held: &Held, why: String, at: Timestamp) -> (Vec<NewEntry>, String) {
    let reason = format!(
        "its spec is not known any more ({why}), and it has data in its backups: say its spec (db4sci \
         apply, or its file), then db4sci resume {0}, and db4sci restore {0}",
        db.name
    );
    let message = format!("{} has a row, so that it does not begin empty", db.name);
    let mut entries = vec![admitted(db, message)];
    let made_by = newest_first(held).into_iter().next();
    entries.extend(has_data_after_all(db, made_by.map(|kept| &kept.manifest)));
    entries.push(left_alone(&db.name, reason.clone(), at));
    (entries, format!("is held: {reason}"))
}

/// Its backups, the newest first.
fn newest_first(held: &Held) -> Vec<&Kept> {
    let mut all: Vec<&Kept> = held.backups.iter().collect();
    all.sort_by_key(|kept| {
        let id = &kept.backup.id;
        std::cmp::Reverse((id.slot, id.attempt))
    });
    all
}

/// Its engine, as the names of the files beside its manifests tell, which cannot be read themselves; or the
/// beginning of an archive of its server's files.
async fn engine_in(
    stores: &Stores,
    places: &[Place],
    keys: &[Identity],
    uid: Uid,
) -> Option<EngineKind> {
    for place in places.iter().filter(|place| place.uid == uid) {
        let store = &stores[&place.store];
        let Ok(objects) = store.list(&place.prefix).await else {
            continue;
        };
        let files = objects.iter().filter_map(|o| o.key.rsplit('/').next());
        if let Some(engine) = engine_of(files) {
            return Some(engine);
        }
        let of_files = |key: &&str| key.rsplit('/').next().is_some_and(is_of_files);
        for key in objects.iter().map(|o| o.key.as_str()).filter(of_files) {
            match first_block(store, key, keys.to_vec()).await {
                Ok(block) => match engine_of_files(&block) {
                    None => {}
                    found => return found,
                },
                Err(error) => tracing::warn!(key, %error, "an archive of files cannot be read"),
            }
        }
    }
    None
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
