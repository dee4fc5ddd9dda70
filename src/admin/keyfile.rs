//! Files that hold a key: nobody but the daemon reads them, and none is ever written over.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Bytes that a file may have.
const LIMIT: u64 = 1 << 20;

/// What stands in a key file; `None` when there is none. No link is followed, and a mode that lets
/// others read is put right.
///
/// # Errors
/// As the file system does, and for what is no plain file.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "not a plain file"));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    let mut text = Vec::new();
    file.take(LIMIT).read_to_end(&mut text)?;
    Ok(Some(text))
}

/// Makes a key file, and its folder if need be. Written beside, synced, then linked into place: one
/// that is there is never written over.
///
/// # Errors
/// As the file system does.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    let temporary = beside(path, text, 0o600)?;
    fs::hard_link(&temporary, path)?;
    fs::remove_file(&temporary)?;
    File::open(folder)?.sync_all()?;
    folder
        .parent()
        .map_or(Ok(()), |above| File::open(above)?.sync_all())
}

/// A new file beside a path, with its text on disk.
pub(super) fn beside(path: &Path, text: &str, mode: u32) -> io::Result<PathBuf> {
    let temporary = path.with_extension("new");
    match fs::remove_file(&temporary) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(temporary)
}
