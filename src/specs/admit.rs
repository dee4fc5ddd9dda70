//! The one way to make a [`Database`]: check a spec against the rules, and resolve its defaults.
//!
//! Defaults are resolved once. A field that a person leaves out keeps what it was given on the day
//! of creation, so that an edited catalog, edited settings or a newer program change nothing that
//! runs. A field that a person takes away again falls back to its default; only image, port and
//! volume stay, since losing one of these by deleting a line would be too dear.
//!
//! Pure: the same inputs give the same database or the same problems.

use crate::engine::{self, Recipe};
use crate::model::database::{Account, ConfigFile, Source, ZoneName};
use crate::model::{Database, DbName, EngineKind, Problem, Uid};

use super::document;
use super::parse::Parsed;
use super::raw::Spec;
use super::rules::Rules;

mod admin;
mod backup;
mod every;
mod facts;
mod history;
mod image;
mod limits;
mod place;
mod window;

#[cfg(test)]
mod tests;

pub use admin::mydb_admin;
pub use every::{Verdict, admit_every};
use history::History;

/// A wish: a spec, and where it comes from.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The spec.
    pub parsed: &'a Parsed,
    /// Where it comes from.
    pub source: Source,
}

/// Admits a spec. `earlier` is the database of that name that was admitted before; `fresh` becomes
/// the identity of a new one.
///
/// # Guarantees
///
/// - An unchanged spec with unchanged configuration gives `earlier` back, whatever the rules say
///   today; only its labels and its source follow.
/// - Otherwise the generation is one more than before, and the uid stays.
/// - All problems are found at once, each at its field's place.
pub fn admit(
    request: &Request<'_>,
    earlier: Option<&Database>,
    rules: &Rules,
    fresh: Uid,
) -> Result<Database, Vec<Problem>> {
    let mut check = Check::new(request, earlier, rules);
    let database = check.database(fresh);
    match database {
        Some(database) if check.problems.is_empty() => Ok(database),
        Some(_) | None => {
            check.problems.sort();
            Err(check.problems)
        }
    }
}

/// An engine that this program can run.
#[derive(Clone, Copy)]
struct Engine {
    kind: EngineKind,
    recipe: &'static dyn Recipe,
}

/// A check under way: the wish, the rules, and what was found wrong so far.
struct Check<'a> {
    request: &'a Request<'a>,
    spec: &'a Spec,
    rules: &'a Rules,
    before: History<'a>,
    name: Option<DbName>,
    problems: Vec<Problem>,
}

impl<'a> Check<'a> {
    fn new(request: &'a Request<'a>, earlier: Option<&'a Database>, rules: &'a Rules) -> Self {
        Check {
            request,
            spec: &request.parsed.raw.spec,
            rules,
            before: History(earlier),
            name: request.parsed.raw.metadata.name.parse().ok(),
            problems: Vec::new(),
        }
    }

