//! What was seen of a database that is given up, kept for people.

use std::path::PathBuf;

use super::StepError;
use crate::engine;
use crate::model::view::DatabaseView;
use crate::model::{Database, Site, Timestamp};
use crate::runtime::{DataDirs, Runtime};

/// Lines of the server's log.
const LINES: u32 = 500;

/// Where it is looked at, and kept.
pub(crate) struct Source<'a> {
    /// Its container.
    pub(crate) runtime: &'a dyn Runtime,
    /// Its data.
    pub(crate) dirs: &'a dyn DataDirs,
    /// Where it is kept.
    pub(crate) site: &'a Site,
}

/// Keeps why it is given up, what was planned for it and shown of it then, its container as it is, the end of its
/// log, and what lies in its place, with the room there; gives the folder.
///
/// # Errors
/// As engine and folders do. A log that cannot be read is none.
pub(crate) async fn keep(
    source: &Source<'_>,
    db: &Database,
    now: Timestamp,
    why: &str,
    shown: Option<&DatabaseView>,
) -> Result<PathBuf, StepError> {
    let mut files = vec![("why.txt".to_owned(), format!("{why}\n"))];
    // What everybody who may use the socket sees anyway: no secret is part of it.
    if let Some(shown) = shown {
        let plan = serde_json::to_string_pretty(shown).unwrap_or_default();
        files.push(("plan.json".to_owned(), plan));
    }
    let name = source.site.container_name(&db.name);
    let container = source.runtime.inspect(&name).await?;
    if let Some(container) = container.filter(|c| c.uid() == Some(db.uid)) {
        let seen = serde_json::to_string_pretty(&container).unwrap_or_default();
        files.push(("container.json".to_owned(), seen));
        let logs = source.runtime.logs(&container.id, LINES).await;
        let logs = logs.unwrap_or_else(|error| error.to_string());
        files.push(("log.txt".to_owned(), logs));
    }
    let identity = engine::recipe(db.engine).identity();
    let seen = source.dirs.look(db, identity).await;
    let data = format!("{}\n{seen:#?}\n", room(source.dirs, db).await);
    files.push(("data.txt".to_owned(), data));
    let dirs = source.dirs;
    Ok(dirs.keep_evidence(source.site, db, now, &files).await?)
}

/// The room on its volume and what its folder takes, in lines; why that cannot be told.
async fn room(dirs: &dyn DataDirs, db: &Database) -> String {
    let (volume, data) = (db.volume.path.display(), db.data_dir());
    match dirs.taken(db).await {
        Ok((room, taken)) => format!(
            "volume {volume}: {} bytes free of {}\nfolder {}: {taken} bytes",
            room.free,
            room.size,
            data.display()
        ),
        Err(error) => format!("volume {volume} was not measured: {error}"),
    }
}
