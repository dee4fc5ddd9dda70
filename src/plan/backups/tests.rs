mod coming;
mod turns;

use super::*;
use crate::model::{BackupPolicy, Retention, Schedule, Uid};
use crate::plan::tests::database;

/// No final backup of an earlier retirement.
static NONE: BTreeSet<BackupId> = BTreeSet::new();

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn db() -> Database {
    Database {
        backup: BackupPolicy {
            schedule: Schedule::Cron("0 2 * * *".to_owned()),
            ..BackupPolicy::default()
        },
        ..database()
    }
}

/// One that serves, and that nobody wants to retire.
pub(super) fn known<'a>(
    db: &'a Database,
    backups: &'a BTreeMap<BackupId, Backup>,
    stores: &'a [String],
) -> Known<'a> {
    Known {
        db,
        since: at("2026-03-01T12:00:00Z"),
        untested: &NONE,
        backups,
        stores,
        answers: true,
        initialised: true,
        given_up: None,
        earlier: &NONE,
        retirement: Retirement::None,
        hibernation: Hibernation::None,
        last: None,
        frozen: false,
        tombstone: Tombstone::None,
        keep: KeepRetired::default(),
        unsaved: 0,
        cut_off: false,
    }
}

pub(super) fn backup(db: &Database, slot: &str, attempt: u32, state: BackupState) -> Backup {
    let started = at(slot);
    Backup {
        id: BackupId {
            name: db.name.clone(),
            slot: Slot::at(started),
            attempt,
            store: "local".to_owned(),
        },
        uid: db.uid,
        kind: BackupKind::Scheduled,
        state,
        started,
        finished: Some(started + TimeDelta::minutes(1)),
        verified: None,
        bytes: 1,
        sha256: None,
        url: String::new(),
        error: None,
        keep_until: None,
        note: String::new(),
    }
}

fn asked(db: &Database, backups: &[Backup], now: &str) -> Option<Work> {
    let backups = backups.iter().map(|b| (b.id.clone(), b.clone())).collect();
    let stores = ["local".to_owned()];
    let known = known(db, &backups, &stores);
    due(&known, at(now))
}

fn slot_of(work: Option<Work>) -> Option<(String, u32)> {
    match work {
        Some(Work::Take { slot, attempt, .. }) => Some((slot.to_string(), attempt)),
        Some(_) | None => None,
    }
}

#[test]
fn what_was_due_before_there_was_data_was_never_due() {
    assert_eq!(asked(&db(), &[], "2026-03-01T13:00:00Z"), None);
    let first = slot_of(asked(&db(), &[], "2026-03-02T02:00:10Z"));
    assert_eq!(first, Some(("20260302T020000Z".to_owned(), 1)));
}

/// Its store may be away for days, and does not say what became of it.
#[test]
fn one_that_was_cut_off_keeps_no_other_from_being_taken() {
    let db = db();
    let mut left = backup(&db, "2026-03-02T02:00:00Z", 1, BackupState::Running);
    left.finished = None;
    let backups: BTreeMap<_, _> = [(left.id.clone(), left.clone())].into();
    let stores = ["local".to_owned()];
    for (cut_off, attempt) in [(false, None), (true, Some(2))] {
        let known = Known {
            cut_off,
            ..known(&db, &backups, &stores)
        };
        let taken = slot_of(due(&known, at("2026-03-02T02:10:00Z")));
        assert_eq!(taken.map(|(_, attempt)| attempt), attempt, "{cut_off}");
        // Its objects are nobody's to remove.
        let fates = kept(&known, at("2026-09-02T02:00:00Z"));
        assert_ne!(fates.get(&left.id), Some(&Fate::Goes));
    }
}

#[test]
fn after_an_outage_of_days_one_is_made_up_for() {
    let db = db();
    let old = [backup(
        &db,
        "2026-03-02T02:00:00Z",
        1,
        BackupState::Verified,
    )];
    let due = slot_of(asked(&db, &old, "2026-03-09T11:00:00Z"));
    assert_eq!(due, Some(("20260309T020000Z".to_owned(), 1)));
    let made = [
        old[0].clone(),
        backup(&db, "2026-03-09T02:00:00Z", 1, BackupState::Verified),
    ];
    assert_eq!(slot_of(asked(&db, &made, "2026-03-09T11:30:00Z")), None);
}

