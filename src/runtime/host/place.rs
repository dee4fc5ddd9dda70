//! Making a database's place, marking it, and setting half-made data aside.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::durable::{at, folder, sync_folder, write};
use super::look::{LOCK, STATE, UID, contents, is_folder, look, marker, word};
use super::volume::{MARKERS, remember};
use crate::model::guard::INNER_UID;
use crate::model::{DataSeen, Database, Marker, MarkerState, Seen, Timestamp};
use crate::runtime::DirError;

/// The folder below the markers' that data is moved to.
pub(super) const ASIDE: &str = ".aside";
/// How often a lock is asked for that somebody holds.
const LOCK_TRIES: u32 = 10;
/// Between two times.
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// What a refusal says last.
const UNTOUCHED: &str = "nothing was changed";

/// Makes data folders and the marker `initialising`.
pub(super) fn prepare(state_dir: &Path, root: u32, db: &Database) -> Result<(), DirError> {
    match seen(state_dir, db)? {
        None => {}
        Some(DataSeen {
            marker: Some(marker),
            ..
        }) if marker.uid != db.uid => {
            return refused(format!(
                "{} is marked as the place of another database ({}, this one is {}); release or \
                 move it first, {UNTOUCHED}",
                db.marker_dir().display(),
                marker.uid,
                db.uid
            ));
        }
        Some(DataSeen {
            marker: Some(marker),
            dirs_exist,
            ..
        }) if marker.state == MarkerState::Initialised => {
            // Never an empty folder in place of data that was there.
            return if dirs_exist {
                Ok(())
            } else {
                refused(format!(
                    "{} is marked as initialised and its data folders are gone; restore a backup, \
                     {UNTOUCHED}",
                    db.data_dir().display()
                ))
            };
        }
        Some(DataSeen {
            marker: Some(marker),
            ..
        }) => drop(own(db, &marker)?),
        Some(DataSeen { marker: None, .. }) => refuse_strangers(db)?,
    }
    remember(state_dir, &db.volume.path, root)?;
    mark_place(root, db)?;
    // The marker first: a crash in between leaves a marked place without folders, which is
    // begun again; folders without a marker would be a stranger's.
    let base = db.data_dir();
    let is_own_mount = db.data_mounts().any(|(path, _)| path == base);
    if !is_own_mount {
        folder(&base, 0o700, root)?;
    }
    for (path, _) in db.data_mounts() {
        parents(&base, &path, db.layout.uid)?;
        folder(&path, 0o700, db.layout.uid)?;
    }
    Ok(())
}

/// The folders between the database's own and a deeper data folder.
fn parents(base: &Path, path: &Path, owner: u32) -> Result<(), DirError> {
    let Ok(below) = path.strip_prefix(base) else {
        return refused(format!(
            "{} lies outside {}",
            path.display(),
            base.display()
        ));
    };
    if below
        .components()
        .any(|c| !matches!(c, std::path::Component::Normal(_)))
    {
        return refused(format!(
            "{} lies outside {}",
            path.display(),
            base.display()
        ));
    }
    let mut here = base.to_path_buf();
    if let Some(between) = below.parent() {
        for part in between.components() {
            here.push(part);
            folder(&here, 0o700, owner)?;
        }
    }
    Ok(())
}

/// Refuses a folder without a marker that holds something.
fn refuse_strangers(db: &Database) -> Result<(), DirError> {
    let base = db.data_dir();
    let folders: Vec<PathBuf> = db.data_mounts().map(|(path, _)| path).collect();
    for path in std::iter::once(&base).chain(&folders) {
        if !is_folder(path).map_err(DirError::Refused)? {
            continue;
        }
        let ours = |name: &str| folders.iter().any(|f| f.starts_with(path.join(name)));
        let found: Vec<String> = contents(path)
            .map_err(DirError::Refused)?
            .into_iter()
            .filter(|name| path != &base || !ours(name))
            .collect();
        if !found.is_empty() {
            return refused(format!(
                "{} holds something already ({}) and no marker says that it is this database's; \
                 move it away or choose another name, {UNTOUCHED}",
                path.display(),
                found.join(", ")
            ));
        }
    }
    Ok(())
}

