//! Folders that go with their database's name. Each is in the one place or in the other, since a
//! rename is one step; what is done already is done.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::durable::{at, read_small, sync_folder};
use super::look::{is_folder, marker};
use super::place::{ASIDE, hold, own};
use super::remove::set_aside;
use super::volume::{self, MARKERS, Volume};
use crate::model::guard::INNER_UID;
use crate::model::{Database, Site, Uid};
use crate::runtime::{DirError, NamedFolder};

/// Moves one of a database's folders from the place of its old name to that of its new one.
pub(super) fn rename(
    state_dir: &Path,
    site: &Site,
    from: &Database,
    to: &Database,
    which: NamedFolder,
) -> Result<(), DirError> {
    if let Volume::Doubtful(why) = volume::look(state_dir, &from.volume.path) {
        return Err(DirError::Io {
            path: from.data_dir().display().to_string(),
            message: why,
        });
    }
    // Wherever the marker is by now: it says whose all of it is, and no server may run on it.
    let (old, new) = (
        marker(from).map_err(DirError::Refused)?,
        marker(to).map_err(DirError::Refused)?,
    );
    for (db, marker) in [(from, &old), (to, &new)] {
        if let Some(marker) = marker {
            own(db, marker)?;
        }
    }
    let _held = match (&old, &new) {
        (Some(_), _) => hold(from)?,
        (None, Some(_)) => hold(to)?,
        (None, None) => {
            return Err(DirError::Refused(format!(
                "there is no marker of {}, neither in {} nor in {}",
                from.uid,
                from.marker_dir().display(),
                to.marker_dir().display()
            )));
        }
    };
    // Somebody made the old place anew meanwhile: what is ours is where it should be.
    let there = match which {
        NamedFolder::Data => inner(to) == Some(to.uid),
        NamedFolder::Marker => new.is_some(),
        NamedFolder::Secrets | NamedFolder::Config | NamedFolder::Aside | NamedFolder::Evidence => {
            false
        }
    };
    if there {
        return Ok(());
    }
    match which {
        NamedFolder::Data => shift(&from.data_dir(), &to.data_dir()),
        NamedFolder::Marker => shift(&from.marker_dir(), &to.marker_dir()),
        NamedFolder::Secrets => shift(&site.secrets_dir(&from.name), &site.secrets_dir(&to.name)),
        NamedFolder::Config => shift(&site.config_dir(&from.name), &site.config_dir(&to.name)),
        NamedFolder::Aside => asides(from, to),
        NamedFolder::Evidence => evidence(site, from, to),
    }
}

/// The uid inside the data, if it can be read.
fn inner(db: &Database) -> Option<Uid> {
    let (first, _) = db.data_mounts().next()?;
    let text = read_small(&first.join(INNER_UID)).ok()??;
    text.trim().parse().ok()
}

/// One rename, on the disk when this returns.
fn shift(from: &Path, to: &Path) -> Result<(), DirError> {
    let there = |path: &Path| is_folder(path).map_err(DirError::Refused);
    match (there(from)?, there(to)?) {
        (false, _) => return Ok(()),
        (true, true) => {
            return Err(DirError::Refused(format!(
                "{} is in the way of {}; move it away",
                to.display(),
                from.display()
            )));
        }
        (true, false) => {}
    }
    fs::rename(from, to).map_err(|e| at(from, &e))?;
    for folder in [from.parent(), to.parent()].into_iter().flatten() {
        sync_folder(folder).map_err(|e| at(folder, &e))?;
    }
    Ok(())
}

/// What was moved aside of it, and begins with its name.
fn asides(from: &Database, to: &Database) -> Result<(), DirError> {
    let prefix = format!("{}-", from.name);
    for old in set_aside(from)? {
        let name = old.file_name().and_then(|name| name.to_str());
        if let Some(rest) = name.and_then(|name| name.strip_prefix(&prefix)) {
            let new = from.volume.path.join(MARKERS).join(ASIDE);
            shift(&old, &new.join(format!("{}-{rest}", to.name)))?;
        }
    }
    Ok(())
}

/// Evidence of its quarantines, beside what an earlier database of the new name left.
fn evidence(site: &Site, from: &Database, to: &Database) -> Result<(), DirError> {
    let of = |db: &Database| site.state_dir.join("quarantine").join(db.name.as_str());
    let (old, new) = (of(from), of(to));
    if !is_folder(&old).map_err(DirError::Refused)? {
        return Ok(());
    }
    if !is_folder(&new).map_err(DirError::Refused)? {
        return shift(&old, &new);
    }
    let all: Vec<PathBuf> = fs::read_dir(&old)
        .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect())
        .map_err(|e| at(&old, &e))?;
    for folder in all {
        if let Some(name) = folder.file_name() {
            shift(&folder, &new.join(name))?;
        }
    }
    match fs::remove_dir(&old) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(at(&old, &e)),
        _ => Ok(()),
    }
}
