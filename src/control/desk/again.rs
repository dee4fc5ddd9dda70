//! What failed waits before it is tried again.

use std::sync::PoisonError;

use chrono::TimeDelta;

use super::Desk;
use crate::admin::Row;
use crate::model::{Change, DbName, Outcome, Timestamp};

/// What failed, and when it is tried again.
pub(super) struct Again {
    at: Timestamp,
    why: String,
}

impl Desk {
    /// Whether what failed is not to be tried again yet.
    pub(super) fn waits(&self, name: &DbName, now: Timestamp) -> bool {
        let again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
        again.get(name).is_some_and(|again| now < again.at)
    }

    /// Whether the last attempt at something failed.
    pub(super) fn failed_before(&self, name: &DbName) -> bool {
        let again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
        again.contains_key(name)
    }

    /// Lets what failed wait before it is tried again; the log has it once for as long as it fails in
    /// the same way.
    pub(super) async fn put_off<T>(
        &self,
        row: &Row,
        wait: TimeDelta,
        done: Result<T, String>,
    ) -> Result<T, String> {
        let name = &row.database.name;
        let mut told = true;
        {
            let mut again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
            match &done {
                Ok(_) => drop(again.remove(name)),
                Err(why) => {
                    let (at, why) = (self.clock.now() + wait, why.clone());
                    let earlier = again.insert(
                        name.clone(),
                        Again {
                            at,
                            why: why.clone(),
                        },
                    );
                    told = earlier.is_some_and(|earlier| earlier.why == why);
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
