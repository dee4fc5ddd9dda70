//! A host that lost its memory gets it back: the ledger from the stores, and a word for each database
//! that the daemon is to bring back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use crate::admin::journal::{FILE_NAME, LENGTH};
use crate::admin::{JournalError, Keyring, NewEntry, read_offline};
use crate::cli::{RecoverArgs, Recovered};
use crate::execute::failpoint::failpoint;
use crate::model::{Change, Clock, DbName, Outcome, Slot, SystemClock, Timestamp, Uid};
use crate::settings::Settings;
use crate::store::Stores;

use super::backend::because;
use super::beside::{self, Beside};
use super::history::{History, history};
use super::rebuild::{self, Wish};
use super::rejoin::{self, Rejoined};
use super::tombstones::{retired_again, tombstones, unknown_to};
use super::{archive, daemon, from_docker, home, lock, witness};

mod rows;
use rows::{Asked, memory_lost, of_database};
pub(super) use rows::{Held, Kept, comes_back, has_data_after_all, held, was_found};

/// The folder of a ledger on its way.
const COMING: &str = "journal.coming";

/// Brings the ledger back, or (with `plan`) says what would come back.
pub(super) async fn recover(settings: &Settings, args: RecoverArgs) -> Result<Recovered, String> {
    let state_dir = &settings.state_dir;
    home::make_folder(state_dir, 0o700)?;
    let _lock = lock::take(state_dir, "db4sci recover")?;
    let harmed = without_memory(&state_dir.join("journal"))?;
    let stores = archive::stores(settings)?;
    let all = history(&stores, settings.mode.as_str()).await;
    let coming = state_dir.join(COMING);
    // What one left that was killed is no part of this.
    let _ = fs::remove_dir_all(&coming);
    home::make_folder(&coming, 0o700)?;
    if args.from_docker {
        let lost = from_docker::Lost {
            settings,
            args: &args,
            stores: &stores,
            all,
            coming: &coming,
        };
        let done = from_docker::recover(lost).await;
        let _ = fs::remove_dir_all(&coming);
        return done;
    }
    let mut all = all?;
    let instance = chosen(&all, args.instance.as_deref())?;
    all.of_instance(&instance);
    let done = bring(settings, &args, &stores, &all, instance, &coming, harmed).await;
    let _ = fs::remove_dir_all(&coming);
    done
}

/// Refuses a host that has its memory, or may have it. Gives what is wrong with a journal that is there and
/// cannot be used.
fn without_memory(folder: &Path) -> Result<Option<String>, String> {
    match read_offline(folder, 0) {
        Ok((book, _)) if book.head().seq == 0 => Ok(None),
        Ok((book, _)) => Err(format!(
            "this host has its memory ({} entries in {}); nothing was changed. To bring one database \
             back: db4sci restore NAME --from ID",
            book.head().seq,
            folder.display()
        )),
        Err(JournalError::Harm(harm)) => Ok(Some(harm.to_string())),
        Err(JournalError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!(
            "{}; whether this host has its memory cannot be known; nothing was changed",
            daemon::chain(&error)
        )),
    }
}

async fn bring(
    settings: &Settings,
    args: &RecoverArgs,
    stores: &Stores,
    all: &History,
    instance: String,
    coming: &Path,
    harmed: Option<String>,
) -> Result<Recovered, String> {
    let state_dir = &settings.state_dir;
    let Rejoined {
        mut book,
        from,
        shipped,
        mut as_of,
        mut problems,
    } = rejoin::ledger(settings, stores, all, coming).await?;
    failpoint("recover.fetched");
    let mut ledger = from;
    let beside = beside::look(settings, &instance, &book, coming).await?;
    let mut aside = None;
    match beside {
        Beside::Nothing | Beside::Same => {}
        Beside::More {
            book: more,
            as_of: at,
        } => {
            ledger = format!("{ledger}, and mydb_admin's tables");
            (book, as_of) = (*more, at);
        }
        Beside::Data(found) => {
            problems.push(format!(
                "mydb_admin's data in {} has no server that could be asked what it holds; it is kept beside \
                 the one that comes back",
                found.db.data_dir().display()
            ));
            aside = Some(found);
        }
    }
    let mut recovered = Recovered {
        instance,
        ledger,
        entries: book.head().seq,
        shipped,
        as_of,
        problems,
        databases: BTreeMap::new(),
    };
    let ring = Keyring::read(&home::keys(state_dir)).map_err(|e| e.to_string())?;
    ring.opens(&home::keys(state_dir), &book)
        .map_err(|e| format!("{e}; nothing was changed"))?;
    if let Some(why) = harmed {
        recovered.problems.push(format!(
            "the journal that lies here cannot be used ({why}), and is kept beside the one that comes back; \
             where mydb_admin's container is left, db4sci run makes it whole and loses nothing"
        ));
    }
    let (mut tombstones, unread) = tombstones(stores, &all.tombstones).await;
    recovered.problems.extend(unread);
    let retired: BTreeSet<Uid> = tombstones.keys().copied().collect();
    unknown_to(&book, |_| recovered.as_of, &mut tombstones);
    let mut theirs = Vec::new();
    for (name, row) in book.rows() {
        theirs.push((name, row, held(stores, &all.places, row.database.uid).await));
    }
    // Whatever a store holds was finished by a host that lived, and wrote that down.
    let finished = theirs.iter().flat_map(|(_, _, held)| held.finished());
    let asked = Asked {
        only: &args.only,
        lived: finished.fold(recovered.as_of, Timestamp::max),
    };
    let mut entries = vec![NewEntry::of(
        &DbName::mydb_admin(),
        Outcome::Done,
        format!(
            "this host's memory comes from {}: {} entries, up to {}; what was accepted after that is \
             lost{}",
            recovered.ledger,
            recovered.entries,
            recovered.as_of.format("%F %T UTC"),
            because(&args.reason)
        ),
        // What could not be joined stays behind for good.
        Change::HistoryChosen {
            store: None,
            as_of: Some(recovered.as_of),
            lived: Some(asked.lived),
        },
    )];
    for (name, row, held) in theirs {
        let stays = tombstones.contains_key(&row.database.uid);
        let (mut found, returns) = of_database(&book, row, held, &asked, stays);
        if name.is_mydb_admin() {
            found.lost = Some(memory_lost(recovered.as_of, asked.lived));
        }
        entries.extend(returns);
        recovered.databases.insert(name.clone(), found);
    }
    entries.extend(retired_again(&book, &tombstones));
    let unknown = rebuild::unknown(&book, &all.places, &retired);
    let rules = daemon::rules(settings, None).map_err(daemon::lines)?;
    let (at, lived) = (SystemClock.now(), Some(asked.lived));
    let wish = Wish {
        only: &args.only,
        lived,
        at,
        keys: &archive::identities(state_dir)?,
    };
    let rebuilt = rebuild::rebuild(&book, stores, &all.places, unknown, rules, &wish).await;
    entries.extend(rebuilt.entries);
    recovered.databases.extend(rebuilt.databases);
    recovered.problems.extend(rebuilt.problems);
    if args.plan {
        return Ok(recovered);
    }
    // All of it is in the ledger before that is this host's: killed in between, nothing was done.
    let ledger = daemon::open_ledger(coming, Arc::new(SystemClock)).await?;
    daemon::seal(settings, &ledger)?;
    for entry in entries {
        ledger.append(entry).await.map_err(|e| e.to_string())?;
    }
    failpoint("recover.noted");
    if let Some(found) = aside {
        beside::set_aside(settings, &found).await?;
    }
    put_in_place(settings, &recovered.instance, coming)?;
    Ok(recovered)
}

