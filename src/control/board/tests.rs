use super::*;
use crate::model::SystemClock;
use crate::plan::render::sample;

#[test]
fn another_view_takes_the_place_of_the_one_before_and_of_no_other() {
    let board = Board::new(Arc::new(SystemClock), "test", "i");
    let mut shown = board.watch();
    for (name, port) in [
        ("assays", 32011),
        ("genomics", 32010),
        ("mydb_admin", 32009),
    ] {
        board.show(sample::ready(name, "Postgres", "17", port));
    }
    let before = shown.borrow_and_update().clone();
    let mut view = sample::ready("genomics", "Postgres", "17", 32010);
    view.message = "slow".to_owned();
    board.show(view.clone());

    assert!(shown.has_changed().unwrap());
    let after = shown.borrow_and_update().clone();
    let names = |s: &Snapshot| s.databases.iter().map(|d| d.name.to_string()).collect();
    let (old, new): (Vec<String>, Vec<String>) = (names(&before), names(&after));
    assert_eq!(
        (&old, new.join(" ")),
        (&new, "assays genomics mydb_admin".to_owned())
    );
    assert_eq!(after.databases[1], view);
    // Whoever holds the one before still has it.
    assert_ne!(before.databases[1], view);
    assert_eq!(before.databases[0], after.databases[0]);
    assert!(before.at <= after.at);
}

#[test]
fn what_the_daemon_took_down_is_known_until_it_is_seen_where_it_belongs() {
    let board = Arc::new(Board::new(Arc::new(SystemClock), "test", "i"));
    let mut view = sample::ready("genomics", "Postgres", "17", 32010);
    let name = view.name.clone();
    // It was down before: that is not the daemon's doing.
    drop(board.rest(&name));
    assert!(board.taken_down().is_empty());
    board.show(view.clone());
    let resting = board.rest(&name);
    // Seen down while it rests.
    view.phase = Phase::Stopped;
    board.show(view.clone());
    drop(resting);
    assert_eq!(board.taken_down(), [name.clone()].into());
    view.phase = Phase::Degraded;
    board.show(view.clone());
    assert_eq!(board.taken_down(), [name.clone()].into());
    view.phase = Phase::Ready;
    board.show(view.clone());
    assert!(board.taken_down().is_empty());
    board.take_down(&name);
    view.phase = Phase::Stopped;
    board.show(view);
    assert!(board.taken_down().is_empty());
}

#[test]
fn who_begins_to_watch_sees_what_was_shown_to_nobody() {
    let board = Board::new(Arc::new(SystemClock), "test", "i");
    let mut view = sample::ready("genomics", "Postgres", "17", 32010);
    board.show(view.clone());
    drop(board.watch());
    view.message = "slow".to_owned();
    board.show(view.clone());
    board.tables(3, None);
    let first = board.watch();
    assert_eq!(first.borrow().databases, [view.clone()]);
    assert_eq!(first.borrow().tables_behind, 3);
    // From then on there is somebody.
    view.message = "slower".to_owned();
    board.show(view.clone());
    assert_eq!(first.borrow().databases, [view]);
}

#[test]
fn what_was_announced_is_shown_and_counts_as_looked_at_after_a_look() {
    let board = Board::new(Arc::new(SystemClock), "test", "i");
    let shown = board.watch();
    let view = sample::ready("genomics", "Postgres", "17", 32010);
    let name = view.name.clone();
    assert!(!board.looked_at(&name));
    board.announce(view.clone());
    assert_eq!(shown.borrow().databases.len(), 1);
    assert!(!board.looked_at(&name));
    // The look found just what was announced.
    board.show(view);
    assert!(board.looked_at(&name));
    board.hide(&name);
    assert!(!board.looked_at(&name));
    assert!(shown.borrow().databases.is_empty());
}
