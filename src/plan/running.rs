//! A container whose process runs: its first start, its drift, and a server that does not answer.

use chrono::TimeDelta;

use crate::model::{
    Action, ContainerSeen, Cost, DataIdentity, Lane, MarkerState, Probe, Reason, RestartPolicy,
    Seen, Silence, Timestamp,
};

use super::Ask;
use super::data::{Gate, gate};
use super::down::TAKEN_BACK;
use super::drift::Drift;
use super::gate::By;
use super::lifecycle::{LATER, SOON};

/// A server that answered in this run and then stays silent for this long hangs.
pub(super) const HANG: TimeDelta = TimeDelta::seconds(30);
/// Questions without an answer before it counts as hanging: a clock that is set forward is no
/// silence.
const HANG_QUESTIONS: u32 = 3;
/// A server that comes up is asked at least once in so many seconds.
const ASKED_EVERY: i64 = 30;
/// What is said of a server within its start deadline.
const COMING_UP: &str = "it is coming up";

impl Ask<'_> {
    /// Its process runs.
    pub(super) fn up(
        &mut self,
        c: &ContainerSeen,
        drift: Drift,
        name_is_taken: bool,
    ) -> Option<Lane> {
        let gate = gate(self.wanted, &self.seen.data);
        if let Gate::Refused(reason, message) = gate {
            if reason == Reason::DataLost && self.wanted.db.name.is_mydb_admin() {
                // It loses nothing when it is put down, and comes back only when it is down.
                let message = format!(
                    "{message}; its server is stopped, since all that it held is in the ledger, and comes \
                     back from its newest backup"
                );
                self.hold(reason, message, Some(self.now + LATER));
                return self.hands_off_policy(c);
            }
            // Alarmed, never stopped: a server that runs may still have its files open.
            let message = format!("{message}; the server still runs and is left running");
            self.hold(reason, message, Some(self.now + LATER));
            return None;
        }
        self.pressed();
        match &self.seen.probe {
            Probe::Answering {
                account,
                since,
                further,
                ..
            } => {
                let since = *since;
                self.first_ready(c, *account)
                    .or_else(|| self.accounts(c, further))
                    .or_else(|| self.settled(c, drift, since, name_is_taken))
            }
            Probe::NotAsked | Probe::Silent { .. } => self.silent(c),
        }
    }

    /// What is left of its first start: the account, then the marker.
    fn first_ready(&self, c: &ContainerSeen, account: bool) -> Option<Lane> {
        let marked = self.seen.data.present().is_some_and(|d| {
            let state = d.marker.as_ref().map(|m| m.state);
            d.inner_uid.is_some() && state == Some(MarkerState::Initialised)
        });
        let first = !self.wanted.initialised;
        let mut actions = Vec::new();
        if first || !account {
            actions.push(Action::EnsureAccount);
        }
        if first || !marked {
            actions.push(Action::MarkInitialised);
        }
        if first && let Some(identity) = self.unidentified() {
            actions.push(Action::IdentifyData(identity.clone()));
        }
        let why = if first {
            "make its account, then it is ready"
        } else if account {
            "mark its data as its own"
        } else {
            "its account is gone; it is made again"
        };
        (!actions.is_empty()).then(|| self.lane(Some(c), actions, Cost::None, vec![why.to_owned()]))
    }

    /// What its engine calls its data, if the ledger does not know that yet.
    fn unidentified(&self) -> Option<&DataIdentity> {
        let found = self.seen.data.present()?.identity.as_ref()?;
        self.wanted.identity.is_none().then_some(found)
    }

    /// It runs and answers, and its first start is long over: only drift is left.
    fn settled(
        &mut self,
        c: &ContainerSeen,
        mut drift: Drift,
        since: Timestamp,
        name_is_taken: bool,
    ) -> Option<Lane> {
        let asked = self.asked(c, since);
        let rotate = self.wanted.rotating.then(|| {
            let why = vec!["new passwords".to_owned()];
            self.lane(Some(c), vec![Action::RotateSecrets], Cost::None, why)
        });
        self.leave_out_refused(c, &mut drift);
        let in_place = self.in_place(c, &drift).filter(|_| !asked);
        let fetch = self
            .replaceable(c, &mut drift, name_is_taken)
            .filter(|_| !asked);
        let by = if asked { By::Person } else { By::Change };
        let disruption = self.disruption(c, &drift, asked);
        let disruption = disruption.and_then(|lane| self.leave(lane, by));
        // What costs nobody anything comes first.
        rotate.or(in_place).or(fetch).or(disruption)
    }

    /// A reload that was refused and waits for its next try keeps nothing else back.
    fn leave_out_refused(&mut self, c: &ContainerSeen, drift: &mut Drift) {
        let Some(reload) = drift.reload.take() else {
            return;
        };
        let steps = vec![Action::Reload(reload.clone())];
        let lane = self.lane(Some(c), steps, Cost::None, drift.reload_why.clone());
        if self.backing_off(&lane) {
            drift.reload_why.clear();
        } else {
            drift.reload = Some(reload);
        }
    }

    /// Whether a person wants it restarted. A wish that is older than the run it made: the run is its
    /// fulfilment.
    fn asked(&self, c: &ContainerSeen, since: Timestamp) -> bool {
        let started = c.started_at.unwrap_or(since);
        self.wanted.restart_asked.is_some_and(|at| at > started)
    }

    /// What can be changed under a running server.
    fn in_place(&self, c: &ContainerSeen, drift: &Drift) -> Option<Lane> {
        let id = &c.id;
        let mut steps = Vec::new();
        let mut why = Vec::new();
        if let (None, Seen::Present(image)) = (&self.wanted.db.image.pinned, &self.seen.image)
            && image.id == c.image
        {
            steps.push(Action::PinImage(image.id.clone()));
            why.push("it runs its image already".to_owned());
        }
        if let Some(identity) = self.unidentified() {
            steps.push(Action::IdentifyData(identity.clone()));
            why.push("its server answers on its data".to_owned());
        }
        if self.proves() {
            steps.push(Action::ProveSettings);
            why.push("it answers with its new settings".to_owned());
        }
        if matches!(&self.seen.files, Seen::Present(files) if !files.secrets) {
            steps.push(Action::WriteSecrets);
            why.push("its secret files are put back".to_owned());
        }
        // Before what may need the memory.
        if let Some(limits) = drift.limits.filter(|_| !drift.limits_at_restart) {
            steps.push(Action::Update(id.clone(), limits));
            why.extend(drift.limits_why.iter().cloned());
        }
        if let Some(reload) = &drift.reload {
            steps.push(Action::Reload(reload.clone()));
            why.extend(drift.reload_why.iter().cloned());
        }
        if drift.policy {
            steps.push(Action::SetPolicy(id.clone(), RestartPolicy::Always));
            why.push("restart policy -> always".to_owned());
        }
        if let Some(name) = &drift.name {
            steps.push(Action::Rename(id.clone(), name.clone()));
            why.push(format!("container's name -> {name}"));
        }
        (!steps.is_empty()).then(|| self.lane(Some(c), steps, Cost::None, why))
    }

    /// What its users would notice: a restart, or another container.
    pub(super) fn disruption(&self, c: &ContainerSeen, drift: &Drift, asked: bool) -> Option<Lane> {
        let risk = self.risk(c, drift);
        let mut drift = drift.clone();
        if asked && risk.is_some() {
            // Who asks for a restart did not ask for another program over the data.
            drift.recreate.clear();
        }
        let cost = drift.cost();
        if cost == Cost::None && !asked {
            return None;
        }
        let id = &c.id;
        let mut steps = self.stop_steps(c, false);
        if cost == Cost::Recreate {
            steps.push(Action::Remove(id.clone()));
        } else {
            steps.push(Action::WriteFiles);
            if let Some(limits) = drift.limits.filter(|_| drift.limits_at_restart) {
                steps.push(Action::Update(id.clone(), limits));
            }
            steps.push(Action::SetPolicy(id.clone(), RestartPolicy::Always));
            steps.push(Action::Start(id.clone()));
        }
        let mut why = Vec::new();
        if asked {
            why.push("restart, as asked".to_owned());
        }
        why.extend(drift.recreate.iter().chain(&drift.restart).cloned());
        if drift.limits_at_restart {
            why.extend(drift.limits_why.iter().cloned());
        }
        let mut lane = self.lane(Some(c), steps, cost.max(Cost::Restart), why);
        lane.risk = risk.filter(|_| cost == Cost::Recreate);
        Some(lane)
    }

    /// Its process runs, and its server does not answer.
    fn silent(&mut self, c: &ContainerSeen) -> Option<Lane> {
        let started = c.started_at.unwrap_or(self.now);
        let recovers = matches!(
            self.seen.probe,
            Probe::Silent {
                cause: Silence::NotReady,
                ..
            }
        );
        let starved = self.seen.attempts.starved && self.tight().is_none() && !recovers;
        let patience = if starved {
            // It may never come up on what it could not write, now that there is room.
            HANG
        } else {
            TimeDelta::seconds(self.recipe.defaults().start_deadline.into())
        };
        let (reason, what, deadline, why) = match &self.seen.probe {
            Probe::Silent {
                cause: Silence::Damaged,
                why,
                failures,
                ..
            } => {
                let name = &self.wanted.db.name;
                if name.is_mydb_admin() && *failures >= HANG_QUESTIONS {
                    // It loses nothing when it is put down, and comes back from its backup.
                    return Some(self.give_up(c, why.clone()));
                }
                let message = format!(
                    "it cannot read its own files: {why}; a restart would not mend that; to go back \
                     to a backup: db4sci restore {name}"
                );
                self.hold(Reason::NotAnswering, message, Some(self.now + LATER));
                return None;
            }
            Probe::Silent {
                cause: Silence::Refused,
                why,
                ..
            } => {
                let then = if self.wanted.db.name.is_mydb_admin() {
                    "it is let in again while its server is down for a moment"
                } else {
                    "a restart would not mend that"
                };
                let message = format!("it refuses db4sci's own login: {why}; {then}");
                self.hold(Reason::LoginRefused, message, Some(self.now + LATER));
                return None;
            }
            Probe::Silent {
                answered_before: true,
                since,
                why,
                failures,
                ..
            } => {
                let hangs = *since + HANG;
                let deadline = if *failures < HANG_QUESTIONS {
                    hangs.max(self.now + SOON)
                } else {
                    hangs
                };
                let what = "it answered before and does not now";
                (Reason::NotAnswering, what, deadline, why.as_str())
            }
            // A server that recovers from a crash of its own says so in the middle of a run.
            Probe::Silent {
                answered_before: false,
                since,
                why,
                failures,
                ..
            } => {
                // A start in the future: the clock was set back, and says nothing about it.
                let begun = if started > self.now {
                    *since
                } else {
                    started.max(*since)
                };
                let mut deadline = begun + patience;
                // Where it was asked less often than that takes, it is the clock that went ahead.
                if i64::from(*failures) < patience.num_seconds() / ASKED_EVERY {
                    deadline = deadline.max(self.now + SOON);
                }
                (Reason::Starting, COMING_UP, deadline, why.as_str())
            }
            // However long it runs: a daemon that has just started knows nothing of it. Its first answer,
            // or none, is an event.
            Probe::NotAsked | Probe::Answering { .. } => {
                let message = "it runs, and was not asked yet".to_owned();
                self.hold(Reason::Starting, message, Some(self.now + SOON));
                return None;
            }
        };
        if self.now < deadline {
            let message = format!("{what}: {why}");
            self.hold(reason, message, Some(deadline));
            return None;
        }
        if recovers && self.asked(c, self.now) {
            let lane = self.disruption(c, &Drift::default(), true);
            return lane.and_then(|lane| self.leave(lane, By::Person));
        }
        if recovers {
            // It lives by its own word: a restart would throw away what it has recovered, and begin anew.
            let message = format!(
                "it says that it is not ready, for longer than a start should take: {why}; it is left \
                 running; where nothing moves in its log any more: db4sci restart {}",
                self.wanted.db.name
            );
            self.hold(Reason::NotAnswering, message, Some(self.now + LATER));
            return None;
        }
        if self.tight().is_some() {
            // It may wait for room, and would not come up again without.
            let message = format!("{what}: {why}; it is not restarted before there is room");
            self.hold(reason, message, Some(self.now + SOON));
            return None;
        }
        let back = self.takes_back();
        if self.seen.attempts.exhausted(self.now) && !back {
            return Some(self.quarantine(c));
        }
        let mut steps = self.stop_steps(c, true);
        steps.extend(back.then_some(Action::TakeBack));
        steps.push(Action::SetPolicy(c.id.clone(), RestartPolicy::Always));
        steps.push(Action::Start(c.id.clone()));
        let mut why = vec![format!("it does not answer: {why}")];
        why.extend(back.then(|| TAKEN_BACK.to_owned()));
        why.extend(starved.then(|| "there is room on its volume again".to_owned()));
        let mut lane = self.lane(Some(c), steps, Cost::Restart, why);
        lane.repair = true;
        Some(lane)
    }
}
