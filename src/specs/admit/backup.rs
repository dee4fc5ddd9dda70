//! The `backup:` section: checked, its defaults resolved. What is due when is the planner's.

use std::time::Duration;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use croner::Cron;

use crate::model::{BackupPolicy, Schedule};

use super::super::raw::Backup;
use super::{Check, hint};

/// The schedules that have a name, and the time between two backups.
const NAMED: [(&str, Option<Duration>); 3] = [
    ("Daily", Some(Duration::from_secs(24 * 3600))),
    ("Weekly", Some(Duration::from_secs(7 * 24 * 3600))),
    ("Never", None),
];

/// How much later than due a backup may be there before that is an alarm: 26h for a daily one, 8d
/// for a weekly one.
fn slack(longest: Duration) -> Duration {
    let hours = if longest > Duration::from_secs(48 * 3600) {
        24
    } else {
        2
    };
    Duration::from_secs(hours * 3600)
}

impl Check<'_> {
    /// What is wanted of backups; with a problem noted, what is left of it.
    pub(super) fn backup(&mut self) -> BackupPolicy {
        let mut policy = BackupPolicy::default();
        let Some(Backup {
            schedule,
            window,
            stores,
            retention,
            rpo,
            verify,
        }) = &self.spec.backup
        else {
            return policy;
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
        policy.schedule = match text {
            "Daily" => Schedule::Daily,
            "Weekly" => Schedule::Weekly,
            "Never" => Schedule::Never,
            cron => Schedule::Cron(cron.to_owned()),
        };
        if let Some(list) = stores {
            self.stores(list);
            policy.stores.clone_from(list);
        }
        let known = !self.flawed("spec.backup.schedule");
        let mut rpo_of = longest.flatten().map(|longest| longest + slack(longest));
        if let (Some(rpo), Some(longest), true) = (rpo, longest, known) {
            rpo_of = self.rpo(rpo, text, longest).or(rpo_of);
        }
        policy.rpo_minutes = rpo_of.map_or(policy.rpo_minutes, |rpo| {
            u32::try_from(rpo.as_secs() / 60).unwrap_or(u32::MAX)
        });
        policy.window = window.unwrap_or(policy.window);
        policy.verify = verify.unwrap_or(policy.verify);
        if let Some(given) = retention {
            let kept = &mut policy.retention;
            kept.last = given.last.unwrap_or(kept.last);
            kept.daily = given.daily.unwrap_or(kept.daily);
            kept.weekly = given.weekly.unwrap_or(kept.weekly);
            kept.monthly = given.monthly.unwrap_or(kept.monthly);
        }
        policy
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

    fn rpo(&mut self, text: &str, schedule: &str, longest: Option<Duration>) -> Option<Duration> {
        let field = "spec.backup.rpo";
        let rpo = self.take(field, duration(text))?;
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
        Some(rpo)
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

/// The longest time between two firings, on so many days that have one that years pass: each such day has
/// the same times, and a schedule of every minute in January is still one of eleven months without.
fn longest_gap(cron: &Cron) -> Duration {
    let Ok(first) = cron.find_next_occurrence(&start(), true) else {
        return Duration::ZERO;
    };
    let mut day = midnight(first);
    let times = cron.iter_after(day - TimeDelta::minutes(1));
    let times: Vec<_> = times.take_while(|at| midnight(*at) == day).collect();
    let within = times.windows(2).map(|two| two[1] - two[0]).max();
    let mut longest = within.unwrap_or_default();
    let closes = times.last().map_or(TimeDelta::zero(), |at| *at - day);
    for _ in 0..3_000 {
        let Ok(next) = cron.find_next_occurrence(&(day + TimeDelta::days(1)), true) else {
            break;
        };
        longest = longest.max(next - (day + closes));
        day = midnight(next);
    }
    longest.to_std().unwrap_or_default()
}

fn midnight(at: DateTime<Utc>) -> DateTime<Utc> {
    at.date_naive().and_time(NaiveTime::MIN).and_utc()
}

#[cfg(test)]
mod tests;
