//! The way in: specs from files, rows and the API become entries of the ledger, one at a time.
//!
//! What is refused changes nothing: the last good spec stays, and the refusal is written once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::admin::tables::Edit;
use crate::admin::{Ledger, LedgerError, NewEntry, Row};
use crate::model::database::Source;
use crate::model::{
    Change, Clock, Database, DbName, Entry, Outcome, Override, OverrideState, Problem, Uid,
    WantedState, Who,
};
use crate::specs::merge::{FolderSeen, Merged};
use crate::specs::{self, Parsed, Request, RowEdit, Rules, merge, rows, yaml};

use super::reconciler::FileStanding;
use super::{Board, Queue, Reconciler};

/// Reads the rules of this host anew: catalog, settings, configuration files.
pub type RulesNow = dyn Fn() -> Result<Rules, Vec<Problem>> + Send + Sync;

/// The way in.
pub struct Intake {
    ledger: Ledger,
    reconciler: Arc<Reconciler>,
    board: Arc<Board>,
    queue: Arc<Queue>,
    clock: Arc<dyn Clock>,
    folder: PathBuf,
    rules: Box<RulesNow>,
    /// One admission at a time: two at once could choose the same port.
    one: Mutex<()>,
}

/// What became of a wish.
#[derive(Debug)]
pub enum Admitted {
    /// A database that was not there before.
    Created(Box<Database>),
    /// Its spec is another one now.
    Configured(Box<Database>),
    /// Its spec was this already.
    Unchanged(Box<Database>),
    /// Nothing was changed.
    Refused(Vec<Problem>),
}

impl Intake {
    /// The way in for one instance; `folder` is `desired-state/`.
    pub fn new(
        ledger: Ledger,
        reconciler: Arc<Reconciler>,
        board: Arc<Board>,
        queue: Arc<Queue>,
        clock: Arc<dyn Clock>,
        folder: PathBuf,
        rules: Box<RulesNow>,
    ) -> Self {
        Intake {
            ledger,
            reconciler,
            board,
            queue,
            clock,
            folder,
            rules,
            one: Mutex::default(),
        }
    }

    /// The rules of this moment, with the ports of all databases taken.
    fn rules(&self) -> Result<Rules, Vec<Problem>> {
        let mut rules = (self.rules)()?;
        for (_, row) in self.ledger.book().rows() {
            rules.take_ports(&row.database);
        }
        Ok(rules)
    }

    /// Makes sure that `mydb_admin` is desired.
    ///
    /// # Errors
    /// What is wrong with catalog or settings, or with the ledger.
    pub async fn mydb_admin(&self) -> Result<(), String> {
        let _one = self.one.lock().await;
        let name = DbName::mydb_admin();
        if self.ledger.book().row(&name).is_some() {
            return Ok(());
        }
        let lines = |problems: Vec<Problem>| {
            problems
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        };
        let rules = self.rules().map_err(lines)?;
        let database = specs::mydb_admin(&rules, None, fresh()).map_err(lines)?;
        self.accept(Who::Daemon, database, "DB4Sci's own database")
            .await
            .map_err(|e| e.to_string())?;
        self.queue.add(&name);
        Ok(())
    }

    /// Reads `desired-state/` and admits what changed there.
    pub async fn files(&self) {
        let _one = self.one.lock().await;
        let folder = self.folder.clone();
        let seen = tokio::task::spawn_blocking(move || yaml::read_folder(&folder)).await;
        let seen = seen.unwrap_or_else(|e| FolderSeen::Unknown(e.to_string()));
        let book = self.ledger.book();
        let accepted: BTreeMap<DbName, Source> = book
            .rows()
            .map(|(name, row)| (name.clone(), row.database.source.clone()))
            .collect();
        let merged = merge(&seen, &self.folder, &accepted);
        let mut problems = merged.problems.clone();
        match self.rules() {
            Ok(mut rules) => {
                for candidate in &merged.candidates {
                    let who = Who::File(candidate.path.clone());
                    let source = Source::File(candidate.path.clone());
                    match self
                        .admit(who, &candidate.name, &candidate.parsed, source, &mut rules)
                        .await
                    {
                        Ok(Admitted::Refused(found)) => problems.extend(found),
                        Ok(
                            Admitted::Created(_) | Admitted::Configured(_) | Admitted::Unchanged(_),
                        ) => {}
                        Err(error) => {
                            problems.push(Problem::new("", error.to_string()).of(&candidate.name))
                        }
                    }
                }
                let nameless = merged.nameless.iter().flat_map(|n| n.problems(&rules));
                let nameless: Vec<Problem> = nameless.collect();
                self.refuse_broken(&merged, &nameless).await;
                problems.extend(nameless);
            }
            Err(found) => problems.extend(found),
        }
        if !matches!(seen, FolderSeen::Unknown(_)) {
            self.stand(&merged);
        }
        self.board.problems(problems);
    }

