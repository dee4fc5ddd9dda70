use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::admin::testing::{admitted, book, database, entry, instant, name, new};
use crate::model::view::Phase;
use crate::model::{
    Cost, DataIdentity, Enforced, HostPort, ImageId, Measure, Override, OverrideState, Reason,
    Slot, Source, Uid, Who,
};

fn genomics() -> Book {
    book(vec![admitted(database("genomics", 32011))])
}

fn uid() -> Uid {
    database("genomics", 32011).uid
}

fn stopped() -> Override {
    Override {
        state: OverrideState::Stopped,
        until: None,
        reason: "INC-812".to_owned(),
        who: Who::Daemon,
        since: instant(0),
    }
}

#[test]
fn a_new_database_is_pending_and_wants_what_its_spec_says() {
    let book = genomics();
    let row = book.row(&name("genomics")).unwrap();
    assert_eq!(
        (row.phase, row.wanted()),
        (Phase::Pending, WantedState::Running)
    );
    assert_eq!((row.initialised, row.since), (false, instant(1)));
    assert_eq!(book.head().seq, 1);
}

#[test]
fn each_change_shows_in_its_field() {
    let pin = ImageId("sha256:aa".to_owned());
    let book = book(vec![
        admitted(database("genomics", 32011)),
        new(
            "genomics",
            Change::ImagePinned {
                uid: uid(),
                image: pin.clone(),
            },
        ),
        new("genomics", Change::Initialised { uid: uid() }),
        new("genomics", Change::Overridden { by: stopped() }),
        new(
            "genomics",
            Change::Quarantined {
                why: "crash loop".to_owned(),
            },
        ),
        new("genomics", Change::RestartAsked),
        new(
            "genomics",
            Change::SpecRefused {
                row_generation: Some(4),
                problems: vec!["no".to_owned()],
            },
        ),
        new(
            "genomics",
            Change::Observed {
                phase: Phase::Held,
                reason: Some(Reason::Quarantined),
            },
        ),
    ]);
    let row = book.row(&name("genomics")).unwrap();
    assert_eq!(row.database.image.pinned, Some(pin));
    assert!(row.initialised);
    assert_eq!(row.wanted(), WantedState::Stopped);
    assert_eq!(row.quarantined, Some((instant(5), "crash loop".to_owned())));
    assert_eq!(row.restart_asked, Some(instant(6)));
    assert_eq!(row.refused, Some(vec!["no".to_owned()]));
    assert_eq!(
        (row.phase, row.reason),
        (Phase::Held, Some(Reason::Quarantined))
    );
    assert_eq!((row.since, row.message.as_str()), (instant(8), "as wanted"));
}

#[test]
fn a_quarantine_of_an_older_journal_is_ended_by_retry_and_an_override_by_resume() {
    let book = book(vec![
        admitted(database("genomics", 32011)),
        new(
            "genomics",
            Change::Quarantined {
                why: "crash loop".to_owned(),
            },
        ),
        new("genomics", Change::Overridden { by: stopped() }),
        new("genomics", Change::RetryAsked),
        new("genomics", Change::Resumed { since: None }),
    ]);
    let row = book.row(&name("genomics")).unwrap();
    assert_eq!((row.quarantined.as_ref(), row.over.as_ref()), (None, None));
    assert_eq!(row.retry_asked, Some(instant(4)));
}

#[test]
fn a_repeated_observation_keeps_its_since() {
    let ready = || {
        new(
            "genomics",
            Change::Observed {
                phase: Phase::Ready,
                reason: None,
            },
        )
    };
    let book = book(vec![
        admitted(database("genomics", 32011)),
        ready(),
        ready(),
    ]);
    assert_eq!(book.row(&name("genomics")).unwrap().since, instant(2));
}

#[test]
fn a_newer_spec_replaces_the_old_one_and_keeps_what_is_known() {
    let mut newer = database("genomics", 32011);
    newer.generation = 7;
    newer.description = "variant calls".to_owned();
    let mut other_image = newer.clone();
    other_image.generation = 8;
    other_image.image.reference = "postgres:17.6".parse().unwrap();
    let pin = Change::ImagePinned {
        uid: uid(),
        image: ImageId("sha256:aa".to_owned()),
    };
    let mut book = book(vec![
        admitted(database("genomics", 32011)),
        new("genomics", pin),
        new("genomics", Change::Initialised { uid: uid() }),
        new(
            "genomics",
            Change::SpecRefused {
                row_generation: None,
                problems: vec!["no".to_owned()],
            },
        ),
        admitted(newer),
    ]);
    let row = book.row(&name("genomics")).unwrap();
    assert_eq!(row.database.description, "variant calls");
    assert!(row.database.image.pinned.is_some(), "the pin is kept");
    assert!(row.initialised);
    assert_eq!(row.refused, None);
    book.apply(&entry(6, admitted(other_image))).unwrap();
    let row = book.row(&name("genomics")).unwrap();
    assert_eq!(
        row.database.image.pinned, None,
        "another image, another pin"
    );
}

