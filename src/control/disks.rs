//! How much room each database takes, and how much is left: measured now and then, shown, and decided
//! upon by nobody here.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Board;
use crate::admin::Ledger;
use crate::model::disk::{DiskUse, Room, VolumeView};
use crate::model::{Clock, DbName, Timestamp};

/// Between two rounds, and at least so many times as long as a round takes: a large folder on a slow
/// disk is not read all the time.
const EVERY: Duration = Duration::from_secs(30);
const SHARE: u32 = 50;
/// How far growth looks back.
const BACK: TimeDelta = TimeDelta::days(7);
/// Less than this says nothing about a day.
const LEAST: TimeDelta = TimeDelta::hours(1);

/// What is on disks, and what is left.
pub trait Disks: Send + Sync + 'static {
    /// The room of the file system that a folder is on. May wait for the disk.
    ///
    /// # Errors
    /// As the system does.
    fn room(&self, folder: &std::path::Path) -> std::io::Result<Room>;

    /// What a folder takes. May wait for the disk.
    ///
    /// # Errors
    /// As the system does.
    fn used(&self, folder: &std::path::Path) -> std::io::Result<u64>;
}

/// Measures.
pub struct Measure {
    /// How.
    pub disks: Arc<dyn Disks>,
    /// Which databases there are.
    pub ledger: Ledger,
    /// Where it is shown.
    pub board: Arc<Board>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// The data volumes, and where DB4Sci keeps its own: name and path.
    pub volumes: Vec<(String, PathBuf)>,
}

impl Measure {
    /// Measures until the token is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let mut before: BTreeMap<DbName, Samples> = BTreeMap::new();
        loop {
            let began = Instant::now();
            // Cancel-safe: nothing but what is shown follows from it.
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.round(&mut before) => {}
            }
            let pause = EVERY.max(began.elapsed() * SHARE);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn round(&self, before: &mut BTreeMap<DbName, Samples>) {
        let mut volumes = Vec::new();
        for (label, path) in &self.volumes {
            let at = path.clone();
            if let Some(Room { size, free }) = self.ask(move |disks| disks.room(&at)).await {
                volumes.push(VolumeView {
                    label: label.clone(),
                    path: path.display().to_string(),
                    size,
                    free,
                });
            }
        }
        self.board.volumes(volumes);
        let book = self.ledger.book();
        before.retain(|name, _| book.row(name).is_some());
        for (name, row) in book.rows() {
            let folder = row.database.data_dir();
            let used = self.ask(move |disks| disks.used(&folder)).await;
            let disk = used.map(|bytes| {
                let now = self.clock.now();
                let samples = before.entry(name.clone()).or_default();
                let a_day = samples.growth(bytes, now);
                DiskUse {
                    bytes,
                    measured: now,
                    a_day,
                }
            });
            self.board.disk(name, disk);
        }
    }

    /// `None`: it cannot be told, and whoever looks at the database says why.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Disks) -> std::io::Result<T> + Send + 'static,
    ) -> Option<T> {
        let disks = self.disks.clone();
        let asked = tokio::task::spawn_blocking(move || question(disks.as_ref()));
        asked.await.ok()?.ok()
    }
}

/// What was measured of one database, an hour apart, oldest first.
#[derive(Debug, Default)]
struct Samples(VecDeque<(Timestamp, u64)>);

impl Samples {
    /// Takes in what was measured; the growth a day since the oldest one that counts.
    fn growth(&mut self, bytes: u64, now: Timestamp) -> Option<i64> {
        // A clock that was set back has seen nothing yet.
        self.0
            .retain(|(at, _)| (TimeDelta::zero()..=BACK).contains(&(now - *at)));
        if self.0.back().is_none_or(|(at, _)| now - *at >= LEAST) {
            self.0.push_back((now, bytes));
        }
        let (since, then) = *self.0.front()?;
        let seconds = i128::from((now - since).num_seconds());
        let more = i128::from(bytes) - i128::from(then);
        let a_day = more * i128::from(TimeDelta::days(1).num_seconds());
        (now - since >= LEAST)
            .then(|| i64::try_from(a_day / seconds).ok())
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_after_an_hour_and_forgets_after_a_week() {
        let start: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let after = |minutes: i64| start + TimeDelta::minutes(minutes);
        let mut samples = Samples::default();
        assert_eq!(samples.growth(1000, start), None);
        assert_eq!(samples.growth(1100, after(59)), None);
        assert_eq!(samples.growth(1100, after(60)), Some(2400));
        assert_eq!(samples.growth(900, after(120)), Some(-1200));
        // Ten days later only what is younger counts.
        let late = 10 * 24 * 60;
        assert_eq!(samples.growth(5000, after(late)), None);
        assert_eq!(samples.growth(5000, after(late + 60)), Some(0));
        // The clock is set back: what was measured in its future counts for nothing.
        assert_eq!(samples.growth(9000, start), None);
        assert!(samples.0.len() == 1);
    }
}
