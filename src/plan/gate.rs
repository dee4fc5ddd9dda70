//! Whether steps that take a server away may begin: the window, what is at risk, how many others were
//! disrupted, and a person's leave.

use chrono::TimeDelta;

use crate::model::{ContainerSeen, Cost, Lane, Probe, Reason, Silence, Status, Timestamp};

use super::Ask;
use super::approval;
use super::blast::Leave;
use super::drift::Drift;
use super::lifecycle::SOON;
use super::running::HANG;
use super::window::opens;

/// What is done at the end of a retirement, and approved at its beginning.
pub(super) const RETIRE: &str = "retire: a final backup is taken and proven, then it is stopped";

/// What is done to a database whose life is over, if the settings want that.
pub(super) const HIBERNATE: &str = "hibernate: its life is over, and its final backup is proven";

/// Who wants a server taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A person, of this very database and now: a restart, a stop; or the end of its retirement, whose
    /// final backup would only grow old.
    Person,
    /// Its spec, in so many words: `state: Stopped`. When is no question then; how many at once is.
    State,
    /// What else its spec says; that it costs a restart may not have been meant.
    Change,
}

impl Ask<'_> {
    /// Lets a lane go that takes a server away, or holds it, with what would let it go. What does not
    /// answer is taken from nobody.
    pub(super) fn leave(&mut self, mut lane: Lane, by: By) -> Option<Lane> {
        if lane.cost == Cost::None || !self.wanted.initialised {
            return Some(lane);
        }
        match self.serves() {
            Some(true) => {}
            Some(false) => return Some(lane),
            None if by == By::Person => {}
            // A daemon that has just started does not know yet whom it would take it from.
            None => {
                let message = format!(
                    "{}; it was not asked yet whether it answers",
                    lane.why.join(", ")
                );
                self.hold(Reason::Starting, message, Some(self.now + SOON));
                return None;
            }
        }
        lane.counts = true;
        let db = self.wanted.db;
        let hash = approval::hash(db.uid, &lane);
        if self.is_approved(&lane) {
            lane.approval = Some(hash);
            return Some(lane);
        }
        if by == By::Person {
            return Some(lane);
        }
        let what = match lane.cost {
            Cost::Recreate => "another container on the same data: ",
            Cost::Restart => "restart: ",
            Cost::Stop | Cost::None => "",
        };
        let what = format!("{what}{}", lane.why.join(", "));
        let approve = format!("db4sci approve {hash} {}", db.name);
        let opens_at = opens(&db.maintenance_window, db.time_zone.0, self.now);
        if by == By::Change && opens_at != Some(self.now) {
            let then = match &lane.risk {
                Some(risk) => format!(", and then for approval, since {risk}"),
                None => String::new(),
            };
            let message = format!("{what}; waits for the window{then}; at once: {approve}");
            self.hold_lane(Reason::OutsideWindow, message, opens_at, lane);
            return None;
        }
        if let Some(risk) = &lane.risk {
            let message = format!("{what}; {risk}: it waits for {approve}");
            self.hold_lane(Reason::NeedsApproval, message, None, lane);
            return None;
        }
        match self.wanted.leave {
            Leave::Free => Some(lane),
            Leave::Full {
                begun,
                radius,
                databases,
            } => {
                let message = format!(
                    "{what}; {begun} of {databases} databases were disrupted together already, and no \
                     more than {radius} are without a person's word: it waits for {approve}"
                );
                self.hold_lane(Reason::NeedsApproval, message, None, lane);
                None
            }
        }
    }

    /// Whether its server serves anybody, as far as is known; `None`: it runs, and was not asked yet. One that
    /// refuses db4sci's own login may serve others, and one that has missed an answer hangs only after a while.
    fn serves(&self) -> Option<bool> {
        let (ours, _) = self.containers()?;
        if !ours.iter().any(|c| c.status == Status::Running) {
            return Some(false);
        }
        match &self.seen.probe {
            Probe::NotAsked => None,
            Probe::Answering { .. } => Some(true),
            Probe::Silent {
                cause: Silence::Refused,
                ..
            } => Some(true),
            Probe::Silent {
                answered_before,
                since,
                ..
            } => Some(*answered_before && self.now - *since < HANG),
        }
    }

    /// Whether a person let exactly this lane go.
    pub(super) fn is_approved(&self, lane: &Lane) -> bool {
        let hash = || approval::hash(self.wanted.db.uid, lane);
        let given = self.wanted.approved.map(|(given, _)| given);
        given.is_some_and(|given| given == hash())
    }

    /// It is to be retired: whether that may begin. Later is too late, since its final backup would
    /// only grow old.
    pub(super) fn retiring(&mut self) {
        // Of one that was not asked yet nobody knows: that waits, too.
        if self.serves() == Some(false) || !self.wanted.initialised {
            return;
        }
        let Some((ours, _)) = self.containers() else {
            return;
        };
        let Some(c) = ours.into_iter().find(|c| c.status == Status::Running) else {
            return;
        };
        let why = vec![RETIRE.to_owned()];
        let lane = self.lane(Some(c), self.stop_steps(c, false), Cost::Stop, why);
        // What lets it begin is used up by its end: the stop.
        let _ = self.leave(lane, By::State);
    }

    /// What of its data is at risk when another container takes its place: another image is another
    /// program that opens the data, and what was written since the last backup is nowhere else.
    pub(super) fn risk(&self, c: &ContainerSeen, drift: &Drift) -> Option<String> {
        let db = self.wanted.db;
        let other = self.wanted_image().is_some_and(|image| *image != c.image);
        // All that mydb_admin shows is in the ledger.
        if drift.recreate.is_empty() || !other || db.name.is_mydb_admin() {
            return None;
        }
        let rpo = TimeDelta::minutes(i64::from(db.backup.rpo_minutes));
        match self.wanted.saved {
            Some(at) if self.now - at <= rpo => None,
            Some(at) => Some(format!(
                "its data is at risk: another image opens it, and its last backup is of {}",
                shown(at)
            )),
            None => Some(
                "its data is at risk: another image opens it, and there is no backup of it"
                    .to_owned(),
            ),
        }
    }
}

fn shown(at: Timestamp) -> String {
    at.format("%F %H:%M UTC").to_string()
}
