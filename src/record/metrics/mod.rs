//! Counts and times for Prometheus.
//!
//! Names follow Prometheus' own rules (base units, `_total` for what only grows), so that
//! `promtool check metrics` has nothing to say.

mod backups;
mod families;
mod gauges;
mod step;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use self::backups::BackupMetrics;
use self::families::{Family, keep, register};
use crate::model::view::Snapshot;
use crate::model::{DbName, Timestamp};

pub use self::step::{Step, StepOutcome};

/// Seconds that a look at one database takes: from a cached answer to a slow engine's deadline.
const PASS_BUCKETS: [f64; 9] = [0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 30.0, 120.0];
/// Seconds that a database waits for its look.
const WAIT_BUCKETS: [f64; 8] = [0.001, 0.01, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0];

/// All metrics of this daemon, in a registry of their own.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    actions: IntCounterVec,
    restarts: IntCounterVec,
    pass_duration: Histogram,
    queue_depth: IntGauge,
    queue_wait: Histogram,
    last_pass: Gauge,
    journal_entries: IntGauge,
    journal_harmed: IntGauge,
    log_harms: IntGauge,
    tables_behind: IntGauge,
    unshipped: IntGaugeVec,
    docker_up: IntGauge,
    problems: IntGauge,
    backups: BackupMetrics,
    databases: Mutex<Family>,
    up: Mutex<Family>,
    fresh: Mutex<Family>,
    steward: Mutex<Family>,
    life_ends: Mutex<Family>,
    disk: Mutex<Family>,
    volume_size: Mutex<Family>,
    volume_free: Mutex<Family>,
    held: Mutex<Family>,
    drift: Mutex<Family>,
}

