//! How a command line ends when it does not end well.

use std::path::PathBuf;

use crate::http::client::ClientError;

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(u8);

impl Exit {
    /// It went well.
    pub const OK: Exit = Exit(0);
    /// It did not.
    pub const ERROR: Exit = Exit(1);
    /// It was not typed as it should be.
    pub const USAGE: Exit = Exit(2);

    /// Another program's code.
    pub const fn of(code: u8) -> Self {
        Exit(code)
    }

    /// The number.
    pub const fn code(self) -> u8 {
        self.0
    }
}

/// Why a verb did not do as asked. Every message says that nothing was changed, or what was.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// It was not typed as it should be.
    #[error("{0}; nothing was changed")]
    Usage(String),
    /// The daemon does not run, or says no.
    #[error(transparent)]
    Daemon(#[from] ClientError),
    /// What the whole program says; complete as it is.
    #[error("{0}")]
    Said(String),
    /// A file.
    #[error("{path}: {what}: {source}; nothing was changed")]
    File {
        /// The file.
        path: PathBuf,
        /// What was being done.
        what: &'static str,
        /// The system's words.
        source: std::io::Error,
    },
    /// An answer could not be written as JSON or YAML.
    #[error("the answer cannot be shown: {0}; nothing was changed")]
    Unshowable(String),
    /// The answer did not get where it should go: a full disk, mostly.
    #[error("the answer could not be written: {0}")]
    Unwritten(std::io::Error),
    /// Nobody reads the output any more.
    #[error("nobody reads the output")]
    NobodyReads,
}

impl CliError {
    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            CliError::Usage(_) => Exit::USAGE,
            CliError::NobodyReads => Exit::OK,
            CliError::Daemon(_)
            | CliError::Said(_)
            | CliError::File { .. }
            | CliError::Unwritten(_)
            | CliError::Unshowable(_) => Exit::ERROR,
        }
    }

    /// What a person reads: problems of the input one a line, then the error itself.
    pub fn text(&self) -> String {
        let CliError::Daemon(error) = self else {
            return self.to_string();
        };
        match error {
            ClientError::Problem(problem) => {
                let mut lines: Vec<String> =
                    problem.problems.iter().map(ToString::to_string).collect();
                lines.push(problem.detail.clone());
                lines.join("\n")
            }
            ClientError::Down { .. } | ClientError::Silent { .. } => {
                format!("{error}; nothing was changed; start it: {}", next(error))
            }
            ClientError::Denied { .. } => format!("{error}; nothing was changed"),
            ClientError::Broken { .. } | ClientError::Garbled { .. } => error.to_string(),
        }
    }
}

/// What brings back a daemon that says nothing.
pub(super) fn next(error: &ClientError) -> &'static str {
    if error.is_down() {
        "systemctl start db4sci, or db4sci run"
    } else {
        "systemctl restart db4sci"
    }
}
