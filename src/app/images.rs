//! The images of this host, and how they come to one without a registry.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::admin::{Book, read_offline};
use crate::cli::ImageInfo;
use crate::model::{DbName, ImageId, ImageRef, Memory};
use crate::runtime::Runtime;
use crate::runtime::docker::Docker;
use crate::settings::Settings;

use super::daemon;

/// What the catalog offers, and what databases are pinned to.
///
/// # Errors
/// A catalog or a journal that cannot be read; the engine's.
pub(super) async fn list(settings: &Settings, docker: &Docker) -> Result<Vec<ImageInfo>, String> {
    let rules = daemon::rules(settings, None).map_err(daemon::lines)?;
    let mut pinned = pinned(settings)?;
    let mut all = Vec::new();
    for offer in rules.catalog.all() {
        let reference = rules.mirrors.get(offer.image.as_str());
        let reference = reference.unwrap_or(&offer.image);
        let id = id_of(docker, reference.as_str()).await?;
        let used_by = id
            .as_ref()
            .and_then(|id| pinned.remove(&(reference.clone(), id.clone())));
        all.push(ImageInfo {
            display: Some(offer.display.clone()),
            reference: reference.to_string(),
            id: id.map(|id| id.to_string()),
            moved: false,
            used_by: used_by.unwrap_or_default(),
        });
    }
    // What is left is no longer what its reference names.
    for ((reference, id), used_by) in pinned {
        let there = id_of(docker, id.as_str()).await?;
        let now = id_of(docker, reference.as_str()).await?;
        all.push(ImageInfo {
            display: None,
            reference: reference.to_string(),
            moved: now.is_none_or(|now| now != id),
            id: there.map(|id| id.to_string()),
            used_by,
        });
    }
    Ok(all)
}

/// Which databases are pinned to which image.
fn pinned(settings: &Settings) -> Result<BTreeMap<(ImageRef, ImageId), Vec<DbName>>, String> {
    let journal = settings.state_dir.join("journal");
    let book = if journal.exists() {
        read_offline(&journal, 0).map_err(|e| daemon::chain(&e))?.0
    } else {
        Book::new()
    };
    let mut pinned: BTreeMap<_, Vec<DbName>> = BTreeMap::new();
    for (name, row) in book.rows() {
        let image = &row.database.image;
        if let Some(id) = &image.pinned {
            let key = (image.reference.clone(), id.clone());
            pinned.entry(key).or_default().push(name.clone());
        }
    }
    Ok(pinned)
}

async fn id_of(docker: &Docker, key: &str) -> Result<Option<ImageId>, String> {
    let seen = docker.image(key).await.map_err(|e| e.to_string())?;
    Ok(seen.map(|image| image.id))
}

/// Writes the archive: all images of the list that are here, or those in `only` (by their names in
/// the catalog or their references).
pub(super) async fn save(
    settings: &Settings,
    to: &Path,
    only: &[String],
) -> Result<String, String> {
    let shown = to.display();
    if to.exists() {
        return Err(format!(
            "{shown} exists; nothing was written. Name a new file"
        ));
    }
    let docker = Docker::connect(None);
    let all = list(settings, &docker).await?;
    let chosen = choose(&all, only)?;
    let names: Vec<&str> = chosen.iter().map(String::as_str).collect();
    // Not there under its name until it is whole.
    let folder = to.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let told = |e: std::io::Error| format!("{shown}: {e}; nothing was written");
    let part = tempfile::NamedTempFile::new_in(folder).map_err(told)?;
    let mut file = tokio::fs::File::from_std(part.reopen().map_err(told)?);
    let saved = docker.save_images(&names, &mut file).await;
    let bytes = saved.map_err(|e| format!("{e}; nothing was written to {shown}"))?;
    file.sync_all().await.map_err(told)?;
    part.persist_noclobber(to).map_err(|e| told(e.error))?;
    let count = chosen.len();
    let size = Memory::from_bytes(bytes >> 20 << 20);
    Ok(format!(
        "{count} images in {shown}, {size}; on the other host: db4sci images load FILE"
    ))
}

/// What is saved: a reference where it names the image, else the id that databases are pinned to.
fn choose(all: &[ImageInfo], only: &[String]) -> Result<BTreeSet<String>, String> {
    let named = |image: &ImageInfo, name: &String| {
        image.display.as_ref() == Some(name) || image.reference == *name
    };
    for name in only {
        let found: Vec<_> = all.iter().filter(|image| named(image, name)).collect();
        if found.is_empty() {
            let offered = all.iter().filter_map(|image| image.display.as_deref());
            let offered: Vec<&str> = offered.collect();
            return Err(format!(
                "`{name}` is no image of the catalog; there are: {}",
                offered.join(", ")
            ));
        }
        if found.iter().all(|image| image.id.is_none()) {
            return Err(format!(
                "`{name}` is not on this host; get it with: docker pull {}",
                found[0].reference
            ));
        }
    }
    let wanted = all.iter().filter(|image| {
        image.id.is_some() && (only.is_empty() || only.iter().any(|name| named(image, name)))
    });
    let chosen: BTreeSet<String> = wanted
        .map(|image| match (&image.display, image.moved, &image.id) {
            (None, true, Some(id)) => id.clone(),
            _ => image.reference.clone(),
        })
        .collect();
    if chosen.is_empty() {
        return Err("none of the catalog's images is on this host".to_owned());
    }
    Ok(chosen)
}

/// Takes the archive's images; says what came and what is still missing.
pub(super) async fn load(settings: &Settings, from: &Path) -> Result<Vec<String>, String> {
    let docker = Docker::connect(None);
    let loaded = docker.load_images(from).await.map_err(|e| e.to_string())?;
    let mut lines: Vec<String> = loaded
        .iter()
        .map(|image| format!("{image} is here"))
        .collect();
    let missing: Vec<String> = list(settings, &docker)
        .await?
        .into_iter()
        .filter(|image| image.id.is_none())
        .map(|image| image.reference)
        .collect();
    if !missing.is_empty() {
        lines.push(format!("still not on this host: {}", missing.join(", ")));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(display: Option<&str>, reference: &str, id: Option<&str>) -> ImageInfo {
        ImageInfo {
            display: display.map(str::to_owned),
            reference: reference.to_owned(),
            id: id.map(str::to_owned),
            moved: display.is_none(),
            used_by: Vec::new(),
        }
    }

    #[test]
    fn what_databases_run_is_saved_by_its_id_once_its_tag_has_moved() {
        let all = [
            image(Some("PostgreSQL 17"), "postgres:17", Some("sha256:new")),
            image(None, "postgres:17", Some("sha256:old")),
            image(Some("MariaDB 11"), "mariadb:11", None),
        ];
        let chosen = choose(&all, &[]).unwrap();
        assert_eq!(Vec::from_iter(chosen), ["postgres:17", "sha256:old"]);
        let chosen = choose(&all, &["PostgreSQL 17".to_owned()]).unwrap();
        assert_eq!(Vec::from_iter(chosen), ["postgres:17"]);
        let told = choose(&all, &["MariaDB 11".to_owned()]).unwrap_err();
        assert!(told.contains("docker pull mariadb:11"), "{told}");
        let told = choose(&all, &["Oracle".to_owned()]).unwrap_err();
        assert!(told.contains("PostgreSQL 17, MariaDB 11"), "{told}");
        assert!(choose(&all[2..], &[]).is_err());
    }
}
