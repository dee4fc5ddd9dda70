//! What the markers of a volume say of the databases on it, without any memory.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::durable::read_small;
use super::files::SPEC;
use super::look::{is_folder, marker};
use super::volume::MARKERS;
use crate::model::{Database, DbName, MarkerState};

/// A database whose marker lies on a volume.
#[derive(Debug)]
pub struct Lives {
    /// Its name, as the marker's folder has it.
    pub name: DbName,
    /// The database as it was when its files were last written, and how far its first start is; or why that
    /// cannot be known, or is nobody's business: what was released is not db4sci's.
    pub database: Result<(Database, MarkerState), String>,
}

/// All markers of a volume, by name. Nothing is changed.
///
/// # Errors
/// When they cannot be listed; for a person.
pub fn lives(volume: &Path) -> Result<Vec<Lives>, String> {
    let folder = volume.join(MARKERS);
    let told = |e: std::io::Error| format!("{}: {e}", folder.display());
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound && volume.is_dir() => return Ok(Vec::new()),
        Err(e) => return Err(told(e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let place = entry.map_err(told)?;
        // Dotted names are no database's.
        let Some(name) = place.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        let database = read(volume, &place.path(), &name);
        found.push(Lives { name, database });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn read(volume: &Path, place: &Path, name: &DbName) -> Result<(Database, MarkerState), String> {
    is_folder(place)?;
    let path = place.join(SPEC);
    let shown = path.display();
    let text = read_small(&path).map_err(|e| format!("{shown}: {e}"))?;
    let text = text.ok_or_else(|| format!("{shown} is not there"))?;
    let db: Database = serde_yaml::from_str(&text).map_err(|e| format!("{shown}: {e}"))?;
    if db.name != *name || db.volume.path != volume {
        return Err(format!(
            "{shown} is that of {} on {}",
            db.name,
            db.volume.path.display()
        ));
    }
    match marker(&db)? {
        Some(marker) if marker.state == MarkerState::Ejected => Err(format!(
            "{} says that it was released from db4sci; it is left alone",
            place.display()
        )),
        Some(marker) if marker.uid == db.uid => Ok((db, marker.state)),
        Some(marker) => Err(format!(
            "{shown} is that of {}, and the marker beside it that of {}",
            db.uid, marker.uid
        )),
        None => Err(format!("{} has no uid", place.display())),
    }
}
