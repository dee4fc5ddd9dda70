//! One backup, from the first question to the manifest.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::error::BackupError;
use super::ready::Ready;
use super::tools::{Dump, Dumped};
use super::{Archive, bundle, stream, tool};
use crate::engine::backup as recipes;
use crate::execute::failpoint::failpoint;
use crate::model::{Backup, BackupId, BackupKind, BackupState, Database, Slot, Timestamp};
use crate::store::manifest::{self, File, MANIFEST, Manifest};
use crate::store::{BackupStore, write_small};

/// Of what a backup is without, so much is told one by one.
const TOLD: usize = 5;

/// A backup to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The instant it stands for.
    pub slot: Slot,
    /// The attempt at it.
    pub attempt: u32,
    /// Why.
    pub kind: BackupKind,
    /// The stores it goes to.
    pub stores: Vec<String>,
    /// What a person said.
    pub note: String,
    /// The server's own version, as it last said.
    pub version: String,
}

/// The stores that still take part, and why others do not.
pub struct Taking {
    /// Those that do.
    pub live: BTreeMap<String, Arc<dyn BackupStore>>,
    failed: BTreeMap<String, BackupError>,
    /// Where the backup lies in each of them.
    pub prefix: String,
    /// About how many bytes one of its objects may have; 0: that is not known.
    pub about: u64,
}

impl Taking {
    /// A store takes part no more.
    pub fn fail(&mut self, store: &str, error: BackupError) {
        self.live.remove(store);
        self.failed.insert(store.to_owned(), error);
    }

    /// Whether any store takes part.
    ///
    /// # Errors
    /// When none does: why the first of them does not.
    pub fn any(&mut self) -> Result<(), BackupError> {
        if !self.live.is_empty() {
            return Ok(());
        }
        let first = self.failed.pop_first();
        Err(first.map_or_else(
            || BackupError::NotNow("no store to write to".to_owned()),
            |(_, error)| error,
        ))
    }
}

/// Says of a backup that it is stored, as its manifest has it; in words.
pub(super) fn stored(backup: &mut Backup, manifest: &Manifest, sha256: String) -> String {
    backup.state = BackupState::Stored;
    backup.bytes = manifest.bytes();
    backup.sha256 = Some(sha256);
    let mut said = format!(
        "{} is stored: {} bytes in {} files",
        backup.id,
        backup.bytes,
        manifest.files.len()
    );
    let left_out = &manifest.contents.left_out;
    for one in left_out.iter().take(TOLD) {
        said += &format!("; without {one}");
    }
    let more = left_out.len().saturating_sub(TOLD);
    if more > 0 {
        said += &format!("; and without {more} more, which its manifest names");
    }
    said
}

impl Archive {
    /// Takes a backup into all stores that are ready; gives what became of each, those that are not
    /// included. Whatever happens is in the ledger afterwards. `dumped` is called once the server or its
    /// data is needed no more; what is stored is still to be read back then.
    ///
    /// # Errors
    /// Only when the ledger does not take the beginning: then nothing was done.
    pub async fn take(
        &self,
        db: &Database,
        ready: Ready,
        dumped: impl FnOnce() + Send,
    ) -> Result<Vec<Backup>, BackupError> {
        let Ready { order, refused } = ready;
        let order = &order;
        let started = self.clock.now();
        let mut backups = Vec::new();
        for store in &order.stores {
            let backup = self.begun(db, order, store, started);
            let noted = self.note(&backup, format!("{} is being taken", backup.id));
            if let Err(error) = noted.await {
                self.give_up(backups, &error).await;
                return Err(error);
            }
            backups.push(backup);
        }
        failpoint("backup.begun");
        let done = if backups.is_empty() {
            Ok((BTreeMap::new(), BTreeMap::new()))
        } else {
            self.dump(db, order, started, dumped).await
        };
        let (manifests, mut failed, all) = match done {
            Ok((manifests, failed)) => (manifests, failed, None),
            Err(error) => (BTreeMap::new(), BTreeMap::new(), Some(error)),
        };
        let finished = self.clock.now();
        let mut unsaid = Ok(());
        for backup in &mut backups {
            backup.finished = Some(finished);
            let store = backup.id.store.clone();
            let message = match manifests.get(&store) {
                Some((manifest, sha256)) => {
                    let message = stored(backup, manifest, sha256.clone());
                    self.metrics.backup_taken(
                        &backup.id.name,
                        &store,
                        finished - started,
                        backup.bytes,
                        finished,
                    );
                    message
                }
                None => {
                    let error = failed.remove(&store);
                    let (why, word) = match (&error, &all) {
                        (Some(error), _) | (None, Some(error)) => (error.to_string(), error.word()),
                        (None, None) => ("it did not come to its end".to_owned(), "unknown"),
                    };
                    let message = self.failed(backup, why, word);
                    // Of this attempt nothing lay there before: what does is its own.
                    self.remove_objects(backup).await;
                    message
                }
            };
            if let Err(error) = self.note(backup, message).await {
                unsaid = Err(error);
            }
        }
        for (store, error) in refused {
            // It lies nowhere: what may lie there under its id is of another attempt, and is not touched,
            // now or when its row goes.
            let mut backup = self.begun(db, order, &store, started);
            backup.url = String::new();
            backup.finished = Some(finished);
            let message = self.failed(&mut backup, error.to_string(), error.word());
            if let Err(error) = self.note(&backup, message).await {
                unsaid = Err(error);
            }
            backups.push(backup);
        }
        unsaid.map(|()| backups)
    }

