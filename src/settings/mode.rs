//! The four modes.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::model::Problem;

/// What `DB4SCI_MODE` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Production.
    Prod,
    /// Development: as production, on another host.
    Dev,
    /// Automatic tests.
    Test,
    /// A try on one machine, without any file.
    Demo,
}

impl Mode {
    /// All modes, in the order of messages.
    pub const ALL: [Mode; 4] = [Mode::Prod, Mode::Dev, Mode::Test, Mode::Demo];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Prod => "prod",
            Mode::Dev => "dev",
            Mode::Test => "test",
            Mode::Demo => "demo",
        }
    }

    /// The mode that the environment names.
    ///
    /// # Errors
    ///
    /// It names none, or none of the four.
    pub fn from_env(env: &BTreeMap<String, String>) -> Result<Self, Problem> {
        match env.get("DB4SCI_MODE") {
            Some(text) => text.parse(),
            None => Err(Problem::new(
                "DB4SCI_MODE",
                format!("not set; allowed: {}", all()),
            )),
        }
    }
}

/// What a mode takes for granted.
impl Mode {
    /// Its settings file, below the home folder.
    pub(super) fn file(self) -> Option<&'static str> {
        match self {
            Mode::Prod => Some("prod/config.yaml"),
            Mode::Dev => Some("dev/config.yaml"),
            Mode::Test | Mode::Demo => None,
        }
    }

    pub(super) fn container_host(self) -> Option<String> {
        match self {
            Mode::Prod => None,
            Mode::Dev | Mode::Test | Mode::Demo => Some("localhost".to_owned()),
        }
    }

    pub(super) fn container_ip(self) -> IpAddr {
        match self {
            Mode::Prod => Ipv4Addr::UNSPECIFIED.into(),
            Mode::Dev | Mode::Test | Mode::Demo => Ipv4Addr::LOCALHOST.into(),
        }
    }

    pub(super) fn state_dir(self) -> &'static str {
        match self {
            Mode::Prod | Mode::Dev => "/var/lib/db4sci",
            Mode::Test => "/var/lib/db4sci-test",
            Mode::Demo => "/var/lib/db4sci-demo",
        }
    }

    pub(super) fn socket(self, state_dir: &Path) -> PathBuf {
        match self {
            Mode::Prod | Mode::Dev => PathBuf::from("/run/db4sci/db4sci.sock"),
            Mode::Test | Mode::Demo => state_dir.join("db4sci.sock"),
        }
    }

    pub(super) fn needs_volumes(self) -> bool {
        match self {
            Mode::Prod | Mode::Dev => true,
            Mode::Test | Mode::Demo => false,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        Mode::ALL
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| {
                Problem::new(
                    "DB4SCI_MODE",
                    format!(
                        "`{}` is not a mode; allowed: {}",
                        text.escape_debug(),
                        all()
                    ),
                )
            })
    }
}

fn all() -> String {
    Mode::ALL.map(Mode::as_str).join(", ")
}
