use std::path::PathBuf;

use super::*;
use crate::admin::NewEntry;
use crate::admin::testing::{admitted, book, database, name, new};
use crate::model::{
    Backup, BackupId, BackupKind, BackupState, Change, Database, Override, OverrideState, Reason,
    Slot, Uid, WantedState, Who,
};

const TO: &str = "/srv/genomics.ejected";

fn uid() -> Uid {
    database("genomics", 32011).uid
}

fn begins() -> NewEntry {
    let (uid, to) = (uid(), PathBuf::from(TO));
    new("genomics", Change::EjectBegan { uid, to })
}

fn ends() -> NewEntry {
    let (uid, to) = (uid(), PathBuf::from(TO));
    new("genomics", Change::Ejected { uid, to })
}

fn backup(state: BackupState) -> Backup {
    let at = crate::admin::testing::instant(60);
    Backup {
        id: BackupId {
            name: name("genomics"),
            slot: Slot::at(at),
            attempt: 1,
            store: "local".to_owned(),
        },
        uid: uid(),
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

fn with(more: Vec<NewEntry>) -> Book {
    let backup = Box::new(backup(BackupState::Verified));
    let lived = vec![
        admitted(database("genomics", 32011)),
        new("genomics", Change::Initialised { uid: uid() }),
        new("genomics", Change::Backup { backup }),
    ];
    book([lived, more].concat())
}

/// A newer spec of it.
fn newer() -> NewEntry {
    admitted(Database {
        generation: 2,
        ..database("genomics", 32011)
    })
}

fn over(state: OverrideState) -> NewEntry {
    let by = Override {
        state,
        until: None,
        reason: String::new(),
        who: Who::Daemon,
        since: crate::admin::testing::instant(0),
    };
    new("genomics", Change::Overridden { by })
}

fn restore() -> NewEntry {
    let change = Change::RestoreBegan {
        uid: uid(),
        from: backup(BackupState::Verified).id,
        aside: PathBuf::from("/aside"),
    };
    new("genomics", change)
}

fn rename() -> NewEntry {
    let change = Change::RenameBegan {
        uid: uid(),
        to: name("gen"),
        source: crate::model::Source::Row,
    };
    new("genomics", change)
}

#[test]
fn while_it_is_being_released_nothing_else_is_done_and_it_may_be_taken_back() {
    let book = with(vec![begins()]);
    for entry in [
        newer(),
        begins(),
        rename(),
        restore(),
        over(OverrideState::Stopped),
    ] {
        let why = book.check(&entry).unwrap_err();
        assert!(why.contains("being released"), "{entry:?}: {why}");
    }
    let ended = with(vec![
        begins(),
        new("genomics", Change::EjectEnded { uid: uid() }),
    ]);
    assert_eq!(
        ended.row(&name("genomics")),
        with(vec![]).row(&name("genomics"))
    );
}

#[test]
fn what_was_released_is_nobody_s_until_a_person_lets_go_of_its_name() {
    let mut book = with(vec![begins(), ends()]);
    let row = book.row(&name("genomics")).unwrap();
    assert!(matches!(row.end, Some(End::Ejected(_))), "{:?}", row.end);
    assert!(row.ejecting.is_none() && row.backups.len() == 1);
    let other = admitted(database("genomics", 32012));
    for entry in [
        newer(),
        other.clone(),
        begins(),
        rename(),
        restore(),
        over(OverrideState::Running),
        new("genomics", Change::RestartAsked),
    ] {
        let why = book.check(&entry).unwrap_err();
        assert!(
            why.contains("was released") && why.contains(TO),
            "{entry:?}: {why}"
        );
    }
    // Its data is never removed, whatever is asked.
    let removal = new("genomics", Change::RemovalBegan { uid: uid() });
    assert!(book.check(&removal).is_err());
    let taken = book.name_taken(&name("genomics")).unwrap();
    assert!(taken.contains("--forget"), "{taken}");

    let forgotten = new("genomics", Change::Forgotten { uid: uid() });
    book.check(&forgotten).unwrap();
    let next = crate::admin::testing::entry(book.head().seq + 1, forgotten);
    book.apply(&next).unwrap();
    assert_eq!(book.check(&other), Ok(()));
    assert_eq!(book.forgotten().count(), 1, "its backups stay");
}

#[test]
fn it_ends_as_it_began_or_not_at_all() {
    let book = with(vec![]);
    assert!(book.check(&ends()).is_err());
    let elsewhere = PathBuf::from("/elsewhere");
    let (uid, to) = (uid(), elsewhere);
    let other = new("genomics", Change::Ejected { uid, to });
    let why = with(vec![begins()]).check(&other).unwrap_err();
    assert!(why.contains("/elsewhere"), "{why}");
}

#[test]
fn what_cannot_be_released_is_told_why() {
    let retired = Database {
        state: WantedState::Retired,
        generation: 2,
        ..database("genomics", 32011)
    };
    let lost = Change::Observed {
        phase: Phase::Held,
        reason: Some(Reason::DataLost),
    };
    let running = Box::new(backup(BackupState::Running));
    let cases: Vec<(Vec<NewEntry>, &str)> = vec![
        (
            vec![new("genomics", Change::Backup { backup: running })],
            "being taken",
        ),
        (vec![restore()], "being restored"),
        (vec![rename()], "being renamed"),
        (vec![admitted(retired)], "undelete"),
        (vec![new("genomics", lost)], "DataLost"),
        (vec![over(OverrideState::Maintenance)], "hands are off"),
    ];
    for (entries, words) in cases {
        let book = with(entries);
        let why = book.check(&begins()).unwrap_err();
        assert!(why.contains(words), "{words}: {why}");
        assert_eq!(book.eject_refused(&name("genomics")), Some(why));
    }
    let fresh = book(vec![admitted(database("genomics", 32011))]);
    assert!(fresh.check(&begins()).unwrap_err().contains("no data yet"));
    let nobody = fresh.eject_refused(&name("nobody"));
    assert!(nobody.unwrap().contains("no database `nobody`"));
    let own = Book::new();
    assert!(own.eject_refused(&name("mydb_admin")).is_some());
}
