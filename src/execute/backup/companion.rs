//! What runs beside a dump.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};

use super::error::BackupError;
use super::{Archive, LONGEST, Server, ended_well, recipes, tool};
use crate::engine::backup::{HOLD, SNAPSHOT};

/// A job that names its snapshot, and counts in it.
pub(super) struct Companion {
    /// The snapshot that it holds.
    pub(super) snapshot: String,
    task: Option<tokio::task::JoinHandle<Result<Vec<u8>, BackupError>>>,
    hold: std::fs::File,
    what: String,
    // Kept until the end: the job reads its pipes from there.
    _folder: super::JobFolder,
}

impl Companion {
    /// Starts it; gives it once it named its snapshot.
    pub(super) async fn start(
        archive: &Archive,
        server: &Server<'_>,
        command: &crate::engine::backup::Command,
        what: &str,
    ) -> Result<Self, BackupError> {
        let what = format!("{what}: snapshot and counts");
        let folder = archive.folder(server, command)?;
        let io = |what: &'static str| BackupError::io(what);
        let named = folder.pipe(SNAPSHOT).map_err(io("make a pipe"))?;
        let hold = folder.pipe(HOLD).map_err(io("make a pipe"))?;
        let hold = hold.holder().map_err(io("open a pipe"))?;
        let (reader, keeper) = named.reader().map_err(io("open a pipe"))?;
        let job = archive.job(server, command, &folder, &what);
        let jobs = archive.jobs.clone();
        let said = what.clone();
        let mut task = tokio::spawn(async move {
            let end = jobs.run(&job, LONGEST).await?;
            ended_well(&end, &said)?;
            Ok(end.output)
        });
        let mut reading = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(reader).read_line(&mut line).map(|_| line)
        });
        // Cancel-safe: both are tasks of their own, and go on.
        let line = tokio::select! {
            line = &mut reading => line,
            ended = &mut task => {
                drop(keeper);
                let ended = ended.map_err(|e| tool(&what, e.to_string()))?;
                ended?;
                return Err(tool(&what, "it ended before it named a snapshot"));
            }
        };
        drop(keeper);
        let line = line
            .map_err(|e| tool(&what, e.to_string()))?
            .map_err(io("read a pipe"))?;
        Ok(Companion {
            snapshot: line.trim().to_owned(),
            task: Some(task),
            hold,
            what,
            _folder: folder,
        })
    }

    /// Lets go of the snapshot, and waits for what was counted in it.
    pub(super) async fn counts(mut self) -> Result<BTreeMap<String, u64>, BackupError> {
        use std::io::Write;
        // Said and not only closed: it may not have opened the pipe yet.
        self.hold
            .write_all(b"\\q\n")
            .map_err(BackupError::io("write to a pipe"))?;
        let Some(mut task) = self.task.take() else {
            return Ok(BTreeMap::new());
        };
        let output = (&mut task)
            .await
            .map_err(|e| tool(&self.what, e.to_string()))??;
        recipes::counts(&output).map_err(|why| tool(&self.what, why))
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        // The job goes with its future.
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
