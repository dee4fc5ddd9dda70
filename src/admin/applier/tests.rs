mod newer;
mod told;

use tokio::time::{Duration, Instant};

use super::fake::{Damage, Fake, Indexes};
use super::follow::HOUR;
use super::*;
use crate::admin::journal::MemoryStorage;
use crate::admin::testing::{StoppedClock, admitted, database, new};
use crate::model::Change;
use crate::model::action::{LAST_MOMENTS, LET_IN, MENDED, ROLLED_BACK};

mod harms;

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
    let applier = Applier::spawn(ledger.clone(), fake.clone(), Held::in_memory());
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
    let applier = Applier::spawn(ledger.clone(), fake.clone(), Held::in_memory());
    until(&applier, |s| matches!(s.doing, Doing::Waiting { .. })).await;
    ledger.append(new("genomics", Change::Noted)).await.unwrap();
    until(&applier, |s| s.behind == 4).await;

    let hour = Instant::now() + Duration::from_secs(3600);
    tokio::time::sleep_until(hour).await;
    let tries = fake.get(|s| s.tries);
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
    let applier = Applier::spawn(ledger.clone(), fake.clone(), Held::in_memory());
    until(&applier, |s| matches!(s.doing, Doing::Waiting { .. })).await;
    fake.set(|s| s.down = false);
    until(&applier, following).await;
    assert_eq!(fake.get(|s| s.records.len()), 5);
}

