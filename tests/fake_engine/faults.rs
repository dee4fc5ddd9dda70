//! Answers that are none, for every verb.

use std::time::Duration;

use db4sci::model::Class;
use db4sci::runtime::RuntimeError;
use serde_json::json;

use super::answers::{Answer, no};
use super::engine::Engine;
use super::{VERBS, call, engine};

/// Nothing of a call may be taken for an answer, and it may be tried again.
async fn fails(what: &str, answer: Answer) -> Vec<(&'static str, RuntimeError)> {
    let (engine, docker) = engine();
    let mut errors = Vec::new();
    for (verb, path) in VERBS {
        afresh(&engine, verb);
        engine.fault(path, answer.clone());
        let error = call(&docker, verb).await;
        let error = error.expect_err(&format!("{what}: {verb} took it for an answer"));
        assert_eq!(error.class(), Class::Transient, "{what}: {verb}: {error:?}");
        let told = error.to_string();
        assert!(
            !told.is_empty() && told.len() < 5000,
            "{what}: {verb}: {told}"
        );
        assert!(
            !matches!(error, RuntimeError::NotFound(_)),
            "{what}: {verb}: {error:?}"
        );
        errors.push((verb, error));
    }
    // And afterwards all is as before.
    for (verb, _) in VERBS {
        afresh(&engine, verb);
        if verb != "create" {
            call(&docker, verb)
                .await
                .unwrap_or_else(|e| panic!("{what}: then {verb}: {e}"));
        }
    }
    errors
}

/// Without faults, and a container that the verb has something to do with.
fn afresh(engine: &Engine, verb: &str) {
    engine.mend();
    let status = if verb == "unpause" {
        "paused"
    } else {
        "running"
    };
    engine.put("genomics", status);
}

/// Each verb whose answer is read, and not only its status.
const READ: [&str; 5] = ["info", "list", "inspect", "image", "create"];

async fn is_not_read(what: &str, answer: Answer) {
    let (engine, docker) = engine();
    for (verb, path) in VERBS.iter().filter(|(verb, _)| READ.contains(verb)) {
        afresh(&engine, verb);
        engine.fault(path, answer.clone());
        let error = call(&docker, verb).await;
        let error = error.expect_err(&format!("{what}: {verb} took it for an answer"));
        assert_eq!(error.class(), Class::Transient, "{what}: {verb}: {error:?}");
        assert!(
            !matches!(error, RuntimeError::NotFound(_)),
            "{what}: {verb}: {error:?}"
        );
    }
}

#[tokio::test]
async fn what_is_no_http_is_an_engine_that_does_not_answer() {
    for garbage in [
        &b"\x16\x03\x01 hello"[..],
        b"HTTP/1.1 ",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"\0",
    ] {
        for (verb, error) in fails("garbage", Answer::Raw(garbage.to_vec())).await {
            let away = matches!(
                error,
                RuntimeError::Unavailable(_) | RuntimeError::Pull { .. }
            );
            assert!(away, "{verb}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_ends_before_an_answer_is_an_engine_that_does_not_answer() {
    for (verb, error) in fails("closed", Answer::Raw(Vec::new())).await {
        let away = matches!(
            error,
            RuntimeError::Unavailable(_) | RuntimeError::Pull { .. }
        );
        assert!(away, "{verb}: {error:?}");
    }
}

#[tokio::test]
async fn an_engine_s_own_trouble_is_told_in_its_words() {
    for (status, message) in [
        (500, "layer does not exist"),
        (503, "shutting down"),
        (502, ""),
    ] {
        for (verb, error) in fails("trouble", no(status, message)).await {
            assert!(error.to_string().contains(message), "{verb}: {error}");
        }
    }
}

#[tokio::test]
async fn a_page_of_somebody_else_says_nothing_of_a_container() {
    let page = b"<html><body><h1>404 Not Found</h1></body></html>".to_vec();
    let answer = Answer::Body(404, "text/html", page);
    is_not_read("a page", answer.clone()).await;
    is_not_read("no such call", no(404, "page not found")).await;
    // What is not known to be gone is not removed either.
    let (engine, docker) = engine();
    engine.put("genomics", "running");
    engine.fault("/containers/genomics", answer);
    assert!(call(&docker, "remove").await.is_err());
    assert!(call(&docker, "inspect").await.is_err());
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_not_read_as_far_as_it_goes() {
    let whole = json!([{"Id": "a", "Names": ["/a"], "State": "running"}]);
    for kept in [0, 1, 20, whole.to_string().len() - 1] {
        is_not_read("cut", Answer::Cut(whole.clone(), kept)).await;
    }
    // Cut before its length was said: the JSON itself tells.
    for text in ["", "[", "{", "{\"Id\":\"genomics\",\"Name\":\"/geno"] {
        let answer = Answer::Body(200, "application/json", text.as_bytes().to_vec());
        is_not_read("short", answer).await;
    }
}

#[tokio::test]
async fn json_of_another_shape_is_no_answer() {
    for value in [
        json!(null),
        json!(7),
        json!("text"),
        json!({"Id": 7}),
        json!([7]),
    ] {
        let (engine, docker) = engine();
        for verb in ["list", "inspect", "image", "create"] {
            let path = VERBS.iter().find(|(name, _)| *name == verb).unwrap().1;
            afresh(&engine, verb);
            engine.fault(path, Answer::Json(200, value.clone()));
            let error = call(&docker, verb).await;
            let error = error.expect_err(&format!("{verb} took {value} for an answer"));
            assert_eq!(
                error.class(),
                Class::Transient,
                "{verb}: {value}: {error:?}"
            );
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_no_answer() {
    let body = b"[{\"Id\":\"\xff\xfe\",\"State\":\"running\"}]".to_vec();
    is_not_read("bytes", Answer::Body(200, "application/json", body)).await;
}

#[tokio::test]
async fn a_list_without_end_is_not_read_to_its_end() {
    let (engine, docker) = engine();
    let body = [b"[".to_vec(), vec![b' '; 70 << 20], b"]".to_vec()].concat();
    engine.fault(
        "/containers/json",
        Answer::Body(200, "application/json", body),
    );
    let error = call(&docker, "list").await.unwrap_err();
    assert!(matches!(error, RuntimeError::Engine(_)), "{error:?}");
    assert!(error.to_string().contains("at most"), "{error}");
}

#[tokio::test]
async fn an_answer_that_comes_slowly_is_waited_for() {
    let (engine, docker) = engine();
    engine.put("genomics", "running");
    let seen = engine.state().containers["genomics"].clone();
    let slow = Answer::Slow(Duration::from_millis(1), Box::new(Answer::Json(200, seen)));
    engine.fault("/containers/genomics/json", slow);
    let found = call(&docker, "inspect").await.unwrap();
    assert!(found.contains("Running"), "{found}");
}

/// The clock stands still while anybody is at work, so that no deadline is waited for.
#[tokio::test(start_paused = true)]
async fn an_engine_that_falls_silent_is_given_up_at_each_call_s_deadline() {
    for answer in [
        Answer::Silence,
        Answer::Slow(Duration::from_secs(60), Box::new(Answer::Status(200))),
    ] {
        let (engine, docker) = engine();
        // Agreed on before it falls silent.
        while call(&docker, "info").await.is_err() {}
        for (verb, path) in VERBS {
            engine.fault(path, answer.clone());
            let error = call(&docker, verb).await.unwrap_err();
            assert!(
                matches!(error, RuntimeError::Unavailable(_)),
                "{verb}: {error:?}"
            );
        }
    }
}
