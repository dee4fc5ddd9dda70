//! MariaDB, after the public contract of the official image.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::model::action::Settings;
use crate::model::database::{AccountRole, Encryption, TLS, Tls};
use crate::model::server::{Protocol, Statement, Target};
use crate::model::{
    ContainerSpec, Database, FilesWanted, ImageSeen, Memory, Mount, Secret, SecretFile, Site,
};

use super::parameters::{MARIADB_UNITS, Table};
use super::{
    ADMIN_SECRET, AUTHORITY, CERTIFICATE_AND_KEY, Client, Defaults, Reach, Recipe, SECRETS_TARGET,
    USER_SECRET, login, own_settings, shape,
};

mod conf;
mod encryption;
pub(super) mod further;
mod kept;
mod reload;

/// The account that the image makes at its first start: db4sci's own login.
pub(super) const SUPERUSER: &str = "root";

/// The image reads this folder last; its own files there stay visible beside ours.
const CONF_DIR: &str = "/etc/mysql/mariadb.conf.d";

/// What a user's Admin gets on everything: all that a person does to databases and accounts,
/// without FILE, SUPER and SHUTDOWN, which reach out of the databases.
const ADMIN_RIGHTS: &str = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, \
    REFERENCES, INDEX, ALTER, SHOW DATABASES, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, \
    CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER, \
    DELETE HISTORY";

/// What servers accept.
const PARAMETERS: Table = Table(include_str!("mariadb/parameters.tsv"), MARIADB_UNITS);

pub(super) struct MariaDb;

impl Recipe for MariaDb {
    fn defaults(&self) -> Defaults {
        Defaults {
            memory: Memory::mebibytes(2048),
            min_memory: Memory::mebibytes(256),
            uid: 999,
            sentinel: "ibdata1",
            start_deadline: 900,
            stop_deadline: 300,
            stop_signal: "SIGTERM",
        }
    }

    fn series(&self, tag: &str) -> Option<String> {
        shape::leading_version(tag, 2)
    }

