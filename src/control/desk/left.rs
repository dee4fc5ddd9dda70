//! What is left of works that were cut off, by the end of an earlier daemon or by a failure in this one:
//! each database's is ended by itself, before anything else is done for it.

use std::path::Path;
use std::sync::PoisonError;

use super::Desk;
use super::restore::told;
use crate::admin::Row;
use crate::model::view::WorkView;
use crate::model::{BackupState, Change, DbName, Outcome, Seen};

impl Desk {
    /// Ends the jobs and folders that an earlier daemon left. Nothing is begun before that, and what a
    /// person asks for waits for it, and says why; all else that was left is each database's own, and due.
    ///
    /// # Errors
    /// When the engine cannot be reached, or a job goes on; it may be repeated.
    pub async fn take_over(&self) -> Result<(), String> {
        let cleared = self.archive.tools.clear(&self.archive).await;
        *self.not_over.lock().unwrap_or_else(PoisonError::into_inner) = cleared
            .as_ref()
            .err()
            .map(|error| format!(", which cannot be ended now: {error}"));
        cleared.map_err(told)?;
        // It may be told more than once.
        let _ = self.taken_over.set(());
        // What else was left need not wait for the next beat.
        self.done.notify_one();
        Ok(())
    }

    /// A work as it is shown: none has begun while jobs of an earlier daemon may go on.
    pub(super) fn shown(&self, mut work: WorkView) -> WorkView {
        if work.running && self.taken_over.get().is_none() {
            let why = self.not_over.lock().unwrap_or_else(PoisonError::into_inner);
            let why = why.as_deref().unwrap_or_default();
            work.waits_for = Some(format!("the end of what an earlier daemon left{why}"));
        }
        work
    }

    /// Ends what is left of a database's works, by whoever has its turn. A store that does not say what
    /// became of a backup keeps nobody waiting.
    ///
    /// # Errors
    /// What cannot be ended now; nothing else is to be done for it before.
    pub(super) async fn end_left(&self, name: &DbName) -> Result<(), String> {
        if self.archive.unsaid.about(name) {
            let said = self.archive.say_again(name).await;
            said.map_err(|e| e.to_string())?;
        }
        self.end_restore(name).await?;
        if let Err(why) = self.end_backups(name).await {
            tracing::warn!(%name, why, "what became of a backup is to be seen");
        }
        Ok(())
    }

    /// Ends a restore that was cut off. Either it had not begun to move anything, or it was between its two
    /// moves, or it was done with both. Only in between there is no data in place.
    pub(super) async fn end_restore(&self, name: &DbName) -> Result<String, String> {
        let book = self.ledger.book();
        let row = book.row(name);
        let left = row.and_then(|row| Some((&*row.database, row.restoring.as_ref()?)));
        let Some((db, (from, aside))) = left else {
            return Ok(format!("no restore of {name} is under way"));
        };
        let unseen = |why: String| {
            format!(
                "how far the restore of {from} came cannot be seen, and {name} stays down: {why}"
            )
        };
        // What cannot be seen may well be there.
        if let Seen::Unknown(why) = self.archive.dirs.look(db, None).await {
            return Err(unseen(why));
        }
        let there = |path: &Path| {
            let found = path.try_exists();
            found.map_err(|e| unseen(format!("{}: {e}", path.display())))
        };
        let (in_place, kept) = (there(&db.data_dir())?, there(aside)?);
        let message = if !in_place && kept {
            self.archive.take_down(db).await.map_err(told)?;
            let back = self.archive.put_back(db, aside.clone()).await;
            back.map_err(told)?;
            format!("the restore of {from} was cut off; the data from before is in place")
        } else if kept {
            format!(
                "the restore of {from} was cut off after its data was put into place; the data from before \
                 is in {}",
                aside.display()
            )
        } else {
            format!("the restore of {from} was cut off before it changed anything")
        };
        let over = Change::RestoreEnded { uid: db.uid };
        self.end(name, Outcome::Failed, message.clone(), over)
            .await?;
        if kept {
            self.tried_again(name).await?;
        }
        self.queue.add(name);
        Ok(message)
    }

    /// Ends backups that were being taken when their work was cut off.
    pub(super) async fn end_backups(&self, name: &DbName) -> Result<String, String> {
        let book = self.ledger.book();
        let Some(row) = book.row(name) else {
            return Ok(format!("{name} is gone"));
        };
        let ended = self.archive.end_left(row).await;
        ended
            .map(|n| format!("{n} backups that were cut off are ended"))
            .map_err(told)
    }
}

/// Whether a backup counts as being taken. Of a database that nothing is done for none is.
pub(super) fn half_taken(row: &Row) -> bool {
    let mut all = row.backups.values();
    all.any(|b| b.state == BackupState::Running)
}
