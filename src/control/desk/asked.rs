//! What a person asks for.

use std::sync::Arc;

use super::{Desk, Refused};
use crate::admin::Row;
use crate::model::view::WorkAsk;
use crate::model::{Backup, BackupId, BackupKind, BackupState};

impl Desk {
    /// Takes on what a person asks for.
    ///
    /// # Errors
    /// Why not; nothing was changed.
    pub fn take_on(self: &Arc<Self>, row: &Row, ask: WorkAsk) -> Result<String, Refused> {
        let name = row.database.name.clone();
        let (what, begun) = match &ask {
            WorkAsk::Backup { .. } => ("backup".to_owned(), format!("{name}: backup begun")),
            WorkAsk::Verify { id } => {
                let backup = self.chosen(row, id.as_ref())?;
                let what = format!("restore test of {}", backup.id);
                (what.clone(), format!("{name}: {what} begun"))
            }
            WorkAsk::Restore { from, copy } => {
                let backup = self.chosen(row, Some(from))?;
                if let Some(copy) = copy
                    && self.ledger.book().row(copy).is_some()
                {
                    return Err(format!(
                        "there is a database `{copy}` already; choose another name, nothing was \
                         changed"
                    ));
                }
                let what = format!("restore of {}", backup.id);
                (what.clone(), format!("{name}: {what} begun"))
            }
        };
        if let Some(work) = self.works().get(&name).filter(|w| w.running) {
            return Err(format!(
                "{name}: {} is under way since {}; try again when it is over",
                work.what,
                work.since.format("%T UTC")
            ));
        }
        let (this, row) = (self.clone(), row.clone());
        self.spawn(&name, what, async move {
            match ask {
                WorkAsk::Backup { note } => this.now(&row, BackupKind::Manual, note).await,
                WorkAsk::Verify { id } => {
                    let backup = this.chosen(&row, id.as_ref())?;
                    this.test(&row, &backup).await
                }
                WorkAsk::Restore { from, copy } => {
                    let backup = this.chosen(&row, Some(&from))?;
                    match copy {
                        None => this.restore(&row, &backup).await,
                        Some(copy) => this.copy(&row, &backup, copy).await,
                    }
                }
            }
        });
        Ok(begun)
    }

    /// The backup that is meant: by id, or the newest one that is good.
    pub(super) fn chosen(&self, row: &Row, id: Option<&BackupId>) -> Result<Backup, Refused> {
        let name = &row.database.name;
        match id {
            Some(id) => {
                let found = row.backups.get(id).ok_or_else(|| {
                    format!("{name} has no backup {id}; see: db4sci backup list {name}")
                })?;
                match found.state {
                    BackupState::Stored | BackupState::Verified => Ok(found.clone()),
                    BackupState::Running | BackupState::Failed | BackupState::Damaged => {
                        Err(format!(
                            "{id} is {}{}; choose another one: db4sci backup list {name}",
                            found.state.as_str(),
                            found
                                .error
                                .as_ref()
                                .map_or_else(String::new, |e| format!(" ({e})"))
                        ))
                    }
                }
            }
            None => {
                let good = row.backups.values();
                good.filter(|b| b.uid == row.database.uid && b.state.good())
                    .max_by_key(|b| (b.id.slot, b.id.attempt))
                    .cloned()
                    .ok_or_else(|| {
                        format!("{name} has no backup yet; take one: db4sci backup now {name}")
                    })
            }
        }
    }
}
