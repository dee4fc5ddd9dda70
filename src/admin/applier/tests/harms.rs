//! Random harms of the tables, of their server, of the journal's disk and of the daemon, one after the
//! other: after each, what was accepted is in the journal and in the tables, identical and in order.
//! Forged checksums are not among them: they show against what a connection saw before, and not against
//! nothing.

use proptest::prelude::*;
use tempfile::TempDir;
use tokio::time::sleep;

use super::*;
use crate::admin::journal::Fault;

/// Histories, and harms of each: more than a thousand together.
const HISTORIES: u32 = 64;
const HARMS: usize = 20;

#[derive(Debug, Clone)]
enum Harm {
    /// An older copy of the tables is put there, with so many in a thousand of their records.
    OlderCopy(usize),
    Altered,
    /// A row of the log, which is to be told of as such.
    LogAltered,
    NewestForged,
    FilesUnreadable,
    IndexLacksRows,
    ShutOut,
    /// The server is killed, and loses so many records that were not on its disk.
    ServerKilled(u16),
    /// It is away for so many seconds.
    ServerAway(u64),
    /// It took what it was given, and its answer is lost.
    AnswerLost,
    /// The daemon is killed so many steps into an append; of what the disk did not have yet, so many
    /// bytes are there all the same.
    DaemonKilled(usize, usize),
    /// The journal's disk takes so many more bytes.
    DiskFull(usize),
    SyncFails,
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        (0..1000usize).prop_map(Harm::OlderCopy),
        Just(Harm::Altered),
        Just(Harm::LogAltered),
        Just(Harm::NewestForged),
        Just(Harm::FilesUnreadable),
        Just(Harm::IndexLacksRows),
        Just(Harm::ShutOut),
        (1..9u16).prop_map(Harm::ServerKilled),
        (1..7200u64).prop_map(Harm::ServerAway),
        Just(Harm::AnswerLost),
        ((0..8usize), (0..400usize)).prop_map(|(steps, kept)| Harm::DaemonKilled(steps, kept)),
        (0..400usize).prop_map(Harm::DiskFull),
        Just(Harm::SyncFails),
    ]
}

/// A daemon, the disk of its journal and the server of its tables.
struct World {
    folder: TempDir,
    storage: MemoryStorage,
    ledger: Ledger,
    fake: Fake,
    applier: Applier,
    /// What was acknowledged.
    accepted: Vec<String>,
    appends: u32,
}

impl World {
    async fn new() -> Self {
        let (folder, storage) = (tempfile::tempdir().unwrap(), MemoryStorage::new());
        let (ledger, fake) = (ledger(&storage, 0).await, Fake::default());
        let admin = crate::model::Database {
            source: crate::model::database::Source::Builtin,
            ..database("mydb_admin", 32000)
        };
        ledger.append(admitted(admin)).await.unwrap();
        let held = Held::in_folder(folder.path());
        let applier = Applier::spawn(ledger.clone(), fake.clone(), held);
        let accepted = Vec::new();
        World {
            folder,
            storage,
            ledger,
            fake,
            applier,
            accepted,
            appends: 0,
        }
    }

    fn next(&mut self) -> (String, crate::admin::NewEntry) {
        self.appends += 1;
        let mut entry = new("genomics", Change::Noted);
        entry.message = format!("append {}", self.appends);
        (entry.message.clone(), entry)
    }

    /// Appends so many entries. One that is refused was not accepted.
    async fn append(&mut self, entries: u16) {
        for _ in 0..entries {
            let (message, entry) = self.next();
            match self.ledger.append(entry).await {
                Ok(_) => self.accepted.push(message),
                Err(_) => drop(self.ledger.probe().await),
            }
        }
    }

    async fn befall(&mut self, harm: &Harm) {
        let all = self.fake.get(|s| s.records.len());
        match *harm {
            Harm::OlderCopy(share) => self.fake.set(|s| s.records.truncate(all * share / 1000)),
            Harm::Altered => self
                .fake
                .set(|s| (s.altered, s.changes) = (true, s.changes + 1)),
            Harm::LogAltered => self.fake.set(|s| {
                (s.altered, s.log_altered, s.changes) = (true, true, s.changes + 1);
            }),
            Harm::NewestForged => self.fake.set(|s| s.forged_newest = true),
            Harm::FilesUnreadable => self.fake.set(|s| {
                (s.damaged, s.changes) = (Some(Damage::Tables), s.changes + 1);
            }),
            Harm::IndexLacksRows => self.fake.set(|s| s.indexes = Some(Indexes::LackRows)),
            Harm::ShutOut => self.fake.set(|s| s.shut_out = true),
            Harm::ServerKilled(lost) => self.kill_server(lost).await,
            Harm::ServerAway(seconds) => {
                self.fake.set(|s| s.down = true);
                self.append(3).await;
                sleep(Duration::from_secs(seconds)).await;
                self.fake.set(|s| s.down = false);
            }
            Harm::AnswerLost => {
                self.fake.set(|s| s.lose_answers = true);
                self.append(2).await;
                sleep(Duration::from_secs(1)).await;
                self.fake.set(|s| (s.lose_answers, s.down) = (false, false));
            }
            Harm::DaemonKilled(steps, kept) => self.kill_daemon(steps, kept).await,
            Harm::DiskFull(after) => {
                self.storage.fail_next(Fault::DiskFull { after });
                self.append(3).await;
            }
            Harm::SyncFails => {
                self.storage.fail_next(Fault::SyncFails);
                self.append(3).await;
            }
        }
    }

