//! A backup becomes data again: loaded into a throwaway server, counted, and put into place.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::error::BackupError;
use super::meter::Meter;
use super::objects::Stored;
use super::place::place;
use super::throwaway::Throwaway;
use super::{Archive, Server, room, stream, tool};
use crate::engine;
use crate::engine::backup as recipes;
use crate::execute::failpoint::failpoint;
use crate::model::action::StopHow;
use crate::model::container::{LABEL_INSTANCE, LABEL_UID};
use crate::model::{
    Backup, BackupId, ContainerId, Database, DbName, ImageId, RestartPolicy, Secret,
};
use crate::store::manifest::{MANIFEST, MANIFEST_LIMIT, Manifest};
use crate::store::read_small;

/// Passwords that are to be in force after a load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passwords {
    /// The privileged account's.
    pub admin: Secret,
    /// The user's.
    pub user: Option<Secret>,
    /// The daemon's own role's, in `mydb_admin`.
    pub daemon: Option<Secret>,
}

/// Data that was restored, at rest, and not yet in place. It goes with this value unless it is put
/// into place.
pub struct Built {
    /// Shared with what moves it into place, which goes on when whoever waits for it is cut off.
    throwaway: Arc<Throwaway>,
    /// The passwords of the database itself, if it has those.
    passwords: Option<Passwords>,
    /// What it was made of.
    pub manifest: Manifest,
    lacking: Vec<String>,
}

impl Built {
    /// The server that it was loaded into.
    pub(super) fn server(&self) -> Server<'_> {
        self.throwaway.server()
    }

    /// What of the backup is not in force in it, for people, to follow other words; empty: all is.
    pub fn lacking(&self) -> String {
        self.lacking.iter().map(|one| format!("; {one}")).collect()
    }
}

impl Archive {
    /// A backup's manifest, as it lies in its store.
    ///
    /// # Errors
    /// `Damaged` when it is not what the ledger knows, or not readable.
    pub async fn manifest(&self, backup: &Backup) -> Result<Manifest, BackupError> {
        let store = self.store(&backup.id.store)?;
        let key = format!("{}{MANIFEST}", self.prefix(backup));
        let bytes = read_small(store.as_ref(), &key, MANIFEST_LIMIT).await?;
        if let Some(known) = &backup.sha256 {
            use sha2::{Digest, Sha256};
            let sum = stream::hex(&Sha256::digest(&bytes));
            if sum != *known {
                return Err(BackupError::Damaged(format!(
                    "{}: the manifest is not the one that was written (SHA-256 {sum}, not {known})",
                    backup.id
                )));
            }
        }
        let manifest = Manifest::read(&bytes)
            .map_err(|why| BackupError::Damaged(format!("{}: {why}", backup.id)))?;
        let of = (
            &manifest.name,
            manifest.uid,
            manifest.slot,
            manifest.attempt,
        );
        let id = &backup.id;
        if of != (&id.name, backup.uid, id.slot, id.attempt) {
            return Err(BackupError::Damaged(format!(
                "{id}: the manifest there is of {} {} {}-{}",
                of.0, of.1, of.2, of.3
            )));
        }
        let ours: Vec<String> = self
            .identities
            .iter()
            .map(|i| i.recipient().key_id())
            .collect();
        if !manifest.keys.iter().any(|key| ours.contains(key)) {
            return Err(BackupError::NotNow(format!(
                "{id} is encrypted to keys that this host does not have ({}); put its \
                 .agekey file into state_dir/keys, and start the daemon again",
                manifest.keys.join(", ")
            )));
        }
        Ok(manifest)
    }

    /// A stage in which all of a backup is read.
    pub(super) fn reading(
        &self,
        name: &DbName,
        stage: &'static str,
        manifest: &Manifest,
    ) -> Arc<Meter> {
        let parts = manifest.files.iter().filter(|f| f.part.is_some());
        let total = parts.map(|f| f.bytes).sum();
        self.meters
            .begin(name, stage, Some(total), self.clock.now())
    }

