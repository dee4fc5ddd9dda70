//! What a change costs a database's users, in words. Durations are those that were measured here;
//! what was not is said to be unknown.

use crate::model::view::DatabaseView;
use crate::model::{Cost, Expected};

use super::rows::Which;

/// How long the server is away (or takes to be there), if it is, as far as that was measured.
pub fn expected(view: &DatabaseView, which: Which, cost: Cost) -> Option<Expected> {
    match (which, cost) {
        (Which::Create, _) => view.expected.create,
        (Which::Change | Which::Stop, Cost::None | Cost::Stop) => None,
        (Which::Change | Which::Stop, Cost::Restart) => view.expected.restart,
        (Which::Change | Which::Stop, Cost::Recreate) => view.expected.recreate,
    }
}

/// The cost in words.
pub fn sentence(view: &DatabaseView, which: Which, cost: Cost) -> String {
    let cut = cut(view);
    let for_seconds = for_seconds(expected(view, which, cost));
    match (which, cost) {
        (Which::Create, _) => for_seconds,
        (Which::Change | Which::Stop, _) if !view.ready => "it is down now".to_owned(),
        (Which::Change | Which::Stop, Cost::None) => "no downtime".to_owned(),
        (Which::Change | Which::Stop, Cost::Restart | Cost::Recreate) => {
            format!("{for_seconds}, {cut}")
        }
        (Which::Change | Which::Stop, Cost::Stop) => format!("down until started, {cut}"),
    }
}

/// The cost of a dump at rest, in words.
pub fn of_rest(view: &DatabaseView) -> String {
    format!("{}, {}", for_seconds(view.expected.rest), cut(view))
}

/// Whom it cuts off.
fn cut(view: &DatabaseView) -> String {
    match view.connections {
        Some(0) => "no connection now".to_owned(),
        Some(1) => "1 connection now".to_owned(),
        Some(n) => format!("{n} connections now"),
        None => "open connections unknown".to_owned(),
    }
}

/// How long it takes.
fn for_seconds(expected: Option<Expected>) -> String {
    match expected {
        Some(Expected {
            seconds, own: true, ..
        }) => format!("about {seconds} s"),
        Some(Expected {
            seconds,
            own: false,
            ..
        }) => format!("about {seconds} s, as others here"),
        None => "how long was not measured yet".to_owned(),
    }
}
