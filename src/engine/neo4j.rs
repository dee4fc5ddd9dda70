//! Neo4j Community, after the public contract of the official image.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::model::database::{AccountRole, Tls};
use crate::model::server::{Protocol, Statement, Target};
use crate::model::{
    ContainerSpec, Database, FilesWanted, IdentityFile, ImageSeen, Memory, Mount, Secret, Site,
};

use super::{
    ADMIN_SECRET, CERTIFICATE, CERTIFICATE_KEY, CONFIG_TARGET, Client, Defaults, Reach, Recipe,
    SECRETS_TARGET, USER_SECRET, config::unsure, identity, login, own_settings, shape,
};

pub(super) mod further;

/// The account that the server makes by itself: db4sci's own login.
pub(super) const SUPERUSER: &str = "neo4j";
/// The database that accounts are in.
pub(super) const SYSTEM: &str = "system";
/// The one database for data that the Community edition has.
pub(super) const DATABASE: &str = "neo4j";

/// Bolt's port in the container; the browser's stands before it in the catalog.
const BOLT: u16 = 7687;

/// Where the image looks for configuration, to copy it into its own place.
const CONF_DIR: &str = "/conf";
/// The rendered configuration.
const CONFIG: &str = "neo4j.conf";
/// A file of arguments for `neo4j-admin` that names another one, the secret.
const PASSWORD_ARGUMENT: &str = "initial-password";

/// The client in the image. Its own start script takes a password from an argument or a variable
/// only; Java itself reads all arguments from a file.
pub(super) const SHELL_JAR: &str = "/var/lib/neo4j/bin/tools/cypher-shell.jar";
/// Its main class.
pub(super) const SHELL_CLASS: &str = "org.neo4j.shell.Main";

/// Settings that would break a promise: where data and logs lie, where the server listens and what
/// it tells clients, that nobody enters without a password, that nobody runs programs as the
/// server (a flag of the Java machine can). One that ends in a dot stands for all below it.
const KEPT: [&str; 13] = [
    "dbms.security.auth_enabled",
    "dbms.ssl.policy.",
    "server.http.enabled",
    "server.https.enabled",
    "dbms.security.auth_minimum_password_length",
    "initial.dbms.default_database",
    "server.bolt.enabled",
    "server.bolt.tls_level",
    "server.config.strict_validation.enabled",
    "server.default_advertised_address",
    "server.default_listen_address",
    "server.directories.",
    "server.jvm.additional",
];

pub(super) struct Neo4j;

impl Recipe for Neo4j {
    fn defaults(&self) -> Defaults {
        Defaults {
            memory: Memory::mebibytes(4096),
            min_memory: Memory::mebibytes(768),
            uid: 7474,
            sentinel: "databases/system/neostore",
            start_deadline: 900,
            // Stores are checkpointed; with a large page cache on a slow disk that takes minutes.
            stop_deadline: 300,
            stop_signal: "SIGTERM",
        }
    }

    fn identity(&self) -> Option<IdentityFile> {
        Some(identity::SERVER_ID)
    }

    fn series(&self, tag: &str) -> Option<String> {
        // Up to 4 the first two numbers named the series; since 5 its stores are one format. After
        // 5 come years.
        let major = shape::leading_version(tag, 1)?;
        match major.as_str() {
            "3" | "4" => shape::leading_version(tag, 2),
            _ => Some(major),
        }
    }

    fn reads_back(&self, from: &str, to: &str) -> bool {
        shape::not_older_minor(from, to)
    }

