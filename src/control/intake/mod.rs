//! The way in: specs from files, rows and the API become entries of the ledger, one at a time.
//!
//! What is refused changes nothing: the last good spec stays, and the refusal is written once.

mod commit;
mod files;
mod judge;
mod released;
mod rows;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::admin::{Book, Ledger, LedgerError, NewEntry};
use crate::model::database::Source;
use crate::model::{BackupId, Change, Clock, DbName, Outcome, Problem, Uid, Who};
use crate::specs::{self, FolderSeen, Merged, Parsed, Request, Rules, merge, yaml};

use super::wants::FileStanding;
use super::{Board, Queue, Reconciler, Rehearsal};

use commit::Origin;
pub use judge::Admitted;
use judge::{entry, judge};

/// How often files that are being written are read for somebody who waits.
const ASKED: usize = 3;

/// Reads the rules of this host anew: catalog, settings, configuration files.
pub type RulesNow = dyn Fn() -> Result<Rules, Vec<Problem>> + Send + Sync;

/// What is said of a copy together with its spec.
#[derive(Debug, Clone)]
pub enum Copying<'a> {
    /// It is to get its data from this backup, as somebody wants.
    Begins(&'a BackupId, Who),
    /// It has its data, from this backup.
    Ends(&'a BackupId),
}

impl Copying<'_> {
    /// Says it: the beginning after the row is there, the end before it is wanted running.
    fn say(self, name: &DbName, uid: Uid, entries: &mut Vec<NewEntry>) {
        let of = |message: String, change| NewEntry::of(name, Outcome::Done, message, change);
        match self {
            Copying::Begins(from, _) => {
                let message = format!("it is to get the data of {from}");
                let from = from.clone();
                entries.push(of(message, Change::CopyBegan { uid, from }));
            }
            Copying::Ends(from) => {
                let message = format!("its data is {from}");
                let end = of(message.clone(), Change::CopyEnded { uid });
                let has = of(message, Change::Initialised { uid });
                entries.splice(0..0, [has, end]);
            }
        }
    }
}

