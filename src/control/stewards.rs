//! What is told of a database in the long run: how it is shown, and the notices that are due.

use std::collections::BTreeMap;

use crate::admin::Book;
use crate::admin::book::Row;
use crate::model::view::{Condition, DatabaseView};
use crate::model::{Change, DbName, Hibernation, Share, Timestamp};
use crate::plan::stewardship::{House, Ward};

fn ward<'a>(row: &'a Row, house: &'a House) -> Ward<'a> {
    Ward {
        db: &row.database,
        created: row.created_at,
        told: &row.told,
        over: row.word().map(|over| over.state),
        hibernates: matches!(row.hibernation(), Hibernation::Done(_)),
        house,
    }
}

/// Puts its conditions, and the end of its life, into what is shown.
pub(super) fn show(
    shown: &mut DatabaseView,
    row: &Row,
    house: &House,
    book: &Book,
    before: Option<&DatabaseView>,
    now: Timestamp,
) {
    let shares = || -> BTreeMap<DbName, Share> {
        let all = book.rows();
        all.filter_map(|(name, row)| Some((name.clone(), Share::of(&row.database)?)))
            .collect()
    };
    let ward = ward(row, house);
    shown.life_ends = ward.life_ends();
    for (kind, status, reason, message) in ward.conditions(shares, now) {
        let earlier = before.and_then(|view| view.condition(kind));
        let earlier = earlier.filter(|earlier| earlier.status == status);
        shown.conditions.push(Condition {
            kind: kind.to_owned(),
            status,
            reason: reason.to_owned(),
            message,
            last_transition_time: earlier.map_or(now, |earlier| earlier.last_transition_time),
        });
    }
}

/// What is to be told now, each with its words. Once the ledger has it, it is due no more.
pub(super) fn due(row: &Row, house: &House, now: Timestamp) -> Vec<(String, Change)> {
    let ward = ward(row, house);
    let uid = row.database.uid;
    let due = ward.due(now).into_iter();
    due.map(|notice| (ward.message(&notice, now), Change::Noticed { uid, notice }))
        .collect()
}
