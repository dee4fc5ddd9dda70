//! The plan's text.

use chrono::NaiveDateTime;

use super::Preview;
use super::rows::{Row, When};
use crate::model::{Reason, Timestamp};

/// Turns an instant into the reader's own time.
pub type Local<'a> = &'a dyn Fn(Timestamp) -> NaiveDateTime;

/// Columns wider than this do not push the next one further.
const WIDEST: usize = 48;

/// The whole text.
pub fn text(preview: &Preview, now: Timestamp, local: Local<'_>) -> String {
    let mut lines = Vec::new();
    if !preview.is_empty() {
        lines.push(format!("plan {}", preview.hash));
    }
    let cells: Vec<[String; 4]> = (preview.rows.iter().enumerate())
        .map(|(at, row)| {
            let repeated = at > 0 && preview.rows[at - 1].name == row.name;
            [
                if repeated {
                    String::new()
                } else {
                    row.name.clone()
                },
                when(row, now, local),
                row.what.clone(),
                cost(row),
            ]
        })
        .collect();
    let width = |column: usize| {
        let widths = cells.iter().map(|row| row[column].chars().count());
        widths.filter(|w| *w <= WIDEST).max().unwrap_or(0)
    };
    let (names, whens, whats) = (width(0), width(1), width(2));
    for (at, (row, [name, when, what, cost])) in preview.rows.iter().zip(&cells).enumerate() {
        // A database's second row has no name, nor a sign if it is the first one's.
        let above = at.checked_sub(1).map(|above| preview.rows[above].sign());
        let sign = match (name.is_empty(), row.sign()) {
            (true, sign) if above == Some(sign) => ' ',
            (_, sign) => sign,
        };
        let line = format!("{sign} {name:names$}  {when:whens$}  {what:whats$}  {cost}");
        lines.push(line.trim_end().to_owned());
    }
    lines.extend(overrides(preview));
    lines.extend(removals(preview));
    lines.push(closing(preview));
    lines.extend(leave(preview));
    lines.push(String::new());
    lines.join("\n")
}

/// Whose word is in force, a line each.
fn overrides(preview: &Preview) -> impl Iterator<Item = String> {
    let all = preview.overrides.iter();
    let width = all.clone().map(|o| o.about().chars().count());
    let width = width.filter(|w| *w <= WIDEST).max().unwrap_or(0);
    all.map(move |o| format!("= {:width$}  {}", o.about(), o.sentence()))
}

/// Whose data is removed on another day, a line each.
fn removals(preview: &Preview) -> impl Iterator<Item = String> {
    let all = preview.removals.iter();
    let width = all.clone().map(|r| r.name.chars().count());
    let width = width.filter(|w| *w <= WIDEST).max().unwrap_or(0);
    all.map(move |r| format!("= {:width$}  {}", r.name, r.sentence()))
}

/// What it costs, what is at risk, what is removed, and what lets it go.
fn cost(row: &Row) -> String {
    let risk = row.risk.as_ref().map(|risk| format!("; {risk}"));
    let hash = row.hash.as_ref().map(|hash| format!("; approve {hash}"));
    let deletes = row.deletes.as_ref().map(|what| format!("; {what}"));
    let more: String = risk.into_iter().chain(deletes).chain(hash).collect();
    let all = format!("{}{more}", row.cost_text);
    all.trim_start_matches("; ").to_owned()
}

/// How a person lets go what waits.
fn leave(preview: &Preview) -> Option<String> {
    let hash = &preview.hash;
    match preview.approvable {
        0 => None,
        1 => Some(format!(
            "What waits begins at once after: db4sci approve {hash}"
        )),
        n => Some(format!(
            "What waits begins at once after: db4sci approve {hash} (all {n}), or: db4sci approve \
             {hash} NAME"
        )),
    }
}

/// The instant as a reader of today needs it.
fn when(row: &Row, now: Timestamp, local: Local<'_>) -> String {
    match (row.when, row.until) {
        (When::Now, _) => "now".to_owned(),
        (When::Refused, _) => "refused".to_owned(),
        (When::Waits, None) if row.reason == Some(Reason::NeedsApproval) => "approval".to_owned(),
        (When::Waits, None) => "later".to_owned(),
        (When::Held, None) => "held".to_owned(),
        (When::Waits | When::Held, Some(until)) => {
            let (until, now) = (local(until), local(now));
            let days = (until.date() - now.date()).num_days();
            let pattern = match days {
                0 => "%H:%M",
                1..=6 => "%a %H:%M",
                _ => "%Y-%m-%d %H:%M",
            };
            until.format(pattern).to_string()
        }
    }
}

/// The last line. No step of a lane deletes data; a retirement ends in that, and its removal is that.
fn closing(preview: &Preview) -> String {
    let verb = |n: usize, one: &str, many: &str| match n {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {many}")),
    };
    let mut counts: Vec<String> = [
        verb(preview.count(When::Now), "acts now", "act now"),
        verb(preview.count(When::Waits), "waits", "wait"),
        verb(preview.count(When::Refused), "refused", "refused"),
        verb(preview.count(When::Held), "held", "held"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if counts.is_empty() {
        counts.push("nothing to do".to_owned());
    }
    counts.push(format!("{} unchanged", preview.unchanged));
    let mut line = counts.join(", ");
    let of: Vec<&str> = preview.deletes().collect();
    match (of.as_slice(), preview.removals.is_empty()) {
        ([], true) => line.push_str(". Nothing is deleted."),
        ([], false) => line.push_str(". Nothing is deleted now."),
        (of, _) => line.push_str(&format!(". Data of {} is deleted.", of.join(", "))),
    }
    line
}
