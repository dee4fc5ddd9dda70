use super::*;
use crate::admin::journal::{FileStorage, JournalSource, JournalStorage, MemoryStorage};
use crate::admin::offline::read_offline;
use crate::admin::testing::{StoppedClock, admitted, database, instant, name, new};
use crate::model::Change;

async fn open(storage: &MemoryStorage) -> Ledger {
    let opened = Ledger::open(storage.clone(), Arc::new(StoppedClock)).await;
    opened.unwrap().0
}

fn note(text: &str) -> NewEntry {
    new(text, Change::Noted)
}

#[tokio::test]
async fn an_accepted_entry_is_on_disk_and_in_the_book() {
    let storage = MemoryStorage::new();
    let ledger = open(&storage).await;
    let mut books = ledger.watch();
    let entry = ledger.append(admitted(database("genomics", 32011))).await;
    let entry = entry.unwrap();
    assert_eq!((entry.seq, entry.at), (1, instant(0)));
    assert!(ledger.book().row(&name("genomics")).is_some());
    assert!(books.has_changed().unwrap());
    assert_eq!(books.borrow_and_update().head(), ledger.book().head());

    let again = open(&storage.crash(0)).await;
    assert_eq!(again.book(), ledger.book());
}

#[tokio::test]
async fn a_refused_entry_is_written_nowhere() {
    let storage = MemoryStorage::new();
    let ledger = open(&storage).await;
    let error = ledger
        .append(new("genomics", Change::Resumed { since: None }))
        .await;
    let error = error.unwrap_err();
    assert!(matches!(error, LedgerError::Refused(_)), "{error}");
    assert_eq!(error.class(), Class::Permanent);
    assert_eq!((storage.bytes().len(), ledger.writable()), (0, true));
}

