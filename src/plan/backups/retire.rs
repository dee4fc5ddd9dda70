//! The way out of a database: what is due, and what becomes of its backups.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::{Fate, Known, Retirement, Work, attempt, own, under_way};
use crate::model::{Backup, BackupId, BackupKind, BackupState, End, Hibernation, Slot, Timestamp};

/// A final backup that is not proven yet counts for this long from its end on.
const UNPROVEN: TimeDelta = TimeDelta::hours(24);
/// One that is proven counts for this long after that: retirement follows at once, and where something
/// came in between, the server went on being written to.
const PROVEN: TimeDelta = TimeDelta::minutes(10);

/// How far the last backup of a database is.
enum LastBackup {
    /// Nothing can be done about it now.
    Waits,
    /// This is to be done.
    Lacks(Work),
    /// It is in every store, and proven.
    Proven(BackupId),
}

/// The way out: it may be retired once its last backup is proven. What never had data has nothing to
/// save. Of a server that was given up its files are taken instead, and compared.
pub(super) fn retire(known: &Known<'_>, asked: Timestamp, now: Timestamp) -> Option<Work> {
    if !known.initialised {
        return Some(Work::Retire(None));
    }
    let kind = match (known.answers, known.given_up) {
        (true, _) => Some(BackupKind::Final),
        (false, Some(_)) => Some(BackupKind::Files),
        (false, None) => None,
    };
    match last_backup(known, kind, asked, now) {
        LastBackup::Waits => None,
        LastBackup::Lacks(work) => Some(work),
        LastBackup::Proven(id) => Some(Work::Retire(Some(id))),
    }
}

/// The way into hibernation, with a last backup as before a retirement.
pub(super) fn hibernate(known: &Known<'_>, now: Timestamp) -> Option<Work> {
    let Hibernation::Asked(asked) = known.hibernation else {
        return None;
    };
    if known.frozen || !known.answers {
        return None;
    }
    match last_backup(known, Some(BackupKind::Final), asked, now) {
        LastBackup::Waits => None,
        LastBackup::Lacks(work) => Some(work),
        LastBackup::Proven(id) => Some(Work::Hibernate(id)),
    }
}

/// The last backup, one step at a time: one in every store, and a restore test of one of them; not while a
/// store waits for its next attempt, or had the last one, and not one of long ago.
fn last_backup(
    known: &Known<'_>,
    kind: Option<BackupKind>,
    asked: Timestamp,
    now: Timestamp,
) -> LastBackup {
    let own = own(known);
    if under_way(known, &own) {
        return LastBackup::Waits;
    }
    let recent = |at: Option<Timestamp>, span| at.is_some_and(|at| at <= now && now <= at + span);
    let last = |b: &Backup| {
        let counts = match b.state {
            BackupState::Verified => recent(b.verified, PROVEN),
            _ => recent(b.finished, UNPROVEN),
        };
        let of_now = match b.kind {
            BackupKind::Final => true,
            // A server that ran since has changed them.
            BackupKind::Files => !known.answers && known.given_up.is_some_and(|at| b.started >= at),
            _ => false,
        };
        of_now && b.started >= asked && counts && !known.earlier.contains(&b.id)
    };
    // What could not be taken today is tried anew tomorrow.
    let today = asked + TimeDelta::days((now - asked).num_days().max(0));
    let slot = free_slot(&own, today, last);
    let taken = kind.and_then(|kind| attempt(known, &own, slot, kind, now, last));
    if let Some(taken) = taken {
        return LastBackup::Lacks(taken);
    }
    let has = |store: &String| {
        let mut here = own.iter().filter(|b| b.id.store == *store);
        here.any(|b| b.state.good() && last(b))
    };
    if known.stores.is_empty() || !known.stores.iter().all(has) {
        return LastBackup::Waits;
    }
    let of = |state| own.iter().filter(move |b| b.state == state);
    let verified = of(BackupState::Verified).find(|b| last(b));
    // One whose test could not be made of late waits; another store's may do.
    let untested = |b: &&&Backup| last(b) && !known.untested.contains(&b.id);
    match (verified, of(BackupState::Stored).find(untested)) {
        (Some(verified), _) => LastBackup::Proven(verified.id.clone()),
        (None, Some(stored)) => LastBackup::Lacks(Work::Verify(stored.id.clone())),
        (None, None) => LastBackup::Waits,
    }
}

/// The slot of a final backup: the first from its ask on that holds no good backup but final ones that
/// count. One that counts no more is not taken again under its own slot, which would then have two.
fn free_slot(own: &[&Backup], asked: Timestamp, last: impl Fn(&Backup) -> bool) -> Slot {
    let taken = |slot: Slot| {
        let mut of_slot = own.iter().filter(|b| b.id.slot == slot);
        of_slot.any(|b| b.state.good() && !last(b))
    };
    let mut slot = Slot::at(asked);
    while taken(slot) {
        slot = Slot::at(slot.instant() + TimeDelta::seconds(1));
    }
    slot
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

/// The verified backups of its last state: the one that it was retired on, in whatever stores.
pub(super) fn final_backups(known: &Known<'_>) -> Vec<BackupId> {
    let Some(last) = known.last else {
        return Vec::new();
    };
    let same = |b: &&&Backup| (b.id.slot, b.id.attempt) == (last.slot, last.attempt);
    own(known)
        .iter()
        .filter(|b| b.kind.is_last() && b.state == BackupState::Verified)
        .filter(same)
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
    if matches!(known.retirement, Retirement::Ended(End::Ejected(_))) {
        let kept = |id: &BackupId| (id.clone(), Fate::Kept(vec!["ejected".to_owned()]));
        return all.keys().map(kept).collect();
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
            Fate::Kept(why) if backup.kind.is_last() => why.push("final".to_owned()),
            fate @ Fate::Goes if backup.kind.is_last() && !over => {
                *fate = Fate::Kept(vec!["final".to_owned()]);
            }
            Fate::Kept(_) | Fate::Goes => {}
        }
    }
    all
}
