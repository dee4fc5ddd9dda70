//! The planner: what should be and what is, to what to do. Pure.
//!
//! [`plan`] is asked about one database at a time and reads nothing but its arguments: no clock,
//! no I/O, no logging. It says what to do now, and of everything it does not do, why not and until
//! when. It refuses to act on ignorance: what is `Unknown` is never stopped, removed or
//! overwritten.

mod absent;
mod accounts;
pub mod approval;
pub mod attempts;
pub mod backups;
pub mod blast;
pub mod comeback;
pub mod copies;
mod data;
mod down;
mod drift;
pub mod freeze;
mod gate;
pub mod hands;
pub mod history;
mod lifecycle;
pub mod newest;
pub mod phase;
pub mod recovery;
pub mod render;
mod replace;
pub mod retention;
pub mod returned;
mod room;
mod running;
pub mod schedule;
pub mod shipping;
pub mod stages;
pub mod stewardship;
mod trial;
pub mod window;

pub use data::says_initialised;

use std::path::PathBuf;

use crate::engine::{self, Recipe};
use crate::model::account::FurtherAccounts;
use crate::model::{
    BackupId, ContainerSeen, DataIdentity, Database, DbName, End, Held, Lane, Override,
    OverrideState, Reason, Seen, SeenDatabase, Site, Timestamp, Verdict, WantedState,
};

/// One database as it should be, with everything that people and history say about it.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its admitted spec.
    pub db: &'a Database,
    /// A person's override, in force or past; the host's, if hands are off all of it.
    pub over: Option<&'a Override>,
    /// Whether that is the whole host's.
    pub whole_host: bool,
    /// The hash of what a person let go, and when.
    pub approved: Option<(&'a str, Timestamp)>,
    /// Whether it may be disrupted without that.
    pub leave: blast::Leave,
    /// The instant of its newest good backup.
    pub saved: Option<Timestamp>,
    /// Whether the ledger knows that it has data.
    pub initialised: bool,
    /// What the engine itself called that data when a server last answered on it.
    pub identity: Option<&'a DataIdentity>,
    /// Why it is quarantined, if it is.
    pub quarantined: Option<&'a str>,
    /// Problems of a newer spec that was refused.
    pub refused: Option<&'a [String]>,
    /// When a person last asked for a restart.
    pub restart_asked: Option<Timestamp>,
    /// When a person last asked for another try.
    pub retry_asked: Option<Timestamp>,
    /// Whether its retirement is complete: its final backup is verified.
    pub retired: bool,
    /// The final backup that it hibernates on, if it does: its life is over.
    pub hibernates: Option<&'a BackupId>,
    /// How far it is gone, long after that.
    pub end: Option<End>,
    /// Whose hands are on container and data, if the reconciler's must not be.
    pub hands: Option<Hands<'a>>,
    /// Its accounts besides its own.
    pub accounts: &'a FurtherAccounts,
    /// Whether passwords are offered that its server may not know yet.
    pub rotating: bool,
    /// Whether its file is gone.
    pub orphan: bool,
    /// Its new name, if its file now names another one.
    pub renamed_to: Option<&'a str>,
    /// Whose data lies in its place, where that is another database's that is known.
    pub whose: Option<&'a Whose>,
}

/// Another database, whose data lies in the place of the one that is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whose {
    /// Its name.
    pub name: DbName,
    /// Its own place.
    pub place: PathBuf,
    /// Whether that is without its data, as far as can be seen: then this is all there is of it.
    pub misses: bool,
}

/// What has its hands on container and data: nothing else may touch them meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hands<'a> {
    /// A restore in place, of this backup.
    Restore(&'a BackupId),
    /// A rename, to this name.
    Rename(&'a DbName),
    /// Its release from db4sci.
    Eject,
    /// A dump of data at rest, since its server cannot be dumped while it runs; or a restore of one
    /// database inside the running server.
    Dump,
}

impl Wanted<'_> {
    /// The override in force.
    pub fn override_in_force(&self, now: Timestamp) -> Option<&Override> {
        self.over
            .filter(|o| o.until.is_none_or(|until| now < until))
    }

    /// The state that is wanted now. What is retired is stopped, and its data kept.
    pub fn state(&self, now: Timestamp) -> WantedState {
        match self.override_in_force(now).map(|o| o.state) {
            Some(OverrideState::Running) => WantedState::Running,
            Some(OverrideState::Stopped) => WantedState::Stopped,
            Some(OverrideState::Maintenance) => WantedState::Maintenance,
            None if self.retired || self.hibernates.is_some() => WantedState::Stopped,
            None => self.db.state,
        }
    }
}

/// What to do about one database.
///
/// # Guarantees
/// Equal arguments give equal verdicts. A lane never contains a step that deletes data.
pub fn plan(wanted: &Wanted<'_>, seen: &SeenDatabase, site: &Site, now: Timestamp) -> Verdict {
    let recipe = engine::recipe(wanted.db.engine);
    let mut ask = Ask {
        wanted,
        seen,
        site,
        now,
        recipe,
        held: Vec::new(),
    };
    // What was released is nobody's here: nothing is done about it, and nothing waits to be.
    let released = matches!(wanted.end, Some(End::Ejected(_)));
    if !released {
        ask.standing();
    }
    let lane = match wanted.hands {
        Some(_) => None,
        None if released => None,
        None => ask.answer(),
    };
    let wake_at = ask.held.iter().filter_map(|h| h.until).min();
    Verdict {
        lane,
        held: ask.held,
        wake_at,
    }
}

