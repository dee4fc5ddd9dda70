//! Restores, step by step: what was there is kept until the new data answers, and comes back if it
//! does not.

use std::path::Path;

use super::{Came, Desk};
use crate::admin::Row;
use crate::control::wants::whose;
use crate::execute::backup::{BackupError, Built, image_of};
use crate::execute::failpoint::failpoint;
use crate::model::view::Phase;
use crate::model::{Backup, BackupKind, Change, Database, DbName, Outcome};

pub(super) fn told(error: BackupError) -> String {
    error.to_string()
}

/// What is said when there is no copy of what a restore would take away.
pub(super) fn none_before(why: String) -> String {
    format!("no backup could be taken before it, so nothing was changed: {why}")
}

impl Desk {
    /// Restores in place, as a person asks.
    pub(super) async fn restore(&self, row: &Row, backup: &Backup) -> Result<String, String> {
        let name = &row.database.name;
        let mut lacking = self.saved(row, backup).await?;
        let built = self.built(row, backup).await?;
        if lacking.is_none() {
            // It may have come up since, and been written to.
            self.queue.look(name).await;
            let book = self.ledger.book();
            let now = book.row(name).ok_or_else(|| format!("{name} is gone"))?;
            lacking = self.saved(now, backup).await?;
        }
        let done = self.replace(row, backup, built, None).await?;
        Ok(format!("{done}{}", lacking.unwrap_or_default()))
    }

    /// Saves what a restore takes away, where a server serves it; in words which stores have none of that.
    async fn saved(&self, row: &Row, backup: &Backup) -> Result<Option<String>, String> {
        let view = self.board.view(&row.database.name);
        if view.is_none_or(|view| view.phase != Phase::Ready) {
            return Ok(None);
        }
        let note = format!("before {} was restored", backup.id);
        let before = self.before(row, BackupKind::BeforeRestore, note).await;
        before
            .map(|(_, lacking)| Some(lacking))
            .map_err(none_before)
    }

    /// Makes the data of a backup, which takes as long as it takes; the database goes on meanwhile.
    pub(super) async fn built(&self, row: &Row, backup: &Backup) -> Result<Built, String> {
        let db = &row.database;
        let image = image_of(db).map_err(told)?;
        if row.secrets.is_empty() {
            // A host that came back knows of it only from its backup, and it has no place yet.
            self.archive.seal_secrets(db, None).await.map_err(told)?;
        }
        let built = self.archive.build(db, &image, backup);
        let built = self.in_turn(backup, built).await;
        built.map_err(|why| format!("{why}; nothing was changed"))
    }

    /// Puts what was made of a backup into a database's place. Evidence of why its data was lost says then
    /// where that lies.
    pub(super) async fn replace(
        &self,
        row: &Row,
        backup: &Backup,
        built: Built,
        evidence: Option<&Path>,
    ) -> Result<String, String> {
        let db = &row.database;
        let name = &db.name;
        let aside = self.archive.aside(db, &backup.id);
        let begun = Change::RestoreBegan {
            uid: db.uid,
            from: backup.id.clone(),
            aside: aside.clone(),
        };
        let message = format!(
            "{} is put into place; what is there is kept in {}",
            backup.id,
            aside.display()
        );
        self.note(name, Outcome::Done, message, begun.clone())
            .await?;
        // After this no lane of an older look is under way.
        self.queue.look(name).await;
        let words = format!(
            "what was left of its data was moved there when {} was put into place",
            backup.id
        );
        self.link(evidence, &aside, &words).await;
        let moved = async {
            self.archive.take_down(db).await?;
            failpoint("restore.down");
            self.spare(db).await?;
            self.archive.put_in_place(&built, db, aside.clone()).await
        };
        let moved = moved.await;
        let over = || Change::RestoreEnded { uid: db.uid };
        let in_place = "its data is in its own place again: nothing is kept elsewhere";
        if let Err(error) = moved {
            self.link(evidence, &db.data_dir(), in_place).await;
            let why = format!("{error}; the data from before is in place");
            self.end(name, Outcome::Failed, why.clone(), over()).await?;
            return Err(why);
        }
        let without = built.lacking();
        drop(built);
        let message = match self.wants_running(name) {
            true => format!("{} is in place; its server is started{without}", backup.id),
            false => format!(
                "{} is in place; its server stays down, as wanted{without}",
                backup.id
            ),
        };
        self.end(name, Outcome::Done, message, over()).await?;
        self.tried_again(name).await?;
        self.queue.look(name).await;
        let served = match self.until_ready(name).await {
            Came::Ready => Some(""),
            // A person's word of meanwhile: nobody knows whether it would answer.
            Came::NotWanted => Some(" and its server is down, as wanted"),
            Came::Silent => None,
        };
        if let Some(served) = served {
            return Ok(format!(
                "{} was restored{served}; what was there before is kept in {}{without}",
                backup.id,
                aside.display()
            ));
        }
        self.note(
            name,
            Outcome::Failed,
            format!(
                "{name} does not answer with {}; the data from before comes back",
                backup.id
            ),
            begun,
        )
        .await
        .map_err(|why| {
            format!(
                "{name} does not answer with {}, and stays so: {why}; the data from before is in {}",
                backup.id,
                aside.display()
            )
        })?;
        self.queue.look(name).await;
        let back = async {
            self.archive.take_down(db).await?;
            self.archive.put_back(db, aside.clone()).await
        };
        back.await.map_err(|e| {
            format!(
                "{e}; {name} stays down until that is ended, and its data from before is in {}",
                aside.display()
            )
        })?;
        self.link(evidence, &db.data_dir(), in_place).await;
        let why = format!(
            "{name} did not answer with {}; the data from before is in place again",
            backup.id
        );
        self.end(name, Outcome::Failed, why.clone(), over()).await?;
        self.tried_again(name).await?;
        self.queue.look(name).await;
        Err(why)
    }

