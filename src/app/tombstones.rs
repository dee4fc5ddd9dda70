//! What the stores say of retired databases.

use std::collections::BTreeMap;

use crate::admin::{Book, NewEntry};
use crate::model::{Change, Database, Outcome, Uid, WantedState};
use crate::store::manifest::{TOMBSTONE, TombstoneFile};
use crate::store::{Stores, read_small};

/// No tombstone is larger.
const LIMIT: usize = 64 << 10;

/// The tombstones of an instance, and what cannot be read.
pub(super) async fn tombstones(
    stores: &Stores,
    mode: &str,
    instance: &str,
) -> Result<(BTreeMap<Uid, TombstoneFile>, Vec<String>), String> {
    let (mut found, mut problems) = (BTreeMap::new(), Vec::new());
    for (name, store) in stores {
        let objects = store.list(&format!("{mode}/{instance}/")).await;
        for object in objects.map_err(|e| format!("store {name}: {e}"))? {
            if !object.key.ends_with(&format!("/{TOMBSTONE}")) {
                continue;
            }
            let bytes = read_small(store.as_ref(), &object.key, LIMIT).await;
            let read = bytes
                .map_err(|e| e.to_string())
                .and_then(|bytes| TombstoneFile::read(&bytes));
            match read {
                Ok(file) => {
                    found.insert(file.uid, file);
                }
                Err(why) => problems.push(format!("store {name}: {}: {why}", object.key)),
            }
        }
    }
    Ok((found, problems))
}

/// Entries that retire again what was retired after the memory that is brought back was saved.
pub(super) fn retired_again(
    book: &Book,
    tombstones: &BTreeMap<Uid, TombstoneFile>,
) -> Vec<NewEntry> {
    let mut entries = Vec::new();
    for (name, row) in book.rows() {
        let db = &row.database;
        let Some(tombstone) = tombstones.get(&db.uid) else {
            continue;
        };
        if row.retired.is_some() {
            continue;
        }
        let message = format!(
            "{name} was retired at {}, as its tombstone in the store says",
            tombstone.retired.format("%F %T UTC")
        );
        let entry = |change| NewEntry::of(name, Outcome::Done, message.clone(), change);
        if db.state != WantedState::Retired {
            let database = Box::new(Database {
                state: WantedState::Retired,
                generation: db.generation + 1,
                ..db.clone()
            });
            entries.push(entry(Change::Admitted { database }));
        }
        entries.push(entry(Change::Retired {
            uid: db.uid,
            backup: tombstone.last.clone(),
        }));
    }
    entries
}
