//! A whole host that comes back: which of its databases come first, and what of each is lost.

use std::fmt;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::model::{Database, Timestamp};

/// The label that says how much help a database's owner expects: `spec.support`.
const SUPPORT: &str = "SUPPORT";

/// How urgent it is that a database is there again. What comes first is less than what comes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Priority {
    /// `mydb_admin`: what people write and read of all others is there.
    Memory,
    /// `support: Full`.
    Full,
    /// `support: Basic`, and what was admitted before there was a choice.
    Basic,
    /// `support: None`.
    None,
}

impl Priority {
    /// That of a database.
    pub fn of(db: &Database) -> Self {
        match db.facts.get(SUPPORT).map(String::as_str) {
            _ if db.name.is_mydb_admin() => Priority::Memory,
            Some("Full") => Priority::Full,
            Some("None") => Priority::None,
            Some(_) | None => Priority::Basic,
        }
    }

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Priority::Memory => "Memory",
            Priority::Full => "Full",
            Priority::Basic => "Basic",
            Priority::None => "None",
        }
    }

    /// Whether one of this priority lets others go first that come back with it: those that come before
    /// it, as long as nobody has looked what is left of them. After that they are begun, or wait for
    /// something that is not theirs to hurry.
    pub fn waits_for(self, not_looked_at: impl IntoIterator<Item = Priority>) -> bool {
        not_looked_at.into_iter().any(|other| other < self)
    }
}

/// What was written and does not come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "how")]
pub enum Lost {
    /// Nothing, as far as anything that is left tells.
    Nothing,
    /// What was written in so many minutes.
    AtMost {
        /// Whole minutes, of which the last one had begun.
        minutes: i64,
    },
    /// All of it: nothing is left to come back from.
    Everything,
    /// Nothing that is left tells.
    Unknown,
}

impl Lost {
    /// What is lost between the moment to which something comes back and the last one at which it is known
    /// to have lived.
    pub fn between(back: Option<Timestamp>, lived: Option<Timestamp>) -> Self {
        match (back, lived) {
            (None, _) => Lost::Everything,
            (Some(_), None) => Lost::Unknown,
            (Some(back), Some(lived)) if lived <= back => Lost::Nothing,
            (Some(back), Some(lived)) => Lost::AtMost {
                // Nobody is told of less than there was.
                minutes: (lived - back + MINUTE - TimeDelta::nanoseconds(1)).num_minutes(),
            },
        }
    }
}

const MINUTE: TimeDelta = TimeDelta::minutes(1);

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = match self {
            Lost::Nothing => return f.write_str("nothing"),
            Lost::Everything => return f.write_str("all of it"),
            Lost::Unknown => return f.write_str("unknown"),
            Lost::AtMost { minutes } => minutes,
        };
        let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
        f.write_str("at most")?;
        for (count, unit) in [(days, "d"), (hours, "h"), (minutes, "min")] {
            if count > 0 {
                write!(f, " {count} {unit}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::database;

    fn with(name: &str, support: Option<&str>) -> Priority {
        let mut db = Database {
            name: name.parse().unwrap(),
            ..database()
        };
        db.facts.remove(SUPPORT);
        let given = support.map(|word| (SUPPORT.to_owned(), word.to_owned()));
        db.facts.extend(given);
        Priority::of(&db)
    }

    #[test]
    fn the_memory_comes_first_and_then_whom_most_help_was_promised() {
        let mut all = [
            ("d", with("genomics", Some("None"))),
            ("c", with("genomics", None)),
            ("b", with("genomics", Some("Full"))),
            ("c", with("genomics", Some("Basic"))),
            ("a", with("mydb_admin", Some("None"))),
        ];
        all.sort_by_key(|(_, priority)| *priority);
        assert_eq!(all.map(|(place, _)| place).join(""), "abccd");
    }

    #[test]
    fn a_database_lets_go_first_whom_nobody_has_looked_at_and_no_one_else() {
        use Priority::{Basic, Full, None};
        for (own, not_looked_at, waits) in [
            (Basic, &[] as &[_], false),
            (Basic, &[Full], true),
            (Basic, &[None, Basic], false),
            (None, &[None, Basic], true),
            (Full, &[None, Basic, Full], false),
        ] {
            let others = not_looked_at.iter().copied();
            assert_eq!(own.waits_for(others), waits, "{own:?} {not_looked_at:?}");
        }
    }

    #[test]
    fn what_is_lost_is_told_to_the_minute_and_never_as_less() {
        let noon: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let lost = |seconds: i64| {
            let lived = noon + TimeDelta::seconds(seconds);
            Lost::between(Some(noon), Some(lived)).to_string()
        };
        for (seconds, told) in [
            (-5, "nothing"),
            (0, "nothing"),
            (1, "at most 1 min"),
            (60, "at most 1 min"),
            (61, "at most 2 min"),
            (3 * 3600, "at most 3 h"),
            (3 * 3600 + 11 * 60 + 5, "at most 3 h 12 min"),
            (26 * 3600, "at most 1 d 2 h"),
        ] {
            assert_eq!(lost(seconds), told, "{seconds}");
        }
        let between = |back, lived| Lost::between(back, lived).to_string();
        assert_eq!(between(Some(noon), None), "unknown");
        assert_eq!(between(None, Some(noon)), "all of it");
        let json = serde_json::to_value(Lost::AtMost { minutes: 192 }).unwrap();
        assert_eq!(json, serde_json::json!({"how": "atMost", "minutes": 192}));
    }
}
