//! Rows of `backup_log`: one for each thing that happened to a backup.

use sqlx::postgres::PgConnection;

use super::clean::{instant, number, text};
use crate::model::{Change, Entry};

/// Writes the row of an entry that speaks of a backup.
pub(super) async fn write(conn: &mut PgConnection, entry: &Entry) -> Result<(), sqlx::Error> {
    let (id, uid, backup) = match &entry.change {
        Change::Backup { backup } => (&backup.id, backup.uid, Some(backup)),
        Change::BackupRemoved { uid, id } => (id, *uid, None),
        Change::Admitted { .. }
        | Change::SpecRefused { .. }
        | Change::ImagePinned { .. }
        | Change::DataIdentified { .. }
        | Change::Sealed { .. }
        | Change::SecretsOffered { .. }
        | Change::SecretsTaken { .. }
        | Change::PasswordShown { .. }
        | Change::AccountWanted { .. }
        | Change::AccountMade { .. }
        | Change::AccountUnwanted { .. }
        | Change::AccountGone { .. }
        | Change::Initialised { .. }
        | Change::Overridden { .. }
        | Change::Resumed { .. }
        | Change::RestartAsked
        | Change::RetryAsked
        | Change::Released { .. }
        | Change::Approved { .. }
        | Change::ApprovalVoided { .. }
        | Change::HandsOff { .. }
        | Change::HandsOn { .. }
        | Change::LogHarmed { .. }
        | Change::AuditAcknowledged { .. }
        | Change::HistoryChosen { .. }
        | Change::Quarantined { .. }
        | Change::Observed { .. }
        | Change::Inspected { .. }
        | Change::Intended { .. }
        | Change::RestoreBegan { .. }
        | Change::RestoreEnded { .. }
        | Change::Retired { .. }
        | Change::TombstoneSet { .. }
        | Change::TombstoneTaken { .. }
        | Change::RemovalBegan { .. }
        | Change::Removed { .. }
        | Change::Forgotten { .. }
        | Change::StartedOver { .. }
        | Change::RecoverAsked { .. }
        | Change::RenameBegan { .. }
        | Change::Renamed { .. }
        | Change::RenameEnded { .. }
        | Change::CopyBegan { .. }
        | Change::CopyEnded { .. }
        | Change::EjectBegan { .. }
        | Change::Ejected { .. }
        | Change::EjectEnded { .. }
        | Change::Acted { .. }
        | Change::Noticed { .. }
        | Change::Hibernated { .. }
        | Change::Noted => return Ok(()),
    };
    sqlx::query(
        "insert into public.backup_log (id, ts, name, uid, slot, attempt, kind, store, state, url,
                                        bytes, sha256, started, finished, verified, error)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         on conflict (id) do nothing",
    )
    .bind(number(entry.seq))
    .bind(instant(entry.at))
    .bind(id.name.as_str())
    .bind(uid.0)
    .bind(id.slot.to_string())
    .bind(id.attempt.to_string())
    .bind(backup.map_or("", |b| b.kind.as_str()))
    .bind(text(&id.store))
    .bind(backup.map_or("Removed", |b| b.state.as_str()))
    .bind(backup.map(|b| text(&b.url)))
    .bind(backup.map(|b| number(b.bytes)))
    .bind(backup.and_then(|b| b.sha256.clone()))
    .bind(backup.map(|b| instant(b.started)))
    .bind(backup.and_then(|b| b.finished).map(instant))
    .bind(backup.and_then(|b| b.verified).map(instant))
    .bind(backup.and_then(|b| b.error.as_deref()).map(text))
    .execute(conn)
    .await
    .map(|_| ())
}