impl Metrics {
    /// Metrics of a daemon in a mode.
    ///
    /// # Errors
    /// A name or label that Prometheus refuses: a mistake in this module, shown by every test.
    pub fn new(mode: &str) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let build = Opts::new(
            "db4sci_build_info",
            "Version and mode of this daemon; always 1.",
        )
        .const_label("version", env!("CARGO_PKG_VERSION"))
        .const_label("mode", mode);
        register(&registry, IntGauge::with_opts(build)?)?.set(1);
        let gauge = |name: &str, help: &str| register(&registry, IntGauge::new(name, help)?);
        let counter = |name: &str, help: &str, labels: &[&str]| {
            register(
                &registry,
                IntCounterVec::new(Opts::new(name, help), labels)?,
            )
        };
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            register(&registry, Histogram::with_opts(options)?)
        };
        let family = |name: &str, help: &str, labels: &[&str]| {
            Family::new(&registry, name, help, labels).map(Mutex::new)
        };
        Ok(Metrics {
            actions: counter(
                "db4sci_actions_total",
                "Steps carried out on databases, by kind and outcome.",
                &["kind", "outcome"],
            )?,
            restarts: counter(
                "db4sci_restarts_total",
                "Times that a database's server came up anew, whoever made it.",
                &["name"],
            )?,
            pass_duration: histogram(
                "db4sci_pass_duration_seconds",
                "Time of one look at one database: observe, plan, execute.",
                &PASS_BUCKETS,
            )?,
            queue_depth: gauge("db4sci_queue_depth", "Databases that wait for their look.")?,
            queue_wait: histogram(
                "db4sci_queue_wait_seconds",
                "Time that a database waited for its look after it was due.",
                &WAIT_BUCKETS,
            )?,
            last_pass: register(
                &registry,
                Gauge::new(
                    "db4sci_last_successful_pass_timestamp_seconds",
                    "When a look at a database last ended with Docker answering and the journal written, since 1970.",
                )?,
            )?,
            journal_entries: gauge(
                "db4sci_journal_entries",
                "Entries of the journal: every accepted change since the first start.",
            )?,
            journal_harmed: gauge(
                "db4sci_journal_harmed",
                "Whether the journal lies otherwise on the disk than it was written, and cannot be written back (1) or not (0).",
            )?,
            log_harms: gauge(
                "db4sci_log_harms",
                "How often the log in mydb_admin was found altered and mended, and nobody acknowledged it.",
            )?,
            tables_behind: gauge(
                "db4sci_tables_behind",
                "Entries of the journal that are not yet in the tables of mydb_admin.",
            )?,
            unshipped: register(
                &registry,
                IntGaugeVec::new(
                    Opts::new(
                        "db4sci_journal_unshipped_entries",
                        "Entries of the journal that are not known to be in a store.",
                    ),
                    &["store"],
                )?,
            )?,
            docker_up: gauge(
                "db4sci_docker_up",
                "Whether the container engine answers (1) or not (0).",
            )?,
            problems: gauge(
                "db4sci_spec_problems",
                "Problems of specs and files; each keeps one change from being accepted.",
            )?,
            backups: BackupMetrics::new(&registry)?,
            databases: family(
                "db4sci_databases",
                "Databases by engine and phase.",
                &["engine", "phase"],
            )?,
            up: family(
                "db4sci_database_up",
                "Whether a database answers (1) or not (0).",
                &["name", "engine"],
            )?,
            fresh: family(
                "db4sci_backup_fresh",
                "Whether a database's backups are as new as its spec demands in every store (1) or not (0).",
                &["name"],
            )?,
            steward: family(
                "db4sci_stewardship",
                "Whether what owners are told of in the long run is as it should be (1) or not (0).",
                &["name", "owner", "contact", "condition"],
            )?,
            life_ends: family(
                "db4sci_life_end_timestamp_seconds",
                "When a database's life ends, since 1970, where an end is set.",
                &["name", "owner", "contact"],
            )?,
            disk: family(
                "db4sci_database_disk_bytes",
                "What a database's data takes on its volume.",
                &["name"],
            )?,
            volume_size: family(
                "db4sci_volume_size_bytes",
                "Bytes of a data volume's file system.",
                &["volume"],
            )?,
            volume_free: family(
                "db4sci_volume_free_bytes",
                "Bytes that may still be written to a data volume.",
                &["volume"],
            )?,
            held: family(
                "db4sci_held",
                "Databases of which something is held back, by the reason.",
                &["reason"],
            )?,
            drift: family(
                "db4sci_drift",
                "Databases that differ from their spec, by the kind of step that mends it.",
                &["kind"],
            )?,
            registry,
        })
    }

    /// Sets all gauges to what a snapshot shows.
    pub fn observe(&self, snapshot: &Snapshot) {
        gauges::observe(self, snapshot);
    }

    /// A step on a database begins. A guard that is dropped without an end counts as `Abandoned`.
    pub fn step(&self, kind: &'static str) -> Step {
        Step::new(self.actions.clone(), kind)
    }

    /// A look at one database ended, with or without an error.
    pub fn pass(&self, took: Duration, ok: bool, now: Timestamp) {
        self.pass_duration.observe(took.as_secs_f64());
        if ok {
            self.last_pass.set(now.timestamp_millis() as f64 / 1000.0);
        }
    }

    /// So many databases wait for their look.
    pub fn queue_depth(&self, depth: usize) {
        self.queue_depth.set(whole(depth as u64));
    }

    /// A database's look begins after it waited so long.
    pub fn queue_waited(&self, waited: Duration) {
        self.queue_wait.observe(waited.as_secs_f64());
    }

    /// A store is so many entries of the journal behind.
    pub fn unshipped(&self, store: &str, entries: u64) {
        self.unshipped
            .with_label_values(&[store])
            .set(whole(entries));
    }

    /// Harm of the log was found so often, and not acknowledged.
    pub fn log_harms(&self, times: u64) {
        self.log_harms.set(whole(times));
    }

    /// The journal holds so many entries.
    pub fn journal_entries(&self, entries: u64) {
        self.journal_entries.set(whole(entries));
    }

    /// A database's server came up anew.
    pub fn restarted(&self, name: &DbName) {
        self.restarts.with_label_values(&[name.as_str()]).inc();
    }

    /// A database is backed up to a store, or may be.
    pub fn backup_wanted(&self, name: &DbName, store: &str) {
        self.backups.may_fail(&[name.as_str(), store]);
    }

    /// A backup was stored.
    pub fn backup_taken(
        &self,
        name: &DbName,
        store: &str,
        took: chrono::TimeDelta,
        bytes: u64,
        at: Timestamp,
    ) {
        self.backups.taken(&[name.as_str(), store], took, bytes, at);
    }

    /// A database has another name: what is measured of its backups goes with it.
    pub fn renamed(&self, from: &DbName, to: &DbName, stores: &[String]) {
        for store in stores {
            let labels = |name: &'_ DbName| [name.as_str().to_owned(), store.clone()];
            self.backups.renamed(&labels(from), &labels(to));
        }
    }

    /// These databases are left; what was measured of others is forgotten.
    pub fn keep(&self, names: &BTreeSet<&str>) {
        keep(&self.restarts, names);
        self.backups.keep(names);
    }

    /// A backup was restored to prove it.
    pub fn backup_verified(&self, name: &DbName, store: &str, at: Timestamp) {
        self.backups.verified(&[name.as_str(), store], at);
    }

    /// A backup or a restore test failed.
    pub fn backup_failed(&self, name: &DbName, store: &str, reason: &str) {
        self.backups
            .failures
            .with_label_values(&[name.as_str(), store, reason])
            .inc();
    }

    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            ::tracing::error!(%error, "the metrics could not be written");
        }
        text
    }
}

/// A count as Prometheus' integer gauge takes it.
fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