#[test]
fn a_failed_attempt_is_repeated_later_and_later_and_not_for_ever() {
    let db = db();
    let mut tried = Vec::new();
    let mut now = at("2026-03-02T02:00:00Z");
    let mut attempts = 0;
    while now < at("2026-03-03T01:59:00Z") {
        if let Some((_, attempt)) = slot_of(asked(&db, &tried, &now.to_rfc3339())) {
            attempts += 1;
            assert_eq!(attempt, attempts);
            let mut failed = backup(&db, "2026-03-02T02:00:00Z", attempt, BackupState::Failed);
            failed.finished = Some(now);
            tried.push(failed);
        }
        now += TimeDelta::minutes(1);
    }
    assert_eq!(attempts, ATTEMPTS);
}

#[test]
fn one_slot_is_taken_once() {
    let db = db();
    let running = [backup(&db, "2026-03-02T02:00:00Z", 1, BackupState::Running)];
    assert_eq!(asked(&db, &running, "2026-03-02T02:30:00Z"), None);
    let asked_for = [backup(
        &db,
        "2026-03-02T02:10:00Z",
        1,
        BackupState::Verified,
    )];
    assert_eq!(asked(&db, &asked_for, "2026-03-02T02:30:00Z"), None);
}

#[test]
fn the_newest_is_verified_when_the_last_test_is_a_week_old() {
    let db = db();
    let mut first = backup(&db, "2026-03-02T02:00:00Z", 1, BackupState::Stored);
    let now = "2026-03-02T03:00:00Z";
    assert_eq!(
        asked(&db, &[first.clone()], now),
        Some(Work::Verify(first.id.clone()))
    );
    first.state = BackupState::Verified;
    first.verified = Some(at(now));
    let next = backup(&db, "2026-03-03T02:00:00Z", 1, BackupState::Stored);
    assert_eq!(
        asked(&db, &[first.clone(), next], "2026-03-03T03:00:00Z"),
        None
    );
    let later = backup(&db, "2026-03-10T02:00:00Z", 1, BackupState::Stored);
    let due = asked(&db, &[first, later.clone()], "2026-03-10T03:00:00Z");
    assert_eq!(due, Some(Work::Verify(later.id)));
}

#[test]
fn a_test_that_cannot_be_made_keeps_no_other_work_waiting() {
    let db = db();
    let stores = ["local".to_owned(), "offsite".to_owned()];
    let newest = |store: &str| {
        let mut one = backup(&db, "2026-03-02T02:00:00Z", 1, BackupState::Stored);
        one.id.store = store.to_owned();
        one
    };
    let both = [newest("local"), newest("offsite")];
    let all: BTreeMap<_, _> = both.iter().map(|b| (b.id.clone(), b.clone())).collect();
    let now = at("2026-03-02T03:00:00Z");
    let due_but = |untested: &[&Backup]| {
        let untested = untested.iter().map(|b| b.id.clone()).collect();
        let known = Known {
            untested: &untested,
            ..known(&db, &all, &stores)
        };
        due(&known, now)
    };
    let [local, offsite] = &both;
    assert_eq!(due_but(&[]), Some(Work::Verify(local.id.clone())));
    assert_eq!(due_but(&[local]), Some(Work::Verify(offsite.id.clone())));
    assert_eq!(due_but(&[local, offsite]), None);
    // Nor is a final one tested at each beat.
    let last = all.values().map(|b| Backup {
        kind: BackupKind::Final,
        ..b.clone()
    });
    let last: BTreeMap<_, _> = last.map(|b| (b.id.clone(), b)).collect();
    let retires = |untested: &[&Backup]| {
        let untested = untested.iter().map(|b| b.id.clone()).collect();
        let known = Known {
            untested: &untested,
            retirement: Retirement::Asked(at("2026-03-02T02:00:00Z")),
            ..known(&db, &last, &stores)
        };
        due(&known, now)
    };
    assert_eq!(retires(&[]), Some(Work::Verify(local.id.clone())));
    assert_eq!(retires(&[local]), Some(Work::Verify(offsite.id.clone())));
    assert_eq!(retires(&[local, offsite]), None);
}

#[test]
fn a_damaged_backup_is_replaced_at_once_and_once() {
    let db = db();
    let bad = backup(&db, "2026-03-02T02:00:00Z", 1, BackupState::Damaged);
    let work = asked(&db, std::slice::from_ref(&bad), "2026-03-02T04:00:00Z");
    let Some(Work::Take { slot, kind, .. }) = work else {
        panic!("{work:?}");
    };
    assert_eq!(kind, BackupKind::Again);
    let mut good = backup(&db, "2026-03-02T04:00:00Z", 1, BackupState::Verified);
    good.id.slot = slot;
    assert_eq!(asked(&db, &[bad, good], "2026-03-02T04:10:00Z"), None);
}

