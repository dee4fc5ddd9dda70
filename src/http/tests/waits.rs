//! Questions that are answered later.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::two;
use crate::http::client::{Client, ClientError};
use crate::http::fake::{Fake, serve};
use crate::http::wait::{WaitAnswer, WaitFor};
use crate::model::view::{Phase, Snapshot};
use crate::model::{Entry, Outcome, Reason};
use crate::plan::render::sample;

#[tokio::test]
async fn a_wait_looks_anew_before_it_believes_that_all_is_well() {
    let fake = Fake::new(two());
    // The snapshot says Ready, and the container was removed a moment ago.
    *fake.look.lock().unwrap() = Box::new(|snapshot, _| {
        snapshot.databases[0].phase = Phase::Degraded;
        snapshot.databases[0].ready = false;
        snapshot.databases[0].reason = Some(Reason::Starting);
    });
    let served = serve(&fake).await;
    let client = Client::new(&served.socket);
    let question = json!({"for": "ready", "targets": [{"name": "genomics"}], "timeoutSeconds": 30});
    let waiting = tokio::spawn(async move { client.post("/wait", &question).await });
    let mut snapshots = crate::http::Backend::snapshot(fake.as_ref());
    snapshots
        .wait_for(|s| s.databases[0].phase == Phase::Degraded)
        .await
        .unwrap();
    assert!(!waiting.is_finished());
    fake.change(|snapshot| snapshot.databases = two());
    let answer: WaitAnswer = waiting.await.unwrap().unwrap();
    assert!(answer.reached, "{answer:?}");
}

#[tokio::test]
async fn a_wait_reads_the_specs_once_and_looks_once_at_each_however_often_it_is_named() {
    let fake = Fake::new(two());
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = looks.clone();
    *fake.look.lock().unwrap() = Box::new(move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let served = serve(&fake).await;
    let client = Client::new(&served.socket);
    let names = ["genomics", "proteomics", "genomics", "genomics"];
    let wait = |targets: Vec<Value>| {
        let question = json!({"for": "settled", "targets": targets, "timeoutSeconds": 1});
        let client = &client;
        async move { client.post::<_, WaitAnswer>("/wait", &question).await }
    };
    let answer = wait(names.map(|name| json!({"name": name})).into()).await;
    let answered: Vec<String> = answer
        .unwrap()
        .databases
        .iter()
        .map(|d| d.name.to_string())
        .collect();
    assert_eq!(answered, ["genomics", "proteomics"]);
    assert_eq!(fake.reads.load(Ordering::Relaxed), 1);
    assert_eq!(looks.load(Ordering::Relaxed), 2);

    let many = |n: usize| (0..n).map(|i| json!({"name": format!("a{i}")})).collect();
    assert!(wait(many(1000)).await.is_ok());
    let refused = wait(many(1001)).await.unwrap_err().to_string();
    assert!(refused.contains("at most 1000"), "{refused}");
    assert_eq!(looks.load(Ordering::Relaxed), 1002, "nobody is looked at");
}

#[tokio::test]
async fn a_wait_that_ends_says_where_things_stand() {
    let fake = Fake::new(vec![sample::held(
        "proteomics",
        "MariaDB",
        32012,
        Reason::DataLost,
    )]);
    let served = serve(&fake).await;
    let client = Client::new(&served.socket);
    let question = json!({
        "for": "ready",
        "targets": [{"name": "proteomics"}, {"name": "assays"}],
        "timeoutSeconds": 0,
    });
    let answer: WaitAnswer = client.post("/wait", &question).await.unwrap();
    assert!(!answer.reached);
    assert_eq!(answer.databases[0].phase, Some(Phase::Held));
    assert_eq!(answer.databases[0].reason, Some(Reason::DataLost));
    assert_eq!(answer.databases[1].phase, None);
    assert_eq!("ready".parse(), Ok(WaitFor::Ready));
}

#[tokio::test]
async fn a_wait_for_a_generation_ends_when_it_is_in_force_or_held_back() {
    let mut view = sample::ready("genomics", "Postgres", "17.5", 32011);
    view.generation = 4;
    let fake = Fake::new(vec![view]);
    let served = serve(&fake).await;
    let client = Client::new(&served.socket);
    let question = json!({
        "for": "ready",
        "targets": [{"name": "genomics", "generation": 4}],
        "timeoutSeconds": 0,
    });
    let answer: WaitAnswer = client.post("/wait", &question).await.unwrap();
    assert!(!answer.reached, "generation 3 is still what runs");
    fake.change(|snapshot| {
        let waits = sample::lane("genomics", crate::model::Cost::Restart, &["x"], vec![]);
        snapshot.databases[0].held = vec![sample::hold(
            Reason::OutsideWindow,
            "22:00",
            None,
            Some(waits),
        )];
    });
    let answer: WaitAnswer = client.post("/wait", &question).await.unwrap();
    assert!(answer.reached, "it waits for its window");
}

#[tokio::test]
async fn events_can_be_waited_for() {
    let fake = Fake::new(two());
    let served = serve(&fake).await;
    let client = Client::new(&served.socket);
    fake.record(sample::now(), Some("genomics"), Outcome::Done, "created");
    let all: Vec<Entry> = client.get("/events?limit=10").await.unwrap();
    assert_eq!(all.len(), 1);
    let next = {
        let client = client.clone();
        tokio::spawn(async move {
            client
                .get("/events?name=genomics&after=1&waitSeconds=30")
                .await
        })
    };
    fake.record(
        sample::now(),
        Some("assays"),
        Outcome::Done,
        "another one's",
    );
    fake.record(
        sample::now(),
        Some("genomics"),
        Outcome::Failed,
        "start failed",
    );
    let next: Vec<Entry> = next.await.unwrap().unwrap();
    assert_eq!(next[0].message, "start failed");
    let none: Vec<Entry> = client.get("/events?after=3").await.unwrap();
    assert!(none.is_empty());
}

#[tokio::test]
async fn a_stop_ends_long_waits_and_takes_the_socket_away() {
    let fake = Fake::new(vec![sample::held("a", "Postgres", 32011, Reason::DataLost)]);
    let served = serve(&fake).await;
    let client = Client::new(&served.socket);
    let question = json!({"for": "ready", "targets": [], "timeoutSeconds": 600});
    let waiting = {
        let client = client.clone();
        tokio::spawn(async move { client.post::<_, WaitAnswer>("/wait", &question).await })
    };
    let _: Snapshot = client.get("/snapshot").await.unwrap();
    served.stop.cancel();
    let error = tokio::time::timeout(Duration::from_secs(10), waiting)
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    // Refused by the daemon that goes, or never reached it: both say so.
    match error {
        ClientError::Problem(problem) => assert_eq!(problem.status, 503),
        ClientError::Broken { .. } | ClientError::Down { .. } => {}
        ClientError::Silent { .. } | ClientError::Denied { .. } | ClientError::Garbled { .. } => {
            panic!("{error}")
        }
    }
    while served.socket.exists() {
        tokio::task::yield_now().await;
    }
    let down = client.get::<Snapshot>("/snapshot").await.unwrap_err();
    assert!(down.is_down(), "{down}");
}
