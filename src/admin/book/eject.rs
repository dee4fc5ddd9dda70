//! The release of a database from db4sci: what is refused, and what the entries change.

use std::path::Path;

use super::{Book, Row};
use crate::model::view::Phase;
use crate::model::{DbName, End, Entry, Timestamp};

impl Book {
    /// Why a database cannot be released now, as far as the ledger knows.
    pub fn eject_refused(&self, name: &DbName) -> Option<String> {
        let Some(row) = self.row(name) else {
            return Some(format!("there is no database `{name}`; see: db4sci get"));
        };
        if name.is_mydb_admin() {
            return Some(
                "mydb_admin is db4sci's own memory, and is not released from it".to_owned(),
            );
        }
        row.eject_refused()
    }

    pub(super) fn begin_eject(&mut self, entry: &Entry, to: &Path) -> Result<(), String> {
        let row = self.change(entry)?;
        row.ejecting = Some(to.to_owned());
        if row.phase == Phase::Ready {
            row.disrupted_at = Some(entry.at);
        }
        Ok(())
    }

    pub(super) fn eject(&mut self, entry: &Entry, to: &Path) -> Result<(), String> {
        let row = self.change(entry)?;
        row.ejecting = None;
        row.ejected_to = Some(to.to_owned());
        row.end = Some(End::Ejected(entry.at));
        // Nobody's word, wish or worry is about it any more.
        (row.over, row.approved, row.under) = (None, None, None);
        (row.quarantined, row.refused, row.away) = (None, None, None);
        (row.restart_asked, row.recover) = (None, false);
        Ok(())
    }
}

impl Row {
    /// What became of it, once it was released.
    pub(super) fn ejected(&self, at: Timestamp) -> String {
        let name = &self.database.name;
        let place = self.ejected_to.as_ref().map_or_else(String::new, |to| {
            format!("; how to run it: {}", to.display())
        });
        format!(
            "`{name}` was released from db4sci at {}, with its data in {}{place}. To let another \
             database have the name: db4sci delete {name} --forget",
            at.format("%F %T UTC"),
            self.database.data_dir().display()
        )
    }

    /// Why it cannot be released now.
    fn eject_refused(&self) -> Option<String> {
        let db = &self.database;
        let name = &db.name;
        if let Some(why) = self.engaged() {
            return Some(why);
        }
        if let Some(reason) = self.reason.filter(|reason| reason.no_data()) {
            return Some(format!(
                "`{name}` is held ({}), so its data is not known to be whole, and a server that is \
                 started on it by others would begin anew, empty; see: db4sci describe {name}",
                reason.as_str()
            ));
        }
        if !self.initialised {
            return Some(format!(
                "`{name}` has no data yet: its first start is not over; try again later, or delete it"
            ));
        }
        self.unsettled()
    }
}

#[cfg(test)]
mod tests;