#[test]
fn nothing_of_an_earlier_database_of_this_name_counts_or_goes() {
    let mut db = db();
    db.backup.retention = Retention {
        last: 1,
        daily: 1,
        weekly: 1,
        monthly: 1,
    };
    // Several of one day: of its own ones, only one would stay.
    let of_day = |hour: u32| {
        let slot = format!("2025-03-02T{hour:02}:00:00Z");
        backup(&db, &slot, 1, BackupState::Verified)
    };
    let old: Vec<Backup> = [2, 3, 4].into_iter().map(of_day).collect();
    let at_work = asked(&db, &old, "2025-03-02T05:00:00Z");
    assert!(matches!(at_work, Some(Work::Prune(_))), "{at_work:?}");
    let earlier = |mut backup: Backup| {
        backup.uid = Uid(uuid::Uuid::from_u128(77));
        backup
    };
    let mut all: Vec<Backup> = old.into_iter().map(earlier).collect();
    // One stands in the very slot that is due.
    let same = backup(&db, "2026-03-02T02:00:00Z", 1, BackupState::Verified);
    all.push(earlier(same.clone()));
    let due = slot_of(asked(&db, &all, "2026-03-02T02:00:10Z"));
    assert_eq!(due.unwrap().0, "20260302T020000Z");
    all.pop();
    all.push(same);
    assert_eq!(asked(&db, &all, "2026-03-02T04:00:00Z"), None);
}

#[test]
fn freshness_is_counted_from_the_dumps_beginning_and_from_the_first_data() {
    let db = db();
    let none = BTreeMap::new();
    let stores = ["local".to_owned()];
    let known = known(&db, &none, &stores);
    assert_eq!(
        fresh(&known, at("2026-03-02T12:00:00Z")).0,
        ConditionStatus::True
    );
    let (status, reason, message) = fresh(&known, at("2026-03-02T15:00:00Z"));
    assert_eq!(
        (status, reason),
        (ConditionStatus::False, "None"),
        "{message}"
    );
    let one = backup(&db, "2026-03-02T02:00:00Z", 1, BackupState::Stored);
    let some = [(one.id.clone(), one)].into();
    let known = Known {
        backups: &some,
        ..known
    };
    assert_eq!(
        fresh(&known, at("2026-03-03T03:00:00Z")).0,
        ConditionStatus::True
    );
    let (status, reason, _) = fresh(&known, at("2026-03-03T05:00:00Z"));
    assert_eq!((status, reason), (ConditionStatus::False, "Overdue"));
    // Of what is retired nothing new is due.
    let retired = Known {
        retirement: Retirement::Done(at("2026-03-03T05:00:00Z")),
        ..known
    };
    let (status, reason, _) = fresh(&retired, at("2026-03-03T05:00:00Z"));
    assert_eq!((status, reason), (ConditionStatus::Unknown, "Retired"));
}

#[test]
fn what_is_retired_has_a_final_verified_backup_or_never_had_data() {
    let db = db();
    let asked = at("2026-03-05T10:00:00Z");
    let step = |backups: &[Backup], initialised, answers| {
        let backups = backups.iter().map(|b| (b.id.clone(), b.clone())).collect();
        let stores = ["local".to_owned()];
        let known = Known {
            answers,
            initialised,
            retirement: Retirement::Asked(asked),
            ..known(&db, &backups, &stores)
        };
        due(&known, at("2026-03-05T10:30:00Z"))
    };
    assert_eq!(step(&[], false, false), Some(Work::Retire(None)));
    // Whatever was verified before, the last writes are not in it.
    let earlier = backup(&db, "2026-03-05T02:00:00Z", 1, BackupState::Verified);
    let wanted = step(std::slice::from_ref(&earlier), true, true);
    assert!(
        matches!(&wanted, Some(Work::Take { kind: BackupKind::Final, slot, .. }) if *slot == Slot::at(asked)),
        "{wanted:?}"
    );
    // Without a server there is no dump, and no retirement.
    assert_eq!(step(std::slice::from_ref(&earlier), true, false), None);
    let mut last = backup(&db, "2026-03-05T10:00:00Z", 1, BackupState::Stored);
    last.kind = BackupKind::Final;
    let all = |last: &Backup| [earlier.clone(), last.clone()];
    assert_eq!(
        step(&all(&last), true, true),
        Some(Work::Verify(last.id.clone()))
    );
    last.state = BackupState::Verified;
    last.verified = Some(at("2026-03-05T10:29:50Z"));
    assert_eq!(
        step(&all(&last), true, false),
        Some(Work::Retire(Some(last.id.clone())))
    );
    // Something came in between, and the server went on being written to: it is not the last state.
    last.verified = Some(at("2026-03-05T10:15:00Z"));
    assert_eq!(step(&all(&last), true, false), None);
    let again = step(&all(&last), true, true);
    // Not under the slot of one that is whole.
    let next = Slot::at(asked + TimeDelta::seconds(1));
    assert!(
        matches!(again, Some(Work::Take { attempt: 1, slot, .. }) if slot == next),
        "{again:?}"
    );
    // One that could not be restored is no final backup.
    last.state = BackupState::Damaged;
    let again = step(&all(&last), true, true);
    assert!(
        matches!(again, Some(Work::Take { attempt: 2, .. })),
        "{again:?}"
    );
}

