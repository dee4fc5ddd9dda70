//! What the ledger says was begun and not ended, ended by the program's own desk: its daemon was killed,
//! or the ledger that came back ends before it.

use chrono::TimeDelta;

use db4sci::admin::{MemoryStorage, NewEntry};
use db4sci::model::{
    Backup, BackupId, BackupKind, BackupState, Change, Contents, Database, DbName, Entry,
    KeepRetired, MarkerState, Outcome, Seen, Slot, Uid, WantedState,
};
use db4sci::runtime::DataDirs;
use db4sci::specs;
use db4sci::store::manifest::{Layout, MANIFEST, Manifest, VERSION};
use db4sci::store::write_small;

use crate::bench::Shelf;
use crate::daemon::Daemon;
use crate::grudge::Grudge;
use crate::host::{Host, block_on};
use crate::rng::Rng;
use crate::seeds::Run;
use crate::shelf::{Store, Troubles};
use crate::specs::{Wish, rules};

/// What people find afterwards: whether the copy has a row, whether that is over, and its marker.
type Found = (Option<WantedState>, bool, Option<MarkerState>);

/// What an entry changes, of which database.
fn admitted(db: &Database) -> (DbName, Change) {
    let database = Box::new(db.clone());
    (db.name.clone(), Change::Admitted { database })
}

/// A host with a desk over a store, and `mydb_admin` and a database on it that nobody touches.
struct Begun {
    host: Host,
    store: Store,
    layout: Layout,
    admin: Database,
    db: Database,
}

impl Begun {
    async fn new(name: &'static str) -> Result<Self, String> {
        let (host, store, layout) = (
            Host::new(Run::of(7)).await?,
            Store::new(),
            Layout::new("test", "laws"),
        );
        let first = |problems: Vec<_>| format!("{:?}", problems.first());
        let mut rules = rules();
        let admin = specs::mydb_admin(&rules, None, Uid(uuid::Uuid::from_u128(1)));
        let admin = admin.map_err(first)?;
        rules.take(&admin);
        let wish = Wish {
            state: "Maintenance",
            backup: Some("{schedule: Never, verify: Never}"),
            ..Wish::new(name, "Postgres")
        };
        let db = wish.admit(None, &rules, Uid(uuid::Uuid::from_u128(2)));
        let mut begun = Begun {
            db: db.map_err(first)?,
            admin,
            host,
            store,
            layout,
        };
        begun.open_desk();
        begun.note(admitted(&begun.admin)).await?;
        begun.note(admitted(&begun.db)).await?;
        Ok(begun)
    }

    fn open_desk(&mut self) {
        let shelf = Shelf {
            stores: [("local".to_owned(), self.store.clone())].into(),
            keep: KeepRetired {
                data: TimeDelta::hours(48),
                backups: None,
            },
            layout: self.layout.clone(),
        };
        self.host.daemon.open_desk(&shelf, &self.host.site);
    }

    async fn note(&self, (name, change): (DbName, Change)) -> Result<(), String> {
        let entry = NewEntry::of(&name, Outcome::Done, String::new(), change);
        let written = self.host.daemon.ledger.append(entry).await;
        written.map(drop).map_err(|e| e.to_string())
    }

    fn id(&self, attempt: u32) -> BackupId {
        BackupId {
            name: self.db.name.clone(),
            slot: Slot::at(self.host.now()),
            attempt,
            store: "local".to_owned(),
        }
    }

    /// Another life, on a ledger that ends before the copy's data was in its place.
    async fn forget_the_copy(&mut self) -> Result<(), String> {
        let records = self.host.daemon.ledger.on_disk(0, usize::MAX).await;
        let storage = MemoryStorage::new();
        let (world, site) = (&self.host.world, &self.host.site);
        let grudge = Grudge::new(world);
        self.host.daemon = Daemon::start(world, storage.clone(), None, site, grudge).await?;
        self.host.storage = storage;
        self.open_desk();
        for record in records.map_err(|e| e.to_string())? {
            let Entry { name, change, .. } = record.entry;
            let name = name.ok_or("an entry of nobody")?;
            let kept = match &change {
                Change::Admitted { database } => database.state == WantedState::Maintenance,
                Change::ImagePinned { .. } | Change::Sealed { .. } => true,
                _ => false,
            };
            if kept || name.is_mydb_admin() {
                self.note((name, change)).await?;
            }
        }
        Ok(())
    }

