use super::super::testing::named;
use super::*;

/// What a folder with files of these names and texts gives.
fn folder(files: &[(&str, &str)]) -> FolderSeen {
    let files = files.iter().map(|(path, text)| FileSeen {
        path: path.into(),
        hash: String::new(),
        changed: None,
        spec: super::super::parse(text, Path::new(path)),
    });
    FolderSeen::Read {
        files: files.collect(),
        unread: Vec::new(),
    }
}

fn spec(name: &str) -> String {
    named(name, "")
}

fn accepted(sources: &[(&str, Source)]) -> BTreeMap<DbName, Source> {
    let owned = sources
        .iter()
        .map(|(name, source)| (name.parse().unwrap(), source.clone()));
    owned.collect()
}

fn file(path: &str) -> Source {
    Source::File(path.into())
}

/// Names of candidates, orphans, renamed (old and new), and the number of problems.
type Told<'a> = (Vec<&'a str>, Vec<&'a str>, Vec<(&'a str, &'a str)>, usize);

fn told(merged: &Merged) -> Told<'_> {
    let renamed = merged.renamed.iter();
    (
        merged.candidates.iter().map(|c| c.name.as_str()).collect(),
        merged.orphans.iter().map(DbName::as_str).collect(),
        renamed.map(|r| (r.old.as_str(), r.new.as_str())).collect(),
        merged.problems.len(),
    )
}

fn merge_all(seen: &FolderSeen, sources: &[(&str, Source)]) -> Merged {
    merge(seen, Path::new("desired-state"), &accepted(sources))
}

#[test]
fn every_good_file_is_a_candidate() {
    let seen = folder(&[("b.yaml", &spec("b")), ("a.yaml", &spec("a"))]);
    assert_eq!(
        told(&merge_all(&seen, &[])),
        (vec!["a", "b"], vec![], vec![], 0)
    );
}

#[test]
fn files_that_ask_for_a_port_come_first() {
    let seen = folder(&[
        ("a.yaml", &spec("a")),
        ("b.yaml", &named("b", "  port: 32010\n")),
    ]);
    assert_eq!(told(&merge_all(&seen, &[])).0, ["b", "a"]);
}

#[test]
fn a_vanished_file_leaves_an_orphan() {
    let merged = merge_all(&folder(&[]), &[("a", file("a.yaml")), ("b", Source::Row)]);
    assert_eq!(told(&merged), (vec![], vec!["a"], vec![], 0));
}

#[test]
fn an_unreadable_folder_leaves_nothing_to_conclude() {
    let seen = FolderSeen::Unknown("cannot be read: permission denied".into());
    let merged = merge_all(&seen, &[("a", file("a.yaml"))]);
    assert_eq!(told(&merged), (vec![], vec![], vec![], 1));
}

#[test]
fn an_unreadable_sub_folder_orphans_nothing_below_it() {
    let seen = FolderSeen::Read {
        files: vec![],
        unread: vec![("lab".into(), "cannot be read".into())],
    };
    let merged = merge_all(&seen, &[("a", file("lab/a.yaml")), ("b", file("b.yaml"))]);
    assert_eq!(told(&merged), (vec![], vec!["b"], vec![], 1));
    assert_eq!(
        merged.problems[0].to_string(),
        "desired-state/lab: cannot be read; nothing is changed for what lies there"
    );
}

#[test]
fn a_broken_file_does_not_make_its_database_look_absent() {
    for text in ["metadata: {name: a", "", "- x\n"] {
        let merged = merge_all(
            &folder(&[("a.yaml", text), ("b.yaml", &spec("b"))]),
            &[("a", file("a.yaml")), ("b", file("b.yaml"))],
        );
        assert_eq!(told(&merged), (vec!["b"], vec![], vec![], 1), "{text}");
        let name = merged.problems[0].name.as_ref().map(DbName::as_str);
        assert_eq!(name, Some("a"), "the problem is its last database's");
    }
}

#[test]
fn a_file_without_a_usable_name_does_not_make_its_database_look_absent() {
    let merged = merge_all(&folder(&[("a.yaml", &spec("A"))]), &[("a", file("a.yaml"))]);
    assert_eq!(told(&merged), (vec![], vec![], vec![], 0));
    let was = merged.nameless[0].was.as_ref().map(DbName::as_str);
    assert_eq!(was, Some("a"));
}

#[test]
fn the_same_name_in_two_files_takes_neither_and_orphans_nothing() {
    let seen = folder(&[
        ("a.yaml", &spec("a")),
        ("b.yaml", &spec("a")),
        ("c.yaml", &spec("c")),
    ]);
    let merged = merge_all(&seen, &[("a", file("a.yaml"))]);
    assert_eq!(told(&merged), (vec!["c"], vec![], vec![], 1));
}

