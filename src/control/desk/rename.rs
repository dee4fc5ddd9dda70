//! Another name for a database, step by step. The intent is in the ledger before anything is touched;
//! a daemon that dies in between is followed by one that goes on, or goes back.

use super::restore::told;
use super::{Came, Desk, Refused};
use crate::admin::{NewEntry, Row};
use crate::execute::failpoint::failpoint;
use crate::model::database::Source;
use crate::model::{Change, Cost, Database, DbName, Outcome, WantedState, Who};
use crate::plan::render;
use crate::specs;

/// What a refusal says last.
const UNTOUCHED: &str = "nothing was changed";

impl Desk {
    /// What a rename would cost the users of a database, in a plan's words.
    ///
    /// # Errors
    /// Why it cannot be renamed now.
    pub async fn rename_cost(&self, row: &Row, to: &DbName) -> Result<String, Refused> {
        let db = &row.database;
        self.idle(&db.name)?;
        self.may_rename(row, to).await?;
        let view = self.board.view(&db.name);
        let cost = view.map_or_else(String::new, |view| {
            let cost = render::sentence(&view, render::Which::Change, Cost::Recreate);
            format!(" ({cost})")
        });
        Ok(format!(
            "~ {}  -> {to}: its server is stopped, its folders are moved, and it starts under the new \
             name{cost}; port, passwords, backups and history stay, and so do the database `{}` and the \
             account `{}` inside it",
            db.name, db.database, db.account.user
        ))
    }

    /// No work is under way for a database that gets another name.
    pub(super) fn idle(&self, name: &DbName) -> Result<(), Refused> {
        if self.works.busy(name) {
            return Err(format!(
                "a work on {name} is under way or stands in line; try again when it is over; {UNTOUCHED}"
            ));
        }
        Ok(())
    }

    /// Whether a database may get another name now; where its spec comes from then.
    async fn may_rename(&self, row: &Row, to: &DbName) -> Result<Source, Refused> {
        let db = &row.database;
        let name = &db.name;
        if let Some(why) = self.ledger.book().rename_refused(name, to) {
            return Err(format!("{why}; {UNTOUCHED}"));
        }
        if self.harmed() {
            return Err(format!(
                "mydb_admin, db4sci's own memory, is not ready, and its tables hold the name, too; try \
                 again when it is: db4sci status; {UNTOUCHED}"
            ));
        }
        if let Some(why) = self.without_data(name) {
            return Err(format!("{name} is held: {why}; {UNTOUCHED}"));
        }
        let source = self.source_after(db, to).await?;
        let renamed = specs::renamed(db, to, source.clone());
        let free = self.archive.place_free(db, &renamed).await;
        free.map_err(|why| format!("{why}; {UNTOUCHED}"))?;
        Ok(source)
    }

    /// What is told of a database whose data is not known to be whole.
    pub(super) fn without_data(&self, name: &DbName) -> Option<String> {
        let view = self.board.view(name)?;
        let mut held = view.held.iter();
        let lost = held.find(|held| held.reason.no_data());
        lost.map(|held| held.message.clone())
    }

    /// Where the spec of a database comes from under its new name. What a file says is what is wanted:
    /// it says the new name first.
    async fn source_after(&self, db: &Database, to: &DbName) -> Result<Source, Refused> {
        let Source::File(path) = &db.source else {
            return Ok(db.source.clone());
        };
        let name = &db.name;
        match self.intake.new_name_in_file(name).await {
            Some((new, path)) if new == *to => Ok(Source::File(path)),
            Some((new, path)) => Err(format!(
                "{} says `{new}`, not `{to}`: write `{to}` there, or: db4sci rename {name} {new}; \
                 {UNTOUCHED}",
                self.intake.file(&path).display()
            )),
            None => Err(format!(
                "`{name}` is described by {}, and files win: write `name: {to}` there first (the file may \
                 have another name then, too), and then: db4sci rename {name} {to}; {UNTOUCHED}",
                self.intake.file(path).display()
            )),
        }
    }

