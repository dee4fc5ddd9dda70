//! The interlock: may a server start on what lies in its data folder?

use std::fmt;

use super::Wanted;
use crate::engine;
use crate::model::{DataSeen, Database, MarkerState, Reason, Seen};

/// What the data folder allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Gate {
    /// Nothing is there and nothing was: a first start may be prepared.
    Fresh,
    /// A first start was prepared; the folder is still empty.
    Prepared,
    /// A first start was cut off; what lies there is nobody's.
    HalfMade,
    /// The data is this database's, and whole as far as can be seen.
    Ours,
    /// As `Ours`, but marker or inner file must be written (again).
    OursUnmarked,
    /// No start.
    Refused(Reason, String),
}

/// Whether what lies there says that it had data, or has. The inner file is written at the end of a first
/// start, before marker and ledger say so: where it lies, there was data.
pub fn says_initialised(data: &DataSeen) -> bool {
    let marked = data.marker.as_ref().map(|marker| marker.state);
    marked == Some(MarkerState::Initialised) || data.inner_uid.is_some()
}

/// Where its data lies, for messages. Most looks have none, and make no path for it.
struct Place<'a>(&'a Database);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.data_dir().display().fmt(f)
    }
}

/// Judges what lies there.
pub(super) fn gate(wanted: &Wanted<'_>, seen: &Seen<DataSeen>) -> Gate {
    let (db, initialised) = (wanted.db, wanted.initialised);
    let place = Place(db);
    let refused = |reason, text: String| Gate::Refused(reason, text);
    let data = match seen {
        Seen::Unknown(why) => return refused(Reason::DataUnmounted, why.clone()),
        Seen::Absent if initialised => {
            return refused(
                Reason::DataLost,
                format!("{place} is gone, and it held data; nothing is started on an empty folder"),
            );
        }
        Seen::Absent => return Gate::Fresh,
        Seen::Present(data) => data,
    };
    if let Some(marker) = &data.marker
        && marker.uid != db.uid
    {
        return refused(
            Reason::DataForeign,
            format!(
                "the marker of {place} names another database ({})",
                marker.uid
            ),
        );
    }
    if let Some(marker) = &data.marker
        && marker.state == MarkerState::Ejected
    {
        return refused(
            Reason::DataForeign,
            format!("the marker of {place} says that it was released from db4sci"),
        );
    }
    if let Some(inner) = data.inner_uid
        && inner != db.uid
    {
        let whose = wanted.whose.map(|whose| format!(", {}", whose.name));
        let whose = whose.unwrap_or_default();
        let why = format!("{place} holds the data of another database{whose} ({inner})");
        return foreign(wanted, why, None);
    }
    let proven = data.sentinel && data.inner_uid == Some(db.uid);
    let state = data.marker.as_ref().map(|m| m.state);
    if initialised || says_initialised(data) {
        return if !data.dirs_exist || data.empty || !data.sentinel {
            refused(
                Reason::DataLost,
                format!(
                    "{place} is {}, and it held data; nothing is started on it",
                    if !data.dirs_exist {
                        "gone".to_owned()
                    } else if data.empty {
                        "empty".to_owned()
                    } else {
                        format!("without {}", db.layout.sentinel)
                    }
                ),
            )
        } else if let Some(why) = another(wanted, data) {
            let accept = format!(
                "put its own back; if it is surely the right data: db4sci release {} --reason TEXT",
                db.name
            );
            foreign(wanted, why, Some(&accept))
        } else if proven && state == Some(MarkerState::Initialised) {
            if initialised {
                Gate::Ours
            } else {
                Gate::OursUnmarked
            }
        } else if proven {
            // The marker was lost, or the daemon was killed between inner file and marker.
            Gate::OursUnmarked
        } else {
            let why =
                format!("{place} holds data without the file db4sci-uid: not known to be its own");
            foreign(wanted, why, None)
        };
    }
    match state {
        None if !data.dirs_exist || data.empty => Gate::Fresh,
        None => refused(
            Reason::DataForeign,
            format!("{place} holds files, and db4sci did not put them there; move them away"),
        ),
        Some(_) if !data.dirs_exist => Gate::Fresh,
        Some(_) if data.empty => Gate::Prepared,
        Some(_) => Gate::HalfMade,
    }
}

/// No start on data that is not its own; `advice`: what a person may do about it. Where it lies in the place
/// of `mydb_admin`, what that held is lost, and comes back; but not over what another database misses.
fn foreign(wanted: &Wanted<'_>, why: String, advice: Option<&str>) -> Gate {
    if let Some(whose) = wanted.whose.filter(|whose| whose.misses) {
        let misses = format!(
            "{why}, which misses it in {}; nothing is started on it, and nothing put over it: put the \
             data of both back into their own places",
            whose.place.display()
        );
        return Gate::Refused(Reason::DataForeign, misses);
    }
    if wanted.db.name.is_mydb_admin() && wanted.initialised {
        let lost = format!("{why}; what it held itself is not there");
        return Gate::Refused(Reason::DataLost, lost);
    }
    let advice = advice.map(|advice| format!("; {advice}"));
    let why = why + &advice.unwrap_or_default();
    Gate::Refused(Reason::DataForeign, why)
}

/// What is wrong where the engine calls the data by another identity than it did, or by none any more.
fn another(wanted: &Wanted<'_>, data: &DataSeen) -> Option<String> {
    let (db, known) = (wanted.db, wanted.identity?);
    let file = engine::recipe(db.engine).identity()?;
    if data.identity.as_ref() == Some(known) {
        return None;
    }
    let (place, path) = (Place(db), file.path);
    match &data.identity {
        Some(found) => Some(format!(
            "{place} holds other data than before: {path} says {found}, and its own is {known}"
        )),
        // Without it no server starts: what ails the data is the server's own to say.
        None if file.needed => None,
        None => Some(format!(
            "{place} is without {path}, which said {known}: not known to be its own"
        )),
    }
}