    // The driver (`neo4rs` 0.9, Bolt 4) takes older ones, but the settings are called otherwise there.
    fn oldest(&self) -> &'static str {
        "5"
    }

    fn settings(&self, memory: Memory) -> BTreeMap<String, String> {
        let mib = memory.bytes() >> 20;
        // The machine's own part (code, threads, buffers outside the heap), then heap and page
        // cache alike. Over 31 GiB, pointers double and a heap holds less.
        let own = (mib / 4).max(320);
        let rest = mib.saturating_sub(own);
        let heap = (rest / 2).clamp(256, 31 * 1024);
        let pages = rest.saturating_sub(heap).max(64);
        let mebibytes = |n: u64| format!("{n}m");
        BTreeMap::from(
            [
                ("server.memory.heap.initial_size", mebibytes(heap)),
                ("server.memory.heap.max_size", mebibytes(heap)),
                ("server.memory.pagecache.size", mebibytes(pages)),
                // An institute's host tells nobody what runs on it.
                ("dbms.usage_report.enabled", "false".to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        )
    }

    fn check_parameter(&self, name: &str, value: &str) -> Result<(), String> {
        shape::one_line(name, value)?;
        let kept = KEPT.iter().any(|kept| {
            let below = kept.ends_with('.') && name.starts_with(kept);
            below || name == *kept
        });
        if kept || name.ends_with(".listen_address") || name.ends_with(".advertised_address") {
            return Err(format!(
                "`{name}` is set by db4sci and cannot be changed; remove it"
            ));
        }
        if !name.contains('.') {
            return Err(format!(
                "`{name}` is no parameter's name; write the setting of neo4j.conf, such as \
                 `db.transaction.timeout`"
            ));
        }
        Ok(())
    }

    fn check_config(&self, text: &str) -> Result<(), String> {
        for (name, value) in lines(text)? {
            self.check_parameter(name, value)?;
        }
        Ok(())
    }

    // The database of the server's own accounts is not held to it.
    fn read_only(&self) -> Option<(&'static str, &'static str)> {
        Some(("server.databases.default_to_read_only", "true"))
    }

    fn config_settings(&self, text: &str) -> BTreeMap<String, String> {
        match lines(text) {
            Ok(all) => all
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect(),
            Err(why) => unsure(&why, text),
        }
    }

    fn certificate_statements(&self) -> Option<Vec<Statement>> {
        // A procedure for it is the Enterprise edition's alone.
        None
    }

    fn check_user(&self, user: &str) -> Result<(), String> {
        shape::plain_user(user, &[SUPERUSER, "public"], 63)
    }

    fn default_database(&self, _: &str) -> String {
        DATABASE.to_owned()
    }

    fn check_database(&self, database: &str) -> Result<(), String> {
        if database == DATABASE {
            return Ok(());
        }
        Err(format!(
            "Neo4j Community has one database for data, `{DATABASE}`, and makes no other; leave \
             `database:` out"
        ))
    }

    fn check_role(&self, role: AccountRole) -> Result<(), String> {
        match role {
            AccountRole::Admin => Ok(()),
            AccountRole::Owner | AccountRole::ReadOnly => Err(format!(
                "Neo4j Community has no roles: each account may do everything, and {role:?} would \
                 be a promise that nobody keeps; write `role: Admin`"
            )),
        }
    }

    fn client_port(&self, db: &Database) -> (u16, u16) {
        let outside = db.port.get();
        let mut published = db.published();
        published
            .find(|(inside, _)| *inside == BOLT)
            .unwrap_or((outside, outside))
    }

    fn files(&self, db: &Database) -> FilesWanted {
        let mut settings = own_settings(db);
        // The server refuses a setting that stands twice, so the person's file is merged in.
        // Admission has read it; a file that cannot be read by now changes nothing.
        let person = db.config.as_ref().and_then(|c| lines(&c.text).ok());
        let last = person.into_iter().flatten();
        let last = last.chain([("dbms.security.auth_enabled", "true")]);
        let last = last.chain(db.tls.map(tls_settings).unwrap_or_default());
        settings.extend(last);
        let mut text = String::from(
            "# Written by db4sci; a change is lost. Set `parameters:` or `config:` in the spec.\n",
        );
        for (name, value) in settings {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name}={value}");
        }
        let argument = format!("@{SECRETS_TARGET}/{ADMIN_SECRET}\n");
        shape::files(self, db, [text, argument])
    }

    fn config_files(&self) -> &'static [&'static str] {
        &[CONFIG, PASSWORD_ARGUMENT]
    }

    fn container(&self, db: &Database, site: &Site, image: &ImageSeen) -> ContainerSpec {
        let mut spec = shape::container(db, site, image, &self.defaults());
        spec.mounts.push(Mount {
            source: site.config_dir(&db.name),
            target: CONF_DIR.to_owned(),
            read_only: true,
        });
        // The image gives the password to `neo4j-admin` as an argument, which all of the host can
        // read. An argument `@FILE` stands for what is in a file of the working folder; the file
        // names the secret's file in its turn, since the image allows no slash there.
        let own = spec.entrypoint.len() - image.entrypoint.len();
        let working_folder = ["env".to_owned(), format!("--chdir={CONFIG_TARGET}")];
        spec.entrypoint.splice(own..own, working_folder);
        let host = shape::published_host(site);
        spec.env.insert(
            "NEO4J_AUTH".to_owned(),
            format!("{SUPERUSER}/@{PASSWORD_ARGUMENT}"),
        );
        // What the server tells clients of itself changes with its container only, as ports do.
        for (inside, outside) in db.published() {
            let connector = match inside {
                BOLT => "bolt",
                7473 => "https",
                _ => "http",
            };
            spec.env.insert(
                format!("NEO4J_server_{connector}_advertised__address"),
                format!("{host}:{outside}"),
            );
        }
        spec
    }

    fn target(&self, db: &Database, site: &Site, password: Secret) -> Target {
        let user = (SUPERUSER, SYSTEM);
        login(self, db, site, Protocol::Bolt, user, password)
    }

    fn user_target(&self, db: &Database, site: &Site, password: Secret) -> Target {
        let user = (db.account.user.as_str(), db.database.as_str());
        login(self, db, site, Protocol::Bolt, user, password)
    }

    fn probe_query(&self, db: &Database, further: &[&str]) -> String {
        let further = further::question(further);
        format!(
            "{database}\tCALL dbms.components() YIELD versions RETURN versions[0] AS answer\n\
             {database}\tCALL dbms.listConnections() YIELD connectionId RETURN count(*) AS answer\n\
             {SYSTEM}\tSHOW USERS YIELD user WHERE user = {user} RETURN count(*) > 0 AS answer{further}",
            database = db.database,
            user = literal(&db.account.user)
        )
    }

    fn account_statements(&self, db: &Database, password: &Secret) -> Vec<Statement> {
        let user = identifier(&db.account.user);
        let password = literal(password.expose());
        // In one step: to alter a password to what it is would be refused. Without roles, there is
        // nothing to lose by a replacement, and sessions stay.
        vec![Statement {
            purpose: "create the account, or set its password",
            database: SYSTEM.to_owned(),
            text: Secret::new(format!(
                "CREATE OR REPLACE USER {user} SET PLAINTEXT PASSWORD {password} CHANGE NOT \
                 REQUIRED"
            )),
            done_code: None,
        }]
    }

    fn password_statements(
        &self,
        db: &Database,
        secret: &str,
        password: &Secret,
    ) -> Vec<Statement> {
        if secret == USER_SECRET {
            return self.account_statements(db, password);
        }
        // Nobody may replace the account that they use.
        let (user, password) = (identifier(SUPERUSER), literal(password.expose()));
        vec![Statement {
            purpose: "change the password",
            database: SYSTEM.to_owned(),
            text: Secret::new(format!(
                "ALTER USER {user} SET PLAINTEXT PASSWORD {password} CHANGE NOT REQUIRED"
            )),
            done_code: None,
        }]
    }

    fn client(&self, _: &Database, at: &Reach<'_>, passfile: &str) -> Client {
        let Reach { host, port, trust } = *at;
        let scheme = if trust.is_some() { "neo4j+s" } else { "neo4j" };
        Client {
            program: "java".to_owned(),
            args: vec![format!("@{passfile}")],
            env: BTreeMap::new(),
            shell_args: Vec::new(),
            in_image: true,
            truststore: true,
            url: format!("{scheme}://{host}:{port}"),
        }
    }

    fn passfile(&self, db: &Database, at: &Reach<'_>, password: &Secret) -> Secret {
        let Reach { host, port, trust } = *at;
        // Java compares the host's name in any case: where the certificate does not stand for it,
        // encrypted is what it can be. The same goes for a reader who has the certificate as PEM.
        let (scheme, verify) = match trust {
            None => ("bolt", String::new()),
            Some(trust) if trust.names && trust.store => (
                "bolt+s",
                format!(
                    "-Djavax.net.ssl.trustStore={}\n-Djavax.net.ssl.trustStoreType=JKS\n",
                    trust.authority
                ),
            ),
            Some(_) => ("bolt+ssc", String::new()),
        };
        // In quotes, the file's own rule for what Java reads.
        let password = password.expose().replace('\\', "\\\\").replace('"', "\\\"");
        Secret::new(format!(
            "{verify}--class-path {SHELL_JAR}\n{SHELL_CLASS}\n--address {scheme}://{host}:{port}\n\
             --database {}\n--username {}\n--password \"{password}\"\n",
            db.database, db.account.user
        ))
    }
}

