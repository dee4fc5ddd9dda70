//! The way out: retired after the last dump, known to the stores, and removed long after that.

use std::collections::BTreeMap;

use super::Desk;
use crate::admin::Row;
use crate::execute::failpoint::failpoint;
use crate::model::{BackupId, Change, Database, Outcome, Seen, WantedState};
use crate::plan;
use crate::plan::backups::{self, Retirement};
use crate::plan::retention::Fate;

/// Why nothing is removed.
const FROZEN: &str = "nothing is removed until all that lives is known; see: db4sci status";

impl Desk {
    /// Writes that a database is retired; the reconciler stops it.
    pub(super) async fn retire(
        &self,
        row: &Row,
        backup: Option<BackupId>,
    ) -> Result<String, String> {
        let db = &row.database;
        let until = self.clock.now() + self.keep.data;
        let message = match &backup {
            Some(id) => format!(
                "{} is retired: {id} is its final backup; its data is kept until {}",
                db.name,
                until.format("%F %H:%M UTC")
            ),
            None => format!("{} is retired: it never had data", db.name),
        };
        let uid = db.uid;
        let change = Change::Retired { uid, backup };
        self.note(&db.name, Outcome::Done, message.clone(), change)
            .await?;
        Ok(message)
    }

    /// Writes that a database hibernates; the reconciler stops it.
    pub(super) async fn hibernate(&self, row: &Row, backup: BackupId) -> Result<String, String> {
        let db = &row.database;
        let message = format!(
            "{name} hibernates: its life is over, and {backup} is its final backup; its data is kept, and \
             db4sci start {name} wakes it",
            name = db.name
        );
        let change = Change::Hibernated {
            uid: db.uid,
            backup,
        };
        self.note(&db.name, Outcome::Done, message.clone(), change)
            .await?;
        Ok(message)
    }

    /// Removes backups that nothing keeps any more. What one store does not let go keeps none of another's.
    pub(super) async fn prune(&self, row: &Row, ids: Vec<BackupId>) -> Result<String, String> {
        let mut removed = 0;
        let mut failed: BTreeMap<String, String> = BTreeMap::new();
        for id in ids {
            if self.frozen() {
                return Err(format!("{removed} backups were removed; {FROZEN}"));
            }
            // A person is keeping it at this moment.
            let Some(_claim) = self.claims.take(&id) else {
                continue;
            };
            // As it is now: it may have taken long to come here, and a person may have kept it.
            let book = self.ledger.book();
            let Some(row) = book.row(&row.database.name) else {
                break;
            };
            if let Some(why) = row.host_refused() {
                return Err(format!("{removed} backups were removed; {why}"));
            }
            let kept = self.known(row, |known| backups::kept(known, self.clock.now()));
            if kept.get(&id) != Some(&Fate::Goes) {
                continue;
            }
            let Some(backup) = row.backups.get(&id) else {
                continue;
            };
            if failed.contains_key(&id.store) {
                continue;
            }
            let why = "nothing keeps it any more";
            match self.archive.remove(backup, why).await {
                Ok(()) => removed += 1,
                Err(error) => drop(failed.insert(id.store, error.to_string())),
            }
        }
        if failed.is_empty() {
            return Ok(format!("{removed} backups were removed"));
        }
        let whys: Vec<String> = failed.into_values().collect();
        let whys = whys.join("; ");
        Err(format!(
            "{removed} backups were removed, and others not: {whys}"
        ))
    }

    /// Lets the stores know that a database is retired.
    pub(super) async fn set_tombstone(&self, row: &Row) -> Result<String, String> {
        let db = &row.database;
        let Some((at, last)) = &row.retired else {
            return Err(format!("{} is not retired any more", db.name));
        };
        let stores = self.stores_of(db);
        let set = self
            .archive
            .set_tombstone(db, *at, last.as_ref(), &stores)
            .await;
        set.map_err(|e| e.to_string())?;
        failpoint("retire.tombstone");
        let message = format!("the stores know that {} is retired", db.name);
        let change = Change::TombstoneSet { uid: db.uid };
        self.note(&db.name, Outcome::Done, message.clone(), change)
            .await?;
        Ok(message)
    }

