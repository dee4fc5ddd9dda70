//! Whether backups can be written, found, read back and removed where they go; and whether anybody
//! could read them after the end of this host.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures_util::future::join_all;

use super::finding;
use crate::admin::{Book, JournalError, read_offline};
use crate::app::{archive, home};
use crate::cli::{Finding, Health};
use crate::model::{BackupPolicy, Clock, SystemClock, Timestamp};
use crate::settings::{Settings, StorePlace, StoreRule};
use crate::store::manifest::Layout;
use crate::store::{BackupStore, read_small, write_small};

/// Clocks that differ by more are worth a word.
const SKEW: TimeDelta = TimeDelta::seconds(60);
/// Days of a month, at least.
const MONTH: u32 = 28;
/// What is written, and must come back.
const PROBE: &[u8] = b"db4sci doctor wrote this, and removes it at once\n";

/// Looks at every store of the settings, and at who reads what lies there.
pub(super) async fn stores(settings: &Settings) -> Vec<Finding> {
    if settings.stores.is_empty() {
        let next = "name one: stores of the settings";
        return vec![finding(
            "stores",
            Health::Bad,
            "there is none: nothing is backed up",
            Some(next),
        )];
    }
    let book = book(settings);
    let looks = settings.stores.iter().map(|rule| {
        // What nobody can know is taken for used: else the probe would mark a mount point without its disk.
        let used = book
            .as_ref()
            .is_none_or(|book| archive::is_used(book, &rule.name));
        look(settings, rule, used)
    });
    let mut all = join_all(looks).await;
    all.extend(disk(settings));
    all.push(readers(&settings.recipients));
    all
}

/// What the ledger of this host says; `None`: that cannot be known.
fn book(settings: &Settings) -> Option<Book> {
    match read_offline(&settings.state_dir.join("journal"), 0) {
        Ok((book, _)) => Some(book),
        Err(JournalError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            Some(Book::new())
        }
        Err(_) => None,
    }
}

/// Looks at one store; `used` says whether something should lie there.
async fn look(settings: &Settings, rule: &StoreRule, used: bool) -> Finding {
    let what = format!("store {}", rule.name);
    let instance = home::instance_of(&settings.state_dir);
    let made = match &rule.place {
        StorePlace::Folder { path, own } => !own || path.exists(),
        StorePlace::Bucket { .. } => true,
    };
    let (Ok(instance), true) = (instance, made || used) else {
        let message = "it is not there yet; the daemon makes it at its first start";
        return finding(&what, Health::Warn, message, Some("db4sci init"));
    };
    // Below all backups of the instance, and beside every database: no name begins so.
    let root = Layout::new(settings.mode.as_str(), &instance);
    let mark = uuid::Uuid::new_v4().simple();
    let key = format!("{}@doctor/{mark}", root.root());
    let probed = match archive::known_store(rule, used) {
        Ok(store) => match probe(store.as_ref(), &key).await {
            Ok((took, skew)) => Ok((store.place(), took, doubts(&store, root.root(), skew).await)),
            Err(why) => Err(why),
        },
        Err(why) => Err(why),
    };
    match probed {
        Ok((place, _, Some((doubt, next)))) => {
            finding(&what, Health::Warn, format!("{place}: {doubt}"), Some(next))
        }
        Ok((place, took, None)) => {
            let message = format!(
                "{place}: written, found, read and removed in {} ms",
                took.as_millis()
            );
            finding(&what, Health::Ok, message, None)
        }
        Err(why) if rustix::process::geteuid().is_root() => {
            let next = "backups fail until that is mended; see docs/runbooks/restore.md";
            finding(&what, Health::Bad, why, Some(next))
        }
        Err(why) => {
            let next = "run this as the daemon's user";
            finding(&what, Health::Warn, why, Some(next))
        }
    }
}

