//! What specs would come to, one after the other, without any of it being written: each is judged as after the
//! ones before it.

use super::Reconciler;
use crate::admin::book::Row;
use crate::admin::{Book, NewEntry};
use crate::control::view::view;
use crate::control::wants::{coming, expected, wanted, whose};
use crate::model::view::DatabaseView;
use crate::model::{Attempts, Entry, Seen, Timestamp, WantedState};
use crate::plan::blast::{Looked, Pass};
use crate::plan::{self, Wanted};

/// The state that the specs of one call would lead to so far.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    book: Book,
    pass: Pass,
}

impl Rehearsal {
    /// What the ledger would say.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Brings in what would be written.
    pub(in crate::control) fn say(&mut self, entries: &[NewEntry], at: Timestamp) {
        for entry in entries {
            let entry = Entry {
                seq: self.book.head().seq + 1,
                at,
                who: entry.who.clone(),
                name: entry.name.clone(),
                outcome: entry.outcome,
                message: entry.message.clone(),
                change: entry.change.clone(),
            };
            // What the book does not take, the ledger would refuse: it changes nothing here, either.
            if let Err(why) = self.book.apply(&entry) {
                tracing::debug!(%why, "a rehearsed entry was not taken");
            }
        }
    }
}

impl Reconciler {
    /// The state of now, to go on from without writing anything.
    pub fn rehearsal(&self) -> Rehearsal {
        Rehearsal {
            book: (*self.ledger.book()).clone(),
            pass: self.pass().clone(),
        }
    }

    /// What the planner would say of a database as it would be, after all that was rehearsed before; nothing is
    /// done.
    pub async fn preview(&self, row: &Row, rehearsal: &mut Rehearsal) -> DatabaseView {
        let db = &row.database;
        let mut seen = self
            .observer
            .look(db, Attempts::default(), self.ledger.writable())
            .await;
        seen.attempts = self.recall(row).attempts;
        let now = self.clock.now();
        let Rehearsal { book, pass } = rehearsal;
        let whose = whose(self.executor.dirs.as_ref(), book, db, &seen.data).await;
        let wanted = wanted(row, None, self.board.rests(&db.name), whose.as_ref());
        let wanted = Wanted {
            leave: pass.leave(&db.name, book.alive(), now),
            ..wanted
        };
        let verdict = plan::plan(&wanted, &seen, &self.site, now);
        let known = wanted.hands.is_none()
            && !matches!(seen.containers, Seen::Unknown(_))
            && wanted.state(now) != WantedState::Maintenance;
        let answers = seen.probe.answering() && wanted.initialised;
        pass.note(&db.name, &verdict, Looked { known, answers }, now);
        let before = self.board.view(&db.name);
        let mut shown = view(&wanted, &seen, &verdict, &self.site, before.as_deref(), now);
        shown.expected = expected(book, db);
        shown.coming = coming(row, &self.house, shown.phase, self.board.is_frozen(), now);
        shown
    }
}