#[test]
fn a_spec_that_was_never_good_is_remembered_by_its_problems() {
    let refused = |problems: &[&str]| {
        let problems = problems.iter().map(|p| (*p).to_owned()).collect();
        new(
            "genomics",
            Change::SpecRefused {
                row_generation: Some(1),
                problems,
            },
        )
    };
    let mut book = book(vec![refused(&["no engine"])]);
    let unborn: Vec<_> = book.unborn().map(|(n, p)| (n.as_str(), p.len())).collect();
    assert_eq!(unborn, [("genomics", 1)]);
    let mut cleared = book.clone();
    cleared.apply(&entry(2, refused(&[]))).unwrap();
    assert_eq!(cleared.unborn().len(), 0);
    book.apply(&entry(2, admitted(database("genomics", 32011))))
        .unwrap();
    assert_eq!(book.unborn().len(), 0);
}

#[test]
fn what_breaks_a_rule_is_refused_by_name() {
    let book = book(vec![
        admitted(database("genomics", 32011)),
        admitted({
            let mut graph = database("graph", 32020);
            graph.layout.ports = vec![7474, 7687];
            graph
        }),
    ]);
    let changed = |change: &dyn Fn(&mut Database)| {
        let mut database = database("genomics", 32011);
        database.generation = 2;
        change(&mut database);
        admitted(database)
    };
    let port = |n: u16| HostPort::try_from(n).unwrap();
    let other = Uid(uuid::Uuid::from_u128(9));
    let cases: Vec<(NewEntry, &str)> = vec![
        (changed(&|d| d.generation = 1), "generation 1 is old"),
        (changed(&|d| d.uid = other), "cannot become"),
        (changed(&|d| d.port = port(32020)), "belongs to `graph`"),
        (changed(&|d| d.port = port(32021)), "belongs to `graph`"),
        (
            changed(&|d| {
                d.port = port(32019);
                d.layout.ports = vec![1, 2]
            }),
            "belongs to `graph`",
        ),
        (
            changed(&|d| {
                d.port = port(65535);
                d.layout.ports = vec![1, 2]
            }),
            "below 65536",
        ),
        (changed(&|d| d.source = Source::Builtin), "own database"),
        (
            admitted({
                let mut d = database("mydb_admin", 32009);
                d.source = Source::Row;
                d
            }),
            "own database",
        ),
        (
            admitted({
                let mut d = database("assays", 32030);
                d.generation = 0;
                d
            }),
            "count from 1",
        ),
        (
            new("assays", Change::Resumed { since: None }),
            "no database `assays`",
        ),
        (
            new("genomics", Change::Initialised { uid: other }),
            "belongs to uid",
        ),
        (
            new(
                "genomics",
                Change::ImagePinned {
                    uid: other,
                    image: ImageId("x".to_owned()),
                },
            ),
            "belongs to uid",
        ),
        (
            NewEntry {
                name: None,
                ..new("genomics", Change::RestartAsked)
            },
            "must name a database",
        ),
        (
            NewEntry {
                name: Some(name("graph")),
                ..changed(&|_| ())
            },
            "does not carry the name",
        ),
    ];
    for (new, why) in cases {
        let error = book.check(&new).unwrap_err();
        assert!(error.contains(why), "{error} instead of {why}");
    }
    book.check(&changed(&|d| d.port = port(32012))).unwrap();
    book.check(&changed(&|d| d.generation = 40)).unwrap();
}

#[test]
fn what_is_wanted_again_is_not_retired_by_a_proof_that_came_late() {
    let state = |generation, state| {
        let mut database = database("genomics", 32011);
        (database.generation, database.state) = (generation, state);
        admitted(database)
    };
    let late = || {
        let backup = None;
        new("genomics", Change::Retired { uid: uid(), backup })
    };
    let mut book = genomics();
    assert!(book.check(&late()).is_err());
    book.apply(&entry(2, state(2, WantedState::Retired)))
        .unwrap();
    book.check(&late()).unwrap();
    book.apply(&entry(3, state(3, WantedState::Running)))
        .unwrap();
    let why = book.check(&late()).unwrap_err();
    assert!(why.contains("not to be retired any more"), "{why}");
}

