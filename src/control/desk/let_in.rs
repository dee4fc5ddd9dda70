//! `mydb_admin` refuses db4sci's own login: somebody changed a password, a role or the file that says who
//! may come in. What the login needs is set again, with its server down for a moment.

use std::sync::PoisonError;

use super::Desk;
use super::restore::told;
use crate::admin::Row;
use crate::execute::backup::image_of;
use crate::execute::failpoint::failpoint;
use crate::model::action::LET_IN;
use crate::model::{Change, Outcome};

impl Desk {
    /// Lets db4sci in again. Nothing of its data is lost, and nothing is restored.
    pub(super) async fn let_in(&self, row: &Row) -> Result<String, String> {
        let db = &row.database;
        let name = &db.name;
        let now = self.clock.now();
        {
            let mut let_ins = self.let_in.lock().unwrap_or_else(PoisonError::into_inner);
            if !let_ins.begin(now) {
                return Err(format!(
                    "{name} refuses db4sci's own login again and again: it is left alone until an hour \
                     is over since the first of these; see who does it: db4sci logs {name}"
                ));
            }
        }
        let why = self.board.view(name).map(|view| view.message.clone());
        let acted = || Change::Acted {
            action: LET_IN.to_owned(),
        };
        let message = why.unwrap_or_else(|| "it refuses db4sci's own login".to_owned());
        self.note(name, Outcome::Done, message, acted()).await?;
        let image = image_of(db).map_err(told)?;
        let resting = self.board.rest(name);
        // After this no lane of an older look is under way.
        self.queue.look(name).await;
        self.hands_on(name)?;
        self.archive.take_down(db).await.map_err(told)?;
        failpoint("let_in.down");
        let set = self.archive.let_in(db, &image).await;
        failpoint("let_in.set");
        drop(resting);
        // Whatever came of it, it is not left down.
        self.queue.look(name).await;
        set.map_err(told)?;
        let message = format!(
            "{name} had shut db4sci out: its superuser's role and password, and its pg_hba.conf, are set \
             again (the file from before lies beside it); its data was not touched"
        );
        self.note(name, Outcome::Done, message.clone(), acted())
            .await?;
        Ok(message)
    }
}
