//! How failures are counted, and how long to wait after one.

use chrono::TimeDelta;

use crate::model::action::START;
use crate::model::{
    Attempts, Class, ContainerSeen, DbName, FailedAttempt, Lane, Probe, Reason, Status, Timestamp,
    guard,
};

use super::running::HANG;

/// How many failed repairs within half an hour end in quarantine: runs that failed, and steps that were to
/// bring it back.
pub const TOO_MANY: usize = 5;
/// For how long a failed repair counts.
const WINDOW: TimeDelta = TimeDelta::minutes(30);
/// The time of a run that was given longer than this to come up does not count: five that never do would
/// else not fit in there.
const LONG: TimeDelta = TimeDelta::minutes(5);
/// The longest of which that is believed: no engine has longer to start, and a clock may jump.
const LONGEST_RUN: TimeDelta = TimeDelta::minutes(20);
/// The steps that bring a server back. One that waits for something (an image, Docker, room) has a word of
/// its own, and is no failed repair.
const REPAIRS: [&str; 9] = [
    "prepare",
    "write_files",
    "take_back",
    "create",
    START,
    "stop",
    "remove",
    "rename",
    "unpause",
];
/// dockerd restarts a crashing container five times within its first seconds; quarantine waits
/// until the runs spread over at least this, so that a short trouble of the host can pass.
const SPREAD: TimeDelta = TimeDelta::seconds(20);
/// The same where steps failed: what an engine refuses may be its own trouble, and soon be over.
const STEPS_SPREAD: TimeDelta = TimeDelta::minutes(10);
/// A run counts as a success once the server answered for this long.
const STABLE: TimeDelta = TimeDelta::seconds(10);
/// A row of failed runs ends once the server answered for this long: one that hangs again and again
/// a little after its start is given up, too.
const STEADY: TimeDelta = TimeDelta::minutes(5);

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
    /// Takes notice of a container's run: it failed if it ends, or gives way to another one, without
    /// having been ready for a while. A run that the guard refused is no failure of the server's, and
    /// neither is one that db4sci stopped: see [`Attempts::stop_if`].
    pub fn observe(&mut self, container: Option<&ContainerSeen>, probe: &Probe, now: Timestamp) {
        // The clock may jump backwards; then failures count, and runs are judged, a little longer.
        let counts = |at: &Timestamp| now - *at < WINDOW;
        self.failed_runs.retain(counts);
        self.failed_steps.retain(counts);
        let Some(c) = container else {
            return;
        };
        let Some(started) = c.started_at else {
            return;
        };
        if c.oom_killed && self.oom_at.is_none_or(|at| at < started) {
            self.oom_at = Some(c.finished_at.unwrap_or(now));
        }
        let run = (started, c.restart_count);
        if self.run != Some(run) {
            self.begin(run, c, now);
        }
        match c.status {
            Status::Running => {
                self.run_stopped = false;
                self.judge_answer(probe, now);
            }
            Status::Restarting | Status::Exited | Status::Dead => {
                let failed = !self.run_judged && !self.excused() && !refused(c);
                self.failed(usize::from(failed), now - started, now);
                self.run_judged = true;
            }
            Status::Created | Status::Paused | Status::Removing => {}
        }
    }

    /// Another run began, and may have ended already.
    fn begin(&mut self, run: (Timestamp, u32), c: &ContainerSeen, now: Timestamp) {
        if let Some((before, restarts)) = self.run
            && !refused(c)
        {
            // Runs that came and went between two looks failed as well.
            let missed = run.1.saturating_sub(restarts + 1).min(TOO_MANY as u32);
            let unseen = usize::from(!self.run_judged && !self.excused());
            self.failed(missed as usize + unseen, run.0 - before, now);
        }
        // Of a run that ended before the first look nobody can say how it went.
        self.run_judged = self.run.is_none() && c.status != Status::Running;
        (self.run_was_ready, self.run_stopped) = (false, false);
        self.starved &= self.tight;
        self.run = Some(run);
    }

    /// So many runs failed, of themselves or for want of room; the last one took so long.
    fn failed(&mut self, runs: usize, took: TimeDelta, now: Timestamp) {
        if self.tight {
            self.starved |= runs > 0;
        } else {
            if runs > 0 && took >= LONG {
                let stood = took.min(LONGEST_RUN);
                let earlier = self.failed_runs.iter_mut().chain(&mut self.failed_steps);
                earlier.for_each(|at| *at = (*at + stood).min(now));
            }
            self.failed_runs.extend(std::iter::repeat_n(now, runs));
        }
    }

    /// Takes notice of the room on its volume. A run that ends, or falls silent, where there is too little
    /// is no failure of the server's: the next one begins when there is some, however long that takes.
    pub fn starve_if(&mut self, tight: bool) {
        self.tight = tight;
    }

    /// Takes notice of db4sci's hands on the container, or of its stop in order, if that is so: that its
    /// run ends now says nothing about the server.
    pub fn stop_if(&mut self, ours: bool) {
        self.run_stopped |= ours;
    }

    /// Whether the run's end is no failure, whenever it comes.
    fn excused(&self) -> bool {
        self.run_was_ready || self.run_stopped
    }

    fn judge_answer(&mut self, probe: &Probe, now: Timestamp) {
        match probe {
            Probe::Answering { since, .. } if now - *since >= STABLE => {
                self.run_was_ready = true;
                if now - *since >= STEADY {
                    self.failed_runs.clear();
                    self.failed_steps.clear();
                }
            }
            Probe::Silent {
                answered_before,
                since,
                ..
            } => {
                self.starved |= self.tight;
                self.run_was_ready &= !(*answered_before && now - *since >= HANG);
            }
            Probe::NotAsked | Probe::Answering { .. } => {}
        }
    }

    /// The earliest instant of the next start after a run that ended: the first failure is repeated
    /// at once, further ones in a row after a growing wait.
    pub fn next_start(&self, name: &DbName, ended: Timestamp) -> Option<Timestamp> {
        let further = u32::try_from(self.failed_runs.len()).unwrap_or(u32::MAX);
        let further = further.saturating_sub(1);
        (further > 0 && !self.excused()).then(|| ended + backoff(name, further))
    }

    /// Whether repairs failed so often that the database is to be left alone.
    pub fn exhausted(&self, now: Timestamp) -> bool {
        let all = || self.failed_runs.iter().chain(&self.failed_steps);
        let first = all().min();
        let spread = match self.failed_steps.is_empty() {
            true => SPREAD,
            false => STEPS_SPREAD,
        };
        all().count() >= TOO_MANY && first.is_some_and(|first| (now - *first).abs() >= spread)
    }

    /// Takes notice of a step that failed while its server was down although it has data: a failed repair,
    /// unless it waits for something, or only another spec helps.
    pub fn fail_repair(&mut self, failure: &FailedAttempt) {
        let own_word = failure.reason != Reason::Backoff;
        let again = failure.class == Class::Transient;
        if again && !own_word && REPAIRS.contains(&failure.step.as_str()) {
            self.failed_steps.push(failure.at);
        }
    }

    /// Takes notice of a lane that failed. Failures of other steps are not forgotten for it: two that
    /// fail in turn would never wait.
    pub fn fail(&mut self, failure: FailedAttempt) {
        self.failed.retain(|f| f.generation == failure.generation);
        let before = self.failed.iter().position(|f| f.step == failure.step);
        let count = before.map_or(0, |at| self.failed.remove(at).count) + 1;
        self.failed.push(FailedAttempt { count, ..failure });
    }

    /// Takes notice of a lane that went well: its steps' failures are over. Those of others are not, or
    /// what makes good the half of a lane that failed would end that one's wait, and the two go on in
    /// turns without any.
    pub fn succeed(&mut self, lane: &Lane) {
        let carried_out = |f: &FailedAttempt| lane.actions.iter().any(|a| a.kind() == f.step);
        self.failed.retain(|f| !carried_out(f));
    }

    /// Takes notice that all is as it should be, if that is so: no failure matters any more.
    pub fn rest_if(&mut self, well: bool) {
        if well {
            self.failed.clear();
        }
    }

    /// Forgets everything: a person asked for another try, or the spec changed.
    pub fn forget(&mut self) {
        *self = Attempts {
            run: self.run,
            run_was_ready: true,
            ..Attempts::default()
        };
    }

    /// The failures that still matter for a generation, the newest last.
    pub fn failures(&self, generation: u64) -> impl Iterator<Item = &FailedAttempt> {
        self.failed.iter().filter(move |f| {
            f.generation == generation
                && match f.class {
                    Class::Transient | Class::Permanent => true,
                    Class::Cancelled => false,
                }
        })
    }
}

/// Whether the guard refused the last run, and with it those just before it.
fn refused(c: &ContainerSeen) -> bool {
    c.status != Status::Running && guard::refused_data(c.exit_code).is_some()
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
