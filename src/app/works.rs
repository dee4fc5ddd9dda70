//! What a person asks of backups, as the API takes it on.

use crate::http::peer::Caller;
use crate::http::refusal::{Refusal, RefusalKind};
use crate::model::view::{WorkAsk, WorkView};
use crate::model::{BackupId, Change, DbName, Timestamp};
use crate::specs::access::Need;

use super::backend::{Daemon, because, unwritten};
use super::rights::is_own;

impl Daemon {
    pub(super) async fn begin_work(
        &self,
        caller: &Caller,
        name: &DbName,
        ask: WorkAsk,
    ) -> Result<WorkView, Refusal> {
        let row = self.row_for_work(caller, name, &ask).await?;
        let who = caller.who.clone();
        let what = match &ask {
            WorkAsk::Backup { .. } => "a backup".to_owned(),
            WorkAsk::Verify { .. } => "a restore test".to_owned(),
            WorkAsk::Rename { to, reason } => format!("its rename to {to}{}", because(reason)),
            WorkAsk::Eject { reason, .. } => format!("its release from db4sci{}", because(reason)),
            WorkAsk::Clone { copy, reason, .. } => {
                format!("a clone of it, {copy}{}", because(reason))
            }
            WorkAsk::Restore {
                from,
                copy,
                only,
                image: _,
                reason,
            } => {
                let why = because(reason);
                match (copy, only) {
                    (Some(copy), _) => format!("the restore of {from} as {copy}{why}"),
                    (None, Some(only)) => {
                        format!("the restore of `{only}` alone from {from}{why}")
                    }
                    (None, None) => format!("the restore of {from} in place{why}"),
                }
            }
        };
        let begun = self
            .desk
            .take_on(who.clone(), &row, ask)
            .map_err(|why| Refusal::new(RefusalKind::Conflict, why))?;
        // Who wanted it; that it is done is written by the work itself.
        let change = Change::Acted {
            action: "work_asked".to_owned(),
        };
        let message = format!("{name}: asked for {what}");
        let written = self.intake.wish(who, name, message, change).await;
        written.map_err(|error| unwritten(&format!("{what} has begun"), &error))?;
        Ok(begun)
    }

    pub(super) async fn keep(
        &self,
        caller: &Caller,
        id: &BackupId,
        until: Option<Timestamp>,
        note: Option<String>,
    ) -> Result<String, Refusal> {
        let book = self.ledger.book();
        let found = book.holder_of(id).filter(|(_, b)| b.state.good());
        let Some((row, backup)) = found else {
            let message = format!(
                "there is no backup {id}; see: db4sci backup list {}",
                id.name
            );
            return Err(Refusal::new(RefusalKind::Conflict, message));
        };
        let need = match is_own(row, id) {
            true => Need::Owner,
            false => Need::Admin,
        };
        self.allow(caller, &row.database, need).await?;
        let mut backup = backup.clone();
        backup.keep_until = until;
        if let Some(note) = note {
            backup.note = note;
        }
        let message = match until {
            Some(until) => format!("{id} is kept until {}", until.format("%F %T UTC")),
            None => format!("{id} is kept as the retention says"),
        };
        let change = Change::Backup {
            backup: Box::new(backup),
        };
        self.wish(caller.who.clone(), &row.database.name, message, change)
            .await
    }
}
