//! Where each field of a document stands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::model::{Place, Problem};

use super::Position;

/// The places of a document's fields, by their path (`spec.resources.memory`). A field that was
/// left out has the place of the nearest field around it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// The file, or what stands for one: `state row genomics`.
    pub origin: PathBuf,
    at: BTreeMap<String, Position>,
}

impl Places {
    /// No places yet.
    pub fn new(origin: &Path) -> Self {
        Places {
            origin: origin.to_owned(),
            at: BTreeMap::new(),
        }
    }

    /// Records a field's place.
    pub(super) fn record(&mut self, field: &str, at: Position) {
        self.at.insert(field.to_owned(), at);
    }

    /// The place of a field.
    pub fn place(&self, field: &str) -> Place {
        let mut path = field;
        loop {
            if let Some(at) = self.at.get(path) {
                return at.of(&self.origin);
            }
            match path.rfind(['.', '[']) {
                Some(cut) => path = &path[..cut],
                None if !path.is_empty() => path = "",
                None => return Position::default().of(&self.origin),
            }
        }
    }

    /// A problem, at its field's place if it has none yet.
    pub fn locate(&self, problem: Problem) -> Problem {
        if problem.place.is_some() {
            return problem;
        }
        let place = self.place(&problem.field);
        problem.at(place)
    }
}
