//! Frozen until known: after harm, and at the start, nothing is removed or retired before all that
//! lives has its row.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::{BEAT, Desk};
use crate::execute::backup::{BackupError, NEWEST_COPIES};
use crate::model::container::{LABEL_GENERATION, LABEL_INSTANCE, LABEL_UID};
use crate::model::view::{Phase, Remark};
use crate::model::{BackupId, Change, DbName, Outcome, Who};
use crate::plan::freeze::{self, Found, Known, Labelled};
use crate::plan::shipping::{self, Strange};

/// Beats that are left out after a look that did not end well: half a minute until the next.
const AGAIN: u32 = 5;

/// What is known since the last harm.
#[derive(Default)]
pub(super) struct Freeze {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether a look since the last harm found nothing unknown.
    known: bool,
    /// Beats until the next look.
    again: u32,
    /// The ledger's last entry that tells of harm, as far as that was seen to; `None`: those of earlier
    /// daemons are not asked.
    harm: Option<u64>,
    /// Stores that hold another history of this instance.
    strange: BTreeSet<String>,
    /// Stores that a person gave up. One that is gone for good goes from the settings, too, so that
    /// the next daemon need not know of it.
    thawed: BTreeSet<String>,
    /// Remarks that are in the log: each once a daemon.
    told: BTreeSet<(DbName, String)>,
}

impl Freeze {
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        // No code panics while the lock is held.
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Desk {
    /// Whether nothing may be removed or retired anywhere: while `mydb_admin` does not answer nobody
    /// can look at what would be; and after that, until all that lives is known.
    pub(in crate::control) fn frozen(&self) -> bool {
        // Harm that nobody has looked at yet is harm from its entry on.
        let harm = self.ledger.book().last_harm();
        let known = |state: &mut State| state.known && state.harm == Some(harm);
        self.harmed() || !self.freeze.change(known)
    }

    pub(super) fn harmed(&self) -> bool {
        let admin = self.board.view(&DbName::mydb_admin());
        admin.is_none_or(|view| view.phase != Phase::Ready)
            || self.board.watch().borrow().tables_harm.is_some()
    }

    /// Looks for what is unknown after each harm, until the token is cancelled.
    pub(super) async fn keep_knowing(&self) {
        loop {
            // Cancel-safe: a look only reads, and what it adopts is found again.
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.know_again() => {}
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(BEAT) => {}
            }
        }
    }

    /// One beat of that: whether there was harm, and a look if one is due.
    pub async fn know_again(&self) {
        self.look_again().await;
        self.board.comparing(self.frozen());
    }

    async fn look_again(&self) {
        // Harm that was mended between two looks is harm.
        let harm = self.ledger.book().last_harm();
        let seen_to = |state: &mut State| *state.harm.get_or_insert(harm) == harm;
        if !self.freeze.change(seen_to) || self.harmed() {
            self.freeze
                .change(|state| (state.known, state.again, state.harm) = (false, 0, Some(harm)));
            return;
        }
        let due = self.freeze.change(|state| {
            let due = !state.known && state.again == 0;
            state.again = state.again.saturating_sub(1);
            due
        });
        if due {
            self.know().await;
        }
    }

    /// One look.
    async fn know(&self) {
        // What is stored while the stores are looked through is no object that is missing.
        let stored = self.known_now().stored;
        let found = self.find().await;
        let thawed = self.freeze.change(|state| state.thawed.clone());
        let known = Known {
            stored,
            ..self.known_now()
        };
        let strange = found.strange.keys().cloned().collect();
        self.freeze.change(|state| state.strange = strange);
        let mut unknown = freeze::unknown(&known, &found, &thawed);
        for store in &self.stores {
            let of_store = |id: &&BackupId| id.store == *store;
            let ids: BTreeSet<BackupId> = unknown.adopt.iter().filter(of_store).cloned().collect();
            if ids.is_empty() {
                continue;
            }
            let lines = match self.archive.adopt(store, &ids).await {
                Ok(refused) => freeze::refused(&known, store, &refused),
                Err(error) => vec![format!(
                    "backups in the store {store} cannot be looked at: {error}"
                )],
            };
            // A store that was given up may list what it cannot give.
            if !thawed.contains(store) {
                unknown.frozen.extend(lines);
            }
        }
        if !unknown.frozen.is_empty() {
            tracing::warn!(
                why = unknown.frozen.join("; "),
                "nothing is removed or retired"
            );
        }
        self.tell_of(&unknown.remarks).await;
        let known = unknown.frozen.is_empty() && !self.harmed();
        self.freeze.change(|state| {
            state.known = known;
            state.again = AGAIN;
        });
        let remarks = if known { Vec::new() } else { unknown.remarks };
        self.board.remarks(remarks);
        self.board.frozen(unknown.frozen);
    }

