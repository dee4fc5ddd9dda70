//! What a person says about steps that wait, and about the whole host.

use futures_util::future::join_all;

use crate::admin::NewEntry;
use crate::http::peer::Caller;
use crate::http::refusal::{Refusal, RefusalKind};
use crate::model::view::DatabaseView;
use crate::model::{Change, DbName, Outcome, Override, OverrideState, Timestamp};
use crate::plan::approval::{self, Waiting};
use crate::specs::access::Need;

use super::backend::{Daemon, LOOK, because, unavailable};

impl Daemon {
    /// Lets steps begin that a hash names. They are looked at anew first: what was shown may be old.
    pub(super) async fn let_begin(
        &self,
        caller: &Caller,
        hash: &str,
        name: Option<&DbName>,
        reason: String,
    ) -> Result<String, Refusal> {
        if let Some(name) = name {
            self.database(name)?;
        }
        let conflict = |why| Refusal::new(RefusalKind::Conflict, why);
        let shown = self.board.watch().borrow().clone();
        let named = approval::named(&shown.databases, hash, name).map_err(conflict)?;
        let looks = named.iter().map(|one| self.queue.look(&one.view.name));
        // Safe to cancel: looks go on by themselves, and whatever is shown by then counts.
        let _ = tokio::time::timeout(LOOK, join_all(looks)).await;
        let shown = self.board.watch().borrow().clone();
        let named = approval::named(&shown.databases, hash, name).map_err(conflict)?;
        for one in &named {
            self.row_for(caller, &one.view.name, Need::Owner).await?;
        }
        let entries: Vec<NewEntry> = named
            .iter()
            .map(|one| NewEntry {
                who: caller.who.clone(),
                name: Some(one.view.name.clone()),
                outcome: Outcome::Done,
                message: format!("approved: {}{}", one.line(), because(&reason)),
                change: Change::Approved {
                    uid: one.view.uid,
                    hash: one.hash(),
                },
            })
            .collect();
        self.ledger.append_all(entries).await.map_err(unavailable)?;
        for one in &named {
            self.queue.add(&one.view.name);
        }
        let lines: Vec<String> = named.iter().map(Waiting::line).collect();
        Ok(format!(
            "approved, and begun as soon as may be: {}",
            lines.join("; ")
        ))
    }

    /// Takes hands off the whole host, or puts them on it again.
    pub(super) async fn hands(
        &self,
        caller: &Caller,
        off: bool,
        until: Option<Timestamp>,
        reason: String,
    ) -> Result<String, Refusal> {
        self.admin_only(caller).await?;
        let who = caller.who.clone();
        let (message, change) = if off {
            let end = until.map_or_else(
                || "until `db4sci maintenance off --all`".to_owned(),
                |at| format!("until {}", at.format("%F %T UTC")),
            );
            let by = Override {
                state: OverrideState::Maintenance,
                until,
                reason: reason.clone(),
                who: who.clone(),
                since: self.clock.now(),
            };
            let message = format!(
                "hands are off every database of this host, mydb_admin included, {end}{}: nothing is \
                 started, stopped, backed up or removed",
                because(&reason)
            );
            (message, Change::HandsOff { by })
        } else {
            let message = format!("hands are on this host again{}", because(&reason));
            (message, Change::HandsOn { since: None })
        };
        let entry = NewEntry {
            who,
            name: None,
            outcome: Outcome::Done,
            message: message.clone(),
            change,
        };
        self.ledger.append(entry).await.map_err(unavailable)?;
        for (name, _) in self.ledger.book().rows() {
            self.queue.add(name);
        }
        let shown = self.board.watch().borrow().clone();
        let halfway = if off {
            left_halfway(&shown.databases)
        } else {
            String::new()
        };
        Ok(format!("{message}{halfway}"))
    }
}

/// What is told of databases that something is under way for when hands go off: what is down after its present
/// steps is not started again.
fn left_halfway(all: &[DatabaseView]) -> String {
    let halfway = all.iter().filter(|view| view.lane.is_some() && !view.ready);
    let names: Vec<&str> = halfway.map(|view| view.name.as_str()).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(
        ". Something is under way for {}: what is down once its present steps are over stays down until hands \
         are on again; see: db4sci get",
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Cost;
    use crate::plan::render::sample::{lane, ready};

    #[test]
    fn whoever_takes_hands_off_the_host_hears_what_may_stay_down() {
        let mut all = vec![
            ready("genomics", "Postgres", "17", 32011),
            ready("assays", "Postgres", "17", 32012),
            ready("cohorts", "Postgres", "17", 32013),
        ];
        assert_eq!(left_halfway(&all), "");
        let lane = lane("genomics", Cost::Recreate, &["image"], Vec::new());
        (all[0].ready, all[0].lane) = (false, Some(lane.clone()));
        // One that goes on answering loses nothing, and one that is down for other reasons is nobody's news.
        all[1].lane = Some(lane);
        all[2].ready = false;
        let told = left_halfway(&all);
        assert!(told.contains("under way for genomics: "), "{told}");
    }
}
