//! What was resolved before.

use crate::model::Database;

/// The database as it was admitted before, if it was.
#[derive(Clone, Copy)]
pub(super) struct History<'a>(pub Option<&'a Database>);

impl<'a> History<'a> {
    /// The earlier database, if a field (a JSON pointer into the spec) that is left out now was
    /// left out then, too: what it was given then stays.
    pub fn kept(self, field: &str) -> Option<&'a Database> {
        self.0.filter(|db| db.given.pointer(field).is_none())
    }

    /// What a person wrote into a field then.
    pub fn wrote(self, field: &str) -> Option<&'a str> {
        self.0?.given.pointer(field)?.as_str()
    }
}
