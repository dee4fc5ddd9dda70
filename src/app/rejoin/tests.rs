use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::shipped::{Held, ahead};
use super::*;
use crate::admin::{Ledger, MemoryStorage, NewEntry};
use crate::execute::backup::Shipper;
use crate::execute::backup::hex;
use crate::model::{Change, Clock, DbName, Outcome, Slot, SystemClock};
use crate::store::BackupStore;
use crate::store::manifest::{Layout, MANIFEST, Manifest};
use crate::store::memory::MemoryStore;
use crate::store::seal::Identity;

/// The file beside a backup of `mydb_admin` that holds a copy of the ledger.
const LEDGER: &str = "ledger.jsonl.zst.age";

fn ring() -> Keyring {
    Keyring::of([1; 32])
}

/// A host whose ledger goes to two stores, and a folder that another one joins it in.
struct World {
    shipper: Shipper,
    key: Identity,
    memory: [MemoryStore; 2],
    storage: MemoryStorage,
    coming: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let memory = [MemoryStore::default(), MemoryStore::default()];
        let key = Identity::generate();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let storage = MemoryStorage::new();
        let ledger = Ledger::open(storage.clone(), clock.clone()).await;
        let ledger = ledger.unwrap().0;
        ledger.seal_with(ring().sealer());
        let named = |i: usize| {
            let store: Arc<dyn BackupStore> = Arc::new(memory[i].clone());
            (i.to_string(), store)
        };
        let shipper = Shipper {
            ledger,
            stores: [named(0), named(1)].into(),
            layout: Layout::new("test", "i"),
            recipients: vec![key.recipient()],
            clock,
        };
        World {
            shipper,
            key,
            memory,
            storage,
            coming: tempfile::tempdir().unwrap(),
        }
    }

    /// Accepts so many entries; gives the last one's number.
    async fn accept(&self, n: usize) -> u64 {
        for _ in 0..n {
            let admin = DbName::mydb_admin();
            let entry = NewEntry::of(&admin, Outcome::Done, "x".to_owned(), Change::Noted);
            self.shipper.ledger.append(entry).await.unwrap();
        }
        self.shipper.ledger.book().head().seq
    }

    /// Ships what follows an entry.
    async fn ship(&self, store: &str, after: u64) -> Piece {
        let keys = async || {
            let at = &self.shipper.stores[store];
            let objects = at.list("test/").await.unwrap();
            objects.into_iter().map(|o| o.key).collect::<Vec<_>>()
        };
        let before = keys().await;
        self.shipper.ship(store, after).await.unwrap().unwrap();
        let key = keys().await.into_iter().find(|key| !before.contains(key));
        let key = key.unwrap();
        let (instance, segment) = crate::store::manifest::segment_of(&key).unwrap();
        Piece {
            store: store.to_owned(),
            instance: instance.to_owned(),
            segment,
            key: key.clone(),
        }
    }

    /// Damages a piece in its store.
    fn damage(&self, piece: &Piece) {
        let store = &self.memory[piece.store.parse::<usize>().unwrap()];
        store.damage(&piece.key, "nothing of the kind");
    }

    /// Joins pieces to a book; the entries that there are then, and what is told.
    async fn join(&self, book: Book, pieces: &[Piece]) -> (u64, Vec<String>) {
        let mut file = fresh(self.coming.path()).unwrap();
        let bytes = self.storage.bytes();
        let have = usize::try_from(book.head().seq).unwrap();
        for line in bytes.split_inclusive(|b| *b == b'\n').take(have) {
            file.write_all(line).unwrap();
        }
        let mut joining = Joining {
            book,
            ring: ring(),
            upto: None,
            shipped_at: None,
        };
        let mut problems = Vec::new();
        let keys = [self.key.clone()];
        let coming = self.coming.path();
        let stores = &self.shipper.stores;
        joining
            .join(stores, pieces, &keys, coming, &mut problems)
            .await
            .unwrap();
        // What lies in the file is what is believed.
        let (read, _) = read_offline(coming, 0).unwrap();
        assert_eq!(read, joining.book);
        (joining.book.head().seq, problems)
    }
}

#[tokio::test]
async fn pieces_are_joined_from_wherever_the_copy_ends() {
    let world = World::new().await;
    let mut books = vec![Book::new()];
    for _ in 0..6 {
        world.accept(1).await;
        books.push(Book::clone(&world.shipper.ledger.book()));
    }
    let first = world.ship("0", 0).await;
    world.accept(3).await;
    let second = world.ship("0", 6).await;
    let pieces = [second, first];
    for book in books {
        let had = book.head().seq;
        assert_eq!(world.join(book, &pieces).await, (9, vec![]), "from {had}");
    }
    assert_eq!(world.join(Book::new(), &[]).await, (0, vec![]));
}

