//! Opening one file and nothing else.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use super::super::document::MAX_BYTES;

/// What stands at a path.
pub(super) enum Entry {
    /// A regular file, with its bytes; at most one more than are allowed.
    File(Vec<u8>),
    /// A folder.
    Folder,
}

/// Opens what stands at `path`, which may be a link to something below `root` (itself without
/// links). The outer error: it cannot be looked at; the inner one: it is nothing to read.
pub(super) fn open_entry(path: &Path, root: &Path) -> Result<Result<Entry, String>, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let mut target = path.to_owned();
    let mut kind = path.symlink_metadata().map_err(unreadable)?.file_type();
    if kind.is_symlink() {
        target = match path.canonicalize() {
            Ok(target) => target,
            Err(error) => return Ok(Err(format!("a link that leads nowhere: {error}"))),
        };
        if !target.starts_with(root) {
            let target = target.display();
            return Ok(Err(format!(
                "a link that leaves its folder, to {target}; put the file itself here"
            )));
        }
        kind = target.symlink_metadata().map_err(unreadable)?.file_type();
    }
    if kind.is_dir() {
        return Ok(Ok(Entry::Folder));
    }
    let other = if kind.is_fifo() {
        Some("a pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else if kind.is_block_device() || kind.is_char_device() {
        Some("a device")
    } else {
        None
    };
    if let Some(other) = other {
        return Ok(Err(format!("{other}, not a file; it was not opened")));
    }
    let file = open(&target).map_err(unreadable)?;
    // Between looking and opening another thing may have taken the place; it was opened without
    // waiting for a writer, and is not read.
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Ok(Err("not a file; it was not read".to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(Ok(Entry::File(bytes)))
}

/// The bytes of a plain file, or of one that a link leads to; at most one more than are allowed. A
/// device may have no end, and a pipe no writer: neither is read.
pub(super) fn plain(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = open(&path.canonicalize()?)?;
    if !file.metadata()?.is_file() {
        let why = "not a plain file; it was not read";
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, why));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn open(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

/// SHA-256 in hex.
pub(super) fn hash(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
