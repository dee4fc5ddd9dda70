//! The decision itself, from what is wanted and what a container is doing to what to do about it.

use chrono::TimeDelta;

use crate::model::action::StopHow;
use crate::model::{
    Action, Class, ContainerSeen, Cost, Lane, Reason, RestartPolicy, Seen, Status, WantedState,
};

use super::Ask;
use super::attempts::backoff;
use super::gate::{By, HIBERNATE, RETIRE};

/// Seconds that a server known to hang is given to stop.
const HUNG_STOP: u32 = 10;
/// How soon to look again at what no event will tell: an engine that does not answer, a removal
/// under way.
pub(super) const SOON: TimeDelta = TimeDelta::seconds(5);
/// How soon to look again at what a person must mend.
pub(super) const LATER: TimeDelta = TimeDelta::seconds(30);

impl Ask<'_> {
    /// What to do now, if anything: what the situation asks for, unless a step of it has just
    /// failed.
    pub(super) fn answer(&mut self) -> Option<Lane> {
        let lane = self.decide();
        let lane = lane.filter(|lane| !self.backing_off(lane));
        self.tell_refused();
        lane
    }

    fn decide(&mut self) -> Option<Lane> {
        let state = self.wanted.state(self.now);
        if state == WantedState::Maintenance {
            // Who took the hands off may not know what was under way just then.
            let message = if self.is_down() {
                "hands off: nothing is done to it, and its server is down: it stays so until hands are on it \
                 again"
            } else {
                "hands off: nothing is done to it"
            };
            self.hold(Reason::Maintenance, message, None);
            return None;
        }
        let Some((ours, foreign)) = self.containers() else {
            let why = match &self.seen.containers {
                Seen::Unknown(why) => why.clone(),
                Seen::Absent | Seen::Present(_) => String::new(),
            };
            let message = format!("{why}; nothing is done on a guess");
            self.hold(Reason::DockerUnavailable, message, Some(self.now + SOON));
            return None;
        };
        if !self.seen.ledger_writable {
            let message = "no intent can be written to the state directory, so nothing is done; \
                           free space there"
                .to_owned();
            self.hold(Reason::LedgerUnavailable, message, Some(self.now + LATER));
            return None;
        }
        if let Some(foreign) = foreign {
            let message = format!(
                "container {} ({}) is not of this database and has its name; it is left alone: \
                 rename or remove it",
                foreign.name,
                short(foreign.id.as_str())
            );
            self.hold(Reason::NameConflict, message, Some(self.now + LATER));
        }
        let Some(container) = self.choose(&ours) else {
            if foreign.is_some() {
                return None;
            }
            return self.without_container(state);
        };
        match state {
            WantedState::Stopped => self.stopped(container),
            WantedState::Running | WantedState::Retired => {
                self.started(container, foreign.is_some())
            }
            WantedState::Maintenance => None,
        }
    }

    /// Whether it has data, and surely no server.
    fn is_down(&self) -> bool {
        let ours = self.containers().map(|(ours, _)| ours);
        self.wanted.initialised && ours.is_some_and(|ours| !ours.iter().any(|c| up(c.status)))
    }

    /// The container to go on with, when more than one carries the uid: the one that runs.
    fn choose<'c>(&mut self, ours: &[&'c ContainerSeen]) -> Option<&'c ContainerSeen> {
        if ours.len() > 1 {
            let ids: Vec<_> = ours.iter().map(|c| short(c.id.as_str())).collect();
            let message = format!(
                "{} containers carry its uid ({}); only one is used, none is removed: remove the \
                 others",
                ours.len(),
                ids.join(", ")
            );
            self.hold(Reason::Duplicate, message, None);
        }
        let name = self.site.container_name(&self.wanted.db.name);
        ours.iter().copied().max_by_key(|c| {
            (
                up(c.status),
                c.name == name,
                std::cmp::Reverse(c.id.as_str()),
            )
        })
    }

    /// It should be stopped.
    fn stopped(&mut self, c: &ContainerSeen) -> Option<Lane> {
        match c.status {
            Status::Running | Status::Paused | Status::Restarting => {
                let (why, by) = match self.wanted.override_in_force(self.now) {
                    Some(over) => (format!("stop, as {} wants", over.who), By::Person),
                    None if self.wanted.retired => (RETIRE.to_owned(), By::Person),
                    None if self.wanted.hibernates.is_some() => (HIBERNATE.to_owned(), By::State),
                    None => ("stop, as the spec wants".to_owned(), By::State),
                };
                let lane = self.lane(Some(c), self.stop_steps(c, false), Cost::Stop, vec![why]);
                self.leave(lane, by)
            }
            Status::Created | Status::Exited => {
                self.rests();
                let why = "restart policy -> no: it is to stay stopped".to_owned();
                let policy = Action::SetPolicy(c.id.clone(), RestartPolicy::No);
                (c.restart != RestartPolicy::No)
                    .then(|| self.lane(Some(c), vec![policy], Cost::None, vec![why]))
            }
            Status::Removing | Status::Dead => {
                self.rests();
                None
            }
        }
    }

    /// A lane of this database; voided when the container is another one by then.
    pub(super) fn lane(
        &self,
        container: Option<&ContainerSeen>,
        actions: Vec<Action>,
        cost: Cost,
        why: Vec<String>,
    ) -> Lane {
        Lane {
            name: self.wanted.db.name.clone(),
            generation: self.wanted.db.generation,
            container: container.map(|c| c.id.clone()),
            actions,
            why,
            cost,
            repair: false,
            counts: false,
            risk: None,
            approval: None,
        }
    }

    /// Stops a container for good: dockerd's hand is taken away first.
    pub(super) fn stop_steps(&self, c: &ContainerSeen, hung: bool) -> Vec<Action> {
        let deadline = if hung {
            HUNG_STOP
        } else {
            self.recipe.defaults().stop_deadline
        };
        let mut steps = vec![Action::SetPolicy(c.id.clone(), RestartPolicy::No)];
        if c.status == Status::Paused {
            steps.push(Action::Unpause(c.id.clone()));
        }
        steps.push(Action::Stop(c.id.clone(), StopHow { deadline, hung }));
        steps
    }

    /// Whether a step of this lane failed so recently that it waits; says so. Lanes without that
    /// step go on: an image that cannot be had keeps no crashed server down.
    pub(super) fn backing_off(&mut self, lane: &Lane) -> bool {
        let db = self.wanted.db;
        // A person who speaks after a failure is heard at once. A word in the future: the clock was set
        // back, and until then it would be newer than each further failure.
        let spoken = [
            self.wanted.override_in_force(self.now).map(|o| o.since),
            self.wanted.restart_asked,
            self.wanted.approved.map(|(_, at)| at),
        ];
        let spoken = spoken.into_iter().flatten().filter(|at| *at <= self.now);
        let spoken = spoken.max();
        let failures = self.seen.attempts.failures(db.generation);
        let waits = failures.filter(|failure| {
            let again = lane.actions.iter().any(|a| a.kind() == failure.step);
            again && spoken.is_none_or(|at| at <= failure.at)
        });
        let waits = waits.filter_map(|failure| match failure.class {
            Class::Permanent => {
                let message = format!(
                    "{}; tried again when the spec changes, or after: db4sci retry {}",
                    failure.message, db.name
                );
                Some((Reason::NeedsSpecChange, message, None))
            }
            Class::Transient => {
                let until = failure.at + backoff(&db.name, failure.count);
                // A failure in the future: the clock was set back.
                let now = failure.at <= self.now && self.now < until;
                now.then(|| (failure.reason, failure.message.clone(), Some(until)))
            }
            Class::Cancelled => None,
        });
        match waits.last() {
            Some((reason, message, until)) => {
                self.hold(reason, message, until);
                true
            }
            None => false,
        }
    }
}

/// Whether a container's process exists or is about to.
pub(super) fn up(status: Status) -> bool {
    match status {
        Status::Running | Status::Paused | Status::Restarting => true,
        Status::Created | Status::Exited | Status::Removing | Status::Dead => false,
    }
}

/// An id as people write it.
pub(super) fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
