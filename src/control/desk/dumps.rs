//! Dumps.

use tokio::sync::oneshot;

use super::{Came, Desk};
use crate::admin::Row;
use crate::execute::backup::{Archive, Order};
use crate::model::view::Phase;
use crate::model::{Backup, BackupKind, Database, Slot};
use crate::plan::{backups, hands};

impl Desk {
    /// A backup that stands for now.
    pub(super) async fn now(
        &self,
        row: &Row,
        kind: BackupKind,
        note: String,
    ) -> Result<String, String> {
        let slot = Slot::at(self.clock.now());
        let earlier = row.backups.keys().filter(|id| id.slot == slot);
        let order = Order {
            slot,
            attempt: earlier.map(|id| id.attempt).max().unwrap_or(0) + 1,
            kind,
            stores: self.stores_of(&row.database),
            note,
            version: self.version(row),
        };
        self.dump(&row.database, &order).await
    }

    /// A backup that is due by itself: its window may have closed while it waited for its turn.
    pub(super) async fn dump_in_window(
        &self,
        db: &Database,
        order: &Order,
    ) -> Result<String, String> {
        let _turn = self.dumps.acquire().await.map_err(|e| e.to_string())?;
        match backups::waits(db, order.kind, self.clock.now()) {
            None => self.dump_now(db, order).await,
            Some(until) => Ok(format!(
                "its window closed before its turn came; it waits until {}",
                until.format("%F %H:%M UTC")
            )),
        }
    }

    async fn dump(&self, db: &Database, order: &Order) -> Result<String, String> {
        let _turn = self.dumps.acquire().await.map_err(|e| e.to_string())?;
        self.dump_now(db, order).await
    }

    /// A backup, by whoever has the turn for it.
    async fn dump_now(&self, db: &Database, order: &Order) -> Result<String, String> {
        // A person may have taken hands off it while it stood in line.
        let book = self.ledger.book();
        if let Some(row) = book.row(&db.name) {
            let refused = || hands::refused_dump(&row.database, row.wanted(), order.kind);
            if let Some(why) = row.host_refused().or_else(refused) {
                return Err(why);
            }
        }
        let (taken, down) = if Archive::at_rest(db, order.kind) {
            self.take_at_rest(db, order).await?
        } else {
            let taken = self.archive.take(db, order, || ()).await;
            (taken.map_err(|e| e.to_string())?, String::new())
        };
        let (good, bad): (Vec<&Backup>, Vec<&Backup>) = taken.iter().partition(|b| b.state.good());
        let said = |b: &&Backup| b.error.clone().unwrap_or_default();
        if bad.is_empty() {
            let ids: Vec<String> = good.iter().map(|b| b.id.to_string()).collect();
            Ok(format!("stored: {}{down}", ids.join(", ")))
        } else {
            let why: Vec<String> = bad.iter().map(said).collect();
            Err(why.join("; "))
        }
    }

    /// Takes a backup of data at rest: its server is stopped, and started again as soon as the data is
    /// needed no more. Gives how long it was down, for people.
    async fn take_at_rest(
        &self,
        db: &Database,
        order: &Order,
    ) -> Result<(Vec<Backup>, String), String> {
        let name = &db.name;
        let began = self.clock.now();
        let serves = |phase| phase == Phase::Ready;
        let served = self.board.view(name).is_some_and(|v| serves(v.phase));
        let resting = self.board.rest(name);
        // After this no lane of an older look is under way.
        self.queue.look(name).await;
        let stopped = self.archive.take_down(db).await;
        let (dumped, woken) = oneshot::channel();
        let take = async {
            stopped?;
            let wake = move || {
                drop(resting);
                // Without a receiver nobody waits.
                let _ = dumped.send(());
            };
            self.archive.take(db, order, wake).await
        };
        let up = async {
            // An error is the end of the dump as well.
            let _ = woken.await;
            self.queue.look(name).await;
            if !served {
                return String::new();
            }
            match self.until_ready(name).await {
                Came::Ready => {
                    let down = (self.clock.now() - began).num_seconds();
                    format!("; it was down for {down} s")
                }
                Came::NotWanted => "; its server is down since, as wanted".to_owned(),
                Came::Silent => "; its server does not answer since".to_owned(),
            }
        };
        let (taken, down) = tokio::join!(take, up);
        let taken = taken.map_err(|e| format!("{e}{down}"))?;
        Ok((taken, down))
    }
}
