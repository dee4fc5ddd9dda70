//! What is told of a database in the long run: how it is shown, and the notices that are due.

use std::collections::BTreeMap;

use crate::admin::Book;
use crate::admin::book::Row;
use crate::model::view::{Condition, DatabaseView};
use crate::model::{Change, DbName, Hibernation, Notice, Outcome, Share, Timestamp};
use crate::plan::stewardship::{House, Ward};

use super::reconciler::Reconciler;

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
        all.filter_map(|(name, row)| Some((name.clone(), row.share()?)))
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

impl Reconciler {
    /// Tells what is to be told now; whether another thing is wanted of the database from then on. Once the
    /// ledger has it, it is due no more.
    pub(super) async fn tell(&self, row: &Row, now: Timestamp) -> bool {
        let (uid, name) = (row.database.uid, &row.database.name);
        let due = {
            let ward = ward(row, &self.house);
            let due = ward.due(now).into_iter();
            due.map(|notice| (ward.message(&notice, now), notice))
                .collect::<Vec<_>>()
        };
        let mut changed = false;
        for (message, notice) in due {
            changed |= matches!(notice, Notice::Enforced { .. });
            let change = Change::Noticed { uid, notice };
            self.note(name, Outcome::Done, message, change).await;
        }
        changed
    }
}