    /// The database; `None` when a problem leaves nothing to put in some field.
    fn database(&mut self, fresh: Uid) -> Option<Database> {
        let metadata = &self.request.parsed.raw.metadata;
        self.flaws();
        let name = self.name();
        self.labels();
        self.ownership();
        let given = serde_json::to_value(self.spec).unwrap_or_default();
        let config = self.spec.engine.and_then(|kind| self.config(kind));
        if let (Some(earlier), Some(config), true) =
            (self.before.0, &config, self.problems.is_empty())
            && earlier.given == given
            && earlier.config == *config
        {
            return Some(Database {
                labels: metadata.labels.clone(),
                source: self.request.source.clone(),
                ..earlier.clone()
            });
        }
        let engine = self.engine();
        let owner = self.line("spec.owner", &self.spec.owner);
        let contact = self.contact();
        self.access();
        let volume = self.spec.engine.and_then(|kind| self.volume(kind));
        let image = engine.and_then(|engine| self.image(engine.kind));
        let ports = image.as_ref().map(|(_, layout)| layout.ports.len());
        let port = self.port(ports.unwrap_or(1));
        let database = self.inner_name(name.as_ref());
        let account = engine.and_then(|engine| self.account(engine.recipe, name.as_ref()));
        let resources = self.resources(engine);
        let memory = resources.as_ref().map(|r| r.memory);
        let settings = engine.and_then(|engine| self.settings(engine.recipe, memory));
        let time_zone = self.time_zone();
        let maintenance_window = self.maintenance_window();
        self.protections(volume.as_ref());
        self.backup();
        let (image, layout) = image?;
        Some(Database {
            name: name?,
            uid: self.before.0.map_or(fresh, |db| db.uid),
            generation: self.before.0.map_or(1, |db| db.generation + 1),
            source: self.request.source.clone(),
            given,
            labels: metadata.labels.clone(),
            state: self.spec.state.unwrap_or_default(),
            engine: engine?.kind,
            image,
            database: database?,
            owner: owner?,
            contact: contact?,
            description: self.spec.description.clone().unwrap_or_default(),
            facts: self.facts(),
            volume: volume?,
            port: port?,
            account: account?,
            resources: resources?,
            settings: settings?,
            config: config?,
            time_zone: time_zone?,
            maintenance_window: maintenance_window?,
            on_lost: self.spec.on_lost.unwrap_or_else(|| {
                let kept = self.before.kept("/onLost");
                kept.map(|db| db.on_lost).unwrap_or_default()
            }),
            layout,
        })
    }

    /// What reading found wrong already.
    fn flaws(&mut self) {
        for flaw in &self.request.parsed.flaws {
            let flaw = flaw.clone();
            self.problems.push(match &self.name {
                Some(name) => flaw.of(name),
                None => flaw,
            });
        }
    }

