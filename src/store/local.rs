//! A store in a folder of this host.
//!
//! An object is written beside its place under a hidden name, synced, and then linked into place,
//! which fails where something is: nothing is overwritten, and half an object has no name.

mod mark;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

pub use self::mark::MARK;

use self::mark::Mark;
use super::{BackupStore, Bytestream, Object, StoreError, Upload, check_key};
use crate::model::Timestamp;

/// What an object is called before it is whole. No key begins a part with a dot.
const PARTIAL: &str = ".partial-";
/// Bytes read at once.
const PIECE: usize = 256 << 10;

/// A folder.
#[derive(Debug, Clone)]
pub struct LocalStore {
    root: Arc<Path>,
    mark: Option<Arc<Mark>>,
}

impl LocalStore {
    /// The store in a folder. The folder must exist once something is written: one that is not
    /// mounted must not be taken for an empty one, so it is never made here. No mark is asked for, nor
    /// set: for those who know nothing of earlier uses.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        LocalStore {
            root: root.into().into(),
            mark: None,
        }
    }

    /// The same, with a mark ([`MARK`]) that is set at the first use. `used`: something is known to lie in
    /// it; an empty folder without a mark is not the store then, and every call says `Unreachable`.
    pub fn marked(root: impl Into<PathBuf>, used: bool) -> Self {
        LocalStore {
            mark: Some(Arc::new(Mark::new(used))),
            ..LocalStore::new(root)
        }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn error(&self, what: &str, error: &io::Error) -> StoreError {
        let (place, what) = (self.place(), what.to_owned());
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full { place, what },
            ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::NotADirectory
            | ErrorKind::AlreadyExists => StoreError::Refused {
                place,
                what,
                code: format!("{:?}", error.kind()),
                why: error.to_string(),
            },
            _ => StoreError::Unreachable {
                place,
                what,
                why: error.to_string(),
            },
        }
    }

    /// Work in the folder, if that is the store.
    async fn inside<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mark = self.mark.clone();
        self.blocking(what, move |root| {
            match &mark {
                Some(mark) => mark.look(root).map(drop)?,
                None => fs::metadata(root).map(drop)?,
            }
            work(root)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let root = self.root.clone();
        let done = tokio::task::spawn_blocking(move || work(&root)).await;
        match done {
            Ok(result) => result.map_err(|e| self.error(what, &e)),
            Err(join) => Err(self.error(what, &io::Error::other(join.to_string()))),
        }
    }
}

#[async_trait]
impl BackupStore for LocalStore {
    fn place(&self) -> String {
        self.root.display().to_string()
    }

    async fn put(&self, key: &str) -> Result<Box<dyn Upload>, StoreError> {
        check_key(&self.place(), key)?;
        let path = self.root.join(key);
        let what = format!("begin {key}");
        let (partial, file) = self
            .blocking(&what, {
                let (path, mark) = (path.clone(), self.mark.clone());
                move |root| {
                    mark.map_or(Ok(()), |mark| mark.set(root))?;
                    begin(root, &path)
                }
            })
            .await?;
        Ok(Box::new(Pending {
            store: self.clone(),
            key: key.to_owned(),
            path,
            partial: Partial(partial),
            file: Some(file),
            bytes: 0,
        }))
    }

