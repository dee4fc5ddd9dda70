//! The tree of a document.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_yaml::Spanned;

use crate::model::{Place, Problem};

use super::Document;

/// Where something stands in a text. Lines and columns count from 1; 0 is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

impl Position {
    /// This place of a file.
    pub fn of(self, file: &Path) -> Place {
        Place {
            file: file.to_owned(),
            line: self.line,
            column: self.column,
        }
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its place.
    pub at: Position,
    /// The value.
    pub kind: Kind,
}

/// A key of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its place.
    pub at: Position,
    /// The text.
    pub text: String,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: `key:` or `~`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it was written: `1.10` stays `1.10`.
    Number(String),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the text; no key stands twice.
    Map(Vec<(Key, Node)>),
}

impl Kind {
    /// What it is, for messages.
    pub fn noun(&self) -> &'static str {
        match self {
            Kind::Null => "nothing",
            Kind::Bool(_) => "true or false",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }
}

impl Node {
    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|(k, _)| k.text == key).map(|(_, v)| v),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) => None,
        }
    }

    /// The text, if it is text.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// A tree from JSON, which has no places. A `null` in a mapping counts as left out: that is
    /// how SQL takes a field away.
    pub fn from_json(value: &serde_json::Value) -> Node {
        use serde_json::Value;
        let kind = match value {
            Value::Null => Kind::Null,
            Value::Bool(b) => Kind::Bool(*b),
            Value::Number(n) => Kind::Number(n.to_string()),
            Value::String(s) => Kind::Text(s.clone()),
            Value::Array(items) => Kind::List(items.iter().map(Node::from_json).collect()),
            Value::Object(map) => Kind::Map(
                map.iter()
                    .filter(|(_, v)| !v.is_null())
                    .map(|(k, v)| {
                        let key = Key {
                            at: Position::default(),
                            text: k.clone(),
                        };
                        (key, Node::from_json(v))
                    })
                    .collect(),
            ),
        };
        Node {
            at: Position::default(),
            kind,
        }
    }
}

/// What the YAML library hands over.
pub(super) enum Tree {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Spanned<Tree>>),
    Map(Vec<(Spanned<Tree>, Spanned<Tree>)>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Number(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Map(entries))
    }
}

/// Gives every part its place and leaves out repeated keys, keys that are no text, and control
/// characters, which have no business in a name, a label or a configuration value.
pub(super) fn from_tree(tree: Spanned<Tree>, source: &str, file: &Path) -> Document {
    let mut reader = Reader {
        source,
        file,
        problems: Vec::new(),
    };
    let root = reader.node(tree, "");
    Document {
        root,
        problems: reader.problems,
    }
}

struct Reader<'a> {
    source: &'a str,
    file: &'a Path,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn node(&mut self, tree: Spanned<Tree>, path: &str) -> Node {
        let at = Position {
            line: tree.referenced.line(),
            column: tree.referenced.column(),
        };
        let kind = match tree.value {
            Tree::Null => Kind::Null,
            Tree::Bool(b) => Kind::Bool(b),
            Tree::Number(n) => Kind::Number(self.written(tree.defined.span()).unwrap_or(n)),
            Tree::Text(text) => {
                let control = |c: char| c.is_control() && c != '\n' && c != '\t';
                if let Some(c) = text.chars().find(|c| control(*c)) {
                    self.refuse(at, path, format!("has the control character {c:?}"));
                }
                Kind::Text(text)
            }
            Tree::List(items) => Kind::List(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(i, item)| self.node(item, &format!("{path}[{i}]")))
                    .collect(),
            ),
            Tree::Map(entries) => Kind::Map(self.entries(entries, path)),
        };
        Node { at, kind }
    }

    fn entries(
        &mut self,
        entries: Vec<(Spanned<Tree>, Spanned<Tree>)>,
        path: &str,
    ) -> Vec<(Key, Node)> {
        let mut first: BTreeMap<String, u64> = BTreeMap::new();
        let mut kept = Vec::new();
        for (key, value) in entries {
            let key = self.node(key, path);
            let text = match key.kind {
                Kind::Text(text) | Kind::Number(text) => text,
                Kind::Bool(b) => b.to_string(),
                Kind::Null | Kind::List(_) | Kind::Map(_) => {
                    let noun = key.kind.noun();
                    self.refuse(key.at, path, format!("a key must be text, found {noun}"));
                    continue;
                }
            };
            let field = join(path, &text);
            let value = self.node(value, &field);
            if let Some(line) = first.get(&text) {
                let again = key.at.line;
                let message = format!("repeated: first on line {line}, again on line {again}");
                self.refuse(key.at, &field, message);
                continue;
            }
            first.insert(text.clone(), key.at.line);
            kept.push((Key { at: key.at, text }, value));
        }
        kept
    }

    /// A number as it stands in the text.
    fn written(&self, span: serde_yaml::Span) -> Option<String> {
        let start = usize::try_from(span.byte_offset()?).ok()?;
        let len = usize::try_from(span.byte_len()?).ok()?;
        let text = self.source.get(start..start.checked_add(len)?)?;
        text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
            .then(|| text.to_owned())
    }

    fn refuse(&mut self, at: Position, path: &str, message: String) {
        self.problems
            .push(Problem::new(path, message).at(at.of(self.file)));
    }
}

/// A field below another one.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
