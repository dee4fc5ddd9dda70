//! PostgreSQL, after the public contract of the official image.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::model::action::Settings;
use crate::model::database::{TLS, Tls};
use crate::model::server::{Protocol, Statement, Target};
use crate::model::{
    ContainerSpec, Database, FilesWanted, IdentityFile, ImageSeen, Memory, Secret, Site,
};

use super::identity;
use super::{
    ADMIN_SECRET, CERTIFICATE_AND_KEY, CONFIG_TARGET, Client, DAEMON_SECRET, Defaults, Reach,
    Recipe, SECRETS_TARGET, USER_SECRET, login, own_settings, shape,
};

mod accounts;
mod collations;
mod conf;
pub(super) mod further;

pub(super) use accounts::{QUIET, SAMPLE_NOTHING};

use super::parameters::{POSTGRES_UNITS, Table};

/// The bootstrap superuser: db4sci's own login, with a password of its own for each database.
pub(super) const SUPERUSER: &str = "postgres";

/// The daemon's own role in `mydb_admin`.
const DAEMON: &str = "db4sci";

/// Parameters that would break a promise: that data is on disk once committed, that the server is
/// where db4sci put it, that nobody runs programs as the server.
const KEPT: [&str; 20] = [
    "fsync",
    "full_page_writes",
    "data_directory",
    "config_file",
    "hba_file",
    "ident_file",
    "listen_addresses",
    "port",
    "unix_socket_directories",
    "external_pid_file",
    "archive_command",
    "restore_command",
    "ssl",
    "ssl_ca_file",
    "ssl_cert_file",
    "ssl_crl_dir",
    "ssl_crl_file",
    "ssl_key_file",
    "ssl_passphrase_command",
    "password_encryption",
];

/// The person's file.
const PERSONS: &str = "user.conf";
/// The file that the server is started with; it includes the person's.
const OWN: &str = "postgresql.conf";
/// The file that says who may come in.
pub(super) const HBA: &str = "pg_hba.conf";

/// What servers accept.
const PARAMETERS: Table = Table(include_str!("postgres/parameters.tsv"), POSTGRES_UNITS);

pub(super) struct Postgres;

impl Recipe for Postgres {
    fn defaults(&self) -> Defaults {
        Defaults {
            memory: Memory::mebibytes(2048),
            min_memory: Memory::mebibytes(128),
            uid: 999,
            sentinel: "PG_VERSION",
            start_deadline: 900,
            // A fast shutdown writes a checkpoint: with many dirty buffers on a slow disk that is
            // minutes, far more than Docker's ten seconds.
            stop_deadline: 300,
            stop_signal: "SIGINT",
        }
    }

    fn identity(&self) -> Option<IdentityFile> {
        Some(identity::PG_CONTROL)
    }

    fn series(&self, tag: &str) -> Option<String> {
        // Up to 9.6 the first two numbers named the series (PostgreSQL's versioning policy).
        let major = shape::leading_version(tag, 1)?;
        if major == "9" {
            shape::leading_version(tag, 2)
        } else {
            Some(major)
        }
    }