#[tokio::test]
async fn of_several_entries_all_or_none_are_accepted() {
    let storage = MemoryStorage::new();
    let ledger = open(&storage).await;
    let both = vec![
        admitted(database("genomics", 32011)),
        admitted(database("assays", 32011)),
    ];
    let error = ledger.append_all(both).await.unwrap_err();
    assert!(
        error.to_string().contains("belongs to `genomics`"),
        "{error}"
    );
    assert_eq!((ledger.book().rows().len(), storage.bytes().len()), (0, 0));

    let both = vec![
        admitted(database("genomics", 32011)),
        new("genomics", Change::RestartAsked),
    ];
    let entries = ledger.append_all(both).await.unwrap();
    assert_eq!(entries.iter().map(|e| e.seq).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn waiting_entries_share_a_sync_and_keep_their_numbers() {
    let storage = MemoryStorage::new();
    let ledger = open(&storage).await;
    let appends = (0..100).map(|_| ledger.append(note("genomics")));
    let entries = futures_util::future::join_all(appends).await;
    let mut numbers: Vec<u64> = entries.into_iter().map(|e| e.unwrap().seq).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
    assert!(storage.syncs() < 10, "{} syncs", storage.syncs());
}

#[tokio::test]
async fn of_two_that_want_the_same_port_one_is_refused() {
    let ledger = open(&MemoryStorage::new()).await;
    let (first, second) = tokio::join!(
        ledger.append(admitted(database("genomics", 32011))),
        ledger.append(admitted(database("assays", 32011))),
    );
    assert!(first.is_ok());
    assert!(matches!(second, Err(LedgerError::Refused(_))));
}

#[tokio::test]
async fn a_full_disk_accepts_nothing_until_it_has_space() {
    let storage = MemoryStorage::new();
    let ledger = open(&storage).await;
    ledger.append(note("genomics")).await.unwrap();
    let before = ledger.book();
    storage.set_full(true);
    let error = ledger.append(admitted(database("genomics", 32011))).await;
    assert_eq!(error.unwrap_err().class(), Class::Transient);
    assert!(!ledger.writable());
    assert_eq!(ledger.book(), before);
    assert!(ledger.probe().await.is_err());
    storage.set_full(false);
    ledger.probe().await.unwrap();
    assert!(ledger.writable());
    assert_eq!(ledger.append(note("genomics")).await.unwrap().seq, 2);
}

#[tokio::test]
async fn an_entry_too_large_to_keep_fails_alone() {
    let ledger = open(&MemoryStorage::new()).await;
    let large = new(
        "genomics",
        Change::Acted {
            action: "x".repeat(5 << 20),
        },
    );
    let (large, small) = tokio::join!(ledger.append(large), ledger.append(note("genomics")));
    assert!(matches!(large, Err(LedgerError::Refused(_))));
    assert_eq!(small.unwrap().seq, 1);
}

#[tokio::test]
async fn a_message_is_one_line() {
    let ledger = open(&MemoryStorage::new()).await;
    let mut two = note("genomics");
    two.message = "first\nsecond\0".to_owned();
    assert_eq!(ledger.append(two).await.unwrap().message, "first second ");
}

#[tokio::test]
async fn a_killed_process_cannot_write_to_its_successors_disk() {
    let storage = MemoryStorage::new();
    let old = open(&storage).await;
    old.append(note("genomics")).await.unwrap();
    let after = storage.crash(0);
    assert!(old.append(note("genomics")).await.is_err());
    let new = open(&after).await;
    assert_eq!(new.append(note("genomics")).await.unwrap().seq, 2);
}

#[tokio::test]
async fn the_past_can_be_asked_by_number_name_and_from_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let storage = FileStorage::open(folder.path()).unwrap();
    let (ledger, report) = Ledger::open(storage, Arc::new(StoppedClock)).await.unwrap();
    assert_eq!((report.head, report.torn), (Head::GENESIS, None));
    let total: u64 = 3000;
    for chunk in 0..total / 100 {
        let notes = (0..100).map(|i| {
            note(if (chunk, i) == (1, 7) {
                "rare"
            } else {
                "often"
            })
        });
        ledger.append_all(notes.collect()).await.unwrap();
    }
    let ask = async |after, name: Option<&str>, limit| {
        let name = name.map(crate::admin::testing::name);
        let query = Query {
            after,
            name,
            formerly: Vec::new(),
            limit,
        };
        let found = ledger.entries(&query).await.unwrap();
        found.iter().map(|e| e.seq).collect::<Vec<_>>()
    };
    assert_eq!(ask(None, None, 3).await, [2998, 2999, 3000]);
    assert_eq!(ask(Some(2997), None, 2).await, [2998, 2999]);
    assert_eq!(ask(Some(5), None, 3).await, [6, 7, 8]);
    assert_eq!(ask(None, Some("rare"), 3).await, [108]);
    assert_eq!(ask(Some(106), Some("often"), 2).await, [107, 109]);
    assert_eq!(
        ask(None, None, 2000).await,
        (1001..=3000).collect::<Vec<_>>()
    );
    assert_eq!(ask(None, Some("absent"), 3).await, [0u64; 0]);
    assert_eq!(ask(Some(3000), None, 3).await, [0u64; 0]);
    assert_eq!(ask(Some(0), None, 0).await, [0u64; 0]);
    for (after, first) in [(0, 1), (500, 501), (2990, 2991)] {
        let records = ledger.records(after, 4).await.unwrap();
        assert_eq!((records.len(), records[0].entry.seq), (4, first));
    }

    let (book, last) = read_offline(folder.path(), 5).unwrap();
    assert_eq!(&book, ledger.book().as_ref());
    assert_eq!(
        last.iter().map(|e| e.seq).collect::<Vec<_>>(),
        [2996, 2997, 2998, 2999, 3000]
    );
}

#[tokio::test]
async fn a_stretch_ends_with_a_whole_unit_and_is_what_lies_on_the_disk() {
    let storage = MemoryStorage::new();
    let ledger = open(&storage).await;
    assert_eq!(ledger.stretch(0, 1).await.unwrap(), None);
    ledger.append(note("genomics")).await.unwrap();
    let unit = (0..3).map(|_| note("genomics")).collect();
    ledger.append_all(unit).await.unwrap();
    ledger.append(note("genomics")).await.unwrap();
    let whole = ledger.stretch(0, usize::MAX).await.unwrap().unwrap();
    assert_eq!(whole.lines, storage.bytes());
    assert_eq!(
        (whole.after, whole.last),
        (Head::GENESIS, ledger.book().head())
    );
    let mut at = 0;
    for expected in [1, 4, 5] {
        let next = ledger.stretch(at, 1).await.unwrap().unwrap();
        assert_eq!((next.after.seq, next.last.seq), (at, expected));
        at = expected;
    }
    assert_eq!(ledger.stretch(5, 1).await.unwrap(), None);
    let heads = ledger.heads([0, 2, 5, 9].into()).await.unwrap();
    let numbers: Vec<u64> = heads.iter().map(|head| head.seq).collect();
    assert_eq!((numbers, heads[1]), (vec![2, 5], whole.last));
}

#[tokio::test]
async fn an_opening_that_goes_on_after_another_finds_what_one_of_the_whole_finds() {
    let (mut storage, mut past) = (MemoryStorage::new(), None);
    for life in 0..4 {
        let opened = Ledger::open_after(storage.clone(), Arc::new(StoppedClock), past).await;
        let (ledger, report, read) = opened.unwrap();
        let whole = open(&MemoryStorage::holding(storage.bytes())).await;
        assert_eq!(ledger.book(), whole.book());
        assert_eq!(report.head, whole.book().head());
        // From memory, from the disk, and from the middle of both.
        for after in [0, 100, report.head.seq.saturating_sub(1)] {
            let found = ledger.records(after, 500).await.unwrap();
            assert_eq!(found, whole.records(after, 500).await.unwrap());
            assert_eq!(found.len() as u64, report.head.seq.saturating_sub(after));
        }
        let text = format!("db{life}");
        let new = admitted(database(&text, 32011 + life));
        ledger.append(new).await.unwrap();
        for _ in 0..149 {
            ledger.append(note(&text)).await.unwrap();
        }
        (storage, past) = (storage.crash(0), Some(read));
    }
}

#[tokio::test]
async fn a_torn_tail_is_reported_and_reading_offline_leaves_it() {
    let folder = tempfile::tempdir().unwrap();
    let open = async || {
        let storage = FileStorage::open(folder.path()).unwrap();
        Ledger::open(storage, Arc::new(StoppedClock)).await.unwrap()
    };
    open().await.0.append(note("genomics")).await.unwrap();
    let path = folder.path().join(crate::admin::journal::FILE_NAME);
    let good = std::fs::read(&path).unwrap();
    let torn = [&good[..], b"{\"hash\":\"0"].concat();
    std::fs::write(&path, &torn).unwrap();

    let (book, last) = read_offline(folder.path(), 10).unwrap();
    assert_eq!((book.head().seq, last.len()), (1, 1));
    assert_eq!(std::fs::read(&path).unwrap(), torn);

    let (ledger, report) = open().await;
    assert_eq!(
        report.torn.map(|t| (t.offset, t.bytes)),
        Some((good.len() as u64, 10))
    );
    assert_eq!(report.head, book.head());
    assert_eq!(ledger.append(note("genomics")).await.unwrap().seq, 2);
}

#[tokio::test]
async fn reading_offline_without_a_journal_says_where_it_looked() {
    let folder = tempfile::tempdir().unwrap();
    let error = read_offline(folder.path(), 1).unwrap_err();
    assert!(error.to_string().contains("ledger.v1.jsonl"), "{error}");
}

#[tokio::test]
async fn harm_is_named_and_the_file_left_as_it_is() {
    let storage = MemoryStorage::new();
    let ledger = open(&storage).await;
    for _ in 0..5 {
        ledger.append(note("genomics")).await.unwrap();
    }
    let mut bytes = storage.bytes();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let harmed = MemoryStorage::holding(bytes.clone());
    let error = Ledger::open(harmed.clone(), Arc::new(StoppedClock)).await;
    let error = error.map(|_| ()).unwrap_err();
    assert!(
        matches!(error, JournalError::Harm(ref h) if h.record == 3),
        "{error}"
    );
    assert_eq!(harmed.bytes(), bytes);
}

/// A storage whose thread panics.
struct Broken(MemoryStorage);

impl JournalStorage for Broken {
    fn source(&self) -> Arc<dyn JournalSource> {
        self.0.source()
    }
    fn write_at(&mut self, _: u64, _: &[u8]) -> std::io::Result<()> {
        panic!("a defect of the storage")
    }
    fn sync(&mut self) -> std::io::Result<()> {
        self.0.sync()
    }
    fn truncate(&mut self, len: u64) -> std::io::Result<()> {
        self.0.truncate(len)
    }
    fn may_block(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn a_journal_whose_thread_panicked_is_the_end_of_the_ledger() {
    let storage = Broken(MemoryStorage::new());
    let opened = Ledger::open(storage, Arc::new(StoppedClock)).await;
    let ledger = opened.unwrap().0;
    let error = ledger.append(note("genomics")).await.unwrap_err();
    assert!(matches!(error, LedgerError::Closed), "{error}");
    let ended = tokio::time::timeout(std::time::Duration::from_secs(5), ledger.ended());
    assert!(ended.await.is_ok(), "it goes on without its journal");
}
