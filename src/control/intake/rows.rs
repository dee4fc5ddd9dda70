//! Edits of the `state` table.

use crate::admin::tables::Edit;
use crate::admin::{LedgerError, NewEntry, Row};
use crate::model::database::Source;
use crate::model::{Change, Outcome, OverrideState, Problem, WantedState, Who};
use crate::specs::rows::{self, RowRequest};
use crate::specs::{self, RowEdit};

use super::judge::{Admitted, entry, is_passed, is_stale, judge, refusal, resumption};
use super::{Intake, fresh};

impl Intake {
    /// Takes in a row that a person wrote with SQL. All that follows from it is one append: the
    /// first entry answers the edit, so the others must not be lost.
    ///
    /// # Errors
    /// When the ledger cannot be written; the edit is given out again.
    pub async fn row(&self, edit: &Edit) -> Result<(), LedgerError> {
        let _one = self.one.lock().await;
        let who = Who::Sql {
            user: edit.changed_by.clone(),
            generation: edit.generation,
        };
        let book = self.ledger.book();
        let row = book.row(&edit.name);
        let entries = match row.map(|row| &row.database.source) {
            Some(Source::File(_) | Source::Builtin) => self.over_a_file(&who, edit, row),
            Some(Source::Row | Source::Api) | None => self.spec_of_a_row(&who, edit),
        };
        match self.write(&edit.name, entries).await {
            // It would be given out again for ever, and those behind it never.
            Err(LedgerError::Refused(why)) => {
                let book = self.ledger.book();
                let answer = refusal(&book, &who, &edit.name, vec![why.to_string()]);
                self.write(&edit.name, answer).await
            }
            written => written,
        }
    }

    /// A row that is the spec itself.
    fn spec_of_a_row(&self, who: &Who, edit: &Edit) -> Vec<NewEntry> {
        let book = self.ledger.book();
        let name = &edit.name;
        if let Some(row) = book.row(name).filter(|row| is_stale(edit.at, row)) {
            return refusal(&book, who, name, vec![overtaken(row)]);
        }
        let request = match read(edit) {
            Ok(request) => request,
            Err(lines) => return refusal(&book, who, name, lines),
        };
        let result = self.rules(&book).and_then(|rules| {
            let earlier = book.row(name).map(|row| &*row.database);
            specs::admit(&request.request(), earlier, &rules, fresh())
        });
        let (mut entries, admitted) = judge(&book, who, name, result);
        let passed = book.row(name).filter(|row| is_passed(edit.generation, row));
        match (admitted, request.overriding) {
            (Admitted::Refused(_), _) => {}
            (Admitted::Configured(_), _) if let Some(row) = passed => {
                return refusal(&book, who, name, vec![overtaken(row)]);
            }
            (_, Some(_)) if let Some(why) = book.row(name).and_then(Row::over_refused) => {
                return refusal(&book, who, name, vec![why]);
            }
            (_, Some((state, until, reason))) => {
                entries.push(self.word(who.clone(), name, state, Some(until), reason));
            }
            (_, None) => entries.extend(resumption(
                &book,
                who,
                name,
                "the override ended: the row's own state is in force",
            )),
        }
        entries
    }

    /// A file's row takes a person's word over the state, and nothing else. That is based on no generation
    /// of the spec, so that none overtakes it.
    fn over_a_file(&self, who: &Who, edit: &Edit, row: Option<&Row>) -> Vec<NewEntry> {
        let book = self.ledger.book();
        let name = &edit.name;
        let (state, wanted) = match edit.state.as_str() {
            "Running" => (OverrideState::Running, WantedState::Running),
            "Stopped" => (OverrideState::Stopped, WantedState::Stopped),
            "Maintenance" => (OverrideState::Maintenance, WantedState::Maintenance),
            other => {
                let line = format!(
                    "`{other}` cannot be set over a file's spec; allowed: Running, Stopped, \
                     Maintenance"
                );
                return refusal(&book, who, name, vec![line]);
            }
        };
        let same = |row: &Row| row.database.state == wanted && !row.held_back();
        if row.is_some_and(same) && edit.until.is_none() {
            let message = "the override ended; the spec is in force again";
            let ended = resumption(&book, who, name, message);
            if !ended.is_empty() {
                return ended;
            }
            // Nothing changes; the edit is answered all the same.
            let change = Change::SpecRefused {
                row_generation: Some(edit.generation),
                problems: Vec::new(),
            };
            let message = "the row says what was in force already".to_owned();
            return vec![entry(who, name, Outcome::Done, message, change)];
        }
        if let Some(why) = row.and_then(Row::over_refused) {
            return refusal(&book, who, name, vec![why]);
        }
        let reason = edit.note.clone().unwrap_or_default();
        let until = self.ends(name, state, edit.until);
        vec![self.word(who.clone(), name, state, until, reason)]
    }
}

/// What is said of an edit that a newer generation overtook.
fn overtaken(row: &Row) -> String {
    format!(
        "generation {} was applied at {}, after this was written: look at it, and write it again",
        row.database.generation,
        row.admitted_at.format("%F %T UTC")
    )
}

/// Reads an edit as a spec.
fn read(edit: &Edit) -> Result<RowRequest, Vec<String>> {
    let spec = edit.spec.clone().map_err(|why| vec![why])?;
    let row = RowEdit {
        name: edit.name.to_string(),
        spec,
        state: Some(edit.state.clone()),
        until: edit.until,
        note: edit.note.clone(),
    };
    let lines = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect();
    rows::read(&row).map_err(lines)
}
