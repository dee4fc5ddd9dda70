//! What was cut off of backups.

use super::error::BackupError;
use super::{Archive, objects, take};
use crate::admin::Row;
use crate::model::{Backup, BackupState};

impl Archive {
    /// Ends the backups of a database that were being taken when that was cut off, while nothing is done for
    /// it: they did not come to be, but for those that had only not been said to be there. Gives their
    /// number.
    ///
    /// # Errors
    /// When a store does not say whether it has one, which stays as it is then, or when the ledger cannot be
    /// written; it may be repeated.
    pub async fn end_left(&self, row: &Row) -> Result<usize, BackupError> {
        let now = self.clock.now();
        let (mut ended, mut unseen) = (0, None);
        let running = row.backups.values();
        for backup in running.filter(|b| b.state == BackupState::Running) {
            let mut backup = backup.clone();
            let found = match self.ended_unheard(&backup).await {
                Ok(found) => found,
                Err(error) => {
                    unseen.get_or_insert(error);
                    continue;
                }
            };
            if let Some((manifest, sha256)) = found {
                backup.finished = Some(manifest.finished);
                let message = take::stored(&mut backup, &manifest, sha256);
                self.note(&backup, message).await?;
            } else {
                backup.state = BackupState::Failed;
                backup.finished = Some(now);
                let why = "the daemon ended while it was taken".to_owned();
                backup.error = Some(why.clone());
                self.remove_objects(&backup).await;
                self.note(&backup, format!("{}: {why}", backup.id)).await?;
            }
            ended += 1;
        }
        unseen.map_or(Ok(ended), Err)
    }

    /// Removes what lies in the store of a backup that did not come to be. What cannot be removed
    /// now has no manifest, so nobody takes it for a backup.
    pub(super) async fn remove_objects(&self, backup: &Backup) {
        let Ok(store) = self.store(&backup.id.store) else {
            return;
        };
        let id = &backup.id;
        let prefix = self
            .layout
            .attempt(&id.name, backup.uid, id.slot, id.attempt);
        let removed = async {
            store.sweep(&prefix, self.clock.now()).await?;
            objects::remove(store.as_ref(), &prefix).await
        };
        if let Err(error) = removed.await {
            tracing::warn!(%id, %error, "what it left in the store stays until retention removes it");
        }
    }
}
