//! Tasks of the daemon that follow something: the folder of specs, the ledger's head, a volume's room.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::admin::Ledger;
use crate::control::{Desk, Disks, Intake};
use crate::model::DbName;
use crate::model::disk::Room;
use crate::runtime::host::reserve::{self, Tended};
use crate::runtime::host::room;
use crate::settings::Settings;
use crate::specs;

/// The folder of specs is read this often even without a hint.
const RESCAN: Duration = Duration::from_secs(10);
/// How often the room of `mydb_admin` is looked at.
const ROOM: Duration = Duration::from_secs(5);

/// Tends a volume; waits for the disk.
type Tend = dyn Fn(&Path) -> std::io::Result<Tended> + Send + Sync;

/// Reads the folder of specs at every hint, and now and then without one.
pub(super) async fn folder(intake: Arc<Intake>, desired_state: PathBuf, stop: CancellationToken) {
    let (tick, mut ticks) = mpsc::channel(1);
    let watching = specs::watch::watch(desired_state, tick, |why| tracing::warn!(why, "specs"));
    let reading = async {
        loop {
            let again = intake.settled_files().await;
            // Cancel-safe: the next reading makes up for a lost hint.
            tokio::select! {
                _ = ticks.recv() => {}
                () = tokio::time::sleep(again.unwrap_or(RESCAN)) => {}
            }
        }
    };
    // Cancel-safe: a reading that is cut off is repeated at the next start.
    tokio::select! {
        () = stop.cancelled() => {}
        () = watching => {}
        () = reading => {}
    }
}

/// Ships the ledger to the stores.
pub(super) async fn ship(desk: Arc<Desk>, every: Duration, stop: CancellationToken) {
    desk.ship(every).await;
    // Without a store it ends at once; as a part of the daemon it must not.
    stop.cancelled().await;
}

/// Tells the API how far the ledger is.
pub(super) async fn head(ledger: Ledger, heads: watch::Sender<u64>, stop: CancellationToken) {
    let mut books = ledger.watch();
    loop {
        let seq = books.borrow_and_update().head().seq;
        heads.send_if_modified(|known| std::mem::replace(known, seq) != seq);
        tokio::select! {
            () = stop.cancelled() => return,
            changed = books.changed() => if changed.is_err() { return },
        }
    }
}

/// Holds room back for `mydb_admin` on its volume, and gives it free when there is no other.
pub(super) async fn reserve(ledger: Ledger, state_dir: PathBuf, stop: CancellationToken) {
    let tend = move |volume: &Path| reserve::tend(&state_dir, volume);
    // Cancel-safe: it is done or not, and looked at again.
    tokio::select! {
        () = stop.cancelled() => {}
        () = tend_again(ledger, Arc::new(tend)) => {}
    }
}

/// Tends the volume on which `mydb_admin` is, again and again. One that holds no room is left alone for as
/// long as it is there.
async fn tend_again(ledger: Ledger, tend: Arc<Tend>) {
    let (mut told, mut unable) = (false, None);
    loop {
        let row = ledger.book().row(&DbName::mydb_admin()).cloned();
        let path = row.map(|row| row.database.volume.path.clone());
        if let Some(path) = path.filter(|path| unable.as_ref() != Some(path)) {
            let (at, tend) = (path.clone(), tend.clone());
            let tending = tokio::task::spawn_blocking(move || tend(&at));
            let tended = tending.await.map_err(std::io::Error::other).flatten();
            let volume = path.display();
            match &tended {
                Ok(Tended::Left) => {}
                Ok(Tended::Held) => tracing::info!(%volume, "room is held back for mydb_admin"),
                Ok(Tended::GivenFree(room)) => {
                    tracing::warn!(%volume, %room, "mydb_admin has the room that was held back for it");
                }
                Ok(Tended::Unable) => {
                    tracing::info!(%volume, "this file system holds no room back for mydb_admin");
                }
                Err(error) if !told => {
                    tracing::warn!(%volume, %error, "no room is held back for mydb_admin");
                }
                Err(_) => {}
            }
            told = tended.is_err();
            unable = matches!(tended, Ok(Tended::Unable)).then_some(path);
        }
        tokio::time::sleep(ROOM).await;
    }
}

/// This host's own disks.
pub(super) struct HostDisks;

impl Disks for HostDisks {
    fn room(&self, folder: &Path) -> std::io::Result<Room> {
        room::room(folder)
    }

    fn used(&self, folder: &Path) -> std::io::Result<u64> {
        room::used(folder)
    }
}

/// What DB4Sci writes to: the data volumes of the settings, and its own directory by the settings' word.
pub(super) fn volumes(settings: &Settings) -> Vec<(String, PathBuf)> {
    let volumes = settings.data_volumes.iter();
    let volumes = volumes.map(|v| (v.label.clone(), v.path.clone()));
    let own = ("state_dir".to_owned(), settings.state_dir.clone());
    volumes.chain([own]).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::admin::testing::{StoppedClock, admitted, database};
    use crate::admin::{MemoryStorage, NewEntry};
    use crate::model::Source;

    #[tokio::test(start_paused = true)]
    async fn another_volume_of_mydb_admin_is_tended_after_one_that_holds_no_room() {
        let storage = MemoryStorage::new();
        let opened = Ledger::open(storage, Arc::new(StoppedClock)).await;
        let (ledger, _) = opened.unwrap();
        let on = |volume: &str, generation| -> NewEntry {
            let mut admin = database("mydb_admin", 32010);
            (admin.source, admin.generation) = (Source::Builtin, generation);
            admin.volume.path = volume.into();
            admitted(admin)
        };
        let tended: Arc<Mutex<Vec<PathBuf>>> = Arc::default();
        let seen = tended.clone();
        let tend = move |volume: &Path| {
            seen.lock().unwrap().push(volume.to_owned());
            Ok(if volume == Path::new("/nfs") {
                Tended::Unable
            } else {
                Tended::Left
            })
        };
        let task = tokio::spawn(tend_again(ledger.clone(), Arc::new(tend)));
        for (generation, volume) in (1..).zip(["/nfs", "/data", "/nfs"]) {
            ledger.append(on(volume, generation)).await.unwrap();
            tokio::time::sleep(ROOM * 5 / 2).await;
        }
        task.abort();
        let mut tended = tended.lock().unwrap().clone();
        let unable = tended.iter().filter(|at| *at == Path::new("/nfs"));
        assert_eq!(unable.count(), 2, "once each time: {tended:?}");
        tended.dedup();
        assert_eq!(tended, ["/nfs", "/data", "/nfs"].map(PathBuf::from));
    }
}