    /// Whether reading refused a field, or something around it.
    fn flawed(&self, field: &str) -> bool {
        self.request.parsed.flaws.iter().any(|flaw| {
            let inside = field.strip_prefix(flaw.field.as_str());
            inside.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    fn name(&mut self) -> Option<DbName> {
        let text = &self.request.parsed.raw.metadata.name;
        let name = match text.parse::<DbName>() {
            Ok(name) => name,
            Err(message) => {
                self.refuse("metadata.name", name_message(text, &message));
                return None;
            }
        };
        if name.is_mydb_admin() && self.request.source != Source::Builtin {
            self.refuse(
                "metadata.name",
                format!("`{name}` is reserved for db4sci's own database; choose another name"),
            );
            return None;
        }
        // Docker's own rule for containers, which carry the database's name.
        if name.as_str().len() < 2 {
            self.refuse(
                "metadata.name",
                format!("`{name}` is too short for a container's name; at least 2 characters"),
            );
            return None;
        }
        Some(name)
    }

    fn labels(&mut self) {
        for key in self.request.parsed.raw.metadata.labels.keys() {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
            if key.is_empty() || key.len() > 63 || !key.chars().all(plain) {
                self.refuse(
                    &format!("metadata.labels.{key}"),
                    format!(
                        "`{}` cannot be a label's name; allowed: up to 63 letters, digits, `.`, \
                         `_`, `/`, `-`",
                        key.escape_debug()
                    ),
                );
            }
        }
    }

    /// A file owns its database's spec: nothing else changes it.
    fn ownership(&mut self) {
        let owner = self.before.0.map(|db| &db.source);
        if let (Some(Source::File(path)), Source::Row | Source::Api) = (owner, &self.request.source)
        {
            let message = format!(
                "the spec of `{}` is the file {} of desired-state; change it there (`db4sci stop`, \
                 `start` and `maintenance` work without it)",
                self.request.parsed.raw.metadata.name,
                path.display()
            );
            self.refuse("", message);
        }
    }

    fn engine(&mut self) -> Option<Engine> {
        let kind = self.spec.engine?;
        if let Some(earlier) = self.before.0.filter(|db| db.engine != kind) {
            self.refuse(
                "spec.engine",
                format!(
                    "`{}` is {} and holds data that {kind} cannot read; set the engine back, or \
                     make a new database and move the data there",
                    earlier.name, earlier.engine
                ),
            );
            return None;
        }
        let recipe = engine::recipe(kind);
        if recipe.is_none() {
            let able: Vec<&str> = EngineKind::ALL
                .into_iter()
                .filter(|kind| engine::recipe(*kind).is_some())
                .map(EngineKind::as_str)
                .collect();
            self.refuse(
                "spec.engine",
                format!(
                    "this version of db4sci cannot run {kind} yet; it runs {}",
                    able.join(", ")
                ),
            );
        }
        recipe.map(|recipe| Engine { kind, recipe })
    }

    /// The configuration file; the outer `None` is a problem, the inner one no file.
    fn config(&mut self, kind: EngineKind) -> Option<Option<ConfigFile>> {
        let Some(file) = &self.spec.config else {
            return Some(None);
        };
        let text = self.rules.config_files.find(kind, file);
        let text = self.take("spec.config", text)?;
        Some(Some(ConfigFile {
            file: file.clone(),
            text: text.to_owned(),
        }))
    }

    /// One line of text.
    fn line(&mut self, field: &str, text: &str) -> Option<String> {
        if text.trim().is_empty() {
            self.refuse(field, "empty; a value is needed");
            return None;
        }
        if text.chars().any(char::is_control) {
            self.refuse(field, "has a line break; one line is allowed");
            return None;
        }
        Some(text.to_owned())
    }

    fn contact(&mut self) -> Option<String> {
        let text = self.line("spec.contact", &self.spec.contact)?;
        let mail = text
            .split_once('@')
            .is_some_and(|(who, host)| !who.is_empty() && !host.is_empty() && !host.contains('@'));
        if !mail || text.contains(char::is_whitespace) {
            self.refuse(
                "spec.contact",
                format!(
                    "`{}` is no mail address; write one such as `name@example.org`",
                    text.escape_debug()
                ),
            );
            return None;
        }
        Some(text)
    }

    fn access(&mut self) {
        for (i, access) in self.spec.access.iter().flatten().enumerate() {
            let name = access.who.strip_prefix("group:").unwrap_or(&access.who);
            if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
                self.refuse(
                    &format!("spec.access[{i}].who"),
                    format!(
                        "`{}` is nobody; write a login, or `group:NAME`",
                        access.who.escape_debug()
                    ),
                );
            }
        }
    }

    /// The database's own name inside the server.
    fn inner_name(&mut self, name: Option<&DbName>) -> Option<String> {
        let field = "spec.database";
        let given = self.spec.database.as_deref();
        let wanted = given.or(name.map(DbName::as_str))?;
        if let Some(earlier) = self.before.0 {
            if given.is_some() && wanted != earlier.database {
                self.refuse(
                    field,
                    format!(
                        "the database inside the server is `{}` and is not renamed by db4sci; set \
                         it back",
                        earlier.database
                    ),
                );
                return None;
            }
            return Some(earlier.database.clone());
        }
        let mut chars = wanted.chars();
        let first = chars
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if !first
            || wanted.len() > 63
            || !chars.all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        {
            self.refuse(
                field,
                format!(
                    "`{}` is not allowed; allowed: ^[A-Za-z_][A-Za-z0-9_-]{{0,62}}$",
                    wanted.escape_debug()
                ),
            );
            return None;
        }
        if SERVERS_OWN.contains(&wanted) {
            self.refuse(
                field,
                format!("`{wanted}` belongs to the server; set `database:` to another name"),
            );
            return None;
        }
        Some(wanted.to_owned())
    }

    fn account(&mut self, recipe: &dyn Recipe, name: Option<&DbName>) -> Option<Account> {
        let given = self.spec.account.as_ref();
        let user = given.and_then(|a| a.user.clone());
        let role = given.and_then(|a| a.role);
        let file = given.and_then(|a| a.password_file.clone());
        if let Some(Account {
            user: old_user,
            role: old_role,
            password_file: old_file,
        }) = self.before.0.map(|db| &db.account)
        {
            if let Some(user) = user.filter(|u| u != old_user) {
                self.refuse(
                    "spec.account.user",
                    format!(
                        "the account is `{old_user}` and is not renamed to `{}`; set it back, and \
                         make another one with SQL",
                        user.escape_debug()
                    ),
                );
            }
            if role.is_some_and(|r| r != *old_role) {
                self.refuse(
                    "spec.account.role",
                    format!(
                        "the account was made as {old_role:?}, and its rights are not changed by \
                         db4sci; set it back, and change them with SQL"
                    ),
                );
            }
            let old_path = old_file.as_ref().map(|f| f.display().to_string());
            if file.is_some() && file != old_path {
                self.refuse(
                    "spec.account.passwordFile",
                    "the password was set on the day of creation, and this version of db4sci does \
                     not change it; set it back, and change the password with SQL"
                        .to_owned(),
                );
            }
            return Some(Account {
                user: old_user.clone(),
                role: *old_role,
                password_file: old_file.clone(),
            });
        }
        let default = name.map(|name| name.as_str().replace('-', "_"));
        let user = user.or(default)?;
        let allowed = recipe.check_user(&user);
        let user = self.take("spec.account.user", allowed.map(|()| user));
        let file = match file {
            Some(file) => Some(self.password_file(&file)?),
            None => None,
        };
        Some(Account {
            user: user?,
            role: role.unwrap_or_default(),
            password_file: file,
        })
    }

    /// A file with a password. The daemon reads it with its own rights and the person gets to use
    /// what is in it, so only those who write `desired-state/` may name one.
    fn password_file(&mut self, file: &str) -> Option<std::path::PathBuf> {
        let field = "spec.account.passwordFile";
        if !matches!(self.request.source, Source::File(_)) {
            self.refuse(
                field,
                "only a file of desired-state/ may name a file of the host; leave it out, and \
                 db4sci makes a password"
                    .to_owned(),
            );
            return None;
        }
        let path = std::path::PathBuf::from(file);
        if !path.is_absolute() || path.components().any(|c| c.as_os_str() == "..") {
            self.refuse(
                field,
                format!(
                    "`{}` is no absolute path; write one, without `..`",
                    file.escape_debug()
                ),
            );
            return None;
        }
        Some(path)
    }

    fn time_zone(&mut self) -> Option<ZoneName> {
        match &self.spec.time_zone {
            Some(name) => self.take("spec.timeZone", name.parse()),
            None => {
                let kept = self.before.kept("/timeZone").map(|db| db.time_zone);
                Some(kept.unwrap_or(self.rules.time_zone))
            }
        }
    }

    /// A result's value, or its problem.
    fn take<T>(&mut self, field: &str, result: Result<T, String>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(message) => {
                self.refuse(field, message);
                None
            }
        }
    }

    /// Notes a problem. A field that reading refused has been spoken of.
    fn refuse(&mut self, field: &str, message: impl Into<String>) {
        if self.flawed(field) {
            return;
        }
        let mut problem = Problem::new(field, message);
        if let Some(name) = &self.name {
            problem = problem.of(name);
        }
        self.problems
            .push(self.request.parsed.places.locate(problem));
    }
}

/// What is wrong with a name, with the name where that helps.
fn name_message(name: &str, message: &str) -> String {
    if name.is_empty() || message.starts_with(char::is_numeric) {
        message.to_owned()
    } else {
        format!("`{}` is not allowed; {message}", name.escape_debug())
    }
}

/// Databases that every server of some engine has of its own.
const SERVERS_OWN: [&str; 7] = [
    "postgres",
    "template0",
    "template1",
    "mysql",
    "information_schema",
    "performance_schema",
    "sys",
];

/// "did you mean" for a list of words, as the tail of a message.
fn hint<'a>(given: &str, words: impl IntoIterator<Item = &'a str>) -> String {
    match document::nearest(given, words) {
        Some(near) => format!("; did you mean `{near}`? Allowed"),
        None => "; allowed".to_owned(),
    }
}
