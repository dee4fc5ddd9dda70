use serde_json::{Value, json};

use super::*;

fn edit(spec: Value, state: Option<&str>, until: Option<Timestamp>) -> RowEdit {
    RowEdit {
        name: "assays".to_owned(),
        spec,
        state: state.map(str::to_owned),
        until,
        note: Some("INC-812".to_owned()),
    }
}

fn good() -> Value {
    json!({"engine": "MariaDB", "owner": "lab", "contact": "lab@example.org"})
}

fn later() -> Option<Timestamp> {
    Timestamp::from_timestamp(1_800_000_000, 0)
}

#[test]
fn a_state_without_an_end_is_part_of_the_spec() {
    let row = read(&edit(good(), Some("Stopped"), None)).unwrap();
    assert_eq!(row.parsed.raw.spec.state, Some(WantedState::Stopped));
    assert_eq!(row.overriding, None);
}

#[test]
fn a_state_with_an_end_is_a_word_over_the_spec() {
    let row = read(&edit(good(), Some("Stopped"), later())).unwrap();
    assert_eq!(row.parsed.raw.spec.state, None);
    let expected = (
        OverrideState::Stopped,
        later().unwrap(),
        "INC-812".to_owned(),
    );
    assert_eq!(row.overriding, Some(expected));
}

#[test]
fn the_column_wins_over_the_state_in_the_spec() {
    let mut spec = good();
    spec["state"] = json!("Stopped");
    let row = read(&edit(spec, Some("Running"), None)).unwrap();
    assert_eq!(row.parsed.raw.spec.state, Some(WantedState::Running));
}

#[test]
fn running_in_the_column_is_the_default_left_out() {
    let row = read(&edit(good(), Some("Running"), None)).unwrap();
    assert_eq!(row.parsed.raw.spec.state, None);
}

#[test]
fn null_takes_a_field_away() {
    let mut spec = good();
    spec["port"] = Value::Null;
    spec["resources"] = json!({"memory": null, "cpus": 1.5});
    let row = read(&edit(spec, None, None)).unwrap();
    assert!(row.parsed.flaws.is_empty());
    assert_eq!(row.parsed.raw.spec.port, None);
    let resources = row.parsed.raw.spec.resources.unwrap();
    assert_eq!(resources.memory, None);
    assert_eq!(resources.cpus.unwrap().0, "1.5");
}

#[test]
fn an_end_needs_a_state_that_can_end() {
    for (state, message) in [
        (
            None,
            "state row assays: until: ends a state, and no state is given",
        ),
        (
            Some("Retired"),
            "state row assays: until: Retired does not end; remove `until`, or set the state to \
             Stopped",
        ),
    ] {
        let row = read(&edit(good(), state, later())).unwrap();
        let flaws: Vec<String> = row.parsed.flaws.iter().map(ToString::to_string).collect();
        assert_eq!(flaws, [message]);
    }
}

#[test]
fn a_spec_that_is_no_mapping_is_refused() {
    for spec in [json!(null), json!([1]), json!("x")] {
        assert!(read(&edit(spec, None, None)).is_err());
    }
}