    /// Ends what was only said to be begun.
    async fn give_up(&self, backups: Vec<Backup>, error: &BackupError) {
        for mut backup in backups {
            backup.state = BackupState::Failed;
            backup.finished = Some(self.clock.now());
            backup.error = Some(error.to_string());
            // What is not written now is at the next beat.
            let _ = self
                .note(&backup, format!("{} failed: {error}", backup.id))
                .await;
        }
    }

    /// Says of a backup that it came to nothing; in words.
    fn failed(&self, backup: &mut Backup, why: String, word: &'static str) -> String {
        let message = format!("{} failed: {why}", backup.id);
        self.metrics
            .backup_failed(&backup.id.name, &backup.id.store, word);
        backup.state = BackupState::Failed;
        backup.error = Some(why);
        message
    }

    fn begun(&self, db: &Database, order: &Order, store: &str, started: Timestamp) -> Backup {
        let place = self
            .stores
            .get(store)
            .map(|s| s.place())
            .unwrap_or_default();
        let prefix = self
            .layout
            .attempt(&db.name, db.uid, order.slot, order.attempt);
        Backup {
            id: BackupId {
                name: db.name.clone(),
                slot: order.slot,
                attempt: order.attempt,
                store: store.to_owned(),
            },
            uid: db.uid,
            kind: order.kind,
            state: BackupState::Running,
            started,
            finished: None,
            verified: None,
            bytes: 0,
            sha256: None,
            url: format!("{place} {}", prefix.trim_end_matches('/')),
            error: None,
            // A database that is gone takes no newer one.
            keep_until: None,
            note: order.note.clone(),
        }
    }

    /// Bytes of the last backup, from which the next one is not far.
    pub(super) fn last_bytes(&self, db: &Database) -> Option<u64> {
        let book = self.ledger.book();
        let backups = book.row(&db.name)?.backups.values();
        let good = backups.filter(|b| b.uid == db.uid && b.state.good());
        good.max_by_key(|b| b.started).map(|b| b.bytes)
    }

    /// Dumps into all stores; the manifests, and why a store has none.
    #[allow(clippy::type_complexity, reason = "said once, and taken apart at once")]
    async fn dump(
        &self,
        db: &Database,
        order: &Order,
        started: Timestamp,
        dumped: impl FnOnce() + Send,
    ) -> Result<
        (
            BTreeMap<String, (Manifest, String)>,
            BTreeMap<String, BackupError>,
        ),
        BackupError,
    > {
        let recipe = recipes::backups(db.engine, order.kind);
        if recipe.at_rest() {
            failpoint("backup.resting");
        }
        let container = self.container(db, recipe).await?;
        let mut taking = Taking {
            live: BTreeMap::new(),
            failed: BTreeMap::new(),
            prefix: self
                .layout
                .attempt(&db.name, db.uid, order.slot, order.attempt),
            about: 0,
        };
        for name in &order.stores {
            match self.store(name) {
                Ok(store) => {
                    taking.live.insert(name.clone(), store.clone());
                }
                Err(error) => taking.fail(name, error),
            }
        }
        let dump = Dump {
            db,
            kind: order.kind,
            container: &container,
            dumped: Box::new(dumped),
        };
        let Dumped {
            files,
            contents,
            ledger_copy,
        } = self.tools.dump(self, dump, &mut taking).await?;
        let mut manifest = Manifest {
            version: manifest::VERSION,
            name: db.name.clone(),
            uid: db.uid,
            engine: db.engine,
            server_version: order.version.clone(),
            image: db.image.reference.to_string(),
            image_id: container.image.to_string(),
            slot: order.slot,
            attempt: order.attempt,
            kind: order.kind,
            started,
            finished: self.clock.now(),
            files,
            contents,
            keys: self.recipients.iter().map(|r| r.key_id()).collect(),
            ledger_head: self.ledger.book().head().seq,
            ledger_copy,
        };
        let plain = bundle::files(recipe, db, &manifest, (self.spec_text)(db));
        for (name, text) in plain {
            let sum = stream::hex(&Sha256::digest(text.as_bytes()));
            let bytes = text.len() as u64;
            for (store, at) in taking.live.clone() {
                let key = format!("{}{name}", taking.prefix);
                if let Err(error) = write_small(at.as_ref(), &key, text.clone()).await {
                    taking.fail(&store, error.into());
                }
            }
            manifest.files.push(File {
                name,
                part: None,
                database: None,
                bytes,
                sha256: sum.clone(),
                plain_bytes: bytes,
                plain_sha256: sum,
                took_ms: None,
            });
        }
        failpoint("backup.manifest");
        let bytes = manifest.write().map_err(|why| tool("manifest", why))?;
        let sha256 = stream::hex(&Sha256::digest(&bytes));
        let mut written = BTreeMap::new();
        for (store, at) in taking.live.clone() {
            let key = format!("{}{MANIFEST}", taking.prefix);
            match write_small(at.as_ref(), &key, bytes.clone()).await {
                Ok(_) => {
                    written.insert(store, (manifest.clone(), sha256.clone()));
                }
                Err(error) => taking.fail(&store, error.into()),
            }
        }
        Ok((written, taking.failed))
    }
}
