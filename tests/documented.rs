//! The tables of `docs/testing/` name tests that exist, and own up where there is none.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

/// Each document and how many rows it has at least: a table that nobody reads any more is an error, too.
const TABLES: [(&str, usize); 3] = [
    ("docs/testing/faults.md", 34),
    ("docs/testing/bad-inputs.md", 28),
    ("docs/testing/laws.md", 9),
];

/// The column with the tests.
const COLUMN: &str = "shown by";
/// What stands there instead of tests.
const NONE: &str = "nothing yet";

/// A row of a table: its file and line, and what shows it.
struct Row {
    place: String,
    shown_by: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of a document below headers that have the column.
fn rows(file: &str) -> Vec<Row> {
    let text = fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
    let mut header: Option<Vec<&str>> = None;
    let mut found = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let place = format!("{file}:{number}");
        let Some(row) = line.strip_prefix('|') else {
            header = None;
            continue;
        };
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let Some(names) = &header else {
            assert!(cells.contains(&COLUMN), "{place}: no column `{COLUMN}`");
            header = Some(cells);
            continue;
        };
        let (has, wanted) = (cells.len(), names.len());
        assert_eq!(has, wanted, "{place}: cells, and those of the header");
        if !cells[0].starts_with("---") {
            let column = names.iter().position(|name| *name == COLUMN).unwrap();
            let shown_by = cells[column].to_owned();
            found.push(Row { place, shown_by });
        }
    }
    found
}

/// The names of tests in a cell.
fn named(cell: &str) -> impl Iterator<Item = &str> {
    let spans = cell.split('`').skip(1).step_by(2);
    spans.filter(|span| *span != NONE)
}

/// Where a test may stand by the path of its module: `live::hands` is `tests/live/hands.rs`, and
/// `lib::plan::tests` is `src/plan/tests.rs`, or a module at the end of `src/plan.rs`.
fn sources(program: &str, modules: &[&str]) -> Vec<PathBuf> {
    let folder = match program {
        "lib" => "src".to_owned(),
        program => format!("tests/{program}"),
    };
    let inline = modules.strip_suffix(&["tests"]);
    let paths = [Some(modules), inline].into_iter().flatten();
    let files = paths.flat_map(|modules| {
        let path = [&[folder.as_str()], modules].concat().join("/");
        ["", "/mod", "/main"].map(|end| root().join(format!("{path}{end}.rs")))
    });
    files.filter(|file| file.is_file()).collect()
}

/// Whether a source has a test of this name, and not only a function that helps one.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let head = format!("fn {name}(");
    let is_head = |line: &str| line.trim_start_matches("async ").starts_with(&head);
    (0..lines.len()).filter(|n| is_head(lines[*n])).any(|n| {
        let above = lines[..n].iter().rev();
        let mut above = above.take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        above.any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    })
}

/// Whether a program makes tests of a list, and this is in it.
fn lists(program: &str, name: &str) -> bool {
    let main = root().join(format!("tests/{program}/main.rs"));
    let text = fs::read_to_string(main).unwrap_or_default();
    let item = format!("{name},");
    text.contains("macro_rules!") && text.lines().any(|line| line.trim() == item)
}

/// Why a name is no test's.
fn problem(name: &str) -> Option<&'static str> {
    if name.starts_with("scenarios/") {
        let there = name.ends_with(".yaml") && root().join("tests").join(name).is_file();
        return (!there).then_some("there is no such file in tests/");
    }
    let parts: Vec<&str> = name.split("::").collect();
    let [program, modules @ .., function] = parts.as_slice() else {
        return Some("write program::module::name, or scenarios/FILE.yaml");
    };
    let files = sources(program, modules);
    if files.is_empty() {
        return Some("no file has this module");
    }
    let mut texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    let there = texts.any(|text| has_test(&text, function)) || lists(program, function);
    (!there).then_some("its module has no such test")
}

#[test]
fn every_test_that_the_tables_name_exists() {
    let mut wrong = Vec::new();
    for row in TABLES.iter().flat_map(|(file, _)| rows(file)) {
        for name in named(&row.shown_by) {
            let why = problem(name);
            wrong.extend(why.map(|why| format!("{}: `{name}`: {why}", row.place)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_row_names_a_test_or_says_that_there_is_none() {
    let mut wrong = Vec::new();
    for (file, least) in TABLES {
        let rows = rows(file);
        if rows.len() < least {
            wrong.push(format!("{file}: {} rows of {least}", rows.len()));
        }
        for row in rows {
            let tests = named(&row.shown_by).count();
            if (tests == 0) != row.shown_by.contains(NONE) {
                let place = row.place;
                wrong.push(format!("{place}: {tests} tests; for none write {NONE}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The names of an enum's variants, by its source.
fn variants(file: &str, name: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let (_, body) = text.split_once(&format!("pub enum {name} {{\n")).unwrap();
    let (body, _) = body.split_once("\n}\n").unwrap();
    let plain = body
        .lines()
        .filter_map(|line| line.trim().strip_suffix(','));
    plain.map(str::to_owned).collect()
}

#[test]
fn every_reason_that_is_shown_is_explained() {
    let file = "docs/runbooks/held.md";
    let text = fs::read_to_string(root().join(file)).unwrap();
    let reasons = variants("src/model/action.rs", "Reason");
    assert!(reasons.len() > 30, "{reasons:?}");
    let silent = reasons.iter().filter(|r| !text.contains(&format!("`{r}`")));
    let silent: Vec<_> = silent.collect();
    assert!(
        silent.is_empty(),
        "{file} does not say what these are: {silent:?}"
    );
}
