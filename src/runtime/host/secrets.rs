//! Secret files: what is sealed in the ledger, as the container and its engine's user read it.

use std::fs;
use std::path::{Path, PathBuf};

use super::durable::{at, folder, read_small, shared, write};
use super::files::{parent, plain_name};
use super::look::is_folder;
use crate::model::account::is_stray;
use crate::model::{Database, FilesNamed, Secret, SecretText, Site};
use crate::runtime::DirError;

/// Whether all wanted secrets are sealed, and their files say the same.
pub(super) fn agree(
    site: &Site,
    db: &Database,
    wanted: &FilesNamed,
    sealed: &[SecretText],
) -> Result<bool, String> {
    let place = site.secrets_dir(&db.name);
    let all = wanted
        .secrets
        .iter()
        .all(|wanted| sealed.iter().any(|s| s.name == wanted.name));
    if !all || !is_folder(&place)? {
        return Ok(false);
    }
    for secret in sealed {
        let path = place.join(&secret.name);
        let text = read_small(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        if text.as_deref() != Some(secret.text.expose()) {
            return Ok(false);
        }
    }
    let strays = strays(&place, sealed);
    let strays = strays.map_err(|e| format!("{}: {e}", place.display()))?;
    Ok(strays.is_empty())
}

/// Passwords of accounts that are no more.
fn strays(place: &Path, sealed: &[SecretText]) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        if is_stray(&entry.file_name().to_string_lossy(), sealed) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Writes secret files; those that are there are written, too, so that owner and mode are right. Those of
/// accounts that are no more go.
pub(super) fn write_all(
    site: &Site,
    root: u32,
    db: &Database,
    secrets: &[SecretText],
) -> Result<(), DirError> {
    for secret in secrets {
        plain_name(&secret.name)?;
    }
    let place = site.secrets_dir(&db.name);
    {
        let _alone = shared();
        // The container sees only its own folder; on the host, nobody but root passes the parent.
        parent(&place, root)?;
    }
    let owner = db.layout.uid;
    folder(&place, 0o500, owner)?;
    for secret in secrets {
        let path = place.join(&secret.name);
        write(&path, secret.text.expose().as_bytes(), 0o400, owner)?;
    }
    for path in strays(&place, secrets).map_err(|e| at(&place, &e))? {
        fs::remove_file(&path).map_err(|e| at(&path, &e))?;
    }
    Ok(())
}

/// What lies in a secret file.
pub(super) fn kept(site: &Site, db: &Database, file: &str) -> Result<Option<Secret>, DirError> {
    plain_name(file)?;
    let path = site.secrets_dir(&db.name).join(file);
    let text = read_small(&path).map_err(|e| at(&path, &e))?;
    Ok(text.filter(|text| !text.is_empty()).map(Secret::new))
}

/// The one line of a person's file: a link there is the person's own wish.
pub(super) fn given(from: &Path) -> Result<Secret, DirError> {
    let text = fs::read_to_string(from).map_err(|e| at(from, &e))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() || text.contains(['\r', '\n', '\0']) {
        return Err(DirError::Refused(format!(
            "{}: a password file holds one line that is not empty",
            from.display()
        )));
    }
    Ok(Secret::new(text))
}
