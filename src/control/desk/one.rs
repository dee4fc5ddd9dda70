//! A restore of one database inside a server that goes on serving its others.

use super::Desk;
use super::restore::{none_before, told};
use crate::admin::Row;
use crate::engine::backup as recipes;
use crate::execute::backup::{Archive, Uncarried, image_of};
use crate::model::view::Phase;
use crate::model::{Backup, BackupKind, Change, Outcome};

impl Desk {
    /// Puts one database of a backup into the place of what the running server has under that name.
    pub(super) async fn restore_one(
        &self,
        row: &Row,
        backup: &Backup,
        database: &str,
    ) -> Result<String, String> {
        let db = &row.database;
        let name = &db.name;
        if name.is_mydb_admin() {
            return Err(format!(
                "{name} is db4sci's own memory, and comes back by itself; nothing was changed"
            ));
        }
        if Archive::at_rest(db, backup.kind) {
            return Err(format!(
                "{} is not restored in parts: restore all of it; nothing was changed",
                backup.id
            ));
        }
        let view = self.board.view(name);
        if view.is_none_or(|view| view.phase != Phase::Ready) {
            return Err(format!(
                "{name} does not answer, and one database goes into a running server only; nothing was \
                 changed"
            ));
        }
        let image = image_of(db).map_err(told)?;
        let opened = self.archive.open(db, &image, backup, database);
        let built = self.in_turn(backup, opened).await;
        let built = built.map_err(|why| format!("{why}; nothing was changed"))?;
        let note = format!("before {database} of {} was restored", backup.id);
        let before = self.before(row, BackupKind::BeforeRestore, note).await;
        let (before, lacking) = before.map_err(none_before)?;
        let message = format!(
            "{database} of {} is put into its place; if that is cut off, what was there is in {before}: \
             db4sci restore {name} --from {before} --only '{database}' --yes",
            backup.id,
            before = before.id,
        );
        self.note(name, Outcome::Done, message, Change::Noted)
            .await?;
        // Nobody makes the account's database anew while it is on its way.
        let resting = self.board.rest(name);
        self.queue.look(name).await;
        let aside = recipes::aside_name(database, self.clock.now());
        let carried = self.archive.carry(&built, db, database, &aside).await;
        let done = match carried {
            Ok(renamed) => Ok(match renamed {
                true => format!(
                    "{database} of {} is in place; what was there is kept as the database `{aside}`, \
                     which takes no connections and is in no backup: drop it when nobody needs it{lacking}",
                    backup.id
                ),
                false => format!(
                    "{database} of {} is in place; what was there is in {}{lacking}",
                    backup.id, before.id
                ),
            }),
            Err(error) => Err(self.carry_back(row, &before, database, &aside, error).await),
        };
        drop(resting);
        let (outcome, text) = match &done {
            Ok(text) => (Outcome::Done, text.clone()),
            Err(text) => (Outcome::Failed, text.clone()),
        };
        self.note(name, outcome, text, Change::Noted).await?;
        self.queue.look(name).await;
        done
    }

    /// After a failure: what was there comes back from the backup before. What came of it, for people.
    async fn carry_back(
        &self,
        row: &Row,
        before: &Backup,
        database: &str,
        aside: &str,
        error: Uncarried,
    ) -> String {
        let (db, name) = (&row.database, &row.database.name);
        if !error.gone {
            return format!("{error}; {database} of {name} is as it was");
        }
        let back = async {
            let image = image_of(db).map_err(told)?;
            let opened = self.archive.open(db, &image, before, database);
            let built = self.in_turn(before, opened).await?;
            let carried = self.archive.carry(&built, db, database, aside).await;
            carried.map_err(|e| e.to_string())
        };
        match back.await {
            Ok(_) => format!(
                "{error}; {database} of {name} is as it was, from {}",
                before.id
            ),
            Err(why) => format!(
                "{error}; and it could not be brought back: {why}. It is in {before}: db4sci restore \
                 {name} --from {before} --only '{database}' --yes",
                before = before.id
            ),
        }
    }
}
