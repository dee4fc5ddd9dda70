//! What to do about one database's backups, now; and whether they are fresh.

mod coming;
mod rest;
mod retire;

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

pub use self::coming::coming;
pub use self::rest::{contradiction, rests, waiting, waits};
use self::retire::{final_backups, hibernate, last_words, remove, retire};
use super::newest::newest;
use super::retention::{Fate, fates};
use super::schedule;
use crate::model::view::ConditionStatus;
use crate::model::{
    Backup, BackupId, BackupKind, BackupState, Database, End, Hibernation, KeepRetired, Slot,
    Timestamp, Tombstone, Verify,
};

/// Attempts at one slot; after them the next slot's turn comes, and the alarm is up long before.
const ATTEMPTS: u32 = 6;
/// Until the second attempt; it doubles.
const FIRST_WAIT: TimeDelta = TimeDelta::minutes(5);
/// No wait is longer.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(2);

/// Entries of the ledger after which it is saved whatever the schedule says: a lost host forgets what
/// came after the last backup of `mydb_admin`.
const CHANGES: u64 = 256;
/// Between two backups that many changes ask for.
const APART: TimeDelta = TimeDelta::minutes(15);

/// What is known of a database, as far as its backups go.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The database.
    pub db: &'a Database,
    /// Since when it has data.
    pub since: Timestamp,
    /// Its backups, those of an earlier uid included.
    pub backups: &'a BTreeMap<BackupId, Backup>,
    /// Those whose restore test could not be made of late.
    pub untested: &'a BTreeSet<BackupId>,
    /// The stores that it is backed up to.
    pub stores: &'a [String],
    /// Whether its server answers: without it there is no dump.
    pub answers: bool,
    /// Whether it has data.
    pub initialised: bool,
    /// Since when its server is given up and down: only its files can still be taken.
    pub given_up: Option<Timestamp>,
    /// Final backups of earlier retirements, by the ledger's order: after a clock was set back, instants
    /// do not tell.
    pub earlier: &'a BTreeSet<BackupId>,
    /// How far its retirement is.
    pub retirement: Retirement,
    /// How far its hibernation is.
    pub hibernation: Hibernation<'a>,
    /// The final backup that it was retired on.
    pub last: Option<&'a BackupId>,
    /// Whether nothing may be removed or retired: not all that lives is known.
    pub frozen: bool,
    /// Whether the stores say so.
    pub tombstone: Tombstone,
    /// How long what is retired is kept.
    pub keep: KeepRetired,
    /// Of `mydb_admin`: entries of the ledger that came since its last backup was begun. 0 of others.
    pub unsaved: u64,
    /// Whether those that count as being taken were cut off: nothing is done for it now, and their stores do
    /// not say yet what became of them.
    pub cut_off: bool,
}

/// How far a database's retirement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retirement {
    /// It is not wanted.
    None,
    /// It is wanted since then, and not done.
    Asked(Timestamp),
    /// It is retired since then: nothing is written any more, so there is nothing to take.
    Done(Timestamp),
    /// Its data is removed, or on its way.
    Ended(End),
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Take a backup.
    Take {
        /// The instant it stands for.
        slot: Slot,
        /// The attempt at it.
        attempt: u32,
        /// Why.
        kind: BackupKind,
        /// The stores that have none of this slot.
        stores: Vec<String>,
    },
    /// Restore one into a throwaway container, and compare.
    Verify(BackupId),
    /// Remove these: nothing keeps them.
    Prune(Vec<BackupId>),
    /// It may be retired: this final backup is verified, or there is nothing to save.
    Retire(Option<BackupId>),
    /// It may hibernate: this final backup is verified.
    Hibernate(BackupId),
    /// Write its tombstone into the stores.
    SetTombstone,
    /// Take its tombstone out of the stores: it is wanted again.
    TakeTombstone,
    /// Remove its container and its data: it was kept for long enough, and these final backups are
    /// verified (one at least is whole still; look before).
    Remove(Vec<BackupId>),
}

