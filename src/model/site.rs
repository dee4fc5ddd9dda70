//! The facts about this host and instance that recipes and the planner need.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

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
        below(&self.state_dir, ["secrets", name.as_str()])
    }

    /// The folder of a database's rendered configuration.
    pub fn config_dir(&self, name: &super::DbName) -> PathBuf {
        below(&self.state_dir, ["config", name.as_str()])
    }

    /// The folder of the guard script.
    pub fn guard_dir(&self) -> PathBuf {
        below(&self.state_dir, ["guard"])
    }
}

/// A path below another. Each look makes some: joined one part after the other, the text is moved each time.
pub(super) fn below<const N: usize>(base: &Path, parts: [&str; N]) -> PathBuf {
    let length: usize = parts.iter().map(|part| 1 + part.len()).sum();
    let mut path = PathBuf::with_capacity(base.as_os_str().len() + length);
    path.push(base);
    path.extend(parts);
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_is_what_is_joined_to_it() {
        for base in ["/state", "/state/", "state", ""] {
            let joined = Path::new(base).join("secrets").join("genomics");
            let path = below(Path::new(base), ["secrets", "genomics"]);
            assert_eq!(path.as_os_str(), joined.as_os_str());
        }
    }
}