    /// Files that cannot be read as specs: their databases go on with the last good one, and say so.
    async fn refuse_broken(&self, merged: &Merged, nameless: &[Problem]) {
        let mut by_name: BTreeMap<&DbName, Vec<String>> = BTreeMap::new();
        for problem in merged.problems.iter().chain(nameless) {
            if let Some(name) = &problem.name
                && !merged.renamed.iter().any(|r| r.old == *name)
            {
                by_name.entry(name).or_default().push(problem.to_string());
            }
        }
        for (name, lines) in by_name {
            let path = match self
                .ledger
                .book()
                .row(name)
                .map(|row| row.database.source.clone())
            {
                Some(Source::File(path)) => path,
                Some(Source::Builtin | Source::Row | Source::Api) | None => continue,
            };
            if let Err(error) = self.refuse(Who::File(path), name, lines, None).await {
                tracing::warn!(%name, %error, "a refusal could not be recorded");
            }
        }
    }

    /// Tells the reconciler about vanished and renamed files.
    fn stand(&self, merged: &Merged) {
        let orphans = merged
            .orphans
            .iter()
            .map(|name| (name.clone(), FileStanding::Orphan));
        let renamed = merged
            .renamed
            .iter()
            .map(|r| (r.old.clone(), FileStanding::RenamedTo(r.new.clone())));
        let standing: BTreeMap<_, _> = orphans.chain(renamed).collect();
        for name in self.reconciler.set_files(standing) {
            self.queue.add(&name);
        }
    }

