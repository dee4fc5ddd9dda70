//! When a backup is due: a question about instants, never a timer.

use chrono::{DateTime, Datelike, Duration, NaiveDate, TimeDelta, TimeZone, Weekday};
use chrono_tz::Tz;
use croner::Cron;

use crate::model::{BackupPolicy, BackupWindow, DbName, Schedule, Timestamp};

/// The hours of `AfterHours`, as minutes after midnight of its first day; an hour is left at its end
/// for the backup itself.
const AFTER_HOURS: (i64, i64) = (22 * 60, 28 * 60);
/// A whole day.
const DAY: (i64, i64) = (0, 24 * 60);
/// Days to look back and ahead: a week, and what the clock's changes may shift.
const DAYS: i64 = 9;

/// The last instant at or before `now` at which a backup is due; `None`: never.
pub fn last_due(
    policy: &BackupPolicy,
    name: &DbName,
    zone: Tz,
    now: Timestamp,
) -> Option<Timestamp> {
    nearest(policy, name, zone, now, Side::UpToNow)
}

/// The first instant after `now` at which a backup is due; `None`: never.
pub fn next_due(
    policy: &BackupPolicy,
    name: &DbName,
    zone: Tz,
    now: Timestamp,
) -> Option<Timestamp> {
    nearest(policy, name, zone, now, Side::AfterNow)
}

#[derive(Clone, Copy)]
enum Side {
    UpToNow,
    AfterNow,
}

fn nearest(
    policy: &BackupPolicy,
    name: &DbName,
    zone: Tz,
    now: Timestamp,
    side: Side,
) -> Option<Timestamp> {
    match &policy.schedule {
        Schedule::Never => None,
        Schedule::Cron(text) => {
            let cron: Cron = text.parse().ok()?;
            let local = now.with_timezone(&zone);
            let found = match side {
                Side::UpToNow => cron.find_previous_occurrence(&local, true),
                Side::AfterNow => cron.find_next_occurrence(&local, false),
            };
            Some(found.ok()?.to_utc())
        }
        Schedule::Daily | Schedule::Weekly => {
            let all = instants(policy, name, zone, now);
            match side {
                Side::UpToNow => all.filter(|at| *at <= now).max(),
                Side::AfterNow => all.filter(|at| *at > now).min(),
            }
        }
    }
}

/// The due instants of the days around `now`.
fn instants<'a>(
    policy: &'a BackupPolicy,
    name: &DbName,
    zone: Tz,
    now: Timestamp,
) -> impl Iterator<Item = Timestamp> + use<'a> {
    let spread = spread(name);
    let (from, until) = match policy.window {
        BackupWindow::AfterHours => AFTER_HOURS,
        BackupWindow::Any | BackupWindow::Weekend => DAY,
    };
    let minute = from + spread.rem_euclid(until - from);
    let today = now.with_timezone(&zone).date_naive();
    (-DAYS..=DAYS)
        .filter_map(move |n| today.checked_add_signed(Duration::days(n)))
        .filter(move |day| on(policy, spread, *day))
        .filter_map(move |day| local(zone, day, minute))
}

/// Whether a backup is due on a day.
fn on(policy: &BackupPolicy, spread: i64, day: NaiveDate) -> bool {
    let weekly = matches!(policy.schedule, Schedule::Weekly);
    let weekend = [Weekday::Sat, Weekday::Sun];
    let number = i64::from(day.weekday().num_days_from_monday());
    // Another part of the number than the minute's, so that the two are independent.
    let chosen = spread / 1440;
    match (policy.window, weekly) {
        (BackupWindow::Weekend, false) => weekend.contains(&day.weekday()),
        (BackupWindow::Weekend, true) => day.weekday() == weekend[usize::from(chosen % 2 == 1)],
        (BackupWindow::Any | BackupWindow::AfterHours, true) => number == chosen % 7,
        (BackupWindow::Any | BackupWindow::AfterHours, false) => true,
    }
}

/// A number that only the name decides: databases of one window do not all begin at once.
fn spread(name: &DbName) -> i64 {
    // FNV-1a: the same in every version of this program, unlike the standard library's hash.
    let hash = name
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    i64::try_from((hash ^ (hash >> 32)) % (1440 * 1440)).unwrap_or(0)
}

