//! The files that a container mounts: guard, secrets, configuration; and evidence.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::durable::{at, folder, read_small, shared, write};
use super::look::is_folder;
use crate::model::guard::SCRIPT;
use crate::model::{Database, FilesSeen, FilesWanted, Secret, SecretFile, Site, Timestamp};
use crate::runtime::DirError;

/// The guard's text.
pub(super) const GUARD: &str = include_str!("guard.sh");

/// What the server was last started with, beside its configuration files.
const APPLIED: &str = "applied.json";

/// The current spec, in the marker folder.
const SPEC: &str = "spec.yaml";

/// Length of a password that db4sci makes: 190 bits.
const PASSWORD_LENGTH: usize = 32;

#[derive(Serialize, Deserialize)]
struct Applied {
    settings: BTreeMap<String, String>,
    config: Option<String>,
}

/// What lies among the files that a container mounts. The error says why it cannot be known.
pub(super) fn look(site: &Site, db: &Database, wanted: &FilesWanted) -> Result<FilesSeen, String> {
    let read = |path: &Path| read_small(path).map_err(|e| format!("{}: {e}", path.display()));
    if !is_folder(&site.state_dir)? {
        return Err(format!("{} is not there", site.state_dir.display()));
    }
    let (secrets, config) = (site.secrets_dir(&db.name), site.config_dir(&db.name));
    let mut complete = is_folder(&secrets)?
        && is_folder(&config)?
        && is_folder(&db.marker_dir())?
        && read(&site.guard_dir().join(SCRIPT))?.as_deref() == Some(GUARD);
    for secret in &wanted.secrets {
        complete = complete && read(&secrets.join(&secret.name))?.is_some_and(|s| !s.is_empty());
    }
    for (name, _) in &wanted.config {
        complete = complete && read(&config.join(name))?.is_some();
    }
    let applied_file = config.join(APPLIED);
    let applied = match read(&applied_file)? {
        None => None,
        Some(text) => Some(
            serde_json::from_str::<Applied>(&text)
                .map_err(|e| format!("{}: {e}", applied_file.display()))?,
        ),
    };
    let complete = complete && applied.is_some();
    let (settings, config) = applied.map_or_else(Default::default, |a| (a.settings, a.config));
    Ok(FilesSeen {
        complete,
        settings,
        config,
    })
}

/// Writes guard, secrets and configuration.
pub(super) fn write_all(
    site: &Site,
    root: u32,
    db: &Database,
    wanted: &FilesWanted,
) -> Result<(), DirError> {
    let FilesWanted {
        secrets,
        config,
        settings,
        config_text,
        owner,
    } = wanted;
    for name in secrets
        .iter()
        .map(|s| &s.name)
        .chain(config.iter().map(|(n, _)| n))
    {
        plain_name(name)?;
    }
    let secrets_dir = site.secrets_dir(&db.name);
    let config_dir = site.config_dir(&db.name);
    {
        let _alone = shared();
        let guard = site.guard_dir();
        folder(&guard, 0o755, root)?;
        let script = guard.join(SCRIPT);
        if read_small(&script).map_err(|e| at(&script, &e))?.as_deref() != Some(GUARD) {
            write(&script, GUARD.as_bytes(), 0o755, root)?;
        }
        // The container sees only its own folder; on the host, nobody but root passes the parent.
        parent(&secrets_dir, root)?;
        parent(&config_dir, root)?;
    }
    folder(&secrets_dir, 0o500, *owner)?;
    for secret in secrets {
        keep_or_make(&secrets_dir, secret, *owner)?;
    }

    folder(&config_dir, 0o755, root)?;
    for (name, text) in config {
        write(&config_dir.join(name), text.as_bytes(), 0o644, *owner)?;
    }
    write_spec(root, db)?;
    // Last: it says that the others are what they should be.
    let applied = Applied {
        settings: settings.clone(),
        config: config_text.clone(),
    };
    let path = config_dir.join(APPLIED);
    let text = serde_json::to_vec_pretty(&applied).map_err(|e| unwritable(&path, &e))?;
    write(&path, &text, 0o600, root)
}