#[tokio::test]
async fn a_gap_or_a_bad_piece_is_the_end_and_is_told() {
    let world = World::new().await;
    let mut pieces = Vec::new();
    for _ in 0..3 {
        let last = world.accept(2).await;
        pieces.push(world.ship("0", last - 2).await);
    }
    let (end, told) = world
        .join(Book::new(), &[pieces[0].clone(), pieces[2].clone()])
        .await;
    assert_eq!((end, told.len()), (2, 1));
    assert!(
        told[0].contains("up to entry 6") && told[0].contains("from 3 on is lost: the piece"),
        "{told:?}"
    );
    world.damage(&pieces[1]);
    let (end, told) = world.join(Book::new(), &pieces).await;
    assert_eq!((end, told.len()), (2, 1));
    assert!(
        told[0].contains("from 3 on is lost: memory") && told[0].contains(&pieces[1].key),
        "{told:?}"
    );
    // Another store has it.
    let mut both = pieces.clone();
    both.push(world.ship("1", 1).await);
    assert_eq!(world.join(Book::new(), &both).await, (6, vec![]));
}

#[tokio::test]
async fn a_piece_that_is_not_what_its_name_says_is_not_believed() {
    let world = World::new().await;
    world.accept(2).await;
    let first = world.ship("0", 0).await;
    world.accept(2).await;
    let second = world.ship("0", 2).await;
    // Swapped by a hand in the store.
    let stores = &world.shipper.stores;
    let bytes = crate::store::read_small(stores["0"].as_ref(), &first.key, 1 << 20);
    let bytes = bytes.await.unwrap();
    world.memory[0].damage(&second.key, bytes);
    let both = [first.clone(), second];
    let (end, told) = world.join(Book::new(), &both).await;
    assert!(
        end == 2 && told[0].contains("it ends at entry 2"),
        "{end} {told:?}"
    );
    // Good lines, and fewer than its name says.
    let short = world.ship("1", 2).await;
    world.accept(2).await;
    let long = world.ship("1", 2).await;
    let bytes = crate::store::read_small(stores["1"].as_ref(), &short.key, 1 << 20);
    let bytes = bytes.await.unwrap();
    world.memory[1].damage(&long.key, bytes);
    let (end, told) = world.join(Book::new(), &[first, long]).await;
    assert!(
        end == 2 && told[0].contains("it ends at entry 4, and not at 6"),
        "{end} {told:?}"
    );
}

#[tokio::test]
async fn a_piece_that_somebody_without_the_key_wrote_is_not_believed() {
    let world = World::new().await;
    world.accept(2).await;
    let first = world.ship("0", 0).await;
    // Whoever may write to the store knows what pieces are encrypted to.
    world.shipper.ledger.seal_with(Arc::new(|_| None));
    world.accept(2).await;
    let theirs = world.ship("0", 2).await;
    let (end, told) = world.join(Book::new(), &[first, theirs]).await;
    assert!(
        end == 2 && told[0].contains("entry 4 was not written by this daemon"),
        "{end} {told:?}"
    );
}

#[tokio::test]
async fn of_two_histories_the_later_one_goes_on() {
    let world = World::new().await;
    world.accept(2).await;
    let first = world.ship("0", 0).await;
    // The host was lost here, and came back at entry 2.
    let again = MemoryStorage::holding(world.storage.bytes());
    world.accept(5).await;
    let mut abandoned = world.ship("0", 2).await;
    let hour = chrono::TimeDelta::hours(1);
    abandoned.segment.shipped -= hour;
    let clock = world.shipper.clock.clone();
    let mut later = World::new().await;
    later.shipper.ledger = Ledger::open(again, clock).await.unwrap().0;
    later.shipper.ledger.seal_with(ring().sealer());
    later.shipper.stores.clone_from(&world.shipper.stores);
    later.shipper.recipients = vec![world.key.recipient()];
    later.accept(1).await;
    let goes_on = later.ship("0", 2).await;
    let all = [first.clone(), abandoned.clone(), goes_on];
    assert_eq!(world.join(Book::new(), &all).await, (3, vec![]));
    // Without the later one, the earlier is all there is.
    assert_eq!(world.join(Book::new(), &[first, abandoned]).await.0, 7);
}