/// What to do now, the most urgent first; `None`: nothing.
pub fn due(known: &Known<'_>, now: Timestamp) -> Option<Work> {
    let taken = match known.retirement {
        // Until all is known it is backed up as before: its way out begins after that.
        Retirement::Asked(_) if known.frozen => take(known, now),
        Retirement::Done(_) | Retirement::Ended(_)
            if known.frozen && known.tombstone != Tombstone::Due =>
        {
            None
        }
        // A store that does not let it go keeps nobody from being backed up.
        Retirement::None => hibernate(known, now)
            .or_else(|| take(known, now))
            .or_else(|| {
                let lies = known.tombstone != Tombstone::None;
                lies.then_some(Work::TakeTombstone)
            }),
        Retirement::Asked(asked) => return retire(known, asked, now),
        Retirement::Done(_) if known.tombstone == Tombstone::Due => {
            return Some(Work::SetTombstone);
        }
        Retirement::Done(since) => remove(known, since, now),
        Retirement::Ended(End::Removing) => return Some(Work::Remove(final_backups(known))),
        // What became of it is not known here: its backups are whatever anybody has left of it.
        Retirement::Ended(End::Ejected(_)) => return None,
        Retirement::Ended(End::Removed(_)) => None,
    };
    taken
        .or_else(|| verify(known, now))
        .or_else(|| prune(known, now))
}

/// The backups of this database's own uid, newest first.
fn own<'a>(known: &Known<'a>) -> Vec<&'a Backup> {
    let mut own: Vec<&Backup> = known
        .backups
        .values()
        .filter(|b| b.uid == known.db.uid)
        .collect();
    own.sort_by_key(|b| std::cmp::Reverse((b.id.slot, b.id.attempt)));
    own
}

/// Whether a backup of these is being taken.
fn under_way(known: &Known<'_>, own: &[&Backup]) -> bool {
    !known.cut_off && own.iter().any(|b| b.state == BackupState::Running)
}

/// The backup that is due, once its server may be taken away for it.
fn take(known: &Known<'_>, now: Timestamp) -> Option<Work> {
    let (work, kind) = wanted(known, now)?;
    waits(known.db, kind, now).is_none().then_some(work)
}

/// The backup that is due, whatever it waits for.
fn wanted(known: &Known<'_>, now: Timestamp) -> Option<(Work, BackupKind)> {
    if !known.answers || known.stores.is_empty() {
        return None;
    }
    let db = known.db;
    let own = own(known);
    if under_way(known, &own) {
        return None;
    }
    // What a clock that was ahead wrote is not waited for until then.
    let past = |at: &Timestamp| *at <= now;
    let begun = own.iter().map(|b| b.started).chain([known.since]);
    let apart = begun.filter(past).max().is_none_or(|at| now >= at + APART);
    if known.unsaved >= CHANGES && apart {
        let work = Work::Take {
            slot: Slot::at(now),
            attempt: 1,
            kind: BackupKind::Scheduled,
            stores: known.stores.to_vec(),
        };
        return Some((work, BackupKind::Scheduled));
    }
    // One that could not be restored is replaced at once, whatever the schedule says.
    let damaged = own.iter().find(|b| b.state == BackupState::Damaged);
    let again = |bad: &Backup| Slot::at(bad.finished.unwrap_or(bad.started));
    // By its slot, too: a clock that was set back in between would make its replacement the older one.
    let replaces = |b: &Backup, bad: &Backup| b.started > bad.started || b.id.slot == again(bad);
    let replaced = |bad: &&Backup| {
        own.iter()
            .any(|b| b.state.good() && b.id.store == bad.id.store && replaces(b, bad))
    };
    // Tried in vain for hours, it must not keep the schedule's from being taken ever after.
    let given_up = |bad: &&Backup| {
        own.iter()
            .any(|b| b.id.slot == again(bad) && b.id.attempt >= ATTEMPTS)
    };
    let (slot, kind) = match damaged.filter(|bad| !replaced(bad) && !given_up(bad)) {
        Some(bad) => (again(bad), BackupKind::Again),
        None => {
            let due = schedule::last_due(&db.backup, &db.name, db.time_zone.0, now)?;
            // What was due before there was data was never due, unless a clock that was ahead says so. Of
            // several that were missed only the last is made up for.
            (due > known.since || known.since > now)
                .then_some((Slot::at(due), BackupKind::Scheduled))?
        }
    };
    // A backup that a person asked for after it was due serves as well; not one of a clock that was
    // ahead, which would serve until that day.
    let work = attempt(known, &own, slot, kind, now, |b| {
        b.id.slot == slot || (slot..=Slot::at(now)).contains(&b.id.slot)
    });
    Some((work?, kind))
}