#[test]
fn a_retired_database_holds_no_port() {
    let retired = {
        let mut database = database("genomics", 32011);
        (database.generation, database.state) = (2, WantedState::Retired);
        admitted(database)
    };
    let mut book = genomics();
    let next = admitted(database("assays", 32011));
    assert!(book.check(&next).is_err());
    book.apply(&entry(2, retired)).unwrap();
    book.check(&next).unwrap();
    book.apply(&entry(3, next)).unwrap();
    let mut back = database("genomics", 32011);
    back.generation = 3;
    assert!(
        book.check(&admitted(back)).is_err(),
        "it cannot take it back"
    );
}

#[test]
fn entries_come_in_order_or_not_at_all() {
    let mut book = genomics();
    let before = book.clone();
    for seq in [0, 1, 3] {
        assert!(
            book.apply(&entry(
                seq,
                new("genomics", Change::Resumed { since: None })
            ))
            .is_err()
        );
    }
    assert!(
        book.apply(&entry(2, new("assays", Change::Resumed { since: None })))
            .is_err()
    );
    assert_eq!(book, before);
}

fn any_change() -> impl Strategy<Value = NewEntry> {
    let names = prop::sample::select(vec!["genomics", "assays", "chembank"]);
    (names, 0..15u8, 1..5u64).prop_map(|(text, kind, generation)| {
        let mut database = database(text, 32011);
        database.generation = generation;
        let uid = database.uid;
        match kind {
            0 | 1 => admitted({
                database.port = HostPort::try_from(32010 + text.len() as u16).unwrap();
                database
            }),
            2 => new(text, Change::Initialised { uid }),
            3 => new(text, Change::Overridden { by: stopped() }),
            4 => new(text, Change::Resumed { since: None }),
            5 => new(
                text,
                Change::Quarantined {
                    why: "again".to_owned(),
                },
            ),
            6 => new(text, Change::RetryAsked),
            8 => approve(text, uid, "0a1b2c3d"),
            9 => begin(text, Some("0a1b2c3d"), Some(Cost::Restart)),
            10 => {
                let hash = "0a1b2c3d".to_owned();
                new(text, Change::ApprovalVoided { uid, hash })
            }
            11 => {
                let reason = "mended".to_owned();
                new(text, Change::Released { reason })
            }
            12 => of_host(Change::HandsOff { by: stopped() }),
            13 => of_host(Change::HandsOn { since: None }),
            7 => new(
                text,
                Change::SpecRefused {
                    row_generation: None,
                    problems: vec![],
                },
            ),
            _ => new(
                text,
                Change::Observed {
                    phase: Phase::Ready,
                    reason: None,
                },
            ),
        }
    })
}

fn approve(text: &str, uid: Uid, hash: &str) -> NewEntry {
    let hash = hash.to_owned();
    new(text, Change::Approved { uid, hash })
}

/// Steps that are about to be taken.
fn begin(text: &str, approval: Option<&str>, disrupts: Option<Cost>) -> NewEntry {
    let intended = Change::Intended {
        actions: vec!["stop".to_owned()],
        approval: approval.map(str::to_owned),
        disrupts,
    };
    new(text, intended)
}

fn of_host(change: Change) -> NewEntry {
    NewEntry {
        name: None,
        ..new("genomics", change)
    }
}

fn seen(phase: Phase) -> NewEntry {
    let reason = None;
    new("genomics", Change::Observed { phase, reason })
}

#[test]
fn an_approval_lasts_until_its_steps_have_ended_the_spec_changes_or_it_is_void() {
    let hash = "0a1b2c3d";
    let given = vec![
        admitted(database("genomics", 32011)),
        approve("genomics", uid(), hash),
    ];
    let after = |more: NewEntry| {
        let book = book([given.clone(), vec![more]].concat());
        let row = book.row(&name("genomics")).unwrap();
        row.approved.as_ref().map(|a| (a.hash.clone(), a.at))
    };
    let stands = Some((hash.to_owned(), instant(2)));
    let void = |hash: &str| {
        let hash = hash.to_owned();
        new("genomics", Change::ApprovalVoided { uid: uid(), hash })
    };
    let newer = Database {
        generation: 2,
        ..database("genomics", 32011)
    };
    // Others' beginnings use nothing up.
    assert_eq!(after(begin("genomics", None, None)), stands);
    assert_eq!(after(begin("genomics", Some("ffffffff"), None)), stands);
    assert_eq!(after(void("ffffffff")), stands);
    // A daemon that dies between the beginning and the end goes on by it.
    let begun = || begin("genomics", Some(hash), Some(Cost::Restart));
    assert_eq!(after(begun()), stands);
    assert_eq!(after(void(hash)), None);
    assert_eq!(after(admitted(newer)), None);
    let (other, _) = after(approve("genomics", uid(), "ffffffff")).unwrap();
    assert_eq!(other, "ffffffff");
    let check = |entries: &[NewEntry], new: &NewEntry| book(entries.to_vec()).check(new);
    let twice = check(&given, &given[1]).unwrap_err();
    assert!(twice.contains("approved already"), "{twice}");
    let strange = approve("genomics", Uid(uuid::Uuid::from_u128(9)), hash);
    assert!(check(&given[..1], &strange).is_err(), "another uid");
    let acted = |action: &str, outcome| NewEntry {
        outcome,
        ..new(
            "genomics",
            Change::Acted {
                action: action.to_owned(),
            },
        )
    };
    let stands = |more: Vec<NewEntry>| {
        let book = book([given.clone(), more].concat());
        book.row(&name("genomics")).unwrap().approved.is_some()
    };
    for action in ["start", "stop", "remove"] {
        let done = acted(action, Outcome::Done);
        assert!(!stands(vec![begun(), done.clone()]), "{action}");
        assert!(stands(vec![done.clone()]), "{action}: of another lane");
        let other = begin("genomics", None, None);
        assert!(
            stands(vec![begun(), other, done]),
            "{action}: of a later one"
        );
        let failed = acted(action, Outcome::Failed);
        assert!(stands(vec![begun(), failed]), "{action}: it is tried again");
    }
    let done = acted("start", Outcome::Done);
    let used = [given.clone(), vec![begun(), done]].concat();
    check(&used, &used[1]).unwrap();
}

