//! The settings: what this host and institute are like.
//!
//! `DB4SCI_MODE` chooses the file, `prod/config.yaml` or `dev/config.yaml`, which holds all that
//! differs between the modes; `test` and `demo` need none. Each single value can be overridden by
//! an environment variable, `DB4SCI_` and the key in capitals. The settings are read once, at
//! start. What is written wrong is told with file, line and column, all of it at once.
//!
//! A key that nothing uses is unknown here, since a setting without effect is a false promise.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::database::ZoneName;
use crate::model::{DbName, Enforce, ImageRef, KeepRetired, Owners, Problem, Site};
use crate::specs::{Catalog, ConfigFiles, HostSize, Rules, VolumeRule};

mod env;
mod load;
mod mode;
mod raw;
mod stores;
mod template;
mod volumes;

#[cfg(test)]
mod tests;

pub use mode::Mode;
pub use stores::{StorePlace, StoreRule};
pub use template::template;

/// The settings, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The mode.
    pub mode: Mode,
    /// The settings file, if one was read.
    pub file: Option<PathBuf>,
    /// Host name that users connect to.
    pub container_host: String,
    /// Address that published ports are bound to.
    pub container_ip: IpAddr,
    /// Where ports without a wish begin; `mydb_admin` has the one before it.
    pub base_port: u16,
    /// Where the daemon keeps its own files.
    pub state_dir: PathBuf,
    /// The daemon's unix socket.
    pub socket: PathBuf,
    /// Where health checks and metrics are served, to whoever reaches that address, without a login.
    pub http: SocketAddr,
    /// The folder of specs.
    pub desired_state: PathBuf,
    /// The folder of the catalog and of configuration files.
    pub dbconfig: PathBuf,
    /// The data volumes, at least one; the first allowed one is a database's default.
    pub data_volumes: Vec<VolumeRule>,
    /// Where backups go.
    pub stores: Vec<StoreRule>,
    /// age's public keys that backups are encrypted to, besides this instance's own.
    pub recipients: Vec<String>,
    /// How often the journal goes to the stores; `None`: never.
    pub ship_journal: Option<Duration>,
    /// Goes before every container's name.
    pub container_prefix: String,
    /// Images to use instead of the catalog's.
    pub image_mirrors: BTreeMap<String, ImageRef>,
    /// Logins and groups that may do everything.
    pub admins: Vec<String>,
    /// What each owner may have at once.
    pub owners: Owners,
    /// Certificates for the servers; without them, the instance's own authority issues them.
    pub tls: Option<TlsFiles>,
    /// The default time zone.
    pub time_zone: ZoneName,
    /// A sign of life for a watcher elsewhere.
    pub heartbeat: Option<Heartbeat>,
    /// How long retired databases are kept.
    pub retired: KeepRetired,
    /// What is done about databases whose `life` is over; `None`: it is told.
    pub enforce: Option<Enforce>,
    /// Limits of the daemon's own work.
    pub limits: Limits,
}

/// Certificates for the servers, as files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and the authority's.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authority's certificate.
    pub authority: PathBuf,
}

/// A sign of life for a watcher elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// What is asked for while all is well. For most watchers it is the whole secret.
    pub url: hyper::Uri,
    /// How often.
    pub every: Duration,
}

impl std::fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = self.url.host().unwrap_or_default();
        write!(f, "Heartbeat({host}, every {:?})", self.every)
    }
}

/// Limits of the daemon's own work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Databases that are worked on at the same time.
    pub lanes: usize,
    /// Dumps, restore tests and restores that go on at the same time.
    pub dumps: usize,
}

impl Settings {
    /// Reads the settings of a mode. `home` holds `prod/`, `dev/`, `desired-state/`, `dbconfig/`;
    /// `env` is the environment.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the file and the environment.
    pub fn load(
        home: &Path,
        mode: Mode,
        env: &BTreeMap<String, String>,
    ) -> Result<Self, Vec<Problem>> {
        load::load(home, mode, env)
    }

    /// The facts that recipes and the planner need. `instance` is the id kept in `state_dir`.
    pub fn site(&self, instance: impl Into<String>) -> Site {
        Site {
            instance: instance.into(),
            container_prefix: self.container_prefix.clone(),
            state_dir: self.state_dir.clone(),
            publish_ip: self.container_ip,
            container_host: self.container_host.clone(),
        }
    }

    /// What specs are measured against. Ports of admitted databases are not in it yet, but for
    /// `mydb_admin`'s.
    pub fn rules(
        &self,
        catalog: Catalog,
        config_files: ConfigFiles,
        host: Option<HostSize>,
    ) -> Rules {
        Rules {
            catalog,
            mirrors: self.image_mirrors.clone(),
            volumes: self.data_volumes.clone(),
            admins: self.admins.clone(),
            host,
            base_port: self.base_port,
            reserved: [(
                self.http.port(),
                "db4sci's own health checks and metrics (`http`)".to_owned(),
            )]
            .into(),
            taken: [(self.base_port.saturating_sub(1), DbName::mydb_admin())].into(),
            owners: self.owners.clone(),
            shares: BTreeMap::new(),
            stores: self.stores.iter().map(|s| s.name.clone()).collect(),
            time_zone: self.time_zone,
            config_files,
        }
    }
}