/// The next attempt at a slot in the stores that have no backup that serves.
fn attempt(
    known: &Known<'_>,
    own: &[&Backup],
    slot: Slot,
    kind: BackupKind,
    now: Timestamp,
    serves: impl Fn(&Backup) -> bool,
) -> Option<Work> {
    let of_slot: Vec<&&Backup> = own.iter().filter(|b| b.id.slot == slot).collect();
    let has = |store: &String| {
        let mut here = own.iter().filter(|b| b.id.store == *store);
        here.any(|b| b.state.good() && serves(b))
    };
    let missing: Vec<String> = known.stores.iter().filter(|s| !has(s)).cloned().collect();
    if missing.is_empty() {
        return None;
    }
    let tried = of_slot.iter().map(|b| b.id.attempt).max().unwrap_or(0);
    // One of a clock that was ahead is not waited for until then.
    let ended = of_slot.iter().filter_map(|b| b.finished);
    let last = ended.filter(|at| *at <= now).max();
    if tried >= ATTEMPTS || last.is_some_and(|at| now < at + wait(tried)) {
        return None;
    }
    Some(Work::Take {
        slot,
        attempt: tried + 1,
        kind,
        stores: missing,
    })
}

/// How long to wait after so many attempts.
fn wait(tried: u32) -> TimeDelta {
    let doubled = FIRST_WAIT * 2_i32.saturating_pow(tried.saturating_sub(1).min(10));
    doubled.min(LONGEST_WAIT)
}

/// The restore test that is due: of the newest backup, one store after the other.
fn verify(known: &Known<'_>, now: Timestamp) -> Option<Work> {
    let always = known.db.name.is_mydb_admin();
    let every = match (known.db.backup.verify, always) {
        (_, true) | (Verify::Always, false) => TimeDelta::zero(),
        (Verify::Weekly, false) => TimeDelta::days(7),
        (Verify::Monthly, false) => TimeDelta::days(30),
        (Verify::Never, false) => return None,
    };
    let own = own(known);
    if under_way(known, &own) {
        return None;
    }
    known.stores.iter().find_map(|store| {
        // Files are compared before a retirement, and at no time after.
        let stored = own
            .iter()
            .filter(|b| b.id.store == *store && b.state.good() && b.kind != BackupKind::Files);
        let newest = newest(stored.copied(), now)?;
        // What a clock that was ahead says is not waited for until then.
        let last = own
            .iter()
            .filter(|b| b.id.store == *store)
            .filter_map(|b| b.verified)
            .filter(|at| *at <= now)
            .max();
        let waits = last.is_some_and(|at| now < at + every);
        let fresh = newest.state == BackupState::Stored && newest.error.is_none();
        let passed_over = known.untested.contains(&newest.id);
        (fresh && !waits && !passed_over).then(|| Work::Verify(newest.id.clone()))
    })
}

fn prune(known: &Known<'_>, now: Timestamp) -> Option<Work> {
    if known.frozen {
        return None;
    }
    let goes: Vec<BackupId> = pruned(known, now);
    (!goes.is_empty()).then_some(Work::Prune(goes))
}

