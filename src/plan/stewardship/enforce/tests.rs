use chrono::TimeDelta;
use proptest::prelude::*;

use crate::model::{
    Database, Enforce, EngineKind, Measure, Notice, OverrideState, Timestamp, Told, WantedState,
};
use crate::plan::stewardship::{House, Ward};
use crate::plan::tests::database;

fn at(text: &str) -> Timestamp {
    format!("{text}T12:00:00Z").parse().unwrap()
}

/// Six months after the last of August is the last of February.
fn created() -> Timestamp {
    at("2026-08-31")
}

/// A database whose life is short, and what was told of it.
struct Life {
    db: Database,
    house: House,
    told: Told,
    over: Option<OverrideState>,
}

impl Life {
    fn new() -> Self {
        let mut db = database();
        db.facts = [("LIFE".to_owned(), "Short".to_owned())].into();
        let house = House {
            stores: vec!["local".to_owned()],
            enforce: Some(Enforce::default()),
            ..House::default()
        };
        Life {
            db,
            house,
            told: Told::default(),
            over: None,
        }
    }

    /// What is told at an instant about the measures; it is written down.
    fn tell(&mut self, now: Timestamp) -> Vec<String> {
        let before = self.told.clone();
        let ward = Ward {
            db: &self.db,
            created: created(),
            told: &before,
            over: self.over,
            hibernates: false,
            house: &self.house,
        };
        let due = ward.due(now);
        due.iter().for_each(|notice| self.told.note(notice));
        let of_measures = |notice: &&Notice| matches!(notice, Notice::Enforced { .. });
        let due = due.iter().filter(of_measures);
        due.map(|notice| ward.message(notice, now)).collect()
    }

    fn measure(&mut self, day: &str) -> Option<Measure> {
        self.tell(at(day));
        self.told.measure()
    }
}

#[test]
fn it_is_announced_then_read_only_then_hibernates() {
    let mut life = Life::new();
    let mut days = Vec::new();
    let mut now = created();
    while now < at("2027-06-01") {
        for words in life.tell(now) {
            let first: Vec<&str> = words.split_whitespace().take(7).collect();
            days.push(format!("{} {}", now.format("%F"), first.join(" ")));
        }
        now += TimeDelta::days(1);
    }
    assert_eq!(
        days,
        [
            "2027-01-29 what its life asks for is announced:",
            "2027-03-14 its life is over: its users may",
            "2027-04-29 its life is over: it is stopped",
        ]
    );
}

#[test]
fn without_the_setting_nothing_is_done() {
    let mut life = Life::new();
    life.house.enforce = None;
    assert_eq!(life.measure("2029-01-01"), None);
}

#[test]
fn a_life_that_was_over_before_anybody_was_told_has_as_long_from_then_on() {
    let mut life = Life::new();
    assert_eq!(life.measure("2028-05-01"), Some(Measure::Announced));
    assert_eq!(life.measure("2028-05-14"), Some(Measure::Announced));
    assert_eq!(life.measure("2028-05-15"), Some(Measure::ReadOnly));
    assert_eq!(life.measure("2028-06-30"), Some(Measure::Hibernation));
}

#[test]
fn a_longer_life_and_a_setting_taken_back_end_it() {
    let mut life = Life::new();
    life.measure("2027-01-30");
    assert_eq!(life.measure("2027-05-01"), Some(Measure::Hibernation));
    life.db.facts.insert("LIFE".to_owned(), "Long".to_owned());
    let words = life.tell(at("2027-05-02"));
    assert!(words[0].starts_with("nothing is done about its life any more"));
    assert_eq!(life.told.measure(), None);
    assert!(life.tell(at("2027-05-03")).is_empty());

    let mut life = Life::new();
    life.measure("2027-01-30");
    life.measure("2027-05-01");
    life.house.enforce = None;
    assert_eq!(life.measure("2027-05-02"), None);
    // And begins anew, announced anew.
    life.house.enforce = Some(Enforce::default());
    assert_eq!(life.measure("2027-05-03"), Some(Measure::Announced));
}