fn mark_place(root: u32, db: &Database) -> Result<(), DirError> {
    let place = db.marker_dir();
    // 0755 and 0644: the guard may run as the image's user, and there is no secret in here.
    folder(&place, 0o755, root)?;
    make_lock(&place.join(LOCK))?;
    write_state(root, db, MarkerState::Initialising)?;
    write(
        &place.join(UID),
        format!("{}\n", db.uid).as_bytes(),
        0o644,
        root,
    )
}

/// Makes the lock file once and never anew: a server that holds the lock of a file that was
/// replaced would be seen by nobody.
fn make_lock(path: &Path) -> Result<(), DirError> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path);
    match made {
        Ok(file) => file.sync_all().map_err(|e| at(path, &e)),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(at(path, &e)),
    }
}

pub(super) fn write_state(root: u32, db: &Database, state: MarkerState) -> Result<(), DirError> {
    let text = format!("{}\n", word(state));
    write(&db.marker_dir().join(STATE), text.as_bytes(), 0o644, root)
}

/// Sets the marker to `initialised` and puts the uid inside the data. A marker that is gone is made
/// anew where the uid inside proves whose data it is.
pub(super) fn mark_initialised(state_dir: &Path, root: u32, db: &Database) -> Result<(), DirError> {
    let Some((data, _)) = db.data_mounts().next() else {
        return refused(format!("{} has no data folder; {UNTOUCHED}", db.name));
    };
    let Some(seen) = seen(state_dir, db)? else {
        return refused(format!("{} is not there; {UNTOUCHED}", data.display()));
    };
    if !seen.sentinel {
        return refused(format!(
            "{} is not there, so this is no initialised data; {UNTOUCHED}",
            data.join(&db.layout.sentinel).display()
        ));
    }
    if let Some(other) = seen.inner_uid.filter(|uid| *uid != db.uid) {
        return refused(format!(
            "{} holds the data of {other}, this database is {}; {UNTOUCHED}",
            data.display(),
            db.uid
        ));
    }
    let state = match &seen.marker {
        Some(marker) => own(db, marker)?,
        None if seen.inner_uid == Some(db.uid) => {
            remember(state_dir, &db.volume.path, root)?;
            mark_place(root, db)?;
            MarkerState::Initialising
        }
        None => return no_marker(db),
    };
    // Inside first. After a crash in between, the guard and the planner find the uid inside data
    // still marked `initialising` and know it for whole; the other way round, data that is marked
    // initialised and lacks the uid could not be told from data of somebody else.
    match (seen.inner_uid, state) {
        (Some(_), _) => {}
        (None, MarkerState::Initialising) => {
            let text = format!("{}\n", db.uid);
            write(&data.join(INNER_UID), text.as_bytes(), 0o600, db.layout.uid)?;
        }
        (None, MarkerState::Initialised | MarkerState::Ejected) => {
            return refused(format!(
                "{} is marked as initialised and lacks {INNER_UID}: other data lies there (if it \
                 is the right data, write {} into that file); {UNTOUCHED}",
                data.display(),
                db.uid
            ));
        }
    }
    match state {
        MarkerState::Initialising => write_state(root, db, MarkerState::Initialised),
        MarkerState::Initialised | MarkerState::Ejected => Ok(()),
    }
}

/// Moves a half-made data folder aside.
pub(super) fn set_aside(
    state_dir: &Path,
    root: u32,
    db: &Database,
    now: Timestamp,
) -> Result<PathBuf, DirError> {
    let from = db.data_dir();
    if marked_state(db)? == MarkerState::Initialised {
        return refused(format!(
            "{} is marked as initialised: it is somebody's data and no half-made folder; \
             {UNTOUCHED}",
            from.display()
        ));
    }
    let Some(seen) = seen(state_dir, db)? else {
        return refused(format!("{} is not there; {UNTOUCHED}", from.display()));
    };
    if seen.inner_uid.is_some() {
        return refused(format!(
            "{} holds {INNER_UID}: its first start had ended well, so it is no half-made folder; \
             {UNTOUCHED}",
            from.display()
        ));
    }
    let _held = hold(db)?;
    move_aside(root, db, now)
}

