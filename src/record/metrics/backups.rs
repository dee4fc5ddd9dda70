//! What is measured of backups.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry};

use super::families::{keep, register};
use crate::model::Timestamp;

/// The families.
#[derive(Debug)]
pub(super) struct BackupMetrics {
    pub(super) failures: IntCounterVec,
    pub(super) duration: GaugeVec,
    pub(super) bytes: IntGaugeVec,
    pub(super) last: GaugeVec,
    pub(super) verified: GaugeVec,
}

impl BackupMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let labels = &["name", "store"];
        let gauge = |name: &str, help: &str| {
            register(registry, GaugeVec::new(Opts::new(name, help), labels)?)
        };
        Ok(BackupMetrics {
            failures: register(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "db4sci_backup_failures_total",
                        "Backups and restore tests that failed, by reason.",
                    ),
                    &["name", "store", "reason"],
                )?,
            )?,
            duration: gauge(
                "db4sci_backup_duration_seconds",
                "Time that the last stored backup took.",
            )?,
            bytes: register(
                registry,
                IntGaugeVec::new(
                    Opts::new(
                        "db4sci_backup_size_bytes",
                        "Size of the last stored backup.",
                    ),
                    labels,
                )?,
            )?,
            last: gauge(
                "db4sci_backup_last_success_timestamp_seconds",
                "When a backup was last stored, since 1970.",
            )?,
            verified: gauge(
                "db4sci_backup_last_verified_timestamp_seconds",
                "When a backup was last restored to prove it, since 1970.",
            )?,
        })
    }

    /// Shows a 0 from the beginning, so that the first failure is an increase of the sum over the reasons.
    /// One row is enough for that: a row a reason would be most of what is scraped.
    pub(super) fn may_fail(&self, labels: &[&str; 2]) {
        let [name, store] = labels;
        self.failures.with_label_values(&[name, store, "unknown"]);
    }

    /// Forgets what is measured of all other names.
    pub(super) fn keep(&self, names: &BTreeSet<&str>) {
        keep(&self.failures, names);
        keep(&self.bytes, names);
        for gauge in [&self.duration, &self.last, &self.verified] {
            keep(gauge, names);
        }
    }

    pub(super) fn taken(&self, labels: &[&str; 2], took: TimeDelta, bytes: u64, at: Timestamp) {
        self.duration
            .with_label_values(labels)
            .set(took.num_milliseconds() as f64 / 1000.0);
        self.bytes
            .with_label_values(labels)
            .set(super::whole(bytes));
        self.last.with_label_values(labels).set(seconds(at));
    }

    /// Moves what was measured; a gauge that nobody moves any more would tell of backups too old.
    pub(super) fn renamed(&self, from: &[String; 2], to: &[String; 2]) {
        for gauge in [&self.duration, &self.last, &self.verified] {
            let old = gauge.with_label_values(from).get();
            let _ = gauge.remove_label_values(from);
            if old > 0.0 {
                gauge.with_label_values(to).set(old);
            }
        }
        let old = self.bytes.with_label_values(from).get();
        let _ = self.bytes.remove_label_values(from);
        if old > 0 {
            self.bytes.with_label_values(to).set(old);
        }
    }

    pub(super) fn verified(&self, labels: &[&str; 2], at: Timestamp) {
        self.verified.with_label_values(labels).set(seconds(at));
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.timestamp_millis() as f64 / 1000.0
}
