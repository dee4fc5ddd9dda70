use proptest::prelude::*;

use super::super::tests::database;
use super::*;
use crate::model::Memory;

fn at(text: &str) -> Timestamp {
    format!("{text}Z").parse().unwrap()
}

fn created() -> Timestamp {
    at("2026-08-31T10:00:00")
}

fn with(facts: &[(&str, &str)]) -> Database {
    let mut db = database();
    let owned = facts
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    db.facts = owned.collect();
    db
}

/// A house in which everything is as protected health information needs it.
fn house() -> House {
    House {
        keep: crate::model::KeepRetired::default(),
        stores: vec!["local".to_owned()],
        encrypted: ["Standard".to_owned()].into(),
        owners: Owners::default(),
        enforce: None,
    }
}

/// What is told at an instant, in words; it is written down.
fn tell(db: &Database, house: &House, told: &mut Told, now: Timestamp) -> Vec<String> {
    let before = told.clone();
    let ward = Ward {
        db,
        created: created(),
        told: &before,
        over: None,
        hibernates: false,
        house,
    };
    let due = ward.due(now);
    due.iter().for_each(|notice| told.note(notice));
    due.iter().map(|notice| ward.message(notice, now)).collect()
}

#[test]
fn the_end_of_a_life_is_told_a_month_and_a_week_before_at_the_end_and_each_month_after_it() {
    let (db, house, mut told) = (with(&[("LIFE", "Short")]), house(), Told::default());
    // Six months after the last of August is the last of February.
    let mut when = Vec::new();
    let mut now = created();
    while now < at("2027-06-01T00:00:00") {
        if !tell(&db, &house, &mut told, now).is_empty() {
            when.push(now.format("%F %H").to_string());
        }
        now += TimeDelta::hours(1);
    }
    assert_eq!(
        when,
        [
            "2027-01-29 10",
            "2027-02-21 10",
            "2027-02-28 10",
            "2027-03-28 10",
            "2027-04-28 10",
            "2027-05-28 10"
        ]
    );
}

#[test]
fn a_notice_says_when_what_to_do_and_whom_it_is_for() {
    let db = with(&[("LIFE", "Short")]);
    let words = |now: &str| tell(&db, &house(), &mut Told::default(), at(now));
    assert_eq!(
        words("2027-02-22T10:00:00"),
        [
            "its life (`Short`, 6 months) ends on 2027-02-28, in 6 days; nothing is stopped for that: \
             set a longer `life` in its spec, or retire it (db4sci delete genomics) (owner lab, \
             contact lab@example.org)"
        ]
    );
    let over = words("2027-04-01T10:00:00");
    assert!(over[0].starts_with("its life (`Short`, 6 months) is over since 2027-02-28; "));
    assert!(words("2026-12-24T10:00:00").is_empty());
}

#[test]
fn a_clock_that_was_ahead_takes_no_notice_away_and_repeats_none() {
    let (db, house, mut told) = (with(&[("LIFE", "Short")]), house(), Told::default());
    let mut times = |now: &str| tell(&db, &house, &mut told, at(now)).len();
    // A jump tells the newest stage alone.
    assert_eq!(times("2027-07-01T00:00:00"), 1);
    assert_eq!(times("2026-09-01T00:00:00"), 0);
    assert_eq!(times("2027-02-01T00:00:00"), 1);
    assert_eq!(times("2027-02-02T00:00:00"), 0);
    assert_eq!(times("2027-03-01T00:00:00"), 1);
    assert_eq!(times("2027-02-02T00:00:00"), 0);
    assert_eq!(times("2027-07-02T00:00:00"), 0);
}

