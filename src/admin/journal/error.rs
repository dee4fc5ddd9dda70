//! What can be wrong with a journal.

use std::io;

use crate::model::Class;

/// A record that was on disk and is no longer what it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: record {record} (at byte {offset}): {what}; nothing was written")]
pub struct Harm {
    /// The journal.
    pub file: String,
    /// The first record that is wrong, counted from 1.
    pub record: u64,
    /// Where it begins.
    pub offset: u64,
    /// What is wrong with it.
    pub what: String,
}

/// Why a journal could not be read or added to.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// What was on disk is damaged. The file is left as it is.
    #[error(transparent)]
    Harm(Harm),
    /// A newer program wrote it.
    #[error(
        "{file}: record {record} was written by a newer db4sci; nothing was written; \
         install at least the version that ran here last"
    )]
    Newer {
        /// The journal.
        file: String,
        /// The first record that cannot be read.
        record: u64,
        /// What is not known about it.
        why: String,
    },
    /// No space left. Nothing of the entry stays; it can be appended again.
    #[error("{file}: no space left on its disk; nothing was written")]
    DiskFull {
        /// The journal.
        file: String,
    },
    /// It is not the file any more that was opened.
    #[error(
        "{file}: {why}; nothing was written to it; started again, db4sci makes it whole where it can"
    )]
    Gone {
        /// The journal.
        file: String,
        /// What happened to it.
        why: String,
    },
    /// The storage failed.
    #[error("{file}: cannot {what}")]
    Io {
        /// The journal.
        file: String,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The entry cannot be put into a record.
    #[error("the entry cannot be kept: {why}")]
    Unfit {
        /// Why.
        why: String,
    },
}

impl JournalError {
    /// What it asks for.
    pub fn class(&self) -> Class {
        match self {
            JournalError::Harm(_)
            | JournalError::Newer { .. }
            | JournalError::Gone { .. }
            | JournalError::Unfit { .. } => Class::Permanent,
            JournalError::DiskFull { .. } | JournalError::Io { .. } => Class::Transient,
        }
    }

    pub(crate) fn io(file: &str, what: &'static str, source: io::Error) -> Self {
        let file = file.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                JournalError::DiskFull { file }
            }
            io::ErrorKind::StaleNetworkFileHandle => JournalError::Gone {
                file,
                why: source.to_string(),
            },
            _ => JournalError::Io { file, what, source },
        }
    }
}
