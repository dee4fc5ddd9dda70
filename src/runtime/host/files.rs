//! The files that a container mounts: guard and configuration (secrets: `secrets`); and evidence.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::durable::{at, folder, read_small, shared, write};
use super::look::is_folder;
use super::room;
use crate::model::disk::Room;
use crate::model::guard::SCRIPT;
use crate::model::trial::Trial;
use crate::model::view::Evidence;
use crate::model::{Database, FilesNamed, FilesSeen, FilesWanted, SecretText, Site, Timestamp};
use crate::runtime::DirError;

/// The guard's text.
pub(super) const GUARD: &str = include_str!("guard.sh");

/// What the server was last started with, beside its configuration files.
pub(super) const APPLIED: &str = "applied.json";

/// The current spec, in the marker folder.
pub(super) const SPEC: &str = "spec.yaml";

#[derive(Default, Serialize, Deserialize)]
struct Applied {
    settings: BTreeMap<String, String>,
    config: Option<String>,
    #[serde(default)]
    config_tried: Option<String>,
    #[serde(default)]
    trial: Trial,
    #[serde(default)]
    certificate: Option<String>,
}

/// What lies among the files that a container mounts. The error says why it cannot be known.
pub(super) fn look(
    site: &Site,
    db: &Database,
    wanted: &FilesNamed,
    sealed: &[SecretText],
) -> Result<FilesSeen, String> {
    let read = |path: &Path| read_small(path).map_err(|e| format!("{}: {e}", path.display()));
    if !is_folder(&site.state_dir)? {
        return Err(format!("{} is not there", site.state_dir.display()));
    }
    let config = site.config_dir(&db.name);
    let mut complete = is_folder(&config)?
        && is_folder(&db.marker_dir())?
        && read(&site.guard_dir().join(SCRIPT))?.as_deref() == Some(GUARD);
    for name in wanted.config {
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
    let applied = applied.unwrap_or_default();
    Ok(FilesSeen {
        complete,
        secrets: super::secrets::agree(site, db, wanted, sealed)?,
        settings: applied.settings.into(),
        config: applied.config,
        config_tried: applied.config_tried,
        trial: applied.trial,
        // Whoever knows the authority looks at it.
        certificate: None,
        in_use: applied.certificate,
    })
}

/// Writes guard and configuration.
pub(super) fn write_all(
    site: &Site,
    root: u32,
    db: &Database,
    wanted: &FilesWanted,
) -> Result<(), DirError> {
    let FilesWanted {
        secrets: _,
        config,
        settings,
        config_text,
        config_tried,
        trial,
        certificate,
        owner,
    } = wanted;
    for (name, _) in config {
        plain_name(name)?;
    }
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
        parent(&config_dir, root)?;
    }
    folder(&config_dir, 0o755, root)?;
    let applied = Applied {
        settings: settings.clone(),
        config: config_text.clone(),
        config_tried: config_tried.clone(),
        trial: trial.clone(),
        certificate: certificate.clone(),
    };
    let path = config_dir.join(APPLIED);
    let text = serde_json::to_vec_pretty(&applied).map_err(|e| unwritable(&path, &e))?;
    let say = || write(&path, &text, 0o600, root);
    // A text is said to be tried before any file has it; cut off after that, it is tried again. And what the
    // server last answered with is nowhere else once they have another.
    if config_tried.is_some() || trial.open.is_some() {
        say()?;
    }
    for (name, text) in config {
        write(&config_dir.join(name), text.as_bytes(), 0o644, *owner)?;
    }
    write_spec(root, db)?;
    // Last: it says that the others are what they should be.
    say()
}

/// The spec beside the data, for a person who has nothing else; it holds no secret.
fn write_spec(root: u32, db: &Database) -> Result<(), DirError> {
    let path = db.marker_dir().join(SPEC);
    let text = serde_yaml::to_string(db).map_err(|e| unwritable(&path, &e))?;
    write(&path, text.as_bytes(), 0o644, root)
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

/// The file of evidence that says where the data lies.
const WHERE: &str = "data-place.txt";

/// Notes there where the data lies.
pub(super) fn note_data(root: u32, evidence: &Path, text: &str) -> Result<(), DirError> {
    write(&evidence.join(WHERE), text.as_bytes(), 0o600, root)
}

/// The place in the first line of such a note, if there is one.
fn noted(evidence: &Path) -> Option<String> {
    let text = fs::read_to_string(evidence.join(WHERE)).ok()?;
    text.lines().next().map(ToOwned::to_owned)
}

/// The newest evidence of a database: folders are named by the instant.
pub(super) fn evidence(site: &Site, db: &Database) -> Result<Option<Evidence>, DirError> {
    let of_database = site.state_dir.join("quarantine").join(db.name.as_str());
    let Some(newest) = names(&of_database)?.pop() else {
        return Ok(None);
    };
    let folder = of_database.join(newest);
    let files = names(&folder)?;
    let data = noted(&folder);
    let folder = folder.display().to_string();
    Ok(Some(Evidence {
        folder,
        files,
        data,
    }))
}

/// What lies in a folder, in order; nothing where there is none.
fn names(folder: &Path) -> Result<Vec<String>, DirError> {
    let failed = |error: &io::Error| DirError::Io {
        path: folder.display().to_string(),
        message: error.to_string(),
    };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|e| failed(&e))?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.collect::<io::Result<_>>().map_err(|e| failed(&e))?;
    names.sort();
    Ok(names)
}

/// The room of a database's volume, and what its folder takes of it.
pub(super) fn taken(db: &Database) -> Result<(Room, u64), DirError> {
    let failed = |path: &Path, error: &io::Error| DirError::Io {
        path: path.display().to_string(),
        message: error.to_string(),
    };
    let (volume, data) = (&db.volume.path, db.data_dir());
    let room = room::room(volume).map_err(|e| failed(volume, &e))?;
    let used = room::used(&data).map_err(|e| failed(&data, &e))?;
    Ok((room, used))
}

pub(super) fn parent(path: &Path, root: u32) -> Result<(), DirError> {
    match path.parent() {
        Some(parent) => folder(parent, 0o700, root),
        None => Ok(()),
    }
}

pub(super) fn plain_name(name: &str) -> Result<(), DirError> {
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
