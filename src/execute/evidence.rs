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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::model::{Clock, Reason};
    use crate::plan::render::sample::held;
    use crate::runtime::fixture::{database, site};
    use crate::runtime::host::HostDirs;
    use crate::runtime::sim::World;

    #[tokio::test]
    async fn what_was_shown_then_and_the_room_there_was_are_kept() {
        let temp = tempfile::tempdir().unwrap();
        let (volume, state) = (temp.path().join("volume"), temp.path().join("state"));
        fs::create_dir(&volume).unwrap();
        fs::create_dir(&state).unwrap();
        let (world, dirs) = (World::new(7), HostDirs::new(&state));
        let (db, site) = (database("genomics", &volume), site(&state));
        let source = Source {
            runtime: &world,
            dirs: &dirs,
            site: &site,
        };
        let shown = held("genomics", "Postgres", 32011, Reason::Backoff);
        let now = world.clock().now();
        let kept = async |shown| {
            keep(&source, &db, now, "5 runs failed", shown)
                .await
                .unwrap()
        };

        // Its folder is not there: that is told, and all else is kept.
        let folder = kept(None).await;
        let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
        assert_eq!(read("why.txt"), "5 runs failed\n");
        assert!(
            read("data.txt").contains("was not measured: "),
            "{}",
            read("data.txt")
        );
        assert!(!folder.join("plan.json").exists());

        dirs.prepare(&db).await.unwrap();
        let folder = kept(Some(&shown)).await;
        let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
        let plan: DatabaseView = serde_json::from_str(&read("plan.json")).unwrap();
        assert_eq!(plan, shown);
        let data = read("data.txt");
        let lines: Vec<&str> = data.lines().take(2).collect();
        let (room, taken) = dirs.taken(&db).await.unwrap();
        assert!(taken > 0 && lines[0].ends_with(&format!(" bytes free of {}", room.size)));
        let of_folder = format!("folder {}: {taken} bytes", db.data_dir().display());
        assert_eq!(lines[1], of_folder);
    }
}