#[test]
fn only_a_quarantine_is_released_and_only_with_a_reason() {
    let someone = |change| NewEntry {
        who: Who::Socket {
            uid: 1000,
            user: "ada".to_owned(),
        },
        ..new("genomics", change)
    };
    let release = |reason: &str| {
        let reason = reason.to_owned();
        someone(Change::Released { reason })
    };
    let genomics = admitted(database("genomics", 32011));
    let why = "crash loop".to_owned();
    let quarantined = vec![
        genomics.clone(),
        new("genomics", Change::Quarantined { why }),
    ];
    let check = |entries: &[NewEntry], new: NewEntry| book(entries.to_vec()).check(&new);
    let not = check(&[genomics], release("mended")).unwrap_err();
    assert!(
        not.contains("not quarantined") && not.contains("db4sci retry genomics"),
        "{not}"
    );
    let silent = check(&quarantined, release(" ")).unwrap_err();
    assert!(silent.contains("--reason"), "{silent}");
    let retry = check(&quarantined, someone(Change::RetryAsked)).unwrap_err();
    assert!(retry.contains("db4sci release genomics"), "{retry}");
    // The daemon brought other data.
    check(&quarantined, new("genomics", Change::RetryAsked)).unwrap();
    let released = book([quarantined, vec![release("mended")]].concat());
    let row = released.row(&name("genomics")).unwrap();
    assert_eq!(
        (&row.quarantined, row.retry_asked),
        (&None, Some(instant(3)))
    );
}

#[test]
fn how_long_a_backup_is_kept_is_a_person_s_to_say_also_while_it_is_worked_on() {
    let backup = |keep_until, state| {
        let backup = Box::new(Backup {
            id: BackupId {
                name: name("genomics"),
                slot: Slot::at(instant(60)),
                attempt: 1,
                store: "local".to_owned(),
            },
            uid: uid(),
            kind: crate::model::BackupKind::Scheduled,
            state,
            started: instant(60),
            finished: None,
            verified: None,
            bytes: 0,
            sha256: None,
            url: String::new(),
            error: None,
            keep_until,
            note: String::new(),
        });
        new("genomics", Change::Backup { backup })
    };
    let person = |mut entry: NewEntry| {
        entry.who = Who::Socket {
            uid: 0,
            user: "root".to_owned(),
        };
        entry
    };
    let kept = Some(instant(86_400));
    let book = book(vec![
        admitted(database("genomics", 32011)),
        backup(None, BackupState::Stored),
        person(backup(kept, BackupState::Stored)),
    ]);
    let refused = book
        .check(&backup(None, BackupState::Verified))
        .unwrap_err();
    assert!(refused.contains("meanwhile"), "{refused}");
    book.check(&backup(kept, BackupState::Verified)).unwrap();
    book.check(&person(backup(None, BackupState::Stored)))
        .unwrap();
    // What a person says of it brings back nothing that it was before.
    let mut damaged = book.clone();
    let entry = entry(4, backup(kept, BackupState::Damaged));
    damaged.apply(&entry).unwrap();
    let again = person(backup(None, BackupState::Stored));
    let refused = damaged.check(&again).unwrap_err();
    assert!(refused.contains("worked on meanwhile"), "{refused}");
    let none = crate::admin::testing::book(vec![admitted(database("genomics", 32011))]);
    let refused = none.check(&again).unwrap_err();
    assert!(refused.contains("no backup"), "{refused}");
    // One that was not known to have come to be has nobody's word, whatever it was begun with.
    let begun = crate::admin::testing::book(vec![
        admitted(database("genomics", 32011)),
        backup(kept, BackupState::Running),
    ]);
    begun.check(&backup(None, BackupState::Stored)).unwrap();
}

