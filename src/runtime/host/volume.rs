//! Whether a volume is the one that was there before.
//!
//! The folder a volume is mounted on is there, and empty, when the volume is not: every database
//! on it would look as if it had never been. So each volume gets a random identity in
//! `<volume>/.db4sci/.volume`, and `state_dir/volumes/` remembers it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::durable::{at, folder, read_small, shared, write};
use crate::runtime::DirError;

/// The folder on a volume that holds all markers. Its dotted entries are ours: no database's name
/// has a dot.
pub(super) const MARKERS: &str = ".db4sci";
const IDENTITY: &str = ".volume";

/// What is known of a volume's identity.
pub(super) enum Volume {
    /// It is there, and the one that was known, or none was known.
    There,
    /// It is not there, or another one is; the text says so for a person.
    Doubtful(String),
}

/// Looks whether a volume is there and the same as before.
pub(super) fn look(state_dir: &Path, volume: &Path) -> Volume {
    let shown = volume.display();
    match fs::metadata(volume) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Volume::Doubtful(format!("{shown} is no folder")),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            return Volume::Doubtful(format!("{shown} is not there: is the volume mounted?"));
        }
        Err(e) => return Volume::Doubtful(format!("{shown}: {e}")),
    }
    let memory = memory_of(state_dir, volume);
    let identity = volume.join(MARKERS).join(IDENTITY);
    match (read_small(&memory), read_small(&identity)) {
        (Err(e), _) => Volume::Doubtful(format!("{}: {e}", memory.display())),
        (_, Err(e)) => Volume::Doubtful(format!("{}: {e}", identity.display())),
        (Ok(None), Ok(_)) => Volume::There,
        (Ok(Some(known)), Ok(Some(found))) if known == found => Volume::There,
        (Ok(Some(_)), Ok(None)) => Volume::Doubtful(format!(
            "{shown} is there without {}: is the volume mounted? (If it was replaced on purpose, \
             remove {})",
            identity.display(),
            memory.display()
        )),
        (Ok(Some(_)), Ok(Some(_))) => Volume::Doubtful(format!(
            "another volume than before is mounted on {shown} (if that is on purpose, remove {})",
            memory.display()
        )),
    }
}

/// Gives a volume its identity if it has none, and remembers it. The volume must have been looked
/// at.
pub(super) fn remember(state_dir: &Path, volume: &Path, root: u32) -> Result<(), DirError> {
    let _alone = shared();
    let markers = volume.join(MARKERS);
    // 0700: nobody but root may reach the lock files, or anyone could hold a database down.
    folder(&markers, 0o700, root)?;
    let identity = markers.join(IDENTITY);
    let known = read_small(&identity).map_err(|e| at(&identity, &e))?;
    let text = match known {
        Some(text) => text,
        None => {
            let text = format!("{}\n", uuid::Uuid::new_v4());
            write(&identity, text.as_bytes(), 0o600, root)?;
            text
        }
    };
    let memory = memory_of(state_dir, volume);
    if read_small(&memory).map_err(|e| at(&memory, &e))?.is_none() {
        folder(&state_dir.join("volumes"), 0o700, root)?;
        write(&memory, text.as_bytes(), 0o600, root)?;
    }
    Ok(())
}

/// Where a volume's identity is remembered: by its path, which databases keep for life.
fn memory_of(state_dir: &Path, volume: &Path) -> PathBuf {
    let name = volume
        .to_string_lossy()
        .trim_end_matches('/')
        .replace('%', "%25")
        .replace('/', "%2F");
    state_dir.join("volumes").join(name)
}
