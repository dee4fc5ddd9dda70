//! A whole host in memory: container engine, folders and servers, with seeded faults.
//!
//! `World` is `Runtime`, `DataDirs` and `Servers` at once, and has hands for what people and the
//! hardware do behind the daemon's back. It behaves as a real Docker Engine was seen to behave:
//! what died is started again by its policy with a growing delay, a stop by a call is final, a
//! lost answer is no lost effect. The guard is simulated too.
//!
//! # Guarantees
//! The same seed and the same calls give the same world. Time passes only by `advance` (or with
//! tokio's clock, see `World::with_tokio_time`); nothing sleeps. What must never happen and did is
//! in `violations`.
//!
//! # Caveats
//! One process a container, no partial writes, servers that are ready or not. A claim about a real
//! engine or server is tested against one.

mod clock;
mod container;
mod dirs;
mod disk;
mod engine;
mod fault;
mod guard;
mod hands;
mod places;
mod released;
mod rename;
pub(crate) mod rng;
mod runtime;
mod seen;
mod servers;
mod state;

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use tokio::sync::watch;

use crate::model::{Clock, Timestamp};

pub use self::clock::SimClock;
pub use self::disk::SimImage;
pub use self::fault::Faults;
use self::fault::{Fate, Kind, Part, Simulated};
use self::rng::Rng;
use self::state::State;

/// A simulated host. Clones are the same host.
#[derive(Clone)]
pub struct World {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Counts events, to wake those who wait for one.
    events: watch::Sender<u64>,
    /// With tokio's time: when this world began.
    began: Option<tokio::time::Instant>,
}

impl World {
    /// A host with an engine and nothing on it, whose time stands still between `advance`s.
    pub fn new(seed: u64) -> Self {
        World::begin(seed, None)
    }

    /// As `new`, and time passes with tokio's clock, which tests pause. Must be called within a
    /// runtime.
    pub fn with_tokio_time(seed: u64) -> Self {
        World::begin(seed, Some(tokio::time::Instant::now()))
    }

    fn begin(seed: u64, began: Option<tokio::time::Instant>) -> Self {
        World {
            shared: Arc::new(Shared {
                state: Mutex::new(State::new(seed)),
                events: watch::channel(0).0,
                began,
            }),
        }
    }

    /// This world's wall clock.
    pub fn clock(&self) -> SimClock {
        SimClock::new(self.clone())
    }

    /// Lets time pass; what is due meanwhile happens at its own instant.
    pub fn advance(&self, by: TimeDelta) {
        self.at_now(false, |state| state.passed += by);
        self.read(|_| ());
    }

    /// When something changes next by itself, if nobody touches anything until then.
    pub fn next_change(&self) -> Option<Timestamp> {
        self.read(|state| state.next_change())
    }

    /// Whether the engine is away now: all its calls fail.
    pub fn engine_is_away(&self) -> bool {
        self.read(|state| state.is_away())
    }

    /// What must never happen and did, oldest first.
    pub fn violations(&self) -> Vec<String> {
        self.read(|state| state.violations.clone())
    }

    /// What the daemon's calls have changed since the last time this was asked: `start genomics`.
    pub fn take_journal(&self) -> Vec<String> {
        self.at_now(false, |state| std::mem::take(&mut state.journal))
    }

    /// Sets which calls fail, and how.
    pub fn set_faults(&self, faults: Faults) {
        self.with(|state| state.fault.plan = faults);
    }

    /// What is drawn from now on (which calls fail, ids of containers) follows from this seed alone,
    /// whatever was drawn before.
    pub fn reseed(&self, seed: u64) {
        self.with(|state| state.rng = Rng::new(seed));
    }

    /// Calls made so far, failed ones included.
    pub fn calls(&self) -> u64 {
        self.read(|state| state.fault.calls)
    }

    /// From the call with this number on (counted as by `calls`), no call ever returns: as if the
    /// daemon was killed there. `after`: that call has its effect first.
    pub fn hang_at(&self, call: u64, after: bool) {
        self.with(|state| state.fault.hang_at = Some((call, after)));
    }

    /// Ends `hang_at`: a new daemon may call.
    pub fn revive(&self) {
        self.with(|state| state.fault.hang_at = None);
    }

    /// Works on the state after whatever was due has happened.
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        self.at_now(true, work)
    }

    /// Looks at the state after whatever was due has happened.
    fn read<T>(&self, work: impl FnOnce(&State) -> T) -> T {
        self.at_now(false, |state| work(state))
    }

    /// As `with`; what touches nothing that may be due is not followed by a search for what is.
    fn at_now<T>(&self, touches: bool, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let mut now = state.passed;
        if let Some(began) = self.shared.began {
            now += TimeDelta::from_std(began.elapsed()).unwrap_or(TimeDelta::MAX);
        }
        let before = state.events.len();
        state.catch_up(now);
        state.touched |= touches;
        let result = work(&mut state);
        let after = state.events.len();
        drop(state);
        // Most calls only look, and the clock is read all the time: nobody is waited for then.
        if after != before {
            self.shared.events.send_replace(after as u64);
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// One call of the daemon: its effect, and what the daemon hears of it.
    async fn call<T, E: Simulated>(
        &self,
        kind: Kind,
        part: Part,
        what: &str,
        effect: impl FnOnce(&mut State) -> Result<T, E> + Send,
    ) -> Result<T, E> {
        // Lets the other lanes run in between, as real calls do.
        tokio::task::yield_now().await;
        let heard = self.at_now(kind == Kind::Act, |state| match state.fate(kind, part) {
            Fate::Happens => Some(effect(state)),
            Fate::Fails => Some(Err(E::failed(what))),
            Fate::Away => Some(Err(E::away(what))),
            Fate::Unheard => Some(effect(state).and(Err(E::unheard(what)))),
            Fate::Hangs { after } => {
                if after {
                    // Nobody hears the answer.
                    let _ = effect(state);
                }
                None
            }
        });
        match heard {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    /// A call that only looks.
    fn look<'a, T: Send + 'a, E: Simulated + Send + 'a>(
        &'a self,
        part: Part,
        what: &'a str,
        effect: impl FnOnce(&State) -> Result<T, E> + Send + 'a,
    ) -> impl Future<Output = Result<T, E>> + Send + 'a {
        self.call(Kind::Look, part, what, |state| effect(state))
    }

    /// A call that changes something.
    fn act<'a, T: Send + 'a, E: Simulated + Send + 'a>(
        &'a self,
        part: Part,
        what: &'a str,
        effect: impl FnOnce(&mut State) -> Result<T, E> + Send + 'a,
    ) -> impl Future<Output = Result<T, E>> + Send + 'a {
        self.call(Kind::Act, part, what, effect)
    }

    fn now(&self) -> Timestamp {
        self.read(|state| state.now)
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        World::now(self)
    }
}

#[cfg(test)]
mod tests;
