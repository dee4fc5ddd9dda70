//! `DataDirs` for the simulated host, by the rules of the real one.

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::World;
use super::disk::SimMarker;
use super::fault::Part;
use super::released::not_released;
use super::state::State;
use crate::model::account::is_stray;
use crate::model::disk::Room;
use crate::model::view::Evidence;
use crate::model::{
    DataSeen, Database, FilesNamed, FilesSeen, FilesWanted, FolderId, IdentityFile, MarkerState,
    ReleasedFiles, Secret, SecretText, Seen, Site, Timestamp,
};
use crate::runtime::{DataDirs, DirError, NamedFolder};

pub(super) type Answer<T> = Result<T, DirError>;

#[async_trait]
impl DataDirs for World {
    async fn look(&self, db: &Database, identity: Option<IdentityFile>) -> Seen<DataSeen> {
        let looked: Answer<Seen<DataSeen>> =
            World::look(self, Part::Disk, "look", |state| Ok(state.look_at(db))).await;
        let mut seen = looked.unwrap_or_else(|e| Seen::Unknown(e.to_string()));
        if let (Seen::Present(data), None) = (&mut seen, identity) {
            data.identity = None;
        }
        seen
    }

    async fn folder(&self, _db: &Database) -> Option<FolderId> {
        // Nobody exchanges one here.
        None
    }

    async fn files(
        &self,
        site: &Site,
        db: &Database,
        wanted: &FilesNamed,
        secrets: &[SecretText],
    ) -> Seen<FilesSeen> {
        let looked: Answer<FilesSeen> = World::look(self, Part::Disk, "files", |state| {
            let mut seen = state
                .disk
                .applied
                .get(&site.config_dir(&db.name))
                .cloned()
                .unwrap_or_default();
            let files = state.disk.secrets.get(&site.secrets_dir(&db.name));
            seen.complete = seen.complete
                && state.disk.exists(&db.marker_dir())
                && state.disk.exists(&site.guard_dir());
            let sealed = |name: &str| secrets.iter().any(|s| s.name == name);
            let says = |s: &SecretText| files.and_then(|f| f.get(&s.name)) == Some(&s.text);
            let strays = files.is_some_and(|f| f.keys().any(|name| is_stray(name, secrets)));
            seen.secrets = wanted.secrets.iter().all(|s| sealed(&s.name))
                && secrets.iter().all(says)
                && !strays;
            Ok(seen)
        })
        .await;
        match looked {
            Ok(seen) => Seen::Present(seen),
            Err(e) => Seen::Unknown(e.to_string()),
        }
    }

    async fn prepare(&self, db: &Database) -> Answer<()> {
        self.act(Part::Disk, "prepare", |state| state.prepare(db))
            .await
    }

    async fn set_aside_half_made(&self, db: &Database, now: Timestamp) -> Answer<PathBuf> {
        self.act(Part::Disk, "set aside", |state| state.set_aside(db, now))
            .await
    }

    async fn give_up(&self, db: &Database, now: Timestamp) -> Answer<PathBuf> {
        self.act(Part::Disk, "give up", |state| state.give_up(db, now))
            .await
    }

    async fn remove(&self, site: &Site, db: &Database) -> Answer<()> {
        self.act(Part::Disk, "remove", |state| state.remove(site, db))
            .await
    }

    async fn move_folder(
        &self,
        site: &Site,
        from: &Database,
        to: &Database,
        which: NamedFolder,
    ) -> Answer<()> {
        self.act(Part::Disk, "rename", |state| {
            state.rename(site, from, to, which)
        })
        .await
    }

    async fn write_released(
        &self,
        _site: &Site,
        db: &Database,
        to: &Path,
        _files: &ReleasedFiles,
    ) -> Answer<()> {
        self.act(Part::Disk, "release", |state| state.write_released(db, to))
            .await
    }

    async fn remove_released(
        &self,
        db: &Database,
        to: &Path,
        _files: &ReleasedFiles,
    ) -> Answer<()> {
        self.act(Part::Disk, "unrelease", |state| {
            state.remove_released(db, to)
        })
        .await
    }

    async fn mark_ejected(&self, db: &Database, ejected: bool) -> Answer<()> {
        self.act(Part::Disk, "eject", |state| state.mark_ejected(db, ejected))
            .await
    }