    /// Refuses to move away what lies in the place of `mydb_admin` where that is all that there is of another
    /// database: somebody exchanges the two, or did while the data was made.
    pub(super) async fn spare(&self, db: &Database) -> Result<(), BackupError> {
        if !db.name.is_mydb_admin() {
            return Ok(());
        }
        let dirs = self.archive.dirs.as_ref();
        let lies = dirs.look(db, None).await;
        let whose = whose(dirs, &self.ledger.book(), db, &lies).await;
        match whose.filter(|whose| whose.misses) {
            None => Ok(()),
            Some(whose) => Err(BackupError::NotNow(format!(
                "{} holds the data of {} now, which misses it in {}",
                db.data_dir().display(),
                whose.name,
                whose.place.display()
            ))),
        }
    }

    /// Lets a database be tried again that was given up, perhaps a moment ago, with other data than it has
    /// now: or nobody would start it, and nothing could answer.
    pub(super) async fn tried_again(&self, name: &DbName) -> Result<(), String> {
        let book = self.ledger.book();
        if book.row(name).is_none_or(|row| row.quarantined.is_none()) {
            return Ok(());
        }
        let message = format!("{name} has other data now: it is tried again");
        self.note(name, Outcome::Done, message, Change::RetryAsked)
            .await
    }

    /// Notes in evidence where the data lies that it is about. It is for people only: nothing waits for it.
    pub(super) async fn link(&self, evidence: Option<&Path>, at: &Path, words: &str) {
        let Some(evidence) = evidence else { return };
        let words = format!(
            "{words}. What lies in .aside is kept until a person removes it; db4sci removes it only together \
             with a database's own data, long after that was retired, and mydb_admin's never."
        );
        let noted = self.archive.dirs.note_data(evidence, at, &words).await;
        if let Err(error) = noted {
            tracing::warn!(%error, "evidence does not say where its data is");
        }
    }

    /// Makes data of a backup when it is its turn. One that turns out to be damaged is known to be so
    /// from then on.
    pub(super) async fn in_turn(
        &self,
        backup: &Backup,
        make: impl Future<Output = Result<Built, BackupError>>,
    ) -> Result<Built, String> {
        // While mydb_admin is away everything is frozen: it waits for nobody's dump.
        let turn = match backup.id.name.is_mydb_admin() {
            true => None,
            false => Some(self.dumps.acquire().await.map_err(|e| e.to_string())?),
        };
        let made = match make.await {
            Ok(built) => Ok(built),
            Err(error) => Err(self.archive.weighed(backup, error).await),
        };
        drop(turn);
        // Its data is there: while its server starts, the next one's is made.
        if self.turns.end(backup.uid) {
            self.done.notify_one();
        }
        if let Err(error) = &made
            && error.is_damage()
        {
            self.archive.damaged(backup, error).await.map_err(told)?;
        }
        made.map_err(told)
    }
}
