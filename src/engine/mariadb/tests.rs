use super::*;

#[test]
fn the_series_is_two_numbers() {
    for (tag, series) in [("10.11", "10.11"), ("11.8.2-noble", "11.8")] {
        assert_eq!(MariaDb.series(tag).as_deref(), Some(series));
    }
    assert_eq!(MariaDb.series("11"), None);
    assert_eq!(MariaDb.series("lts"), None);
}

#[test]
fn names_and_passwords_cannot_leave_their_quotes() {
    assert_eq!(identifier("a`; drop"), "`a``; drop`");
    assert_eq!(literal("a\\'b"), "'a\\\\''b'");
}

#[test]
fn sizes_are_numbers_in_a_statement() {
    for (name, value, said) in [
        ("max_allowed_packet", "64M", "67108864"),
        ("max_connections", "200", "200"),
        ("long_query_time", "0.5", "0.5"),
        ("sql_mode", "ANSI", "'ANSI'"),
    ] {
        assert_eq!(global(name, value), said, "{name}");
    }
    let changed = [("wait_timeout".to_owned(), None)].into();
    let all = MariaDb.reload_statements(&changed);
    assert_eq!(all[0].text.expose(), "SET GLOBAL `wait_timeout` = DEFAULT");
}

#[test]
fn what_keeps_data_safe_cannot_be_set() {
    assert!(
        MariaDb
            .check_parameter("innodb-flush-log-at-trx-commit", "0")
            .is_err()
    );
    assert!(MariaDb.check_parameter("max_connections", "500").is_ok());
    assert!(MariaDb.check_user("root").is_err());
    let said = MariaDb.check_parameter("innodb-encrypt-tables", "OFF");
    assert!(said.unwrap_err().contains("`encryption: Engine`"));
}
