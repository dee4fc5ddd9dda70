//! Tables that a newer program has.

use super::*;

#[tokio::test(start_paused = true)]
async fn tables_that_a_newer_program_changed_get_nothing_more_and_that_is_told_once() {
    let ledger = ledger(&MemoryStorage::new(), 5).await;
    let fake = Fake::default();
    let applier = Applier::spawn(ledger.clone(), fake.clone(), Held::in_memory());
    until(&applier, following).await;

    let begun = Instant::now();
    fake.set(|s| s.newer = Some(9000));
    let newer = TablesHarm::Newer { version: 9000 };
    let harmed = Doing::Harmed(newer.clone());
    until(&applier, |s| s.doing == harmed).await;
    assert!(begun.elapsed() < Duration::from_secs(10));
    for _ in 0..3 {
        ledger.append(new("genomics", Change::Noted)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(applier.status().doing, harmed);
    assert_eq!(fake.get(|s| (s.records.len(), s.aside)), (5, 0));
    let all = ledger.on_disk(0, 100).await.unwrap();
    let told = all.iter().filter(|r| r.entry.message == newer.to_string());
    assert_eq!(told.count(), 1);

    // A backup of before was put back.
    fake.set(|s| s.newer = None);
    until(&applier, following).await;
    assert_eq!(fake.head(), ledger.book().head());
}
