use super::*;
use crate::model::action::NewConfig;

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
fn what_keeps_data_safe_cannot_be_set_by_any_of_its_names() {
    for name in [
        "datadir",
        "skip-grant-tables",
        "loose_datadir",
        "loose-loose_skip-grant-tables",
        "loose_datad",
        "loose_innodb_encrypt_lo",
        "loose_",
    ] {
        let refused = MariaDb.check_parameter(name, "x").unwrap_err();
        assert!(refused.contains(name), "{refused}");
    }
    for name in ["max_connections", "loose_spider_conn_wait_timeout"] {
        assert_eq!(MariaDb.check_parameter(name, "5"), Ok(()), "{name}");
    }
}

#[test]
fn what_writes_without_syncing_is_refused_as_a_parameter_and_in_a_file() {
    for name in ["innodb_flush_method", "loose-innodb-flush-method"] {
        assert!(MariaDb.check_parameter(name, "nosync").is_err(), "{name}");
    }
    for line in [
        "innodb_flush_method=nosync",
        "innodb-flush-method = 'littlesync' # fast",
        "loose_innodb_flush_meth = NoSync",
        "innodb_flush_method = 3",
        "innodb_flush_method = no\\sync",
    ] {
        let refused = MariaDb.check_config(&format!("[mysqld]\njoin_buffer_size=1M\n{line}"));
        let refused = refused.unwrap_err();
        assert!(refused.starts_with("line 3: "), "{line}: {refused}");
    }
    for line in [
        "innodb_flush_method = o_direct",
        "innodb_flush_log_at_timeout = 3",
        "# innodb_flush_method = nosync",
        "",
    ] {
        let text = format!("[mysqld]\n{line}");
        assert_eq!(MariaDb.check_config(&text), Ok(()), "{line}");
    }
}

#[test]
fn what_follows_the_memory_is_set_at_a_start_only() {
    let more = MariaDb.settings(Memory::mebibytes(4096));
    for name in ["innodb_buffer_pool_size", "innodb-log-file-size"] {
        let value = more.get(&name.replace('-', "_")).unwrap();
        assert!(!MariaDb.reloads(name, Some(value)), "{name}");
    }
    assert!(MariaDb.reloads("tmp_table_size", Some("64M")));
}

#[test]
fn a_value_is_said_as_a_statement_takes_it() {
    for (name, value, said) in [
        ("max_allowed_packet", "64M", "67108864"),
        ("max_connections", "200", "200"),
        ("long_query_time", "0.5", "0.5"),
        ("sql_mode", "ANSI", "'ANSI'"),
        ("local_infile", "true", "ON"),
        ("local_infile", "0", "OFF"),
        ("local_infile", "maybe", "'maybe'"),
        ("binlog_format", "row", "'row'"),
        ("binlog_format", "2", "2"),
    ] {
        assert_eq!(reload::global(name, value), said, "{name}");
    }
}

/// The statements of a reload, without `SET GLOBAL`.
fn set(settings: &Settings) -> Vec<String> {
    let all = MariaDb.reload_statements(settings);
    all.iter()
        .map(|s| s.text.expose().replace("SET GLOBAL ", ""))
        .collect()
}

#[test]
fn a_variable_is_set_to_what_the_files_say_afterwards() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut settings = Settings {
        all: [pair("max-connections", "200"), pair("tls", "Required")].into(),
        changed: [
            ("tls".to_owned(), Some("Required".to_owned())),
            ("max-connections".to_owned(), Some("200".to_owned())),
            ("wait_timeout".to_owned(), None),
        ]
        .into(),
        ..Settings::default()
    };
    assert_eq!(
        set(&settings),
        [
            "`max_connections` = 200",
            "require_secure_transport = 1",
            "`wait_timeout` = DEFAULT",
        ]
    );
    // The person's file wins over both.
    settings.config = Some("[mysqld]\nmax_connections=300\nwait_timeout=60".to_owned());
    settings.changed.remove("tls");
    assert_eq!(
        set(&settings),
        ["`max_connections` = 300", "`wait_timeout` = 60"]
    );
    // Another text of it: what it sets, and what it leaves to the settings, or to nobody.
    settings.changed.clear();
    settings.new_config = Some(NewConfig {
        text: Some("[mysqld]\nlocal-infile=1".to_owned()),
        changed: ["local_infile", "max_connections", "wait_timeout"]
            .map(str::to_owned)
            .into(),
    });
    assert_eq!(
        set(&settings),
        [
            "`local_infile` = ON",
            "`max_connections` = 200",
            "`wait_timeout` = DEFAULT",
        ]
    );
    // Comments only.
    settings.new_config = Some(NewConfig {
        text: settings.config.clone(),
        changed: Default::default(),
    });
    assert_eq!(set(&settings), [""; 0]);
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
