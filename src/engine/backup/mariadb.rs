//! MariaDB: all databases in one consistent snapshot, with routines, events, triggers; before it the plugins
//! that it may need, and behind it the accounts, whose grants may name what is gone.

use super::super::mariadb::{SUPERUSER, identifier, literal};
use super::mariadb_counts::{self, INSTALLED};
use super::mariadb_watch::{SqlDump, WITH_HISTORY};
use super::watches::Lines;
use super::{
    Backups, Command, IN, Inventory, JOB_TARGET, LeftOut, Limit, OUT, One, PASSFILE, Part,
    Passwords, WAS, not_older,
};
use super::{Watch, Way, fresh_server, shell, words, write_out};
use crate::model::database::Tls;
use crate::model::{ContainerSpec, Contents, Database, Secret};

/// All databases; of older backups the accounts, too.
pub(super) const ALL: &str = "all.sql";
/// What was installed into the server. Tables may be of its engines, accounts of its ways to log in.
const PLUGINS: &str = "plugins.sql";
/// Accounts, as statements that any version takes, not as rows of its own tables.
const ACCOUNTS: &str = "accounts.sql";
/// The texts of views that do not work: nobody can make these again, so they are only kept.
const VIEWS: &str = "broken-views.sql";
/// Ends the texts that are not a tool's.
const TEXT_END: &str = "-- end";

/// What a grant names is gone: no such table, column, routine. The server keeps such grants, and takes none.
const GONE: [&str; 3] = ["1146", "1054", "1305"];
/// A statement with a row may be as long as this: the server's most. Binary values are twice as long in it.
const PACKET: &str = "--max-allowed-packet=1G";
/// The first series for which time ends in 2106, and not in 2038.
const LATER_END: &str = "11.5";

pub(super) struct MariaDb;

fn tool(db: &Database, program: &str, args: &[&str]) -> Command {
    // --defaults-extra-file must be the first argument.
    let mut all = vec![format!("--defaults-extra-file={PASSFILE}")];
    all.extend(
        [
            "--host=127.0.0.1",
            "--port=3306",
            "--protocol=tcp",
            "--default-character-set=utf8mb4",
        ]
        .map(str::to_owned),
    );
    all.push(format!("--user={SUPERUSER}"));
    // It is the server's own loopback: TLS is spoken where the server takes nothing else.
    let tls: &[&str] = match db.tls {
        Some(Tls::Required) => &["--ssl", "--skip-ssl-verify-server-cert"],
        Some(Tls::Preferred) | None => &["--skip-ssl"],
    };
    all.extend(tls.iter().map(|a| (*a).to_owned()));
    all.extend(args.iter().map(|a| (*a).to_owned()));
    Command {
        program: program.to_owned(),
        args: all,
        ..Command::default()
    }
}

/// Writes databases in one snapshot, with all that belongs to them.
fn dump(db: &Database, inventory: &Inventory, databases: &[String]) -> Command {
    let mut more = Vec::new();
    // Older tools do not know it, and none knows it for each kind of history.
    if inventory.history {
        more.push("--dump-history".to_owned());
    }
    for one in &inventory.left_out {
        if let LeftOut::View { database, view, .. } = one {
            // The tool stops at the first one that it cannot describe.
            more.push(format!("--ignore-table={database}.{view}"));
        }
    }
    dump_with(db, &more, databases)
}

/// A dump with further options.
fn dump_with(db: &Database, more: &[String], databases: &[String]) -> Command {
    let mut dump = tool(
        db,
        "mariadb-dump",
        &[
            "--single-transaction",
            "--quick",
            "--routines",
            "--events",
            "--triggers",
            "--hex-blob",
            PACKET,
        ],
    );
    dump.args.extend(more.iter().cloned());
    dump.args.push(format!("--result-file={OUT}"));
    if !databases.is_empty() {
        // Behind the two dashes, a name that looks like an option is none.
        dump.args.extend(["--databases", "--"].map(str::to_owned));
        dump.args.extend(databases.iter().cloned());
    }
    dump
}

/// Stops at the first statement that fails: without it, the client goes on, and ends well.
const STOP: &str = "--abort-source-on-error";

/// Runs statements of a file.
fn source(db: &Database, args: &[&str], file: &str) -> Command {
    let mut command = tool(db, "mariadb", &["--batch"]);
    command.args.extend(args.iter().map(|a| (*a).to_owned()));
    command.args.push(format!("--execute=source {file}"));
    command
}

