//! Instants in words.

use chrono::TimeDelta;

use crate::cli::context::Context;
use crate::model::Timestamp;

/// `22:00` today, `Sat 22:00` within a week to come, the date otherwise.
pub fn brief(context: &Context, at: Timestamp) -> String {
    let (at, now) = (context.local(at), context.local(context.now()));
    let pattern = match (at.date() - now.date()).num_days() {
        0 => "%H:%M",
        1..=6 => "%a %H:%M",
        _ => "%Y-%m-%d %H:%M",
    };
    at.format(pattern).to_string()
}

/// The date and the time to the second.
pub fn full(context: &Context, at: Timestamp) -> String {
    context.local(at).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Both ways of saying it: `22:00 (in 2 h)`.
pub fn both(context: &Context, at: Timestamp) -> String {
    format!("{} ({})", brief(context, at), relative(at - context.now()))
}

/// How long ago, for a narrow column: `22m`, `9h`, `12d`.
pub fn age(context: &Context, at: Timestamp) -> String {
    let seconds = (context.now() - at).num_seconds().max(0);
    match seconds {
        0..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// `90 s`, `2 h`, `4 days`.
pub fn amount(seconds: u64) -> String {
    match seconds {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7200 => format!("{} min", s / 60),
        s @ 7200..172_800 => format!("{} h", s / 3600),
        s => format!("{} days", s / 86_400),
    }
}

/// `in 2 h`, `3 min ago`, `now`.
pub fn relative(from_now: TimeDelta) -> String {
    let seconds = from_now.num_seconds();
    if seconds == 0 {
        return "now".to_owned();
    }
    let amount = amount(seconds.unsigned_abs());
    if seconds > 0 {
        format!("in {amount}")
    } else {
        format!("{amount} ago")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_has_one_unit() {
        for (seconds, words) in [
            (0, "now"),
            (90, "in 90 s"),
            (-200, "3 min ago"),
            (7200, "in 2 h"),
            (-400_000, "4 days ago"),
        ] {
            assert_eq!(relative(TimeDelta::seconds(seconds)), words);
        }
    }
}
