//! Random harm to the journal, the tables, and the daemon: every accepted entry is there afterwards,
//! identical and in order, in both.

use std::path::PathBuf;

use crate::admin::Applier;
use crate::admin::applier::Doing;
use crate::admin::applier::fake::Fake;
use crate::admin::testing::StoppedClock;
use crate::runtime::sim::rng::Rng;

use super::*;

/// Histories, and harms in each: a thousand harms.
const SEEDS: u64 = 100;
const HARMS: u64 = 10;

#[async_trait]
impl Witness for Fake {
    async fn last(&self) -> Result<u64, TablesError> {
        Ok(self.head().seq)
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
        let clock = Arc::new(StoppedClock);
        let ledger = open_in(self.folder.path(), Some(&self.tables), &ring, clock).await?;
        ledger.seal_with(ring.sealer());
        let applier = Applier::spawn(ledger.clone(), self.tables.clone());
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
            let text = "x".repeat(self.below(300));
            let admin = DbName::mydb_admin();
            let entry = NewEntry::of(&admin, Outcome::Done, text, Change::Noted);
            ledger.append(entry).await.unwrap();
        }
        self.note(ledger).await;
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
        let told = match self.below(9) {
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
