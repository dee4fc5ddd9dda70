//! A database as it should be: admitted, with every default resolved.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::site::below;
use super::{BackupPolicy, Cpus, DbName, EngineKind, HostPort, ImageId, ImageRef, Memory, Uid};

/// The folder on each volume that is db4sci's own.
const OWN_DIR: &str = ".db4sci";
/// The name of `tls` among a server's settings; no engine has one of this name.
pub const TLS: &str = "tls";

/// A desired database. It is made by `specs::admit` only, kept whole in the ledger, and changes
/// only when its spec does: an edited catalog or a newer daemon leaves it as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Database {
    /// Its name.
    pub name: DbName,
    /// Its identity for life.
    pub uid: Uid,
    /// Counts accepted changes of the spec, from 1.
    pub generation: u64,
    /// Where its spec comes from.
    pub source: Source,
    /// The spec as a person wrote it, for `export` and to see what was left to defaults.
    pub given: serde_json::Value,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// What should be the case.
    pub state: WantedState,
    /// The engine.
    pub engine: EngineKind,
    /// The image.
    pub image: Image,
    /// The database's own name inside the server.
    pub database: String,
    /// The login or group it belongs to.
    pub owner: String,
    /// Mail address of a person.
    pub contact: String,
    /// What it is for.
    pub description: String,
    /// Further facts that become labels of the container, for tools written for DB4SCI: `SUPPORT`,
    /// `LIFE`, `PHI`, `BACKUP_FREQ` and so on.
    pub facts: BTreeMap<String, String>,
    /// Where its data lies.
    pub volume: Volume,
    /// First host port; further ones of the image follow it.
    pub port: HostPort,
    /// The user's account.
    pub account: Account,
    /// Limits.
    pub resources: Resources,
    /// The engine's settings: derived from the memory, then `parameters`. Resolved at admission.
    pub settings: BTreeMap<String, String>,
    /// A configuration file of `dbconfig/<Engine>/`, with its text.
    pub config: Option<ConfigFile>,
    /// IANA time zone, for windows.
    pub time_zone: chrono_tz_name::ZoneName,
    /// When planned disruption may happen.
    pub maintenance_window: Window,
    /// What to do when the data is lost.
    pub on_lost: OnLost,
    /// What is wanted of backups. An entry of the ledger that says nothing means the defaults.
    #[serde(default)]
    pub backup: BackupPolicy,
    /// How the image wants to be run, from the catalog on the day of admission.
    pub layout: Layout,
    /// Whether connections are encrypted. `None`: it was admitted before there was a choice, and
    /// its server has no certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Whether the server encrypts what it writes to its files. Chosen at creation, for good.
    #[serde(default, skip_serializing_if = "Encryption::is_none")]
    pub encryption: Encryption,
    /// Whether its users may only read, since its life is over. The ledger's word, and no spec's.
    #[serde(skip)]
    pub read_only: bool,
    /// The host address where its server is bound now, if not the one of the settings. Of no spec: its
    /// container tells.
    #[serde(skip)]
    pub bound: Option<IpAddr>,
}

/// A time zone by its IANA name, known to be one.
pub mod chrono_tz_name {
    use std::fmt;
    use std::str::FromStr;

    use serde::{Deserialize, Serialize};

    /// An IANA time zone.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(try_from = "String", into = "String")]
    pub struct ZoneName(pub chrono_tz::Tz);

    impl FromStr for ZoneName {
        type Err = String;
        fn from_str(s: &str) -> Result<Self, Self::Err> {
            s.parse().map(ZoneName).map_err(|_| {
                format!(
                    "`{s}` is not a time zone; write an IANA name such as `America/Los_Angeles`"
                )
            })
        }
    }

    impl TryFrom<String> for ZoneName {
        type Error = String;
        fn try_from(s: String) -> Result<Self, Self::Error> {
            s.parse()
        }
    }

    impl From<ZoneName> for String {
        fn from(z: ZoneName) -> String {
            z.0.name().to_owned()
        }
    }

    impl fmt::Display for ZoneName {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0.name())
        }
    }
}
pub use chrono_tz_name::ZoneName;

/// Where a spec comes from. A file wins over a row of the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// DB4Sci itself: `mydb_admin`.
    Builtin,
    /// A row of the `state` table, written with SQL.
    Row,
    /// `db4sci apply`.
    Api,
    /// A file of `desired-state/`, by its path below that folder.
    File(PathBuf),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Builtin => f.write_str("builtin"),
            Source::Row => f.write_str("row"),
            Source::Api => f.write_str("api"),
            Source::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// `spec.state`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum WantedState {
    /// It runs; whatever stops it is repaired.
    #[default]
    Running,
    /// It is stopped and stays so; its data stays.
    Stopped,
    /// Hands off: the daemon looks, reports, and does nothing.
    Maintenance,
    /// Its end: a final backup, then stopped, then removed.
    Retired,
}

