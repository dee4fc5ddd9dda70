//! What comes back by itself: data that is lost.

use std::path::PathBuf;
use std::sync::PoisonError;

use super::Desk;
use super::again::About;
use crate::admin::Row;
use crate::execute::evidence::{self, Source};
use crate::execute::failpoint::failpoint;
use crate::model::view::Phase;
use crate::model::{Change, Database, Outcome, Reason, Timestamp};
use crate::plan::recovery::{self, Recovery};
use crate::plan::stages;

impl Desk {
    /// What is to be done by itself about lost data, if it was not tried a moment ago.
    pub(super) fn lost(&self, row: &Row, now: Timestamp) -> Option<Recovery> {
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
        drop(failed);
        let recovery = decided?;
        let told = recovery == Recovery::LetIn && {
            let let_ins = self.let_in.lock().unwrap_or_else(PoisonError::into_inner);
            !let_ins.due(now)
        };
        (!told && !self.waits(&db.name, About::Recovery, now)).then_some(recovery)
    }

    /// Brings a database back, and remembers what it could not be brought back from.
    pub(super) async fn try_recovery(&self, row: &Row, how: Recovery) -> Result<String, String> {
        let from = match &how {
            Recovery::Restore(id) => Some(id.clone()),
            Recovery::StartOver | Recovery::LetIn => None,
        };
        let done = self.recover(row, how).await;
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match (&done, from) {
            (Ok(_), _) => failed.retain(|id, _| !row.backups.contains_key(id)),
            (Err(_), Some(id)) => *failed.entry(id).or_default() += 1,
            (Err(_), None) => {}
        }
        drop(failed);
        done
    }

    /// Brings a database back.
    async fn recover(&self, row: &Row, how: Recovery) -> Result<String, String> {
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
        match how {
            Recovery::LetIn => self.let_in(row).await,
            Recovery::Restore(id) => {
                let backup = self.chosen(row, Some(&id))?;
                let done = self.restore(row, &backup, evidence.as_deref()).await?;
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
                self.archive
                    .take_down(db)
                    .await
                    .map_err(|e| e.to_string())?;
                self.spare(db).await.map_err(|e| e.to_string())?;
                let kept = self.archive.dirs.give_up(db, self.clock.now()).await;
                let kept = kept.map_err(|e| e.to_string())?;
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
                self.queue.look(name).await;
                Ok(message)
            }
        }
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
