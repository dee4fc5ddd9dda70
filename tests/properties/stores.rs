//! Stores that are away, or that hold more than the ledger knows: the program's own archive over them.

use chrono::TimeDelta;

use db4sci::admin::NewEntry;
use db4sci::execute::backup::{Archive, Order};
use db4sci::model::view::WorkAsk;
use db4sci::model::{
    Backup, BackupKind, BackupState, Change, Database, KeepRetired, Outcome, Slot, Who,
};
use db4sci::runtime::Runtime;
use db4sci::store::manifest::{Layout, MANIFEST};

use crate::bench::{Bench as Desks, Shelf};
use crate::host::{Host, block_on};
use crate::rng::Rng;
use crate::seeds::Run;
use crate::shelf::{Store, Troubles};
use crate::specs::Wish;

/// A database that is ready, and an archive beside the daemon's own.
pub struct Bench {
    pub host: Host,
    pub shelf: Shelf,
    pub archive: Archive,
    pub db: Database,
}

impl Bench {
    pub async fn new(wish: Wish) -> Result<Self, String> {
        let mut host = Host::new(Run::of(7)).await?;
        let stores = ["local", "offsite"].map(|name| (name.to_owned(), Store::new()));
        let shelf = Shelf {
            stores: stores.into(),
            keep: KeepRetired {
                data: TimeDelta::hours(48),
                backups: None,
            },
            layout: Layout::new("test", "laws"),
        };
        host.add(wish).await?;
        host.pass(TimeDelta::minutes(2)).await?;
        let db = host.database(0).ok_or("it has no row")?;
        let archive = host.daemon.parts(&host.site).archive(&shelf);
        Ok(Bench {
            host,
            shelf,
            archive,
            db,
        })
    }

    pub fn store(&self, name: &str) -> &Store {
        &self.shelf.stores[name]
    }

    pub fn away(&self, name: &str, away: bool) {
        let troubles = Troubles {
            away,
            ..Troubles::default()
        };
        self.store(name).set(troubles, Rng::new(0));
    }

    /// A first attempt at the slot of now, as far as the ledger of whoever orders it knows.
    pub async fn take(&self) -> Result<Vec<Backup>, String> {
        let order = Order {
            slot: Slot::at(self.archive.clock.now()),
            attempt: 1,
            kind: BackupKind::Manual,
            stores: self.shelf.stores.keys().cloned().collect(),
            note: String::new(),
            version: "17".to_owned(),
        };
        let ready = self.archive.ready(&self.db, order).await;
        let taken = self.archive.take(&self.db, ready, || ()).await;
        taken.map_err(|e| e.to_string())
    }

    /// What the ledger knows of a backup.
    pub fn state(&self, backup: &Backup) -> Option<BackupState> {
        let book = self.archive.ledger.book();
        let row = book.row(&self.db.name)?;
        row.backups.get(&backup.id).map(|b| b.state)
    }
}

fn states(taken: &[Backup]) -> Vec<(&str, u32, BackupState)> {
    let one = |b| -> (&str, u32, BackupState) {
        let b: &Backup = b;
        (&b.id.store, b.id.attempt, b.state)
    };
    taken.iter().map(one).collect()
}

use BackupState::{Damaged, Failed, Running, Stored};

#[test]
fn a_log_that_was_set_back_costs_no_backup_that_it_has_forgotten() {
    block_on(async {
        let bench = Bench::new(Wish::new("genomics", "Postgres")).await?;
        let first = bench.take().await?;
        let both = |attempt, state| vec![("local", attempt, state), ("offsite", attempt, state)];
        assert_eq!(states(&first), both(1, Stored));
        let kept = bench.store("local").keys();
        // The same slot, by a ledger that does not know of it.
        let second = bench.take().await?;
        assert_eq!(states(&second), both(2, Stored));
        // What fails takes away what it wrote, and nothing else.
        let local = bench.store("local");
        local.memory.set_keeps_half(true);
        bench.store("offsite").memory.set_keeps_half(true);
        let third = bench.take().await?;
        assert_eq!(states(&third), both(3, Failed));
        let left = local.keys();
        assert!(kept.iter().all(|key| left.contains(key)), "{left:?}");
        let manifests = left.iter().filter(|key| key.ends_with(MANIFEST));
        assert_eq!(manifests.count(), 2, "{left:?}");
        assert!(!left.iter().any(|key| key.contains("/3/")), "{left:?}");
        Ok::<_, String>(())
    })
    .unwrap();
}

