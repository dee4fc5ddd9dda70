//! What was looked at: absence and ignorance are different facts.

use serde::{Deserialize, Serialize};

/// The result of looking at something outside this process.
///
/// `Unknown` must never be treated as `Absent`: a folder that cannot be read is not empty, a
/// Docker Engine that does not answer has not lost its containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Seen<T> {
    /// It was looked for, and it is surely not there.
    Absent,
    /// Looking failed; the text says why, for a person.
    Unknown(String),
    /// It is there.
    Present(T),
}

impl<T> Seen<T> {
    /// The thing, if it is surely there.
    pub fn present(&self) -> Option<&T> {
        match self {
            Seen::Present(t) => Some(t),
            Seen::Absent | Seen::Unknown(_) => None,
        }
    }

    /// Whether it is surely not there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Seen::Absent)
    }

    /// Turns what is present into something else.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Seen<U> {
        match self {
            Seen::Absent => Seen::Absent,
            Seen::Unknown(why) => Seen::Unknown(why),
            Seen::Present(t) => Seen::Present(f(t)),
        }
    }
}
