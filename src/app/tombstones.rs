//! What the stores say of retired databases.

use std::collections::BTreeMap;

use crate::admin::{Book, NewEntry};
use crate::model::{Change, Database, Outcome, Timestamp, Uid, WantedState};
use crate::store::manifest::TombstoneFile;
use crate::store::{Stores, read_small};

/// No tombstone is larger.
const LIMIT: usize = 64 << 10;

/// Tombstones by the database's identity, and what cannot be read.
pub(super) async fn tombstones(
    stores: &Stores,
    places: &[(String, String)],
) -> (BTreeMap<Uid, TombstoneFile>, Vec<String>) {
    let (mut found, mut problems) = (BTreeMap::new(), Vec::new());
    for (store, key) in places {
        let bytes = read_small(stores[store].as_ref(), key, LIMIT).await;
        let read = bytes
            .map_err(|e| e.to_string())
            .and_then(|bytes| TombstoneFile::read(&bytes));
        match read {
            // One that a store kept from an earlier time counts for nothing.
            Ok(file) => {
                let newest: &mut TombstoneFile = found.entry(file.uid).or_insert(file.clone());
                if newest.retired < file.retired {
                    *newest = file;
                }
            }
            Err(why) => problems.push(format!("store {store}: {key}: {why}")),
        }
    }
    (found, problems)
}

/// Leaves those that are newer than what is known of their databases, up to which moment `as_of` says. Of what
/// was before, that tells more: a database may have been taken back while a store did not answer.
pub(super) fn unknown_to(
    book: &Book,
    as_of: impl Fn(Uid) -> Timestamp,
    tombstones: &mut BTreeMap<Uid, TombstoneFile>,
) {
    let retired: BTreeMap<Uid, bool> = book
        .rows()
        .map(|(_, row)| (row.database.uid, row.retired.is_some()))
        .collect();
    tombstones.retain(|uid, file| file.retired > as_of(*uid) && retired.get(uid) == Some(&false));
}

/// Entries that retire again what was retired after the memory that is brought back was saved.
pub(super) fn retired_again(
    book: &Book,
    tombstones: &BTreeMap<Uid, TombstoneFile>,
) -> Vec<NewEntry> {
    let mut entries = Vec::new();
    for (name, row) in book.rows() {
        let db = &row.database;
        let Some(tombstone) = tombstones.get(&db.uid) else {
            continue;
        };
        let message = format!(
            "{name} was retired at {}, as its tombstone in the store says",
            tombstone.retired.format("%F %T UTC")
        );
        let entry = |change| NewEntry::of(name, Outcome::Done, message.clone(), change);
        if db.state != WantedState::Retired {
            let database = Box::new(Database {
                state: WantedState::Retired,
                generation: db.generation + 1,
                ..Database::clone(db)
            });
            entries.push(entry(Change::Admitted { database }));
        }
        if row.over.is_some() {
            entries.push(entry(Change::Resumed { since: None }));
        }
        entries.push(entry(Change::Retired {
            uid: db.uid,
            backup: tombstone.last.clone(),
        }));
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::{admitted, book, database, entry, instant, name, new};
    use crate::model::{Override, OverrideState, Who};

    fn tombstone(retired: i64) -> BTreeMap<Uid, TombstoneFile> {
        let uid = database("genomics", 32011).uid;
        let file = TombstoneFile {
            version: 1,
            name: name("genomics"),
            uid,
            retired: instant(retired),
            last: None,
        };
        [(uid, file)].into()
    }

    #[test]
    fn what_was_retired_after_the_memory_ends_is_retired_again() {
        let by = Override {
            state: OverrideState::Running,
            until: None,
            reason: String::new(),
            who: Who::Daemon,
            since: instant(2),
        };
        let over = new("genomics", Change::Overridden { by });
        let mut book = book(vec![admitted(database("genomics", 32011)), over]);
        let mut later = tombstone(10);
        unknown_to(&book, |_| instant(5), &mut later);
        let entries = retired_again(&book, &later);
        for new in entries {
            book.check(&new).unwrap();
            let next = entry(book.head().seq + 1, new);
            book.apply(&next).unwrap();
        }
        let row = book.row(&name("genomics")).unwrap();
        assert_eq!(row.wanted(), WantedState::Retired);
        assert!(row.retired.is_some());
        // Once is enough.
        let mut again = tombstone(10);
        unknown_to(&book, |_| instant(5), &mut again);
        assert!(again.is_empty());
    }

    #[test]
    fn a_memory_that_is_newer_than_a_tombstone_knows_better() {
        // It was taken back while that store did not answer.
        let book = book(vec![admitted(database("genomics", 32011))]);
        for as_of in [10, 11] {
            let mut stale = tombstone(10);
            unknown_to(&book, |_| instant(as_of), &mut stale);
            assert!(stale.is_empty(), "{as_of}");
        }
        // Without a memory its own last sign of life counts, and nobody else's.
        let uid = database("genomics", 32011).uid;
        for (lived, kept) in [(20, 0), (9, 1)] {
            let of = |asked| instant(if asked == uid { lived } else { 99 });
            let mut found = tombstone(10);
            unknown_to(&book, of, &mut found);
            assert_eq!(found.len(), kept, "{lived}");
        }
        let mut unknown = tombstone(10);
        unknown_to(&Book::new(), |_| instant(1), &mut unknown);
        assert!(
            unknown.is_empty(),
            "a database that the memory does not know"
        );
    }
}
