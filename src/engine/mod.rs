//! Recipe books: all that is particular to an engine, as pure functions of a spec.
//!
//! Nothing outside this folder (and `model`) tells one engine from another. A recipe never talks
//! to anything: it says which files, which container, which statements.

pub mod accounts;
pub mod backup;
pub mod compose;
mod config;
mod identity;
mod mariadb;
mod mongodb;
mod neo4j;
mod parameters;
mod postgres;
pub mod sessions;
mod shape;
pub mod trial;
pub mod truststore;

use std::collections::{BTreeMap, BTreeSet};

pub use config::{ConfigChange, config_change};

use crate::model::action::Settings;
use crate::model::database::{AccountRole, TLS, Tls};
use crate::model::server::{Protocol, Statement, Target};
use crate::model::{
    ContainerSpec, Database, EngineKind, FilesNamed, FilesWanted, IdentityFile, ImageSeen, Memory,
    Secret, SecretFile, Site,
};

/// Where a container finds its secrets.
pub const SECRETS_TARGET: &str = "/db4sci/secrets";
/// Where a container finds its rendered configuration.
pub const CONFIG_TARGET: &str = "/db4sci/config";
/// Where a container finds the guard.
pub const GUARD_TARGET: &str = "/db4sci/guard";
/// Where a container finds its marker, read-only.
pub const MARKER_TARGET: &str = "/db4sci/marker";
/// The secret file with the privileged account's password.
pub const ADMIN_SECRET: &str = "admin";
/// The secret file with the user's password.
pub const USER_SECRET: &str = "user";
/// The secret file of `mydb_admin` alone: the password of the daemon's own role there.
pub const DAEMON_SECRET: &str = "db4sci";

/// The secret file with the key that a server encrypts its files with.
pub const ENCRYPTION_SECRET: &str = "encryption";

/// The file among the secrets with a server's certificate, its issuers', and its key, in one: both
/// change at once.
pub const CERTIFICATE_AND_KEY: &str = "tls.pem";
/// The same without the key.
pub const CERTIFICATE: &str = "tls.crt";
/// Its key alone.
pub const CERTIFICATE_KEY: &str = "tls.key";
/// The authority's certificate.
pub const AUTHORITY: &str = "ca.crt";

/// The recipe of an engine.
pub fn recipe(kind: EngineKind) -> &'static dyn Recipe {
    match kind {
        EngineKind::Postgres => &postgres::Postgres,
        EngineKind::MariaDB => &mariadb::MariaDb,
        EngineKind::MongoDB => &mongodb::MongoDb,
        EngineKind::Neo4j => &neo4j::Neo4j,
    }
}

/// What an engine takes for granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    /// Memory limit when the spec names none.
    pub memory: Memory,
    /// The least memory it runs with.
    pub min_memory: Memory,
    /// Numeric owner of the data in the official images.
    pub uid: u32,
    /// A file below the data folder that its first start makes.
    pub sentinel: &'static str,
    /// Seconds it may take to start, crash recovery included, before that counts as hanging.
    pub start_deadline: u32,
    /// Seconds an orderly stop may take.
    pub stop_deadline: u32,
    /// Signal of an orderly stop.
    pub stop_signal: &'static str,
}

/// All that is particular to one engine.
pub trait Recipe: Send + Sync {
    /// Its defaults.
    fn defaults(&self) -> Defaults;

    /// Where it keeps an identity of its data, if it does: what stays over restarts and crashes, and
    /// every first start makes anew.
    fn identity(&self) -> Option<IdentityFile> {
        None
    }

    /// The series of an image's tag, within which data needs no conversion: `17.5-bookworm` is of
    /// series `17`. `None`: the tag names no version.
    fn series(&self, tag: &str) -> Option<String>;

    /// Whether a server of the tag `to` reads what one of `from` may have written, both of one series.
    fn reads_back(&self, _from: &str, _to: &str) -> bool {
        true
    }

