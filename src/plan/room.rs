//! Room on its volume: a server that ended for want of it is started when there is some again.

use chrono::TimeDelta;

use crate::model::disk::Room;
use crate::model::{ContainerSeen, Reason, Status};

use super::Ask;
use super::lifecycle::{LATER, SOON};

/// How often it is tried without enough room: there may be enough for this one.
const TRIED: TimeDelta = TimeDelta::minutes(5);

impl Ask<'_> {
    /// The room on its volume, where there is too little.
    pub(super) fn tight(&self) -> Option<Room> {
        self.seen.data.present()?.tight
    }

    /// Whether it ended for want of room, and waits for some; says so. It is tried at once, and then now and
    /// then: what a server needs, nobody else knows.
    pub(super) fn starves(&mut self, c: &ContainerSeen) -> bool {
        let Some(room) = self.tight().filter(|_| self.seen.attempts.starved) else {
            return false;
        };
        let ended = c.finished_at.unwrap_or(self.now);
        let again = ended + TRIED;
        let waits = ended <= self.now && self.now < again;
        if c.status == Status::Exited && !waits {
            return false;
        }
        let message = format!(
            "it ended ({}), and {}; it is started when {} are free, and tried every five minutes: what takes \
             them, `db4sci disk` tells",
            c.exit_code,
            self.place(room),
            room.needed_by(&self.wanted.db.name) >> 20
        );
        let soon = self.now + SOON;
        let until = if waits { again.min(soon) } else { soon };
        self.hold(Reason::DiskFull, message, Some(until));
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