/// Runs a script that asks.
fn ask(db: &Database, mut text: String) -> Command {
    text.push_str("select json_array('end');\n");
    let name = "script.sql";
    let file = format!("{JOB_TARGET}/{name}");
    let mut command = source(db, &[STOP, "--skip-column-names", "--raw"], &file);
    command.scripts.push((name.to_owned(), text));
    command
}

impl Backups for MariaDb {
    /// A dump is SQL, and holds no system tables.
    fn loads_into(&self, from: &str, to: &str) -> bool {
        not_older(from, to)
    }

    fn passfile(&self, _: &Database, password: &Secret) -> Secret {
        Secret::new(format!(
            "[client]\npassword=\"{}\"\n",
            password.expose().replace('\\', "\\\\").replace('"', "\\\"")
        ))
    }

    fn inventory(&self, db: &Database) -> Command {
        ask(db, mariadb_counts::inventory())
    }

    fn parts(&self, db: &Database, inventory: &Inventory, _: u64) -> Vec<Part> {
        let part = |name: &str, dump| Part {
            name: name.to_owned(),
            database: None,
            dump,
            companion: None,
            // Each text ends with a mark of its own, which the watch demands.
            check: None,
        };
        let text = |lines: Vec<String>| write_out(lines.concat() + TEXT_END + "\n");
        let mut parts = Vec::new();
        if !inventory.plugins.is_empty() {
            let install = |(name, library): &(String, String)| {
                // The tool's own statement for it is none that the server takes.
                format!(
                    "INSTALL PLUGIN IF NOT EXISTS {} SONAME {};\n",
                    identifier(name),
                    literal(library)
                )
            };
            let lines = inventory.plugins.iter().map(install).collect();
            parts.push(part(PLUGINS, text(lines)));
        }
        parts.push(part(ALL, dump(db, inventory, &inventory.databases)));
        let users = ["--system=users", "--insert-ignore"].map(str::to_owned);
        parts.push(part(ACCOUNTS, dump_with(db, &users, &[])));
        let broken = inventory.left_out.iter().filter_map(|one| match one {
            LeftOut::View { text, .. } => Some(format!("{text};\n")),
            LeftOut::Closed(_) | LeftOut::Dropped(_) | LeftOut::History { .. } => None,
        });
        let broken: Vec<String> = broken.collect();
        if !broken.is_empty() {
            parts.push(part(VIEWS, text(broken)));
        }
        parts
    }

    fn watch(&self, part: &str) -> Box<dyn Watch> {
        match part {
            PLUGINS => Box::new(Lines::new(TEXT_END, &[("INSTALL PLUGIN ", INSTALLED)])),
            VIEWS => Box::new(Lines::new(TEXT_END, &[])),
            _ => Box::new(SqlDump::default()),
        }
    }