#[test]
fn a_person_wakes_it_for_a_while_and_a_stop_or_maintenance_changes_nothing() {
    let mut life = Life::new();
    life.measure("2027-01-30");
    life.measure("2027-05-01");
    for over in [OverrideState::Stopped, OverrideState::Maintenance] {
        life.over = Some(over);
        assert_eq!(life.measure("2027-05-02"), Some(Measure::Hibernation));
    }
    life.over = Some(OverrideState::Running);
    let words = life.tell(at("2027-05-03"));
    assert!(
        words[0].starts_with("a person wants it to run"),
        "{words:?}"
    );
    assert_eq!(life.told.measure(), Some(Measure::Announced));
    life.over = None;
    // It was announced: nobody is told anew.
    assert_eq!(life.measure("2027-05-10"), Some(Measure::Hibernation));
    assert_eq!(life.told.enforced.map(|e| e.since), Some(at("2027-05-10")));
}

#[test]
fn a_start_without_an_end_has_one_once_the_life_is_over_and_what_is_wanted_goes_on_after_it() {
    use super::ends;
    use OverrideState::{Maintenance, Running, Stopped};
    let now = at("2027-05-03");
    let (said, bound) = (Some(at("2027-09-01")), Some(at("2027-05-17")));
    for (state, until, held_back, expected) in [
        (Running, None, true, bound),
        // An end that a person names is that person's to choose.
        (Running, said, true, said),
        (Running, None, false, None),
        (Stopped, None, true, None),
        (Maintenance, None, true, None),
    ] {
        assert_eq!(
            ends(state, until, held_back, now),
            expected,
            "{state:?} {held_back}"
        );
    }
    let mut life = Life::new();
    life.measure("2027-01-30");
    assert_eq!(life.measure("2027-05-01"), Some(Measure::Hibernation));
    life.over = Some(Running);
    assert_eq!(life.measure("2027-05-03"), Some(Measure::Announced));
    life.over = None;
    assert_eq!(life.measure("2027-05-17"), Some(Measure::Hibernation));
}

#[test]
fn what_is_stopped_by_its_spec_or_retired_is_left_alone() {
    for state in [
        WantedState::Stopped,
        WantedState::Maintenance,
        WantedState::Retired,
    ] {
        let mut life = Life::new();
        life.db.state = state;
        assert_eq!(life.measure("2027-05-01"), None, "{state:?}");
    }
}

#[test]
fn each_word_says_when_what_and_what_to_do() {
    let mut life = Life::new();
    let words = life.tell(at("2027-01-30"));
    assert_eq!(
        words,
        [
            "what its life asks for is announced: its users may only read from 2027-03-14 12:00 UTC on, and \
             it hibernates from 2027-04-29 12:00 UTC on: set a longer `life` in its spec, or retire it \
             (db4sci delete genomics); for a while: db4sci start genomics --for 7d (owner lab, contact \
             lab@example.org)"
        ]
    );
    let words = life.tell(at("2027-03-20"));
    assert!(
        words[0]
            .contains("(`default_transaction_read_only` is `on`); it hibernates from 2027-04-29")
    );
    let mut life = Life::new();
    life.db.engine = EngineKind::MongoDB;
    life.measure("2027-01-30");
    let words = life.tell(at("2027-03-20"));
    assert!(
        words[0].contains("MongoDB cannot hold its users to reading"),
        "{words:?}"
    );
}

proptest! {
    /// Whatever the clock does and whoever wakes it: nothing is done before the end of its life, nothing
    /// sooner after its announcement than the settings say, and no two words in a row are the same.
    #[test]
    fn nothing_is_done_that_was_not_announced_for_long_enough(
        steps in proptest::collection::vec((-200i64..300, 0u8..4), 1..60),
    ) {
        let mut life = Life::new();
        let rules = Enforce::default();
        let ends = at("2027-02-28");
        let mut now = created();
        for (days, who) in steps {
            now += TimeDelta::days(days);
            life.over = (who == 0).then_some(OverrideState::Running);
            let before = life.told.enforced;
            let words = life.tell(now);
            let after = life.told.enforced;
            prop_assert_eq!(words.is_empty(), before == after);
            let Some(after) = after else { continue };
            let from = ends.max(after.announced);
            match after.measure {
                Measure::Announced => {}
                Measure::ReadOnly => prop_assert!(now >= from + rules.read_only_after),
                Measure::Hibernation => prop_assert!(now >= from + rules.hibernate_after),
            }
            if life.over.is_some() {
                prop_assert_eq!(after.measure, Measure::Announced);
            }
        }
    }
}
