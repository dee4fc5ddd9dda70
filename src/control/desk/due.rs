//! What is due of a database by itself.

use std::path::PathBuf;

use super::again::About;
use super::left::half_taken;
use super::{Desk, END_AGAIN, RECOVER_AGAIN, STORE_AGAIN};
use crate::admin::Row;
use crate::model::database::Source;
use crate::model::{DbName, Timestamp};
use crate::plan::backups::Work;
use crate::plan::recovery::Recovery;

/// What is due by itself.
pub(super) enum Due {
    /// The end of a work that the ledger did not take.
    Unsaid,
    /// A restore that was cut off.
    EndRestore,
    Rename(DbName, Source),
    Eject(PathBuf),
    /// A copy that was cut off is finished, or what is left of it goes.
    EndCopy,
    /// Backups that were cut off.
    EndBackups,
    Recovery(Recovery),
    Backup(Work),
}

impl Due {
    /// In words.
    pub(super) fn what(&self) -> String {
        match self {
            Due::Unsaid => "end of what is done already".to_owned(),
            Due::EndRestore => "end of a restore that was cut off".to_owned(),
            Due::EndBackups => "end of backups that were cut off".to_owned(),
            Due::EndCopy => "end of a copy that was cut off".to_owned(),
            Due::Rename(to, _) => format!("rename to {to}"),
            Due::Eject(to) => format!("release to {}", to.display()),
            Due::Recovery(Recovery::Restore(id)) => format!("recovery from {id}"),
            Due::Recovery(Recovery::StartOver) => "recovery from the ledger".to_owned(),
            Due::Recovery(Recovery::LetIn) => "its login made right again".to_owned(),
            Due::Backup(Work::Take { kind, .. }) => format!("{} backup", kind.as_str()),
            Due::Backup(Work::Verify(id)) => format!("restore test of {id}"),
            Due::Backup(Work::Prune(ids)) => format!("removal of {} backups", ids.len()),
            Due::Backup(Work::Hibernate(_)) => "hibernation".to_owned(),
            Due::Backup(Work::Retire(_)) => "retirement".to_owned(),
            Due::Backup(Work::SetTombstone | Work::TakeTombstone) => "tombstone".to_owned(),
            Due::Backup(Work::Remove(_)) => "removal of its data".to_owned(),
        }
    }
}

impl Desk {
    /// What is due of a database by itself: what an earlier daemon had begun comes first, and until it
    /// is over nothing else is.
    pub(super) fn due(&self, row: &Row, now: Timestamp) -> Option<Due> {
        if self.archive.unsaid.about(&row.database.name) {
            return Some(Due::Unsaid);
        }
        // Its data may be in neither place: it is not left so, whoever has hands off what.
        if row.restoring.is_some() {
            let waits = self.waits(&row.database.name, About::Restore, now);
            return (!waits).then_some(Due::EndRestore);
        }
        // Hands off the host: nothing begins by itself, and nothing goes on.
        if row.host.is_some() {
            return None;
        }
        if let Some((to, source)) = &row.renaming {
            let waits = self.waits(&row.database.name, About::Begun, now);
            return (!waits).then(|| Due::Rename(to.clone(), source.clone()));
        }
        if let Some(to) = &row.ejecting {
            return (!self.waits(&row.database.name, About::Begun, now))
                .then(|| Due::Eject(to.clone()));
        }
        if row.copying.is_some() {
            // It may remove data, and after harm the ledger may know less of it than is the case.
            let waits = self.frozen() || self.waits(&row.database.name, About::Begun, now);
            return (!waits).then_some(Due::EndCopy);
        }
        if let Some(recovery) = self.lost(row, now) {
            return Some(Due::Recovery(recovery));
        }
        // A store that does not say what became of one keeps nothing else from being done.
        if half_taken(row) && !self.waits(&row.database.name, About::Backups, now) {
            return Some(Due::EndBackups);
        }
        self.ask(row, now).map(Due::Backup)
    }

    /// Does it.
    pub(super) async fn do_due(&self, row: Row, due: Due) -> Result<String, String> {
        match due {
            Due::Unsaid => {
                let said = self.archive.say_again(&row.database.name).await;
                let name = &row.database.name;
                said.map(|()| format!("what was done for {name} is written"))
                    .map_err(|e| e.to_string())
            }
            Due::EndRestore => {
                let done = self.end_restore(&row.database.name).await;
                self.put_off(&row, About::Restore, END_AGAIN, done).await
            }
            Due::EndBackups => {
                let done = self.end_backups(&row.database.name).await;
                self.put_off(&row, About::Backups, STORE_AGAIN, done).await
            }
            Due::Rename(to, source) => {
                let done = self.finish_rename(&row.database.name, &to, source).await;
                self.put_off(&row, About::Begun, END_AGAIN, done).await
            }
            Due::Eject(to) => {
                let done = self.finish_eject(&row.database.name, &to).await;
                self.put_off(&row, About::Begun, END_AGAIN, done).await
            }
            Due::EndCopy => {
                let why = "the daemon ended while it was made".to_owned();
                let done = self.end_copy(&row.database, why).await;
                self.put_off(&row, About::Begun, END_AGAIN, done).await
            }
            Due::Recovery(recovery) => {
                let done = self.recover(&row, recovery).await;
                if self.turns.end(row.database.uid) {
                    self.done.notify_one();
                }
                self.put_off(&row, About::Recovery, RECOVER_AGAIN, done)
                    .await
            }
            Due::Backup(work) => self.carry_out(row, work).await,
        }
    }
}
