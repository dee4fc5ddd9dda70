//! One YAML document with the place of every part of it.
//!
//! Three kinds of file are read here: specs, the catalog and the settings. Deserializing straight
//! into a type stops at the first error, and a person who mistyped three fields should hear of all
//! three. So the text becomes a tree of [`Node`]s that know their line and column, and [`Guide`]
//! walks that tree along the type's own JSON Schema, collecting every problem, before serde sees
//! the result. The same walk reads JSON from a table's row, which has no lines.
//!
//! It refuses to know what a field means.

mod errors;
mod guide;
mod near;
mod node;
mod places;
mod schema;
mod walk;

pub use guide::{Guide, Reading};
pub use near::nearest;
pub use node::{Key, Kind, Node, Position};
pub use places::Places;

use std::path::Path;

use serde_yaml::{DuplicateKeyPolicy, MergeKeyPolicy, Options};

use crate::model::{Place, Problem};

/// The most bytes a document may have.
pub const MAX_BYTES: usize = 1 << 20;

/// A document: its tree, and what is wrong with it so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The tree, without what is wrong.
    pub root: Node,
    /// Keys that stand twice and the like.
    pub problems: Vec<Problem>,
}

impl Document {
    /// The tree of a document with which nothing is wrong.
    pub fn whole(self) -> Result<Node, Vec<Problem>> {
        if self.problems.is_empty() {
            Ok(self.root)
        } else {
            Err(self.problems)
        }
    }
}

/// Reads the one document of a file. An error: it is not readable as YAML, or too large.
pub fn parse(text: &str, file: &Path) -> Result<Document, Problem> {
    if text.len() > MAX_BYTES {
        return Err(too_large(file, text.len() as u64));
    }
    match serde_yaml::from_str_with_options(text, strict()) {
        Ok(tree) => Ok(node::from_tree(tree, text, file)),
        Err(error) => Err(errors::problem(&error, file)),
    }
}

/// Reads a document in which nothing may be wrong.
pub fn parse_whole(text: &str, file: &Path) -> Result<Node, Vec<Problem>> {
    parse(text, file).map_err(|problem| vec![problem])?.whole()
}

/// The text of a file's bytes; the problem names line and column of the first bad byte.
pub fn text<'a>(bytes: &'a [u8], file: &Path) -> Result<&'a str, Problem> {
    if bytes.len() > MAX_BYTES {
        return Err(too_large(file, bytes.len() as u64));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line = good.matches('\n').count() as u64 + 1;
        let column = good.rsplit('\n').next().unwrap_or("").chars().count() as u64 + 1;
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or(0);
        Problem::new(
            "",
            format!("not UTF-8: byte 0x{byte:02X}; save the file as UTF-8"),
        )
        .at(Place {
            file: file.to_owned(),
            line,
            column,
        })
    })
}

/// The problem of a file that is over the limit.
pub fn too_large(file: &Path, bytes: u64) -> Problem {
    Problem::new(
        "",
        format!("document too large: {bytes} bytes; at most 1 MiB is read"),
    )
    .at(whole(file))
}

/// A file as a whole.
pub fn whole(file: &Path) -> Place {
    Place {
        file: file.to_owned(),
        line: 0,
        column: 0,
    }
}

/// The strict profile: YAML 1.2 booleans, no tags, no merge keys, little patience for aliases, and
/// no source lines in messages, since these go to logs. Repeated keys reach our own visitor, which
/// names both lines.
fn strict() -> Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! { max_nodes: 50_000, max_depth: 32, max_aliases: 200 },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::Error,
        alias_limits: serde_yaml::alias_limits! { max_total_replayed_events: 5_000 },
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false
    }
}

#[cfg(test)]
mod tests;
