use serde_json::json;

use super::super::history::Place;
use super::rows::RETIRED;
use super::rows::RETIRES;
use super::*;
use crate::admin::journal::{FileStorage, Journal};
use crate::admin::testing::{self, admitted, book, database, instant, name, note};
use crate::admin::{Book, Row};
use crate::cli::Found;
use crate::model::Database;
use crate::model::view::Phase;
use crate::model::{BackupId, WantedState};
use crate::plan::comeback::{Lost, Priority};
use crate::specs::testing::rules;
use crate::store::BackupStore;
use crate::store::manifest::Manifest;
use crate::store::manifest::{Layout, MANIFEST};
use crate::store::memory::MemoryStore;
use crate::store::seal::Identity;
use crate::store::write_small;

/// A store that has backups, and their places.
#[derive(Default)]
struct World {
    memory: MemoryStore,
    places: Vec<Place>,
}

impl World {
    fn stores(&self) -> Stores {
        let store: Arc<dyn BackupStore> = Arc::new(self.memory.clone());
        [("local".to_owned(), store)].into()
    }

    /// Puts a backup there, taken so many seconds after an instant.
    async fn has(&mut self, db: &Database, at: i64, spec: &str) -> BackupId {
        let slot = Slot::at(instant(at));
        let prefix = Layout::new("test", "i").attempt(&db.name, db.uid, slot, 1);
        let manifest: Manifest = serde_json::from_value(json!({
            "version": 1, "name": db.name, "uid": db.uid, "engine": db.engine,
            "serverVersion": "17.0", "image": "postgres:17", "imageId": "sha256:4711",
            "slot": slot, "attempt": 1, "kind": "manual", "started": instant(at),
            "finished": instant(at), "files": [], "contents": {"how": "counted", "counts": {}}, "keys": [], "ledgerHead": 7,
        }))
        .unwrap();
        let text = manifest.write().unwrap();
        for (file, bytes) in [(MANIFEST, text), ("spec.yaml", spec.as_bytes().to_vec())] {
            let key = format!("{prefix}{file}");
            write_small(&self.memory, &key, bytes).await.unwrap();
        }
        self.places.push(Place {
            store: "local".to_owned(),
            instance: "i".to_owned(),
            name: db.name.clone(),
            uid: db.uid,
            slot: slot.to_string(),
            attempt: 1,
            prefix,
        });
        manifest.id("local")
    }
}

/// The memory with what was written behind it.
fn with(mut book: Book, entries: Vec<NewEntry>) -> Book {
    for new in entries {
        book.check(&new).unwrap();
        let next = testing::entry(book.head().seq + 1, new);
        book.apply(&next).unwrap();
    }
    book
}

/// What becomes of a database of a host that lived up to 200 s.
fn of(
    book: &Book,
    row: &Row,
    held: Held,
    only: &[DbName],
    retired: bool,
) -> (Found, Vec<NewEntry>) {
    let lived = instant(200);
    of_database(book, row, held, &Asked { only, lived }, retired)
}

#[tokio::test]
async fn a_database_whose_first_start_the_memory_does_not_know_comes_back_full() {
    let db = database("genomics", 32011);
    let book = book(vec![admitted(db.clone())]);
    let mut world = World::default();
    let stores = world.stores();
    let row = |book: &Book| book.row(&name("genomics")).unwrap().clone();
    let none = held(&stores, &world.places, db.uid).await;
    let (found, entries) = of(&book, &row(&book), none, &[], false);
    assert_eq!(
        (found.what.as_str(), entries),
        ("never had data; is made", Vec::new())
    );

    let id = world.has(&db, 100, "").await;
    for (only, what, asked) in [
        (&[][..], "comes back", true),
        (&[name("assays")], "waits: db4sci restore", false),
    ] {
        let there = held(&stores, &world.places, db.uid).await;
        let (found, entries) = of(&book, &row(&book), there, only, false);
        assert_eq!(found.what, what);
        let row = row(&with(book.clone(), entries));
        assert!(row.initialised, "never does it begin empty");
        assert_eq!(row.recover, asked);
        assert!(row.backups.contains_key(&id));
        let image = row.database.image.pinned.clone().unwrap();
        assert_eq!(image.to_string(), "sha256:4711");
    }
    for (state, what, asked) in [
        (WantedState::Stopped, "comes back once it is started", true),
        (WantedState::Retired, RETIRES, false),
    ] {
        let wanted = Database {
            state,
            ..db.clone()
        };
        let book = crate::admin::testing::book(vec![admitted(wanted)]);
        let there = held(&stores, &world.places, db.uid).await;
        let (found, entries) = of(&book, &row(&book), there, &[], false);
        assert_eq!(found.what, what);
        assert_eq!(row(&with(book.clone(), entries)).recover, asked, "{what}");
    }
    // Retired since: it has data, and does not come back.
    let there = held(&stores, &world.places, db.uid).await;
    let (found, entries) = of(&book, &row(&book), there, &[], true);
    assert_eq!(found.what, RETIRED);
    let row = row(&with(book.clone(), entries));
    assert!(row.initialised && !row.recover);
}

