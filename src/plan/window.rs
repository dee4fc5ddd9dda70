//! When planned disruption may happen.

use chrono::{
    DateTime, Datelike, Days, LocalResult, NaiveDate, NaiveDateTime, TimeZone, Timelike, Weekday,
};
use chrono_tz::Tz;

use crate::model::Timestamp;
use crate::model::database::Window;

/// The next instant, from `now` on, at which the window is open; `now` itself while it is open.
/// `None` when it never opens.
pub fn opens(window: &Window, zone: Tz, now: Timestamp) -> Option<Timestamp> {
    let local = now.with_timezone(&zone);
    if is_open(window, local) {
        return Some(now);
    }
    // Spans repeat within a week; one more day covers an opening lost to daylight saving.
    (0..=8).find_map(|ahead| {
        let day = local.date_naive().checked_add_days(Days::new(ahead))?;
        let minute = opening_minute(window, day)?;
        let at = instant(zone, day, minute)?.to_utc();
        (at > now).then_some(at)
    })
}

/// Whether the window is open at a local time.
fn is_open(window: &Window, local: DateTime<Tz>) -> bool {
    let minute = local.hour() * 60 + local.minute();
    let day = local.weekday();
    match window {
        Window::Any => true,
        Window::OfficeHours => {
            !matches!(day, Weekday::Sat | Weekday::Sun) && (8 * 60..18 * 60).contains(&minute)
        }
        Window::AfterHours => !(5 * 60..22 * 60).contains(&minute),
        Window::Weekly {
            day: start,
            from,
            until,
        } => {
            // Minutes since Monday's midnight, compared around the end of the week.
            let week = 7 * 24 * 60;
            let at = day.num_days_from_monday() * 1440 + minute;
            let opens = u32::from(*start) * 1440 + u32::from(*from);
            let length = u32::from(*until).saturating_sub(u32::from(*from));
            (at + week - opens % week) % week < length
        }
    }
}

/// The minute of a day at which the window opens on that day.
fn opening_minute(window: &Window, day: NaiveDate) -> Option<u32> {
    match window {
        Window::Any => Some(0),
        Window::OfficeHours => {
            (!matches!(day.weekday(), Weekday::Sat | Weekday::Sun)).then_some(8 * 60)
        }
        Window::AfterHours => Some(22 * 60),
        Window::Weekly {
            day: start, from, ..
        } => {
            (day.weekday().num_days_from_monday() == u32::from(*start)).then_some(u32::from(*from))
        }
    }
}

/// A local minute as an instant: the first of two when the clock is set back; the next that exists
/// when it is set forward over it.
fn instant(zone: Tz, day: NaiveDate, minute: u32) -> Option<DateTime<Tz>> {
    let local: NaiveDateTime = day.and_hms_opt(minute / 60, minute % 60, 0)?;
    (0..=3).find_map(|quarters_of_an_hour| {
        match zone
            .from_local_datetime(&(local + chrono::TimeDelta::minutes(30 * quarters_of_an_hour)))
        {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at),
            LocalResult::None => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_opens_in_the_database_s_own_zone() {
        let zone = chrono_tz::America::Los_Angeles;
        // 20:00 UTC is 12:00 in Los Angeles in winter; 22:00 there is 06:00 UTC.
        assert_eq!(
            opens(&Window::AfterHours, zone, at("2026-01-14T20:00:00Z")),
            Some(at("2026-01-15T06:00:00Z"))
        );
        let night = at("2026-01-15T08:00:00Z");
        assert_eq!(opens(&Window::AfterHours, zone, night), Some(night));
    }

    #[test]
    fn office_hours_wait_over_the_weekend() {
        assert_eq!(
            opens(
                &Window::OfficeHours,
                chrono_tz::UTC,
                at("2026-11-21T10:00:00Z")
            ),
            Some(at("2026-11-23T08:00:00Z"))
        );
    }

    #[test]
    fn a_weekly_span_may_pass_midnight_and_the_end_of_the_week() {
        let sunday_night = Window::Weekly {
            day: 6,
            from: 22 * 60,
            until: 28 * 60,
        };
        let monday_3 = at("2026-11-23T03:00:00Z");
        assert_eq!(
            opens(&sunday_night, chrono_tz::UTC, monday_3),
            Some(monday_3)
        );
        assert_eq!(
            opens(&sunday_night, chrono_tz::UTC, at("2026-11-23T04:00:00Z")),
            Some(at("2026-11-29T22:00:00Z"))
        );
    }

    #[test]
    fn an_opening_that_the_clock_jumps_over_is_not_lost() {
        // On 2026-03-08 there is no 02:30 in Los Angeles.
        let window = Window::Weekly {
            day: 6,
            from: 150,
            until: 240,
        };
        assert_eq!(
            opens(
                &window,
                chrono_tz::America::Los_Angeles,
                at("2026-03-08T09:00:00Z")
            ),
            Some(at("2026-03-08T10:00:00Z"))
        );
    }

    #[test]
    fn each_window_begins_and_ends_at_its_minute() {
        let weekly = Window::Weekly {
            day: 2,
            from: 615,
            until: 705,
        };
        // 2026-11-23 is a Monday.
        for (window, now, next) in [
            (&Window::Any, "24T11:11", "24T11:11"),
            (&Window::OfficeHours, "23T07:59", "23T08:00"),
            (&Window::OfficeHours, "23T08:00", "23T08:00"),
            (&Window::OfficeHours, "23T17:59", "23T17:59"),
            (&Window::OfficeHours, "23T18:00", "24T08:00"),
            (&Window::OfficeHours, "27T18:00", "30T08:00"),
            (&Window::OfficeHours, "29T12:00", "30T08:00"),
            (&Window::AfterHours, "24T04:59", "24T04:59"),
            (&Window::AfterHours, "24T05:00", "24T22:00"),
            (&Window::AfterHours, "24T21:59", "24T22:00"),
            (&Window::AfterHours, "24T22:00", "24T22:00"),
            (&weekly, "23T11:00", "25T10:15"),
            (&weekly, "25T10:14", "25T10:15"),
            (&weekly, "25T10:15", "25T10:15"),
            (&weekly, "25T11:44", "25T11:44"),
            (&weekly, "18T11:45", "25T10:15"),
            (&weekly, "19T10:30", "25T10:15"),
        ] {
            let instant = |text: &str| at(&format!("2026-11-{text}:00Z"));
            assert_eq!(
                opens(window, chrono_tz::UTC, instant(now)),
                Some(instant(next)),
                "{window:?} at {now}"
            );
        }
    }

    #[test]
    fn a_span_that_the_clock_skips_whole_waits_for_its_next_week() {
        let window = Window::Weekly {
            day: 6,
            from: 150,
            until: 165,
        };
        assert_eq!(
            opens(
                &window,
                chrono_tz::America::Los_Angeles,
                at("2026-03-08T10:00:00Z")
            ),
            Some(at("2026-03-15T09:30:00Z"))
        );
    }
}