    // Accounts are looked up in `mysql.global_priv`, which came with it; sqlx names no limit of its own.
    fn oldest(&self) -> &'static str {
        "10.4"
    }

    fn settings(&self, memory: Memory) -> BTreeMap<String, String> {
        let mib = memory.bytes() >> 20;
        let megabytes = |n: u64| format!("{n}M");
        BTreeMap::from([
            (
                "innodb_buffer_pool_size".to_owned(),
                megabytes((mib / 2).max(32)),
            ),
            (
                "innodb_log_file_size".to_owned(),
                megabytes((mib / 8).clamp(32, 1024)),
            ),
            ("max_connections".to_owned(), "151".to_owned()),
            (
                "tmp_table_size".to_owned(),
                megabytes((mib / 64).clamp(8, 256)),
            ),
            (
                "max_heap_table_size".to_owned(),
                megabytes((mib / 64).clamp(8, 256)),
            ),
            ("character_set_server".to_owned(), "utf8mb4".to_owned()),
            // As the original DB4SCI ran it: gene names of three letters are searched for.
            ("ft_min_word_len".to_owned(), "3".to_owned()),
        ])
    }

    fn check_parameter(&self, name: &str, value: &str) -> Result<(), String> {
        shape::one_line(name, value)?;
        kept::check(name)
    }

    fn check_config(&self, text: &str) -> Result<(), String> {
        conf::check(text)
    }

    fn accepts(&self, series: &str, name: &str, value: &str) -> Result<(), String> {
        let name = name.replace('-', "_");
        if name.starts_with(kept::LOOSE) {
            return Ok(());
        }
        PARAMETERS.check(series, &name, value)
    }

    fn reloads(&self, setting: &str, value: Option<&str>) -> bool {
        setting == TLS || reload::possible(&setting.replace('-', "_"), value)
    }

    // Who has `READ ONLY ADMIN` is not held to it: root alone.
    fn read_only(&self) -> Option<(&'static str, &'static str)> {
        Some(("read_only", "ON"))
    }

    fn config_settings(&self, text: &str) -> BTreeMap<String, String> {
        conf::settings(text)
    }

    fn reload_statements(&self, settings: &Settings) -> Vec<Statement> {
        reload::statements(settings)
    }

    fn certificate_statements(&self) -> Option<Vec<Statement>> {
        Some(vec![statement(
            "read the certificate again",
            "FLUSH SSL".to_owned(),
        )])
    }

    fn encrypts(&self) -> bool {
        true
    }

    fn check_user(&self, user: &str) -> Result<(), String> {
        shape::plain_user(user, &[SUPERUSER, "mysql", "mariadb", "healthcheck"], 80)
    }

    fn check_database(&self, database: &str) -> Result<(), String> {
        let own = ["mysql", "information_schema", "performance_schema", "sys"];
        shape::not_the_servers(database, &own)
    }

    fn files(&self, db: &Database) -> FilesWanted {
        let head = "# Written by db4sci; a change is lost. Set `parameters:` or `config:` in the \
                    spec.\n[mariadbd]\n";
        let mut person = head.to_owned();
        for (name, value) in &own_settings(db) {
            // Writing to a String cannot fail.
            let _ = writeln!(
                person,
                "{name} = \"{}\"",
                value.replace('\\', "\\\\").replace('"', "\\\"")
            );
        }
        person.push_str(&shape::config_text(db));
        let mut text = head.to_owned();
        let data = shape::data_target(db);
        let _ = writeln!(
            text,
            "innodb_flush_log_at_trx_commit = 1\ninnodb_doublewrite = 1\n\
             datadir = {data}\nport = 3306\nbind_address = *\n\
             skip_grant_tables = 0\nskip_networking = 0"
        );
        if let Some(tls) = db.tls {
            let file = format!("{SECRETS_TARGET}/{CERTIFICATE_AND_KEY}");
            let _ = writeln!(
                text,
                "ssl_cert = {file}\nssl_key = {file}\nssl_ca = {SECRETS_TARGET}/{AUTHORITY}\n\
                 require_secure_transport = {}",
                u8::from(tls == Tls::Required)
            );
        }
        if db.encryption == Encryption::Engine {
            text.push_str(&encryption::settings());
        }
        shape::files(self, db, [text, person])
    }

    fn config_files(&self) -> &'static [&'static str] {
        &["db4sci.cnf", "user.cnf"]
    }

    fn secrets(&self, db: &Database) -> Vec<SecretFile> {
        let key = (db.encryption == Encryption::Engine).then(encryption::key);
        shape::secrets(db).into_iter().chain(key).collect()
    }

    fn container(&self, db: &Database, site: &Site, image: &ImageSeen) -> ContainerSpec {
        let mut spec = shape::container(db, site, image, &self.defaults());
        // Single files: a folder mounted here would hide what the image keeps in it. The person's
        // file is read after the settings and before what db4sci promises, which stands last.
        for (file, target) in [("user.cnf", "98-user.cnf"), ("db4sci.cnf", "99-db4sci.cnf")] {
            spec.mounts.push(Mount {
                source: site.config_dir(&db.name).join(file),
                target: format!("{CONF_DIR}/{target}"),
                read_only: true,
            });
        }
        spec.env.insert(
            "MARIADB_ROOT_PASSWORD_FILE".to_owned(),
            format!("{SECRETS_TARGET}/{ADMIN_SECRET}"),
        );
        spec
    }

    fn target(&self, db: &Database, site: &Site, password: Secret) -> Target {
        let user = (SUPERUSER, "mysql");
        login(self, db, site, Protocol::MySql, user, password)
    }

    fn user_target(&self, db: &Database, site: &Site, password: Secret) -> Target {
        let user = (db.account.user.as_str(), db.database.as_str());
        login(self, db, site, Protocol::MySql, user, password)
    }

    fn probe_query(&self, db: &Database, further: &[&str]) -> String {
        let all: Vec<String> = further.iter().map(|user| literal(user)).collect();
        let found = match all.as_slice() {
            [] => String::new(),
            all => format!(
                ", (select coalesce(group_concat(user), '') from mysql.global_priv \
                 where host = '%' and user in ({}))",
                all.join(", ")
            ),
        };
        format!(
            "select substring_index(version(), '-', 1), \
             (select count(*) from information_schema.processlist \
               where command not in ('Daemon', 'Binlog Dump') and id <> connection_id()), \
             exists (select 1 from mysql.global_priv where user = {}){found}",
            literal(&db.account.user)
        )
    }

    fn account_statements(&self, db: &Database, password: &Secret) -> Vec<Statement> {
        let user = format!("{}@'%'", literal(&db.account.user));
        let database = identifier(&db.database);
        let mut all = quiet();
        all.extend([
            statement(
                "create the database",
                format!("CREATE DATABASE IF NOT EXISTS {database}"),
            ),
            statement(
                "create the account",
                format!("CREATE USER IF NOT EXISTS {user}"),
            ),
            statement(
                "set the account's password",
                format!(
                    "ALTER USER {user} IDENTIFIED BY {}",
                    literal(password.expose())
                ),
            ),
            statement(
                "give the account its rights",
                match db.account.role {
                    AccountRole::Admin => {
                        format!("GRANT {ADMIN_RIGHTS} ON *.* TO {user} WITH GRANT OPTION")
                    }
                    AccountRole::Owner => format!("GRANT ALL PRIVILEGES ON {database}.* TO {user}"),
                    AccountRole::ReadOnly => {
                        format!("GRANT SELECT, SHOW VIEW ON {database}.* TO {user}")
                    }
                },
            ),
        ]);
        all
    }

    fn password_statements(
        &self,
        db: &Database,
        secret: &str,
        password: &Secret,
    ) -> Vec<Statement> {
        let word = literal(password.expose());
        let text = if secret == USER_SECRET {
            let user = literal(&db.account.user);
            format!("ALTER USER {user}@'%' IDENTIFIED BY {word}")
        } else {
            // Both of the image: over the network, and inside its container.
            format!(
                "ALTER USER IF EXISTS '{SUPERUSER}'@'localhost' IDENTIFIED BY {word}, \
                 '{SUPERUSER}'@'%' IDENTIFIED BY {word}"
            )
        };
        let mut all = quiet();
        all.push(statement("change the password", text));
        all
    }

    fn client(&self, db: &Database, at: &Reach<'_>, passfile: &str) -> Client {
        let (user, database) = (&db.account.user, &db.database);
        let Reach { host, port, trust } = *at;
        // --defaults-extra-file must be the first argument.
        let mut args = vec![
            format!("--defaults-extra-file={passfile}"),
            format!("--host={host}"),
            format!("--port={port}"),
            "--protocol=tcp".to_owned(),
            format!("--user={user}"),
            format!("--database={database}"),
        ];
        let mut query = String::new();
        if let Some(trust) = trust {
            let verify = if trust.names {
                "--ssl-verify-server-cert"
            } else {
                "--skip-ssl-verify-server-cert"
            };
            args.extend([
                "--ssl".to_owned(),
                format!("--ssl-ca={}", trust.authority),
                verify.to_owned(),
            ]);
            query = format!("?sslMode=verify-full&serverSslCert={}", trust.authority);
        }
        Client {
            program: "mariadb".to_owned(),
            args,
            env: BTreeMap::new(),
            shell_args: Vec::new(),
            in_image: false,
            truststore: false,
            url: format!("mariadb://{user}@{host}:{port}/{database}{query}"),
        }
    }

    fn passfile(&self, _: &Database, _: &Reach<'_>, password: &Secret) -> Secret {
        Secret::new(format!(
            "[client]\npassword=\"{}\"\n",
            password.expose().replace('\\', "\\\\").replace('"', "\\\"")
        ))
    }
}

fn statement(purpose: &'static str, text: String) -> Statement {
    Statement {
        purpose,
        database: "mysql".to_owned(),
        text: Secret::new(text),
        done_code: None,
    }
}

/// What keeps the texts that follow in the same session out of the server's logs, whatever its
/// settings are: they hold a password.
fn quiet() -> Vec<Statement> {
    [
        "SET SESSION sql_log_off = 1",
        "SET SESSION slow_query_log = 0",
    ]
    .map(|text| statement("keep the log quiet", text.to_owned()))
    .to_vec()
}

/// An identifier in backticks.
pub(super) fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A literal in single quotes, backslashes doubled (the default `sql_mode` reads them as escapes).
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests;
