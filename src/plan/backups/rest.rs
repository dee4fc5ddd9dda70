//! Dumps that a server is stopped for: when they may begin.
//!
//! The maintenance window decides, as it does about every planned disruption. A schedule only says that
//! there is something to save, and `rpo` opens no window: where the two contradict each other the
//! database is late, which is alarmed, and told with the reason. What a person asks for waits for
//! nothing, nor does the last backup before a retirement, which is let go at its beginning.

use chrono::TimeDelta;

use super::super::schedule;
use super::super::window::opens;
use super::{Known, hours};
use crate::engine;
use crate::model::{BackupKind, Database, Timestamp};

/// Weeks that are looked through for contradictions.
const WEEKS: i64 = 5;
/// More dumps than this in that time contradict no window.
const MOST: usize = 2000;

/// Whether a backup of this kind takes the server away.
pub fn rests(db: &Database, kind: BackupKind) -> bool {
    engine::backup::backups(db.engine, kind).at_rest()
}

/// Whether a backup that is due waits for the window of its database, and until when.
pub fn waits(db: &Database, kind: BackupKind, now: Timestamp) -> Option<Timestamp> {
    let by_itself = match kind {
        BackupKind::Scheduled | BackupKind::Again => true,
        BackupKind::Manual | BackupKind::BeforeRestore | BackupKind::Final | BackupKind::Files => {
            false
        }
    };
    if !by_itself || !rests(db, kind) {
        return None;
    }
    // One that never opens is refused with its spec.
    let until = opens(&db.maintenance_window, db.time_zone.0, now)?;
    (until > now).then_some(until)
}

/// Until when the dump waits that is due now, if it waits for its window.
pub fn waiting(known: &Known<'_>, now: Timestamp) -> Option<Timestamp> {
    let (_, kind) = super::wanted(known, now)?;
    waits(known.db, kind, now)
}

/// What in a spec keeps its dumps from being taken in time, in one line: its window contradicts its
/// schedule, or its `rpo`. Asked of the weeks after `now`.
pub fn contradiction(db: &Database, now: Timestamp) -> Option<String> {
    if !rests(db, BackupKind::Scheduled) {
        return None;
    }
    let due = dues(db, now);
    let taken: Vec<Timestamp> = (due.iter())
        .filter_map(|due| opens(&db.maintenance_window, db.time_zone.0, *due))
        .collect();
    let rpo = TimeDelta::minutes(i64::from(db.backup.rpo_minutes));
    let engine = db.engine;
    let between = longest(&taken).filter(|between| *between > rpo);
    // Whether the schedule keeps its `rpo` by itself was asked at its admission.
    if let Some(between) = between.filter(|between| Some(*between) > longest(&due)) {
        return Some(format!(
            "{engine} is stopped for its dumps, which wait for `maintenanceWindow`: up to {} pass between \
             two of them, and `backup.rpo` is {}; give it a window that opens more often, or a longer \
             `rpo`",
            hours(between),
            hours(rpo)
        ));
    }
    let never = !taken.is_empty() && taken.iter().all(|at| !due.contains(at));
    never.then(|| {
        format!(
            "{engine} is stopped for its dumps, and `backup.schedule` never falls into \
             `maintenanceWindow`: each waits until that opens; set the schedule to an hour of the window"
        )
    })
}

/// When dumps fall due in the weeks after an instant.
fn dues(db: &Database, now: Timestamp) -> Vec<Timestamp> {
    let end = now + TimeDelta::weeks(WEEKS);
    let next = |last: &Timestamp| {
        let due = schedule::next_due(&db.backup, &db.name, db.time_zone.0, *last);
        due.filter(|due| *due < end)
    };
    let first = next(&now);
    std::iter::successors(first, next).take(MOST).collect()
}

/// The longest time between two instants of a row.
fn longest(instants: &[Timestamp]) -> Option<TimeDelta> {
    instants.windows(2).map(|pair| pair[1] - pair[0]).max()
}

#[cfg(test)]
mod tests;
