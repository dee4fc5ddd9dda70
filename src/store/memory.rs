//! A store in memory, for tests: with faults that others have by themselves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;

use super::{BackupStore, Bytestream, Object, StoreError, Upload, check_key};
use crate::model::Timestamp;

/// Objects in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Bytes>,
    down: Option<String>,
    keeps_half: bool,
    expires: Option<u32>,
}

const PLACE: &str = "memory";
/// Pieces in which objects are given back.
const PIECE: usize = 64 << 10;

impl MemoryStore {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on every call fails with these words; `None`: works again.
    pub fn set_down(&self, why: Option<&str>) {
        self.state().down = why.map(str::to_owned);
    }

    /// From now on it says yes and keeps the first half of what it is given.
    pub fn set_keeps_half(&self, keeps_half: bool) {
        self.state().keeps_half = keeps_half;
    }

    /// From now on it says that it removes everything after so many days.
    pub fn set_expires(&self, days: Option<u32>) {
        self.state().expires = days;
    }

    /// Puts bytes under a key, whatever was there: damage done behind everybody's back.
    pub fn damage(&self, key: &str, bytes: impl Into<Bytes>) {
        self.state().objects.insert(key.to_owned(), bytes.into());
    }

    fn up(&self, what: &str) -> Result<(), StoreError> {
        match &self.state().down {
            None => Ok(()),
            Some(why) => Err(StoreError::Unreachable {
                place: PLACE.to_owned(),
                what: what.to_owned(),
                why: why.clone(),
            }),
        }
    }
}

#[async_trait]
impl BackupStore for MemoryStore {
    fn place(&self) -> String {
        PLACE.to_owned()
    }

    async fn put(&self, key: &str) -> Result<Box<dyn Upload>, StoreError> {
        check_key(PLACE, key)?;
        self.up(&format!("begin {key}"))?;
        Ok(Box::new(Pending {
            store: self.clone(),
            key: key.to_owned(),
            bytes: Vec::new(),
        }))
    }

    async fn get(&self, key: &str) -> Result<Bytestream, StoreError> {
        self.up(&format!("read {key}"))?;
        let object = self.state().objects.get(key).cloned();
        let mut rest = object.ok_or_else(|| StoreError::Missing {
            place: PLACE.to_owned(),
            key: key.to_owned(),
        })?;
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            pieces.push(Ok(rest.split_to(rest.len().min(PIECE))));
        }
        Ok(futures_util::stream::iter(pieces).boxed())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        self.up("list")?;
        let state = self.state();
        let found = state.objects.iter().filter(|(k, _)| k.starts_with(prefix));
        Ok(found
            .map(|(key, bytes)| Object {
                key: key.clone(),
                bytes: bytes.len() as u64,
                modified: None,
            })
            .collect())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.up(&format!("remove {key}"))?;
        self.state().objects.remove(key);
        Ok(())
    }

    async fn sweep(&self, _: &str, _: Timestamp) -> Result<u32, StoreError> {
        // An upload that is dropped leaves nothing here.
        self.up("sweep").map(|()| 0)
    }

    async fn expires(&self, _: &str) -> Result<Option<u32>, StoreError> {
        self.up("ask for rules")?;
        Ok(self.state().expires)
    }
}

struct Pending {
    store: MemoryStore,
    key: String,
    bytes: Vec<u8>,
}

#[async_trait]
impl Upload for Pending {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.store.up(&format!("write {}", self.key))?;
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<u64, StoreError> {
        self.store.up(&format!("finish {}", self.key))?;
        let size = self.bytes.len();
        let mut state = self.store.state();
        if state.objects.contains_key(&self.key) {
            return Err(StoreError::Refused {
                place: PLACE.to_owned(),
                what: format!("finish {}", self.key),
                code: "Exists".to_owned(),
                why: "nothing is overwritten".to_owned(),
            });
        }
        if state.keeps_half {
            self.bytes.truncate(size / 2);
        }
        state.objects.insert(
            self.key.clone(),
            Bytes::from(std::mem::take(&mut self.bytes)),
        );
        Ok(size as u64)
    }

    async fn abort(self: Box<Self>) {}
}
