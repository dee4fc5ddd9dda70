//! Random harm to the journal, the tables, and the daemon: every accepted entry is there afterwards,
//! identical and in order, in both.

use std::path::PathBuf;

use crate::admin::Applier;
use crate::admin::applier::fake::Fake;
use crate::admin::applier::{Doing, Held};
use crate::admin::testing::{StoppedClock, admitted, database, instant, new};
use crate::model::{Backup, BackupId, BackupKind, BackupState, Slot};
use crate::runtime::sim::rng::Rng;

use super::*;

/// Histories, and harms in each: a thousand harms.
const SEEDS: u64 = 100;
const HARMS: u64 = 10;

#[async_trait]
impl Witness for Fake {
    async fn newer(&self) -> Result<Option<i64>, TablesError> {
        Ok(self.get(|s| s.newer))
    }

    async fn last(&self) -> Result<u64, TablesError> {
        Ok(self.head().seq)
    }

    async fn last_line(&self) -> Result<Option<String>, TablesError> {
        Ok(self.get(|s| s.records.last().map(|r| r.line.clone())))
    }

    async fn from(&self, mut head: Head, each: Each<'_>) -> Result<Head, TablesError> {
        let lines: Vec<String> = self.get(|s| s.records.iter().map(|r| r.line.clone()).collect());
        for line in lines {
            if let Some(next) = follow(head, line.as_bytes()) {
                each(&line)?;
                head = next;
            }
        }
        Ok(head)
    }
}

/// A host: what lies on its disk, what is in its tables, and what was acknowledged.
struct Host {
    rng: Rng,
    folder: tempfile::TempDir,
    tables: Fake,
    accepted: Vec<String>,
    told: Vec<String>,
    /// The next start finds nobody to ask, and must not be.
    refused: bool,
}

/// One life of the daemon.
struct Life {
    ledger: Ledger,
    applier: Applier,
}

