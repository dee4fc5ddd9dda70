//! Specs that are handed in over the API.

use std::sync::Arc;

use crate::admin::Row;
use crate::control::intake::Admitted;
use crate::http::backend::{Applied, AppliedOutcome};
use crate::http::document::Document;
use crate::http::peer::Caller;
use crate::http::refusal::Refusal;
use crate::model::{Database, DbName, Problem};
use crate::specs;
use crate::specs::access::Need;

use super::backend::{Daemon, unavailable};

impl Daemon {
    pub(super) async fn apply_one(
        &self,
        caller: &Caller,
        document: &Document,
        dry_run: bool,
    ) -> Result<Applied, Refusal> {
        let refused = |problems: Vec<Problem>| Applied {
            name: problems.iter().find_map(|p| p.name.clone()),
            outcome: AppliedOutcome::Refused,
            generation: None,
            problems,
            view: None,
        };
        let parsed = match specs::parse(&document.text, &document.origin) {
            Ok(parsed) => parsed,
            Err(problems) => return Ok(refused(problems)),
        };
        let book = self.ledger.book();
        let name: Option<DbName> = parsed.raw.metadata.name.parse().ok();
        let row = name.as_ref().and_then(|name| book.row(name));
        let earlier = row.map(|row| row.database.clone());
        let may = match &earlier {
            Some(db) => dry_run || self.is(caller, db, Need::Owner).await,
            None => true,
        };
        let over = earlier.as_ref().map(|db| db.uid);
        // Of somebody who may not change it, a spec is only compared with the one in force.
        let who = caller.who.clone();
        let admitted = self.intake.api(who, &parsed, dry_run || !may, over).await;
        let admitted = match (admitted.map_err(unavailable)?, &earlier) {
            (Admitted::Configured(_), Some(db)) if !may => {
                let message = Need::Owner.refusal(&caller.user, db);
                let problem = Problem::new("metadata.name", message).of(&db.name);
                return Ok(refused(vec![parsed.places.locate(problem)]));
            }
            (admitted, _) => admitted,
        };
        let (outcome, database) = match admitted {
            Admitted::Refused(problems) => return Ok(refused(problems)),
            Admitted::Created(db) => (AppliedOutcome::Created, db),
            Admitted::Configured(db) => (AppliedOutcome::Configured, db),
            Admitted::Unchanged(db) => (AppliedOutcome::Unchanged, db),
        };
        let view = if dry_run {
            Some(Box::new(self.preview(&database).await))
        } else {
            None
        };
        Ok(Applied {
            name: Some(database.name.clone()),
            outcome,
            generation: Some(database.generation),
            problems: Vec::new(),
            view,
        })
    }

    /// What would be done, were this the spec.
    async fn preview(&self, database: &Database) -> crate::model::view::DatabaseView {
        let row = match self.ledger.book().row(&database.name) {
            Some(row) => Row {
                database: Arc::new(database.clone()),
                refused: None,
                ..row.clone()
            },
            None => Row::new(database.clone(), self.clock.now()),
        };
        self.reconciler.preview(&row).await
    }
}

/// A refusal in the middle of several specs, which says how many before it were taken all the same.
pub(super) fn after(taken: usize, all: usize, mut refusal: Refusal) -> Refusal {
    if taken > 0 {
        refusal.message = format!(
            "{taken} of {all} specs were taken; of the next one: {}",
            refusal.message
        );
    }
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::refusal::RefusalKind;

    #[test]
    fn what_was_taken_before_a_refusal_is_told() {
        let refusal = || Refusal::new(RefusalKind::Unavailable, "no space; nothing was changed");
        assert_eq!(after(0, 3, refusal()).message, refusal().message);
        assert_eq!(
            after(2, 3, refusal()).message,
            "2 of 3 specs were taken; of the next one: no space; nothing was changed"
        );
    }
}
