//! Who wanted a change.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Who wanted a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Who {
    /// The daemon itself.
    Daemon,
    /// Somebody on the unix socket.
    Socket {
        /// The peer's numeric user id.
        uid: u32,
        /// The login name of that id, if it has one.
        user: String,
    },
    /// Somebody with SQL.
    Sql {
        /// The session's user.
        user: String,
        /// The generation of the `state` row that they wrote: the entry answers that edit, and
        /// no later one.
        generation: u64,
    },
    /// A file of `desired-state/`.
    File(PathBuf),
    /// The same, as a commit of git has it: who that is, the repository knows.
    Commit {
        /// The file, by its path below the folder.
        file: PathBuf,
        /// The commit, short.
        commit: String,
    },
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Who::Daemon => f.write_str("db4sci"),
            Who::Socket { uid, user } => write!(f, "{user}({uid})"),
            Who::Sql { user, .. } => write!(f, "sql:{user}"),
            Who::File(path) => write!(f, "file:{}", path.display()),
            Who::Commit { file, commit } => write!(f, "file:{}@{commit}", file.display()),
        }
    }
}
