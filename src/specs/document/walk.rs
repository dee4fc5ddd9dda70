//! The walk itself: node by node along the schema.

use std::path::Path;

use serde_json::{Map, Value};

use crate::model::Problem;

use super::node::join;
use super::schema::{allows, fits, range, resolve, wanted, words};
use super::{Key, Kind, Node, Places, Position, nearest};

/// A walk under way.
pub(super) struct Walk<'a> {
    root: &'a Value,
    pub places: Places,
    pub problems: Vec<Problem>,
}

/// Where in the document a node stands.
#[derive(Clone, Copy)]
pub(super) struct Slot<'s> {
    /// The field's path.
    field: &'s str,
    /// The place of its key, which stands for a mapping or list as a whole.
    key: Position,
    /// Whether what is around it cannot do without it: then what is right of it is kept.
    required: bool,
}

impl<'s> Slot<'s> {
    /// The place of a document as a whole.
    pub(super) fn whole(field: &'s str, node: &Node) -> Self {
        Slot {
            field,
            key: node.at,
            required: true,
        }
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(root: &'a Value, origin: &Path) -> Self {
        Walk {
            root,
            places: Places::new(origin),
            problems: Vec::new(),
        }
    }

    /// Reads a node; `None` after a refusal.
    pub(super) fn value(
        &mut self,
        schema: &'a Value,
        node: &Node,
        slot: Slot<'_>,
    ) -> Option<Value> {
        let field = slot.field;
        let anchor = match &node.kind {
            Kind::List(_) | Kind::Map(_) => slot.key,
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => node.at,
        };
        if anchor != Position::default() {
            self.places.record(field, anchor);
        }
        let schema = resolve(self.root, schema);
        if let Some(branches) = schema["anyOf"].as_array() {
            let fits = branches.iter().find(|b| fits(self.root, b, &node.kind));
            return match fits {
                Some(branch) => self.value(branch, node, slot),
                None => {
                    let wanted: Vec<String> =
                        branches.iter().map(|b| wanted(self.root, b)).collect();
                    self.mismatch(node, field, &wanted.join(" or "))
                }
            };
        }
        if let Some(words) = words(schema) {
            return self.word(&words, node, field);
        }
        match (&node.kind, schema["type"].as_str()) {
            (Kind::Map(entries), Some("object")) => self.object(schema, entries, anchor, slot),
            (Kind::List(items), Some("array")) => self.list(schema, items, node, field),
            (Kind::Text(text), Some("boolean")) => {
                let message = format!("`{}` is not true or false", shown(text));
                self.refuse(node.at, field, message)
            }
            (Kind::Text(text), Some("integer")) => {
                let message = format!(
                    "`{}` is text; write a number without quotes, {}",
                    shown(text),
                    range(schema)
                );
                self.refuse(node.at, field, message)
            }
            (Kind::Number(written), Some("integer")) => {
                self.integer(schema, written, node.at, field)
            }
            (kind, _) if fits(self.root, schema, kind) => self.scalar(schema, node, field),
            (_, _) => {
                let wanted = wanted(self.root, schema);
                self.mismatch(node, field, &wanted)
            }
        }
    }

    fn object(
        &mut self,
        schema: &'a Value,
        entries: &[(Key, Node)],
        anchor: Position,
        slot: Slot<'_>,
    ) -> Option<Value> {
        let known = schema["properties"].as_object();
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let others = match &schema["additionalProperties"] {
            Value::Object(_) | Value::Bool(true) => Some(&schema["additionalProperties"]),
            Value::Null | Value::Bool(false) => None,
            Value::Number(_) | Value::String(_) | Value::Array(_) => None,
        };
        let mut read = Map::new();
        for (key, value) in entries {
            let path = join(slot.field, &key.text);
            let Some(part) = known.and_then(|k| k.get(&key.text)).or(others) else {
                let message = unknown(&key.text, known);
                self.refuse::<()>(key.at, &path, message);
                continue;
            };
            let inner = Slot {
                field: &path,
                key: key.at,
                required: required.contains(&key.text.as_str()),
            };
            if let Some(part) = self.value(part, value, inner) {
                read.insert(key.text.clone(), part);
            }
        }
        for name in &required {
            if !entries.iter().any(|(key, _)| key.text == *name) {
                let message = "missing; it is required".to_owned();
                self.refuse::<()>(anchor, &join(slot.field, name), message);
            }
        }
        let whole = required.iter().all(|name| read.contains_key(*name));
        (whole || slot.required).then_some(Value::Object(read))
    }

    fn list(
        &mut self,
        schema: &'a Value,
        items: &[Node],
        node: &Node,
        field: &str,
    ) -> Option<Value> {
        let fixed = schema["prefixItems"].as_array();
        let count = items.len() as u64;
        let least = schema["minItems"].as_u64().unwrap_or(0);
        let most = schema["maxItems"].as_u64().unwrap_or(u64::MAX);
        if count < least || count > most {
            let wanted = match (least, most) {
                (1, u64::MAX) => "at least one entry".to_owned(),
                (least, u64::MAX) => format!("at least {least} entries"),
                (least, most) if least == most => format!("{least} entries"),
                (least, most) => format!("{least} to {most} entries"),
            };
            return self.refuse(
                node.at,
                field,
                format!("has {count} entries; expected {wanted}"),
            );
        }
        let read: Vec<Value> = items
            .iter()
            .enumerate()
            .filter_map(|(i, item)| {
                let part = fixed.and_then(|f| f.get(i)).unwrap_or(&schema["items"]);
                let path = format!("{field}[{i}]");
                let slot = Slot {
                    field: &path,
                    key: item.at,
                    required: false,
                };
                self.value(part, item, slot)
            })
            .collect();
        // A tuple cannot do without a part; another list can.
        let whole = fixed.is_none() || read.len() == items.len();
        whole.then_some(Value::Array(read))
    }

    fn word(&mut self, words: &[&str], node: &Node, field: &str) -> Option<Value> {
        let Some(text) = plain(&node.kind) else {
            return self.mismatch(node, field, &format!("one of {}", words.join(", ")));
        };
        if words.contains(&text.as_str()) {
            return Some(Value::String(text));
        }
        let hint = match nearest(&text, words.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? Allowed"),
            None => "allowed".to_owned(),
        };
        let message = format!(
            "`{}` is not allowed; {hint}: {}",
            shown(&text),
            words.join(", ")
        );
        self.refuse(node.at, field, message)
    }

    fn integer(
        &mut self,
        schema: &Value,
        written: &str,
        at: Position,
        field: &str,
    ) -> Option<Value> {
        let least = schema["minimum"].as_i64().unwrap_or(i64::MIN);
        let most = schema["maximum"].as_i64().unwrap_or(i64::MAX);
        match written.parse::<i64>() {
            Ok(n) if (least..=most).contains(&n) => Some(Value::from(n)),
            Ok(_) | Err(_) => {
                let message = format!("`{}` is not allowed; {}", shown(written), range(schema));
                self.refuse(at, field, message)
            }
        }
    }

    fn scalar(&mut self, schema: &Value, node: &Node, field: &str) -> Option<Value> {
        match (&node.kind, plain(&node.kind)) {
            (Kind::Bool(b), _) if !allows(schema, "string") => Some(Value::Bool(*b)),
            (_, Some(text)) => {
                let least = schema["minLength"].as_u64().unwrap_or(0);
                let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX);
                let long = text.chars().count() as u64;
                if long < least {
                    return self.refuse(node.at, field, "empty; a value is needed".to_owned());
                }
                if long > most {
                    let message = format!("{long} characters; at most {most} are allowed");
                    return self.refuse(node.at, field, message);
                }
                Some(Value::String(text))
            }
            (_, None) => Some(json(node)),
        }
    }

