//! Room on its volume: a server that ended for want of it is started when there is some again.

use crate::model::Reason;
use crate::model::disk::Room;

use super::Ask;
use super::lifecycle::{LATER, SOON};

impl Ask<'_> {
    /// The room on its volume, where there is too little.
    pub(super) fn tight(&self) -> Option<Room> {
        self.seen.data.present()?.tight
    }

    /// Whether it ended for want of room, and there is none yet; says so. It is tried once without: what
    /// a server needs, nobody else knows.
    pub(super) fn starves(&mut self) -> bool {
        let Some(room) = self.tight().filter(|_| self.seen.attempts.starved) else {
            return false;
        };
        let message = format!(
            "it ended, and {}; it is started when {} are free: what takes them, `db4sci disk` tells",
            self.place(room),
            room.kept() >> 20
        );
        self.hold(Reason::DiskFull, message, Some(self.now + SOON));
        true
    }

    /// It runs, and there is little room left; says so.
    pub(super) fn pressed(&mut self) {
        let Some(room) = self.tight() else { return };
        let message = format!(
            "{}: a server without room cannot write, and may end; make room while it runs: what takes it, \
             `db4sci disk` tells",
            self.place(room)
        );
        self.hold(Reason::DiskPressure, message, Some(self.now + LATER));
    }

    fn place(&self, room: Room) -> String {
        let volume = &self.wanted.db.volume;
        format!("{room} on {} ({})", volume.path.display(), volume.label)
    }
}
