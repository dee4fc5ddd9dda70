//! Room on a volume: throwaway servers have their directories where live databases have theirs, and
//! must not take the last of it from them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::BackupError;
use crate::model::disk::Room;
use crate::runtime::host::room::room as host_room;

/// What is left to the databases there: this part of the file system, and no more than that.
const PART: u64 = 20;
const MOST: u64 = 1 << 30;
/// How often it is asked. A fast disk takes some 100 MiB meanwhile.
const BEAT: Duration = Duration::from_millis(100);

/// Why nothing more is to be written there, if so.
fn wanted(room: Room, folder: &Path) -> Option<String> {
    let kept = (room.size / PART).min(MOST);
    let mebibytes = |bytes: u64| bytes >> 20;
    (room.free < kept).then(|| {
        format!(
            "no space left for it on {}: {} MiB of {} are free, and {} are left to the databases there; \
             nothing of it stays",
            folder.display(),
            mebibytes(room.free),
            mebibytes(room.size),
            mebibytes(kept)
        )
    })
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
        let room =
            tokio::task::spawn_blocking(move || host_room(&at).map(|room| wanted(room, &at)));
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
        assert_eq!(wanted(mib(200, 10), folder), None);
        let why = wanted(mib(200, 9), folder).unwrap();
        assert!(why.starts_with("no space left for it on /data: 9 MiB of 200 are free"));
        assert_eq!(wanted(mib(100 << 10, 1024), folder), None);
        assert!(wanted(mib(100 << 10, 1023), folder).is_some());
    }

    #[tokio::test]
    async fn what_ends_in_time_is_given() {
        let folder = std::env::temp_dir();
        let done = while_there_is_room(&folder, "x", async { Ok(7) }).await;
        assert_eq!(done.unwrap(), 7);
    }
}
