//! A host with databases, a daemon on it, and the books that a test keeps about both.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::Arc;

use chrono::TimeDelta;
use uuid::Uuid;

use db4sci::admin::{Ledger, MemoryStorage, NewEntry};
use db4sci::model::server::Protocol;
use db4sci::model::view::Phase;
use db4sci::model::{
    Change, Clock, Database, DbName, EngineKind, Outcome, Reason, RestartPolicy, Site, Status,
    Timestamp, Uid, Who,
};
use db4sci::runtime::sim::{SimImage, World};

use crate::daemon::Daemon;
use crate::grudge::Grudge;
use crate::intents::Intents;
use crate::keeping::books::Books;
use crate::rng::Rng;
use crate::seeds::Run;
use crate::specs::{Wish, rules};

/// A database as the test knows it.
#[derive(Debug, Clone)]
pub struct Db {
    pub name: DbName,
    pub uid: Uid,
    pub wish: Wish,
    /// Rows that its users were told are safe.
    pub rows: u64,
    /// Whether its first start was finished.
    pub begun: bool,
    /// Why nothing may be started on its folder now: lost, swapped, unmounted.
    pub barred: BTreeSet<&'static str>,
}

impl Db {
    pub fn lost(&self) -> bool {
        self.barred.contains("lost")
    }
}

/// Something that a call of the daemon changed: `start genomics`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub at: Timestamp,
    pub text: String,
}

/// The host and the test's books.
pub struct Host {
    pub world: World,
    pub storage: MemoryStorage,
    pub site: Site,
    pub daemon: Daemon,
    /// What the step of trouble that is under way draws from.
    pub rng: Rng,
    run: Run,
    pub dbs: Vec<Db>,
    /// What a call of the daemon changed since somebody last looked.
    pub journal: Vec<Line>,
    /// Whether people speak while looks are under way, too.
    pub hurried: bool,
    /// Whether a desk puts other data into place, by no lane's intent.
    pub replaced: bool,
    phases: BTreeMap<DbName, String>,
    intents: Intents,
    /// What is kept of the databases, where backups are taken.
    pub books: Option<Books>,
}

impl Host {
    /// A host without databases, and a daemon that has just started.
    pub async fn new(run: Run) -> Result<Self, String> {
        let world = World::new(run.seed);
        for engine in EngineKind::ALL {
            let (protocol, target, versions) = match engine {
                EngineKind::Postgres => (
                    Protocol::Postgres,
                    "/var/lib/postgresql/data",
                    ["postgres:17", "postgres:17.6"],
                ),
                EngineKind::MariaDB => (
                    Protocol::MySql,
                    "/var/lib/mysql",
                    ["mariadb:11.8", "mariadb:11.8.2"],
                ),
                EngineKind::MongoDB => {
                    (Protocol::MongoDb, "/data/db", ["mongo:8.0", "mongo:8.0.4"])
                }
                EngineKind::Neo4j => (Protocol::Bolt, "/data", ["neo4j:5.26", "neo4j:5.26.1"]),
            };
            for reference in versions {
                let version = reference.split(':').next_back().unwrap_or_default();
                let image = SimImage::server(protocol, version, &[target]);
                world.publish_image(reference, image);
            }
        }
        let storage = MemoryStorage::new();
        let site = Site {
            instance: "laws".to_owned(),
            container_prefix: String::new(),
            state_dir: "/state".into(),
            publish_ip: [127, 0, 0, 1].into(),
            container_host: "db.example.org".to_owned(),
        };
        let daemon =
            Daemon::start(&world, storage.clone(), None, &site, Grudge::new(&world)).await?;
        Ok(Host {
            world,
            storage,
            site,
            daemon,
            rng: Rng::new(run.seed ^ 0x5EED),
            run,
            dbs: Vec::new(),
            journal: Vec::new(),
            hurried: true,
            replaced: false,
            phases: BTreeMap::new(),
            intents: Intents::default(),
            books: None,
        })
    }

