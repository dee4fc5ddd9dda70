//! Files beside one another, and rows.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use db4sci::model::database::Source;
use db4sci::model::{DbName, Problem};
use db4sci::specs::{self, FolderSeen, Request, RowEdit, rows, yaml};
use serde_json::json;

use super::{rules, spec};

/// A folder with files of these names and bytes.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

fn shown(problems: &[Problem], dir: &Path) -> Vec<String> {
    let dir = format!("{}/", dir.display());
    let lines = problems.iter().map(ToString::to_string);
    lines.map(|line| line.replace(&dir, "")).collect()
}

fn checked(files: &[(&str, &[u8])]) -> Vec<String> {
    let dir = folder(files);
    let found = specs::check(&[dir.path().to_owned()], &rules());
    shown(&found.problems, dir.path())
}

#[test]
fn the_same_name_in_two_files() {
    let text = spec("");
    assert_eq!(
        checked(&[("a.yaml", text.as_bytes()), ("b.yaml", text.as_bytes())]),
        [
            "a.yaml:4:9: metadata.name: `genomics` stands here and at b.yaml:4:9; one file a \
             database, so neither is taken"
        ]
    );
}

#[test]
fn a_port_twice() {
    let a = spec("  port: 32050\n");
    let b = a.replace("name: genomics", "name: assays");
    assert_eq!(
        checked(&[("a.yaml", a.as_bytes()), ("b.yaml", b.as_bytes())]),
        [
            "a.yaml:9:9: spec.port: 32050 belongs to `assays` and cannot be `genomics`'s, too; \
             choose another, or leave `port` out"
        ]
    );
}

#[test]
fn one_bad_file_is_one_problem() {
    let good = spec("");
    let wrong = b"metadata:\n  name: \xff\xfe\n";
    assert_eq!(
        checked(&[("bad.yaml", wrong), ("good.yaml", good.as_bytes())]),
        ["bad.yaml:2:9: not UTF-8: byte 0xFF; save the file as UTF-8"]
    );
}

#[test]
fn a_name_changed_in_a_file() {
    let dir = folder(&[("g.yaml", spec("").as_bytes())]);
    let accepted: BTreeMap<DbName, Source> =
        BTreeMap::from([("genome".parse().unwrap(), Source::File("g.yaml".into()))]);
    let merged = specs::merge(&yaml::read_folder(dir.path()), dir.path(), &accepted);
    assert_eq!(
        shown(&merged.problems, dir.path()),
        [
            "g.yaml:4:9: metadata.name: was `genome`, is `genomics`: `genome` goes on unchanged, \
             and `genomics` is not made; run `db4sci rename genome genomics`, or set the name back"
        ]
    );
}

#[test]
fn a_name_that_is_none() {
    let text = spec("  port: 32011\n").replace("name: genomics", "name: Genomics");
    let dir = folder(&[("g.yaml", text.as_bytes())]);
    let accepted = BTreeMap::from([("genomics".parse().unwrap(), Source::File("g.yaml".into()))]);
    let merged = specs::merge(&yaml::read_folder(dir.path()), dir.path(), &accepted);
    assert!(merged.orphans.is_empty());
    let problems = merged.nameless[0].problems(&rules());
    assert_eq!(
        shown(&problems, dir.path()),
        [
            "g.yaml:4:9: metadata.name: `Genomics` is not allowed; allowed: \
             ^[a-z][a-z0-9_-]{0,39}$",
            "g.yaml:9:9: spec.port: 32011 belongs to `proteomics` and cannot be `Genomics`'s, \
             too; choose another, or leave `port` out",
        ]
    );
    let was = problems[0].name.as_ref().map(DbName::as_str);
    assert_eq!(was, Some("genomics"), "its database is told");
}

#[test]
fn a_folder_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let gone = dir.path().join("desired-state");
    let seen = yaml::read_folder(&gone);
    assert_eq!(seen, FolderSeen::Unknown("there is no such folder".into()));
    let merged = specs::merge(&seen, &gone, &BTreeMap::new());
    assert_eq!(
        shown(&merged.problems, dir.path()),
        ["desired-state: there is no such folder; nothing is changed"]
    );
}

fn row(name: &str, spec: serde_json::Value, state: Option<&str>) -> RowEdit {
    RowEdit {
        name: name.to_owned(),
        spec,
        state: state.map(str::to_owned),
        until: None,
        note: None,
    }
}

#[test]
fn rows_have_the_same_errors_without_a_line() {
    let wrong = json!({"engine": "Postgress", "owner": "lab", "contakt": "a@b", "port": "32"});
    let edit = row("assays", wrong, Some("Stoped"));
    let read = rows::read(&edit).unwrap();
    let uid = db4sci::model::Uid(uuid::Uuid::nil());
    let problems = specs::admit(&read.request(), None, &rules(), uid).unwrap_err();
    assert_eq!(
        shown(&problems, Path::new("")),
        [
            "state row assays: spec.contact: missing; it is required",
            "state row assays: spec.contakt: unknown field; did you mean `contact`?",
            "state row assays: spec.engine: `Postgress` is not allowed; did you mean `Postgres`? \
             Allowed: Postgres, MariaDB, MongoDB, Neo4j",
            "state row assays: spec.port: `32` is text; write a number without quotes, allowed: 1 \
             to 65535",
            "state row assays: state: `Stoped` is not allowed; did you mean `Stopped`? Allowed: \
             Running, Stopped, Maintenance, Retired",
        ]
    );
}

#[test]
fn a_row_over_a_file() {
    let parsed = specs::parse(&spec(""), Path::new("genomics.yaml")).unwrap();
    let uid = db4sci::model::Uid(uuid::Uuid::nil());
    let file = Request {
        parsed: &parsed,
        source: Source::File("genomics.yaml".into()),
    };
    let earlier = specs::admit(&file, None, &rules(), uid).unwrap();
    let wish = json!({"engine": "Postgres", "owner": "me", "contact": "me@example.org",
        "account": {"passwordFile": "/etc/shadow"}});
    let read = rows::read(&row("genomics", wish.clone(), None)).unwrap();
    let found = specs::admit(&read.request(), Some(&earlier), &rules(), uid);
    assert_eq!(
        shown(&found.unwrap_err()[..1], Path::new("")),
        [
            "state row genomics: the spec of `genomics` is the file genomics.yaml of \
             desired-state; change it there (`db4sci stop`, `start` and `maintenance` work \
             without it)"
        ]
    );
    let read = rows::read(&row("other", wish, None)).unwrap();
    let found = specs::admit(&read.request(), None, &rules(), uid);
    assert_eq!(
        shown(&found.unwrap_err(), Path::new("")),
        [
            "state row other: spec.account.passwordFile: only a file of desired-state may name a \
             file of the host; leave it out, and db4sci makes a password"
        ]
    );
}
