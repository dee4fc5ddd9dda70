//! Bytes, for people.

const UNITS: [&str; 5] = ["Ki", "Mi", "Gi", "Ti", "Pi"];

/// About so many bytes, in two or three digits: `812`, `1.5Gi`, `37Mi`.
pub fn about(bytes: u64) -> String {
    if bytes < 1000 {
        return bytes.to_string();
    }
    // Tenths of the next unit, rounded; no float.
    let (mut tenths, mut unit) = (bytes.saturating_mul(10).div_ceil(1 << 10), 0);
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths = tenths.div_ceil(1 << 10);
        unit += 1;
    }
    match tenths {
        0..100 => format!("{}.{}{}", tenths / 10, tenths % 10, UNITS[unit]),
        _ => format!("{}{}", tenths.div_ceil(10), UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::about;

    #[test]
    fn sizes_are_short_and_never_less_than_they_are() {
        let all = [
            (0, "0"),
            (999, "999"),
            (1000, "1.0Ki"),
            (7212, "7.1Ki"),
            (10 << 10, "10Ki"),
            (1023 << 10, "1.0Mi"),
            (1536 << 20, "1.5Gi"),
            (12 << 40, "12Ti"),
        ];
        for (bytes, text) in all {
            assert_eq!(about(bytes), text);
        }
        assert!(about(u64::MAX).ends_with("Pi"));
    }
}
