//! The settings as they are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `config.yaml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSettings {
    /// Host name that users connect to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub container_host: Option<String>,
    /// Address that published ports are bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub container_ip: Option<String>,
    /// Where ports without a wish begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 65535))]
    pub base_port: Option<u16>,
    /// Where the daemon keeps its own files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub state_dir: Option<String>,
    /// The daemon's unix socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub socket: Option<String>,
    /// Where health checks and metrics are served, to whoever reaches that address, without a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub http: Option<String>,
    /// The folder of specs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub desired_state: Option<String>,
    /// The folder of the catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub dbconfig: Option<String>,
    /// The data volumes.
    #[serde(
        rename = "dataVolumes",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(min = 1))]
    pub data_volumes: Option<Vec<RawVolume>>,
    /// Where backups of the local store go.
    #[serde(
        rename = "backupVolume",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(min = 1))]
    pub backup_volume: Option<String>,
    /// Where backups go; without any, the folder `backupVolume`, or one below `state_dir`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub stores: Option<Vec<RawStore>>,
    /// Whom backups are encrypted to, besides this instance itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<RawEncryption>,
    /// How often what was accepted goes to the stores: `10s`, `5m`, or `Never`.
    #[serde(
        rename = "shipJournal",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(min = 1))]
    pub ship_journal: Option<String>,
    /// Goes before every container's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_prefix: Option<String>,
    /// A file that maps images of the catalog to others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub image_mirrors: Option<String>,
    /// Logins and groups that may do everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admins: Option<Vec<String>>,
    /// What each owner may have at once; `default` goes for owners that are not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owners: Option<BTreeMap<String, RawOwner>>,
    /// Certificates for the servers, in place of those of the instance's own authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<RawTls>,
    /// The default time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub time_zone: Option<String>,
    /// A sign of life for a watcher elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<RawHeartbeat>,
    /// How long retired databases are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<RawRetired>,
    /// What is done about databases whose `life` is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stewardship: Option<RawStewardship>,
    /// Limits of the daemon's own work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<RawLimits>,
}

/// A store: a folder, or a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStore {
    /// Its name, as specs name it.
    #[schemars(length(min = 1, max = 40))]
    pub name: String,
    /// A folder of this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub path: Option<String>,
    /// A bucket of S3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 63))]
    pub bucket: Option<String>,
    /// The bucket's server; without one, Amazon's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub endpoint: Option<String>,
    /// The bucket's region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub region: Option<String>,
    /// What all keys in the bucket begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// A file with the access key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub credentials: Option<String>,
    /// Whether the server is asked to encrypt, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypt: Option<bool>,
    /// Whether an `http://` endpoint beyond this host is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "allowInsecure")]
    pub allow_insecure: Option<bool>,
}

/// Whom backups are encrypted to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEncryption {
    /// age's public keys, such as the institute's offline key.
    #[serde(default)]
    pub recipients: Vec<String>,
}

/// What one owner may have at once. What is left out is not limited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOwner {
    /// Databases, without those that are retired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub databases: Option<u32>,
    /// Memory of all of these together: `32Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub memory: Option<String>,
}

/// Certificates for the servers. PEM, by path; a relative one lies below the home folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    /// The certificate, which stands for `container_host`, and those between it and the authority's.
    #[schemars(length(min = 1))]
    pub certificate: String,
    /// Its private key.
    #[schemars(length(min = 1))]
    pub key: String,
    /// The authority's certificate, which clients verify with.
    #[schemars(length(min = 1))]
    pub ca: String,
}

/// A data volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawVolume {
    /// Its label, as specs name it.
    #[schemars(length(min = 1, max = 63))]
    pub label: String,
    /// Its folder on the host.
    #[schemars(length(min = 1))]
    pub path: String,
    /// The engines that may use it.
    #[serde(default = "all")]
    pub engines: AllOr,
    /// The owners that may use it.
    #[serde(default = "all")]
    pub users: AllOr,
    /// Whether what lies there is encrypted.
    #[serde(default)]
    pub encrypted: bool,
}

fn all() -> AllOr {
    AllOr::Word(All::All)
}

/// `ALL`, or a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum AllOr {
    /// All.
    Word(All),
    /// These.
    List(Vec<String>),
}

impl AllOr {
    /// The list, if there is one. `[ALL]` is `ALL`, as the original wrote it.
    pub(super) fn list(&self) -> Option<&[String]> {
        match self {
            AllOr::Word(All::All) => None,
            AllOr::List(list) if list.iter().any(|word| word == "ALL") => None,
            AllOr::List(list) => Some(list),
        }
    }
}

/// The word `ALL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(super) enum All {
    /// All.
    #[serde(rename = "ALL")]
    All,
}

/// A sign of life for a watcher elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHeartbeat {
    /// What is asked for, by GET, while all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub url: Option<String>,
    /// How often: `60s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2))]
    pub every: Option<String>,
}

/// What is done about databases whose `life` is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawStewardship {
    /// `Notify`: owner and admins are told. `Enforce`: its users may only read after a while, and after
    /// another it hibernates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life: Option<RawStewards>,
    /// From the end of a life, or from the day it was told: `14d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2))]
    pub read_only_after: Option<String>,
    /// The same, until it hibernates: `60d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2))]
    pub hibernate_after: Option<String>,
}

/// How far the care for databases whose `life` is over goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(super) enum RawStewards {
    /// Owner and admins are told.
    Notify,
    /// It is made read-only, and hibernates.
    Enforce,
}

/// How long retired databases are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRetired {
    /// Their data, from the day they were retired: `14d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2))]
    pub data: Option<String>,
    /// Their backups, from the day their data was removed: `3650d`; without it, for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2))]
    pub backups: Option<String>,
}

/// Limits of the daemon's own work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    /// Databases that are worked on at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub lanes: Option<u16>,
    /// Dumps, restore tests and restores that go on at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub dumps: Option<u16>,
}