#[test]
fn the_final_backup_of_an_earlier_retirement_is_not_this_one_s_whatever_the_clock_says() {
    let db = db();
    let stores = ["local".to_owned()];
    let mut last = backup(&db, "2026-03-05T10:00:00Z", 1, BackupState::Verified);
    last.kind = BackupKind::Final;
    last.verified = Some(at("2026-03-05T10:01:00Z"));
    let backups = [(last.id.clone(), last.clone())].into();
    let step = |earlier: &BTreeSet<BackupId>, asked: &str, now: &str| {
        let known = Known {
            earlier,
            retirement: Retirement::Asked(at(asked)),
            ..known(&db, &backups, &stores)
        };
        due(&known, at(now))
    };
    let takes = |work: Option<Work>| {
        let kind = BackupKind::Final;
        assert!(
            matches!(&work, Some(Work::Take { kind: k, .. }) if *k == kind),
            "{work:?}"
        );
    };
    let retires = Some(Work::Retire(Some(last.id.clone())));
    let (asked, now) = ("2026-03-05T10:00:00Z", "2026-03-05T10:02:00Z");
    assert_eq!(step(&NONE, asked, now), retires);
    takes(step(&[last.id.clone()].into(), asked, now));
    // The clock was set back since: nobody knows for how long its server went on being written to.
    takes(step(&NONE, "2026-03-05T03:00:00Z", "2026-03-05T03:05:00Z"));
}

#[test]
fn data_that_began_by_a_clock_that_was_ahead_is_backed_up_all_the_same() {
    let db = db();
    let (none, stores) = (BTreeMap::new(), ["local".to_owned()]);
    let step = |since: &str| {
        let known = Known {
            since: at(since),
            ..known(&db, &none, &stores)
        };
        let now = at("2026-03-05T10:00:00Z");
        (due(&known, now).is_some(), fresh(&known, now).1)
    };
    assert_eq!(step("2027-03-05T10:00:00Z"), (true, "Fresh"));
    assert_eq!(step("2026-03-05T09:00:00Z"), (false, "Fresh"));
    // Nor does a backup of then pass for a fresh one.
    let ahead = [backup(&db, "2027-03-05T02:00:00Z", 1, BackupState::Stored)];
    let backups = ahead.iter().map(|b| (b.id.clone(), b.clone())).collect();
    let known = known(&db, &backups, &stores);
    let (_, reason, message) = fresh(&known, at("2026-03-05T10:00:00Z"));
    assert_eq!(reason, "None", "{message}");
}

#[test]
fn an_attempt_of_a_clock_that_was_ahead_is_not_waited_for_until_then() {
    let db = db();
    let ahead = |text: &str| Backup {
        finished: Some(at(text)),
        ..backup(&db, "2026-03-05T02:00:00Z", 1, BackupState::Failed)
    };
    let now = "2026-03-05T02:03:00Z";
    let again = asked(&db, &[ahead("2026-03-05T09:00:00Z")], now);
    assert!(
        matches!(again, Some(Work::Take { attempt: 2, .. })),
        "{again:?}"
    );
    assert_eq!(asked(&db, &[ahead("2026-03-05T02:01:00Z")], now), None);
}

