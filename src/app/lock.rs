//! One daemon a state directory.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// Holds the state directory until it is dropped, or the process ends however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Takes the lock of a state directory, and writes into it who holds it.
pub(super) fn take(state_dir: &Path, holder: &str) -> Result<Lock, String> {
    let path = state_dir.join("lock");
    let open = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path);
    let mut file = open.map_err(|e| format!("{}: {e}", path.display()))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut other = String::new();
        // Who holds it is a help; that it is held is the news.
        let _ = file.read_to_string(&mut other);
        return Err(format!(
            "another daemon runs on {}: {}; this one did nothing. Talk to that one, or stop it first",
            state_dir.display(),
            other.trim()
        ));
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(holder.as_bytes())
    };
    write(&mut file).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(Lock { _file: file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = take(dir.path(), "process 4711").unwrap();
        let error = take(dir.path(), "process 4712").unwrap_err();
        assert!(error.contains("process 4711"), "{error}");
        drop(first);
        assert!(take(dir.path(), "process 4713").is_ok());
    }
}
