//! The maintenance window.

use crate::model::database::Window;

use super::Check;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Minutes of a day.
const DAY: u16 = 24 * 60;

impl Check<'_> {
    pub(super) fn maintenance_window(&mut self) -> Option<Window> {
        match &self.spec.maintenance_window {
            Some(text) => self.take("spec.maintenanceWindow", read(text)),
            None => {
                let kept = self.before.kept("/maintenanceWindow");
                Some(kept.map_or(Window::AfterHours, |db| db.maintenance_window.clone()))
            }
        }
    }
}

/// Reads `AfterHours` or `Sat 00:00-04:00`. A span that ends before it begins ends on the next day.
fn read(text: &str) -> Result<Window, String> {
    let bad = || {
        format!(
            "`{}` is no window; allowed: Any, OfficeHours, AfterHours, or a day and a span such as \
             `Sat 00:00-04:00`",
            text.escape_debug()
        )
    };
    match text {
        "Any" => return Ok(Window::Any),
        "OfficeHours" => return Ok(Window::OfficeHours),
        "AfterHours" => return Ok(Window::AfterHours),
        _ => {}
    }
    let (day, span) = text.split_once(' ').ok_or_else(bad)?;
    let day = DAYS.iter().position(|d| *d == day).ok_or_else(bad)?;
    let (from, until) = span.split_once('-').ok_or_else(bad)?;
    let from = minutes(from).filter(|m| *m < DAY).ok_or_else(bad)?;
    let until = minutes(until).ok_or_else(bad)?;
    if from == until {
        return Err(format!(
            "`{text}` has no length; nothing could be done in it"
        ));
    }
    Ok(Window::Weekly {
        day: u8::try_from(day).unwrap_or_default(),
        from,
        until: if until < from { until + DAY } else { until },
    })
}

/// Minutes after midnight of `HH:MM`, up to 24:00.
fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |s: &str| -> Option<u16> {
        let digits = s.len() == 2 && s.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| s.parse().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= DAY).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_a_week_may_cross_midnight() {
        let weekly = |day, from, until| Ok(Window::Weekly { day, from, until });
        assert_eq!(read("Sat 00:00-04:00"), weekly(5, 0, 240));
        assert_eq!(read("Sun 22:00-02:30"), weekly(6, 1320, 1590));
        assert_eq!(read("Mon 20:00-24:00"), weekly(0, 1200, 1440));
        for bad in [
            "",
            "Sat",
            "Sat 1:00-2:00",
            "Sat 10:00-10:00",
            "Sat 24:00-25:00",
            "sat 01:00-02:00",
            "Sat 01:60-03:00",
            "Sat 01:00-24:01",
            "Sat 01:000-02:00",
            "Sat 0100-02:00",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
