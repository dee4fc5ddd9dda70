//! What moves data between servers and stores: the only part of a backup that needs an engine's own
//! programs. All else (what is begun, what counts, manifests, tombstones, what is removed, the ledger's
//! word) is the archive's, whoever moves the data.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::error::BackupError;
use super::take::Taking;
use super::{Archive, Inventory, LONGEST, image_of, recipes, throwaway, tool};
use crate::execute::failpoint::failpoint;
use crate::model::{Backup, BackupKind, ContainerSeen, Contents, Database};
use crate::runtime::host::room;
use crate::store::manifest::{File, LedgerCopy, Manifest};

/// A dump that is to be made.
pub struct Dump<'a> {
    /// Of which database.
    pub db: &'a Database,
    /// Why.
    pub kind: BackupKind,
    /// The container of its server, which runs or is at rest, as the kind needs it.
    pub container: &'a ContainerSeen,
    /// Called once the server or its data is needed no more; what is stored is still to be read back
    /// then.
    pub dumped: Box<dyn FnOnce() + Send + 'a>,
}

/// What a dump brought into the stores.
pub struct Dumped {
    /// Its files, in the order in which they are restored.
    pub files: Vec<File>,
    /// What they hold.
    pub contents: Contents,
    /// Up to where the copy of the ledger surely goes that lies among them.
    pub ledger_copy: Option<LedgerCopy>,
}

/// Moves data between servers and stores.
///
/// # Guarantees
/// Nothing of the database is changed. What is left of a call that was dropped is ended by `clear`.
#[async_trait]
pub trait Tools: Send + Sync {
    /// Dumps a database into all stores that take part, and reads every file back from each. A store
    /// that fails takes part no more.
    ///
    /// # Errors
    /// When there is no dump in any store.
    async fn dump(
        &self,
        archive: &Archive,
        dump: Dump<'_>,
        taking: &mut Taking,
    ) -> Result<Dumped, BackupError>;

    /// Whether a backup is what it should be; how that was found, for people.
    ///
    /// # Errors
    /// `Damaged` when it is not; all others say nothing about the backup.
    async fn test(
        &self,
        archive: &Archive,
        db: &Database,
        backup: &Backup,
    ) -> Result<String, BackupError>;

    /// Reads every byte of a backup's files where they lie, and compares their sums.
    ///
    /// # Errors
    /// `Damaged` when they are not what was written; as the store does.
    async fn read(
        &self,
        archive: &Archive,
        backup: &Backup,
        manifest: &Manifest,
    ) -> Result<(), BackupError>;

    /// Ends what a daemon left that died.
    ///
    /// # Errors
    /// As the engine does; it may be repeated.
    async fn clear(&self, archive: &Archive) -> Result<(), BackupError>;
}

/// The engines' own programs, in job containers of the databases' own images.
pub struct JobTools;

