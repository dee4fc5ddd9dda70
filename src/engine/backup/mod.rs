//! How an engine is dumped, loaded and counted: commands, scripts and texts, and nothing done.
//!
//! Every command runs in a job container of the database's own image. It finds a folder of its own
//! at [`JOB_TARGET`]: the password file, its scripts, and pipes with fixed names:
//!
//! - [`OUT`]: a dump writes here, and nowhere else;
//! - [`SNAPSHOT`]: a companion says here which snapshot the dump is to use;
//! - [`HOLD`]: a companion reads this to its end, and then lets go of what it holds;
//! - [`IN`]: what is loaded or checked comes from here.
//!
//! What is asked of a server is answered on standard output, a JSON array a line, the last one
//! with [`LAST`] alone: without it the answer was cut off.

mod mariadb;
mod mariadb_watch;
mod postgres;
mod postgres_watch;

use std::collections::BTreeMap;

use crate::model::{Contents, Database, EngineKind, Secret};

/// Where a job finds its folder.
pub const JOB_TARGET: &str = "/db4sci/job";
/// The password file of the privileged login, for the server at 127.0.0.1.
pub const PASSFILE: &str = "/db4sci/job/passfile";
/// A dump's pipe.
pub const OUT: &str = "/db4sci/job/out";
/// The last line of an answer is an array of this alone.
pub const LAST: &str = "end";
/// The pipe of a snapshot's name.
pub const SNAPSHOT: &str = "/db4sci/job/snapshot";
/// The pipe whose end is a companion's.
pub const HOLD: &str = "/db4sci/job/hold";
/// The pipe of what is loaded.
pub const IN: &str = "/db4sci/job/in";
/// Stands in a dump's arguments for the snapshot that its companion named.
pub const SNAPSHOT_NAME: &str = "{snapshot}";

/// How an engine is backed up; `None` while this program cannot.
pub fn backups(kind: EngineKind) -> Option<&'static dyn Backups> {
    match kind {
        EngineKind::Postgres => Some(&postgres::Postgres),
        EngineKind::MariaDB => Some(&mariadb::MariaDb),
        EngineKind::MongoDB | EngineKind::Neo4j => None,
    }
}

/// A program to run in a job. No part of it holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Command {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// Files to put into its folder: name and text.
    pub scripts: Vec<(String, String)>,
}

/// One file of a backup and how it comes about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name, without what compression and encryption add: `globals.sql`.
    pub name: String,
    /// The database inside the server that it holds, where it is one's.
    pub database: Option<String>,
    /// Writes it to [`OUT`].
    pub dump: Command,
    /// Runs beside it: names a snapshot on [`SNAPSHOT`], counts in it, and holds it
    /// until the end of [`HOLD`].
    pub companion: Option<Command>,
    /// Reads all of it from [`IN`], and fails unless it is whole.
    pub check: Option<Command>,
}

/// Follows a dump as it goes by.
pub trait Watch: Send {
    /// Takes the next bytes.
    fn take(&mut self, bytes: &[u8]);

    /// At the end: what was counted. `words` is what the tool last wrote to its standard error.
    ///
    /// # Errors
    /// That the dump does not end as a whole one does.
    fn end(self: Box<Self>, words: &str) -> Result<BTreeMap<String, u64>, String>;
}

/// Passwords that are in force after a load.
#[derive(Debug, Clone, Copy)]
pub struct Passwords<'a> {
    /// The privileged account's.
    pub admin: &'a Secret,
    /// The user's, and the daemon's own role where the database is `mydb_admin`; `None`: these
    /// stay as the dump has them.
    pub user: Option<&'a Secret>,
    /// The password of the daemon's own role, in `mydb_admin` alone.
    pub daemon: Option<&'a Secret>,
}

/// How one engine is backed up.
pub trait Backups: Send + Sync {
    /// The password file for the privileged login at 127.0.0.1.
    fn passfile(&self, password: &Secret) -> Secret;

    /// Asks which databases there are: an array with a name a line.
    fn inventory(&self, db: &Database) -> Command;

    /// The parts of a backup, in the order in which they are loaded. `hold_seconds` is the longest
    /// that a dump may take: nothing is held beyond it, whoever dies.
    fn parts(&self, db: &Database, databases: &[String], hold_seconds: u64) -> Vec<Part>;

    /// Follows a part's dump.
    fn watch(&self, part: &str) -> Box<dyn Watch>;

    /// How contents are counted, for people.
    fn how_counted(&self) -> &'static str;

    /// Loads a part from [`IN`] into an empty server.
    fn load(&self, db: &Database, part: &str, database: Option<&str>) -> Command;

    /// Text that follows a part's own on [`IN`]: sets the passwords that are to be in force.
    fn epilogue(&self, db: &Database, part: &str, passwords: Passwords<'_>) -> Option<Secret>;

    /// Counts in a server what a manifest counted: an array of key and number a line.
    fn count(&self, db: &Database, expected: &Contents, databases: &[String]) -> Vec<Command>;

    /// The body of `restore.sh`: shell lines that load the files into the server in container
    /// `$NAME`, whose privileged password is `$PASSWORD`; the function `plain FILE` writes a file's
    /// own text.
    fn restore_script(&self, db: &Database, files: &[(String, String, Option<String>)]) -> String;

    /// Environment of the image with which a new, empty server has `$PASSWORD`, for `restore.sh`.
    fn password_variable(&self) -> &'static str;

    /// The arguments of a command in the container that succeeds once its server is up, for
    /// `restore.sh`.
    fn ready_command(&self) -> &'static str;
}

/// Whether a tool's last words are about this host or a server that went away, and not about what
/// it was given: no room, no memory, a connection that broke.
pub fn of_host(words: &str) -> bool {
    let words = words.to_lowercase();
    [
        "no space left on device",
        "errcode: 28",
        "disk full",
        "disk quota exceeded",
        "cannot allocate memory",
        "out of memory",
        "connection refused",
        "can't connect to",
        "closed the connection",
        "lost connection",
        "server has gone away",
        "connection reset",
        "broken pipe",
    ]
    .iter()
    .any(|sign| words.contains(sign))
}

/// A text in single quotes, as a POSIX shell reads it; for `restore.sh` alone.
fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
