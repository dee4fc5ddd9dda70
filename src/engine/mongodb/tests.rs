use super::*;

#[test]
fn the_series_is_two_numbers() {
    for (tag, series) in [("8.0", "8.0"), ("7.0.14-jammy", "7.0")] {
        assert_eq!(MongoDb.series(tag).as_deref(), Some(series));
    }
    assert_eq!(MongoDb.series("8"), None);
}

#[test]
fn the_cache_follows_the_memory() {
    for (mib, cache) in [(512, "0.25"), (2048, "0.50"), (3 * 1024, "1.00")] {
        let settings = MongoDb.settings(Memory::mebibytes(mib));
        assert_eq!(
            settings["storage.wiredTiger.engineConfig.cacheSizeGB"],
            cache
        );
    }
}

#[test]
fn a_parameter_is_an_open_option() {
    for name in ["operationProfiling.mode", "systemLog.verbosity"] {
        assert_eq!(MongoDb.check_parameter(name, "1"), Ok(()), "{name}");
    }
    for name in [
        "net.port",
        "net.bindIp",
        "storage.dbPath",
        "security.authorization",
        "setParameter.enableTestCommands",
        "systemLog",
        "systemLog..verbosity",
        "operationProfiling",
        "x: y",
        "",
    ] {
        assert!(MongoDb.check_parameter(name, "1").is_err(), "{name}");
    }
    let split = MongoDb.check_parameter("systemLog.verbosity", "1\nnet: {}");
    assert!(split.is_err());
}

#[test]
fn a_configuration_file_is_held_to_the_same_rules() {
    let good = "# ours\noperationProfiling:\n  mode: slowOp\n  slowOpThresholdMs: 50\n";
    assert_eq!(MongoDb.check_config(good), Ok(()));
    assert_eq!(MongoDb.check_config(""), Ok(()));
    for (bad, word) in [
        ("net: {port: 1}", "net.port"),
        (
            "security: {authorization: disabled}",
            "security.authorization",
        ),
        ("- a", "mapping"),
        ("setParameter:", "setParameter"),
        ("a: [", "YAML"),
    ] {
        let error = MongoDb.check_config(bad).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_password_cannot_leave_its_place_in_a_url() {
    assert_eq!(percent("a/b@c:\"d%"), "a%2Fb%40c%3A%22d%25");
}

#[test]
fn the_servers_own_databases_and_names_are_refused() {
    assert!(MongoDb.check_database("admin").is_err());
    assert!(MongoDb.check_database("genomics").is_ok());
    for user in ["root", "db4sci", "$x", "a\"b"] {
        assert!(MongoDb.check_user(user).is_err(), "{user}");
    }
}