/// Moves data that is beyond use aside, if any is left, and marks its place for a first start. Gives
/// where it is kept then.
pub(super) fn give_up(
    state_dir: &Path,
    root: u32,
    db: &Database,
    now: Timestamp,
) -> Result<PathBuf, DirError> {
    if !db.name.is_mydb_admin() {
        return refused(format!(
            "what {} held is nowhere else, and is not given up; {UNTOUCHED}",
            db.name
        ));
    }
    let marked = match seen(state_dir, db)?.and_then(|seen| seen.marker) {
        Some(marker) => own(db, &marker).map(|_| true)?,
        None => false,
    };
    let _held = marked.then(|| hold(db)).transpose()?;
    let kept = move_aside(root, db, now)?;
    remember(state_dir, &db.volume.path, root)?;
    mark_place(root, db)?;
    Ok(kept)
}

fn move_aside(root: u32, db: &Database, now: Timestamp) -> Result<PathBuf, DirError> {
    let from = db.data_dir();
    let aside = db.volume.path.join(MARKERS).join(ASIDE);
    folder(&aside, 0o700, root)?;
    let to = aside.join(format!("{}-{}", db.name, now.format("%Y%m%dT%H%M%S%.3fZ")));
    match fs::rename(&from, &to) {
        Ok(()) => {}
        // Nothing there: done before, and the answer was lost.
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(to),
        Err(e) => return Err(at(&from, &e)),
    }
    for changed in [&aside, &db.volume.path] {
        sync_folder(changed).map_err(|e| at(changed, &e))?;
    }
    Ok(to)
}

/// Holds the lock that a running server holds, so that none starts or runs meanwhile.
pub(super) fn hold(db: &Database) -> Result<File, DirError> {
    let path = db.marker_dir().join(LOCK);
    let file = File::open(&path).map_err(|e| at(&path, &e))?;
    let lock = || flock(&file, FlockOperation::NonBlockingLockExclusive);
    let mut held = lock();
    // A child process that is just being started has a copy of every open file until it is another
    // program: a lock that was let go is held for that long.
    for _ in 0..LOCK_TRIES {
        if held != Err(rustix::io::Errno::WOULDBLOCK) {
            break;
        }
        std::thread::sleep(LOCK_PAUSE);
        held = lock();
    }
    match held {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => refused(format!(
            "a server runs on {} (it holds {}); {UNTOUCHED}",
            db.data_dir().display(),
            path.display()
        )),
        Err(e) => Err(at(&path, &e.into())),
    }
}

/// The state of the marker, which must be this database's.
fn marked_state(db: &Database) -> Result<MarkerState, DirError> {
    match marker(db).map_err(DirError::Refused)? {
        Some(marker) => own(db, &marker),
        None => no_marker(db),
    }
}

/// How far it is, if the marker is this database's, and it was not released.
pub(super) fn own(db: &Database, marker: &Marker) -> Result<MarkerState, DirError> {
    if marker.uid == db.uid {
        return match marker.state {
            MarkerState::Initialising | MarkerState::Initialised => Ok(marker.state),
            MarkerState::Ejected => refused(format!(
                "{} says that this database was released from db4sci, which touches nothing of it; \
                 {UNTOUCHED}",
                db.marker_dir().display()
            )),
        };
    }
    refused(format!(
        "{} is marked as the place of {}, this database is {}; {UNTOUCHED}",
        db.marker_dir().display(),
        marker.uid,
        db.uid
    ))
}

fn no_marker<T>(db: &Database) -> Result<T, DirError> {
    refused(format!(
        "{} holds no marker of this database; {UNTOUCHED}",
        db.marker_dir().display()
    ))
}

/// What lies there; what cannot be known is in nobody's way, and a reason to try again later.
pub(super) fn seen(state_dir: &Path, db: &Database) -> Result<Option<DataSeen>, DirError> {
    match look(state_dir, db, None) {
        Seen::Absent => Ok(None),
        Seen::Present(seen) => Ok(Some(seen)),
        Seen::Unknown(why) => Err(DirError::Io {
            path: db.data_dir().display().to_string(),
            message: why,
        }),
    }
}

fn refused<T>(message: String) -> Result<T, DirError> {
    Err(DirError::Refused(message))
}
