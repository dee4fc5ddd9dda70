//! Watching a folder: only a hint to look again.
//!
//! Events are lost on network file systems, when a queue overflows, and between a folder's making
//! and its watching. So whoever listens reads the folder by content, and does so now and then
//! without any event, too.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout};

/// Quiet after which a burst of events counts as over.
const QUIET: Duration = Duration::from_millis(50);
/// The longest that a burst is waited out.
const BURST: Duration = Duration::from_millis(500);
/// How often the watched folder is compared with the one at its path.
const BEAT: Duration = Duration::from_secs(5);

/// Sends a tick whenever something in `dir` or below it may have changed. A folder that is missing,
/// or was replaced by another one (a mount, a new checkout), is watched as soon as it is there.
/// What goes wrong is given to `report`, once each time the reason changes.
///
/// Runs until it is dropped, which is safe at any point, or until nobody listens to the ticks. A
/// full channel is as good as a sent tick.
pub async fn watch(dir: PathBuf, ticks: mpsc::Sender<()>, report: impl Fn(&str)) {
    let mut last_trouble = String::new();
    while !ticks.is_closed() {
        let changed = Arc::new(Notify::new());
        let watching = identity(&dir)
            .and_then(|id| Ok((start(&dir, changed.clone())?, id)))
            .map_err(|why| format!("{} is not watched: {why}", dir.display()));
        match watching {
            Ok((watcher, id)) => {
                last_trouble.clear();
                // Something may have changed before the watch began.
                tick(&ticks);
                until_replaced(&dir, id, &changed, &ticks).await;
                drop(watcher);
                tick(&ticks);
            }
            Err(trouble) => {
                if trouble != last_trouble {
                    report(&trouble);
                    last_trouble = trouble;
                }
                sleep(BEAT).await;
            }
        }
    }
}

/// Turns events into ticks until another folder stands at the path.
async fn until_replaced(dir: &Path, id: (u64, u64), changed: &Notify, ticks: &mpsc::Sender<()>) {
    while !ticks.is_closed() {
        // Both waits may be cut short: a notice that is not waited for is kept.
        if timeout(BEAT, changed.notified()).await.is_ok() {
            let end = Instant::now() + BURST;
            while Instant::now() < end && timeout(QUIET, changed.notified()).await.is_ok() {}
            tick(ticks);
        }
        if identity(dir).ok() != Some(id) {
            return;
        }
    }
}

fn start(dir: &Path, changed: Arc<Notify>) -> Result<RecommendedWatcher, String> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // Reading raises events, too. An error may hide any event.
        let only_read = matches!(&event, Ok(event) if matches!(event.kind, EventKind::Access(_)));
        if !only_read {
            changed.notify_one();
        }
    })
    .map_err(|error| error.to_string())?;
    watcher
        .watch(dir, RecursiveMode::Recursive)
        .map_err(|error| error.to_string())?;
    Ok(watcher)
}

/// Which folder stands at a path now.
fn identity(dir: &Path) -> Result<(u64, u64), String> {
    let meta = std::fs::metadata(dir).map_err(|error| error.to_string())?;
    Ok((meta.dev(), meta.ino()))
}

fn tick(ticks: &mpsc::Sender<()>) {
    // Full: a tick is waiting already. Closed: nobody listens, and the loops end.
    let _ = ticks.try_send(());
}

#[cfg(test)]
mod tests;
