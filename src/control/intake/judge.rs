//! From an admission's result to the entries that write it down. Pure.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::admin::{Book, NewEntry, Row};
use crate::model::database::Source;
use crate::model::{Change, Database, DbName, Outcome, Problem, Timestamp, Who};

/// What became of a wish.
#[derive(Debug)]
pub enum Admitted {
    /// A database that was not there before.
    Created(Box<Database>),
    /// Its spec is another one now.
    Configured(Box<Database>),
    /// Its spec was this already.
    Unchanged(Box<Database>),
    /// Nothing was changed.
    Refused(Vec<Problem>),
}

/// An entry about a database.
pub(super) fn entry(
    who: &Who,
    name: &DbName,
    outcome: Outcome,
    message: String,
    change: Change,
) -> NewEntry {
    NewEntry {
        who: who.clone(),
        name: Some(name.clone()),
        outcome,
        message,
        change,
    }
}

/// The generation of the `state` row that an entry answers, for wishes made with SQL.
fn row_generation(who: &Who) -> Option<u64> {
    match who {
        Who::Sql { generation, .. } => Some(*generation),
        Who::Daemon | Who::Socket { .. } | Who::File(_) | Who::Commit { .. } => None,
    }
}

/// What an admission comes to, and the entries for it: none where nothing is new.
pub(super) fn judge(
    book: &Book,
    who: &Who,
    name: &DbName,
    result: Result<Database, Vec<Problem>>,
) -> (Vec<NewEntry>, Admitted) {
    let row = book.row(name);
    let earlier = row.map(|row| &row.database);
    let mut database = match result {
        Ok(database) => database,
        Err(problems) => {
            let lines = problems.iter().map(ToString::to_string).collect();
            return (refusal(book, who, name, lines), Admitted::Refused(problems));
        }
    };
    let Some(earlier) = earlier else {
        database.generation = database.generation.max(row_generation(who).unwrap_or(1));
        let message = format!("{} on port {}", database.image.display, database.port);
        let entries = vec![admission(who, name, message, &database)];
        return (entries, Admitted::Created(Box::new(database)));
    };
    if **earlier == database {
        let mended = row.is_some_and(|row| row.refused.is_some());
        let entries = match (mended, row_generation(who)) {
            (false, None) => Vec::new(),
            (_, answered) => {
                let change = Change::SpecRefused {
                    row_generation: answered,
                    problems: Vec::new(),
                };
                let message = "the spec says what is in force".to_owned();
                vec![entry(who, name, Outcome::Done, message, change)]
            }
        };
        return (entries, Admitted::Unchanged(Box::new(database)));
    }
    if let Some(why) = row.and_then(Row::gone) {
        let problems = vec![Problem::new("metadata.name", why).of(name)];
        let lines = problems.iter().map(ToString::to_string).collect();
        return (refusal(book, who, name, lines), Admitted::Refused(problems));
    }
    // Where labels or source alone changed, or the row's own count is ahead of ours.
    let least = (earlier.generation + 1).max(row_generation(who).unwrap_or(0));
    database.generation = database.generation.max(least);
    let message = format!(
        "spec changed, generation {}{}",
        database.generation,
        changes(earlier, &database)
    );
    let entries = vec![admission(who, name, message, &database)];
    (entries, Admitted::Configured(Box::new(database)))
}

/// What changed: into whose hands it came, and where its spec is from now on, since whoever reads the log later
/// looks for that first; then the fields of the spec.
fn changes(old: &Database, new: &Database) -> String {
    let told = |what: &str, old: &str, new: &str| {
        (old != new).then(|| format!("{what} `{old}` -> `{new}`"))
    };
    let changes = [
        told("owner", &old.owner, &new.owner),
        told("contact", &old.contact, &new.contact),
        told("source", &old.source.to_string(), &new.source.to_string()),
    ];
    let mut changes: Vec<String> = changes.into_iter().flatten().collect();
    let mut fields = Vec::new();
    differ("", &old.given, &new.given, &mut fields);
    // Said above, with what they were.
    fields.retain(|field| !["owner", "contact"].contains(&field.split(' ').next().unwrap_or("")));
    changes.extend(fields);
    if changes.is_empty() {
        String::new()
    } else {
        format!(": {}", changes.join(", "))
    }
}

/// What a spec says otherwise, field by field.
fn differ(at: &str, old: &Value, new: &Value, changes: &mut Vec<String>) {
    match (old, new) {
        _ if old == new => {}
        (Value::Object(old), Value::Object(new)) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let field = if at.is_empty() {
                    key.clone()
                } else {
                    format!("{at}.{key}")
                };
                let of = |all: &serde_json::Map<String, Value>| all.get(key).cloned();
                let (old, new) = (of(old).unwrap_or_default(), of(new).unwrap_or_default());
                differ(&field, &old, &new, changes);
            }
        }
        (old, new) => changes.push(format!("{at} {} -> {}", said(old), said(new))),
    }
}

/// A value of a spec in a line of the log.
fn said(value: &Value) -> String {
    const MOST: usize = 60;
    let text = match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let line: String = text
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(MOST)
        .collect();
    if line.len() < text.len() {
        format!("{line}…")
    } else {
        line
    }
}

