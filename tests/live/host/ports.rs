//! Ports that no other test has, of this process or of another one.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;

/// Ports an instance has.
const SIZE: u16 = 16;
/// Below those that the kernel hands out, and those of other tests.
const FIRST: u16 = 12_000;
const LAST: u16 = 20_000;

/// A row of ports: the pages', `mydb_admin`'s, the databases'.
pub struct Ports {
    first: u16,
    /// Locked as long as the row is in use.
    _held: File,
}

impl Ports {
    /// Takes a free row.
    pub fn take() -> Self {
        let folder = Path::new("/var/tmp/db4sci-live-ports");
        fs::create_dir_all(folder).unwrap();
        for first in (FIRST..LAST).step_by(usize::from(SIZE)) {
            let held = File::create(folder.join(first.to_string())).unwrap();
            if held.try_lock().is_err() {
                continue;
            }
            let free = |port| TcpListener::bind(("0.0.0.0", port)).is_ok();
            if (first..first + SIZE).all(free) {
                return Ports { first, _held: held };
            }
        }
        panic!("no {SIZE} free ports in a row between {FIRST} and {LAST}");
    }

    /// For health and metrics.
    pub fn http(&self) -> u16 {
        self.first
    }

    /// Where databases' ports begin; `mydb_admin` has the one before it.
    pub fn base(&self) -> u16 {
        self.first + 2
    }

    /// The port of the `n`th database.
    pub fn database(&self, n: u16) -> u16 {
        assert!(n < SIZE - 2, "there are {} ports for databases", SIZE - 2);
        self.base() + n
    }
}
