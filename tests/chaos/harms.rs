//! What is done to a host, as careless hands, crashes and broken disks would do it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::ADMIN;
use crate::around;
use crate::dice::Dice;
use crate::host::{Host, LONG, eventually};

/// The longest time for which something is away, and between two steps of one harm.
pub const AWAY: Duration = Duration::from_secs(4);

/// Of PostgreSQL's files.
const PAGE: usize = 8192;

/// One kind of harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// SIGKILL to a server.
    Killed,
    /// Its container is removed.
    Removed,
    /// A person's `docker stop`.
    Stopped,
    /// A person's `docker pause`.
    Paused,
    /// Its container has another name.
    Renamed,
    /// A person's `docker restart`.
    Restarted,
    /// SIGKILL to the daemon.
    DaemonKilled,
    /// SIGKILL to the daemon while it takes a backup.
    DaemonKilledInBackup,
    /// SIGKILL to the container of a dump.
    DumpKilled,
    /// The folder of the store is away for a while, and a backup is asked for.
    StoreAway,
    /// All data of `mydb_admin` and its container.
    AdminLost,
    /// Pages of the databases on `mydb_admin`'s server hold something else, and its server is killed.
    PagesOverwritten,
    /// A file of `mydb_admin`'s has lost most of itself, and its server is killed.
    FileCut,
    /// The file is cut without which `mydb_admin`'s server does not start, and the server is killed.
    ControlCut,
    /// The file is cut without which nobody can enter the database, and the server is killed.
    MapCut,
    /// The same file holds something else, and the server is killed.
    MapOverwritten,
    /// The file that says of which version the database is holds something else, and the server is killed.
    VersionOverwritten,
    /// Tables of `mydb_admin` are dropped.
    TablesDropped,
    /// Rows of `log` are altered and removed, past the triggers.
    LogAltered,
    /// The database `mydb_admin` is dropped on its server.
    DatabaseDropped,
    /// The daemon's login does not work any more.
    LoginLost,
    /// SIGKILL to the daemon, and one bit of its journal is another one.
    JournalFlipped,
    /// SIGKILL to the daemon, and the journal lost its end.
    JournalCut,
    /// SIGKILL to dockerd, which comes back after a while.
    EngineKilled,
    /// dockerd is restarted in order, and all containers with it.
    EngineRestarted,
    /// dockerd does not answer for a while.
    EngineFrozen,
    /// The volume of all data is full for a while.
    DiskFull,
    /// The engine's rules are gone, and nothing reaches any server for a while.
    Firewalled,
}

impl Harm {
    pub const ALL: [Harm; 28] = [
        Harm::Killed,
        Harm::Removed,
        Harm::Stopped,
        Harm::Paused,
        Harm::Renamed,
        Harm::Restarted,
        Harm::DaemonKilled,
        Harm::DaemonKilledInBackup,
        Harm::DumpKilled,
        Harm::StoreAway,
        Harm::AdminLost,
        Harm::PagesOverwritten,
        Harm::FileCut,
        Harm::ControlCut,
        Harm::MapCut,
        Harm::MapOverwritten,
        Harm::VersionOverwritten,
        Harm::TablesDropped,
        Harm::LogAltered,
        Harm::DatabaseDropped,
        Harm::LoginLost,
        Harm::JournalFlipped,
        Harm::JournalCut,
        Harm::EngineKilled,
        Harm::EngineRestarted,
        Harm::EngineFrozen,
        Harm::DiskFull,
        Harm::Firewalled,
    ];

    pub fn named(name: &str) -> Self {
        let found = Harm::ALL
            .into_iter()
            .find(|harm| format!("{harm:?}") == name);
        found.unwrap_or_else(|| panic!("no harm is called {name}: {:?}", Harm::ALL))
    }

