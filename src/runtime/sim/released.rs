//! What is released from db4sci, on the simulated host.

use std::path::Path;

use super::dirs::{Answer, refused};
use super::state::State;
use crate::model::{Database, Marker, MarkerState};

impl State {
    pub(super) fn write_released(&mut self, db: &Database, to: &Path) -> Answer<()> {
        self.writable(db)?;
        if self.disk.exists(to) && self.disk.released.get(to) != Some(&db.uid) {
            return refused(format!("{} holds something already", to.display()));
        }
        self.disk.plain.insert(to.to_owned(), ());
        self.disk.released.insert(to.to_owned(), db.uid);
        self.journal
            .push(format!("release {} to {}", db.name, to.display()));
        Ok(())
    }

    pub(super) fn remove_released(&mut self, db: &Database, to: &Path) -> Answer<()> {
        if self.disk.released.get(to) == Some(&db.uid) {
            self.disk.released.remove(to);
            self.disk.plain.remove(to);
        }
        Ok(())
    }

    pub(super) fn mark_ejected(&mut self, db: &Database, ejected: bool) -> Answer<()> {
        self.writable(db)?;
        let to = if ejected {
            MarkerState::Ejected
        } else {
            MarkerState::Initialised
        };
        match self.known(db)?.and_then(|seen| seen.marker) {
            Some(m) if m.uid != db.uid => return refused(format!("marked for {}", m.uid)),
            None => return refused("holds no marker".to_owned()),
            Some(m) if m.state == MarkerState::Initialising => {
                return refused("its first start is not over".to_owned());
            }
            Some(m) if m.state == to => return Ok(()),
            Some(_) => {}
        }
        self.unlocked(db)?;
        if let Some(marker) = self.disk.markers.get_mut(&db.marker_dir()) {
            marker.state = to;
        }
        self.journal.push(format!("mark {:?} {}", to, db.name));
        Ok(())
    }
}

/// What was released is nobody's here.
pub(super) fn not_released(marker: &Marker) -> Answer<()> {
    match marker.state {
        MarkerState::Initialising | MarkerState::Initialised => Ok(()),
        MarkerState::Ejected => refused("released from db4sci".to_owned()),
    }
}
