//! What a failure asks for.

use serde::{Deserialize, Serialize};

/// What to do about a failure; every adapter's error says its class by an exhaustive match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Class {
    /// Trying again later can help: a timeout, a busy engine, a full disk.
    Transient,
    /// Only another spec (or a person) can help: an image that does not exist, a bad parameter.
    Permanent,
    /// The work was given up on purpose: shutdown, or the world moved under the plan.
    Cancelled,
}
