//! Works that are cut off, or meet a person's word of meanwhile: by the program's own desk.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use chrono::TimeDelta;
use futures_util::FutureExt;
use futures_util::future::join_all;

use db4sci::admin::NewEntry;
use db4sci::control::Desk;
use db4sci::execute::backup::{Archive, BackupError, Dump, Dumped, Taking, Tools};
use db4sci::model::view::WorkAsk;
use db4sci::model::{
    Backup, BackupState, Change, Clock, Database, DbName, Outcome, Override, OverrideState, Uid,
    Who,
};
use db4sci::runtime::Runtime;
use db4sci::specs;
use db4sci::store::manifest::Manifest;

use crate::bench::Bench as Desks;
use crate::host::block_on;
use crate::rng::Rng;
use crate::shelf::{RowTools, Troubles};
use crate::specs::{Wish, rules};
use crate::stores::Bench;

type Done = Result<(), String>;

impl Bench {
    async fn write(&self, name: &DbName, change: Change) -> Done {
        let entry = NewEntry::of(name, Outcome::Done, "a test's word".to_owned(), change);
        let written = self.archive.ledger.append(entry).await;
        written.map(drop).map_err(|e| e.to_string())
    }

    /// A desk that has taken over.
    async fn desk(&self) -> Result<Arc<Desk>, String> {
        let parts = self.host.daemon.parts(&self.host.site);
        let desk = Desks::new(&self.shelf, parts).desk().clone();
        desk.take_over().await?;
        Ok(desk)
    }

    fn restoring(&self) -> bool {
        let book = self.archive.ledger.book();
        let row = book.row(&self.db.name);
        row.is_some_and(|row| row.restoring.is_some())
    }
}

/// All that is due now, to its end.
async fn due(desk: &Arc<Desk>) {
    join_all(desk.begin_due()).await;
}

async fn until_over(desk: &Desk, name: &DbName, work: u64) -> (bool, String) {
    for _ in 0..100_000 {
        let work = desk.work(name, work).unwrap();
        if let Some(ok) = work.ok {
            return (ok, work.message);
        }
        tokio::task::yield_now().await;
    }
    panic!("it is never over: {:?}", desk.work(name, work));
}

fn person() -> Who {
    Who::Socket {
        uid: 0,
        user: "root".to_owned(),
    }
}

fn ask() -> WorkAsk {
    WorkAsk::Backup {
        note: "INC-812".to_owned(),
        reason: String::new(),
    }
}

/// Tools that cannot end what an earlier daemon left, until they are told to.
struct Stuck(RowTools, AtomicBool);

#[async_trait]
impl Tools for Stuck {
    async fn dump(
        &self,
        archive: &Archive,
        dump: Dump<'_>,
        taking: &mut Taking,
    ) -> Result<Dumped, BackupError> {
        self.0.dump(archive, dump, taking).await
    }
    async fn test(
        &self,
        archive: &Archive,
        db: &Database,
        backup: &Backup,
    ) -> Result<String, BackupError> {
        self.0.test(archive, db, backup).await
    }
    async fn read(
        &self,
        archive: &Archive,
        backup: &Backup,
        manifest: &Manifest,
    ) -> Result<(), BackupError> {
        self.0.read(archive, backup, manifest).await
    }
    async fn clear(&self, _: &Archive) -> Result<(), BackupError> {
        match self.1.load(Ordering::Relaxed) {
            true => Err(BackupError::NotNow("device or resource busy".to_owned())),
            false => Ok(()),
        }
    }
}

#[test]
fn a_work_that_waits_for_what_an_earlier_daemon_left_says_why_that_is_not_ended() {
    block_on(async {
        let bench = Bench::new(Wish::new("genomics", "Postgres")).await?;
        let rows = RowTools(bench.host.world.clone());
        let tools = Arc::new(Stuck(rows, AtomicBool::new(true)));
        let mut parts = bench.host.daemon.parts(&bench.host.site);
        parts.tools = tools.clone();
        let desk = Desks::new(&bench.shelf, parts).desk().clone();
        assert!(desk.take_over().await.is_err());
        let name = &bench.db.name;
        let book = bench.archive.ledger.book();
        let row = book.row(name).ok_or("it has no row")?;
        let (work, _) = desk.take_on(Who::Daemon, row, ask(), "asked".to_owned())?;
        let waits = work.waits_for.unwrap_or_default();
        assert!(waits.contains("device or resource busy"), "{waits}");
        let later = desk.work(name, work.id).and_then(|work| work.waits_for);
        assert_eq!(later, Some(waits));
        tools.1.store(false, Ordering::Relaxed);
        desk.take_over().await?;
        let (ok, message) = until_over(&desk, name, work.id).await;
        assert!(ok, "{message}");
        Ok::<_, String>(())
    })
    .unwrap();
}

