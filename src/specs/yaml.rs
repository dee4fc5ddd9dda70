//! Reading the folders `desired-state/` and `dbconfig/`. Blocking: call it where blocking is fine.
//!
//! # Guarantees
//!
//! - Only regular files are opened, and no link is followed out of its folder; a pipe or a device
//!   is never touched, since opening one can hang or act.
//! - What cannot be read is told, and never looks absent.
//!
//! A link inside the folder to a file inside it is followed: that is how a mounted `ConfigMap`
//! looks. A link to a folder is not, since it could lead in a circle.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::model::{EngineKind, Problem, Timestamp};

use super::catalog::Catalog;
use super::document;
use super::merge::{FileSeen, FolderSeen};
use super::parse::parse;
use super::rules::ConfigFiles;

mod file;
#[cfg(test)]
mod tests;

use file::{Entry, open_entry};

/// How deep sub-folders are looked into.
const DEPTH: usize = 8;

/// Reads all spec files of a folder: `*.yaml` and `*.yml` in it and in its sub-folders. Hidden
/// files and what editors leave behind are not looked at.
pub fn read_folder(dir: &Path) -> FolderSeen {
    let root = match dir.canonicalize() {
        Ok(root) => root,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return FolderSeen::Unknown("there is no such folder".to_owned());
        }
        Err(error) => return FolderSeen::Unknown(format!("cannot be read: {error}")),
    };
    let mut walk = Walk {
        dir,
        root,
        files: Vec::new(),
        unread: Vec::new(),
    };
    match walk.folder(Path::new(""), 0) {
        Ok(()) => FolderSeen::Read {
            files: walk.files,
            unread: walk.unread,
        },
        Err(why) => FolderSeen::Unknown(why),
    }
}

/// Reads one spec file, wherever it lies.
pub fn read_file(path: &Path) -> FileSeen {
    let root = path.canonicalize().ok();
    let root = root.as_deref().and_then(Path::parent);
    let entry = open_entry(path, root.unwrap_or(path));
    file_seen(path, path, entry.unwrap_or_else(Err))
}

/// Reads a file that an administrator names: a plain one, or a link to one, and of it at most one byte
/// more than a document may have.
///
/// # Errors
///
/// As the file system does, and for what is no plain file.
pub fn read_plain(path: &Path) -> std::io::Result<Vec<u8>> {
    file::plain(path)
}

/// The bytes of a file that was seen in a folder, if it still has those. Blocking, and short: specs
/// are small.
pub fn read_again(folder: &Path, seen: &FileSeen) -> Option<Vec<u8>> {
    let root = folder.canonicalize().ok()?;
    match open_entry(&root.join(&seen.path), &root) {
        Ok(Ok(Entry::File(bytes))) if file::hash(&bytes) == seen.hash => Some(bytes),
        Ok(Ok(Entry::File(_) | Entry::Folder) | Err(_)) | Err(_) => None,
    }
}

/// Reads `dbconfig/catalog.yaml`; `None` where there is no such file.
///
/// # Errors
///
/// Everything that is wrong with it.
pub fn read_catalog(dbconfig: &Path) -> Result<Option<Catalog>, Vec<Problem>> {
    let path = dbconfig.join("catalog.yaml");
    let problem = |message: String| vec![Problem::new("", message).at(document::whole(&path))];
    let bytes = match file::plain(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem(format!("cannot be read: {error}"))),
    };
    let text = document::text(&bytes, &path).map_err(|problem| vec![problem])?;
    Catalog::parse(text, &path).map(Some)
}

/// Reads the configuration files of `dbconfig/<Engine>/`.
pub fn read_config_files(dbconfig: &Path) -> ConfigFiles {
    let mut all = ConfigFiles {
        folder: dbconfig.to_owned(),
        ..ConfigFiles::default()
    };
    for engine in EngineKind::ALL {
        let dir = dbconfig.join(engine.as_str());
        let listed = dir.canonicalize().and_then(|root| Ok((names(&dir)?, root)));
        let (names, root) = match listed {
            Ok(listed) => listed,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                all.unread
                    .insert(engine, format!("cannot be read: {error}"));
                continue;
            }
        };
        let files = all.files.entry(engine).or_default();
        for name in names {
            let path = dir.join(&name);
            let Some(name) = name.to_str().filter(|name| !passed_over(name)) else {
                continue;
            };
            let text = match open_entry(&path, &root) {
                Ok(Ok(Entry::Folder)) => continue,
                Ok(Ok(Entry::File(bytes))) => document::text(&bytes, &path)
                    .map(str::to_owned)
                    .map_err(|problem| problem.message),
                Ok(Err(why)) | Err(why) => Err(why),
            };
            files.insert(name.to_owned(), text);
        }
    }
    all
}

