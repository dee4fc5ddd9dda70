//! Engines of other versions.

use db4sci::model::Class;
use db4sci::runtime::{Runtime, RuntimeError};
use serde_json::json;

use super::answers::Answer;
use super::engine::Versions;
use super::{VERBS, call, engine};

fn versions(oldest: &str, newest: &str) -> Versions {
    Versions {
        newest: newest.to_owned(),
        oldest: oldest.to_owned(),
    }
}

#[tokio::test]
async fn every_version_from_docker_20_10_on_is_spoken() {
    let known = bollard_s_newest();
    for minor in 41..=known + 5 {
        let (engine, docker) = engine();
        engine.state().versions = versions("1.24", &format!("1.{minor}"));
        let spoken = docker.info().await.unwrap().api;
        assert_eq!(spoken, format!("1.{}", minor.min(known)), "of 1.{minor}");
        for (verb, _) in VERBS {
            engine.put("genomics", "running");
            if verb != "create" {
                call(&docker, verb)
                    .await
                    .unwrap_or_else(|e| panic!("1.{minor}: {verb}: {e}"));
            }
        }
    }
}

/// The newest version that the library asks for.
fn bollard_s_newest() -> u32 {
    let version = bollard::API_DEFAULT_VERSION;
    u32::try_from(version.minor_version).unwrap()
}

#[tokio::test]
async fn an_engine_that_is_too_old_is_refused_by_its_version() {
    for newest in ["1.24", "1.40", "0.9"] {
        let (engine, docker) = engine();
        engine.state().versions = versions("1.12", newest);
        let error = docker.list().await.unwrap_err();
        assert_eq!(error.class(), Class::Permanent, "{error:?}");
        let told = error.to_string();
        for words in [newest, "1.41", "20.10", "docker.sock"] {
            assert!(told.contains(words), "{told}");
        }
        // It is asked again: another one may stand there tomorrow.
        engine.state().versions = versions("1.12", "1.41");
        docker.list().await.unwrap();
    }
}

#[tokio::test]
async fn an_engine_that_knows_no_version_of_ours_says_so() {
    let (engine, docker) = engine();
    engine.state().versions = versions("1.90", "1.99");
    let error = docker.list().await.unwrap_err();
    assert_eq!(error.class(), Class::Transient, "{error:?}");
    assert!(
        error
            .to_string()
            .contains("Minimum supported API version is 1.90"),
        "{error}"
    );
}

#[tokio::test]
async fn an_engine_that_was_exchanged_for_another_version_is_agreed_with_anew() {
    let (engine, docker) = engine();
    engine.put("genomics", "running");
    for (oldest, newest) in [
        ("1.12", "1.41"),
        ("1.44", "1.52"),
        ("1.24", "1.43"),
        ("1.44", "1.48"),
    ] {
        engine.state().versions = versions(oldest, newest);
        // The first call finds out, in whatever way it asks; the next one is answered.
        for verb in ["list", "inspect"] {
            if let Err(error) = call(&docker, verb).await {
                assert!(
                    matches!(error, RuntimeError::Unavailable(_)),
                    "{verb}: {error:?}"
                );
            }
            call(&docker, verb)
                .await
                .unwrap_or_else(|e| panic!("{oldest} to {newest}: {verb}: {e}"));
        }
        assert_eq!(docker.info().await.unwrap().api, newest);
    }
}

#[tokio::test]
async fn a_version_that_is_none_is_no_agreement() {
    let (engine, docker) = engine();
    for answer in [
        json!({}),
        json!({"ApiVersion": null}),
        json!({"ApiVersion": "new"}),
        json!({"ApiVersion": "1.41.2"}),
        json!({"ApiVersion": ""}),
        json!([]),
        json!(null),
    ] {
        engine.mend();
        engine.fault("/version", Answer::Json(200, answer.clone()));
        let error = docker.list().await.unwrap_err();
        assert_eq!(error.class(), Class::Transient, "{answer}: {error:?}");
    }
    engine.mend();
    docker.list().await.unwrap();
}
