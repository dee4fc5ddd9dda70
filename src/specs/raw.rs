//! A spec as a person writes it: the document of `desired-state/*.yaml`.
//!
//! These types are the format. The JSON Schema that editors get is made from them, the guide that
//! names every mistake walks along it, and what was written is kept as their JSON. Nothing here is
//! resolved or checked beyond its shape: that is `admit`'s.
//!
//! A required field whose value was refused is empty here, so that the rest of a spec can still be
//! looked at and all its problems be told at once. Such a spec carries its flaws along (see
//! [`Parsed`](super::Parsed)) and is never admitted.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::database::{AccountRole, Encryption, OnLost, Tls};
use crate::model::{DbName, EngineKind, WantedState};

mod backup;
mod scalar;

pub use backup::{Backup, Retention};
pub use scalar::{Ignored, Scalar};

/// One database that should be. One document a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("required" = ["apiVersion", "kind", "metadata", "spec"]))]
pub struct RawSpec {
    /// The version of this format. It only grows.
    pub api_version: ApiVersion,
    /// What the document describes.
    pub kind: DocumentKind,
    /// What the database is called.
    pub metadata: Metadata,
    /// What the database should be.
    pub spec: Spec,
    /// Ignored, so that the output of `db4sci get -o yaml` can be applied again.
    #[serde(skip_serializing)]
    pub status: Ignored,
}

/// Versions of the format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The first one.
    #[default]
    #[serde(rename = "db4sci/v1")]
    V1,
}

/// Kinds of documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DocumentKind {
    /// A database.
    #[default]
    Database,
}

/// What the database is called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("required" = ["name"]))]
pub struct Metadata {
    /// The database's name, also its container's. It changes only by `db4sci rename`;
    /// `mydb_admin` is reserved.
    #[schemars(regex(pattern = DbName::PATTERN), extend("not" = serde_json::json!({"const": "mydb_admin"})))]
    pub name: String,
    /// Labels of your own, to find and group databases.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// What the database should be. Required: engine, owner, contact. What is left out gets a default
/// on the day of creation and keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("required" = ["engine", "owner", "contact"]))]
pub struct Spec {
    /// The engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineKind>,
    /// The image, by its name in the catalog. Default: the catalog's first row of the engine on
    /// the day of creation, then kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("examples" = ["PostgreSQL 17"]))]
    pub image: Option<String>,
    /// The database's own name inside the server. Default: the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z_][A-Za-z0-9_-]{0,62}$"))]
    pub database: Option<String>,
    /// What should be the case. Default: Running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<WantedState>,
    /// The login or group it belongs to.
    #[schemars(length(min = 1, max = 100))]
    pub owner: String,
    /// Mail address of a person.
    #[schemars(length(min = 1, max = 200), extend("format" = "email"))]
    pub contact: String,
    /// Who may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<Vec<Access>>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub description: Option<String>,
    /// The application that uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<Application>,
    /// How much help its owner expects; on a host that comes back, Full comes first. Default: Basic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub support: Option<Support>,
    /// How long it is expected to be needed: Short is 6 months, Medium 36, Long has no end. Default:
    /// Long. Its end is told; nothing is stopped for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub life: Option<Life>,
    /// Whether it holds protected health information. `true` demands protections, and tells what of
    /// them goes missing later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phi: Option<bool>,
    /// Whether connections must be encrypted. Default: Preferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Whether the server encrypts its files, by means of its own: MariaDB only. Chosen at
    /// creation. Default: None, then kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// The data volume, by its label in the settings. Default: the first one that is allowed,
    /// then kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub volume: Option<String>,
    /// The first host port. Default: the next free one from `base_port`, then kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// The account inside the database that its user gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// Limits of the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// A configuration file of `dbconfig/<Engine>/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub config: Option<String>,
    /// Settings of the server, over those that follow from its memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<BTreeMap<String, Scalar>>,
    /// IANA time zone, for windows and schedules. Default: the settings' one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("examples" = ["America/Los_Angeles"]))]
    pub time_zone: Option<String>,
    /// When planned disruption may happen: `Any`, `OfficeHours` (Monday to Friday, 08:00 to 18:00),
    /// `AfterHours` (22:00 to 05:00), or one span a week such as `Sat 00:00-04:00`. Default:
    /// AfterHours.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(
        pattern = r"^(Any|OfficeHours|AfterHours|(Mon|Tue|Wed|Thu|Fri|Sat|Sun) (([01]\d|2[0-3]):[0-5]\d|24:00)-(([01]\d|2[0-3]):[0-5]\d|24:00))$"
    ))]
    pub maintenance_window: Option<String>,
    /// Backups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
    /// What to do when the data is lost. Default: Hold, since a restore discards writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_lost: Option<OnLost>,
}

/// Somebody who may use the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Access {
    /// A login, or `group:NAME`.
    #[schemars(length(min = 1, max = 100))]
    pub who: String,
    /// What they may do.
    pub role: AccessRole,
}

/// What somebody may do with a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AccessRole {
    /// See it.
    Viewer,
    /// Connect to it, start and restart it.
    User,
    /// Everything, its end included.
    Owner,
}

/// The application that uses a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Application {
    /// Its name.
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// Its type.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ApplicationType>,
}

/// Types of applications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApplicationType {
    /// Bought or downloaded.
    ThirdParty,
    /// Made here.
    Internal,
    /// People at a prompt.
    Interactive,
    /// Something else.
    Other,
}

/// How much help an owner expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Support {
    /// None.
    None,
    /// The database runs and is backed up.
    Basic,
    /// Help with its use, too.
    Full,
}

/// How long a database is expected to be needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Life {
    /// Up to 6 months.
    Short,
    /// Up to 36 months.
    Medium,
    /// Longer.
    Long,
}

/// The account inside the database that its user gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Account {
    /// Login name. Default: the database's name, dashes as underscores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub user: Option<String>,
    /// What it may do. Default: Admin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<AccountRole>,
    /// A file on the host with the password, by its absolute path. Without one, db4sci makes a
    /// password. Only a file of `desired-state/` may say this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub password_file: Option<String>,
}

/// Limits of the container. Amounts are written as Kubernetes does: `512Mi`, `2Gi`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    /// Memory. Default: 2Gi (Neo4j 4Gi).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]+(\.[0-9]+)?(k|[MGT]|[KMGT]i|[KMGT]iB)$"), extend("examples" = ["2Gi"]))]
    pub memory: Option<String>,
    /// Processors: `"1.5"` or `1500m`. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<Scalar>,
    /// Shared memory, `/dev/shm`. Default: 256Mi, at most a quarter of the memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]+(\.[0-9]+)?(k|[MGT]|[KMGT]i|[KMGT]iB)$"), extend("examples" = ["256Mi"]))]
    pub shm: Option<String>,
}
