use super::*;
use crate::model::database::AccountRole;
use crate::runtime::fixture;

const ENGINES: [EngineKind; 4] = [
    EngineKind::Postgres,
    EngineKind::MariaDB,
    EngineKind::MongoDB,
    EngineKind::Neo4j,
];

fn database(engine: EngineKind, series: &str) -> Database {
    let mut db = fixture::database("genomics", std::path::Path::new("/srv"));
    db.engine = engine;
    db.image.series = series.to_owned();
    db.account.role = AccountRole::Admin;
    db
}

fn texts(all: &[Statement]) -> String {
    let each = all
        .iter()
        .map(|s| format!("{}: {}\n", s.database, s.text.expose()));
    each.collect()
}

fn made(engine: EngineKind, series: &str, rights: Rights) -> String {
    let password = Secret::new("hunter2");
    texts(&make(
        &database(engine, series),
        "reader",
        rights,
        &password,
    ))
}

#[test]
fn a_role_gives_what_it_says_and_no_more() {
    use EngineKind::{MariaDB, MongoDB, Postgres};
    use Rights::{Admin, ReadOnly, ReadWrite};
    for (engine, series, rights, there, not_there) in [
        (
            Postgres,
            "17",
            ReadOnly,
            "grant pg_read_all_data to \"reader\"",
            "grant pg_write",
        ),
        (
            Postgres,
            "17",
            ReadOnly,
            "nocreatedb nocreaterole",
            "grant \"genomics\" to",
        ),
        (
            Postgres,
            "17",
            ReadWrite,
            "grant pg_write_all_data to \"reader\"",
            "login nosuperuser createdb",
        ),
        (
            Postgres,
            "17",
            Admin,
            "grant \"genomics\" to \"reader\"",
            "default_transaction",
        ),
        // There are no such roles.
        (
            Postgres,
            "13",
            ReadOnly,
            "grant select on all tables in schema %I to \"reader\"",
            "pg_read_all",
        ),
        (
            Postgres,
            "13",
            ReadOnly,
            "set default_transaction_read_only = on",
            "insert",
        ),
        (
            Postgres,
            "13",
            ReadWrite,
            "grant select, insert, update, delete on tables",
            "pg_write_all",
        ),
        (
            MariaDB,
            "11.8",
            ReadOnly,
            "GRANT SELECT, SHOW VIEW ON `genomics`.*",
            "INSERT",
        ),
        (
            MariaDB,
            "11.8",
            ReadWrite,
            "INSERT, UPDATE, DELETE, EXECUTE",
            "CREATE USER, EVENT",
        ),
        (MariaDB, "11.8", Admin, "WITH GRANT OPTION", "SUPER"),
        (
            MongoDB,
            "8.0",
            ReadOnly,
            "\"role\":\"readAnyDatabase\"",
            "readWrite",
        ),
        (
            MongoDB,
            "8.0",
            ReadWrite,
            "\"role\":\"readWriteAnyDatabase\"",
            "userAdmin",
        ),
    ] {
        let text = made(engine, series, rights);
        assert!(
            text.contains(there),
            "{engine} {rights}: no {there} in\n{text}"
        );
        assert!(
            !text.contains(not_there),
            "{engine} {rights}: {not_there} in\n{text}"
        );
    }
}

#[test]
fn no_statement_that_is_shown_holds_the_password() {
    for engine in ENGINES {
        let db = database(engine, "17");
        let all = make(&db, "reader", Rights::Admin, &Secret::new("hunter2"));
        assert!(!format!("{all:?}").contains("hunter2"), "{all:?}");
        assert!(texts(&all).contains("hunter2"));
        assert!(!texts(&remove(&db, "reader")).contains("hunter2"));
    }
}

#[test]
fn an_underscore_in_a_database_s_name_stands_for_itself() {
    let mut db = database(EngineKind::MariaDB, "11.8");
    db.database = "cell_lines".to_owned();
    let all = make(&db, "reader", Rights::ReadOnly, &Secret::new("x"));
    assert!(
        texts(&all).contains("ON `cell\\_lines`.* TO"),
        "{}",
        texts(&all)
    );
}

#[test]
fn who_goes_is_kept_out_before_anything_else() {
    for (engine, first) in [
        (EngineKind::Postgres, "nologin password null"),
        (EngineKind::MariaDB, "ACCOUNT LOCK"),
        (EngineKind::MongoDB, "dropUser"),
        (EngineKind::Neo4j, "DROP USER"),
    ] {
        let all = remove(&database(engine, "17"), "reader");
        assert!(all[0].text.expose().contains(first), "{}", texts(&all));
    }
}

#[test]
fn names_that_a_server_keeps_and_roles_that_it_does_not_know_are_refused() {
    for (engine, user) in [
        (EngineKind::Postgres, "postgres"),
        (EngineKind::Postgres, "pg_monitor"),
        (EngineKind::MariaDB, "root"),
        (EngineKind::MongoDB, "admin"),
        (EngineKind::Neo4j, "neo4j"),
    ] {
        let why = check(&database(engine, "17"), user, Rights::Admin).unwrap_err();
        assert!(why.contains("is reserved"), "{why}");
    }
    for engine in ENGINES {
        let db = database(engine, "17");
        let long = "a".repeat(81);
        for user in ["", "Anna", "a'b", "a b", &long] {
            let why = check(&db, user, Rights::Admin).unwrap_err();
            assert!(why.contains("cannot be a login name"), "{why}");
        }
        assert_eq!(check(&db, "reader", Rights::Admin), Ok(()));
        for rights in [Rights::ReadOnly, Rights::ReadWrite] {
            let told = check(&db, "reader", rights);
            match engine {
                EngineKind::Neo4j => assert!(told.unwrap_err().contains("has no roles")),
                EngineKind::Postgres | EngineKind::MariaDB | EngineKind::MongoDB => {
                    assert_eq!(told, Ok(()));
                }
            }
        }
    }
}

#[test]
fn a_server_is_asked_about_further_accounts_only_where_there_are_any() {
    for engine in ENGINES {
        let db = database(engine, "17");
        let (none, one) = (
            recipe(engine).probe_query(&db, &[]),
            recipe(engine).probe_query(&db, &["reader"]),
        );
        assert!(!none.contains("reader"), "{none}");
        assert!(one.contains("reader"), "{one}");
    }
}
