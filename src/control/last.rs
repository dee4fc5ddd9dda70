//! The end of a daemon: what it took down itself comes up again before it goes.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use tokio::task::JoinSet;

use super::queue::Turn;
use super::reconciler::Again;
use super::{Reconciler, Triggers};
use crate::model::container::LABEL_UID;
use crate::model::{Cost, DbName, Lane, Uid, WantedState};

/// Lanes that one database may need on its way up.
const LANES: usize = 6;

impl Reconciler {
    /// From now on a look begins nothing but what brings up a server that the daemon took down.
    fn begin_no_more(&self) {
        self.ending.store(true, Ordering::Release);
    }

    /// Whether a lane is not begun, since the daemon is about to end.
    pub(super) fn leaves_to_the_next(&self, lane: &Lane) -> bool {
        let up_again = || lane.cost == Cost::None && self.board.taken_down().contains(&lane.name);
        self.ending.load(Ordering::Acquire) && !up_again()
    }
}

impl Triggers {
    /// Looks once more at each database that the daemon took down, after the look that is under way for
    /// it, and lets nothing begin that takes another one down. To be called when the daemon was told to
    /// stop.
    pub(super) async fn last_looks(&self) {
        self.reconciler.begin_no_more();
        // What the desk kept down is its own until then.
        self.put_down.cancelled().await;
        let mut names = self.board.taken_down();
        for name in &names {
            self.queue.add(name);
        }
        let mut looks = JoinSet::new();
        while !names.is_empty() {
            let turn = self.queue.next_of(&names).await;
            names.remove(&turn.name);
            looks.spawn(self.clone().last_look(turn));
        }
        while looks.join_next().await.is_some() {}
    }

    async fn last_look(self, turn: Turn) {
        // Nobody follows the engine's events any more.
        if let Err(error) = self.observer.relist().await {
            tracing::warn!(%error, "the containers could not be listed");
        }
        for _ in 0..LANES {
            if self.reconciler.look(&turn.name).await != Again::Now {
                break;
            }
        }
        self.queue.done(&turn.name);
    }

    /// Databases that the daemon took down, and whose server is wanted and is not known to run.
    pub async fn still_down(&self) -> Vec<DbName> {
        let book = self.ledger.book();
        let cut_off = book.rows().filter(|(_, row)| row.restoring.is_some());
        let mut names = self.board.taken_down();
        names.extend(cut_off.map(|(name, _)| name.clone()));
        let mut wanted: Vec<(DbName, Uid)> = names
            .into_iter()
            .filter_map(|name| {
                let row = book.row(&name)?;
                let uid = row.database.uid;
                (row.wanted() == WantedState::Running).then_some((name, uid))
            })
            .collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        let up: BTreeSet<Uid> = match self.runtime.list().await {
            Ok(listed) => {
                let up = listed.iter().filter(|container| container.up);
                up.filter_map(|container| container.labels.get(LABEL_UID)?.parse().ok())
                    .collect()
            }
            Err(error) => {
                tracing::warn!(%error, "the containers could not be listed");
                BTreeSet::new()
            }
        };
        wanted.retain(|(_, uid)| !up.contains(uid));
        wanted.into_iter().map(|(name, _)| name).collect()
    }
}
