use std::path::PathBuf;

use super::*;
use crate::admin::testing::{admitted, book, database, entry, instant, name, new};
use crate::model::view::Phase;
use crate::model::{BackupKind, Change, Override, Reason, Slot, Who};

fn uid() -> Uid {
    database("genomics", 32011).uid
}

fn begins(to: &str) -> NewEntry {
    let (to, source) = (name(to), Source::Row);
    let uid = uid();
    new("genomics", Change::RenameBegan { uid, to, source })
}

fn ends(to: &str) -> NewEntry {
    let database = Box::new(Database {
        name: name(to),
        generation: 2,
        ..database("genomics", 32011)
    });
    let from = name("genomics");
    new(to, Change::Renamed { from, database })
}

fn backup(of: &str, uid: Uid, state: BackupState) -> Backup {
    let at = instant(60);
    Backup {
        id: BackupId {
            name: name(of),
            slot: Slot::at(at),
            attempt: 1,
            store: "local".to_owned(),
        },
        uid,
        kind: BackupKind::Manual,
        state,
        started: at,
        finished: Some(at),
        verified: None,
        bytes: 1,
        sha256: None,
        url: String::new(),
        error: None,
        keep_until: None,
        note: String::new(),
    }
}

fn taken(by: &str, backup: Backup) -> NewEntry {
    let backup = Box::new(backup);
    new(by, Change::Backup { backup })
}

/// One that has data, a backup and a word over its spec.
fn lived() -> Vec<NewEntry> {
    let by = Override {
        state: OverrideState::Stopped,
        until: None,
        reason: String::new(),
        who: Who::Daemon,
        since: instant(0),
    };
    vec![
        admitted(database("genomics", 32011)),
        new("genomics", Change::Initialised { uid: uid() }),
        taken("genomics", backup("genomics", uid(), BackupState::Verified)),
        new("genomics", Change::Overridden { by }),
    ]
}

fn with(more: Vec<NewEntry>) -> Book {
    book([lived(), more].concat())
}

/// Brings in what must be accepted.
fn accept(book: &mut Book, entries: Vec<NewEntry>) {
    for new in entries {
        book.check(&new).unwrap();
        let next = entry(book.head().seq + 1, new);
        book.apply(&next).unwrap();
    }
}

#[test]
fn everything_known_of_a_database_goes_with_its_name() {
    let before = with(vec![]);
    let after = with(vec![begins("gen"), ends("gen")]);
    assert_eq!(after.rows().len(), 1);
    let (old, row) = (
        before.row(&name("genomics")).unwrap(),
        after.row(&name("gen")).unwrap(),
    );
    assert_eq!(row.database.uid, old.database.uid);
    assert_eq!((&row.backups, &row.over), (&old.backups, &old.over));
    assert!(row.initialised && row.renaming.is_none());
    assert_eq!(row.formerly, [(name("genomics"), 6)]);
    assert_eq!(after.left_names(), [name("genomics")]);
}

#[test]
fn a_backup_is_found_by_its_uid_whatever_its_name_was() {
    let old = backup("genomics", uid(), BackupState::Verified);
    let mut book = with(vec![begins("gen"), ends("gen")]);
    assert_eq!(book.owner_of(uid(), &old.id), Some(&name("gen")));
    // It is proven again, and removed, under the new name; and no other database can claim it.
    accept(&mut book, vec![taken("gen", old.clone())]);
    let other = admitted(database("genomics", 32012));
    let other_uid = database("genomics", 32012).uid;
    accept(&mut book, vec![other]);
    assert!(book.check(&taken("genomics", old.clone())).is_err());
    let clash = backup("genomics", other_uid, BackupState::Running);
    let why = book.check(&taken("genomics", clash)).unwrap_err();
    assert!(why.contains("another database"), "{why}");
    assert!(book.row(&name("genomics")).unwrap().backups.is_empty());
    let (id, uid) = (old.id, uid());
    accept(
        &mut book,
        vec![new("gen", Change::BackupRemoved { uid, id })],
    );
    assert!(book.row(&name("gen")).unwrap().backups.is_empty());
}

