//! Room on disks: what databases take, and what is left.

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// What a database's data takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiskUse {
    /// Bytes on the disk.
    pub bytes: u64,
    /// When that was measured.
    pub measured: Timestamp,
    /// Bytes more (or fewer) a day, from what was measured before; `None` while that is too little.
    pub a_day: Option<i64>,
}

/// A data volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeView {
    /// Its name in the settings.
    pub label: String,
    /// Where it is.
    pub path: String,
    /// Bytes of its file system.
    pub size: u64,
    /// Bytes that may still be written.
    pub free: u64,
}

/// Bytes of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// All.
    pub size: u64,
    /// Those that may still be written.
    pub free: u64,
}