    /// Takes that back.
    pub(super) async fn take_tombstone(&self, row: &Row) -> Result<String, String> {
        let db = &row.database;
        let taken = self.archive.take_tombstone(db).await;
        taken.map_err(|e| e.to_string())?;
        let message = format!("the stores no longer say that {} is retired", db.name);
        let change = Change::TombstoneTaken { uid: db.uid };
        self.note(&db.name, Outcome::Done, message.clone(), change)
            .await?;
        Ok(message)
    }

    /// Removes container and data of a database that was retired for long enough. Looks first whether
    /// its final backup is whole where it lies; from the entry that it begins with on, there is no way
    /// back but that backup.
    pub(super) async fn remove(&self, row: &Row, last: &[BackupId]) -> Result<String, String> {
        let db = &row.database;
        let (name, uid) = (&db.name, db.uid);
        if row.end.is_none() {
            if row.initialised {
                self.proven(row, last).await?;
            } else {
                self.never_had_data(db).await?;
            }
            let message = match last.first() {
                Some(last) => {
                    format!("{name}: its data is removed; {last} has all of it as of its dump")
                }
                None => format!("{name}: what is left of it is removed; it never had data"),
            };
            // It may have taken hours to read the backup.
            if self.frozen() {
                return Err(format!("the data of {name} stays: {FROZEN}"));
            }
            failpoint("remove.before");
            let change = Change::RemovalBegan { uid };
            self.note(name, Outcome::Done, message, change).await?;
        }
        failpoint("remove.began");
        let _resting = self.board.rest(name);
        // After this no lane of an older look is under way.
        self.queue.look(name).await;
        let removed = self.archive.remove_database(db).await;
        removed.map_err(|e| e.to_string())?;
        failpoint("remove.done");
        let message = format!("{name}: container and data are gone");
        let change = Change::Removed { uid };
        self.note(name, Outcome::Done, message.clone(), change)
            .await?;
        Ok(message)
    }

    /// Whether what lies there says so, too: the ledger may be older than its first start.
    async fn never_had_data(&self, db: &Database) -> Result<(), String> {
        let has = match self.archive.dirs.look(db, None).await {
            Seen::Absent => None,
            Seen::Present(data) => plan::says_initialised(&data)
                .then(|| "its marker, or the uid inside its data, says that it had".to_owned()),
            Seen::Unknown(why) => Some(why.to_string()),
        };
        match has {
            None => Ok(()),
            Some(why) => Err(format!(
                "{} is said never to have had data, and {why}; what is in {} stays until a person has \
                 looked",
                db.name,
                db.data_dir().display()
            )),
        }
    }

    /// Whether one of the final backups lies whole in its store now.
    async fn proven(&self, row: &Row, last: &[BackupId]) -> Result<(), String> {
        let mut why = "there is no verified final backup of it".to_owned();
        for id in last {
            let Some(backup) = row.backups.get(id) else {
                continue;
            };
            match self.archive.whole(backup).await {
                Ok(()) => return Ok(()),
                Err(error) => why = error.to_string(),
            }
        }
        Err(format!("the data of {} stays: {why}", row.database.name))
    }
}

/// How far a database's retirement is.
pub(in crate::control) fn retirement(row: &Row) -> Retirement {
    if let Some(end) = row.end {
        return Retirement::Ended(end);
    }
    let since = row.retired.as_ref().map(|(at, _)| *at);
    // Hands off the host end no retirement.
    match row.steered() {
        WantedState::Retired => {
            since.map_or(Retirement::Asked(row.retire_asked()), Retirement::Done)
        }
        WantedState::Running | WantedState::Stopped | WantedState::Maintenance => Retirement::None,
    }
}