#[tokio::test(start_paused = true)]
async fn older_tables_are_brought_up_to_date() {
    let ledger = ledger(&MemoryStorage::new(), 300).await;
    let fake = Fake::default();
    let applier = Applier::spawn(ledger.clone(), fake.clone(), Held::in_memory());
    until(&applier, following).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    // Restored behind its back, while nothing new is accepted: noticed at the next beat.
    fake.set(|s| s.records.truncate(2));
    tokio::time::sleep(Duration::from_secs(6)).await;
    // That it was noticed is the newest entry.
    assert_eq!(until(&applier, following).await.applied, 301);
    assert_eq!(fake.head().seq, 301);
    assert_eq!(acted(&ledger, ROLLED_BACK).await.len(), 1);

    // And while there was no connection.
    tokio::time::sleep(Duration::from_secs(6)).await;
    fake.set(|s| (s.down, s.changes) = (true, 1));
    until(&applier, |s| matches!(s.doing, Doing::Waiting { .. })).await;
    fake.set(|s| {
        s.records.truncate(7);
        s.down = false;
    });
    applier.look_now();
    until(&applier, |s| s.applied == 302).await;
    let told = acted(&ledger, ROLLED_BACK).await;
    assert!(
        told[1].contains("held entry 301 and now end with entry 7"),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_lost_what_was_not_on_its_disk_is_told_from_an_older_copy() {
    let ledger = ledger(&MemoryStorage::new(), 300).await;
    let fake = Fake::default();
    let applier = Applier::spawn(ledger.clone(), fake.clone(), Held::in_memory());
    until(&applier, following).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    for _ in 0..2 {
        ledger.append(new("genomics", Change::Noted)).await.unwrap();
    }
    fake.set(|s| s.unflushed = 2);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let comes_back_with = async |records: usize| {
        fake.set(|s| (s.down, s.unflushed) = (true, 0));
        applier.look_now();
        until(&applier, |s| matches!(s.doing, Doing::Waiting { .. })).await;
        fake.set(|s| {
            s.records.truncate(records);
            s.down = false;
        });
        until(&applier, following).await;
    };
    comes_back_with(300).await;
    let told = acted(&ledger, LAST_MOMENTS).await;
    assert!(
        told[0].contains("held entry 302 and now end with entry 300"),
        "{told:?}"
    );
    assert_eq!(acted(&ledger, ROLLED_BACK).await, [""; 0]);
    // One more, and it is none of a server's doing.
    comes_back_with(299).await;
    assert_eq!(acted(&ledger, ROLLED_BACK).await.len(), 1);
    assert_eq!(acted(&ledger, LAST_MOMENTS).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_older_copy_that_is_found_at_a_start_is_told_once_in_the_same_words() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(&MemoryStorage::new(), 300).await;
    let fake = Fake::default();
    let lives = async |records: usize| {
        fake.set(|s| s.records.truncate(records));
        let held = Held::in_folder(folder.path());
        let applier = Applier::spawn(ledger.clone(), fake.clone(), held);
        until(&applier, following).await;
        tokio::time::sleep(Duration::from_secs(6)).await;
        until(&applier, following).await;
        drop(applier);
    };
    lives(0).await;
    lives(300).await;
    assert_eq!(acted(&ledger, ROLLED_BACK).await, [""; 0]);
    lives(2).await;
    lives(301).await;
    let told = acted(&ledger, ROLLED_BACK).await;
    assert_eq!(
        told,
        [
            "its tables held entry 300 and now end with entry 2: an older copy of them was put there; \
             what is missing is brought in from the ledger"
        ]
    );
    // A daemon that was killed before all of it was there has told nothing wrong.
    ledger.append(new("genomics", Change::Noted)).await.unwrap();
    lives(301).await;
    assert_eq!(acted(&ledger, ROLLED_BACK).await, told);
    assert_eq!(acted(&ledger, LAST_MOMENTS).await, [""; 0]);
}

/// What the ledger tells of something that was done.
async fn acted(ledger: &Ledger, what: &str) -> Vec<String> {
    let records = ledger.records(0, 1000).await.unwrap();
    let entries = records.into_iter().map(|r| r.entry);
    entries
        .filter(|e| matches!(&e.change, Change::Acted { action } if action == what))
        .map(|e| e.message)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn rows_that_were_altered_with_their_checksums_are_noticed() {
    let ledger = ledger(&MemoryStorage::new(), 9).await;
    let fake = Fake::default();
    let applier = Applier::spawn(ledger.clone(), fake.clone(), Held::in_memory());
    until(&applier, following).await;
    let forge: [fn(&mut super::fake::State); 2] =
        [|s| s.forged_sums = true, |s| s.forged_newest = true];
    for (n, forge) in forge.into_iter().enumerate() {
        fake.set(forge);
        tokio::time::sleep(Duration::from_secs(6)).await;
        until(&applier, following).await;
        assert_eq!(fake.get(|s| s.aside) as usize, n + 1);
        assert_eq!(acted(&ledger, MENDED).await.len(), n + 1);
    }
    // Nor does it pass for the doing of an entry that comes before the next look.
    tokio::time::sleep(HOUR).await;
    fake.set(|s| s.forged_sums = true);
    ledger.append(new("genomics", Change::Noted)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    until(&applier, following).await;
    assert_eq!(fake.get(|s| s.aside), 3);
    // What the daemon writes itself is no harm, and neither is a repair an older copy.
    ledger.append(new("genomics", Change::Noted)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(fake.get(|s| s.aside), 3);
    assert_eq!(acted(&ledger, ROLLED_BACK).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn indexes_are_compared_at_first_and_every_hour() {
    let ledger = ledger(&MemoryStorage::new(), 3).await;
    let fake = Fake::default();
    fake.set(|s| s.indexes = Some(Indexes::Unknown));
    let applier = Applier::spawn(ledger.clone(), fake.clone(), Held::in_memory());
    until(&applier, following).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    // That it cannot be said is no harm, and cuts no connection.
    assert_eq!(fake.get(|s| (s.checks, s.tries, s.aside)), (1, 1, 0));
    fake.set(|s| s.indexes = Some(Indexes::LackRows));
    tokio::time::sleep(Duration::from_secs(3500)).await;
    assert_eq!(fake.get(|s| (s.checks, s.aside)), (1, 0));
    tokio::time::sleep(Duration::from_secs(120)).await;
    until(&applier, following).await;
    assert_eq!(fake.get(|s| s.aside), 1);
    let told = acted(&ledger, MENDED).await;
    assert!(told[0].contains("lacks matching index tuple"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_role_that_would_not_be_let_in_anew_is_told_and_the_connection_kept() {
    let ledger = ledger(&MemoryStorage::new(), 3).await;
    let fake = Fake::default();
    let applier = Applier::spawn(ledger.clone(), fake.clone(), Held::in_memory());
    until(&applier, following).await;
    fake.set(|s| s.shut_out = true);
    tokio::time::sleep(Duration::from_secs(6)).await;
    until(&applier, following).await;
    assert_eq!(acted(&ledger, LET_IN).await.len(), 1);
    assert_eq!(fake.get(|s| s.tries), 1);
}

#[tokio::test(start_paused = true)]
async fn tables_that_know_more_than_the_journal_are_harm_and_left_alone() {
    let storage = MemoryStorage::new();
    let long = ledger(&storage, 5).await;
    let fake = Fake::default();
    let applier = Applier::spawn(long.clone(), fake.clone(), Held::in_memory());
    until(&applier, following).await;
    drop((applier, long));

    let bytes = storage.bytes();
    let ends = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n');
    let third = ends.map(|(i, _)| i).nth(2).unwrap();
    let shorter = MemoryStorage::holding(bytes[..=third].to_vec());
    let short = ledger(&shorter, 0).await;
    let applier = Applier::spawn(short.clone(), fake.clone(), Held::in_memory());
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
    assert_eq!(fake.get(|s| s.records.len()), 5);
}

#[tokio::test(start_paused = true)]
async fn another_instances_tables_are_harm() {
    let theirs = ledger(&MemoryStorage::new(), 2).await;
    let fake = Fake::default();
    let applier = Applier::spawn(theirs, fake.clone(), Held::in_memory());
    until(&applier, following).await;
    drop(applier);
    let ours = ledger(&MemoryStorage::new(), 0).await;
    for _ in 0..9 {
        ours.append(new("assays", Change::Noted)).await.unwrap();
    }
    let applier = Applier::spawn(ours, fake.clone(), Held::in_memory());
    until(&applier, |s| {
        s.doing == Doing::Harmed(TablesHarm::WrongChain { seq: 2 })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn altered_rows_are_noticed_within_seconds_and_made_again() {
    let ledger = ledger(&MemoryStorage::new(), 300).await;
    let fake = Fake::default();
    let applier = Applier::spawn(ledger.clone(), fake.clone(), Held::in_memory());
    until(&applier, following).await;
    fake.set(|s| (s.altered, s.changes) = (true, 1));
    tokio::time::sleep(Duration::from_secs(6)).await;
    until(&applier, following).await;
    // What was done about it is the newest entry.
    assert_eq!(fake.head().seq, 301);
    assert_eq!(fake.get(|s| (s.aside, s.carried)), (1, 2));
}

/// What the ledger tells of harm of the log.
async fn told(ledger: &Ledger) -> Vec<String> {
    let records = ledger.records(0, 1000).await.unwrap();
    let harms = records.iter().filter_map(|r| match &r.entry.change {
        Change::LogHarmed { findings } => Some(findings.named[0].to_string()),
        _ => None,
    });
    harms.collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_altered_in_the_log_is_in_the_journal_before_the_tables_move() {
    let storage = MemoryStorage::new();
    let ledger = ledger(&storage, 3).await;
    let fake = Fake::default();
    fake.set(|s| (s.altered, s.log_altered, s.stuck) = (true, true, true));
    let applier = Applier::spawn(ledger.clone(), fake.clone(), Held::in_memory());
    until(&applier, |s| matches!(s.doing, Doing::Waiting { .. })).await;
    assert_eq!(fake.get(|s| s.aside), 0);
    assert_eq!(told(&ledger).await, ["entry 7: its message is another one"]);

    // The same is told once, however often the tables do not move.
    fake.set(|s| s.down = false);
    tokio::time::sleep(Duration::from_secs(60)).await;
    fake.set(|s| (s.down, s.stuck) = (false, false));
    until(&applier, following).await;
    assert_eq!(fake.get(|s| s.aside), 1);
    assert_eq!(told(&ledger).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn harmed_tables_stay_where_they_are_while_the_journal_cannot_tell_of_them() {
    let storage = MemoryStorage::new();
    let ledger = ledger(&storage, 3).await;
    storage.set_full(true);
    let fake = Fake::default();
    fake.set(|s| (s.altered, s.log_altered) = (true, true));
    let applier = Applier::spawn(ledger.clone(), fake.clone(), Held::in_memory());
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(matches!(applier.status().doing, Doing::Waiting { .. }));
    assert_eq!(fake.get(|s| s.aside), 0);
    storage.set_full(false);
    until(&applier, following).await;
    assert_eq!(fake.get(|s| s.aside), 1);
    assert_eq!(told(&ledger).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn harmed_tables_stay_where_they_are_while_the_journal_cannot_be_read() {
    use crate::admin::journal::JournalStorage;
    let storage = MemoryStorage::new();
    let ledger = ledger(&storage, 600).await;
    let fake = Fake::default();
    let applier = Applier::spawn(ledger.clone(), fake.clone(), Held::in_memory());
    until(&applier, following).await;
    let whole = storage.bytes();
    let mut flipped = whole.clone();
    flipped[5_000] ^= 1;
    storage.clone().write_at(0, &flipped).unwrap();
    fake.set(|s| (s.altered, s.changes) = (true, 1));
    tokio::time::sleep(Duration::from_secs(600)).await;
    // They may hold the only copy of what the journal has lost.
    assert!(matches!(applier.status().doing, Doing::Waiting { .. }));
    assert_eq!(fake.get(|s| s.aside), 0);
    storage.clone().write_at(0, &whole).unwrap();
    until(&applier, following).await;
    assert_eq!(fake.get(|s| s.aside), 1);
}

#[tokio::test(start_paused = true)]
async fn tables_that_are_harmed_again_and_again_are_left_to_a_person() {
    let ledger = ledger(&MemoryStorage::new(), 3).await;
    let fake = Fake::default();
    fake.set(|s| (s.altered, s.always_altered) = (true, true));
    let applier = Applier::spawn(ledger.clone(), fake.clone(), Held::in_memory());
    until(&applier, |s| matches!(s.doing, Doing::Harmed(_))).await;
    assert_eq!(fake.get(|s| s.aside), 3);
    // Until the first time is an hour ago.
    tokio::time::sleep(Duration::from_secs(3500)).await;
    assert_eq!(fake.get(|s| s.aside), 3);
    tokio::time::sleep(Duration::from_secs(200)).await;
    until(&applier, |s| matches!(s.doing, Doing::Harmed(_))).await;
    assert_eq!(fake.get(|s| s.aside), 6);
    // Or a person has seen to it.
    fake.set(|s| (s.altered, s.always_altered) = (false, false));
    let mut admin = database("mydb_admin", 32010);
    admin.source = crate::model::database::Source::Builtin;
    ledger.append(admitted(admin)).await.unwrap();
    ledger
        .append(new("mydb_admin", Change::RetryAsked))
        .await
        .unwrap();
    until(&applier, following).await;
}

/// Why `mydb_admin`'s server was given up, each time.
async fn given_up(ledger: &Ledger) -> Vec<String> {
    let records = ledger.records(0, 1000).await.unwrap();
    let whys = records.into_iter().filter_map(|r| match r.entry.change {
        Change::Quarantined { why } => Some(why),
        _ => None,
    });
    whys.collect()
}

#[tokio::test(start_paused = true)]
async fn a_server_is_given_up_once_when_new_tables_do_not_end_the_damage_of_its_files() {
    for (damage, aside, times) in [
        (Damage::Tables, 1, 0),
        (Damage::Always, 1, 1),
        (Damage::Catalog, 0, 1),
    ] {
        let ledger = ledger(&MemoryStorage::new(), 3).await;
        let admin = crate::model::Database {
            source: crate::model::database::Source::Builtin,
            ..database("mydb_admin", 32000)
        };
        ledger.append(admitted(admin)).await.unwrap();
        let fake = Fake::default();
        fake.set(|s| s.damaged = Some(damage));
        let applier = Applier::spawn(ledger.clone(), fake.clone(), Held::in_memory());
        tokio::time::sleep(Duration::from_secs(300)).await;
        assert_eq!(fake.get(|s| s.aside), aside);
        assert_eq!(given_up(&ledger).await.len(), times);
        if times == 0 {
            until(&applier, following).await;
            continue;
        }
        // It came back, from wherever.
        assert!(matches!(applier.status().doing, Doing::Waiting { .. }));
        fake.set(|s| s.damaged = None);
        until(&applier, following).await;
    }
}
