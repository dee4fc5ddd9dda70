//! Another database made of a backup. It has its data, or it is gone and its name is free: the intent is
//! in the ledger together with its row. Data that was ever whole is never what is left of one.

use std::path::Path;

use serde_json::{Value, json};

use super::restore::told;
use super::{Came, Desk, Refused};
use crate::admin::{NewEntry, Row};
use crate::control::intake::{Admitted, Copying};
use crate::engine::backup as recipes;
use crate::execute::backup::image_of;
use crate::execute::failpoint::failpoint;
use crate::model::{
    Backup, BackupId, BackupKind, BackupState, Change, Database, DbName, ImageId, Outcome, Problem,
    WantedState, Who,
};
use crate::plan::copies::{self, CutOff};
use crate::plan::newest::newest;
use crate::specs;

impl Desk {
    /// What a clone is made of, in words.
    ///
    /// # Errors
    /// Why there cannot be one.
    pub(super) fn clone_of(
        &self,
        row: &Row,
        copy: &DbName,
        from: Option<&BackupId>,
        live: bool,
    ) -> Result<String, Refused> {
        let name = &row.database.name;
        if name.is_mydb_admin() || copy.is_mydb_admin() {
            return Err(
                "mydb_admin is db4sci's own memory, and there is one of it; nothing was changed"
                    .to_owned(),
            );
        }
        if live && from.is_some() {
            return Err(
                "either a backup that is taken now (live), or the one that `from` names; nothing was \
                 changed"
                    .to_owned(),
            );
        }
        Ok(if live {
            format!("clone as {copy} of a backup that is taken now")
        } else {
            format!("clone as {copy} of {}", self.proven_backup(row, from)?.id)
        })
    }

    pub(super) async fn make_clone(
        &self,
        who: Who,
        row: &Row,
        copy: DbName,
        from: Option<&BackupId>,
        live: bool,
    ) -> Result<String, String> {
        self.free(Some(&copy))?;
        if !live {
            let backup = self.proven_backup(row, from)?;
            return self.copy(who, row, &backup, copy, None).await;
        }
        let name = &row.database.name;
        let note = format!("for the clone {copy}");
        let (taken, lacking) = self.before(row, BackupKind::Manual, note).await?;
        let book = self.ledger.book();
        let now = book.row(name).ok_or_else(|| format!("{name} is gone"))?;
        let made = self.copy(who, now, &taken, copy, None).await?;
        Ok(format!("{made}{lacking}"))
    }

    /// The backup that is named, or the newest that is verified.
    fn proven_backup(&self, row: &Row, id: Option<&BackupId>) -> Result<Backup, Refused> {
        if id.is_some() {
            return self.chosen(row, id);
        }
        let name = &row.database.name;
        let own = row.backups.values();
        let verified =
            own.filter(|b| b.uid == row.database.uid && b.state == BackupState::Verified);
        newest(verified, self.clock.now())
            .cloned()
            .ok_or_else(|| {
                format!(
                    "{name} has no verified backup yet; prove the newest one (db4sci backup verify {name}), \
                     name one (--from ID), or take one now (--live); nothing was changed"
                )
            })
    }

    /// Makes another database of a backup, with passwords of its own and without backups; of another image
    /// where one is named.
    pub(super) async fn copy(
        &self,
        who: Who,
        row: &Row,
        backup: &Backup,
        copy: DbName,
        image: Option<&str>,
    ) -> Result<String, String> {
        let what = format!("copy of {}", backup.id);
        let begun = self.works.begin(&copy, what, self.clock.now());
        let (work, _turn) = begun.ok_or_else(|| {
            format!("something is done for `{copy}` already; nothing was changed")
        })?;
        let done = self.carry_copy(who, row, backup, &copy, image).await;
        self.works.end(&copy, work.id, done.clone());
        done
    }

    async fn carry_copy(
        &self,
        who: Who,
        row: &Row,
        backup: &Backup,
        copy: &DbName,
        image: Option<&str>,
    ) -> Result<String, String> {
        let source = &row.database;
        let spec = spec_of_copy(source, copy, image);
        // Nobody touches it before its data is there.
        let begins = Copying::Begins(&backup.id, who);
        let db = self.admit(&spec, WantedState::Maintenance, begins).await;
        let db = db.map_err(|why| format!("{why}; nothing was changed"))?;
        failpoint("copy.begun");
        let archive = &self.archive;
        let made = async {
            let image = self.image_of_copy(source, &db, backup.kind).await?;
            let pinned = Change::ImagePinned {
                uid: db.uid,
                image: image.clone(),
            };
            let message = format!(
                "{} is {image}, for the copy of {}",
                db.image.reference, source.name
            );
            self.note(copy, Outcome::Done, message, pinned).await?;
            archive.dirs.prepare(&db).await.map_err(|e| e.to_string())?;
            failpoint("copy.prepared");
            let like = (backup.kind == BackupKind::Files).then_some(&**source);
            archive.make_secrets(&db, like).await.map_err(told)?;
            failpoint("copy.sealed");
            let built = archive.build(&db, &image, backup);
            let built = self.in_turn(backup, built).await?;
            let aside = archive.aside(&db, &backup.id);
            let placed = archive.put_in_place(&built, &db, aside).await;
            placed.map_err(told)?;
            let marked = archive.dirs.mark_initialised(&db).await;
            marked.map_err(|e| e.to_string())?;
            failpoint("copy.placed");
            let ends = Copying::Ends(&backup.id);
            let admitted = self.admit(&spec, WantedState::Running, ends).await;
            admitted.map(|_| built.lacking())
        };
        let without = match made.await {
            Ok(without) => without,
            Err(why) => {
                return Err(match self.end_copy(&db, why.clone()).await {
                    Ok(gone) => gone,
                    Err(left) => {
                        format!("{why}; and what is left of `{copy}` is seen to later: {left}")
                    }
                });
            }
        };
        failpoint("copy.ended");
        if backup.kind == BackupKind::Files {
            return Ok(format!(
                "{copy} has the files of {}, and the passwords of {}; whether a server starts on them is \
                 to be seen: db4sci describe {copy}",
                backup.id, source.name
            ));
        }
        match self.until_ready(copy).await {
            Came::Ready => Ok(format!(
                "{copy} is ready, with the data of {}{without}",
                backup.id
            )),
            Came::NotWanted => Ok(format!(
                "{copy} has the data of {}, and its server is down, as wanted{without}",
                backup.id
            )),
            Came::Silent => Err(format!(
                "{copy} has the data of {} and does not answer; see: db4sci describe {copy}",
                backup.id
            )),
        }
    }

