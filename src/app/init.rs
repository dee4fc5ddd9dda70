//! `db4sci init`: settings, folders, keys. What is there already is left alone.

use std::fs;
use std::path::Path;

use crate::admin::Keyring;
use crate::settings::{self, Mode, Settings};
use crate::specs::Catalog;

use super::{authority, home};

/// Writes the settings file of the mode, where the mode has one.
pub(super) fn write_files(home: &Path, mode: Mode) -> Result<(), String> {
    match mode {
        Mode::Prod | Mode::Dev => {
            let path = home.join(mode.as_str()).join("config.yaml");
            write_new(&path, &settings::template(mode))?;
        }
        Mode::Test | Mode::Demo => {}
    }
    Ok(())
}

/// Makes the folders that the settings name, and the catalog. Says what there is now.
pub(super) fn make_folders(home: &Path, settings: &Settings) -> Result<Vec<String>, String> {
    let mut done = Vec::new();
    if let Some(file) = &settings.file {
        done.push(format!("settings: {}", file.display()));
    }
    home::make_folder(&settings.state_dir, 0o700)?;
    let instance = home::instance(&settings.state_dir)?;
    done.push(format!(
        "state: {} (instance {instance})",
        settings.state_dir.display()
    ));
    done.push(keys(&settings.state_dir)?);
    done.push(authority::line(settings)?);
    for volume in &settings.data_volumes {
        if !volume.path.is_dir() {
            home::make_folder(&volume.path, 0o711)?;
        }
        done.push(format!(
            "data volume {}: {}",
            volume.label,
            volume.path.display()
        ));
    }
    for (what, folder) in [
        ("specs", &settings.desired_state),
        ("dbconfig", &settings.dbconfig),
    ] {
        if !folder.is_dir() {
            home::make_folder(folder, 0o755)?;
        }
        done.push(format!("{what}: {}", folder.display()));
    }
    let catalog = settings.dbconfig.join("catalog.yaml");
    write_new(&catalog, Catalog::BUILTIN)?;
    done.push(format!("catalog: {}", catalog.display()));
    let home = home.display();
    done.push(format!(
        "next: put a spec into {}, then: db4sci --config {home} run",
        settings.desired_state.display()
    ));
    Ok(done)
}

/// The first sealing key. Where there is a journal, its daemon has made one: then a folder without
/// keys is a loss, and no new key may hide it.
fn keys(state_dir: &Path) -> Result<String, String> {
    let folder = home::keys(state_dir);
    let mut ring = Keyring::read(&folder).map_err(|e| e.to_string())?;
    if ring.current().is_none() && !state_dir.join("journal").exists() {
        ring.add(&folder).map_err(|e| e.to_string())?;
    }
    Ok(match ring.current() {
        Some(id) => format!(
            "sealing key: {} (keep a copy elsewhere: docs/runbooks/lost-key.md)",
            Keyring::file(&folder, id).display()
        ),
        None => format!(
            "sealing key: none in {}, although there is a journal; see docs/runbooks/lost-key.md",
            folder.display()
        ),
    })
}

fn write_new(path: &Path, text: &str) -> Result<(), String> {
    let told = |e: std::io::Error| format!("{}: {e}", path.display());
    if path.exists() {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(told)?;
    }
    fs::write(path, text).map_err(told)
}
