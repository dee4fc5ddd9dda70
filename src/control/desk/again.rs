//! What failed waits before it is tried again.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use chrono::TimeDelta;

use super::Desk;
use crate::admin::Row;
use crate::model::{BackupId, Change, DbName, Outcome, Timestamp};

/// What it was that failed: each waits for itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum About {
    /// What is due of it.
    Work,
    /// What was begun and is still to be ended: a rename, a release, a copy.
    Begun,
    /// The end of a restore that was cut off.
    Restore,
    /// The end of backups that were cut off.
    Backups,
    /// Its data, or its login, brought back.
    Recovery,
    /// The restore test of a backup.
    Test(BackupId),
}

/// What failed, and when it is tried again.
pub(super) struct Again {
    failed: Timestamp,
    wait: TimeDelta,
    why: String,
}

impl Again {
    /// Whether its time has not come. A failure in the future: the clock was set back.
    fn waits(&self, now: Timestamp) -> bool {
        self.failed <= now && now < self.failed + self.wait
    }
}

impl Desk {
    /// Whether what failed is not to be tried again yet.
    pub(super) fn waits(&self, name: &DbName, about: About, now: Timestamp) -> bool {
        let again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = again.get(&(name.clone(), about));
        failed.is_some_and(|failed| failed.waits(now))
    }

    /// Whether the last attempt to bring it back failed.
    pub(super) fn failed_before(&self, name: &DbName) -> bool {
        let again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
        again.contains_key(&(name.clone(), About::Recovery))
    }

    /// Backups whose restore test could not be made, and is not to be tried again yet: what else is due
    /// goes on.
    pub(super) fn untested(&self, now: Timestamp) -> BTreeSet<BackupId> {
        let again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = again.iter().filter(|(_, again)| again.waits(now));
        let tests = waiting.filter_map(|((_, about), _)| match about {
            About::Test(id) => Some(id.clone()),
            About::Work | About::Begun | About::Restore | About::Backups | About::Recovery => None,
        });
        tests.collect()
    }

    /// Lets what failed wait before it is tried again; the log has it once for as long as it fails in
    /// the same way.
    pub(super) async fn put_off<T>(
        &self,
        row: &Row,
        about: About,
        wait: TimeDelta,
        done: Result<T, String>,
    ) -> Result<T, String> {
        let name = &row.database.name;
        let about = (name.clone(), about);
        let mut told = true;
        {
            let mut again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
            match &done {
                Ok(_) => drop(again.remove(&about)),
                Err(why) => {
                    let failure = Again {
                        failed: self.clock.now(),
                        wait,
                        why: why.clone(),
                    };
                    let earlier = again.insert(about, failure);
                    told = earlier.is_some_and(|earlier| earlier.why == *why);
                }
            }
        }
        if let (Err(why), false) = (&done, told) {
            let noted = self.note(name, Outcome::Failed, why.clone(), Change::Noted);
            if let Err(error) = noted.await {
                tracing::warn!(%name, error, "a failure could not be recorded");
            }
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::instant;

    #[test]
    fn a_failure_waits_its_time_and_not_until_a_clock_that_was_set_back_comes_there_again() {
        let failure = Again {
            failed: instant(3600),
            wait: TimeDelta::minutes(5),
            why: String::new(),
        };
        for (now, waits) in [
            (0, false),
            (3599, false),
            (3600, true),
            (3899, true),
            (3900, false),
        ] {
            assert_eq!(failure.waits(instant(now)), waits, "{now}");
        }
    }
}
