//! The way out of a database: what is due, and what becomes of its backups.

use std::collections::BTreeMap;

use super::{Fate, Known, Retirement, Work, attempt, own};
use crate::model::{Backup, BackupId, BackupKind, BackupState, End, Slot, Timestamp};

/// The way out, one step at a time: a final backup in every store, a restore test of one of them,
/// and then it may be retired: not while a store waits for its next attempt, or had the last one. What
/// never had data has nothing to save.
pub(super) fn retire(known: &Known<'_>, asked: Timestamp, now: Timestamp) -> Option<Work> {
    if !known.initialised {
        return Some(Work::Retire(None));
    }
    let own = own(known);
    if own.iter().any(|b| b.state == BackupState::Running) {
        return None;
    }
    let last = |b: &Backup| b.kind == BackupKind::Final && b.started >= asked;
    if known.answers {
        let taken = attempt(known, &own, Slot::at(asked), BackupKind::Final, now, last);
        if taken.is_some() {
            return taken;
        }
    }
    let has = |store: &String| {
        let mut here = own.iter().filter(|b| b.id.store == *store);
        here.any(|b| b.state.good() && last(b))
    };
    if known.stores.is_empty() || !known.stores.iter().all(has) {
        return None;
    }
    let of = |state| own.iter().find(|b| last(b) && b.state == state);
    if let Some(verified) = of(BackupState::Verified) {
        return Some(Work::Retire(Some(verified.id.clone())));
    }
    of(BackupState::Stored).map(|stored| Work::Verify(stored.id.clone()))
}

/// Whether what is retired may go: it was kept for long enough, and a verified final backup holds
/// all of it. One that was found damaged since keeps the data here.
pub(super) fn remove(known: &Known<'_>, since: Timestamp, now: Timestamp) -> Option<Work> {
    if now < since + known.keep.data {
        return None;
    }
    let last = final_backups(known);
    (!known.initialised || !last.is_empty()).then_some(Work::Remove(last))
}

/// The verified backups of its last state.
pub(super) fn final_backups(known: &Known<'_>) -> Vec<BackupId> {
    let own = own(known);
    let newest = own.iter().find(|b| b.kind == BackupKind::Final);
    let last = |b: &&&Backup| newest.is_some_and(|newest| newest.id.slot == b.id.slot);
    own.iter()
        .filter(|b| b.kind == BackupKind::Final && b.state == BackupState::Verified)
        .filter(last)
        .map(|b| b.id.clone())
        .collect()
}

/// The fates of what is retired: a final backup is kept whatever its age, and nothing is kept once the
/// settings' time for it is over.
pub(super) fn last_words(
    known: &Known<'_>,
    group: &[Backup],
    mut all: BTreeMap<BackupId, Fate>,
    now: Timestamp,
) -> BTreeMap<BackupId, Fate> {
    if !matches!(known.retirement, Retirement::Done(_) | Retirement::Ended(_)) {
        return all;
    }
    let over = match (known.retirement, known.keep.backups) {
        (Retirement::Ended(End::Removed(at)), Some(kept)) => now >= at + kept,
        _ => false,
    };
    let held = |b: &Backup| b.keep_until.is_some_and(|until| now < until);
    for backup in group
        .iter()
        .filter(|b| b.state.good() || b.state == BackupState::Damaged)
    {
        let Some(fate) = all.get_mut(&backup.id) else {
            continue;
        };
        match fate {
            fate if over && !held(backup) => *fate = Fate::Goes,
            Fate::Kept(why) if backup.kind == BackupKind::Final => why.push("final".to_owned()),
            fate @ Fate::Goes if backup.kind == BackupKind::Final && !over => {
                *fate = Fate::Kept(vec!["final".to_owned()]);
            }
            Fate::Kept(_) | Fate::Goes => {}
        }
    }
    all
}
