//! A database's release from db4sci, step by step. The intent is in the ledger before anything is
//! touched; a daemon that dies in between is followed by one that goes on, or goes back.

use std::path::{Path, PathBuf};

use super::restore::told;
use super::{Desk, Refused};
use crate::admin::{NewEntry, Row};
use crate::execute::failpoint::failpoint;
use crate::model::database::Source;
use crate::model::{Change, Database, DbName, Outcome, Who};

/// What a refusal says last.
const UNTOUCHED: &str = "nothing was changed";

impl Desk {
    /// The folder that what it takes to run it is written to, if a database may be released now.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn eject_to(
        &self,
        row: &Row,
        to: Option<PathBuf>,
        reason: &str,
    ) -> Result<PathBuf, Refused> {
        let db = &row.database;
        let name = &db.name;
        if let Some(why) = self.ledger.book().eject_refused(name) {
            return Err(format!("{why}; {UNTOUCHED}"));
        }
        if reason.trim().is_empty() {
            return Err(format!(
                "a release from db4sci needs a reason, for the log: db4sci eject {name} --reason TEXT; \
                 {UNTOUCHED}"
            ));
        }
        if let Source::File(path) = &db.source {
            let file = self.intake.file(path);
            // What cannot be looked at may well be there.
            if file.try_exists().unwrap_or(true) {
                return Err(format!(
                    "`{name}` is described by {}, and files win; remove that file first (the database goes \
                     on meanwhile), and then: db4sci eject {name} --reason TEXT; {UNTOUCHED}",
                    file.display()
                ));
            }
        }
        let to = to.unwrap_or_else(|| db.volume.path.join(format!("{name}.ejected")));
        self.place_for(db, &to)?;
        Ok(to)
    }

    /// Refuses a folder among data or among what db4sci keeps for itself.
    fn place_for(&self, db: &Database, to: &Path) -> Result<(), Refused> {
        let shown = to.display();
        if !to.is_absolute() {
            return Err(format!(
                "`{shown}` is no absolute path; the daemon writes there, wherever this command is run: \
                 give --to from `/` on; {UNTOUCHED}"
            ));
        }
        let mut kept = vec![self.archive.site.state_dir.clone()];
        let book = self.ledger.book();
        for other in book.rows().map(|(_, row)| &*row.database).chain([db]) {
            kept.extend([other.data_dir(), other.own_dir()]);
        }
        match kept
            .iter()
            .find(|kept| to.starts_with(kept) || kept.starts_with(to))
        {
            Some(kept) => Err(format!(
                "{shown} would lie in {}, or around it, which is not its place; choose another folder with \
                 --to; {UNTOUCHED}",
                kept.display()
            )),
            None => Ok(()),
        }
    }

    /// Releases a database.
    pub(super) async fn eject(
        &self,
        who: Who,
        row: &Row,
        to: Option<PathBuf>,
        reason: &str,
    ) -> Result<String, String> {
        let to = self.eject_to(row, to, reason)?;
        let db = &row.database;
        let name = &db.name;
        if let Some(why) = self.without_data(name) {
            return Err(format!("{name} is held: {why}; {UNTOUCHED}"));
        }
        let ready = self.archive.released_files(db, &to).await;
        ready.map_err(|why| format!("{why}; {UNTOUCHED}"))?;
        let message = format!(
            "{name} is released from db4sci: how to run it is written to {}, its container is removed, and \
             its data stays in {}: {reason}",
            to.display(),
            db.data_dir().display()
        );
        let change = Change::EjectBegan {
            uid: db.uid,
            to: to.clone(),
        };
        let mut entry = NewEntry::of(name, Outcome::Done, message, change);
        entry.who = who;
        let begun = self.intake.in_turn(entry).await;
        begun.map_err(|e| format!("{e}; {UNTOUCHED}"))?;
        failpoint("eject.begun");
        self.finish_eject(name, &to).await
    }

    /// Carries out a release that was begun, from wherever it is; what cannot be done is taken back.
    pub(super) async fn finish_eject(&self, name: &DbName, to: &Path) -> Result<String, String> {
        // After this no lane of an older look is under way.
        self.queue.look(name).await;
        let book = self.ledger.book();
        let row = book.row(name).ok_or_else(|| format!("{name} is gone"))?;
        let db = &row.database;
        if let Err(error) = self.archive.release(db, to).await {
            return Err(self.keep_it(db, to, told(error)).await);
        }
        let message = format!(
            "{name} is released from db4sci, which touches nothing of it any more; how to run it: {}",
            to.join("README.md").display()
        );
        let change = Change::Ejected {
            uid: db.uid,
            to: to.to_owned(),
        };
        let entry = NewEntry::of(name, Outcome::Done, message.clone(), change);
        // One that could not be written is tried again, with everything where it is.
        let written = self.intake.in_turn(entry).await;
        written.map_err(|e| format!("{e}; {name} stays down until it can be written"))?;
        failpoint("eject.ended");
        self.queue.look(name).await;
        Ok(format!(
            "{message}; its data stays in {}, and its backups in the stores",
            db.data_dir().display()
        ))
    }

    /// Takes back what was done; what came of it, for people.
    async fn keep_it(&self, db: &Database, to: &Path, error: String) -> String {
        let name = &db.name;
        if let Err(why) = self.archive.take_back(db, to).await {
            return format!(
                "{error}; and that could not be taken back: {why}. {name} stays down, and it is tried again"
            );
        }
        let message = format!("{error}; {name} stays with db4sci, and its data is where it was");
        let change = Change::EjectEnded { uid: db.uid };
        let noted = self.note(name, Outcome::Failed, message.clone(), change);
        if let Err(why) = noted.await {
            return format!("{message}; that could not be written: {why}");
        }
        self.queue.add(name);
        message
    }
}
