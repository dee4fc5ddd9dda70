//! The `backup:` section.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{BackupWindow, Verify};

/// Backups of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backup {
    /// `Daily`, `Weekly`, `Never`, or a cron expression of five fields (then without a window).
    /// Default: Daily.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("examples" = ["Daily", "30 2 * * 1-5"]))]
    pub schedule: Option<String>,
    /// When in the day or week: `Any`, `AfterHours` (22:00 to 05:00), `Weekend`. Default:
    /// AfterHours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<BackupWindow>,
    /// The stores to write to, by their names in the settings. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub stores: Option<Vec<String>>,
    /// What is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// The most work that may be lost, as a time: `26h`, `8d`. Default: 26h (Weekly: 8d).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^0*[1-9][0-9]*[mhd]$"))]
    pub rpo: Option<String>,
    /// How often a backup is restored to prove it. Default: Weekly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
}

/// What is kept of backups. The newest verified one is always kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retention {
    /// The newest ones. Default: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    pub last: Option<u32>,
    /// One of each of so many days. Default: 14.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    pub daily: Option<u32>,
    /// One of each of so many weeks. Default: 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    pub weekly: Option<u32>,
    /// One of each of so many months. Default: 6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    pub monthly: Option<u32>,
}
