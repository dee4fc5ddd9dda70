//! Specs that are handed in over the API.

use std::sync::Arc;

use crate::admin::Row;
use crate::control::Rehearsal;
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
        reason: &str,
        rehearsal: Option<&mut Rehearsal>,
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
        let (written, dry_run) = (self.ledger.book(), rehearsal.is_some());
        let book = rehearsal.as_deref().map_or(&*written, Rehearsal::book);
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
        let mut compared = (!may).then(|| self.reconciler.rehearsal());
        let mut rehearsal = rehearsal.or(compared.as_mut());
        let admitted = self
            .intake
            .api(who, &parsed, reason, rehearsal.as_deref_mut(), over)
            .await;
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
        let view = match rehearsal.filter(|_| dry_run) {
            Some(rehearsal) => Some(Box::new(self.preview(&database, rehearsal).await)),
            None => None,
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
    async fn preview(
        &self,
        database: &Database,
        rehearsal: &mut Rehearsal,
    ) -> crate::model::view::DatabaseView {
        let row = match rehearsal.book().row(&database.name) {
            Some(row) => Row {
                database: Arc::new(database.clone()),
                refused: None,
                ..row.clone()
            },
            None => Row::new(database.clone(), self.clock.now()),
        };
        self.reconciler.preview(&row, rehearsal).await
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
    use crate::admin::{Query, testing::name};
    use crate::app::rights::tests::{caller, daemon};
    use crate::http::backend::Backend;
    use crate::http::document;
    use crate::http::refusal::RefusalKind;

    fn spec(name: &str, more: &str) -> String {
        format!(
            "apiVersion: db4sci/v1\nkind: Database\nmetadata: {{name: {name}}}\nspec:\n  engine: Postgres\n  \
             owner: lab\n  contact: lab@example.org\n{more}"
        )
    }

    #[tokio::test]
    async fn a_dry_run_of_many_specs_says_what_their_real_run_would_say() {
        use AppliedOutcome::{Configured, Created, Refused, Unchanged};
        let folder = tempfile::tempdir().unwrap();
        let daemon = daemon(folder.path()).await;
        let all = [
            spec("assays", "  port: 32100\n"),
            spec("biopsies", "  port: 32100\n"),
            spec("cohorts", ""),
            spec("cultures", ""),
            spec("cohorts", "  resources: {memory: 3Gi}\n"),
            spec("cohorts", "  resources: {memory: 3Gi}\n"),
        ];
        let documents = document::split("all.yaml".as_ref(), &all.join("---\n"));
        let before = daemon.ledger.book();
        let lab = caller("lab");
        let dry = daemon.apply(&lab, &documents, "", true).await.unwrap();
        assert_eq!(daemon.ledger.book(), before, "nothing is written");
        let real = daemon.apply(&lab, &documents, "", false).await.unwrap();
        for results in [&dry, &real] {
            let outcomes: Vec<_> = results.iter().map(|result| result.outcome).collect();
            let expected = [Created, Refused, Created, Created, Configured, Unchanged];
            assert_eq!(outcomes, expected, "{results:?}");
        }
        for (dry, real) in dry.iter().zip(&real) {
            assert_eq!((&dry.name, dry.generation), (&real.name, real.generation));
            let problems = |of: &Applied| -> Vec<String> {
                of.problems.iter().map(ToString::to_string).collect()
            };
            assert_eq!(problems(dry), problems(real));
        }
        // The port that each is shown is the one that it gets.
        for result in &dry[2..4] {
            let view = result.view.as_ref().unwrap();
            let row = daemon.database(&view.name).unwrap();
            assert_eq!(view.port, row.port.get(), "{}", view.name);
        }
    }

    #[tokio::test]
    async fn a_spec_that_is_handed_in_with_a_reason_has_it_in_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let daemon = daemon(folder.path()).await;
        let lab = caller("lab");
        for more in ["", "  resources: {memory: 3Gi}\n"] {
            let documents = document::split("one.yaml".as_ref(), &spec("assays", more));
            let done = daemon.apply(&lab, &documents, "INC-812", false).await;
            assert!(done.unwrap()[0].problems.is_empty());
            let query = Query::of(&daemon.ledger.book(), &name("assays"), 9);
            let entries = daemon.ledger.entries(&query).await.unwrap();
            let newest = entries.iter().max_by_key(|entry| entry.seq).unwrap();
            assert!(newest.message.ends_with(": INC-812"), "{}", newest.message);
            assert_eq!(newest.who, lab.who);
        }
    }

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
