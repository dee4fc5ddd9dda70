//! What owner and admins of a database are told in the long run: how long it is needed, what
//! protects it, whom to write to, what its owner may have. Nothing is stopped for any of it, unless the
//! settings want that of a life that is over (`enforce`).
//!
//! A notice is due when the ledger does not say that it was told: a daemon that starts again tells
//! nothing twice. A clock that jumps ahead tells the newest stage of a life only; set back, it tells
//! the earlier ones in their time, unless they were told.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Months, TimeDelta};

use crate::engine;
use crate::model::database::{Encryption, Tls};
use crate::model::view::{ConditionStatus, DatabaseView};
use crate::model::{
    Database, DbName, Enforce, KeepRetired, Notice, OverrideState, Owners, Protection, Share,
    Source, Stage, Taken, Timestamp, Told, WantedState, mail,
};

/// Days before the end of a life at which it is told, the first ones first.
const DAYS_LEFT: [u16; 2] = [30, 7];
/// More months than this are not counted: a clock that is far ahead tells nothing new.
const MOST_MONTHS: u16 = 1200;

/// What the settings say that databases are held against in the long run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct House {
    /// The names of the backup stores.
    pub stores: Vec<String>,
    /// The labels of data volumes that are encrypted.
    pub encrypted: BTreeSet<String>,
    /// What each owner may have.
    pub owners: Owners,
    /// When something is done about a life that is over; `None`: it is told, and nothing else.
    pub enforce: Option<Enforce>,
    /// How long what is retired is kept.
    pub keep: KeepRetired,
}

/// A database, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Ward<'a> {
    /// Its admitted spec.
    pub db: &'a Database,
    /// When it was first admitted.
    pub created: Timestamp,
    /// What was told of it.
    pub told: &'a Told,
    /// A person's word over the spec that is in force.
    pub over: Option<OverrideState>,
    /// Whether it hibernates.
    pub hibernates: bool,
    /// The settings.
    pub house: &'a House,
}

/// A condition: its kind, whether it holds, one word why, and a line.
pub type Finding = (&'static str, ConditionStatus, &'static str, String);

