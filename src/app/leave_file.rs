//! `release --to-rows`: the spec of a database whose file is gone for good, in the ledger from now on.

use crate::admin::{NewEntry, Row};
use crate::http::peer::Caller;
use crate::http::refusal::{Refusal, RefusalKind};
use crate::model::database::Source;
use crate::model::{Change, DbName, Outcome};
use crate::specs;
use crate::specs::access::Need;

use super::backend::{Daemon, because, unavailable};

impl Daemon {
    /// Releases a spec from its file.
    pub(super) async fn leave_file(
        &self,
        caller: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal> {
        let conflict = |message: String| {
            Refusal::new(
                RefusalKind::Conflict,
                format!("{message}; nothing was changed"),
            )
        };
        let seen = self.row_for(caller, name, Need::Owner).await?;
        if reason.trim().is_empty() {
            return Err(conflict(format!(
                "a release from its file needs a reason, for the log: db4sci release {name} --to-rows \
                 --reason TEXT"
            )));
        }
        let path = file_of(&seen).map_err(conflict)?;
        let gone = self.intake.file_is_gone(name, &path).await;
        gone.map_err(|why| conflict(format!("`{name}`: {why}")))?;
        // As it is after that look at the files.
        let row = self.row(name)?;
        let path = file_of(&row).map_err(conflict)?;
        let message = format!(
            "{name}: its spec is released from {}, and no file takes it back unless it says what is in force; \
             from now on `db4sci apply`, `delete` and SQL change it{}",
            path.display(),
            because(&reason)
        );
        let database = Box::new(specs::to_rows(&row.database));
        let entry = NewEntry {
            who: caller.who.clone(),
            name: Some(name.clone()),
            outcome: Outcome::Done,
            message: message.clone(),
            change: Change::Admitted { database },
        };
        self.intake.in_turn(entry).await.map_err(unavailable)?;
        // It is nobody's orphan any more.
        self.intake.files().await;
        Ok(message)
    }
}

/// The file that a spec can be released from; why there is none.
fn file_of(row: &Row) -> Result<std::path::PathBuf, String> {
    let db = &row.database;
    let name = &db.name;
    if let Some(why) = row.gone().or_else(|| row.on_its_way()) {
        return Err(why);
    }
    match &db.source {
        Source::File(path) => Ok(path.clone()),
        Source::Builtin => Err(format!(
            "{name} is DB4Sci's own memory, and no file describes it"
        )),
        Source::Row | Source::Api => Err(format!(
            "no file describes `{name}`: change it as it is, with `db4sci apply`, `delete` or SQL"
        )),
    }
}
