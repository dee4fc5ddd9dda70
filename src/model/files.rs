//! Files that a container mounts besides its data.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::trial::Trial;

/// The files that an engine's recipe wants its container to mount.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilesWanted {
    /// Secrets that it cannot do without: made once by db4sci, or taken from a person's file.
    pub secrets: Vec<SecretFile>,
    /// Configuration files: name and text.
    pub config: Vec<(String, String)>,
    /// What `FilesSeen::settings` will say once this is written.
    pub settings: BTreeMap<String, String>,
    /// What `FilesSeen::config` will say once this is written.
    pub config_text: Option<String>,
    /// What `FilesSeen::config_tried` will say once this is written.
    pub config_tried: Option<String>,
    /// What `FilesSeen::trial` will say once this is written.
    pub trial: Trial,
    /// What `FilesSeen::in_use` will say once this is written.
    pub certificate: Option<String>,
    /// Numeric owner of all these files.
    pub owner: u32,
}

/// Which files those are, without what they say: each look asks for them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilesNamed {
    /// As `FilesWanted::secrets`.
    pub secrets: Vec<SecretFile>,
    /// The names of `FilesWanted::config`.
    pub config: &'static [&'static str],
}

/// What is written for whoever runs a database without db4sci.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasedFiles {
    /// Names and texts; no secret stands in them.
    pub texts: Vec<(String, String)>,
    /// The folder beside them for copies of its secret files.
    pub secrets: &'static str,
    /// The folder beside them for its configuration.
    pub config: &'static str,
}

/// A secret that a container mounts as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// File name below the secrets folder.
    pub name: String,
    /// A person's file with the password; without one, a random password is made.
    pub from: Option<PathBuf>,
    /// What it is.
    pub kind: SecretKind,
}

/// What a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// A password: another one may take its place.
    Password,
    /// 256 random bits in hexadecimal, after these words. What was encrypted under it can be read
    /// with no other, so it stays for the life of the data.
    Key {
        /// What the server expects before it.
        before: &'static str,
    },
}
