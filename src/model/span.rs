//! Spans of time as people type them.

use std::time::Duration;

/// Reads `90s`, `10m`, `2h`, `3d`, `1h30m`.
pub fn parse(text: &str) -> Result<Duration, String> {
    let shown = text.escape_debug();
    let bad = || format!("`{shown}` is no span of time; write `90s`, `10m`, `2h`, `3d` or `1h30m`");
    let mut seconds: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let (number, tail) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| bad())?;
        let mut chars = tail.chars();
        let unit = match chars.next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            _ => return Err(bad()),
        };
        seconds = number
            .checked_mul(unit)
            .and_then(|more| seconds.checked_add(more))
            .filter(|seconds| *seconds <= LONGEST)
            .ok_or_else(|| format!("`{shown}` is too long; at most 3650d"))?;
        rest = chars.as_str();
    }
    if seconds == 0 {
        return Err(bad());
    }
    Ok(Duration::from_secs(seconds))
}

/// Ten years: more is a slip of the finger.
const LONGEST: u64 = 3650 * 86_400;

/// As `parse` reads it: `1h30m`.
pub fn show(span: Duration) -> String {
    let mut seconds = span.as_secs();
    let mut text = String::new();
    for (unit, size) in [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)] {
        if seconds >= size {
            text.push_str(&format!("{}{unit}", seconds / size));
            seconds %= size;
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_they_are_shown() {
        for (text, seconds) in [
            ("90s", 90),
            ("10m", 600),
            ("2h", 7200),
            ("3d", 259_200),
            ("1h30m", 5400),
        ] {
            assert_eq!(parse(text).map(|d| d.as_secs()), Ok(seconds), "{text}");
        }
        assert_eq!(show(Duration::from_secs(5400)), "1h30m");
        assert_eq!(show(Duration::ZERO), "0s");
        for bad in [
            "",
            "2",
            "h",
            "2x",
            "-2h",
            "1.5h",
            "0s",
            "99999999999999999999h",
            "9999d",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
