//! The folders and files of an instance.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Makes a folder with its parents; one that is there keeps what it has, except its mode.
pub(super) fn make_folder(path: &Path, mode: u32) -> Result<(), String> {
    let told = |e: std::io::Error| format!("{}: {e}", path.display());
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(told)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(told)
}

/// The folder of the sealing keys.
pub(super) fn keys(state_dir: &Path) -> PathBuf {
    state_dir.join("keys")
}

/// The instance's id, which the daemon has made.
pub(super) fn instance_of(state_dir: &Path) -> Result<String, String> {
    let path = state_dir.join("instance");
    let read = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(read.trim().to_owned())
}

/// The instance's id, made at the first start. It marks the containers of this daemon for ever.
pub(super) fn instance(state_dir: &Path) -> Result<String, String> {
    let path = state_dir.join("instance");
    let told = |e: std::io::Error| format!("{}: {e}", path.display());
    if path.exists() {
        return instance_of(state_dir);
    }
    let id = uuid::Uuid::new_v4().simple().to_string()[..12].to_owned();
    let new = path.with_extension("new");
    fs::write(&new, format!("{id}\n")).map_err(told)?;
    fs::File::open(&new)
        .and_then(|file| file.sync_all())
        .map_err(told)?;
    fs::rename(&new, &path).map_err(told)?;
    Ok(id)
}