    /// Begins a step of trouble, unless this run leaves it out.
    pub fn begins(&mut self, step: u64) -> bool {
        let Some(rng) = self.run.begin(step) else {
            return false;
        };
        self.draw_from(rng);
        self.tell(format!("step {step}:"));
        true
    }

    /// The troubles are over: what is drawn from now on depends on none of them.
    pub fn calms(&mut self) {
        self.draw_from(self.run.end());
    }

    fn draw_from(&mut self, mut rng: Rng) {
        self.world.reseed(rng.next());
        self.rng = rng;
    }

    pub fn tell(&self, what: impl Display) {
        if self.run.tell {
            println!("{} {what}", self.now().format("%F %T%.3f"));
        }
    }

    pub fn now(&self) -> Timestamp {
        Clock::now(&self.world)
    }

    /// A database as the ledger has it.
    pub fn database(&self, n: usize) -> Option<Database> {
        let book = self.daemon.ledger.book();
        book.row(&self.dbs[n].name)
            .map(|row| Database::clone(&row.database))
    }

    /// A new database.
    pub async fn add(&mut self, wish: Wish) -> Result<(), String> {
        let n = self.dbs.len();
        let number = (u128::from(self.rng.next()) << 64) | u128::from(self.rng.next());
        self.dbs.push(Db {
            name: wish.name.parse()?,
            uid: Uid(Uuid::from_u128(number)),
            rows: 0,
            begun: false,
            barred: BTreeSet::new(),
            wish: wish.clone(),
        });
        self.wish(n, wish).await.map(|_| ())
    }

    /// A new database, with what its spec does not say here.
    pub async fn add_as(
        &mut self,
        wish: Wish,
        change: impl FnOnce(&mut Database),
    ) -> Result<(), String> {
        let uid = Uid(Uuid::from_u128(u128::from(self.rng.next())));
        let admitted = wish.admit(None, &rules(), uid);
        let mut database = admitted.map_err(|problems| problems[0].to_string())?;
        change(&mut database);
        self.dbs.push(Db {
            name: database.name.clone(),
            uid,
            rows: 0,
            begun: false,
            barred: BTreeSet::new(),
            wish,
        });
        let database = Box::new(database);
        let accepted = self.append(self.dbs.len() - 1, Change::Admitted { database });
        accepted.await.map(drop)
    }

    /// A person's spec, admitted or refused.
    pub async fn wish(&mut self, n: usize, wish: Wish) -> Result<bool, String> {
        let mut rules = rules();
        for (_, row) in self.daemon.ledger.book().rows() {
            rules.take(&row.database);
        }
        let earlier = self.database(n);
        let database = match wish.admit(earlier.as_ref(), &rules, self.dbs[n].uid) {
            Ok(database) => database,
            Err(problems) => {
                self.tell(format!("  refused: {}", problems[0]));
                return Ok(false);
            }
        };
        if earlier.as_ref() == Some(&database) {
            self.dbs[n].wish = wish;
            return Ok(true);
        }
        let change = Change::Admitted {
            database: Box::new(database),
        };
        let accepted = self.append(n, change).await?;
        if accepted {
            self.dbs[n].wish = wish;
        }
        Ok(accepted)
    }

    /// A spec that is admitted while nothing else is under way.
    pub async fn wish_quietly(&mut self, n: usize, wish: Wish) -> Result<(), String> {
        self.hurried = false;
        let done = self.wish(n, wish).await;
        self.hurried = true;
        done.map(|_| ())
    }

    /// An entry of a person; now and then while looks are under way. Whether it was accepted.
    pub async fn append(&mut self, n: usize, change: Change) -> Result<bool, String> {
        let name = self.dbs[n].name.clone();
        let new = NewEntry {
            who: Who::Daemon,
            name: Some(name.clone()),
            outcome: Outcome::Done,
            message: "a person's wish".to_owned(),
            change,
        };
        let ledger = self.daemon.ledger.clone();
        let accepted = if self.hurried && self.rng.percent(30) {
            let (step, accepted) =
                futures_util::future::join(self.daemon.step(), ledger.append(new)).await;
            step?;
            accepted
        } else {
            ledger.append(new).await
        };
        self.daemon.add(&name);
        self.after_step().await?;
        Ok(accepted.is_ok())
    }