/// In a daemon that lives on, too: the engine may have been away when the data from before was to be put
/// back. And a volume that is away shows neither the data nor what is kept of it.
#[test]
fn a_restore_that_was_cut_off_is_ended_once_it_can_be_seen_how_far_it_came() {
    block_on(async {
        let bench = Bench::new(Wish::new("genomics", "Postgres")).await?;
        let backup = bench.take().await?.remove(0);
        let desk = bench.desk().await?;
        let began = Change::RestoreBegan {
            uid: bench.db.uid,
            from: backup.id,
            aside: "/nowhere/aside".into(),
        };
        bench.write(&bench.db.name, began).await?;
        let (world, volume) = (&bench.host.world, &bench.db.volume.path);
        world.unmount(volume);
        due(&desk).await;
        assert!(bench.restoring(), "nobody knows how far it came");
        world.mount(volume);
        world.advance(TimeDelta::seconds(5));
        due(&desk).await;
        assert!(bench.restoring(), "it was tried a moment ago");
        world.advance(TimeDelta::seconds(10));
        due(&desk).await;
        assert!(!bench.restoring());
        Ok::<_, String>(())
    })
    .unwrap();
}

#[test]
fn a_backup_whose_store_does_not_say_what_became_of_it_is_neither_removed_nor_waited_for() {
    block_on(async {
        let bench = Bench::new(Wish::new("genomics", "Postgres")).await?;
        let mut left = bench.take().await?;
        for backup in &mut left {
            (backup.state, backup.finished, backup.sha256) = (BackupState::Running, None, None);
            let backup = Box::new(backup.clone());
            bench
                .write(&bench.db.name, Change::Backup { backup })
                .await?;
        }
        let whole = bench.store("offsite").keys();
        bench.away("offsite", true);
        let desk = bench.desk().await?;
        due(&desk).await;
        let states = || [&left[0], &left[1]].map(|backup| bench.state(backup));
        use BackupState::{Running, Stored};
        assert_eq!(states(), [Some(Stored), Some(Running)]);
        // Others are taken meanwhile.
        let name = &bench.db.name;
        let book = bench.archive.ledger.book();
        let row = book.row(name).ok_or("it has no row")?;
        let work = desk
            .take_on(Who::Daemon, row, ask(), "asked".to_owned())?
            .0
            .id;
        let (_, message) = until_over(&desk, name, work).await;
        let book = bench.archive.ledger.book();
        let row = book.row(name).ok_or("it has no row")?;
        let taken = row.backups.values().filter(|b| b.note == "INC-812");
        let stored = taken.filter(|b| b.state == Stored).count();
        assert_eq!(stored, 1, "{message}");
        assert_eq!(states(), [Some(Stored), Some(Running)]);
        bench.away("offsite", false);
        assert_eq!(bench.store("offsite").keys(), whole);
        bench.host.world.advance(TimeDelta::minutes(2));
        due(&desk).await;
        assert_eq!(states(), [Some(Stored), Some(Stored)]);
        Ok::<_, String>(())
    })
    .unwrap();
}

#[test]
fn no_server_is_stopped_for_a_dump_that_hands_were_taken_off_for_meanwhile() {
    block_on(async {
        let wish = Wish {
            backup: Some("{schedule: Never, verify: Never}"),
            ..Wish::new("graph", "Neo4j")
        };
        let mut bench = Bench::new(wish).await?;
        let (shelf, site) = (bench.shelf.clone(), bench.host.site.clone());
        bench.host.daemon.open_desk(&shelf, &site);
        bench.host.pass(TimeDelta::minutes(1)).await?;
        let desk = bench.host.daemon.desk();
        bench.store("local").hold(true);
        let name = bench.db.name.clone();
        let book = bench.host.daemon.ledger.book();
        let row = book.row(&name).ok_or("it has no row")?;
        let work = desk
            .take_on(Who::Daemon, row, ask(), "asked".to_owned())?
            .0
            .id;
        bench.host.pass(TimeDelta::seconds(30)).await?;
        let by = Override {
            state: OverrideState::Maintenance,
            until: None,
            reason: "INC-812".to_owned(),
            who: Who::Daemon,
            since: Clock::now(&bench.host.world),
        };
        bench.write(&name, Change::Overridden { by }).await?;
        bench.store("local").hold(false);
        bench.host.pass(TimeDelta::minutes(2)).await?;
        let (ok, message) = until_over(&desk, &name, work).await;
        assert!(!ok && message.contains("hands are off"), "{message}");
        let seen = bench.host.world.inspect("graph").await;
        let seen = seen.map_err(|e| e.to_string())?.ok_or("it is gone")?;
        assert_eq!(seen.finished_at, None, "{seen:?}");
        Ok::<_, String>(())
    })
    .unwrap();
}

