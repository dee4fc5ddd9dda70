//! PostgreSQL: globals, one custom-format archive a database under an exported snapshot, and what
//! `ALTER SYSTEM` set.

use std::collections::BTreeMap;

use super::super::postgres::{QUIET, SUPERUSER, identifier, literal};
use super::postgres_counts::COUNTS;
use super::postgres_settings::{KEY, SET, SETTINGS, SETTINGS_END};
use super::watches::{Archive, Lines};
use super::{
    Backups, CLOSED, Command, DROPPED, HOLD, IN, Inventory, OUT, One, PASSFILE, Part, Passwords,
    Refused, Way,
};
use super::{SNAPSHOT, SNAPSHOT_NAME, Watch, fresh_server, not_older, shell};
use super::{postgres_login, postgres_settings};
use crate::model::{Contents, Database, Secret};

/// Roles, their memberships and settings, tablespaces.
pub(super) const GLOBALS: &str = "globals.sql";
/// What a database is called while it is loaded beside the one whose place it takes. It may be half
/// there, so it is in no backup.
const BESIDE: &str = "db4sci restored";
/// What new databases are made of: people put things there, too.
const TEMPLATE: &str = "template1";
/// Succeeds in a container whose server is up.
const READY: &str = "pg_isready -q -h 127.0.0.1 -U postgres";
/// How `pg_dumpall` ends its output.
const GLOBALS_END: &str = "-- PostgreSQL database cluster dump complete";

/// What a database or a role sets for its sessions does not hold for these: an owner's timeout would
/// end them, a database that is read-only would take no load, and a function that somebody made in a
/// schema of `search_path` would be called by the privileged account.
const OPTIONS: &str = "-c search_path=pg_catalog -c default_transaction_read_only=off \
    -c statement_timeout=0 -c lock_timeout=0 -c role=none";

/// The limit of connections by which the server knows a database whose `DROP DATABASE` was cut off: it
/// lets nobody in there, whatever else stands in its row.
const CUT_OFF: i8 = -2;

/// What ends the names of databases that db4sci itself set aside and closed.
const ASIDE: &str = " before [0-9]{8}T[0-9]{6}Z$";

/// What is counted, is counted in one snapshot.
const BEGIN: &str = "begin transaction isolation level repeatable read read only;\n";

/// Says that the answer is whole.
pub(super) const END: &str = "select json_build_array('end');\n";

pub(super) struct Postgres;

