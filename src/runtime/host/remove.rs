//! Removing what a retired database leaves: the one place where data is deleted.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::durable::{at, sync_folder};
use super::look::{contents, is_folder};
use super::place::{hold, own, seen};
use super::volume::MARKERS;
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
    tree(&data)?;
    tree(&site.secrets_dir(&db.name))?;
    tree(&site.config_dir(&db.name))?;
    // Out of the way in one step: half a marker would be nobody's.
    let place = db.marker_dir();
    let gone = db.volume.path.join(MARKERS).join(".gone");
    tree(&gone)?;
    match fs::rename(&place, &gone) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(at(&place, &e)),
        _ => {}
    }
    drop(held);
    tree(&gone)
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