/// The instant of a minute counted from a day's local midnight. A wall time that the clock skips is
/// the same distance behind the gap; one that comes twice is the first.
fn local(zone: Tz, day: NaiveDate, minute: i64) -> Option<Timestamp> {
    let wall = day.and_hms_opt(0, 0, 0)? + TimeDelta::minutes(minute);
    let found = |wall| zone.from_local_datetime(&wall).earliest();
    let at: DateTime<Tz> = found(wall).or_else(|| {
        // No zone skips more than a day.
        let before = found(wall - TimeDelta::hours(24))?;
        Some(before + TimeDelta::hours(24))
    })?;
    Some(at.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Timelike;
    use chrono_tz::{America::Los_Angeles, Europe::Berlin, UTC};

    fn name(text: &str) -> DbName {
        text.parse().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn policy(schedule: Schedule, window: BackupWindow) -> BackupPolicy {
        BackupPolicy {
            schedule,
            window,
            ..BackupPolicy::default()
        }
    }

    /// All due instants of a year, one after the other.
    fn year(policy: &BackupPolicy, who: &str, zone: Tz) -> Vec<Timestamp> {
        let (mut now, end) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
        let mut all = Vec::new();
        while let Some(next) = next_due(policy, &name(who), zone, now).filter(|n| *n < end) {
            assert!(next > now);
            assert_eq!(last_due(policy, &name(who), zone, next), Some(next));
            let between = now + (next - now) / 2;
            if !all.is_empty() {
                assert_eq!(
                    last_due(policy, &name(who), zone, between),
                    all.last().copied()
                );
            }
            all.push(next);
            now = next;
        }
        all
    }

    #[test]
    fn a_daily_backup_comes_once_each_local_day_also_where_the_clock_changes() {
        for zone in [UTC, Berlin, Los_Angeles] {
            for who in ["genomics", "a", "proteomics", "x1"] {
                for window in [BackupWindow::Any, BackupWindow::AfterHours] {
                    let all = year(&policy(Schedule::Daily, window), who, zone);
                    assert!((365..=366).contains(&all.len()), "{}", all.len());
                    for pair in all.windows(2) {
                        let hours = (pair[1] - pair[0]).num_minutes();
                        assert!((22 * 60..=26 * 60).contains(&hours), "{pair:?}");
                    }
                    if window == BackupWindow::AfterHours {
                        for one in all {
                            let hour = one.with_timezone(&zone).hour();
                            assert!(!(5..22).contains(&hour), "{one}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_weekly_backup_comes_each_week_on_its_day() {
        let all = year(
            &policy(Schedule::Weekly, BackupWindow::Weekend),
            "genomics",
            Berlin,
        );
        assert!((52..=53).contains(&all.len()));
        for one in all {
            let day = one.with_timezone(&Berlin).weekday();
            assert!(matches!(day, Weekday::Sat | Weekday::Sun), "{one}");
        }
        let twice = year(
            &policy(Schedule::Daily, BackupWindow::Weekend),
            "genomics",
            UTC,
        );
        assert!((104..=105).contains(&twice.len()), "{}", twice.len());
    }

    #[test]
    fn names_are_spread_over_the_window() {
        let policy = policy(Schedule::Daily, BackupWindow::AfterHours);
        let now = at("2026-06-01T12:00:00Z");
        let mut hours = [0; 24];
        for n in 0..600 {
            let due = next_due(&policy, &name(&format!("lab{n}")), UTC, now).unwrap();
            hours[due.hour() as usize] += 1;
        }
        for hour in [22, 23, 0, 1, 2, 3] {
            assert!((60..=140).contains(&hours[hour]), "{hours:?}");
        }
    }

    #[test]
    fn a_cron_expression_is_read_in_the_databases_own_time() {
        let policy = policy(Schedule::Cron("30 2 * * *".to_owned()), BackupWindow::Any);
        let due = last_due(&policy, &name("a"), Berlin, at("2026-07-01T12:00:00Z"));
        assert_eq!(due, Some(at("2026-07-01T00:30:00Z")));
        let never = BackupPolicy {
            schedule: Schedule::Never,
            ..policy
        };
        assert_eq!(
            last_due(&never, &name("a"), UTC, at("2026-07-01T12:00:00Z")),
            None
        );
    }

    #[test]
    fn a_name_has_the_same_instants_in_every_version_of_this_program() {
        use BackupWindow::{AfterHours, Any, Weekend};
        use Schedule::{Daily, Weekly};
        for (who, schedule, window, due) in [
            ("genomics", Daily, Any, "02T05:49"),
            ("genomics", Daily, AfterHours, "02T03:49"),
            ("genomics", Daily, Weekend, "06T05:49"),
            ("genomics", Weekly, Any, "03T05:49"),
            ("genomics", Weekly, AfterHours, "04T03:49"),
            ("genomics", Weekly, Weekend, "06T05:49"),
            ("assays", Daily, Any, "01T12:12"),
            ("assays", Daily, AfterHours, "01T22:12"),
            ("assays", Weekly, Any, "06T12:12"),
            ("assays", Weekly, AfterHours, "06T22:12"),
            ("chembank", Weekly, Any, "08T11:02"),
            ("chembank", Weekly, AfterHours, "02T03:02"),
            ("chembank", Weekly, Weekend, "07T11:02"),
        ] {
            let policy = policy(schedule, window);
            let next = next_due(&policy, &name(who), UTC, at("2026-06-01T12:00:00Z"));
            let expected = at(&format!("2026-06-{due}:00Z"));
            assert_eq!(next, Some(expected), "{who}: {policy:?}");
        }
    }

    #[test]
    fn a_wall_time_that_the_clock_skips_is_as_far_behind_the_gap() {
        let day = NaiveDate::from_ymd_opt(2026, 3, 29).unwrap();
        for (minute, expected) in [
            (119, "2026-03-29T00:59:00Z"),
            // 02:30 is not there: half an hour behind 03:00.
            (150, "2026-03-29T01:30:00Z"),
            (180, "2026-03-29T01:00:00Z"),
        ] {
            assert_eq!(local(Berlin, day, minute), Some(at(expected)), "{minute}");
        }
        // What comes twice is the first.
        let day = NaiveDate::from_ymd_opt(2026, 10, 25).unwrap();
        assert_eq!(local(Berlin, day, 150), Some(at("2026-10-25T00:30:00Z")));
    }
}
