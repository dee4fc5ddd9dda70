//! Restored data on its way into a database's place.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinHandle;

use super::throwaway::Throwaway;
use crate::execute::failpoint::failpoint;
use crate::model::Database;
use crate::model::guard::INNER_UID;

/// Moves a throwaway server's data into a database's place. It is kept until that is done, whoever waits for it:
/// what lies in its place would go with it.
pub(super) fn place(
    throwaway: Arc<Throwaway>,
    db: Database,
    aside: PathBuf,
) -> JoinHandle<std::io::Result<()>> {
    tokio::task::spawn_blocking(move || {
        let from = &throwaway.db;
        let (first, _) = from
            .data_mounts()
            .next()
            .ok_or_else(|| std::io::Error::other("it has no data folder"))?;
        let inner = first.join(INNER_UID);
        fs::write(&inner, format!("{}\n", db.uid))?;
        chown(&inner, Some(db.layout.uid), Some(db.layout.uid))?;
        if let Some(parent) = aside.parent() {
            fs::create_dir_all(parent)?;
        }
        if db.data_dir().try_exists()? {
            fs::rename(db.data_dir(), &aside)?;
        }
        failpoint("restore.between");
        fs::rename(from.data_dir(), db.data_dir()).inspect_err(|_| {
            // Nothing else is in its place: what was there goes back.
            let _ = fs::rename(&aside, db.data_dir());
        })?;
        failpoint("restore.placed");
        fs::File::open(&db.volume.path)?.sync_all()
    })
}
