//! What the files of `desired-state/` say, taken in.

use std::collections::BTreeMap;

use super::commit::Origin;
use super::judge::{Admitted, judge, refusal};
use super::released::unwanted;
use super::{Intake, fresh};
use crate::admin::Book;
use crate::model::database::Source;
use crate::model::{Database, DbName, Problem, Who};
use crate::specs::{Merged, Rules, admit_every};

impl Intake {
    /// Admits what the files say; gives what is wrong with them.
    pub(super) async fn admit_files(
        &self,
        book: &Book,
        merged: &Merged,
        rules: &mut Rules,
        origin: &mut Origin<'_>,
    ) -> Vec<Problem> {
        let accepted: BTreeMap<DbName, Database> = book
            .rows()
            .map(|(name, row)| (name.clone(), Database::clone(&row.database)))
            .collect();
        let mut problems = Vec::new();
        for verdict in admit_every(merged, &accepted, rules, fresh) {
            if let Some(found) = unwanted(book, merged, &verdict) {
                problems.extend(found);
                continue;
            }
            let Some(name) = verdict.name else {
                problems.extend(verdict.result.err().unwrap_or_default());
                continue;
            };
            let who = Who::File(verdict.path.clone());
            let (mut entries, admitted) = judge(book, &who, &name, verdict.result);
            origin.sign(&verdict.path, &mut entries).await;
            if let Admitted::Refused(found) = admitted {
                problems.extend(found);
            }
            if let Err(error) = self.write(&name, entries).await {
                problems.push(Problem::new("", error.to_string()).of(&name));
            }
        }
        problems
    }

    /// Files that cannot be read as specs: their databases go on with the last good one, and say so.
    pub(super) async fn refuse_broken(&self, merged: &Merged, origin: &mut Origin<'_>) {
        let mut by_name: BTreeMap<&DbName, Vec<String>> = BTreeMap::new();
        for problem in &merged.problems {
            if let Some(name) = &problem.name
                && !merged.renamed.iter().any(|r| r.old == *name)
                && !merged.candidates.iter().any(|c| c.name == *name)
            {
                by_name.entry(name).or_default().push(problem.to_string());
            }
        }
        let book = self.ledger.book();
        for (name, lines) in by_name {
            let Some(Source::File(path)) = book.row(name).map(|row| &row.database.source) else {
                continue;
            };
            let mut entries = refusal(&book, &Who::File(path.clone()), name, lines);
            origin.sign(path, &mut entries).await;
            if let Err(error) = self.write(name, entries).await {
                tracing::warn!(%name, %error, "a refusal could not be recorded");
            }
        }
    }
}
