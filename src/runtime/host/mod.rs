//! The folders of databases on this host's real file system.
//!
//! ```text
//! <volume>/NAME/…                  data, 0700, the engine's user; inside, once Ready: db4sci-uid
//! <volume>/.db4sci/                0700, root: .volume (identity), .reserve (of `mydb_admin`), .aside/ (half-made data)
//! <volume>/.db4sci/NAME/           uid, state, lock, spec.yaml: the marker, mounted read-only
//! <volume>/NAME.ejected/           what it takes to run it without db4sci, 0700, root
//! <state_dir>/secrets/NAME/        0500, files 0400, the engine's user; mounted read-only; the
//!                                 server's certificate and key, too
//! <state_dir>/config/NAME/         rendered configuration, and applied.json
//! <state_dir>/guard/guard.sh       the guard
//! <state_dir>/volumes/             which volume was mounted where
//! <state_dir>/quarantine/NAME/     evidence
//! ```
//!
//! It is decided here what is whose, and nothing else. No data is ever deleted.

mod durable;
mod files;
pub mod lives;
mod look;
mod place;
mod released;
mod remove;
mod rename;
pub mod reserve;
pub mod room;
mod secrets;
mod volume;

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

use crate::model::disk::Room;
use crate::model::view::Evidence;
use crate::model::{
    DataSeen, Database, FilesNamed, FilesSeen, FilesWanted, FolderId, IdentityFile, ReleasedFiles,
    Secret, SecretText, Seen, Site, Timestamp,
};
use crate::runtime::{DataDirs, DirError, NamedFolder};

/// A look at a network file system that hangs must not hold up the others.
const LOOK: Duration = Duration::from_secs(10);

/// The real folders. What belongs to no engine is owned by the user this process runs as (root, on
/// a real host).
#[derive(Debug, Clone)]
pub struct HostDirs {
    state_dir: PathBuf,
    root: u32,
}

impl HostDirs {
    /// The folders of an instance; `state_dir` is where it remembers which volumes it has seen.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        HostDirs {
            state_dir: state_dir.into(),
            root: rustix::process::geteuid().as_raw(),
        }
    }
}

#[async_trait]
impl DataDirs for HostDirs {
    async fn look(&self, db: &Database, identity: Option<IdentityFile>) -> Seen<DataSeen> {
        let (state_dir, db) = (self.state_dir.clone(), db.clone());
        let shown = db.data_dir();
        let looked = in_time(move || look::look(&state_dir, &db, identity)).await;
        looked.unwrap_or_else(|why| Seen::Unknown(format!("{}: {why}", shown.display())))
    }

    async fn folder(&self, db: &Database) -> Option<FolderId> {
        let db = db.clone();
        in_time(move || look::folder(&db)).await.ok().flatten()
    }

    async fn files(
        &self,
        site: &Site,
        db: &Database,
        wanted: &FilesNamed,
        secrets: &[SecretText],
    ) -> Seen<FilesSeen> {
        let (site, db, wanted) = (site.clone(), db.clone(), wanted.clone());
        let secrets = secrets.to_vec();
        match in_time(move || files::look(&site, &db, &wanted, &secrets)).await {
            Ok(Ok(seen)) => Seen::Present(seen),
            Ok(Err(why)) | Err(why) => Seen::Unknown(why),
        }
    }

    async fn prepare(&self, db: &Database) -> Result<(), DirError> {
        let (this, db) = (self.clone(), db.clone());
        blocking(move || place::prepare(&this.state_dir, this.root, &db)).await
    }

    async fn set_aside_half_made(
        &self,
        db: &Database,
        now: Timestamp,
    ) -> Result<PathBuf, DirError> {
        let (this, db) = (self.clone(), db.clone());
        blocking(move || place::set_aside(&this.state_dir, this.root, &db, now)).await
    }

    async fn give_up(&self, db: &Database, now: Timestamp) -> Result<PathBuf, DirError> {
        let (this, db) = (self.clone(), db.clone());
        blocking(move || place::give_up(&this.state_dir, this.root, &db, now)).await
    }

    async fn remove(&self, site: &Site, db: &Database) -> Result<(), DirError> {
        let (this, site, db) = (self.clone(), site.clone(), db.clone());
        blocking(move || remove::remove(&this.state_dir, &site, &db)).await
    }

