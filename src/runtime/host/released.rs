//! What a database needs to be run without db4sci: a folder with texts, and copies of its secret files
//! and configuration; and the word in its marker that nothing here is db4sci's any more.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path};

use super::durable::{at, folder, read_small, sync_folder, write};
use super::files::{APPLIED, plain_name};
use super::look::{contents, is_folder, marker};
use super::place::{hold, write_state};
use crate::model::guard::INNER_UID;
use crate::model::{Database, MarkerState, ReleasedFiles, Site};
use crate::runtime::DirError;

/// What a refusal says last.
const UNTOUCHED: &str = "nothing was changed";

/// Writes texts, secrets (0400, as their owner has them) and configuration into a folder that only root
/// passes. One of this database is written anew.
pub(super) fn write_all(
    site: &Site,
    root: u32,
    db: &Database,
    to: &Path,
    files: &ReleasedFiles,
) -> Result<(), DirError> {
    for (name, _) in &files.texts {
        plain_name(name)?;
    }
    safe(root, to)?;
    if !ours(db, to)? && is_folder(to).map_err(DirError::Refused)? {
        let found = contents(to).map_err(DirError::Refused)?;
        if !found.is_empty() {
            return refused(format!(
                "{} holds something already ({}); choose another folder with --to",
                to.display(),
                found.join(", ")
            ));
        }
    }
    folder(to, 0o700, root)?;
    // First: it says whose the rest is.
    let uid = format!("{}\n", db.uid);
    write(&to.join(INNER_UID), uid.as_bytes(), 0o600, root)?;
    let owner = db.layout.uid;
    let (secrets, config) = (to.join(files.secrets), to.join(files.config));
    folder(&secrets, 0o500, owner)?;
    copy(&site.secrets_dir(&db.name), &secrets, 0o400, owner)?;
    folder(&config, 0o755, root)?;
    copy(&site.config_dir(&db.name), &config, 0o644, owner)?;
    for (name, text) in &files.texts {
        write(&to.join(name), text.as_bytes(), 0o600, root)?;
    }
    Ok(())
}

/// Removes such a folder, if it is this database's; what others have put into it stays, and the folder
/// with it.
pub(super) fn remove(db: &Database, to: &Path, files: &ReleasedFiles) -> Result<(), DirError> {
    if !ours(db, to)? {
        return Ok(());
    }
    for name in [files.secrets, files.config] {
        let place = to.join(name);
        match fs::remove_dir_all(&place) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(at(&place, &e)),
            _ => {}
        }
    }
    let texts = files.texts.iter().map(|(name, _)| name.as_str());
    // Last: it says whose the rest is.
    for name in texts.chain([INNER_UID]) {
        let place = to.join(name);
        match fs::remove_file(&place) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(at(&place, &e)),
            _ => {}
        }
    }
    match fs::remove_dir(to) {
        Err(e) if !matches!(e.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
            Err(at(to, &e))
        }
        _ => Ok(()),
    }
}

/// Sets the marker to `ejected`, or back to `initialised`. No server may run on its data meanwhile.
pub(super) fn mark(root: u32, db: &Database, ejected: bool) -> Result<(), DirError> {
    let place = db.marker_dir();
    let to = if ejected {
        MarkerState::Ejected
    } else {
        MarkerState::Initialised
    };
    match marker(db).map_err(DirError::Refused)? {
        Some(marker) if marker.uid != db.uid => refused(format!(
            "{} is marked as the place of {}, this database is {}",
            place.display(),
            marker.uid,
            db.uid
        )),
        None => refused(format!(
            "{} holds no marker of this database",
            place.display()
        )),
        Some(marker) => match (marker.state, to) {
            (MarkerState::Initialising, _) => refused(format!(
                "{} says that its first start is not over",
                place.display()
            )),
            (state, to) if state == to => Ok(()),
            (MarkerState::Initialised | MarkerState::Ejected, to) => {
                let _held = hold(db)?;
                write_state(root, db, to)
            }
        },
    }
}

/// Whether a folder says that it is this database's.
fn ours(db: &Database, to: &Path) -> Result<bool, DirError> {
    if !is_folder(to).map_err(DirError::Refused)? {
        return Ok(false);
    }
    let path = to.join(INNER_UID);
    let text = read_small(&path).map_err(|e| at(&path, &e))?;
    match text {
        Some(text) if text.trim() == db.uid.to_string() => Ok(true),
        Some(_) => refused(format!(
            "{} is that of another database that was released; choose another folder with --to",
            to.display()
        )),
        None => Ok(false),
    }
}

/// Copies plain files; those that are there already are written anew.
fn copy(from: &Path, to: &Path, mode: u32, owner: u32) -> Result<(), DirError> {
    for entry in fs::read_dir(from).map_err(|e| at(from, &e))? {
        let path = entry.map_err(|e| at(from, &e))?.path();
        let Some(name) = path.file_name() else {
            continue;
        };
        // Only db4sci asks for that one; what begins with a dot was left by a crash.
        if name == APPLIED || name.to_string_lossy().starts_with('.') {
            continue;
        }
        let found = fs::symlink_metadata(&path).map_err(|e| at(&path, &e))?;
        if !found.is_file() {
            return refused(format!("{} is no plain file", path.display()));
        }
        let bytes = fs::read(&path).map_err(|e| at(&path, &e))?;
        write(&to.join(name), &bytes, mode, owner)?;
    }
    sync_folder(to).map_err(|e| at(to, &e))
}

/// Refuses a place that somebody other than root could lead elsewhere while secrets are written to it.
fn safe(root: u32, to: &Path) -> Result<(), DirError> {
    let plain = |c: Component<'_>| matches!(c, Component::RootDir | Component::Normal(_));
    if !to.is_absolute() || !to.components().all(plain) {
        return refused(format!(
            "{} is no plain absolute path of a folder on the daemon's host",
            to.display()
        ));
    }
    let mut above: Vec<&Path> = to.ancestors().skip(1).collect();
    above.reverse();
    for place in above {
        let found = fs::symlink_metadata(place).map_err(|e| at(place, &e))?;
        if !found.is_dir() {
            return refused(format!("{} is no folder", place.display()));
        }
        if let Some(who) = others(root, &found) {
            return refused(format!(
                "{} can be changed by {who}, and secrets are to be written below it; choose a folder \
                 below ones of root's alone with --to",
                place.display()
            ));
        }
    }
    Ok(())
}

/// Who besides root can put something else into a folder's place.
fn others(root: u32, found: &Metadata) -> Option<String> {
    const STICKY: u32 = 0o1000;
    if ![0, root].contains(&found.uid()) {
        return Some(format!("uid {}", found.uid()));
    }
    let open = found.mode() & 0o022 != 0 && found.mode() & STICKY == 0;
    open.then(|| "others than its owner".to_owned())
}

fn refused<T>(why: String) -> Result<T, DirError> {
    Err(DirError::Refused(format!("{why}; {UNTOUCHED}")))
}

#[cfg(test)]
mod tests;