#[test]
fn nothing_is_retired_before_every_store_has_its_final_backup() {
    use BackupState::{Failed, Stored, Verified};
    let db = db();
    let asked = at("2026-03-05T10:00:00Z");
    let stores = ["local".to_owned(), "s3".to_owned()];
    let step = |local: &[(u32, BackupState)], s3: &[(u32, BackupState)], now: &str| {
        let all = [("local", local), ("s3", s3)];
        let backups = all.iter().flat_map(|(store, tried)| {
            tried.iter().map(|(attempt, state)| {
                let mut last = backup(&db, "2026-03-05T10:00:00Z", *attempt, *state);
                last.kind = BackupKind::Final;
                last.verified = (*state == Verified).then(|| at(now));
                (*store).clone_into(&mut last.id.store);
                (last.id.clone(), last)
            })
        });
        let backups = backups.collect();
        let known = Known {
            retirement: Retirement::Asked(asked),
            ..known(&db, &backups, &stores)
        };
        due(&known, at(now))
    };
    let failed = |attempts: u32| (1..=attempts).map(|n| (n, Failed)).collect::<Vec<_>>();
    // The second store's next attempt is awaited, made, and given up for that day: it stays.
    assert_eq!(
        step(&[(1, Verified)], &failed(1), "2026-03-05T10:02:00Z"),
        None
    );
    let again = step(&[(1, Verified)], &failed(1), "2026-03-05T10:30:00Z");
    assert!(
        matches!(&again, Some(Work::Take { attempt: 2, stores, .. }) if *stores == ["s3"]),
        "{again:?}"
    );
    assert_eq!(
        step(&[(1, Verified)], &failed(6), "2026-03-06T09:30:00Z"),
        None
    );
    // Until the next day: nobody has to ask anew.
    let tomorrow = slot_of(step(&[(1, Verified)], &failed(6), "2026-03-06T10:30:00Z"));
    assert_eq!(tomorrow, Some(("20260306T100000Z".to_owned(), 1)));
    // One that was restored is enough to trust the copy of it.
    let both = step(&[(1, Verified)], &[(2, Stored)], "2026-03-05T10:30:00Z");
    assert!(matches!(both, Some(Work::Retire(Some(_)))), "{both:?}");
}

#[test]
fn a_ledger_that_grew_is_saved_before_its_schedule_but_not_all_the_time() {
    let db = db();
    let before = backup(&db, "2026-03-02T02:00:00Z", 1, BackupState::Verified);
    let backups = [(before.id.clone(), before)].into();
    let stores = ["local".to_owned()];
    let step = |unsaved, now: &str| {
        let known = Known {
            unsaved,
            ..known(&db, &backups, &stores)
        };
        slot_of(due(&known, at(now)))
    };
    assert_eq!(step(255, "2026-03-02T09:00:00Z"), None);
    let slot = Some(("20260302T090000Z".to_owned(), 1));
    assert_eq!(step(256, "2026-03-02T09:00:00Z"), slot);
    assert_eq!(step(10_000, "2026-03-02T02:10:00Z"), None);
}

/// The day `genomics` was retired in the tests below.
const RETIRED: &str = "2026-03-05T10:00:00Z";

fn last(state: BackupState) -> Backup {
    Backup {
        kind: BackupKind::Final,
        ..backup(&db(), "2026-03-05T09:00:00Z", 1, state)
    }
}

/// What is due of a database that is retired, and what becomes of its backups.
fn gone(
    backups: &[Backup],
    retirement: Retirement,
    change: impl FnOnce(&mut Known<'_>),
    now: &str,
) -> (Option<Work>, BTreeMap<BackupId, Fate>) {
    let db = db();
    let backups = backups.iter().map(|b| (b.id.clone(), b.clone())).collect();
    let stores = ["local".to_owned()];
    let id = last(BackupState::Verified).id;
    let mut known = Known {
        answers: false,
        retirement,
        last: Some(&id),
        tombstone: Tombstone::Lies,
        ..known(&db, &backups, &stores)
    };
    change(&mut known);
    (due(&known, at(now)), kept(&known, at(now)))
}

#[test]
fn the_stores_are_told_of_a_retirement_and_of_its_end() {
    let done = Retirement::Done(at(RETIRED));
    let last = [last(BackupState::Verified)];
    let told = |tombstone| move |known: &mut Known<'_>| known.tombstone = tombstone;
    let step = |retirement, tombstone| gone(&last, retirement, told(tombstone), RETIRED).0;
    assert_eq!(step(done, Tombstone::Due), Some(Work::SetTombstone));
    assert_eq!(step(done, Tombstone::Lies), None);
    // Wanted again, before the tombstone was written or after.
    for tombstone in [Tombstone::Due, Tombstone::Lies] {
        assert_eq!(step(Retirement::None, tombstone), Some(Work::TakeTombstone));
        // A store that does not let it go keeps nobody from being backed up.
        let answers = |known: &mut Known<'_>| {
            (known.tombstone, known.answers) = (tombstone, true);
        };
        let taken = gone(&last, Retirement::None, answers, "2026-03-06T02:30:00Z").0;
        assert!(matches!(taken, Some(Work::Take { .. })), "{taken:?}");
    }
    assert_eq!(step(Retirement::None, Tombstone::None), None);
}

