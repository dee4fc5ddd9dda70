//! Stores with troubles, and the tools that bring the simulated servers' rows into them. What is kept
//! when, and what goes, the program's own desk says.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use sha2::{Digest, Sha256};

use db4sci::execute::backup::{Archive, BackupError, Dump, Dumped, Taking, Tools};
use db4sci::model::{Backup, BackupKind, Contents, Database, Timestamp};
use db4sci::runtime::sim::World;
use db4sci::store::manifest::{File, Manifest};
use db4sci::store::memory::MemoryStore;
use db4sci::store::{BackupStore, Bytestream, Object, StoreError, Upload, read_small, write_small};

use crate::rng::Rng;

/// The one file of a simulated dump: how many rows there are.
pub const ROWS: &str = "rows";

/// What befalls the calls of a store.
#[derive(Debug, Clone, Copy, Default)]
pub struct Troubles {
    /// Every call fails.
    pub away: bool,
    /// Calls in a hundred that fail, and have no effect.
    pub fails: u64,
    /// Calls in a hundred that have their effect, and whose answer is lost.
    pub unheard: u64,
}

/// A store in memory whose calls take a moment each, and may fail. Clones share it.
#[derive(Clone)]
pub struct Store {
    pub memory: MemoryStore,
    fate: Arc<Mutex<(Troubles, Rng)>>,
    held: Arc<AtomicBool>,
}

enum Fate {
    Happens,
    Fails,
    Unheard,
}

impl Store {
    pub fn new() -> Self {
        Store {
            memory: MemoryStore::default(),
            fate: Arc::new(Mutex::new((Troubles::default(), Rng::new(0)))),
            held: Arc::default(),
        }
    }

    fn fate(&self) -> MutexGuard<'_, (Troubles, Rng)> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on calls go like this, as the sequence draws.
    pub fn set(&self, troubles: Troubles, rng: Rng) {
        *self.fate() = (troubles, rng);
    }

    /// Whether no call has an answer until this is said otherwise.
    pub fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Relaxed);
    }

    /// What lies there, whatever the store answers.
    pub fn keys(&self) -> Vec<String> {
        let listed = self.memory.list("").now_or_never();
        let all = listed.and_then(Result::ok).unwrap_or_default();
        all.into_iter().map(|object| object.key).collect()
    }

    /// An object's bytes, whatever the store answers.
    pub fn bytes(&self, key: &str) -> Option<Vec<u8>> {
        read_small(&self.memory, key, 1 << 20)
            .now_or_never()?
            .ok()
            .map(|bytes| bytes.to_vec())
    }

    /// Somebody removes an object behind everybody's back.
    pub fn lose(&self, key: &str) {
        let _ = self.memory.delete(key).now_or_never();
    }

    async fn call(&self) -> Fate {
        tokio::task::yield_now().await;
        while self.held.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        let mut fate = self.fate();
        let (troubles, rng) = &mut *fate;
        if troubles.away || rng.percent(troubles.fails) {
            Fate::Fails
        } else if rng.percent(troubles.unheard) {
            Fate::Unheard
        } else {
            Fate::Happens
        }
    }

    /// A call that changes something.
    async fn act<T>(
        &self,
        what: &str,
        effect: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        match self.call().await {
            Fate::Happens => effect.await,
            Fate::Fails => Err(no_answer(what)),
            Fate::Unheard => effect.await.and(Err(no_answer(what))),
        }
    }
}

fn no_answer(what: &str) -> StoreError {
    StoreError::Unreachable {
        place: "shelf".to_owned(),
        what: what.to_owned(),
        why: "simulated".to_owned(),
    }
}

#[async_trait]
impl BackupStore for Store {
    fn place(&self) -> String {
        "shelf".to_owned()
    }

    async fn put(&self, key: &str) -> Result<Box<dyn Upload>, StoreError> {
        let inner = self.act("begin", self.memory.put(key)).await?;
        let store = self.clone();
        Ok(Box::new(Pending { inner, store }))
    }

    async fn get(&self, key: &str) -> Result<Bytestream, StoreError> {
        self.act("read", self.memory.get(key)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        self.act("list", self.memory.list(prefix)).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.act("remove", self.memory.delete(key)).await
    }

    async fn sweep(&self, prefix: &str, before: Timestamp) -> Result<u32, StoreError> {
        self.act("sweep", self.memory.sweep(prefix, before)).await
    }
}

struct Pending {
    inner: Box<dyn Upload>,
    store: Store,
}

#[async_trait]
impl Upload for Pending {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let written = self.inner.write(bytes);
        self.store.act("write", written).await
    }

