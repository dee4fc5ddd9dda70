//! Between a tool and the stores: compression, encryption, sums, in bounded memory.
//!
//! - here: sums;
//! - `pack`: from a tool to the stores;
//! - `unpack`: from a store to a tool.

mod pack;
#[cfg(test)]
mod tests;
mod unpack;

use std::io::{self, Write};

use sha2::{Digest, Sha256};

pub(super) use self::pack::{AHEAD, LEVEL, pack};
pub(super) use self::unpack::unpack;

/// What went through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sums {
    pub(super) bytes: u64,
    pub(super) sha256: String,
    pub(super) plain_bytes: u64,
    pub(super) plain_sha256: String,
}

/// Sums of what is written, and on it goes.
struct Summing<W> {
    to: W,
    sum: Sha256,
    bytes: u64,
}

impl<W> Summing<W> {
    fn new(to: W) -> Self {
        Summing {
            to,
            sum: Sha256::new(),
            bytes: 0,
        }
    }

    fn end(self) -> (W, u64, String) {
        (self.to, self.bytes, hex(&self.sum.finalize()))
    }
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.to.write(buf)?;
        self.sum.update(&buf[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A digest in hexadecimal.
pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|b| format!("{b:02x}")).collect()
}