fn tool(program: &str, args: &[&str]) -> Command {
    Command {
        program: program.to_owned(),
        args: args.iter().map(|a| (*a).to_owned()).collect(),
        env: [
            ("PGHOST", "127.0.0.1"),
            ("PGPORT", "5432"),
            ("PGUSER", SUPERUSER),
            ("PGPASSFILE", PASSFILE),
            ("PGCONNECT_TIMEOUT", "20"),
            ("PGAPPNAME", "db4sci backup"),
            ("PGCLIENTENCODING", "UTF8"),
            ("PGOPTIONS", OPTIONS),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into(),
        scripts: Vec::new(),
    }
}

/// A connection string that names a database whatever it is called; a plain name with a `=` would
/// be read as one.
fn conninfo(database: &str) -> String {
    format!(
        "dbname='{}'",
        database.replace('\\', "\\\\").replace('\'', "\\'")
    )
}

/// Statements inside a database, the first that fails ends them.
pub(super) fn script(database: &str, text: String) -> Command {
    let name = "script.sql";
    let path = format!("{}/{name}", super::JOB_TARGET);
    let mut command = tool(
        "psql",
        &["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d"],
    );
    command
        .args
        .extend([conninfo(database), "-f".to_owned(), path]);
    command.scripts.push((name.to_owned(), text));
    command
}

/// Writes a whole database, with all that makes it again under its name.
fn dump(database: &str) -> Command {
    let mut dump = tool(
        "pg_dump",
        &[
            "--format=custom",
            // zstd comes after it, and is better and faster at this.
            "--compress=0",
            "--create",
            "--blobs",
            "--no-password",
            // A pipe cannot be synced; the store does that.
            "--no-sync",
            // Who drops a table may wait for the session that counts in the same snapshot, while the dump
            // waits for him: the server sees no deadlock in that. The dump gives way, and is tried again.
            "--lock-wait-timeout=30000",
            "--quote-all-identifiers",
            "-f",
            OUT,
        ],
    );
    dump.args.extend(["-d".to_owned(), conninfo(database)]);
    dump
}

/// Makes a database again under the name that its dump has, from within another one.
fn restore(within: &str) -> Command {
    tool(
        "pg_restore",
        &[
            "--format=custom",
            "--clean",
            "--if-exists",
            "--create",
            "--exit-on-error",
            "--no-password",
            "-d",
            within,
            IN,
        ],
    )
}

impl Backups for Postgres {
    fn passfile(&self, _: &Database, password: &Secret) -> Secret {
        let escaped = password.expose().replace('\\', "\\\\").replace(':', "\\:");
        Secret::new(format!("127.0.0.1:5432:*:{SUPERUSER}:{escaped}\n"))
    }

    fn inventory(&self, _: &Database) -> Command {
        let text = format!(
            "select case when datconnlimit = {CUT_OFF} then json_build_array(datname, '{DROPPED}') \
             when datallowconn then json_build_array(datname) \
             else json_build_array(datname, '{CLOSED}') end from pg_catalog.pg_database \
             where datname not in ('template0', {}) \
             and (datallowconn or datname !~ '{ASIDE}') order by datname;\n{END}",
            literal(BESIDE)
        );
        script("postgres", text)
    }

    fn parts(&self, _: &Database, inventory: &Inventory, hold_seconds: u64) -> Vec<Part> {
        let plain = |name: &str, dump| Part {
            name: name.to_owned(),
            database: None,
            dump,
            companion: None,
            check: None,
        };
        let mut parts = vec![plain(
            GLOBALS,
            tool(
                "pg_dumpall",
                &["--globals-only", "--no-password", "--no-sync", "-f", OUT],
            ),
        )];
        for database in &inventory.databases {
            let mut dump = dump(database);
            dump.args.insert(0, format!("--snapshot={SNAPSHOT_NAME}"));
            let holder = format!(
                "set statement_timeout = 0;\n\
                 set idle_in_transaction_session_timeout = '{hold_seconds}s';\n\
                 {BEGIN}\
                 \\o {SNAPSHOT}\n\
                 select pg_catalog.pg_export_snapshot();\n\
                 \\o\n\
                 {COUNTS}{END}\
                 \\i {HOLD}\n\
                 commit;\n"
            );
            parts.push(Part {
                name: format!("{}.dump", file_part(database)),
                database: Some(database.clone()),
                dump,
                companion: Some(script(database, holder)),
                // Told, since looking for the format would take the beginning out of the pipe.
                check: Some(tool(
                    "pg_restore",
                    &["--format=custom", "-f", "/dev/null", IN],
                )),
            });
        }
        parts.push(plain(SETTINGS, postgres_settings::dump()));
        parts
    }

    fn watch(&self, part: &str) -> Box<dyn Watch> {
        match part {
            GLOBALS => Box::new(Lines::new(GLOBALS_END, &[("CREATE ROLE ", "roles")])),
            SETTINGS => Box::new(Lines::new(SETTINGS_END, &[(SET, KEY)])),
            _ => Box::new(Archive::new("pg_dump", &[b"PGDMP"])),
        }
    }

    fn how_counted(&self) -> &'static str {
        "each database in the snapshot of its dump; roles and settings as dumped"
    }

    fn load(&self, _: &Database, part: &str, database: Option<&str>) -> Command {
        match database {
            // Globals name roles that the new server has already (its own superuser): psql goes on
            // after errors there, and the count says whether all came through.
            None if part == GLOBALS => tool("psql", &["-X", "-q", "-d", "template1", "-f", IN]),
            None => postgres_settings::load(),
            // `postgres` exists, and is made anew like any other: nobody is in it.
            Some(database) => restore(elsewhere(database)),
        }
    }

    fn refused(&self, part: &str, answer: &[u8]) -> Result<Option<Refused>, String> {
        match part {
            SETTINGS => postgres_settings::refused(answer),
            _ => Ok(None),
        }
    }

    fn set_aside(&self, db: &Database, found: &BTreeMap<String, u64>) -> Option<Command> {
        postgres_settings::set_aside(data(db), found)
    }

    fn one(&self, _: &Way<'_>, database: &str, aside: Option<&str>) -> Option<One> {
        let statements = |text: String| script(elsewhere(database), text);
        let (name, beside) = (identifier(database), identifier(BESIDE));
        let mut swap = "begin;\n".to_owned();
        if let Some(aside) = aside.map(identifier) {
            // Who connects again before the `rename` has its lock makes all of it fail.
            swap += &format!(
                "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity \
                 where datname = {};\n\
                 alter database {name} rename to {aside};\n\
                 alter database {aside} with allow_connections false;\n",
                literal(database),
            );
        }
        swap += &format!("alter database {beside} rename to {name};\ncommit;\n");
        Some(One {
            // It is loaded beside the one that is there.
            prepare: Some(statements(format!(
                "alter database {name} rename to {beside};\n"
            ))),
            dump: dump(BESIDE),
            clear: statements(format!("drop database if exists {beside};\n")),
            limit: None,
            load: restore(elsewhere(BESIDE)),
            swap: Some(statements(swap)),
        })
    }

    fn epilogue(&self, db: &Database, part: &str, passwords: Passwords<'_>) -> Option<Secret> {
        if part != GLOBALS {
            return None;
        }
        let set = |role: &str, password: &Secret| {
            format!(
                "ALTER ROLE {} PASSWORD {};\n",
                identifier(role),
                literal(password.expose())
            )
        };
        // In the session that loaded: with the password of then nobody could connect anew.
        let mut text = format!(
            "\n{};\n{}",
            QUIET.join(";\n"),
            set(SUPERUSER, passwords.admin)
        );
        if let Some(user) = passwords.user {
            text.push_str(&set(&db.account.user, user));
        }
        if let Some(daemon) = passwords.daemon {
            text.push_str(&set("db4sci", daemon));
        }
        Some(Secret::new(text))
    }

    /// `pg_dump`'s archives are for newer servers: <https://www.postgresql.org/docs/current/app-pgdump.html>.
    fn loads_into(&self, from: &str, to: &str) -> bool {
        not_older(from, to)
    }

    fn let_in(&self, db: &Database, admin: &Secret) -> Option<(Command, Secret)> {
        Some(postgres_login::let_in(data(db), admin))
    }

    fn count(&self, _: &Database, expected: &Contents, databases: &[String]) -> Vec<Command> {
        let mut all = vec![script(
            "template1",
            format!(
                "select json_build_array('roles', count(*)) from pg_catalog.pg_roles \
                 where rolname !~ '^pg_';\n\
                 select json_build_array('{KEY}', count(*)) from \
                 pg_catalog.pg_file_settings where sourcefile ~ '/postgresql\\.auto\\.conf$';\n{END}"
            ),
        )];
        all.extend(
            databases
                .iter()
                // Older backups do not have it, and every server does.
                .filter(|d| {
                    *d != TEMPLATE || expected.counts.keys().any(|k| k.starts_with("template1: "))
                })
                .map(|database| script(database, format!("{BEGIN}{COUNTS}{END}commit;\n"))),
        );
        all
    }

    fn restore_script(&self, _: &Database, files: &[(String, String, Option<String>)]) -> String {
        let mut text = fresh_server("", "POSTGRES_PASSWORD", READY);
        text.push_str(&format!(
            "export PGPASSWORD=\"$PASSWORD\" PGOPTIONS={}\n\
             run() {{ docker exec -i -e PGPASSWORD -e PGOPTIONS \"$NAME\" \"$@\"; }}\n",
            shell(OPTIONS)
        ));
        for (file, part, database) in files {
            let file = shell(file);
            text.push_str(&match database {
                // The new server has the superuser already; that one error is expected.
                None if part == GLOBALS => format!(
                    "{{ plain {file}; printf '%s\\n' \"ALTER ROLE postgres PASSWORD '$PASSWORD';\"; }} |\n  \
                     run psql -X -q -h 127.0.0.1 -U postgres -d template1\n"
                ),
                // What this server does not take of it is said, and the rest is loaded.
                None => format!(
                    "plain {file} | run psql -X -q -h 127.0.0.1 -U postgres -d template1\n"
                ),
                Some(database) => format!(
                    "plain {file} | run pg_restore --format=custom --clean --if-exists --create --exit-on-error \\\n  \
                     -h 127.0.0.1 -U postgres -d {}\n",
                    elsewhere(database)
                ),
            });
        }
        text + &postgres_settings::restart(READY)
    }
}

/// Where the server has its data folder.
fn data(db: &Database) -> &str {
    let data = db.layout.data.first();
    data.map_or("", |(_, target)| target.as_str())
}

/// Where somebody stays who makes a database anew.
fn elsewhere(database: &str) -> &'static str {
    if database == TEMPLATE {
        "postgres"
    } else {
        TEMPLATE
    }
}

/// A database's name as part of a file's; two names never make one.
fn file_part(database: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    database
        .bytes()
        .map(|b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
