//! A look at what lies in the place of `mydb_admin`, every few seconds: no event tells that its folder was
//! moved, emptied or exchanged, and a server that has its files open goes on answering for a while.
//!
//! Nothing is decided here but that there is something to look at. One thing no look shows: that another
//! folder lies under the same path than the one which the server has open. Then the server is to be
//! started again, on what is there now.

use std::time::Duration;

use crate::model::{Change, DataSeen, DbName, FolderId, Outcome, Seen, Timestamp};

use super::Triggers;
use crate::admin::NewEntry;

/// Between two looks: harm is to be noticed within ten seconds, and a stop takes some of them.
const BEAT: Duration = Duration::from_secs(2);

/// A run of a server, and the folder that was first seen in its place during that run.
type Begun = (Timestamp, FolderId);

impl Triggers {
    /// Looks until the token is cancelled. Safe to cancel anywhere: what was seen is seen again.
    pub async fn run_watch(self) {
        let name = DbName::mydb_admin();
        let mut lay: Option<Seen<DataSeen>> = None;
        let mut begun: Option<Begun> = None;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(BEAT) => {}
            }
            let Some(row) = self.ledger.book().kept_row(&name) else {
                continue;
            };
            let lies = without_room(self.observer.data(&row.database).await);
            if lay.as_ref().is_some_and(|lay| *lay != lies) {
                self.queue.add(&name);
            }
            lay = Some(lies);
            let now = self.observer.run_and_folder(&row.database).await;
            if !exchanged(begun, now) {
                begun = remembered(begun, now);
                continue;
            }
            let place = row.database.data_dir();
            let message = format!(
                "another folder lies at {} than its server runs on: it is started again, on what is there \
                 now; what that lacks is brought in from the ledger",
                place.display()
            );
            tracing::warn!(message);
            let entry = NewEntry::of(&name, Outcome::Done, message, Change::RestartAsked);
            match self.ledger.append(entry).await {
                Ok(_) => begun = now,
                Err(error) => tracing::warn!(%error, "could not be recorded"),
            }
            self.queue.add(&name);
        }
    }
}

/// How much room there is changes all the time, and its own look sees to it.
fn without_room(seen: Seen<DataSeen>) -> Seen<DataSeen> {
    match seen {
        Seen::Present(data) => Seen::Present(DataSeen {
            tight: None,
            ..data
        }),
        Seen::Absent | Seen::Unknown(_) => seen,
    }
}

/// Whether another folder lies in the place of a run than at its beginning.
fn exchanged(begun: Option<Begun>, now: Option<Begun>) -> bool {
    matches!((begun, now), (Some((run, folder)), Some((same, other)))
        if run == same && folder != other)
}

/// What is to be remembered of a run: one that cannot be looked at for a moment is not forgotten.
fn remembered(begun: Option<Begun>, now: Option<Begun>) -> Option<Begun> {
    now.or(begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_folder_during_the_same_run_is_an_exchange() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let (one, later) = (at("2026-03-01T12:00:00Z"), at("2026-03-01T13:00:00Z"));
        let (own, other) = (FolderId(7, 40), FolderId(7, 41));
        for (begun, now, expected) in [
            (Some((one, own)), Some((one, other)), true),
            (Some((one, own)), Some((one, FolderId(8, 40))), true),
            (Some((one, own)), Some((one, own)), false),
            // A restore moves it by right, between two runs.
            (Some((one, own)), Some((later, other)), false),
            (None, Some((one, other)), false),
            (Some((one, own)), None, false),
        ] {
            assert_eq!(exchanged(begun, now), expected, "{begun:?} {now:?}");
        }
        // Moved away and another one put there, with a look in between.
        let begun = remembered(Some((one, own)), None);
        assert!(exchanged(begun, Some((one, other))));
    }

    #[test]
    fn less_room_alone_is_no_news() {
        use crate::model::disk::Room;
        let data = |free, empty| {
            Seen::Present(DataSeen {
                marker: None,
                dirs_exist: true,
                empty,
                sentinel: true,
                inner_uid: None,
                identity: None,
                tight: Some(Room { size: 100, free }),
            })
        };
        let (much, less) = (without_room(data(9, false)), without_room(data(3, false)));
        assert_eq!(much, less);
        assert_ne!(much, without_room(data(3, true)));
    }
}
