//! What the YAML library refuses, in our words.

use std::path::Path;

use serde_yaml::granit_parser::ErrorKind;
use serde_yaml::{Error, ExternalMessageSource};

use crate::model::Problem;

use super::Position;

/// The problem that an error of the library stands for. Its text never shows a line of the file.
pub(super) fn problem(error: &Error, file: &Path) -> Problem {
    let at = error.location().map_or(Position::default(), |l| Position {
        line: l.line(),
        column: l.column(),
    });
    Problem::new("", message(error)).at(at.of(file))
}

const TOO_DEEP: &str = "document too large: at most 50,000 parts, 32 levels deep, 200 aliases";

fn message(error: &Error) -> String {
    match error {
        Error::WithSnippet { error, .. } | Error::AliasError { error, .. } => message(error),
        Error::ExternalMessage { source, msg, .. } => match source.as_ref() {
            ExternalMessageSource::Parser(error)
                if *error.kind() == ErrorKind::RecursionLimitExceeded =>
            {
                TOO_DEEP.to_owned()
            }
            // What else the parser says, in its words.
            _ => format!("not readable as YAML: {msg}"),
        },
        Error::Eof { .. } => "not readable as YAML: it ends too early".to_owned(),
        Error::MultipleDocuments { .. } => {
            "a second document begins here; write one a file".to_owned()
        }
        Error::MergeKeyNotAllowed { .. } => {
            "merge keys (`<<`) are not read; write the fields out".to_owned()
        }
        Error::UnsupportedTag { tag, .. } => {
            format!("the tag `{tag}` is not read; remove it")
        }
        Error::UnknownAnchor { .. } => "no anchor of this name stands above".to_owned(),
        Error::NonFiniteFloat { value, .. } => {
            format!("`{value}` is no number; put text in quotes")
        }
        Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            "document too large: its aliases stand for more than 5,000 parts".to_owned()
        }
        Error::Budget { .. } => TOO_DEEP.to_owned(),
        // The library's list is open; what is not named above keeps its words.
        other => {
            let text = other.to_string();
            let text = text.split(" at line ").next().unwrap_or(&text);
            format!("not readable as YAML: {text}")
        }
    }
}
