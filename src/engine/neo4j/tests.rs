use super::*;

#[test]
fn the_series_is_the_major_version_or_the_year() {
    for (tag, series) in [
        ("5", "5"),
        ("5.26-community", "5"),
        ("4.4.40", "4.4"),
        ("2025.06.2", "2025"),
    ] {
        assert_eq!(Neo4j.series(tag).as_deref(), Some(series));
    }
    assert_eq!(Neo4j.series("community"), None);
}

#[test]
fn heap_and_page_cache_follow_the_memory_and_fit_into_it() {
    for mib in [768, 1024, 4096, 262_144] {
        let settings = Neo4j.settings(Memory::mebibytes(mib));
        let size = |name: &str| -> u64 {
            let text = &settings[name];
            text.trim_end_matches('m').parse().unwrap()
        };
        let (heap, pages) = (
            size("server.memory.heap.max_size"),
            size("server.memory.pagecache.size"),
        );
        assert!(heap >= 256 && pages >= 64, "{mib}: {heap} {pages}");
        assert!(heap + pages + mib / 5 <= mib, "{mib}: {heap} {pages}");
    }
}

#[test]
fn what_keeps_data_and_server_safe_cannot_be_set() {
    for name in [
        "server.directories.data",
        "server.bolt.listen_address",
        "server.http.advertised_address",
        "server.jvm.additional",
        "dbms.security.auth_enabled",
        "heap",
    ] {
        assert!(Neo4j.check_parameter(name, "x").is_err(), "{name}");
    }
    assert_eq!(
        Neo4j.check_parameter("db.transaction.timeout", "5m"),
        Ok(())
    );
    assert!(
        Neo4j
            .check_parameter("db.transaction.timeout", "5m\nserver.jvm.additional=x")
            .is_err()
    );
}

#[test]
fn a_configuration_file_is_held_to_the_same_rules() {
    assert_eq!(
        Neo4j.check_config("# ours\ndb.transaction.timeout = 5m\n\n"),
        Ok(())
    );
    for (bad, word) in [
        ("server.jvm.additional=-Xshare:off", "server.jvm.additional"),
        ("nonsense", "line 1"),
        ("a.b=1\na.b=2", "twice"),
    ] {
        let error = Neo4j.check_config(bad).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn community_has_one_database_and_no_roles() {
    assert!(Neo4j.check_database("genomics").is_err());
    assert_eq!(
        Neo4j.check_database(&Neo4j.default_database("genomics")),
        Ok(())
    );
    assert!(Neo4j.check_role(AccountRole::ReadOnly).is_err());
    assert!(Neo4j.check_role(AccountRole::Admin).is_ok());
}

#[test]
fn names_and_passwords_cannot_leave_their_quotes() {
    assert_eq!(identifier("a`b"), "`a``b`");
    assert_eq!(literal("a\\'b"), "'a\\\\\\'b'");
}

#[test]
fn the_identity_is_the_server_s_own_id() {
    // As a server of 5.26 wrote it, which called itself 856c7ce6-0094-40b7-bc01-0f17590dbb19.
    let file = [
        0x01, 0x85, 0x6c, 0x7c, 0xe6, 0x00, 0x94, 0x40, 0xb7, 0xbc, 0x01, 0x0f, 0x17, 0x59, 0x0d,
        0xbb, 0x19,
    ];
    let shown = |bytes: &[u8]| (identity::SERVER_ID.read)(bytes).map(|i| i.to_string());
    let id = "856c7ce6-0094-40b7-bc01-0f17590dbb19";
    assert_eq!(shown(&file).as_deref(), Some(id));
    for other in [&file[..0], &file[..16], &[0; 17]] {
        assert_eq!(shown(other), None, "{other:?}");
    }
}
