//! What is done about a life that is over, where the settings want more than notices: first it is told
//! what will be, then its users are held to reading, then it hibernates.
//!
//! What is in force is the ledger's last word ([`Notice::Enforced`](crate::model::Notice)), never the
//! clock's alone: each step is written down with its reason before anything follows from it, and nothing
//! is done that was not announced for as long as the settings say. A person's `start` goes before all of
//! it, for as long as it lasts.

use chrono::TimeDelta;

use super::{Ward, stage};
use crate::engine;
use crate::model::{Enforce, Enforced, Measure, OverrideState, Timestamp, WantedState};

/// How long a `start` without an end lasts on a database whose life is over. Without a bound one forgotten
/// word would end all that the settings want about it, for good.
const WOKEN: TimeDelta = TimeDelta::days(14);

/// When a word over the spec ends: as the person says; one that wakes what is held back, because its life
/// is over (`held_back`), has an end in any case, and may be said again.
pub fn ends(
    state: OverrideState,
    until: Option<Timestamp>,
    held_back: bool,
    now: Timestamp,
) -> Option<Timestamp> {
    match state {
        OverrideState::Running if held_back => until.or(Some(now + WOKEN)),
        OverrideState::Running | OverrideState::Stopped | OverrideState::Maintenance => until,
    }
}

impl Ward<'_> {
    /// What is to be in force about its life now; `None`: nothing, and nothing is on its way.
    pub fn enforced(&self, now: Timestamp) -> Option<Enforced> {
        let rules = self.house.enforce?;
        // What is stopped already writes nothing, and hands are off what is in maintenance.
        if self.db.state != WantedState::Running {
            return None;
        }
        let ends = self.life_ends()?;
        stage(ends, now)?;
        let before = self.told.enforced.filter(|before| before.ends == ends);
        if let (Some(OverrideState::Maintenance | OverrideState::Stopped), Some(_)) =
            (self.over, before)
        {
            return before;
        }
        let announced = before.map_or(now, |before| before.announced);
        let (reads, hibernates) = times(&rules, ends, announced);
        let measure = if self.over.is_some() || now < reads {
            Measure::Announced
        } else if now < hibernates {
            Measure::ReadOnly
        } else {
            Measure::Hibernation
        };
        let same = before.filter(|before| before.measure == measure);
        Some(Enforced {
            ends,
            announced,
            measure,
            since: same.map_or(now, |before| before.since),
        })
    }

    /// A measure in words, as it begins.
    pub(super) fn measure(&self, enforced: &Enforced) -> String {
        let name = &self.db.name;
        let setting = engine::recipe(self.db.engine).read_only();
        match (enforced.measure, setting) {
            (Measure::Announced, _) if self.over.is_some() => {
                "a person wants it to run: what was done since its life is over is undone meanwhile"
                    .to_owned()
            }
            (Measure::Announced, _) => format!(
                "what its life asks for is announced: {}",
                self.longer_from(enforced)
            ),
            (Measure::ReadOnly, Some((setting, value))) => format!(
                "its life is over: its users may only read from now on (`{setting}` is `{value}`); \
                 {}",
                self.longer_from(enforced)
            ),
            (Measure::ReadOnly, None) => format!(
                "its life is over, and {} cannot hold its users to reading; {}",
                self.db.engine,
                self.longer_from(enforced)
            ),
            (Measure::Hibernation, _) => format!(
                "its life is over: it is stopped once a final backup of it is proven, and its data kept; \
                 `db4sci start {name}` wakes it"
            ),
        }
    }

    /// The one word for a life that is over.
    pub(super) fn over_word(&self) -> &'static str {
        match self.told.measure() {
            _ if self.hibernates => "Hibernated",
            Some(Measure::ReadOnly | Measure::Hibernation) => "ReadOnly",
            Some(Measure::Announced) | None => "Over",
        }
    }

    /// What follows from the end of its life, and what to do against it.
    pub(super) fn longer(&self) -> String {
        let name = &self.db.name;
        match self.told.enforced {
            Some(enforced) => self.longer_from(&enforced),
            None => format!(
                "nothing is stopped for that: set a longer `life` in its spec, or retire it (db4sci \
                 delete {name})"
            ),
        }
    }

    fn longer_from(&self, enforced: &Enforced) -> String {
        let name = &self.db.name;
        let rules = self.house.enforce.unwrap_or_default();
        let (reads, hibernates) = times(&rules, enforced.ends, enforced.announced);
        let day = |at: Timestamp| at.format("%F %H:%M UTC").to_string();
        let then = match enforced.measure {
            Measure::Announced => {
                let (reads, hibernates) = (day(reads), day(hibernates));
                format!(
                    "its users may only read from {reads} on, and it hibernates from {hibernates} on"
                )
            }
            Measure::ReadOnly => format!("it hibernates from {} on", day(hibernates)),
            Measure::Hibernation => "it hibernates".to_owned(),
        };
        format!(
            "{then}: set a longer `life` in its spec, or retire it (db4sci delete {name}); for a while: \
             db4sci start {name} --for 7d"
        )
    }
}

/// When its users are held to reading, and when it hibernates.
fn times(rules: &Enforce, ends: Timestamp, announced: Timestamp) -> (Timestamp, Timestamp) {
    let from = ends.max(announced);
    let after = |span| from.checked_add_signed(span).unwrap_or(Timestamp::MAX_UTC);
    (after(rules.read_only_after), after(rules.hibernate_after))
}

#[cfg(test)]
mod tests;
