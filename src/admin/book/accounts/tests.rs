use super::*;
use crate::admin::testing::{admitted, book, database, entry, instant, name, new};
use crate::model::account::Rights;
use crate::model::{Backup, BackupKind, BackupState, DbName, Sealed, Slot, Uid, WantedState};

fn uid() -> Uid {
    database("genomics", 32011).uid
}

fn sealed(data: &str) -> Sealed {
    Sealed {
        key: "0001-3f9c2a1b".parse().unwrap(),
        data: data.to_owned(),
    }
}

fn wanted(user: &str) -> NewEntry {
    let change = Change::AccountWanted {
        uid: uid(),
        user: user.to_owned(),
        rights: Rights::ReadOnly,
        secret: sealed("of today"),
    };
    new("genomics", change)
}

fn of(change: impl Fn(Uid, String) -> Change, user: &str) -> NewEntry {
    new("genomics", change(uid(), user.to_owned()))
}

fn made(user: &str) -> NewEntry {
    of(|uid, user| Change::AccountMade { uid, user }, user)
}

fn unwanted(user: &str) -> NewEntry {
    of(|uid, user| Change::AccountUnwanted { uid, user }, user)
}

fn gone(user: &str) -> NewEntry {
    of(|uid, user| Change::AccountGone { uid, user }, user)
}

fn id(seconds: i64) -> BackupId {
    BackupId {
        name: name("genomics"),
        slot: Slot::at(instant(seconds)),
        attempt: 1,
        store: "local".to_owned(),
    }
}

fn lived(more: Vec<NewEntry>) -> Book {
    let first = vec![
        admitted(database("genomics", 32011)),
        new("genomics", Change::Initialised { uid: uid() }),
    ];
    book([first, more].concat())
}

fn states(book: &Book, of: &DbName) -> Vec<(String, AccountState, bool)> {
    let row = book.row(of).unwrap();
    let each = row.accounts.iter();
    each.map(|(user, a)| (user.clone(), a.state, a.returned))
        .collect()
}

fn refused(book: &Book, entry: &NewEntry) -> String {
    book.check(entry).unwrap_err()
}

#[test]
fn an_account_comes_and_goes_with_its_password() {
    let book = lived(vec![wanted("reader")]);
    let row = book.row(&name("genomics")).unwrap();
    assert_eq!(row.secrets["account-reader"].sealed, sealed("of today"));
    let why = refused(&book, &wanted("reader"));
    assert!(why.contains("already, which is ReadOnly"), "{why}");

    let book = lived(vec![wanted("reader"), made("reader"), unwanted("reader")]);
    let row = book.row(&name("genomics")).unwrap();
    assert!(row.secrets.is_empty(), "{:?}", row.secrets);
    let why = refused(&book, &wanted("reader"));
    assert!(why.contains("is being removed"), "{why}");
    assert!(refused(&book, &unwanted("reader")).contains("no account"));

    let ends = vec![wanted("reader"), unwanted("reader"), gone("reader")];
    let book = lived(ends);
    assert_eq!(book.check(&wanted("reader")), Ok(()));
    assert!(refused(&book, &unwanted("reader")).contains("no account"));
}

#[test]
fn what_cannot_be_an_account_is_refused() {
    let book = lived(Vec::new());
    let own = database("genomics", 32011).account.user;
    assert!(refused(&book, &wanted(&own)).contains("is the own account"));
    assert!(refused(&book, &unwanted(&own)).contains("is the own account"));
    assert!(refused(&book, &unwanted("reader")).contains("no account"));
    assert!(refused(&book, &made("reader")).contains("no account"));

    let mut retired = database("genomics", 32011);
    (retired.generation, retired.state) = (2, WantedState::Retired);
    let book = lived(vec![admitted(retired)]);
    assert!(refused(&book, &wanted("reader")).contains("is retired"));

    let young = crate::admin::testing::book(vec![admitted(database("genomics", 32011))]);
    assert!(refused(&young, &wanted("reader")).contains("has no data yet"));
}