#[test]
fn a_longer_life_is_told_anew_and_a_long_one_never() {
    let (house, mut told) = (house(), Told::default());
    let mut times = |life: &str, now: &str| {
        let db = with(&[("LIFE", life)]);
        tell(&db, &house, &mut told, at(now)).len()
    };
    assert_eq!(times("Short", "2027-03-01T00:00:00"), 1);
    assert_eq!(times("Medium", "2027-03-01T00:00:00"), 0);
    assert_eq!(times("Medium", "2029-08-30T00:00:00"), 1);
    assert_eq!(times("Long", "2099-01-01T00:00:00"), 0);
}

#[test]
fn protections_that_went_missing_are_told_and_so_is_their_return() {
    let mut db = with(&[("PHI", "Yes")]);
    db.tls = Some(Tls::Required);
    let mut told = Told::default();
    let now = created();
    assert!(tell(&db, &house(), &mut told, now).is_empty());
    let bare = House::default();
    let words = tell(&db, &bare, &mut told, now);
    assert_eq!(
        words,
        [
            "it holds protected health information, and does not have now: encrypted backups, an \
             encrypted data volume (owner lab, contact lab@example.org)"
        ]
    );
    assert!(tell(&db, &bare, &mut told, now).is_empty());
    db.tls = Some(Tls::Preferred);
    let words = tell(&db, &bare, &mut told, now);
    assert!(words[0].contains("now: TLS that is demanded (`tls: Required`), encrypted"));
    db.tls = Some(Tls::Required);
    db.backup.stores = vec!["gone".to_owned()];
    assert_eq!(tell(&db, &house(), &mut told, now).len(), 1);
    db.backup.stores = Vec::new();
    let words = tell(&db, &house(), &mut told, now);
    assert!(words[0].starts_with("what protected health information needs is there again"));
    // What the server encrypts by itself needs no volume that is.
    db.encryption = Encryption::Engine;
    let mut plain = house();
    plain.encrypted.clear();
    assert!(tell(&db, &plain, &mut told, now).is_empty());
    // Without such data nothing is demanded.
    assert!(tell(&with(&[("PHI", "No")]), &bare, &mut Told::default(), now).is_empty());
}

#[test]
fn a_contact_that_is_none_is_told_once() {
    let mut db = with(&[]);
    let mut told = Told::default();
    for (contact, words) in [
        ("", "there is no mail address"),
        ("nobody", "`nobody` is no mail address"),
    ] {
        db.contact = contact.to_owned();
        let found = tell(&db, &house(), &mut told, created());
        assert!(found[0].contains(words), "{found:?}");
        assert!(tell(&db, &house(), &mut told, created()).is_empty());
    }
    db.contact = "lab@example.org".to_owned();
    let found = tell(&db, &house(), &mut told, created());
    assert!(found[0].starts_with("there is a contact again"));
}

/// The conditions, as kind and reason, with whether each holds.
fn conditions(db: &Database, house: &House, now: Timestamp) -> Vec<(String, bool)> {
    let share = Share {
        owner: "lab".to_owned(),
        memory: Memory::mebibytes(4096),
    };
    let shares = ["a", "genomics"].map(|name| (name.parse().unwrap(), share.clone()));
    let ward = Ward {
        db,
        created: created(),
        told: &Told::default(),
        over: None,
        hibernates: false,
        house,
    };
    let found = ward.conditions(|| shares.into(), now);
    let word = |(kind, status, reason, _): Finding| {
        (format!("{kind} {reason}"), status == ConditionStatus::True)
    };
    found.into_iter().map(word).collect()
}

