//! What lies in a database's place on the simulated host.

use std::path::Path;

use super::state::State;
use crate::model::disk::Room;
use crate::model::view::Evidence;
use crate::model::{DataIdentity, DataSeen, Database, Marker, Seen, Site};

/// The file of evidence that says where the data lies.
const DATA_PLACE: &str = "data-place.txt";

impl State {
    /// Notes in a folder of evidence where the data lies.
    pub(super) fn note_data(&mut self, evidence: &Path, at: &Path, words: &str) {
        let text = format!("{}\n{words}\n", at.display());
        if let Some(files) = self.disk.evidence.get_mut(evidence) {
            files.retain(|(name, _)| name != DATA_PLACE);
            files.push((DATA_PLACE.to_owned(), text));
        }
    }

    /// The newest evidence of a database.
    pub(super) fn evidence(&self, site: &Site, db: &Database) -> Option<Evidence> {
        let of_database = site.state_dir.join("quarantine").join(db.name.as_str());
        let mut all = self.disk.evidence.iter();
        let (folder, files) = all.rfind(|(folder, _)| folder.starts_with(&of_database))?;
        let names = files.iter().map(|(name, _)| name.clone());
        Some(Evidence {
            folder: folder.display().to_string(),
            files: names.collect(),
            data: files
                .iter()
                .find(|(name, _)| name == DATA_PLACE)
                .and_then(|(_, text)| text.lines().next().map(ToOwned::to_owned)),
        })
    }

    /// The room of a database's volume; what a folder takes is not simulated.
    pub(super) fn taken(&self, _db: &Database) -> (Room, u64) {
        let size = 1 << 40;
        let free = if self.disk.full { 0 } else { size / 2 };
        (Room { size, free }, 0)
    }

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
