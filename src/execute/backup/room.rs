//! Room on a volume: throwaway servers have their directories where live databases have theirs, and
//! must not take the last of it from them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::BackupError;
use crate::model::disk::Room;
use crate::runtime::host::room::room as host_room;

/// How often it is asked. A fast disk takes some 100 MiB meanwhile.
const BEAT: Duration = Duration::from_millis(100);

/// Why nothing more is to be written there, if so.
fn wanted(room: Room, folder: &Path) -> Option<String> {
    room.is_tight().then(|| {
        format!(
            "no space left for it on {}: {room}, and {} are left to the databases there; nothing of it stays",
            folder.display(),
            room.kept() >> 20
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
    fn what_is_left_to_databases_is_told() {
        let mib = |free: u64| Room {
            size: 200 << 20,
            free: free << 20,
        };
        let folder = Path::new("/data");
        assert_eq!(wanted(mib(64), folder), None);
        assert_eq!(
            wanted(mib(63), folder).unwrap(),
            "no space left for it on /data: 63 MiB of 200 are free, and 64 are left to the databases there; \
             nothing of it stays"
        );
    }

    #[tokio::test]
    async fn what_ends_in_time_is_given() {
        let folder = std::env::temp_dir();
        let done = while_there_is_room(&folder, "x", async { Ok(7) }).await;
        assert_eq!(done.unwrap(), 7);
    }
}