    async fn move_folder(
        &self,
        site: &Site,
        from: &Database,
        to: &Database,
        which: NamedFolder,
    ) -> Result<(), DirError> {
        let (this, site, from, to) = (self.clone(), site.clone(), from.clone(), to.clone());
        blocking(move || rename::rename(&this.state_dir, &site, &from, &to, which)).await
    }

    async fn write_released(
        &self,
        site: &Site,
        db: &Database,
        to: &Path,
        files: &ReleasedFiles,
    ) -> Result<(), DirError> {
        let (root, site, db) = (self.root, site.clone(), db.clone());
        let (to, files) = (to.to_owned(), files.clone());
        blocking(move || released::write_all(&site, root, &db, &to, &files)).await
    }

    async fn remove_released(
        &self,
        db: &Database,
        to: &Path,
        files: &ReleasedFiles,
    ) -> Result<(), DirError> {
        let (db, to, files) = (db.clone(), to.to_owned(), files.clone());
        blocking(move || released::remove(&db, &to, &files)).await
    }

    async fn mark_ejected(&self, db: &Database, ejected: bool) -> Result<(), DirError> {
        let (root, db) = (self.root, db.clone());
        blocking(move || released::mark(root, &db, ejected)).await
    }

    async fn write_files(
        &self,
        site: &Site,
        db: &Database,
        wanted: &FilesWanted,
    ) -> Result<(), DirError> {
        let (root, site, db, wanted) = (self.root, site.clone(), db.clone(), wanted.clone());
        blocking(move || files::write_all(&site, root, &db, &wanted)).await
    }

    async fn write_secrets(
        &self,
        site: &Site,
        db: &Database,
        secrets: &[SecretText],
    ) -> Result<(), DirError> {
        let (root, site, db, secrets) = (self.root, site.clone(), db.clone(), secrets.to_vec());
        blocking(move || secrets::write_all(&site, root, &db, &secrets)).await
    }

    async fn mark_initialised(&self, db: &Database) -> Result<(), DirError> {
        let (this, db) = (self.clone(), db.clone());
        blocking(move || place::mark_initialised(&this.state_dir, this.root, &db)).await
    }

    async fn secret_file(
        &self,
        site: &Site,
        db: &Database,
        file: &str,
    ) -> Result<Option<Secret>, DirError> {
        let (site, db, file) = (site.clone(), db.clone(), file.to_owned());
        blocking(move || secrets::kept(&site, &db, &file)).await
    }

    async fn given_password(&self, from: &Path) -> Result<Secret, DirError> {
        let from = from.to_owned();
        blocking(move || secrets::given(&from)).await
    }

    async fn keep_evidence(
        &self,
        site: &Site,
        db: &Database,
        now: Timestamp,
        files: &[(String, String)],
    ) -> Result<PathBuf, DirError> {
        let (root, site, db, files) = (self.root, site.clone(), db.clone(), files.to_vec());
        blocking(move || files::keep_evidence(&site, root, &db, now, &files)).await
    }

    async fn note_data(&self, evidence: &Path, at: &Path, words: &str) -> Result<(), DirError> {
        let (root, evidence) = (self.root, evidence.to_owned());
        let text = format!("{}\n{words}\n", at.display());
        blocking(move || files::note_data(root, &evidence, &text)).await
    }

    async fn evidence(&self, site: &Site, db: &Database) -> Result<Option<Evidence>, DirError> {
        let (site, db) = (site.clone(), db.clone());
        blocking(move || files::evidence(&site, &db)).await
    }

    async fn taken(&self, db: &Database) -> Result<(Room, u64), DirError> {
        let db = db.clone();
        blocking(move || files::taken(&db)).await
    }
}

/// File system calls block; they run beside the tasks.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DirError> + Send + 'static,
) -> Result<T, DirError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(e) => Err(DirError::Io {
            path: "file system".to_owned(),
            message: e.to_string(),
        }),
    }
}

/// As `blocking`, for looks: given up after a while, whatever the file system does.
async fn in_time<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    match tokio::time::timeout(LOOK, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(seen)) => Ok(seen),
        Ok(Err(e)) => Err(e.to_string()),
        Err(_) => Err(format!(
            "the file system does not answer within {} s",
            LOOK.as_secs()
        )),
    }
}

#[cfg(test)]
mod tests;
