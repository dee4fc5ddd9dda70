//! How failures are counted, and how long to wait after one.

use chrono::TimeDelta;

use crate::model::{
    Attempts, Class, ContainerSeen, DbName, FailedAttempt, Probe, Status, Timestamp,
};

/// How many failed runs within [`WINDOW`] end in quarantine.
pub const TOO_MANY: usize = 5;
/// Failed runs older than this are forgotten.
const WINDOW: TimeDelta = TimeDelta::minutes(30);
/// dockerd restarts a crashing container five times within its first seconds; quarantine waits
/// until the runs spread over at least this, so that a short trouble of the host can pass.
const SPREAD: TimeDelta = TimeDelta::seconds(20);
/// A run counts as a success once the server answered for this long.
const STABLE: TimeDelta = TimeDelta::seconds(10);

/// First wait after a failure; it doubles with each further one.
const FIRST_WAIT: i64 = 5_000;
/// The longest wait.
const LONGEST_WAIT: i64 = 300_000;

/// Milliseconds to wait after so many failures in a row: 5 s doubling to 5 min, spread by up to a
/// fifth by the name, so that many databases with one cause do not try in step.
pub fn backoff(name: &DbName, failures: u32) -> TimeDelta {
    let doubled = FIRST_WAIT.saturating_mul(1_i64 << failures.saturating_sub(1).min(16));
    let wait = doubled.min(LONGEST_WAIT);
    // FNV-1a: the same on every machine and version, unlike std's hasher.
    let hash = name
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
        });
    let spread = (hash % 1000) as i64 * wait / 5 / 1000;
    TimeDelta::milliseconds(wait - spread)
}

impl Attempts {
    /// Takes notice of a container's run: a new run counts the one before as failed unless it was
    /// ready for a while.
    pub fn observe(&mut self, container: Option<&ContainerSeen>, probe: &Probe, now: Timestamp) {
        self.failed_runs.retain(|at| now - *at < WINDOW);
        let Some(c) = container else {
            return;
        };
        if let (Status::Running, Probe::Answering { since, .. }) = (c.status, probe) {
            // The clock may jump backwards; then it is simply judged a little later.
            if now - *since >= STABLE {
                self.run_was_ready = true;
                self.failed_runs.clear();
            }
        }
        let Some(started) = c.started_at else {
            return;
        };
        if c.oom_killed && self.oom_at.is_none_or(|at| at < started) {
            self.oom_at = Some(c.finished_at.unwrap_or(now));
        }
        match self.run {
            Some((run, count)) if run == started && count == c.restart_count => {}
            Some((_, count)) => {
                // Runs that came and went between two looks failed as well.
                let missed = c
                    .restart_count
                    .saturating_sub(count + 1)
                    .min(TOO_MANY as u32);
                let failed = missed as usize + usize::from(!self.run_was_ready);
                self.failed_runs.extend(std::iter::repeat_n(now, failed));
                self.run_was_ready = false;
                self.run = Some((started, c.restart_count));
            }
            None => self.run = Some((started, c.restart_count)),
        }
    }

    /// Whether repairs failed so often that the database is to be left alone.
    pub fn exhausted(&self, now: Timestamp) -> bool {
        self.failed_runs.len() >= TOO_MANY
            && self
                .failed_runs
                .first()
                .is_some_and(|first| now - *first >= SPREAD)
    }

    /// Takes notice of a lane that failed.
    pub fn fail(&mut self, failure: FailedAttempt) {
        let before = self
            .failed
            .as_ref()
            .filter(|f| f.generation == failure.generation);
        let count = before.map_or(0, |f| f.count) + 1;
        self.failed = Some(FailedAttempt { count, ..failure });
    }

    /// Takes notice of a lane that went well.
    pub fn succeed(&mut self) {
        self.failed = None;
    }

    /// Forgets everything: a person asked for another try, or the spec changed.
    pub fn forget(&mut self) {
        *self = Attempts {
            run: self.run,
            run_was_ready: true,
            ..Attempts::default()
        };
    }

    /// The failure that still matters for a generation.
    pub fn failure(&self, generation: u64) -> Option<&FailedAttempt> {
        self.failed.as_ref().filter(|f| {
            f.generation == generation
                && match f.class {
                    Class::Transient | Class::Permanent => true,
                    Class::Cancelled => false,
                }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_five_seconds_to_five_minutes() {
        let name = DbName::mydb_admin();
        let waits: Vec<_> = (1..12)
            .map(|n| backoff(&name, n).num_milliseconds())
            .collect();
        assert!(waits[0] <= 5_000 && waits[0] >= 4_000, "{waits:?}");
        assert!(waits.windows(2).all(|w| w[0] <= w[1]), "{waits:?}");
        assert!(waits[10] <= 300_000 && waits[10] >= 240_000, "{waits:?}");
        assert!(backoff(&name, u32::MAX) <= TimeDelta::minutes(5));
    }
}
