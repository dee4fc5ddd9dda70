//! Where a journal's bytes lie: the trait, and the file that is used for real.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use rustix::fs::{FallocateFlags, fallocate};

/// Name of the journal's file in its folder. Another format would have another name.
pub const FILE_NAME: &str = "ledger.v1.jsonl";

/// Name of the file beside it that says how long it is.
pub const LENGTH: &str = "length";
/// Digits of that number: the file never grows, so that a full disk takes it.
const DIGITS: usize = 20;

/// Room that the journal holds on its disk ahead of its end: some forty thousand entries. More is asked for
/// when half of it is used up.
pub(super) const RESERVE: u64 = 16 << 20;

/// The length that stands beside the journal of a folder: so much of it was on disk. 0: nothing is known.
///
/// # Errors
/// When it cannot be read.
pub fn length(folder: &Path) -> io::Result<u64> {
    match fs::read_to_string(folder.join(LENGTH)) {
        // One that says nothing proves nothing.
        Ok(text) => Ok(text.trim().parse().unwrap_or(0)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(e) => Err(e),
    }
}

/// Reads a journal's bytes, also while they are being added to.
pub trait JournalSource: Send + Sync + 'static {
    /// What messages call it: the path of the file.
    fn describe(&self) -> String;

    /// The bytes from an offset on.
    ///
    /// # Errors
    /// When the storage cannot be read.
    fn read_from(&self, offset: u64) -> io::Result<Box<dyn BufRead + Send>>;

    /// How many bytes were on disk when it was opened, as far as that was remembered; 0: nothing is known.
    fn acknowledged(&self) -> u64 {
        0
    }
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

    /// What somebody else did to it since it was last asked, as far as that shows without reading it.
    ///
    /// # Errors
    /// When it is not the file any more that was opened.
    fn stirred(&mut self) -> io::Result<Stirred> {
        Ok(Stirred::No)
    }

    /// Remembers that so many bytes were on disk, beside them: without them there was harm. Never fails, and
    /// may forget.
    fn acknowledge(&mut self, _len: u64) {}

    /// Whether calls may wait for a device. Then they are made on a thread that may block;
    /// otherwise where they are asked for, which keeps simulations in one order.
    fn may_block(&self) -> bool;
}

/// What somebody else did to a journal's file, as far as that shows without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stirred {
    /// Nothing.
    No,
    /// It may have been written to, or cut.
    Written,
    /// It was removed; all that was open is there again.
    Removed,
}

/// Opens a file to write to it; makes it where there is none.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// The open file: of the storage, and of all that read it.
type Handle = Arc<RwLock<File>>;

/// A journal in a file.
#[derive(Debug)]
pub struct FileStorage {
    file: Handle,
    path: PathBuf,
    /// How long it was when it was opened, as far as that is known.
    acknowledged: u64,
    /// Says how long it is. Written later than the journal and never synced: behind it at worst.
    length: File,
    /// Up to where room is held for it.
    held: u64,
    /// Whether no more could be had when it was last asked for.
    short: bool,
    /// What its file was like after its own last change.
    left: Option<Stamp>,
    /// What was found of that before its next one.
    stirred: Stirred,
}

/// Length, time of the last change of its bytes, and of that or anything else of it: whoever writes into a
/// file leaves a trace in one of them.
type Stamp = (u64, (i64, i64), (i64, i64));

fn stamp(file: &File) -> Option<Stamp> {
    let found = file.metadata().ok()?;
    let (mtime, ctime) = (
        (found.mtime(), found.mtime_nsec()),
        (found.ctime(), found.ctime_nsec()),
    );
    Some((found.len(), mtime, ctime))
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
        let file = open(&path)?;
        let acknowledged = length(folder)?;
        let length = open(&folder.join(LENGTH))?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        Ok(FileStorage {
            acknowledged,
            left: stamp(&file),
            stirred: Stirred::No,
            file: Arc::new(RwLock::new(file)),
            path,
            length,
            held: 0,
            short: false,
        })
    }

    /// Opens the journal's file of a folder to read it, and nothing else: takes no lock, makes
    /// nothing.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read_only(folder: &Path) -> io::Result<Arc<dyn JournalSource>> {
        // Before the file is opened, which may grow meanwhile.
        let acknowledged = length(folder)?;
        let path = folder.join(FILE_NAME);
        let file = Arc::new(RwLock::new(File::open(&path)?));
        Ok(Arc::new(FileSource {
            file,
            path,
            acknowledged,
        }))
    }
}

impl FileStorage {
    fn file(&self) -> RwLockReadGuard<'_, File> {
        self.file.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Option<Stamp> {
        stamp(&self.file())
    }

