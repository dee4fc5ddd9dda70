//! What to do about data that is lost: the question that decides between a restore by itself, a new
//! beginning, and a person.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::newest::age;
use crate::model::database::OnLost;
use crate::model::view::Phase;
use crate::model::{Backup, BackupId, BackupKind, BackupState, Database, Reason, Timestamp};

/// So often within an hour db4sci lets itself in again: who goes on shutting it out is somebody that
/// a person has to talk to.
const LET_IN: usize = 5;
const HOUR: TimeDelta = TimeDelta::hours(1);

/// How a database comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery {
    /// From this backup.
    Restore(BackupId),
    /// Empty; only `mydb_admin`, which is filled from the ledger.
    StartOver,
    /// Its data is whole, and its server refuses db4sci's own login: what the login needs is set again,
    /// at rest. Only `mydb_admin`: of a user's server it may be its owner's wish.
    LetIn,
}

/// What to do by itself now, given why the database is down, and whether a person brings a whole host
/// back. A restore discards what was written since
/// its backup, so without `onLost: Restore` a person decides; `mydb_admin` loses nothing by it.
/// A server that runs is left alone whatever became of its files: what it has in memory and open may be
/// all that is left.
pub fn recovery(
    db: &Database,
    phase: Phase,
    down: &[Reason],
    backups: &BTreeMap<BackupId, Backup>,
    asked: bool,
    failed: &BTreeMap<BackupId, u32>,
    now: Timestamp,
) -> Option<Recovery> {
    let admin = db.name.is_mydb_admin();
    if admin && phase == Phase::Degraded && down.contains(&Reason::LoginRefused) {
        return Some(Recovery::LetIn);
    }
    let lost = down.contains(&Reason::DataLost);
    // Data that no server starts on is as good as lost, where nothing is lost by that.
    let beyond_use = admin && down.contains(&Reason::Quarantined);
    let alone = admin || asked || db.on_lost == OnLost::Restore;
    if !alone || phase != Phase::Held || !(lost || beyond_use) {
        return None;
    }
    match source(db, backups, asked, failed, now) {
        Some(backup) => Some(Recovery::Restore(backup.id.clone())),
        None => admin.then_some(Recovery::StartOver),
    }
}

/// When db4sci let itself in again, and whether it was told that this was too often.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LetIns {
    at: Vec<Timestamp>,
    /// Entered when it is told, left by the next time that it may.
    given_up: bool,
}

impl LetIns {
    /// Whether there is something to do: to let itself in, or to tell, once, that this is given up.
    pub fn due(&self, now: Timestamp) -> bool {
        self.may(now) || !self.given_up
    }

    /// Whether it may let itself in now, which it is then taken to have done; if not, that is told now.
    pub fn begin(&mut self, now: Timestamp) -> bool {
        let may = self.may(now);
        self.at.extend(may.then_some(now));
        self.given_up = !may;
        may
    }

    fn may(&self, now: Timestamp) -> bool {
        self.at.iter().filter(|at| now - **at < HOUR).count() < LET_IN
    }
}

