//! What is wrong with an input, said for a person.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::DbName;

/// Where in a file something stands; lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Line, from 1; 0 when the whole file is meant.
    pub line: u64,
    /// Column, from 1; 0 when the whole file is meant.
    pub column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}", self.file.display())
        } else {
            write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
        }
    }
}

/// One thing wrong with an input. Shown as `file:line:column: field: message`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Where, if it came from a file.
    pub place: Option<Place>,
    /// The database it concerns, as far as that is known.
    pub name: Option<DbName>,
    /// The field, in the spec's own spelling (`spec.resources.memory`); empty for the document.
    pub field: String,
    /// The value, what is allowed, and what to do. One line.
    pub message: String,
}

impl Problem {
    /// A problem of a field, without a place.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Problem {
            place: None,
            name: None,
            field: field.into(),
            message: message.into(),
        }
    }

    /// The same problem, at a place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// The same problem, of a database.
    #[must_use]
    pub fn of(mut self, name: &DbName) -> Self {
        self.name = Some(name.clone());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}
