//! The keys without the daemon: what there is, a copy, and a new sealing key after a loss.

use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use crate::admin::{NewEntry, Vault, read_offline};
use crate::cli::{KeyInfo, KeyKind};
use crate::model::{Change, Clock, KeyId, Outcome, Secret, Site, SystemClock, Who};
use crate::settings::Settings;

use super::backend::because;
use super::{archive, daemon, home, lock};

/// All keys, oldest first; the one of the backups last.
pub(super) fn list(settings: &Settings) -> Result<Vec<KeyInfo>, String> {
    let journal = settings.state_dir.join("journal");
    let book = Arc::new(if journal.exists() {
        read_offline(&journal, 0).map_err(|e| daemon::chain(&e))?.0
    } else {
        crate::admin::Book::new()
    });
    let folder = home::keys(&settings.state_dir);
    let sealed = book.clone();
    let vault = Vault::read_only(&folder, move || sealed.clone()).map_err(|e| e.to_string())?;
    let all = vault.keys();
    let newest = all.iter().rev().find(|(_, there, _)| *there);
    let newest = newest.map(|(id, ..)| id.clone());
    let each = all.into_iter().map(|(id, there, opens)| KeyInfo {
        seals: newest.as_ref() == Some(&id),
        id: id.to_string(),
        kind: KeyKind::Secrets,
        there,
        opens,
    });
    let mut each: Vec<KeyInfo> = each.collect();
    let identity = archive::identity_at(&settings.state_dir)?;
    let stored = book.rows().flat_map(|(_, row)| row.backups.values());
    let stored = stored.filter(|backup| backup.state.good()).count();
    if identity.is_some() || stored > 0 {
        each.push(KeyInfo {
            id: identity.as_ref().map_or_else(
                || archive::key_file(&settings.state_dir).display().to_string(),
                |identity| identity.recipient().to_string(),
            ),
            kind: KeyKind::Backups,
            there: identity.is_some(),
            seals: identity.is_some(),
            opens: stored,
        });
    }
    Ok(each)
}

/// Copies the key files into a folder, which is made if need be. What is there is not written over.
pub(super) fn export(settings: &Settings, to: &Path) -> Result<Vec<String>, String> {
    let from = home::keys(&settings.state_dir);
    let told = |path: &Path| {
        let path = path.display().to_string();
        move |e: std::io::Error| format!("{path}: {e}")
    };
    if !to.is_dir() {
        home::make_folder(to, 0o700)?;
    }
    let mut done = Vec::new();
    for entry in fs::read_dir(&from).map_err(told(&from))? {
        let path = entry.map_err(told(&from))?.path();
        let name = path.file_name().unwrap_or_default();
        if path
            .extension()
            .is_none_or(|e| e != "key" && e != archive::KEY_EXTENSION)
        {
            continue;
        }
        let text = fs::read(&path).map_err(told(&path))?;
        let copy = to.join(name);
        if fs::read(&copy).is_ok_and(|there| there == text) {
            continue;
        }
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&copy)
            .map_err(told(&copy))?;
        std::io::Write::write_all(&mut file, &text).map_err(told(&copy))?;
        file.set_permissions(fs::Permissions::from_mode(0o600))
            .and_then(|()| file.sync_all())
            .map_err(told(&copy))?;
        done.push(copy.display().to_string());
    }
    done.sort();
    Ok(done)
}

/// A new key while the daemon is stopped. What a lost key sealed is taken from `secrets/`. A lost key
/// of the backups is replaced, too.
pub(super) async fn renew(settings: &Settings, reason: &str) -> Result<String, String> {
    let holder = format!("db4sci key renew, process {}", std::process::id());
    let _lock = lock::take(&settings.state_dir, &holder)?;
    let site = settings.site(home::instance_of(&settings.state_dir)?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ledger = daemon::open_ledger(&settings.state_dir.join("journal"), clock).await?;
    let books = ledger.clone();
    let folder = home::keys(&settings.state_dir);
    let vault = Vault::read_only(&folder, move || books.book()).map_err(|e| e.to_string())?;
    ledger.seal_with(vault.sealer());
    let renewed = vault.renew(&Who::Daemon, |db, file| lies(&site, &db.name, file));
    let (key, entries) = renewed.map_err(|e| format!("{e}. No key was made"))?;
    let count = entries.len();
    let entries = told(&key, &Who::Daemon, entries, reason);
    let written = ledger.append_all(entries).await;
    written.map_err(|e| daemon::chain(&e))?;
    let backups = match archive::identity_at(&settings.state_dir)? {
        Some(_) => String::new(),
        None => format!(
            "; backups are sealed with {} from now on, and the lost key is still what opens those of \
             before",
            archive::identity(&settings.state_dir)?.recipient()
        ),
    };
    Ok(format!(
        "key {key} seals from now on, the secrets of {count} databases too{backups}; keep a copy \
         elsewhere: db4sci key export FOLDER"
    ))
}

/// What the log says of a new key: at the secrets of each database, or alone where none has any. Its last
/// record has to be sealed with a key that is here, or no daemon starts on it.
pub(super) fn told(
    key: &KeyId,
    who: &Who,
    mut entries: Vec<NewEntry>,
    reason: &str,
) -> Vec<NewEntry> {
    if entries.is_empty() {
        entries.push(NewEntry {
            who: who.clone(),
            name: None,
            outcome: Outcome::Done,
            message: format!("key {key} seals from now on"),
            change: Change::Noted,
        });
    }
    for entry in &mut entries {
        entry.message.push_str(&because(reason));
    }
    entries
}

/// What lies in a secret file.
fn lies(site: &Site, name: &crate::model::DbName, file: &str) -> Option<Secret> {
    let path = site.secrets_dir(name).join(file);
    let text = fs::read_to_string(path).ok()?;
    (!text.is_empty()).then(|| Secret::new(text))
}
