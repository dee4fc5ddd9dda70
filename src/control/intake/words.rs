//! A person's word over a spec.

use crate::admin::{LedgerError, NewEntry, Row};
use crate::model::{Change, DbName, Outcome, Override, OverrideState, Timestamp, Who};
use crate::plan::stewardship;

use super::Intake;
use super::judge::entry;

impl Intake {
    /// Puts a person's word over a spec. Gives when it ends.
    ///
    /// # Errors
    /// When the ledger refuses it, or cannot be written.
    pub async fn over(
        &self,
        who: Who,
        name: &DbName,
        state: OverrideState,
        until: Option<Timestamp>,
        reason: String,
    ) -> Result<Option<Timestamp>, LedgerError> {
        let until = self.ends(name, state, until);
        let word = self.word(who, name, state, until, reason);
        self.write(name, vec![word]).await.map(|()| until)
    }

    /// When a word ends that is said now.
    pub(super) fn ends(
        &self,
        name: &DbName,
        state: OverrideState,
        until: Option<Timestamp>,
    ) -> Option<Timestamp> {
        let held_back = self.ledger.book().row(name).is_some_and(Row::held_back);
        stewardship::ends(state, until, held_back, self.clock.now())
    }

    pub(super) fn word(
        &self,
        who: Who,
        name: &DbName,
        state: OverrideState,
        until: Option<Timestamp>,
        reason: String,
    ) -> NewEntry {
        let end = until.map_or("until resumed".to_owned(), |at| {
            format!("until {}", at.format("%F %T UTC"))
        });
        let why = if reason.is_empty() {
            "no reason given"
        } else {
            &reason
        };
        let message = format!("{state:?} {end}: {why}");
        let since = self.clock.now();
        let by = Override {
            state,
            until,
            reason,
            who: who.clone(),
            since,
        };
        entry(
            &who,
            name,
            Outcome::Done,
            message,
            Change::Overridden { by },
        )
    }
}
