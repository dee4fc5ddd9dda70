//! The unix socket's file.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use super::accounts;

/// The file's mode: the owner and the group.
const MODE: u32 = 0o660;

/// Why the socket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A daemon answers there.
    #[error(
        "{0}: another daemon answers there; nothing was changed; look at it: db4sci --socket {0} status"
    )]
    Taken(PathBuf),
    /// Something that is no socket lies there.
    #[error("{0}: something lies there that is not a socket; nothing was changed; move it away")]
    NotASocket(PathBuf),
    /// The system said no.
    #[error("{path}: {what}")]
    Io {
        /// The path.
        path: PathBuf,
        /// What was being done.
        what: &'static str,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}

/// Makes the socket with its parent folder: mode 0660 for the group, where it exists. A socket that
/// nobody listens at is replaced.
///
/// It is made under another name, closed to others, and then moved to its place: there is no
/// instant at which somebody finds it half open.
pub async fn listen(path: &Path, group: &str) -> Result<UnixListener, SocketError> {
    let fails = |what: &'static str| {
        let path = path.to_owned();
        move |source: io::Error| SocketError::Io { path, what, source }
    };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(fails("making the socket's folder"))?;
    }
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(fails("looking at what lies there")(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(SocketError::NotASocket(path.to_owned()));
        }
        Ok(_) => {
            if UnixStream::connect(path).await.is_ok() {
                return Err(SocketError::Taken(path.to_owned()));
            }
        }
    }
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    match std::fs::remove_file(&new) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(fails("removing the rest of an earlier start")(error)),
    }
    let listener = UnixListener::bind(&new).map_err(fails("making the socket"))?;
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(MODE))
        .map_err(fails("setting the socket's mode"))?;
    if let Some(gid) = accounts::group_id(group).await {
        std::os::unix::fs::chown(&new, None, Some(gid))
            .map_err(fails("giving the socket to its group"))?;
    }
    std::fs::rename(&new, path).map_err(fails("putting the socket in its place"))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_made_with_its_folder_and_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/db4sci.sock");
        let _listener = listen(&path, "no-such-group-here").await.unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        assert!(UnixStream::connect(&path).await.is_ok());
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db4sci.sock");
        drop(listen(&path, "none").await.unwrap());
        let _live = listen(&path, "none").await.unwrap();
        let error = listen(&path, "none").await.unwrap_err();
        assert!(matches!(error, SocketError::Taken(_)), "{error}");
        assert!(UnixStream::connect(&path).await.is_ok());
    }

    #[tokio::test]
    async fn a_file_in_the_way_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db4sci.sock");
        std::fs::write(&path, "mine").unwrap();
        let error = listen(&path, "none").await.unwrap_err();
        assert!(matches!(error, SocketError::NotASocket(_)), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    }
}
