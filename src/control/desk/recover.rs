//! What comes back by itself: data that is lost.

use std::mem::discriminant;
use std::path::PathBuf;
use std::sync::PoisonError;
use tokio::time::Instant;

use super::Desk;
use super::again::About;
use super::came::{PAUSE, UNTIL_READY};
use crate::admin::Row;
use crate::execute::evidence::{self, Source};
use crate::execute::failpoint::failpoint;
use crate::model::view::Phase;
use crate::model::{BackupId, Change, Database, DbName, Outcome, Reason, Timestamp, WantedState};
use crate::plan::recovery::{self, Recovery};
use crate::plan::stages;

impl Desk {
    /// What is to be done by itself about lost data, if it was not tried a moment ago.
    pub(super) fn lost(&self, row: &Row, now: Timestamp) -> Option<Recovery> {
        let name = &row.database.name;
        let recovery = self.decided(row, now)?;
        let told = recovery == Recovery::LetIn && {
            let let_ins = self.let_in.lock().unwrap_or_else(PoisonError::into_inner);
            !let_ins.due(now)
        };
        (!told && !self.waits(name, About::Recovery, now)).then_some(recovery)
    }

    /// What is to be done by itself about lost data.
    fn decided(&self, row: &Row, now: Timestamp) -> Option<Recovery> {
        let db = &row.database;
        let view = self.board.view(&db.name)?;
        let down: Vec<Reason> = view.held.iter().map(|held| held.reason).collect();
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let backups = &row.backups;
        let decided = recovery::recovery(db, view.phase, &down, backups, row.recover, &failed, now);
        if db.name.is_mydb_admin() {
            let head = self.ledger.book().head().seq;
            let shown = decided.as_ref();
            let shown = shown.map(|how| stages::told(how, backups, &row.began, &failed, head));
            // Once its server answers again, there are stages left until all that lives is known.
            if shown.is_some() || view.phase != Phase::Ready || !self.frozen() {
                self.board.comes_back(shown);
            }
        }
        decided
    }

    /// Whether what is to be done about lost data is still to be done: what went before may have taken hours,
    /// and somebody may have brought the data back. What cannot be told yet is waited for.
    ///
    /// # Errors
    /// Why it is not to be done any more; for a person.
    async fn still_lost(&self, name: &DbName, how: &Recovery) -> Result<(), String> {
        let until = Instant::now() + UNTIL_READY;
        loop {
            self.queue.look(name).await;
            self.hands_on(name)?;
            let book = self.ledger.book();
            let row = book.row(name).ok_or_else(|| format!("{name} is gone"))?;
            let view = self.board.view(name);
            let degraded = view.as_ref().is_some_and(|v| v.phase == Phase::Degraded);
            match self.decided(row, self.clock.now()) {
                Some(now) if discriminant(&now) == discriminant(how) => return Ok(()),
                Some(_) => return Err(format!("{name} is to come back otherwise by now")),
                None if *how == Recovery::LetIn => {
                    return Err(format!("{name} lets db4sci in by now"));
                }
                // Its server may be starting, or the engine away.
                None if degraded && Instant::now() < until => tokio::time::sleep(PAUSE).await,
                None if degraded => return Err(format!("what became of {name} cannot be told")),
                None => {
                    let mut held = view.iter().flat_map(|view| &view.held);
                    return Err(match held.find(|held| held.reason.no_data()) {
                        Some(held) => format!("{name} is held otherwise by now: {}", held.message),
                        None => match view.as_ref().map(|view| view.phase) {
                            Some(Phase::Ready) | None => {
                                format!("what {name} had lost is there again")
                            }
                            Some(phase) => format!("{name} is {phase} by now"),
                        },
                    });
                }
            }
        }
    }

    /// Whether a server may be stopped by itself, as of now: a person may have taken hands off it.
    ///
    /// # Errors
    /// Why not; for a person.
    pub(super) fn hands_on(&self, name: &DbName) -> Result<(), String> {
        let book = self.ledger.book();
        let row = book.row(name).ok_or_else(|| format!("{name} is gone"))?;
        if let Some(why) = row.host_refused() {
            return Err(why);
        }
        match row.wanted() {
            WantedState::Maintenance => Err(format!(
                "hands are off `{name}` by now; see: db4sci describe {name}"
            )),
            WantedState::Running | WantedState::Stopped | WantedState::Retired => Ok(()),
        }
    }

    /// Remembers what a database could not be brought back from.
    fn remembered<T>(&self, from: &BackupId, done: Result<T, String>) -> Result<T, String> {
        if done.is_err() {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            *failed.entry(from.clone()).or_default() += 1;
        }
        done
    }

