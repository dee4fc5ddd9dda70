//! What becomes of one database of a host that comes back.

use std::collections::BTreeMap;

use crate::admin::{Book, NewEntry, Row};
use crate::cli::Found;
use crate::model::view::Phase;
use crate::model::{
    Backup, BackupState, Change, Clock, Database, DbName, ImageId, Outcome, SystemClock, Timestamp,
    Uid, WantedState,
};
use crate::plan::comeback::{Lost, Priority};
use crate::plan::recovery;
use crate::store::Stores;
use crate::store::manifest::Manifest;

use super::super::history::{Place, manifest};

/// What becomes of what was retired.
pub(super) const RETIRED: &str = "is retired, and stays so";
/// What becomes of what was to be retired, and is not yet.
pub(super) const RETIRES: &str =
    "waits, since it was to be retired: db4sci restore, or db4sci undelete";
/// What becomes of what is gone from db4sci.
const GONE: &str = "was removed, or released from db4sci, and stays so";

/// A backup in a store.
pub(in crate::app) struct Kept {
    pub(in crate::app) backup: Backup,
    pub(in crate::app) manifest: Manifest,
    /// What the keys of its files begin with.
    pub(in crate::app) prefix: String,
}

/// The backups of a database in the stores, and how many manifests cannot be read.
pub(in crate::app) struct Held {
    pub(in crate::app) backups: Vec<Kept>,
    pub(in crate::app) unreadable: usize,
}

impl Held {
    /// When each of them was finished.
    pub(super) fn finished(&self) -> impl Iterator<Item = Timestamp> {
        self.backups.iter().map(|kept| kept.manifest.finished)
    }
}

/// What the stores hold of a database: by uid alone, since it may have had another name then.
pub(in crate::app) async fn held(stores: &Stores, all: &[Place], uid: Uid) -> Held {
    let (mut backups, mut unreadable) = (Vec::new(), 0);
    for place in all.iter().filter(|p| p.uid == uid) {
        let store = &stores[&place.store];
        match manifest(store, &place.prefix).await {
            Ok(manifest) => {
                let backup = manifest.backup(&place.store, &store.place(), &place.prefix);
                let prefix = place.prefix.clone();
                backups.push(Kept {
                    backup,
                    manifest,
                    prefix,
                });
            }
            Err(_) => unreadable += 1,
        }
    }
    Held {
        backups,
        unreadable,
    }
}

/// What is asked of all databases.
pub(super) struct Asked<'a> {
    /// Those that are to come back by themselves; none: all.
    pub(super) only: &'a [DbName],
    /// The last moment at which the host is known to have lived.
    pub(super) lived: Timestamp,
}