    /// Writes down what went away.
    async fn tell_of(&self, remarks: &[Remark]) {
        for remark in remarks.iter().filter(|remark| remark.notable) {
            let said = (remark.name.clone(), remark.what.clone());
            if !self.freeze.change(|state| state.told.insert(said)) {
                continue;
            }
            let (name, what) = (&remark.name, remark.what.clone());
            if let Err(error) = self.note(name, Outcome::Done, what, Change::Noted).await {
                tracing::warn!(%name, error, "a remark is not in the log");
            }
        }
    }

    async fn find(&self) -> Found {
        let instance = &self.archive.site.instance;
        let listed = self.archive.runtime.list().await;
        let containers = listed.map_err(|e| e.to_string()).map(|all| {
            let ours = all
                .into_iter()
                .filter(|brief| brief.labels.get(LABEL_INSTANCE) == Some(instance));
            ours.map(|brief| {
                let label = |key: &str| brief.labels.get(key);
                Labelled {
                    uid: label(LABEL_UID).and_then(|uid| uid.parse().ok()),
                    generation: label(LABEL_GENERATION).and_then(|text| text.parse().ok()),
                    name: brief.name,
                }
            })
            .collect()
        });
        let mut found = Found {
            containers,
            stores: [].into(),
            strange: [].into(),
        };
        for store in &self.stores {
            let looked = async {
                let strange = self.strange_in(store).await?;
                Ok::<_, BackupError>((self.archive.stored(store).await?, strange))
            };
            let stored = match looked.await {
                Ok((stored, strange)) => {
                    let strange = strange.map(|strange| (store.clone(), strange));
                    found.strange.extend(strange);
                    Ok(stored)
                }
                Err(error) => Err(error.to_string()),
            };
            found.stores.insert(store.clone(), stored);
        }
        found
    }

    /// What a store holds of another history of this instance.
    async fn strange_in(&self, store: &str) -> Result<Option<Strange>, BackupError> {
        let shipper = self.archive.shipper();
        let there = shipper.look_at_all(store, Some(NEWEST_COPIES)).await?;
        let ours = shipper.ours(there.links()).await?;
        let chosen = self.ledger.book().history_chosen(store);
        Ok(shipping::strange(&there, &ours, chosen))
    }

    /// A store holds what this host does not have: all is to be known anew, unless a person gave it up.
    pub(in crate::control) fn know_anew(&self, store: &str) {
        self.freeze.change(|state| {
            if state.known && !state.thawed.contains(store) {
                (state.known, state.again) = (false, 0);
            }
        });
    }

    fn known_now(&self) -> Known {
        let book = self.ledger.book();
        let mut known = Known {
            backups: book.forgotten().cloned().collect(),
            ..Known::default()
        };
        for (name, row) in book.rows() {
            known.uids.insert(row.database.uid, name.clone());
            known
                .generations
                .insert(row.database.uid, row.database.generation);
            let good = row.backups.values().filter(|b| b.state.good());
            known
                .stored
                .extend(good.map(|b| (b.id.clone(), name.clone())));
            let backups = row.backups.values();
            known.past.extend(backups.map(|b| (b.uid, name.clone())));
            // What lies there under the id of one that was never begun is another one.
            let begun = row.backups.values().filter(|b| !b.url.is_empty());
            known.backups.extend(begun.map(|b| b.id.clone()));
        }
        known
    }

    /// Gives up a store that is gone: what it may hold keeps nothing frozen any more.
    ///
    /// # Errors
    /// When there is no such store, or the ledger does not take it; for a person.
    pub async fn thaw(&self, who: Who, store: &str, reason: &str) -> Result<String, String> {
        if !self.stores.iter().any(|known| known == store) {
            return Err(format!(
                "there is no store `{}` in the settings; there are: {}; nothing was changed",
                store.escape_debug(),
                self.stores.join(", ")
            ));
        }
        let message = format!("the store {store} keeps nothing frozen any more: {reason}");
        // Of what nobody saw nobody has decided.
        let change = match self.freeze.change(|state| state.strange.contains(store)) {
            true => Change::HistoryChosen {
                store: Some(store.to_owned()),
                as_of: None,
                lived: None,
            },
            false => Change::Acted {
                action: "thawed".to_owned(),
            },
        };
        let admin = DbName::mydb_admin();
        let wished = self.intake.wish(who, &admin, message.clone(), change).await;
        wished.map_err(|e| format!("{e}; nothing was changed"))?;
        self.freeze.change(|state| {
            state.thawed.insert(store.to_owned());
            state.again = 0;
        });
        Ok(message)
    }
}
