//! Backups as they lie in the stores, without the daemon: listed and fetched.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt;
use sha2::{Digest, Sha256};

use crate::admin::read_offline;
use crate::model::view::BackupView;
use crate::model::{BackupId, DbName};
use crate::settings::Settings;
use crate::store::BackupStore;
use crate::store::manifest::{Layout, MANIFEST, Manifest};

use super::{archive, history, home};

/// All backups of a name that have a manifest, newest first. Whether one was verified, only the
/// ledger knows.
pub(super) async fn list(settings: &Settings, name: &DbName) -> Result<Vec<BackupView>, String> {
    let instance = home::instance_of(&settings.state_dir)?;
    let layout = Layout::new(settings.mode.as_str(), &instance);
    // Those that were taken under another name are told by the uid. Without a journal there are none.
    let book = read_offline(&settings.state_dir.join("journal"), 0).ok();
    let row = book.as_ref().and_then(|(book, _)| book.row(name));
    let formerly = row.map_or(&[][..], |row| &row.formerly);
    let mut names: Vec<&DbName> = formerly.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    let mut found = Vec::new();
    for (store_name, store) in archive::stores(settings)? {
        let mut all = manifests(&store, &layout, name).await?;
        for earlier in names.iter().filter(|earlier| **earlier != name) {
            let own = |m: &Manifest| row.is_some_and(|row| row.database.uid == m.uid);
            let of = manifests(&store, &layout, earlier).await?;
            all.extend(of.into_iter().filter(|(_, m)| own(m)));
        }
        for (prefix, manifest) in all {
            let backup = manifest.backup(&store_name, &store.place(), &prefix);
            found.push(BackupView::of(&backup, Vec::new()));
        }
    }
    found.sort_by_key(|b| std::cmp::Reverse((b.slot, b.attempt)));
    Ok(found)
}

async fn manifests(
    store: &Arc<dyn BackupStore>,
    layout: &Layout,
    name: &DbName,
) -> Result<Vec<(String, Manifest)>, String> {
    let told = |e: crate::store::StoreError| e.to_string();
    let mut found = Vec::new();
    let objects = store.list(&format!("{}{name}/", layout.root())).await;
    for object in objects.map_err(told)? {
        let Some(prefix) = object.key.strip_suffix(MANIFEST) else {
            continue;
        };
        let manifest = history::manifest(store, prefix).await?;
        found.push((prefix.to_owned(), manifest));
    }
    Ok(found)
}

/// Fetches a backup's files, and checks them.
pub(super) async fn download(
    settings: &Settings,
    id: &BackupId,
    to: &Path,
) -> Result<Vec<String>, String> {
    let instance = home::instance_of(&settings.state_dir)?;
    let layout = Layout::new(settings.mode.as_str(), &instance);
    let rule = settings.stores.iter().find(|s| s.name == id.store);
    let rule = rule.ok_or_else(|| format!("there is no store `{}` in the settings", id.store))?;
    let store = archive::store(rule)?;
    // By its key alone: another one whose manifest cannot be read keeps nobody from this one.
    let objects = store.list(&format!("{}{}/", layout.root(), id.name)).await;
    let objects = objects.map_err(|e| e.to_string())?;
    let mut prefixes = objects.iter().filter_map(|o| o.key.strip_suffix(MANIFEST));
    let is_it = |prefix: &&str| {
        let found = layout.backup(prefix, &id.store);
        found.is_some_and(|(_, found)| found == *id)
    };
    let prefix = prefixes
        .find(is_it)
        .ok_or_else(|| format!("{}: there is no backup {id}", store.place()))?;
    let manifest = history::manifest(&store, prefix).await?;
    let told = |e: std::io::Error| format!("{}: {e}", to.display());
    let mut folder = fs::DirBuilder::new();
    folder
        .recursive(true)
        .mode(0o700)
        .create(to)
        .map_err(told)?;
    let mut total = 0;
    for file in &manifest.files {
        // A name out of a manifest must not lead out of the folder.
        if file.name.contains('/') || file.name.starts_with('.') {
            return Err(format!("`{}` is no file's name", file.name.escape_debug()));
        }
        let mode = if file.name == "restore.sh" {
            0o700
        } else {
            0o600
        };
        let key = format!("{prefix}{}", file.name);
        let sum = fetch(&store, &key, &to.join(&file.name), mode).await?;
        if sum != file.sha256 {
            return Err(format!(
                "{}: it has SHA-256 {sum}, and {} was written; this backup is damaged",
                file.name, file.sha256
            ));
        }
        total += file.bytes;
    }
    let key = format!("{prefix}{MANIFEST}");
    fetch(&store, &key, &to.join(MANIFEST), 0o600).await?;
    Ok(vec![
        format!(
            "{} files, {total} bytes, all as written",
            manifest.files.len()
        ),
        format!(
            "next: cd {} && KEY=… sh restore.sh (the key: backup.agekey of db4sci key export FOLDER)",
            to.display()
        ),
    ])
}

async fn fetch(
    store: &Arc<dyn BackupStore>,
    key: &str,
    to: &Path,
    mode: u32,
) -> Result<String, String> {
    let told = |e: std::io::Error| format!("{}: {e}", to.display());
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(to)
        .map_err(told)?;
    let mut sum = Sha256::new();
    let mut stream = store.get(key).await.map_err(|e| e.to_string())?;
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|e| e.to_string())?;
        sum.update(&piece);
        file.write_all(&piece).map_err(told)?;
    }
    file.sync_all().map_err(told)?;
    Ok(sum.finalize().iter().map(|b| format!("{b:02x}")).collect())
}
