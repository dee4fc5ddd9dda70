//! A host that lost its memory gets it back: the ledger from the stores, and a word for each database
//! that the daemon is to bring back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::admin::journal::FILE_NAME;
use crate::admin::{Book, Keyring, Ledger, NewEntry, Row, read_offline};
use crate::cli::{Found, RecoverArgs, Recovered};
use crate::execute::failpoint::failpoint;
use crate::model::{
    Backup, BackupState, Change, DbName, Outcome, Slot, SystemClock, Uid, WantedState,
};
use crate::plan::recovery;
use crate::settings::Settings;
use crate::store::Stores;

use super::history::{History, Place, history, manifest};
use super::rejoin::{self, Rejoined};
use super::tombstones::{retired_again, tombstones, unknown_to};
use super::{archive, daemon, home, lock};

/// What becomes of what was retired.
const RETIRED: &str = "is retired, and stays so";
/// The folder of a ledger on its way.
const COMING: &str = "journal.coming";

/// Brings the ledger back, or (with `plan`) says what would come back.
pub(super) async fn recover(settings: &Settings, args: RecoverArgs) -> Result<Recovered, String> {
    let state_dir = &settings.state_dir;
    home::make_folder(state_dir, 0o700)?;
    let _lock = lock::take(state_dir, "db4sci recover")?;
    let folder = state_dir.join("journal");
    if let Ok((book, _)) = read_offline(&folder, 0)
        && book.head().seq > 0
    {
        return Err(format!(
            "this host has its memory ({} entries in {}); nothing was changed. To bring one database \
             back: db4sci restore NAME --from ID",
            book.head().seq,
            folder.display()
        ));
    }
    let stores = archive::stores(settings)?;
    let mut all = history(&stores, settings.mode.as_str()).await?;
    let instance = chosen(&all, args.instance.as_deref())?;
    all.places.retain(|place| place.instance == instance);
    all.pieces.retain(|piece| piece.instance == instance);
    let own = |key: &String| key.split('/').nth(1) == Some(&instance);
    all.tombstones.retain(|(_, key)| own(key));
    let coming = state_dir.join(COMING);
    home::make_folder(&coming, 0o700)?;
    let done = bring(settings, &args, &stores, &all, instance, &coming).await;
    let _ = fs::remove_dir_all(&coming);
    done
}

