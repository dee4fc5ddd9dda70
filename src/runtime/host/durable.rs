//! Files and folders that are there after a power cut, made and read without following links.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, fchown, lchown};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::OFlags;

use crate::runtime::DirError;

/// The system's error at a path, for a person.
pub(super) fn at(path: &Path, error: &io::Error) -> DirError {
    let shown = path.display().to_string();
    if error.kind() == ErrorKind::StorageFull || error.kind() == ErrorKind::QuotaExceeded {
        DirError::DiskFull(shown)
    } else {
        DirError::Io {
            path: shown,
            message: error.to_string(),
        }
    }
}

/// Held while a file is made that several databases share (the guard, a volume's identity): two
/// writers at once would give a volume two identities.
pub(super) fn shared() -> MutexGuard<'static, ()> {
    static SHARED: Mutex<()> = Mutex::new(());
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a file whole or not at all: beside it, synced, then renamed over it. A link at `path` is
/// replaced, never followed.
pub(super) fn write(path: &Path, bytes: &[u8], mode: u32, owner: u32) -> Result<(), DirError> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(DirError::Refused(format!(
            "{}: no file name",
            path.display()
        )));
    };
    let temporary = folder.join(format!(".{}.tmp", name.to_string_lossy()));
    let attempt = || -> io::Result<()> {
        // One that was left by a crash; made anew so that nobody's link or mode is inherited.
        match fs::remove_file(&temporary) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(bytes)?;
        fchown(&file, Some(owner), Some(owner))?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_folder(folder)
    };
    attempt().map_err(|e| at(path, &e))
}

/// Makes a folder with this mode and owner, or puts them right on one that is there. Refuses
/// anything else at that path, a link included.
pub(super) fn folder(path: &Path, mode: u32, owner: u32) -> Result<(), DirError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => {}
        Ok(found) => return Err(no_folder(path, found.is_symlink())),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let made = DirBuilder::new().mode(0o700).create(path);
            made.map_err(|e| at(path, &e))?;
        }
        Err(e) => return Err(at(path, &e)),
    }
    let attempt = || -> io::Result<()> {
        lchown(path, Some(owner), Some(owner))?;
        let opened = open_folder(path)?;
        opened.set_permissions(Permissions::from_mode(mode))?;
        opened.sync_all()?;
        path.parent().map_or(Ok(()), sync_folder)
    };
    attempt().map_err(|e| at(path, &e))
}

fn no_folder(path: &Path, link: bool) -> DirError {
    let what = if link {
        "a symbolic link, and none is followed"
    } else {
        "no folder"
    };
    DirError::Refused(format!("{} is {what}; nothing was changed", path.display()))
}

/// The text of a small plain file; `None` when there is none. Links, pipes and large files are
/// errors: what a database's own user can write must not make a daemon of root's hang or stray.
pub(super) fn read_small(path: &Path) -> io::Result<Option<String>> {
    const LIMIT: u64 = 1 << 20;
    let Some(file) = open_plain(path)? else {
        return Ok(None);
    };
    let mut text = String::new();
    file.take(LIMIT).read_to_string(&mut text)?;
    Ok(Some(text))
}

/// The first bytes of a plain file, fewer where it is shorter. `None`: there is none.
pub(super) fn read_beginning(path: &Path, length: usize) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = open_plain(path)? else {
        return Ok(None);
    };
    let mut bytes = Vec::with_capacity(length);
    file.take(length as u64).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Opens a plain file and nothing else: no link is followed, no pipe waited for.
fn open_plain(path: &Path) -> io::Result<Option<File>> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "not a plain file"));
    }
    Ok(Some(file))
}

/// Makes a rename or a new entry in a folder last.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    open_folder(folder)?.sync_all()
}

fn open_folder(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::DIRECTORY).bits() as i32)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    fn me() -> u32 {
        rustix::process::getuid().as_raw()
    }

    #[test]
    fn a_link_is_replaced_and_never_followed() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "untouched").unwrap();
        let path = dir.path().join("file");
        symlink(&victim, &path).unwrap();
        write(&path, b"new", 0o400, me()).unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o7777, 0o400);
    }

    #[test]
    fn what_a_crash_left_is_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".file.tmp"), "half").unwrap();
        let path = dir.path().join("file");
        write(&path, b"whole", 0o644, me()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_in_place_of_a_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("folder");
        symlink("/etc", &path).unwrap();
        let error = folder(&path, 0o700, me()).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }

    #[test]
    fn links_and_folders_are_no_text() {
        let dir = tempfile::tempdir().unwrap();
        symlink("/etc/hostname", dir.path().join("link")).unwrap();
        assert!(read_small(&dir.path().join("link")).is_err());
        assert!(read_small(dir.path()).is_err());
        assert_eq!(read_small(&dir.path().join("nothing")).unwrap(), None);
    }
}
