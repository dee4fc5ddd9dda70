//! Why a backup, a restore test or a restore came to nothing.

use std::io;

use crate::admin::LedgerError;
use crate::admin::vault::VaultError;
use crate::runtime::{DirError, RuntimeError};
use crate::store::StoreError;

/// What went wrong. Messages are for people: they say what was tried and what the tool last said.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database is not in a state in which it can be dumped.
    #[error("{0}")]
    NotNow(String),
    /// A tool failed, or what it wrote is not whole.
    #[error("{what}: {why}")]
    Tool {
        /// What was done.
        what: String,
        /// The exit code and the tool's last words, or what is missing.
        why: String,
    },
    /// A tool was cut off: killed, or without room, memory or its server.
    #[error("{what}: {why}")]
    Cut {
        /// What was done.
        what: String,
        /// The exit code and the tool's last words.
        why: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What lies in the store is not what was written, or cannot be restored.
    #[error("{0}")]
    Damaged(String),
    /// The container engine.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// Folders of the database.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// A secret.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// This host's disk or pipes.
    #[error("{what}: {error}")]
    Io {
        /// What was done.
        what: String,
        /// The system's words.
        error: io::Error,
    },
}

impl BackupError {
    /// A word for the metric's label.
    pub fn word(&self) -> &'static str {
        match self {
            BackupError::NotNow(_) => "not_now",
            BackupError::Tool { .. } => "tool",
            BackupError::Store(error) => error.word(),
            BackupError::Damaged(_) => "damaged",
            BackupError::Runtime(_) => "engine",
            BackupError::Cut { .. } | BackupError::Dir(_) | BackupError::Io { .. } => "host",
            BackupError::Ledger(_) | BackupError::Vault(_) => "ledger",
        }
    }

    /// Whether it says something about the backup itself, and not about the attempt to look at it.
    pub fn is_damage(&self) -> bool {
        match self {
            BackupError::Damaged(_) | BackupError::Store(StoreError::Missing { .. }) => true,
            BackupError::NotNow(_)
            | BackupError::Tool { .. }
            | BackupError::Cut { .. }
            | BackupError::Store(_)
            | BackupError::Runtime(_)
            | BackupError::Dir(_)
            | BackupError::Ledger(_)
            | BackupError::Vault(_)
            | BackupError::Io { .. } => false,
        }
    }

    /// A tool's refusal of what was stored, which speaks of the backup; all else as it is.
    pub(super) fn damage_told(self) -> BackupError {
        match self {
            BackupError::Tool { what, why } => BackupError::Damaged(format!("{what}: {why}")),
            other => other,
        }
    }

    pub(super) fn io(what: &str) -> impl FnOnce(io::Error) -> BackupError + use<> {
        let what = what.to_owned();
        move |error| BackupError::Io { what, error }
    }
}