    /// The image of a copy: its source's, or the one that was asked for, where that takes what was dumped.
    async fn image_of_copy(
        &self,
        source: &Database,
        copy: &Database,
        kind: BackupKind,
    ) -> Result<ImageId, String> {
        if copy.image.reference == source.image.reference {
            return image_of(source).map_err(told);
        }
        let (from, to) = (&source.image.series, &copy.image.series);
        if !recipes::backups(source.engine, kind).loads_into(from, to) {
            return Err(format!(
                "what was dumped from {} {from} cannot be loaded into {to}; images of the same series, and \
                 of newer ones of PostgreSQL and MariaDB, take it",
                source.engine
            ));
        }
        let seen = self.archive.image(copy.image.reference.as_str()).await;
        seen.map(|seen| seen.id).map_err(told)
    }

    /// Ends a copy that did not come to its end. Of one that has no data all that is left goes: nobody ever
    /// wrote to it, and what it was to hold is in the backup. One that has its data is finished.
    pub(super) async fn end_copy(&self, db: &Database, why: String) -> Result<String, String> {
        let name = &db.name;
        let book = self.ledger.book();
        let row = book.row(name).filter(|row| row.database.uid == db.uid);
        let row =
            row.ok_or_else(|| format!("there is no `{name}` any more; nothing was removed"))?;
        let seen = self.archive.dirs.look(db, None).await;
        match copies::cut_off(db, row.initialised, &seen) {
            CutOff::Goes => {}
            CutOff::Ends => return self.finish_copy(row, &why).await,
            CutOff::Stays(why) => return Err(why),
        }
        let message = format!("{why}; `{name}` came to nothing, and the name is free");
        let change = Change::CopyEnded { uid: db.uid };
        let ends = NewEntry::of(name, Outcome::Failed, message.clone(), change);
        // Whoever may not say so afterwards removes nothing.
        book.check(&ends)?;
        let removed = self.archive.dirs.remove(&self.archive.site, db).await;
        removed.map_err(|e| e.to_string())?;
        failpoint("copy.removed");
        let written = self.ledger.append(ends).await;
        written.map_err(|e| e.to_string())?;
        // It is shown no more.
        self.queue.add(name);
        Ok(message)
    }

    /// Says of a copy that has its data that it has, and lets it run.
    async fn finish_copy(&self, row: &Row, why: &str) -> Result<String, String> {
        let db = &row.database;
        let from = row.copying.as_ref();
        let from = from.ok_or_else(|| format!("`{}` is no copy on its way", db.name))?;
        let (spec, ends) = (specs::export(db), Copying::Ends(from));
        self.admit(&spec, WantedState::Running, ends).await?;
        Ok(format!(
            "{why}; `{}` has the data of {from}, and is started",
            db.name
        ))
    }

    async fn admit(
        &self,
        spec: &Value,
        state: WantedState,
        copying: Copying<'_>,
    ) -> Result<Database, String> {
        let mut spec = spec.clone();
        spec["spec"]["state"] = json!(state);
        let origin = Path::new("the copy's spec");
        let lines = |problems: Vec<Problem>| {
            let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
            all.join("; ")
        };
        let parsed = specs::parse(&spec.to_string(), origin).map_err(lines)?;
        let admitted = self.intake.copy(&parsed, copying).await;
        match admitted.map_err(|e| e.to_string())? {
            Admitted::Created(db) | Admitted::Configured(db) | Admitted::Unchanged(db) => {
                // With what the ledger itself adds.
                let book = self.ledger.book();
                Ok(book
                    .row(&db.name)
                    .map_or(*db, |row| Database::clone(&row.database)))
            }
            Admitted::Refused(problems) => Err(lines(problems)),
        }
    }
}

/// The spec of a copy: as the original's, on another port, without backups unless somebody asks.
fn spec_of_copy(db: &Database, copy: &DbName, image: Option<&str>) -> Value {
    let mut spec = specs::export(db);
    spec["metadata"]["name"] = json!(copy);
    if let Some(fields) = spec["spec"].as_object_mut() {
        fields.remove("port");
        if let Some(image) = image {
            fields.insert("image".to_owned(), json!(image));
        }
        fields.insert("database".to_owned(), json!(db.database));
        fields.insert(
            "account".to_owned(),
            json!({"user": db.account.user, "role": db.account.role}),
        );
        fields.insert("backup".to_owned(), json!({"schedule": "Never"}));
    }
    spec
}
