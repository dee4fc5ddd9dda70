//! Room on a volume: throwaway servers have their directories where live databases have theirs, and
//! must not take the last of it from them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::BackupError;

/// What is left to the databases there: this part of the file system, and no more than that.
const PART: u64 = 20;
const MOST: u64 = 1 << 30;
/// How often it is asked. A fast disk takes some 100 MiB meanwhile.
const BEAT: Duration = Duration::from_millis(100);

/// Bytes of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Room {
    size: u64,
    free: u64,
}

impl Room {
    fn of(folder: &Path) -> std::io::Result<Self> {
        let seen = rustix::fs::statvfs(folder)?;
        Ok(Room {
            size: seen.f_blocks.saturating_mul(seen.f_frsize),
            free: seen.f_bavail.saturating_mul(seen.f_frsize),
        })
    }

    /// Why nothing more is to be written there, if so.
    fn wanted(self, folder: &Path) -> Option<String> {
        let kept = (self.size / PART).min(MOST);
        let mebibytes = |bytes: u64| bytes >> 20;
        (self.free < kept).then(|| {
            format!(
                "no space left for it on {}: {} MiB of {} are free, and {} are left to the databases \
                 there; nothing of it stays",
                folder.display(),
                mebibytes(self.free),
                mebibytes(self.size),
                mebibytes(kept)
            )
        })
    }
}

/// Does what writes below a folder for as long as there is room, and drops it when there is none.
pub(super) async fn while_there_is_room<T>(
    folder: &Path,
    what: &str,
    work: impl Future<Output = Result<T, BackupError>>,
) -> Result<T, BackupError> {
    // Safe to cancel: a job goes with its future, and a throwaway server's directory with its value.
    tokio::select! {
        done = work => done,
        why = gone(folder) => Err(BackupError::Cut { what: what.to_owned(), why }),
    }
}

/// Ends when there is no room any more.
async fn gone(folder: &Path) -> String {
    loop {
        let at: PathBuf = folder.to_owned();
        let room = tokio::task::spawn_blocking(move || Room::of(&at).map(|room| room.wanted(&at)));
        // What cannot be asked is told by whoever writes there.
        if let Ok(Ok(Some(why))) = room.await {
            return why;
        }
        tokio::time::sleep(BEAT).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twentieth_is_left_and_a_gibibyte_at_most() {
        let mib = |size: u64, free: u64| Room {
            size: size << 20,
            free: free << 20,
        };
        let folder = Path::new("/data");
        assert_eq!(mib(200, 10).wanted(folder), None);
        let why = mib(200, 9).wanted(folder).unwrap();
        assert!(why.starts_with("no space left for it on /data: 9 MiB of 200 are free"));
        assert_eq!(mib(100 << 10, 1024).wanted(folder), None);
        assert!(mib(100 << 10, 1023).wanted(folder).is_some());
    }

    #[tokio::test]
    async fn what_ends_in_time_is_given() {
        let folder = std::env::temp_dir();
        let done = while_there_is_room(&folder, "x", async { Ok(7) }).await;
        assert_eq!(done.unwrap(), 7);
    }
}
