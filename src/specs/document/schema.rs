//! What a part of a JSON Schema says, as far as `schemars` makes it of our types.

use serde_json::Value;

use super::Kind;

/// Takes `null` out of what a schema allows, and `default` out of what it says: the types' empty
/// values are not what a field that is left out means.
pub(super) fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.remove("default");
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|t| t != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    map.insert("type".to_owned(), one);
                }
            }
            if let Some(Value::Array(branches)) = map.get_mut("anyOf") {
                branches.retain(|b| b["type"] != "null");
                if let [one] = branches.as_mut_slice() {
                    let one = one.take();
                    map.remove("anyOf");
                    if let Value::Object(one) = one {
                        for (key, value) in one {
                            map.entry(key).or_insert(value);
                        }
                    }
                }
            }
            for (key, part) in map {
                match (key.as_str(), part) {
                    // Names of fields and types, not words of a schema.
                    ("properties" | "$defs", Value::Object(parts)) => {
                        parts.values_mut().for_each(tidy);
                    }
                    (_, part) => tidy(part),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Follows `$ref`.
pub(super) fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    schema["$ref"]
        .as_str()
        .and_then(|r| r.strip_prefix('#'))
        .and_then(|r| root.pointer(r))
        .unwrap_or(schema)
}

/// The words that a schema allows, if it is a list of words.
pub(super) fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(word) = schema["const"].as_str() {
        return Some(vec![word]);
    }
    if let Some(list) = schema["enum"].as_array() {
        return list.iter().map(Value::as_str).collect();
    }
    let branches = schema["oneOf"].as_array()?;
    let lists: Option<Vec<Vec<&str>>> = branches.iter().map(words).collect();
    lists.map(|lists| lists.concat())
}

pub(super) fn allows(schema: &Value, kind: &str) -> bool {
    match &schema["type"] {
        Value::Array(types) => types.iter().any(|t| t == kind),
        other => other == kind,
    }
}

pub(super) fn range(schema: &Value) -> String {
    match (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
        (Some(least), Some(most)) => format!("allowed: {least} to {most}"),
        (Some(least), None) => format!("at least {least}"),
        (None, Some(most)) => format!("at most {most}"),
        (None, None) => "a whole number is expected".to_owned(),
    }
}

/// Whether a schema allows this kind of value. Text may be written as a number: `1.10`.
pub(super) fn fits(root: &Value, schema: &Value, kind: &Kind) -> bool {
    let schema = resolve(root, schema);
    if schema.get("type").is_none() && words(schema).is_none() {
        return true;
    }
    match kind {
        Kind::Null => false,
        Kind::Bool(_) => allows(schema, "boolean"),
        Kind::Number(_) => allows(schema, "integer") || allows(schema, "string"),
        Kind::Text(_) => allows(schema, "string") || words(schema).is_some(),
        Kind::List(_) => allows(schema, "array"),
        Kind::Map(_) => allows(schema, "object"),
    }
}

/// What a schema wants, for messages.
pub(super) fn wanted(root: &Value, schema: &Value) -> String {
    let schema = resolve(root, schema);
    let noun = |t: &str| match t {
        "object" => "a mapping",
        "array" => "a list",
        "integer" | "number" => "a number",
        "boolean" => "true or false",
        _ => "text",
    };
    match &schema["type"] {
        Value::Array(types) => types
            .iter()
            .filter_map(Value::as_str)
            .map(noun)
            .collect::<Vec<_>>()
            .join(" or "),
        other => noun(other.as_str().unwrap_or("string")).to_owned(),
    }
}
