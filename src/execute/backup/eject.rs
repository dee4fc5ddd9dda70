//! A database's release from db4sci, as far as it is done on the host.

use std::path::Path;

use super::error::BackupError;
use super::{Archive, image_of, tool};
use crate::engine;
use crate::engine::compose;
use crate::execute::failpoint::failpoint;
use crate::model::{Database, ReleasedFiles, Seen};

impl Archive {
    /// What is to be written for whoever runs it without db4sci.
    ///
    /// # Errors
    /// When its image is not known or not here, or its files are not as they should be: others would
    /// begin with less than db4sci had.
    pub async fn released_files(
        &self,
        db: &Database,
        to: &Path,
    ) -> Result<ReleasedFiles, BackupError> {
        let id = image_of(db)?;
        let Some(image) = self.runtime.image(id.as_str()).await? else {
            return Err(BackupError::NotNow(format!(
                "its image {id} is not on this host any more, so nobody could run it; load it"
            )));
        };
        let wanted = engine::recipe(db.engine).named(db);
        let sealed = self.vault.files(db)?;
        match self.dirs.files(&self.site, db, &wanted, &sealed).await {
            Seen::Present(files) if files.complete && files.secrets => {}
            Seen::Present(_) | Seen::Absent => {
                return Err(BackupError::NotNow(format!(
                    "its configuration or secret files are not as they should be; they are written before \
                     its next start: db4sci restart {}",
                    db.name
                )));
            }
            Seen::Unknown(why) => return Err(BackupError::NotNow(why)),
        }
        compose::released(db, &self.site, &image, to).map_err(|e| tool("write how to run it", e))
    }

    /// Writes what it takes to run it, takes its container away, and marks its place as nobody's here.
    ///
    /// # Errors
    /// What stands in the way; it may be repeated, and taken back.
    pub async fn release(&self, db: &Database, to: &Path) -> Result<(), BackupError> {
        let files = self.released_files(db, to).await?;
        let dirs = &self.dirs;
        dirs.write_released(&self.site, db, to, &files).await?;
        failpoint("eject.written");
        self.take_away(db, "eject").await?;
        dirs.mark_ejected(db, true).await?;
        failpoint("eject.marked");
        Ok(())
    }

    /// Takes that back, except for its container, which is made again.
    ///
    /// # Errors
    /// When the marker cannot be written; it may be repeated.
    pub async fn take_back(&self, db: &Database, to: &Path) -> Result<(), BackupError> {
        self.dirs.mark_ejected(db, false).await?;
        let files = compose::folders();
        self.dirs.remove_released(db, to, &files).await?;
        Ok(())
    }
}
