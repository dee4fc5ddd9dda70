//! Who may use whom, read from the source itself (`docs/adr/0009-who-uses-whom.md`).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module and what it may use besides itself.
const TABLE: [(&str, &[&str]); 15] = [
    ("model", &[]),
    ("engine", &["model"]),
    ("plan", &["model", "engine"]),
    ("specs", &["model", "engine"]),
    ("settings", &["model", "specs"]),
    ("runtime", &["model"]),
    ("store", &["model"]),
    ("admin", &["model"]),
    ("observe", &["model", "engine", "runtime", "admin"]),
    ("record", &["model", "admin"]),
    (
        "execute",
        &["model", "engine", "runtime", "store", "admin", "record"],
    ),
    (
        "control",
        &[
            "model", "engine", "runtime", "admin", "specs", "observe", "plan", "execute", "record",
        ],
    ),
    ("http", &["model", "engine", "plan", "record", "admin"]),
    (
        "cli",
        &["model", "engine", "plan", "record", "admin", "http"],
    ),
    (
        "app",
        &[
            "model", "engine", "plan", "specs", "settings", "runtime", "store", "admin", "observe",
            "record", "execute", "control", "http", "cli",
        ],
    ),
];

/// A crate and the only folders that may name it.
const ADAPTERS: [(&str, &[&str]); 10] = [
    ("bollard", &["src/runtime/docker"]),
    ("sqlx", &["src/runtime/servers", "src/admin"]),
    ("::mongodb", &["src/runtime/servers"]),
    ("neo4rs", &["src/runtime/servers"]),
    ("rcgen", &["src/admin/authority"]),
    ("x509_parser", &["src/admin/authority"]),
    ("tokio_cron_scheduler", &["src/control"]),
    ("aws_sdk_s3", &["src/store/s3.rs", "src/store/s3"]),
    ("aws_smithy_http_client", &["src/store/s3.rs"]),
    ("age", &["src/store/seal.rs"]),
];

/// Words that have no place where decisions are made.
const IMPURE: [&str; 7] = [
    "async fn",
    ".await",
    "tokio::",
    "std::fs",
    "std::env",
    "tracing::",
    "Utc::now",
];

/// The files of `specs` that touch the disk or wait.
const EDGES: [&str; 4] = [
    "src/specs/yaml",
    "src/specs/watch",
    "src/specs/check",
    "src/specs/yaml.rs",
];

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root).unwrap().to_owned(), text));
            }
        }
    }
    assert!(found.len() > 100, "only {} files", found.len());
    found
}

/// The text without comments, and without what stands behind the first `#[cfg(test)]` module.
fn code(text: &str) -> String {
    let body = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text);
    let lines = body
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn is_test(path: &Path) -> bool {
    let helps = [
        "tests",
        "tests.rs",
        "testing.rs",
        "fixture.rs",
        "fake.rs",
        "sample.rs",
    ];
    path.components()
        .any(|part| helps.iter().any(|name| part.as_os_str() == *name))
}

fn module(path: &Path) -> String {
    let part = path
        .components()
        .nth(1)
        .unwrap()
        .as_os_str()
        .to_string_lossy()
        .into_owned();
    part.trim_end_matches(".rs").to_owned()
}

/// The first segments of all `crate::…` paths.
fn used(code: &str) -> BTreeSet<String> {
    let segments = code.match_indices("crate::").filter(|(at, _)| {
        !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$')
    });
    segments
        .map(|(at, found)| {
            let rest = &code[at + found.len()..];
            rest.chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect()
        })
        .filter(|name: &String| !name.is_empty())
        .collect()
}

#[test]
fn every_module_uses_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let module = module(&path);
        if is_test(&path) || matches!(module.as_str(), "lib" | "main") {
            continue;
        }
        let (_, allowed) = TABLE.iter().find(|(name, _)| *name == module).unwrap();
        for name in used(&code(&text)) {
            if name != module && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{} uses {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a path begins with this, and not only ends in it, as `Storage::` does in `age::`.
fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[test]
fn a_foreign_crate_is_named_by_its_adapter_alone() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        for (name, folders) in ADAPTERS {
            let word = format!("{name}::");
            let inside = folders.iter().any(|folder| path.starts_with(folder));
            if !inside && !is_test(&path) && has_word(&code(&text), &word) {
                wrong.push(format!("{} names {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_engine_and_model_tell_one_engine_from_another() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let known = matches!(module(&path).as_str(), "engine" | "model") || is_test(&path);
        let names = ["Postgres", "MariaDB", "MongoDB", "Neo4j"];
        let told = names
            .iter()
            .any(|n| code(&text).contains(&format!("EngineKind::{n}")));
        // The simulated host plays the engines' images.
        if !known && told && !path.starts_with("src/runtime/sim") {
            wrong.push(path.display().to_string());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn decisions_are_pure() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let pure = matches!(
            module(&path).as_str(),
            "plan" | "engine" | "specs" | "model"
        );
        let edge = EDGES
            .iter()
            .any(|edge| path.starts_with(edge) || path == Path::new(edge).with_extension("rs"));
        // The one wall clock.
        if !pure || edge || is_test(&path) || path == Path::new("src/model/time.rs") {
            continue;
        }
        let code = code(&text);
        for word in IMPURE {
            if code.contains(word) {
                wrong.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_file_holds_one_idea() {
    let long: Vec<String> = sources()
        .into_iter()
        .filter(|(path, _)| !is_test(path))
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > 420)
        .map(|(path, lines)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}
