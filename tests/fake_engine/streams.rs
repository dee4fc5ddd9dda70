//! Answers that go on: events, pulls, logs, a job's output.

use std::time::Duration;

use db4sci::model::Timestamp;
use db4sci::runtime::jobs::Jobs;
use db4sci::runtime::{Runtime, RuntimeError};
use futures_util::StreamExt;
use serde_json::json;

use super::answers::{Answer, frame, no};
use super::life::job;
use super::{engine, spec};

const JSON: &str = "application/json";

fn event(action: &str) -> Vec<u8> {
    let event = json!({
        "Type": "container", "Action": action, "timeNano": 1_795_363_378_806_212_413_i64, "Later": {"x": 1},
        "Actor": {"ID": "ab", "Attributes": {"name": "genomics", "db4sci.uid": "u"}},
    });
    format!("{event}\n").into_bytes()
}

#[tokio::test]
async fn events_that_break_off_are_told_as_ended_and_the_list_works_on() {
    let (engine, docker) = engine();
    engine.put("genomics", "running");
    let two = || vec![event("die"), event("start")];
    for (answer, ends_well) in [
        (Answer::Stream(JSON, two()), true),
        (Answer::BrokenStream(JSON, two()), false),
        (
            Answer::Stream(
                JSON,
                [two(), vec![b"{\"Type\": garbage\n".to_vec()]].concat(),
            ),
            false,
        ),
    ] {
        engine.mend();
        engine.fault("/events", answer.clone());
        let all: Vec<_> = docker.events(None).collect().await;
        let good: Vec<&str> = all.iter().flatten().map(|e| e.action.as_str()).collect();
        assert_eq!(good, ["die", "start"], "{answer:?}");
        let last = all.last().unwrap();
        assert_eq!(last.is_ok(), ends_well, "{answer:?}: {last:?}");
        assert_eq!(docker.list().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn events_that_say_nothing_to_us_are_passed_over() {
    let (engine, docker) = engine();
    let odd = [
        json!({}),
        json!({"Type": "container"}),
        json!({"Action": "start", "Actor": {"ID": "x"}}),
    ];
    let odd = odd.iter().map(|event| format!("{event}\n").into_bytes());
    let all = odd.chain([event("die")]).collect();
    engine.fault("/events", Answer::Stream(JSON, all));
    let all: Vec<_> = docker.events(None).collect().await;
    assert_eq!(all.len(), 1, "{all:?}");
}

#[tokio::test]
async fn a_pull_that_fails_on_its_way_has_failed() {
    let (engine, docker) = engine();
    let begun = || b"{\"status\":\"Pulling\"}\r\n".to_vec();
    let failed = |why: &str| {
        let line = json!({"errorDetail": {"message": why}, "error": why});
        vec![begun(), format!("{line}\r\n").into_bytes()]
    };
    for (answer, unknown) in [
        (Answer::Stream(JSON, failed("unexpected EOF")), Some(false)),
        (
            Answer::Stream(
                JSON,
                failed("manifest for postgres:17 not found: manifest unknown"),
            ),
            Some(true),
        ),
        (
            no(404, "pull access denied, repository does not exist"),
            Some(true),
        ),
        (no(500, "toomanyrequests"), Some(false)),
        (
            Answer::Stream(JSON, failed("write /x: no space left on device")),
            None,
        ),
        (Answer::BrokenStream(JSON, vec![begun()]), None),
    ] {
        engine.mend();
        engine.fault("/images/create", answer.clone());
        let error = docker.pull("postgres:17").await.unwrap_err();
        let found = match &error {
            RuntimeError::Pull { unknown, .. } => Some(*unknown),
            _ => None,
        };
        assert_eq!(found, unknown, "{answer:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_job_s_output_that_is_garbled_or_cut_is_no_output() {
    let (engine, docker) = engine();
    let good = frame(1, b"one");
    for said in [
        [good.clone(), b"plain text, and no frame".to_vec()].concat(),
        [good.clone(), frame(3, b"of no stream")].concat(),
        [good.clone(), good[..6].to_vec()].concat(),
        [good.clone(), frame(1, b"more")[..10].to_vec()].concat(),
    ] {
        engine.state().job = (said.clone(), 0);
        let end = docker.run(&job(), Duration::from_secs(10)).await;
        assert!(
            end.is_err(),
            "{:?} gave {end:?}",
            String::from_utf8_lossy(&said)
        );
        assert!(engine.state().containers.is_empty(), "the job is removed");
    }
}

#[tokio::test]
async fn a_job_whose_end_nobody_tells_has_not_succeeded() {
    let (engine, docker) = engine();
    for answer in [
        Answer::Raw(Vec::new()),
        Answer::Json(200, json!({})),
        Answer::Json(200, json!({"StatusCode": null})),
        Answer::Body(200, JSON, Vec::new()),
        no(500, "no"),
    ] {
        engine.mend();
        let id = format!("/containers/{:064x}/wait", 1);
        engine.fault(&id, answer.clone());
        let end = docker.run(&job(), Duration::from_secs(10)).await;
        assert!(end.is_err(), "{answer:?} gave {end:?}");
        assert!(engine.state().containers.is_empty(), "the job is removed");
    }
}

#[tokio::test]
async fn a_job_that_cannot_be_looked_at_has_not_ended() {
    let (engine, docker) = engine();
    let id = docker.create(&spec("work")).await.unwrap();
    docker.start(&id).await.unwrap();
    assert_eq!(docker.ended(&id).await.unwrap(), None);
    let mut seen = engine.state().containers[id.as_str()].clone();
    for state in [
        json!(null),
        json!({"Pid": 0}),
        json!({"Status": "checkpointed", "Pid": 0}),
    ] {
        engine.mend();
        seen["State"] = state.clone();
        engine.fault("/containers/", Answer::Json(200, seen.clone()));
        let ended = docker.ended(&id).await;
        assert!(ended.is_err(), "{state} gave {ended:?}");
    }
}

#[tokio::test]
async fn a_log_that_is_long_is_kept_to_its_end() {
    let (engine, docker) = engine();
    let id = docker.create(&spec("genomics")).await.unwrap();
    let line = |n: u32| frame(1, format!("line {n}\n").as_bytes());
    engine.state().job = ((0..200_000).flat_map(line).collect(), 0);
    let log = docker.logs(&id, 100_000).await.unwrap();
    assert!(log.len() <= 64 * 1024 && log.ends_with("line 199999\n"));
}

#[tokio::test]
async fn a_job_that_is_over_and_cannot_be_removed_stays_and_only_one_that_goes_on_is_waited_for() {
    for (status, pid, waits) in [("exited", 0, false), ("running", 4711, true)] {
        let (engine, docker) = engine();
        for name in ["busy", "other"] {
            engine.put(name, "running");
        }
        let mut seen = engine.state().containers["busy"].clone();
        seen["State"] = json!({"Status": status, "Pid": pid, "ExitCode": 137});
        engine.fault("/containers/busy/json", Answer::Json(200, seen));
        let busy = no(500, "device or resource busy");
        engine.fault("/containers/busy", busy);
        let cleared = docker.clear("laws", Timestamp::MAX_UTC).await;
        assert_eq!(cleared.is_err(), waits, "{status}: {cleared:?}");
        let left: Vec<String> = engine.state().containers.keys().cloned().collect();
        assert_eq!(left, ["busy"], "{status}");
    }
}