    /// The oldest series that db4sci can serve: what its driver, its statements and its settings
    /// ask of a server.
    fn oldest(&self) -> &'static str;

    /// Settings that follow from the memory limit.
    fn settings(&self, memory: Memory) -> BTreeMap<String, String>;

    /// Whether a person may set a parameter. The error says what is wrong and what to do.
    fn check_parameter(&self, name: &str, value: &str) -> Result<(), String>;

    /// Whether a server of this series accepts a parameter, as far as that is known. The error says
    /// what is wrong and what to do.
    fn accepts(&self, _series: &str, _name: &str, _value: &str) -> Result<(), String> {
        Ok(())
    }

    /// Whether a server takes another value of a setting (`None`: its default again) while it runs.
    fn reloads(&self, _setting: &str, _value: Option<&str>) -> bool {
        false
    }

    /// What a person's configuration file sets: names as [`Recipe::reloads`] knows them, values to
    /// be compared. What cannot be told stands under a name that no setting has.
    fn config_settings(&self, text: &str) -> BTreeMap<String, String>;

    /// What brings changed settings and another configuration file into a running server, once its
    /// files say so; nothing where nothing changes. Only what [`Recipe::reloads`] is given.
    fn reload_statements(&self, _settings: &Settings) -> Vec<Statement> {
        Vec::new()
    }

    /// What makes a running server read its certificate again. `None`: only a restart does.
    fn certificate_statements(&self) -> Option<Vec<Statement>>;

    /// The setting that holds users to reading; `None`: the engine has none.
    fn read_only(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    /// Whether a server can encrypt its own files.
    fn encrypts(&self) -> bool {
        false
    }

    /// Whether a login name may be a user's. The error says what is wrong and what to do.
    fn check_user(&self, user: &str) -> Result<(), String>;

    /// The database that a server is asked to make when the spec names none.
    fn default_database(&self, name: &str) -> String {
        name.to_owned()
    }

    /// Whether a spec may ask for a database of this name in the server. The error says what is
    /// wrong and what to do.
    fn check_database(&self, database: &str) -> Result<(), String>;

    /// Whether the server can hold an account to this role. The error says what is wrong and what
    /// to do.
    fn check_role(&self, _role: AccountRole) -> Result<(), String> {
        Ok(())
    }

    /// Whether a person's configuration file may be used. The error says what is wrong and what to
    /// do.
    fn check_config(&self, _text: &str) -> Result<(), String> {
        Ok(())
    }

    /// The port that clients speak the engine's own protocol to: inside the container, and on the
    /// host.
    fn client_port(&self, db: &Database) -> (u16, u16) {
        let outside = db.port.get();
        db.published().next().unwrap_or((outside, outside))
    }

    /// The files that its container mounts.
    fn files(&self, db: &Database) -> FilesWanted;

    /// The names of its configuration files among them.
    fn config_files(&self) -> &'static [&'static str];

    /// Its secrets among them.
    fn secrets(&self, db: &Database) -> Vec<SecretFile> {
        shape::secrets(db)
    }

    /// Which files those are: each look at each database asks.
    fn named(&self, db: &Database) -> FilesNamed {
        FilesNamed {
            secrets: self.secrets(db),
            config: self.config_files(),
        }
    }

    /// Its container.
    fn container(&self, db: &Database, site: &Site, image: &ImageSeen) -> ContainerSpec;

    /// Its privileged login, over the published port.
    fn target(&self, db: &Database, site: &Site, password: Secret) -> Target;

    /// The user's own login, over the published port.
    fn user_target(&self, db: &Database, site: &Site, password: Secret) -> Target;

    /// The probe's question, as [`Protocol`] says: version, clients' connections, whether the
    /// account exists, and which of these further ones do.
    fn probe_query(&self, db: &Database, further: &[&str]) -> String;

    /// Makes account and database; may be repeated.
    fn account_statements(&self, db: &Database, password: &Secret) -> Vec<Statement>;