#[test]
fn while_a_name_is_on_its_way_nobody_gets_it_and_nothing_else_is_done() {
    let book = with(vec![begins("gen")]);
    let refused = [
        admitted(database("gen", 32013)),
        admitted(Database {
            generation: 2,
            ..database("genomics", 32011)
        }),
        begins("other"),
        new("genomics", Change::RestartAsked),
        new(
            "genomics",
            Change::RestoreBegan {
                uid: uid(),
                from: backup("genomics", uid(), BackupState::Verified).id,
                aside: PathBuf::from("/aside"),
            },
        ),
    ];
    for entry in refused {
        let why = book.check(&entry).unwrap_err();
        assert!(why.contains("being renamed to `gen`"), "{entry:?}: {why}");
    }
    assert!(book.check(&ends("other")).is_err());
    // It may be given up, and is as it was then.
    let ended = with(vec![
        begins("gen"),
        new("genomics", Change::RenameEnded { uid: uid() }),
    ]);
    assert_eq!(
        ended.row(&name("genomics")),
        with(vec![]).row(&name("genomics"))
    );
    assert_eq!(ended.name_taken(&name("gen")), None);
}

#[test]
fn one_identity_is_one_database() {
    // An admission that was made of the book before the rename would put two on one folder.
    let book = with(vec![begins("gen"), ends("gen")]);
    let late = admitted(Database {
        generation: 2,
        ..database("genomics", 32011)
    });
    let why = book.check(&late).unwrap_err();
    assert!(why.contains("`gen`'s"), "{why}");
}

#[test]
fn what_cannot_be_renamed_is_told_why() {
    let running = backup("genomics", uid(), BackupState::Running);
    let retired = Database {
        state: WantedState::Retired,
        generation: 2,
        ..database("genomics", 32011)
    };
    let observed = Change::Observed {
        phase: Phase::Held,
        reason: Some(Reason::DataLost),
    };
    let why = "crash loop".to_owned();
    let cases: Vec<(Vec<NewEntry>, &str, &str)> = vec![
        (vec![], "genomics", "that name already"),
        (vec![], "mydb_admin", "its name"),
        (vec![admitted(database("taken", 32012))], "taken", "already"),
        (vec![taken("genomics", running)], "gen", "being taken"),
        (vec![admitted(retired)], "gen", "undelete"),
        (vec![new("genomics", observed)], "gen", "DataLost"),
        (
            vec![new("genomics", Change::Quarantined { why })],
            "gen",
            "release",
        ),
    ];
    for (entries, to, words) in cases {
        let book = with(entries);
        let why = book.check(&begins(to)).unwrap_err();
        assert!(why.contains(words), "{to}: {words}: {why}");
        assert_eq!(book.rename_refused(&name("genomics"), &name(to)), Some(why));
    }
    let fresh = book(vec![admitted(database("genomics", 32011))]);
    let why = fresh.check(&begins("gen")).unwrap_err();
    assert!(why.contains("no data yet"), "{why}");
    let nobody = fresh.rename_refused(&name("nobody"), &name("gen"));
    assert!(nobody.unwrap().contains("no database `nobody`"));
}

#[test]
fn a_copy_has_its_data_or_is_gone() {
    let uid = uid();
    let from = backup("assays", uid, BackupState::Verified).id;
    let begun = || {
        vec![
            admitted(database("genomics", 32011)),
            new(
                "genomics",
                Change::CopyBegan {
                    uid,
                    from: from.clone(),
                },
            ),
        ]
    };
    let failed = || NewEntry {
        outcome: Outcome::Failed,
        ..new("genomics", Change::CopyEnded { uid })
    };
    let mut cut = book(begun());
    assert!(
        cut.check(&new("genomics", Change::CopyEnded { uid }))
            .is_err()
    );
    assert!(cut.check(&new("genomics", Change::RestartAsked)).is_err());
    accept(&mut cut, vec![failed()]);
    assert_eq!(cut.rows().len(), 0);
    assert_eq!(cut.name_taken(&name("genomics")), None);

    let mut done = book(begun());
    accept(
        &mut done,
        vec![new("genomics", Change::Initialised { uid })],
    );
    assert!(done.check(&failed()).is_err(), "it has data");
    accept(&mut done, vec![new("genomics", Change::CopyEnded { uid })]);
    let row = done.row(&name("genomics")).unwrap();
    assert!(row.copying.is_none() && row.initialised);
    assert!(done.check(&failed()).is_err(), "it is over");
}
