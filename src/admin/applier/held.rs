//! How much the tables' server had on disk: less than that is an older copy of it, and more than that
//! is lost by every server that is killed, since the applier's commits do not wait for the disk.
//!
//! It outlives the daemon in a file of one number: an older copy that is put there while no daemon runs
//! is known for what it is.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Name of the file in the folder of the daemon's state.
const FILE: &str = "tables";
/// Digits of the number: the file never grows, so that a full disk takes it.
const DIGITS: usize = 20;

/// The last entry that is surely on the disk of the tables' server.
#[derive(Debug)]
pub struct Held {
    entry: u64,
    path: Option<PathBuf>,
}

impl Held {
    /// Remembers it for as long as this value lives.
    pub fn in_memory() -> Self {
        Held {
            entry: 0,
            path: None,
        }
    }

    /// Remembers it in a folder. What cannot be read there proves nothing, like nothing.
    pub fn in_folder(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let text = fs::read_to_string(&path).unwrap_or_default();
        Held {
            entry: text.trim().parse().unwrap_or(0),
            path: Some(path),
        }
    }

    /// The entry; 0: nothing is known.
    pub(super) fn entry(&self) -> u64 {
        self.entry
    }

    /// Takes notice of another entry: a later one, or an earlier one after an older copy was found.
    pub(super) fn set(&mut self, entry: u64) {
        if self.entry == entry {
            return;
        }
        self.entry = entry;
        let Some(path) = &self.path else {
            return;
        };
        let text = format!("{entry:0DIGITS$}\n");
        // A few bytes, and nobody waits for the disk. It proves less without them.
        if let Err(error) = open(path).and_then(|file| file.write_all_at(text.as_bytes(), 0)) {
            tracing::warn!(%error, path = %path.display(), "how much the tables hold could not be written");
        }
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_outlives_the_daemon_and_a_file_that_says_nothing_proves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let read = || Held::in_folder(folder.path()).entry();
        assert_eq!(read(), 0);
        let mut held = Held::in_folder(folder.path());
        for entry in [1_000, 7] {
            held.set(entry);
            assert_eq!(read(), entry);
        }
        fs::write(folder.path().join(FILE), "\0\0\0").unwrap();
        assert_eq!(read(), 0);
    }
}