#[test]
fn data_goes_only_after_its_time_and_with_a_verified_final_backup() {
    let done = Retirement::Done(at(RETIRED));
    let unchanged = |_: &mut Known<'_>| ();
    let step = |backups: &[Backup], now| gone(backups, done, unchanged, now).0;
    let verified = last(BackupState::Verified);
    let all = std::slice::from_ref(&verified);
    let removed = Some(Work::Remove(vec![verified.id.clone()]));
    assert_eq!(step(all, "2026-03-19T09:59:59Z"), None);
    assert_eq!(step(all, "2026-03-19T10:00:00Z"), removed);
    let late = "2026-04-19T10:00:00Z";
    assert_eq!(step(&[last(BackupState::Damaged)], late), None);
    let failed = last(BackupState::Failed);
    let left = Some(Work::Prune(vec![failed.id.clone()]));
    assert_eq!(step(&[failed], late), left, "of a failed one, what it left");
    // An ordinary backup is no final one, however new, and an earlier final one is not the last.
    let daily = backup(&db(), "2026-03-05T09:30:00Z", 1, BackupState::Verified);
    assert_eq!(step(&[daily], late), None);
    let earlier = Backup {
        kind: BackupKind::Final,
        ..backup(&db(), "2026-03-03T09:00:00Z", 1, BackupState::Verified)
    };
    assert_eq!(step(&[earlier, last(BackupState::Damaged)], late), None);
    // Not before the stores know, and what never had data needs no backup.
    let untold = |known: &mut Known<'_>| known.tombstone = Tombstone::Due;
    assert_eq!(gone(all, done, untold, late).0, Some(Work::SetTombstone));
    let empty = |known: &mut Known<'_>| known.initialised = false;
    assert_eq!(
        gone(&[], done, empty, late).0,
        Some(Work::Remove(Vec::new()))
    );
    // Begun, it is ended, whatever became of the backup; ended, nothing more is due.
    let begun = Retirement::Ended(End::Removing);
    assert_eq!(gone(all, begun, unchanged, RETIRED).0, removed);
    let over = Retirement::Ended(End::Removed(at(RETIRED)));
    assert_eq!(gone(all, over, unchanged, late).0, None);
}

#[test]
fn a_final_backup_stays_until_the_settings_say_otherwise() {
    let over = Retirement::Ended(End::Removed(at("2026-03-19T10:00:00Z")));
    let (mut first, second) = (last(BackupState::Verified), last(BackupState::Verified));
    // Of two finals the older is none of the retention's, and is kept all the same.
    first.id.slot = Slot::at(at("2026-03-02T09:00:00Z"));
    let all = [first.clone(), second];
    let (work, fates) = gone(&all, over, |_| (), "2036-03-19T10:00:00Z");
    assert_eq!(work, None, "{fates:?}");
    let year = |known: &mut Known<'_>| known.keep.backups = Some(TimeDelta::days(365));
    assert_eq!(gone(&all, over, year, "2027-03-19T09:59:59Z").0, None);
    let (work, _) = gone(&all, over, year, "2027-03-19T10:00:00Z");
    let ids = all.iter().map(|b| b.id.clone()).collect();
    assert_eq!(work, Some(Work::Prune(ids)));
    // Not while a person keeps it.
    first.keep_until = Some(at("2040-01-01T00:00:00Z"));
    let (_, fates) = gone(&[first.clone()], over, year, "2027-03-19T10:00:00Z");
    assert!(matches!(fates[&first.id], Fate::Kept(_)), "{fates:?}");
}