impl Ward<'_> {
    /// Whether anything is told of it: not of DB4Sci's own, and not of what is at its end already.
    fn kept(&self) -> bool {
        self.db.source != Source::Builtin && self.db.state != WantedState::Retired
    }

    /// When its life ends; `None`: no end is set.
    pub fn life_ends(&self) -> Option<Timestamp> {
        let months = months(self.db).filter(|_| self.kept())?;
        self.created.checked_add_months(Months::new(months))
    }

    /// The protections that it needs and does not have now. Its spec had them when it was admitted;
    /// the settings may say otherwise since.
    pub fn unprotected(&self) -> BTreeSet<Protection> {
        let db = self.db;
        let phi = db.facts.get("PHI").is_some_and(|phi| phi == "Yes");
        if !phi || !self.kept() {
            return BTreeSet::new();
        }
        let named = &db.backup.stores;
        let stored = match named.is_empty() {
            true => !self.house.stores.is_empty(),
            false => named.iter().any(|store| self.house.stores.contains(store)),
        };
        let files =
            db.encryption == Encryption::Engine || self.house.encrypted.contains(&db.volume.label);
        let all = [
            (Protection::Tls, db.tls == Some(Tls::Required)),
            (Protection::Backups, stored),
            (Protection::Files, files),
        ];
        let missing = all.into_iter().filter(|(_, there)| !there);
        missing.map(|(protection, _)| protection).collect()
    }

    /// What is wrong with its contact.
    fn contact(&self) -> Option<String> {
        let wrong = mail::wrong(&self.db.contact).filter(|_| self.kept())?;
        Some(format!("{wrong}; set `contact` in its spec"))
    }

    /// What is to be told now.
    pub fn due(&self, now: Timestamp) -> Vec<Notice> {
        let mut due = Vec::new();
        if let Some(ends) = self.life_ends()
            && let Some(stage) = stage(ends, now)
            && !self.told.life.contains(&(ends, stage))
        {
            due.push(Notice::Life { ends, stage });
        }
        let missing = self.unprotected();
        if missing != self.told.unprotected {
            due.push(Notice::Unprotected { missing });
        }
        let trouble = self.contact();
        if trouble != self.told.contact {
            due.push(Notice::Contact { trouble });
        }
        let enforced = self.enforced(now);
        if enforced != self.told.enforced {
            due.push(Notice::Enforced { enforced });
        }
        due
    }

    /// A notice in words. It names owner and contact: whoever reads the log can write to them.
    pub fn message(&self, notice: &Notice, now: Timestamp) -> String {
        let what = match notice {
            Notice::Life { ends, .. } => format!("{}; {}", self.life(*ends, now), self.longer()),
            Notice::Unprotected { missing } if missing.is_empty() => {
                "what protected health information needs is there again".to_owned()
            }
            Notice::Unprotected { missing } => self.lacks(missing),
            Notice::Contact {
                trouble: Some(trouble),
            } => format!("nobody can be written to: {trouble}"),
            Notice::Contact { trouble: None } => "there is a contact again".to_owned(),
            Notice::Enforced { enforced: None } => {
                "nothing is done about its life any more: it runs, and its users may write"
                    .to_owned()
            }
            Notice::Enforced {
                enforced: Some(enforced),
            } => self.measure(enforced),
        };
        let contact = match self.db.contact.trim() {
            "" => "none",
            contact => contact,
        };
        format!(
            "{what} (owner {}, contact {})",
            self.db.owner.escape_debug(),
            contact.escape_debug()
        )
    }

    /// Its conditions. `shares` gives those of all databases: they are gathered only for an owner with limits,
    /// since each look at each database asks.
    pub fn conditions(
        &self,
        shares: impl FnOnce() -> BTreeMap<DbName, Share>,
        now: Timestamp,
    ) -> Vec<Finding> {
        use ConditionStatus::{False, True};
        if !self.kept() {
            return Vec::new();
        }
        let mut all = Vec::new();
        all.push(match self.life_ends() {
            None => {
                let message = "no end is set (`life: Long`)".to_owned();
                (DatabaseView::WITHIN_LIFE, True, "NoEnd", message)
            }
            Some(ends) => {
                let message = self.life(ends, now);
                let told = || format!("{message}; {}", self.longer());
                let (status, reason, message) = match stage(ends, now) {
                    None => (True, "Current", message),
                    Some(Stage::DaysLeft(_)) => (True, DatabaseView::ENDS_SOON, told()),
                    Some(Stage::Over(_)) => (False, self.over_word(), told()),
                };
                (DatabaseView::WITHIN_LIFE, status, reason, message)
            }
        });
        if self.db.facts.get("PHI").is_some_and(|phi| phi == "Yes") {
            let missing = self.unprotected();
            all.push(if missing.is_empty() {
                let message = "TLS is demanded, files and backups are encrypted".to_owned();
                (DatabaseView::PROTECTED, True, "AsNeeded", message)
            } else {
                let message = self.lacks(&missing);
                (DatabaseView::PROTECTED, False, "Missing", message)
            });
        }
        all.push(match self.contact() {
            None => {
                let message = format!("{} of {}", self.db.contact, self.db.owner);
                (DatabaseView::CONTACT_KNOWN, True, "Given", message)
            }
            Some(trouble) => (DatabaseView::CONTACT_KNOWN, False, "NoContact", trouble),
        });
        all.extend(self.limits(shares));
        all
    }

    /// Whether its owner has no more than is allowed; nothing of an owner without limits.
    fn limits(&self, shares: impl FnOnce() -> BTreeMap<DbName, Share>) -> Option<Finding> {
        let owner = self.db.owner.as_str();
        let limits = self.house.owners.of(owner);
        if limits.databases.is_none() && limits.memory.is_none() {
            return None;
        }
        let shares = shares();
        let taken = Taken::by(owner, &shares);
        let many = limits.databases.filter(|most| taken.databases() > *most);
        let large = limits.memory.filter(|most| taken.memory() > *most);
        let owner = owner.escape_debug();
        let mut over = Vec::new();
        if let Some(most) = many {
            over.push(format!(
                "has {} databases and may have {most}",
                taken.databases()
            ));
        }
        if let Some(most) = large {
            over.push(format!(
                "has {} of memory and may have {most}",
                taken.memory()
            ));
        }
        Some(if over.is_empty() {
            let message = format!(
                "`{owner}` has {} databases with {} of memory",
                taken.databases(),
                taken.memory()
            );
            (
                DatabaseView::WITHIN_LIMITS,
                ConditionStatus::True,
                "Within",
                message,
            )
        } else {
            let message = format!(
                "`{owner}` {} (`{}` of the settings); what runs goes on, and nothing is added",
                over.join(", and "),
                self.house.owners.key(&self.db.owner)
            );
            (
                DatabaseView::WITHIN_LIMITS,
                ConditionStatus::False,
                "Exceeded",
                message,
            )
        })
    }

    fn life(&self, ends: Timestamp, now: Timestamp) -> String {
        let word = self.db.facts.get("LIFE").map_or("", String::as_str);
        let months = months(self.db).unwrap_or_default();
        let day = ends.format("%F");
        if ends <= now {
            return format!("its life (`{word}`, {months} months) is over since {day}");
        }
        let left = (ends - now).num_hours() / 24;
        let left = match left {
            0 => "within a day".to_owned(),
            1 => "in 1 day".to_owned(),
            days => format!("in {days} days"),
        };
        format!("its life (`{word}`, {months} months) ends on {day}, {left}")
    }

    fn lacks(&self, missing: &BTreeSet<Protection>) -> String {
        let able = engine::recipe(self.db.engine).encrypts();
        let words: Vec<_> = missing.iter().map(|p| p.words(able)).collect();
        format!(
            "it holds protected health information, and does not have now: {}",
            words.join(", ")
        )
    }
}

/// How many months it is needed; `None`: no end is set.
fn months(db: &Database) -> Option<u32> {
    match db.facts.get("LIFE").map(String::as_str) {
        Some("Short") => Some(6),
        Some("Medium") => Some(36),
        Some(_) | None => None,
    }
}

/// How near the end is, once it is near.
fn stage(ends: Timestamp, now: Timestamp) -> Option<Stage> {
    if now < ends {
        let left = |days: &&u16| ends - now <= TimeDelta::days(i64::from(**days));
        let nearest = DAYS_LEFT.iter().filter(left).min();
        return nearest.map(|days| Stage::DaysLeft(*days));
    }
    let past = |months: u16| {
        let at = ends.checked_add_months(Months::new(u32::from(months)));
        at.is_some_and(|at| at <= now)
    };
    // A month has 28 days at least, so the search is short.
    let most = (now - ends).num_days() / 28;
    let most = u16::try_from(most).unwrap_or(MOST_MONTHS).min(MOST_MONTHS);
    let months = (0..=most).rev().find(|months| past(*months));
    Some(Stage::Over(months.unwrap_or(0)))
}

mod enforce;
#[cfg(test)]
mod tests;

pub use enforce::ends;
