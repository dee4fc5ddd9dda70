//! MongoDB, after the public contract of the official image.

mod conf;
pub(super) mod further;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::model::database::{AccountRole, Tls};
use crate::model::server::{Protocol, Statement, Target};
use crate::model::{ContainerSpec, Database, FilesWanted, ImageSeen, Memory, Mount, Secret, Site};

use self::conf::{options, put, render};
use super::config::unsure;
use super::{
    ADMIN_SECRET, AUTHORITY, CERTIFICATE_AND_KEY, CONFIG_TARGET, Client, Defaults, Reach, Recipe,
    SECRETS_TARGET, USER_SECRET, login, own_settings, shape,
};

/// db4sci's own login, made at the first start.
pub(super) const SUPERUSER: &str = "db4sci";
/// The database that holds it.
pub(super) const ADMIN: &str = "admin";

/// The rendered configuration.
const CONFIG: &str = "mongod.conf";
/// What the image runs at the first start, while the server listens inside the container only.
const FIRST_START: &str = "first-start.js";
/// Where the image looks for that.
const FIRST_START_DIR: &str = "/docker-entrypoint-initdb.d";

/// What a person may set: an option, or all below it when it ends in a dot. The rest says where
/// the server is, who may enter, or where data lies.
const OPEN: [&str; 11] = [
    "net.compression.",
    "net.maxIncomingConnections",
    "net.wireObjectCheck",
    "operationProfiling.",
    "security.javascriptEnabled",
    "setParameter.",
    "storage.wiredTiger.",
    "systemLog.component.",
    "systemLog.quiet",
    "systemLog.traceAllExceptions",
    "systemLog.verbosity",
];

/// Options below an open one that would break a promise: that a write is on disk once the journal
/// says so, that nobody enters without a password, that data lies where it lay before.
const KEPT: [&str; 8] = [
    "setParameter.authenticationMechanisms",
    "setParameter.diagnosticDataCollectionDirectoryPath",
    "setParameter.enableLocalhostAuthBypass",
    "setParameter.enableTestCommands",
    // The test of a backup sets it for itself, and a server takes it once.
    "setParameter.ttlMonitorEnabled",
    "setParameter.wiredTigerEngineRuntimeConfig",
    "storage.wiredTiger.engineConfig.configString",
    "storage.wiredTiger.engineConfig.directoryForIndexes",
];

pub(super) struct MongoDb;

impl Recipe for MongoDb {
    fn defaults(&self) -> Defaults {
        Defaults {
            memory: Memory::mebibytes(2048),
            // The cache has 256 MiB at least, and the server needs about as much beside it.
            min_memory: Memory::mebibytes(512),
            uid: 999,
            sentinel: "WiredTiger",
            start_deadline: 900,
            // A checkpoint is written, and sessions under way have up to 15 s.
            stop_deadline: 300,
            stop_signal: "SIGTERM",
        }
    }

    fn series(&self, tag: &str) -> Option<String> {
        shape::leading_version(tag, 2)
    }

