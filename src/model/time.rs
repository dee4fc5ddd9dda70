//! Time as an input.

use std::fmt;

use chrono::{DateTime, Timelike, Utc};

/// An instant in UTC.
pub type Timestamp = DateTime<Utc>;

/// An instant to the second, as `%F %T` writes it; that pattern is not read each time, which takes longer
/// than the rest.
pub struct ToSecond(pub Timestamp);

impl fmt::Display for ToSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.0.naive_utc();
        let time = at.time();
        // A leap second is the one before it, and a whole one more.
        let whole = time.nanosecond() / 1_000_000_000 * 1_000_000_000;
        let second = time.with_nanosecond(whole).unwrap_or(time);
        write!(f, "{} {second}", at.date())
    }
}

/// Where the current instant comes from. Everything that needs the time is handed one, so that
/// tests and the simulation choose it.
pub trait Clock: Send + Sync + 'static {
    /// The current instant.
    fn now(&self) -> Timestamp;
}

/// The wall clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    fn now(&self) -> Timestamp {
        Utc::now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_to_the_second_is_written_as_its_pattern_has_it() {
        let at = [
            "2026-01-05T02:03:04.987Z",
            "0999-12-31T23:59:60Z",
            "+12026-01-05T00:00:00Z",
        ];
        for at in at {
            let at: Timestamp = at.parse().unwrap();
            assert_eq!(ToSecond(at).to_string(), at.format("%F %T").to_string());
        }
    }
}