    async fn kill_server(&mut self, lost: u16) {
        self.fake.set(|s| s.unflushed = u64::from(lost));
        self.append(lost).await;
        let head = self.ledger.book().head().seq;
        until(&self.applier, |s| following(s) && s.applied == head).await;
        self.fake.set(|s| {
            let kept = s.records.len() - usize::from(lost);
            s.records.truncate(kept);
            (s.down, s.unflushed) = (true, 0);
        });
        sleep(Duration::from_secs(1)).await;
        self.fake.set(|s| s.down = false);
    }

    async fn kill_daemon(&mut self, steps: usize, kept: usize) {
        let (message, entry) = self.next();
        let ledger = self.ledger.clone();
        let killed = async {
            for _ in 0..steps {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            done = ledger.append(entry) => drop(done.map(|_| self.accepted.push(message.clone()))),
            () = killed => {}
        }
        let storage = self.storage.crash(kept);
        let held = Held::in_folder(self.folder.path());
        self.ledger = super::ledger(&storage, 0).await;
        self.storage = storage;
        self.applier = Applier::spawn(self.ledger.clone(), self.fake.clone(), held);
        // Nobody was told whether it was accepted, and it may have been.
        if self.accepted.last() != Some(&message) && self.appended().await.contains(&message) {
            self.accepted.push(message);
        }
    }

    /// What was appended, as the journal has it.
    async fn appended(&self) -> Vec<String> {
        let records = self.ledger.records(0, 10_000).await.unwrap();
        let messages = records.into_iter().map(|r| r.entry.message);
        messages.filter(|m| m.starts_with("append ")).collect()
    }

    /// Waits until it is well again. A server that was given up comes back from an older backup; tables
    /// that were made again too often wait an hour for it, and indexes are looked at each hour.
    async fn settle(&mut self) {
        let begun = Instant::now();
        loop {
            sleep(Duration::from_secs(6)).await;
            let status = self.applier.status();
            let harms = self.harms();
            if following(&status) && harms.is_empty() {
                return;
            }
            assert!(begun.elapsed() < 3 * HOUR, "{harms:?}: {status:?}");
            let book = self.ledger.book();
            let admin = book.row(&crate::model::DbName::mydb_admin()).unwrap();
            if admin.quarantined.is_some() {
                let all = self.fake.get(|s| s.records.len());
                self.fake.set(|s| {
                    (s.damaged, s.indexes) = (None, None);
                    (s.altered, s.log_altered) = (false, false);
                    s.forged_newest = false;
                    s.records.truncate(all / 2);
                });
                let reason = "it came back from its backup".to_owned();
                let released = new("mydb_admin", Change::Released { reason });
                self.ledger.append(released).await.unwrap();
            }
        }
    }

    /// Harms that are there, and were not mended.
    fn harms(&self) -> Vec<&'static str> {
        let all = self.fake.get(|s| {
            [
                ("altered rows", s.altered),
                ("forged newest rows", s.forged_newest),
                ("a role that is shut out", s.shut_out),
                ("damaged files", s.damaged.is_some()),
                ("an index that lacks rows", s.indexes.is_some()),
            ]
        });
        let there = all.into_iter().filter(|(_, there)| *there);
        there.map(|(harm, _)| harm).collect()
    }

    async fn all_is_there(&self) {
        let records = self.ledger.records(0, 10_000).await.unwrap();
        let lines = |records: &[crate::admin::journal::Record]| -> Vec<String> {
            records.iter().map(|r| r.line.clone()).collect()
        };
        let tables = self.fake.get(|s| lines(&s.records));
        assert_eq!(tables, lines(&records));
        assert_eq!(self.appended().await, self.accepted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: HISTORIES, ..ProptestConfig::default() })]

    #[test]
    fn a_thousand_random_harms_lose_no_accepted_row(
        harms in proptest::collection::vec((harm(), 0..4u16), HARMS)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for (harm, entries) in harms {
                world.append(entries).await;
                world.befall(&harm).await;
                world.settle().await;
                world.all_is_there().await;
            }
        });
    }
}
