//! Looking at a database's place, without changing anything.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::durable::{read_beginning, read_small};
use super::volume::{self, Volume};
use crate::model::guard::INNER_UID;
use crate::model::{
    DataIdentity, DataSeen, Database, FolderId, IdentityFile, Marker, MarkerState, Seen,
};

/// The marker's files: one word each, so that the guard can read them with `read`.
pub(super) const UID: &str = "uid";
pub(super) const STATE: &str = "state";
pub(super) const LOCK: &str = "lock";

/// The words of the file `state`.
pub(super) fn word(state: MarkerState) -> &'static str {
    match state {
        MarkerState::Initialising => "initialising",
        MarkerState::Initialised => "initialised",
        MarkerState::Ejected => "ejected",
    }
}

/// What lies in a database's place. Whatever cannot be read is `Unknown`, never empty.
pub(super) fn look(
    state_dir: &Path,
    db: &Database,
    identity: Option<IdentityFile>,
) -> Seen<DataSeen> {
    match volume::look(state_dir, &db.volume.path) {
        Volume::There => {}
        Volume::Doubtful(why) => return Seen::Unknown(why),
    }
    match look_on_volume(db, identity) {
        Ok(Some(seen)) => Seen::Present(seen),
        Ok(None) => Seen::Absent,
        Err(why) => Seen::Unknown(why),
    }
}

/// Which folder the data lies in: the first one that its container mounts.
pub(super) fn folder(db: &Database) -> Option<FolderId> {
    let (folder, _) = db.data_mounts().next()?;
    let found = fs::symlink_metadata(folder).ok()?;
    found.is_dir().then(|| FolderId(found.dev(), found.ino()))
}

fn look_on_volume(
    db: &Database,
    identity: Option<IdentityFile>,
) -> Result<Option<DataSeen>, String> {
    let marker = marker(db)?;
    let base = is_folder(&db.data_dir())?;
    if marker.is_none() && !base {
        return Ok(None);
    }
    let mut seen = DataSeen {
        marker,
        dirs_exist: base,
        empty: true,
        sentinel: false,
        inner_uid: None,
        identity: None,
        // A volume that cannot tell is no reason to wait.
        tight: super::room::room(&db.volume.path)
            .ok()
            .filter(|room| room.free < room.needed_by(&db.name)),
    };
    for (n, (folder, _)) in db.data_mounts().enumerate() {
        let exists = base && is_folder(&folder)?;
        seen.dirs_exist &= exists;
        if n > 0 || !exists {
            continue;
        }
        seen.empty = contents(&folder)?.is_empty();
        seen.sentinel = exists_at(&folder.join(&db.layout.sentinel))?;
        let inner = folder.join(INNER_UID);
        if let Some(text) = told(&inner, read_small(&inner))? {
            seen.inner_uid = Some(
                text.trim()
                    .parse()
                    .map_err(|_| format!("{} holds no uid of a database", inner.display()))?,
            );
        }
        if let Some(file) = identity {
            seen.identity = identity_in(&folder, file)?;
        }
    }
    Ok(Some(seen))
}

/// What the engine calls the data in a folder. A file that is too short, or holds nothing that the
/// engine wrote, is as good as none.
fn identity_in(folder: &Path, file: IdentityFile) -> Result<Option<DataIdentity>, String> {
    let path = folder.join(file.path);
    for parent in path.ancestors().skip(1).take_while(|p| *p != folder) {
        if !is_folder(parent)? {
            return Ok(None);
        }
    }
    let beginning = told(&path, read_beginning(&path, file.length))?;
    Ok(beginning.and_then(|bytes| (file.read)(&bytes)))
}

/// The marker, if there is one. Its `uid` is written last: without it there is none yet.
pub(super) fn marker(db: &Database) -> Result<Option<Marker>, String> {
    let folder = db.marker_dir();
    if !is_folder(&folder)? {
        return Ok(None);
    }
    let (uid_file, state_file) = (folder.join(UID), folder.join(STATE));
    let Some(uid) = told(&uid_file, read_small(&uid_file))? else {
        return Ok(None);
    };
    let uid = uid
        .trim()
        .parse()
        .map_err(|e| format!("{}: {e}", uid_file.display()))?;
    let state = told(&state_file, read_small(&state_file))?.unwrap_or_default();
    let states = [
        MarkerState::Initialising,
        MarkerState::Initialised,
        MarkerState::Ejected,
    ];
    let state = states
        .into_iter()
        .find(|s| word(*s) == state.trim())
        .ok_or_else(|| {
            format!(
                "{} holds neither `initialising` nor `initialised` nor `ejected`",
                state_file.display()
            )
        })?;
    Ok(Some(Marker { uid, state }))
}

/// What a folder holds besides our own file: a few names, for messages.
pub(super) fn contents(folder: &Path) -> Result<Vec<String>, String> {
    const ENOUGH: usize = 4;
    let mut names = Vec::new();
    for entry in told(folder, fs::read_dir(folder))? {
        let name = told(folder, entry)?.file_name();
        if name == INNER_UID || name == format!(".{INNER_UID}.tmp").as_str() {
            continue;
        }
        names.push(name.to_string_lossy().into_owned());
        if names.len() == ENOUGH {
            break;
        }
    }
    names.sort();
    Ok(names)
}

/// Whether there is a folder; anything else in its place is an error, a link included: through a
/// link, a database's own user could lead us anywhere.
pub(super) fn is_folder(path: &Path) -> Result<bool, String> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Ok(true),
        Ok(found) if found.is_symlink() => Err(format!(
            "{} is a symbolic link, and none is followed",
            path.display()
        )),
        Ok(_) => Err(format!("{} is no folder", path.display())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(format!("{}: {e}", path.display())),
    }
}

fn exists_at(path: &Path) -> Result<bool, String> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(e) => Err(format!("{}: {e}", path.display())),
    }
}

fn told<T>(path: &Path, result: io::Result<T>) -> Result<T, String> {
    result.map_err(|e| format!("{}: {e}", path.display()))
}