    /// Lets the daemon work for so long.
    pub async fn pass(&mut self, time: TimeDelta) -> Result<(), String> {
        let begun = self.now();
        let until = begun + time;
        loop {
            self.daemon.step().await?;
            self.after_step().await?;
            let now = self.now();
            if self.daemon.next() <= now {
                continue;
            }
            if now >= until {
                return Ok(());
            }
            // Steps that find nothing are not made.
            let due = self.daemon.next();
            let sure = match self.world.next_change() {
                _ if !self.daemon.idle() => now,
                Some(change) => due.min(change),
                None => due,
            };
            let mut at = now;
            let next = loop {
                // Engine events come when they come; after a while nothing but resyncs is expected.
                let stride = if at - begun < TimeDelta::minutes(2) {
                    TimeDelta::seconds(1)
                } else {
                    TimeDelta::seconds(30)
                };
                at = (at + stride).min(until).min(due);
                if at == until || sure <= at {
                    break at;
                }
            };
            self.world.advance(next - now);
        }
    }

    /// The journal, read from its first byte, says what the daemon knows: starts go on from where the
    /// one before them had read to.
    pub async fn reread(&self) -> Result<(), String> {
        let whole = MemoryStorage::holding(self.storage.bytes());
        let opened = Ledger::open(whole, Arc::new(self.world.clock())).await;
        let (read, _) = opened.map_err(|e| format!("the journal cannot be read: {e}"))?;
        if read.book() != self.daemon.ledger.book() {
            return Err("the journal says something else than the daemon knows".to_owned());
        }
        Ok(())
    }

    /// As `pass`, and all looks are at full half-seconds, so that two worlds can be compared.
    pub async fn pass_in_step(&mut self, half_seconds: u32) -> Result<(), String> {
        for _ in 0..half_seconds {
            loop {
                self.daemon.step().await?;
                self.after_step().await?;
                if self.daemon.next() > self.now() {
                    break;
                }
            }
            self.world.advance(TimeDelta::milliseconds(500));
        }
        Ok(())
    }

    /// What must hold at every instant.
    pub async fn after_step(&mut self) -> Result<(), String> {
        let lines = self.world.take_journal();
        let before = self.journal.len();
        // A hand makes no container with a uid, and nothing gives one another.
        let created = lines.iter().any(|line| line.starts_with("create "));
        for line in lines {
            self.tell(format!("    {line}"));
            let mut words = line.split(' ');
            let (verb, name) = (words.next(), words.next());
            let db = self
                .dbs
                .iter_mut()
                .find(|db| Some(db.name.as_str()) == name);
            if let (Some(verb), Some(db)) = (verb, db) {
                if verb == "mark_initialised" {
                    db.begun = true;
                }
                let begins = ["prepare", "set_aside", "create", "start"].contains(&verb);
                if begins && let Some(why) = db.barred.first() {
                    return Err(format!("`{line}`, and its data is {why}"));
                }
            }
            self.journal.push(Line {
                at: self.now(),
                text: line,
            });
        }
        // With a desk, works change containers and data, too.
        if self.books.is_none() && !self.replaced {
            let new = &self.journal[before..];
            self.intents
                .check(&self.daemon.ledger, &self.dbs, new)
                .await?;
        }
        self.show_phases();
        if let Some(mut books) = self.books.take() {
            let held = books.check(self).await;
            self.books = Some(books);
            held?;
        }
        if let Some(violation) = self.world.violations().first() {
            return Err(format!("violation: {violation}"));
        }
        if !created {
            return Ok(());
        }
        let mut containers: BTreeMap<Uid, usize> = BTreeMap::new();
        for uid in self.world.containers().iter().filter_map(|c| c.uid()) {
            let count = containers.entry(uid).or_default();
            *count += 1;
            if *count > 1 {
                return Err(format!("two containers of {uid}"));
            }
        }
        Ok(())
    }

