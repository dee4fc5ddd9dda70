use std::collections::BTreeSet;

use super::*;

/// The schema is a contract with editors and scripts: a change of it must be seen in review.
#[test]
fn the_schema_is_what_it_was() {
    insta::assert_json_snapshot!(schema());
}

#[test]
fn every_field_is_described_and_none_may_be_null() {
    fn walk(schema: &Value, path: &str, bare: &mut BTreeSet<String>) {
        if schema["type"] == "null" {
            bare.insert(format!("{path} may be null"));
        }
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            if field["description"].as_str().is_none_or(str::is_empty) {
                bare.insert(format!("{path}.{name} has no description"));
            }
            walk(field, &format!("{path}.{name}"), bare);
        }
        for (name, part) in schema["$defs"].as_object().into_iter().flatten() {
            walk(part, name, bare);
        }
    }
    let mut bare = BTreeSet::new();
    walk(&schema(), "", &mut bare);
    assert_eq!(bare, BTreeSet::new());
}
