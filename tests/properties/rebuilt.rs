//! What becomes of a database while a backup of it is made data again, which takes hours: the program's own
//! desk and archive, with folders on the disk of this machine for what is built, and a server that is none.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;

use db4sci::admin::{NewEntry, Row};
use db4sci::execute::backup::{Archive, BackupError, Dump, Dumped, Order, Taking, Tools};
use db4sci::model::database::OnLost;
use db4sci::model::view::{Phase, WorkAsk};
use db4sci::model::{
    Backup, BackupId, BackupKind, Change, Clock, ContainerId, Contents, Database, KeepRetired,
    Outcome, Site, Slot, Timestamp, Who,
};
use db4sci::runtime::RuntimeError;
use db4sci::runtime::host::HostDirs;
use db4sci::runtime::jobs::{Job, JobEnd, Jobs};
use db4sci::store::manifest::{Layout, Manifest};

use crate::bench::{Bench as Desks, Parts, Shelf};
use crate::host::Host;
use crate::seeds::Run;
use crate::shelf::Store;
use crate::specs::Wish;

type Done = Result<(), String>;

/// Backups that hold nothing: no tool is needed to load one.
struct Hollow;

#[async_trait]
impl Tools for Hollow {
    async fn dump(
        &self,
        _: &Archive,
        dump: Dump<'_>,
        _: &mut Taking,
    ) -> Result<Dumped, BackupError> {
        (dump.dumped)();
        Ok(Dumped {
            files: Vec::new(),
            contents: Contents {
                left_out: Vec::new(),
                how: "not at all".to_owned(),
                counts: [].into(),
            },
            ledger_copy: None,
        })
    }
    async fn test(&self, _: &Archive, _: &Database, _: &Backup) -> Result<String, BackupError> {
        Ok(String::new())
    }
    async fn read(&self, _: &Archive, _: &Backup, _: &Manifest) -> Result<(), BackupError> {
        Ok(())
    }
    async fn clear(&self, _: &Archive) -> Result<(), BackupError> {
        Ok(())
    }
}

/// Throwaway servers that answer nothing but that they are there, once they are let.
#[derive(Default)]
struct Throwaways {
    launched: AtomicBool,
    let_go: AtomicBool,
}

#[async_trait]
impl Jobs for Throwaways {
    async fn run(&self, _: &Job, _: Duration) -> Result<JobEnd, RuntimeError> {
        Ok(JobEnd {
            code: 0,
            output: b"[\"end\"]\n".to_vec(),
            words: String::new(),
        })
    }
    async fn launch(&self, _: &Job) -> Result<ContainerId, RuntimeError> {
        self.launched.store(true, Ordering::Relaxed);
        while !self.let_go.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        Ok(ContainerId("throwaway".to_owned()))
    }
    async fn ended(&self, _: &ContainerId) -> Result<Option<i64>, RuntimeError> {
        Ok(None)
    }
    async fn words(&self, _: &ContainerId) -> Result<String, RuntimeError> {
        Ok(String::new())
    }
    async fn settle(&self, _: &ContainerId, _: Duration) -> Result<i64, RuntimeError> {
        Ok(0)
    }
    async fn discard(&self, _: &ContainerId) -> Result<(), RuntimeError> {
        Ok(())
    }
    async fn clear(&self, _: &str, _: Timestamp) -> Result<u32, RuntimeError> {
        Ok(0)
    }
}

/// A database that lost its data after it was backed up, and a desk.
struct Lost {
    host: Host,
    jobs: Arc<Throwaways>,
    db: Database,
    backup: BackupId,
    /// Its volume, as far as archives see it.
    folder: tempfile::TempDir,
}

