//! What is brought into a running server.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Settings that a server can take while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// All settings that are in force afterwards: those that need a restart as they are now.
    pub all: BTreeMap<String, String>,
    /// What changes; `None`: the server's default again.
    pub changed: BTreeMap<String, Option<String>>,
    /// The configuration file's text that is in force.
    pub config: Option<String>,
    /// Another text of which it may have something, too.
    pub config_tried: Option<String>,
    /// The text that takes the place of both, if one does.
    pub new_config: Option<NewConfig>,
    /// The mark of the certificate that the server has read.
    pub in_use: Option<String>,
    /// What is to be done about its certificate, if anything.
    pub certificate: Option<Renewal>,
}

/// Another text of the person's configuration file, which a server can take while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewConfig {
    /// The text; `None`: no file any more.
    pub text: Option<String>,
    /// The settings that it changes; none, if only comments differ.
    pub changed: BTreeSet<String>,
}

impl Settings {
    /// The configuration file's text that is in force afterwards.
    pub fn config_after(&self) -> Option<&String> {
        match &self.new_config {
            Some(new) => new.text.as_ref(),
            None => self.config.as_ref(),
        }
    }
}

/// What is to be done about a running server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Renewal {
    /// Another one is issued, then read by the server.
    Issue,
    /// The one that lies among its files is read.
    Load,
}
