//! Restores, step by step: what was there is kept until the new data answers, and comes back if it
//! does not.

use std::path::Path;

use serde_json::{Value, json};

use super::Desk;
use crate::admin::Row;
use crate::control::intake::Admitted;
use crate::execute::backup::{BackupError, Built};
use crate::execute::failpoint::failpoint;
use crate::model::view::Phase;
use crate::model::{
    Backup, BackupKind, Change, Database, DbName, ImageId, Outcome, WantedState, Who,
};
use crate::specs;

pub(super) fn told(error: BackupError) -> String {
    error.to_string()
}

impl Desk {
    /// Ends what an earlier daemon left: jobs, folders, and a restore that was under way.
    pub(super) async fn take_over(&self) -> Result<(), String> {
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
        Ok(())
    }

    /// Restores in place.
    pub(super) async fn restore(&self, row: &Row, backup: &Backup) -> Result<String, String> {
        let db = &row.database;
        let name = &db.name;
        let ready = |name: &DbName| {
            let view = self.board.view(name);
            view.is_some_and(|view| view.phase == Phase::Ready)
        };
        if ready(name) {
            // What the restore takes away.
            let note = format!("before {} was restored", backup.id);
            self.now(row, BackupKind::BeforeRestore, note)
                .await
                .map_err(|why| {
                    format!("no backup could be taken before it, so nothing was changed: {why}")
                })?;
        }
        let image = image_of(db)?;
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
        let moved = async {
            self.archive.take_down(db).await?;
            failpoint("restore.down");
            self.archive.put_in_place(&built, db, aside.clone()).await
        };
        let moved = moved.await;
        let over = || Change::RestoreEnded { uid: db.uid };
        if let Err(error) = moved {
            let why = format!("{error}; the data from before is in place");
            self.note(name, Outcome::Failed, why.clone(), over())
                .await?;
            return Err(why);
        }
        drop(built);
        let message = format!("{} is in place; its server is started", backup.id);
        self.note(name, Outcome::Done, message, over()).await?;
        self.queue.look(name).await;
        if row.wanted() != WantedState::Running || self.until_ready(name).await {
            return Ok(format!(
                "{} was restored; what was there before is kept in {}",
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
        .await?;
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
        let why = format!(
            "{name} did not answer with {}; the data from before is in place again",
            backup.id
        );
        self.note(name, Outcome::Failed, why.clone(), over())
            .await?;
        self.queue.look(name).await;
        Err(why)
    }

    /// Makes data of a backup when it is its turn. One that turns out to be damaged is known to be so
    /// from then on.
    pub(super) async fn in_turn(
        &self,
        backup: &Backup,
        make: impl Future<Output = Result<Built, BackupError>>,
    ) -> Result<Built, String> {
        let turn = self.dumps.acquire().await.map_err(|e| e.to_string())?;
        let made = make.await;
        drop(turn);
        if let Err(error) = &made
            && error.is_damage()
        {
            self.archive.damaged(backup, error).await.map_err(told)?;
        }
        made.map_err(told)
    }

    /// Makes another database of a backup, with passwords of its own and without backups.
    pub(super) async fn copy(
        &self,
        row: &Row,
        backup: &Backup,
        copy: DbName,
    ) -> Result<String, String> {
        let source = &row.database;
        let image = image_of(source)?;
        let spec = spec_of_copy(source, &copy);
        // Nobody touches it before its data is there.
        let db = self.admit(&spec, &copy, WantedState::Maintenance).await?;
        let archive = &self.archive;
        let pinned = Change::ImagePinned {
            uid: db.uid,
            image: image.clone(),
        };
        let message = format!("{} is {image}, as {}'s", db.image.reference, source.name);
        self.note(&copy, Outcome::Done, message, pinned).await?;
        let made = async {
            archive.dirs.prepare(&db).await.map_err(|e| e.to_string())?;
            let like = (backup.kind == BackupKind::Files).then_some(source);
            archive.make_secrets(&db, like).await.map_err(told)?;
            let built = archive.build(&db, &image, backup);
            let built = self.in_turn(backup, built).await?;
            let aside = archive.aside(&db, &backup.id);
            let placed = archive.put_in_place(&built, &db, aside).await;
            placed.map_err(told)?;
            let marked = archive.dirs.mark_initialised(&db).await;
            marked.map_err(|e| e.to_string())
        };
        made.await.map_err(|e| {
            format!(
                "{e}; `{copy}` is there without data, in maintenance: change its spec, or retire it"
            )
        })?;
        let message = format!("its data is {}", backup.id);
        let change = Change::Initialised { uid: db.uid };
        self.note(&copy, Outcome::Done, message, change).await?;
        self.admit(&spec, &copy, WantedState::Running).await?;
        if backup.kind == BackupKind::Files {
            return Ok(format!(
                "{copy} has the files of {}, and the passwords of {}; whether a server starts on them is \
                 to be seen: db4sci describe {copy}",
                backup.id, source.name
            ));
        }
        if self.until_ready(&copy).await {
            Ok(format!("{copy} is ready, with the data of {}", backup.id))
        } else {
            Err(format!(
                "{copy} has the data of {} and does not answer; see: db4sci describe {copy}",
                backup.id
            ))
        }
    }

    async fn admit(
        &self,
        spec: &Value,
        name: &DbName,
        state: WantedState,
    ) -> Result<Database, String> {
        let mut spec = spec.clone();
        spec["spec"]["state"] = json!(state);
        let origin = Path::new("the copy's spec");
        let lines = |problems: Vec<crate::model::Problem>| {
            let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
            all.join("; ")
        };
        let parsed = specs::parse(&spec.to_string(), origin).map_err(lines)?;
        let admitted = self.intake.api(Who::Daemon, &parsed, false).await;
        match admitted.map_err(|e| e.to_string())? {
            Admitted::Created(db) | Admitted::Configured(db) | Admitted::Unchanged(db) => {
                // With what the ledger itself adds.
                let book = self.ledger.book();
                Ok(book.row(name).map_or(*db, |row| row.database.clone()))
            }
            Admitted::Refused(problems) => Err(lines(problems)),
        }
    }
}

pub(super) fn image_of(db: &Database) -> Result<ImageId, String> {
    db.image
        .pinned
        .clone()
        .ok_or_else(|| format!("the image of {} is not known yet; try again later", db.name))
}

/// The spec of a copy: as the original's, on another port, without backups unless somebody asks.
fn spec_of_copy(db: &Database, copy: &DbName) -> Value {
    let mut spec = specs::export(db);
    spec["metadata"]["name"] = json!(copy);
    if let Some(fields) = spec["spec"].as_object_mut() {
        fields.remove("port");
        fields.remove("access");
        fields.insert("database".to_owned(), json!(db.database));
        fields.insert(
            "account".to_owned(),
            json!({"user": db.account.user, "role": db.account.role}),
        );
        fields.insert("backup".to_owned(), json!({"schedule": "Never"}));
    }
    spec
}
