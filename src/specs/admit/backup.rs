//! The `backup:` section: checked and kept. What is due when is the planner's.

use std::time::Duration;

use chrono::{DateTime, Utc};
use croner::Cron;

use super::super::raw::Backup;
use super::{Check, hint};

/// The schedules that have a name, and the time between two backups.
const NAMED: [(&str, Option<Duration>); 3] = [
    ("Daily", Some(Duration::from_secs(24 * 3600))),
    ("Weekly", Some(Duration::from_secs(7 * 24 * 3600))),
    ("Never", None),
];

impl Check<'_> {
    pub(super) fn backup(&mut self) {
        let Some(Backup {
            schedule,
            window,
            stores,
            retention: _, // its numbers are checked by their range
            rpo,
            verify: _,
        }) = &self.spec.backup
        else {
            return;
        };
        let text = schedule.as_deref().unwrap_or("Daily");
        let named = NAMED.iter().find(|(name, _)| *name == text);
        let longest = match named {
            Some((_, between)) => Some(*between),
            None => {
                if window.is_some() {
                    self.refuse(
                        "spec.backup.window",
                        "a cron expression says the time itself; remove the window, or write Daily \
                         or Weekly",
                    );
                }
                let gap = cron(text).map(|cron| Some(longest_gap(&cron)));
                self.take("spec.backup.schedule", gap)
            }
        };
        if let Some(list) = stores {
            self.stores(list);
        }
        let known = !self.flawed("spec.backup.schedule");
        if let (Some(rpo), Some(longest), true) = (rpo, longest, known) {
            self.rpo(rpo, text, longest);
        }
    }

    fn stores(&mut self, list: &[String]) {
        let known: Vec<&str> = self.rules.stores.iter().map(String::as_str).collect();
        for (i, store) in list.iter().enumerate() {
            let field = format!("spec.backup.stores[{i}]");
            if !known.contains(&store.as_str()) {
                let message = format!(
                    "`{}` is no store of the settings{}: {}",
                    store.escape_debug(),
                    hint(store, known.iter().copied()),
                    known.join(", ")
                );
                self.refuse(&field, message);
            } else if list[..i].contains(store) {
                self.refuse(&field, format!("`{store}` stands twice"));
            }
        }
    }

    fn rpo(&mut self, text: &str, schedule: &str, longest: Option<Duration>) {
        let field = "spec.backup.rpo";
        let Some(rpo) = self.take(field, duration(text)) else {
            return;
        };
        match longest {
            None => self.refuse(
                field,
                format!("`{text}` can never hold: with `schedule: {schedule}` nothing is backed up; remove it"),
            ),
            Some(longest) if rpo < longest => {
                let hours = longest.as_secs().div_ceil(3600);
                self.refuse(
                    field,
                    format!(
                        "`{text}` can never hold: with `schedule: {schedule}` up to {hours}h lie \
                         between two backups; write at least {hours}h, or schedule more often"
                    ),
                );
            }
            Some(_) => {}
        }
    }
}

/// A time such as `26h`, `8d`, `90m`.
fn duration(text: &str) -> Result<Duration, String> {
    let bad = || {
        format!(
            "`{}` is no time; write minutes, hours or days: `90m`, `26h`, `8d`",
            text.escape_debug()
        )
    };
    let unit = text.chars().next_back().ok_or_else(bad)?;
    let seconds: u64 = match unit {
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return Err(bad()),
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || digits.len() > 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    match digits.parse::<u64>() {
        Ok(0) | Err(_) => Err(bad()),
        Ok(n) => Ok(Duration::from_secs(n * seconds)),
    }
}

/// A field of a cron expression: its name, its range, and words that stand for numbers.
struct CronField {
    name: &'static str,
    least: u32,
    most: u32,
    words: &'static [&'static str],
}

const FIELDS: [CronField; 5] = [
    CronField {
        name: "minute",
        least: 0,
        most: 59,
        words: &[],
    },
    CronField {
        name: "hour",
        least: 0,
        most: 23,
        words: &[],
    },
    CronField {
        name: "day of the month",
        least: 1,
        most: 31,
        words: &["L"],
    },
    CronField {
        name: "month",
        least: 1,
        most: 12,
        words: &[
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ],
    },
    CronField {
        name: "day of the week",
        least: 0,
        most: 7,
        words: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    },
];

/// Reads a cron expression of five fields that fires at some time.
fn cron(text: &str) -> Result<Cron, String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let cronlike = text.contains([' ', '*']) && !text.chars().any(|c| c.is_control());
    if !cronlike {
        return Err(format!(
            "`{}` is no schedule{}: Daily, Weekly, Never, or a cron expression such as `30 2 * * *`",
            text.escape_debug(),
            hint(text, NAMED.iter().map(|(name, _)| *name))
        ));
    }
    if fields.len() != FIELDS.len() {
        return Err(format!(
            "`{text}` has {} fields; a cron expression has five (minute, hour, day of the month, \
             month, day of the week), no seconds",
            fields.len()
        ));
    }
    for (field, text) in FIELDS.iter().zip(&fields) {
        field.check(text)?;
    }
    let cron: Cron = fields
        .join(" ")
        .parse()
        .map_err(|error| format!("`{text}` is no cron expression: {error}"))?;
    cron.find_next_occurrence(&start(), false)
        .map(|_| cron)
        .map_err(|_| format!("`{text}` never fires: there is no such day"))
}

impl CronField {
    /// Checks each number of a list of `*`, `5`, `1-5`, `*/15`, `1-30/2`.
    fn check(&self, text: &str) -> Result<(), String> {
        for item in text.split(',') {
            let (range, step) = item.split_once('/').unwrap_or((item, "1"));
            let steps = step.parse::<u32>().is_ok_and(|n| n >= 1 && n <= self.most);
            let ends: Vec<&str> = range.split('-').collect();
            let good = |end: &&str| {
                self.words.contains(&end.to_uppercase().as_str())
                    || end
                        .parse::<u32>()
                        .is_ok_and(|n| (self.least..=self.most).contains(&n))
            };
            let fine = range == "*" || (ends.len() <= 2 && ends.iter().all(good));
            if !fine || !steps {
                return Err(format!(
                    "{} `{}` is not allowed; allowed: {} to {}, `*`, lists, ranges and steps",
                    self.name,
                    item.escape_debug(),
                    self.least,
                    self.most
                ));
            }
        }
        Ok(())
    }
}

/// A fixed instant to count from, since what a schedule can hold does not depend on today. Four
/// years from here hold a 29 February.
fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_704_067_200, 0).unwrap_or_default()
}

/// The longest time between two firings within some years.
fn longest_gap(cron: &Cron) -> Duration {
    let mut longest = Duration::ZERO;
    let mut last: Option<DateTime<Utc>> = None;
    for at in cron.iter_after(start()).take(3_000) {
        if let Some(last) = last {
            longest = longest.max((at - last).to_std().unwrap_or_default());
        }
        last = Some(at);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_of_a_schedule() {
        for (text, hours) in [
            ("0 2 * * *", 24),
            ("0 2 * * 1-5", 72),
            ("*/30 * * * *", 1),
            ("0 0 1 * *", 31 * 24),
        ] {
            let gap = longest_gap(&cron(text).unwrap());
            assert_eq!(gap.as_secs().div_ceil(3600), hours, "{text}");
        }
    }
}