    async fn write_files(&self, site: &Site, db: &Database, wanted: &FilesWanted) -> Answer<()> {
        self.act(Part::Disk, "write files", |state| {
            state.writable(db)?;
            if !state.disk.exists(&db.marker_dir()) {
                return Err(state.io(db, "no marker folder"));
            }
            for folder in [site.guard_dir(), site.config_dir(&db.name)] {
                state.disk.plain.insert(folder, ());
            }
            for (file, _) in &wanted.config {
                let file = site.config_dir(&db.name).join(file);
                state.disk.plain.insert(file, ());
            }
            state.disk.applied.insert(
                site.config_dir(&db.name),
                FilesSeen {
                    complete: true,
                    secrets: false,
                    settings: wanted.settings.clone().into(),
                    config: wanted.config_text.clone(),
                    config_tried: wanted.config_tried.clone(),
                    trial: wanted.trial.clone(),
                    certificate: None,
                    in_use: wanted.certificate.clone(),
                },
            );
            state.journal.push(format!("write_files {}", db.name));
            Ok(())
        })
        .await
    }

    async fn mark_initialised(&self, db: &Database) -> Answer<()> {
        self.act(Part::Disk, "mark", |state| state.mark_initialised(db))
            .await
    }

    async fn write_secrets(
        &self,
        site: &Site,
        db: &Database,
        secrets: &[SecretText],
    ) -> Answer<()> {
        self.act(Part::Disk, "write secrets", |state| {
            state.writable(db)?;
            let folder = site.secrets_dir(&db.name);
            state.disk.plain.insert(folder.clone(), ());
            let files = state.disk.secrets.entry(folder);
            files.retain(|name, _| !is_stray(name, secrets));
            for secret in secrets {
                files.insert(secret.name.clone(), secret.text.clone());
            }
            state.journal.push(format!("write_secrets {}", db.name));
            Ok(())
        })
        .await
    }

    async fn secret_file(&self, site: &Site, db: &Database, file: &str) -> Answer<Option<Secret>> {
        World::look(self, Part::Disk, "secret", |state| {
            let kept = state.disk.secrets.get(&site.secrets_dir(&db.name));
            Ok(kept.and_then(|files| files.get(file)).cloned())
        })
        .await
    }

    async fn given_password(&self, from: &Path) -> Answer<Secret> {
        World::look(self, Part::Disk, "secret", |_| {
            Ok(Secret::new(format!("what {} says", from.display())))
        })
        .await
    }

    async fn keep_evidence(
        &self,
        site: &Site,
        db: &Database,
        now: Timestamp,
        files: &[(String, String)],
    ) -> Answer<PathBuf> {
        self.act(Part::Disk, "keep evidence", |state| {
            let folder = site
                .state_dir
                .join("quarantine")
                .join(db.name.as_str())
                .join(now.format("%Y%m%dT%H%M%S%.3fZ").to_string());
            state.disk.evidence.insert(folder.clone(), files.to_vec());
            state.journal.push(format!("evidence {}", db.name));
            Ok(folder)
        })
        .await
    }

    async fn note_data(&self, evidence: &Path, at: &Path, words: &str) -> Answer<()> {
        self.act(Part::Disk, "note where data is", |state| {
            state.note_data(evidence, at, words);
            Ok(())
        })
        .await
    }

    async fn evidence(&self, site: &Site, db: &Database) -> Answer<Option<Evidence>> {
        World::look(self, Part::Disk, "evidence", |state| {
            Ok(state.evidence(site, db))
        })
        .await
    }

    async fn taken(&self, db: &Database) -> Answer<(Room, u64)> {
        World::look(self, Part::Disk, "taken", |state| Ok(state.taken(db))).await
    }
}

impl State {
    fn prepare(&mut self, db: &Database) -> Answer<()> {
        self.accounts.insert(db.uid, db.account.user.clone());
        let seen = self.known(db)?.unwrap_or(DataSeen {
            empty: true,
            ..DataSeen::default()
        });
        self.writable(db)?;
        match &seen.marker {
            Some(marker) if marker.uid != db.uid => {
                return refused(format!("marked as the place of {}", marker.uid));
            }
            Some(marker) if marker.state == MarkerState::Initialised => {
                return if seen.dirs_exist {
                    Ok(())
                } else {
                    refused("initialised, and its data folders are gone".to_owned())
                };
            }
            Some(marker) => not_released(marker)?,
            None if !seen.empty => {
                return refused("holds something already, and no marker".to_owned());
            }
            None => self.mark_place(db),
        }
        if !seen.dirs_exist {
            self.disk.make_data(&db.data_dir());
        }
        self.journal.push(format!("prepare {}", db.name));
        Ok(())
    }

    fn mark_place(&mut self, db: &Database) {
        let inode = self.disk.inode();
        self.disk.markers.insert(
            db.marker_dir(),
            SimMarker {
                inode,
                uid: db.uid,
                state: MarkerState::Initialising,
            },
        );
    }

