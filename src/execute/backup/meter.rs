//! How far a work is: bytes of its present stage. One work a database goes on at a time.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::view::Progress;
use crate::model::{DbName, Timestamp};

/// Counts the bytes of a stage, as they lie in a store.
#[derive(Debug, Default)]
pub(super) struct Meter {
    stage: &'static str,
    began: Timestamp,
    total: Option<u64>,
    done: AtomicU64,
}

impl Meter {
    pub(super) fn add(&self, bytes: usize) {
        self.done.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Ends once nothing was counted for so long, and before it was twice as long. Safe to cancel.
    pub(super) async fn still(&self, silence: Duration) {
        loop {
            let before = self.done.load(Ordering::Relaxed);
            tokio::time::sleep(silence).await;
            if self.done.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }
}

/// Counts what is written, and on it goes.
pub(super) struct Metered<W> {
    pub(super) to: W,
    pub(super) meter: Arc<Meter>,
}

impl<W: Write> Write for Metered<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.to.write(buf)?;
        self.meter.add(n);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// The meters of all works.
#[derive(Debug, Default)]
pub struct Meters(Mutex<BTreeMap<DbName, Arc<Meter>>>);

impl Meters {
    fn all(&self) -> MutexGuard<'_, BTreeMap<DbName, Arc<Meter>>> {
        // No code panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new stage of a database's work; `total` is how many bytes it will be, if that can be said.
    pub(super) fn begin(
        &self,
        name: &DbName,
        stage: &'static str,
        total: Option<u64>,
        now: Timestamp,
    ) -> Arc<Meter> {
        let meter = Arc::new(Meter {
            stage,
            began: now,
            total,
            done: AtomicU64::new(0),
        });
        self.all().insert(name.clone(), meter.clone());
        meter
    }

    /// The work is over.
    pub fn end(&self, name: &DbName) {
        self.all().remove(name);
    }

    /// How far a database's work is, if it is at a stage that can be measured.
    pub fn progress(&self, name: &DbName, now: Timestamp) -> Option<Progress> {
        let meter = self.all().get(name)?.clone();
        let done = meter.done.load(Ordering::Relaxed);
        Some(Progress::new(
            meter.stage,
            done,
            meter.total,
            now - meter.began,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_moves_goes_on_and_what_stands_still_ends() {
        let (silence, meter) = (Duration::from_secs(3600), Arc::new(Meter::default()));
        let begun = tokio::time::Instant::now();
        let feeding = meter.clone();
        let fed = async {
            for _ in 0..100 {
                tokio::time::sleep(silence * 9 / 10).await;
                feeding.add(1);
            }
        };
        tokio::join!(fed, meter.still(silence));
        let lasted = begun.elapsed();
        assert!(
            (silence * 90..=silence * 92).contains(&lasted),
            "{lasted:?}"
        );
    }

    #[test]
    fn a_new_stage_begins_at_nothing_and_the_end_is_the_end() {
        let (meters, now) = (Meters::default(), Timestamp::default());
        let name: DbName = "genomics".parse().unwrap();
        meters.begin(&name, "dumping", None, now).add(7);
        let shown = |meters: &Meters| meters.progress(&name, now).map(|p| (p.stage, p.done_bytes));
        assert_eq!(shown(&meters), Some(("dumping".to_owned(), 7)));
        meters.begin(&name, "reading it back", Some(7), now);
        assert_eq!(shown(&meters), Some(("reading it back".to_owned(), 0)));
        meters.end(&name);
        assert_eq!(shown(&meters), None);
    }
}