    /// Gives the login behind a secret another password than it has. `secret` is one of
    /// [`ADMIN_SECRET`], [`USER_SECRET`], [`DAEMON_SECRET`]. Open connections go on.
    fn password_statements(&self, db: &Database, secret: &str, password: &Secret)
    -> Vec<Statement>;

    /// The engine's own client.
    fn client(&self, db: &Database, at: &Reach<'_>, passfile: &str) -> Client;

    /// The text of a password file for that client.
    fn passfile(&self, db: &Database, at: &Reach<'_>, password: &Secret) -> Secret;
}

/// Where a client finds a server, and how it makes sure of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach<'a> {
    /// The host.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// How the server's certificate is verified; `None`: it is not demanded.
    pub trust: Option<Trust<'a>>,
}

/// How a server's certificate is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trust<'a> {
    /// The path of the authority's certificate.
    pub authority: &'a str,
    /// Whether the certificate stands for the host's name: a given one knows nothing of the inside
    /// of a container.
    pub names: bool,
    /// Whether what lies there is a [`truststore`], since the client reads no other form.
    pub store: bool,
}

/// All settings that a server is started with: those of its spec, `tls`, and what holds its users to
/// reading, if its life is over.
pub fn settings(db: &Database) -> BTreeMap<String, String> {
    let all = settings_of(db).into_iter();
    all.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The same to compare with: names and values are the database's own.
pub fn settings_of(db: &Database) -> BTreeMap<&str, &str> {
    let mut all = own_settings(db);
    if let Some(tls) = db.tls {
        all.insert(TLS, tls.as_str());
    }
    all
}

/// The same, as far as they stand in its configuration as they are.
fn own_settings(db: &Database) -> BTreeMap<&str, &str> {
    let all = db.settings.iter();
    let all = all.map(|(name, value)| (name.as_str(), value.as_str()));
    let mut all: BTreeMap<&str, &str> = all.collect();
    if let Some((name, value)) = recipe(db.engine).read_only().filter(|_| db.read_only) {
        // Some engines take both for the same name.
        all.retain(|other, _| other.replace('-', "_") != name);
        all.insert(name, value);
    }
    all
}

/// The host names and addresses that a server's certificate stands for.
pub fn certificate_names(db: &Database, site: &Site) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = [
        "localhost",
        "127.0.0.1",
        "::1",
        db.name.as_str(),
        &site.container_host,
        &site.container_name(&db.name),
    ]
    .map(str::to_owned)
    .into();
    // One that is still bound elsewhere is reached there.
    let published = [Some(site.publish_ip), db.bound].into_iter().flatten();
    let published = published.filter(|ip| !ip.is_unspecified());
    names.extend(published.map(|ip| ip.to_string()));
    names
}

/// How to call an engine's own client. No part of it holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Client {
    /// The program, in the image and on most hosts.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// Further arguments when a person gives none of their own: what it takes to get a shell.
    pub shell_args: Vec<String>,
    /// Whether it can only be run from the database's own image, whatever this host has.
    pub in_image: bool,
    /// Whether, in its image, it reads the authority's certificate from a [`truststore`] only.
    #[serde(default)]
    pub truststore: bool,
    /// A URL without password, for other programs.
    pub url: String,
}

/// The address to reach a database's published port at.
fn reachable(db: &Database, site: &Site) -> String {
    let ip = db.bound.unwrap_or(site.publish_ip);
    match (ip.is_unspecified(), ip.is_ipv6()) {
        (true, true) => "::1".to_owned(),
        (true, false) => "127.0.0.1".to_owned(),
        (false, _) => ip.to_string(),
    }
}

/// A login over the published port.
fn login(
    recipe: &dyn Recipe,
    db: &Database,
    site: &Site,
    protocol: Protocol,
    (user, database): (&str, &str),
    password: Secret,
) -> Target {
    Target {
        uid: db.uid,
        protocol,
        host: reachable(db, site),
        port: recipe.client_port(db).1,
        user: user.to_owned(),
        password,
        database: database.to_owned(),
        tls: db.tls == Some(Tls::Required),
    }
}