    async fn finish(self: Box<Self>) -> Result<u64, StoreError> {
        self.store.act("finish", self.inner.finish()).await
    }

    async fn abort(self: Box<Self>) {
        self.inner.abort().await;
    }
}

/// Brings rows of the world into stores.
pub struct RowTools(pub World);

fn tool(what: &str, why: impl Into<String>) -> BackupError {
    BackupError::Tool {
        what: what.to_owned(),
        why: why.into(),
    }
}

fn sum(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

impl RowTools {
    /// As a question at a running server, or at data at rest.
    async fn rows(&self, db: &Database, at_rest: bool) -> Result<u64, BackupError> {
        tokio::task::yield_now().await;
        let rows = if at_rest {
            self.0.rows_at_rest(db)
        } else {
            self.0.rows(db.uid)
        };
        rows.ok_or_else(|| tool("count rows", "nobody answers"))
    }

    async fn same(
        &self,
        store: &Arc<dyn BackupStore>,
        key: &str,
        file: &File,
    ) -> Result<u64, BackupError> {
        let bytes = read_small(store.as_ref(), key, 1 << 20).await?;
        let damaged = || BackupError::Damaged(format!("{key} is not what was written"));
        if sum(&bytes) != file.sha256 {
            return Err(damaged());
        }
        rows_of(&bytes).ok_or_else(damaged)
    }

    /// Whether the file is whole; its rows.
    async fn whole(
        &self,
        archive: &Archive,
        backup: &Backup,
        manifest: &Manifest,
    ) -> Result<u64, BackupError> {
        let id = &backup.id;
        let store = archive.stores.get(&id.store);
        let store = store.ok_or_else(|| tool("read", "no such store"))?;
        let prefix = archive
            .layout
            .attempt(&id.name, backup.uid, id.slot, id.attempt);
        let file = manifest.files.iter().find(|f| f.part.is_some());
        let file =
            file.ok_or_else(|| BackupError::Damaged("there are no rows in it".to_owned()))?;
        self.same(store, &format!("{prefix}{}", file.name), file)
            .await
    }
}

/// The rows that a file holds.
pub fn rows_of(bytes: &[u8]) -> Option<u64> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}

#[async_trait]
impl Tools for RowTools {
    async fn dump(
        &self,
        _archive: &Archive,
        dump: Dump<'_>,
        taking: &mut Taking,
    ) -> Result<Dumped, BackupError> {
        let at_rest = dump.kind == BackupKind::Files;
        let rows = self.rows(dump.db, at_rest).await?;
        let text = format!("{rows}\n");
        let file = File {
            name: ROWS.to_owned(),
            part: Some(ROWS.to_owned()),
            database: None,
            bytes: text.len() as u64,
            sha256: sum(text.as_bytes()),
            plain_bytes: text.len() as u64,
            plain_sha256: sum(text.as_bytes()),
            took_ms: None,
        };
        let key = format!("{}{ROWS}", taking.prefix);
        for (name, store) in taking.live.clone() {
            if let Err(error) = write_small(store.as_ref(), &key, text.clone()).await {
                taking.fail(&name, error.into());
            }
        }
        taking.any()?;
        (dump.dumped)();
        for (name, store) in taking.live.clone() {
            if let Err(error) = self.same(&store, &key, &file).await {
                taking.fail(&name, error);
            }
        }
        taking.any()?;
        let counts = [(ROWS.to_owned(), rows), ("accounts".to_owned(), 1)];
        Ok(Dumped {
            files: vec![file],
            contents: Contents {
                left_out: Vec::new(),
                how: "in the simulation".to_owned(),
                counts: counts.into(),
            },
            ledger_copy: None,
        })
    }

    async fn test(
        &self,
        archive: &Archive,
        db: &Database,
        backup: &Backup,
    ) -> Result<String, BackupError> {
        let manifest = archive.manifest(backup).await?;
        let rows = self.whole(archive, backup, &manifest).await?;
        if manifest.contents.counts.get(ROWS) != Some(&rows) {
            return Err(BackupError::Damaged("it holds other rows".to_owned()));
        }
        if backup.kind == BackupKind::Files && self.rows(db, true).await? != rows {
            return Err(BackupError::Damaged("its files are others".to_owned()));
        }
        Ok(format!("{rows} rows"))
    }

    async fn read(
        &self,
        archive: &Archive,
        backup: &Backup,
        manifest: &Manifest,
    ) -> Result<(), BackupError> {
        self.whole(archive, backup, manifest).await.map(drop)
    }

    async fn clear(&self, _archive: &Archive) -> Result<(), BackupError> {
        tokio::task::yield_now().await;
        Ok(())
    }
}
