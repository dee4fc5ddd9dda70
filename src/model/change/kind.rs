//! The word that the log has for each change.

use super::Change;
use crate::model::BackupState;

impl Change {
    /// The word in the log.
    pub fn kind(&self) -> &str {
        match self {
            Change::Admitted { .. } => "admitted",
            Change::SpecRefused { .. } => "spec_refused",
            Change::ImagePinned { .. } => "image_pinned",
            Change::DataIdentified { .. } => "data_identified",
            Change::Sealed { .. } => "sealed",
            Change::SecretsOffered { .. } => "secrets_offered",
            Change::SecretsTaken { .. } => "secrets_taken",
            Change::PasswordShown { .. } => "password_shown",
            Change::AccountWanted { .. } => "account_wanted",
            Change::AccountMade { .. } => "account_made",
            Change::AccountUnwanted { .. } => "account_unwanted",
            Change::AccountGone { .. } => "account_gone",
            Change::Initialised { .. } => "initialised",
            Change::Overridden { .. } => "overridden",
            Change::Resumed => "resumed",
            Change::RestartAsked => "restart_asked",
            Change::RetryAsked => "retry_asked",
            Change::Released { .. } => "released",
            Change::Approved { .. } => "approved",
            Change::ApprovalVoided { .. } => "approval_voided",
            Change::HandsOff { .. } => "hands_off",
            Change::HandsOn => "hands_on",
            Change::LogHarmed { .. } => "log_harmed",
            Change::AuditAcknowledged { .. } => "audit_acknowledged",
            Change::Quarantined { .. } => "quarantined",
            Change::Observed { .. } => "observed",
            Change::Inspected { .. } => "inspected",
            Change::Intended { .. } => "intended",
            Change::Backup { backup } => match backup.state {
                BackupState::Running => "backup_started",
                BackupState::Stored => "backup_stored",
                BackupState::Verified => "backup_verified",
                BackupState::Failed => "backup_failed",
                BackupState::Damaged => "backup_damaged",
            },
            Change::BackupRemoved { .. } => "backup_removed",
            Change::RestoreBegan { .. } => "restore_began",
            Change::RestoreEnded { .. } => "restore_ended",
            Change::Retired { .. } => "retired",
            Change::TombstoneSet { .. } => "tombstone_set",
            Change::TombstoneTaken { .. } => "tombstone_taken",
            Change::RemovalBegan { .. } => "removal_began",
            Change::Removed { .. } => "removed",
            Change::Forgotten { .. } => "forgotten",
            Change::StartedOver { .. } => "started_over",
            Change::RecoverAsked { .. } => "recover_asked",
            Change::RenameBegan { .. } => "rename_began",
            Change::Renamed { .. } => "renamed",
            Change::RenameEnded { .. } => "rename_ended",
            Change::CopyBegan { .. } => "copy_began",
            Change::CopyEnded { .. } => "copy_ended",
            Change::Noticed { .. } => "noticed",
            Change::EjectBegan { .. } => "eject_began",
            Change::Ejected { .. } => "ejected",
            Change::EjectEnded { .. } => "eject_ended",
            Change::Acted { action } => action,
            Change::Noted => "noted",
        }
    }
}
