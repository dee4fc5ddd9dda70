//! Another name for a database, and a copy under a name of its own: what is refused, and what the
//! entries change.

use std::sync::Arc;

use super::{Book, NewEntry, Row};
use crate::model::database::Source;
use crate::model::{
    Away, Backup, BackupId, BackupState, Database, DbName, End, Entry, Outcome, OverrideState,
    Tombstone, Uid, WantedState, Who,
};

impl Book {
    /// Why a database cannot get another name now, as far as the ledger knows.
    pub fn rename_refused(&self, old: &DbName, new: &DbName) -> Option<String> {
        let Some(row) = self.row(old) else {
            return Some(format!("there is no database `{old}`; see: db4sci get"));
        };
        if old.is_mydb_admin() || new.is_mydb_admin() {
            return Some(
                "mydb_admin is db4sci's own memory; it keeps its name, and nobody else gets it"
                    .to_owned(),
            );
        }
        if old == new {
            return Some(format!("`{old}` has that name already"));
        }
        self.name_taken(new).or_else(|| row.rename_refused())
    }

    /// Whose a name is, if it is not free.
    pub fn name_taken(&self, name: &DbName) -> Option<String> {
        if let Some(row) = self.row(name) {
            return Some(match (&row.end, &row.retired) {
                (Some(End::Removed(_)), _) => format!(
                    "`{name}` is the name of a database that was removed; to let go of it: db4sci \
                     delete {name} --forget"
                ),
                (Some(End::Ejected(at)), _) => row.ejected(*at),
                (Some(End::Removing), _) | (None, Some(_)) => format!(
                    "`{name}` is the name of a retired database, whose data is kept; choose another one"
                ),
                (None, None) => {
                    format!("there is a database `{name}` already; choose another name")
                }
            });
        }
        let (old, _) = self.rows().find(|(_, row)| row.becomes() == Some(name))?;
        Some(format!(
            "`{old}` is being renamed to `{name}`, so the name is not free"
        ))
    }

    /// The database that a backup belongs to, by its uid; one of an uid that is no more belongs to
    /// whoever has it, or its name.
    pub fn owner_of(&self, uid: Uid, id: &BackupId) -> Option<&DbName> {
        let of_uid = self.rows().find(|(_, row)| row.database.uid == uid);
        let holds = || self.rows().find(|(_, row)| row.backups.contains_key(id));
        let of_name = || self.rows().find(|(name, _)| **name == id.name);
        let found = of_uid.or_else(holds).or_else(of_name);
        found.map(|(name, _)| name)
    }

    /// The database that has a backup.
    pub fn holder_of(&self, id: &BackupId) -> Option<(&Row, &Backup)> {
        self.rows()
            .find_map(|(_, row)| row.backups.get(id).map(|backup| (row, backup)))
    }

