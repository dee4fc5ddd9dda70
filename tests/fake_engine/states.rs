//! Words and fields of engines that are newer, or older, than this program.

use db4sci::model::Status;
use db4sci::runtime::Runtime;
use serde_json::{Value, json};

use super::answers::Answer;
use super::engine;

fn list(rows: Value) -> Answer {
    Answer::Json(200, rows)
}

#[tokio::test]
async fn a_state_that_is_not_known_is_neither_gone_nor_at_rest() {
    let (engine, docker) = engine();
    engine.put("genomics", "checkpointed");
    engine.put("proteomics", "running");
    let all = docker.list().await.unwrap();
    assert_eq!(all.len(), 2, "one strange container hides no other");
    let strange = all.iter().find(|row| row.name == "genomics").unwrap();
    assert!(strange.up, "it must not count as one at rest");
    let error = docker.inspect("genomics").await.unwrap_err();
    assert!(error.to_string().contains("checkpointed"), "{error}");
    let other = docker.inspect("proteomics").await.unwrap().unwrap();
    assert_eq!(other.status, Status::Running);
}

#[tokio::test]
async fn a_container_without_a_state_or_an_id_is_no_row() {
    let (engine, docker) = engine();
    for row in [
        json!({"Id": "a", "Names": ["/a"]}),
        json!({"Id": "a", "Names": ["/a"], "State": ""}),
        json!({"Id": "a", "Names": ["/a"], "State": null}),
        json!({"Names": ["/a"], "State": "running"}),
        json!({"Id": "", "State": "running"}),
        json!({"Id": "a", "State": 7}),
    ] {
        engine.mend();
        engine.fault("/containers/json", list(json!([row])));
        assert!(docker.list().await.is_err(), "{row}");
    }
}

#[tokio::test]
async fn fields_that_are_new_change_nothing() {
    let (engine, docker) = engine();
    engine.put("genomics", "running");
    let (mut row, mut seen) = {
        let state = engine.state();
        let seen = state.containers["genomics"].clone();
        (
            json!({"Id": "genomics", "Names": ["/genomics"], "State": "running"}),
            seen,
        )
    };
    for value in [&mut row, &mut seen] {
        value["Annotations"] = json!({"new": [1, null, {"deep": []}]});
        value["Health"] = json!({"Status": "ascending"});
    }
    seen["State"]["Temperature"] = json!(-3.5);
    seen["HostConfig"]["Gpus"] = json!([{"Model": "x"}]);
    seen["NetworkSettings"] =
        json!({"Networks": {"bridge": {"Priority": 18446744073709551615_u64}}});
    engine.fault("/containers/json", list(json!([row])));
    engine.fault("/containers/genomics/json", Answer::Json(200, seen));
    assert_eq!(docker.list().await.unwrap()[0].name, "genomics");
    let found = docker.inspect("genomics").await.unwrap().unwrap();
    assert_eq!(found.status, Status::Running);
}

#[tokio::test]
async fn null_stands_for_an_empty_list_within_a_container_and_for_none_of_containers() {
    let (engine, docker) = engine();
    let row = json!({"Id": "a", "Names": null, "Labels": null, "Ports": null, "State": "exited"});
    engine.fault("/containers/json", list(json!([row])));
    let all = docker.list().await.unwrap();
    assert!(all[0].labels.is_empty() && all[0].host_ports.is_empty() && !all[0].up);
    engine.mend();
    engine.put("genomics", "exited");
    let mut seen = engine.state().containers["genomics"].clone();
    seen["Mounts"] = Value::Null;
    seen["Config"]["Labels"] = Value::Null;
    seen["HostConfig"]["PortBindings"] = Value::Null;
    engine.fault("/containers/genomics/json", Answer::Json(200, seen));
    let found = docker.inspect("genomics").await.unwrap().unwrap();
    assert!(found.mounts.is_empty() && found.labels.is_empty());
    // Unreadable is not empty.
    engine.mend();
    engine.fault("/containers/json", list(Value::Null));
    assert!(docker.list().await.is_err());
}
