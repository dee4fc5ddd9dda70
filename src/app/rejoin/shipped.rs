//! The ledger of a host that lives, as its stores hold it: whether they have more of it than the journal
//! here, and what follows that.

use std::fs;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::{Joining, fresh};
use crate::admin::audit::believe_file;
use crate::admin::journal::FILE_NAME;
use crate::admin::{Book, Head, Keyring, read_offline};
use crate::app::history::{History, Place, history, manifest};
use crate::app::witness::{ANSWER, Pieces, good_lines};
use crate::app::{archive, daemon, home};
use crate::execute::backup::{NEWEST_COPIES, fetch_ledger, shipped_in};
use crate::model::{self, Class};
use crate::plan::shipping;
use crate::settings::Settings;
use crate::store::Stores;
use crate::store::manifest::Layout;
use crate::store::seal::Identity;

/// The folder for a copy of the ledger on its way.
const COPY: &str = "copy";
/// Until a store that did not answer is asked again: network and disks may come up beside this program.
const AGAIN: Duration = Duration::from_secs(1);

/// The ledger of a host in the stores of its settings.
pub(in crate::app) struct Shipped<'a> {
    pub(in crate::app) settings: &'a Settings,
    pub(in crate::app) instance: &'a str,
}

#[async_trait]
impl Pieces for Shipped<'_> {
    async fn ahead(&self, book: &Book) -> Result<Option<String>, String> {
        let stores = archive::own_stores(self.settings, book)?;
        Ok(ahead(&stores, self.settings.mode.as_str(), self.instance, book).await)
    }

    async fn join(&self, coming: &Path) -> Result<(), String> {
        let folder = coming.parent().unwrap_or(coming);
        let (book, _) = read_offline(folder, 0).map_err(|e| daemon::chain(&e))?;
        let keys = home::keys(&self.settings.state_dir);
        let held = Held {
            stores: archive::own_stores(self.settings, &book)?,
            mode: self.settings.mode.as_str(),
            instance: self.instance,
            identities: archive::identities(&self.settings.state_dir)?,
            ring: Keyring::read(&keys).map_err(|e| e.to_string())?,
        };
        held.join(folder, book).await
    }
}

/// What stores hold behind the end of the journal here; what does not answer in time holds nothing.
pub(super) async fn ahead(
    stores: &Stores,
    mode: &str,
    instance: &str,
    book: &Book,
) -> Option<String> {
    let head = book.head().seq;
    let layout = Layout::new(mode, instance);
    let asked = stores.keys().map(|name| asked(stores, name, &layout));
    let mut found = None;
    for (name, answer) in stores.keys().zip(join_all(asked).await) {
        let ahead = match answer {
            Ok(held) => shipping::ahead(&held, head, book.history_chosen(name)),
            Err(why) => {
                tracing::warn!(
                    store = name,
                    why,
                    "whether it holds more of the journal is not known"
                );
                None
            }
        };
        found = found.max(ahead.map(|last| (last, name)));
    }
    found.map(|(last, name)| format!("the store {name} holds entry {last}"))
}

/// What one store holds.
async fn asked(stores: &Stores, name: &str, layout: &Layout) -> Result<model::Shipped, String> {
    let until = Instant::now() + ANSWER;
    let at = &stores[name];
    loop {
        let answer = shipped_in(at, layout, name, Some(NEWEST_COPIES), |_| true);
        match tokio::time::timeout_at(until, answer).await {
            Ok(Ok(held)) => return Ok(held),
            Ok(Err(error)) => {
                let last = Instant::now() + AGAIN >= until;
                if last || error.class() != Class::Transient {
                    return Err(error.to_string());
                }
            }
            Err(_) => return Err(format!("no answer in {} s", ANSWER.as_secs())),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The stores, and what reads them.
pub(super) struct Held<'a> {
    pub(super) stores: Stores,
    pub(super) mode: &'a str,
    pub(super) instance: &'a str,
    pub(super) identities: Vec<Identity>,
    pub(super) ring: Keyring,
}

impl Held<'_> {
    /// Adds to the journal in a folder, whose book this is, what follows its end: pieces, and where those
    /// begin later, the copy beside a backup.
    pub(super) async fn join(&self, folder: &Path, book: Book) -> Result<(), String> {
        let (mut all, mut silent) = (History::default(), Vec::new());
        for (name, store) in &self.stores {
            let one = [(name.clone(), store.clone())].into();
            match history(&one, self.mode).await {
                Ok(found) => {
                    all.places.extend(found.places);
                    all.pieces.extend(found.pieces);
                }
                // Another store may have it, too.
                Err(why) => silent.push(why),
            }
        }
        all.of_instance(self.instance);
        let mut joining = Joining {
            book,
            ring: self.ring.clone(),
            upto: None,
            shipped_at: None,
        };
        let (stores, keys) = (&self.stores, &self.identities);
        let mut problems = Vec::new();
        joining
            .join(stores, &all.pieces, keys, folder, &mut problems)
            .await?;
        let head = joining.book.head();
        if let Some(longer) = self.in_a_copy(&all.places, folder, head).await? {
            joining.book = longer;
            problems.clear();
            joining
                .join(stores, &all.pieces, keys, folder, &mut problems)
                .await?;
        }
        for problem in problems {
            tracing::warn!(problem, "the journal in the stores");
        }
        match silent.is_empty() {
            true => Ok(()),
            false => Err(silent.join("; ")),
        }
    }

    /// Adds what follows a head in the newest copy that goes on from there, if one does; gives the book then.
    async fn in_a_copy(
        &self,
        places: &[Place],
        folder: &Path,
        head: Head,
    ) -> Result<Option<Book>, String> {
        let mut admins: Vec<&Place> = places.iter().filter(|p| p.name.is_mydb_admin()).collect();
        admins.sort_by_key(|p| std::cmp::Reverse((&p.slot, p.attempt)));
        let aside = folder.join(COPY);
        for place in admins.into_iter().take(NEWEST_COPIES) {
            let store = &self.stores[&place.store];
            let read = async {
                let manifest = manifest(store, &place.prefix).await?;
                let longer = |upto: u64| upto > head.seq;
                if !manifest.ledger_copy.as_ref().is_some_and(|c| longer(c.seq)) {
                    return Ok(false);
                }
                home::make_folder(&aside, 0o700)?;
                let (file, keys) = (fresh(&aside)?, self.identities.clone());
                let fetched = fetch_ledger(store, &place.prefix, &manifest, keys, file);
                fetched.await.map_err(|e| e.to_string())?;
                believe_file(&self.ring, &aside.join(FILE_NAME))?;
                Ok::<_, String>(true)
            };
            match read.await {
                Ok(true) => {}
                Ok(false) => continue,
                Err(why) => {
                    tracing::warn!(
                        slot = place.slot,
                        why,
                        "a copy of the journal cannot be used"
                    );
                    continue;
                }
            }
            let path = folder.join(FILE_NAME);
            let told = |e: std::io::Error| format!("{}: {e}", path.display());
            let to = fs::OpenOptions::new().append(true).open(&path);
            let mut to = to.map_err(told)?;
            let next = good_lines(&aside.join(FILE_NAME), head, &mut to).map_err(told)?;
            if next != head {
                let (book, _) = read_offline(folder, 0).map_err(|e| daemon::chain(&e))?;
                return Ok(Some(book));
            }
        }
        Ok(None)
    }
}
