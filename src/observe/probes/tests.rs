//! What an answer, or none, makes of what was known.

use async_trait::async_trait;
use chrono::{TimeDelta, TimeZone, Utc};

use super::*;
use crate::admin::Keyring;
use crate::admin::testing::{StoppedClock, admitted, book, database, instant, new};
use crate::model::server::{Answer, Statement};
use crate::model::session::Session;
use crate::model::{Change, Secret};

/// Servers that always say the same.
struct Say(ServerError);

#[async_trait]
impl Servers for Say {
    async fn ask(&self, _: &Target, _: &str) -> Result<Answer, ServerError> {
        Err(self.0.clone())
    }
    async fn run(&self, _: &Target, _: &[Statement]) -> Result<(), ServerError> {
        Err(self.0.clone())
    }
    async fn login(&self, _: &Target) -> Result<(), ServerError> {
        Err(self.0.clone())
    }
    async fn sessions(&self, _: &Target, _: &str) -> Result<Vec<Session>, ServerError> {
        Err(self.0.clone())
    }
    async fn forget(&self, _: Uid) {}
}

/// What is known of a server after one question that ends so.
async fn asked(error: ServerError, before: &Probe) -> Probe {
    let db = database("genomics", 32011);
    let ring = Keyring::of([7; 32]);
    let sealed = Vault::with(ring.clone(), Arc::default)
        .seal(db.uid, ADMIN_SECRET, &Secret::new("a secret".to_owned()))
        .unwrap();
    let sealed = Change::Sealed {
        uid: db.uid,
        secrets: [(ADMIN_SECRET.to_owned(), sealed)].into(),
    };
    let book = Arc::new(book(vec![admitted(db.clone()), new("genomics", sealed)]));
    let asker = Asker {
        servers: Arc::new(Say(error)),
        vault: Arc::new(Vault::with(ring, move || book.clone())),
        clock: Arc::new(StoppedClock),
        site: crate::runtime::fixture::site(std::path::Path::new("/var/lib/db4sci")),
    };
    asker.ask(&db, "select 1", before).await
}

#[tokio::test]
async fn a_server_that_could_not_be_asked_is_as_it_was() {
    let answering = Probe::Answering {
        since: instant(-60),
        version: "17.2".to_owned(),
        account: true,
        further: [].into(),
        resorted: [].into(),
        connections: None,
    };
    let silent = Probe::Silent {
        since: instant(-60),
        failures: 1,
        why: "no answer".to_owned(),
        cause: Silence::Unexplained,
        answered_before: true,
    };
    for before in [answering, silent, Probe::NotAsked] {
        let lacks = "Too many open files (os error 24)".to_owned();
        let asked = |error| asked(error, &before);
        assert_eq!(asked(ServerError::NotAsked(lacks.clone())).await, before);
        let heard = asked(ServerError::Unreachable(lacks)).await;
        assert!(matches!(heard, Probe::Silent { .. }) && heard != before);
    }
}

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
