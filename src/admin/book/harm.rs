//! What of the ledger tells that the memory of this host was harmed: for a while it was another one.

use super::Book;
use crate::model::action::{MENDED, ROLLED_BACK};
use crate::model::{Change, DbName, Entry};

impl Book {
    /// The number of the last entry that tells of harm of `mydb_admin`; 0: there is none.
    pub fn last_harm(&self) -> u64 {
        self.harm
    }

    pub(super) fn note_harm(&mut self, entry: &Entry) {
        let of_admin = entry.name.as_ref().is_some_and(DbName::is_mydb_admin);
        if of_admin && tells_of_harm(&entry.change) {
            self.harm = entry.seq;
        }
    }
}

/// A server that was killed and lost its last moments is none: what is missing is in the ledger.
fn tells_of_harm(change: &Change) -> bool {
    match change {
        Change::LogHarmed { .. } | Change::StartedOver { .. } => true,
        Change::Acted { action } => [MENDED, ROLLED_BACK].contains(&action.as_str()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::{admitted, book, database, new};
    use crate::model::Source;
    use crate::model::action::{LAST_MOMENTS, LET_IN, START};
    use crate::model::audit::Findings;

    #[test]
    fn tables_that_were_altered_rolled_back_or_begun_anew_are_harm() {
        let mut admin = database("mydb_admin", 32010);
        admin.source = Source::Builtin;
        let uid = admin.uid;
        let acted = |word: &str| Change::Acted {
            action: word.to_owned(),
        };
        let findings = Findings::default();
        for (who, change, harm) in [
            ("mydb_admin", acted(MENDED), true),
            ("mydb_admin", acted(ROLLED_BACK), true),
            ("mydb_admin", Change::LogHarmed { findings }, true),
            ("mydb_admin", Change::StartedOver { uid }, true),
            ("mydb_admin", acted(LAST_MOMENTS), false),
            ("mydb_admin", acted(LET_IN), false),
            ("mydb_admin", acted(START), false),
            ("mydb_admin", Change::Noted, false),
            ("genomics", acted(ROLLED_BACK), false),
        ] {
            let both = [admin.clone(), database("genomics", 32011)];
            let mut entries = both.map(admitted).to_vec();
            entries.extend([new(who, change.clone()), new("genomics", Change::Noted)]);
            let expected = if harm { 3 } else { 0 };
            assert_eq!(book(entries).last_harm(), expected, "{who} {change:?}");
        }
    }
}