    fn set_aside(&mut self, db: &Database, now: Timestamp) -> Answer<PathBuf> {
        let seen = self.known(db)?.unwrap_or_default();
        match &seen.marker {
            Some(m) if m.uid == db.uid && m.state == MarkerState::Initialising => {}
            Some(_) | None => return refused("no half-made folder of this database".to_owned()),
        }
        if seen.inner_uid.is_some() {
            return refused("its first start had ended well".to_owned());
        }
        self.unlocked(db)?;
        if let Some(inode) = self.disk.dirs.get(&db.data_dir())
            && self.disk.data.get(inode).is_some_and(|d| d.rows > 0)
        {
            self.violation(format!("data of {} with rows was set aside", db.name));
        }
        Ok(self.move_aside(db, now))
    }

    fn give_up(&mut self, db: &Database, now: Timestamp) -> Answer<PathBuf> {
        if !db.name.is_mydb_admin() {
            return refused("what it held is nowhere else".to_owned());
        }
        let seen = self.known(db)?.unwrap_or_default();
        if seen.marker.is_some_and(|marker| marker.uid != db.uid) {
            return refused("marked as the place of another database".to_owned());
        }
        self.unlocked(db)?;
        self.mark_place(db);
        Ok(self.move_aside(db, now))
    }

    fn remove(&mut self, site: &Site, db: &Database) -> Answer<()> {
        self.writable(db)?;
        let seen = self.known(db)?.unwrap_or_default();
        match seen.marker {
            Some(marker) if marker.uid != db.uid => {
                return refused("marked as the place of another database".to_owned());
            }
            None if seen.sentinel || seen.inner_uid.is_some() => {
                return refused("no marker says whose it is".to_owned());
            }
            Some(marker) => not_released(&marker)?,
            None => {}
        }
        self.unlocked(db)?;
        self.disk.dirs.remove(&db.data_dir());
        self.disk.markers.remove(&db.marker_dir());
        let gone = [site.secrets_dir(&db.name), site.config_dir(&db.name)];
        let ours = |path: &Path| gone.iter().any(|folder| path.starts_with(folder));
        self.disk.plain.retain(|path| !ours(path));
        self.disk.applied.retain(|path| !ours(path));
        self.journal.push(format!("remove data of {}", db.name));
        Ok(())
    }

    /// No server runs on the data.
    pub(super) fn unlocked(&self, db: &Database) -> Answer<()> {
        let lock = self.disk.markers.get(&db.marker_dir()).map(|m| m.inode);
        let mut servers = self.containers.values().filter_map(|c| c.server());
        if lock.is_some() && servers.any(|s| s.lock == lock) {
            return refused("a server runs on it".to_owned());
        }
        Ok(())
    }

    fn move_aside(&mut self, db: &Database, now: Timestamp) -> PathBuf {
        let to = db.volume.path.join(".db4sci/.aside").join(format!(
            "{}-{}",
            db.name,
            now.format("%Y%m%dT%H%M%S%.3fZ")
        ));
        if self.disk.dirs.remove(&db.data_dir()).is_some() {
            self.journal.push(format!("set_aside {}", db.name));
        }
        to
    }

    fn mark_initialised(&mut self, db: &Database) -> Answer<()> {
        let seen = self.known(db)?.unwrap_or_default();
        self.writable(db)?;
        if !seen.sentinel {
            return refused("no initialised data".to_owned());
        }
        if seen.inner_uid.is_some_and(|uid| uid != db.uid) {
            return refused("holds another database's data".to_owned());
        }
        let proven = seen.inner_uid == Some(db.uid);
        match &seen.marker {
            Some(m) if m.uid != db.uid => return refused(format!("marked for {}", m.uid)),
            Some(m) if m.state == MarkerState::Initialised && !proven => {
                return refused("marked as initialised, and lacks the uid".to_owned());
            }
            Some(marker) => not_released(marker)?,
            None if proven => self.mark_place(db),
            None => return refused("holds no marker".to_owned()),
        }
        if let Some(marker) = self.disk.markers.get_mut(&db.marker_dir()) {
            marker.state = MarkerState::Initialised;
        }
        let inode = self.disk.dirs.get(&db.data_dir()).copied();
        if let Some(data) = inode.and_then(|i| self.disk.data.get_mut(&i)) {
            data.inner = Some(db.uid);
        }
        self.began.insert(db.uid);
        self.journal.push(format!("mark_initialised {}", db.name));
        Ok(())
    }
}

pub(super) fn refused<T>(why: String) -> Answer<T> {
    Err(DirError::Refused(format!("{why}; nothing was changed")))
}
