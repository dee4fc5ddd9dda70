//! Whether a caller may do what they ask for. What that needs, `specs::access` says.

use crate::admin::Row;
use crate::engine::backup::backups;
use crate::http::peer::Caller;
use crate::http::refusal::{Refusal, RefusalKind};
use crate::model::view::WorkAsk;
use crate::model::{BackupId, BackupKind, Database, DbName};
use crate::specs::access::Need;

use super::backend::Daemon;

#[cfg(test)]
pub(super) mod tests;

impl Daemon {
    /// Refuses whoever is not what something needs of a database.
    pub(super) async fn allow(
        &self,
        caller: &Caller,
        db: &Database,
        need: Need,
    ) -> Result<(), Refusal> {
        if self.is(caller, db, need).await {
            return Ok(());
        }
        let message = need.refusal(&caller.user, db);
        Err(Refusal::new(RefusalKind::Forbidden, message))
    }

    /// Whether a caller is what something needs of a database.
    pub(super) async fn is(&self, caller: &Caller, db: &Database, need: Need) -> bool {
        match need.met_by(db, &self.admins) {
            None => true,
            Some(names) => caller.root || caller.is_one_of(&names).await,
        }
    }

    /// The row of a database, for a caller who is what something needs of it. Verbs that ask for a right
    /// get the row this way alone, so that none forgets to ask.
    pub(super) async fn row_for(
        &self,
        caller: &Caller,
        name: &DbName,
        need: Need,
    ) -> Result<Row, Refusal> {
        let row = self.row(name)?;
        self.allow(caller, &row.database, need).await?;
        Ok(row)
    }

    /// The same, of a work.
    pub(super) async fn row_for_work(
        &self,
        caller: &Caller,
        name: &DbName,
        ask: &WorkAsk,
    ) -> Result<Row, Refusal> {
        let row = self.row(name)?;
        let named = match ask {
            WorkAsk::Restore { from, .. } => Some(from),
            WorkAsk::Clone { from, .. } => from.as_ref(),
            WorkAsk::Backup { .. }
            | WorkAsk::Verify { .. }
            | WorkAsk::Rename { .. }
            | WorkAsk::Eject { .. } => None,
        };
        let rests = backups(row.database.engine, BackupKind::Manual).at_rest();
        let own = named.is_none_or(|id| is_own(&row, id));
        let need = Need::of_work(ask, own, rests);
        self.allow(caller, &row.database, need).await?;
        Ok(row)
    }

    /// Refuses whoever is no admin of this host.
    pub(super) async fn admin_only(&self, caller: &Caller) -> Result<(), Refusal> {
        if caller.root || caller.is_one_of(&self.admins).await {
            return Ok(());
        }
        let message = format!("{} is no admin; nothing was changed", caller.user);
        Err(Refusal::new(RefusalKind::Forbidden, message))
    }
}

/// Whether a backup is of this database, and not of an earlier one of its name. One that is not there
/// is nobody's.
pub(super) fn is_own(row: &Row, id: &BackupId) -> bool {
    let found = row.backups.get(id);
    found.is_none_or(|backup| backup.uid == row.database.uid)
}
