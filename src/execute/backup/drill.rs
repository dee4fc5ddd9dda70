//! The restore test: the only thing that makes a backup `Verified`.

use super::Archive;
use super::error::BackupError;
use crate::model::{Backup, BackupState, Database, ImageId};

impl Archive {
    /// Restores a backup into a throwaway server without network, and compares what is counted with
    /// the manifest. What came of it is in the ledger afterwards, and given back.
    ///
    /// # Errors
    /// When the test itself could not be made: that says nothing about the backup.
    pub async fn verify(&self, db: &Database, backup: &Backup) -> Result<Backup, BackupError> {
        let image = db.image.pinned.clone().unwrap_or(ImageId(String::new()));
        let begun = self.clock.now();
        let tested = self.load(db, &image, backup, None).await;
        let now = self.clock.now();
        let mut backup = backup.clone();
        let message = match tested {
            Ok(built) => {
                backup.state = BackupState::Verified;
                backup.verified = Some(now);
                backup.error = None;
                self.metrics
                    .backup_verified(&backup.id.name, &backup.id.store, now);
                format!(
                    "{} was restored in {} s and holds what it should: {} counts agree",
                    backup.id,
                    (now - begun).num_seconds(),
                    built.manifest.contents.counts.len()
                )
            }
            Err(error) if error.is_damage() => return self.damaged(&backup, &error).await,
            Err(error) => {
                self.metrics
                    .backup_failed(&backup.id.name, &backup.id.store, error.word());
                return Err(error);
            }
        };
        self.note(&backup, message).await?;
        Ok(backup)
    }

    /// Writes that a backup was found damaged; gives it as it is known from now on.
    ///
    /// # Errors
    /// When the ledger does not take it.
    pub async fn damaged(
        &self,
        backup: &Backup,
        error: &BackupError,
    ) -> Result<Backup, BackupError> {
        let why = error.to_string();
        let backup = Backup {
            state: BackupState::Damaged,
            finished: Some(self.clock.now()),
            error: Some(why.clone()),
            ..backup.clone()
        };
        self.metrics
            .backup_failed(&backup.id.name, &backup.id.store, "drill");
        let message = format!(
            "{} cannot be restored: {why}; another one is taken",
            backup.id
        );
        self.note(&backup, message).await?;
        Ok(backup)
    }
}
