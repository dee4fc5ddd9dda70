//! Removing what a retired database leaves: the one place where data is deleted.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::durable::{at, read_small, sync_folder};
use super::look::{contents, is_folder};
use super::place::{ASIDE, hold, own, seen};
use super::volume::MARKERS;
use crate::model::guard::INNER_UID;
use crate::model::{Database, Site};
use crate::runtime::DirError;

/// Removes data, secrets and configuration, and at last the marker: until then it says whose they are.
pub(super) fn remove(state_dir: &Path, site: &Site, db: &Database) -> Result<(), DirError> {
    let data = db.data_dir();
    let marker = seen(state_dir, db)?.and_then(|seen| seen.marker);
    let held = match &marker {
        Some(marker) => {
            own(db, marker)?;
            Some(hold(db)?)
        }
        None => {
            let there = is_folder(&data).map_err(DirError::Refused)?;
            if there && !contents(&data).map_err(DirError::Refused)?.is_empty() {
                return Err(DirError::Refused(format!(
                    "{} holds something, and no marker says that it is {}'s; nothing was removed",
                    data.display(),
                    db.name
                )));
            }
            None
        }
    };
    for old in set_aside(db)? {
        tree(&old)?;
    }
    tree(&data)?;
    tree(&site.secrets_dir(&db.name))?;
    tree(&site.config_dir(&db.name))?;
    // Out of the way in one step: half a marker would be nobody's.
    let place = db.marker_dir();
    let gone = db
        .volume
        .path
        .join(MARKERS)
        .join(format!(".gone-{}", db.uid));
    tree(&gone)?;
    match fs::rename(&place, &gone) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(at(&place, &e)),
        _ => {}
    }
    drop(held);
    tree(&gone)
}

/// Data of this uid that was moved aside: by a restore, say. What does not say whose it is stays.
pub(super) fn set_aside(db: &Database) -> Result<Vec<PathBuf>, DirError> {
    let aside = db.volume.path.join(MARKERS).join(ASIDE);
    let base = db.data_dir();
    let mounts: Vec<PathBuf> = db.data_mounts().map(|(path, _)| path).collect();
    if !is_folder(&aside).map_err(DirError::Refused)? {
        return Ok(Vec::new());
    }
    let mut ours = Vec::new();
    for entry in fs::read_dir(&aside).map_err(|e| at(&aside, &e))? {
        let folder = entry.map_err(|e| at(&aside, &e))?.path();
        // What lies in there is the database's own user's to write: a link, a pipe.
        let says = |mount: &PathBuf| {
            let below = mount.strip_prefix(&base).ok()?;
            read_small(&folder.join(below).join(INNER_UID))
                .ok()
                .flatten()
        };
        let uid = db.uid.to_string();
        if mounts
            .iter()
            .filter_map(says)
            .any(|text| text.trim() == uid)
        {
            ours.push(folder);
        }
    }
    Ok(ours)
}

/// Removes a folder with all that is in it; links are removed and not followed.
fn tree(folder: &Path) -> Result<(), DirError> {
    match fs::remove_dir_all(folder) {
        Ok(()) => {}
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(at(folder, &e)),
    }
    match folder.parent() {
        Some(parent) => sync_folder(parent).map_err(|e| at(parent, &e)),
        None => Ok(()),
    }
}
