//! In which order lost data comes back: what matters most first, as many side by side as are dumped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Desk;
use super::due::Due;
use crate::admin::{Book, Row};
use crate::model::Uid;
use crate::plan::comeback::Priority;
use crate::plan::recovery::Recovery;

/// Who is on the way to its data. One that gets no turn is asked again as soon as one is free, those
/// that matter more before it.
pub(super) struct Turns {
    free: Arc<Semaphore>,
    held: Mutex<BTreeMap<Uid, OwnedSemaphorePermit>>,
}

impl Turns {
    /// So many at once.
    pub(super) fn new(at_once: usize) -> Self {
        Turns {
            free: Arc::new(Semaphore::new(at_once)),
            held: Mutex::default(),
        }
    }

    /// Gives a database its turn, if there is one.
    fn take(&self, uid: Uid) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.contains_key(&uid) {
            return true;
        }
        let turn = self.free.clone().try_acquire_owned().ok();
        held.extend(turn.map(|turn| (uid, turn)));
        held.contains_key(&uid)
    }

    /// Ends a database's turn, if it has one; whether it had.
    pub(super) fn end(&self, uid: Uid) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(&uid).is_some()
    }
}

impl Desk {
    /// Whether something that is due may begin. Lost data waits for its turn; one that comes back with its
    /// host waits, too, until it was looked what is left of those that matter more. `mydb_admin` never waits.
    pub(super) fn has_turn(&self, book: &Book, row: &Row, due: &Due) -> bool {
        let db = &row.database;
        let Due::Recovery(Recovery::Restore(_)) = due else {
            return true;
        };
        if db.name.is_mydb_admin() {
            return true;
        }
        let others = book
            .rows()
            .filter(|(name, other)| row.recover && other.recover && !self.board.looked_at(name));
        let others = others.map(|(_, other)| Priority::of(&other.database));
        !Priority::of(db).waits_for(others) && self.turns.take(db.uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_have_their_turn_as_may_and_an_end_lets_in_another() {
        let (turns, uid) = (Turns::new(2), |n| Uid(uuid::Uuid::from_u128(n)));
        assert!(turns.take(uid(1)) && turns.take(uid(2)) && turns.take(uid(1)));
        assert!(!turns.take(uid(3)));
        assert!(turns.end(uid(1)) && !turns.end(uid(1)) && !turns.end(uid(3)));
        assert!(turns.take(uid(3)) && !turns.take(uid(1)));
    }
}
