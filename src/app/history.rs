//! What the stores know of this mode's hosts, and whether a host may begin without it.
//!
//! Only manifests are believed: what lies in a store without one is no backup. Pieces of the ledger
//! need none: each tells its place in the chain.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::model::{DbName, Segment, Uid};
use crate::settings::Settings;
use crate::store::manifest::{MANIFEST, MANIFEST_LIMIT, Manifest, TOMBSTONE, segment_of};
use crate::store::{BackupStore, Stores, read_small};

use super::archive;

/// Stands in the state directory of a host that is to begin beside the history of another one.
const FRESH: &str = "fresh";
const NOTHING: &str = "nothing was created";

/// A manifest's place in a store: nothing of it was read yet.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) store: String,
    pub(super) instance: String,
    pub(super) name: DbName,
    pub(super) uid: Uid,
    pub(super) slot: String,
    pub(super) attempt: u32,
    pub(super) prefix: String,
}

/// A piece of a ledger in a store.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) store: String,
    pub(super) instance: String,
    pub(super) key: String,
    pub(super) segment: Segment,
}

/// What the stores hold of a mode.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    pub(super) places: Vec<Place>,
    pub(super) pieces: Vec<Piece>,
    /// Stores and keys of tombstones.
    pub(super) tombstones: Vec<(String, String)>,
}

impl History {
    /// Leaves what is of one host.
    pub(super) fn of_instance(&mut self, instance: &str) {
        self.places.retain(|place| place.instance == instance);
        self.pieces.retain(|piece| piece.instance == instance);
        let own = |key: &str| key.split('/').nth(1) == Some(instance);
        self.tombstones.retain(|(_, key)| own(key));
    }
}

/// Lets an instance begin although the stores hold the history of another one.
pub(super) fn begin_fresh(state_dir: &Path) -> Result<String, String> {
    let path = state_dir.join(FRESH);
    fs::write(&path, "begin beside what the stores hold\n")
        .map_err(|e| format!("{}: {e}", path.display()))?;
    Ok("it begins anew at the next start, beside what the stores hold".to_owned())
}

/// Ends that: from now on this host has a history of its own.
pub(super) fn has_begun(state_dir: &Path) {
    let path = state_dir.join(FRESH);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "it stays, and should go");
        }
        _ => {}
    }
}

/// Refuses a first start where the stores hold the history of this mode: whoever lost a host would get
/// empty databases under the names of full ones.
///
/// # Errors
/// What is there, or what cannot be known; nothing was created then.
pub(super) async fn refuse_history(settings: &Settings) -> Result<(), String> {
    if settings.state_dir.join(FRESH).exists() {
        return Ok(());
    }
    let stores = archive::stores(settings)?;
    let mode = settings.mode.as_str();
    let found = history(&stores, mode).await.map_err(|why| {
        format!("{why}; whether this host has a history cannot be known; {NOTHING}")
    })?;
    let of_places = found.places.iter().map(|place| &place.store);
    let mut holders = of_places.chain(found.pieces.iter().map(|piece| &piece.store));
    let Some(store) = holders.next() else {
        return Ok(());
    };
    let mut names: BTreeSet<&str> = found.places.iter().map(|p| p.name.as_str()).collect();
    if !found.pieces.is_empty() {
        names.insert("the journal");
    }
    Err(format!(
        "StoreHasHistory: this host has no memory, and the store {store} holds backups of this mode \
         ({}); {NOTHING}. To bring them back: db4sci recover --plan; to begin anew beside them: db4sci \
         init --fresh",
        names.into_iter().collect::<Vec<_>>().join(", ")
    ))
}

/// All manifests and pieces of ledgers of a mode.
pub(super) async fn history(stores: &Stores, mode: &str) -> Result<History, String> {
    let mut found = History::default();
    for (name, store) in stores {
        let objects = store.list(&format!("{mode}/")).await;
        for object in objects.map_err(|e| format!("store {name}: {e}"))? {
            if let Some(prefix) = object.key.strip_suffix(MANIFEST) {
                found.places.extend(place(name, prefix));
            } else if object.key.ends_with(&format!("/{TOMBSTONE}")) {
                found.tombstones.push((name.clone(), object.key));
            } else if let Some((instance, segment)) = segment_of(&object.key) {
                found.pieces.push(Piece {
                    store: name.clone(),
                    instance: instance.to_owned(),
                    key: object.key.clone(),
                    segment,
                });
            }
        }
    }
    Ok(found)
}

/// `<mode>/<instance>/<name>/<uid>/<slot>/<attempt>/`
fn place(store: &str, prefix: &str) -> Option<Place> {
    let parts: Vec<&str> = prefix.trim_end_matches('/').split('/').collect();
    let [_, instance, name, uid, slot, attempt] = parts[..] else {
        return None;
    };
    Some(Place {
        store: store.to_owned(),
        instance: instance.to_owned(),
        name: name.parse().ok()?,
        uid: uid.parse().ok().map(Uid)?,
        slot: slot.to_owned(),
        attempt: attempt.parse().ok()?,
        prefix: prefix.to_owned(),
    })
}

/// The manifest of the backup below a prefix.
pub(super) async fn manifest(
    store: &Arc<dyn BackupStore>,
    prefix: &str,
) -> Result<Manifest, String> {
    let key = format!("{prefix}{MANIFEST}");
    let bytes = read_small(store.as_ref(), &key, MANIFEST_LIMIT).await;
    Manifest::read(&bytes.map_err(|e| e.to_string())?)
        .map_err(|why| format!("{}: {key}: {why}", store.place()))
}
