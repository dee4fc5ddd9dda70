//! What becomes of a copy that did not come to its end: the question before its data is removed.
//!
//! A ledger that comes back may end before a copy did that was finished, and in use, long since: only what
//! says itself that it was never whole is nobody's.

use crate::model::{DataSeen, Database, MarkerState, Seen};

/// What is done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CutOff {
    /// What is left of it goes, and its name is free.
    Goes,
    /// It has its data: it is finished.
    Ends,
    /// A person has to look first; why.
    Stays(String),
}

/// What that is, given whether the ledger says that it has data, and what lies in its place. The marker
/// alone tells: the file inside the data lies there before that is whole and in its place.
pub fn cut_off(db: &Database, initialised: bool, seen: &Seen<DataSeen>) -> CutOff {
    let stays = |why: &str| CutOff::Stays(format!("{why}; nothing was removed"));
    if initialised {
        return CutOff::Ends;
    }
    let data = match seen {
        Seen::Unknown(why) => return stays(why),
        Seen::Absent => return CutOff::Goes,
        Seen::Present(data) => data,
    };
    let place = db.marker_dir();
    match &data.marker {
        // What lies there all the same, `remove` refuses.
        None => CutOff::Goes,
        Some(marker) if marker.uid != db.uid => stays(&format!(
            "{} is the marker of another database ({})",
            place.display(),
            marker.uid
        )),
        Some(marker) => match marker.state {
            MarkerState::Initialising => CutOff::Goes,
            MarkerState::Initialised => CutOff::Ends,
            MarkerState::Ejected => stays(&format!(
                "{} says that `{}` was released from db4sci",
                place.display(),
                db.name
            )),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Marker, Uid};
    use crate::plan::tests::database;

    #[test]
    fn only_what_was_never_whole_goes() {
        use MarkerState::{Ejected, Initialised, Initialising};
        let db = database();
        let marked = |uid, state| {
            Seen::Present(DataSeen {
                marker: Some(Marker { uid, state }),
                dirs_exist: true,
                sentinel: true,
                // As a kill leaves it between the data's move and the marker.
                inner_uid: Some(db.uid),
                ..DataSeen::default()
            })
        };
        let other = Uid(uuid::Uuid::from_u128(7));
        let unknown = || Seen::Unknown("/volume is not mounted".to_owned());
        for (initialised, seen, expected) in [
            (false, marked(db.uid, Initialising), "goes"),
            (false, Seen::Absent, "goes"),
            (false, Seen::Present(DataSeen::default()), "goes"),
            (false, marked(db.uid, Initialised), "ends"),
            (false, marked(db.uid, Ejected), "released"),
            (false, marked(other, Initialising), "another"),
            (false, marked(other, Initialised), "another"),
            (false, unknown(), "not mounted"),
            // A backup of it tells that it had data: where that is gone, it is lost.
            (true, marked(db.uid, Initialising), "ends"),
            (true, Seen::Absent, "ends"),
            (true, unknown(), "ends"),
        ] {
            let said = match cut_off(&db, initialised, &seen) {
                CutOff::Goes => "goes".to_owned(),
                CutOff::Ends => "ends".to_owned(),
                CutOff::Stays(why) => why,
            };
            assert!(said.contains(expected), "{expected}: {said}: {seen:?}");
        }
    }
}
