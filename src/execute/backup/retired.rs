//! What becomes of a retired database: its tombstone in the stores, and the end of its data.

use super::error::BackupError;
use super::{Archive, tool};
use crate::execute::failpoint::failpoint;
use crate::model::{Backup, BackupId, Database, Timestamp};
use crate::store::manifest::{TombstoneFile, VERSION};
use crate::store::write_small;

impl Archive {
    /// Writes the tombstone of a database into stores; repeating it does no harm.
    ///
    /// # Errors
    /// As the first store that does not take it.
    pub async fn set_tombstone(
        &self,
        db: &Database,
        retired: Timestamp,
        last: Option<&BackupId>,
        stores: &[String],
    ) -> Result<(), BackupError> {
        let file = TombstoneFile {
            version: VERSION,
            name: db.name.clone(),
            uid: db.uid,
            retired,
            last: last.cloned(),
        };
        let text =
            serde_json::to_vec_pretty(&file).map_err(|e| tool("tombstone", e.to_string()))?;
        let key = self.layout.tombstone(&db.name, db.uid);
        for name in stores {
            let store = self.store(name)?;
            // Objects are never replaced; one of an attempt that was cut off may lie there.
            store.delete(&key).await?;
            write_small(store.as_ref(), &key, text.clone()).await?;
        }
        Ok(())
    }

    /// Removes it from all stores of the settings, whichever it was written to; none there is no
    /// error.
    ///
    /// # Errors
    /// As the last store that does not; the others have none then.
    pub async fn take_tombstone(&self, db: &Database) -> Result<(), BackupError> {
        let key = self.layout.tombstone(&db.name, db.uid);
        let mut done = Ok(());
        for store in self.stores.values() {
            if let Err(error) = store.delete(&key).await {
                done = Err(error.into());
            }
        }
        done
    }

    /// Whether all of a backup lies in its store as it was written; every byte is read.
    ///
    /// # Errors
    /// What is missing or other than it was.
    pub async fn whole(&self, backup: &Backup) -> Result<(), BackupError> {
        let manifest = self.manifest(backup).await?;
        self.tools.read(self, backup, &manifest).await
    }

    /// Removes container, data, secrets and marker of a database. What is gone already is no error.
    ///
    /// # Errors
    /// What stands in the way; it may be repeated.
    pub async fn remove_database(&self, db: &Database) -> Result<(), BackupError> {
        self.take_down(db).await?;
        for id in self.containers(db).await? {
            self.runtime.remove(&id).await?;
        }
        failpoint("remove.container");
        self.dirs.remove(&self.site, db).await?;
        Ok(())
    }
}