    // Passwords that are not told on the way (SCRAM) came with it; sqlx names no limit of its own.
    fn oldest(&self) -> &'static str {
        "10"
    }

    fn settings(&self, memory: Memory) -> BTreeMap<String, String> {
        let mib = memory.bytes() >> 20;
        let megabytes = |n: u64| format!("{n}MB");
        BTreeMap::from([
            ("max_connections".to_owned(), "100".to_owned()),
            // A quarter of the memory, as the manual advises for a dedicated server.
            ("shared_buffers".to_owned(), megabytes((mib / 4).max(16))),
            (
                "effective_cache_size".to_owned(),
                megabytes((mib * 3 / 4).max(32)),
            ),
            ("work_mem".to_owned(), megabytes((mib / 400).clamp(1, 256))),
            (
                "maintenance_work_mem".to_owned(),
                megabytes((mib / 16).clamp(16, 2048)),
            ),
            ("checkpoint_completion_target".to_owned(), "0.9".to_owned()),
            ("wal_compression".to_owned(), "on".to_owned()),
            ("log_checkpoints".to_owned(), "on".to_owned()),
            ("log_lock_waits".to_owned(), "on".to_owned()),
            (
                "idle_in_transaction_session_timeout".to_owned(),
                "24h".to_owned(),
            ),
        ])
    }

    fn check_parameter(&self, name: &str, value: &str) -> Result<(), String> {
        shape::one_line(name, value)?;
        if KEPT.contains(&name) {
            return Err(format!(
                "`{name}` is set by db4sci and cannot be changed; remove it"
            ));
        }
        Ok(())
    }

    fn accepts(&self, series: &str, name: &str, value: &str) -> Result<(), String> {
        // One with a dot is an extension's, which nobody here knows.
        if name.contains('.') {
            return conf::extensions(name);
        }
        PARAMETERS.check(series, name, value)
    }

    fn reloads(&self, setting: &str, _: Option<&str>) -> bool {
        setting == TLS || PARAMETERS.reloads(setting)
    }

    // A session may set it anew; the superuser's are not held to it (see `Protocol::Postgres`).
    fn read_only(&self) -> Option<(&'static str, &'static str)> {
        Some(("default_transaction_read_only", "on"))
    }

    fn config_settings(&self, text: &str) -> BTreeMap<String, String> {
        conf::settings(text)
    }

    fn reload_statements(&self, settings: &Settings) -> Vec<Statement> {
        let new = settings.new_config.as_ref();
        let by_file = new.filter(|new| !new.changed.is_empty());
        let mut all = Vec::new();
        all.extend(by_file.map(|new| conf::check(PERSONS, new.changed.iter())));
        if !settings.changed.is_empty() {
            all.push(conf::check(OWN, settings.changed.keys()));
        }
        if by_file.is_some() || !settings.changed.is_empty() {
            all.push(read_again());
        }
        all
    }

    fn certificate_statements(&self) -> Option<Vec<Statement>> {
        Some(vec![read_again()])
    }

    fn check_user(&self, user: &str) -> Result<(), String> {
        shape::plain_user(
            user,
            &[SUPERUSER, "public", "none", "user", "current_user"],
            63,
        )
    }

    fn check_database(&self, database: &str) -> Result<(), String> {
        shape::not_the_servers(database, &["postgres", "template0", "template1"])
    }

    fn files(&self, db: &Database) -> FilesWanted {
        let data = shape::data_target(db);
        let mut text = format!(
            "# Written by db4sci; a change is lost. Set `parameters:` or `config:` in the spec.\n\
             include_if_exists '{data}/postgresql.conf'\n\
             password_encryption = 'scram-sha-256'\n"
        );
        for (name, value) in &own_settings(db) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name} = '{}'", conf::escaped(value));
        }
        let _ = writeln!(text, "include '{CONFIG_TARGET}/{PERSONS}'");
        // What no file of a person may undo stands last.
        let _ = writeln!(
            text,
            "data_directory = '{data}'\nlisten_addresses = '*'\nport = 5432\n\
             fsync = on\nfull_page_writes = on"
        );
        if db.tls.is_some() {
            let file = format!("{SECRETS_TARGET}/{CERTIFICATE_AND_KEY}");
            let _ = writeln!(
                text,
                "ssl = on\nssl_cert_file = '{file}'\nssl_key_file = '{file}'\n\
                 hba_file = '{CONFIG_TARGET}/{HBA}'"
            );
        }
        let person = shape::config_text(db);
        let hba = hba(db.tls.unwrap_or_default());
        shape::files(self, db, [text, person, hba])
    }

    fn config_files(&self) -> &'static [&'static str] {
        &[OWN, PERSONS, HBA]
    }

    fn container(&self, db: &Database, site: &Site, image: &ImageSeen) -> ContainerSpec {
        let mut spec = shape::container(db, site, image, &self.defaults());
        let data = shape::data_target(db);
        spec.command.extend([
            "-c".to_owned(),
            format!("config_file={CONFIG_TARGET}/{OWN}"),
        ]);
        spec.env.extend(
            [
                ("PGDATA", data),
                ("POSTGRES_USER", SUPERUSER),
                (
                    "POSTGRES_PASSWORD_FILE",
                    &format!("{SECRETS_TARGET}/{ADMIN_SECRET}"),
                ),
                ("POSTGRES_HOST_AUTH_METHOD", "scram-sha-256"),
                (
                    "POSTGRES_INITDB_ARGS",
                    "--data-checksums --encoding=UTF8 --auth-host=scram-sha-256",
                ),
            ]
            .map(|(k, v)| (k.to_owned(), v.to_owned())),
        );
        spec
    }

    fn target(&self, db: &Database, site: &Site, password: Secret) -> Target {
        let user = (SUPERUSER, "postgres");
        login(self, db, site, Protocol::Postgres, user, password)
    }

    fn user_target(&self, db: &Database, site: &Site, password: Secret) -> Target {
        let user = (db.account.user.as_str(), db.database.as_str());
        login(self, db, site, Protocol::Postgres, user, password)
    }

    fn probe_query(&self, db: &Database, further: &[&str]) -> String {
        let all: Vec<String> = further.iter().map(|user| literal(user)).collect();
        let found = match all.as_slice() {
            [] => "null::text".to_owned(),
            all => format!(
                "(select coalesce(string_agg(rolname::text, ','), '') from pg_roles \
                 where rolname in ({}))",
                all.join(", ")
            ),
        };
        // Who is superuser no more may not read this setting, though he owns every table of the system: in
        // mydb_admin that is as a refused login.
        let rights = if db.name.is_mydb_admin() {
            " and current_setting('config_file') <> ''"
        } else {
            ""
        };
        format!(
            "select split_part(current_setting('server_version'), ' ', 1), \
             (select count(*) from pg_stat_activity \
               where backend_type = 'client backend' and pid <> pg_backend_pid()), \
             exists (select 1 from pg_roles where rolname = {}){rights}, {found}, {}",
            literal(&db.account.user),
            collations::resorted(&db.image.series)
        )
    }

    fn account_statements(&self, db: &Database, password: &Secret) -> Vec<Statement> {
        accounts::create(db, password)
    }

    fn password_statements(
        &self,
        db: &Database,
        secret: &str,
        password: &Secret,
    ) -> Vec<Statement> {
        let role = match secret {
            USER_SECRET => db.account.user.as_str(),
            DAEMON_SECRET => DAEMON,
            _ => SUPERUSER,
        };
        accounts::password(role, password)
    }

    fn client(&self, db: &Database, at: &Reach<'_>, passfile: &str) -> Client {
        let (user, database) = (&db.account.user, &db.database);
        let Reach { host, port, trust } = *at;
        let mut env = BTreeMap::from([("PGPASSFILE".to_owned(), passfile.to_owned())]);
        let mut query = String::new();
        if let Some(trust) = trust {
            let mode = if trust.names {
                "verify-full"
            } else {
                "verify-ca"
            };
            env.insert("PGSSLMODE".to_owned(), mode.to_owned());
            env.insert("PGSSLROOTCERT".to_owned(), trust.authority.to_owned());
            query = format!("?sslmode={mode}&sslrootcert={}", trust.authority);
        }
        Client {
            program: "psql".to_owned(),
            args: [
                "-h",
                host,
                "-p",
                &port.to_string(),
                "-U",
                user,
                "-d",
                database,
            ]
            .map(str::to_owned)
            .to_vec(),
            env,
            shell_args: Vec::new(),
            in_image: false,
            truststore: false,
            url: format!("postgresql://{user}@{host}:{port}/{database}{query}"),
        }
    }

    fn passfile(&self, db: &Database, at: &Reach<'_>, password: &Secret) -> Secret {
        let Reach { host, port, .. } = at;
        Secret::new(format!(
            "{host}:{port}:{}:{}:{}\n",
            db.database,
            db.account.user,
            password.expose().replace('\\', "\\\\").replace(':', "\\:")
        ))
    }
}

fn read_again() -> Statement {
    Statement {
        purpose: "read the configuration again",
        database: "postgres".to_owned(),
        text: Secret::new("select pg_reload_conf()"),
        done_code: None,
    }
}

/// Who may come in and how. Inside the container, as the image has it: nobody but its own users
/// is there. From outside, by password; without TLS only where that is not demanded.
pub(super) fn hba(tls: Tls) -> String {
    let host = match tls {
        Tls::Preferred => "host",
        Tls::Required => "hostssl",
    };
    format!(
        "# Written by db4sci; a change is lost. Set `tls:` in the spec.\n\
         local all all trust\n\
         {host} all all all scram-sha-256\n"
    )
}

/// An identifier in double quotes, as SQL quotes it.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A literal in single quotes; `standard_conforming_strings` is on by default since 9.1.
pub(super) fn literal(text: &str) -> String {
    if text.contains('\\') {
        format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests;
