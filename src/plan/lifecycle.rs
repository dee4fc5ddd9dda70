//! The decision itself, from what a container is doing to what to do about it.

use chrono::TimeDelta;

use crate::model::action::StopHow;
use crate::model::{
    Action, Class, ContainerSeen, Cost, Lane, MarkerState, Probe, Reason, RestartPolicy, Seen,
    Status, Timestamp, WantedState, guard,
};

use super::Ask;
use super::attempts::backoff;
use super::data::{Gate, gate};
use super::drift::{Drift, drift};
use super::window::opens;

/// A server that answered in this run and then stays silent for this long hangs.
const HANG: TimeDelta = TimeDelta::seconds(30);
/// Seconds that a server known to hang is given to stop.
const HUNG_STOP: u32 = 10;
/// How soon to look again at what no event will tell: an engine that does not answer, a removal
/// under way.
const SOON: TimeDelta = TimeDelta::seconds(5);
/// How soon to look again at what a person must mend.
const LATER: TimeDelta = TimeDelta::seconds(30);

impl Ask<'_> {
    /// What to do now, if anything.
    pub(super) fn decide(&mut self) -> Option<Lane> {
        let state = self.wanted.state(self.now);
        if state == WantedState::Maintenance {
            self.hold(
                Reason::Maintenance,
                "hands off: nothing is done to it",
                None,
            );
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
        let foreign = foreign.cloned();
        let ours: Vec<ContainerSeen> = ours.into_iter().cloned().collect();
        if let Some(foreign) = &foreign {
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
                self.running(container, foreign.is_some())
            }
            WantedState::Maintenance => None,
        }
    }

    /// The container to go on with, when more than one carries the uid: the one that runs.
    fn choose<'c>(&mut self, ours: &'c [ContainerSeen]) -> Option<&'c ContainerSeen> {
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
        ours.iter().max_by_key(|c| {
            (
                up(c.status),
                c.name == name,
                std::cmp::Reverse(c.id.as_str()),
            )
        })
    }

    fn lane(&self, container: Option<&ContainerSeen>, actions: Vec<Action>, cost: Cost) -> Lane {
        Lane {
            name: self.wanted.db.name.clone(),
            generation: self.wanted.db.generation,
            container: container.map(|c| c.id.clone()),
            actions,
            why: Vec::new(),
            cost,
            repair: false,
        }
    }

    /// No container of ours exists.
    fn without_container(&mut self, state: WantedState) -> Option<Lane> {
        let db = self.wanted.db;
        if state == WantedState::Stopped {
            self.hold(
                Reason::Stopped,
                "its spec says so; there is no container",
                None,
            );
            return None;
        }
        if let Some(why) = self.wanted.quarantined {
            self.quarantined(why);
            return None;
        }
        let mut actions = Vec::new();
        let fresh = match gate(db, self.wanted.initialised, &self.seen.data) {
            Gate::Refused(reason, message) => {
                self.hold(reason, message, Some(self.now + LATER));
                return None;
            }
            Gate::Fresh | Gate::Prepared => {
                actions.push(Action::PrepareData);
                true
            }
            Gate::HalfMade => {
                actions.extend([Action::SetAsideHalfMade, Action::PrepareData]);
                true
            }
            Gate::Ours => false,
            Gate::OursUnmarked => {
                actions.push(Action::MarkInitialised);
                false
            }
        };
        if self.backing_off() {
            return None;
        }
        let image = match &self.seen.image {
            Seen::Unknown(why) => {
                let message = format!("{why}; nothing is done on a guess");
                self.hold(Reason::DockerUnavailable, message, Some(self.now + SOON));
                return None;
            }
            Seen::Absent => {
                let mut lane = self.lane(
                    None,
                    vec![Action::PullImage(db.image.reference.clone())],
                    Cost::None,
                );
                lane.why
                    .push(format!("image {} is not on this host", db.image.reference));
                return Some(lane);
            }
            Seen::Present(image) => image,
        };
        let uncovered: Vec<_> = image
            .volumes
            .iter()
            .filter(|v| {
                !db.layout
                    .data
                    .iter()
                    .any(|(_, target)| target.trim_end_matches('/') == v.trim_end_matches('/'))
            })
            .cloned()
            .collect();
        if !uncovered.is_empty() {
            let message = format!(
                "image {} keeps data in {}, which no volume of the catalog covers: it would be \
                 lost with the container; add a row to `volumes`",
                db.image.reference,
                uncovered.join(", ")
            );
            self.hold(Reason::AnonymousVolume, message, None);
            return None;
        }
        if let Some((port, owner)) = &self.seen.port_owner {
            let message = format!(
                "port {port} on the host belongs to {owner}; free it, or set another `port`"
            );
            self.hold(Reason::PortInUse, message, Some(self.now + LATER));
            return None;
        }
        if db.image.pinned.is_none() {
            actions.push(Action::PinImage(image.id.clone()));
        }
        actions.push(Action::WriteFiles);
        let spec = self.recipe.container(db, self.site, image);
        actions.push(Action::Create(Box::new(spec)));
        let mut lane = self.lane(None, actions, Cost::None);
        lane.repair = !fresh;
        lane.why.push(if fresh {
            format!("create {}, port {}", db.image.display, db.port)
        } else {
            "its container is gone; another one is made on the same data".to_owned()
        });
        Some(lane)
    }

    /// It should be stopped.
    fn stopped(&mut self, c: &ContainerSeen) -> Option<Lane> {
        if !up(c.status) {
            self.hold(Reason::Stopped, "as wanted; its data is kept", None);
            if c.restart == RestartPolicy::No {
                return None;
            }
            let policy = Action::SetPolicy(c.id.clone(), RestartPolicy::No);
            let mut lane = self.lane(Some(c), vec![policy], Cost::None);
            lane.why
                .push("restart policy -> no: it is to stay stopped".to_owned());
            return Some(lane);
        }
        if self.backing_off() {
            return None;
        }
        let mut lane = self.lane(Some(c), self.stop_steps(c, false), Cost::Stop);
        lane.why
            .push(match self.wanted.override_in_force(self.now) {
                Some(over) => format!("stop, as {} wants", over.who),
                None => "stop, as the spec wants".to_owned(),
            });
        Some(lane)
    }

    fn stop_steps(&self, c: &ContainerSeen, hung: bool) -> Vec<Action> {
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

    /// It should run.
    fn running(&mut self, c: &ContainerSeen, name_is_taken: bool) -> Option<Lane> {
        let db = self.wanted.db;
        if let Some(why) = self.wanted.quarantined {
            self.quarantined(why);
            // The quarantine's own lane was cut off: dockerd's hand is still on it.
            let loose = c.restart != RestartPolicy::No && !self.seen.probe.answering();
            return loose.then(|| self.lane(Some(c), self.stop_steps(c, true), Cost::None));
        }
        let mut drift = drift(db, self.site, &self.recipe.files(db), &self.seen.files, c);
        if name_is_taken {
            drift.name = None;
        }
        match c.status {
            Status::Removing | Status::Dead => {
                let message = format!("container {} is being removed", short(c.id.as_str()));
                self.hold(Reason::Backoff, message, Some(self.now + SOON));
                (c.status == Status::Dead && !self.backing_off())
                    .then(|| self.lane(Some(c), vec![Action::Remove(c.id.clone())], Cost::None))
            }
            Status::Paused => {
                if self.backing_off() {
                    return None;
                }
                let mut lane = self.lane(Some(c), vec![Action::Unpause(c.id.clone())], Cost::None);
                lane.why.push(format!(
                    "somebody paused it; to be left alone: db4sci maintenance on {}",
                    db.name
                ));
                Some(lane)
            }
            Status::Created | Status::Exited => self.down(c, drift),
            Status::Restarting => self.restarting(c),
            Status::Running => self.up(c, drift),
        }
    }

    /// It is down and should run: this is the repair, and the second half of a first start.
    fn down(&mut self, c: &ContainerSeen, drift: Drift) -> Option<Lane> {
        let db = self.wanted.db;
        let mut actions = Vec::new();
        match gate(db, self.wanted.initialised, &self.seen.data) {
            Gate::Refused(reason, message) => {
                self.hold(reason, message, Some(self.now + LATER));
                return self.hands_off_policy(c);
            }
            // The folder is ready or gone before anything was in it.
            Gate::Fresh | Gate::Prepared => actions.push(Action::PrepareData),
            Gate::HalfMade => actions.extend([Action::SetAsideHalfMade, Action::PrepareData]),
            Gate::Ours => {}
            Gate::OursUnmarked => actions.push(Action::MarkInitialised),
        }
        if c.status == Status::Exited && guard::refusal(c.exit_code) == Some(Reason::DataBusy) {
            let again = c.finished_at.unwrap_or(self.now) + LATER;
            if self.now < again {
                let message = format!(
                    "another server has {} open; stop that one first",
                    db.data_dir().display()
                );
                self.hold(Reason::DataBusy, message, Some(again));
                return self.hands_off_policy(c);
            }
        }
        if self.seen.attempts.exhausted(self.now) {
            return Some(self.quarantine(c));
        }
        if self.oom() {
            let message = format!(
                "killed for its memory limit of {}; raise resources.memory if that goes on",
                db.resources.memory
            );
            self.hold(Reason::OOMKilled, message, None);
        }
        if self.backing_off() {
            return None;
        }
        if !drift.recreate.is_empty() {
            let mut lane = self.lane(Some(c), vec![Action::Remove(c.id.clone())], Cost::None);
            lane.why = drift.lines();
            return Some(lane);
        }
        if let Some((port, owner)) = &self.seen.port_owner {
            let message = format!(
                "port {port} on the host belongs to {owner}; free it, or set another `port`"
            );
            self.hold(Reason::PortInUse, message, Some(self.now + LATER));
            return None;
        }
        let id = c.id.clone();
        let current = matches!(&self.seen.files, Seen::Present(f) if f.complete);
        if !current || !drift.restart.is_empty() {
            actions.push(Action::WriteFiles);
        }
        if let Some(limits) = drift.limits {
            actions.push(Action::Update(id.clone(), limits));
        }
        if let Some(name) = &drift.name {
            actions.push(Action::Rename(id.clone(), name.clone()));
        }
        if drift.policy {
            actions.push(Action::SetPolicy(id.clone(), RestartPolicy::Always));
        }
        actions.push(Action::Start(id));
        let mut lane = self.lane(Some(c), actions, Cost::None);
        lane.why = drift.lines();
        lane.repair = c.status == Status::Exited;
        lane.why.push(match (c.status, drift.policy) {
            (Status::Exited, false) => format!(
                "it exited ({}); started again; to keep it stopped: db4sci stop {}",
                c.exit_code, db.name
            ),
            _ => "start".to_owned(),
        });
        Some(lane)
    }

    /// dockerd is about to start it again by itself.
    fn restarting(&mut self, c: &ContainerSeen) -> Option<Lane> {
        let db = self.wanted.db;
        if self.seen.attempts.exhausted(self.now) {
            return Some(self.quarantine(c));
        }
        let half_made = match gate(db, self.wanted.initialised, &self.seen.data) {
            Gate::Refused(reason, message) => {
                self.hold(reason, message, Some(self.now + LATER));
                return self.hands_off_policy(c);
            }
            Gate::HalfMade => true,
            Gate::Fresh | Gate::Prepared | Gate::Ours | Gate::OursUnmarked => false,
        };
        if half_made || guard::refusal(c.exit_code).is_some() {
            // dockerd would only hit the guard again; once it is down, the data is looked at.
            return self.hands_off_policy(c);
        }
        let message = format!("it exited ({}) and dockerd starts it again", c.exit_code);
        self.hold(
            Reason::CrashLoop,
            message,
            Some(self.now + TimeDelta::seconds(2)),
        );
        None
    }

    /// Takes dockerd's hand from a container that must not be started, and waits until it is down.
    fn hands_off_policy(&mut self, c: &ContainerSeen) -> Option<Lane> {
        if c.restart == RestartPolicy::No && !up(c.status) {
            return None;
        }
        let mut lane = self.lane(Some(c), self.stop_steps(c, true), Cost::None);
        lane.why
            .push("it must not be started by itself while that holds".to_owned());
        Some(lane)
    }

    fn quarantine(&self, c: &ContainerSeen) -> Lane {
        let runs = self.seen.attempts.failed_runs.len();
        let why = format!(
            "{runs} runs failed within half an hour; last exit code {}{}",
            c.exit_code,
            if c.error.is_empty() {
                String::new()
            } else {
                format!(" ({})", c.error)
            }
        );
        let mut actions = self.stop_steps(c, true);
        actions.push(Action::Quarantine(why.clone()));
        let mut lane = self.lane(Some(c), actions, Cost::None);
        lane.why.push(why);
        lane
    }

    fn quarantined(&mut self, why: &str) {
        let message = format!(
            "{why}; it is left alone, evidence is in quarantine/{name}; mend the cause, then: \
             db4sci retry {name}",
            name = self.wanted.db.name
        );
        self.hold(Reason::Quarantined, message, None);
    }

    /// Its process runs.
    fn up(&mut self, c: &ContainerSeen, drift: Drift) -> Option<Lane> {
        let db = self.wanted.db;
        let gate = gate(db, self.wanted.initialised, &self.seen.data);
        match (&self.seen.probe, &gate) {
            // Alarmed, never stopped: a server that runs may still have its files open.
            (_, Gate::Refused(reason, message)) => {
                let message = format!("{message}; the server still runs and is left running");
                self.hold(*reason, message, Some(self.now + LATER));
                None
            }
            (Probe::Answering { account, since, .. }, _) => {
                let marked = matches!(&self.seen.data,
                    Seen::Present(d) if d.inner_uid.is_some()
                        && d.marker.as_ref().is_some_and(|m| m.state == MarkerState::Initialised));
                let first = !self.wanted.initialised;
                if first || !marked || !account {
                    if self.backing_off() {
                        return None;
                    }
                    let mut actions = Vec::new();
                    if first || !account {
                        actions.push(Action::EnsureAccount);
                    }
                    if first || !marked {
                        actions.push(Action::MarkInitialised);
                    }
                    let mut lane = self.lane(Some(c), actions, Cost::None);
                    lane.why
                        .push("make its account, then it is ready".to_owned());
                    return Some(lane);
                }
                self.settled(c, drift, *since)
            }
            (Probe::NotAsked | Probe::Silent { .. }, _) => self.silent(c),
        }
    }

    /// It runs and answers, and its first start is long over: only drift is left.
    fn settled(&mut self, c: &ContainerSeen, drift: Drift, since: Timestamp) -> Option<Lane> {
        let db = self.wanted.db;
        if self.backing_off() {
            return None;
        }
        // A person's wish is older than the run it made: the run is its fulfilment.
        let started = c.started_at.unwrap_or(since);
        let asked = self.wanted.restart_asked.is_some_and(|at| at > started);
        let id = &c.id;
        let mut now_steps = Vec::new();
        let mut why = Vec::new();
        if let Some(limits) = drift.limits
            && !drift.limits_at_restart
        {
            now_steps.push(Action::Update(id.clone(), limits));
            why.extend(drift.limits_why.iter().cloned());
        }
        if drift.policy {
            now_steps.push(Action::SetPolicy(id.clone(), RestartPolicy::Always));
            why.push("restart policy -> always".to_owned());
        }
        if let Some(name) = &drift.name {
            now_steps.push(Action::Rename(id.clone(), name.clone()));
            why.push(format!("container's name -> {name}"));
        }
        let cost = drift.cost();
        if now_steps.is_empty() && cost == Cost::None && !asked {
            return None;
        }
        let disruptive = (cost != Cost::None || asked).then(|| {
            let mut lane = self.lane(Some(c), Vec::new(), cost.max(Cost::Restart));
            lane.actions = self.stop_steps(c, false);
            lane.why = if asked {
                vec!["restart, as asked".to_owned()]
            } else {
                Vec::new()
            };
            if cost == Cost::Recreate {
                lane.actions.push(Action::Remove(id.clone()));
            } else {
                lane.actions.push(Action::WriteFiles);
                if let Some(limits) = drift.limits.filter(|_| drift.limits_at_restart) {
                    lane.actions.push(Action::Update(id.clone(), limits));
                }
                lane.actions
                    .push(Action::SetPolicy(id.clone(), RestartPolicy::Always));
                lane.actions.push(Action::Start(id.clone()));
            }
            lane.why
                .extend(drift.recreate.iter().chain(&drift.restart).cloned());
            if drift.limits_at_restart {
                lane.why.extend(drift.limits_why.iter().cloned());
            }
            lane
        });
        let opens_at = opens(&db.maintenance_window, db.time_zone.0, self.now);
        match disruptive {
            Some(lane) if asked || opens_at == Some(self.now) => {
                // What can be done in place comes along with the next look.
                if now_steps.is_empty() || asked {
                    Some(lane)
                } else {
                    Some(self.in_place(c, now_steps, why))
                }
            }
            Some(lane) => {
                let what = match lane.cost {
                    Cost::Recreate => "another container on the same data",
                    Cost::Restart | Cost::None | Cost::Stop => "restart",
                };
                let message = format!("{what}: {}; waits for the window", lane.why.join(", "));
                self.hold_lane(Reason::OutsideWindow, message, opens_at, lane);
                (!now_steps.is_empty()).then(|| self.in_place(c, now_steps, why))
            }
            None => Some(self.in_place(c, now_steps, why)),
        }
    }

    fn in_place(&self, c: &ContainerSeen, steps: Vec<Action>, why: Vec<String>) -> Lane {
        let mut lane = self.lane(Some(c), steps, Cost::None);
        lane.why = why;
        lane
    }

    /// Its process runs, and its server does not answer.
    fn silent(&mut self, c: &ContainerSeen) -> Option<Lane> {
        let started = c.started_at.unwrap_or(self.now);
        let patience = TimeDelta::seconds(self.recipe.defaults().start_deadline.into());
        let (deadline, why) = match &self.seen.probe {
            Probe::Silent {
                refused: true, why, ..
            } => {
                let message =
                    format!("it refuses db4sci's own login: {why}; a restart would not mend that");
                self.hold(Reason::NotAnswering, message, Some(self.now + LATER));
                return None;
            }
            Probe::Silent {
                answered_before: true,
                since,
                why,
                ..
            } => (*since + HANG, why.clone()),
            Probe::Silent {
                answered_before: false,
                why,
                ..
            } => (started + patience, why.clone()),
            Probe::NotAsked | Probe::Answering { .. } => {
                (started + patience, "not asked yet".to_owned())
            }
        };
        if self.now < deadline {
            let (reason, message) = if matches!(
                &self.seen.probe,
                Probe::Silent {
                    answered_before: true,
                    ..
                }
            ) {
                (
                    Reason::NotAnswering,
                    format!("it answered before and does not now: {why}"),
                )
            } else {
                (Reason::Starting, format!("it is coming up: {why}"))
            };
            self.hold(reason, message, Some(deadline));
            return None;
        }
        if self.seen.attempts.exhausted(self.now) {
            return Some(self.quarantine(c));
        }
        if self.backing_off() {
            return None;
        }
        let mut steps = self.stop_steps(c, true);
        steps.push(Action::SetPolicy(c.id.clone(), RestartPolicy::Always));
        steps.push(Action::Start(c.id.clone()));
        let mut lane = self.lane(Some(c), steps, Cost::Restart);
        lane.repair = true;
        lane.why.push(format!("it does not answer: {why}"));
        Some(lane)
    }

    fn oom(&self) -> bool {
        self.seen
            .attempts
            .oom_at
            .is_some_and(|at| self.now - at < TimeDelta::minutes(5))
    }

    /// Whether the last attempt failed so recently that the next one waits.
    fn backing_off(&mut self) -> bool {
        let db = self.wanted.db;
        let Some(failure) = self.seen.attempts.failure(db.generation).cloned() else {
            return false;
        };
        match failure.class {
            Class::Permanent => {
                let message = format!(
                    "{}; tried again when the spec changes, or after: db4sci retry {}",
                    failure.message, db.name
                );
                self.hold(Reason::NeedsSpecChange, message, None);
                true
            }
            Class::Transient => {
                let until = failure.at + backoff(&db.name, failure.count);
                if self.now >= until {
                    return false;
                }
                self.hold(failure.reason, failure.message, Some(until));
                true
            }
            Class::Cancelled => false,
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
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
