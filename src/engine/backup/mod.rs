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

mod files;
mod inventory;
mod mariadb;
mod mariadb_counts;
mod mariadb_watch;
mod mongodb;
mod mongodb_watch;
mod neo4j;
mod postgres;
mod postgres_counts;
mod postgres_login;
mod postgres_settings;
mod told;
mod watches;
mod words;

use std::collections::BTreeMap;

pub use files::compare;
pub use inventory::{CLOSED, DROPPED, Inventory, LeftOut, aside_name, holds_all};
use serde_json::{Value, json};
pub use told::{engine_of, engine_of_files, is_of_files};
pub use words::{of_host, without_statements};

use crate::model::{BackupKind, ContainerSpec, Contents, Database, EngineKind, Secret};

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
/// Stands in a dump's arguments for the snapshot that its companion named, before any database's name.
pub const SNAPSHOT_NAME: &str = "{snapshot}";
/// Stands in a script for what a limit was.
pub const WAS: &str = "{was}";

/// How an engine is backed up, or its files, where no server can be asked.
pub fn backups(engine: EngineKind, kind: BackupKind) -> &'static dyn Backups {
    if kind == BackupKind::Files {
        return &files::Files;
    }
    match engine {
        EngineKind::Postgres => &postgres::Postgres,
        EngineKind::MariaDB => &mariadb::MariaDb,
        EngineKind::MongoDB => &mongodb::MongoDb,
        EngineKind::Neo4j => &neo4j::Neo4j,
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

/// What a server did not take of a part that was loaded into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Under which key such things are counted.
    pub key: &'static str,
    /// Their names.
    pub names: Vec<String>,
}

/// Between which servers one database is carried.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// The restored one, and what it has.
    pub from: (&'a Database, &'a Inventory),
    /// The running one.
    pub to: &'a Database,
}

/// A limit of a server that what is loaded may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Lifts it for who connects from then on, and answers what it was: an array with a number.
    pub lift: Command,
    /// Sets it again; [`WAS`] stands in its scripts for what it was.
    pub set: Command,
}

/// How one database of a restored server is carried over into a server that has others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct One {
    /// In the restored server, before it is dumped.
    pub prepare: Option<Command>,
    /// In the restored server: writes it to [`OUT`].
    pub dump: Command,
    /// In the other server: makes room for it.
    pub clear: Command,
    /// In the other server, around `load`.
    pub limit: Option<Limit>,
    /// In the other server: reads it from [`IN`].
    pub load: Command,
    /// In the other server, at the end; at once or not at all. Without it, what was there is gone from
    /// `clear` on.
    pub swap: Option<Command>,
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
///
/// Most are dumped, loaded and counted by commands that talk to a running server. One that is backed
/// up [at rest](Backups::at_rest) has no server then: its commands find the data folders where the
/// server has them, and nobody else has hands on those.
pub trait Backups: Send + Sync {
    /// Whether it is dumped, loaded and counted at rest, since its server can do none of it.
    fn at_rest(&self) -> bool {
        false
    }

    /// Whether a server is to start on what was loaded. Without it nothing but the counts shows that
    /// it is whole.
    fn serves(&self) -> bool {
        true
    }

    /// The password file for the privileged login at 127.0.0.1.
    fn passfile(&self, db: &Database, password: &Secret) -> Secret;

    /// Asks a server what it has, for [`Inventory::read`]: an array with a database's name a line, and with
    /// [`CLOSED`] behind it where it cannot be dumped, [`DROPPED`] where nothing is left to dump. It answers
    /// once the server is up.
    fn inventory(&self, db: &Database) -> Command;

    /// The parts of a backup, in the order in which they are loaded. `hold_seconds` is the longest
    /// that a dump may take: nothing is held beyond it, whoever dies.
    fn parts(&self, db: &Database, inventory: &Inventory, hold_seconds: u64) -> Vec<Part>;