impl Lost {
    async fn new(on_lost: OnLost) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let mut host = Host::new(Run::of(7)).await?;
        host.replaced = true;
        let me = rustix::process::geteuid().as_raw();
        host.add_as(Wish::new("genomics", "Postgres"), |db| {
            db.on_lost = on_lost;
            db.volume.path = folder.path().join("volume");
            db.layout.uid = me;
        })
        .await?;
        std::fs::create_dir(folder.path().join("volume")).map_err(|e| e.to_string())?;
        host.pass(TimeDelta::minutes(2)).await?;
        let db = host.database(0).ok_or("it has no row")?;
        let jobs = Arc::new(Throwaways::default());
        let state = folder.path().join("state");
        let site = Site {
            state_dir: state.clone(),
            ..host.site.clone()
        };
        let parts = || Parts {
            tools: Arc::new(Hollow),
            jobs: jobs.clone(),
            dirs: Arc::new(HostDirs::new(state.clone())),
            ..host.daemon.parts(&site)
        };
        let shelf = Shelf {
            stores: [("local".to_owned(), Store::new())].into(),
            keep: KeepRetired {
                data: TimeDelta::hours(48),
                backups: None,
            },
            layout: Layout::new("test", "laws"),
        };
        let archive = parts().archive(&shelf);
        let order = Order {
            slot: Slot::at(Clock::now(&host.world)),
            attempt: 1,
            kind: BackupKind::Manual,
            stores: vec!["local".to_owned()],
            note: String::new(),
            version: "17".to_owned(),
        };
        let ready = archive.ready(&db, order).await;
        let taken = archive.take(&db, ready, || ()).await;
        let backup = taken.map_err(|e| e.to_string())?.remove(0);
        let desk = Desks::new(&shelf, parts());
        host.daemon.open(desk);
        host.world.delete_data(&db);
        host.world.kill("genomics");
        let mut lost = Lost {
            host,
            jobs,
            db,
            backup: backup.id,
            folder,
        };
        lost.until("its loss is known", |lost| {
            lost.phase() == Some(Phase::Held)
        })
        .await?;
        Ok(lost)
    }

    fn row(&self) -> Row {
        let book = self.host.daemon.ledger.book();
        book.row(&self.db.name).unwrap().clone()
    }

    fn phase(&self) -> Option<Phase> {
        let view = self.host.daemon.board.view(&self.db.name)?;
        Some(view.phase)
    }

    /// Where a restore would put its data.
    fn place(&self) -> PathBuf {
        self.folder.path().join("volume").join("genomics")
    }

    fn launched(&self) -> bool {
        self.jobs.launched.load(Ordering::Relaxed)
    }

    /// A person puts it back where it was.
    async fn comes_back(&mut self) -> Done {
        self.host.world.bring_back_data(&self.db);
        self.until("it is ready", |lost| lost.phase() == Some(Phase::Ready))
            .await
    }

    async fn until(&mut self, what: &str, is_so: impl Fn(&Lost) -> bool) -> Done {
        for _ in 0..2_000 {
            if is_so(self) {
                return Ok(());
            }
            self.host.pass(TimeDelta::seconds(1)).await?;
            tokio::time::advance(Duration::from_secs(1)).await;
            // Folders are made by threads of their own.
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(format!("{what}: never; it is {:?}", self.phase()))
    }

    fn ask(&self) -> Result<u64, String> {
        let ask = WorkAsk::Restore {
            from: self.backup.clone(),
            copy: None,
            only: None,
            image: None,
            reason: String::new(),
        };
        let desk = self.host.daemon.desk();
        let asked = desk.take_on(Who::Daemon, &self.row(), ask, "asked".to_owned())?;
        Ok(asked.0.id)
    }

    async fn write(&self, change: Change) -> Done {
        let said = "a test's word".to_owned();
        let entry = NewEntry::of(&self.db.name, Outcome::Done, said, change);
        let written = self.host.daemon.ledger.append(entry).await;
        written.map(drop).map_err(|e| e.to_string())
    }
}

/// Timers stand still but for what a test says.
fn run(test: impl Future<Output = Done>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test)
        .unwrap();
}

#[test]
fn data_that_came_back_while_its_backup_was_loaded_is_not_replaced() {
    run(async {
        let mut lost = Lost::new(OnLost::Restore).await?;
        lost.until("it is restored", Lost::launched).await?;
        lost.comes_back().await?;
        assert!(lost.host.world.write(lost.db.uid));
        lost.jobs.let_go.store(true, Ordering::Relaxed);
        lost.until("it is left alone", |lost| lost.host.daemon.desk_rests())
            .await?;
        assert!(!lost.place().exists() && lost.row().restoring.is_none());
        assert_eq!(lost.phase(), Some(Phase::Ready));
        // And while it stays lost, it is.
        let mut lost = Lost::new(OnLost::Restore).await?;
        lost.jobs.let_go.store(true, Ordering::Relaxed);
        lost.until("it is restored", |lost| lost.place().exists())
            .await
    });
}

#[test]
fn what_came_back_while_a_restore_was_made_is_saved_before_it() {
    run(async {
        let mut lost = Lost::new(OnLost::Hold).await?;
        lost.ask()?;
        lost.until("it is restored", Lost::launched).await?;
        lost.comes_back().await?;
        lost.jobs.let_go.store(true, Ordering::Relaxed);
        lost.until("it is in place", |lost| lost.place().exists())
            .await?;
        let row = lost.row();
        let mut all = row.backups.values();
        assert!(all.any(|b| b.kind == BackupKind::BeforeRestore && b.state.good()));
        Ok(())
    });
}

#[test]
fn what_was_given_up_while_a_restore_was_made_is_tried_again_with_its_new_data() {
    run(async {
        let mut lost = Lost::new(OnLost::Hold).await?;
        lost.ask()?;
        lost.until("it is restored", Lost::launched).await?;
        let why = "it crashes".to_owned();
        lost.write(Change::Quarantined { why }).await?;
        lost.jobs.let_go.store(true, Ordering::Relaxed);
        lost.until("it is in place", |lost| lost.place().exists())
            .await?;
        lost.until("it is tried again", |lost| lost.row().retry_asked.is_some())
            .await?;
        assert!(lost.row().quarantined.is_none());
        Ok(())
    });
}
