//! A container that should run and does not: the repair, and when to give up.

use chrono::TimeDelta;

use crate::model::{Action, ContainerSeen, Cost, Lane, Reason, RestartPolicy, Seen, Status, guard};

use super::Ask;
use super::data::{Gate, gate};
use super::drift::{Drift, drift};
use super::lifecycle::{LATER, SOON, short, up};

/// How soon to look again at a container that dockerd is about to start.
const RESTARTS: TimeDelta = TimeDelta::seconds(2);
/// Why the files of a server are written as they were.
pub(super) const TAKEN_BACK: &str = "it did not start with its new settings; they are taken back to those that it last answered with";
/// For how long it is told that a container was killed for its memory limit.
const OOM_TOLD: TimeDelta = TimeDelta::minutes(5);

impl Ask<'_> {
    /// It should run, and has a container.
    pub(super) fn started(&mut self, c: &ContainerSeen, name_is_taken: bool) -> Option<Lane> {
        let db = self.wanted.db;
        if let Some(why) = self.wanted.quarantined {
            self.quarantined(why);
            // The quarantine's own lane was cut off, and dockerd's hand is still on it. Or its data is
            // damaged while it answers: only mydb_admin loses nothing when it is put down for that.
            let useless = !self.seen.probe.answering() || db.name.is_mydb_admin();
            let loose = c.restart != RestartPolicy::No && useless;
            let why = vec!["it is in quarantine".to_owned()];
            return loose.then(|| self.lane(Some(c), self.stop_steps(c, true), Cost::None, why));
        }
        let startable = self.startable();
        let mut drift = drift(
            self.recipe,
            &startable,
            self.site,
            self.wanted_image(),
            &self.seen.files,
            c,
            self.now,
        );
        if name_is_taken {
            drift.name = None;
        }
        match c.status {
            Status::Removing => {
                self.removing(c);
                None
            }
            Status::Dead => {
                self.removing(c);
                let why = vec!["it can only be removed".to_owned()];
                let remove = vec![Action::Remove(c.id.clone())];
                Some(self.lane(Some(c), remove, Cost::None, why))
            }
            Status::Paused => {
                let why = format!(
                    "somebody paused it; to be left alone: db4sci maintenance on {}",
                    db.name
                );
                let unpause = vec![Action::Unpause(c.id.clone())];
                Some(self.lane(Some(c), unpause, Cost::None, vec![why]))
            }
            Status::Created | Status::Exited => self.down(c, drift, name_is_taken),
            Status::Restarting => self.restarting(c),
            Status::Running => self.up(c, drift, name_is_taken),
        }
    }

    fn removing(&mut self, c: &ContainerSeen) {
        let message = format!("container {} is being removed", short(c.id.as_str()));
        self.hold(Reason::Backoff, message, Some(self.now + SOON));
    }

    /// It is down: this is the repair, and the second half of a first start.
    fn down(&mut self, c: &ContainerSeen, mut drift: Drift, name_is_taken: bool) -> Option<Lane> {
        let gate = gate(self.wanted, &self.seen.data);
        let mut actions = match &gate {
            Gate::Refused(reason, message) => {
                self.hold(*reason, message.clone(), Some(self.now + LATER));
                return self.hands_off_policy(c);
            }
            // The folder is ready or gone before anything was in it.
            Gate::Fresh | Gate::Prepared => vec![Action::PrepareData],
            Gate::HalfMade => vec![Action::SetAsideHalfMade, Action::PrepareData],
            Gate::Ours => Vec::new(),
            Gate::OursUnmarked => vec![Action::MarkInitialised],
        };
        if self.refused_by_guard(c, &gate) {
            return self.hands_off_policy(c);
        }
        if self.starves(c) {
            return self.hands_off_policy(c);
        }
        let back = self.takes_back();
        if self.seen.attempts.exhausted(self.now) && !back {
            return Some(self.quarantine(c));
        }
        self.tell_of_oom();
        if back {
            actions.push(Action::TakeBack);
        } else if self.cools_down(c) {
            return None;
        }
        self.keep_its_image(c, &mut drift);
        if let Some(fetch) = self.replaceable(c, &mut drift, name_is_taken) {
            return Some(fetch);
        }
        if !drift.recreate.is_empty() {
            let remove = vec![Action::Remove(c.id.clone())];
            return Some(self.lane(Some(c), remove, Cost::None, drift.lines()));
        }
        if drift.elsewhere || self.anonymous(c) || self.own_port_taken(c) {
            return None;
        }
        let why = self.start_steps(c, &drift, &mut actions);
        let mut lane = self.lane(Some(c), actions, Cost::None, why);
        lane.repair = c.status == Status::Exited;
        Some(lane)
    }

    /// A repair brings no other image over data that no new backup holds: the container that is there
    /// is started, and what waits for a person goes on waiting.
    fn keep_its_image(&self, c: &ContainerSeen, drift: &mut Drift) {
        let risky = self.risk(c, drift).is_some() && !drift.elsewhere;
        let lane = self.disruption(c, drift, false).filter(|_| risky);
        if lane.is_some_and(|lane| !self.is_approved(&lane)) {
            drift.recreate.clear();
        }
    }

    /// The steps that start it as it should be now.
    fn start_steps(
        &self,
        c: &ContainerSeen,
        drift: &Drift,
        actions: &mut Vec<Action>,
    ) -> Vec<String> {
        let id = &c.id;
        let current = matches!(&self.seen.files, Seen::Present(f) if f.complete && f.secrets);
        if !current || !drift.restart.is_empty() || drift.reload.is_some() {
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
        actions.push(Action::Start(id.clone()));
        let mut why = drift.lines();
        if actions.contains(&Action::TakeBack) {
            why.push(TAKEN_BACK.to_owned());
        }
        why.push(match (c.status, drift.policy) {
            (Status::Exited, false) => format!(
                "it exited ({}); started again; to keep it stopped: db4sci stop {}",
                c.exit_code, self.wanted.db.name
            ),
            _ => "start".to_owned(),
        });
        why
    }

    /// Whether the guard refused its last run although all looks well from here; says so. The guard
    /// sees what the container sees, so it is asked again only after a while.
    fn refused_by_guard(&mut self, c: &ContainerSeen, gate: &Gate) -> bool {
        let mended = match gate {
            Gate::Ours | Gate::Fresh | Gate::Prepared => false,
            Gate::HalfMade | Gate::OursUnmarked | Gate::Refused(..) => true,
        };
        let Some(reason) = guard::refused_data(c.exit_code) else {
            return false;
        };
        let ended = c.finished_at.unwrap_or(self.now);
        let again = ended + LATER;
        if mended || c.status != Status::Exited || self.now < ended || self.now >= again {
            return false;
        }
        let place = self.wanted.db.data_dir();
        let message = if reason == Reason::DataBusy {
            format!(
                "another server has {} open; stop that one first",
                place.display()
            )
        } else {
            format!(
                "the guard in its container refused {} ({}); db4sci logs {}",
                place.display(),
                c.exit_code,
                self.wanted.db.name
            )
        };
        self.hold(reason, message, Some(again));
        true
    }

    /// Whether runs failed in a row and the next start waits; says so.
    fn cools_down(&mut self, c: &ContainerSeen) -> bool {
        let ended = c.finished_at.unwrap_or(self.now);
        let until = self
            .seen
            .attempts
            .next_start(&self.wanted.db.name, ended)
            .filter(|until| c.status == Status::Exited && ended <= self.now && self.now < *until);
        if until.is_some() {
            let message = format!(
                "it exited ({}), as in {} runs in a row",
                c.exit_code,
                self.seen.attempts.failed_runs.len()
            );
            self.hold(Reason::CrashLoop, message, until);
        }
        until.is_some()
    }

    /// Whether it was made with a volume of the engine that nobody keeps; says so.
    fn anonymous(&mut self, c: &ContainerSeen) -> bool {
        let found = c.mounts.iter().find(|m| m.anonymous);
        let found = found.filter(|_| c.status == Status::Created);
        if let Some(mount) = found {
            let message = format!(
                "container {} keeps data in {}, which would be lost with it; it is not started: \
                 add a row to `volumes` of the catalog, and remove the container",
                short(c.id.as_str()),
                mount.target
            );
            self.hold(Reason::AnonymousVolume, message, None);
        }
        found.is_some()
    }

    /// Whether somebody else holds a port that this container publishes; says so.
    fn own_port_taken(&mut self, c: &ContainerSeen) -> bool {
        let port = self.seen.port_owner.as_ref().map(|(port, _)| *port);
        let own = c.ports.iter().any(|p| Some(p.host) == port);
        if own && let Some(message) = self.port_taken() {
            self.hold(Reason::PortInUse, message, Some(self.now + LATER));
        }
        own
    }

    /// dockerd is about to start it again by itself.
    fn restarting(&mut self, c: &ContainerSeen) -> Option<Lane> {
        let gate = gate(self.wanted, &self.seen.data);
        let half_made = match gate {
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
        if self.starves(c) {
            return self.hands_off_policy(c);
        }
        if self.takes_back() {
            // Its files are written while it is down.
            return self.hands_off_policy(c);
        }
        if self.seen.attempts.exhausted(self.now) {
            return Some(self.quarantine(c));
        }
        self.tell_of_oom();
        let message = format!("it exited ({}) and dockerd starts it again", c.exit_code);
        self.hold(Reason::CrashLoop, message, Some(self.now + RESTARTS));
        None
    }

    /// Takes dockerd's hand from a container that must not be started, and waits until it is down.
    pub(super) fn hands_off_policy(&mut self, c: &ContainerSeen) -> Option<Lane> {
        if c.restart == RestartPolicy::No && !up(c.status) {
            return None;
        }
        let why = "it must not be started by itself while that holds".to_owned();
        Some(self.lane(Some(c), self.stop_steps(c, true), Cost::None, vec![why]))
    }

    /// Gives it up after too many repairs that failed.
    pub(super) fn quarantine(&self, c: &ContainerSeen) -> Lane {
        let error = if c.error.is_empty() {
            String::new()
        } else {
            format!(" ({})", c.error)
        };
        let why = format!(
            "{}; last exit code {}{error}",
            self.failed_repairs(),
            c.exit_code
        );
        self.give_up(c, why)
    }

    /// Gives up what has no container, and gets none.
    pub(super) fn quarantine_without(&self) -> Lane {
        let why = self.failed_repairs();
        let actions = vec![Action::Quarantine(why.clone())];
        self.lane(None, actions, Cost::None, vec![why])
    }

    /// What failed of late.
    fn failed_repairs(&self) -> String {
        let attempts = &self.seen.attempts;
        let last = attempts.failed.last();
        match (attempts.failed_runs.len(), attempts.failed_steps.len()) {
            (runs, 0) => format!("{runs} runs failed in a row"),
            (runs, steps) => format!(
                "{} repairs failed within half an hour{}",
                runs + steps,
                last.map_or(String::new(), |last| format!(
                    ", the last at {}",
                    last.message
                ))
            ),
        }
    }

    /// Stops it, and leaves it alone from now on, with evidence.
    pub(super) fn give_up(&self, c: &ContainerSeen, why: String) -> Lane {
        let mut actions = self.stop_steps(c, true);
        actions.push(Action::Quarantine(why.clone()));
        self.lane(Some(c), actions, Cost::None, vec![why])
    }

    pub(super) fn quarantined(&mut self, why: &str) {
        let message = format!(
            "{why}; it is left alone, evidence is in quarantine/{name}; mend the cause, then: \
             db4sci release {name} --reason TEXT",
            name = self.wanted.db.name
        );
        self.hold(Reason::Quarantined, message, None);
    }

    fn tell_of_oom(&mut self) {
        let lately = |at| self.now - at < OOM_TOLD;
        if self.seen.attempts.oom_at.is_some_and(lately) {
            let message = format!(
                "killed for its memory limit of {}; raise resources.memory if that goes on",
                self.wanted.db.resources.memory
            );
            self.hold(Reason::OOMKilled, message, None);
        }
    }
}
