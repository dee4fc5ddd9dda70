//! What a person asks for.

use std::sync::Arc;

use super::{Desk, Refused};
use crate::admin::Row;
use crate::model::view::{WorkAsk, WorkView};
use crate::model::{Backup, BackupId, BackupKind, BackupState};

impl Desk {
    /// Takes on what a person asks for.
    ///
    /// # Errors
    /// Why not; nothing was changed.
    pub fn take_on(self: &Arc<Self>, row: &Row, ask: WorkAsk) -> Result<WorkView, Refused> {
        let name = row.database.name.clone();
        let what = match &ask {
            WorkAsk::Backup { .. } => "backup".to_owned(),
            WorkAsk::Verify { id } => {
                let backup = self.chosen(row, id.as_ref())?;
                format!("restore test of {}", backup.id)
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
                format!("restore of {}", backup.id)
            }
        };
        let (this, row) = (self.clone(), row.clone());
        let begun = self.spawn(&name, what, async move {
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
        begun.map_err(|work| {
            format!(
                "{name}: {} is under way since {}; try again when it is over",
                work.what,
                work.since.format("%T UTC")
            )
        })
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
