//! Specs that a person released from their files, and files that come back after that.

use std::path::Path;

use super::Intake;
use crate::admin::Book;
use crate::control::wants::FileStanding;
use crate::model::{Database, DbName, Problem};
use crate::specs::{Candidate, Merged, Verdict};

impl Intake {
    /// Makes sure that the file of a database is gone for good, as far as can be seen now.
    ///
    /// # Errors
    /// Which file would take it back.
    pub async fn file_is_gone(&self, name: &DbName, path: &Path) -> Result<(), String> {
        // One that was just removed may not have been missed yet.
        self.files().await;
        let file = self.file(path);
        match self.reconciler.file_standing(name) {
            Some(FileStanding::Orphan) => Ok(()),
            Some(FileStanding::RenamedTo(new, path)) => Err(format!(
                "{} names `{new}` now: db4sci rename {name} {new}, or set the name back, or remove that file",
                self.file(&path).display()
            )),
            // What cannot be looked at may well be there.
            None if file.try_exists().unwrap_or(true) => Err(format!(
                "{} describes it, and would take it back at once: remove that file first (the database goes \
                 on meanwhile)",
                file.display()
            )),
            None => Err(format!(
                "{} is not there, but {} cannot be read as a whole, or another file names it: db4sci status",
                file.display(),
                self.folder.display()
            )),
        }
    }
}

/// What is wrong with the file of a database whose spec was released from files, if it is one, and if it
/// would change anything. Such a file is nobody's spec, so the refusal is the file's and not the database's.
pub(super) fn unwanted(book: &Book, merged: &Merged, verdict: &Verdict) -> Option<Vec<Problem>> {
    let name = verdict.name.as_ref()?;
    let row = book.row(name)?;
    let left = row.left_file.as_ref()?;
    if matches!(&verdict.result, Ok(database) if is_the_same(&row.database, database)) {
        return None;
    }
    let message = format!(
        "the spec of `{name}` was released from {} (`db4sci release {name} --to-rows`), and this file says \
         something else than is in force; it changes nothing: remove it, or put what is in force into it, \
         and the file has it again: db4sci export {name}",
        left.display()
    );
    let problem = Problem::new("metadata.name", message).of(name);
    let own = |candidate: &&Candidate| candidate.path == verdict.path;
    let candidate = merged.candidates.iter().find(own);
    let problem = match candidate {
        Some(candidate) => candidate.parsed.places.locate(problem),
        None => problem,
    };
    let more = verdict.result.as_ref().err().cloned().unwrap_or_default();
    Some([vec![problem], more].concat())
}

/// Whether a spec asks for what is there already, whatever way it came and however it says so.
fn is_the_same(earlier: &Database, database: &Database) -> bool {
    let Database {
        source,
        generation,
        given,
        ..
    } = earlier;
    let asked = Database {
        source: source.clone(),
        generation: *generation,
        given: given.clone(),
        ..database.clone()
    };
    asked == *earlier
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::{admitted, book, name};
    use crate::model::database::Source;
    use crate::specs::testing::{admit_text, named, rules, spec, uid};
    use crate::specs::{FileSeen, FolderSeen, admit_every, merge, parse, to_rows};

    /// What is wrong with `back.yaml` of this text, after the spec of `genomics` was released from its file and
    /// then applied with a description.
    fn refused(text: &str) -> Option<Vec<Problem>> {
        let rules = rules();
        let first = admit_text(&spec(""), None, &rules).unwrap();
        let left = to_rows(&first);
        let mut applied = Database {
            generation: left.generation + 1,
            description: "applied".to_owned(),
            ..left.clone()
        };
        applied.given["description"] = "applied".into();
        let book = book([first, left, applied.clone()].map(admitted).to_vec());
        let file = FileSeen {
            path: "back.yaml".into(),
            hash: String::new(),
            changed: None,
            spec: parse(text, Path::new("back.yaml")),
        };
        let seen = FolderSeen::Read {
            files: vec![file],
            unread: Vec::new(),
        };
        let sources = [(name("genomics"), applied.source.clone())].into();
        let merged = merge(&seen, Path::new("desired-state"), &sources);
        let accepted = [(name("genomics"), applied)].into();
        let mut rules = rules;
        let verdicts = admit_every(&merged, &accepted, &mut rules, || uid(9));
        let [verdict] = verdicts.as_slice() else {
            panic!("{verdicts:?}");
        };
        unwanted(&book, &merged, verdict)
    }

    #[test]
    fn a_file_that_comes_back_changes_nothing_and_is_told_what_to_do() {
        // As it was when its spec was released from it, and with a mistake on top.
        for (text, more) in [(spec(""), 0), (spec("  port: 5000\n"), 1)] {
            let found = refused(&text).unwrap();
            assert_eq!(found.len(), 1 + more, "{found:?}");
            let said = found[0].to_string();
            for words in [
                "back.yaml:4:",
                "released from genomics.yaml",
                "db4sci export genomics",
            ] {
                assert!(said.contains(words), "{words}: {said}");
            }
        }
    }

    #[test]
    fn a_file_that_says_what_is_in_force_has_the_spec_again() {
        assert_eq!(refused(&spec("  description: applied\n")), None);
        // Another database's file is as any.
        assert_eq!(refused(&named("proteomics", "")), None);
    }

    #[test]
    fn only_a_spec_that_left_its_file_is_kept_from_files() {
        let rules = rules();
        let file = admit_text(&spec(""), None, &rules).unwrap();
        let left = to_rows(&file);
        let again = Database {
            generation: 3,
            source: Source::File("back.yaml".into()),
            ..left.clone()
        };
        let of = |specs: &[&Database]| {
            let entries = specs.iter().map(|db| admitted(Database::clone(db)));
            let book = book(entries.collect());
            book.row(&name("genomics")).unwrap().left_file.clone()
        };
        assert_eq!(of(&[&file]), None);
        assert_eq!(of(&[&left]), None, "it never had one");
        assert_eq!(of(&[&file, &left]), Some("genomics.yaml".into()));
        assert_eq!(of(&[&file, &left, &again]), None);
    }
}
