//! What people decided about other histories of this instance that stores hold.

use std::sync::Arc;

use super::Book;
use crate::model::Timestamp;

impl Book {
    /// Until when a person has decided about what a store holds of other histories; `None`: never.
    pub fn history_chosen(&self, store: &str) -> Option<Timestamp> {
        let of = |store: Option<String>| self.chosen.get(&store).copied();
        of(None).max(of(Some(store.to_owned())))
    }

    pub(super) fn choose(&mut self, store: Option<&String>, at: Timestamp) {
        Arc::make_mut(&mut self.chosen).insert(store.cloned(), at);
    }
}

#[cfg(test)]
mod tests {
    use crate::admin::testing::{book, entry, instant, new};
    use crate::model::Change;

    #[test]
    fn a_decision_is_about_one_store_or_all_and_the_last_one_counts() {
        let mut book = book(vec![]);
        assert_eq!(book.history_chosen("local"), None);
        for (seq, store, at) in [
            (1, Some("local"), 10),
            (2, None, 20),
            (3, Some("offsite"), 30),
        ] {
            let change = Change::HistoryChosen {
                store: store.map(str::to_owned),
                as_of: None,
                lived: None,
            };
            let mut entry = entry(seq, new("mydb_admin", change));
            entry.at = instant(at);
            book.apply(&entry).unwrap();
        }
        assert_eq!(book.history_chosen("local"), Some(instant(20)));
        assert_eq!(book.history_chosen("offsite"), Some(instant(30)));
        assert_eq!(book.history_chosen("other"), Some(instant(20)));
    }
}