    /// Names that databases had before, and that nobody has now.
    pub fn left_names(&self) -> Vec<DbName> {
        let names = self.rows().flat_map(|(_, row)| row.formerly.iter());
        let left = names.filter(|(name, _)| self.row(name).is_none());
        left.map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn check_renamed(
        &self,
        new: &NewEntry,
        from: &DbName,
        database: &Database,
    ) -> Result<(), String> {
        let to = &database.name;
        if new.name.as_ref() != Some(to) {
            return Err(format!("the entry does not carry the name `{to}`"));
        }
        let row = self
            .row(from)
            .ok_or_else(|| format!("there is no database `{from}`"))?;
        if row.becomes() != Some(to) || row.database.uid != database.uid {
            return Err(format!("`{from}` is not being renamed to `{to}`"));
        }
        if database.generation <= row.database.generation {
            return Err(format!(
                "`{from}` is at generation {}; generation {} is old",
                row.database.generation, database.generation
            ));
        }
        match self.row(to) {
            Some(_) => Err(format!("there is a database `{to}` already")),
            None => Ok(()),
        }
    }

    pub(super) fn check_backup(
        &self,
        new: &NewEntry,
        uid: Uid,
        id: &BackupId,
    ) -> Result<(), String> {
        let row = self.check_row(new)?;
        let name = &row.database.name;
        match self.owner_of(uid, id) {
            Some(owner) if owner == name => {}
            Some(owner) => return Err(format!("{id} is a backup of `{owner}`, not of `{name}`")),
            None => return Err(format!("`{}` is not `{name}`", id.name)),
        }
        // After a rename another database may have the old name, and take backups of its own.
        match self.holder_of(id) {
            Some((_, held)) if held.uid != uid => Err(format!(
                "{id} is a backup of another database; take it again later"
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether an entry of the daemon's leaves to people what is theirs to say of a backup, and one of a
    /// person's all else to the daemon: what that knows now, and not what it knew when it was asked.
    pub(super) fn check_kept(&self, new: &NewEntry, backup: &Backup) -> Result<(), String> {
        let said = |backup: &Backup| (backup.keep_until, backup.note.clone());
        match self.holder_of(&backup.id) {
            None if new.who != Who::Daemon => {
                Err(format!("there is no backup {} any more", backup.id))
            }
            Some((_, known)) if new.who != Who::Daemon => {
                let mut kept = known.clone();
                (kept.keep_until, kept.note) = said(backup);
                (kept == *backup)
                    .then_some(())
                    .ok_or_else(|| format!("{} was worked on meanwhile; try again", backup.id))
            }
            // Only one that came to be is kept.
            Some((_, known)) if !known.state.good() => Ok(()),
            Some((_, known)) if said(known) != said(backup) => Err(format!(
                "how long {} is kept was said otherwise meanwhile",
                backup.id
            )),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn begin_rename(
        &mut self,
        entry: &Entry,
        to: &DbName,
        source: &Source,
    ) -> Result<(), String> {
        let row = self.change(entry)?;
        row.renaming = Some((to.clone(), source.clone()));
        if row.phase == crate::model::view::Phase::Ready {
            row.away = Some((Away::Recreate, entry.at));
            row.disrupted_at = Some(entry.at);
        }
        Ok(())
    }

    pub(super) fn rename(
        &mut self,
        entry: &Entry,
        from: &DbName,
        database: &Database,
    ) -> Result<(), String> {
        let row = self.rows.remove(from);
        let row = row.ok_or_else(|| format!("`renamed`: there is no database `{from}`"))?;
        let mut row = Arc::unwrap_or_clone(row);
        let to = database.name.clone();
        row.renaming = None;
        row.database = Arc::new(database.clone());
        row.enforce();
        row.admitted_at = entry.at;
        row.forget_finals();
        row.approved = None;
        row.formerly.push((from.clone(), entry.seq));
        // Those of an earlier database of this name outlive it.
        let earlier = self.forgotten.remove(&to).unwrap_or_default();
        for (id, backup) in earlier {
            row.backups.entry(id).or_insert(backup);
        }
        self.unborn.remove(&to);
        self.rows.insert(to, Arc::new(row));
        Ok(())
    }

    pub(super) fn end_copy(&mut self, entry: &Entry) -> Result<(), String> {
        let row = self.change(entry)?;
        row.copying = None;
        if entry.outcome != Outcome::Done
            && let Some((name, row)) = entry.name.as_ref().and_then(|n| self.rows.remove_entry(n))
            && !row.backups.is_empty()
        {
            // Those of an earlier database of this name.
            let earlier = self.forgotten.entry(name).or_default();
            earlier.extend(row.backups.clone());
        }
        Ok(())
    }
}

impl Row {
    /// The name that it is getting.
    pub fn becomes(&self) -> Option<&DbName> {
        self.renaming.as_ref().map(|(to, _)| to)
    }

    /// Why nothing else is done with it while its name or its data is on the way.
    pub fn on_its_way(&self) -> Option<String> {
        let name = &self.database.name;
        if self.ejecting.is_some() {
            return Some(format!(
                "`{name}` is being released from db4sci; try again when that is over"
            ));
        }
        if let Some(to) = self.becomes() {
            return Some(format!(
                "`{name}` is being renamed to `{to}`; try again when that is over"
            ));
        }
        let from = self.copying.as_ref()?;
        Some(format!(
            "`{name}` is being made of {from}; try again when that is over"
        ))
    }

    /// Why neither its name nor whose it is can change now: something else is done with it, or nothing is to be.
    pub(super) fn engaged(&self) -> Option<String> {
        let db = &self.database;
        let name = &db.name;
        if let Some(why) = self
            .on_its_way()
            .or_else(|| self.gone())
            .or_else(|| self.host_refused())
        {
            return Some(why);
        }
        if self.retired.is_some() || db.state == WantedState::Retired {
            return Some(format!(
                "`{name}` is retired, or is to be; take it back first: db4sci undelete {name}"
            ));
        }
        if let Some((from, _)) = &self.restoring {
            return Some(format!(
                "`{name}` is being restored from {from}; try again when that is over"
            ));
        }
        let hands_off = match &self.over {
            Some(over) => over.state == OverrideState::Maintenance,
            None => db.state == WantedState::Maintenance,
        };
        hands_off.then(|| {
            format!("hands are off `{name}` (maintenance); first: db4sci maintenance off {name}")
        })
    }

    /// What is under way that goes by its name, and will be over.
    pub(super) fn unsettled(&self) -> Option<String> {
        let name = &self.database.name;
        if self.tombstone != Tombstone::None {
            return Some(format!(
                "the stores say still that `{name}` is retired, which is being taken back; try again \
                 later"
            ));
        }
        let mut backups = self.backups.values();
        if let Some(running) = backups.find(|b| b.state == BackupState::Running) {
            return Some(format!(
                "{} is being taken; try again when that is over",
                running.id
            ));
        }
        let rotating = self.secrets.values().any(|kept| kept.next.is_some());
        rotating.then(|| {
            format!("the passwords of `{name}` are being changed; try again when that is over")
        })
    }

    /// Why it cannot get another name now.
    fn rename_refused(&self) -> Option<String> {
        let db = &self.database;
        let name = &db.name;
        if let Some(why) = self.engaged() {
            return Some(why);
        }
        if let Some((_, why)) = &self.quarantined {
            return Some(format!(
                "`{name}` is quarantined ({why}); mend that, then: db4sci release {name} --reason TEXT"
            ));
        }
        if let Some(reason) = self.reason.filter(|reason| reason.no_data()) {
            return Some(format!(
                "`{name}` is held ({}), so its data is not known to be whole; see: db4sci describe {name}",
                reason.as_str()
            ));
        }
        if !self.initialised {
            return Some(format!(
                "`{name}` has no data yet: its first start is not over; try again later, or delete it \
                 and apply another spec"
            ));
        }
        self.unsettled()
    }
}

#[cfg(test)]
mod tests;