async fn bring(
    settings: &Settings,
    args: &RecoverArgs,
    stores: &Stores,
    all: &History,
    instance: String,
    coming: &Path,
) -> Result<Recovered, String> {
    let state_dir = &settings.state_dir;
    let Rejoined {
        book,
        from,
        shipped,
        as_of,
        problems,
    } = rejoin::ledger(settings, stores, all, coming).await?;
    failpoint("recover.fetched");
    let mut recovered = Recovered {
        instance,
        ledger: from,
        entries: book.head().seq,
        shipped,
        as_of,
        problems,
        databases: BTreeMap::new(),
    };
    let ring = Keyring::read(&home::keys(state_dir)).map_err(|e| e.to_string())?;
    ring.opens(&home::keys(state_dir), &book)
        .map_err(|e| format!("{e}; nothing was changed"))?;
    let mut backups = Vec::new();
    let (mut tombstones, unread) = tombstones(stores, &all.tombstones).await;
    recovered.problems.extend(unread);
    unknown_to(&book, recovered.as_of, &mut tombstones);
    for (name, row) in book.rows() {
        let (mut found, newer) = of_database(stores, &all.places, row, &args.only).await;
        if tombstones.contains_key(&row.database.uid) {
            found.what = RETIRED.to_owned();
        }
        backups.extend(newer);
        recovered.databases.insert(name.clone(), found);
    }
    let past = |row: &Row| row.backups.values().map(|b| b.uid).collect::<Vec<_>>();
    let uids: BTreeSet<Uid> = book
        .rows()
        .flat_map(|(_, row)| [past(row), vec![row.database.uid]].concat())
        .collect();
    let unknown: BTreeSet<&DbName> = all
        .places
        .iter()
        .filter(|place| book.row(&place.name).is_none() && !uids.contains(&place.uid))
        .map(|place| &place.name)
        .collect();
    for name in unknown {
        recovered.problems.push(format!(
            "{name}: the store has backups of it, and the ledger is older than it: bring it back with \
             the restore.sh of its backup, or apply the spec.yaml there"
        ));
    }
    if args.plan {
        return Ok(recovered);
    }
    // All of it is in the ledger before that is this host's: killed in between, nothing was done.
    let ledger = daemon::open_ledger(coming, Arc::new(SystemClock)).await?;
    daemon::seal(settings, &ledger)?;
    let retired = retired_again(&book, &tombstones);
    note(&ledger, &recovered, &book, backups, retired, &args.only).await?;
    failpoint("recover.noted");
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
             recover from; nothing was changed. Single databases come back with the restore.sh of their backups"
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

/// What there is of a database, and backups that the ledger does not know.
async fn of_database(
    stores: &Stores,
    all: &[Place],
    row: &Row,
    only: &[DbName],
) -> (Found, Vec<Backup>) {
    let db = &row.database;
    // By uid alone: it may have had another name then.
    let own = all.iter().filter(|p| p.uid == db.uid);
    let (mut newer, mut there, mut unreadable) = (Vec::new(), BTreeMap::new(), 0);
    for place in own {
        let store = &stores[&place.store];
        let Ok(manifest) = manifest(store, &place.prefix).await else {
            unreadable += 1;
            continue;
        };
        let found = manifest.backup(&place.store, &store.place(), &place.prefix);
        let known = row.backups.get(&found.id);
        match known.filter(|b| b.state.good() || b.state == BackupState::Damaged) {
            Some(known) => there.insert(known.id.clone(), known.clone()),
            None => {
                newer.push(found.clone());
                there.insert(found.id.clone(), found)
            }
        };
    }
    let newest = recovery::source(db, &there, true);
    let wanted = only.is_empty() || only.contains(&db.name);
    let mut what = match (newest, db.state) {
        _ if db.name.is_mydb_admin() => "comes back, and is filled from the ledger".to_owned(),
        (_, WantedState::Retired) if row.retired.is_some() => RETIRED.to_owned(),
        _ if !row.initialised => "never had data; is made".to_owned(),
        (Some(_), _) if wanted => "comes back".to_owned(),
        (Some(_), _) => "waits: db4sci restore".to_owned(),
        (None, _) => "is lost: there is no backup".to_owned(),
    };
    if unreadable > 0 {
        what.push_str(&format!(" ({unreadable} manifests cannot be read)"));
    }
    let found = Found {
        engine: format!("{} {}", db.engine, db.image.series),
        backup: newest.map(|b| b.id.to_string()),
        as_of: newest.map(|b| b.started),
        bytes: newest.map_or(0, |b| b.bytes),
        what,
    };
    (found, newer)
}

/// The ledger becomes this host's own, and its instance.
fn put_in_place(settings: &Settings, instance: &str, coming: &Path) -> Result<(), String> {
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
    fs::rename(&coming, &journal).map_err(told(&journal))?;
    failpoint("recover.placed");
    for changed in [&folder, &settings.state_dir] {
        fs::File::open(changed)
            .and_then(|file| file.sync_all())
            .map_err(told(changed))?;
    }
    Ok(())
}

/// Writes what is known beyond the ledger, and what is to come back.
async fn note(
    ledger: &Ledger,
    recovered: &Recovered,
    book: &Book,
    backups: Vec<Backup>,
    retired: Vec<NewEntry>,
    only: &[DbName],
) -> Result<(), String> {
    let mut entries = vec![NewEntry::of(
        &DbName::mydb_admin(),
        Outcome::Done,
        format!(
            "this host's memory comes from {}: {} entries, up to {}; what was accepted after that is \
             lost",
            recovered.ledger,
            recovered.entries,
            recovered.as_of.format("%F %T UTC")
        ),
        Change::Noted,
    )];
    for backup in backups {
        let owner = book.owner_of(backup.uid, &backup.id);
        entries.push(NewEntry::of(
            &owner.unwrap_or(&backup.id.name).clone(),
            Outcome::Done,
            format!("{} was found in its store", backup.id),
            Change::Backup {
                backup: Box::new(backup),
            },
        ));
    }
    let again: BTreeSet<DbName> = retired.iter().filter_map(|e| e.name.clone()).collect();
    entries.extend(retired);
    for (name, row) in book.rows() {
        let comes = !name.is_mydb_admin()
            && !again.contains(name)
            && row.database.state != WantedState::Retired;
        if row.initialised && comes && (only.is_empty() || only.contains(name)) {
            entries.push(NewEntry::of(
                name,
                Outcome::Done,
                format!("{name} comes back from its newest backup, if its data is lost"),
                Change::RecoverAsked {
                    uid: row.database.uid,
                },
            ));
        }
    }
    for entry in entries {
        ledger.append(entry).await.map_err(|e| e.to_string())?;
    }
    Ok(())
}
