//! The authority's files: its key, which nobody but the daemon reads, and its certificate for all.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::AuthorityError;
use crate::model::Secret;

/// Certificate and key of the instance's authority, below `keys/`. It goes with the sealing keys
/// when those are copied.
pub const KEY_FILE: &str = "ca.key";
/// The certificate alone, below the state directory.
pub const PUBLIC_FILE: &str = "ca.crt";

/// All authorities that this instance's servers may have a certificate of, below the state
/// directory: after a change of authority, they are still reached to be told.
pub const TRUSTED_FILE: &str = "trusted.crt";

/// Bytes that a file may have.
const LIMIT: u64 = 1 << 20;

/// The text of the authority's file; `None` when there is none. No link is followed, and a mode
/// that lets others read is put right.
pub(super) fn read(path: &Path) -> Result<Option<Secret>, AuthorityError> {
    let told = |e: &io::Error| AuthorityError::io(path, e);
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(told(&e)),
    };
    let metadata = file.metadata().map_err(|e| told(&e))?;
    if !metadata.is_file() {
        return Err(AuthorityError::unfit(path, "it is no plain file"));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        let put_right = file.set_permissions(Permissions::from_mode(0o600));
        put_right.map_err(|e| told(&e))?;
    }
    let mut text = String::new();
    let read = file.take(LIMIT).read_to_string(&mut text);
    read.map_err(|e| told(&e))?;
    Ok(Some(Secret::new(text)))
}

/// A person's file; a link there is the person's own wish.
pub(super) fn read_given(path: &Path) -> Result<String, AuthorityError> {
    let read = || {
        let mut text = String::new();
        File::open(path)?.take(LIMIT).read_to_string(&mut text)?;
        Ok(text)
    };
    read().map_err(|e: io::Error| AuthorityError::io(path, &e))
}

/// Written beside, synced, then linked into place: one that is there is never written over.
pub(super) fn write_key(path: &Path, text: &str) -> Result<(), AuthorityError> {
    let attempt = || {
        let folder = path.parent().unwrap_or(Path::new("."));
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
        let temporary = new_file(path, text, 0o600)?;
        fs::hard_link(&temporary, path)?;
        fs::remove_file(&temporary)?;
        sync(path)
    };
    attempt().map_err(|e| AuthorityError::io(path, &e))
}

/// Writes the certificate for all, unless it is there.
///
/// # Errors
/// When it cannot be written.
pub fn write_public(state_dir: &Path, certificate: &str) -> Result<(), AuthorityError> {
    let path = state_dir.join(PUBLIC_FILE);
    if fs::read_to_string(&path).is_ok_and(|there| there == certificate) {
        return Ok(());
    }
    replace(&path, certificate)
}

/// Adds an authority's certificate to those that the daemon itself trusts, unless it is there.
///
/// # Errors
/// When the file cannot be read or written.
pub fn trust(state_dir: &Path, certificate: &str) -> Result<(), AuthorityError> {
    let path = state_dir.join(TRUSTED_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => String::new(),
        Err(e) => return Err(AuthorityError::io(&path, &e)),
    };
    let certificate = certificate.trim();
    if text.contains(certificate) {
        return Ok(());
    }
    replace(&path, &format!("{text}{certificate}\n"))
}

fn replace(path: &Path, text: &str) -> Result<(), AuthorityError> {
    let attempt = || {
        let temporary = new_file(path, text, 0o644)?;
        fs::rename(temporary, path)?;
        sync(path)
    };
    attempt().map_err(|e| AuthorityError::io(path, &e))
}

/// A file beside a path, with its text on disk.
fn new_file(path: &Path, text: &str, mode: u32) -> io::Result<std::path::PathBuf> {
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

fn sync(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
