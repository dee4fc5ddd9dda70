//! Where backups lie: one trait, three backends, and what lies there.
//!
//! A store knows keys and bytes. Which backup is whole, which one goes, and who may read it is said
//! elsewhere; [`manifest`] holds the layout and [`seal`] the encryption. Nothing is ever
//! overwritten: every attempt has keys of its own.

pub mod local;
pub mod manifest;
pub mod memory;
pub mod s3;
pub mod seal;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::model::{Class, Timestamp};

/// The bytes of an object, in order. It ends with an error if they break off.
pub type Bytestream = BoxStream<'static, Result<Bytes, StoreError>>;

/// A place for objects.
///
/// # Guarantees
/// An object shows up in `list` and `get` whole or not at all, and only after `finish` returned
/// `Ok` (or its answer was lost). `delete` of what is not there is no error. Every call has a
/// deadline.
///
/// # Caveats
/// `finish` that returned `Err` may have happened all the same.
#[async_trait]
pub trait BackupStore: Send + Sync + 'static {
    /// Where it is, for people: a path, or bucket and endpoint. Never a secret.
    fn place(&self) -> String;

    /// Begins an object. Nobody sees it before it is finished.
    async fn put(&self, key: &str) -> Result<Box<dyn Upload>, StoreError>;

    /// As [`BackupStore::put`], of an object of about so many bytes: twice as many must fit, too, where a store has a
    /// limit that depends on what is known at the beginning.
    async fn put_about(&self, key: &str, _bytes: u64) -> Result<Box<dyn Upload>, StoreError> {
        self.put(key).await
    }

    /// An object's bytes. `Missing` comes from a store that is surely there.
    async fn get(&self, key: &str) -> Result<Bytestream, StoreError>;

    /// The objects whose keys begin with a prefix, by key.
    async fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError>;

    /// Removes an object.
    async fn delete(&self, key: &str) -> Result<(), StoreError>;

    /// Removes what uploads below a prefix left behind that began before an instant and never
    /// ended; gives their number.
    async fn sweep(&self, prefix: &str, before: Timestamp) -> Result<u32, StoreError>;

    /// Days after which the store itself removes objects below a prefix. `None`: it keeps them, or
    /// does not say.
    async fn expires(&self, prefix: &str) -> Result<Option<u32>, StoreError> {
        let _ = prefix;
        Ok(None)
    }
}

/// An object being written. Dropped without `finish`, it never was; what it left is swept.
#[async_trait]
pub trait Upload: Send {
    /// Takes the next bytes.
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError>;

    /// Makes the object visible, and gives its size.
    async fn finish(self: Box<Self>) -> Result<u64, StoreError>;

    /// Gives it up, and removes what was written.
    async fn abort(self: Box<Self>);
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// When it was written, by the store's own clock, where it has one.
    pub modified: Option<Timestamp>,
}

/// Why a store did not do as asked. Messages name the place and the store's own code, never a
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No answer, or not in time, or one that says: later.
    #[error("{place}: {what}: no answer to rely on: {why}")]
    Unreachable {
        /// The store.
        place: String,
        /// What was tried.
        what: String,
        /// What came instead.
        why: String,
    },
    /// There is no such object.
    #[error("{place}: there is no object {key}")]
    Missing {
        /// The store.
        place: String,
        /// The key.
        key: String,
    },
    /// No room left.
    #[error("{place}: {what}: no space left")]
    Full {
        /// The store.
        place: String,
        /// What was tried.
        what: String,
    },
    /// It says no: the bucket does not exist, the key or its signature is wrong, a path is taken.
    #[error("{place}: {what}: refused ({code}): {why}")]
    Refused {
        /// The store.
        place: String,
        /// What was tried.
        what: String,
        /// The store's own code: `NoSuchBucket`.
        code: String,
        /// Its words, and what to do.
        why: String,
    },
}

impl StoreError {
    /// What to do about it.
    pub fn class(&self) -> Class {
        match self {
            StoreError::Unreachable { .. } | StoreError::Full { .. } => Class::Transient,
            StoreError::Missing { .. } | StoreError::Refused { .. } => Class::Permanent,
        }
    }

    /// A word for the metric's label.
    pub fn word(&self) -> &'static str {
        match self {
            StoreError::Unreachable { .. } => "store_unreachable",
            StoreError::Missing { .. } => "object_missing",
            StoreError::Full { .. } => "store_full",
            StoreError::Refused { .. } => "store_refused",
        }
    }
}

/// The stores of the settings, by name.
pub type Stores = BTreeMap<String, Arc<dyn BackupStore>>;

/// Reads a small object whole.
///
/// # Errors
/// As `get`; `Refused` when it is larger than `most` bytes.
pub async fn read_small(
    store: &dyn BackupStore,
    key: &str,
    most: usize,
) -> Result<Vec<u8>, StoreError> {
    use futures_util::StreamExt;
    let mut stream = store.get(key).await?;
    let mut whole = Vec::new();
    while let Some(piece) = stream.next().await {
        whole.extend_from_slice(&piece?);
        if whole.len() > most {
            return Err(StoreError::Refused {
                place: store.place(),
                what: format!("read {key}"),
                code: "TooLarge".to_owned(),
                why: format!("more than {most} bytes; that was not written by db4sci"),
            });
        }
    }
    Ok(whole)
}

/// Writes a small object.
///
/// # Errors
/// As `put` and its upload.
pub async fn write_small(
    store: &dyn BackupStore,
    key: &str,
    bytes: impl Into<Bytes> + Send,
) -> Result<u64, StoreError> {
    let mut upload = store.put(key).await?;
    if let Err(error) = upload.write(bytes.into()).await {
        upload.abort().await;
        return Err(error);
    }
    upload.finish().await
}

/// Whether a key is one that every store can hold: relative, no empty or dotted parts.
pub(crate) fn check_key(place: &str, key: &str) -> Result<(), StoreError> {
    let fine = |part: &str| {
        !part.is_empty()
            && part.len() <= 200
            && !part.starts_with('.')
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-%@".contains(&b))
    };
    if key.len() <= 900 && key.split('/').all(fine) {
        return Ok(());
    }
    Err(StoreError::Refused {
        place: place.to_owned(),
        what: format!("use the key `{}`", key.escape_debug()),
        code: "InvalidKey".to_owned(),
        why: "parts of letters, digits, `._-%@`, not beginning with a dot".to_owned(),
    })
}