/// What is wrong with a store that works, and what to do about it.
async fn doubts(
    store: &Arc<dyn BackupStore>,
    root: &str,
    skew: Option<TimeDelta>,
) -> Option<(String, &'static str)> {
    if let Some(skew) = skew.filter(|skew| skew.abs() > SKEW) {
        let message = format!(
            "its clock and this host's differ by {} s; from 15 minutes on it refuses all requests",
            skew.num_seconds()
        );
        return Some((message, "set the clock of one of them: timedatectl"));
    }
    // A server that does not let us ask may have no rules, or hide them.
    let days = store.expires(root).await.ok().flatten()?;
    let kept = MONTH * BackupPolicy::default().retention.monthly;
    (days < kept).then(|| {
        let message = format!(
            "a lifecycle rule of the bucket removes objects after {days} days, whatever the specs keep \
             (by default some for {kept} days)"
        );
        (message, "end that rule: db4sci removes what nothing keeps")
    })
}

/// Does with a small object all that backups need; how long that took, and how far the store's clock
/// is ahead of this host's.
async fn probe(
    store: &dyn BackupStore,
    key: &str,
) -> Result<(Duration, Option<TimeDelta>), String> {
    let (began, now) = (Instant::now(), SystemClock.now());
    write_small(store, key, PROBE)
        .await
        .map_err(|e| e.to_string())?;
    let found = found_and_read(store, key).await;
    // Whatever came of it, nothing stays.
    let removed = store.delete(key).await.map_err(|e| e.to_string());
    let modified = found?;
    removed?;
    let left = store.list(key).await.map_err(|e| e.to_string())?;
    if !left.is_empty() {
        return Err(format!(
            "{}: {key} is there although it was removed",
            store.place()
        ));
    }
    Ok((began.elapsed(), modified.map(|at| at - now)))
}

/// When the store says that it was written.
async fn found_and_read(store: &dyn BackupStore, key: &str) -> Result<Option<Timestamp>, String> {
    let place = store.place();
    let listed = store.list(key).await.map_err(|e| e.to_string())?;
    let object = listed.into_iter().find(|o| o.key == key);
    let Some(object) = object else {
        return Err(format!(
            "{place}: {key} was written, and is not in the list"
        ));
    };
    let read = read_small(store, key, 1 << 10)
        .await
        .map_err(|e| e.to_string())?;
    if read != PROBE {
        return Err(format!(
            "{place}: {} bytes of {key} came back, not the {} that were written",
            read.len(),
            PROBE.len()
        ));
    }
    Ok(object.modified)
}

/// Whether every store ends with a disk of the data.
fn disk(settings: &Settings) -> Option<Finding> {
    let device = |path: &Path| std::fs::metadata(path).ok().map(|m| m.dev());
    let volumes: Vec<u64> = settings
        .data_volumes
        .iter()
        .filter_map(|v| device(&v.path))
        .collect();
    let shares = |rule: &StoreRule| match &rule.place {
        StorePlace::Folder { path, .. } => device(path).is_some_and(|d| volumes.contains(&d)),
        StorePlace::Bucket { .. } => false,
    };
    let all = settings.stores.iter().all(shares);
    all.then(|| {
        finding(
            "stores",
            Health::Warn,
            "all backups lie on a disk of the data, and end with it",
            Some("name a store elsewhere: stores of the settings"),
        )
    })
}