#[tokio::test]
async fn a_database_that_the_memory_does_not_know_gets_its_row_from_its_backup() {
    const SPEC: &str = "apiVersion: db4sci/v1\nkind: Database\nmetadata:\n  name: assays\nspec:\n  \
                        engine: Postgres\n  owner: lab\n  contact: lab@example.org\n  port: 32044\n";
    let known = database("genomics", 32011);
    let book = book(vec![admitted(known.clone())]);
    let mut world = World::default();
    let stores = world.stores();
    let new = database("assays", 32044);
    world.has(&known, 100, "").await;
    world.has(&new, 90, "of no use").await;
    let id = world.has(&new, 100, SPEC).await;
    world.has(&database("broken", 32055), 100, "spec: {").await;
    // Older than that one, and on the port that is free first.
    let first = database("first", 32010);
    world
        .has(
            &first,
            100,
            &SPEC.replace("assays", "first").replace("32044", "32010"),
        )
        .await;
    let gone = database("gone", 32066);
    world.has(&gone, 100, SPEC).await;
    let retired = [gone.uid].into();
    let unknown = rebuild::unknown(&book, &world.places, &retired);
    let names: BTreeSet<&DbName> = unknown.values().collect();
    let expected = [&name("assays"), &name("broken"), &name("first")];
    assert_eq!(names, expected.into());

    let of = async |only: &[DbName]| {
        let unknown = unknown.clone();
        let (lived, at) = (Some(instant(160)), instant(300));
        let wish = Wish {
            only,
            lived,
            at,
            keys: &[],
        };
        rebuild::rebuild(&book, &stores, &world.places, unknown, rules(), &wish).await
    };
    let rebuilt = of(&[]).await;
    assert!(
        rebuilt.databases[&name("assays")]
            .what
            .starts_with("comes back")
    );
    assert_eq!(rebuilt.problems, [""; 0]);
    let assays = &rebuilt.databases[&name("assays")];
    assert_eq!(assays.lost, Some(Lost::AtMost { minutes: 1 }));
    let broken = &rebuilt.databases[&name("broken")].what;
    assert!(
        broken.starts_with("is held: its spec is not known any more"),
        "{broken}"
    );
    let after = with(book.clone(), rebuilt.entries);
    assert_eq!(
        after.row(&name("first")).unwrap().database.port.get(),
        32010
    );
    let row = after.row(&name("broken")).unwrap();
    assert!(
        row.initialised && !row.recover,
        "it does not begin empty, and nobody acts on it"
    );
    assert_eq!(row.wanted(), WantedState::Maintenance);
    assert_eq!(row.backups.len(), 1);
    assert_eq!(row.database.engine.to_string(), "Postgres");
    let row = after.row(&name("assays")).unwrap();
    assert_eq!(row.database.uid, new.uid, "its data is its own");
    assert_eq!(row.database.port.get(), 32044);
    assert!(row.initialised && row.recover && row.backups.contains_key(&id));
    assert_eq!(row.backups.len(), 2);
    assert!(row.database.image.pinned.is_some());

    let others = of(&[name("genomics")]).await;
    let row = with(book.clone(), others.entries);
    let row = row.row(&name("assays")).unwrap();
    assert!(
        row.initialised && !row.recover,
        "it waits, and is not made empty"
    );
}

