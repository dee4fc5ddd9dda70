//! The restore test: the only thing that makes a backup `Verified`.

use super::Archive;
use super::error::BackupError;
use super::recipes;
use crate::model::{Backup, BackupId, BackupKind, BackupState, Database};
use crate::store::StoreError;

impl Archive {
    /// Restores a backup into a throwaway server without network, and compares what is counted with
    /// the manifest. What came of it is in the ledger afterwards, and given back.
    ///
    /// # Errors
    /// When the test itself could not be made: that says nothing about the backup.
    pub async fn verify(&self, db: &Database, backup: &Backup) -> Result<Backup, BackupError> {
        let begun = self.clock.now();
        let tested = match self.tools.test(self, db, backup).await {
            Ok(how) => Ok(how),
            Err(error) => Err(self.weighed(backup, error).await),
        };
        let now = self.clock.now();
        let mut backup = backup.clone();
        let message = match tested {
            Ok(how) => {
                backup.state = BackupState::Verified;
                backup.verified = Some(now);
                backup.error = None;
                self.metrics
                    .backup_verified(&db.name, &backup.id.store, now);
                let took = (now - begun).num_seconds();
                format!("{} is proven in {took} s: {how}", backup.id)
            }
            Err(error) if error.is_damage() => return self.damaged(&backup, &error).await,
            Err(error) => {
                self.metrics
                    .backup_failed(&db.name, &backup.id.store, error.word());
                return Err(error);
            }
        };
        self.note(&backup, message).await?;
        Ok(backup)
    }

    /// Compares a copy of files with the files: no server can say what is in them. Only as long as
    /// nobody has changed them.
    pub(super) async fn compare(
        &self,
        db: &Database,
        backup: &Backup,
    ) -> Result<String, BackupError> {
        let recipe = recipes::backups(db.engine, BackupKind::Files);
        let manifest = self.manifest(backup).await?;
        let container = self.container(db, recipe).await?;
        if container.finished_at.is_some_and(|at| at > backup.started) {
            return Err(BackupError::NotNow(format!(
                "{}: its server ran since, so its files are others now, and the copy cannot be compared \
                 with them; nothing was changed",
                backup.id
            )));
        }
        let server = self.server(db, recipe, &container)?;
        let meter = self.reading(&db.name, "comparing it", &manifest);
        for (_, stored) in self.objects(backup, &manifest, &meter)? {
            let what = format!("compare the files of {} with {}", db.name, backup.id);
            let command = recipes::compare(db);
            self.through(&server, &command, stored, None, &what)
                .await
                // What differs is the copy's fault: the files are at rest.
                .map_err(BackupError::damage_told)?;
        }
        let files = manifest.contents.counts.get("files").unwrap_or(&0);
        Ok(format!(
            "{files} files are, byte by byte, those of {}",
            db.name
        ))
    }

    /// What an attempt to read a backup ended with, as far as it speaks of the backup. That an object is not
    /// there is believed of a store that shows a backup of which the ledger knows that it lies there: one
    /// that shows none may be another one, or away, and all of its backups would be damaged in a row.
    pub async fn weighed(&self, backup: &Backup, error: BackupError) -> BackupError {
        let BackupError::Store(StoreError::Missing { place, key }) = &error else {
            return error;
        };
        let book = self.ledger.book();
        let known = |id: &BackupId| {
            let mut rows = book.rows().map(|(_, row)| row);
            rows.any(|row| row.backups.get(id).is_some_and(|b| b.state.good()))
        };
        match self.stored(&backup.id.store).await {
            Ok(shown) if shown.keys().any(known) => error,
            Ok(_) => BackupError::Store(StoreError::Unreachable {
                place: place.clone(),
                what: format!("read {key}"),
                why: "it is not there, and no other backup that is known to lie there is: not the store that \
                      it was?"
                    .to_owned(),
            }),
            Err(other) => other,
        }
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
            .backup_failed(&self.owner(&backup), &backup.id.store, "drill");
        let message = format!(
            "{} cannot be restored: {why}; another one is taken",
            backup.id
        );
        self.note(&backup, message).await?;
        Ok(backup)
    }
}
