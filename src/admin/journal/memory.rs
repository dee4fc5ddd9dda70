//! A journal in memory, for simulations: a disk that can be full, fail, tear and be damaged.

use std::io::{self, BufRead, Cursor};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::storage::{JournalSource, JournalStorage};

/// What goes wrong at the next write or sync of a [`MemoryStorage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The next write stops after so many bytes: no space left.
    DiskFull {
        /// Bytes of it that are written all the same.
        after: usize,
    },
    /// The next write is done, and the sync after it fails.
    SyncFails,
}

/// A journal in memory. Clones are the same disk.
///
/// [`MemoryStorage::crash`] is a loss of power: handles from before it fail from then on, as a
/// killed process' do.
#[derive(Debug, Clone)]
pub struct MemoryStorage {
    disk: Arc<Mutex<Disk>>,
    boot: u64,
}

#[derive(Debug, Default)]
struct Disk {
    bytes: Vec<u8>,
    synced: usize,
    full: bool,
    fault: Option<Fault>,
    boot: u64,
    syncs: u64,
}

impl Disk {
    fn cut(&mut self, len: usize) {
        self.bytes.truncate(len);
        self.synced = self.synced.min(self.bytes.len());
    }
}

impl MemoryStorage {
    /// An empty disk.
    pub fn new() -> Self {
        MemoryStorage::holding(Vec::new())
    }

    /// A disk with these bytes on it.
    pub fn holding(bytes: Vec<u8>) -> Self {
        let disk = Disk {
            synced: bytes.len(),
            bytes,
            ..Disk::default()
        };
        MemoryStorage {
            disk: Arc::new(Mutex::new(disk)),
            boot: 0,
        }
    }

    /// Lets the next write, or the sync after it, fail once.
    pub fn fail_next(&self, fault: Fault) {
        self.lock().fault = Some(fault);
    }

    /// Fills the disk: every write fails until it is said to have space again.
    pub fn set_full(&self, full: bool) {
        self.lock().full = full;
    }

    /// A loss of power: of what was not synced, only the first `kept` bytes stay. Returns the disk
    /// as the next process finds it; older handles fail from now on.
    #[must_use]
    pub fn crash(&self, kept: usize) -> MemoryStorage {
        let mut disk = self.lock();
        let keep = disk.bytes.len().min(disk.synced.saturating_add(kept));
        disk.bytes.truncate(keep);
        disk.synced = disk.bytes.len();
        disk.fault = None;
        disk.boot += 1;
        MemoryStorage {
            disk: self.disk.clone(),
            boot: disk.boot,
        }
    }

    /// What lies on the disk.
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    /// How often something was synced.
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn own(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let disk = self.lock();
        if disk.boot == self.boot {
            Ok(disk)
        } else {
            Err(io::Error::other("this process was killed"))
        }
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        MemoryStorage::new()
    }
}

impl JournalSource for MemoryStorage {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    fn read_from(&self, offset: u64) -> io::Result<Box<dyn BufRead + Send>> {
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let disk = self.own()?;
        let bytes = disk.bytes.get(at..).unwrap_or_default().to_vec();
        Ok(Box::new(Cursor::new(bytes)))
    }
}

impl JournalStorage for MemoryStorage {
    fn source(&self) -> Arc<dyn JournalSource> {
        Arc::new(self.clone())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.own()?;
        let room = match disk.fault {
            Some(Fault::DiskFull { after }) => {
                disk.fault = None;
                after.min(bytes.len())
            }
            Some(Fault::SyncFails) | None if disk.full => 0,
            Some(Fault::SyncFails) | None => bytes.len(),
        };
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        disk.cut(at);
        disk.bytes.extend_from_slice(&bytes[..room]);
        if room < bytes.len() || (disk.full && !bytes.is_empty()) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.own()?;
        if disk.fault == Some(Fault::SyncFails) {
            disk.fault = None;
            return Err(io::Error::other("the device failed"));
        }
        disk.synced = disk.bytes.len();
        disk.syncs += 1;
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut disk = self.own()?;
        let len = usize::try_from(len).map_err(io::Error::other)?;
        disk.cut(len);
        Ok(())
    }

    fn may_block(&self) -> bool {
        false
    }
}