#[tokio::test]
async fn a_database_whose_manifests_cannot_be_read_is_held_and_does_not_begin_empty() {
    let mut world = World::default();
    let stores = world.stores();
    let db = database("genomics", 32011);
    world.has(&db, 100, "").await;
    let prefix = world.places[0].prefix.clone();
    let broken = async |file: &str| {
        let key = format!("{prefix}{file}");
        world.memory.delete(&key).await.unwrap();
        write_small(&world.memory, &key, b"{".to_vec())
            .await
            .unwrap();
    };
    broken(MANIFEST).await;
    // One that the memory knows, and never saw with data.
    let knows = book(vec![admitted(db.clone())]);
    let row = |book: &Book| book.row(&name("genomics")).unwrap().clone();
    let there = held(&stores, &world.places, db.uid).await;
    let (found, entries) = of(&knows, &row(&knows), there, &[], false);
    assert!(
        found.what.starts_with("is held, and does not begin empty"),
        "{}",
        found.what
    );
    assert_eq!(found.lost, Some(Lost::Unknown));
    assert!(row(&with(knows.clone(), entries)).initialised);

    // One that it does not know: what it was dumped with tells its engine.
    let keys = [Identity::generate()];
    let unknown = || [(db.uid, db.name.clone())].into();
    let rebuild = async || {
        let (only, lived, at) = (&[][..], None, instant(300));
        let wish = Wish {
            only,
            lived,
            at,
            keys: &keys,
        };
        rebuild::rebuild(
            &Book::new(),
            &stores,
            &world.places,
            unknown(),
            rules(),
            &wish,
        )
        .await
    };
    let nothing = rebuild().await;
    assert!(
        nothing.problems[0].contains("not even its engine is known"),
        "{:?}",
        nothing.problems
    );
    // Or where the files lay that were left of its server.
    let mut archive = vec![0; 200_000];
    archive[..15].copy_from_slice(b"var/lib/mysql/\0");
    let sealed = crate::store::seal::seal(&[keys[0].recipient()], Vec::new()).unwrap();
    let mut packed = zstd::Encoder::new(sealed, 3).unwrap();
    std::io::Write::write_all(&mut packed, &archive).unwrap();
    let sealed = packed.finish().unwrap().finish().unwrap();
    let files = format!("{prefix}files.tar.zst.age");
    write_small(&world.memory, &files, sealed).await.unwrap();
    let rebuilt = rebuild().await;
    let held = row(&with(Book::new(), rebuilt.entries));
    assert_eq!(held.database.engine.to_string(), "MariaDB");
    assert!(held.initialised && held.wanted() == WantedState::Maintenance);
    world.memory.delete(&files).await.unwrap();
    broken("data.archive.zst.age").await;
    let rebuilt = rebuild().await;
    let row = row(&with(Book::new(), rebuilt.entries));
    assert_eq!(row.database.engine.to_string(), "MongoDB");
    assert!(row.initialised && row.wanted() == WantedState::Maintenance);
    assert_eq!(
        rebuilt.databases[&name("genomics")].lost,
        Some(Lost::Unknown)
    );
}

#[tokio::test]
async fn what_is_lost_goes_up_to_the_last_sign_of_life() {
    let mut world = World::default();
    let stores = world.stores();
    let db = database("genomics", 32011);
    let id = world.has(&db, 100, "").await;
    let there = held(&stores, &world.places, db.uid).await;
    let backup = there.backups[0].backup.clone();
    let mut support = db.clone();
    support
        .facts
        .insert("SUPPORT".to_owned(), "Full".to_owned());
    let uid = db.uid;
    let initialised = testing::new("genomics", Change::Initialised { uid });
    let knows = book(vec![
        admitted(support),
        initialised,
        was_found(&db.name, backup),
    ]);
    assert!(knows.row(&db.name).unwrap().backups.contains_key(&id));
    for (phase, at, lost) in [
        (Phase::Ready, 150, Lost::AtMost { minutes: 2 }),
        (Phase::Stopped, 150, Lost::AtMost { minutes: 1 }),
        (Phase::Stopped, 90, Lost::Nothing),
        (Phase::Degraded, 90, Lost::AtMost { minutes: 2 }),
    ] {
        let mut row = knows.row(&db.name).unwrap().clone();
        (row.phase, row.since) = (phase, instant(at));
        let there = held(&stores, &world.places, db.uid).await;
        let (found, _) = of(&knows, &row, there, &[], false);
        assert_eq!(found.lost, Some(lost), "{phase} {at}");
        assert_eq!(found.priority, Priority::Full);
    }
    // It was started again after the memory ends, or its newest backup could not be.
    let without = book(vec![admitted(db.clone())]);
    let mut row = without.row(&db.name).unwrap().clone();
    (row.phase, row.since) = (Phase::Stopped, instant(90));
    let there = held(&stores, &world.places, db.uid).await;
    let (found, _) = of(&without, &row, there, &[], false);
    assert_eq!(found.lost, Some(Lost::AtMost { minutes: 2 }));
}

#[test]
fn memory_that_may_be_there_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    assert_eq!(without_memory(&journal), Ok(None));
    let storage = FileStorage::open(&journal).unwrap();
    let (mut writer, _) = Journal::open(Box::new(storage), &mut |_| Ok(())).unwrap();
    assert_eq!(without_memory(&journal), Ok(None), "an empty one");
    for seq in 1..=3 {
        writer.append(vec![vec![note(seq, "x")]]).unwrap();
    }
    let file = journal.join(FILE_NAME);
    let whole = fs::read(&file).unwrap();
    assert!(
        without_memory(&journal)
            .unwrap_err()
            .contains("has its memory")
    );

    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(&file, &flipped).unwrap();
    assert!(without_memory(&journal).unwrap().is_some(), "harmed");
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let cut = without_memory(&journal).unwrap().unwrap();
    assert!(cut.contains("it ends there, and had"), "{cut}");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    fs::remove_file(journal.join(LENGTH)).unwrap();
    assert!(
        without_memory(&journal)
            .unwrap_err()
            .contains("cannot be known")
    );
}