struct Walk<'a> {
    dir: &'a Path,
    root: PathBuf,
    files: Vec<FileSeen>,
    unread: Vec<(PathBuf, String)>,
}

impl Walk<'_> {
    /// Reads what lies in a sub-folder. The error says why it could not be listed.
    fn folder(&mut self, below: &Path, depth: usize) -> Result<(), String> {
        if depth > DEPTH {
            return Err(format!("more than {DEPTH} folders deep; not looked into"));
        }
        let dir = self.dir.join(below);
        let names = names(&dir).map_err(|error| format!("cannot be read: {error}"))?;
        for name in names {
            let path = below.join(&name);
            let text = name.to_string_lossy();
            if passed_over(&text) {
                continue;
            }
            let full = self.dir.join(&path);
            let kind = match full.symlink_metadata() {
                Ok(meta) => meta.file_type(),
                // Gone since the folder was listed.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => {
                    self.unread.push((path, format!("cannot be read: {error}")));
                    continue;
                }
            };
            if kind.is_dir() {
                if let Err(why) = self.folder(&path, depth + 1) {
                    self.unread.push((path, why));
                }
                continue;
            }
            let link_to_folder = kind.is_symlink() && full.is_dir();
            if !is_yaml(&text) && !link_to_folder {
                continue;
            }
            match open_entry(&full, &self.root) {
                Ok(entry) => self.files.push(file_seen(&path, &full, entry)),
                // Gone since the folder was listed.
                Err(_) if full.symlink_metadata().is_err() => {}
                Err(why) => self.files.push(file_seen(&path, &full, Err(why))),
            }
        }
        Ok(())
    }
}

/// The sorted names in a folder.
fn names(dir: &Path) -> std::io::Result<Vec<std::ffi::OsString>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        names.push(entry?.file_name());
    }
    names.sort();
    Ok(names)
}

fn file_seen(path: &Path, full: &Path, entry: Result<Entry, String>) -> FileSeen {
    let problem = |message: String| vec![Problem::new("", message).at(document::whole(full))];
    let (hash, spec) = match entry {
        Ok(Entry::File(bytes)) => {
            let spec = document::text(&bytes, full)
                .map_err(|problem| vec![problem])
                .and_then(|text| parse(text, full));
            (file::hash(&bytes), spec)
        }
        Ok(Entry::Folder) => {
            let message = "a link to a folder is not followed; put the folder itself here";
            (String::new(), Err(problem(message.to_owned())))
        }
        Err(why) => (String::new(), Err(problem(why))),
    };
    FileSeen {
        path: path.to_owned(),
        hash,
        // After it was read: what was written meanwhile counts, too.
        changed: modified(full),
        spec,
    }
}

/// When a file, or the one that a link leads to, was last written.
fn modified(path: &Path) -> Option<Timestamp> {
    let meta = std::fs::metadata(path).ok()?;
    meta.modified().ok().map(Timestamp::from)
}

/// Since when git is writing to the repository that a folder lies in, if it is: as long as its lock lies
/// there. A work tree whose `.git` is a file is not followed.
pub fn git_since(dir: &Path) -> Option<Timestamp> {
    let dir = dir.canonicalize().ok()?;
    let git = dir.ancestors().map(|dir| dir.join(".git"));
    let git = git.into_iter().find(|git| git.is_dir())?;
    modified(&git.join("index.lock"))
}

fn is_yaml(name: &str) -> bool {
    let extension = Path::new(name).extension();
    extension.is_some_and(|e| e.eq_ignore_ascii_case("yaml") || e.eq_ignore_ascii_case("yml"))
}

/// Hidden files, and what editors leave behind: `x~`, `#x#`.
fn passed_over(name: &str) -> bool {
    name.starts_with('.') || name.ends_with('~') || (name.starts_with('#') && name.ends_with('#'))
}