    /// Admits a spec from the API; with `dry_run` nothing is written.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn api(
        &self,
        who: Who,
        parsed: &Parsed,
        dry_run: bool,
    ) -> Result<Admitted, LedgerError> {
        let _one = self.one.lock().await;
        let mut rules = match self.rules() {
            Ok(rules) => rules,
            Err(problems) => return Ok(Admitted::Refused(problems)),
        };
        let name: DbName = match parsed.raw.metadata.name.parse() {
            Ok(name) => name,
            Err(_) => {
                // Admission says what is wrong with the name, together with all else.
                let request = Request {
                    parsed,
                    source: Source::Api,
                };
                let refused = specs::admit(&request, None, &rules, fresh()).err();
                return Ok(Admitted::Refused(refused.unwrap_or_default()));
            }
        };
        let book = self.ledger.book();
        let earlier = book.row(&name).map(|row| &row.database);
        if !dry_run
            && let Some(Database {
                source: Source::File(path),
                ..
            }) = earlier
        {
            let file = self.folder.join(path);
            let problem = Problem::new(
                "metadata.name",
                format!(
                    "`{name}` is described by {}, and files win; edit that file, nothing was \
                     changed",
                    file.display()
                ),
            );
            return Ok(Admitted::Refused(vec![
                parsed.places.locate(problem.of(&name)),
            ]));
        }
        let source = match earlier.map(|db| &db.source) {
            Some(source @ Source::File(_)) => source.clone(),
            Some(Source::Builtin | Source::Row | Source::Api) | None => Source::Api,
        };
        if dry_run {
            let request = Request { parsed, source };
            return Ok(match specs::admit(&request, earlier, &rules, fresh()) {
                Ok(database) => told(earlier, database),
                Err(problems) => Admitted::Refused(problems),
            });
        }
        self.admit(who, &name, parsed, source, &mut rules).await
    }

    /// Takes in a row that a person wrote with SQL.
    ///
    /// # Errors
    /// When the ledger cannot be written; the edit is given out again.
    pub async fn row(&self, edit: &Edit) -> Result<(), LedgerError> {
        let _one = self.one.lock().await;
        let who = Who::Sql {
            user: edit.changed_by.clone(),
            generation: edit.generation,
        };
        let name = &edit.name;
        let book = self.ledger.book();
        let earlier = book.row(name);
        let by_file = matches!(
            earlier.map(|r| &r.database.source),
            Some(Source::File(_) | Source::Builtin)
        );
        if by_file {
            return self.row_of_a_file(who, edit, earlier).await;
        }
        let spec = match &edit.spec {
            Ok(spec) => spec.clone(),
            Err(why) => {
                return self
                    .refuse(who, name, vec![why.clone()], Some(edit.generation))
                    .await;
            }
        };
        let read = rows::read(&RowEdit {
            name: name.to_string(),
            spec,
            state: Some(edit.state.clone()),
            until: edit.until,
            note: edit.note.clone(),
        });
        let (request, mut rules) = match (read, self.rules()) {
            (Ok(request), Ok(rules)) => (request, rules),
            (Err(problems), _) | (_, Err(problems)) => {
                let lines = problems.iter().map(ToString::to_string).collect();
                return self.refuse(who, name, lines, Some(edit.generation)).await;
            }
        };
        match self
            .admit(who.clone(), name, &request.parsed, Source::Row, &mut rules)
            .await?
        {
            Admitted::Refused(_) => return Ok(()),
            Admitted::Unchanged(_) => self.answer(who.clone(), name, edit.generation).await?,
            Admitted::Created(_) | Admitted::Configured(_) => {}
        }
        let in_force = earlier.and_then(|row| row.over.as_ref());
        match request.overriding {
            Some((state, until, reason)) => {
                self.over(who, name, state, Some(until), reason).await?;
            }
            None if in_force.is_some() => {
                let message = "the override ended: the row's own state is in force".to_owned();
                self.append(who, name, Outcome::Done, message, Change::Resumed)
                    .await?;
            }
            None => {}
        }
        self.queue.add(name);
        Ok(())
    }

    /// A file's row takes a person's word over the state, and nothing else.
    async fn row_of_a_file(
        &self,
        who: Who,
        edit: &Edit,
        earlier: Option<&Row>,
    ) -> Result<(), LedgerError> {
        let name = &edit.name;
        let spec_state = earlier.map(|row| row.database.state);
        let state = match edit.state.as_str() {
            "Running" => WantedState::Running,
            "Stopped" => WantedState::Stopped,
            "Maintenance" => WantedState::Maintenance,
            other => {
                let line = format!(
                    "`{other}` cannot be set over a file's spec; allowed: Running, Stopped, Maintenance"
                );
                return self
                    .refuse(who, name, vec![line], Some(edit.generation))
                    .await;
            }
        };
        let note = edit.note.clone().unwrap_or_default();
        if Some(state) == spec_state && edit.until.is_none() {
            let in_force = earlier.is_some_and(|row| row.over.is_some());
            if in_force {
                let message = "the override ended; the spec is in force again".to_owned();
                self.append(who, name, Outcome::Done, message, Change::Resumed)
                    .await?;
            } else {
                self.answer(who, name, edit.generation).await?;
            }
        } else {
            let state = match state {
                WantedState::Stopped => OverrideState::Stopped,
                WantedState::Maintenance => OverrideState::Maintenance,
                WantedState::Running | WantedState::Retired => OverrideState::Running,
            };
            self.over(who, name, state, edit.until, note).await?;
        }
        self.queue.add(name);
        Ok(())
    }

    /// Puts a person's word over a spec.
    ///
    /// # Errors
    /// When the ledger refuses it, or cannot be written.
    pub async fn over(
        &self,
        who: Who,
        name: &DbName,
        state: OverrideState,
        until: Option<crate::model::Timestamp>,
        reason: String,
    ) -> Result<(), LedgerError> {
        let by = Override {
            state,
            until,
            reason: reason.clone(),
            who: who.clone(),
            since: self.clock.now(),
        };
        let end = until.map_or("until resumed".to_owned(), |at| {
            format!("until {}", at.format("%F %T UTC"))
        });
        let message = format!(
            "{state:?} {end}: {}",
            if reason.is_empty() {
                "no reason given"
            } else {
                &reason
            }
        );
        self.append(who, name, Outcome::Done, message, Change::Overridden { by })
            .await?;
        Ok(())
    }

    /// Writes any other wish of a person, and asks for a look.
    ///
    /// # Errors
    /// When the ledger refuses it, or cannot be written.
    pub async fn wish(
        &self,
        who: Who,
        name: &DbName,
        message: String,
        change: Change,
    ) -> Result<(), LedgerError> {
        self.append(who, name, Outcome::Done, message, change)
            .await?;
        self.queue.add(name);
        Ok(())
    }

    /// Admits one spec and writes what became of it.
    async fn admit(
        &self,
        who: Who,
        name: &DbName,
        parsed: &Parsed,
        source: Source,
        rules: &mut Rules,
    ) -> Result<Admitted, LedgerError> {
        let book = self.ledger.book();
        let row = book.row(name);
        let earlier = row.map(|row| &row.database);
        let row_generation = match &who {
            Who::Sql { generation, .. } => Some(*generation),
            Who::Daemon | Who::Socket { .. } | Who::File(_) => None,
        };
        let request = Request { parsed, source };
        let mut database = match specs::admit(&request, earlier, rules, fresh()) {
            Ok(database) => database,
            Err(problems) => {
                let lines = problems.iter().map(ToString::to_string).collect();
                self.refuse(who, name, lines, row_generation).await?;
                return Ok(Admitted::Refused(problems));
            }
        };
        if earlier == Some(&database) {
            if row.is_some_and(|row| row.refused.is_some()) {
                let change = Change::SpecRefused {
                    row_generation,
                    problems: Vec::new(),
                };
                let message = "the spec is good again, and the one in force".to_owned();
                self.append(who, name, Outcome::Done, message, change)
                    .await?;
                self.queue.add(name);
            }
            return Ok(Admitted::Unchanged(Box::new(database)));
        }
        // Labels or source alone changed, or the row's own count is ahead of ours.
        let at_least = earlier
            .map_or(1, |db| db.generation + 1)
            .max(row_generation.unwrap_or(0));
        database.generation = database.generation.max(at_least);
        rules.take_ports(&database);
        let message = match earlier {
            None => format!("{} on port {}", database.image.display, database.port),
            Some(_) => format!("spec changed, generation {}", database.generation),
        };
        let admitted = told(earlier, database.clone());
        self.accept(who, database, &message).await?;
        self.queue.add(name);
        Ok(admitted)
    }

    async fn accept(
        &self,
        who: Who,
        database: Database,
        message: &str,
    ) -> Result<Entry, LedgerError> {
        let name = database.name.clone();
        let change = Change::Admitted {
            database: Box::new(database),
        };
        self.append(who, &name, Outcome::Done, message.to_owned(), change)
            .await
    }

    /// Writes a refusal, once: the same problems again are no news.
    async fn refuse(
        &self,
        who: Who,
        name: &DbName,
        problems: Vec<String>,
        row_generation: Option<u64>,
    ) -> Result<(), LedgerError> {
        let book = self.ledger.book();
        let known = book
            .row(name)
            .and_then(|row| row.refused.as_deref())
            .or_else(|| {
                book.unborn()
                    .find(|(unborn, _)| *unborn == name)
                    .map(|(_, known)| known)
            });
        if row_generation.is_none() && known == Some(problems.as_slice()) {
            return Ok(());
        }
        let message = problems.join("; ");
        let change = Change::SpecRefused {
            row_generation,
            problems,
        };
        self.append(who, name, Outcome::Refused, message, change)
            .await?;
        self.queue.add(name);
        Ok(())
    }

    /// Answers an edit that changes nothing.
    async fn answer(&self, who: Who, name: &DbName, generation: u64) -> Result<(), LedgerError> {
        let change = Change::SpecRefused {
            row_generation: Some(generation),
            problems: Vec::new(),
        };
        let message = "the row was written, and says what was in force already".to_owned();
        self.append(who, name, Outcome::Done, message, change)
            .await?;
        Ok(())
    }

    async fn append(
        &self,
        who: Who,
        name: &DbName,
        outcome: Outcome,
        message: String,
        change: Change,
    ) -> Result<Entry, LedgerError> {
        self.ledger
            .append(NewEntry {
                who,
                name: Some(name.clone()),
                outcome,
                message,
                change,
            })
            .await
    }

    /// The folder of specs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

fn told(earlier: Option<&Database>, database: Database) -> Admitted {
    match earlier {
        None => Admitted::Created(Box::new(database)),
        Some(earlier) if *earlier == database => Admitted::Unchanged(Box::new(database)),
        Some(_) => Admitted::Configured(Box::new(database)),
    }
}

/// A new identity; its first half is the time, so that identities sort by age.
fn fresh() -> Uid {
    Uid(uuid::Uuid::now_v7())
}