    fn how_counted(&self) -> &'static str {
        "as the dump went by: one snapshot for tables of InnoDB"
    }

    fn load(&self, db: &Database, part: &str, _: Option<&str>) -> Command {
        match part {
            ACCOUNTS => source(db, &[PACKET], IN),
            VIEWS => Command {
                program: "cp".to_owned(),
                args: vec![IN.to_owned(), "/dev/null".to_owned()],
                ..Command::default()
            },
            _ => source(db, &[STOP, PACKET], IN),
        }
    }

    fn loaded(&self, part: &str, said: &str) -> Result<(), String> {
        if part != ACCOUNTS {
            return Ok(());
        }
        let said = words::without_statements(said);
        let mut errors = said.lines().filter_map(|line| {
            let number = line.strip_prefix("ERROR ")?.split(' ').next()?;
            (!GONE.contains(&number)).then_some(line)
        });
        errors.next().map_or(Ok(()), |first| Err(first.to_owned()))
    }

    fn changed_by(&self, contents: &Contents, version: &str, series: &str) -> Option<String> {
        let before = |series: &str| series != LATER_END && not_older(series, LATER_END);
        let from = version.split('.').take(2).collect::<Vec<_>>().join(".");
        let table = contents
            .counts
            .keys()
            .find_map(|key| key.strip_prefix(WITH_HISTORY))
            .filter(|_| before(&from) && !before(series))?;
        Some(format!(
            "{table} has a history: from {LATER_END} on, what is in force there in {from} would be taken for what \
             was until 2038; restore it with {from}, drop its history in the copy (alter table … drop system \
             versioning), and carry over a backup of that"
        ))
    }

    fn one(&self, way: &Way<'_>, database: &str, _: Option<&str>) -> Option<One> {
        let ((from, inventory), to) = (way.from, way.to);
        Some(One {
            prepare: None,
            dump: dump(from, inventory, &[database.to_owned()]),
            clear: ask(
                to,
                format!("drop database if exists {};\n", identifier(database)),
            ),
            limit: Some(Limit {
                lift: ask(
                    to,
                    "select json_array(@@global.max_allowed_packet);\n\
                     set global max_allowed_packet = 1073741824;\n"
                        .to_owned(),
                ),
                set: ask(to, format!("set global max_allowed_packet = {WAS};\n")),
            }),
            load: self.load(to, ALL, None),
            // There is no way to rename a database.
            swap: None,
        })
    }

    fn epilogue(&self, db: &Database, part: &str, passwords: Passwords<'_>) -> Option<Secret> {
        // Older backups have the accounts there.
        if part != ALL && part != ACCOUNTS {
            return None;
        }
        let mut text = String::from("\nFLUSH PRIVILEGES;\n");
        let mut set = |user: &str, host: &str, password: &Secret| {
            text.push_str(&format!(
                "ALTER USER IF EXISTS {}@'{host}' IDENTIFIED BY {};\n",
                literal(user),
                literal(password.expose())
            ));
        };
        set(SUPERUSER, "localhost", passwords.admin);
        set(SUPERUSER, "%", passwords.admin);
        if let Some(user) = passwords.user {
            set(&db.account.user, "%", user);
        }
        Some(Secret::new(text))
    }

    fn count(&self, db: &Database, expected: &Contents, databases: &[String]) -> Vec<Command> {
        vec![ask(db, mariadb_counts::counts(expected, databases))]
    }

    fn calm(&self, spec: &mut ContainerSpec) {
        // Events that ran there would change what is counted.
        spec.command.push("--event-scheduler=OFF".to_owned());
        spec.command.push(PACKET.to_owned());
    }

    fn restore_script(&self, _: &Database, files: &[(String, String, Option<String>)]) -> String {
        let mut text = fresh_server(
            "",
            "MARIADB_ROOT_PASSWORD",
            "mariadb-admin ping --silent --host=127.0.0.1 --protocol=tcp",
        );
        text.push_str(&format!(
            "run() {{ docker exec -i -e MYSQL_PWD=\"$PASSWORD\" \"$NAME\" \"$@\"; }}\n\
             load() {{ run mariadb --user=root --host=127.0.0.1 --protocol=tcp {PACKET} \"$@\"; }}\n\
             passwords() {{ printf '%s\\n' \"FLUSH PRIVILEGES;\" \\\n  \
             \"ALTER USER IF EXISTS root@localhost IDENTIFIED BY '$PASSWORD';\" \\\n  \
             \"ALTER USER IF EXISTS root@'%' IDENTIFIED BY '$PASSWORD';\"; }}\n\
             # Rows may be larger than a server takes by itself.\n\
             load --execute='SET GLOBAL max_allowed_packet = 1073741824' </dev/null\n"
        ));
        for (file, part, _) in files {
            let file = shell(file);
            text.push_str(&match part.as_str() {
                PLUGINS => format!("plain {file} | load\n"),
                VIEWS => format!("# {file} is for people: views that did not work then.\n"),
                ACCOUNTS => format!(
                    "# Grants on what is gone are kept by a server, and taken by none: only these may fail.\n\
                     SAID=$(mktemp)\n\
                     {{ plain {file}; passwords; }} | load --force 2>\"$SAID\" ||\n  {{ cat \"$SAID\" >&2; exit 1; }}\n\
                     if grep '^ERROR' \"$SAID\" | grep -v '^ERROR \\({}\\) ' >&2; then\n  \
                     echo \"restore.sh: not all accounts are there\" >&2\n  rm -f \"$SAID\"\n  exit 1\nfi\n\
                     rm -f \"$SAID\"\n",
                    GONE.join("\\|")
                ),
                _ => format!("{{ plain {file}; passwords; }} | load\n"),
            });
        }
        text
    }
}

#[cfg(test)]
mod tests;
