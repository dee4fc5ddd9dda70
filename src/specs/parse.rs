//! From a text, or a row's JSON, to a spec that knows where its fields stand.

use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;

use crate::model::{DbName, Problem};

use super::document::{self, Guide, Node, Places};
use super::raw::{ApiVersion, DocumentKind, Ignored, Metadata, RawSpec, Spec};

static GUIDE: LazyLock<Guide> = LazyLock::new(Guide::of::<RawSpec>);

/// A spec that was read, and where its fields stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The spec.
    pub raw: RawSpec,
    /// The places of its fields.
    pub places: Places,
}

/// Reads the text of a spec file. All problems of the file are found at once; each carries the
/// database's name where that much could be read.
pub fn parse(text: &str, file: &Path) -> Result<Parsed, Vec<Problem>> {
    let node = document::parse(text, file)?;
    GUIDE
        .read::<RawSpec>(&node, file)
        .map(|(raw, places)| Parsed { raw, places })
        .map_err(|problems| match name_in(&node) {
            Some(name) => problems.into_iter().map(|p| p.of(&name)).collect(),
            None => problems,
        })
}

/// Reads a spec from the JSON of a row. Problems have `origin` in place of a file.
pub fn from_json(name: &str, spec: &Value, origin: &Path) -> Result<Parsed, Vec<Problem>> {
    let (spec, places) = GUIDE.read_field::<Spec>("spec", &Node::from_json(spec), origin)?;
    Ok(Parsed {
        raw: RawSpec {
            api_version: ApiVersion::V1,
            kind: DocumentKind::Database,
            metadata: Metadata {
                name: name.to_owned(),
                labels: Default::default(),
            },
            spec,
            status: Ignored,
        },
        places,
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
