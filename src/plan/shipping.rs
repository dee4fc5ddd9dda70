//! The ledger in the stores, between two backups of `mydb_admin`: how far a store holds it, which
//! pieces it needs no more, and which piece comes next when a lost host comes back.
//!
//! A store always holds the ledger from the older of its two newest proven copies on without a gap, so
//! that one copy may be unreadable. Copies that nobody has restored count for nothing. Pieces of another history of this instance are left alone.

use std::collections::BTreeSet;

use crate::model::{Link, Segment, Shipped};

/// Copies of the ledger that the pieces begin at.
const COPIES: usize = 2;

/// The entry that the pieces begin after: that of the older of the two newest proven copies. Without two,
/// the whole ledger is wanted in pieces.
fn floor(held: &Shipped, ours: &BTreeSet<Link>) -> u64 {
    let copies = held.copies.iter().filter(|link| ours.contains(link));
    let copies: BTreeSet<u64> = copies.map(|link| link.seq).collect();
    copies.iter().rev().nth(COPIES - 1).copied().unwrap_or(0)
}

/// The last entry up to which a store holds this host's ledger without a gap. `ours` are the places
/// that are in this host's chain.
pub fn reach(held: &Shipped, ours: &BTreeSet<Link>) -> u64 {
    let own = held.segments.iter().filter(|s| ours.contains(&s.last));
    let mut own: Vec<&Segment> = own.collect();
    own.sort_by_key(|segment| segment.after.seq);
    own.iter().fold(floor(held, ours), |reach, segment| {
        if segment.after.seq <= reach {
            reach.max(segment.last.seq)
        } else {
            reach
        }
    })
}

/// The pieces of this host that both of the two newest proven copies hold.
pub fn superseded<'a>(held: &'a Shipped, ours: &BTreeSet<Link>) -> Vec<&'a Segment> {
    let floor = floor(held, ours);
    let below = |s: &&Segment| s.last.seq <= floor && ours.contains(&s.last);
    held.segments.iter().filter(below).collect()
}

/// The piece that goes on from a place. Of several, the one that was shipped last: an earlier history
/// was abandoned. One that begins before the place is only known to fit when it is read.
pub fn next<'a>(at: &Link, segments: impl IntoIterator<Item = &'a Segment>) -> Option<&'a Segment> {
    let follows = |s: &&Segment| match s.after.seq.cmp(&at.seq) {
        std::cmp::Ordering::Less => at.seq < s.last.seq,
        std::cmp::Ordering::Equal => s.after.hash == at.hash,
        std::cmp::Ordering::Greater => false,
    };
    let following = segments.into_iter().filter(follows);
    following.max_by_key(|s| (s.shipped, s.last.seq))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    /// A place in a history, which a letter names.
    fn link(history: char, seq: u64) -> Link {
        let history = if seq == 0 { '0' } else { history };
        Link::new(seq, &format!("{history}{seq:015}"))
    }

    fn piece(history: char, after: u64, last: u64, minute: i64) -> Segment {
        let begun: crate::model::Timestamp = "2026-03-01T02:00:00Z".parse().unwrap();
        let at = begun + TimeDelta::minutes(minute);
        Segment::new(link(history, after), link(history, last), at)
    }

    fn held(copies: &[u64], pieces: &[(u64, u64)]) -> Shipped {
        Shipped {
            copies: copies.iter().map(|seq| link('a', *seq)).collect(),
            segments: pieces
                .iter()
                .zip(0..)
                .map(|((after, last), minute)| piece('a', *after, *last, minute))
                .collect(),
        }
    }

    /// What this host knows of the places: history `a` up to an entry.
    fn ours(held: &Shipped, head: u64) -> BTreeSet<Link> {
        let known = |l: &Link| l.seq <= head && l.hash.starts_with('a');
        held.links().into_iter().filter(known).collect()
    }

    #[test]
    fn a_store_is_filled_from_the_older_of_two_copies_on_without_a_gap() {
        type Pieces = &'static [(u64, u64)];
        for (copies, pieces, expected, superseded_now) in [
            (&[][..], &[][..] as Pieces, 0, 0),
            (&[], &[(0, 5), (5, 9)], 9, 0),
            // One copy may be the unreadable one.
            (&[50], &[], 0, 0),
            (&[50], &[(0, 40), (40, 60)], 60, 0),
            (&[50, 30], &[], 30, 0),
            (&[50, 30], &[(30, 45), (45, 60)], 60, 0),
            // A piece that only begins below is needed.
            (&[50, 30], &[(0, 20), (20, 35), (35, 60)], 60, 1),
            (&[50, 30, 20], &[(0, 30), (30, 31)], 31, 1),
            // A gap: what is behind it does not count.
            (&[50, 30], &[(30, 35), (40, 60)], 35, 0),
            // In whatever order, and twice.
            (&[30, 50], &[(45, 60), (30, 45), (20, 48)], 60, 0),
            // The same copy in the list twice is one.
            (&[50, 50], &[], 0, 0),
        ] {
            let held = held(copies, pieces);
            let ours = ours(&held, 100);
            assert_eq!(reach(&held, &ours), expected, "{copies:?} {pieces:?}");
            let gone = superseded(&held, &ours).len();
            assert_eq!(gone, superseded_now, "{copies:?} {pieces:?}");
        }
    }

    #[test]
    fn another_history_counts_for_nothing_and_is_left_alone() {
        let mut held = held(&[50, 30], &[(30, 40)]);
        held.segments.push(piece('b', 40, 60, 9));
        held.segments.push(piece('b', 10, 20, 9));
        held.copies.push(link('b', 70));
        let ours = ours(&held, 100);
        assert_eq!(reach(&held, &ours), 40);
        assert!(superseded(&held, &ours).is_empty());
    }

    #[test]
    fn what_lies_ahead_of_this_host_is_not_its_own() {
        // It came back with less than the store holds.
        let held = held(&[30, 20], &[(20, 30), (30, 45), (45, 60)]);
        let ours = ours(&held, 45);
        assert_eq!(reach(&held, &ours), 45);
    }

    #[test]
    fn pieces_follow_each_other_by_their_hashes() {
        let old = [
            piece('a', 10, 15, 1),
            piece('a', 15, 20, 2),
            piece('a', 12, 18, 0),
        ];
        let at = |history, seq, all: &[Segment]| {
            next(&link(history, seq), all).map(|s| (s.after.seq, s.last.seq))
        };
        assert_eq!(at('a', 10, &old), Some((10, 15)));
        assert_eq!(at('a', 15, &old), Some((15, 20)));
        // In the middle of one: the copy is newer than the piece's beginning.
        assert_eq!(at('a', 14, &old), Some((10, 15)));
        assert_eq!(at('a', 9, &old), None);
        assert_eq!(at('a', 20, &old), None);
        // The same number of another history.
        assert_eq!(at('b', 10, &old), None);
        // The host came back at 15, and went on differently: that is the history to go on with.
        let mut forked = old.to_vec();
        forked.push(Segment::new(
            link('a', 15),
            link('b', 17),
            piece('b', 0, 1, 60).shipped,
        ));
        assert_eq!(at('a', 15, &forked), Some((15, 17)));
    }
}
