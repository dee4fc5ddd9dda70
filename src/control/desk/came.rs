//! The end of a work: written, and its server up again.

use std::time::Duration;

use super::Desk;
use crate::admin::NewEntry;
use crate::model::view::Phase;
use crate::model::{Change, DbName, Outcome, WantedState};

/// How long a restored database may take until it answers, crash recovery included.
pub(super) const UNTIL_READY: Duration = Duration::from_secs(900);
/// Between two looks at whether it does.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// What became of a server that was to come up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// It answers.
    Ready,
    /// It is not to run any more.
    NotWanted,
    /// It did not answer in time.
    Silent,
}

impl Desk {
    /// Writes the end of a work; see [`Archive::say_end`].
    pub(super) async fn end(
        &self,
        name: &DbName,
        outcome: Outcome,
        message: String,
        change: Change,
    ) -> Result<(), String> {
        let entry = NewEntry::of(name, outcome, message, change);
        let said = self.archive.say_end(entry).await;
        said.map_err(|e| e.to_string())
    }

    /// Whether a database's server is to run, as of now: a person may have said otherwise since a work
    /// began.
    pub(super) fn wants_running(&self, name: &DbName) -> bool {
        let book = self.ledger.book();
        let wanted = book.row(name).map(|row| row.wanted());
        wanted == Some(WantedState::Running)
    }

    /// Waits until a database is ready, or is to be so no more.
    pub(super) async fn until_ready(&self, name: &DbName) -> Came {
        let ready = async {
            loop {
                let view = self.board.view(name);
                if view.is_some_and(|v| v.phase == Phase::Ready) {
                    return Came::Ready;
                }
                if !self.wants_running(name) {
                    return Came::NotWanted;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let came = tokio::time::timeout(UNTIL_READY, ready).await;
        came.unwrap_or(Came::Silent)
    }
}