impl Host {
    fn new(seed: u64) -> Self {
        Host {
            rng: Rng::new(seed),
            folder: tempfile::tempdir().unwrap(),
            tables: Fake::default(),
            accepted: Vec::new(),
            told: Vec::new(),
            refused: false,
        }
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.rng.next() % end.max(1) as u64).unwrap()
    }

    fn journal(&self) -> PathBuf {
        self.folder.path().join(FILE_NAME)
    }

    /// Starts the daemon, and waits until the tables have all that the journal has.
    async fn start(&mut self) -> Result<Life, String> {
        let ring = Keyring::of([7; 32]);
        if std::mem::take(&mut self.refused) {
            let clock = Arc::new(StoppedClock);
            let alone = open_in(self.folder.path(), Helpers::default(), &ring, clock).await;
            if alone.is_ok() {
                return Err("a journal is believed that was cut".to_owned());
            }
        }
        let clock = Arc::new(StoppedClock);
        let helpers = Helpers {
            tables: Some(&self.tables),
            stores: None,
        };
        let ledger = open_in(self.folder.path(), helpers, &ring, clock).await?;
        ledger.seal_with(ring.sealer());
        let applier = Applier::spawn(ledger.clone(), self.tables.clone(), Held::in_memory());
        self.caught_up(&applier).await?;
        Ok(Life { ledger, applier })
    }

    async fn caught_up(&self, applier: &Applier) -> Result<(), String> {
        let mut status = applier.watch();
        let all = status.wait_for(|s| s.behind == 0 && s.doing == Doing::Following);
        match tokio::time::timeout(Duration::from_secs(100_000), all).await {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("the tables stay behind: {:?}", applier.status())),
        }
    }

    async fn accept(&mut self, ledger: &Ledger) {
        for _ in 0..=self.below(5) {
            let mut entry = self.entry(ledger);
            entry.message = "x".repeat(self.below(300));
            ledger.append(entry).await.unwrap();
        }
        self.note(ledger).await;
    }

    /// Something that may be accepted now: a note, a spec, a backup.
    fn entry(&mut self, ledger: &Ledger) -> NewEntry {
        let book = ledger.book();
        let port = 32011 + u16::try_from(self.below(5)).unwrap();
        let mut db = database(&format!("db-{port}"), port);
        let row = book.row(&db.name);
        match (self.below(3), row) {
            (0, _) => new("genomics", Change::Noted),
            (1, Some(_)) => {
                let at = instant(i64::try_from(self.below(1000)).unwrap());
                let text = db.name.to_string();
                let backup = Box::new(Backup {
                    id: BackupId {
                        name: db.name,
                        slot: Slot::at(at),
                        attempt: 1,
                        store: "local".to_owned(),
                    },
                    uid: db.uid,
                    kind: BackupKind::Manual,
                    state: BackupState::Stored,
                    started: at,
                    finished: Some(at),
                    verified: None,
                    bytes: 7,
                    sha256: None,
                    url: String::new(),
                    error: None,
                    keep_until: None,
                    note: String::new(),
                });
                new(&text, Change::Backup { backup })
            }
            (_, row) => {
                db.generation = row.map_or(1, |row| row.database.generation + 1);
                admitted(db)
            }
        }
    }

    /// What is acknowledged now.
    async fn note(&mut self, ledger: &Ledger) {
        self.accepted = lines(ledger).await;
    }

    /// Whether everything that was acknowledged is there.
    async fn judge(&mut self, life: &Life) -> Result<(), String> {
        self.caught_up(&life.applier).await?;
        let found = lines(&life.ledger).await;
        if found.get(..self.accepted.len()) != Some(&self.accepted) {
            let there = found.iter().zip(&self.accepted).take_while(|(a, b)| a == b);
            let (there, all) = (there.count(), self.accepted.len());
            return Err(format!("of {all} accepted entries {there} are there"));
        }
        let tables: Vec<String> = self
            .tables
            .get(|s| s.records.iter().map(|r| r.line.clone()).collect());
        if tables != found {
            return Err("the tables are not what the journal is".to_owned());
        }
        self.note(&life.ledger).await;
        Ok(())
    }

    /// Harm while no daemon runs.
    fn harm(&mut self) {
        let path = self.journal();
        let mut bytes = fs::read(&path).unwrap();
        let at = self.below(bytes.len());
        let told = match self.below(10) {
            0 => {
                bytes[at] ^= 1 << self.below(8);
                format!("a bit is flipped in byte {at}")
            }
            1 => {
                bytes.truncate(at);
                format!("the journal is cut off behind byte {at}")
            }
            2 => {
                let end = bytes.len().min(at + 1 + self.below(5000));
                bytes[at..end].fill(0);
                format!("the bytes from {at} to {end} are zeros")
            }
            3 => {
                let begins = |from: usize| bytes[from..].iter().position(|b| *b == b'\n');
                let from = begins(at).map_or(0, |n| at + n + 1);
                bytes.truncate(from);
                format!("the journal ends with the entry at byte {from}")
            }
            4 => {
                fs::remove_file(&path).unwrap();
                self.told.push("the journal is gone".to_owned());
                return;
            }
            5 => {
                // Killed in the middle of a write: nobody was told that it is accepted.
                let half =
                    &br#"{"format":"db4sci.ledger/v1","seq":4711,"prev":"00"#[..self.below(50)];
                bytes.extend_from_slice(half);
                format!("a write ended after {} bytes", half.len())
            }
            6 => {
                self.tables.set(|s| s.records.clear());
                "the tables are gone".to_owned()
            }
            7 => {
                let upto = self.below(self.accepted.len());
                self.tables.set(|s| s.records.truncate(upto));
                format!("the tables are those of entry {upto}")
            }
            8 => {
                // Believed, it would go on beside the tables.
                bytes.truncate(at);
                self.refused = true;
                format!("the journal is cut off behind byte {at} while nobody answers")
            }
            _ => {
                self.tables
                    .set(|s| (s.altered, s.log_altered) = (true, true));
                "rows are altered".to_owned()
            }
        };
        fs::write(&path, bytes).unwrap();
        self.told.push(told);
    }

    async fn history(&mut self) -> Result<(), String> {
        for _ in 0..HARMS {
            let life = self.start().await?;
            self.judge(&life).await?;
            self.accept(&life.ledger).await;
            if self.below(2) == 0 {
                self.caught_up(&life.applier).await?;
                drop(life);
                self.harm();
            } else {
                // Killed between what is on the disk and what is in the tables.
                self.told.push("the daemon is killed".to_owned());
                self.tables.set(|s| s.lose_answers = true);
                self.accept(&life.ledger).await;
                drop(life);
                self.tables
                    .set(|s| (s.lose_answers, s.down) = (false, false));
            }
        }
        let life = self.start().await?;
        self.judge(&life).await
    }
}

