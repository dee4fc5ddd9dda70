//! The one way to make a [`Database`]: check a spec against the rules, and resolve its defaults.
//!
//! Defaults are resolved once. A field that a person leaves out keeps what it was given on the day
//! of creation, so that an edited catalog, edited settings or a newer program change nothing that
//! runs. A field that a person takes away again falls back to its default; only image, port and
//! volume stay, since losing one of these by deleting a line would be too dear.
//!
//! Pure: the same inputs give the same database or the same problems.

use crate::engine::{self, Recipe};
use crate::model::database::{ConfigFile, Source, ZoneName};
use crate::model::{Database, DbName, EngineKind, Problem, Uid};

use super::document;
use super::parse::Parsed;
use super::raw::Spec;
use super::rules::Rules;

mod account;
mod admin;
mod backup;
mod every;
mod facts;
mod history;
mod image;
mod limits;
mod owners;
mod people;
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
        if let (Some(engine), Some(Some(config))) = (engine, &config) {
            let allowed = engine.recipe.check_config(&config.text);
            let allowed = allowed.map_err(|why| format!("{}: {why}", config.file));
            self.take("spec.config", allowed);
        }
        let owner = self.line("spec.owner", &self.spec.owner);
        let contact = self.contact();
        self.access();
        let volume = self.spec.engine.and_then(|kind| self.volume(kind));
        let image = engine.and_then(|engine| self.image(engine.kind));
        let ports = image.as_ref().map(|(_, layout)| layout.ports.len());
        let port = self.port(ports.unwrap_or(1));
        let database = engine.and_then(|engine| self.inner_name(engine.recipe, name.as_ref()));
        let account = engine.and_then(|engine| self.account(engine.recipe, name.as_ref()));
        let resources = self.resources(engine);
        let memory = resources.as_ref().map(|r| r.memory);
        self.owners_limits(owner.as_deref(), memory);
        let series = image.as_ref().map(|(image, _)| image.series.as_str());
        let settings = engine.and_then(|engine| self.settings(engine.recipe, series, memory));
        let time_zone = self.time_zone();
        let maintenance_window = self.maintenance_window();
        let encryption = self.encryption(engine);
        self.protections(volume.as_ref(), encryption);
        let backup = self.backup();
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
            backup,
            layout,
            tls: self.tls(),
            encryption,
            read_only: self.before.0.is_some_and(|db| db.read_only),
            bound: None,
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
        Some(Engine {
            kind,
            recipe: engine::recipe(kind),
        })
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

/// "did you mean" for a list of words, as the tail of a message.
fn hint<'a>(given: &str, words: impl IntoIterator<Item = &'a str>) -> String {
    match document::nearest(given, words) {
        Some(near) => format!("; did you mean `{near}`? Allowed"),
        None => "; allowed".to_owned(),
    }
}
