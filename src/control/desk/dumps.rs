//! Dumps.

use tokio::sync::oneshot;

use super::{Came, Desk};
use crate::admin::Row;
use crate::execute::backup::{Archive, Order, Ready};
use crate::model::view::Phase;
use crate::model::{Backup, BackupKind, Database, Slot};
use crate::plan::{backups, hands};

impl Desk {
    /// A backup that stands for now, in every store.
    pub(super) async fn now(
        &self,
        row: &Row,
        kind: BackupKind,
        note: String,
    ) -> Result<String, String> {
        let order = self.order(row, kind, note);
        let _turn = self.dumps.acquire().await.map_err(|e| e.to_string())?;
        self.dump(&row.database, order).await
    }

    /// A backup of what is there now, before something is done with it: one good copy is enough for that.
    /// Gives it, and in words which stores have none.
    pub(super) async fn before(
        &self,
        row: &Row,
        kind: BackupKind,
        note: String,
    ) -> Result<(Backup, String), String> {
        let order = self.order(row, kind, note);
        let _turn = self.dumps.acquire().await.map_err(|e| e.to_string())?;
        let (taken, _) = self.taken(&row.database, order).await?;
        somewhere(&taken)
    }

    fn order(&self, row: &Row, kind: BackupKind, note: String) -> Order {
        let slot = Slot::at(self.clock.now());
        let earlier = row.backups.keys().filter(|id| id.slot == slot);
        Order {
            slot,
            attempt: earlier.map(|id| id.attempt).max().unwrap_or(0) + 1,
            kind,
            stores: self.stores_of(&row.database),
            note,
            version: self.version(row),
        }
    }

    /// A backup that is due by itself: its window may have closed while it waited for its turn.
    pub(super) async fn dump_in_window(
        &self,
        db: &Database,
        order: Order,
    ) -> Result<String, String> {
        let _turn = self.dumps.acquire().await.map_err(|e| e.to_string())?;
        match backups::waits(db, order.kind, self.clock.now()) {
            None => self.dump(db, order).await,
            Some(until) => Ok(format!(
                "its window closed before its turn came; it waits until {}",
                until.format("%F %H:%M UTC")
            )),
        }
    }

    /// A backup in every store, by whoever has the turn for it.
    async fn dump(&self, db: &Database, order: Order) -> Result<String, String> {
        let (taken, down) = self.taken(db, order).await?;
        let ids = everywhere(&taken)?;
        Ok(format!("stored: {ids}{down}"))
    }

    /// Takes a backup, by whoever has the turn for it; what became of it in each store, and how long its
    /// server was down for it.
    async fn taken(&self, db: &Database, order: Order) -> Result<(Vec<Backup>, String), String> {
        let kind = order.kind;
        // A person may have taken hands off it while it stood in line.
        self.may_dump(db, kind)?;
        let ready = self.archive.ready(db, order).await;
        // No server is stopped for a backup that nobody takes.
        if ready.reaches_any() && Archive::at_rest(db, kind) {
            return self.take_at_rest(db, kind, ready).await;
        }
        let taken = self.archive.take(db, ready, || ()).await;
        Ok((taken.map_err(|e| e.to_string())?, String::new()))
    }

    /// Whether hands are on a database as a dump needs them, as of now.
    fn may_dump(&self, db: &Database, kind: BackupKind) -> Result<(), String> {
        let book = self.ledger.book();
        let Some(row) = book.row(&db.name) else {
            return Ok(());
        };
        let refused = || hands::refused_dump(&row.database, row.wanted(), kind);
        row.host_refused().or_else(refused).map_or(Ok(()), Err)
    }

