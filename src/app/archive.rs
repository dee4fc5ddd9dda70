//! Stores and keys: what backups are made with.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::task::TaskTracker;

use crate::admin::{Book, Ledger, Vault, keyfile};
use crate::execute::backup::{Archive, JobTools, Meters, Unsaid};
use crate::model::{Backup, Clock, Secret, Site};
use crate::record::Metrics;
use crate::runtime::jobs::Jobs;
use crate::runtime::{DataDirs, Runtime};
use crate::settings::{Settings, StorePlace, StoreRule};
use crate::specs;
use crate::store::local::LocalStore;
use crate::store::manifest::Layout;
use crate::store::s3::{S3Settings, S3Store};
use crate::store::seal::{Identity, Recipient};
use crate::store::{BackupStore, Stores};

use super::home;

/// The daemon's parts that backups need.
pub(super) struct Parts {
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) jobs: Arc<dyn Jobs>,
    pub(super) dirs: Arc<dyn DataDirs>,
    pub(super) ledger: Ledger,
    pub(super) vault: Arc<Vault>,
    pub(super) site: Site,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
}

/// Puts it together; makes the instance's key at its first start.
pub(super) fn archive(settings: &Settings, parts: Parts) -> Result<Archive, String> {
    let Parts {
        runtime,
        jobs,
        dirs,
        ledger,
        vault,
        site,
        clock,
        metrics,
    } = parts;
    if identity_at(&settings.state_dir)?.is_none() {
        let book = ledger.book();
        let all = book.rows().flat_map(|(_, row)| row.backups.values());
        let stored = all.filter(|backup| backup.state.good()).count();
        if stored > 0 {
            return Err(format!(
                "{}: the key of the backups is gone, and {stored} backups are sealed with it; nothing was \
                 started and no other key was made. Put it back from your copy, or see \
                 docs/runbooks/lost-key.md",
                key_file(&settings.state_dir).display()
            ));
        }
    }
    let identity = identity(&settings.state_dir)?;
    let mut recipients = vec![identity.recipient()];
    let mut identities = vec![identity];
    identities.extend(others(&settings.state_dir)?);
    for (i, text) in settings.recipients.iter().enumerate() {
        let recipient: Recipient = text
            .parse()
            .map_err(|why| format!("encryption.recipients[{i}]: {why}"))?;
        if !recipients.contains(&recipient) {
            recipients.push(recipient);
        }
    }
    measured(&ledger, &metrics);
    let stores = own_stores(settings, &ledger.book())?;
    Ok(Archive {
        vault,
        layout: Layout::new(settings.mode.as_str(), &site.instance),
        stores,
        runtime,
        jobs,
        tools: Arc::new(JobTools),
        dirs,
        ledger,
        site,
        clock,
        metrics,
        identities,
        recipients,
        meters: Meters::default(),
        spec_text: Box::new(|db| {
            let spec = specs::export(db);
            serde_yaml::to_string(&spec).unwrap_or_else(|_| spec.to_string())
        }),
        unsaid: Unsaid::default(),
        stops: TaskTracker::new(),
    })
}

/// What is known of earlier backups is measured from the first scrape on: an alert on their age must
/// not begin anew with the daemon.
fn measured(ledger: &Ledger, metrics: &Metrics) {
    let book = ledger.book();
    for (name, row) in book.rows().filter(|(_, row)| row.end.is_none()) {
        let own = row.backups.values().filter(|b| b.uid == row.database.uid);
        let mut good: Vec<&Backup> = own.filter(|b| b.state.good()).collect();
        good.sort_by_key(|b| b.started);
        for backup in good {
            let ended = backup.finished.unwrap_or(backup.started);
            let (store, took) = (&backup.id.store, ended - backup.started);
            metrics.backup_taken(name, store, took, backup.bytes, ended);
            if let Some(at) = backup.verified {
                metrics.backup_verified(name, store, at);
            }
        }
    }
}

/// The stores of the settings.
pub(super) fn stores(settings: &Settings) -> Result<Stores, String> {
    let open = |rule: &StoreRule| Ok((rule.name.clone(), store(rule)?));
    settings.stores.iter().map(open).collect()
}

/// The same, for the daemon, whose ledger knows which of them hold something: their folders are marked.
pub(super) fn own_stores(settings: &Settings, book: &Book) -> Result<Stores, String> {
    let marked = |rule: &StoreRule| {
        let store = known_store(rule, is_used(book, &rule.name))?;
        Ok((rule.name.clone(), store))
    };
    settings.stores.iter().map(marked).collect()
}

