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

/// A data volume, or where DB4Sci keeps its own.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Room {
    /// All.
    pub size: u64,
    /// Those that may still be written.
    pub free: u64,
}

/// What is left to databases on their volume: this part of it, and so many bytes at least and at most.
/// Servers make files of up to 64 MiB ahead of what they write into them.
const PART: u64 = 20;
const LEAST: u64 = 64 << 20;
const MOST: u64 = 1 << 30;

impl Room {
    /// Bytes that are left to its databases by whatever can wait.
    pub fn kept(self) -> u64 {
        (self.size / PART).clamp(LEAST, MOST)
    }

    /// Whether less than that is free.
    pub fn is_tight(self) -> bool {
        self.free < self.kept()
    }
}

/// As a person reads it: `12 MiB of 700 are free`.
impl std::fmt::Display for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} MiB of {} are free", self.free >> 20, self.size >> 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twentieth_is_kept_of_what_is_neither_small_nor_huge() {
        let tight = |size: u64, free: u64| {
            let (size, free) = (size << 20, free << 20);
            Room { size, free }.is_tight()
        };
        for (size, kept) in [
            (200, 64),
            (1280, 64),
            (10_240, 512),
            (20_480, 1024),
            (1 << 20, 1024),
        ] {
            assert!(tight(size, kept - 1) && !tight(size, kept), "{size} MiB");
        }
    }
}
