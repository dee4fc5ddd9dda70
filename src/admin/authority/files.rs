//! The authority's files: its key, which nobody but the daemon reads, and its certificate for all.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::AuthorityError;
use crate::admin::keyfile;
use crate::model::Secret;

/// Certificate and key of the instance's authority, below `keys/`. It goes with the sealing keys
/// when those are copied.
pub const KEY_FILE: &str = "ca.key";
/// The certificate alone, below the state directory.
pub const PUBLIC_FILE: &str = "ca.crt";

/// All authorities that this instance's servers may have a certificate of, below the state
/// directory: after a change of authority, they are still reached to be told.
pub const TRUSTED_FILE: &str = "trusted.crt";

/// Bytes that a person's file may have.
const LIMIT: u64 = 1 << 20;

/// The text of the authority's file; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<Secret>, AuthorityError> {
    let found = keyfile::read(path).map_err(|e| AuthorityError::io(path, &e))?;
    let text = found.map(|bytes| {
        let text = String::from_utf8(bytes);
        text.map_err(|_| AuthorityError::unfit(path, "it is no text"))
    });
    Ok(text.transpose()?.map(Secret::new))
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

/// Writes the authority's file; one that is there is never written over.
pub(super) fn write_key(path: &Path, text: &str) -> Result<(), AuthorityError> {
    keyfile::write(path, text).map_err(|e| AuthorityError::io(path, &e))
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
        let temporary = keyfile::beside(path, text, 0o644)?;
        fs::rename(temporary, path)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    };
    attempt().map_err(|e| AuthorityError::io(path, &e))
}