impl World {
    /// Puts a backup of `mydb_admin` with a copy of the ledger up to now into a store.
    async fn back_up(&self, store: &str, day: u32) {
        let mut sealed = crate::store::seal::seal(&[self.key.recipient()], Vec::new()).unwrap();
        let bytes = self.storage.bytes();
        let mut packed = zstd::Encoder::new(&mut sealed, 3).unwrap();
        packed.write_all(&bytes).unwrap();
        packed.finish().unwrap();
        let sealed = sealed.finish().unwrap();
        let sum = |bytes: &[u8]| hex(&Sha256::digest(bytes));
        let head = self.shipper.ledger.book().head();
        let at = format!("2026-03-{day:02}T02:00:00Z");
        let db = crate::admin::testing::database("mydb_admin", 32009);
        let at: Timestamp = at.parse().unwrap();
        let manifest: Manifest = serde_json::from_value(serde_json::json!({
            "version": 1, "name": db.name, "uid": db.uid, "engine": db.engine,
            "serverVersion": "17.0", "image": "postgres:17", "imageId": "sha256:4711",
            "slot": Slot::at(at), "attempt": 1, "kind": "scheduled", "started": at,
            "finished": at, "contents": {"how": "counted", "counts": {}},
            "files": [{
                "name": LEDGER, "part": null, "database": null, "bytes": sealed.len(), "sha256": sum(&sealed),
                "plainBytes": bytes.len(), "plainSha256": sum(&bytes),
            }],
            "keys": [], "ledgerHead": head.seq,
            "ledgerCopy": {"seq": head.seq, "hash": head.hash.to_string()},
        }))
        .unwrap();
        let prefix = self
            .shipper
            .layout
            .attempt(&db.name, db.uid, Slot::at(at), 1);
        let at = self.shipper.stores[store].as_ref();
        for (name, bytes) in [(LEDGER, sealed), (MANIFEST, manifest.write().unwrap())] {
            let key = format!("{prefix}{name}");
            crate::store::write_small(at, &key, bytes).await.unwrap();
        }
    }

    /// What a host that has so many entries finds in the stores: what it is told of before, where the journal
    /// ends after it took in what follows, and which stores were silent.
    async fn taken_in(&self, have: u64) -> (Option<String>, u64, Result<(), String>) {
        let folder = self.coming.path();
        let mut file = fresh(folder).unwrap();
        let bytes = self.storage.bytes();
        let have = usize::try_from(have).unwrap();
        for line in bytes.split_inclusive(|b| *b == b'\n').take(have) {
            file.write_all(line).unwrap();
        }
        let (book, _) = read_offline(folder, 0).unwrap();
        let stores = self.shipper.stores.clone();
        let told = ahead(&stores, "test", "i", &book).await;
        let held = Held {
            stores,
            mode: "test",
            instance: "i",
            identities: vec![self.key.clone()],
            ring: ring(),
        };
        let joined = held.join(folder, book).await;
        let (read, _) = read_offline(folder, 0).unwrap();
        (told, read.head().seq, joined)
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_was_set_back_takes_in_pieces_and_copies_that_go_on_from_its_end() {
    let world = World::new().await;
    world.accept(4).await;
    world.ship("0", 0).await;
    assert_eq!(world.taken_in(4).await, (None, 4, Ok(())));
    let there = |store: &str, entry: u64| Some(format!("the store {store} holds entry {entry}"));
    assert_eq!(world.taken_in(2).await, (there("0", 4), 4, Ok(())));
    // What lies between is in a copy alone: the pieces went when two proven backups held them.
    world.accept(4).await;
    world.back_up("1", 1).await;
    world.accept(2).await;
    world.ship("0", 8).await;
    assert_eq!(world.taken_in(2).await, (there("0", 10), 10, Ok(())));
    assert_eq!(world.taken_in(9).await, (there("0", 10), 10, Ok(())));
    // One that is silent is asked for a while, and said; what the other one has is taken in.
    world.memory[1].set_down(Some("no route"));
    let (told, end, joined) = world.taken_in(2).await;
    assert_eq!((told, end), (there("0", 10), 4));
    assert!(joined.unwrap_err().contains("no route"));
    world.memory[1].set_down(None);
    // A copy that does not open is no copy.
    let keys = world.shipper.stores["1"].list("test/").await.unwrap();
    let ledger = keys.iter().find(|o| o.key.ends_with(LEDGER)).unwrap();
    world.memory[1].damage(&ledger.key, "nothing of the kind");
    assert_eq!(world.taken_in(2).await.1, 4);
}
