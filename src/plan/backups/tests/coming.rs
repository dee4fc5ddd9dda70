//! What a plan says of dumps, retirements and removals before they happen.

use super::*;
use crate::model::database::Window;
use crate::model::{Coming, EngineKind};

/// What is coming, of a database that this was changed about.
fn coming_of(
    change: impl Fn(&mut Known<'_>),
    db: &Database,
    backups: &[Backup],
    now: &str,
) -> Vec<Coming> {
    let backups = backups.iter().map(|b| (b.id.clone(), b.clone())).collect();
    let stores = ["local".to_owned()];
    let mut known = known(db, &backups, &stores);
    change(&mut known);
    coming(&known, at(now))
}

#[test]
fn a_dump_that_takes_its_server_away_comes_with_its_hour_and_one_that_does_not_is_no_part_of_it() {
    let noon = "2026-03-02T12:00:00Z";
    let mut db = db();
    assert_eq!(coming_of(|_| (), &db, &[], noon), []);
    db.engine = EngineKind::Neo4j;
    db.maintenance_window = Window::AfterHours;
    db.time_zone = crate::model::database::ZoneName(chrono_tz::UTC);
    let until = Some(at("2026-03-02T22:00:00Z"));
    assert_eq!(coming_of(|_| (), &db, &[], noon), [Coming::Rest { until }]);
    let open = "2026-03-02T23:00:00Z";
    let now = Coming::Rest { until: None };
    assert_eq!(coming_of(|_| (), &db, &[], open), [now]);
    // Of one that does not answer none is taken.
    assert_eq!(coming_of(|k| k.answers = false, &db, &[], noon), []);
    let taken = backup(&db, "2026-03-02T02:00:00Z", 1, BackupState::Verified);
    assert_eq!(coming_of(|_| (), &db, &[taken], noon), []);
}

#[test]
fn a_retirement_says_how_long_its_data_is_kept_and_one_that_cannot_begin_says_nothing() {
    let now = "2026-03-02T01:00:00Z";
    let db = db();
    let asked = |k: &mut Known<'_>| k.retirement = Retirement::Asked(at(now));
    let retire = Coming::Retire {
        data_hours: 14 * 24,
        backup_hours: None,
    };
    assert_eq!(coming_of(asked, &db, &[], now), [retire]);
    let down = |k: &mut Known<'_>| {
        asked(k);
        k.answers = false;
    };
    assert_eq!(coming_of(down, &db, &[], now), []);
    let frozen = |k: &mut Known<'_>| {
        asked(k);
        k.frozen = true;
    };
    assert_eq!(coming_of(frozen, &db, &[], now), []);
}

#[test]
fn a_removal_has_its_day_and_what_keeps_the_data_beyond_it() {
    let db = db();
    let since = at("2026-03-02T12:00:00Z");
    let day = since + TimeDelta::days(14);
    let mut last = backup(&db, "2026-03-02T11:00:00Z", 1, BackupState::Verified);
    last.kind = BackupKind::Final;
    let id = last.id.clone();
    let done = |frozen: bool| {
        let id = &id;
        move |k: &mut Known<'_>| {
            k.retirement = Retirement::Done(since);
            k.frozen = frozen;
            // It lives as long as the question.
            k.last = Some(Box::leak(Box::new(id.clone())));
        }
    };
    let said = |frozen, backups: &[Backup], now: &str| {
        let all = coming_of(done(frozen), &db, backups, now);
        let [
            Coming::Remove {
                at,
                now,
                backup,
                stays,
            },
        ] = all.as_slice()
        else {
            panic!("{all:?}");
        };
        assert_eq!(*at, Some(day));
        (*now, backup.is_some(), stays.is_some())
    };
    let (before, after) = ("2026-03-10T12:00:00Z", "2026-03-16T12:00:00Z");
    let proven = [last.clone()];
    assert_eq!(said(false, &proven, before), (false, true, false));
    assert_eq!(said(false, &proven, after), (true, true, false));
    assert_eq!(said(true, &proven, after), (false, true, true));
    last.state = BackupState::Damaged;
    assert_eq!(said(false, &[last], after), (false, false, true));
    // It is the same answer that `due` acts on.
    let backups = BTreeMap::from([(id.clone(), proven[0].clone())]);
    let stores = ["local".to_owned()];
    let mut known = known(&db, &backups, &stores);
    done(false)(&mut known);
    known.tombstone = Tombstone::Lies;
    assert_eq!(due(&known, at(after)), Some(Work::Remove(vec![id.clone()])));
    let removing = |k: &mut Known<'_>| k.retirement = Retirement::Ended(End::Removing);
    let all = coming_of(removing, &db, &[], after);
    assert!(
        matches!(all.as_slice(), [Coming::Remove { now: true, .. }]),
        "{all:?}"
    );
}
