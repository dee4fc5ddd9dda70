//! Room that is held back on the volume of `mydb_admin`, so that it has some when others have taken all.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FallocateFlags, OFlags, fallocate};
use rustix::io::Errno;

use super::room::{BLOCK, room};
use super::volume::{self, MARKERS, Volume};
use crate::model::disk::{RESERVE, Reserve, Room};

const FILE: &str = ".reserve";

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tended {
    /// Nothing: it is as it should be, or nothing is known of the volume.
    Left,
    /// It is held from now on.
    Held,
    /// It was given free, where so much was left.
    GivenFree(Room),
    /// The file system cannot hold room for a file ahead.
    Unable,
}

/// Holds the reserve on a volume, or gives it free, as its room demands. Waits for the disk.
///
/// # Errors
/// As the system does. Nothing is held then that was not held before.
pub fn tend(state_dir: &Path, volume: &Path) -> io::Result<Tended> {
    // Never below the place of a volume that is not mounted.
    if let Volume::Doubtful(_) = volume::look(state_dir, volume) {
        return Ok(Tended::Left);
    }
    let markers = volume.join(MARKERS);
    if !markers.is_dir() {
        return Ok(Tended::Left);
    }
    let file = markers.join(FILE);
    let room = room(volume)?;
    match room.reserve(held(&file)?) {
        None => Ok(Tended::Left),
        Some(Reserve::GiveFree) => {
            fs::remove_file(&file)?;
            Ok(Tended::GivenFree(room))
        }
        Some(Reserve::Hold) => {
            let tended = hold(&file);
            if !matches!(tended, Ok(Tended::Held)) {
                let _ = fs::remove_file(&file);
            }
            tended
        }
    }
}

/// Whether all of it is held: by blocks, since a length takes no room.
fn held(file: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(file) {
        Ok(found) => Ok(found.blocks() * BLOCK >= RESERVE),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn hold(file: &Path) -> io::Result<Tended> {
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(file)?;
    match fallocate(&opened, FallocateFlags::empty(), 0, RESERVE) {
        Ok(()) => {}
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Tended::Unable),
        Err(error) => return Err(error.into()),
    }
    opened.sync_all()?;
    // Some say that they did, and held nothing.
    Ok(if held(file)? {
        Tended::Held
    } else {
        Tended::Unable
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_held_once_and_never_where_no_volume_is_known() {
        let state = tempfile::tempdir().unwrap();
        let volume = tempfile::tempdir().unwrap();
        let tend = || tend(state.path(), volume.path()).unwrap();
        let file = volume.path().join(MARKERS).join(FILE);
        assert_eq!(tend(), Tended::Left);
        let root = rustix::process::geteuid().as_raw();
        volume::remember(state.path(), volume.path(), root).unwrap();
        assert_eq!(tend(), Tended::Held);
        assert_eq!(tend(), Tended::Left);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        // One of a daemon that died while it made it.
        fs::write(&file, "").unwrap();
        assert_eq!(tend(), Tended::Held);
        assert!(fs::metadata(&file).unwrap().blocks() * BLOCK >= RESERVE);
        // Another volume is mounted there.
        fs::remove_file(volume.path().join(MARKERS).join(".volume")).unwrap();
        fs::remove_file(&file).unwrap();
        assert_eq!(tend(), Tended::Left);
        assert!(!file.exists());
    }
}