/// One question to the planner, with the answers collected so far.
struct Ask<'a> {
    wanted: &'a Wanted<'a>,
    seen: &'a SeenDatabase,
    site: &'a Site,
    now: Timestamp,
    recipe: &'static dyn Recipe,
    held: Vec<Held>,
}

impl<'a> Ask<'a> {
    /// What holds whatever else is decided: overrides, refused specs, orphans.
    fn standing(&mut self) {
        let name = &self.wanted.db.name;
        if let Some(over) = self.wanted.override_in_force(self.now) {
            let what = match over.state {
                OverrideState::Running => "running",
                OverrideState::Stopped => "stopped",
                OverrideState::Maintenance => "left alone",
            };
            let reason = if over.reason.is_empty() {
                "no reason given"
            } else {
                &over.reason
            };
            let end = if self.wanted.whole_host {
                "with the whole host; `db4sci maintenance off --all` ends it".to_owned()
            } else {
                format!("`db4sci resume {name}` ends it")
            };
            let message = format!("{what} by {} ({reason}); {end}", over.who);
            self.hold(Reason::Overridden, message, over.until);
        }
        if self.wanted.db.read_only && self.wanted.hibernates.is_none() {
            self.reads_only();
        }
        if let Some(new) = self.wanted.renamed_to {
            let message = format!(
                "its file now names `{new}`; nothing is renamed or made by that: `db4sci rename {} \
                 {new}` renames it, or set the name back",
                self.wanted.db.name
            );
            self.hold(Reason::Renamed, message, None);
        } else if self.wanted.orphan {
            let message = format!(
                "{} is gone; its last spec stays in force and nothing is removed; put it back (`db4sci export \
                 {name}`), or, if it is gone for good: `db4sci release {name} --to-rows --reason TEXT`",
                self.wanted.db.source
            );
            self.hold(Reason::Orphan, message, None);
        }
        if let Some(problems) = self.wanted.refused {
            self.hold(Reason::InvalidSpec, problems.join("; "), None);
        }
        if self.wanted.state(self.now) == WantedState::Retired {
            let message = "it goes on running until a final backup of it is verified; then it is \
                           stopped, and its data kept"
                .to_owned();
            self.hold(Reason::RetireNeedsBackup, message, None);
            self.retiring();
        }
    }

    /// Its life is over, and its users are held to reading.
    fn reads_only(&mut self) {
        let name = &self.wanted.db.name;
        let what = match self.recipe.read_only() {
            Some((setting, value)) => format!("its users may only read (`{setting}` is `{value}`)"),
            None => "this engine cannot hold its users to reading".to_owned(),
        };
        let message = format!(
            "its life is over, and {what}; set a longer `life` in its spec, or for a while: db4sci start \
             {name} --for 7d"
        );
        self.hold(Reason::ReadOnly, message, None);
    }

    /// It is stopped, and that is as it should be.
    fn rests(&mut self) {
        let name = &self.wanted.db.name;
        let overridden = self.wanted.override_in_force(self.now).is_some();
        match self.wanted.hibernates.filter(|_| !overridden) {
            Some(backup) => {
                let message = format!(
                    "its life is over: it hibernates, its data is kept, and {backup} has all of it; set a \
                     longer `life` in its spec, or for a while: db4sci start {name} --for 7d"
                );
                self.hold(Reason::Hibernated, message, None);
            }
            None => self.hold(Reason::Stopped, "as wanted; its data is kept", None),
        }
    }

    fn hold(&mut self, reason: Reason, message: impl Into<String>, until: Option<Timestamp>) {
        self.held.push(Held {
            reason,
            message: message.into(),
            until,
            would: None,
        });
    }

    fn hold_lane(&mut self, reason: Reason, message: String, until: Option<Timestamp>, lane: Lane) {
        self.held.push(Held {
            reason,
            message,
            until,
            would: Some(Box::new(lane)),
        });
    }

    /// The containers that carry this database's uid, and a foreign one that holds its name.
    fn containers(&self) -> Option<(Vec<&'a ContainerSeen>, Option<&'a ContainerSeen>)> {
        let seen: &'a SeenDatabase = self.seen;
        let all: &'a [ContainerSeen] = match &seen.containers {
            Seen::Present(all) => all,
            Seen::Absent => &[],
            Seen::Unknown(_) => return None,
        };
        let name = self.site.container_name(&self.wanted.db.name);
        let (ours, others): (Vec<_>, Vec<_>) = all
            .iter()
            .partition(|c| c.uid() == Some(self.wanted.db.uid));
        let foreign = others.into_iter().find(|c| c.name == name);
        Some((ours, foreign))
    }
}

#[cfg(test)]
mod tests;
