//! What a test itself knows of backups and of the way out, read from the ledger entry by entry, and held
//! against what lies on the host and in the stores.

use std::collections::{BTreeMap, BTreeSet};

use db4sci::admin::Row;
use db4sci::model::{
    Backup, BackupId, BackupState, Change, Clock, Entry, Timestamp, Uid, WantedState,
};
use db4sci::store::manifest::MANIFEST;

use crate::bench::Shelf;
use crate::host::{Db, Host};
use crate::shelf::{ROWS, rows_of};

/// The books.
pub struct Books {
    pub shelf: Shelf,
    /// The ledger's entries that were read.
    read: u64,
    /// Lines of the host's journal that were read.
    lines: usize,
    /// Backups as the ledger's entries tell.
    pub backups: BTreeMap<BackupId, Backup>,
    /// Whom a person wants retired.
    asked: BTreeSet<Uid>,
    /// When each was retired.
    retired: BTreeMap<Uid, Timestamp>,
    /// Whose data may be removed by now.
    removing: BTreeSet<Uid>,
    /// Whose data was removed.
    pub gone: BTreeSet<Uid>,
    /// What lay in the stores of databases whose name was let go of.
    past: BTreeSet<(String, String)>,
    /// Backups that somebody spoiled behind everybody's back.
    pub spoiled: BTreeSet<BackupId>,
}

impl Books {
    pub fn new(shelf: Shelf) -> Self {
        Books {
            shelf,
            read: 0,
            lines: 0,
            backups: BTreeMap::new(),
            asked: BTreeSet::new(),
            retired: BTreeMap::new(),
            removing: BTreeSet::new(),
            gone: BTreeSet::new(),
            past: BTreeSet::new(),
            spoiled: BTreeSet::new(),
        }
    }

    /// Where a backup lies in its store.
    pub fn prefix(&self, backup: &Backup) -> String {
        let id = &backup.id;
        let layout = &self.shelf.layout;
        layout.attempt(&id.name, backup.uid, id.slot, id.attempt)
    }

    /// The rows that a backup holds, if it is whole where it lies.
    pub fn rows(&self, backup: &Backup) -> Option<u64> {
        let store = self.shelf.stores.get(&backup.id.store)?;
        let prefix = self.prefix(backup);
        store.bytes(&format!("{prefix}{MANIFEST}"))?;
        rows_of(&store.bytes(&format!("{prefix}{ROWS}"))?)
    }

    /// A database's name is let go of: nobody touches what is left of it.
    pub fn let_go(&mut self, uid: Uid) {
        for (name, store) in &self.shelf.stores {
            let of_it = format!("/{uid}/");
            let keys = store.keys().into_iter().filter(|key| key.contains(&of_it));
            self.past.extend(keys.map(|key| (name.clone(), key)));
        }
    }

    /// What must hold after every step.
    pub async fn check(&mut self, host: &Host) -> Result<(), String> {
        let ledger = &host.daemon.ledger;
        let new = ledger.book().head().seq.saturating_sub(self.read);
        let most = usize::try_from(new).unwrap_or(usize::MAX);
        if new > 0 {
            let records = ledger.records(self.read, most).await;
            for record in records.map_err(|e| e.to_string())? {
                let entry = &record.entry;
                self.read = entry.seq;
                let name = entry.name.as_ref().map_or("", |name| name.as_str());
                host.tell(format!("      {name}: {}", entry.message));
                self.entry(host, entry)
                    .map_err(|why| format!("entry {}, of {name}: {why}", entry.seq))?;
            }
        }
        self.removals(host)?;
        if new > 0 || !host.daemon.desk_rests() {
            self.stores()?;
        }
        Ok(())
    }

    fn entry(&mut self, host: &Host, entry: &Entry) -> Result<(), String> {
        let db = |uid: Uid| host.dbs.iter().find(|db| db.uid == uid);
        match &entry.change {
            Change::Admitted { database } => {
                if database.state == WantedState::Retired {
                    self.asked.insert(database.uid);
                } else {
                    self.asked.remove(&database.uid);
                    self.retired.remove(&database.uid);
                }
            }
            Change::Backup { backup } => {
                self.backups
                    .insert(backup.id.clone(), Backup::clone(backup));
                self.once(backup)?;
            }
            Change::BackupRemoved { uid, id } => self.removed(host, *uid, id)?,
            Change::Retired { uid, backup } => {
                self.retired.insert(*uid, entry.at);
                if let Some(db) = db(*uid) {
                    self.retires(db, backup.as_ref())?;
                }
            }
            Change::RemovalBegan { uid } => {
                if let Some(db) = db(*uid) {
                    self.removal(db, entry.at)?;
                }
                self.removing.insert(*uid);
            }
            _ => {}
        }
        Ok(())
    }

    /// Law 5, the first half: it is a person's wish, and all rows are in a final backup that was proven.
    fn retires(&self, db: &Db, last: Option<&BackupId>) -> Result<(), String> {
        if !self.asked.contains(&db.uid) {
            return Err("it is retired, and nobody asked for that".to_owned());
        }
        let Some(last) = last else {
            return match db.rows {
                0 => Ok(()),
                rows => Err(format!(
                    "it is retired without a backup, and had {rows} rows"
                )),
            };
        };
        let backup = self.backups.get(last).ok_or("its last one is unknown")?;
        if backup.state != BackupState::Verified || !backup.kind.is_last() {
            return Err(format!(
                "it is retired on {last}, which is {} and {}",
                backup.kind.as_str(),
                backup.state.as_str()
            ));
        }
        match self.rows(backup) {
            Some(rows) if rows == db.rows => Ok(()),
            _ if self.spoiled.contains(last) => Ok(()),
            rows => Err(format!(
                "it is retired on {last}, which holds {rows:?} rows of {}",
                db.rows
            )),
        }
    }