    /// Whether the file is the one at its path, and as long as it was: behind the end of one that was cut
    /// there would be a hole.
    fn check(&mut self, offset: u64) -> io::Result<()> {
        let own = self.is_there()?;
        if own < offset {
            let why = format!(
                "it was cut to {own} bytes while it was in use; what is missing is written back first"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        if self.now() != self.left {
            self.stirred = self.stirred.max(Stirred::Written);
        }
        Ok(())
    }

    /// Its length, if the file is the one at its path. One that was unlinked still takes writes and syncs, and
    /// all of it is lost in the end: as long as it is open, all of it is put there again.
    fn is_there(&mut self) -> io::Result<u64> {
        let own = self.file().metadata()?;
        // As a network file system says it of a file that is another one now.
        let gone = |why: String| io::Error::new(io::ErrorKind::StaleNetworkFileHandle, why);
        match fs::metadata(&self.path) {
            Ok(there) if (there.dev(), there.ino()) == (own.dev(), own.ino()) => Ok(own.len()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => self.put_there().map_err(|e| {
                gone(format!(
                    "it was removed while it was in use, and cannot be put there again: {e}"
                ))
            }),
            Ok(_) | Err(_) => Err(gone("it was replaced while it was in use".to_owned())),
        }
    }

    /// Puts a copy of what is open there, and uses that; gives its length.
    fn put_there(&mut self) -> io::Result<u64> {
        let coming = self.path.with_extension("coming");
        let mut copy = open(&coming)?;
        copy.set_len(0)?;
        let from = At {
            file: self.file.clone(),
            offset: 0,
        };
        let length = io::copy(&mut { from }, &mut copy)?;
        copy.sync_all()?;
        // Not over what somebody else puts there in this moment.
        fs::hard_link(&coming, &self.path)?;
        fs::remove_file(&coming)?;
        if let Some(folder) = self.path.parent() {
            self.length = open(&folder.join(LENGTH))?;
            File::open(folder)?.sync_all()?;
        }
        self.left = stamp(&copy);
        *self.file.write().unwrap_or_else(PoisonError::into_inner) = copy;
        (self.held, self.stirred) = (0, Stirred::Removed);
        Ok(length)
    }

    /// Holds room ahead of an end, so that a disk that others fill does not stop the journal at once. The
    /// file's length stays; where the file system cannot do that, nothing is held.
    fn hold_room(&mut self, end: u64) {
        if end + RESERVE / 2 <= self.held {
            return;
        }
        let held = fallocate(&*self.file(), FallocateFlags::KEEP_SIZE, end, RESERVE);
        match held {
            Ok(()) => {
                self.held = end + RESERVE;
                if std::mem::take(&mut self.short) {
                    tracing::info!("the disk of the journal has room again");
                }
            }
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => self.held = u64::MAX,
            Err(error) if !self.short => {
                self.short = true;
                let left = self.held.saturating_sub(end);
                tracing::warn!(
                    why = %error,
                    left,
                    "the disk of the journal has no room; it goes on in the bytes that it holds"
                );
            }
            Err(_) => {}
        }
    }
}

impl JournalStorage for FileStorage {
    fn source(&self) -> Arc<dyn JournalSource> {
        Arc::new(FileSource {
            file: self.file.clone(),
            path: self.path.clone(),
            acknowledged: self.acknowledged,
        })
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.check(offset)?;
        self.hold_room(offset + bytes.len() as u64);
        let written = self.file().write_all_at(bytes, offset);
        self.left = self.now();
        written
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file().sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.check(len)?;
        self.file().set_len(len)?;
        // What was held behind it is given back with it.
        self.held = 0;
        self.left = self.now();
        self.file().sync_all()
    }

    fn stirred(&mut self) -> io::Result<Stirred> {
        self.check(0)?;
        self.left = self.now();
        Ok(std::mem::replace(&mut self.stirred, Stirred::No))
    }

    fn acknowledge(&mut self, len: u64) {
        let text = format!("{len:0DIGITS$}\n");
        // It proves less without it; that is no reason to fail what is on disk.
        if let Err(error) = self.length.write_all_at(text.as_bytes(), 0) {
            tracing::warn!(%error, "how long the journal is could not be written");
        }
    }

    fn may_block(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct FileSource {
    file: Handle,
    path: PathBuf,
    acknowledged: u64,
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

    fn acknowledged(&self) -> u64 {
        self.acknowledged
    }
}

/// Reads with a position of its own, so that readers and the writer do not move each other's.
struct At {
    file: Handle,
    offset: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        let read = file.read_at(buffer, self.offset)?;
        drop(file);
        self.offset += read as u64;
        Ok(read)
    }
}
