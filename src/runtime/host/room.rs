//! What is on a disk, and what is left.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::model::disk::Room;

/// Bytes of a block, whatever the file system's own are (stat(2)).
pub(super) const BLOCK: u64 = 512;

/// The room of the file system that a folder is on. Waits for the disk.
///
/// # Errors
/// As the system does.
pub fn room(folder: &Path) -> io::Result<Room> {
    let seen = rustix::fs::statvfs(folder)?;
    Ok(Room {
        size: seen.f_blocks.saturating_mul(seen.f_frsize),
        free: seen.f_bavail.saturating_mul(seen.f_frsize),
    })
}

/// What a folder takes on its disk, as `du -x` counts: blocks and not lengths, a file with several
/// names once, nothing that is mounted below. What vanishes meanwhile counts for nothing. Waits for the
/// disk.
///
/// # Errors
/// As the system does.
pub fn used(folder: &Path) -> io::Result<u64> {
    let top = fs::symlink_metadata(folder)?;
    let mut seen = BTreeSet::new();
    let mut bytes = top.blocks() * BLOCK;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let found = match entry.metadata() {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                found => found?,
            };
            let again = found.nlink() > 1 && !found.is_dir() && !seen.insert(found.ino());
            if found.dev() != top.dev() || again {
                continue;
            }
            bytes += found.blocks() * BLOCK;
            if found.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_count_and_not_lengths_and_each_file_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let empty = used(folder.path()).unwrap();
        fs::create_dir(at("below")).unwrap();
        fs::write(at("below/file"), vec![7; 100_000]).unwrap();
        fs::hard_link(at("below/file"), at("again")).unwrap();
        std::os::unix::fs::symlink("/usr", at("elsewhere")).unwrap();
        // A hole takes no room.
        fs::File::create(at("hole"))
            .unwrap()
            .set_len(1 << 30)
            .unwrap();
        let taken = used(folder.path()).unwrap() - empty;
        assert!((100_000..200_000).contains(&taken), "{taken}");
        assert!(used(&at("nowhere")).is_err());
        let room = room(folder.path()).unwrap();
        assert!(room.size > room.free && room.free > 0, "{room:?}");
    }
}