/// Whose history it is.
fn chosen(all: &History, wanted: Option<&str>) -> Result<String, String> {
    let admins = all.places.iter().filter(|place| place.name.is_mydb_admin());
    let copies = admins.map(|place| (&place.instance, place.slot.clone()));
    let pieces = all.pieces.iter().map(|piece| {
        let slot = Slot::at(piece.segment.shipped).to_string();
        (&piece.instance, slot)
    });
    let mut newest: BTreeMap<&str, String> = BTreeMap::new();
    for (instance, upto) in copies.chain(pieces) {
        let slot = newest.entry(instance).or_default();
        *slot = upto.max(std::mem::take(slot));
    }
    let shown = || {
        let all = newest
            .iter()
            .map(|(id, slot)| format!("{id} (up to {slot})"));
        all.collect::<Vec<_>>().join(", ")
    };
    match (wanted, newest.len()) {
        (_, 0) => Err(
            "no store holds a backup of mydb_admin of this mode, or its journal, so there is nothing to \
             recover from; nothing was changed. Where containers or data are left: db4sci recover \
             --from-docker; single databases come back with the restore.sh of their backups"
                .to_owned(),
        ),
        (Some(wanted), _) if newest.contains_key(wanted) => Ok(wanted.to_owned()),
        (Some(wanted), _) => Err(format!(
            "there is no instance `{wanted}`; there are: {}; nothing was changed",
            shown()
        )),
        (None, 1) => Ok(newest.keys().map(ToString::to_string).collect()),
        (None, _) => Err(format!(
            "the stores hold the history of several hosts: {}; say which with --instance; nothing was \
             changed",
            shown()
        )),
    }
}

/// The ledger becomes this host's own, and its instance.
pub(super) fn put_in_place(
    settings: &Settings,
    instance: &str,
    coming: &Path,
) -> Result<(), String> {
    let told = |path: &Path| {
        let path = path.display().to_string();
        move |e: std::io::Error| format!("{path}: {e}")
    };
    let id = settings.state_dir.join("instance");
    let new = id.with_extension("new");
    fs::write(&new, format!("{instance}\n")).map_err(told(&new))?;
    fs::rename(&new, &id).map_err(told(&id))?;
    failpoint("recover.named");
    let coming = coming.join(FILE_NAME);
    fs::File::open(&coming)
        .and_then(|file| file.sync_all())
        .map_err(told(&coming))?;
    let folder = settings.state_dir.join("journal");
    home::make_folder(&folder, 0o700)?;
    let journal = folder.join(FILE_NAME);
    if fs::metadata(&journal).is_ok_and(|found| found.len() > 0) {
        let kept = witness::keep(&journal, &SystemClock)?;
        tracing::warn!(kept = %kept.display(), "the journal that lay there is kept");
    }
    fs::rename(&coming, &journal).map_err(told(&journal))?;
    // Killed here, what is known of the other one's length makes this one harmed: recover goes on then.
    let length = folder.join(LENGTH);
    fs::rename(coming.with_file_name(LENGTH), &length).map_err(told(&length))?;
    failpoint("recover.placed");
    for changed in [&folder, &settings.state_dir] {
        fs::File::open(changed)
            .and_then(|file| file.sync_all())
            .map_err(told(changed))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
