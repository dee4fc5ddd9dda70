//! `mongod.conf`: YAML, whose options have names with dots.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The options of a configuration file, by their names with dots.
pub(super) fn options(text: &str) -> Result<BTreeMap<String, String>, String> {
    let tree: Value = serde_yaml::from_str(text).map_err(|e| format!("it is no YAML: {e}"))?;
    let mut found = BTreeMap::new();
    match tree {
        Value::Null => {}
        Value::Object(tree) => flatten("", &tree, &mut found)?,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err("it is no mapping of options, as mongod.conf is".to_owned());
        }
    }
    Ok(found)
}

fn flatten(
    above: &str,
    tree: &Map<String, Value>,
    found: &mut BTreeMap<String, String>,
) -> Result<(), String> {
    for (key, value) in tree {
        let name = format!("{above}{key}");
        match value {
            Value::Object(below) => flatten(&format!("{name}."), below, found)?,
            Value::String(text) => drop(found.insert(name, text.clone())),
            Value::Bool(_) | Value::Number(_) => drop(found.insert(name, value.to_string())),
            Value::Null | Value::Array(_) => {
                return Err(format!("`{name}` has no plain value"));
            }
        }
    }
    Ok(())
}

/// Puts a value at a name with dots. An option in the way of a whole section gives way to it.
pub(super) fn put(tree: &mut Map<String, Value>, name: &str, value: &str) {
    match name.split_once('.') {
        None => drop(tree.insert(name.to_owned(), Value::from(value))),
        Some((section, rest)) => {
            let below = tree.entry(section).or_insert_with(|| json!({}));
            if !below.is_object() {
                *below = json!({});
            }
            if let Some(below) = below.as_object_mut() {
                put(below, rest, value);
            }
        }
    }
}

/// Writes block YAML. Numbers and truth values stand plain, all else in double quotes as in JSON.
pub(super) fn render(tree: &Map<String, Value>, indent: usize, text: &mut String) {
    for (key, value) in tree {
        let space = " ".repeat(indent);
        match value.as_object() {
            Some(below) => {
                text.push_str(&format!("{space}{key}:\n"));
                render(below, indent + 2, text);
            }
            None => {
                let plain = value
                    .as_str()
                    .filter(|v| matches!(*v, "true" | "false") || v.parse::<f64>().is_ok());
                let shown = plain.map_or_else(|| value.to_string(), str::to_owned);
                text.push_str(&format!("{space}{key}: {shown}\n"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_a_tree_and_what_db4sci_promises_stands_in_it() {
        let mut tree = Map::new();
        put(&mut tree, "systemLog", "in the way");
        put(&mut tree, "systemLog.verbosity", "2");
        put(&mut tree, "systemLog.quiet", "true");
        put(&mut tree, "net.compression.compressors", "zstd,\"x\"");
        let mut text = String::new();
        render(&tree, 0, &mut text);
        let expected = "net:\n  compression:\n    compressors: \"zstd,\\\"x\\\"\"\n\
                        systemLog:\n  quiet: true\n  verbosity: 2\n";
        assert_eq!(text, expected);
        assert_eq!(options(&text).unwrap()["systemLog.verbosity"], "2");
    }
}
