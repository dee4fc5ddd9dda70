//! The real daemon over real servers, writers that remember what was acknowledged to them, and
//! somebody who harms one thing after the other.
//!
//! Five rounds run every day; `dev/chaos` runs as many as wanted. A seed decides who is harmed, how,
//! and when: not how long each server takes, so that a seed gives the same harms and not the same run.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/files.rs"]
mod files;
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with the live tests, which use all of it"
)]
#[path = "../live/host/mod.rs"]
mod host;
#[path = "../support/small_disk.rs"]
mod small_disk;
#[path = "../support/mod.rs"]
mod support;

mod around;
mod dice;
mod harms;
mod report;
mod writers;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use db4sci::model::view::Phase;
use db4sci::store::local::MARK;
use dice::Dice;
use files::walk;
use harms::Harm;
use host::{Host, LONG, MariaDB, MongoDB, Neo4j, Postgres, Run, Server, eventually};
use report::Report;
use writers::Writer;

const ADMIN: &str = "mydb_admin";
/// What the databases of a long run are made of.
const IMAGES: [&str; 4] = ["postgres:17", "mariadb:11.8", "mongo:8.0", "neo4j:5.26"];

/// What is wanted of a run, from the environment of `dev/chaos`.
struct Wish {
    seed: u64,
    rounds: usize,
    until: Option<Instant>,
    only: Vec<Harm>,
    engines: &'static [(&'static str, Server)],
    /// Whether the host around the servers is harmed, too.
    all: bool,
}

impl Wish {
    fn read() -> Self {
        let number = |key: &str| {
            let text = std::env::var(format!("DB4SCI_CHAOS_{key}")).ok()?;
            Some(text.parse::<u64>().unwrap_or_else(|e| panic!("{key}: {e}")))
        };
        let until = number("MINUTES").map(|m| Instant::now() + Duration::from_secs(60 * m));
        let rounds = number("ROUNDS").map(|n| usize::try_from(n).unwrap());
        let only = std::env::var("DB4SCI_CHAOS_ONLY").unwrap_or_default();
        let only = only.split(',').filter(|name| !name.is_empty());
        let two: &[_] = &[("genomics", Postgres), ("shop", MariaDB)];
        let four: &[_] = &[
            ("genomics", Postgres),
            ("shop", MariaDB),
            ("docs", MongoDB),
            ("graph", Neo4j),
        ];
        Wish {
            seed: number("SEED").unwrap_or(1),
            engines: if rounds.is_some() || until.is_some() {
                four
            } else {
                two
            },
            rounds: rounds.unwrap_or(if until.is_some() { usize::MAX } else { 5 }),
            until,
            only: only.map(Harm::named).collect(),
            all: rounds.is_some() || until.is_some(),
        }
    }
}

/// The databases under harm, and what must never change.
struct Field {
    host: Host,
    /// All of the users'.
    names: Vec<&'static str>,
    writers: Vec<Writer>,
    /// Rows of those that no writer writes to all the time.
    slow: Vec<(&'static str, u32)>,
    /// Whether the engine is the run's own.
    all: bool,
}

impl Field {
    fn new(wish: &Wish) -> Self {
        let engines = wish.engines;
        let mut host = if wish.all {
            Host::with_engine(&IMAGES)
        } else {
            Host::new()
        };
        // Pages of a volume in memory count as the memory of whoever wrote them.
        let memory: &[&str] = if wish.all {
            around::own_volume(&host);
            &["resources: {memory: 1Gi}"]
        } else {
            &[]
        };
        for (name, server) in engines {
            host.spec(name, *server, memory);
        }
        host.start();
        let names: Vec<&str> = engines.iter().map(|(name, _)| *name).collect();
        host.ready(&names);
        host.ready(&[ADMIN]);
        let dense = |server: &Server| matches!(server, Postgres | MariaDB);
        let (dense, slow): (Vec<_>, Vec<_>) = engines.iter().partition(|(_, s)| dense(s));
        let writers = dense.iter().map(|(name, server)| {
            host.sql(name, "create table acknowledged (n bigint primary key)");
            Writer::start(
                name,
                *server,
                &host.name(name),
                wish.all.then(|| host.engine().address()),
            )
        });
        let writers = writers.collect();
        let slow = slow.iter().map(|(name, _)| (*name, 0)).collect();
        // What brings mydb_admin back when all of its data is gone.
        host.ok(&["backup", "now", ADMIN, "--wait"]);
        Field {
            host,
            names,
            writers,
            slow,
            all: wish.all,
        }
    }

