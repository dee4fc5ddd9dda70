//! What lies in a database's place on the simulated host.

use super::state::State;
use crate::model::disk::Room;
use crate::model::{DataIdentity, DataSeen, Database, Marker, Seen};

impl State {
    pub(super) fn look_at(&self, db: &Database) -> Seen<DataSeen> {
        let volume = &db.volume.path;
        if !self.disk.mounted(volume) {
            return Seen::Unknown(format!(
                "{} is not there: is the volume mounted?",
                volume.display()
            ));
        }
        let marker = self.disk.markers.get(&db.marker_dir()).map(|m| Marker {
            uid: m.uid,
            state: m.state,
        });
        let data = self
            .disk
            .dirs
            .get(&db.data_dir())
            .and_then(|inode| self.disk.data.get(inode));
        if marker.is_none() && data.is_none() {
            return Seen::Absent;
        }
        Seen::Present(DataSeen {
            marker,
            dirs_exist: data.is_some(),
            empty: data.is_none_or(|d| !d.sentinel && !d.strange),
            sentinel: data.is_some_and(|d| d.sentinel),
            inner_uid: data.and_then(|d| d.inner),
            identity: data
                .and_then(|d| d.identity)
                .map(|n| DataIdentity::new(n.to_string())),
            tight: self.disk.full.then_some(Room {
                size: 1 << 40,
                free: 0,
            }),
        })
    }
}