/// The image of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// The catalog's display name.
    pub display: String,
    /// The reference to pull; already replaced where the settings name a mirror.
    pub reference: ImageRef,
    /// The image's id once it was seen. A tag that moves later is reported, not followed.
    pub pinned: Option<ImageId>,
    /// The series within which data needs no conversion, as the engine counts: `17`, `10.11`.
    pub series: String,
}

/// A data volume of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// Its label, as `volume:` names it.
    pub label: String,
    /// Its folder on the host.
    pub path: PathBuf,
}

/// The user's account in the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Login name inside the database.
    pub user: String,
    /// What it may do.
    pub role: AccountRole,
    /// File with the password; without one, db4sci makes a password.
    pub password_file: Option<PathBuf>,
}

/// What the user's account may do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum AccountRole {
    /// Everything in the server short of leaving it: may make databases and accounts.
    #[default]
    Admin,
    /// Owns the one database.
    Owner,
    /// Reads the one database.
    ReadOnly,
}

/// Whether connections must be encrypted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum Tls {
    /// Where the client asks for it.
    #[default]
    Preferred,
    /// Always.
    Required,
}

impl Tls {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Tls::Preferred => "Preferred",
            Tls::Required => "Required",
        }
    }
}

/// Whether a server encrypts its files.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum Encryption {
    /// It does not.
    #[default]
    None,
    /// By the engine's own means, under a key that db4sci makes and keeps.
    Engine,
}

impl Encryption {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Encryption::None => "None",
            Encryption::Engine => "Engine",
        }
    }

    fn is_none(&self) -> bool {
        *self == Encryption::None
    }
}

/// Limits of the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Memory limit; swap is not given beyond it.
    pub memory: Memory,
    /// Processor limit, if any.
    pub cpus: Option<Cpus>,
    /// Size of `/dev/shm`.
    pub shm: Memory,
}

/// A configuration file with its text at admission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigFile {
    /// File name below `dbconfig/<Engine>/`.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// When planned disruption may happen, in the database's own time zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Window {
    /// At any time.
    Any,
    /// Monday to Friday, 08:00 to 18:00.
    OfficeHours,
    /// Every day from 22:00 to 05:00.
    AfterHours,
    /// One span a week.
    Weekly {
        /// Day of its start, 0 is Monday.
        day: u8,
        /// Minutes after midnight at which it opens.
        from: u16,
        /// Minutes after that midnight at which it closes; over 1440 is the next day.
        until: u16,
    },
}

/// What to do when the data is lost.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum OnLost {
    /// Report, and wait for a person: a restore discards writes.
    #[default]
    Hold,
    /// Restore the newest verified backup.
    Restore,
}

/// How the image wants to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layout {
    /// Ports inside the container, published at `port`, `port + 1`, … in this order.
    pub ports: Vec<u16>,
    /// Folders of the container that live on the data volume: (sub-path below the database's
    /// folder, path in the container). The first one holds the data and its sentinel.
    pub data: Vec<(String, String)>,
    /// The command after the image's entrypoint.
    pub command: Vec<String>,
    /// A file below the first data folder that the engine itself makes at its first start.
    pub sentinel: String,
    /// Numeric owner of the data in the image.
    pub uid: u32,
}

impl Database {
    /// The database's folder on its data volume.
    pub fn data_dir(&self) -> PathBuf {
        below(&self.volume.path, [self.name.as_str()])
    }

    /// What DB4Sci keeps for itself on its volume: markers, and data that is on its way or aside.
    pub fn own_dir(&self) -> PathBuf {
        below(&self.volume.path, [OWN_DIR])
    }

    /// The folder of its marker: outside every engine's directory.
    pub fn marker_dir(&self) -> PathBuf {
        below(&self.volume.path, [OWN_DIR, self.name.as_str()])
    }

    /// The host folders of the container's data mounts, with the container's path.
    pub fn data_mounts(&self) -> impl Iterator<Item = (PathBuf, &str)> {
        self.layout.data.iter().map(|(sub, target)| {
            let sub = sub.trim_matches('/');
            let dir = self.data_dir();
            (
                if sub.is_empty() { dir } else { dir.join(sub) },
                target.as_str(),
            )
        })
    }

    /// Its published ports: (container, host).
    pub fn published(&self) -> impl Iterator<Item = (u16, u16)> {
        self.layout
            .ports
            .iter()
            .zip(self.port.get()..)
            .map(|(inside, host)| (*inside, host))
    }
}
