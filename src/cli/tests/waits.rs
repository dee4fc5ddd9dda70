//! Verbs that take their time.

use std::sync::Arc;

use super::fake::{FakeHost, out, start, world};
use crate::http::fake::{Fake, serve_at};
use crate::model::view::Phase;
use crate::model::{Outcome, Reason};
use crate::plan::render::sample::{at, held, ready};

#[tokio::test]
async fn wait_names_the_phase_and_the_reason_when_time_is_up() {
    let world = world(vec![
        ready("genomics", "Postgres", "17.5", 32011),
        held("proteomics", "MariaDB", 32012, Reason::DataLost),
    ])
    .await;
    assert_eq!(world.run("wait genomics").await, out("genomics is Ready\n"));
    let late = world.run("wait proteomics genomics --timeout 1s").await;
    assert_eq!((late.exit, late.out.as_str()), (1, ""));
    assert_eq!(
        late.err,
        "proteomics is not ready within 1s: Held (DataLost): the data directory is empty; it held \
         data before; db4sci describe proteomics\n"
    );
    let nobody = world.run("wait assays --timeout 1s").await;
    assert_eq!(nobody.exit, 1);
    assert!(
        nobody.err.contains("there is no such database"),
        "{}",
        nobody.err
    );
    assert_eq!(world.run("wait").await.exit, 2);
    assert_eq!(world.run("wait --all --for stopped").await.exit, 2);
}

#[tokio::test]
async fn what_programs_read_is_one_document_with_or_without_a_wait() {
    let world = world(vec![
        ready("genomics", "Postgres", "17.5", 32011),
        held("proteomics", "MariaDB", 32012, Reason::DataLost),
    ])
    .await;
    assert_eq!(world.run("wait genomics -o name").await, out("genomics\n"));
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, name).unwrap();
        path.display().to_string()
    };
    let (good, late) = (file("genomics"), file("proteomics"));
    for format in ["json", "yaml", "name"] {
        let line = format!("apply -f {good} -o {format}");
        let alone = world.run(&line).await;
        assert_eq!(world.run(&format!("{line} --wait")).await, alone, "{line}");
        let line = format!("apply -f {late} -o {format}");
        let alone = world.run(&line).await;
        let waited = world.run(&format!("{line} --wait --timeout 1s")).await;
        assert_eq!((waited.exit, waited.out), (1, alone.out), "{line}");
        let said = "proteomics is not settled within 1s: Held (DataLost)";
        assert!(waited.err.starts_with(said), "{}", waited.err);
    }
}

#[tokio::test]
async fn a_wait_that_is_over_tells_what_is_not_in_force_yet() {
    let mut waits = ready("genomics", "Postgres", "17.5", 32011);
    waits.reason = Some(Reason::NeedsApproval);
    waits.message = "restart: jit off; it waits for db4sci approve 0a1b2c3d genomics".to_owned();
    let world = world(vec![waits]).await;
    let said = world.run("wait genomics").await;
    let line = "genomics NeedsApproval: restart: jit off; it waits for db4sci approve 0a1b2c3d";
    assert_eq!(said, out(&format!("genomics is Ready\n{line} genomics\n")));
}

#[tokio::test]
async fn wait_for_all_takes_what_is_stopped_on_purpose_for_settled() {
    let mut stopped = ready("assays", "Postgres", "17.5", 32013);
    stopped.phase = Phase::Stopped;
    stopped.ready = false;
    let world = world(vec![ready("genomics", "Postgres", "17.5", 32011), stopped]).await;
    let said = world.run("wait --all").await;
    assert_eq!(said, out("genomics is Ready\nassays is Stopped\n"));
}

#[tokio::test]
async fn wait_knocks_until_the_daemon_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("db4sci.sock");
    let host = Arc::new(FakeHost {
        socket: socket.clone(),
        ..FakeHost::default()
    });
    let waiting = start(host, "wait genomics --timeout 30s");
    waiting.err.holds("waiting for it").await;
    let daemon = Fake::new(vec![ready("genomics", "Postgres", "17.5", 32011)]);
    let _served = serve_at(&daemon, socket).await;
    let said = waiting.end().await;
    assert_eq!((said.exit, said.out.as_str()), (0, "genomics is Ready\n"));
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
}

#[tokio::test]
async fn events_are_followed_until_the_daemon_goes() {
    let world = world(vec![ready("genomics", "Postgres", "17.5", 32011)]).await;
    world
        .daemon
        .record(at(19, 0), Some("genomics"), Outcome::Done, "created");
    let following = start(Arc::clone(&world.host), "events genomics --follow");
    following.out.holds("created").await;
    world
        .daemon
        .record(at(19, 1), Some("assays"), Outcome::Done, "another one's");
    world
        .daemon
        .record(at(19, 2), Some("genomics"), Outcome::Failed, "start failed");
    following.out.holds("start failed").await;
    world.served.stop.cancel();
    let said = following.end().await;
    assert_eq!(said.exit, 1);
    assert_eq!(
        said.out,
        "2026-11-22 19:00:00  genomics          done       created  (db4sci)\n\
         2026-11-22 19:02:00  genomics          failed     start failed  (db4sci)\n"
    );
}
