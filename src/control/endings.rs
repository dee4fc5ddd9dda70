//! What people said about a database, and when that is over.

use std::sync::Arc;

use crate::admin::NewEntry;
use crate::admin::book::Row;
use crate::model::view::Phase;
use crate::model::{Change, Outcome, Override, Verdict, Who};
use crate::plan::approval;

use super::reconciler::Reconciler;

impl Reconciler {
    /// Ends an approval that means nothing any more.
    pub(super) async fn void_approval(&self, row: &Row, verdict: &Verdict, phase: Phase) {
        let db = &row.database;
        let Some(approved) = &row.approved else {
            return;
        };
        if !approval::void(db.uid, &approved.hash, verdict, phase) {
            return;
        }
        let message = format!(
            "what {} approved ({}) waits no more: it came along with a start, or is not wanted any \
             more; what waits now: db4sci plan {}",
            approved.who, approved.hash, db.name
        );
        let change = Change::ApprovalVoided {
            uid: db.uid,
            hash: approved.hash.clone(),
        };
        self.note(&db.name, Outcome::Abandoned, message, change)
            .await;
    }

    /// Ends the words over its spec whose time is over, its own and the host's.
    pub(super) async fn end_overrides(&self, row: &mut Arc<Row>) {
        let now = self.clock.now();
        let over = |word: &Option<Override>| {
            let until = word.as_ref().and_then(|word| word.until);
            until.is_some_and(|until| until <= now)
        };
        // A person may have said something newer meanwhile.
        let same = row.over
            == self
                .ledger
                .book()
                .row(&row.database.name)
                .and_then(|r| r.over.clone());
        if over(&row.over) && same {
            let message = "the override ended; the spec is in force again".to_owned();
            let name = &row.database.name;
            // Of this word alone: between this look and its entry another one may be said.
            let since = row.over.as_ref().map(|word| word.since);
            if self
                .note(name, Outcome::Done, message, Change::Resumed { since })
                .await
            {
                Arc::make_mut(row).over = None;
            }
        }
        if over(&row.host) {
            // Another look may have been quicker.
            if self.ledger.book().host() == row.host.as_ref() {
                let entry = NewEntry {
                    who: Who::Daemon,
                    name: None,
                    outcome: Outcome::Done,
                    message: "hands are on the host again: that time is over".to_owned(),
                    change: Change::HandsOn {
                        since: row.host.as_ref().map(|word| word.since),
                    },
                };
                if let Err(error) = self.ledger.append(entry).await {
                    tracing::debug!(%error, "the end of a maintenance was not written");
                }
            }
            Arc::make_mut(row).host = self.ledger.book().host().cloned();
        }
    }
}
