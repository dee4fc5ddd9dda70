use super::*;
use crate::model::action::NewConfig;

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

#[test]
fn another_file_is_checked_before_the_server_reads_it() {
    let purposes = |settings: &Settings| -> Vec<&str> {
        let all = Postgres.reload_statements(settings);
        all.iter().map(|s| s.purpose).collect()
    };
    let mut settings = Settings::default();
    assert_eq!(purposes(&settings), [""; 0]);
    let new = |changed: &[&str]| NewConfig {
        text: Some("jit = on".to_owned()),
        changed: changed.iter().map(|name| (*name).to_owned()).collect(),
    };
    settings.new_config = Some(new(&[]));
    assert_eq!(purposes(&settings), [""; 0], "comments");
    settings.new_config = Some(new(&["jit"]));
    let (check, read) = (
        "check the configuration file",
        "read the configuration again",
    );
    assert_eq!(purposes(&settings), [check, read]);
    settings.new_config = None;
    settings.changed.insert("work_mem".to_owned(), None);
    assert_eq!(purposes(&settings), [check, read]);
}

#[test]
fn a_value_cannot_leave_its_quotes_in_the_configuration_file() {
    for (value, quoted) in [
        ("64MB", "64MB"),
        ("it's", "it''s"),
        (r"%m [%p] C:\", r"%m [%p] C:\\"),
        (r"a\' b", r"a\\'' b"),
    ] {
        assert_eq!(conf::escaped(value), quoted);
    }
}

#[test]
fn the_identity_is_the_system_identifier_and_nothing_that_no_server_wrote() {
    // As a server of series 17 wrote it; `pg_controldata` shows 7713015901242581005.
    let control = [
        7_713_015_901_242_581_005_u64.to_ne_bytes().as_slice(),
        &1700_u32.to_ne_bytes(),
    ]
    .concat();
    let shown = |bytes: &[u8]| (identity::PG_CONTROL.read)(bytes).map(|i| i.to_string());
    assert_eq!(shown(&control).as_deref(), Some("7713015901242581005"));
    for damaged in [
        &control[..0],
        &control[..8],
        &control[..11],
        &[0; 12],
        &[0xff; 12],
    ] {
        assert_eq!(shown(damaged), None, "{damaged:?}");
    }
}