    fn show_phases(&mut self) {
        if !self.run.tell {
            return;
        }
        for db in &self.dbs {
            let Some(view) = self.daemon.board.view(&db.name) else {
                continue;
            };
            let reasons: Vec<_> = view.held.iter().map(|h| h.reason.as_str()).collect();
            let text = format!("{} {}", view.phase, reasons.join(" "));
            if self.phases.get(&db.name) != Some(&text) {
                self.tell(format!("  {} is {text}: {}", db.name, view.message));
                self.phases.insert(db.name.clone(), text);
            }
        }
    }

    /// A user of a database that is Ready commits a row.
    pub fn write(&mut self, n: usize) {
        let db = &self.dbs[n];
        let ready = self
            .daemon
            .board
            .view(&db.name)
            .is_some_and(|v| v.phase == Phase::Ready);
        if ready && self.world.write(db.uid) {
            self.dbs[n].rows += 1;
        }
    }

    /// Whether a database is as its spec wants it; otherwise what is missing.
    pub fn as_wanted(&self, n: usize) -> Result<(), String> {
        let db = &self.dbs[n];
        let name = &db.name;
        let view = self.daemon.board.view(name).ok_or("it has no view")?;
        let all = self.world.containers();
        let found = all.iter().find(|c| c.uid() == Some(db.uid));
        if db.lost() {
            // Down, or alarmed while its server still has the old files open.
            let known = view.held.iter().any(|h| match h.reason {
                Reason::DataLost | Reason::DataForeign | Reason::Quarantined => true,
                _ => db.wish.state == "Stopped",
            });
            return known
                .then_some(())
                .ok_or_else(|| format!("{name} lost its data and is {}", view.phase));
        }
        let phase = if db.wish.state == "Stopped" {
            Phase::Stopped
        } else {
            Phase::Ready
        };
        if view.phase != phase {
            return Err(format!(
                "{name} is {} and not {phase}: {}",
                view.phase, view.message
            ));
        }
        if let Some(lane) = &view.lane {
            return Err(format!("{name} is still to {:?}", lane.why));
        }
        let held = view.held.iter().find(|h| h.reason != Reason::Stopped);
        if let Some(held) = held {
            return Err(format!("{name}: {:?}: {}", held.reason, held.message));
        }
        if phase == Phase::Stopped {
            let down = found.is_none_or(|c| c.status != Status::Running);
            return down
                .then_some(())
                .ok_or_else(|| format!("{name} is not stopped"));
        }
        let database = self.database(n).ok_or("it is not in the book")?;
        let c = found.ok_or_else(|| format!("{name} has no container"))?;
        let resources = &database.resources;
        let ports: Vec<u16> = c.ports.iter().map(|p| p.host).collect();
        let agrees = c.name == name.as_str()
            && c.status == Status::Running
            && c.restart == RestartPolicy::Always
            && c.memory == resources.memory.bytes()
            && c.nano_cpus == resources.cpus.map_or(0, |cpus| cpus.nano())
            && c.shm == resources.shm.bytes()
            && ports == [database.port.get()]
            && Some(&c.image) == database.image.pinned.as_ref();
        if !agrees {
            return Err(format!("{name} is Ready, and its container is {c:?}"));
        }
        if self.world.rows(db.uid) != Some(db.rows) {
            return Err(format!(
                "{name} has {:?} rows of {}",
                self.world.rows(db.uid),
                db.rows
            ));
        }
        Ok(())
    }

    /// Whether all are.
    pub fn all_as_wanted(&self) -> Result<(), String> {
        (0..self.dbs.len()).try_for_each(|n| self.as_wanted(n))
    }
}

/// Runs a law's future on a runtime without timers and sockets.
pub fn block_on<T>(law: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(law)
}
