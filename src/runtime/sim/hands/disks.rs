//! Hands on volumes and folders.

use std::path::{Path, PathBuf};

use crate::model::Database;
use crate::runtime::sim::World;

/// Disks.
impl World {
    /// Makes a folder, for binds.
    pub fn make_folder(&self, path: &Path) {
        self.with(|state| state.disk.plain.insert(path.to_owned(), ()));
    }

    /// Removes a folder made by `make_folder`.
    pub fn remove_folder(&self, path: &Path) {
        self.with(|state| state.disk.plain.remove(path));
    }

    /// Takes a volume away; servers that run keep what they have open.
    pub fn unmount(&self, volume: &Path) {
        self.with(|state| state.disk.unmounted.insert(volume.to_owned()));
    }

    /// Brings a volume back as it was.
    pub fn mount(&self, volume: &Path) {
        self.with(|state| state.disk.unmounted.remove(volume));
    }

    /// Removes a database's data folders; its marker stays.
    pub fn delete_data(&self, db: &Database) {
        self.with(|state| state.disk.dirs.remove(&db.data_dir()));
    }

    /// Empties a database's data folders; its marker stays.
    pub fn empty_data(&self, db: &Database) {
        self.with(|state| state.disk.make_data(&db.data_dir()));
    }

    /// Brings back a database's data folders that were deleted or emptied, as they were.
    pub fn bring_back_data(&self, db: &Database) {
        self.with(|state| {
            let all = state.disk.data.iter();
            let own = all.filter(|(_, data)| data.inner == Some(db.uid));
            let newest = own.max_by_key(|(_, data)| data.rows);
            if let Some(inode) = newest.map(|(inode, _)| *inode) {
                state.disk.dirs.insert(db.data_dir(), inode);
            }
        });
    }

    /// Swaps the data folders of two databases.
    pub fn swap_data(&self, a: &Database, b: &Database) {
        self.with(|state| {
            let (a, b) = (a.data_dir(), b.data_dir());
            let (at_a, at_b) = (state.disk.dirs.remove(&a), state.disk.dirs.remove(&b));
            for (at, inode) in [(a, at_b), (b, at_a)] {
                if let Some(inode) = inode {
                    state.disk.dirs.insert(at, inode);
                }
            }
        });
    }

    /// Removes a database's marker.
    pub fn delete_marker(&self, db: &Database) {
        self.with(|state| state.disk.markers.remove(&db.marker_dir()));
    }

    /// Puts somebody's files where a database's data would be.
    pub fn put_strange_files(&self, db: &Database) {
        self.with(|state| {
            let inode = match state.disk.dirs.get(&db.data_dir()) {
                Some(inode) => *inode,
                None => state.disk.make_data(&db.data_dir()),
            };
            if let Some(data) = state.disk.data.get_mut(&inode) {
                data.strange = true;
            }
        });
    }

    /// A server on this data crashes from its next start on.
    pub fn corrupt_data(&self, db: &Database) {
        self.set_corrupt(db, true);
    }

    /// Ends `corrupt_data`.
    pub fn mend_data(&self, db: &Database) {
        self.set_corrupt(db, false);
    }

    fn set_corrupt(&self, db: &Database, corrupt: bool) {
        self.with(|state| {
            let inode = state.disk.dirs.get(&db.data_dir()).copied();
            if let Some(data) = inode.and_then(|i| state.disk.data.get_mut(&i)) {
                data.corrupt = corrupt;
            }
        });
    }

    /// Whether the disk is full.
    pub fn set_disk_full(&self, full: bool) {
        self.with(|state| state.disk.full = full);
    }

    /// Evidence that was kept, by folder.
    pub fn evidence(&self) -> Vec<PathBuf> {
        self.with(|state| state.disk.evidence.keys().cloned().collect())
    }
}
