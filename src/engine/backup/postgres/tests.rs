use super::*;
use crate::runtime::fixture;

fn watched(part: &str, text: &[u8]) -> Result<BTreeMap<String, u64>, String> {
    let mut watch = Postgres.watch(part);
    for piece in text.chunks(3) {
        watch.take(piece);
    }
    watch.end("")
}

#[test]
fn globals_end_with_their_mark_or_were_cut_off() {
    let whole = format!("CREATE ROLE a;\nCREATE ROLE b;\n--\n{GLOBALS_END}\n--\n\n");
    assert_eq!(watched(GLOBALS, whole.as_bytes()).unwrap()["roles"], 2);
    assert!(watched(GLOBALS, b"CREATE ROLE a;\n").is_err());
    assert!(watched(GLOBALS, b"").is_err());
}

#[test]
fn what_is_no_archive_is_told() {
    assert!(watched("x.dump", b"PGDMP\x01").is_ok());
    assert!(watched("x.dump", b"").is_err());
    assert!(watched("x.dump", b"\x1f\x8b").is_err());
}

#[test]
fn a_database_is_named_whatever_it_is_called() {
    assert_eq!(conninfo("a=b 'c\\"), r"dbname='a=b \'c\\'");
    assert_eq!(file_part("a/b ü"), "a%2Fb%20%C3%BC");
}

#[test]
fn a_count_keeps_no_lock_and_no_database_that_was_half_dropped_is_asked() {
    let db = fixture::database("genomics", std::path::Path::new("/srv"));
    let counting = Postgres.count(&db, &Contents::default(), &["genomics".to_owned()]);
    let inventory = Inventory {
        databases: vec!["genomics".to_owned()],
        ..Inventory::default()
    };
    let parts = Postgres.parts(&db, &inventory, 9);
    let companions = parts.into_iter().filter_map(|part| part.companion);
    let all: Vec<Command> = counting.into_iter().skip(1).chain(companions).collect();
    assert_eq!(all.len(), 2);
    for command in all {
        let text = &command.scripts[0].1;
        let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
        let order = [
            place("begin transaction"),
            place("savepoint counted"),
            place("from only"),
            place("'rollback to counted'"),
            place("\\gexec"),
            place("commit"),
        ];
        assert!(order.is_sorted(), "{text}");
    }
    let asked = Postgres.inventory(&db).scripts[0].1.clone();
    assert!(asked.contains("datconnlimit = -2"), "{asked}");
}