#[async_trait]
impl Tools for JobTools {
    async fn dump(
        &self,
        archive: &Archive,
        dump: Dump<'_>,
        taking: &mut Taking,
    ) -> Result<Dumped, BackupError> {
        let db = dump.db;
        let recipe = recipes::backups(db.engine, dump.kind);
        let reached = archive.as_in_force(db).await;
        let server = archive.server(&reached, recipe, dump.container)?;
        // What is dumped at rest is dumped whole.
        let inventory = match server.running {
            Some(_) => archive.inventory(&server).await?,
            None => Inventory::default(),
        };
        let left_out = &inventory.left_out;
        recipes::holds_all(dump.kind, &db.name, left_out).map_err(BackupError::NotNow)?;
        let mut contents = Contents {
            how: recipe.how_counted().to_owned(),
            counts: BTreeMap::new(),
            left_out: left_out.iter().map(ToString::to_string).collect(),
        };
        let parts = recipe.parts(&reached, &inventory, LONGEST.as_secs());
        let mut files = Vec::new();
        let stage = |stage, total| {
            let now = archive.clock.now();
            archive.meters.begin(&db.name, stage, total, now)
        };
        let last = archive.last_bytes(db);
        // One part may be all of it.
        taking.about = about(last, size_of(db).await);
        let meter = stage("dumping", last);
        for part in &parts {
            taking.any()?;
            let (file, counts) = archive
                .part(&server, recipe, part, taking, meter.clone())
                .await?;
            contents.counts.extend(counts);
            files.push(file);
        }
        if server.running.is_none() {
            let found = archive.count(&server, &contents).await?;
            contents.counts.extend(found);
        }
        let mut ledger_copy = None;
        if db.name.is_mydb_admin() {
            // What is accepted from here on may be in the copy or not.
            let head = archive.ledger.book().head();
            files.push(archive.ledger_file(taking).await?);
            ledger_copy = Some(LedgerCopy {
                seq: head.seq,
                hash: head.hash.to_string(),
            });
        }
        if contents.total() == 0 {
            return Err(tool("dump", "there is nothing in it, not even an account"));
        }
        (dump.dumped)();
        failpoint("backup.dumped");
        let copies = taking.live.len() as u64;
        let total = files.iter().map(|f| f.bytes).sum::<u64>() * copies;
        let meter = stage("reading it back", Some(total));
        for (part, file) in parts.iter().zip(&files) {
            archive.check(&server, part, file, taking, &meter).await?;
        }
        Ok(Dumped {
            files,
            contents,
            ledger_copy,
        })
    }

    async fn test(
        &self,
        archive: &Archive,
        db: &Database,
        backup: &Backup,
    ) -> Result<String, BackupError> {
        if backup.kind == BackupKind::Files {
            return archive.compare(db, backup).await;
        }
        let image = image_of(db)?;
        let built = archive.load(db, &image, backup, None).await?;
        let counts = built.manifest.contents.counts.len();
        Ok(format!(
            "it was restored and holds what it should, {counts} counts agree{}",
            built.lacking()
        ))
    }

    async fn read(
        &self,
        archive: &Archive,
        backup: &Backup,
        manifest: &Manifest,
    ) -> Result<(), BackupError> {
        let owner = archive.owner(backup);
        let meter = archive.reading(&owner, "reading it once more", manifest);
        for (_, stored) in archive.objects(backup, manifest, &meter)? {
            archive.read_back(stored).await?;
        }
        Ok(())
    }

    async fn clear(&self, archive: &Archive) -> Result<(), BackupError> {
        let instance = &archive.site.instance;
        archive.jobs.clear(instance, archive.clock.now()).await?;
        let mut leftovers = vec![archive.job_folders()];
        let book = archive.ledger.book();
        leftovers.extend(
            book.rows()
                .map(|(_, row)| throwaway::work_folder(&row.database)),
        );
        for folder in leftovers {
            match std::fs::remove_dir_all(&folder) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    tracing::warn!(path = %folder.display(), %e, "what is left there stays");
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// How many bytes a backup may come to, by the last good one and by what lies on the disk: nothing is
/// larger, compressed, and what grew since the last one is not to end every upload at its last part.
fn about(last: Option<u64>, on_disk: u64) -> u64 {
    last.map_or(on_disk, |bytes| bytes.max(on_disk / 2))
}

/// Bytes of a database's data on its disk; 0 where that cannot be told.
async fn size_of(db: &Database) -> u64 {
    let folder = db.data_dir();
    let used = tokio::task::spawn_blocking(move || room::used(&folder));
    match used.await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) | Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::about;

    #[test]
    fn what_grew_since_the_last_backup_is_reckoned_with() {
        const GIB: u64 = 1 << 30;
        assert_eq!(about(None, 40 * GIB), 40 * GIB);
        assert_eq!(about(Some(20 * GIB), 30 * GIB), 20 * GIB);
        assert_eq!(about(Some(20 * GIB), 400 * GIB), 200 * GIB);
    }
}
