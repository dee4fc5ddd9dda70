//! Objects of a backup: written while a dump goes by, read back, removed.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::error::BackupError;
use super::meter::Meter;
use super::stream::{self, AHEAD, Sums};
use crate::model::Secret;
use crate::store::manifest::{File, MANIFEST};
use crate::store::seal::Identity;
use crate::store::{BackupStore, StoreError, Upload};

/// A file of a backup, where it lies.
pub(super) struct Stored<'a> {
    pub(super) store: &'a Arc<dyn BackupStore>,
    pub(super) key: String,
    pub(super) file: &'a File,
    /// Counts what is read.
    pub(super) meter: Arc<Meter>,
}

/// An object on its way into a store.
pub(super) struct OnItsWay {
    task: JoinHandle<Result<Box<dyn Upload>, StoreError>>,
    place: String,
}

/// Begins an object of about so many bytes; what is sent goes into it. Whether it is finished is said at the end.
pub(super) fn begin(
    store: Arc<dyn BackupStore>,
    key: String,
    about: u64,
) -> (mpsc::Sender<Bytes>, OnItsWay) {
    let (send, mut receive) = mpsc::channel::<Bytes>(AHEAD);
    let place = store.place();
    let task = tokio::spawn(async move {
        let mut upload = store.put_about(&key, about).await?;
        while let Some(piece) = receive.recv().await {
            if let Err(error) = upload.write(piece).await {
                upload.abort().await;
                return Err(error);
            }
        }
        Ok(upload)
    });
    (send, OnItsWay { task, place })
}

impl OnItsWay {
    /// The end: finished if the dump was whole, given up if not.
    pub(super) async fn end(self, whole: bool) -> Result<u64, StoreError> {
        let upload = self.task.await.map_err(|join| StoreError::Unreachable {
            place: self.place,
            what: "write".to_owned(),
            why: join.to_string(),
        })??;
        if whole {
            upload.finish().await
        } else {
            upload.abort().await;
            Ok(0)
        }
    }
}

/// An object's pieces as they come.
fn pieces(
    store: Arc<dyn BackupStore>,
    key: String,
    meter: Arc<Meter>,
) -> mpsc::Receiver<Result<Bytes, StoreError>> {
    let (send, receive) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let mut stream = match store.get(&key).await {
            Ok(stream) => stream,
            Err(error) => {
                // A reader that is gone needs no error.
                let _ = send.send(Err(error)).await;
                return;
            }
        };
        while let Some(piece) = stream.next().await {
            meter.add(piece.as_ref().map_or(0, Bytes::len));
            let over = piece.is_err();
            if send.send(piece).await.is_err() || over {
                return;
            }
        }
    });
    receive
}

/// Reads an object's own text into something that blocks; then what follows it.
pub(super) fn read(
    store: &Arc<dyn BackupStore>,
    key: String,
    meter: Arc<Meter>,
    identities: Vec<Identity>,
    to: impl FnOnce() -> io::Result<Box<dyn Write>> + Send + 'static,
    then: Option<Secret>,
) -> JoinHandle<io::Result<Sums>> {
    let pieces = pieces(store.clone(), key, meter);
    tokio::task::spawn_blocking(move || {
        let mut to = to()?;
        let sums = stream::unpack(pieces, &identities, &mut to)?;
        if let Some(then) = then {
            to.write_all(then.expose().as_bytes())?;
        }
        to.flush()?;
        Ok(sums)
    })
}

/// What came of reading: the store's trouble, a tool that went away (`None`), or damage.
pub(super) fn judged(
    read: io::Result<Sums>,
    file: &File,
    place: &str,
) -> Result<Option<Sums>, BackupError> {
    let damaged = |why: String| BackupError::Damaged(format!("{place}: {}: {why}", file.name));
    match read {
        Ok(sums) => {
            let wanted = Sums {
                bytes: file.bytes,
                sha256: file.sha256.clone(),
                plain_bytes: file.plain_bytes,
                plain_sha256: file.plain_sha256.clone(),
            };
            if sums == wanted {
                Ok(Some(sums))
            } else {
                Err(damaged(format!(
                    "what lies there is not what was written: {} bytes with SHA-256 {}, and not {} \
                     with {}",
                    sums.bytes, sums.sha256, file.bytes, file.sha256
                )))
            }
        }
        Err(error) => {
            let store = error.get_ref().and_then(|e| e.downcast_ref::<StoreError>());
            match store {
                Some(store) => Err(store.clone().into()),
                None if error.kind() == ErrorKind::BrokenPipe => Ok(None),
                None => Err(damaged(error.to_string())),
            }
        }
    }
}

/// Removes all objects below a prefix, the manifest first.
pub(super) async fn remove(store: &dyn BackupStore, prefix: &str) -> Result<(), StoreError> {
    store.delete(&format!("{prefix}{MANIFEST}")).await?;
    for object in store.list(prefix).await? {
        store.delete(&object.key).await?;
    }
    Ok(())
}
