//! The catalog as it is written.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// The file: a section an engine.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct RawCatalog(pub BTreeMap<String, RawEngine>);

/// An engine's section.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEngine {
    /// The engine again, as the original wrote it.
    #[serde(default)]
    pub dbengine: Option<String>,
    /// Ports inside the container.
    #[schemars(length(min = 1), inner(range(min = 1, max = 65535)))]
    pub pub_ports: Vec<u16>,
    /// Where the original's backups went. Not used.
    #[serde(default)]
    #[allow(dead_code, reason = "accepted, since the original's table has it")]
    pub backupdir: Option<String>,
    /// Rows of source, folder below the database's, path in the container.
    #[schemars(length(min = 1))]
    pub volumes: Vec<RawVolume>,
    /// What to run after the image's entrypoint.
    #[serde(default)]
    pub command: RawCommand,
    /// The images; the first is the default.
    #[schemars(length(min = 1))]
    pub images: Vec<RawImage>,
}

/// Source, folder below the database's, path in the container.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct RawVolume(pub String, pub String, pub String);

/// A command: one line, split at spaces, or a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum RawCommand {
    Line(String),
    List(Vec<String>),
}

impl Default for RawCommand {
    fn default() -> Self {
        RawCommand::List(Vec::new())
    }
}

impl JsonSchema for RawCommand {
    fn schema_name() -> Cow<'static, str> {
        "Command".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" } }
        ] })
    }
}

impl RawCommand {
    pub(super) fn words(&self) -> Vec<String> {
        match self {
            RawCommand::Line(line) => line.split_whitespace().map(str::to_owned).collect(),
            RawCommand::List(list) => list.clone(),
        }
    }
}

/// An image: display name and reference, or a mapping with more.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum RawImage {
    Pair((String, String)),
    Row(Box<RawRow>),
}

/// An image with folders of its own.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRow {
    /// Its name on the form and in specs.
    #[schemars(length(min = 1))]
    pub display: String,
    /// What to pull, with a tag that names a version.
    #[schemars(length(min = 1))]
    pub image: String,
    /// Its series, where the tag does not show it.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub series: Option<String>,
    /// Volume rows instead of the engine's.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub volumes: Option<Vec<RawVolume>>,
    /// A file below the first data folder that the engine makes at its first start.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub sentinel: Option<String>,
    /// Numeric owner of the data in the image.
    #[serde(default)]
    #[schemars(range(min = 1, max = 65535))]
    pub uid: Option<u32>,
}

impl JsonSchema for RawImage {
    fn schema_name() -> Cow<'static, str> {
        "Image".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let row = generator.subschema_for::<RawRow>();
        let text = || json_schema!({ "type": "string", "minLength": 1 });
        json_schema!({ "anyOf": [
            {
                "type": "array",
                "prefixItems": [text(), text()],
                "minItems": 2,
                "maxItems": 2
            },
            row
        ] })
    }
}

impl RawImage {
    pub(super) fn display(&self) -> &str {
        match self {
            RawImage::Pair((display, _)) => display,
            RawImage::Row(row) => &row.display,
        }
    }

    pub(super) fn image(&self) -> &str {
        match self {
            RawImage::Pair((_, image)) => image,
            RawImage::Row(row) => &row.image,
        }
    }

    fn row(&self) -> Option<&RawRow> {
        match self {
            RawImage::Pair(_) => None,
            RawImage::Row(row) => Some(row),
        }
    }

    pub(super) fn series(&self) -> Option<&str> {
        self.row()?.series.as_deref()
    }

    pub(super) fn volumes(&self) -> Option<&[RawVolume]> {
        self.row()?.volumes.as_deref()
    }

    pub(super) fn sentinel(&self) -> Option<&str> {
        self.row()?.sentinel.as_deref()
    }

    pub(super) fn uid(&self) -> Option<u32> {
        self.row()?.uid
    }
}