async fn lines(ledger: &Ledger) -> Vec<String> {
    let records = ledger.on_disk(0, 10_000).await.unwrap();
    records.into_iter().map(|r| r.line).collect()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_harms_lose_no_accepted_entry() {
    for seed in 1..=SEEDS {
        let mut host = Host::new(seed);
        if let Err(why) = host.history().await {
            panic!("seed {seed}: {why}, after: {}", host.told.join("; "));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_entry_behind_the_known_end_is_cut_where_the_tables_hold_no_more() {
    let mut host = Host::new(1);
    let life = host.start().await.unwrap();
    host.accept(&life.ledger).await;
    host.caught_up(&life.applier).await.unwrap();
    drop(life);
    let mut bytes = fs::read(host.journal()).unwrap();
    bytes.extend_from_slice(b"x\n");
    fs::write(host.journal(), &bytes).unwrap();
    // Where nobody answers, it may have been an entry.
    host.refused = true;
    let life = host.start().await.unwrap();
    host.judge(&life).await.unwrap();
    let all = fs::read_dir(host.folder.path()).unwrap();
    let kept: Vec<PathBuf> = all
        .map(|file| file.unwrap().path())
        .filter(|path| path.display().to_string().contains(".harmed-"))
        .collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(fs::read(&kept[0]).unwrap(), bytes);
}

/// Lines that a store has.
struct Kept(Vec<String>);

#[async_trait]
impl Pieces for Kept {
    async fn ahead(&self, book: &Book) -> Result<Option<String>, String> {
        let last = self.0.last().map_or(0, |line| {
            let record = crate::admin::journal::read_line(line.as_bytes());
            record.unwrap().entry.seq
        });
        Ok((last > book.head().seq).then(|| format!("a store holds entry {last}")))
    }

    async fn join(&self, coming: &Path) -> Result<(), String> {
        let mut head = read_book(coming)?.head();
        let mut text = fs::read_to_string(coming).unwrap();
        for line in &self.0 {
            if let Some(next) = follow(head, line.as_bytes()) {
                text.push_str(&format!("{line}\n"));
                head = next;
            }
        }
        fs::write(coming, text).map_err(|e| e.to_string())
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_is_made_whole_from_the_stores_or_not_believed() {
    let ring = Keyring::of([7; 32]);
    type Harm = fn(&mut Vec<u8>);
    let harms: [(&str, Harm); 4] = [
        ("cut", |bytes| bytes.truncate(bytes.len() / 2)),
        ("flipped", |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }),
        ("emptied", Vec::clear),
        ("overwritten", |bytes| bytes.fill(0)),
    ];
    for (what, harm) in harms {
        let folder = tempfile::tempdir().unwrap();
        let open = async |stores: Option<&dyn Pieces>| {
            let helpers = Helpers {
                tables: None,
                stores,
            };
            open_in(folder.path(), helpers, &ring, Arc::new(StoppedClock)).await
        };
        let ledger = open(None).await.unwrap();
        ledger.seal_with(ring.sealer());
        for _ in 0..20 {
            let admin = DbName::mydb_admin();
            let entry = NewEntry::of(&admin, Outcome::Done, "x".to_owned(), Change::Noted);
            ledger.append(entry).await.unwrap();
        }
        let all = lines(&ledger).await;
        drop(ledger);
        let path = folder.path().join(FILE_NAME);
        let mut bytes = fs::read(&path).unwrap();
        harm(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        let part = Kept(all[..8].to_vec());
        for stores in [None, Some(&part as &dyn Pieces)] {
            assert!(open(stores).await.is_err(), "{what}");
            assert_eq!(
                fs::read(&path).unwrap(),
                bytes,
                "{what}: nothing was changed"
            );
        }
        let ledger = open(Some(&Kept(all.clone()))).await.unwrap();
        let found = lines(&ledger).await;
        assert_eq!(found[..20], all, "{what}");
        assert_eq!(found.len(), 21, "{what}: and that it was made whole");
    }
}

#[tokio::test(start_paused = true)]
async fn tables_of_a_newer_program_end_the_start_before_anything_is_written() {
    let mut host = Host::new(1);
    let life = host.start().await.unwrap();
    host.accept(&life.ledger).await;
    host.caught_up(&life.applier).await.unwrap();
    drop(life);
    // What a crash left, and another start would cut off.
    let mut bytes = fs::read(host.journal()).unwrap();
    bytes.extend_from_slice(b"{\"hash\":\"");
    fs::write(host.journal(), &bytes).unwrap();
    let folder = host.folder.path().to_owned();
    let files = || fs::read_dir(&folder).unwrap().count();
    let before = files();
    host.tables.set(|s| s.newer = Some(9000));
    let why = host.start().await.err().expect("it is refused");
    for words in ["newer db4sci", "step 9000", "nothing was written"] {
        assert!(why.contains(words), "{why}");
    }
    assert_eq!(fs::read(host.journal()).unwrap(), bytes);
    assert_eq!(files(), before);
    host.tables.set(|s| s.newer = None);
    let life = host.start().await.unwrap();
    host.judge(&life).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn other_keys_than_those_of_the_tables_begin_no_new_history_on_a_lost_journal() {
    let mut host = Host::new(1);
    let life = host.start().await.unwrap();
    host.accept(&life.ledger).await;
    host.caught_up(&life.applier).await.unwrap();
    drop(life);
    let all = fs::read_dir(host.folder.path()).unwrap();
    for file in all.map(|file| file.unwrap().path()) {
        if file.is_file() {
            fs::remove_file(file).unwrap();
        }
    }
    let open = async |ring: Keyring| {
        let helpers = Helpers {
            tables: Some(&host.tables),
            stores: None,
        };
        let folder = host.folder.path();
        open_in(folder, helpers, &ring, Arc::new(StoppedClock)).await
    };
    let why = open(Keyring::of([8; 32])).await.expect_err("it is refused");
    assert!(why.contains("not this ledger's keys"), "{why}");
    let lies = fs::read(host.journal()).unwrap_or_default();
    assert!(lies.iter().all(|byte| *byte == 0), "something was written");
    // With the right one all of it is there.
    let ledger = open(Keyring::of([7; 32])).await.unwrap();
    let found = lines(&ledger).await;
    assert_eq!(found[..host.accepted.len()], host.accepted);
}

#[tokio::test(start_paused = true)]
async fn a_short_journal_is_not_added_to_with_other_keys_than_its_own() {
    let [folder, keys, others, none] = [(); 4].map(|()| tempfile::tempdir().unwrap());
    let clock = Arc::new(StoppedClock);
    let mut ring = Keyring::default();
    ring.add(keys.path()).unwrap();
    let helpers = Helpers::default();
    let ledger = open_in(folder.path(), helpers, &ring, clock).await.unwrap();
    let refused = async |keys: &Path| daemon::refuse_strange_keys(keys, &ledger).await;
    assert_eq!(refused(others.path()).await, Ok(()), "it has no entry yet");
    ledger.seal_with(ring.sealer());
    // No password is sealed in it: only its own seal tells.
    ledger.append(new("genomics", Change::Noted)).await.unwrap();
    let journal = fs::read(folder.path().join(FILE_NAME)).unwrap();
    Keyring::default().add(others.path()).unwrap();
    for strange in [&others, &none] {
        let why = refused(strange.path()).await.unwrap_err();
        assert!(why.contains("not this ledger's keys"), "{why}");
    }
    assert_eq!(refused(keys.path()).await, Ok(()));
    assert_eq!(fs::read(folder.path().join(FILE_NAME)).unwrap(), journal);
}

#[tokio::test(start_paused = true)]
async fn a_memory_that_was_set_back_as_a_whole_takes_in_what_the_stores_hold() {
    let ring = Keyring::of([7; 32]);
    type Holds = fn(&[String], usize) -> Vec<String>;
    // What a store holds of the whole, and how much more of it is there then than the copy had.
    let stores: [(&str, Holds, Option<usize>); 4] = [
        ("all of it", |all, _| all.to_vec(), None),
        ("the pieces since", |all, had| all[had..].to_vec(), None),
        (
            "a gap",
            |all, had| [&all[..had + 2], &all[had + 3..]].concat(),
            Some(2),
        ),
        (
            "another history",
            |all, had| all[had + 1..].to_vec(),
            Some(0),
        ),
    ];
    for (what, held, more) in stores {
        let mut host = Host::new(3);
        let life = host.start().await.unwrap();
        host.accept(&life.ledger).await;
        host.caught_up(&life.applier).await.unwrap();
        let had = host.accepted.len();
        let files = [FILE_NAME, journal::LENGTH].map(|name| {
            let path = host.folder.path().join(name);
            (fs::read(&path).unwrap(), path)
        });
        while host.accepted.len() < had + 8 {
            host.accept(&life.ledger).await;
        }
        host.caught_up(&life.applier).await.unwrap();
        let all = host.accepted.clone();
        drop(life);
        for (bytes, path) in files {
            fs::write(path, bytes).unwrap();
        }
        host.tables.set(|s| s.records.truncate(had));
        let store = Kept(held(&all, had));
        let helpers = Helpers {
            tables: Some(&host.tables),
            stores: Some(&store),
        };
        let clock = Arc::new(StoppedClock);
        let ledger = open_in(host.folder.path(), helpers, &ring, clock).await;
        let ledger = ledger.unwrap();
        ledger.seal_with(ring.sealer());
        let found = lines(&ledger).await;
        let back = more.map_or(all.len(), |more| had + more);
        assert_eq!(found[..back], all[..back], "{what}");
        let noted = usize::from(back > had);
        assert_eq!(found.len(), back + noted, "{what}: and that they came back");
        let kept = fs::read_dir(host.folder.path()).unwrap();
        let kept = kept.filter(|f| {
            f.as_ref()
                .unwrap()
                .path()
                .display()
                .to_string()
                .contains(".harmed-")
        });
        assert_eq!(kept.count(), noted, "{what}");
        // The tables follow.
        let applier = Applier::spawn(ledger.clone(), host.tables.clone(), Held::in_memory());
        host.caught_up(&applier).await.unwrap();
        host.accepted = found;
        host.judge(&Life { ledger, applier }).await.unwrap();
    }
}
