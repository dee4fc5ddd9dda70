//! Which containers carry which uid: kept from the engine's list and its events, so that one look
//! at one database costs one or two calls, whatever else runs on the host. And which image each tag
//! names, which is asked for once a minute.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use crate::model::container::LABEL_UID;
use crate::model::{ContainerId, ImageId, ImageRef, Seen, Uid};
use crate::runtime::{ContainerBrief, RuntimeEvent};

/// The index. It is only a hint where to look: every container in it is inspected before anything
/// is concluded.
#[derive(Debug, Default)]
pub struct Index {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Why nothing is known, until the first list.
    unknown: Option<String>,
    by_uid: BTreeMap<Uid, BTreeSet<ContainerId>>,
    ports: BTreeMap<u16, String>,
}

impl Default for State {
    fn default() -> Self {
        State {
            unknown: Some("the containers have not been listed yet".to_owned()),
            by_uid: BTreeMap::new(),
            ports: BTreeMap::new(),
        }
    }
}

impl Index {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic while the lock was held left at worst a stale hint behind.
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Replaces everything by a new list.
    pub fn replace(&self, all: &[ContainerBrief]) {
        let mut state = State {
            unknown: None,
            by_uid: BTreeMap::new(),
            ports: BTreeMap::new(),
        };
        for brief in all {
            if let Some(uid) = brief
                .labels
                .get(LABEL_UID)
                .and_then(|text| text.parse().ok())
            {
                state
                    .by_uid
                    .entry(uid)
                    .or_default()
                    .insert(brief.id.clone());
            }
            for port in &brief.host_ports {
                state.ports.insert(*port, brief.name.clone());
            }
        }
        *self.state() = state;
    }

    /// Forgets everything: the engine did not answer.
    pub fn unknown(&self, why: String) {
        self.state().unknown = Some(why);
    }

    /// Adds what an event says.
    pub fn note(&self, event: &RuntimeEvent) {
        if let Some(uid) = event
            .labels
            .get(LABEL_UID)
            .and_then(|text| text.parse().ok())
        {
            self.state()
                .by_uid
                .entry(uid)
                .or_default()
                .insert(event.id.clone());
        }
    }

    /// Removes a container that is surely gone.
    pub fn forget(&self, uid: Uid, id: &str) {
        if let Some(ids) = self.state().by_uid.get_mut(&uid) {
            ids.retain(|known| known.as_str() != id);
        }
    }

    /// The containers to look at for a uid; or why that is unknown.
    pub fn of(&self, uid: Uid) -> Result<Vec<ContainerId>, String> {
        let state = self.state();
        match &state.unknown {
            Some(why) => Err(why.clone()),
            None => Ok(state
                .by_uid
                .get(&uid)
                .into_iter()
                .flatten()
                .cloned()
                .collect()),
        }
    }

    /// The container that held a host port at the last list.
    pub fn holder_of(&self, port: u16) -> Option<String> {
        self.state().ports.get(&port).cloned()
    }
}

/// Which image each reference named when it was last asked for.
#[derive(Debug, Default)]
pub struct Tags(Mutex<BTreeMap<ImageRef, Seen<ImageId>>>);

impl Tags {
    fn all(&self) -> std::sync::MutexGuard<'_, BTreeMap<ImageRef, Seen<ImageId>>> {
        // A panic while the lock was held left at worst an old answer behind.
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What a reference named; `None`: it was never asked for.
    pub fn of(&self, reference: &ImageRef) -> Option<Seen<ImageId>> {
        self.all().get(reference).cloned()
    }

    /// Every reference that was asked for.
    pub fn references(&self) -> Vec<ImageRef> {
        self.all().keys().cloned().collect()
    }

    /// Keeps an answer.
    pub fn set(&self, reference: &ImageRef, names: Seen<ImageId>) {
        self.all().insert(reference.clone(), names);
    }
}
