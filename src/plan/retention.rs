//! Which backups are kept, and why.
//!
//! Asked for one database (one uid) in one store at a time: nothing of one is weighed against
//! another. The newest verified backup is always kept, and so is everything while none is verified.
//! What a clock that was ahead wrote is kept until then, and weighed against nothing.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, TimeDelta};
use chrono_tz::Tz;

use crate::model::{Backup, BackupId, BackupState, Retention, Timestamp};

/// How long a backup that failed is kept to be looked at, and a damaged one once a newer one is verified.
const EVIDENCE: TimeDelta = TimeDelta::days(7);

/// What becomes of one backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is kept, for these reasons.
    Kept(Vec<String>),
    /// It goes.
    Goes,
}

/// The fate of each backup of one database in one store.
///
/// Backups of another uid or store in the list are kept: they are not this question's.
pub fn fates(
    backups: &[Backup],
    retention: &Retention,
    zone: Tz,
    now: Timestamp,
) -> BTreeMap<BackupId, Fate> {
    let mut kept: BTreeMap<&BackupId, Vec<String>> = BTreeMap::new();
    let ahead = |b: &&Backup| b.id.slot.instant() > now;
    let all = backups.iter().filter(|b| b.state.good());
    let (ahead, mut good): (Vec<&Backup>, Vec<&Backup>) = all.partition(ahead);
    good.sort_by_key(|b| std::cmp::Reverse((b.id.slot, b.id.attempt)));
    let mut keep = |id, why: String| kept.entry(id).or_default().push(why);

    // They would pass for newer than all that is taken until then, which would go at once.
    for backup in ahead {
        keep(&backup.id, "of a clock that was ahead".to_owned());
    }
    for backup in good.iter().take(retention.last as usize) {
        keep(&backup.id, "last".to_owned());
    }
    let day = |at: Timestamp| at.with_timezone(&zone).date_naive();
    let week = |at: Timestamp| {
        let week = day(at).iso_week();
        format!("{}-W{:02}", week.year(), week.week())
    };
    let month = |at: Timestamp| day(at).format("%Y-%m").to_string();
    let date = |at: Timestamp| day(at).to_string();
    type Bucket<'a> = &'a dyn Fn(Timestamp) -> String;
    let buckets: [(&str, u32, Bucket<'_>); 3] = [
        ("day", retention.daily, &date),
        ("week", retention.weekly, &week),
        ("month", retention.monthly, &month),
    ];
    for (what, most, bucket) in buckets {
        let mut filled = BTreeSet::new();
        for backup in &good {
            let label = bucket(backup.id.slot.instant());
            if filled.len() < most as usize && filled.insert(label.clone()) {
                keep(&backup.id, format!("{what} {label}"));
            }
        }
    }
    let verified = good.iter().find(|b| b.state == BackupState::Verified);
    match verified {
        Some(backup) => keep(&backup.id, "newest verified".to_owned()),
        None => {
            for backup in &good {
                keep(&backup.id, "none is verified yet".to_owned());
            }
        }
    }
    for backup in backups {
        if let Some(until) = backup.keep_until.filter(|until| now < *until) {
            keep(&backup.id, format!("until {}", until.format("%F")));
        }
        let evidence = match backup.state {
            BackupState::Running => Some("being taken"),
            // A store that was away then may hold a part of it still.
            BackupState::Failed => (now - backup.started < EVIDENCE).then_some("failed lately"),
            BackupState::Damaged => {
                let newer = verified.is_some_and(|v| v.id.slot >= backup.id.slot);
                (!newer || now - backup.started < EVIDENCE).then_some("damaged, to be looked at")
            }
            BackupState::Stored | BackupState::Verified => None,
        };
        if let Some(why) = evidence {
            keep(&backup.id, why.to_owned());
        }
    }
    let fate = |backup: &Backup| match kept.get(&backup.id) {
        Some(why) => Fate::Kept(why.clone()),
        None => Fate::Goes,
    };
    backups.iter().map(|b| (b.id.clone(), fate(b))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BackupKind, Slot, Uid};
    use proptest::prelude::*;

    fn backup(days: i64, state: BackupState) -> Backup {
        let at: Timestamp = "2026-01-01T02:00:00Z".parse().unwrap();
        let at = at + TimeDelta::days(days);
        Backup {
            id: BackupId {
                name: "a".parse().unwrap(),
                slot: Slot::at(at),
                attempt: 1,
                store: "local".to_owned(),
            },
            uid: Uid(uuid::Uuid::nil()),
            kind: BackupKind::Scheduled,
            state,
            started: at,
            finished: Some(at),
            verified: None,
            bytes: 1,
            sha256: None,
            url: String::new(),
            error: None,
            keep_until: None,
            note: String::new(),
        }
    }

    fn kept(backups: &[Backup], retention: Retention, now: Timestamp) -> Vec<i64> {
        let fates = fates(backups, &retention, Tz::UTC, now);
        let first: Timestamp = "2026-01-01T02:00:00Z".parse().unwrap();
        fates
            .into_iter()
            .filter(|(_, fate)| *fate != Fate::Goes)
            .map(|(id, _)| (id.slot.instant() - first).num_days())
            .collect()
    }

    const FEW: Retention = Retention {
        last: 1,
        daily: 1,
        weekly: 1,
        monthly: 1,
    };

    #[test]
    fn a_year_of_daily_backups() {
        let all: Vec<Backup> = (0..365).map(|d| backup(d, BackupState::Verified)).collect();
        let now = all[364].started;
        let kept = kept(&all, Retention::default(), now);
        // 14 days; of the 8 weeks six more; of the 6 months four more.
        assert_eq!(kept.len(), 24, "{kept:?}");
        assert!((351..365).all(|d| kept.contains(&d)));
    }

    #[test]
    fn while_none_is_verified_nothing_goes() {
        let all: Vec<Backup> = (0..90).map(|d| backup(d, BackupState::Stored)).collect();
        assert_eq!(kept(&all, Retention::default(), all[89].started).len(), 90);
    }

    #[test]
    fn those_of_a_clock_that_was_ahead_let_none_of_now_go() {
        let all = [
            backup(0, BackupState::Verified),
            backup(1, BackupState::Verified),
            backup(400, BackupState::Verified),
        ];
        assert_eq!(kept(&all, FEW, all[1].started), [1, 400]);
        assert_eq!(kept(&all, FEW, all[2].started), [400]);
    }

    #[test]
    fn a_damaged_one_is_no_backup_of_its_day() {
        let all = [
            backup(0, BackupState::Verified),
            backup(1, BackupState::Stored),
            backup(2, BackupState::Damaged),
        ];
        assert_eq!(kept(&all, FEW, all[2].started), [0, 1, 2]);
        let all = [
            backup(0, BackupState::Damaged),
            backup(20, BackupState::Verified),
        ];
        assert_eq!(kept(&all, FEW, all[1].started), [20]);
    }

    #[test]
    fn one_that_failed_goes_after_a_week_with_what_it_left() {
        let all = [
            backup(0, BackupState::Failed),
            backup(1, BackupState::Running),
            backup(5, BackupState::Failed),
        ];
        for (days, left) in [(6, &[0, 1, 5][..]), (7, &[1, 5]), (11, &[1, 5]), (12, &[1])] {
            assert_eq!(
                kept(&all, FEW, all[0].started + TimeDelta::days(days)),
                left,
                "{days}"
            );
        }
        // It does not wait for better ones, and no clock that was set back makes it go.
        assert_eq!(
            kept(&all, FEW, all[0].started - TimeDelta::days(1)),
            [0, 1, 5]
        );
    }

    #[test]
    fn a_person_keeps_one_until_a_day() {
        let mut all = [
            backup(0, BackupState::Stored),
            backup(200, BackupState::Verified),
        ];
        let now = all[1].started;
        assert_eq!(kept(&all, FEW, now), [200]);
        all[0].keep_until = Some(now + TimeDelta::days(1));
        assert_eq!(kept(&all, FEW, now), [0, 200]);
        assert_eq!(kept(&all, FEW, now + TimeDelta::days(2)), [200]);
    }

    fn any_state() -> impl Strategy<Value = BackupState> {
        prop_oneof![
            Just(BackupState::Stored),
            Just(BackupState::Verified),
            Just(BackupState::Damaged),
            Just(BackupState::Failed),
            Just(BackupState::Running),
        ]
    }

    proptest! {
        /// Law 7, over any history: the newest verified one stays, and asking again after the others
        /// went changes nothing.
        #[test]
        fn the_newest_verified_one_always_stays(
            states in proptest::collection::vec((0_i64..400, any_state()), 0..40),
            (last, daily, weekly, monthly) in (1_u32..4, 1_u32..15, 1_u32..9, 1_u32..7),
            later in 0_i64..1000,
        ) {
            let mut all: Vec<Backup> = states.iter().map(|(d, s)| backup(*d, *s)).collect();
            all.sort_by_key(|b| b.id.slot);
            all.dedup_by_key(|b| b.id.slot);
            let retention = Retention { last, daily, weekly, monthly };
            let now = backup(400 + later, BackupState::Stored).started;
            let first = fates(&all, &retention, Tz::UTC, now);
            let newest = all.iter().rev().find(|b| b.state == BackupState::Verified);
            if let Some(newest) = newest {
                prop_assert_ne!(&first[&newest.id], &Fate::Goes);
            }
            let left: Vec<Backup> = all.iter().filter(|b| first[&b.id] != Fate::Goes).cloned().collect();
            let second = fates(&left, &retention, Tz::UTC, now);
            prop_assert!(second.values().all(|f| *f != Fate::Goes));
        }
    }
}