#[test]
fn a_store_that_cannot_be_looked_at_gets_no_backup_and_loses_none() {
    block_on(async {
        let bench = Bench::new(Wish::new("genomics", "Postgres")).await?;
        bench.take().await?;
        let kept = bench.store("offsite").keys();
        bench.away("offsite", true);
        let taken = bench.take().await?;
        let expected = [("local", 2, Stored), ("offsite", 2, Failed)];
        assert_eq!(states(&taken), expected);
        assert_eq!(bench.store("offsite").keys(), kept);
        bench.away("local", true);
        let taken = bench.take().await?;
        let all: Vec<_> = taken.iter().map(|b| b.state).collect();
        assert_eq!(all, [Failed, Failed]);
        assert!(taken.iter().all(|b| bench.state(b) == Some(Failed)));
        // One that was never begun has the id of one that lies there. Its row goes without that.
        assert_eq!(taken[1].id.attempt, 1);
        bench.away("offsite", false);
        let removed = bench.archive.remove(&taken[1], "it failed long ago").await;
        removed.map_err(|e| e.to_string())?;
        assert_eq!(bench.state(&taken[1]), None);
        assert_eq!(bench.store("offsite").keys(), kept);
        Ok::<_, String>(())
    })
    .unwrap();
}

#[test]
fn a_store_that_shows_nothing_that_is_known_damages_no_backup() {
    block_on(async {
        let bench = Bench::new(Wish::new("genomics", "Postgres")).await?;
        let first = bench.take().await?.remove(0);
        let local = bench.store("local");
        for key in local.keys() {
            local.lose(&key);
        }
        let verified = bench.archive.verify(&bench.db, &first).await;
        let why = verified.map(|b| b.state).unwrap_err().to_string();
        assert!(why.contains("not the store that it was"), "{why}");
        assert_eq!(bench.state(&first), Some(Stored));
        // Once it shows one that is known to lie there, what is missing is missing.
        let second = bench.take().await?.remove(0);
        assert_eq!(second.state, Stored);
        let verified = bench.archive.verify(&bench.db, &first).await;
        assert_eq!(verified.map(|b| b.state).ok(), Some(Damaged));
        assert_eq!(bench.state(&first), Some(Damaged));
        assert_eq!(bench.state(&second), Some(Stored));
        Ok::<_, String>(())
    })
    .unwrap();
}

#[test]
fn no_server_is_stopped_for_a_backup_that_no_store_takes() {
    block_on(async {
        let wish = Wish {
            backup: Some("{schedule: \"* * * * *\", verify: Never}"),
            ..Wish::new("graph", "Neo4j")
        };
        let mut bench = Bench::new(wish).await?;
        bench.away("local", true);
        bench.away("offsite", true);
        let (shelf, site) = (bench.shelf.clone(), bench.host.site.clone());
        bench.host.daemon.open_desk(&shelf, &site);
        bench.host.pass(TimeDelta::minutes(3)).await?;
        let book = bench.host.daemon.ledger.book();
        let row = book.row(&bench.db.name).ok_or("it has no row")?;
        let failed = row.backups.values().filter(|b| b.state == Failed);
        assert!(failed.count() >= 2, "{:?}", row.backups);
        let seen = bench.host.world.inspect("graph").await;
        let seen = seen.map_err(|e| e.to_string())?.ok_or("it is gone")?;
        assert_eq!(seen.finished_at, None, "{seen:?}");
        Ok::<_, String>(())
    })
    .unwrap();
}

/// A person may ask as soon as the socket answers. What an earlier daemon left may take minutes to end: the
/// engine may not answer.
#[test]
fn what_is_asked_of_a_new_daemon_is_not_ended_with_what_the_one_before_left() {
    block_on(async {
        let bench = Bench::new(Wish::new("genomics", "Postgres")).await?;
        let mut left = bench.take().await?.remove(0);
        (left.id.attempt, left.state, left.finished) = (2, Running, None);
        let name = &bench.db.name;
        let change = Change::Backup {
            backup: Box::new(left.clone()),
        };
        let entry = NewEntry::of(name, Outcome::Done, "begun".to_owned(), change);
        let ledger = &bench.archive.ledger;
        ledger.append(entry).await.map_err(|e| e.to_string())?;

        let next = Desks::new(&bench.shelf, bench.host.daemon.parts(&bench.host.site));
        let desk = next.desk();
        let ask = WorkAsk::Backup {
            note: "INC-812".to_owned(),
            reason: String::new(),
        };
        let row = ledger.book().row(name).cloned().ok_or("it has no row")?;
        let asked = "who asked for it";
        let (work, written) = desk.take_on(Who::Daemon, &row, ask, asked.to_owned())?;
        // Whoever asked has gone: that they did is written all the same, and before anything is done.
        drop(written);
        let work = work.id;
        let running = || desk.work(name, work).is_some_and(|work| work.running);
        let taken = || {
            let row = ledger.book().row(name).cloned();
            let all = row.into_iter().flat_map(|row| row.backups.into_values());
            all.filter(|b| b.note == "INC-812")
                .map(|b| b.state)
                .collect::<Vec<_>>()
        };
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert!(running() && taken().is_empty(), "{:?}", taken());
        let from = ledger.book().head().seq.saturating_sub(10);
        let last = ledger.records(from, 10).await.map_err(|e| e.to_string())?;
        let told = last.iter().any(|record| record.entry.message == asked);
        assert!(told, "{last:?}");
        desk.take_over().await?;
        while running() {
            tokio::task::yield_now().await;
        }
        assert_eq!(bench.state(&left), Some(Failed));
        assert_eq!(taken(), [Stored, Stored]);
        Ok::<_, String>(())
    })
    .unwrap();
}
