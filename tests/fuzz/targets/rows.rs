//! A row of `state` as a person may write it with SQL: a JSON document of its columns.

use std::path::Path;

use db4sci::model::{Timestamp, Uid};
use db4sci::specs::{self, RowEdit, rows};
use serde_json::Value;
use uuid::Uuid;

use super::{Check, Fate, Target, must, told};

pub const TARGET: Target = Target {
    name: "rows",
    words: &[
        "{\"name\":\"a\",\"spec\":{}}",
        "\"engine\":\"MongoDB\",",
        "\"owner\":\"o\",",
        "\"contact\":\"a@example.org\",",
        "\"image\":\"x\",",
        "\"port\":32011,",
        "\"state\":\"Stopped\",",
        "\"state\":\"Retired\",",
        "\"until\":\"2030-01-01T00:00:00Z\",",
        "\"until\":\"+262142-12-31T23:59:59Z\",",
        "\"until\":\"-262143-01-01T00:00:00Z\",",
        "\"note\":\"x\",",
        "\"resources\":{\"memory\":\"1Gi\"},",
        "\"parameters\":{\"a\":\"b\"},",
        "\"backup\":{\"schedule\":\"Daily\"},",
        "null",
        "true",
        "[",
        "]",
        "{",
        "}",
        ":",
        ",",
        "\"",
        "\\u0000",
        "\\ud800",
        "\\n",
        "é",
        "1e400",
        "-",
    ],
    cases: 900,
    made: super::none,
    repair: super::as_it_is,
    start,
};

fn start() -> Check {
    let rules = super::rules::rules();
    Box::new(move |bytes| {
        let edit = edit(bytes);
        let row = match rows::read(&edit) {
            Ok(row) => row,
            Err(problems) => return row_told(&problems, &edit),
        };
        match specs::admit(&row.request(), None, &rules, Uid(Uuid::nil())) {
            Ok(database) => {
                let kept = serde_json::to_value(&database).map_err(|e| e.to_string())?;
                let kept = serde_json::from_value(kept).ok();
                must(kept.as_ref() == Some(&database), || {
                    format!("from the ledger it comes as {kept:?}, and not {database:?}")
                })?;
                let again = specs::admit(&row.request(), Some(&database), &rules, Uid(Uuid::max()));
                must(again.as_ref() == Ok(&database), || {
                    format!("unchanged, it is another: {again:?}")
                })?;
                Ok(Fate::Taken)
            }
            Err(problems) => row_told(&problems, &edit),
        }
    })
}

/// Problems name the row where a file's name its place.
fn row_told(problems: &[db4sci::model::Problem], edit: &RowEdit) -> Result<Fate, String> {
    let origin = format!("state row {}", edit.name);
    for problem in problems {
        let place = problem.place.as_ref();
        must(
            place.is_some_and(|place| place.file == Path::new(&origin)),
            || format!("does not name the row: {problem:?}"),
        )?;
    }
    // A name that breaks the line cannot come from the table: its key has a pattern.
    if edit.name.contains(['\n', '\r']) {
        return Ok(Fate::Refused);
    }
    told(problems, 0)
}

/// The columns; what is no JSON is a spec that is a text.
fn edit(bytes: &[u8]) -> RowEdit {
    let row: Value = serde_json::from_slice(bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()));
    let text = |key: &str| row.get(key).and_then(Value::as_str).map(str::to_owned);
    RowEdit {
        name: text("name").unwrap_or_else(|| "genomics".to_owned()),
        spec: row.get("spec").cloned().unwrap_or_else(|| row.clone()),
        state: text("state"),
        until: text("until").and_then(|text| text.parse::<Timestamp>().ok()),
        note: text("note"),
    }
}
