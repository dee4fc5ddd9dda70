use std::sync::Mutex;

use async_trait::async_trait;
use tokio::time::{Duration, Instant};

use super::*;
use crate::admin::audit::AuditError;
use crate::admin::book::Book;
use crate::admin::journal::{Head, MemoryStorage, Record};
use crate::admin::tables::TablesError;
use crate::admin::testing::{StoppedClock, admitted, database, new};
use crate::model::audit::{Finding, Findings};
use crate::model::{Change, DbName};

/// Tables in memory: numbers of the entries in them, and whether they answer.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    records: Vec<Record>,
    down: bool,
    tries: u32,
    lose_answers: bool,
    changes: u32,
    altered: bool,
    always_altered: bool,
    log_altered: bool,
    aside: u32,
    carried: u32,
}

impl Fake {
    fn head(&self) -> Head {
        let state = self.0.lock().unwrap();
        state.records.last().map_or(Head::GENESIS, Record::head)
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap());
    }

    fn down(&self) -> Result<(), TablesError> {
        if self.0.lock().unwrap().down {
            return Err(TablesError::TimedOut {
                what: "test",
                seconds: 1,
            });
        }
        Ok(())
    }
}

#[async_trait]
impl Reach for Fake {
    async fn reach(&self) -> Result<Box<dyn Shelf>, TablesError> {
        self.set(|s| s.tries += 1);
        self.down()?;
        Ok(Box::new(self.clone()))
    }

    async fn set_aside(&self) -> Result<String, TablesError> {
        self.down()?;
        self.set(|s| {
            s.aside += 1;
            (s.altered, s.records) = (s.always_altered, Vec::new());
        });
        Ok("harmed_now".to_owned())
    }

    async fn harm_of_log(&self, _: &Ledger) -> Result<Findings, AuditError> {
        let mut findings = Findings::default();
        if self.0.lock().unwrap().log_altered {
            findings.add(Finding::new(7, "its message is another one"));
        }
        Ok(findings)
    }
}

#[async_trait]
impl Shelf for Fake {
    async fn applied(&mut self) -> Result<Head, TablesError> {
        self.down()?;
        Ok(self.head())
    }

    async fn apply(&mut self, records: &[Record], book: &Book) -> Result<Head, TablesError> {
        self.down()?;
        let applied = self.head();
        assert!(
            records
                .last()
                .is_none_or(|r| r.entry.seq <= book.head().seq)
        );
        assert_eq!(records[0].prev, applied.hash);
        self.set(|s| s.records.extend_from_slice(records));
        if self.0.lock().unwrap().lose_answers {
            self.set(|s| (s.lose_answers, s.down) = (false, true));
        }
        self.down()?;
        Ok(self.head())
    }

    async fn prove(&mut self) -> Result<(), TablesError> {
        self.down()?;
        if self.0.lock().unwrap().altered {
            return Err(TablesHarm::Altered("log 2".to_owned()).into());
        }
        Ok(())
    }

    async fn stamp(&mut self) -> Result<String, TablesError> {
        self.down()?;
        let state = self.0.lock().unwrap();
        Ok(format!("{} {}", state.changes, state.records.len()))
    }

    async fn record(&mut self, seq: u64) -> Result<Option<String>, TablesError> {
        self.down()?;
        let state = self.0.lock().unwrap();
        let found = state.records.iter().find(|r| r.entry.seq == seq);
        Ok(found.map(|r| r.line.clone()))
    }

    async fn carry_over(&mut self, _: &[DbName]) -> Result<u64, TablesError> {
        self.set(|s| s.carried += 1);
        Ok(0)
    }
}

async fn ledger(storage: &MemoryStorage, entries: u16) -> Ledger {
    let opened = Ledger::open(storage.clone(), Arc::new(StoppedClock)).await;
    let ledger = opened.unwrap().0;
    for _ in 0..entries {
        ledger.append(new("genomics", Change::Noted)).await.unwrap();
    }
    ledger
}

async fn until(applier: &Applier, what: impl Fn(&ApplierStatus) -> bool) -> ApplierStatus {
    let mut status = applier.watch();
    let found = tokio::time::timeout(Duration::from_secs(600), status.wait_for(|s| what(s))).await;
    found.expect("it comes to that").unwrap().clone()
}

fn following(status: &ApplierStatus) -> bool {
    (status.behind, &status.doing) == (0, &Doing::Following)
}