    /// The parts of a backup where they lie; what is read of them is counted.
    ///
    /// # Errors
    /// `NotNow` when its store is not one of the settings'.
    pub(super) fn objects<'a>(
        &'a self,
        backup: &Backup,
        manifest: &'a Manifest,
        meter: &Arc<Meter>,
    ) -> Result<impl Iterator<Item = (&'a str, Stored<'a>)> + use<'a>, BackupError> {
        let store = self.store(&backup.id.store)?;
        let (prefix, meter) = (self.prefix(backup), meter.clone());
        Ok(manifest.files.iter().filter_map(move |file| {
            let stored = Stored {
                store,
                key: format!("{prefix}{}", file.name),
                file,
                meter: meter.clone(),
            };
            Some((file.part.as_deref()?, stored))
        }))
    }

    pub(super) fn prefix(&self, backup: &Backup) -> String {
        let id = &backup.id;
        self.layout
            .attempt(&id.name, backup.uid, id.slot, id.attempt)
    }

    /// Loads a backup into a throwaway server, and compares what is counted there. `db` says how the
    /// server is run; without `passwords` the throwaway's own are set.
    ///
    /// # Errors
    /// `Damaged` when the backup is not what it should be.
    pub(super) async fn load(
        &self,
        db: &Database,
        image: &ImageId,
        backup: &Backup,
        passwords: Option<&Passwords>,
    ) -> Result<Built, BackupError> {
        let manifest = self.manifest(backup).await?;
        let recipe = recipes::backups(db.engine, manifest.kind);
        if manifest.engine != db.engine {
            return Err(BackupError::NotNow(format!(
                "{} holds data of {}, and {} is {}",
                backup.id, manifest.engine, db.name, db.engine
            )));
        }
        let version = &manifest.server_version;
        if let Some(why) = recipe.changed_by(&manifest.contents, version, &db.image.series) {
            return Err(BackupError::NotNow(format!("{}: {why}", backup.id)));
        }
        let mut throwaway = self.lay_out(db, recipe, image, passwords.is_some()).await?;
        let what = format!("load {}", backup.id);
        let filled = self.fill(&mut throwaway, db, backup, &manifest, passwords);
        let lacking = room::while_there_is_room(&db.volume.path, &what, filled).await?;
        Ok(Built {
            throwaway: Arc::new(throwaway),
            passwords: passwords.cloned(),
            manifest,
            lacking,
        })
    }

    /// Makes data of a backup, at rest, with the passwords of `db` as they are today; `db` itself is
    /// not touched.
    ///
    /// # Errors
    /// As [`BackupError`] says; nothing was changed then.
    pub async fn build(
        &self,
        db: &Database,
        image: &ImageId,
        backup: &Backup,
    ) -> Result<Built, BackupError> {
        let passwords = self.passwords(db)?;
        let built = self.load(db, image, backup, Some(&passwords)).await?;
        failpoint("restore.loaded");
        let deadline = engine::recipe(db.engine).defaults().stop_deadline;
        built
            .throwaway
            .settle(Duration::from_secs(u64::from(deadline)))
            .await?;
        Ok(built)
    }

    /// Stops a database's containers and keeps them from being started; no error if there is none.
    ///
    /// # Errors
    /// `NotNow` when the daemon is stopping; as the engine does.
    pub async fn take_down(&self, db: &Database) -> Result<(), BackupError> {
        // Dropped in the middle, the engine would carry it out all the same, after everybody had looked.
        let _under_way = self.stops.token();
        if self.stops.is_closed() {
            return Err(BackupError::NotNow("the daemon is stopping".to_owned()));
        }
        let deadline = engine::recipe(db.engine).defaults().stop_deadline;
        let how = StopHow {
            deadline,
            hung: false,
        };
        for id in self.containers(db).await? {
            self.runtime.set_policy(&id, RestartPolicy::No).await?;
            self.runtime.stop(&id, &how).await?;
        }
        Ok(())
    }

    /// All containers of a database, under whatever names: one that somebody renamed may run on its data.
    ///
    /// # Errors
    /// `NotNow` when one that is another's has its name; as the engine does.
    pub(super) async fn containers(&self, db: &Database) -> Result<Vec<ContainerId>, BackupError> {
        let (name, uid) = (self.site.container_name(&db.name), db.uid.to_string());
        let mut own = Vec::new();
        for brief in self.runtime.list().await? {
            let label = |key: &str| brief.labels.get(key).map(String::as_str);
            if label(LABEL_UID) == Some(&uid) && label(LABEL_INSTANCE) == Some(&self.site.instance)
            {
                own.push(brief.id);
            } else if brief.name == name {
                return Err(BackupError::NotNow(format!(
                    "the container {name} is not {}'s",
                    db.name
                )));
            }
        }
        Ok(own)
    }

    /// Where data is kept that a restore takes out of the way.
    pub fn aside(&self, db: &Database, from: &BackupId) -> PathBuf {
        let now = self.clock.now().format("%Y%m%dT%H%M%SZ");
        db.own_dir()
            .join(".aside")
            .join(format!("{}-before-{}-{now}", db.name, from.slot))
    }

    /// Puts restored data into a database's place. What lies there is moved to `aside`. The server
    /// must be down.
    ///
    /// # Errors
    /// `NotNow` when its passwords are others by now; as the file system does. What was there is
    /// there again then.
    pub async fn put_in_place(
        &self,
        built: &Built,
        db: &Database,
        aside: PathBuf,
    ) -> Result<(), BackupError> {
        if built.passwords.as_ref() != Some(&self.passwords(db)?) {
            return Err(BackupError::NotNow(format!(
                "the passwords of {} were changed meanwhile; restore it again",
                db.name
            )));
        }
        place(built.throwaway.clone(), db.clone(), aside)
            .await
            .map_err(|e| tool("move data into place", e.to_string()))?
            .map_err(BackupError::io("move data into place"))
    }

    /// Puts back what a restore took out of the way; what the restore had put there is moved beside
    /// it. The server must be down.
    ///
    /// # Errors
    /// As the file system does.
    pub async fn put_back(&self, db: &Database, aside: PathBuf) -> Result<bool, BackupError> {
        let db = db.clone();
        let moved = tokio::task::spawn_blocking(move || {
            if !aside.try_exists()? {
                return Ok(false);
            }
            if db.data_dir().try_exists()? {
                fs::rename(db.data_dir(), aside.with_extension("restored"))?;
            }
            fs::rename(&aside, db.data_dir())?;
            fs::File::open(&db.volume.path)?.sync_all()?;
            Ok(true)
        });
        moved
            .await
            .map_err(|e| tool("move data back", e.to_string()))?
            .map_err(BackupError::io("move data back"))
    }
}