#[test]
fn hands_off_the_host_let_no_data_go_that_was_under_way() {
    let uid = uid();
    let mut retired = database("genomics", 32011);
    (retired.state, retired.generation) = (WantedState::Retired, 2);
    let before = vec![
        admitted(database("genomics", 32011)),
        new("genomics", Change::Initialised { uid }),
        admitted(retired),
        new("genomics", Change::Retired { uid, backup: None }),
    ];
    let removal = new("genomics", Change::RemovalBegan { uid });
    book(before.clone()).check(&removal).unwrap();
    let off = of_host(Change::HandsOff { by: stopped() });
    let book = book([before, vec![off]].concat());
    let why = book.check(&removal).unwrap_err();
    assert!(why.contains("db4sci maintenance off --all"), "{why}");
}

#[test]
fn what_failed_is_forgotten_with_other_data_or_when_a_person_asks() {
    let why = "crash loop".to_owned();
    let reason = "mended".to_owned();
    // (what happens to a database that was given up; whether its attempts are forgotten, and whether
    // it is tried again)
    let table = [
        (Change::StartedOver { uid: uid() }, true, true),
        (Change::RetryAsked, true, true),
        (Change::Released { reason }, true, true),
        (Change::RestartAsked, false, false),
        // What restores it asks for another try by itself.
        (Change::RestoreEnded { uid: uid() }, false, false),
        (Change::Noted, false, false),
    ];
    for (change, forgotten, tried) in table {
        let kind = change.kind().to_owned();
        let mut book = book(vec![
            admitted(database("genomics", 32011)),
            new("genomics", Change::Initialised { uid: uid() }),
            new("genomics", Change::Quarantined { why: why.clone() }),
        ]);
        book.apply(&entry(4, new("genomics", change))).unwrap();
        let row = book.row(&name("genomics")).unwrap();
        let forgets = row.retry_asked == Some(instant(4));
        assert_eq!(forgets, forgotten, "{kind}");
        assert_eq!(row.quarantined.is_none(), tried, "{kind}");
    }
}

#[test]
fn hands_off_the_host_are_off_every_database_and_those_to_come() {
    let off = of_host(Change::HandsOff { by: stopped() });
    let mut changes = vec![
        admitted(database("genomics", 32011)),
        new("genomics", Change::Overridden { by: stopped() }),
        off.clone(),
        admitted(database("assays", 32012)),
    ];
    let wanted = |changes: &[NewEntry]| {
        let book = book(changes.to_vec());
        let of = |text| book.row(&name(text)).unwrap().wanted();
        (of("genomics"), of("assays"))
    };
    use WantedState::{Maintenance, Running, Stopped};
    assert_eq!(wanted(&changes), (Maintenance, Maintenance));
    for change in [
        Change::Overridden { by: stopped() },
        Change::RestartAsked,
        Change::Resumed { since: None },
    ] {
        let someone = NewEntry {
            who: Who::File("x".into()),
            ..new("genomics", change)
        };
        let why = book(changes.clone()).check(&someone).unwrap_err();
        assert!(why.contains("maintenance off --all"), "{why}");
    }
    changes.push(of_host(Change::HandsOn { since: None }));
    // What was said of one database is still said.
    assert_eq!(wanted(&changes), (Stopped, Running));
    let twice = book(changes.clone()).check(&of_host(Change::HandsOn { since: None }));
    assert!(twice.unwrap_err().contains("not off the host"));
    let of_one = new("genomics", Change::HandsOn { since: None });
    assert!(book(changes).check(&of_one).is_err());
}