    fn mismatch<T>(&mut self, node: &Node, field: &str, wanted: &str) -> Option<T> {
        let message = if node.kind == Kind::Null {
            if field.is_empty() {
                "the document is empty".to_owned()
            } else {
                "has no value; give it one, or remove the key".to_owned()
            }
        } else {
            format!("expected {wanted}, found {}", node.kind.noun())
        };
        self.refuse(node.at, field, message)
    }

    fn refuse<T>(&mut self, at: Position, field: &str, message: String) -> Option<T> {
        let place = if at == Position::default() {
            self.places.place(field)
        } else {
            at.of(&self.places.origin)
        };
        self.problems.push(Problem::new(field, message).at(place));
        None
    }
}

/// A scalar's text as it was written.
fn plain(kind: &Kind) -> Option<String> {
    match kind {
        Kind::Text(text) | Kind::Number(text) => Some(text.clone()),
        Kind::Bool(b) => Some(b.to_string()),
        Kind::Null | Kind::List(_) | Kind::Map(_) => None,
    }
}

/// A value that nothing is known about.
fn json(node: &Node) -> Value {
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::Bool(b) => Value::Bool(*b),
        Kind::Number(text) | Kind::Text(text) => Value::String(text.clone()),
        Kind::List(items) => Value::Array(items.iter().map(json).collect()),
        Kind::Map(entries) => {
            let entries = entries.iter().map(|(k, v)| (k.text.clone(), json(v)));
            Value::Object(entries.collect())
        }
    }
}

fn unknown(key: &str, known: Option<&Map<String, Value>>) -> String {
    let names: Vec<&str> = known
        .into_iter()
        .flatten()
        .map(|(k, _)| k.as_str())
        .collect();
    match nearest(key, names.iter().copied()) {
        Some(near) => format!("unknown field; did you mean `{near}`?"),
        None => format!("unknown field; allowed: {}", names.join(", ")),
    }
}

/// A value for a message: one line, not too long.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("{}{dots}", short.escape_debug())
}
