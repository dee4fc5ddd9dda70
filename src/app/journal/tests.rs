use std::fs;
use std::sync::Mutex;

use super::*;
use crate::admin::FileStorage;
use crate::admin::testing::{StoppedClock, new};
use crate::model::view::Snapshot;

/// More than are kept in memory.
const ENTRIES: u64 = 700;

/// The tables, or why they do not answer.
struct Tables(Arc<Mutex<Result<Vec<String>, String>>>);

#[async_trait]
impl Lines for Tables {
    async fn between(&self, after: u64, upto: u64) -> Result<Vec<String>, String> {
        let all = self.0.lock().unwrap().clone()?;
        let count = usize::try_from(upto - after).unwrap();
        let lines = all.into_iter().skip(usize::try_from(after).unwrap());
        Ok(lines.take(count).collect())
    }
}

struct Host {
    folder: tempfile::TempDir,
    watch: Watch,
    tables: Arc<Mutex<Result<Vec<String>, String>>>,
    whole: Vec<u8>,
}

impl Host {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = FileStorage::open(folder.path()).unwrap();
        let opened = Ledger::open(storage, Arc::new(StoppedClock)).await;
        let ledger = opened.unwrap().0;
        for _ in 0..ENTRIES / 10 {
            let ten = (0..10).map(|_| new("genomics", Change::Noted)).collect();
            ledger.append_all(ten).await.unwrap();
        }
        let whole = fs::read(folder.path().join(FILE_NAME)).unwrap();
        let lines = std::str::from_utf8(&whole).unwrap().lines();
        let tables = Arc::new(Mutex::new(Ok(lines.map(str::to_owned).collect())));
        let clock: Arc<dyn Clock> = Arc::new(StoppedClock);
        let watch = Watch {
            ledger,
            board: Arc::new(Board::new(clock.clone(), "test", "test")),
            queue: Arc::new(Queue::default()),
            lines: Box::new(Tables(tables.clone())),
            folder: folder.path().to_owned(),
            clock,
            stop: CancellationToken::new(),
        };
        Host {
            folder,
            watch,
            tables,
            whole,
        }
    }

    /// Waits until a file that is written now has a later time than the journal: a file system's clock may
    /// be a coarse one.
    fn tick(&self) {
        let time = |path: &std::path::Path| fs::metadata(path).unwrap().modified().unwrap();
        let last = time(&self.folder.path().join(FILE_NAME));
        let probe = self.folder.path().join("probe");
        loop {
            fs::write(&probe, "now").unwrap();
            if time(&probe) > last {
                return;
            }
        }
    }

    /// Somebody else changes the file, where it is.
    async fn harm(&self, harm: impl FnOnce(&mut Vec<u8>)) -> Stirred {
        self.tick();
        let path = self.folder.path().join(FILE_NAME);
        let mut bytes = fs::read(&path).unwrap();
        harm(&mut bytes);
        fs::write(path, bytes).unwrap();
        self.watch.ledger.stirred().await.unwrap()
    }

    /// What is on the disk of the entries that were there at the beginning.
    fn is_whole(&self) -> bool {
        let now = fs::read(self.folder.path().join(FILE_NAME)).unwrap();
        now.starts_with(&self.whole)
    }

    fn kept(&self) -> usize {
        let all = fs::read_dir(self.folder.path()).unwrap().flatten();
        let harmed = |name: &str| name.starts_with(&format!("{FILE_NAME}.harmed-"));
        all.filter(|file| harmed(&file.file_name().to_string_lossy()))
            .count()
    }

    fn shown(&self) -> Arc<Snapshot> {
        self.watch.board.watch().borrow().clone()
    }

    async fn last_told(&self) -> (Outcome, String) {
        let head = self.watch.ledger.book().head().seq;
        let last = self.watch.ledger.records(head - 1, 1).await.unwrap();
        (last[0].entry.outcome, last[0].entry.message.clone())
    }
}

