//! Which calls fail, and how.

use chrono::TimeDelta;

use super::state::State;
use crate::model::Timestamp;
use crate::runtime::{DirError, RuntimeError, ServerError};

/// Rates of faults, each in thousandths of the calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// The call fails and nothing happens.
    pub fails: u32,
    /// The effect happens and the answer is lost.
    pub unheard: u32,
    /// The engine goes away: all its calls fail for `away_for`.
    pub away: u32,
    /// How long it stays away.
    pub away_for: TimeDelta,
    /// So many faults in all, then none; `None`: no end.
    pub left: Option<u32>,
}

/// The plan, and how far it got.
#[derive(Debug, Default)]
pub(super) struct FaultState {
    pub(super) plan: Faults,
    pub(super) calls: u64,
    pub(super) hang_at: Option<(u64, bool)>,
    pub(super) away_until: Option<Timestamp>,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Happens,
    Fails,
    Away,
    Unheard,
    Hangs { after: bool },
}

/// Whether a call changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Look,
    Act,
}

/// Which trait a call belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Engine,
    Disk,
    Server,
}

impl State {
    /// Whether the engine's calls fail now.
    pub(super) fn is_away(&self) -> bool {
        self.fault.away_until.is_some_and(|until| self.now < until)
    }

    /// Draws what becomes of the next call.
    pub(super) fn fate(&mut self, kind: Kind, part: Part) -> Fate {
        let number = self.fault.calls;
        self.fault.calls += 1;
        match self.fault.hang_at {
            Some((at, after)) if number == at => return Fate::Hangs { after },
            Some((at, _)) if number > at => return Fate::Hangs { after: false },
            Some(_) | None => {}
        }
        if part == Part::Engine && self.is_away() {
            return Fate::Away;
        }
        if self.fault.plan.left == Some(0) {
            return Fate::Happens;
        }
        let Faults {
            fails,
            unheard,
            away,
            away_for,
            left: _,
        } = self.fault.plan;
        let fate = if self.rng.per_mille(fails) {
            Fate::Fails
        } else if kind == Kind::Act && self.rng.per_mille(unheard) {
            Fate::Unheard
        } else if part == Part::Engine && self.rng.per_mille(away) {
            self.fault.away_until = Some(self.now + away_for);
            Fate::Away
        } else {
            return Fate::Happens;
        };
        if let Some(left) = &mut self.fault.plan.left {
            *left -= 1;
        }
        fate
    }
}

/// How a fault looks in each trait's errors.
pub(super) trait Simulated: Sized {
    /// Nothing happened.
    fn failed(what: &str) -> Self;
    /// It happened, and the answer was lost.
    fn unheard(what: &str) -> Self;
    /// Nobody is there to answer.
    fn away(what: &str) -> Self;
}

impl Simulated for RuntimeError {
    fn failed(what: &str) -> Self {
        RuntimeError::Engine(format!("{what}: simulated failure"))
    }
    fn unheard(what: &str) -> Self {
        RuntimeError::Unavailable(format!("{what}: simulated loss of the answer"))
    }
    fn away(what: &str) -> Self {
        RuntimeError::Unavailable(format!("{what}: simulated absence"))
    }
}

impl Simulated for DirError {
    fn failed(what: &str) -> Self {
        DirError::Io {
            path: what.to_owned(),
            message: "simulated failure".to_owned(),
        }
    }
    fn unheard(what: &str) -> Self {
        DirError::Io {
            path: what.to_owned(),
            message: "simulated failure after the fact".to_owned(),
        }
    }
    fn away(what: &str) -> Self {
        DirError::failed(what)
    }
}

impl Simulated for ServerError {
    fn failed(what: &str) -> Self {
        ServerError::Unreachable(format!("{what}: simulated failure"))
    }
    fn unheard(what: &str) -> Self {
        ServerError::Unreachable(format!("{what}: simulated loss of the answer"))
    }
    fn away(what: &str) -> Self {
        ServerError::failed(what)
    }
}
