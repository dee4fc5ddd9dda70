//! What a person asks for.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::works::Asked;
use super::{Desk, Refused};
use crate::admin::{LedgerError, Row};
use crate::model::view::{WorkAsk, WorkView};
use crate::model::{Backup, BackupId, BackupKind, BackupState, Change, DbName, Who};
use crate::plan::hands;
use crate::plan::newest::newest;

/// Tells that it is in the log who asked for a work; dropped when the daemon stops before.
pub type Written = oneshot::Receiver<Result<(), LedgerError>>;

impl Desk {
    /// Takes on what a person asks for: at once, or after what goes before it. What is done already is
    /// not done twice. That it was asked for, in these words, is written before anything is done; whoever waits
    /// for that may go away.
    ///
    /// # Errors
    /// Why not; nothing was changed.
    pub fn take_on(
        self: &Arc<Self>,
        who: Who,
        row: &Row,
        mut ask: WorkAsk,
        words: String,
    ) -> Result<(WorkView, Written), Refused> {
        let name = row.database.name.clone();
        if let Some(why) = hands_off(row, &ask) {
            return Err(format!("{why}; nothing was changed"));
        }
        let (what, join) = match &mut ask {
            // One that began before this ask does not hold what was written since.
            WorkAsk::Backup { .. } => match row.gone() {
                Some(why) => return Err(format!("{why}; nothing was changed")),
                None => ("backup".to_owned(), false),
            },
            WorkAsk::Verify { id, reason: _ } => {
                // The newest of now, whatever is newest when its turn comes.
                let chosen = self.chosen(row, id.as_ref())?.id;
                (format!("restore test of {}", id.insert(chosen)), true)
            }
            WorkAsk::Restore {
                from,
                copy,
                only,
                image,
                reason: _,
            } => {
                if let (None, Some(why)) = (&copy, row.gone()) {
                    return Err(why);
                }
                if let (None, Some(image)) = (&copy, &image) {
                    return Err(format!(
                        "another image ({}) is for a copy beside it, which shows whether all is well with it; \
                         nothing was changed",
                        image.escape_debug()
                    ));
                }
                let backup = self.chosen(row, Some(from))?;
                self.free(copy.as_ref())?;
                let place = match (copy, only) {
                    (Some(_), Some(only)) => {
                        return Err(format!(
                            "one database (`{only}`) goes into the server that it came from; for a copy \
                             restore all of it; nothing was changed"
                        ));
                    }
                    (Some(copy), None) => format!(" as {copy}"),
                    (None, Some(only)) => format!(", {only} alone"),
                    (None, None) => String::new(),
                };
                (format!("restore of {}{place}", backup.id), true)
            }
            WorkAsk::Clone {
                copy,
                from,
                live,
                reason: _,
            } => {
                self.free(Some(copy))?;
                (self.clone_of(row, copy, from.as_ref(), *live)?, true)
            }
            WorkAsk::Rename { to, reason: _ } => {
                if let Some(why) = self.ledger.book().rename_refused(&name, to) {
                    return Err(format!("{why}; nothing was changed"));
                }
                self.idle(&name)?;
                (format!("rename to {to}"), true)
            }
            WorkAsk::Eject { to, reason } => {
                let chosen = self.eject_to(row, to.take(), reason)?;
                self.idle(&name)?;
                (format!("release to {}", to.insert(chosen).display()), true)
            }
        };
        let (tell, written) = oneshot::channel();
        let asked = self.asked(who.clone(), name.clone(), words, tell);
        let (work, line) = match self.works.stand(&name, what, join, self.clock.now())? {
            Asked::Same(work) => {
                self.tracker.spawn(asked);
                return Ok((self.shown(work), written));
            }
            Asked::InLine(work, line) => (work, line),
        };
        let (this, id) = (self.clone(), work.id);
        let carried = self.carried(&name.clone(), id, async move {
            asked.await?;
            // Jobs of this one would be ended as such that an earlier daemon left.
            this.taken_over.wait().await;
            let _turn = line.lock_owned().await;
            this.works.begun(&name, id);
            this.end_left(&name).await?;
            // As it is now, not as it was when it was asked for.
            let book = this.ledger.book();
            let row = book.row(&name);
            let row = row.ok_or_else(|| format!("there is no database `{name}` any more"))?;
            match hands_off(row, &ask) {
                Some(why) => Err(why),
                None => this.do_asked(who, row, ask).await,
            }
        });
        self.tracker.spawn(carried);
        Ok((self.shown(work), written))
    }