#[test]
fn nothing_goes_while_not_all_is_known() {
    let verified = last(BackupState::Verified);
    let all = std::slice::from_ref(&verified);
    let late = "2027-03-19T10:00:00Z";
    let frozen = |known: &mut Known<'_>| {
        (known.frozen, known.keep.backups) = (true, Some(TimeDelta::days(1)));
    };
    for retirement in [
        Retirement::Done(at(RETIRED)),
        Retirement::Ended(End::Removing),
        Retirement::Ended(End::Removed(at(RETIRED))),
    ] {
        let year = |known: &mut Known<'_>| known.keep.backups = Some(TimeDelta::days(1));
        assert!(
            gone(all, retirement, year, late).0.is_some(),
            "{retirement:?}"
        );
        assert_eq!(
            gone(all, retirement, frozen, late).0,
            None,
            "{retirement:?}"
        );
    }
    // The stores may be told all the same: nothing is less by that.
    let untold = |known: &mut Known<'_>| {
        (known.frozen, known.tombstone) = (true, Tombstone::Due);
    };
    let done = Retirement::Done(at(RETIRED));
    assert_eq!(gone(all, done, untold, late).0, Some(Work::SetTombstone));
    // What is to be retired is backed up as before, and no final backup of it grows old.
    let asked = Retirement::Asked(at(RETIRED));
    let serves = |known: &mut Known<'_>| (known.frozen, known.answers) = (true, true);
    let taken = gone(all, asked, serves, "2026-03-06T02:30:00Z").0;
    let scheduled = BackupKind::Scheduled;
    assert!(
        matches!(taken, Some(Work::Take { kind, .. }) if kind == scheduled),
        "{taken:?}"
    );
    let thawed = |known: &mut Known<'_>| known.answers = true;
    let taken = gone(&[], asked, thawed, "2026-03-06T02:30:00Z").0;
    assert!(
        matches!(taken, Some(Work::Take { kind, .. }) if kind == BackupKind::Final),
        "{taken:?}"
    );
}

#[test]
fn a_server_that_was_given_up_is_retired_on_a_copy_of_its_files() {
    let (db, none) = (db(), BTreeMap::new());
    let asked = at("2026-03-05T10:00:00Z");
    let given_up = at("2026-03-05T10:20:00Z");
    let stores = ["local".to_owned()];
    let step = |backups: &[Backup], answers, given_up, now: &str| {
        let backups = backups.iter().map(|b| (b.id.clone(), b.clone())).collect();
        let known = Known {
            backups: &backups,
            answers,
            given_up,
            retirement: Retirement::Asked(asked),
            ..known(&db, &none, &stores)
        };
        due(&known, at(now))
    };
    let now = "2026-03-05T10:30:00Z";
    let taken = step(&[], false, Some(given_up), now);
    assert!(
        matches!(
            &taken,
            Some(Work::Take {
                kind: BackupKind::Files,
                ..
            })
        ),
        "{taken:?}"
    );
    assert_eq!(step(&[], false, None, now), None, "it may come up yet");
    let mut copy = backup(&db, "2026-03-05T10:30:00Z", 1, BackupState::Stored);
    copy.kind = BackupKind::Files;
    let copies = std::slice::from_ref(&copy);
    let later = "2026-03-05T10:50:00Z";
    assert_eq!(
        step(copies, false, Some(given_up), later),
        Some(Work::Verify(copy.id.clone()))
    );
    // It was tried again since: those files are no more.
    for (answers, since) in [(true, None), (false, Some(at("2026-03-05T10:45:00Z")))] {
        let again = step(copies, answers, since, later);
        assert!(matches!(again, Some(Work::Take { .. })), "{again:?}");
    }
    copy.state = BackupState::Verified;
    copy.verified = Some(at("2026-03-05T10:49:00Z"));
    assert_eq!(
        step(std::slice::from_ref(&copy), false, Some(given_up), later),
        Some(Work::Retire(Some(copy.id.clone())))
    );
}

#[test]
fn a_backup_of_a_clock_that_was_ahead_does_not_stand_in_for_todays() {
    let db = db();
    let ahead = [backup(
        &db,
        "2027-03-02T02:00:00Z",
        1,
        BackupState::Verified,
    )];
    let due = slot_of(asked(&db, &ahead, "2026-03-09T11:00:00Z"));
    assert_eq!(due, Some(("20260309T020000Z".to_owned(), 1)));
}

#[test]
fn what_replaced_a_damaged_one_replaced_it_also_where_the_clock_was_set_back() {
    let db = db();
    let bad = backup(&db, "2026-03-05T02:00:00Z", 1, BackupState::Damaged);
    let mut again = backup(&db, "2026-03-05T02:01:00Z", 1, BackupState::Verified);
    again.started = at("2026-03-05T01:00:00Z");
    let due = slot_of(asked(&db, &[bad, again], "2026-03-06T11:00:00Z"));
    assert_eq!(due, Some(("20260306T020000Z".to_owned(), 1)));
}