#[test]
fn the_end_of_an_expired_word_is_not_the_end_of_a_newer_one() {
    let word = |since| Override {
        since: instant(since),
        ..stopped()
    };
    let of_host = |change| NewEntry {
        name: None,
        ..new("genomics", change)
    };
    let book = book(vec![
        admitted(database("genomics", 32011)),
        // The second of each is said after the daemon looked, and before it writes.
        new("genomics", Change::Overridden { by: word(1) }),
        new("genomics", Change::Overridden { by: word(3) }),
        of_host(Change::HandsOff { by: word(2) }),
        of_host(Change::HandsOff { by: word(4) }),
    ]);
    let resumed = |since: Option<i64>| {
        let since = since.map(instant);
        book.check(&new("genomics", Change::Resumed { since }))
    };
    let hands_on = |since: Option<i64>| {
        let since = since.map(instant);
        book.check(&of_host(Change::HandsOn { since }))
    };
    assert!(resumed(Some(1)).unwrap_err().contains("not in force"));
    assert_eq!(resumed(Some(3)), Ok(()));
    assert!(hands_on(Some(2)).unwrap_err().contains("not in force"));
    assert_eq!(hands_on(Some(4)), Ok(()));
    // Ends of earlier journals end what is in force.
    assert_eq!((resumed(None), hands_on(None)), (Ok(()), Ok(())));
    let earlier = |text: &str| serde_json::from_str::<Change>(text).unwrap();
    assert_eq!(
        earlier(r#"{"kind":"resumed"}"#),
        Change::Resumed { since: None }
    );
    assert_eq!(
        earlier(r#"{"kind":"handsOn"}"#),
        Change::HandsOn { since: None }
    );
}

/// A backup of `genomics` begins.
fn dump_begins() -> NewEntry {
    let at = crate::admin::testing::instant(1);
    let backup = crate::model::Backup {
        id: "genomics-20261122T021500Z-1@local".parse().unwrap(),
        uid: uid(),
        kind: crate::model::BackupKind::Scheduled,
        state: crate::model::BackupState::Running,
        started: at,
        finished: None,
        verified: None,
        bytes: 0,
        sha256: None,
        url: String::new(),
        error: None,
        keep_until: None,
        note: String::new(),
    };
    let backup = Box::new(backup);
    new("genomics", Change::Backup { backup })
}

#[test]
fn how_long_it_was_away_is_measured_from_the_first_step_to_its_answer() {
    use crate::model::{Away, Took};
    let restart = || begin("genomics", None, Some(Cost::Restart));
    let genomics = admitted(database("genomics", 32011));
    let created = vec![
        genomics,
        begin("genomics", None, None),
        seen(Phase::Creating),
        begin("genomics", None, None),
        new("genomics", Change::Initialised { uid: uid() }),
        seen(Phase::Ready),
    ];
    let took = |more: Vec<NewEntry>| {
        let book = book([created.clone(), more].concat());
        book.row(&name("genomics")).unwrap().took.clone()
    };
    let of = |why, seconds| Took { why, seconds };
    let create = of(Away::Create, 4);
    assert_eq!(took(vec![]), [create]);
    let more = vec![restart(), seen(Phase::Degraded), seen(Phase::Ready)];
    assert_eq!(took(more), [create, of(Away::Restart, 2)]);
    let recreate = begin("genomics", None, Some(Cost::Recreate));
    // Its further lanes, and what else happens meanwhile, belong to it.
    let more = vec![recreate, begin("genomics", None, None), seen(Phase::Ready)];
    assert_eq!(took(more), [create, of(Away::Recreate, 2)]);
    // What somebody had to mend, or stopped, measures nothing; a repair neither.
    for phase in [Phase::Held, Phase::Stopped, Phase::Maintenance] {
        let more = vec![restart(), seen(phase), seen(Phase::Ready)];
        assert_eq!(took(more), [create], "{phase}");
    }
    let repair = vec![seen(Phase::Degraded), begin("genomics", None, None)];
    assert_eq!(took([repair, vec![seen(Phase::Ready)]].concat()), [create]);
    // A backup that is begun while it is down is what it is down for; one of a server that answers is not.
    let dumped = |phase| vec![seen(phase), dump_begins(), seen(Phase::Ready)];
    assert_eq!(took(dumped(Phase::Degraded)), [create, of(Away::Rest, 2)]);
    assert_eq!(took(dumped(Phase::Ready)), [create]);
    // The newest few of each kind are kept.
    let many = (0..9).flat_map(|_| [restart(), seen(Phase::Ready)]);
    assert_eq!(took(many.collect()).len(), 6);
}

/// A database that was retired, and its removal begun.
fn being_removed() -> Vec<NewEntry> {
    let retired = Database {
        state: WantedState::Retired,
        ..database("genomics", 32011)
    };
    vec![
        admitted(retired),
        new(
            "genomics",
            Change::Retired {
                uid: uid(),
                backup: None,
            },
        ),
        new("genomics", Change::RemovalBegan { uid: uid() }),
    ]
}

#[test]
fn nothing_is_wanted_of_what_is_removed_until_its_name_is_free() {
    let mut changes = being_removed();
    let again = |generation| {
        let database = Database {
            generation,
            ..database("genomics", 32011)
        };
        admitted(database)
    };
    let refused = |changes: &[NewEntry], new: &NewEntry| book(changes.to_vec()).check(new).is_err();
    let wanted = again(2);
    let over = new("genomics", Change::Overridden { by: stopped() });
    let forgotten = new("genomics", Change::Forgotten { uid: uid() });
    assert!(refused(&changes[..1], &changes[2]), "it is not retired yet");
    // Taken back in time.
    assert!(!refused(&changes[..2], &wanted));
    assert!(refused(&changes[..2], &over), "its writes would be lost");
    for done in [false, true] {
        if done {
            changes.push(new("genomics", Change::Removed { uid: uid() }));
        } else {
            assert!(refused(&changes, &forgotten));
        }
        for new in [&wanted, &over] {
            assert!(refused(&changes, new), "{new:?}");
        }
    }
    changes.push(forgotten);
    let mut book = book(changes);
    assert!(book.row(&name("genomics")).is_none());
    let other = Database {
        uid: Uid(uuid::Uuid::from_u128(7)),
        ..database("genomics", 32011)
    };
    let other = admitted(other);
    book.check(&other).unwrap();
    book.apply(&entry(6, other)).unwrap();
    let row = book.row(&name("genomics")).unwrap();
    assert_eq!((row.end, row.retired.is_some()), (None, false));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_is_admitted_can_be_folded(changes in prop::collection::vec(any_change(), 0..60)) {
        let mut book = Book::new();
        let mut accepted = Vec::new();
        for new in changes {
            if book.check(&new).is_ok() {
                let entry = entry(accepted.len() as u64 + 1, new);
                book.apply(&entry).unwrap();
                accepted.push(entry);
            }
        }
        // Folding the accepted entries again, from any point on, gives the same book.
        let mut again = Book::new();
        for entry in &accepted {
            again = again.clone();
            again.apply(entry).unwrap();
        }
        prop_assert_eq!(again, book);
    }

    #[test]
    fn live_databases_never_share_a_port(changes in prop::collection::vec(any_change(), 0..60)) {
        let mut book = Book::new();
        for new in changes {
            if book.check(&new).is_ok() {
                let next = entry(book.head().seq + 1, new);
                book.apply(&next).unwrap();
            }
            let mut ports: Vec<u16> = book.rows().map(|(_, row)| row.database.port.get()).collect();
            ports.sort_unstable();
            prop_assert!(ports.windows(2).all(|pair| pair[0] != pair[1]));
        }
    }
}

fn identified(identity: &str) -> NewEntry {
    let identity = DataIdentity::new(identity);
    new(
        "genomics",
        Change::DataIdentified {
            uid: uid(),
            identity,
        },
    )
}

/// It has data, which its engine calls 4711.
fn with_identity() -> Book {
    book(vec![
        admitted(database("genomics", 32011)),
        new("genomics", Change::Initialised { uid: uid() }),
        identified("4711"),
    ])
}

fn identity_of(book: &Book, text: &str) -> Option<String> {
    let row = book.row(&name(text)).unwrap();
    row.identity.as_ref().map(ToString::to_string)
}

#[test]
fn the_identity_of_data_is_kept_until_other_data_may_lie_there() {
    let book = with_identity();
    assert_eq!(identity_of(&book, "genomics").as_deref(), Some("4711"));
    let from = BackupId {
        name: name("genomics"),
        slot: Slot::at(instant(0)),
        attempt: 1,
        store: "local".to_owned(),
    };
    let (uid, aside) = (uid(), PathBuf::from("/volume/.db4sci/.aside/genomics"));
    let after = |change: Change| {
        let mut book = book.clone();
        book.apply(&entry(4, new("genomics", change))).unwrap();
        book
    };
    for change in [
        Change::RestoreBegan { uid, from, aside },
        Change::RestoreEnded { uid },
        Change::RecoverAsked { uid },
        Change::StartedOver { uid },
    ] {
        let kind = change.kind().to_owned();
        assert_eq!(identity_of(&after(change), "genomics"), None, "{kind}");
    }
    let mut newer = database("genomics", 32011);
    newer.generation = 7;
    let mut renamed = database("exomes", 32011);
    renamed.uid = uid;
    let renamed = Change::Renamed {
        from: name("genomics"),
        database: Box::new(renamed),
    };
    let mut moved = book.clone();
    moved.apply(&entry(4, new("exomes", renamed))).unwrap();
    assert_eq!(identity_of(&moved, "exomes").as_deref(), Some("4711"));
    let mut edited = book.clone();
    edited.apply(&entry(4, admitted(newer))).unwrap();
    assert_eq!(identity_of(&edited, "genomics").as_deref(), Some("4711"));
}

#[test]
fn a_host_that_comes_back_brings_data_back_until_the_database_answers() {
    let uid = uid();
    let observed = |phase, reason| new("genomics", Change::Observed { phase, reason });
    let asked = || {
        vec![
            admitted(database("genomics", 32011)),
            new("genomics", Change::Initialised { uid }),
            // As the memory has it that comes back.
            observed(Phase::Ready, None),
            new("genomics", Change::RecoverAsked { uid }),
        ]
    };
    let recovers = |more: Vec<NewEntry>| {
        let book = book(asked().into_iter().chain(more).collect());
        book.row(&name("genomics")).unwrap().recover
    };
    let lost = || observed(Phase::Held, Some(Reason::DataLost));
    assert!(recovers(vec![]));
    assert!(recovers(vec![observed(Phase::Creating, None), lost()]));
    assert!(!recovers(vec![observed(Phase::Ready, None)]));
    // A year later.
    assert!(!recovers(vec![observed(Phase::Ready, None), lost()]));
}

#[test]
fn data_is_not_identified_anew_or_while_other_data_is_put_there() {
    let book = with_identity();
    assert_eq!(book.check(&identified("4711")), Ok(()));
    let refused = book.check(&identified("4712")).unwrap_err();
    assert!(
        refused.contains("4711") && refused.contains("4712"),
        "{refused}"
    );
    let mut restoring = book.clone();
    let began = Change::RestoreBegan {
        uid: uid(),
        from: BackupId {
            name: name("genomics"),
            slot: Slot::at(instant(0)),
            attempt: 1,
            store: "local".to_owned(),
        },
        aside: PathBuf::from("/volume/.db4sci/.aside/genomics"),
    };
    restoring.apply(&entry(4, new("genomics", began))).unwrap();
    assert!(restoring.check(&identified("4711")).is_err());
}

#[test]
fn a_person_lets_a_database_run_on_data_of_another_identity_with_a_reason() {
    let mut book = with_identity();
    let released = |reason: &str| {
        let reason = reason.to_owned();
        new("genomics", Change::Released { reason })
    };
    assert!(
        book.check(&released("upgraded by hand")).is_err(),
        "nothing is wrong"
    );
    let held = Change::Observed {
        phase: Phase::Held,
        reason: Some(Reason::DataForeign),
    };
    book.apply(&entry(4, new("genomics", held))).unwrap();
    assert!(book.check(&released(" ")).is_err());
    assert_eq!(book.check(&released("upgraded by hand")), Ok(()));
    book.apply(&entry(5, released("upgraded by hand"))).unwrap();
    assert_eq!(identity_of(&book, "genomics"), None);
    // The end of a quarantine says nothing about the data.
    let mut book = with_identity();
    let why = "crash loop".to_owned();
    book.apply(&entry(4, new("genomics", Change::Quarantined { why })))
        .unwrap();
    book.apply(&entry(5, released("mended"))).unwrap();
    assert_eq!(identity_of(&book, "genomics").as_deref(), Some("4711"));
}

#[test]
fn what_hibernates_is_stopped_until_a_person_or_a_longer_life_wakes_it() {
    let backup: BackupId = "genomics-20260301T020000Z-1@local".parse().unwrap();
    let measure = |measure: Option<Measure>| {
        let enforced = measure.map(|measure| Enforced {
            ends: instant(1),
            announced: instant(1),
            measure,
            since: instant(2),
        });
        let notice = Notice::Enforced { enforced };
        new("genomics", Change::Noticed { uid: uid(), notice })
    };
    let hibernated = || {
        let backup = backup.clone();
        new("genomics", Change::Hibernated { uid: uid(), backup })
    };
    let mut book = genomics();
    assert!(book.check(&hibernated()).is_err(), "nobody asked for it");
    let mut seq = book.head().seq;
    let mut apply = |book: &mut Book, new: NewEntry| {
        book.check(&new).unwrap();
        seq += 1;
        book.apply(&entry(seq, new)).unwrap();
        let row = book.row(&name("genomics")).unwrap();
        (row.wanted(), row.database.read_only)
    };
    use WantedState::{Running, Stopped};
    assert_eq!(
        apply(&mut book, measure(Some(Measure::ReadOnly))),
        (Running, true)
    );
    assert!(book.check(&hibernated()).is_err(), "it is read-only");
    assert_eq!(
        apply(&mut book, measure(Some(Measure::Hibernation))),
        (Running, true)
    );
    assert_eq!(apply(&mut book, hibernated()), (Stopped, true));
    assert!(book.check(&hibernated()).is_err(), "it hibernates");
    // What a person set is theirs: the column of the table says so.
    let row = book.row(&name("genomics")).unwrap();
    assert_eq!(row.steered(), Running);
    let woken = Override {
        state: OverrideState::Running,
        ..stopped()
    };
    let over = new("genomics", Change::Overridden { by: woken });
    assert_eq!(apply(&mut book, over).0, Running);
    assert_eq!(
        apply(&mut book, new("genomics", Change::Resumed { since: None })).0,
        Stopped
    );
    // An edit that says nothing of its life changes nothing of that.
    let mut edited = database("genomics", 32011);
    edited.generation += 1;
    assert_eq!(apply(&mut book, admitted(edited)), (Stopped, true));
    assert_eq!(apply(&mut book, measure(None)), (Running, false));
}