#[test]
fn conditions_say_what_is_the_case() {
    let says = |db: &Database, house: &House, now: &str, expected: &[(&str, bool)]| {
        let found = conditions(db, house, at(now));
        let found: Vec<_> = found
            .iter()
            .map(|(word, holds)| (word.as_str(), *holds))
            .collect();
        assert_eq!(found, expected, "{now}");
    };
    let known = ("ContactKnown Given", true);
    let day = "2026-09-01T00:00:00";
    says(
        &with(&[]),
        &house(),
        day,
        &[("WithinLife NoEnd", true), known],
    );
    let short = with(&[("LIFE", "Short")]);
    says(
        &short,
        &house(),
        day,
        &[("WithinLife Current", true), known],
    );
    let soon = "2027-02-27T00:00:00";
    says(
        &short,
        &house(),
        soon,
        &[("WithinLife EndsSoon", true), known],
    );
    let over = "2027-03-01T00:00:00";
    says(&short, &house(), over, &[("WithinLife Over", false), known]);
    let phi = with(&[("PHI", "Yes")]);
    says(
        &phi,
        &house(),
        day,
        &[
            ("WithinLife NoEnd", true),
            ("Protected Missing", false),
            known,
        ],
    );
    let mut tight = house();
    tight.owners.others.databases = Some(2);
    let within = ("WithinLimits Within", true);
    says(
        &with(&[]),
        &tight,
        day,
        &[("WithinLife NoEnd", true), known, within],
    );
    tight.owners.others.memory = Some(Memory::mebibytes(4096));
    let exceeded = ("WithinLimits Exceeded", false);
    says(
        &with(&[]),
        &tight,
        day,
        &[("WithinLife NoEnd", true), known, exceeded],
    );
}

#[test]
fn nothing_is_told_of_what_is_retired_and_of_mydb_admin() {
    let mut retired = with(&[("LIFE", "Short"), ("PHI", "Yes")]);
    retired.contact.clear();
    let mut builtin = retired.clone();
    retired.state = WantedState::Retired;
    builtin.source = Source::Builtin;
    for db in [retired, builtin] {
        let late = at("2030-01-01T00:00:00");
        assert!(tell(&db, &House::default(), &mut Told::default(), late).is_empty());
        assert!(conditions(&db, &House::default(), late).is_empty());
    }
}

#[test]
fn a_life_that_is_over_has_another_word_while_it_hibernates() {
    let (db, house, told) = (with(&[("LIFE", "Short")]), house(), Told::default());
    for (hibernates, word) in [(false, "Over"), (true, "Hibernated")] {
        let ward = Ward {
            db: &db,
            created: created(),
            told: &told,
            over: None,
            hibernates,
            house: &house,
        };
        assert_eq!(ward.over_word(), word);
    }
}

proptest! {
    /// Whatever the clock does, forwards and backwards: no stage of a life is told twice, none
    /// before its time, and the newest one has been told after each look.
    #[test]
    fn each_stage_is_told_once_whatever_the_clock_does(
        jumps in proptest::collection::vec(-400i64..500, 1..60),
        medium in proptest::bool::ANY,
    ) {
        let db = with(&[("LIFE", if medium { "Medium" } else { "Short" })]);
        let house = house();
        let mut told = Told::default();
        let mut stages = BTreeSet::new();
        let mut now = created();
        for days in jumps {
            now += TimeDelta::days(days);
            let before = told.clone();
            let ward = Ward {
                db: &db,
                created: created(),
                told: &before,
                over: None,
                hibernates: false,
                house: &house,
            };
            let ends = ward.life_ends().unwrap();
            for notice in ward.due(now) {
                told.note(&notice);
                let Notice::Life { stage, .. } = notice else { unreachable!("nothing else is wrong") };
                prop_assert!(stages.insert(stage), "{stage:?} again");
                match stage {
                    Stage::DaysLeft(days) => {
                        prop_assert!(now < ends && ends - now <= TimeDelta::days(days.into()));
                    }
                    Stage::Over(months) => {
                        let since = ends + TimeDelta::days(28 * i64::from(months));
                        prop_assert!(since <= now);
                    }
                }
            }
            if now >= ends - TimeDelta::days(30) {
                prop_assert!(told.life.iter().any(|(_, stage)| Some(*stage) == super::stage(ends, now)));
            } else {
                prop_assert_eq!(super::stage(ends, now), None);
            }
        }
    }
}
