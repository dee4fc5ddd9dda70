//! Harm to what lies in the stores, behind everybody's back.

use chrono::TimeDelta;

use db4sci::model::Backup;
use db4sci::store::manifest::MANIFEST;

use super::books::Books;
use crate::host::Host;
use crate::shelf::ROWS;

/// An object of a backup is damaged, or goes; not while somebody reads it.
pub fn spoil(host: &mut Host) {
    let Some(mut books) = host.books.take() else {
        return;
    };
    let whole: Vec<_> = books
        .backups
        .values()
        .filter(|b| b.state.good() && books.rows(b).is_some())
        .cloned()
        .collect();
    if host.daemon.desk_rests() && !whole.is_empty() {
        let backup = host.rng.pick(&whole).clone();
        let file = *host.rng.pick(&[ROWS, MANIFEST]);
        // What is of an earlier database stays as it is: it is watched.
        if host.dbs.iter().any(|db| db.uid == backup.uid) {
            harm(host, &mut books, backup, file);
        }
    }
    host.books = Some(books);
}

/// Of some that are retired, each copy of the last backup is harmed before their time is over: nothing
/// else may have noticed until their data is to go.
pub async fn spoil_last_ones(host: &mut Host) -> Result<(), String> {
    while !host.daemon.desk_rests() {
        host.pass(TimeDelta::seconds(1)).await?;
    }
    let Some(mut books) = host.books.take() else {
        return Ok(());
    };
    for n in 0..host.dbs.len() {
        let book = host.daemon.ledger.book();
        let row = book.row(&host.dbs[n].name).filter(|row| row.end.is_none());
        let retired = row.and_then(|row| row.retired.as_ref());
        let Some(last) = retired.and_then(|(_, last)| last.as_ref()) else {
            continue;
        };
        if host.rng.percent(50) {
            continue;
        }
        let same = |b: &&Backup| {
            b.uid == host.dbs[n].uid && (b.id.slot, b.id.attempt) == (last.slot, last.attempt)
        };
        let copies: Vec<Backup> = books.backups.values().filter(same).cloned().collect();
        for copy in copies.into_iter().filter(|b| b.state.good()) {
            let file = *host.rng.pick(&[ROWS, MANIFEST]);
            harm(host, &mut books, copy, file);
        }
    }
    host.books = Some(books);
    Ok(())
}

fn harm(host: &mut Host, books: &mut Books, backup: Backup, file: &str) {
    let key = format!("{}{file}", books.prefix(&backup));
    let store = &books.shelf.stores[&backup.id.store];
    if host.rng.percent(50) {
        host.tell(format!("{} loses {file}", backup.id));
        store.lose(&key);
    } else {
        host.tell(format!("{file} of {} is damaged", backup.id));
        store.memory.damage(&key, "x");
    }
    books.spoiled.insert(backup.id);
}