fn admission(who: &Who, name: &DbName, message: String, database: &Database) -> NewEntry {
    let change = Change::Admitted {
        database: Box::new(database.clone()),
    };
    entry(who, name, Outcome::Done, message, change)
}

/// A refusal; none where the same one stands already, except in answer to a row.
pub(super) fn refusal(
    book: &Book,
    who: &Who,
    name: &DbName,
    problems: Vec<String>,
) -> Vec<NewEntry> {
    let row_generation = row_generation(who);
    let unborn = || {
        book.unborn()
            .find(|(unborn, _)| *unborn == name)
            .map(|(_, known)| known)
    };
    let known = book
        .row(name)
        .and_then(|row| row.refused.as_deref())
        .or_else(unborn);
    if row_generation.is_none() && known == Some(problems.as_slice()) {
        return Vec::new();
    }
    let message = problems.join("; ");
    let change = Change::SpecRefused {
        row_generation,
        problems,
    };
    vec![entry(who, name, Outcome::Refused, message, change)]
}

/// The end of an override, where one is in force.
pub(super) fn resumption(book: &Book, who: &Who, name: &DbName, message: &str) -> Vec<NewEntry> {
    let in_force = book.row(name).is_some_and(|row| row.over.is_some());
    let resumed = || {
        entry(
            who,
            name,
            Outcome::Done,
            message.to_owned(),
            Change::Resumed { since: None },
        )
    };
    in_force.then(resumed).into_iter().collect()
}

/// Whether an edit of then waited, perhaps in tables that did not answer, while somebody applied a newer
/// spec. Edits of rows among themselves follow each other as they were written.
pub(super) fn is_stale(written: Option<Timestamp>, row: &Row) -> bool {
    row.database.source == Source::Api && written.is_some_and(|at| at < row.admitted_at)
}

/// Whether an edit counts on from a generation that is not the one in force any more: its row showed an
/// earlier one, whosever the newer one is and whatever the clocks say. An edit that was read again while the
/// tables had no answer yet says what is in force, and is none of these.
pub(super) fn is_passed(generation: u64, row: &Row) -> bool {
    generation <= row.database.generation
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::admin::testing::{admitted, book, database, instant, name};

    #[test]
    fn the_log_says_into_whose_hands_a_database_came() {
        let old = database("genomics", 32011);
        let book = book(vec![admitted(old.clone())]);
        let who = Who::File("genomics.yaml".into());
        let said = |db: Database| {
            let (entries, _) = judge(&book, &who, &name("genomics"), Ok(db));
            assert_eq!(entries.len(), 1);
            entries[0].message.clone()
        };
        let owner = Database {
            owner: "others".to_owned(),
            contact: "others@example.org".to_owned(),
            ..old.clone()
        };
        assert_eq!(
            said(owner),
            "spec changed, generation 2: owner `lab` -> `others`, contact `lab@example.org` -> \
             `others@example.org`"
        );
        let other = Database {
            description: "another".to_owned(),
            ..old.clone()
        };
        assert_eq!(said(other), "spec changed, generation 2");
        let file = Database {
            source: Source::File("genomics.yaml".into()),
            ..old.clone()
        };
        let was = &old.source;
        assert_eq!(
            said(file),
            format!("spec changed, generation 2: source `{was}` -> `file:genomics.yaml`")
        );
    }

    #[test]
    fn an_edit_of_before_does_not_undo_what_was_applied_since() {
        let at = |source: Source, written: Option<i64>| {
            let mut db = database("genomics", 32011);
            db.source = source;
            // Admitted one second after the instant.
            let book = book(vec![admitted(db)]);
            is_stale(written.map(instant), book.row(&name("genomics")).unwrap())
        };
        assert!(at(Source::Api, Some(0)));
        assert!(!at(Source::Api, Some(1)) && !at(Source::Api, Some(2)));
        // Two edits within a beat: the first was taken in after the second was written.
        assert!(!at(Source::Row, Some(0)));
        assert!(!at(Source::Api, None), "nobody can tell");
    }

    #[test]
    fn an_edit_of_a_row_that_showed_an_earlier_generation_is_known_whoever_owns_the_spec() {
        for source in [Source::Row, Source::Api] {
            let mut db = database("genomics", 32011);
            (db.source, db.generation) = (source, 3);
            let book = book(vec![admitted(db)]);
            let row = book.row(&name("genomics")).unwrap();
            // The row showed 2, or 3; or its own count is ahead, for words over the state alone.
            let passed = [3, 4, 9].map(|generation| is_passed(generation, row));
            assert_eq!(passed, [true, false, false]);
        }
    }

    #[test]
    fn the_log_says_which_fields_of_a_spec_changed() {
        let old =
            json!({"image": "PostgreSQL 17", "resources": {"memory": "2Gi"}, "config": "a\nb"});
        let new = json!({
            "image": "PostgreSQL 17", "resources": {"memory": "4Gi", "cpus": 2}, "config": "a\nc",
            "access": [{"who": "bob", "role": "User"}],
        });
        let mut changes = Vec::new();
        differ("", &old, &new, &mut changes);
        assert_eq!(
            changes,
            [
                r#"access (none) -> [{"role":"User","who":"bob"}]"#,
                "config a… -> a…",
                "resources.cpus (none) -> 2",
                "resources.memory 2Gi -> 4Gi",
            ]
        );
    }
}