/// What becomes of a database that the memory knows, and what is to be written of it: backups that the
/// memory does not know; that it has data, where only its backups tell; and that it comes back.
pub(super) fn of_database(
    book: &Book,
    row: &Row,
    held: Held,
    asked: &Asked<'_>,
    retired_since: bool,
) -> (Found, Vec<NewEntry>) {
    let only = asked.only;
    let db = &row.database;
    let (mut entries, mut there) = (Vec::new(), BTreeMap::new());
    for Kept { backup: found, .. } in &held.backups {
        let known = row.backups.get(&found.id);
        let known = known.filter(|b| b.state.good() || b.state == BackupState::Damaged);
        if known.is_none() {
            let owner = book.owner_of(found.uid, &found.id);
            entries.push(was_found(
                &owner.unwrap_or(&found.id.name).clone(),
                found.clone(),
            ));
        }
        let backup = known.unwrap_or(found).clone();
        there.insert(backup.id.clone(), backup);
    }
    let newest = recovery::source(db, &there, true, &BTreeMap::new(), SystemClock.now());
    let wanted = only.is_empty() || only.contains(&db.name);
    let gone = db.state == WantedState::Retired || retired_since || row.end.is_some();
    // A backup whose manifest cannot be read is one of data, too: never does it begin empty.
    let unreadable = held.unreadable > 0;
    let has_data = row.initialised || newest.is_some() || unreadable;
    let mut what = match newest {
        _ if db.name.is_mydb_admin() => "comes back, and is filled from the ledger".to_owned(),
        _ if row.end.is_some() => GONE.to_owned(),
        _ if row.retired.is_some() || retired_since => RETIRED.to_owned(),
        _ if !has_data => "never had data; is made".to_owned(),
        Some(_) if gone => RETIRES.to_owned(),
        Some(_) if wanted && row.wanted() == WantedState::Stopped => {
            "comes back once it is started".to_owned()
        }
        Some(_) if wanted => "comes back".to_owned(),
        Some(_) => "waits: db4sci restore".to_owned(),
        None if unreadable => {
            "is held, and does not begin empty: none of its backups can be read".to_owned()
        }
        None => "is lost: there is no backup".to_owned(),
    };
    if unreadable {
        what.push_str(&format!(" ({} manifests cannot be read)", held.unreadable));
    }
    if !db.name.is_mydb_admin() && has_data && row.end.is_none() {
        if !row.initialised {
            let made_by = newest.and_then(|b| held.backups.iter().find(|k| k.backup.id == b.id));
            let made_by = made_by.map(|kept| &kept.manifest);
            entries.extend(has_data_after_all(db, made_by));
        }
        if !gone && wanted {
            entries.push(comes_back(db));
        }
    }
    let lost = match newest {
        _ if db.name.is_mydb_admin() || gone || row.retired.is_some() => None,
        _ if !has_data => Some(Lost::Nothing),
        None if unreadable => Some(Lost::Unknown),
        newest => Some(Lost::between(
            newest.map(|b| b.started),
            Some(newest.map_or(asked.lived, |b| lived(row, b, asked.lived))),
        )),
    };
    let found = Found {
        priority: Priority::of(db),
        engine: format!("{} {}", db.engine, db.image.series),
        lost,
        backup: newest.map(|b| b.id.to_string()),
        as_of: newest.map(|b| b.started),
        bytes: newest.map_or(0, |b| b.bytes),
        what,
    };
    (found, entries)
}

/// Until when a database may have been written to: as long as its host is known to have lived, or until it
/// went down, if a memory that knows this backup says so.
fn lived(row: &Row, newest: &Backup, host: Timestamp) -> Timestamp {
    let down = match row.phase {
        Phase::Stopped | Phase::Held | Phase::Retired | Phase::Ejected => true,
        Phase::Pending
        | Phase::Creating
        | Phase::Ready
        | Phase::Degraded
        | Phase::Maintenance
        | Phase::Restoring => false,
    };
    if down && row.backups.contains_key(&newest.id) {
        row.since.min(host)
    } else {
        host
    }
}

/// What of `mydb_admin`'s memory is lost: whoever finished a backup after it ends wrote that down.
pub(super) fn memory_lost(ends: Timestamp, lived: Timestamp) -> Lost {
    Lost::between(Some(ends), Some(lived))
}

/// A backup that the memory did not know.
pub(in crate::app) fn was_found(owner: &DbName, backup: Backup) -> NewEntry {
    let message = format!("{} was found in its store", backup.id);
    let backup = Box::new(backup);
    NewEntry::of(owner, Outcome::Done, message, Change::Backup { backup })
}

/// That a database has data, although the memory does not know of its first start: never does it begin
/// empty. Its image is the backup's, if its spec names that.
pub(in crate::app) fn has_data_after_all(
    db: &Database,
    made_by: Option<&Manifest>,
) -> Vec<NewEntry> {
    let uid = db.uid;
    let entry = |message: String, change| NewEntry::of(&db.name, Outcome::Done, message, change);
    let image = made_by
        .filter(|m| db.image.pinned.is_none() && m.image == db.image.reference.to_string())
        .map(|m| ImageId(m.image_id.clone()));
    let pinned = image.map(|image| {
        let message = format!("{} is {image}, as its backup says", db.image.reference);
        entry(message, Change::ImagePinned { uid, image })
    });
    let message = format!("{} has data, as its backup says", db.name);
    let has = entry(message, Change::Initialised { uid });
    pinned.into_iter().chain([has]).collect()
}

/// That it is to come back by itself.
pub(in crate::app) fn comes_back(db: &Database) -> NewEntry {
    let message = format!(
        "{} comes back from its newest backup, if its data is lost",
        db.name
    );
    let change = Change::RecoverAsked { uid: db.uid };
    NewEntry::of(&db.name, Outcome::Done, message, change)
}
