//! The facts about this host and instance that recipes and the planner need.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The host and instance, resolved from the settings once at start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Site {
    /// Which daemon's containers these are; a random id kept in `state_dir`.
    pub instance: String,
    /// Goes before every container's name; empty in production.
    pub container_prefix: String,
    /// Where the daemon keeps its own files; the same path inside and outside a container.
    pub state_dir: PathBuf,
    /// Address that published ports are bound to.
    pub publish_ip: IpAddr,
    /// Host name that users connect to.
    pub container_host: String,
}

impl Site {
    /// The container's name for a database.
    pub fn container_name(&self, name: &super::DbName) -> String {
        format!("{}{name}", self.container_prefix)
    }

    /// The folder of a database's secret files.
    pub fn secrets_dir(&self, name: &super::DbName) -> PathBuf {
        self.state_dir.join("secrets").join(name.as_str())
    }

    /// The folder of a database's rendered configuration.
    pub fn config_dir(&self, name: &super::DbName) -> PathBuf {
        self.state_dir.join("config").join(name.as_str())
    }

    /// The folder of the guard script.
    pub fn guard_dir(&self) -> PathBuf {
        self.state_dir.join("guard")
    }
}
