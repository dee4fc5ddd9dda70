//! What lies at paths. They are compared as they are written: part by part, as the library compares paths,
//! took a good deal of a long simulation.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Things by their path.
#[derive(Debug)]
pub(super) struct Places<T>(BTreeMap<OsString, T>);

impl<T> Default for Places<T> {
    fn default() -> Self {
        Places(BTreeMap::new())
    }
}

impl<T> Places<T> {
    pub(super) fn get(&self, at: &Path) -> Option<&T> {
        self.0.get(at.as_os_str())
    }

    pub(super) fn get_mut(&mut self, at: &Path) -> Option<&mut T> {
        self.0.get_mut(at.as_os_str())
    }

    pub(super) fn has(&self, at: &Path) -> bool {
        self.0.contains_key(at.as_os_str())
    }

    pub(super) fn insert(&mut self, at: PathBuf, thing: T) {
        self.0.insert(at.into_os_string(), thing);
    }

    pub(super) fn remove(&mut self, at: &Path) -> Option<T> {
        self.0.remove(at.as_os_str())
    }

    pub(super) fn entry(&mut self, at: PathBuf) -> &mut T
    where
        T: Default,
    {
        self.0.entry(at.into_os_string()).or_default()
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Path) -> bool) {
        self.0.retain(|at, _| keep(Path::new(at)));
    }

    /// The thing at a path or above it.
    pub(super) fn above(&self, path: &Path) -> Option<&T> {
        let mut all = self.0.iter();
        let found = all.find(|(at, _)| path.starts_with(at));
        found.map(|(_, thing)| thing)
    }

    /// Moves everything at a path and below it.
    pub(super) fn shift(&mut self, from: &Path, to: &Path) {
        let moves = |at: &OsString| Path::new(at).starts_with(from);
        let moved: Vec<_> = self.0.extract_if(.., |at, _| moves(at)).collect();
        for (at, thing) in moved {
            let below = Path::new(&at).strip_prefix(from).unwrap_or(Path::new(""));
            // What is joined to nothing gets a slash at its end, and is another text then.
            let at = if below == Path::new("") {
                to.to_owned()
            } else {
                to.join(below)
            };
            self.insert(at, thing);
        }
    }
}