/// What becomes of each backup, with the reasons.
pub fn kept(known: &Known<'_>, now: Timestamp) -> BTreeMap<BackupId, Fate> {
    let mut groups: BTreeMap<(crate::model::Uid, &str), Vec<Backup>> = BTreeMap::new();
    for backup in known.backups.values() {
        let key = (backup.uid, backup.id.store.as_str());
        groups.entry(key).or_default().push(backup.clone());
    }
    let zone = known.db.time_zone.0;
    groups
        .into_iter()
        .flat_map(|((uid, _), group)| {
            if uid == known.db.uid {
                let all = fates(&group, &known.db.backup.retention, zone, now);
                return last_words(known, &group, all, now);
            }
            // Another database's, of the same name: not this spec's to weigh.
            let reason = || Fate::Kept(vec!["of an earlier database".to_owned()]);
            group.into_iter().map(|b| (b.id, reason())).collect()
        })
        .collect()
}

fn pruned(known: &Known<'_>, now: Timestamp) -> Vec<BackupId> {
    let goes = kept(known, now).into_iter();
    goes.filter(|(_, fate)| *fate == Fate::Goes)
        .map(|(id, _)| id)
        .collect()
}

/// When to ask again if nothing happens.
pub fn wake_at(known: &Known<'_>, now: Timestamp) -> Option<Timestamp> {
    let db = known.db;
    schedule::next_due(&db.backup, &db.name, db.time_zone.0, now)
}

/// Whether the backups are as new as the spec's rpo demands, in every store; reason and message.
pub fn fresh(known: &Known<'_>, now: Timestamp) -> (ConditionStatus, &'static str, String) {
    let db = known.db;
    if matches!(known.retirement, Retirement::Ended(End::Ejected(_))) {
        let message = "it was released from db4sci, which takes no backups of it".to_owned();
        return (ConditionStatus::Unknown, "Ejected", message);
    }
    if matches!(known.retirement, Retirement::Done(_) | Retirement::Ended(_)) {
        let message = "it is retired; what it held is in its final backup".to_owned();
        return (ConditionStatus::Unknown, "Retired", message);
    }
    if let Hibernation::Done(backup) = known.hibernation {
        let message = format!("it hibernates; what it holds is in {backup}");
        return (ConditionStatus::Unknown, "Hibernated", message);
    }
    if db.backup.schedule == crate::model::Schedule::Never {
        let message = "its spec wants no backups".to_owned();
        return (ConditionStatus::Unknown, "NotWanted", message);
    }
    if known.stores.is_empty() {
        let message = "there is no store to write to; see the settings".to_owned();
        return (ConditionStatus::False, "NoStore", message);
    }
    let rpo = TimeDelta::minutes(i64::from(db.backup.rpo_minutes));
    let own = own(known);
    let mut lines = Vec::new();
    let mut late = None;
    for store in known.stores {
        let of_store = || own.iter().filter(|b| b.id.store == *store);
        // One of a clock that was ahead is of an age that nobody knows.
        let newest = of_store().find(|b| b.state.good() && b.started <= now);
        // The age of what it holds: from the beginning of its dump.
        let held = newest.map(|b| b.started);
        let age = now - held.unwrap_or(known.since);
        let shown = match held {
            Some(_) => format!("{store}: {} old", hours(age)),
            None => format!("{store}: none yet"),
        };
        if age > rpo {
            let error = of_store().find_map(|b| b.error.clone());
            let error = error.map_or_else(String::new, |e| format!(" ({e})"));
            late.get_or_insert(if held.is_some() { "Overdue" } else { "None" });
            lines.push(format!("{shown}, over {}{error}", hours(rpo)));
        } else {
            lines.push(shown);
        }
    }
    if late.is_some()
        && let Some(until) = waiting(known, now)
    {
        lines.push(format!(
            "its server is stopped for a dump, which waits until {} for `maintenanceWindow`; at once: \
             db4sci backup now {}",
            until.format("%F %H:%M UTC"),
            db.name
        ));
    }
    match late {
        Some(reason) => (ConditionStatus::False, reason, lines.join("; ")),
        None => (ConditionStatus::True, "Fresh", lines.join("; ")),
    }
}

fn hours(age: TimeDelta) -> String {
    if age < TimeDelta::hours(1) {
        format!("{}m", age.num_minutes().max(0))
    } else if age < TimeDelta::hours(72) {
        format!("{}h", age.num_hours())
    } else {
        format!("{}d", age.num_days())
    }
}

#[cfg(test)]
mod tests;