/// A database whose oldest backups go, and a desk that may let them.
async fn pruning() -> Result<(Bench, Arc<Desk>, Vec<Backup>), String> {
    let wish = Wish {
        backup: Some(
            "{schedule: Never, verify: Never, retention: {last: 1, daily: 1, weekly: 1, monthly: 1}}",
        ),
        ..Wish::new("genomics", "Postgres")
    };
    let mut bench = Bench::new(wish).await?;
    let admin = specs::mydb_admin(&rules(), None, Uid(uuid::Uuid::from_u128(1)));
    let admin = admin.map_err(|problems| format!("{:?}", problems.first()))?;
    let database = Box::new(admin);
    let change = Change::Admitted { database };
    bench.write(&DbName::mydb_admin(), change).await?;
    bench.host.daemon.add(&DbName::mydb_admin());
    bench.host.pass(TimeDelta::minutes(2)).await?;
    let desk = bench.desk().await?;
    let mut goes = Vec::new();
    for _ in 0..2 {
        goes = bench.take().await?;
        for backup in &goes {
            let verified = bench.archive.verify(&bench.db, backup).await;
            verified.map_err(|e| e.to_string())?;
        }
        bench.host.pass(TimeDelta::minutes(5)).await?;
    }
    let first = bench.archive.ledger.book();
    let row = first.row(&bench.db.name).ok_or("it has no row")?;
    goes = row
        .backups
        .values()
        .filter(|b| !goes.iter().any(|newer| newer.id == b.id))
        .cloned()
        .collect();
    desk.know_again().await;
    Ok((bench, desk, goes))
}

#[test]
fn a_backup_is_kept_or_removed_and_nobody_is_told_otherwise() {
    block_on(async {
        // It is being removed.
        let (bench, desk, goes) = pruning().await?;
        let (id, uid) = (&goes[0].id, bench.db.uid);
        assert_eq!(goes.len(), 2, "{goes:?}");
        let until = Some(Clock::now(&bench.host.world) + TimeDelta::days(9));
        bench.store(&id.store).hold(true);
        let mut works = pin!(due(&desk));
        for _ in 0..100 {
            assert!(works.as_mut().now_or_never().is_none(), "it is removed");
            tokio::task::yield_now().await;
        }
        let kept = desk.keep(person(), uid, id, until, None, "").await;
        let why = kept.unwrap_err().to_string();
        assert!(why.contains("being removed"), "{why}");
        bench.store(&id.store).hold(false);
        works.await;
        assert_eq!(bench.state(&goes[0]), None);
        let kept = desk.keep(person(), uid, id, until, None, "").await;
        let why = kept.unwrap_err().to_string();
        assert!(why.contains("no backup"), "{why}");

        // It is being kept.
        let (bench, desk, goes) = pruning().await?;
        let (id, uid) = (&goes[0].id, bench.db.uid);
        let mut keeps = pin!(desk.keep(person(), uid, id, until, None, ""));
        assert!(keeps.as_mut().now_or_never().is_none(), "it is written");
        due(&desk).await;
        keeps.await.map_err(|e| e.to_string())?;
        assert_eq!(bench.state(&goes[0]), Some(BackupState::Verified));
        assert_eq!(bench.state(&goes[1]), None);
        Ok::<_, String>(())
    })
    .unwrap();
}

#[test]
fn what_was_begun_is_ended_whatever_store_does_not_let_go() {
    block_on(async {
        let (bench, desk, goes) = pruning().await?;
        for store in ["local", "offsite"] {
            let troubles = Troubles {
                fails: 100,
                ..Troubles::default()
            };
            bench.store(store).set(troubles, Rng::new(0));
        }
        let mut begun = desk.begin_due().into_iter().peekable();
        assert!(begun.peek().is_some(), "nothing goes");
        join_all(begun).await;
        assert!(goes.iter().all(|b| bench.state(b).is_some()));
        loop {
            let begun = desk.begin_due();
            if begun.is_empty() {
                break;
            }
            join_all(begun).await;
        }
        let began = Change::RenameBegan {
            uid: bench.db.uid,
            to: "genes".parse().unwrap(),
            source: bench.db.source.clone(),
        };
        bench.write(&bench.db.name, began).await?;
        assert_eq!(desk.begin_due().len(), 1, "it is not ended");
        Ok::<_, String>(())
    })
    .unwrap();
}
