//! MariaDB: all databases in one consistent snapshot, with routines, events, triggers, accounts.

use super::super::mariadb::{SUPERUSER, identifier, literal};
use super::mariadb_watch::{ACCOUNT, ROWS, SqlDump};
use super::{Backups, Command, IN, JOB_TARGET, OUT, One, PASSFILE, Part, Passwords, not_older};
use super::{Watch, fresh_server, shell};
use crate::model::database::Tls;
use crate::model::{ContainerSpec, Contents, Database, Secret};

/// The one part.
pub(super) const ALL: &str = "all.sql";

/// Databases that the server makes by itself.
const SYSTEM: &str = "'information_schema', 'mysql', 'performance_schema', 'sys'";

/// Things of each database, as the dump counts them: (key, query).
const OBJECTS: [(&str, &str); 5] = [
    (
        "tables",
        "select table_schema s, count(*) n from information_schema.tables \
         where table_type in ('BASE TABLE', 'SYSTEM VERSIONED') group by 1",
    ),
    (
        "views",
        "select table_schema s, count(*) n from information_schema.views group by 1",
    ),
    (
        "triggers",
        "select trigger_schema s, count(*) n from information_schema.triggers group by 1",
    ),
    (
        "events",
        "select event_schema s, count(*) n from information_schema.events group by 1",
    ),
    (
        "routines",
        "select routine_schema s, count(*) n from information_schema.routines group by 1",
    ),
];

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
fn dump(db: &Database, more: &[&str], databases: &[String]) -> Command {
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
            "--max-allowed-packet=1G",
        ],
    );
    dump.args.extend(more.iter().map(|a| (*a).to_owned()));
    dump.args.push(format!("--result-file={OUT}"));
    if !databases.is_empty() {
        // Behind the two dashes, a name that looks like an option is none.
        dump.args.extend(["--databases", "--"].map(str::to_owned));
        dump.args.extend(databases.iter().cloned());
    }
    dump
}

/// Runs statements of a file, up to the first that fails: without being told, the client goes on, and
/// ends well.
fn source(db: &Database, args: &[&str], file: &str) -> Command {
    let mut command = tool(db, "mariadb", &["--batch", "--abort-source-on-error"]);
    command.args.extend(args.iter().map(|a| (*a).to_owned()));
    command.args.push(format!("--execute=source {file}"));
    command
}

/// Runs a script that asks.
fn ask(db: &Database, mut text: String) -> Command {
    text.push_str("select json_array('end');\n");
    let name = "script.sql";
    let file = format!("{JOB_TARGET}/{name}");
    let mut command = source(db, &["--skip-column-names", "--raw"], &file);
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
        ask(
            db,
            format!(
                "select json_array(schema_name) from information_schema.schemata \
             where schema_name not in ({SYSTEM}) order by schema_name;\n"
            ),
        )
    }

    fn parts(&self, db: &Database, databases: &[String], _: u64) -> Vec<Part> {
        // Accounts as statements that any version takes, not as rows of its own tables.
        let dump = dump(db, &["--system=users", "--insert-ignore"], databases);
        vec![Part {
            name: ALL.to_owned(),
            database: None,
            dump,
            companion: None,
            // The text ends with a mark of its own, which the watch demands.
            check: None,
        }]
    }

    fn watch(&self, _: &str) -> Box<dyn Watch> {
        Box::new(SqlDump::default())
    }

    fn how_counted(&self) -> &'static str {
        "as the dump went by: one snapshot for tables of InnoDB"
    }

    fn load(&self, db: &Database, _: &str, _: Option<&str>) -> Command {
        source(db, &["--max-allowed-packet=1G"], IN)
    }

    fn one(&self, from: &Database, to: &Database, database: &str, _: &str) -> Option<One> {
        Some(One {
            prepare: None,
            dump: dump(from, &[], &[database.to_owned()]),
            clear: ask(
                to,
                format!("drop database if exists {};\n", identifier(database)),
            ),
            load: self.load(to, ALL, None),
            // There is no way to rename a database.
            swap: None,
        })
    }

    fn epilogue(&self, db: &Database, _: &str, passwords: Passwords<'_>) -> Option<Secret> {
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
        let mut text = String::from("set names utf8mb4;\n");
        for database in databases {
            for (key, query) in OBJECTS {
                text.push_str(&format!(
                    "select json_array({}, coalesce((select n from ({query}) o where s = {}), 0));\n",
                    literal(&format!("{}: {key}", identifier(database))),
                    literal(database)
                ));
            }
        }
        for key in expected.counts.keys() {
            if let Some(table) = key.strip_prefix(ROWS) {
                text.push_str(&format!(
                    "select json_array({}, count(*)) from {table};\n",
                    literal(key)
                ));
            } else if let Some(account) = key.strip_prefix(ACCOUNT) {
                text.push_str(&format!(
                    "select json_array({}, count(*)) from mysql.user \
                     where concat('`', replace(user, '`', '``'), '`@`', host, '`') = {};\n",
                    literal(key),
                    literal(account)
                ));
            }
        }
        vec![ask(db, text)]
    }

    fn calm(&self, spec: &mut ContainerSpec) {
        // Events that ran there would change what is counted.
        spec.command.push("--event-scheduler=OFF".to_owned());
    }

    fn restore_script(&self, _: &Database, files: &[(String, String, Option<String>)]) -> String {
        let mut text = fresh_server(
            "",
            "MARIADB_ROOT_PASSWORD",
            "mariadb-admin ping --silent --host=127.0.0.1 --protocol=tcp",
        );
        text.push_str("run() { docker exec -i -e MYSQL_PWD=\"$PASSWORD\" \"$NAME\" \"$@\"; }\n");
        for (file, _, _) in files {
            text.push_str(&format!(
                "{{ plain {}; printf '%s\\n' \"FLUSH PRIVILEGES;\" \\\n    \
                 \"ALTER USER IF EXISTS root@localhost IDENTIFIED BY '$PASSWORD';\" \\\n    \
                 \"ALTER USER IF EXISTS root@'%' IDENTIFIED BY '$PASSWORD';\"; }} |\n  \
                 run mariadb --user=root --host=127.0.0.1 --protocol=tcp \
                 --max-allowed-packet=1G\n",
                shell(file)
            ));
        }
        text
    }
}
