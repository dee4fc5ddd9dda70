//! What lies in the stores, and what of it the ledger is to know.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::Archive;
use super::error::BackupError;
use super::stream::hex;
use crate::model::{Backup, BackupId, Uid};
use crate::store::manifest::{MANIFEST, MANIFEST_LIMIT, Manifest};
use crate::store::{StoreError, read_small};

impl Archive {
    /// The backups of this instance that have a manifest in a store, and their databases' uids.
    ///
    /// # Errors
    /// As the store does.
    pub async fn stored(&self, store: &str) -> Result<BTreeMap<BackupId, Uid>, BackupError> {
        let objects = self.store(store)?.list(self.layout.root()).await?;
        let keys = objects.iter().filter_map(|o| o.key.strip_suffix(MANIFEST));
        let ids = keys.filter_map(|prefix| self.layout.backup(prefix, store));
        Ok(ids.map(|(uid, id)| (id, uid)).collect())
    }

    /// Gives backups their rows that a store holds and the ledger does not know; gives those back that
    /// stay unknown, since their manifests cannot be read, or are others'. Nobody prunes them.
    ///
    /// # Errors
    /// As store and ledger do.
    pub async fn adopt(
        &self,
        store: &str,
        ids: &BTreeSet<BackupId>,
    ) -> Result<BTreeSet<BackupId>, BackupError> {
        let mut refused = BTreeSet::new();
        let name = store;
        let store = self.store(name)?;
        for object in store.list(self.layout.root()).await? {
            let Some(prefix) = object.key.strip_suffix(MANIFEST) else {
                continue;
            };
            let found = self.layout.backup(prefix, name);
            let Some((uid, id)) = found.filter(|(_, id)| ids.contains(id)) else {
                continue;
            };
            let bytes = read_small(store.as_ref(), &object.key, MANIFEST_LIMIT).await?;
            let manifest = match Manifest::read(&bytes) {
                Ok(manifest) if manifest.id(name) == id && manifest.uid == uid => {
                    if !self.is_of_this_ledger(&manifest).await? {
                        tracing::warn!(%id, "the ledger that it shows is another one; it stays unknown");
                        refused.insert(id);
                        continue;
                    }
                    manifest
                }
                Ok(_) => {
                    tracing::warn!(key = object.key, "the manifest there is another backup's");
                    refused.insert(id);
                    continue;
                }
                Err(why) => {
                    tracing::warn!(key = object.key, why, "the backup stays unknown");
                    refused.insert(id);
                    continue;
                }
            };
            let backup = manifest.backup(name, &store.place(), prefix);
            self.note(&backup, format!("{id} was found in its store"))
                .await?;
        }
        Ok(refused)
    }

    /// The manifest of a backup that was being taken when the daemon ended, and its sum: it is written last,
    /// so all else was read back then. `None`: there is none that can be read, or it is another attempt's,
    /// whose objects this one may have written over.
    ///
    /// # Errors
    /// When its store does not say whether there is one; as the ledger does.
    pub(super) async fn ended_unheard(
        &self,
        running: &Backup,
    ) -> Result<Option<(Manifest, String)>, BackupError> {
        let id = &running.id;
        let Ok(store) = self.store(&id.store) else {
            return Ok(None);
        };
        let prefix = self
            .layout
            .attempt(&id.name, running.uid, id.slot, id.attempt);
        let key = format!("{prefix}{MANIFEST}");
        let bytes = match read_small(store.as_ref(), &key, MANIFEST_LIMIT).await {
            Ok(bytes) => bytes,
            Err(StoreError::Missing { .. }) => return Ok(None),
            // It may well be there: what is not known to have failed is not removed.
            Err(error) => return Err(error.into()),
        };
        let own = |m: &Manifest| {
            (m.id(&id.store), m.uid, m.started) == (id.clone(), running.uid, running.started)
        };
        match Manifest::read(&bytes) {
            Ok(manifest) if own(&manifest) && self.is_of_this_ledger(&manifest).await? => {
                Ok(Some((manifest, hex(&Sha256::digest(&bytes)))))
            }
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// Whether the ledger that a backup of `mydb_admin` was made of is this one: tables of another one could
    /// never be brought up to date.
    async fn is_of_this_ledger(&self, manifest: &Manifest) -> Result<bool, BackupError> {
        let Some(copy) = &manifest.ledger_copy else {
            return Ok(true);
        };
        let Some(before) = copy.seq.checked_sub(1) else {
            return Ok(true);
        };
        let records = self.ledger.on_disk(before, 1).await?;
        Ok(records
            .first()
            .is_some_and(|r| r.entry.seq == copy.seq && r.head().hash.to_string() == copy.hash))
    }
}
