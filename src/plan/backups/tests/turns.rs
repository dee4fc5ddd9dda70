//! Where one attempt, one restore test or one unit of time ends and the next begins.

use super::*;

#[test]
fn one_attempt_in_vain_does_not_give_up_what_replaces_a_damaged_one() {
    let db = db();
    let bad = backup(&db, "2026-03-02T02:00:00Z", 1, BackupState::Damaged);
    let failed = backup(&db, "2026-03-02T02:01:00Z", 1, BackupState::Failed);
    let now = "2026-03-02T09:00:00Z";
    let expected = Work::Take {
        slot: failed.id.slot,
        attempt: 2,
        kind: BackupKind::Again,
        stores: vec!["local".to_owned()],
    };
    assert_eq!(asked(&db, &[bad, failed], now), Some(expected));
}

#[test]
fn a_failed_backup_after_a_good_one_is_not_what_is_tested() {
    let db = db();
    let good = backup(&db, "2026-03-02T02:00:00Z", 1, BackupState::Stored);
    let failed = backup(&db, "2026-03-03T02:00:00Z", 1, BackupState::Failed);
    let id = good.id.clone();
    assert_eq!(
        asked(&db, &[good, failed], "2026-03-03T02:03:00Z"),
        Some(Work::Verify(id))
    );
}

#[test]
fn of_several_stores_each_has_its_newest_tested_in_turn() {
    let db = db();
    let slot = "2026-03-02T02:00:00Z";
    let mut here = backup(&db, slot, 1, BackupState::Stored);
    let mut there = here.clone();
    there.id.store = "offsite".to_owned();
    let stores = ["local".to_owned(), "offsite".to_owned()];
    let now = at("2026-03-02T03:00:00Z");
    let next = |here: &Backup| {
        let all = [here.clone(), there.clone()].map(|b| (b.id.clone(), b));
        due(&known(&db, &BTreeMap::from(all), &stores), now)
    };
    assert_eq!(next(&here), Some(Work::Verify(here.id.clone())));
    here.state = BackupState::Verified;
    here.verified = Some(now);
    assert_eq!(next(&here), Some(Work::Verify(there.id.clone())));
}

#[test]
fn it_is_asked_again_when_the_next_backup_is_due() {
    let (db, none) = (db(), BTreeMap::new());
    let known = known(&db, &none, &[]);
    assert_eq!(
        wake_at(&known, at("2026-03-02T02:00:00Z")),
        Some(at("2026-03-03T02:00:00Z"))
    );
}

#[test]
fn ages_are_shown_in_minutes_then_hours_then_days() {
    for (minutes, shown) in [
        (-1, "0m"),
        (0, "0m"),
        (59, "59m"),
        (60, "1h"),
        (119, "1h"),
        (72 * 60 - 1, "71h"),
        (72 * 60, "3d"),
        (96 * 60, "4d"),
    ] {
        assert_eq!(hours(TimeDelta::minutes(minutes)), shown);
    }
}

#[test]
fn of_what_is_retired_only_final_backups_outlive_the_retention() {
    let db = db();
    let all: Vec<Backup> = (1..=6)
        .map(|hour| {
            let slot = format!("2026-03-09T0{hour}:00:00Z");
            backup(&db, &slot, 1, BackupState::Verified)
        })
        .collect();
    let mut last = all[0].clone();
    last.kind = BackupKind::Final;
    let oldest = all[1].id.clone();
    let mut backups: BTreeMap<_, _> = all.into_iter().map(|b| (b.id.clone(), b)).collect();
    backups.insert(last.id.clone(), last.clone());
    let stores = ["local".to_owned()];
    let mut known = known(&db, &backups, &stores);
    known.retirement = Retirement::Done(at("2026-03-09T10:00:00Z"));
    known.last = Some(&last.id);
    let fates = kept(&known, at("2036-03-09T10:00:00Z"));
    assert_eq!(fates[&oldest], Fate::Goes, "{fates:?}");
    assert_eq!(fates[&last.id], Fate::Kept(vec!["final".to_owned()]));
}

#[test]
fn without_a_server_that_answers_or_a_store_nothing_is_taken() {
    let (db, none) = (db(), BTreeMap::new());
    let stores = ["local".to_owned()];
    let now = at("2026-03-02T02:00:10Z");
    let mut known = known(&db, &none, &stores);
    known.unsaved = CHANGES;
    assert!(matches!(due(&known, now), Some(Work::Take { .. })));
    known.answers = false;
    assert_eq!(due(&known, now), None);
    (known.answers, known.stores) = (true, &[]);
    assert_eq!(due(&known, now), None);
}

#[test]
fn what_a_person_keeps_until_then_goes_then() {
    let db = db();
    let until = at("2027-01-01T00:00:00Z");
    let mut kept_one = backup(&db, "2026-03-02T02:00:00Z", 1, BackupState::Verified);
    kept_one.keep_until = Some(until);
    let backups = [(kept_one.id.clone(), kept_one.clone())].into();
    let mut known = known(&db, &backups, &[]);
    known.retirement = Retirement::Ended(End::Removed(at("2026-04-01T00:00:00Z")));
    known.keep.backups = Some(TimeDelta::days(30));
    let fate = |now: Timestamp| kept(&known, now)[&kept_one.id].clone();
    assert_ne!(fate(until - TimeDelta::seconds(1)), Fate::Goes);
    assert_eq!(fate(until), Fate::Goes);
}

#[test]
fn a_backup_and_a_test_of_a_clock_that_was_ahead_hide_none_of_today() {
    let db = db();
    let mut today = backup(&db, "2026-03-09T02:00:00Z", 1, BackupState::Stored);
    let ahead = Backup {
        verified: Some(at("2027-03-05T03:00:00Z")),
        ..backup(&db, "2027-03-05T02:00:00Z", 1, BackupState::Verified)
    };
    let now = "2026-03-09T03:00:00Z";
    assert_eq!(
        asked(&db, &[ahead.clone(), today.clone()], now),
        Some(Work::Verify(today.id.clone()))
    );
    today.state = BackupState::Verified;
    today.verified = Some(at("2026-03-09T02:30:00Z"));
    let unproven = Backup {
        state: BackupState::Stored,
        verified: None,
        ..ahead
    };
    assert_eq!(asked(&db, &[unproven.clone(), today], now), None);
    // It may be the only one.
    let damaged = backup(&db, "2026-03-09T02:00:00Z", 6, BackupState::Damaged);
    let id = unproven.id.clone();
    assert_eq!(
        asked(&db, &[unproven, damaged], now),
        Some(Work::Verify(id))
    );
}
