use std::collections::BTreeMap;

use chrono_tz::{America::Los_Angeles, Asia::Kolkata, Europe::Berlin, Tz, UTC};

use super::super::tests::{at, backup, known};
use super::super::{Work, due, fresh};
use super::*;
use crate::model::database::{Window, ZoneName};
use crate::model::view::ConditionStatus;
use crate::model::{Backup, BackupPolicy, BackupState, EngineKind, Schedule};
use crate::plan::tests::database;

/// A Neo4j, whose dumps take its server away.
fn graph(schedule: &str, window: Window, zone: Tz) -> Database {
    Database {
        engine: EngineKind::Neo4j,
        maintenance_window: window,
        time_zone: ZoneName(zone),
        backup: BackupPolicy {
            schedule: Schedule::Cron(schedule.to_owned()),
            ..BackupPolicy::default()
        },
        ..database()
    }
}

fn saturday() -> Window {
    Window::Weekly {
        day: 5,
        from: 0,
        until: 240,
    }
}

/// What is due of it, after these backups.
fn asked(db: &Database, backups: &[Backup], now: Timestamp) -> (Option<Work>, Option<Timestamp>) {
    let backups: BTreeMap<_, _> = backups.iter().map(|b| (b.id.clone(), b.clone())).collect();
    let stores = ["local".to_owned()];
    let known = known(db, &backups, &stores);
    (due(&known, now), waiting(&known, now))
}

fn takes(work: Option<Work>) -> bool {
    matches!(work, Some(Work::Take { .. }))
}

#[test]
fn a_dump_that_stops_its_server_waits_for_the_window_and_is_taken_once_it_opens() {
    let db = graph("0 12 * * *", Window::AfterHours, Berlin);
    // Due at noon in Berlin, 11:00 UTC; the window opens at 21:00 UTC.
    let opens = at("2026-03-02T21:00:00Z");
    for now in ["2026-03-02T11:00:00Z", "2026-03-02T20:59:59Z"] {
        let (work, until) = asked(&db, &[], at(now));
        assert_eq!((work, until), (None, Some(opens)), "{now}");
    }
    let (work, until) = asked(&db, &[], opens);
    assert!(takes(work) && until.is_none());
    // One that falls due while it is open is taken at once.
    let night = graph("30 23 * * *", Window::AfterHours, Berlin);
    assert!(takes(asked(&night, &[], at("2026-03-02T22:30:00Z")).0));
    // Others are dumped while they serve, and wait for nothing.
    let served = Database {
        engine: EngineKind::Postgres,
        ..db
    };
    let (work, until) = asked(&served, &[], at("2026-03-02T11:00:00Z"));
    assert!(takes(work) && until.is_none());
}

#[test]
fn where_clocks_change_no_dump_begins_outside_the_window_and_none_is_left_out() {
    let windows = [saturday(), Window::OfficeHours, Window::AfterHours];
    for zone in [UTC, Berlin, Los_Angeles, Kolkata] {
        for window in &windows {
            let db = graph("15 13 * * *", window.clone(), zone);
            // Around the clock's changes of spring and autumn.
            for from in ["2026-03-01T12:00:00Z", "2026-10-11T12:00:00Z"] {
                let taken = taken_in_six_weeks(&db, at(from));
                let least = match window {
                    Window::Weekly { .. } => 5,
                    Window::OfficeHours => 5 * 5,
                    Window::Any | Window::AfterHours => 6 * 7 - 1,
                };
                assert!(taken >= least, "{zone} {window:?} {from}: {taken}");
            }
        }
    }
}

/// How many dumps begin in six weeks of a database that has none yet; each must be one in its window.
fn taken_in_six_weeks(db: &Database, from: Timestamp) -> usize {
    let open = |now| opens(&db.maintenance_window, db.time_zone.0, now) == Some(now);
    let (mut now, mut last, mut taken) = (from, Vec::new(), 0);
    while now < from + TimeDelta::weeks(6) {
        let (work, until) = asked(db, &last, now);
        if let Some(until) = until {
            assert!(!open(now) && until > now && open(until), "{db:?} {now}");
        }
        if takes(work) {
            assert!(open(now), "{db:?} {now}");
            let mut one = backup(db, &now.to_rfc3339(), 1, BackupState::Verified);
            one.verified = Some(now);
            (last, taken) = (vec![one], taken + 1);
        }
        now += TimeDelta::minutes(67);
    }
    taken
}

#[test]
fn what_a_person_asks_for_and_the_last_backup_wait_for_no_window() {
    let db = graph("0 12 * * *", saturday(), UTC);
    let monday = at("2026-03-02T12:00:00Z");
    for (kind, waits_for) in [
        (BackupKind::Scheduled, true),
        (BackupKind::Again, true),
        (BackupKind::Manual, false),
        (BackupKind::BeforeRestore, false),
        (BackupKind::Final, false),
        (BackupKind::Files, false),
    ] {
        let until = waits_for.then(|| at("2026-03-07T00:00:00Z"));
        assert_eq!(waits(&db, kind, monday), until, "{kind:?}");
    }
}

#[test]
fn one_that_is_late_for_its_window_says_so() {
    let db = graph("0 12 * * *", saturday(), UTC);
    let old = backup(&db, "2026-03-01T12:00:00Z", 1, BackupState::Verified);
    let backups = BTreeMap::from([(old.id.clone(), old)]);
    let stores = ["local".to_owned()];
    let known = known(&db, &backups, &stores);
    let (status, reason, message) = fresh(&known, at("2026-03-03T12:00:00Z"));
    assert_eq!((status, reason), (ConditionStatus::False, "Overdue"));
    assert!(
        message.contains("waits until 2026-03-07 00:00 UTC for `maintenanceWindow`"),
        "{message}"
    );
    assert!(message.contains("db4sci backup now genomics"), "{message}");
}

#[test]
fn a_window_that_contradicts_schedule_or_rpo_is_told_and_one_that_does_not_is_not() {
    let now = at("2026-03-01T12:00:00Z");
    let said = |db: &Database| contradiction(db, now).unwrap_or_default();
    let fits = graph("0 23 * * *", Window::AfterHours, Berlin);
    assert_eq!(said(&fits), "");
    let beside = graph("0 12 * * *", Window::AfterHours, Berlin);
    assert!(
        said(&beside).contains("never falls into"),
        "{}",
        said(&beside)
    );
    let rare = graph("0 2 * * *", saturday(), Berlin);
    assert!(said(&rare).contains("up to 6d pass"), "{}", said(&rare));
    assert!(
        said(&rare).contains("`backup.rpo` is 26h"),
        "{}",
        said(&rare)
    );
    let mut weekly = graph("0 2 * * 6", saturday(), Berlin);
    weekly.backup.rpo_minutes = 8 * 24 * 60;
    assert_eq!(said(&weekly), "");
    let served = Database {
        engine: EngineKind::Postgres,
        ..rare
    };
    assert_eq!(said(&served), "");
    let mut never = beside;
    never.backup.schedule = Schedule::Never;
    assert_eq!(said(&never), "");
}
