//! What shows that a folder is the store: a mount point without its disk is a folder, too, and empty.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// The file at the root that is the mark. No key begins with a dot.
pub const MARK: &str = ".db4sci-store";
/// What it says to whoever finds it.
const TEXT: &str = "This folder is a store of db4sci's backups. Without this file db4sci takes it for a mount point \
                    whose disk is away.\n";

/// What is known of a folder's mark.
#[derive(Debug)]
pub(super) struct Mark {
    /// Whether something is known to lie in the store.
    used: bool,
    /// Whether it was there, at any time since this process began.
    seen: AtomicBool,
}

impl Mark {
    /// Nothing was looked at yet.
    pub(super) fn new(used: bool) -> Self {
        Mark {
            used,
            seen: AtomicBool::new(false),
        }
    }

    /// Whether the folder is marked. One without a mark is the store, too, as long as nothing says that
    /// it was used before, or if it holds objects: those of earlier versions have none.
    ///
    /// # Errors
    /// When it is not the store, or not there.
    pub(super) fn look(&self, root: &Path) -> io::Result<bool> {
        match fs::symlink_metadata(root.join(MARK)) {
            Ok(_) => {
                self.seen.store(true, Ordering::Relaxed);
                Ok(true)
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {
                fs::metadata(root)?;
                let seen = self.seen.load(Ordering::Relaxed);
                if seen || (self.used && !holds(root)?) {
                    return Err(io::Error::other(format!(
                        "the folder is there, but it is not the store: not mounted? If it is a new disk for \
                         this store: touch {}",
                        root.join(MARK).display()
                    )));
                }
                Ok(false)
            }
            Err(e) => Err(e),
        }
    }

    /// Marks the folder, if it is the store and not marked yet.
    ///
    /// # Errors
    /// As [`Mark::look`].
    pub(super) fn set(&self, root: &Path) -> io::Result<()> {
        if self.look(root)? {
            return Ok(());
        }
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(root.join(MARK));
        match made {
            Ok(mut file) => {
                file.write_all(TEXT.as_bytes())?;
                file.sync_all()?;
            }
            // Another upload was quicker.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
        self.look(root).map(drop)
    }
}

/// Whether any object lies in a folder: what lies at its root itself (a word to whoever forgot to mount
/// it) is none.
fn holds(root: &Path) -> io::Result<bool> {
    let mut folders = Vec::new();
    let mut inside = false;
    let mut next = Some(root.to_owned());
    while let Some(folder) = next {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && inside {
                return Ok(true);
            }
        }
        inside = true;
        next = folders.pop();
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::super::LocalStore;
    use super::*;
    use crate::store::{BackupStore, StoreError, read_small, write_small};

    const KEY: &str = "prod/abc/genomics/manifest.json";

    /// What each call says of a folder.
    async fn away(store: &LocalStore) -> Vec<bool> {
        let says = |error: Option<StoreError>| match error {
            Some(StoreError::Unreachable { why, .. }) => {
                assert!(why.contains("not mounted?"), "{why}");
                true
            }
            Some(StoreError::Missing { .. }) | None => false,
            Some(other) => panic!("{other}"),
        };
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        vec![
            says(read_small(store, KEY, 9).await.err()),
            says(store.list("prod/").await.err()),
            says(store.delete("prod/x").await.err()),
            says(store.sweep("prod/", now).await.err()),
            says(store.put("prod/y").await.err()),
        ]
    }

    #[tokio::test]
    async fn a_folder_whose_disk_is_not_mounted_is_not_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let (place, aside) = (folder.path().join("nas"), folder.path().join("aside"));
        fs::create_dir(&place).unwrap();
        let mark = place.join(MARK);
        let store = LocalStore::marked(&place, false);
        // Nobody knows of an earlier use: it is taken, and marked before anything lies in it.
        assert!(store.list("").await.unwrap().is_empty() && !mark.exists());
        write_small(&store, KEY, "whole").await.unwrap();
        assert!(mark.is_file());
        // The mark is no object, and no upload that was cut off.
        assert_eq!(store.list("").await.unwrap().len(), 1);
        let late = "2100-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(store.sweep("", late).await.unwrap(), 0);

        fs::rename(&place, &aside).unwrap();
        fs::create_dir(&place).unwrap();
        fs::write(place.join("NOT-MOUNTED"), "call 812").unwrap();
        let next = LocalStore::marked(&place, true);
        for store in [&store, &next] {
            assert_eq!(away(store).await, [true; 5]);
        }
        assert!(!mark.exists());
        // Who saw the mark is not content with objects that lie below the mount point.
        fs::create_dir(place.join("prod")).unwrap();
        fs::write(place.join("prod/x"), "").unwrap();
        assert_eq!(away(&store).await, [true; 5]);
        fs::remove_dir_all(&place).unwrap();
        let gone = read_small(&next, KEY, 9).await.unwrap_err();
        assert!(matches!(gone, StoreError::Unreachable { .. }), "{gone}");

        fs::rename(&aside, &place).unwrap();
        for store in [&store, &next] {
            assert_eq!(read_small(store, KEY, 9).await.unwrap(), b"whole");
        }
    }

    #[tokio::test]
    async fn a_store_of_an_earlier_version_gets_its_mark_and_a_new_disk_one_by_hand() {
        let folder = tempfile::tempdir().unwrap();
        write_small(&LocalStore::new(folder.path()), KEY, "whole")
            .await
            .unwrap();
        let mark = folder.path().join(MARK);
        assert!(!mark.exists(), "whoever only reads a store marks none");
        let store = LocalStore::marked(folder.path(), true);
        assert_eq!(away(&store).await, [false; 5]);
        assert!(mark.is_file());

        let new = tempfile::tempdir().unwrap();
        let store = LocalStore::marked(new.path(), true);
        assert_eq!(away(&store).await, [true; 5]);
        fs::write(new.path().join(MARK), "").unwrap();
        assert_eq!(away(&store).await, [false; 5]);
    }
}