/// Where a spec of the API comes from.
enum Sent<'a> {
    /// Somebody who may change this database, or make one where there is none.
    By(Option<Uid>),
    /// Somebody who wants this database in another state, in these words.
    State(Uid, String),
    /// The copy of a database.
    Copy(Copying<'a>),
}

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

    /// The rules of this moment, with the ports of all databases of a book taken.
    fn rules(&self, book: &Book) -> Result<Rules, Vec<Problem>> {
        let mut rules = (self.rules)()?;
        for (name, row) in book.rows() {
            rules.take(&row.database);
            if row.share().is_none() {
                rules.shares.remove(name);
            }
        }
        Ok(rules)
    }

    /// Makes sure that `mydb_admin` is desired.
    ///
    /// # Errors
    /// What is wrong with catalog or settings, or with the ledger; for a person.
    pub async fn mydb_admin(&self) -> Result<(), String> {
        let _one = self.one.lock().await;
        let name = DbName::mydb_admin();
        let book = self.ledger.book();
        if book.row(&name).is_some() {
            return Ok(());
        }
        let lines = |problems: Vec<Problem>| {
            problems
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        };
        let rules = self.rules(&book).map_err(lines)?;
        let database = specs::mydb_admin(&rules, None, fresh()).map_err(lines)?;
        let (entries, _) = judge(&book, &Who::Daemon, &name, Ok(database));
        self.write(&name, entries).await.map_err(|e| e.to_string())
    }

    /// Reads `desired-state/` for somebody who asks, and admits what changed there: what was saved just now
    /// is waited for until it is quiet, for a while.
    pub async fn files(&self) {
        for _ in 0..ASKED {
            let Some(again) = self.settled_files().await else {
                return;
            };
            tokio::time::sleep(again).await;
        }
    }

    /// Reads `desired-state/` and admits what changed there, but for what is still being written. Gives
    /// when to read it again for that.
    pub async fn settled_files(&self) -> Option<Duration> {
        let _one = self.one.lock().await;
        let folder = self.folder.clone();
        let read = move || (yaml::git_since(&folder), yaml::read_folder(&folder));
        let (git, seen) = (tokio::task::spawn_blocking(read).await)
            .unwrap_or_else(|e| (None, FolderSeen::Unknown(e.to_string())));
        let (seen, again) = specs::settle(seen, git, self.clock.now());
        let book = self.ledger.book();
        let sources: BTreeMap<DbName, Source> = book
            .rows()
            .map(|(name, row)| (name.clone(), row.database.source.clone()))
            .collect();
        let given = book
            .rows()
            .map(|(name, row)| (name.clone(), row.database.given.clone()))
            .collect();
        let mut merged = merge(&seen, &self.folder, &sources);
        merged.hold_moved(&given);
        let mut problems = merged.problems.clone();
        match self.rules(&book) {
            Ok(mut rules) => {
                let mut origin = Origin::of(&self.folder, &seen);
                let found = self.admit_files(&book, &merged, &mut rules, &mut origin);
                problems.extend(found.await);
                self.refuse_broken(&merged, &mut origin).await;
            }
            Err(found) => problems.extend(found),
        }
        if !matches!(seen, FolderSeen::Unknown(_)) {
            self.stand(&merged);
        }
        self.board.problems(problems);
        again.map(|again| again.to_std().unwrap_or_default())
    }

    /// Tells the reconciler about vanished and renamed files.
    fn stand(&self, merged: &Merged) {
        let orphans = merged
            .orphans
            .iter()
            .map(|name| (name.clone(), FileStanding::Orphan));
        let renamed = merged.renamed.iter().map(|r| {
            let standing = FileStanding::RenamedTo(r.new.clone(), r.path.clone());
            (r.old.clone(), standing)
        });
        for name in self.reconciler.set_files(orphans.chain(renamed).collect()) {
            self.queue.add(&name);
        }
    }

    /// Admits a spec from the API; with a rehearsal it is judged after what was rehearsed before, and nothing is
    /// written. `reason` is why it was sent. `over` is the database of its name
    /// that the sender was found to have a right to change, `None` where there was none: another one
    /// is not changed.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn api(
        &self,
        who: Who,
        parsed: &Parsed,
        reason: &str,
        rehearsal: Option<&mut Rehearsal>,
        over: Option<Uid>,
    ) -> Result<Admitted, LedgerError> {
        self.admit_api(who, parsed, reason, rehearsal, Sent::By(over))
            .await
    }

    /// Admits the spec of a person who wants a database in another state, in one piece with the end of what
    /// was said over its spec before: of the two alone, an old word would outlive the newer wish.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn state(
        &self,
        who: Who,
        parsed: &Parsed,
        reason: &str,
        of: Uid,
        message: String,
    ) -> Result<Admitted, LedgerError> {
        self.admit_api(who, parsed, reason, None, Sent::State(of, message))
            .await
    }

    /// Admits the spec of a copy, at its beginning and at its end; in one piece with what is said of the
    /// copy, so that no daemon that dies in between leaves a row of which nobody knows what it is.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn copy(
        &self,
        parsed: &Parsed,
        copying: Copying<'_>,
    ) -> Result<Admitted, LedgerError> {
        let who = match &copying {
            Copying::Begins(_, who) => who.clone(),
            Copying::Ends(_) => Who::Daemon,
        };
        self.admit_api(who, parsed, "", None, Sent::Copy(copying))
            .await
    }

    async fn admit_api(
        &self,
        who: Who,
        parsed: &Parsed,
        reason: &str,
        rehearsal: Option<&mut Rehearsal>,
        sent: Sent<'_>,
    ) -> Result<Admitted, LedgerError> {
        let _one = self.one.lock().await;
        let (written, dry_run) = (self.ledger.book(), rehearsal.is_some());
        let book = rehearsal.as_deref().map_or(&*written, Rehearsal::book);
        let rules = match self.rules(book) {
            Ok(rules) => rules,
            Err(problems) => return Ok(Admitted::Refused(problems)),
        };
        let name: Option<DbName> = parsed.raw.metadata.name.parse().ok();
        let earlier = name
            .as_ref()
            .and_then(|n| book.row(n))
            .map(|row| &*row.database);
        let there = earlier.map(|db| db.uid);
        let (copying, said) = match sent {
            Sent::Copy(copying) => (Some(copying), None),
            Sent::By(over) if over == there => (None, None),
            Sent::State(of, message) if Some(of) == there => (None, Some(message)),
            Sent::By(_) | Sent::State(..) => return Ok(Admitted::Refused(vec![another(parsed)])),
        };
        let source = match earlier.map(|db| &db.source) {
            Some(Source::File(path)) if !dry_run => {
                return Ok(Admitted::Refused(vec![self.described_by(path, parsed)]));
            }
            Some(source @ Source::File(_)) => source.clone(),
            Some(Source::Builtin | Source::Row | Source::Api) | None => Source::Api,
        };
        let result = specs::admit(&Request { parsed, source }, earlier, &rules, fresh());
        let Some(name) = name else {
            // Admission says what is wrong with the name, together with all else.
            return Ok(Admitted::Refused(result.err().unwrap_or_default()));
        };
        let (mut entries, admitted) = judge(book, &who, &name, result);
        if !reason.is_empty() {
            for entry in &mut entries {
                entry.message = format!("{}: {reason}", entry.message);
            }
        }
        match (copying, &admitted) {
            (None, _) | (_, Admitted::Refused(_)) => {}
            (Some(copying), Admitted::Created(db))
            | (Some(copying), Admitted::Configured(db))
            | (Some(copying), Admitted::Unchanged(db)) => copying.say(&name, db.uid, &mut entries),
        }
        if let Some(message) = said {
            let resumed = Change::Resumed { since: None };
            entries.push(entry(&who, &name, Outcome::Done, message, resumed));
        }
        // A refused document is answered to its sender; it is nobody's spec.
        let refused = matches!(admitted, Admitted::Refused(_));
        match rehearsal {
            _ if refused => {}
            Some(rehearsal) => rehearsal.say(entries, self.clock.now())?,
            None => self.write(&name, entries).await?,
        }
        Ok(admitted)
    }

    /// The name that the file of a database says now, and the file, if that is another name than it was
    /// admitted with.
    pub async fn new_name_in_file(&self, name: &DbName) -> Option<(DbName, PathBuf)> {
        // A file that was just saved may not have been read yet.
        self.files().await;
        match self.reconciler.file_standing(name)? {
            FileStanding::RenamedTo(new, path) => Some((new, path)),
            FileStanding::Orphan => None,
        }
    }

    /// Writes an entry that changes whose a name is: no admission is under way meanwhile, which would
    /// go by the names of before.
    ///
    /// # Errors
    /// When the ledger refuses it, or cannot be written.
    pub async fn in_turn(&self, entry: NewEntry) -> Result<(), LedgerError> {
        let _one = self.one.lock().await;
        self.ledger.append(entry).await.map(|_| ())
    }

    /// Where a file of `desired-state/` lies.
    pub fn file(&self, path: &std::path::Path) -> PathBuf {
        self.folder.join(path)
    }

    /// Files win over the API.
    fn described_by(&self, path: &std::path::Path, parsed: &Parsed) -> Problem {
        let name = &parsed.raw.metadata.name;
        let file = self.file(path);
        let message = format!(
            "`{name}` is described by {}, and files win; edit that file{}, nothing was changed",
            file.display(),
            if_gone(name)
        );
        parsed.places.locate(Problem::new("metadata.name", message))
    }

    /// Writes any other wish of a person.
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
        self.write(
            name,
            vec![entry(&who, name, Outcome::Done, message, change)],
        )
        .await
    }

    /// Writes entries about a database, if there are any, and asks for a look at it.
    async fn write(&self, name: &DbName, entries: Vec<NewEntry>) -> Result<(), LedgerError> {
        if !entries.is_empty() {
            self.ledger.append_all(entries).await?;
            self.queue.add(name);
        }
        Ok(())
    }
}

/// The name became another database's while somebody's right to it was looked up.
fn another(parsed: &Parsed) -> Problem {
    let name = &parsed.raw.metadata.name;
    let message = format!(
        "`{name}` was made, renamed or removed just now; look at it (db4sci describe {name}), nothing was \
         changed"
    );
    parsed.places.locate(Problem::new("metadata.name", message))
}

/// What is told of a database whose file may be gone.
pub fn if_gone(name: &str) -> String {
    format!(" (if it is gone for good: db4sci release {name} --to-rows --reason TEXT)")
}

/// A new identity; its first half is the time, so that identities sort by age.
fn fresh() -> Uid {
    Uid(uuid::Uuid::now_v7())
}