    /// Gives a database another name.
    pub(super) async fn rename(&self, who: Who, row: &Row, to: &DbName) -> Result<String, String> {
        let source = self.may_rename(row, to).await?;
        let db = &row.database;
        let name = &db.name;
        let message = format!(
            "{name} becomes {to}: its server is stopped, its folders are moved, and it starts under the \
             new name"
        );
        let change = Change::RenameBegan {
            uid: db.uid,
            to: to.clone(),
            source: source.clone(),
        };
        let mut entry = NewEntry::of(name, Outcome::Done, message, change);
        entry.who = who;
        let begun = self.intake.in_turn(entry).await;
        begun.map_err(|e| format!("{e}; {UNTOUCHED}"))?;
        failpoint("rename.begun");
        self.finish_rename(name, to, source).await
    }

    /// Carries out a rename that was begun, from wherever it is; what cannot be done is taken back.
    pub(super) async fn finish_rename(
        &self,
        name: &DbName,
        to: &DbName,
        source: Source,
    ) -> Result<String, String> {
        // After this no lane of an older look is under way.
        self.queue.look(name).await;
        let book = self.ledger.book();
        let row = book.row(name).ok_or_else(|| format!("{name} is gone"))?;
        let db = &row.database;
        let renamed = specs::renamed(db, to, source);
        let moved = async {
            self.archive.take_away(db, "rename").await?;
            self.archive.move_folders(db, &renamed).await
        };
        if let Err(error) = moved.await {
            return Err(self.go_back(db, &renamed, told(error)).await);
        }
        let change = Change::Renamed {
            from: name.clone(),
            database: Box::new(renamed.clone()),
        };
        let message = format!("{name} is {to} from now on");
        let entry = NewEntry::of(to, Outcome::Done, message, change);
        // One that could not be written is tried again, with the folders where they are.
        let written = self.intake.in_turn(entry).await;
        written.map_err(|e| format!("{e}; {name} stays down until it can be written"))?;
        failpoint("rename.written");
        self.archive.metrics.renamed(name, to, &self.stores);
        // The name that is left is shown no more, and a file's standing is another one now.
        self.queue.add(name);
        self.intake.files().await;
        self.queue.look(to).await;
        let hint = hint(&renamed);
        if row.wanted() != WantedState::Running {
            return Ok(format!("{name} is {to} now, and down as it was{hint}"));
        }
        let came = self.until_ready(to).await;
        // How long it was away is in the ledger now, and is shown by the next look.
        self.queue.add(to);
        match came {
            Came::Ready => {}
            Came::NotWanted => {
                return Ok(format!(
                    "{name} is {to} now, and its server is down, as wanted{hint}"
                ));
            }
            Came::Silent => {
                return Err(format!(
                    "{name} is {to} now, and its server does not answer yet; see: db4sci describe {to}"
                ));
            }
        }
        let down = match &row.away {
            Some((_, since)) => {
                let seconds = (self.clock.now() - *since).num_seconds().max(0);
                format!("it was down for {seconds} s")
            }
            None => "it is ready".to_owned(),
        };
        Ok(format!("{name} is {to} now; {down}{hint}"))
    }

    /// Takes back what was moved; what came of it, for people.
    async fn go_back(&self, db: &Database, renamed: &Database, error: String) -> String {
        let name = &db.name;
        if let Err(why) = self.archive.move_back(renamed, db).await {
            return format!(
                "{error}; and its folders could not be moved back: {why}. {name} stays down, and it is \
                 tried again"
            );
        }
        let message = format!("{error}; {name} keeps its name, and its data is where it was");
        let change = Change::RenameEnded { uid: db.uid };
        let noted = self.note(name, Outcome::Failed, message.clone(), change);
        if let Err(why) = noted.await {
            return format!("{message}; that could not be written: {why}");
        }
        self.queue.add(name);
        message
    }
}

/// What a person should write into the file, so that it says all by itself.
fn hint(db: &Database) -> String {
    let Source::File(path) = &db.source else {
        return String::new();
    };
    let says = |field: &str| db.given.pointer(field).is_some_and(|v| !v.is_null());
    if says("/database") && says("/account/user") {
        return String::new();
    }
    format!(
        "; inside its server nothing was renamed: write `database: {}` and `account: {{user: {}}}` into \
         {}, so that it says so, too",
        db.database,
        db.account.user,
        path.display()
    )
}
