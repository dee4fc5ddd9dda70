//! What a daemon that died left of its backups.

use super::error::BackupError;
use super::{Archive, objects, take};
use crate::model::{Backup, BackupState};

impl Archive {
    /// Ends what a daemon that died left: its jobs are killed, its folders removed, and backups that
    /// were being taken did not come to be, but for those that had only not been said to be there.
    ///
    /// # Errors
    /// When the engine or the ledger cannot be reached; it may be repeated.
    pub async fn clear(&self) -> Result<(), BackupError> {
        let now = self.clock.now();
        self.tools.clear(self).await?;
        let book = self.ledger.book();
        for (_, row) in book.rows() {
            let running = row.backups.values();
            for backup in running.filter(|b| b.state == BackupState::Running) {
                let mut backup = backup.clone();
                if let Some((manifest, sha256)) = self.ended_unheard(&backup).await? {
                    backup.finished = Some(manifest.finished);
                    let message = take::stored(&mut backup, &manifest, sha256);
                    self.note(&backup, message).await?;
                    continue;
                }
                backup.state = BackupState::Failed;
                backup.finished = Some(now);
                let why = "the daemon ended while it was taken".to_owned();
                backup.error = Some(why.clone());
                self.remove_objects(&backup).await;
                self.note(&backup, format!("{}: {why}", backup.id)).await?;
            }
        }
        Ok(())
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
