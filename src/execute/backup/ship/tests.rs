use super::*;
use crate::admin::journal::{FileStorage, follow};
use crate::admin::{MemoryStorage, NewEntry};
use crate::model::{Backup, Change, Outcome, Slot, Source, SystemClock};
use crate::store::memory::MemoryStore;

async fn noted(ledger: &Ledger, n: usize) {
    for _ in 0..n {
        let admin = DbName::mydb_admin();
        let entry = NewEntry::of(&admin, Outcome::Done, "x".repeat(900), Change::Noted);
        ledger.append(entry).await.unwrap();
    }
}

async fn shipper() -> (Shipper, MemoryStore, Identity) {
    let (store, key) = (MemoryStore::default(), Identity::generate());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (ledger, _) = Ledger::open(MemoryStorage::new(), clock.clone())
        .await
        .unwrap();
    let shipper = Shipper {
        ledger,
        stores: [(
            "s".to_owned(),
            Arc::new(store.clone()) as Arc<dyn BackupStore>,
        )]
        .into(),
        layout: Layout::new("test", "i"),
        recipients: vec![key.recipient()],
        clock,
    };
    (shipper, store, key)
}

#[tokio::test]
async fn what_was_shipped_reads_as_the_journal_does() {
    let (shipper, _, key) = shipper().await;
    assert_eq!(shipper.ship("s", 0).await.unwrap(), None);
    noted(&shipper.ledger, 3).await;
    assert_eq!(shipper.ship("s", 0).await.unwrap(), Some(3));
    noted(&shipper.ledger, 2).await;
    assert_eq!(shipper.ship("s", 3).await.unwrap(), Some(5));
    let there = shipper.look("s").await.unwrap();
    let ends: Vec<(u64, u64)> = there
        .segments
        .iter()
        .map(|s| (s.first(), s.last.seq))
        .collect();
    assert_eq!(ends, [(1, 3), (4, 5)]);
    assert_eq!(shipper.ours(there.links()).await.unwrap(), there.links());
    let mut head = Head::GENESIS;
    for segment in &there.segments {
        let name = shipper.layout.segment(segment);
        let at = &shipper.stores["s"];
        let lines = fetch_segment(at, &name, vec![key.clone()]).await.unwrap();
        for line in lines.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            head = follow(head, line).unwrap();
        }
        let stranger = fetch_segment(at, &name, vec![Identity::generate()]).await;
        assert!(stranger.unwrap_err().is_damage());
    }
    assert_eq!(head, shipper.ledger.book().head());
    let all: Vec<&Segment> = there.segments.iter().collect();
    shipper.sweep("s", &all, shipper.clock.now()).await.unwrap();
    assert_eq!(shipper.look("s").await.unwrap(), Shipped::default());
}

/// Backups of `mydb_admin` in the store and in the ledger, one a state, each with a copy up to
/// ten times its number.
async fn backed_up(shipper: &Shipper, states: &[BackupState]) {
    let mut db = crate::admin::testing::database("mydb_admin", 32009);
    db.source = Source::Builtin;
    let entry = crate::admin::testing::admitted(db.clone());
    shipper.ledger.append(entry).await.unwrap();
    for (state, nth) in states.iter().zip(1_u64..) {
        let at: Timestamp = format!("2026-03-{nth:02}T02:00:00Z").parse().unwrap();
        let manifest: Manifest = serde_json::from_value(serde_json::json!({
            "version": 1, "name": db.name, "uid": db.uid, "engine": db.engine,
            "serverVersion": "17.0", "image": "postgres:17", "imageId": "sha256:4711",
            "slot": Slot::at(at), "attempt": 1, "kind": "scheduled", "started": at,
            "finished": at, "files": [], "contents": {"how": "counted", "counts": {}},
            "keys": [], "ledgerHead": nth * 10,
            "ledgerCopy": {"seq": nth * 10, "hash": "0".repeat(64)},
        }))
        .unwrap();
        let prefix = shipper.layout.attempt(&db.name, db.uid, Slot::at(at), 1);
        let text = bytes::Bytes::from(manifest.write().unwrap());
        let at: &dyn BackupStore = shipper.stores["s"].as_ref();
        write_small(at, &format!("{prefix}{MANIFEST}"), text)
            .await
            .unwrap();
        let backup = Box::new(Backup {
            state: *state,
            ..manifest.backup("s", "", &prefix)
        });
        let change = Change::Backup { backup };
        let entry = NewEntry::of(&db.name, Outcome::Done, String::new(), change);
        shipper.ledger.append(entry).await.unwrap();
    }
}

#[tokio::test]
async fn pieces_are_needed_until_two_proven_backups_hold_them() {
    use BackupState::{Damaged, Failed, Stored, Verified};
    for (states, copies) in [
        (&[][..], &[][..]),
        (&[Stored, Stored, Stored], &[]),
        (&[Verified, Stored, Stored], &[10]),
        (&[Verified, Verified, Stored, Damaged], &[20, 10]),
        (&[Verified, Failed, Verified], &[30, 10]),
        // However many are newer, and not proven yet.
        (
            &[
                Verified, Verified, Stored, Stored, Stored, Stored, Stored, Stored, Stored,
            ],
            &[20, 10],
        ),
    ] {
        let (shipper, _, _) = shipper().await;
        backed_up(&shipper, states).await;
        let found = shipper.look("s").await.unwrap();
        let found: Vec<u64> = found.copies.iter().map(|copy| copy.upto.seq).collect();
        assert_eq!(found, copies, "{states:?}");
        let all = shipper.look_at_all("s", None).await.unwrap();
        assert_eq!(all.copies.len(), states.len(), "{states:?}");
    }
}

#[tokio::test]
async fn a_store_that_keeps_half_of_it_does_not_have_it() {
    let (shipper, store, _) = shipper().await;
    noted(&shipper.ledger, 3).await;
    store.set_keeps_half(true);
    let error = shipper.ship("s", 0).await.unwrap_err();
    assert!(error.is_damage(), "{error}");
    assert_eq!(shipper.look("s").await.unwrap(), Shipped::default());
    store.set_down(Some("no route"));
    assert!(shipper.look("s").await.is_err() && shipper.ship("s", 0).await.is_err());
}

#[tokio::test]
async fn a_long_journal_goes_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let (mut shipper, _, _) = shipper().await;
    let storage = FileStorage::open(folder.path()).unwrap();
    let clock = shipper.clock.clone();
    shipper.ledger = Ledger::open(storage, clock).await.unwrap().0;
    let admin = DbName::mydb_admin();
    let large = |_| {
        let change = Change::Acted {
            action: "x".repeat(1 << 20),
        };
        NewEntry::of(&admin, Outcome::Done, String::new(), change)
    };
    for _ in 0..3 {
        let unit = (0..3).map(large).collect();
        shipper.ledger.append_all(unit).await.unwrap();
    }
    let (mut at, mut pieces) = (0, Vec::new());
    while let Some(last) = shipper.ship("s", at).await.unwrap() {
        pieces.push(last);
        at = last;
    }
    assert_eq!(pieces, [6, 9]);
}