    fn runs(&self) -> Vec<(&'static str, Run)> {
        let of = |name: &&'static str| (*name, self.host.run_of(name));
        self.names.iter().map(of).collect()
    }

    /// A statement in `mydb_admin`, by the way that works without the daemon.
    fn asked(&self, sql: &str) -> Result<String, String> {
        let container = self.host.name(ADMIN);
        let said = self.host.try_docker(&[
            "exec", &container, "psql", "-XqAt", "-U", "postgres", "-d", ADMIN, "-c", sql,
        ]);
        if said.code == 0 {
            Ok(said.out.trim().to_owned())
        } else {
            Err(said.err)
        }
    }

    /// Entries of the journal.
    fn head(&self) -> usize {
        let journal = self.host.path("state/journal/ledger.v1.jsonl");
        let journal = fs::read_to_string(journal).unwrap_or_default();
        journal.lines().count()
    }

    /// What was accepted up to an entry: all rows of `log`, what is wanted of each database and who each is,
    /// and which backups were taken. What is merely observed of them changes under harm.
    fn accepted_up_to(&self, last: usize) -> Result<String, String> {
        let sums = [
            ("log", "l::text", "log l", "id"),
            (
                "state",
                "row(name, spec, state, until, note, source, generation, observed_generation)::text",
                "state",
                "name",
            ),
            (
                "container",
                "row(id, uid, name, engine, image, image_id, secrets)::text",
                "container",
                "id",
            ),
            (
                "backup_log",
                "row(id, name, uid, slot, attempt, kind, store)::text",
                "backup_log",
                "id",
            ),
        ];
        let sums = sums.map(|(name, what, table, key)| {
            let upto = if name == "state" {
                String::new()
            } else {
                format!(" where id <= {last}")
            };
            format!(
                "'{name} ' || (select count(*) || ' ' || coalesce(md5(string_agg({what}, '|' order by {key})), '') \
                 from {table}{upto})"
            )
        });
        self.asked(&format!("select {}", sums.join(" || ', ' || ")))
    }

    /// Whether everything is as it was before a harm, and everybody can work.
    fn healed(&self, marks: &[u64], last: usize, log: &str) -> Result<(), String> {
        for name in self.names.iter().chain([&ADMIN]) {
            let container = self.host.inspect(&self.host.name(name));
            let status = container.map_or("none".to_owned(), |c| c.status());
            if status != "running" {
                return Err(format!("{name}: container: {status}"));
            }
            match self.host.view(name) {
                Some(view) if view.phase == Phase::Ready && view.ready => {}
                view => return Err(format!("{name}: {:?}", view.map(|v| (v.phase, v.message)))),
            }
        }
        for (writer, mark) in self.writers.iter().zip(marks) {
            if writer.count() <= *mark {
                return Err(format!("{}: nobody can write", writer.name));
            }
        }
        let now = self.accepted_up_to(last)?;
        if now != log {
            return Err(format!("{now}, and it was {log}"));
        }
        let (head, newest) = (self.head(), self.asked("select max(id) from log")?);
        if newest != head.to_string() {
            return Err(format!(
                "{newest} is the newest row of log, {head} of the journal"
            ));
        }
        let states = self.asked("select count(*) from state where observed = 'Ready'")?;
        let all = (self.names.len() + 1).to_string();
        (states == all)
            .then_some(())
            .ok_or(format!("{states} of {all} rows of state say Ready"))
    }

    /// Every row that was acknowledged is there.
    fn nothing_is_lost(&mut self) {
        for writer in &self.writers {
            let acknowledged = writer.count();
            let numbers = "select count(*), coalesce(max(n), 0) from acknowledged where n <= ";
            let said = self
                .host
                .sql(writer.name, &format!("{numbers}{acknowledged}"));
            let found: Vec<u64> = said
                .split(['|', '\t'])
                .map(|n| n.parse().unwrap())
                .collect();
            assert_eq!(found, [acknowledged; 2], "{}: rows are lost", writer.name);
        }
        for (name, rows) in &mut self.slow {
            assert_eq!(
                self.host.rows(name),
                (1..=*rows).collect::<Vec<_>>(),
                "{name}"
            );
            *rows += 1;
            self.host.write(name, *rows);
        }
    }

