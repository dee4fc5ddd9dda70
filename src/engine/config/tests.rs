use super::super::recipe;
use super::*;
use crate::model::EngineKind::{self, MariaDB, MongoDB, Neo4j, Postgres};

/// What another text asks for, in short: `reload names`, `restart names`, both, or "".
fn asks(kind: EngineKind, before: &[&str], after: &str, beside: &[(&str, &str)]) -> String {
    let beside = beside.iter().map(|(n, v)| ((*n).into(), (*v).into()));
    let change = config_change(recipe(kind), before, after, &beside.collect());
    let part = |word: &str, names: &BTreeSet<String>| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        (!names.is_empty()).then(|| format!("{word} {}", names.join(", ")))
    };
    let parts = [
        part("reload", &change.reload),
        part("restart", &change.restart),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

#[test]
fn a_file_of_postgresql_is_reloaded_or_waits_as_its_settings_need() {
    for (before, after, expected) in [
        ("", "# tuned", ""),
        ("jit = on", "# why\n\n  jit 'on' # yes\n", ""),
        ("", "work_mem = 8MB", "reload work_mem"),
        ("work_mem = 8MB", "", "reload work_mem"),
        (
            "work_mem = 8MB",
            "work_mem = 9MB\njit = off",
            "reload jit, work_mem",
        ),
        ("jit = off\njit = on", "jit = on", ""),
        ("", "max_connections = 50", "restart max_connections"),
        ("max_connections = 50", "", "restart max_connections"),
        (
            "",
            "max_connections = 50\nwork_mem = 8MB",
            "reload work_mem; restart max_connections",
        ),
        (
            "",
            "pg_stat_statements.max = 9",
            "restart pg_stat_statements.max",
        ),
        ("", "tls = Required", "restart tls"),
        ("", "include 'more.conf'", "restart (include)"),
        ("include 'x'\njit = on", "# c\ninclude 'x'\njit = on", ""),
        ("jit = on", "jit", "reload jit; restart (line 1)"),
    ] {
        assert_eq!(asks(Postgres, &[before], after, &[]), expected, "{after}");
    }
}

#[test]
fn a_file_of_mariadb_is_reloaded_or_waits_as_its_variables_need() {
    for (before, after, expected) in [
        ("", "[mysqld]\n# tuned\n", ""),
        (
            "[mysqld]\nwait_timeout=60",
            "[server]\n\nwait-timeout = '60'",
            "",
        ),
        ("", "[client]\nssl-verify-server-cert", ""),
        ("", "[mysqld]\nwait_timeout=60", "reload wait_timeout"),
        ("[mysqld]\nwait_timeout=60", "", "reload wait_timeout"),
        ("", "[mysqld]\nslow-query-log=1", "reload slow_query_log"),
        // What db4sci's own file says after it counts.
        (
            "",
            "[mysqld]\nport=1\ndatadir=/elsewhere\nskip-grant-tables",
            "",
        ),
        (
            "",
            "[mysqld]\nback_log=90\nwait_timeout=6",
            "reload wait_timeout; restart back_log",
        ),
        (
            "",
            "[mysqld]\nloose_wait_timeout=60",
            "restart loose_wait_timeout",
        ),
        (
            "",
            "[mysqld]\nthread_cache_size=9",
            "reload thread_cache_size",
        ),
        (
            "[mysqld]\nthread_cache_size=9",
            "",
            "restart thread_cache_size",
        ),
        ("", "[mysqld]\ninnodb_flush_log_at_trx_commit=2", ""),
        (
            "",
            "[mysqld]\nrequire_secure_transport=1",
            "restart require_secure_transport",
        ),
        (
            "",
            "[mysqld]\ninnodb-encrypt-tables=1",
            "restart innodb_encrypt_tables",
        ),
        ("", "[mysqld]\ntls=Required", "restart tls"),
        (
            "",
            "[mariadb-11.8]\nwait_timeout=6",
            "restart [mariadb-11.8] wait_timeout",
        ),
        ("", "!includedir /x", "restart (include)"),
    ] {
        assert_eq!(asks(MariaDB, &[before], after, &[]), expected, "{after}");
    }
}

#[test]
fn a_file_of_mongodb_or_neo4j_waits_unless_no_option_changes() {
    let slow = "operationProfiling:\n  slowOpThresholdMs: 50\n";
    for (kind, before, after, expected) in [
        (MongoDB, "", "# tuned", ""),
        (
            MongoDB,
            slow,
            "# why\noperationProfiling: {slowOpThresholdMs: 50}",
            "",
        ),
        (
            MongoDB,
            "",
            slow,
            "restart operationProfiling.slowOpThresholdMs",
        ),
        (
            MongoDB,
            slow,
            "",
            "restart operationProfiling.slowOpThresholdMs",
        ),
        (Neo4j, "", "# tuned\n\n", ""),
        (Neo4j, "db.x.y=1", "# why\n  db.x.y = 1", ""),
        (Neo4j, "db.x.y=1", "db.x.y=2", "restart db.x.y"),
        (
            Neo4j,
            "",
            "nonsense",
            "restart (line 1: `nonsense` is no setting; write `name=value`)",
        ),
    ] {
        assert_eq!(asks(kind, &[before], after, &[]), expected, "{after}");
    }
}

#[test]
fn what_the_server_has_beside_the_file_is_what_a_line_that_goes_leaves() {
    let beside = [("jit", "off"), ("max_connections", "100")];
    for (before, after, expected) in [
        ("", "max_connections = 100", ""),
        ("max_connections = 100", "", ""),
        ("jit = on", "", "reload jit"),
        ("jit = off", "", ""),
    ] {
        assert_eq!(
            asks(Postgres, &[before], after, &beside),
            expected,
            "{before}"
        );
    }
    // It starts with neither, but it is told what its file says.
    let beside = [("thread_cache_size", "9")];
    let before = "[mysqld]\nthread_cache_size = 8";
    assert_eq!(
        asks(MariaDB, &[before], "", &beside),
        "reload thread_cache_size"
    );
}

#[test]
fn after_a_text_that_was_only_tried_nothing_of_either_is_taken_for_granted() {
    let (old, tried) = ("work_mem = 1MB", "work_mem = 2MB\njit = off");
    for (after, expected) in [
        (old, "reload jit, work_mem"),
        (tried, "reload jit, work_mem"),
        (
            "work_mem = 1MB\nport = 1",
            "reload jit, work_mem; restart port",
        ),
    ] {
        assert_eq!(
            asks(Postgres, &[old, tried], after, &[]),
            expected,
            "{after}"
        );
    }
}
