use super::*;

#[test]
fn the_longest_gap_of_a_schedule() {
    for (text, hours) in [
        ("0 2 * * *", 24),
        ("0 2 * * 1-5", 72),
        ("*/30 * * * *", 1),
        ("0 0 1 * *", 31 * 24),
        // From the last minute of January to the first of the next, over a 29 February.
        ("* * * 1 *", 335 * 24 + 1),
        ("*/10 8-17 * * *", 15),
        ("0 0 29 2 *", (8 * 365 + 1) * 24),
    ] {
        let gap = longest_gap(&cron(text).unwrap());
        assert_eq!(gap.as_secs().div_ceil(3600), hours, "{text}");
    }
}

#[test]
fn each_field_of_a_schedule_has_its_numbers_and_words() {
    for text in [
        "0 0 1 1 0",
        "59 23 31 12 7",
        "*/59 */23 * * *",
        "0-30/2,45 1,2 * jan-MAR sun",
        "0 0 L * *",
    ] {
        assert!(cron(text).is_ok(), "{text}: {:?}", cron(text));
    }
    for (text, start) in [
        ("60 0 * * *", "minute `60` is not allowed"),
        ("0 24 * * *", "hour `24` is not allowed"),
        ("0 0 0 * *", "day of the month `0` is not allowed"),
        ("0 0 * 13 *", "month `13` is not allowed"),
        ("0 0 * * 8", "day of the week `8` is not allowed"),
        ("0 0 * * MONDAY", "day of the week `MONDAY` is not allowed"),
        ("1-2-3 0 * * *", "minute `1-2-3` is not allowed"),
        ("1-60 0 * * *", "minute `1-60` is not allowed"),
        ("*/0 0 * * *", "minute `*/0` is not allowed"),
        ("*/60 0 * * *", "minute `*/60` is not allowed"),
        ("5,x 0 * * *", "minute `x` is not allowed"),
        ("0 0 30 2 *", "`0 0 30 2 *` never fires"),
        ("0 0 * *", "`0 0 * *` has 4 fields"),
        ("Dayly", "`Dayly` is no schedule; did you mean `Daily`?"),
    ] {
        let error = cron(text).unwrap_err();
        assert!(error.starts_with(start), "{text}: {error}");
    }
}
