//! The world's wall clock, and a hand to set it wrong.

use chrono::TimeDelta;

use super::World;
use super::state::State;
use crate::model::{Clock, Timestamp};

/// The wall clock that the daemon reads.
#[derive(Clone)]
pub struct SimClock {
    world: World,
}

impl SimClock {
    pub(super) fn new(world: World) -> Self {
        SimClock { world }
    }

    /// Sets the wall clock wrong by so much more, without letting time pass.
    pub fn jump(&self, by: TimeDelta) {
        self.world.with(|state| state.skew += by);
    }
}

impl State {
    /// What the host's wall clock shows, to the engine as to the daemon.
    pub(super) fn wall(&self) -> Timestamp {
        self.now + self.skew
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.world.read(|state| state.wall())
    }
}
