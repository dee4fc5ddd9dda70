//! Folders, markers, secrets and images of the simulated host.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::places::Places;
use crate::model::server::Protocol;
use crate::model::{FilesSeen, ImageId, ImageSeen, MarkerState, Secret, Uid};

/// An image of the simulated host or registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimImage {
    /// What an inspect shows.
    pub seen: ImageSeen,
    /// The server's version: `17.5`.
    pub version: String,
    /// The protocol that its server speaks; `None`: an image without a server.
    pub protocol: Option<Protocol>,
}

impl SimImage {
    /// A server's image; its id follows from `version`, so that another version is another image.
    pub fn server(protocol: Protocol, version: &str, volumes: &[&str]) -> Self {
        SimImage {
            seen: ImageSeen {
                id: ImageId(format!("sha256:{protocol:?}-{version}").to_lowercase()),
                entrypoint: vec!["docker-entrypoint.sh".to_owned()],
                volumes: volumes.iter().map(|v| (*v).to_owned()).collect(),
            },
            version: version.to_owned(),
            protocol: Some(protocol),
        }
    }

    /// An image without a server, whose containers do as their words say: `sim wait`, `sim resist`
    /// (does not heed the stop signal), `sim exit CODE`, `sim say LINE…`.
    pub fn plain(name: &str, volumes: &[&str]) -> Self {
        SimImage {
            seen: ImageSeen {
                id: ImageId(format!("sha256:{name}")),
                entrypoint: Vec::new(),
                volumes: volumes.iter().map(|v| (*v).to_owned()).collect(),
            },
            version: String::new(),
            protocol: None,
        }
    }
}

/// What lies in a database's data folders. Moves with the folder, as an inode does.
#[derive(Debug, Clone, Default)]
pub(super) struct Data {
    /// The engine's own file.
    pub(super) sentinel: bool,
    /// Begun by a first start that has not ended.
    pub(super) half_made: bool,
    /// Files that no engine made.
    pub(super) strange: bool,
    /// The file with the uid inside.
    pub(super) inner: Option<Uid>,
    /// What the engine calls it.
    pub(super) identity: Option<u64>,
    /// For which database the first start was made.
    pub(super) made_for: Option<Uid>,
    /// Committed rows.
    pub(super) rows: u64,
    /// Whether the user's account was made.
    pub(super) account: bool,
    /// Passwords that the server knows.
    pub(super) passwords: BTreeSet<String>,
    /// A server on it crashes.
    pub(super) corrupt: bool,
}

/// A marker folder.
#[derive(Debug, Clone)]
pub(super) struct SimMarker {
    /// Its lock file's identity.
    pub(super) inode: u64,
    pub(super) uid: Uid,
    pub(super) state: MarkerState,
}

/// The file system, as far as databases see it.
#[derive(Debug, Default)]
pub(super) struct Disk {
    inodes: u64,
    /// Volumes that are not mounted now.
    pub(super) unmounted: BTreeSet<PathBuf>,
    /// Whether nothing more can be written.
    pub(super) full: bool,
    /// Folders of data by their path now.
    pub(super) dirs: Places<u64>,
    pub(super) data: BTreeMap<u64, Data>,
    pub(super) markers: Places<SimMarker>,
    /// Folders without anything of interest in them.
    pub(super) plain: Places<()>,
    pub(super) secrets: Places<BTreeMap<String, Secret>>,
    pub(super) applied: Places<FilesSeen>,
    pub(super) evidence: BTreeMap<PathBuf, Vec<(String, String)>>,
    /// Folders with what it takes to run a database without db4sci, and which.
    pub(super) released: BTreeMap<PathBuf, Uid>,
}

impl Disk {
    pub(super) fn inode(&mut self) -> u64 {
        self.inodes += 1;
        self.inodes
    }

    /// Makes an empty data folder.
    pub(super) fn make_data(&mut self, base: &Path) -> u64 {
        let inode = self.inode();
        self.data.insert(inode, Data::default());
        self.dirs.insert(base.to_owned(), inode);
        inode
    }

    /// Whether a path's volume is mounted.
    pub(super) fn mounted(&self, path: &Path) -> bool {
        !self.unmounted.iter().any(|volume| path.starts_with(volume))
    }

    /// The data that a bind of this source shows.
    pub(super) fn data_at(&self, source: &Path) -> Option<u64> {
        if !self.mounted(source) {
            return None;
        }
        self.dirs.above(source).copied()
    }

    /// The marker that a bind of this source shows.
    pub(super) fn marker_at(&self, source: &Path) -> Option<&SimMarker> {
        self.markers.get(source).filter(|_| self.mounted(source))
    }

    /// Whether a bind's source exists.
    pub(super) fn exists(&self, source: &Path) -> bool {
        self.mounted(source)
            && (self.plain.has(source)
                || self.markers.has(source)
                || self.data_at(source).is_some())
    }
}
