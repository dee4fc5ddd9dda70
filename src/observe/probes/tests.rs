use chrono::{TimeDelta, TimeZone, Utc};

use super::*;

fn noon() -> Timestamp {
    Utc.with_ymd_and_hms(2026, 11, 25, 12, 0, 0).unwrap()
}

fn after(before: &Probe, error: ServerError, seconds: i64) -> (i64, Silence, bool) {
    let now = noon() + TimeDelta::seconds(seconds);
    let Probe::Silent {
        since,
        cause,
        answered_before,
        ..
    } = silent(before, &error, now)
    else {
        panic!("it did not answer");
    };
    ((since - noon()).num_seconds(), cause, answered_before)
}

#[test]
fn a_server_that_says_that_it_recovers_is_known_by_its_word_and_one_that_ends_is_not() {
    let answered = Probe::Answering {
        since: noon(),
        version: "17.5".to_owned(),
        account: true,
        further: Default::default(),
        resorted: Default::default(),
        connections: None,
    };
    let words = || "so".to_owned();
    for (error, cause, hangs) in [
        (ServerError::NotReady(words()), Silence::NotReady, false),
        (
            ServerError::Interrupted(words()),
            Silence::Unexplained,
            false,
        ),
        (
            ServerError::Unreachable(words()),
            Silence::Unexplained,
            true,
        ),
    ] {
        assert_eq!(after(&answered, error, 5), (5, cause, hangs));
    }
}

#[test]
fn a_server_that_falls_silent_in_its_recovery_has_its_deadline_from_its_last_word() {
    let words = || "so".to_owned();
    let recovers = silent(&Probe::NotAsked, &ServerError::NotReady(words()), noon());
    let again = after(&recovers, ServerError::NotReady(words()), 5000);
    assert_eq!(again, (0, Silence::NotReady, false));
    for error in [
        ServerError::Unreachable(words()),
        ServerError::Interrupted(words()),
    ] {
        let fell = after(&recovers, error, 5000);
        assert_eq!(fell, (5000, Silence::Unexplained, false));
    }
    let gone = silent(&Probe::NotAsked, &ServerError::Unreachable(words()), noon());
    let still = after(&gone, ServerError::Unreachable(words()), 5000);
    assert_eq!(still, (0, Silence::Unexplained, false));
}