#[tokio::test]
async fn what_is_harmed_under_a_running_daemon_is_written_back_and_what_lay_there_kept() {
    let host = Host::new().await;
    assert_eq!(host.watch.ledger.stirred().await.unwrap(), Stirred::No);
    let end = host.whole.len();
    type Harm<'a> = &'a dyn Fn(&mut Vec<u8>);
    let harms: [(&str, Harm<'_>); 6] = [
        ("a bit of an early entry", &|bytes| bytes[end / 5] ^= 4),
        ("a bit of a late entry", &|bytes| bytes[end - 50] ^= 4),
        ("an end of line", &|bytes| {
            let at = bytes.iter().position(|b| *b == b'\n').unwrap();
            bytes[at] = b' ';
        }),
        ("zeros", &|bytes| bytes[end / 3..end / 2].fill(0)),
        ("cut", &|bytes| bytes.truncate(end / 2)),
        ("emptied", &|bytes| bytes.clear()),
    ];
    for (n, (what, harm)) in harms.into_iter().enumerate() {
        let last = host.watch.ledger.book().head().seq;
        assert_eq!(host.harm(harm).await, Stirred::Written, "{what}");
        // What is told of repairs is in memory; the tables have it, too.
        assert_eq!(
            host.watch.look(Stirred::Written, None).await,
            None,
            "{what}"
        );
        assert!(host.is_whole() && host.kept() > n, "{what}");
        let (outcome, told) = host.last_told().await;
        assert!(told.contains("written back as they were"), "{told}");
        assert_eq!(outcome, Outcome::Done);
        assert!(host.watch.ledger.book().head().seq > last);
        assert!(host.watch.ledger.gaps().await.unwrap().is_empty());
        assert_eq!(host.watch.ledger.stirred().await.unwrap(), Stirred::No);
    }
    assert_eq!(host.shown().journal_harm, None);
    // Another opening believes it.
    let storage = FileStorage::open(host.folder.path()).unwrap();
    let (again, _) = Ledger::open(storage, Arc::new(StoppedClock)).await.unwrap();
    assert_eq!(again.book().head(), host.watch.ledger.book().head());
}

#[tokio::test]
async fn harm_that_cannot_be_mended_is_told_once_until_the_tables_answer() {
    let host = Host::new().await;
    let lines = host.tables.lock().unwrap().clone();
    *host.tables.lock().unwrap() = Err("mydb_admin does not answer".to_owned());
    host.harm(|bytes| bytes[1000] ^= 4).await;
    let mut harm = None;
    let mut told = Vec::new();
    for _ in 0..3 {
        harm = host.watch.look(Stirred::No, harm).await;
        told.push(host.watch.ledger.book().head().seq);
    }
    let why = host.shown().journal_harm.clone().unwrap();
    assert_eq!(harm.as_ref(), Some(&why));
    assert!(
        why.contains("does not answer") && why.contains("tried again"),
        "{why}"
    );
    assert_eq!(told, [ENTRIES + 1; 3]);
    assert_eq!(host.last_told().await, (Outcome::Failed, why));
    assert!(!host.is_whole() && host.kept() == 0);

    // Other tables prove nothing.
    let mut forged = lines.clone().unwrap();
    forged[3] = forged[3].replace("as wanted", "as wished");
    *host.tables.lock().unwrap() = Ok(forged);
    harm = host.watch.look(Stirred::No, harm).await;
    assert!(harm.as_ref().unwrap().contains("do not hold all of them"));
    assert!(!host.is_whole());

    *host.tables.lock().unwrap() = lines;
    assert_eq!(host.watch.look(Stirred::No, harm).await, None);
    assert_eq!(host.shown().journal_harm, None);
    assert!(host.is_whole());
}

#[tokio::test]
async fn whoever_touches_the_file_is_noticed_also_when_it_is_written_to_afterwards() {
    let host = Host::new().await;
    let path = host.folder.path().join(FILE_NAME);
    let flip = || {
        use std::os::unix::fs::FileExt;
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.write_all_at(b"?", 5).unwrap();
    };
    let ledger = &host.watch.ledger;
    host.tick();
    flip();
    let append = async || ledger.append(new("genomics", Change::Noted)).await.unwrap();
    append().await;
    assert_eq!(ledger.stirred().await.unwrap(), Stirred::Written);
    assert_eq!(ledger.stirred().await.unwrap(), Stirred::No, "told once");
    append().await;
    ledger.probe().await.unwrap();
    assert_eq!(
        ledger.stirred().await.unwrap(),
        Stirred::No,
        "its own writes"
    );
    // Another one in its place ends the ledger: nothing may be written there.
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    assert!(ledger.stirred().await.is_err());
    tokio::time::timeout(BEAT, ledger.ended()).await.unwrap();
}

#[tokio::test]
async fn a_journal_that_is_removed_is_put_there_again_before_anything_is_added() {
    let host = Host::new().await;
    let path = host.folder.path().join(FILE_NAME);
    let ledger = &host.watch.ledger;
    for append_first in [false, true] {
        fs::remove_file(&path).unwrap();
        if append_first {
            let entry = ledger.append(new("genomics", Change::Noted)).await;
            entry.unwrap();
        }
        let stirred = ledger.stirred().await.unwrap();
        assert_eq!(stirred, Stirred::Removed);
        assert_eq!(host.watch.look(stirred, None).await, None);
        let (_, told) = host.last_told().await;
        assert!(told.contains("was removed") && host.is_whole(), "{told}");
        assert_eq!(ledger.stirred().await.unwrap(), Stirred::No);
    }
    // It is the file that everything is read from and added to, also by the next opening.
    assert!(ledger.gaps().await.unwrap().is_empty());
    let storage = FileStorage::open(host.folder.path()).unwrap();
    let (again, _) = Ledger::open(storage, Arc::new(StoppedClock)).await.unwrap();
    assert_eq!(again.book().head(), ledger.book().head());
}