    /// Writes who asked for a work; that it is done is written by the work itself.
    fn asked(
        self: &Arc<Self>,
        who: Who,
        name: DbName,
        words: String,
        tell: oneshot::Sender<Result<(), LedgerError>>,
    ) -> impl Future<Output = Result<(), String>> + Send + 'static {
        let this = self.clone();
        async move {
            let change = Change::Acted {
                action: "work_asked".to_owned(),
            };
            let written = this.intake.wish(who, &name, words, change).await;
            let done = written.as_ref().map_err(|error| {
                format!("who asked for it could not be written into the log, so nothing was done: {error}")
            });
            let done = done.copied();
            // Whoever asked may not wait any more.
            let _ = tell.send(written);
            done
        }
    }

    async fn do_asked(&self, who: Who, row: &Row, ask: WorkAsk) -> Result<String, String> {
        match ask {
            WorkAsk::Rename { to, reason: _ } => self.rename(who, row, &to).await,
            WorkAsk::Clone {
                copy,
                from,
                live,
                reason: _,
            } => self.make_clone(who, row, copy, from.as_ref(), live).await,
            WorkAsk::Eject { to, reason } => self.eject(who, row, to, &reason).await,
            WorkAsk::Backup { note, reason: _ } => self.now(row, BackupKind::Manual, note).await,
            WorkAsk::Verify { id, reason: _ } => {
                let backup = self.chosen(row, id.as_ref())?;
                self.test(row, &backup).await
            }
            WorkAsk::Restore {
                from,
                copy,
                only,
                image,
                reason: _,
            } => {
                let backup = self.chosen(row, Some(&from))?;
                self.free(copy.as_ref())?;
                match (copy, only) {
                    (Some(copy), _) => self.copy(who, row, &backup, copy, image.as_deref()).await,
                    (None, Some(only)) => self.restore_one(row, &backup, &only).await,
                    (None, None) => self.restore(row, &backup).await,
                }
            }
        }
    }

    /// No database has the name of a copy.
    pub(super) fn free(&self, copy: Option<&DbName>) -> Result<(), Refused> {
        let taken = copy.and_then(|copy| self.ledger.book().name_taken(copy));
        taken.map_or(Ok(()), |why| Err(format!("{why}; nothing was changed")))
    }

    /// The backup that is meant: by id, or the newest one that is good.
    pub(super) fn chosen(&self, row: &Row, id: Option<&BackupId>) -> Result<Backup, Refused> {
        let name = &row.database.name;
        match id {
            Some(id) => {
                let found = row.backups.get(id).ok_or_else(|| {
                    format!("{name} has no backup {id}; see: db4sci backup list {name}")
                })?;
                match found.state {
                    BackupState::Stored | BackupState::Verified => Ok(found.clone()),
                    BackupState::Running | BackupState::Failed | BackupState::Damaged => {
                        Err(format!(
                            "{id} is {}{}; choose another one: db4sci backup list {name}",
                            found.state.as_str(),
                            found
                                .error
                                .as_ref()
                                .map_or_else(String::new, |e| format!(" ({e})"))
                        ))
                    }
                }
            }
            None => {
                let good = row.backups.values();
                let good = good.filter(|b| b.uid == row.database.uid && b.state.good());
                newest(good, self.clock.now()).cloned().ok_or_else(|| {
                    format!("{name} has no backup yet; take one: db4sci backup now {name}")
                })
            }
        }
    }
}

/// Why nothing is done that is asked for, while hands are off the host, or off a server that it would stop.
fn hands_off(row: &Row, ask: &WorkAsk) -> Option<String> {
    let refused = || hands::refused(&row.database, row.wanted(), ask);
    row.host_refused().or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::{admitted, book, database, name, new};
    use crate::model::{Change, EngineKind, Override, OverrideState};

    fn word() -> Override {
        Override {
            state: OverrideState::Maintenance,
            until: None,
            reason: "INC-812".to_owned(),
            who: Who::Daemon,
            since: crate::admin::testing::instant(1),
        }
    }

    #[test]
    fn a_person_s_hands_off_one_database_are_asked_for_too() {
        let mut db = database("genomics", 32011);
        db.engine = EngineKind::Neo4j;
        let over = new("genomics", Change::Overridden { by: word() });
        let book = book(vec![admitted(db), over]);
        let row = book.row(&name("genomics")).unwrap();
        let backup = WorkAsk::Backup {
            note: String::new(),
            reason: String::new(),
        };
        assert!(hands_off(row, &backup).is_some());
        assert_eq!(
            hands_off(
                row,
                &WorkAsk::Verify {
                    id: None,
                    reason: String::new()
                }
            ),
            None
        );
    }

    #[test]
    fn hands_off_the_host_let_nothing_begin() {
        let mut off = new("genomics", Change::HandsOff { by: word() });
        off.name = None;
        let book = book(vec![admitted(database("genomics", 32011)), off]);
        let row = book.row(&name("genomics")).unwrap();
        for ask in [
            WorkAsk::Backup {
                note: String::new(),
                reason: String::new(),
            },
            WorkAsk::Verify {
                id: None,
                reason: String::new(),
            },
        ] {
            let why = hands_off(row, &ask).unwrap();
            assert!(why.contains("db4sci maintenance off --all"), "{why}");
        }
    }
}
