//! Restores, step by step: what was there is kept until the new data answers, and comes back if it
//! does not.

use std::path::Path;

use super::{Came, Desk};
use crate::admin::Row;
use crate::execute::backup::{BackupError, Built, image_of};
use crate::execute::failpoint::failpoint;
use crate::model::view::Phase;
use crate::model::{Backup, BackupKind, Change, DbName, Outcome};

pub(super) fn told(error: BackupError) -> String {
    error.to_string()
}

/// What is said when there is no copy of what a restore would take away.
pub(super) fn none_before(why: String) -> String {
    format!("no backup could be taken before it, so nothing was changed: {why}")
}

impl Desk {
    /// Ends what an earlier daemon left: jobs, folders, and a restore that was under way. What a person
    /// asks for waits for it.
    ///
    /// # Errors
    /// When engine or ledger cannot be reached; it may be repeated.
    pub async fn take_over(&self) -> Result<(), String> {
        self.archive.clear().await.map_err(told)?;
        let book = self.ledger.book();
        for (name, row) in book.rows() {
            let Some((from, aside)) = &row.restoring else {
                continue;
            };
            // Either it had not begun to move anything, or it was between its two moves, or it was
            // done with both. Only in between there is no data in place.
            let db = &row.database;
            let message = if !db.data_dir().exists() && aside.exists() {
                self.archive.take_down(db).await.map_err(told)?;
                self.archive
                    .put_back(db, aside.clone())
                    .await
                    .map_err(told)?;
                format!("the restore of {from} was cut off; the data from before is in place")
            } else if aside.exists() {
                format!(
                    "the restore of {from} was cut off after its data was put into place; the data \
                     from before is in {}",
                    aside.display()
                )
            } else {
                format!("the restore of {from} was cut off before it changed anything")
            };
            let change = Change::RestoreEnded { uid: db.uid };
            self.note(name, Outcome::Failed, message, change).await?;
            self.queue.add(name);
        }
        // It may be told more than once.
        let _ = self.taken_over.set(());
        Ok(())
    }

    /// Restores in place. Evidence of why its data was lost says then where that lies.
    pub(super) async fn restore(
        &self,
        row: &Row,
        backup: &Backup,
        evidence: Option<&Path>,
    ) -> Result<String, String> {
        let db = &row.database;
        let name = &db.name;
        let ready = |name: &DbName| {
            let view = self.board.view(name);
            view.is_some_and(|view| view.phase == Phase::Ready)
        };
        let mut lacking = String::new();
        if ready(name) {
            // What the restore takes away.
            let note = format!("before {} was restored", backup.id);
            let before = self.before(row, BackupKind::BeforeRestore, note).await;
            (_, lacking) = before.map_err(none_before)?;
        }
        let image = image_of(db).map_err(told)?;
        if row.secrets.is_empty() {
            // A host that came back knows of it only from its backup.
            self.archive.make_secrets(db, None).await.map_err(told)?;
        }
        let built = self.archive.build(db, &image, backup);
        let built = self.in_turn(backup, built).await;
        let built = built.map_err(|why| format!("{why}; nothing was changed"))?;
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
        lacking += &without;
        self.end(name, Outcome::Done, message, over()).await?;
        if row.quarantined.is_some() {
            // Or nobody would start it, and nothing could answer.
            let message = format!("{name} has other data now: it is tried again");
            self.note(name, Outcome::Done, message, Change::RetryAsked)
                .await?;
        }
        self.queue.look(name).await;
        let served = match self.until_ready(name).await {
            Came::Ready => Some(""),
            // A person's word of meanwhile: nobody knows whether it would answer.
            Came::NotWanted => Some(" and its server is down, as wanted"),
            Came::Silent => None,
        };
        if let Some(served) = served {
            return Ok(format!(
                "{} was restored{served}; what was there before is kept in {}{lacking}",
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
                "{e}; {name} is left alone, its data from before is in {}",
                aside.display()
            )
        })?;
        self.link(evidence, &db.data_dir(), in_place).await;
        let why = format!(
            "{name} did not answer with {}; the data from before is in place again",
            backup.id
        );
        self.end(name, Outcome::Failed, why.clone(), over()).await?;
        self.queue.look(name).await;
        Err(why)
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
