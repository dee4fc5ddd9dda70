//! What goes with a database's name: its containers, its folders, and whose a backup is after the
//! name under which it was taken has gone.

use super::error::BackupError;
use super::{Archive, image_of, tool};
use crate::engine;
use crate::execute::failpoint::failpoint;
use crate::model::action::StopHow;
use crate::model::container::{LABEL_INSTANCE, LABEL_UID};
use crate::model::{Backup, Database, DbName, RestartPolicy};
use crate::runtime::NamedFolder;

impl Archive {
    /// The database that a backup belongs to now: its id keeps the name under which it was taken.
    pub fn owner(&self, backup: &Backup) -> DbName {
        let book = self.ledger.book();
        let owner = book.owner_of(backup.uid, &backup.id);
        owner.unwrap_or(&backup.id.name).clone()
    }

    /// Why a new name cannot be taken, as far as this host knows.
    ///
    /// # Errors
    /// What is in the way, or cannot be known.
    pub async fn place_free(&self, db: &Database, renamed: &Database) -> Result<(), BackupError> {
        let name = self.site.container_name(&renamed.name);
        if self.runtime.inspect(&name).await?.is_some() {
            return Err(BackupError::NotNow(format!(
                "there is a container {name} already, which is not db4sci's; rename or remove it"
            )));
        }
        match self.dirs.look(renamed, None).await {
            crate::model::Seen::Absent => {}
            crate::model::Seen::Present(_) => {
                return Err(BackupError::NotNow(format!(
                    "{} or its marker {} is there already; move it away",
                    renamed.data_dir().display(),
                    renamed.marker_dir().display()
                )));
            }
            crate::model::Seen::Unknown(why) => return Err(BackupError::NotNow(why)),
        }
        // Its server is to come up again on another container of the same image.
        let image = image_of(db)?;
        match self.runtime.image(image.as_str()).await? {
            Some(_) => Ok(()),
            None => Err(BackupError::NotNow(format!(
                "its image {image} is not on this host any more, so no other container could be made; \
                 load it"
            ))),
        }
    }

    /// Stops and removes every container of a database: none may find its folders under way. `work` is
    /// what that is for, in the names of places where tests kill the daemon.
    ///
    /// # Errors
    /// As the engine does; it may be repeated.
    pub async fn take_away(&self, db: &Database, work: &str) -> Result<(), BackupError> {
        let uid = db.uid.to_string();
        let deadline = engine::recipe(db.engine).defaults().stop_deadline;
        let how = StopHow {
            deadline,
            hung: false,
        };
        let all = self.runtime.list().await?;
        let ours = all.iter().filter(|brief| {
            brief.labels.get(LABEL_UID) == Some(&uid)
                && brief.labels.get(LABEL_INSTANCE) == Some(&self.site.instance)
        });
        for brief in ours {
            let id = &brief.id;
            self.runtime.set_policy(id, RestartPolicy::No).await?;
            self.runtime.stop(id, &how).await?;
            failpoint(&format!("{work}.down"));
            self.runtime.remove(id).await?;
        }
        failpoint(&format!("{work}.removed"));
        Ok(())
    }

    /// Moves its folders back to the places of its name. Secret files and configuration that cannot be
    /// moved are made anew before the next start.
    ///
    /// # Errors
    /// When data or marker cannot be moved; it may be repeated.
    pub async fn move_back(&self, renamed: &Database, db: &Database) -> Result<(), BackupError> {
        for which in NamedFolder::ALL {
            let moved = self.dirs.move_folder(&self.site, renamed, db, which).await;
            match (which, moved) {
                (_, Ok(())) => {}
                (NamedFolder::Data | NamedFolder::Marker, Err(error)) => {
                    return Err(tool("move its folders back", error.to_string()));
                }
                (
                    NamedFolder::Secrets
                    | NamedFolder::Config
                    | NamedFolder::Aside
                    | NamedFolder::Evidence,
                    Err(error),
                ) => tracing::warn!(name = %db.name, %error, "a folder stays where it is"),
            }
        }
        Ok(())
    }

    /// Moves its folders to the places of another name; what is there already stays.
    ///
    /// # Errors
    /// What is in the way; it may be repeated, and taken back.
    pub async fn move_folders(&self, from: &Database, to: &Database) -> Result<(), BackupError> {
        for which in NamedFolder::ALL {
            let moved = self.dirs.move_folder(&self.site, from, to, which).await;
            moved.map_err(|e| tool("move its folders", e.to_string()))?;
            failpoint(&format!("rename.{}", which.as_str()));
        }
        Ok(())
    }
}
