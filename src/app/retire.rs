//! `delete` and `undelete`: another wanted state, for what no file describes.

use std::path::Path;

use serde_json::json;

use crate::control::{Admitted, if_gone};
use crate::http::peer::Caller;
use crate::http::refusal::{Refusal, RefusalKind};
use crate::model::database::Source;
use crate::model::{Change, DbName, End, WantedState};
use crate::specs;
use crate::specs::access::Need;

use super::backend::{Daemon, because, unavailable};

impl Daemon {
    /// Wants a database retired, or running again.
    pub(super) async fn want(
        &self,
        caller: &Caller,
        name: &DbName,
        state: WantedState,
        reason: String,
    ) -> Result<String, Refusal> {
        let conflict = |message: String| Refusal::new(RefusalKind::Conflict, message);
        let row = self.row_for(caller, name, Need::Owner).await?;
        let db = &row.database;
        if name.is_mydb_admin() {
            let message = "mydb_admin is DB4Sci's own memory and is not deleted";
            return Err(conflict(message.to_owned()));
        }
        if let Some(why) = row.gone().or_else(|| row.host_refused()) {
            return Err(conflict(format!("{why}; nothing was changed")));
        }
        let retired = db.state == WantedState::Retired;
        if retired == (state == WantedState::Retired) {
            let message = if retired && row.over.is_some() {
                format!(
                    "{name} is to be retired already, and an override is in force; end it: db4sci resume {name}"
                )
            } else if retired {
                format!("{name} is being retired already; see: db4sci describe {name}")
            } else {
                format!("{name} is not deleted; nothing was changed")
            };
            return Err(conflict(message));
        }
        if let Source::File(path) = &db.source {
            let word = if retired { "Running" } else { "Retired" };
            return Err(conflict(format!(
                "`{name}` is described by {}, and files win; write `state: {word}` there{}, nothing was \
                 changed",
                path.display(),
                if_gone(name.as_str())
            )));
        }
        let who = caller.who.clone();
        let mut spec = specs::export(db);
        spec["spec"]["state"] = json!(state);
        let told = |problems: Vec<crate::model::Problem>| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            conflict(lines.join("; "))
        };
        let origin = Path::new("the spec in force");
        let parsed = specs::parse(&spec.to_string(), origin).map_err(told)?;
        let what = if retired {
            "is wanted again; its data was kept"
        } else {
            "is to be retired: a final backup is taken and restored to prove it, then it is stopped; \
             its data is kept for a while"
        };
        let message = format!("{name} {what}{}", because(&reason));
        let admitted = self
            .intake
            .state(who, &parsed, &reason, db.uid, message.clone());
        match admitted.await.map_err(unavailable)? {
            Admitted::Refused(problems) => Err(told(problems)),
            Admitted::Created(_) | Admitted::Configured(_) | Admitted::Unchanged(_) => Ok(message),
        }
    }

    /// Lets another database have the name of one whose data was removed.
    pub(super) async fn let_go(
        &self,
        caller: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal> {
        let conflict = |message: String| Err(Refusal::new(RefusalKind::Conflict, message));
        let row = self.row_for(caller, name, Need::Owner).await?;
        let db = &row.database;
        let stays = match row.end {
            Some(End::Ejected(_)) => format!(
                " (what lies in {} stays, and is in the way of another {name} on that volume)",
                db.data_dir().display()
            ),
            Some(End::Removing | End::Removed(_)) | None => String::new(),
        };
        if !matches!(row.end, Some(End::Removed(_) | End::Ejected(_))) {
            return conflict(format!(
                "{name} has data here, so its name is not free; nothing was changed"
            ));
        }
        if let Source::File(path) = &db.source
            && self.intake.file(path).exists()
        {
            return conflict(format!(
                "{} describes {name}, and would make it anew, empty; remove that file first, nothing \
                 was changed",
                path.display()
            ));
        }
        let message = format!(
            "{name}: another database may have its name; its backups stay in the stores{stays}{}",
            because(&reason)
        );
        let change = Change::Forgotten { uid: db.uid };
        self.wish(caller.who.clone(), name, message, change).await
    }
}