#[tokio::test(start_paused = true)]
async fn entries_come_in_as_they_are_accepted_in_batches() {
    let ledger = ledger(&MemoryStorage::new(), 600).await;
    let fake = Fake::default();
    let applier = Applier::spawn(ledger.clone(), fake.clone());
    assert_eq!(until(&applier, following).await.applied, 600);
    ledger
        .append(admitted(database("genomics", 32011)))
        .await
        .unwrap();
    until(&applier, |s| s.applied == 601).await;
    assert_eq!(fake.head(), ledger.book().head());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_is_asked_less_and_less_and_misses_nothing() {
    let ledger = ledger(&MemoryStorage::new(), 3).await;
    let fake = Fake::default();
    fake.set(|s| s.down = true);
    let applier = Applier::spawn(ledger.clone(), fake.clone());
    until(&applier, |s| matches!(s.doing, Doing::Waiting { .. })).await;
    ledger.append(new("genomics", Change::Noted)).await.unwrap();
    until(&applier, |s| s.behind == 4).await;

    let hour = Instant::now() + Duration::from_secs(3600);
    tokio::time::sleep_until(hour).await;
    let tries = fake.0.lock().unwrap().tries;
    assert!((100..200).contains(&tries), "{tries} tries in an hour");
    fake.set(|s| s.down = false);
    applier.look_now();
    until(&applier, following).await;
    assert!(
        Instant::now() - hour < Duration::from_millis(10),
        "at once when told"
    );
    assert_eq!(fake.head().seq, 4);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_applies_nothing_twice() {
    let ledger = ledger(&MemoryStorage::new(), 5).await;
    let fake = Fake::default();
    fake.set(|s| s.lose_answers = true);
    let applier = Applier::spawn(ledger.clone(), fake.clone());
    until(&applier, |s| matches!(s.doing, Doing::Waiting { .. })).await;
    fake.set(|s| s.down = false);
    until(&applier, following).await;
    assert_eq!(fake.0.lock().unwrap().records.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn older_tables_are_brought_up_to_date() {
    let ledger = ledger(&MemoryStorage::new(), 300).await;
    let fake = Fake::default();
    let applier = Applier::spawn(ledger.clone(), fake.clone());
    until(&applier, following).await;
    // Restored behind its back, while nothing new is accepted: noticed at the next beat.
    fake.set(|s| s.records.truncate(2));
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(until(&applier, following).await.applied, 300);
    assert_eq!(fake.head().seq, 300);
}

#[tokio::test(start_paused = true)]
async fn tables_that_know_more_than_the_journal_are_harm_and_left_alone() {
    let storage = MemoryStorage::new();
    let long = ledger(&storage, 5).await;
    let fake = Fake::default();
    let applier = Applier::spawn(long.clone(), fake.clone());
    until(&applier, following).await;
    drop((applier, long));

    let bytes = storage.bytes();
    let ends = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n');
    let third = ends.map(|(i, _)| i).nth(2).unwrap();
    let shorter = MemoryStorage::holding(bytes[..=third].to_vec());
    let short = ledger(&shorter, 0).await;
    let applier = Applier::spawn(short.clone(), fake.clone());
    let ahead = Doing::Harmed(TablesHarm::Ahead {
        tables: 5,
        journal: 3,
    });
    until(&applier, |s| s.doing == ahead).await;

    // Another two entries make the numbers agree, not the chain.
    for text in ["other", "entries"] {
        short.append(new(text, Change::Noted)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(applier.status().doing, ahead, "not tried again by itself");
    applier.look_now();
    until(&applier, |s| {
        s.doing == Doing::Harmed(TablesHarm::WrongChain { seq: 5 })
    })
    .await;
    assert_eq!(fake.0.lock().unwrap().records.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn another_instances_tables_are_harm() {
    let theirs = ledger(&MemoryStorage::new(), 2).await;
    let fake = Fake::default();
    let applier = Applier::spawn(theirs, fake.clone());
    until(&applier, following).await;
    drop(applier);
    let ours = ledger(&MemoryStorage::new(), 0).await;
    for _ in 0..9 {
        ours.append(new("assays", Change::Noted)).await.unwrap();
    }
    let applier = Applier::spawn(ours, fake.clone());
    until(&applier, |s| {
        s.doing == Doing::Harmed(TablesHarm::WrongChain { seq: 2 })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn altered_rows_are_noticed_within_seconds_and_made_again() {
    let ledger = ledger(&MemoryStorage::new(), 300).await;
    let fake = Fake::default();
    let applier = Applier::spawn(ledger.clone(), fake.clone());
    until(&applier, following).await;
    fake.set(|s| (s.altered, s.changes) = (true, 1));
    tokio::time::sleep(Duration::from_secs(6)).await;
    until(&applier, following).await;
    // What was done about it is the newest entry.
    assert_eq!(fake.head().seq, 301);
    let state = fake.0.lock().unwrap();
    assert_eq!((state.aside, state.carried), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn tables_that_are_harmed_again_and_again_are_left_to_a_person() {
    let ledger = ledger(&MemoryStorage::new(), 3).await;
    let fake = Fake::default();
    fake.set(|s| (s.altered, s.always_altered) = (true, true));
    let applier = Applier::spawn(ledger.clone(), fake.clone());
    until(&applier, |s| matches!(s.doing, Doing::Harmed(_))).await;
    assert_eq!(fake.0.lock().unwrap().aside, 3);
}
