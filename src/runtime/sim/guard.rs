//! The guard, by the rules of `host/guard.sh`.

use super::state::State;
use crate::model::{ContainerSpec, MarkerState, Uid, guard};

/// What the guard was told, and what it was let through with.
pub(super) struct Passed {
    pub(super) uid: Uid,
    pub(super) data: u64,
    pub(super) lock: u64,
}

/// Whether a container's first process is the guard.
pub(super) fn guarded(spec: &ContainerSpec) -> bool {
    spec.entrypoint
        .get(1)
        .is_some_and(|word| word.ends_with(guard::SCRIPT))
}

impl State {
    /// Lets a container's server through, or gives the refusal's exit code and its line.
    pub(super) fn guard(&self, spec: &ContainerSpec) -> Result<Passed, (i64, String)> {
        let refuse = |code: i64, text: &str| {
            Err((code, format!("db4sci guard: {text}; nothing was changed")))
        };
        let word = |n: usize| spec.entrypoint.get(n).map_or("", String::as_str);
        let Ok(uid) = word(2).parse::<Uid>() else {
            return refuse(guard::BROKEN, "wrong arguments");
        };
        let data_target = word(4);
        let marker = spec
            .mounts
            .iter()
            .find_map(|m| self.disk.marker_at(&m.source));
        let Some(marker) = marker else {
            return refuse(guard::UNMOUNTED, "no marker of this database");
        };
        if marker.uid != uid {
            return refuse(guard::FOREIGN, "the marker is another's");
        }
        let held = |c: &super::container::Container| {
            c.server().is_some_and(|s| s.lock == Some(marker.inode))
        };
        if self.containers.values().any(held) {
            return refuse(guard::BUSY, "another server holds the lock");
        }
        let data = spec
            .mounts
            .iter()
            .find(|m| m.target == data_target)
            .and_then(|m| self.disk.data_at(&m.source));
        let Some((inode, data)) = data.and_then(|i| Some((i, self.disk.data.get(&i)?))) else {
            return refuse(guard::UNMOUNTED, "no data folder");
        };
        if data.inner.is_some_and(|inner| inner != uid) {
            return refuse(guard::FOREIGN, "the data is another's");
        }
        match marker.state {
            MarkerState::Ejected => refuse(guard::UNMOUNTED, "the marker's state is no state"),
            MarkerState::Initialised if !data.sentinel => refuse(
                guard::LOST,
                "this database was initialised, and its data is gone",
            ),
            MarkerState::Initialised if data.inner.is_none() => {
                refuse(guard::FOREIGN, "initialised, and the data lacks its uid")
            }
            MarkerState::Initialising if data.sentinel && data.inner.is_none() => {
                refuse(guard::HALF_MADE, "the first start was broken off")
            }
            MarkerState::Initialised | MarkerState::Initialising => Ok(Passed {
                uid,
                data: inode,
                lock: marker.inode,
            }),
        }
    }
}