    // The driver (`mongodb` 3.9) speaks to nothing older.
    fn oldest(&self) -> &'static str {
        "4.4"
    }

    fn settings(&self, memory: Memory) -> BTreeMap<String, String> {
        // The server's own rule, half of what is left beside 1 GiB, over the container's memory.
        let mib = memory.bytes() >> 20;
        let cache = (mib.saturating_sub(1024) / 2).max(256);
        let hundredths = cache * 100 / 1024;
        BTreeMap::from([(
            "storage.wiredTiger.engineConfig.cacheSizeGB".to_owned(),
            format!("{}.{:02}", hundredths / 100, hundredths % 100),
        )])
    }

    fn check_parameter(&self, name: &str, value: &str) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.".contains(c);
        let whole = !name.split('.').any(str::is_empty);
        if !whole || !name.chars().all(plain) {
            return Err(format!(
                "`{}` is no parameter's name; write the option of mongod.conf with dots, such as \
                 `operationProfiling.slowOpThresholdMs`",
                name.escape_debug()
            ));
        }
        if value.chars().any(char::is_control) {
            return Err(format!(
                "`{}` has a line break or control character",
                value.escape_debug()
            ));
        }
        let open = OPEN.iter().any(|open| {
            let below = open.ends_with('.') && name.starts_with(open);
            below || name == *open
        });
        if !open {
            return Err(format!(
                "`{name}` is set by db4sci, or is no option that it passes on; allowed: {} (a dot \
                 at the end: all below it)",
                OPEN.join(", ")
            ));
        }
        if KEPT.contains(&name) {
            return Err(format!(
                "`{name}` is set by db4sci and cannot be changed; remove it"
            ));
        }
        Ok(())
    }

    fn check_config(&self, text: &str) -> Result<(), String> {
        for (name, value) in options(text)? {
            self.check_parameter(&name, &value)?;
        }
        Ok(())
    }

    fn config_settings(&self, text: &str) -> BTreeMap<String, String> {
        options(text).unwrap_or_else(|why| unsure(&why, text))
    }

    fn certificate_statements(&self) -> Option<Vec<Statement>> {
        Some(vec![Statement {
            purpose: "read the certificate again",
            database: ADMIN.to_owned(),
            text: Secret::new(command(&[("rotateCertificates", json!(1))])),
            done_code: None,
        }])
    }

    fn check_user(&self, user: &str) -> Result<(), String> {
        shape::plain_user(user, &["root", "admin", "mongodb"], 63)
    }

    fn check_database(&self, database: &str) -> Result<(), String> {
        shape::not_the_servers(database, &[ADMIN, "config", "local"])
    }

    fn files(&self, db: &Database) -> FilesWanted {
        let mut tree = Map::new();
        for (name, value) in &own_settings(db) {
            put(&mut tree, name, value);
        }
        // Admission has read it; a file that cannot be read by now changes nothing.
        let person = db.config.as_ref().and_then(|c| options(&c.text).ok());
        for (name, value) in person.into_iter().flatten() {
            put(&mut tree, &name, &value);
        }
        // The image's own first start leaves `net` and `security` out, and lets nobody in from
        // outside meanwhile.
        for (name, value) in [
            ("net.bindIpAll", "true"),
            ("net.port", "27017"),
            ("security.authorization", "enabled"),
            ("storage.dbPath", data(db)),
        ] {
            put(&mut tree, name, value);
        }
        if let Some(tls) = db.tls {
            let mode = match tls {
                Tls::Preferred => "allowTLS",
                Tls::Required => "requireTLS",
            };
            let file = |name: &str| format!("{SECRETS_TARGET}/{name}");
            for (name, value) in [
                ("mode", mode),
                ("certificateKeyFile", &file(CERTIFICATE_AND_KEY)),
                // Without it, servers since 7.0 do not start with TLS; with it alone, they would
                // demand a certificate of every client.
                ("CAFile", &file(AUTHORITY)),
                ("allowConnectionsWithoutCertificates", "true"),
            ] {
                put(&mut tree, &format!("net.tls.{name}"), value);
            }
        }
        let mut text = String::from(
            "# Written by db4sci; a change is lost. Set `parameters:` or `config:` in the spec.\n",
        );
        render(&tree, 0, &mut text);
        // The password comes from the mounted file: in a variable, the image would pass it on as
        // an argument. The older shell has `cat`, the newer one Node's modules.
        let first_start = format!(
            "const read = typeof cat === 'function' ? cat : (f) => require('fs').readFileSync(f, 'utf8');\n\
             db.getSiblingDB('{ADMIN}').createUser({{\n  user: '{SUPERUSER}',\n  \
             pwd: read('{SECRETS_TARGET}/{ADMIN_SECRET}').trim(),\n  \
             roles: [{{role: 'root', db: '{ADMIN}'}}],\n}});\n"
        );
        shape::files(self, db, [text, first_start])
    }

    fn config_files(&self) -> &'static [&'static str] {
        &[CONFIG, FIRST_START]
    }

    fn container(&self, db: &Database, site: &Site, image: &ImageSeen) -> ContainerSpec {
        let mut spec = shape::container(db, site, image, &self.defaults());
        spec.mounts.push(Mount {
            source: site.config_dir(&db.name).join(FIRST_START),
            target: format!("{FIRST_START_DIR}/{FIRST_START}"),
            read_only: true,
        });
        spec.command
            .extend(["--config".to_owned(), format!("{CONFIG_TARGET}/{CONFIG}")]);
        spec
    }

    fn target(&self, db: &Database, site: &Site, password: Secret) -> Target {
        login(
            self,
            db,
            site,
            Protocol::MongoDb,
            (SUPERUSER, ADMIN),
            password,
        )
    }

    fn user_target(&self, db: &Database, site: &Site, password: Secret) -> Target {
        let user = (db.account.user.as_str(), db.database.as_str());
        login(self, db, site, Protocol::MongoDb, user, password)
    }

    fn probe_query(&self, db: &Database, further: &[&str]) -> String {
        // The large sections of the status are left out: they are asked for every few seconds.
        let off = json!(0);
        let status = command(&[
            ("serverStatus", json!(1)),
            ("metrics", off.clone()),
            ("locks", off.clone()),
            ("wiredTiger", off.clone()),
            ("tcmalloc", off.clone()),
            ("opLatencies", off),
        ]);
        let of = |user: &str| json!({"user": user, "db": db.database});
        let asked = |users: Value| format!("\n{}", command(&[("usersInfo", users)]));
        let further: Vec<Value> = further.iter().map(|user| of(user)).collect();
        let further = (!further.is_empty()).then(|| asked(Value::Array(further)));
        status + &asked(of(&db.account.user)) + &further.unwrap_or_default()
    }

    fn account_statements(&self, db: &Database, password: &Secret) -> Vec<Statement> {
        let role = |role: &str, on: &str| json!({"role": role, "db": on});
        let roles = match db.account.role {
            AccountRole::Admin => json!([
                role("readWriteAnyDatabase", ADMIN),
                role("dbAdminAnyDatabase", ADMIN),
                role("userAdminAnyDatabase", ADMIN),
                role("clusterMonitor", ADMIN),
            ]),
            AccountRole::Owner => json!([role("dbOwner", &db.database)]),
            AccountRole::ReadOnly => json!([role("read", &db.database)]),
        };
        let statement = |purpose, verb: &str, done_code| Statement {
            purpose,
            database: db.database.clone(),
            text: Secret::new(command(&[
                (verb, json!(db.account.user)),
                ("pwd", json!(password.expose())),
                ("roles", roles.clone()),
                ("mechanisms", json!(["SCRAM-SHA-256"])),
            ])),
            done_code,
        };
        vec![
            // 51003: the user exists.
            statement("create the account", "createUser", Some("51003")),
            statement(
                "set the account's password and its rights",
                "updateUser",
                None,
            ),
        ]
    }

    fn password_statements(
        &self,
        db: &Database,
        secret: &str,
        password: &Secret,
    ) -> Vec<Statement> {
        let (user, database) = if secret == USER_SECRET {
            (db.account.user.as_str(), db.database.as_str())
        } else {
            (SUPERUSER, ADMIN)
        };
        vec![Statement {
            purpose: "change the password",
            database: database.to_owned(),
            text: Secret::new(command(&[
                ("updateUser", json!(user)),
                ("pwd", json!(password.expose())),
                ("mechanisms", json!(["SCRAM-SHA-256"])),
            ])),
            done_code: None,
        }]
    }

    fn client(&self, db: &Database, at: &Reach<'_>, passfile: &str) -> Client {
        let Reach { host, port, .. } = at;
        let words = ["--quiet", "--nodb", "--eval"].map(str::to_owned);
        Client {
            program: "mongosh".to_owned(),
            // The file connects. What a person gives comes after it, and finds `db`.
            args: words
                .into_iter()
                .chain([format!("void load({})", Value::from(passfile))])
                .collect(),
            env: BTreeMap::new(),
            shell_args: vec!["--shell".to_owned()],
            in_image: false,
            truststore: false,
            url: format!(
                "mongodb://{}@{host}:{port}/{}{}",
                db.account.user,
                db.database,
                tls_options(at)
            ),
        }
    }

    fn passfile(&self, db: &Database, at: &Reach<'_>, password: &Secret) -> Secret {
        let Reach { host, port, .. } = at;
        let url = format!(
            "mongodb://{}:{}@{host}:{port}/{}{}",
            db.account.user,
            percent(password.expose()),
            db.database,
            tls_options(at)
        );
        Secret::new(format!("db = connect({});\n", Value::from(url)))
    }
}

/// What a URL says about TLS.
fn tls_options(at: &Reach<'_>) -> String {
    let Some(trust) = at.trust else {
        return String::new();
    };
    let names = if trust.names {
        ""
    } else {
        "&tlsAllowInvalidHostnames=true"
    };
    format!("?tls=true&tlsCAFile={}{names}", trust.authority)
}

/// A command as JSON: its first key is the verb, so the order stays.
fn command(parts: &[(&str, Value)]) -> String {
    let parts = parts
        .iter()
        .map(|(k, v)| format!("{}: {v}", Value::from(*k)));
    format!("{{{}}}", parts.collect::<Vec<_>>().join(", "))
}

/// The data folder in the container.
fn data(db: &Database) -> &str {
    let first = db.layout.data.first();
    first.map_or("", |(_, target)| target.as_str())
}

/// As a part of a URL.
pub(super) fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests;