#[test]
fn a_changed_name_is_held() {
    let merged = merge_all(
        &folder(&[("a.yaml", &spec("new"))]),
        &[("old", file("a.yaml"))],
    );
    assert_eq!(told(&merged), (vec![], vec![], vec![("old", "new")], 1));
}

/// What each of these says in its spec.
fn given(names: &[&str]) -> BTreeMap<DbName, serde_json::Value> {
    let of = |name: &&str| {
        let parsed = super::super::parse(&spec(name), Path::new("a.yaml")).unwrap();
        let given = serde_json::to_value(&parsed.raw.spec).unwrap();
        (name.parse().unwrap(), given)
    };
    names.iter().map(of).collect()
}

#[test]
fn a_file_with_another_path_and_another_name_is_held_if_it_surely_is_the_same() {
    let moved = folder(&[("b.yaml", &spec("new"))]);
    let mut merged = merge_all(&moved, &[("old", file("a.yaml"))]);
    merged.hold_moved(&given(&["old"]));
    assert_eq!(told(&merged), (vec![], vec![], vec![("old", "new")], 1));
    assert_eq!(merged.renamed[0].path, Path::new("b.yaml"));
    // Two could be meant: neither is, and both are as two files that came and two that went.
    let moved = folder(&[("c.yaml", &spec("new")), ("d.yaml", &spec("newer"))]);
    let sources = [("old", file("a.yaml")), ("older", file("b.yaml"))];
    let mut merged = merge_all(&moved, &sources);
    merged.hold_moved(&given(&["old", "older"]));
    assert_eq!(
        told(&merged),
        (vec!["new", "newer"], vec!["old", "older"], vec![], 0)
    );
    // Another spec is another database.
    let other = folder(&[("b.yaml", &named("new", "  port: 32044\n"))]);
    let mut merged = merge_all(&other, &[("old", file("a.yaml"))]);
    merged.hold_moved(&given(&["old"]));
    assert_eq!(told(&merged), (vec!["new"], vec!["old"], vec![], 0));
    // Its file is still there.
    let both = folder(&[("a.yaml", &spec("old")), ("b.yaml", &spec("new"))]);
    let mut merged = merge_all(&both, &[("old", file("a.yaml"))]);
    merged.hold_moved(&given(&["old"]));
    assert_eq!(told(&merged), (vec!["new", "old"], vec![], vec![], 0));
}

#[test]
fn a_moved_file_is_no_rename_and_no_orphan() {
    let seen = folder(&[("lab/a.yaml", &spec("a"))]);
    let merged = merge_all(&seen, &[("a", file("a.yaml"))]);
    assert_eq!(told(&merged), (vec!["a"], vec![], vec![], 0));
}

#[test]
fn two_files_that_swap_their_names_go_on() {
    let seen = folder(&[("a.yaml", &spec("b")), ("b.yaml", &spec("a"))]);
    let merged = merge_all(&seen, &[("a", file("a.yaml")), ("b", file("b.yaml"))]);
    assert_eq!(told(&merged), (vec!["a", "b"], vec![], vec![], 0));
}

#[test]
fn a_file_that_takes_a_known_name_leaves_its_old_one_an_orphan() {
    let seen = folder(&[("a.yaml", &spec("b"))]);
    let merged = merge_all(&seen, &[("a", file("a.yaml")), ("b", file("b.yaml"))]);
    assert_eq!(told(&merged), (vec!["b"], vec!["a"], vec![], 0));
}

#[test]
fn a_file_wins_over_a_row() {
    let seen = folder(&[("a.yaml", &spec("a"))]);
    let merged = merge_all(&seen, &[("a", Source::Row), ("b", Source::Api)]);
    assert_eq!(told(&merged), (vec!["a"], vec![], vec![], 0));
}

#[test]
fn one_new_file_for_two_that_went_is_held_for_neither() {
    let moved = folder(&[("c.yaml", &spec("new"))]);
    let sources = [("old", file("a.yaml")), ("older", file("b.yaml"))];
    let mut merged = merge_all(&moved, &sources);
    merged.hold_moved(&given(&["old", "older"]));
    assert_eq!(
        told(&merged),
        (vec!["new"], vec!["old", "older"], vec![], 0)
    );
}

#[test]
fn two_new_files_for_one_that_went_are_both_new() {
    let moved = folder(&[("b.yaml", &spec("new")), ("c.yaml", &spec("newer"))]);
    let mut merged = merge_all(&moved, &[("old", file("a.yaml"))]);
    merged.hold_moved(&given(&["old"]));
    assert_eq!(
        told(&merged),
        (vec!["new", "newer"], vec!["old"], vec![], 0)
    );
}