    /// Forgets what a database could not be brought back from: it is back.
    fn came_back(&self, row: &Row) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.retain(|id, _| !row.backups.contains_key(id));
    }

    /// Brings a database back, and remembers what it could not be brought back from.
    pub(super) async fn recover(&self, row: &Row, how: Recovery) -> Result<String, String> {
        let db = &row.database;
        let name = &db.name;
        // Once: it is tried again for as long as no store answers. Nothing is lost where only a login is
        // refused.
        let evidence = match how {
            Recovery::LetIn => None,
            Recovery::Restore(_) | Recovery::StartOver if self.failed_before(name) => {
                let kept = self.archive.dirs.evidence(&self.archive.site, db).await;
                kept.ok().flatten().map(|kept| PathBuf::from(kept.folder))
            }
            Recovery::Restore(_) | Recovery::StartOver => self.keep_evidence(db).await,
        };
        let logs = evidence.as_ref().map_or(String::new(), |folder| {
            format!(
                "; what was seen of it, and its server's log, are in {}",
                folder.display()
            )
        });
        match &how {
            Recovery::LetIn => {
                if let Err(why) = self.still_lost(name, &how).await {
                    return self.left_alone(name, why).await;
                }
                self.let_in(row).await
            }
            Recovery::Restore(id) => {
                let backup = self.remembered(id, self.chosen(row, Some(id)))?;
                let built = self.remembered(id, self.built(row, &backup).await)?;
                if let Err(why) = self.still_lost(name, &how).await {
                    return self.left_alone(name, why).await;
                }
                let done = self.replace(row, &backup, built, evidence.as_deref()).await;
                let done = self.remembered(id, done)?;
                self.came_back(row);
                let gone = if name.is_mydb_admin() {
                    "what was accepted since is brought in from the ledger".to_owned()
                } else {
                    format!(
                        "what was written since {} is lost",
                        backup.started.format("%F %H:%M UTC")
                    )
                };
                let message = format!("{name} had lost its data: {done}{logs}; {gone}");
                let change = Change::Acted {
                    action: "recovered".to_owned(),
                };
                self.note(name, Outcome::Done, message.clone(), change)
                    .await?;
                Ok(message)
            }
            Recovery::StartOver => {
                if let Err(why) = self.still_lost(name, &how).await {
                    return self.left_alone(name, why).await;
                }
                let resting = self.board.rest(name);
                // After this no lane of an older look is under way.
                self.queue.look(name).await;
                self.hands_on(name)?;
                self.archive
                    .take_down(db)
                    .await
                    .map_err(|e| e.to_string())?;
                self.spare(db).await.map_err(|e| e.to_string())?;
                let kept = self.archive.dirs.give_up(db, self.clock.now()).await;
                let kept = kept.map_err(|e| e.to_string())?;
                self.came_back(row);
                failpoint("start_over.given_up");
                let message = format!(
                    "{name} had lost its data, and there is no backup of it: it begins anew, and is \
                     filled from the ledger; what was left is kept in {}{logs}",
                    kept.display()
                );
                let words = "what was left of its data was moved there when it began anew";
                self.link(evidence.as_deref(), &kept, words).await;
                let change = Change::StartedOver { uid: db.uid };
                self.note(name, Outcome::Done, message.clone(), change)
                    .await?;
                drop(resting);
                self.queue.look(name).await;
                Ok(message)
            }
        }
    }

    /// Says that a recovery ends without having changed anything, since there is nothing to recover.
    async fn left_alone(&self, name: &DbName, why: String) -> Result<String, String> {
        let why = format!("{why}; nothing was changed");
        self.note(name, Outcome::Done, why.clone(), Change::Noted)
            .await?;
        Ok(why)
    }

    /// Keeps what there was: whoever asks later why its data was lost finds it.
    async fn keep_evidence(&self, db: &Database) -> Option<PathBuf> {
        let archive = &self.archive;
        let source = Source {
            runtime: archive.runtime.as_ref(),
            dirs: archive.dirs.as_ref(),
            site: &archive.site,
        };
        let name = &db.name;
        let (now, shown) = (self.clock.now(), self.board.view(name));
        match evidence::keep(&source, db, now, "its data was lost", shown.as_deref()).await {
            Ok(place) => {
                tracing::warn!(%name, place = %place.display(), "evidence is kept");
                Some(place)
            }
            Err(error) => {
                tracing::warn!(%name, %error, "evidence is not kept");
                None
            }
        }
    }
}