/// Whether a ledger knows of backups in a store.
pub(super) fn is_used(book: &Book, store: &str) -> bool {
    let mut all = book.rows().flat_map(|(_, row)| row.backups.values());
    all.any(|backup| backup.state.good() && backup.id.store == store)
}

/// One store, of which is known whether something should lie there.
pub(super) fn known_store(rule: &StoreRule, used: bool) -> Result<Arc<dyn BackupStore>, String> {
    open(rule, |path| LocalStore::marked(path, used))
}

/// One store.
pub(super) fn store(rule: &StoreRule) -> Result<Arc<dyn BackupStore>, String> {
    open(rule, |path| LocalStore::new(path))
}

fn open(
    rule: &StoreRule,
    folder: impl FnOnce(&Path) -> LocalStore,
) -> Result<Arc<dyn BackupStore>, String> {
    match &rule.place {
        StorePlace::Folder { path, own } => {
            if *own && let Err(error) = home::make_folder(path, 0o700) {
                // No reason to leave databases without a daemon: each use of the store says what is wrong.
                tracing::error!(store = rule.name, error, "the store has no folder");
            }
            Ok(Arc::new(folder(path)))
        }
        StorePlace::Bucket {
            bucket,
            endpoint,
            region,
            prefix,
            credentials,
            encrypt,
        } => {
            let (access_key, secret_key) = read_credentials(credentials)
                .map_err(|why| format!("store {}: {}: {why}", rule.name, credentials.display()))?;
            Ok(Arc::new(S3Store::new(&S3Settings {
                bucket: bucket.clone(),
                prefix: prefix.clone(),
                endpoint: endpoint.clone(),
                region: region.clone(),
                access_key,
                secret_key,
                server_side_encryption: *encrypt,
            })))
        }
    }
}

/// The two lines of a credentials file; a file of Amazon's own tools with one profile has them, too.
fn read_credentials(path: &Path) -> Result<(String, Secret), String> {
    let text = fs::read_to_string(path).map_err(|e| e.to_string())?;
    let value = |key: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        lines
            .find(|(k, _)| k.trim() == key)
            .map(|(_, v)| v.trim().to_owned())
            .filter(|v| !v.is_empty())
            .ok_or_else(|| format!("there is no line `{key} = …`"))
    };
    let key = value("aws_access_key_id")?;
    value("aws_secret_access_key").map(|secret| (key, Secret::new(secret)))
}

/// What a file with an age identity ends with.
pub(super) const KEY_EXTENSION: &str = "agekey";

/// Where the instance's key is.
pub(super) fn key_file(state_dir: &Path) -> PathBuf {
    home::keys(state_dir)
        .join("backup")
        .with_extension(KEY_EXTENSION)
}

/// The instance's key, if there is one.
pub(super) fn identity_at(state_dir: &Path) -> Result<Option<Identity>, String> {
    let path = key_file(state_dir);
    let told = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let Some(bytes) = keyfile::read(&path).map_err(|e| told(&e))? else {
        return Ok(None);
    };
    let text = String::from_utf8(bytes).map_err(|e| told(&e))?;
    Identity::from_file(&text).map(Some).map_err(|e| told(&e))
}

/// All keys of this host that read backups; none is made.
pub(super) fn identities(state_dir: &Path) -> Result<Vec<Identity>, String> {
    let mut all: Vec<Identity> = identity_at(state_dir)?.into_iter().collect();
    if home::keys(state_dir).is_dir() {
        all.extend(others(state_dir)?);
    }
    Ok(all)
}

/// Keys of earlier days, which still read their backups.
fn others(state_dir: &Path) -> Result<Vec<Identity>, String> {
    let folder = home::keys(state_dir);
    let own = key_file(state_dir);
    let told = |e: std::io::Error| format!("{}: {e}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).map_err(told)? {
        let path = entry.map_err(told)?.path();
        if path == own || path.extension().is_none_or(|e| e != KEY_EXTENSION) {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let key = Identity::from_file(&text).map_err(|why| format!("{}: {why}", path.display()));
        found.push(key?);
    }
    Ok(found)
}

/// The instance's key, made where there is none: whether that was lost is the caller's to ask. A key that is there and cannot be read is never
/// replaced: backups that only it reads would be lost.
pub(super) fn identity(state_dir: &Path) -> Result<Identity, String> {
    if let Some(identity) = identity_at(state_dir)? {
        return Ok(identity);
    }
    home::make_folder(&home::keys(state_dir), 0o700)?;
    let identity = Identity::generate();
    let path = key_file(state_dir);
    keyfile::write(&path, identity.to_file().expose())
        .map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(identity)
}