    /// Takes a backup of data at rest: its server is stopped, and started again as soon as the data is
    /// needed no more. Gives how long it was down, for people.
    async fn take_at_rest(
        &self,
        db: &Database,
        kind: BackupKind,
        ready: Ready,
    ) -> Result<(Vec<Backup>, String), String> {
        let name = &db.name;
        let began = self.clock.now();
        let serves = |phase| phase == Phase::Ready;
        let served = self.board.view(name).is_some_and(|v| serves(v.phase));
        let resting = self.board.rest(name);
        // After this no lane of an older look is under way.
        self.queue.look(name).await;
        // Stores may have taken long to answer.
        self.may_dump(db, kind)?;
        let stopped = self.archive.take_down(db).await;
        let (dumped, woken) = oneshot::channel();
        let take = async {
            stopped?;
            let wake = move || {
                drop(resting);
                // Without a receiver nobody waits.
                let _ = dumped.send(());
            };
            self.archive.take(db, ready, wake).await
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

/// The ids of a backup, if it is in every store; otherwise why it is not.
fn everywhere(taken: &[Backup]) -> Result<String, String> {
    let bad: Vec<&Backup> = taken.iter().filter(|b| !b.state.good()).collect();
    if taken.is_empty() {
        return Err("there is no store to write to; see the settings".to_owned());
    }
    if !bad.is_empty() {
        return Err(whys(&bad));
    }
    let ids: Vec<String> = taken.iter().map(|b| b.id.to_string()).collect();
    Ok(ids.join(", "))
}

/// A backup that is in one store at least, and in words which others do not have it.
fn somewhere(taken: &[Backup]) -> Result<(Backup, String), String> {
    let bad: Vec<&Backup> = taken.iter().filter(|b| !b.state.good()).collect();
    let lacking = if bad.is_empty() {
        String::new()
    } else {
        let stores: Vec<&str> = bad.iter().map(|b| b.id.store.as_str()).collect();
        let stores = stores.join(", ");
        format!(
            "; the backup from before is not in {stores}: {}",
            whys(&bad)
        )
    };
    match taken.iter().find(|b| b.state.good()) {
        Some(good) => Ok((good.clone(), lacking)),
        None => everywhere(taken).and_then(Err),
    }
}

fn whys(bad: &[&Backup]) -> String {
    let said = bad.iter().map(|b| b.error.clone().unwrap_or_default());
    said.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::{database, instant};
    use crate::model::{BackupId, BackupState};

    fn taken(stores: &[(&str, Option<&str>)]) -> Vec<Backup> {
        let db = database("genomics", 32011);
        let at = instant(60);
        let one = |(store, error): &(&str, Option<&str>)| Backup {
            id: BackupId {
                name: db.name.clone(),
                slot: Slot::at(at),
                attempt: 1,
                store: (*store).to_owned(),
            },
            uid: db.uid,
            kind: BackupKind::BeforeRestore,
            state: match error {
                Some(_) => BackupState::Failed,
                None => BackupState::Stored,
            },
            started: at,
            finished: Some(at),
            verified: None,
            bytes: 1,
            sha256: None,
            url: String::new(),
            error: error.map(str::to_owned),
            keep_until: None,
            note: String::new(),
        };
        stores.iter().map(one).collect()
    }

    #[test]
    fn one_good_copy_is_enough_before_a_restore_and_too_few_for_a_backup() {
        let (well, dead) = (("local", None), ("offsite", Some("no route to host")));
        let cases: [(&[_], Option<&str>, bool); 4] = [
            (&[well, ("offsite", None)], Some("local"), true),
            (&[dead, well], Some("local"), false),
            (&[dead], None, false),
            (&[], None, false),
        ];
        for (stores, before, all) in cases {
            let found = somewhere(&taken(stores));
            let good = found.as_ref().ok().map(|(b, _)| b.id.store.as_str());
            assert_eq!(good, before, "{stores:?}");
            assert_eq!(everywhere(&taken(stores)).is_ok(), all, "{stores:?}");
        }
        let (_, said) = somewhere(&taken(&[dead, well])).unwrap();
        assert!(said.contains("not in offsite: no route"), "{said}");
        assert_eq!(somewhere(&taken(&[well])).unwrap().1, "");
        let none = somewhere(&taken(&[dead])).unwrap_err();
        assert_eq!(none, "no route to host");
    }
}