    /// One harm, until nothing of it is left; gives how long that took.
    fn round(&mut self, harm: Harm, dice: &mut Dice) -> Duration {
        // All that was accepted before is in the tables, so that they can be compared.
        let (last, log) = eventually(LONG, "the tables are up to date", || {
            let (head, newest) = (self.head(), self.asked("select max(id) from log")?);
            if newest == head.to_string() {
                Ok((head, self.accepted_up_to(head)?))
            } else {
                Err(newest)
            }
        });
        let runs = self.runs();
        let victim = harm.victim(&self.names, dice);
        let begun = Instant::now();
        harm.inflict(&mut self.host, victim, dice);
        let marks: Vec<u64> = self.writers.iter().map(Writer::count).collect();
        eventually(LONG, &format!("{harm:?} of {victim} is healed"), || {
            self.healed(&marks, last, &log)
        });
        let took = begun.elapsed();
        self.nothing_is_lost();
        for (name, run) in runs {
            let now = self.host.run_of(name);
            if harm.ends_servers() {
                assert_eq!(now.id, run.id, "{harm:?}: {name}");
            } else if name != victim {
                assert_eq!(now, run, "{harm:?} of {victim}: {name}");
            }
        }
        took
    }

    /// Nothing is left of all that: no job, no container or volume too many, no file of a work that is over, and a
    /// log that holds together.
    fn ends(mut self) -> u64 {
        let rows = self.writers.iter().map(Writer::count).sum();
        self.nothing_is_lost();
        self.writers.clear();
        let host = &self.host;
        let wanted = self.names.len() + 1;
        eventually(LONG, "no container is left over", || {
            let instance = fs::read_to_string(host.path("state/instance")).unwrap();
            let filter = format!("label=db4sci.work-instance={}", instance.trim());
            let jobs = host.docker(&["ps", "-aq", "--filter", &filter]);
            let all = host.containers().len();
            let works = ["state/jobs", "volume/.db4sci/.work"];
            let mut files = works.map(|folder| walk(&host.path(folder))).concat();
            let uploads = walk(&host.path("state/backups"));
            let left = |file: &PathBuf| is_hidden(file) && !file.ends_with(MARK);
            files.extend(uploads.into_iter().filter(left));
            (jobs.is_empty() && all == wanted && files.is_empty())
                .then_some(())
                .ok_or(format!(
                    "{all} of {wanted} containers, jobs [{jobs}], {files:?}"
                ))
        });
        if self.all {
            assert_eq!(host.docker(&["volume", "ls", "-q"]), "", "volumes");
        }
        if host.db4sci(&["audit", "verify"]).code != 0 {
            host.ok(&["audit", "acknowledge", "--reason", "chaos"]);
        }
        let said = host.ok(&["audit", "verify"]);
        assert!(said.contains("as it was written."), "{said}");
        rows
    }
}

/// As what is written into a store before it is whole.
fn is_hidden(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(b".")
}

#[test]
fn harmed_again_and_again_it_loses_nothing() {
    chaos(&Wish::read());
}

#[test]
fn a_mydb_admin_that_cannot_read_its_files_comes_back() {
    // Each once: from where it stands, and from its backup.
    let harms = [
        Harm::PagesOverwritten,
        Harm::ControlCut,
        Harm::MapCut,
        Harm::MapOverwritten,
        Harm::VersionOverwritten,
    ];
    for (seed, harm) in harms.into_iter().enumerate() {
        chaos(&Wish {
            seed: seed as u64,
            rounds: 1,
            until: None,
            only: vec![harm],
            engines: &[("genomics", Postgres)],
            all: false,
        });
    }
}

fn chaos(wish: &Wish) {
    eprintln!("chaos: seed {}", wish.seed);
    let mut dice = Dice::new(wish.seed);
    let mut field = Field::new(wish);
    let among: Vec<Harm> = if wish.only.is_empty() {
        let all = Harm::ALL.into_iter();
        all.filter(|harm| wish.all || !harm.befalls_the_host())
            .collect()
    } else {
        wish.only.clone()
    };
    let mut report = Report::default();
    let mut mends = 0;
    for round in 1..=wish.rounds {
        if wish.until.is_some_and(|until| Instant::now() >= until) {
            break;
        }
        let mut harm = *dice.one_of(&among);
        if harm.mended_by_new_tables() {
            // So often within an hour the tables are made again by themselves; a daemon that was
            // started again counts anew.
            mends += 1;
            if mends > 3 {
                harm = Harm::DaemonKilled;
            }
        }
        if harm.ends_the_daemon() {
            mends = 0;
        }
        let took = field.round(harm, &mut dice);
        eprintln!(
            "round {round}: {harm:?}: {:.1} s; the daemon has {} MiB",
            took.as_secs_f64(),
            around::memory(&field.host) >> 20
        );
        report.add(harm, took);
    }
    let rows = field.ends();
    eprint!("{report}");
    eprintln!("{rows} rows acknowledged by the writers, none lost");
}
