//! What an answer, or none, makes of what was known.

use async_trait::async_trait;

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
async fn after(error: ServerError, before: &Probe) -> Probe {
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
        let after = |error| after(error, &before);
        assert_eq!(after(ServerError::NotAsked(lacks.clone())).await, before);
        let heard = after(ServerError::Unreachable(lacks)).await;
        assert!(matches!(heard, Probe::Silent { .. }) && heard != before);
    }
}