    /// The second half: it was kept for long enough, and that backup is whole still.
    fn removal(&self, db: &Db, at: Timestamp) -> Result<(), String> {
        let since = self.retired.get(&db.uid).ok_or("it is not retired")?;
        if !self.asked.contains(&db.uid) {
            return Err("its data goes, and it is wanted".to_owned());
        }
        if at - since < self.shelf.keep.data {
            return Err(format!("its data goes {} after {since}", at - since));
        }
        let own = self.backups.values().filter(|b| b.uid == db.uid);
        let whole = |b: &&Backup| self.rows(b) == Some(db.rows) && !self.spoiled.contains(&b.id);
        let mut last = own.filter(|b| b.kind.is_last() && whole(b));
        if db.rows > 0 && last.next().is_none() {
            return Err(format!(
                "its data goes, and no final backup holds its {} rows",
                db.rows
            ));
        }
        Ok(())
    }

    fn removals(&mut self, host: &Host) -> Result<(), String> {
        if host.journal.len() < self.lines {
            self.lines = 0;
        }
        for line in &host.journal[self.lines..] {
            let Some(name) = line.text.strip_prefix("remove data of ") else {
                continue;
            };
            let db = host.dbs.iter().find(|db| db.name.as_str() == name);
            let uid = db.map(|db| db.uid).ok_or("data of nobody goes")?;
            if !self.removing.contains(&uid) {
                return Err(format!(
                    "the data of {name} goes, and the ledger says nothing"
                ));
            }
            self.gone.insert(uid);
        }
        self.lines = host.journal.len();
        Ok(())
    }

    /// Law 6.
    fn once(&self, new: &Backup) -> Result<(), String> {
        let same = self
            .backups
            .values()
            .filter(|b| b.uid == new.uid && b.id.store == new.id.store && b.id.slot == new.id.slot);
        match same.filter(|b| b.state.good()).count() {
            0 | 1 => Ok(()),
            _ => Err(format!(
                "two good backups of {} in {}",
                new.id.slot, new.id.store
            )),
        }
    }

    fn newest_verified(&self, uid: Uid, store: &str) -> Option<&Backup> {
        let own = self
            .backups
            .values()
            .filter(|b| b.uid == uid && b.id.store == store);
        own.filter(|b| b.state == BackupState::Verified)
            .max_by_key(|b| (b.id.slot, b.id.attempt))
    }

    /// Law 7, as the ledger tells.
    fn removed(&mut self, host: &Host, uid: Uid, id: &BackupId) -> Result<(), String> {
        let newest = self.newest_verified(uid, &id.store);
        if newest.is_some_and(|newest| newest.id == *id) {
            return Err(format!("{id} was removed, the newest verified one"));
        }
        let book = host.daemon.ledger.book();
        let of = |row: &Row| row.database.uid == uid;
        if !book.rows().any(|(_, row)| of(row)) {
            return Err(format!("{id} was removed, of {uid}, which is gone"));
        }
        self.backups.remove(id);
        Ok(())
    }

    /// Law 7, as the stores have it.
    fn stores(&self) -> Result<(), String> {
        for (name, store) in &self.shelf.stores {
            let keys: BTreeSet<String> = store.keys().into_iter().collect();
            let uids: BTreeSet<Uid> = self.backups.values().map(|b| b.uid).collect();
            for newest in uids
                .iter()
                .filter_map(|uid| self.newest_verified(*uid, name))
            {
                let there = keys.contains(&format!("{}{MANIFEST}", self.prefix(newest)));
                if !there && !self.spoiled.contains(&newest.id) {
                    return Err(format!(
                        "{} is the newest verified one, and gone",
                        newest.id
                    ));
                }
            }
            let mut past = self.past.iter().filter(|(store, _)| store == name);
            if let Some((_, key)) = past.find(|(_, key)| !keys.contains(key)) {
                return Err(format!(
                    "{name}: {key} is gone, and was of an earlier database"
                ));
            }
        }
        Ok(())
    }

    /// Whether a database's backups are as fresh as its spec demands, in every store; otherwise what is
    /// missing.
    pub fn fresh(&self, host: &Host, row: &Row) -> Result<(), String> {
        let now = Clock::now(&host.world.clock());
        let rpo = chrono::TimeDelta::minutes(i64::from(row.database.backup.rpo_minutes));
        for store in self.shelf.stores.keys() {
            let own = self
                .backups
                .values()
                .filter(|b| b.uid == row.database.uid && b.id.store == *store && b.state.good());
            let mut fresh = own.filter(|b| b.started <= now && now - b.started <= rpo);
            if !fresh.any(|b| self.rows(b).is_some()) {
                return Err(format!(
                    "{} has no fresh backup in {store}",
                    row.database.name
                ));
            }
        }
        Ok(())
    }
}
