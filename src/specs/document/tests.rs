use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::specs::testing::spec;

const FILE: &str = "a.yaml";

fn read(text: &str) -> Result<crate::specs::Parsed, Vec<Problem>> {
    crate::specs::parse(text, Path::new(FILE))
}

#[test]
fn a_number_stays_as_it_was_written() {
    let text =
        spec("  parameters: {a: 1.10, b: 0x1F, c: 017, d: 1_000, e: true, f: yes, g: 1e3}\n");
    let parameters = read(&text).unwrap().raw.spec.parameters.unwrap();
    let values: Vec<&str> = parameters.values().map(|v| v.0.as_str()).collect();
    assert_eq!(
        values,
        ["1.10", "0x1F", "017", "1_000", "true", "yes", "1e3"]
    );
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_do_no_harm() {
    let text = format!("\u{feff}{}", spec("").replace('\n', "\r\n"));
    assert_eq!(read(&text).unwrap().raw.metadata.name, "genomics");
}

#[test]
fn the_status_is_not_looked_at() {
    let text = format!(
        "{}status: {{phase: Ready, list: [1, {{a: b}}]}}\n",
        spec("")
    );
    assert!(read(&text).unwrap().flaws.is_empty());
}

#[test]
fn an_alias_stands_for_its_anchor() {
    let text = spec("  description: &d calls\n  application: {name: *d}\n");
    let application = read(&text).unwrap().raw.spec.application.unwrap();
    assert_eq!(application.name, "calls");
}

#[test]
fn deep_nesting_is_refused_in_no_time() {
    let text = format!("a: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let problem = parse(&text, Path::new(FILE)).unwrap_err();
    assert!(
        problem.message.starts_with("document too large"),
        "{problem}"
    );
}

#[test]
fn no_message_shows_a_line_of_the_file() {
    for text in [
        "a: [hunter2\n",
        "hunter2: hunter2: x\n",
        "a: \"hunter2\n",
        "@hunter2",
    ] {
        let problem = parse(text, Path::new(FILE)).unwrap_err();
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
        assert!(!problem.to_string().contains('\n'), "{problem}");
    }
}

#[test]
fn what_is_said_of_a_part_is_found_by_its_field() {
    let parsed = read(&spec("  resources:\n    memory: 2Gi\n")).unwrap();
    for (field, line, column) in [
        ("spec.resources.memory", 10, 13),
        ("spec.resources.cpus", 9, 3),
        ("spec.image", 5, 1),
        ("metadata.name", 4, 9),
        ("", 1, 1),
    ] {
        let place = parsed.places.place(field);
        assert_eq!((place.line, place.column), (line, column), "{field}");
    }
}

#[test]
fn a_document_may_be_as_large_as_is_said_and_not_a_byte_larger() {
    let exactly = "#".repeat(MAX_BYTES);
    assert!(text(exactly.as_bytes(), Path::new(FILE)).is_ok());
    assert!(parse(&exactly, Path::new(FILE)).is_ok());
    let larger = "#".repeat(MAX_BYTES + 1);
    let problem = text(larger.as_bytes(), Path::new(FILE)).unwrap_err();
    assert!(
        problem
            .message
            .starts_with("document too large: 1048577 bytes"),
        "{problem}"
    );
    assert!(parse(&larger, Path::new(FILE)).is_err());
}

#[test]
fn each_mistake_of_shape_has_its_own_words() {
    for (text, words) in [
        ("- x\n".to_owned(), "expected a mapping, found a list"),
        (spec("  port: [1]\n"), "expected a number, found a list"),
        (spec("  description: [x]\n"), "expected text, found a list"),
        (spec("  phi: [x]\n"), "expected true or false, found a list"),
        (
            spec("  parameters: {a: [x]}\n"),
            "expected text or a number or true or false",
        ),
        (spec("  backup: x\n"), "expected a mapping, found text"),
        (
            spec("  backup: {stores: x}\n"),
            "expected a list, found text",
        ),
        (
            spec("  description: \"a\\u0007b\"\n"),
            "has the control character '\\u{7}'",
        ),
        (spec("  image:\n"), "has no value"),
        (spec("  image: \"\"\n"), "empty; a value is needed"),
    ] {
        let told = match read(&text) {
            Ok(parsed) => parsed.flaws,
            Err(problems) => problems,
        };
        assert_eq!(told.len(), 1, "{text}: {told:?}");
        assert!(told[0].message.contains(words), "{text}: {told:?}");
    }
    // A value is shown in part where it is long.
    let shown = |length: usize| {
        let text = spec(&format!("  port: \"{}\"\n", "x".repeat(length)));
        read(&text).unwrap().flaws[0].message.clone()
    };
    assert!(shown(60).starts_with(&format!("`{}` is text", "x".repeat(60))));
    assert!(shown(61).starts_with(&format!("`{}…` is text", "x".repeat(60))));
    // Tabs and line ends are text.
    let fine = spec("  description: \"a\\tb\\nc\"\n");
    assert!(read(&fine).unwrap().flaws.is_empty());
    let owner = |length: usize| {
        let owner = "x".repeat(length);
        let text = spec("").replace("owner: lab", &format!("owner: {owner}"));
        let flaws = read(&text).unwrap().flaws;
        flaws.into_iter().map(|p| p.message).collect::<Vec<_>>()
    };
    assert!(owner(1).is_empty() && owner(100).is_empty());
    assert_eq!(owner(101), ["101 characters; at most 100 are allowed"]);
}

#[test]
fn what_is_wrong_names_its_database_where_that_much_can_be_read() {
    let labelled = spec("  port: 0\n").replace("  name:", "  labels: {a: b}\n  name:");
    let whole = read(&labelled).unwrap().flaws;
    let name = whole[0].name.as_ref().unwrap();
    assert_eq!(name.as_str(), "genomics");
    let nameless = read(&labelled.replace("name: genomics", "name: 5x")).unwrap();
    assert!(nameless.flaws.iter().all(|flaw| flaw.name.is_none()));
}

#[test]
fn a_schema_says_what_fits_and_what_is_wanted() {
    use serde_json::json;
    let node = |kind| Node {
        at: Position::default(),
        kind,
    };
    let kinds = [
        Kind::Null,
        Kind::Bool(true),
        Kind::Number("1".to_owned()),
        Kind::Text("a".to_owned()),
        Kind::List(vec![node(Kind::Null)]),
        Kind::Map(Vec::new()),
    ];
    let root = json!({"$defs": {"Word": {"enum": ["a", "b"]}}});
    // Nothing, true or false, a number, text, a list, a mapping.
    for (part, fitting, wanted) in [
        (json!({"type": "boolean"}), "-b----", "true or false"),
        (json!({"type": "integer"}), "--n---", "a number"),
        (json!({"type": "string"}), "--nt--", "text"),
        (json!({"type": "array"}), "----l-", "a list"),
        (json!({"type": "object"}), "-----m", "a mapping"),
        (
            json!({"type": ["string", "number"]}),
            "--nt--",
            "text or a number",
        ),
        (
            json!({"type": ["boolean", "array"]}),
            "-b--l-",
            "true or false or a list",
        ),
        (json!({"$ref": "#/$defs/Word"}), "---t--", "text"),
        (json!({}), "0bntlm", "text"),
    ] {
        let found: String = kinds
            .iter()
            .zip("0bntlm".chars())
            .map(|(kind, letter)| match schema::fits(&root, &part, kind) {
                true => letter,
                false => '-',
            })
            .collect();
        assert_eq!(found, fitting, "{part}");
        assert_eq!(schema::wanted(&root, &part), wanted, "{part}");
    }
    for (part, range) in [
        (json!({"minimum": 1, "maximum": 5}), "allowed: 1 to 5"),
        (json!({"minimum": 1}), "at least 1"),
        (json!({"maximum": 5}), "at most 5"),
        (json!({}), "a whole number is expected"),
    ] {
        assert_eq!(schema::range(&part), range);
    }
    for (part, words) in [
        (json!({"const": "a"}), Some(vec!["a"])),
        (json!({"enum": ["a", "b"]}), Some(vec!["a", "b"])),
        (
            json!({"oneOf": [{"const": "a"}, {"enum": ["b", "c"]}]}),
            Some(vec!["a", "b", "c"]),
        ),
        (json!({"oneOf": [{"const": "a"}, {"type": "string"}]}), None),
        (json!({"type": "string"}), None),
    ] {
        assert_eq!(schema::words(&part), words, "{part}");
    }
}

/// Pieces that make broken YAML more likely than random bytes do.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "apiVersion: db4sci/v1\n",
        "kind: Database\n",
        "metadata:\n",
        "  name: a\n",
        "spec:\n",
        "  engine: Postgres\n",
        "  owner: o\n",
        "  port: ",
        "  - ",
        "[",
        "]",
        "{",
        "}",
        ": ",
        "\n",
        "\t",
        "&a ",
        "*a",
        "<<: ",
        "!x ",
        "'",
        "\"",
        "|\n",
        ">-\n",
        "---\n",
        "...\n",
        "? ",
        "#",
        "%TAG ! x\n",
        "\u{feff}",
        "\0",
        "é",
        "99999999999999999999",
        "0x",
        ".nan",
        "~",
        "1_0",
        ",",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(text) = text(&bytes, Path::new(FILE)) {
            let _ = read(text);
        }
    }

    #[test]
    fn no_text_makes_it_panic_and_every_refusal_has_a_place(text in pieces()) {
        if let Err(problems) = read(&text) {
            prop_assert!(!problems.is_empty());
            for problem in problems {
                prop_assert!(problem.place.is_some());
            }
        }
    }

    #[test]
    fn no_change_of_a_good_spec_makes_admission_panic(at in 0usize..140, piece in pieces()) {
        let mut text = spec("  image: PostgreSQL 17\n  port: 32012\n");
        let at = (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap();
        text.insert_str(at, &piece);
        let rules = crate::specs::testing::rules();
        let _ = crate::specs::testing::admit_text(&text, None, &rules);
    }
}
