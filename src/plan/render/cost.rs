//! What a change costs a database's users, in words.

use crate::model::Cost;
use crate::model::view::DatabaseView;

use super::rows::Which;

/// Seconds until a new database answers. What was measured of PostgreSQL and MariaDB on a small
/// host, with room; an image that must be fetched first takes longer.
const CREATE_SECONDS: u32 = 20;
/// Seconds that a restart takes a server away.
const RESTART_SECONDS: u32 = 10;
/// Seconds that another container on the same data takes.
const RECREATE_SECONDS: u32 = 15;

/// How long the server is away (or takes to be there), if it is.
pub fn seconds(which: Which, cost: Cost) -> Option<u32> {
    match (which, cost) {
        (Which::Create, _) => Some(CREATE_SECONDS),
        (Which::Change | Which::Stop, Cost::None | Cost::Stop) => None,
        (Which::Change | Which::Stop, Cost::Restart) => Some(RESTART_SECONDS),
        (Which::Change | Which::Stop, Cost::Recreate) => Some(RECREATE_SECONDS),
    }
}

/// The cost in words.
pub fn sentence(view: &DatabaseView, which: Which, cost: Cost) -> String {
    let cut = match view.connections {
        Some(0) => "no connection now".to_owned(),
        Some(1) => "1 connection now".to_owned(),
        Some(n) => format!("{n} connections now"),
        None => "connections are cut".to_owned(),
    };
    let for_seconds = seconds(which, cost).map(|n| format!("about {n} s"));
    match (which, cost) {
        (Which::Create, _) => for_seconds.unwrap_or_default(),
        (Which::Change | Which::Stop, _) if !view.ready => "it is down now".to_owned(),
        (Which::Change | Which::Stop, Cost::None) => "no downtime".to_owned(),
        (Which::Change | Which::Stop, Cost::Restart | Cost::Recreate) => {
            format!("{}, {cut}", for_seconds.unwrap_or_default())
        }
        (Which::Change | Which::Stop, Cost::Stop) => format!("down until started, {cut}"),
    }
}
