//! What specs would come to, one after the other, without any of it being written: each is judged as after the
//! ones before it.

use super::Reconciler;
use crate::admin::book::Row;
use crate::admin::{Book, LedgerError, NewEntry};
use crate::control::view::view;
use crate::control::wants::{coming, expected, wanted, whose};
use crate::model::view::DatabaseView;
use crate::model::{Attempts, Timestamp};
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
    ///
    /// # Errors
    /// `Refused`, as the ledger would.
    pub(in crate::control) fn say(
        &mut self,
        entries: Vec<NewEntry>,
        at: Timestamp,
    ) -> Result<(), LedgerError> {
        for entry in entries {
            self.book.check(&entry).map_err(LedgerError::Refused)?;
            let entry = entry.numbered(self.book.head().seq + 1, at);
            self.book.apply(&entry).map_err(LedgerError::Refused)?;
        }
        Ok(())
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
        pass.note(&db.name, &verdict, Looked::at(&wanted, &seen, now), now);
        let before = self.board.view(&db.name);
        let mut shown = view(&wanted, &seen, &verdict, &self.site, before.as_deref(), now);
        shown.expected = expected(book, db);
        shown.coming = coming(row, &self.house, shown.phase, self.board.is_frozen(), now);
        shown
    }
}
