//! Values that PostgreSQL takes as they are: an accepted entry must never be one that the tables
//! refuse.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::model::Timestamp;

/// A text without zero bytes, which neither `text` nor `jsonb` can hold.
pub(super) fn text(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// The same for every key and text of a JSON value.
pub(super) fn json(value: &Value) -> Value {
    match value {
        Value::String(s) => Value::String(text(s)),
        Value::Array(items) => Value::Array(items.iter().map(json).collect()),
        Value::Object(fields) => {
            let cleaned = fields.iter().map(|(key, value)| (text(key), json(value)));
            Value::Object(cleaned.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// An instant within the years 1 to 9999.
pub(super) fn instant(at: Timestamp) -> Timestamp {
    const FIRST: Option<Timestamp> = DateTime::<Utc>::from_timestamp(-62_135_596_800, 0);
    const LAST: Option<Timestamp> = DateTime::<Utc>::from_timestamp(253_402_300_799, 0);
    at.clamp(FIRST.unwrap_or(at), LAST.unwrap_or(at))
}

/// A number as a `bigint`.
pub(super) fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_postgresql_cannot_hold_is_replaced() {
        assert_eq!(text("a\0b"), "a\u{FFFD}b");
        assert_eq!(
            json(&json!({"k\0": ["\0", 1, null, {"x": "\0"}]})),
            json!({"k\u{FFFD}": ["\u{FFFD}", 1, null, {"x": "\u{FFFD}"}]})
        );
        assert_eq!(number(u64::MAX), i64::MAX);
        let far = instant(Timestamp::MAX_UTC).to_rfc3339();
        assert!(far.starts_with("9999-12-31T23:59:59"), "{far}");
        let early = instant(Timestamp::MIN_UTC).to_rfc3339();
        assert!(early.starts_with("0001-01-01T00:00:00"), "{early}");
    }
}
