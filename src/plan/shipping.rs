//! The ledger in the stores, between two backups of `mydb_admin`: how far a store holds it, which
//! pieces it needs no more, which piece comes next when a lost host comes back, and what lies there that this
//! host does not have: it was set back, or another host writes as this instance.
//!
//! A store always holds the ledger from the older of its two newest proven copies on without a gap, so
//! that one copy may be unreadable. Copies that nobody has restored count for nothing. Pieces of another history
//! of this instance are left alone; until a person has decided about it, all is frozen.

use std::collections::BTreeSet;

use crate::model::audit::Finding;
use crate::model::{Link, Segment, Shipped, Timestamp};

/// Copies of the ledger that the pieces begin at.
const COPIES: usize = 2;

/// The entry that the pieces begin after: that of the older of the two newest proven copies. Without two,
/// the whole ledger is wanted in pieces.
fn floor(held: &Shipped, ours: &BTreeSet<Link>) -> u64 {
    let copies = held.copies.iter().map(|copy| &copy.upto);
    let copies = copies.filter(|link| ours.contains(link));
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

/// What a store holds of another history of this instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strange {
    /// The highest number of an entry of it.
    pub upto: u64,
    /// When the newest of it was written.
    pub written: Timestamp,
}

/// The ends in a store that nobody has decided about: `chosen` is when a person last did.
fn undecided(
    held: &Shipped,
    chosen: Option<Timestamp>,
) -> impl Iterator<Item = (&Link, Timestamp)> {
    let later = move |at: Timestamp| chosen.is_none_or(|chosen| at > chosen);
    held.ends().filter(move |(_, at)| later(*at))
}

/// What a store holds that is not in this host's chain, and that nobody has decided about.
pub fn strange(
    held: &Shipped,
    ours: &BTreeSet<Link>,
    chosen: Option<Timestamp>,
) -> Option<Strange> {
    let of_others = undecided(held, chosen).filter(|(link, _)| !ours.contains(link));
    let one = of_others.map(|(link, written)| Strange {
        upto: link.seq,
        written,
    });
    one.reduce(|a, b| Strange {
        upto: a.upto.max(b.upto),
        written: a.written.max(b.written),
    })
}

/// The last entry that a store holds behind this host's last one, whether that goes on from there or not.
pub fn ahead(held: &Shipped, head: u64, chosen: Option<Timestamp>) -> Option<u64> {
    let all = undecided(held, chosen).map(|(link, _)| link.seq);
    all.filter(|seq| *seq > head).max()
}

/// What is told of it for as long as it keeps everything frozen.
pub fn frozen_by(store: &str, strange: &Strange) -> String {
    format!(
        "the store {store} holds entries of this instance's journal, up to entry {}, written {}, that this \
         host does not have: it was set back to an older copy of itself and wrote on before it could know, or \
         another host writes there as this one. They stay there. Read docs/runbooks/lost-memory.md; to go on \
         without them: db4sci thaw {store} --reason TEXT",
        strange.upto,
        strange.written.format("%F %T UTC")
    )
}

/// What of a store does not agree with this host's own chain, which ends at an entry.
pub fn disagrees(
    store: &str,
    held: &Shipped,
    ours: &BTreeSet<Link>,
    chosen: Option<Timestamp>,
    head: u64,
) -> Vec<Finding> {
    let links: BTreeSet<&Link> = undecided(held, chosen).map(|(link, _)| link).collect();
    let finding = |link: &&Link| {
        let what = if link.seq > head {
            format!("store {store}: it is there, and the log of this host ends at {head}")
        } else {
            format!("store {store}: what is there is not this host's entry of that number")
        };
        Finding::new(link.seq, what)
    };
    let of_others = links.iter().filter(|link| !ours.contains(**link));
    of_others.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Copied;
    use chrono::TimeDelta;

    /// A place in a history, which a letter names.
    fn link(history: char, seq: u64) -> Link {
        let history = if seq == 0 { '0' } else { history };
        Link::new(seq, &format!("{history}{seq:015}"))
    }

    fn minute(nth: i64) -> Timestamp {
        let begun: Timestamp = "2026-03-01T02:00:00Z".parse().unwrap();
        begun + TimeDelta::minutes(nth)
    }

    fn piece(history: char, after: u64, last: u64, nth: i64) -> Segment {
        let (after, last) = (link(history, after), link(history, last));
        Segment::new(after, last, minute(nth))
    }

    /// A copy that was made in the first minute.
    fn copy(history: char, seq: u64) -> Copied {
        Copied {
            upto: link(history, seq),
            at: minute(0),
        }
    }

    fn held(copies: &[u64], pieces: &[(u64, u64)]) -> Shipped {
        Shipped {
            copies: copies.iter().map(|seq| copy('a', *seq)).collect(),
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
        held.copies.push(copy('b', 70));
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

    #[test]
    fn what_this_host_does_not_have_is_strange_until_a_person_has_decided_about_it() {
        // It was set back to entry 40, and went on differently.
        let mut held = held(&[30], &[(0, 40), (40, 45), (45, 60)]);
        held.segments.push(piece('b', 40, 47, 9));
        held.copies.push(copy('a', 60));
        let is_ours = |l: &Link| l.seq <= 40 || l.hash.starts_with('b');
        let ours: BTreeSet<Link> = held.links().into_iter().filter(is_ours).collect();
        let told = |chosen: Option<i64>| strange(&held, &ours, chosen.map(minute));
        let expected = Strange {
            upto: 60,
            written: minute(2),
        };
        assert_eq!(told(None), Some(expected.clone()));
        // Decided before all of it was written: that is another one.
        assert_eq!(told(Some(1)), Some(expected));
        assert_eq!(told(Some(2)), None);
        assert!(superseded(&held, &ours).is_empty() && reach(&held, &ours) == 47);
        // At its start, before it wrote anything: whether that goes on from its end shows when it is read.
        assert_eq!(ahead(&held, 40, None), Some(60));
        assert_eq!(ahead(&held, 60, None), None);
        assert_eq!(ahead(&held, 40, Some(minute(2))), Some(47));
        assert_eq!(ahead(&Shipped::default(), 40, None), None);

        let words = frozen_by("local", &told(None).unwrap());
        for part in [
            "entry 60,",
            "2026-03-01 02:02:00 UTC",
            "thaw local --reason",
        ] {
            assert!(words.contains(part), "{words}");
        }
        let found = disagrees("local", &held, &ours, None, 47);
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        let [forked, ahead] = &found[..] else {
            panic!("{found:?}")
        };
        let same = "entry 45: store local: what is there is not this host's entry of that number";
        assert_eq!(forked, same);
        let set_back = "entry 60: store local: it is there, and the log of this host ends at 47";
        assert_eq!(ahead, set_back);
        assert!(disagrees("local", &held, &ours, Some(minute(2)), 47).is_empty());
    }
}