    /// Follows a part's dump.
    fn watch(&self, part: &str) -> Box<dyn Watch>;

    /// How contents are counted, for people.
    fn how_counted(&self) -> &'static str;

    /// Loads a part from [`IN`] into an empty server.
    fn load(&self, db: &Database, part: &str, database: Option<&str>) -> Command;

    /// What a load said that ended well, though not all that is in the part went well.
    ///
    /// # Errors
    /// What of it must not be.
    fn loaded(&self, _part: &str, _words: &str) -> Result<(), String> {
        Ok(())
    }

    /// What the server did not take of a part, as its load answered. That is no damage: another server
    /// may know less, and people are told.
    ///
    /// # Errors
    /// What about it is no answer.
    fn refused(&self, _part: &str, _answer: &[u8]) -> Result<Option<Refused>, String> {
        Ok(None)
    }

    /// Where something was found that a server heeds only from its next start on, and that may keep it
    /// from starting: sets that aside, on data at rest.
    fn set_aside(&self, _: &Database, _found: &BTreeMap<String, u64>) -> Option<Command> {
        None
    }

    /// Text that follows a part's own on [`IN`]: sets the passwords that are to be in force.
    fn epilogue(&self, db: &Database, part: &str, passwords: Passwords<'_>) -> Option<Secret>;

    /// Counts in a server what a manifest counted: an array of key and number a line.
    fn count(&self, db: &Database, expected: &Contents, databases: &[String]) -> Vec<Command>;

    /// Reads the answer of a command that counts.
    ///
    /// # Errors
    /// What about it is no answer.
    fn counts(&self, answer: &[u8]) -> Result<BTreeMap<String, u64>, String> {
        counts(answer)
    }

    /// How one database is carried from a restored server into the running one, where what is there is kept
    /// as `aside` if it can be; without that, nothing is there. `None`: it has only one.
    fn one(&self, _way: &Way<'_>, _database: &str, _aside: Option<&str>) -> Option<One> {
        None
    }

    /// Keeps a throwaway server from changing by itself what is loaded into it.
    fn calm(&self, _: &mut ContainerSpec) {}

    /// Where data is loaded at rest: makes a server on it let in whoever is in its network, which
    /// nobody but its own jobs is.
    fn open_door(&self, _: &mut ContainerSpec) {}

    /// Where data is loaded at rest: sets the passwords that are to be in force in a server that
    /// lets everybody in. The text stands in [`PASSFILE`].
    fn set_passwords(&self, _: &Database, _: Passwords<'_>) -> Option<(Command, Secret)> {
        None
    }

    /// Whether what was dumped from a server of one series is loaded into one of another. Each reads its own.
    fn loads_into(&self, from: &str, to: &str) -> bool {
        from == to
    }

    /// Why these contents of a server of one version would not be what they were in one of a series that
    /// loads them otherwise. `None`: they would.
    fn changed_by(&self, _: &Contents, _version: &str, _series: &str) -> Option<String> {
        None
    }

    /// Sets again, on data at rest, what the privileged login needs: its role, its password, and the file
    /// that says who may come in. The text stands in [`PASSFILE`]. `None`: nobody knows how.
    fn let_in(&self, _: &Database, _admin: &Secret) -> Option<(Command, Secret)> {
        None
    }

    /// The body of `restore.sh`: shell lines that start a server of `$IMAGE` in the new container
    /// `$NAME`, whose privileged password is to be `$PASSWORD`, and load the files into it. The
    /// function `plain FILE` writes a file's own text; `until_in COMMAND…` waits until the command
    /// succeeds in the container.
    fn restore_script(&self, db: &Database, files: &[(String, String, Option<String>)]) -> String;
}

/// Whether a series, as `17` or `10.11`, is not older than another one; no word is a series.
pub fn not_older(from: &str, to: &str) -> bool {
    let numbers = |series: &str| -> Option<Vec<u32>> {
        series.split('.').map(|part| part.parse().ok()).collect()
    };
    matches!((numbers(from), numbers(to)), (Some(from), Some(to)) if from <= to)
}

/// Writes a text that is known already.
fn write_out(text: String) -> Command {
    let name = "part";
    Command {
        program: "cp".to_owned(),
        args: vec![format!("{JOB_TARGET}/{name}"), OUT.to_owned()],
        scripts: vec![(name.to_owned(), text)],
        ..Command::default()
    }
}

/// Lines of `restore.sh` that start an empty server and wait for it: with `variable` its image takes
/// the password, and `ready` is a command in the container that succeeds once it is up.
fn fresh_server(arguments: &str, variable: &str, ready: &str) -> String {
    FRESH_SERVER
        .replace("{arguments}", arguments)
        .replace("{variable}", variable)
        .replace("{ready}", ready)
}

const FRESH_SERVER: &str = r#"export {variable}="$PASSWORD"
docker run -d --name "$NAME" {arguments}-e {variable} "$IMAGE" >/dev/null
unset {variable}
until_in {ready}

"#;

/// An answer's lines: arrays of a key and a number.
///
/// # Errors
/// What about it is no answer.
pub fn counts(output: &[u8]) -> Result<BTreeMap<String, u64>, String> {
    let mut counts = BTreeMap::new();
    for line in lines(output)? {
        let pair: (String, u64) =
            serde_json::from_value(line.clone()).map_err(|e| format!("`{line}`: {e}"))?;
        counts.insert(pair.0, pair.1);
    }
    Ok(counts)
}

/// An answer's lines, the last one taken off.
///
/// # Errors
/// What about it is no answer, or that it was cut off.
pub fn lines(output: &[u8]) -> Result<Vec<Value>, String> {
    let text = std::str::from_utf8(output).map_err(|e| format!("the answer is no text: {e}"))?;
    let read = |line: &str| {
        serde_json::from_str(line)
            .map_err(|e| format!("`{}`: {e}", line.chars().take(200).collect::<String>()))
    };
    let lines: Result<Vec<Value>, String> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(read)
        .collect();
    let mut lines = lines?;
    match lines.pop() {
        Some(last) if last == json!([LAST]) => Ok(lines),
        Some(_) | None => Err("the answer was cut off".to_owned()),
    }
}

/// A text in single quotes, as a POSIX shell reads it; for `restore.sh` alone.
fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_servers_of_two_engines_take_what_older_ones_wrote() {
        use EngineKind::{MariaDB, MongoDB, Neo4j, Postgres};
        for (engine, from, to, taken) in [
            (Postgres, "15", "17", true),
            (Postgres, "17", "17", true),
            (Postgres, "17", "15", false),
            (Postgres, "9.6", "13", true),
            (MariaDB, "10.11", "11.8", true),
            (MariaDB, "10.11", "10.6", false),
            (MariaDB, "10.11", "latest", false),
            (MongoDB, "7.0", "7.0", true),
            (MongoDB, "7.0", "8.0", false),
            (Neo4j, "5.26", "2025.01", false),
        ] {
            let scheduled = backups(engine, BackupKind::Scheduled);
            assert_eq!(
                scheduled.loads_into(from, to),
                taken,
                "{engine}: {from}, {to}"
            );
            // Files are for the servers that wrote them.
            let files = backups(engine, BackupKind::Files);
            assert_eq!(
                files.loads_into(from, to),
                from == to,
                "{engine}: {from}, {to}"
            );
        }
    }

    #[test]
    fn an_answer_without_its_last_line_was_cut_off() {
        assert!(counts(b"[\"a\", 1]\n").is_err());
        assert!(counts(b"").is_err());
        let counts = counts(b"[\"a\", 1]\n[\"b\",2]\n[\"end\"]\n").unwrap();
        assert_eq!(counts, [("a".to_owned(), 1), ("b".to_owned(), 2)].into());
    }
}
