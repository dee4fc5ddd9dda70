//! Where a journal's bytes lie: the trait, and the file that is used for real.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the journal's file in its folder. Another format would have another name.
pub const FILE_NAME: &str = "ledger.v1.jsonl";

/// Reads a journal's bytes, also while they are being added to.
pub trait JournalSource: Send + Sync + 'static {
    /// What messages call it: the path of the file.
    fn describe(&self) -> String;

    /// The bytes from an offset on.
    ///
    /// # Errors
    /// When the storage cannot be read.
    fn read_from(&self, offset: u64) -> io::Result<Box<dyn BufRead + Send>>;
}

/// Keeps a journal's bytes. Only one journal may use a storage at a time; that is for the lock on
/// the state directory to ensure.
///
/// # Guarantees
/// What was written before a `sync` that returned `Ok` is there after a loss of power.
///
/// # Caveats
/// Bytes written after the last `sync` may be there after a crash, in part, not at all, or as
/// zeros. After an error the storage may hold a part of what was to be written.
pub trait JournalStorage: Send + 'static {
    /// A reader of the same bytes.
    fn source(&self) -> Arc<dyn JournalSource>;

    /// Writes bytes at an offset, which is at most the present length.
    ///
    /// # Errors
    /// When not all could be written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Waits until all that was written is on disk.
    ///
    /// # Errors
    /// When that is not sure.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts everything from an offset on, for good: it does not come back after a loss of power.
    ///
    /// # Errors
    /// When it may still be there, or come back.
    fn truncate(&mut self, len: u64) -> io::Result<()>;

    /// Whether calls may wait for a device. Then they are made on a thread that may block;
    /// otherwise where they are asked for, which keeps simulations in one order.
    fn may_block(&self) -> bool;
}

/// A journal in a file.
#[derive(Debug)]
pub struct FileStorage {
    file: Arc<File>,
    path: PathBuf,
}

impl FileStorage {
    /// Opens the journal's file in a folder; makes both where they are missing (0700 and 0600),
    /// so that they are still there after a loss of power.
    ///
    /// # Errors
    /// When the folder or file cannot be made, opened or synced.
    pub fn open(folder: &Path) -> io::Result<Self> {
        if !folder.is_dir() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
            if let Some(parent) = folder.parent() {
                File::open(parent)?.sync_all()?;
            }
        }
        let path = folder.join(FILE_NAME);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        Ok(FileStorage {
            file: Arc::new(file),
            path,
        })
    }

    /// Opens the journal's file of a folder to read it, and nothing else: takes no lock, makes
    /// nothing.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read_only(folder: &Path) -> io::Result<Arc<dyn JournalSource>> {
        let path = folder.join(FILE_NAME);
        let file = Arc::new(File::open(&path)?);
        Ok(Arc::new(FileSource { file, path }))
    }
}

impl JournalStorage for FileStorage {
    fn source(&self) -> Arc<dyn JournalSource> {
        Arc::new(FileSource {
            file: self.file.clone(),
            path: self.path.clone(),
        })
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        // A file that was unlinked still takes writes and syncs, and all of it is lost in the end.
        if self.file.metadata()?.nlink() == 0 {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the file was removed while it was in use",
            ));
        }
        self.file.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        self.file.sync_all()
    }

    fn may_block(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct FileSource {
    file: Arc<File>,
    path: PathBuf,
}

impl JournalSource for FileSource {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn read_from(&self, offset: u64) -> io::Result<Box<dyn BufRead + Send>> {
        Ok(Box::new(BufReader::with_capacity(
            64 << 10,
            At {
                file: self.file.clone(),
                offset,
            },
        )))
    }
}

/// Reads with a position of its own, so that readers and the writer do not move each other's.
struct At {
    file: Arc<File>,
    offset: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