    /// Whom it befalls. A user's container that it does not befall must not notice it.
    pub fn victim(self, users: &[&'static str], dice: &mut Dice) -> &'static str {
        match self {
            Harm::Killed
            | Harm::Removed
            | Harm::Stopped
            | Harm::Paused
            | Harm::Renamed
            | Harm::Restarted => {
                let all: Vec<&'static str> = users.iter().copied().chain([ADMIN]).collect();
                dice.one_of::<&'static str>(&all)
            }
            Harm::DaemonKilled
            | Harm::DaemonKilledInBackup
            | Harm::DumpKilled
            | Harm::StoreAway
            | Harm::AdminLost
            | Harm::PagesOverwritten
            | Harm::FileCut
            | Harm::ControlCut
            | Harm::MapCut
            | Harm::MapOverwritten
            | Harm::VersionOverwritten
            | Harm::TablesDropped
            | Harm::LogAltered
            | Harm::DatabaseDropped
            | Harm::LoginLost
            | Harm::JournalFlipped
            | Harm::JournalCut
            | Harm::EngineKilled
            | Harm::EngineRestarted
            | Harm::EngineFrozen
            | Harm::DiskFull
            | Harm::Firewalled => ADMIN,
        }
    }

    /// Whether it takes an engine and a volume of the run's own.
    pub fn befalls_the_host(self) -> bool {
        matches!(
            self,
            Harm::EngineKilled
                | Harm::EngineRestarted
                | Harm::EngineFrozen
                | Harm::DiskFull
                | Harm::Firewalled
        )
    }

    /// Whether servers that it does not mean may end and be started again; they stay in their containers.
    pub fn ends_servers(self) -> bool {
        // A dockerd that was killed ends, when it comes back, what ran meanwhile (no `live-restore`).
        matches!(
            self,
            Harm::EngineKilled | Harm::EngineRestarted | Harm::DiskFull
        )
    }

    /// Whether the way out of it is to make the tables again.
    pub fn mended_by_new_tables(self) -> bool {
        matches!(
            self,
            Harm::TablesDropped | Harm::LogAltered | Harm::DatabaseDropped | Harm::PagesOverwritten
        )
    }

    pub fn ends_the_daemon(self) -> bool {
        matches!(
            self,
            Harm::DaemonKilled
                | Harm::DaemonKilledInBackup
                | Harm::JournalFlipped
                | Harm::JournalCut
        )
    }

    pub fn inflict(self, host: &mut Host, victim: &str, dice: &mut Dice) {
        let container = host.name(victim);
        match self {
            Harm::Killed => drop(host.docker(&["kill", &container])),
            Harm::Removed => drop(host.docker(&["rm", "-f", "-v", &container])),
            Harm::Stopped => drop(host.docker(&["stop", &container])),
            Harm::Paused => drop(host.docker(&["pause", &container])),
            Harm::Renamed => drop(host.docker(&["rename", &container, &format!("{container}-x")])),
            Harm::Restarted => drop(host.docker(&["restart", &container])),
            Harm::DaemonKilled => killed(host, dice, |_, _| {}),
            Harm::DaemonKilledInBackup => {
                // Refused while another one is under way, which does as well.
                host.db4sci(&["backup", "now", ADMIN]);
                dice.linger(AWAY);
                killed(host, dice, |_, _| {});
            }
            Harm::DumpKilled => {
                // Refused while another one is under way, which does as well.
                host.db4sci(&["backup", "now", ADMIN]);
                dice.linger(AWAY / 4);
                for job in jobs(host).split_whitespace() {
                    // One that has just ended is no victim any more.
                    host.try_docker(&["kill", job]);
                }
            }
            Harm::StoreAway => {
                let store = host.path("state/backups");
                let aside = host.path("store-away");
                fs::rename(&store, &aside).unwrap();
                host.db4sci(&["backup", "now", ADMIN]);
                dice.linger(AWAY);
                comes_back(&aside, &store);
            }
            Harm::AdminLost => host.destroy(ADMIN),
            Harm::PagesOverwritten => {
                let files = files_of_admin(host, |path| path.contains("/base/"));
                for _ in 0..8 {
                    let path = dice.one_of(&files);
                    let mut bytes = fs::read(path).unwrap();
                    let pages = (bytes.len() / PAGE) as u64;
                    let at = PAGE * usize::try_from(dice.below(pages.max(1))).unwrap();
                    for byte in bytes.iter_mut().skip(at).take(PAGE) {
                        *byte = u8::try_from(dice.below(256)).unwrap();
                    }
                    overwrite(path, &bytes);
                }
                host.docker(&["kill", &container]);
            }
            Harm::FileCut => cut(host, dice, |_| true),
            Harm::ControlCut => cut(host, dice, |path| path.ends_with("/global/pg_control")),
            Harm::MapCut => {
                let map = own_folder(host) + "pg_filenode.map";
                cut(host, dice, |path| path.ends_with(&map));
            }
            Harm::MapOverwritten => garble(host, dice, "pg_filenode.map"),
            Harm::VersionOverwritten => garble(host, dice, "PG_VERSION"),
            Harm::TablesDropped => {
                let table = dice.one_of(&["container", "state", "log", "backup_log"]);
                let drop = format!("drop table {table} cascade");
                as_superuser(host, ADMIN, &drop);
            }
            Harm::LogAltered => {
                let harm = format!(
                    "set session_replication_role = replica; \
                     update log set message = 'nothing' where id = {}; \
                     delete from log where id = {}",
                    1 + dice.below(5),
                    6 + dice.below(5)
                );
                as_superuser(host, ADMIN, &harm);
            }
            Harm::DatabaseDropped => {
                as_superuser(host, "postgres", "drop database mydb_admin with (force)");
            }
            Harm::LoginLost => {
                as_superuser(host, ADMIN, "alter role db4sci nologin password 'another'");
                as_superuser(
                    host,
                    ADMIN,
                    "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'db4sci'",
                );
            }
            Harm::JournalFlipped => killed(host, dice, |journal, dice| {
                let at = usize::try_from(dice.below(journal.len() as u64)).unwrap();
                journal[at] ^= 1 << dice.below(8);
            }),
            Harm::JournalCut => killed(host, dice, |journal, dice| {
                let most = journal.len().min(4000) as u64;
                let kept = journal.len() - usize::try_from(dice.below(most)).unwrap();
                journal.truncate(kept);
            }),
            Harm::EngineKilled => around::engine_killed(host, dice),
            Harm::EngineRestarted => host.engine().restart(),
            Harm::EngineFrozen => around::engine_frozen(host, dice),
            Harm::DiskFull => around::disk_is_full(host, dice),
            Harm::Firewalled => around::firewalled(host, dice),
        }
    }
}

/// A SIGKILL to the daemon, something that befalls its journal, and another daemon after a while.
fn killed(host: &mut Host, dice: &mut Dice, befalls: impl FnOnce(&mut Vec<u8>, &mut Dice)) {
    host.kill();
    let path = host.path("state/journal/ledger.v1.jsonl");
    let before = fs::read(&path).unwrap();
    let mut journal = before.clone();
    befalls(&mut journal, dice);
    if journal != before {
        fs::write(&path, journal).unwrap();
    }
    dice.linger(AWAY);
    host.start();
}

/// A folder that was away takes its place again; whoever made another one meanwhile has lost it.
fn comes_back(aside: &Path, place: &Path) {
    eventually(LONG, "the store is back", || {
        let _ = fs::remove_dir_all(place);
        fs::rename(aside, place).map_err(|e| e.to_string())
    });
}

/// Files of `mydb_admin`'s server that hold something, in a settled order.
fn files_of_admin(host: &Host, which: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    // What came since the last checkpoint, PostgreSQL would make good from its own log.
    as_superuser(host, "postgres", "checkpoint");
    let mut found = Vec::new();
    let mut folders = vec![host.data(ADMIN)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let kind = entry.file_type().unwrap();
            let shown = entry.path().display().to_string();
            if kind.is_dir() {
                folders.push(entry.path());
            // The server lives: a file may be gone by now.
            } else if kind.is_file() && which(&shown) && entry.metadata().is_ok_and(|m| m.len() > 0)
            {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    assert!(!found.is_empty());
    found
}

/// Where the files of the database `mydb_admin` are, below its server's data.
fn own_folder(host: &Host) -> String {
    let oid = "select oid from pg_database where datname = 'mydb_admin'";
    format!("/base/{}/", as_superuser(host, "postgres", oid))
}

/// One of some files has lost most of itself, and the server is killed: it reads its files again.
fn cut(host: &Host, dice: &mut Dice, which: impl Fn(&str) -> bool) {
    let files = files_of_admin(host, which);
    let path = dice.one_of(&files);
    eprintln!("cut: {}", path.display());
    let bytes = fs::read(path).unwrap();
    // PostgreSQL's control file has 8 KiB, and says all in its first hundreds of bytes.
    overwrite(path, &bytes[..(bytes.len() / 2).min(100)]);
    host.docker(&["kill", &host.name(ADMIN)]);
}

/// A file of the database `mydb_admin` has as many bytes as before, and others, and the server is killed.
fn garble(host: &Host, dice: &mut Dice, file: &str) {
    let folder = own_folder(host);
    let files = files_of_admin(host, |path| path.ends_with(&(folder.clone() + file)));
    let path = dice.one_of(&files);
    let length = fs::read(path).unwrap().len();
    // A digit would be another version: what follows is the same.
    let noise = (0..length).map(|_| 0x80 | u8::try_from(dice.below(128)).unwrap());
    overwrite(path, &noise.collect::<Vec<u8>>());
    host.docker(&["kill", &host.name(ADMIN)]);
}

/// Other bytes in the same file: owner and rights stay.
fn overwrite(path: &Path, bytes: &[u8]) {
    let file = fs::OpenOptions::new().write(true).truncate(true).open(path);
    file.unwrap().write_all(bytes).unwrap();
}

/// The containers of works under way.
fn jobs(host: &Host) -> String {
    let instance = fs::read_to_string(host.path("state/instance")).unwrap();
    let filter = format!("label=db4sci.work-instance={}", instance.trim());
    host.docker(&["ps", "-q", "--filter", &filter])
}

#[track_caller]
fn as_superuser(host: &Host, database: &str, sql: &str) -> String {
    let container = host.name(ADMIN);
    host.docker(&[
        "exec", &container, "psql", "-XqAt", "-U", "postgres", "-d", database, "-c", sql,
    ])
}