    /// A copy is under way by the ledger, and its store does not answer. One that is whole was in use when
    /// that ledger came back.
    async fn copy(whole: bool) -> Result<Self, String> {
        let mut begun = Begun::new("copy").await?;
        let (uid, from) = (begun.db.uid, begun.id(1));
        if whole {
            let mut used = begun.db.clone();
            (used.state, used.generation) = (WantedState::Running, used.generation + 1);
            begun.note(admitted(&used)).await?;
            begun.host.pass(TimeDelta::minutes(3)).await?;
            begun.forget_the_copy().await?;
        } else {
            let prepared = begun.host.world.prepare(&begun.db).await;
            prepared.map_err(|e| e.to_string())?;
        }
        let away = Troubles {
            away: true,
            ..Troubles::default()
        };
        begun.store.set(away, Rng::new(0));
        let began = Change::CopyBegan { uid, from };
        begun.note((begun.db.name.clone(), began)).await?;
        Ok(begun)
    }

    async fn found_after(&mut self, time: TimeDelta) -> Result<Found, String> {
        self.host.pass(time).await?;
        let book = self.host.daemon.ledger.book();
        let row = book.row(&self.db.name);
        let marker = match DataDirs::look(&self.host.world, &self.db, None).await {
            Seen::Present(data) => data.marker.map(|marker| marker.state),
            Seen::Absent => None,
            Seen::Unknown(why) => return Err(why),
        };
        Ok((
            row.map(|row| row.database.state),
            row.is_some_and(|row| row.copying.is_none() && row.initialised),
            marker,
        ))
    }
}

#[test]
fn a_copy_that_is_whole_is_finished_and_what_is_left_of_another_goes_once_all_is_known() {
    let wait = TimeDelta::minutes(3);
    let found = |whole| {
        block_on(async {
            let mut copy = Begun::copy(whole).await?;
            let frozen = copy.found_after(wait).await?;
            copy.store.set(Troubles::default(), Rng::new(0));
            Ok::<_, String>((frozen, copy.found_after(wait).await?))
        })
        .unwrap()
    };
    use MarkerState::{Initialised, Initialising};
    use WantedState::{Maintenance, Running};
    // While a store does not answer nobody knows what lives.
    let waits = |marker| (Some(Maintenance), false, Some(marker));
    let ended = (Some(Running), true, Some(Initialised));
    assert_eq!(found(true), (waits(Initialised), ended));
    assert_eq!(found(false), (waits(Initialising), (None, false, None)));
}

#[test]
fn a_backup_whose_daemon_dies_after_its_manifest_is_stored_and_of_any_other_nothing_is_left() {
    let found = block_on(async {
        let mut begun = Begun::new("genomics").await?;
        let started = begun.host.now();
        let manifest = |attempt, started| Manifest {
            version: VERSION,
            name: begun.db.name.clone(),
            uid: begun.db.uid,
            engine: begun.db.engine,
            server_version: "17".to_owned(),
            image: begun.db.image.reference.to_string(),
            image_id: "sha256:0".to_owned(),
            slot: begun.id(attempt).slot,
            attempt,
            kind: BackupKind::Scheduled,
            started,
            finished: started,
            files: Vec::new(),
            contents: Contents::default(),
            keys: Vec::new(),
            ledger_head: 1,
            ledger_copy: None,
        };
        let other = manifest(3, started - TimeDelta::hours(1)).write()?;
        let manifests = [
            Some(manifest(1, started).write()?),
            None,
            // Its objects were written over.
            Some(other),
            Some(b"{".to_vec()),
        ];
        for (attempt, text) in (1..).zip(manifests) {
            let backup = Backup {
                state: BackupState::Running,
                finished: None,
                ..manifest(attempt, started).backup("local", "shelf", "")
            };
            let BackupId { name, slot, .. } = &backup.id;
            let prefix = begun.layout.attempt(name, backup.uid, *slot, attempt);
            let backup = Box::new(backup);
            begun
                .note((begun.db.name.clone(), Change::Backup { backup }))
                .await?;
            for (file, text) in [("rows", Some(b"1".to_vec())), (MANIFEST, text)] {
                let Some(text) = text else { continue };
                let key = format!("{prefix}{file}");
                let written = write_small(&begun.store, &key, text).await;
                written.map_err(|e| e.to_string())?;
            }
        }
        begun.host.pass(TimeDelta::seconds(1)).await?;
        let book = begun.host.daemon.ledger.book();
        let row = book.row(&begun.db.name).ok_or("it has no row")?;
        let known = row.backups.values();
        let states: Vec<_> = known
            .map(|b| (b.id.attempt, b.state, b.sha256.is_some()))
            .collect();
        Ok::<_, String>((states, begun.store.keys().len()))
    });
    use BackupState::{Failed, Stored};
    let states = vec![
        (1, Stored, true),
        (2, Failed, false),
        (3, Failed, false),
        (4, Failed, false),
    ];
    assert_eq!(found.unwrap(), (states, 2));
}
