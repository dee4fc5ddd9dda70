//! The blast radius: how many databases are disrupted together without a person's word.
//!
//! A reconciler that looks at one name at a time has no pass of its own. What is counted together
//! here, and called a pass, is what follows on each other: see [`Pass`]. Disruption is counted, not
//! work: a server that answers is taken away. Creation, start and repair never count.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::Wanted;
use crate::model::{DbName, Reason, Seen, SeenDatabase, Timestamp, Verdict, WantedState};

/// A pass is over after so long without another disruption, unless it holds something back.
const QUIET: TimeDelta = TimeDelta::minutes(10);
/// So many databases may be disrupted whatever the number of all.
const LEAST: usize = 5;

/// How many of so many databases may be disrupted in one pass without a person's word: 5 or a tenth
/// of all, whichever is more.
pub fn radius(databases: usize) -> usize {
    LEAST.max(databases / 10)
}

/// Whether another database may be disrupted without a person's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Leave {
    /// It may.
    #[default]
    Free,
    /// It may not: as many as may be were disrupted already.
    Full {
        /// How many.
        begun: usize,
        /// How many may be.
        radius: usize,
        /// Of how many databases.
        databases: usize,
    },
}

/// Disruptions that belong together: they follow on each other with less than ten quiet minutes in
/// between. While one is held back for the others' sake, the pass goes on, also over the end of its
/// window: otherwise a bad edit would run through a night's window five databases at a time, every ten
/// minutes, and through the nights of a week.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pass {
    begun: BTreeMap<DbName, Timestamp>,
    held: BTreeSet<DbName>,
    /// Retirements under way: each took its place at its beginning.
    retiring: BTreeSet<DbName>,
}

/// What was seen of a database when it was decided about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// Whether it was enough for a plan: on ignorance nothing that waits is forgotten.
    pub known: bool,
    /// Whether its server answers.
    pub answers: bool,
}

impl Looked {
    /// What a look at a database saw of it.
    pub fn at(wanted: &Wanted<'_>, seen: &SeenDatabase, now: Timestamp) -> Looked {
        Looked {
            known: seen.ledger_writable
                && wanted.hands.is_none()
                && !matches!(seen.containers, Seen::Unknown(_))
                && wanted.state(now) != WantedState::Maintenance,
            answers: seen.probe.answering() && wanted.initialised,
        }
    }
}

impl Pass {
    /// What the ledger knows of it: when each database was last disrupted, and which ones wait for an
    /// approval.
    pub fn of<'a>(
        rows: impl Iterator<Item = (&'a DbName, Option<Timestamp>, bool)>,
        now: Timestamp,
    ) -> Self {
        let mut pass = Pass::default();
        for (name, disrupted_at, waits) in rows {
            if let Some(at) = disrupted_at {
                pass.begun.insert(name.clone(), at);
            }
            if waits {
                pass.held.insert(name.clone());
            }
        }
        pass.trim(now);
        pass
    }

    /// Forgets the passes before this one.
    fn trim(&mut self, now: Timestamp) {
        let present: BTreeSet<DbName> = self.disrupted(now).into_iter().cloned().collect();
        self.begun.retain(|name, _| present.contains(name));
    }

    /// Whether a database may be disrupted now, being one of so many.
    pub fn leave(&self, name: &DbName, databases: usize, now: Timestamp) -> Leave {
        let begun = self.disrupted(now);
        let radius = radius(databases);
        // What was disrupted in this pass already is no further one.
        let in_it = begun.contains(name) || self.retiring.contains(name);
        if in_it || begun.len() < radius {
            return Leave::Free;
        }
        Leave::Full {
            begun: begun.len(),
            radius,
            databases,
        }
    }

    /// The databases that this pass has disrupted.
    fn disrupted(&self, now: Timestamp) -> BTreeSet<&DbName> {
        let mut all: Vec<(&Timestamp, &DbName)> =
            self.begun.iter().map(|(name, at)| (at, name)).collect();
        all.sort();
        let goes_on = !self.held.is_empty();
        let mut after = None;
        let mut found = BTreeSet::new();
        for (at, name) in all.into_iter().rev() {
            let quiet = match after {
                None if goes_on => TimeDelta::zero(),
                None => now - *at,
                Some(after) => after - *at,
            };
            if quiet >= QUIET {
                break;
            }
            found.insert(name);
            after = Some(*at);
        }
        found
    }

    /// Takes notice of what was decided of a database.
    pub fn note(&mut self, name: &DbName, verdict: &Verdict, looked: Looked, now: Timestamp) {
        if verdict.lane.as_ref().is_some_and(|lane| lane.counts) {
            self.trim(now);
            self.begun.insert(name.clone(), now);
            self.held.remove(name);
            return;
        }
        let mut waits = verdict
            .held
            .iter()
            .filter(|h| h.would.as_ref().is_some_and(|lane| lane.counts));
        let beyond = verdict.held.iter().any(|h| {
            let risky = h.would.as_ref().is_some_and(|lane| lane.risk.is_some());
            h.reason == Reason::NeedsApproval && !risky
        });
        if beyond {
            self.held.insert(name.clone());
        } else if looked.known && waits.next().is_none() {
            self.held.remove(name);
        }
        let mut held = verdict.held.iter();
        let retires = held.any(|h| h.reason == Reason::RetireNeedsBackup);
        if !retires {
            self.retiring.remove(name);
        } else if !beyond && looked.answers && self.retiring.insert(name.clone()) {
            self.begun.insert(name.clone(), now);
        }
    }

    /// A database is no more.
    pub fn forget(&mut self, name: &DbName) {
        self.held.remove(name);
        self.retiring.remove(name);
    }
}
