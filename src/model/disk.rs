//! Room on disks: what databases take, and what is left.

use serde::{Deserialize, Serialize};

use super::{DbName, Timestamp};

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

/// What is held back for `mydb_admin` on its volume, in bytes: three segments of its write-ahead log. Given
/// free on a full volume, it leaves less than any other database waits for.
pub const RESERVE: u64 = 48 << 20;
/// With less than this, `mydb_admin`, which is small, can no longer be sure of its next segment.
const SEGMENT: u64 = 16 << 20;

/// What is to be done about the reserve of `mydb_admin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserve {
    /// It is to be taken from a volume that can spare it.
    Hold,
    /// It is to be given free: `mydb_admin` has no other room.
    GiveFree,
}

impl Room {
    /// Bytes that are left to its databases by whatever can wait.
    pub fn kept(self) -> u64 {
        (self.size / PART).clamp(LEAST, MOST)
    }

    /// Whether less than that is free.
    pub fn is_tight(self) -> bool {
        self.free < self.kept()
    }

    /// Bytes with which this database can work on: `mydb_admin` needs the least, and has a reserve.
    pub fn needed_by(self, name: &DbName) -> u64 {
        if name.is_mydb_admin() {
            SEGMENT
        } else {
            self.kept()
        }
    }

    /// What is to be done about the reserve, by whether it is held now. It is held only where all others have
    /// their part beside it, and given free only for whom it is.
    pub fn reserve(self, held: bool) -> Option<Reserve> {
        if held {
            (self.free < SEGMENT).then_some(Reserve::GiveFree)
        } else {
            (self.free >= self.kept() + RESERVE).then_some(Reserve::Hold)
        }
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
    #[test]
    fn a_reserve_is_held_where_there_is_plenty_and_given_free_where_there_is_nothing() {
        let mib = |free: u64| Room {
            size: 700 << 20,
            free: free << 20,
        };
        for (free, without, with) in [
            (700, Some(Reserve::Hold), None),
            (112, Some(Reserve::Hold), None),
            (111, None, None),
            (16, None, None),
            (15, None, Some(Reserve::GiveFree)),
            (0, None, Some(Reserve::GiveFree)),
        ] {
            assert_eq!(mib(free).reserve(false), without, "{free} MiB");
            assert_eq!(mib(free).reserve(true), with, "{free} MiB");
        }
        // What is given free is enough for mydb_admin, and for nobody else.
        let admin = DbName::mydb_admin();
        let other = "genomics".parse().unwrap();
        for left in [0, 15] {
            let then = mib(left + (RESERVE >> 20));
            assert!(then.free >= then.needed_by(&admin) && then.free < then.needed_by(&other));
            assert_eq!(then.reserve(false), None);
        }
    }
}
