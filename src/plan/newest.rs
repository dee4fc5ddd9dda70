//! Which of several backups is the newest.

use crate::model::{Backup, Slot, Timestamp};

/// What backups are ordered by, the newest last. One of a clock that was ahead is of an age that nobody
/// knows, and comes before all others: it would be the newest until that day.
pub fn age(backup: &Backup, now: Timestamp) -> (bool, Slot, u32) {
    let past = backup.started <= now && backup.id.slot <= Slot::at(now);
    (past, backup.id.slot, backup.id.attempt)
}

/// The newest of these, as of now.
pub fn newest<'a>(
    backups: impl IntoIterator<Item = &'a Backup>,
    now: Timestamp,
) -> Option<&'a Backup> {
    backups.into_iter().max_by_key(|backup| age(backup, now))
}
