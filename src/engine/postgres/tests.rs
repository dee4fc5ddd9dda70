use super::*;

#[test]
fn the_series_is_the_major_version() {
    for (tag, series) in [
        ("17", "17"),
        ("17.5-bookworm", "17"),
        ("9.6.24", "9.6"),
        ("15-b", "15"),
    ] {
        assert_eq!(Postgres.series(tag).as_deref(), Some(series));
    }
    assert_eq!(Postgres.series("bookworm"), None);
}

#[test]
fn names_and_passwords_cannot_leave_their_quotes() {
    assert_eq!(identifier("a\"; drop"), "\"a\"\"; drop\"");
    assert_eq!(literal("a'b"), "'a''b'");
    assert_eq!(literal("a\\'b"), "E'a\\\\''b'");
}

#[test]
fn what_keeps_data_safe_cannot_be_set() {
    assert!(Postgres.check_parameter("fsync", "off").is_err());
    assert!(
        Postgres
            .check_parameter("work_mem", "64MB\nfsync=off")
            .is_err()
    );
    assert!(Postgres.check_parameter("work_mem", "64MB").is_ok());
    for user in ["postgres", "x\"; drop", "pg_monitor", "", "Ünal"] {
        assert!(Postgres.check_user(user).is_err(), "{user}");
    }
}