/// The backup that a database comes back from: the newest verified one, and without one the newest that
/// is stored: a restore proves it before anything is replaced. A person who brings a host back wants the
/// least loss: the newest of both. What failed so often, for a store that does not answer or a server that
/// does not start on it, comes after what failed less often; and one of a clock that was ahead, whose age
/// nobody knows, after all that failed as often.
pub fn source<'a>(
    db: &Database,
    backups: &'a BTreeMap<BackupId, Backup>,
    asked: bool,
    failed: &BTreeMap<BackupId, u32>,
    now: Timestamp,
) -> Option<&'a Backup> {
    let own = backups
        .values()
        // Files are those of a server that was given up.
        .filter(|b| b.uid == db.uid && b.state.good() && b.kind != BackupKind::Files);
    own.max_by_key(|b| {
        let proven = !asked && b.state == BackupState::Verified;
        let failed = failed.get(&b.id).copied().unwrap_or_default();
        let (past, slot, attempt) = age(b, now);
        (Reverse(failed), past, proven, slot, attempt)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Slot, Timestamp};
    use crate::plan::tests::database;

    /// After all backups of these tests.
    fn now() -> Timestamp {
        "2026-03-20T12:00:00Z".parse().unwrap()
    }

    fn backup(db: &Database, day: u32, state: BackupState) -> Backup {
        let started: Timestamp = format!("2026-03-{day:02}T02:00:00Z").parse().unwrap();
        Backup {
            id: BackupId {
                name: db.name.clone(),
                slot: Slot::at(started),
                attempt: 1,
                store: "local".to_owned(),
            },
            uid: db.uid,
            kind: BackupKind::Scheduled,
            state,
            started,
            finished: Some(started),
            verified: None,
            bytes: 1,
            sha256: None,
            url: String::new(),
            error: None,
            keep_until: None,
            note: String::new(),
        }
    }

    #[test]
    fn who_comes_back_by_itself_and_from_what() {
        use BackupState::{Damaged, Stored, Verified};
        let none = BTreeMap::new();
        let named = |name: &str, on_lost| Database {
            name: name.parse().unwrap(),
            on_lost,
            ..database()
        };
        let admin = named("mydb_admin", OnLost::Hold);
        let hold = named("genomics", OnLost::Hold);
        let restore = named("genomics", OnLost::Restore);
        let (lost, crashes) = (Reason::DataLost, Reason::Quarantined);
        let of = |db: &Database, down: Reason, states: &[BackupState]| {
            let backups = states
                .iter()
                .zip(1..)
                .map(|(state, day)| backup(db, day, *state))
                .map(|b| (b.id.clone(), b))
                .collect();
            match recovery(db, Phase::Held, &[down], &backups, false, &none, now())? {
                Recovery::Restore(id) => Some(id.slot.to_string()[6..8].to_owned()),
                Recovery::StartOver => Some("over".to_owned()),
                Recovery::LetIn => Some("in".to_owned()),
            }
        };
        for (db, down, backups, expected) in [
            (&hold, lost, &[Verified] as &[_], None),
            (&restore, lost, &[Verified, Verified, Stored], Some("02")),
            (&restore, lost, &[Stored, Damaged], Some("01")),
            (&restore, lost, &[Damaged], None),
            // A person may know better why it crashes.
            (&restore, crashes, &[Verified], None),
            (&restore, Reason::DataForeign, &[Verified], None),
            (&admin, lost, &[Verified, Damaged], Some("01")),
            (&admin, crashes, &[Verified], Some("01")),
            (&admin, lost, &[Damaged], Some("over")),
            (&admin, Reason::DataUnmounted, &[Verified], None),
            (&admin, Reason::Stopped, &[Verified], None),
        ] {
            let found = of(db, down, backups);
            assert_eq!(
                found.as_deref(),
                expected,
                "{} {down:?} {backups:?}",
                db.name
            );
        }
        // Of an earlier database of the same name nothing is restored.
        let earlier = backup(
            &Database {
                uid: admin.uid,
                ..restore.clone()
            },
            1,
            Verified,
        );
        let mut other = earlier.clone();
        other.uid = crate::model::Uid(uuid::Uuid::from_u128(7));
        let backups = [(other.id.clone(), other)].into();
        assert_eq!(
            recovery(
                &restore,
                Phase::Held,
                &[lost],
                &backups,
                false,
                &none,
                now()
            ),
            None
        );
        // Whoever brings a whole host back has decided.
        let own = backup(&hold, 1, Verified);
        let backups = [(own.id.clone(), own.clone())].into();
        let asked =
            |phase, down| recovery(&hold, phase, &[down], &backups, true, &none, now()).is_some();
        let held = Phase::Held;
        assert!(asked(held, lost) && !asked(held, crashes) && !asked(held, Reason::Stopped));
        // From the newest, which nobody had the time to prove.
        let newest = backup(&hold, 2, Stored);
        let both: BTreeMap<_, _> = [own, newest.clone()].map(|b| (b.id.clone(), b)).into();
        assert_eq!(source(&hold, &both, true, &none, now()), Some(&newest));
        assert_ne!(source(&hold, &both, false, &none, now()), Some(&newest));
        // What failed is tried again after all that failed less often: the same in another store first.
        let mut elsewhere = newest.clone();
        elsewhere.id.store = "offsite".to_owned();
        let mut both = both;
        both.insert(elsewhere.id.clone(), elsewhere.clone());
        let mut failed = BTreeMap::new();
        for expected in ["offsite", "local", "local", "offsite"] {
            let next = source(&hold, &both, true, &failed, now())
                .unwrap()
                .id
                .clone();
            assert_eq!(next.store, expected, "{failed:?}");
            *failed.entry(next).or_default() += 1;
        }
        // Its path vanished under a server that runs.
        assert!(!asked(Phase::Ready, lost) && !asked(Phase::Degraded, lost));
    }

    #[test]
    fn a_backup_of_a_clock_that_was_ahead_is_restored_only_when_there_is_no_other() {
        let (db, none) = (database(), BTreeMap::new());
        let ahead = backup(&db, 25, BackupState::Verified);
        let past = backup(&db, 1, BackupState::Stored);
        let both: BTreeMap<_, _> = [&ahead, &past]
            .map(|b| (b.id.clone(), b.clone()))
            .into_iter()
            .collect();
        for asked in [false, true] {
            assert_eq!(source(&db, &both, asked, &none, now()), Some(&past));
            let alone = [(ahead.id.clone(), ahead.clone())].into();
            assert_eq!(source(&db, &alone, asked, &none, now()), Some(&ahead));
            // That day has come.
            let later = ahead.started + HOUR;
            assert_eq!(source(&db, &both, asked, &none, later), Some(&ahead));
        }
    }

    #[test]
    fn only_mydb_admin_is_let_in_again_and_not_for_ever() {
        let (none, failed) = (BTreeMap::new(), BTreeMap::new());
        let asked = |name: &str, phase, down| {
            let db = Database {
                name: name.parse().unwrap(),
                on_lost: OnLost::Restore,
                ..database()
            };
            recovery(&db, phase, &[down], &none, true, &failed, now())
        };
        let refused = Reason::LoginRefused;
        let admin = |phase, down| asked("mydb_admin", phase, down);
        assert_eq!(admin(Phase::Degraded, refused), Some(Recovery::LetIn));
        assert_eq!(asked("genomics", Phase::Degraded, refused), None);
        // Somebody holds a hand over it, or it answers by now.
        assert_eq!(admin(Phase::Maintenance, refused), None);
        assert_eq!(admin(Phase::Ready, refused), None);
        assert_eq!(admin(Phase::Degraded, Reason::NotAnswering), None);

        let noon: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let at = |minutes: i64| noon + TimeDelta::minutes(minutes);
        let mut let_ins = LetIns::default();
        for minutes in [0, 10, 20, 30, 40] {
            assert!(let_ins.due(at(minutes)) && let_ins.begin(at(minutes)));
        }
        // That it is given up is told once, however often it is asked.
        assert!(let_ins.due(at(50)) && !let_ins.begin(at(50)));
        assert!(!let_ins.due(at(50)) && !let_ins.due(at(59)));
        assert!(let_ins.due(at(60)) && let_ins.begin(at(60)));
        // And once more when it is given up again.
        assert!(let_ins.due(at(61)) && !let_ins.begin(at(61)) && !let_ins.due(at(61)));
    }
}