/// What makes the server offer TLS, or demand it. The browser's page is then on the same port by
/// HTTPS, and by HTTP no more.
fn tls_settings(tls: Tls) -> Vec<(&'static str, &'static str)> {
    let mut all = vec![
        ("dbms.ssl.policy.bolt.base_directory", SECRETS_TARGET),
        ("dbms.ssl.policy.bolt.client_auth", "NONE"),
        ("dbms.ssl.policy.bolt.enabled", "true"),
        ("dbms.ssl.policy.bolt.private_key", CERTIFICATE_KEY),
        ("dbms.ssl.policy.bolt.public_certificate", CERTIFICATE),
    ];
    match tls {
        Tls::Preferred => all.push(("server.bolt.tls_level", "OPTIONAL")),
        Tls::Required => all.extend([
            ("server.bolt.tls_level", "REQUIRED"),
            ("server.http.enabled", "false"),
            ("server.https.enabled", "true"),
            ("server.https.listen_address", ":7474"),
            ("dbms.ssl.policy.https.base_directory", SECRETS_TARGET),
            ("dbms.ssl.policy.https.client_auth", "NONE"),
            ("dbms.ssl.policy.https.enabled", "true"),
            ("dbms.ssl.policy.https.private_key", CERTIFICATE_KEY),
            ("dbms.ssl.policy.https.public_certificate", CERTIFICATE),
        ]),
    }
    all
}

/// The settings of a configuration file, line by line.
fn lines(text: &str) -> Result<Vec<(&str, &str)>, String> {
    let mut found: Vec<(&str, &str)> = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err(format!(
                "line {}: `{}` is no setting; write `name=value`",
                i + 1,
                line.escape_debug()
            ));
        };
        let (name, value) = (name.trim(), value.trim());
        if found.iter().any(|(before, _)| *before == name) {
            return Err(format!("line {}: `{name}` stands twice", i + 1));
        }
        found.push((name, value));
    }
    Ok(found)
}

/// An identifier in backticks.
fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A literal in single quotes.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests;
