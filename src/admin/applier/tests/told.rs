//! A repair and the entry that tells of it.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_repair_that_was_cut_off_before_it_was_told_is_told_by_the_next_daemon_and_only_then() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(&MemoryStorage::new(), 5).await;
    let fake = Fake::default();
    let daemon = || Applier::spawn(ledger.clone(), fake.clone(), Held::in_folder(folder.path()));
    // Killed when the harmed tables had been moved away, and nothing was written about that.
    Held::in_folder(folder.path()).set(5);
    let applier = daemon();
    until(&applier, following).await;
    let told = acted(&ledger, MENDED).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("held entry 5 and are empty"), "{told:?}");
    drop(applier);

    // Killed when it was told, and that had not come to be known here.
    fake.set(|s| s.records.clear());
    Held::in_folder(folder.path()).set(5);
    let applier = daemon();
    until(&applier, following).await;
    assert_eq!(acted(&ledger, MENDED).await.len(), 1);
    drop(applier);

    // One that is not cut off tells once, too.
    let applier = daemon();
    until(&applier, following).await;
    fake.set(|s| (s.altered, s.changes) = (true, 1));
    tokio::time::sleep(Duration::from_secs(60)).await;
    until(&applier, following).await;
    assert_eq!(acted(&ledger, MENDED).await.len(), 2);
    drop(applier);
    let applier = daemon();
    until(&applier, following).await;
    assert_eq!(acted(&ledger, MENDED).await.len(), 2);
    assert_eq!(fake.head(), ledger.book().head());
}
