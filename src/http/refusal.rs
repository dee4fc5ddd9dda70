//! Why the daemon does not do as asked.

use crate::model::{DbName, Problem};

/// A request that was refused: nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind of no it is.
    pub kind: RefusalKind,
    /// What, where, and the next command; one line.
    pub message: String,
    /// What is wrong with the input, one by one.
    pub problems: Vec<Problem>,
}

/// What kind of no it is; becomes the HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// There is no such thing: 404.
    NotFound,
    /// Whoever asks may not: 403.
    Forbidden,
    /// The request is wrong in itself: 422.
    Invalid,
    /// The request is right and does not fit what is the case: 409.
    Conflict,
    /// It cannot be said or done just now; the same request may work later: 503.
    Unavailable,
}

impl Refusal {
    /// A refusal without a list of problems.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Refusal {
            kind,
            message: message.into(),
            problems: Vec::new(),
        }
    }

    /// A text that is no database's name.
    pub fn no_name(text: &str, why: &str) -> Self {
        Refusal::new(
            RefusalKind::Invalid,
            format!(
                "`{}` is no database's name: {why}; nothing was changed",
                text.escape_debug()
            ),
        )
    }

    /// There is no database of that name.
    pub fn no_database(name: &DbName) -> Self {
        Refusal::new(
            RefusalKind::NotFound,
            format!("there is no database `{name}`; nothing was changed; all names: db4sci get"),
        )
    }
}