    async fn get(&self, key: &str) -> Result<Bytestream, StoreError> {
        check_key(&self.place(), key)?;
        let path = self.root.join(key);
        let what = format!("read {key}");
        let opened = self.inside(&what, move |_| match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        });
        let mut file = opened.await?.ok_or_else(|| StoreError::Missing {
            place: self.place(),
            key: key.to_owned(),
        })?;
        // Two pieces ahead of the reader, and no more.
        let (send, receive) = mpsc::channel(2);
        let this = self.clone();
        tokio::task::spawn_blocking(move || {
            let mut buffer = vec![0; PIECE];
            loop {
                let piece = match file.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(n) => Ok(Bytes::copy_from_slice(&buffer[..n])),
                    Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                    Err(e) => Err(this.error(&what, &e)),
                };
                let ended = piece.is_err();
                if send.blocking_send(piece).is_err() || ended {
                    return;
                }
            }
        });
        Ok(ReceiverStream::new(receive).boxed())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        let prefix = prefix.to_owned();
        self.inside("list", move |root| {
            // The folder that all keys with this prefix lie in.
            let (folder, _) = prefix.rsplit_once('/').unwrap_or(("", ""));
            let mut found = Vec::new();
            walk(root, &root.join(folder), &mut |key, path| {
                if key.starts_with(&prefix) && !hidden(path) {
                    let bytes = fs::metadata(path)?.len();
                    found.push(Object {
                        key,
                        bytes,
                        modified: None,
                    });
                }
                Ok(())
            })?;
            found.sort_by(|a, b| a.key.cmp(&b.key));
            Ok(found)
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        check_key(&self.place(), key)?;
        let path = self.root.join(key);
        self.inside(&format!("remove {key}"), move |root| {
            match fs::remove_file(&path) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            // Folders that are empty now go, too; one that is not says so and stays.
            let mut folder = path.parent();
            while let Some(here) = folder.filter(|f| *f != root && f.starts_with(root)) {
                if fs::remove_dir(here).is_err() {
                    break;
                }
                folder = here.parent();
            }
            Ok(())
        })
        .await
    }

    async fn sweep(&self, prefix: &str, before: Timestamp) -> Result<u32, StoreError> {
        let prefix = prefix.to_owned();
        self.inside("sweep", move |root| {
            let mut swept = 0;
            let (folder, _) = prefix.rsplit_once('/').unwrap_or(("", ""));
            walk(root, &root.join(folder), &mut |_, path| {
                let begun: DateTime<Utc> = fs::metadata(path)?.modified()?.into();
                if is_partial(path) && begun < before {
                    fs::remove_file(path)?;
                    swept += 1;
                }
                Ok(())
            })?;
            Ok(swept)
        })
        .await
    }
}

fn hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// Whether it is what an upload writes to.
fn is_partial(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with(PARTIAL))
}

/// Makes the folders below the root, and the file under its hidden name.
fn begin(root: &Path, path: &Path) -> io::Result<(PathBuf, File)> {
    fs::metadata(root)?;
    let folder = path.parent().unwrap_or(root);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let partial = folder.join(format!("{PARTIAL}{}", uuid::Uuid::new_v4().simple()));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial)?;
    Ok((partial, file))
}

/// Calls `each` with every plain file below a folder and its key. What vanishes meanwhile is not
/// there; links are not followed.
fn walk(
    root: &Path,
    folder: &Path,
    each: &mut dyn FnMut(String, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let gone = |e: &io::Error| e.kind() == ErrorKind::NotFound;
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if gone(&e) => return Ok(()),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(root, &path, each)?;
        } else if kind.is_file()
            && let Ok(below) = path.strip_prefix(root)
        {
            match each(below.to_string_lossy().into_owned(), &path) {
                Err(e) if !gone(&e) => return Err(e),
                _ => {}
            }
        }
    }
    Ok(())
}

/// A file that goes when this does, unless it was linked into place first: then only its hidden
/// name goes.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // What cannot be removed now is swept later.
        let _ = fs::remove_file(&self.0);
    }
}

struct Pending {
    store: LocalStore,
    key: String,
    path: PathBuf,
    partial: Partial,
    file: Option<File>,
    bytes: u64,
}

#[async_trait]
impl Upload for Pending {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let what = format!("write {}", self.key);
        let Some(mut file) = self.file.take() else {
            let gone = io::Error::other("an earlier write failed");
            return Err(self.store.error(&what, &gone));
        };
        let length = bytes.len() as u64;
        let written = self.store.blocking(&what, move |_| {
            file.write_all(&bytes)?;
            Ok(file)
        });
        self.file = Some(written.await?);
        self.bytes += length;
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<u64, StoreError> {
        let what = format!("finish {}", self.key);
        let Some(file) = self.file.take() else {
            let gone = io::Error::other("an earlier write failed");
            return Err(self.store.error(&what, &gone));
        };
        let (partial, path) = (self.partial.0.clone(), self.path.clone());
        let finished = self.store.blocking(&what, move |root| {
            file.sync_all()?;
            fs::hard_link(&partial, &path)?;
            fs::remove_file(&partial)?;
            // Each folder on the way may be new.
            let mut folder = path.parent();
            while let Some(here) = folder.filter(|f| f.starts_with(root)) {
                File::open(here)?.sync_all()?;
                folder = here.parent();
            }
            Ok(())
        });
        finished.await?;
        Ok(self.bytes)
    }

    async fn abort(self: Box<Self>) {}
}