#[test]
fn a_damaged_one_that_could_not_be_replaced_ends_no_schedule() {
    let db = db();
    let bad = backup(&db, "2026-03-05T02:00:00Z", 1, BackupState::Damaged);
    let again = (1..=6).map(|n| backup(&db, "2026-03-05T02:01:00Z", n, BackupState::Failed));
    let all: Vec<Backup> = std::iter::once(bad).chain(again).collect();
    // Its own slot is still without a good one.
    let due = |now| slot_of(asked(&db, &all, now));
    assert_eq!(
        due("2026-03-06T01:59:00Z"),
        Some(("20260305T020000Z".to_owned(), 2))
    );
    let next = due("2026-03-06T02:00:10Z");
    assert_eq!(next, Some(("20260306T020000Z".to_owned(), 1)));
}

#[test]
fn of_what_was_released_nothing_is_taken_tested_or_removed_ever() {
    let over = Retirement::Ended(End::Ejected(at(RETIRED)));
    let old = backup(&db(), "2020-03-03T09:00:00Z", 1, BackupState::Verified);
    let year = |known: &mut Known<'_>| {
        known.keep.backups = Some(TimeDelta::days(1));
        (known.answers, known.tombstone) = (true, Tombstone::None);
    };
    let all = [old.clone(), last(BackupState::Stored)];
    let (work, fates) = gone(&all, over, year, "2036-03-19T10:00:00Z");
    assert_eq!(work, None);
    let kept = Fate::Kept(vec!["ejected".to_owned()]);
    assert!(
        fates.len() == 2 && fates.values().all(|fate| *fate == kept),
        "{fates:?}"
    );
}

#[test]
fn before_it_hibernates_a_final_backup_is_taken_and_proven_and_each_day_is_another_try() {
    let mut db = db();
    db.backup.schedule = Schedule::Never;
    let stores = ["local".to_owned()];
    let asked = at("2026-03-02T12:00:00Z");
    let work = |backups: &[Backup], hibernation, answers, now: &str| {
        let backups = backups.iter().map(|b| (b.id.clone(), b.clone())).collect();
        let known = Known {
            hibernation,
            answers,
            ..known(&db, &backups, &stores)
        };
        due(&known, at(now))
    };
    let wanted = Hibernation::Asked(asked);
    let mut last = backup(&db, "2026-03-02T12:00:00Z", 1, BackupState::Stored);
    let first = work(&[], wanted, true, "2026-03-02T12:00:10Z");
    let Some(Work::Take { slot, kind, .. }) = first else {
        panic!("{first:?}");
    };
    assert_eq!((slot, kind), (last.id.slot, BackupKind::Final));
    assert_eq!(
        work(&[], wanted, false, "2026-03-02T12:00:10Z"),
        None,
        "it does not answer"
    );
    last.kind = BackupKind::Final;
    let test = work(&[last.clone()], wanted, true, "2026-03-02T12:02:00Z");
    assert_eq!(test, Some(Work::Verify(last.id.clone())));
    (last.state, last.verified) = (BackupState::Verified, Some(at("2026-03-02T12:03:00Z")));
    let proven = work(&[last.clone()], wanted, true, "2026-03-02T12:04:00Z");
    assert_eq!(proven, Some(Work::Hibernate(last.id.clone())));
    let done = Hibernation::Done(&last.id);
    assert_eq!(
        work(&[last.clone()], done, false, "2026-05-02T12:04:00Z"),
        None
    );

    // All attempts of a day in vain.
    let failed: Vec<Backup> = (1..=6)
        .map(|n| backup(&db, "2026-03-02T12:00:00Z", n, BackupState::Failed))
        .collect();
    let later = |now| slot_of(work(&failed, wanted, true, now));
    assert_eq!(later("2026-03-02T23:00:00Z"), None);
    assert_eq!(
        later("2026-03-03T12:00:10Z"),
        Some(("20260303T120000Z".to_owned(), 1))
    );
}

#[test]
fn what_hibernates_owes_no_backup() {
    let db = db();
    let (none, stores) = (BTreeMap::new(), ["local".to_owned()]);
    let id = backup(&db, "2026-03-02T12:00:00Z", 1, BackupState::Verified).id;
    let known = Known {
        hibernation: Hibernation::Done(&id),
        ..known(&db, &none, &stores)
    };
    let (status, reason, _) = fresh(&known, at("2027-03-02T12:00:00Z"));
    assert_eq!((status, reason), (ConditionStatus::Unknown, "Hibernated"));
}