/// Whether anybody but this host reads its backups.
fn readers(recipients: &[String]) -> Finding {
    let what = "backups' keys";
    if recipients.is_empty() {
        let next = "make one with age-keygen on another machine, and name its public half: \
                    encryption.recipients of the settings";
        let message = "only a key of this host reads its backups; without a copy of it, they end \
                       with the host";
        return finding(what, Health::Warn, message, Some(next));
    }
    let message = format!("{} offline recipients beside this host's", recipients.len());
    finding(what, Health::Ok, message, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing;
    use crate::app::daemon;
    use crate::model::{Backup, BackupId, BackupKind, BackupState, Change, Slot};
    use crate::settings::Mode;
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn a_store_is_well_when_all_that_was_written_comes_back_and_goes() {
        let store = MemoryStore::default();
        probe(&store, "test/@doctor/1").await.unwrap();
        assert!(store.list("").await.unwrap().is_empty());
        store.set_keeps_half(true);
        let error = probe(&store, "test/@doctor/2").await.unwrap_err();
        assert!(error.contains("came back"), "{error}");
        assert!(store.list("").await.unwrap().is_empty());
        store.set_down(Some("the cable is out"));
        let error = probe(&store, "test/@doctor/3").await.unwrap_err();
        assert!(error.contains("the cable is out"), "{error}");
    }

    #[tokio::test]
    async fn a_folder_whose_disk_is_away_is_no_store_and_gets_no_mark() {
        let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let state = home.path().join("state");
        std::fs::create_dir(&state).unwrap();
        std::fs::write(state.join("instance"), "abc\n").unwrap();
        let env = [("DB4SCI_STATE_DIR".to_owned(), state.display().to_string())];
        let mut settings = Settings::load(home.path(), Mode::Test, &env.into()).unwrap();
        settings.stores = vec![StoreRule {
            name: "local".to_owned(),
            place: StorePlace::Folder {
                path: folder.path().to_owned(),
                own: false,
            },
        }];
        let journal = state.join("journal");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ledger = daemon::open_ledger(&journal, clock).await.unwrap();
        let db = testing::database("genomics", 32011);
        let at = SystemClock.now();
        let backup = Box::new(Backup {
            id: BackupId {
                name: db.name.clone(),
                slot: Slot::at(at),
                attempt: 1,
                store: "local".to_owned(),
            },
            uid: db.uid,
            kind: BackupKind::Manual,
            state: BackupState::Stored,
            started: at,
            finished: Some(at),
            verified: None,
            bytes: 7,
            sha256: None,
            url: String::new(),
            error: None,
            keep_until: None,
            note: String::new(),
        });
        let entries = [
            testing::admitted(db.clone()),
            testing::new("genomics", Change::Backup { backup }),
        ];
        for entry in entries {
            ledger.append(entry).await.unwrap();
        }
        drop(ledger);
        let found = async || stores(&settings).await.remove(0);
        let inside = || std::fs::read_dir(folder.path()).unwrap().count();
        let told = found().await;
        assert!(told.message.contains("not mounted?"), "{told:?}");
        assert_ne!(told.health, Health::Ok);
        assert_eq!(inside(), 0, "marked, it would pass for the store");
        // A journal that cannot be read may know of backups there.
        std::fs::write(journal.join("ledger.v1.jsonl"), "{\n{\n").unwrap();
        assert!(found().await.message.contains("not mounted?"));
        assert_eq!(inside(), 0);
        // Where nothing was ever written, there is nothing to miss.
        std::fs::remove_dir_all(&journal).unwrap();
        assert_eq!(found().await.health, Health::Ok);
    }

    #[test]
    fn keys_of_this_host_alone_are_warned_of() {
        assert_eq!(readers(&[]).health, Health::Warn);
        assert_eq!(readers(&["age1…".to_owned()]).health, Health::Ok);
    }

    #[tokio::test]
    async fn a_store_that_works_may_be_doubted() {
        let memory = MemoryStore::default();
        let store: Arc<dyn BackupStore> = Arc::new(memory.clone());
        let doubt = async |skew: Option<i64>| {
            let skew = skew.map(TimeDelta::seconds);
            let doubt = doubts(&store, "prod/abc/", skew).await;
            doubt.map(|(message, _)| message).unwrap_or_default()
        };
        assert_eq!(doubt(None).await, "");
        assert_eq!(doubt(Some(59)).await, "");
        assert!(doubt(Some(-61)).await.contains("differ by -61 s"));
        memory.set_expires(Some(30));
        let told = doubt(Some(0)).await;
        assert!(
            told.contains("after 30 days") && told.contains("for 168 days"),
            "{told}"
        );
        memory.set_expires(Some(3650));
        assert_eq!(doubt(None).await, "");
        // Not allowed to ask.
        memory.set_down(Some("AccessDenied"));
        assert_eq!(doubt(None).await, "");
    }
}
