//! From a text, or a row's JSON, to a spec that knows where its fields stand.

use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;

use crate::model::{DbName, Problem};

use super::document::{self, Guide, Node, Places};
use super::raw::{Metadata, RawSpec, Spec};

static GUIDE: LazyLock<Guide> = LazyLock::new(Guide::of::<RawSpec>);

/// A spec that was read, and where its fields stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The spec.
    pub raw: RawSpec,
    /// The places of its fields.
    pub places: Places,
    /// What is wrong with its shape; what these name is left out of `raw`. A spec with a flaw is
    /// never admitted: it goes that far only to have all of its problems found at once.
    pub flaws: Vec<Problem>,
}

/// Reads the text of a spec file. An error means that nothing can be made of it; anything less is
/// a flaw. Problems carry the database's name where that much could be read.
pub fn parse(text: &str, file: &Path) -> Result<Parsed, Vec<Problem>> {
    let document = document::parse(text, file).map_err(|problem| vec![problem])?;
    let name = name_in(&document.root);
    let named = |problems: Vec<Problem>| -> Vec<Problem> {
        match &name {
            Some(name) => problems.into_iter().map(|p| p.of(name)).collect(),
            None => problems,
        }
    };
    let mut flaws = document.problems;
    match GUIDE.read_partly::<RawSpec>(&document.root, file) {
        Ok(reading) => {
            flaws.extend(reading.problems);
            Ok(Parsed {
                raw: reading.value,
                places: reading.places,
                flaws: named(flaws),
            })
        }
        Err(problems) => {
            flaws.extend(problems);
            Err(named(flaws))
        }
    }
}

/// Reads a spec from the JSON of a row. Problems have `origin` in place of a file.
pub fn from_json(name: &str, spec: &Value, origin: &Path) -> Result<Parsed, Vec<Problem>> {
    let node = Node::from_json(spec);
    let reading = GUIDE.read_field_partly::<Spec>("spec", &node, origin)?;
    Ok(Parsed {
        raw: RawSpec {
            metadata: Metadata {
                name: name.to_owned(),
                ..Metadata::default()
            },
            spec: reading.value,
            ..RawSpec::default()
        },
        places: reading.places,
        flaws: reading.problems,
    })
}

/// The JSON Schema of a spec file, for editors.
pub fn schema() -> Value {
    let mut schema = GUIDE.schema().clone();
    if let Some(map) = schema.as_object_mut() {
        map.insert("title".to_owned(), "DB4Sci database".into());
    }
    schema
}

/// The name in a document that is not readable as a whole.
fn name_in(node: &Node) -> Option<DbName> {
    node.get("metadata")?.get("name")?.text()?.parse().ok()
}

#[cfg(test)]
mod tests;
