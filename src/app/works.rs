//! What a person asks of backups, as the API takes it on.

use crate::http::api::backups::KeepRequest;
use crate::http::peer::Caller;
use crate::http::refusal::{Refusal, RefusalKind};
use crate::model::view::{WorkAsk, WorkView};
use crate::model::{BackupId, DbName};
use crate::specs::access::Need;

use super::backend::{Daemon, because, unavailable};
use super::rights::is_own;

impl Daemon {
    pub(super) async fn begin_work(
        &self,
        caller: &Caller,
        name: &DbName,
        ask: WorkAsk,
    ) -> Result<WorkView, Refusal> {
        let row = self.row_for_work(caller, name, &ask).await?;
        let what = match &ask {
            WorkAsk::Backup { reason, .. } => format!("a backup{}", because(reason)),
            WorkAsk::Verify { reason, .. } => format!("a restore test{}", because(reason)),
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
        let (begun, written) = self
            .desk
            .take_on(
                caller.who.clone(),
                &row,
                ask,
                format!("{name}: asked for {what}"),
            )
            .map_err(|why| Refusal::new(RefusalKind::Conflict, why))?;
        match written.await {
            Ok(written) => written.map_err(unavailable)?,
            Err(_) => {
                let message = "the daemon is stopping; nothing was done";
                return Err(Refusal::new(RefusalKind::Unavailable, message));
            }
        }
        Ok(begun)
    }

    pub(super) async fn keep(
        &self,
        caller: &Caller,
        id: &BackupId,
        keep: KeepRequest,
    ) -> Result<String, Refusal> {
        let book = self.ledger.book();
        let found = book.holder_of(id).filter(|(_, b)| b.state.good());
        let Some((row, _)) = found else {
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
        let uid = row.database.uid;
        let KeepRequest {
            until,
            note,
            reason,
        } = keep;
        let why = because(&reason);
        let kept = self
            .desk
            .keep(caller.who.clone(), uid, id, until, note, &why);
        kept.await.map_err(unavailable)
    }
}