#[test]
fn a_password_is_shown_once_each_and_another_one_again() {
    let shown = |user: Option<&str>| {
        let user = user.map(str::to_owned);
        new("genomics", Change::PasswordShown { uid: uid(), user })
    };
    let both = vec![wanted("reader"), made("reader"), shown(Some("reader"))];
    let book = lived(both.clone());
    let row = book.row(&name("genomics")).unwrap();
    assert!(row.password_shown.is_none());
    assert!(row.accounts["reader"].shown.is_some());

    // Whoever asked at the same time saw that nobody had it.
    let late = refused(&book, &shown(Some("reader")));
    assert!(late.contains("rotate genomics --account reader"), "{late}");
    assert_eq!(book.check(&shown(None)), Ok(()));
    let own = lived(vec![shown(None)]);
    assert!(refused(&own, &shown(None)).contains("rotate genomics --user"));

    let change = |taken: bool| {
        let secrets = [("account-reader".to_owned(), sealed("new"))].into();
        let names = vec!["account-reader".to_owned()];
        new(
            "genomics",
            match taken {
                false => Change::SecretsOffered {
                    uid: uid(),
                    secrets,
                },
                true => Change::SecretsTaken { uid: uid(), names },
            },
        )
    };
    let rotated = [both, vec![change(false), change(true)]].concat();
    let book = lived(rotated);
    let row = book.row(&name("genomics")).unwrap();
    assert!(row.accounts["reader"].shown.is_none());
    assert_eq!(book.check(&shown(Some("reader"))), Ok(()));
    assert_eq!(row.secrets["account-reader"].sealed, sealed("new"));
}

/// A restore of a backup of this instant, after these entries.
fn restored(mut entries: Vec<NewEntry>, slot: i64) -> Book {
    entries.push(new(
        "genomics",
        Change::RestoreBegan {
            uid: uid(),
            from: id(slot),
            aside: "/srv/aside".into(),
        },
    ));
    entries.push(new("genomics", Change::RestoreEnded { uid: uid() }));
    lived(entries)
}

#[test]
fn after_a_restore_all_accounts_are_what_they_are_today() {
    use AccountState::{Gone, Leaving, Wanted};
    let left = |user| vec![wanted(user), made(user), unwanted(user), gone(user)];
    let all = [vec![wanted("reader"), made("reader")], left("former")].concat();
    let genomics = name("genomics");
    let state = |user: &str, state, returned| (user.to_owned(), state, returned);

    // The entries are of the instants 0, 1, 2 and so on: `former` went after this backup.
    let book = restored(all.clone(), 0);
    assert_eq!(
        states(&book, &genomics),
        [
            state("former", Leaving, true),
            state("reader", Wanted, true)
        ]
    );
    // One that went before the backup: what has its name there is somebody else's.
    let book = restored(all, 1_000_000);
    assert_eq!(
        states(&book, &genomics),
        [state("former", Gone, false), state("reader", Wanted, true)]
    );
}

#[test]
fn a_copy_has_no_account_but_its_own() {
    let backup = Backup {
        id: id(60),
        uid: uid(),
        kind: BackupKind::Manual,
        state: BackupState::Verified,
        started: instant(60),
        finished: Some(instant(60)),
        verified: None,
        bytes: 1,
        sha256: None,
        url: String::new(),
        error: None,
        keep_until: None,
        note: String::new(),
    };
    let backup = Box::new(backup);
    let mut book = lived(vec![
        wanted("reader"),
        made("reader"),
        new("genomics", Change::Backup { backup }),
    ]);
    let copy = database("variants", 32012);
    let uid = copy.uid;
    let from = id(60);
    for new in [
        admitted(copy),
        new("variants", Change::CopyBegan { uid, from }),
    ] {
        let seq = book.head().seq + 1;
        assert_eq!(book.check(&new), Ok(()));
        book.apply(&entry(seq, new)).unwrap();
    }
    let variants = name("variants");
    let expected = ("reader".to_owned(), AccountState::Leaving, true);
    assert_eq!(states(&book, &variants), [expected]);
    assert!(book.row(&variants).unwrap().secrets.is_empty());
    assert_eq!(
        book.row(&name("genomics")).unwrap().accounts["reader"].state,
        AccountState::There
    );
}
