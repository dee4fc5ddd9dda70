//! All of the world, and how time passes in it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta};

use super::container::Container;
use super::disk::{Disk, SimImage};
use super::fault::FaultState;
use super::rng::Rng;
use crate::model::{ContainerId, DataSeen, Database, Seen, Timestamp, Uid};
use crate::runtime::{DirError, RuntimeError, RuntimeEvent};

/// The world behind the lock.
pub(super) struct State {
    pub(super) rng: Rng,
    pub(super) now: Timestamp,
    /// The first instant, and the time that passed by `advance`.
    pub(super) passed: Timestamp,
    /// Whether anything may have been changed since `due` was found.
    pub(super) touched: bool,
    /// When something of a container is due next, unless it was touched since.
    due: Option<Timestamp>,
    /// How wrong the wall clock is.
    pub(super) skew: TimeDelta,
    pub(super) fault: FaultState,
    pub(super) containers: BTreeMap<String, Container>,
    /// Images on this host, by reference.
    pub(super) images: BTreeMap<String, SimImage>,
    /// Images that can be pulled; a registry that does not answer has none.
    pub(super) registry: Option<BTreeMap<String, SimImage>>,
    pub(super) disk: Disk,
    pub(super) events: Vec<RuntimeEvent>,
    /// Counts breaks of the event stream.
    pub(super) streams_broken: u64,
    /// Rows that users of each database were told are safe.
    pub(super) accepted: BTreeMap<Uid, u64>,
    /// Databases that were ready once, and must never be begun anew.
    pub(super) began: BTreeSet<Uid>,
    /// The account's login name of each database.
    pub(super) accounts: BTreeMap<Uid, String>,
    pub(super) violations: Vec<String>,
    pub(super) journal: Vec<String>,
}

impl State {
    /// What lies there, known for sure.
    pub(super) fn known(&self, db: &Database) -> Result<Option<DataSeen>, DirError> {
        match self.look_at(db) {
            Seen::Absent => Ok(None),
            Seen::Present(seen) => Ok(Some(seen)),
            Seen::Unknown(why) => Err(self.io(db, &why)),
        }
    }

    pub(super) fn writable(&self, db: &Database) -> Result<(), DirError> {
        if self.disk.full {
            return Err(DirError::DiskFull(db.data_dir().display().to_string()));
        }
        Ok(())
    }

    pub(super) fn io(&self, db: &Database, message: &str) -> DirError {
        DirError::Io {
            path: db.data_dir().display().to_string(),
            message: message.to_owned(),
        }
    }

    /// The first instant of every world.
    pub(super) fn beginning() -> Timestamp {
        // 2026-01-05, a Monday, 12:00 UTC.
        DateTime::from_timestamp(1_767_614_400, 0).unwrap_or_default()
    }

    pub(super) fn new(seed: u64) -> Self {
        State {
            rng: Rng::new(seed),
            now: State::beginning(),
            passed: State::beginning(),
            touched: false,
            due: None,
            skew: TimeDelta::zero(),
            fault: FaultState::default(),
            containers: BTreeMap::new(),
            images: BTreeMap::new(),
            registry: Some(BTreeMap::new()),
            disk: Disk::default(),
            events: Vec::new(),
            streams_broken: 0,
            accepted: BTreeMap::new(),
            began: BTreeSet::new(),
            accounts: BTreeMap::new(),
            violations: Vec::new(),
            journal: Vec::new(),
        }
    }

    /// Lets everything happen that is due until now, each at its own instant.
    pub(super) fn catch_up(&mut self, now: Timestamp) {
        // Asked before every call: nobody searches as long as nothing is due, and nothing is copied.
        if self.touched || self.due.is_some_and(|due| due <= now) {
            self.happen_until(now);
            self.due = self.containers.values().filter_map(Container::due).min();
            self.touched = false;
        }
        self.now = self.now.max(now);
    }

    fn happen_until(&mut self, now: Timestamp) {
        while let Some((due, id)) = self
            .containers
            .values()
            .filter_map(|c| Some((c.due().filter(|due| *due <= now)?, &c.id)))
            .min()
        {
            let id = id.clone();
            self.now = self.now.max(due);
            self.happen(&id);
        }
    }

    /// When something happens next by itself: a container dies or is started again, a server answers, the
    /// engine is back.
    pub(super) fn next_change(&self) -> Option<Timestamp> {
        let answers = self.containers.values().filter_map(|c| {
            let ready_at = c.server()?.ready_at;
            (self.now < ready_at).then_some(ready_at)
        });
        let due = self.containers.values().filter_map(Container::due);
        let back = self.fault.away_until.filter(|until| self.now < *until);
        due.chain(answers).chain(back).min()
    }

    pub(super) fn violation(&mut self, text: String) {
        self.violations
            .push(format!("{}: {text}", self.now.format("%T%.3f")));
    }

    /// A container by id or name.
    pub(super) fn find(&self, id_or_name: &str) -> Option<&Container> {
        self.containers
            .get(id_or_name)
            .or_else(|| self.containers.values().find(|c| c.name == id_or_name))
    }

    /// A container that a call names.
    pub(super) fn container(&mut self, id: &ContainerId) -> Result<&mut Container, RuntimeError> {
        let key = self.find(id.as_str()).map(|c| c.id.clone());
        key.and_then(|key| self.containers.get_mut(&key))
            .ok_or_else(|| missing(id))
    }

    /// Tells watchers of a container.
    pub(super) fn tell(&mut self, id: &str, action: &str) {
        if let Some(container) = self.containers.get(id) {
            self.events.push(RuntimeEvent {
                id: ContainerId(container.id.clone()),
                action: action.to_owned(),
                labels: container.spec.labels.clone(),
                name: container.name.clone(),
                at: self.now,
            });
        }
    }
}

/// What a call says that names no container.
pub(super) fn missing(id: &ContainerId) -> RuntimeError {
    RuntimeError::NotFound(format!("No such container: {id}"))
}
