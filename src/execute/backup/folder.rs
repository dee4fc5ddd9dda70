//! A job's folder on the host: password file, scripts, pipes.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FileType, Mode, OFlags};

use crate::engine::backup::{Command, JOB_TARGET};
use crate::model::{Mount, Secret};

/// The kernel's most for who is not root, and what makes pipes quick.
const PIPE_BYTES: usize = 1 << 20;

/// A folder of one job, gone with this value.
pub(super) struct JobFolder {
    path: PathBuf,
    owner: u32,
}

impl JobFolder {
    /// Makes one below `parent` for a job that runs as `owner`.
    pub(super) fn new(parent: &Path, owner: u32) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
        let path = parent.join(uuid::Uuid::new_v4().simple().to_string());
        DirBuilder::new().mode(0o700).create(&path)?;
        let folder = JobFolder { path, owner };
        chown(&folder.path, Some(owner), Some(owner))?;
        Ok(folder)
    }

    /// The folder with the password file and a command's scripts.
    pub(super) fn for_command(
        parent: &Path,
        owner: u32,
        passfile: &Secret,
        command: &Command,
    ) -> io::Result<Self> {
        let folder = JobFolder::new(parent, owner)?;
        folder.write("passfile", passfile.expose())?;
        for (name, text) in &command.scripts {
            folder.write(name, text)?;
        }
        Ok(folder)
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o400)
            .open(self.path.join(name))?;
        file.write_all(text.as_bytes())?;
        std::os::unix::fs::fchown(&file, Some(self.owner), Some(self.owner))
    }

    /// Where the job finds it.
    pub(super) fn mount(&self) -> Mount {
        Mount {
            source: self.path.clone(),
            target: JOB_TARGET.to_owned(),
            read_only: true,
        }
    }

    /// Makes a pipe; `inside` is its path in the job.
    pub(super) fn pipe(&self, inside: &str) -> io::Result<Pipe> {
        let name = inside.rsplit('/').next().unwrap_or(inside);
        let path = self.path.join(name);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )?;
        chown(&path, Some(self.owner), Some(self.owner))?;
        Ok(Pipe { path })
    }
}

impl Drop for JobFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a job's folder stays behind");
        }
    }
}

/// A named pipe between a job and this process.
#[derive(Debug, Clone)]
pub(super) struct Pipe {
    path: PathBuf,
}

impl Pipe {
    /// Opens it to read what a job writes. The second file keeps it open: the reader finds the end
    /// once that and every writer are gone, and not before the first writer came.
    pub(super) fn reader(&self) -> io::Result<(File, File)> {
        let reader = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits() as i32)
            .open(&self.path)?;
        let keeper = OpenOptions::new().write(true).open(&self.path)?;
        let flags = rustix::fs::fcntl_getfl(&reader)?;
        rustix::fs::fcntl_setfl(&reader, flags - OFlags::NONBLOCK)?;
        // A smaller pipe works as well.
        let _ = rustix::pipe::fcntl_setpipe_size(&reader, PIPE_BYTES);
        Ok((reader, keeper))
    }

    /// Opens it for writing without waiting for a reader, and holds it open.
    pub(super) fn holder(&self) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(&self.path)
    }

    /// Opens it to write what a job reads; waits until the job opened it. Blocks.
    pub(super) fn writer(&self) -> io::Result<File> {
        let file = OpenOptions::new().write(true).open(&self.path)?;
        let _ = rustix::pipe::fcntl_setpipe_size(&file, PIPE_BYTES);
        Ok(file)
    }

    /// Frees a writer whose job is gone: one that waits for a reader gets one that goes at once.
    pub(super) async fn free_writer<T>(&self, writer: &tokio::task::JoinHandle<T>) {
        while !writer.is_finished() {
            drop(
                OpenOptions::new()
                    .read(true)
                    .custom_flags(OFlags::NONBLOCK.bits() as i32)
                    .open(&self.path),
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