/// The spec beside the data, for a person who has nothing else; it holds no secret.
fn write_spec(root: u32, db: &Database) -> Result<(), DirError> {
    let path = db.marker_dir().join(SPEC);
    let text = serde_yaml::to_string(db).map_err(|e| unwritable(&path, &e))?;
    write(&path, text.as_bytes(), 0o644, root)
}

fn keep_or_make(secrets: &Path, secret: &SecretFile, owner: u32) -> Result<(), DirError> {
    let path = secrets.join(&secret.name);
    let kept = read_small(&path).map_err(|e| at(&path, &e))?;
    let text = match (kept, &secret.from) {
        (Some(kept), _) if !kept.is_empty() => kept,
        (_, Some(from)) => {
            // A person's file: a link there is the person's own wish.
            let text = fs::read_to_string(from).map_err(|e| at(from, &e))?;
            let text = text.trim_end_matches(['\r', '\n']);
            if text.is_empty() || text.contains(['\r', '\n', '\0']) {
                return Err(DirError::Refused(format!(
                    "{}: a password file holds one line that is not empty",
                    from.display()
                )));
            }
            text.to_owned()
        }
        (_, None) => password(&path)?,
    };
    // Written also when kept: owner and mode are put right.
    write(&path, text.as_bytes(), 0o400, owner)
}

/// A random password of letters and digits: safe in every URL, file and SQL text.
fn password(path: &Path) -> Result<String, DirError> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut password = String::with_capacity(PASSWORD_LENGTH);
    while password.len() < PASSWORD_LENGTH {
        let mut random = [0_u8; 64];
        getrandom::fill(&mut random).map_err(|e| unwritable(path, &e))?;
        // 248 is four times 62: above it, the first letters would be likelier.
        let fair = random.iter().filter(|b| **b < 248);
        for byte in fair.take(PASSWORD_LENGTH - password.len()) {
            password.push(char::from(LETTERS[usize::from(byte % 62)]));
        }
    }
    Ok(password)
}

/// A secret of a database.
pub(super) fn secret(site: &Site, db: &Database, file: &str) -> Result<Secret, DirError> {
    plain_name(file)?;
    let path = site.secrets_dir(&db.name).join(file);
    match read_small(&path) {
        Ok(Some(text)) if !text.is_empty() => Ok(Secret::new(text)),
        Ok(_) => Err(DirError::Io {
            path: path.display().to_string(),
            message: "there is no such secret".to_owned(),
        }),
        Err(e) => Err(at(&path, &e)),
    }
}

/// Keeps evidence in a folder of its own.
pub(super) fn keep_evidence(
    site: &Site,
    root: u32,
    db: &Database,
    now: Timestamp,
    files: &[(String, String)],
) -> Result<PathBuf, DirError> {
    let of_database = site.state_dir.join("quarantine").join(db.name.as_str());
    let evidence = of_database.join(now.format("%Y%m%dT%H%M%S%.3fZ").to_string());
    parent(&of_database, root)?;
    folder(&of_database, 0o700, root)?;
    folder(&evidence, 0o700, root)?;
    for (name, text) in files {
        plain_name(name)?;
        write(&evidence.join(name), text.as_bytes(), 0o600, root)?;
    }
    Ok(evidence)
}

fn parent(path: &Path, root: u32) -> Result<(), DirError> {
    match path.parent() {
        Some(parent) => folder(parent, 0o700, root),
        None => Ok(()),
    }
}

fn plain_name(name: &str) -> Result<(), DirError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !name.is_empty() && !name.starts_with('.') && name.chars().all(allowed) {
        Ok(())
    } else {
        Err(DirError::Refused(format!("`{name}` is no plain file name")))
    }
}

fn unwritable(path: &Path, error: &dyn std::fmt::Display) -> DirError {
    DirError::Io {
        path: path.display().to_string(),
        message: error.to_string(),
    }
}
