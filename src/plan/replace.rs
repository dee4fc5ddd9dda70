//! Differences that only another container mends: before the one there is stopped or removed, all
//! that the next one needs must be there.

use crate::model::{Action, ContainerSeen, Cost, ImageId, Lane, Reason, Seen, Timestamp};

use super::Ask;
use super::drift::Drift;
use super::lifecycle::{LATER, SOON};

/// Whether another container could be made if this one were gone.
enum Replacement {
    /// Nothing stands in its way.
    Possible,
    /// Once its image is here.
    Fetch,
    /// Not now.
    Blocked(Reason, String, Option<Timestamp>),
}

impl Ask<'_> {
    /// The image that its container should be made from, as far as that is known.
    pub(super) fn wanted_image(&self) -> Option<&ImageId> {
        let seen = || self.seen.image.present().map(|image| &image.id);
        self.wanted.db.image.pinned.as_ref().or_else(seen)
    }

    /// The lane that fetches the image of the next container, if that is what it lacks. Where
    /// another container cannot be made now, its differences are taken out of the drift and held.
    pub(super) fn replaceable(
        &mut self,
        c: &ContainerSeen,
        drift: &mut Drift,
        name_is_taken: bool,
    ) -> Option<Lane> {
        match self.replacement(c, drift, name_is_taken) {
            Replacement::Possible => None,
            Replacement::Fetch => {
                drift.recreate.clear();
                let lane = self.fetch();
                (!self.backing_off(&lane)).then_some(lane)
            }
            Replacement::Blocked(reason, message, until) => {
                let why = std::mem::take(&mut drift.recreate);
                let message = format!("{}: {message}", why.join(", "));
                let remove = vec![Action::Remove(c.id.clone())];
                let would = self.lane(Some(c), remove, Cost::Recreate, why);
                self.hold_lane(reason, message, until, would);
                None
            }
        }
    }

    fn replacement(&self, c: &ContainerSeen, drift: &Drift, name_is_taken: bool) -> Replacement {
        let db = self.wanted.db;
        let same_image = db.image.pinned.as_ref() == Some(&c.image);
        // Which image it would be is known only once it is here.
        let unknown_image = db.image.pinned.is_none() && self.seen.image.is_absent();
        if drift.recreate.is_empty() && !unknown_image {
            return Replacement::Possible;
        }
        if name_is_taken {
            let message = "the container's name is taken".to_owned();
            return Replacement::Blocked(Reason::NameConflict, message, Some(self.now + LATER));
        }
        match &self.seen.image {
            Seen::Present(image) => {
                if let Some(message) = self.uncovered(image) {
                    return Replacement::Blocked(Reason::AnonymousVolume, message, None);
                }
            }
            Seen::Absent | Seen::Unknown(_) if same_image => {}
            Seen::Absent => return Replacement::Fetch,
            Seen::Unknown(why) => {
                let until = Some(self.now + SOON);
                return Replacement::Blocked(Reason::DockerUnavailable, why.clone(), until);
            }
        }
        match self.port_taken() {
            Some(message) => {
                Replacement::Blocked(Reason::PortInUse, message, Some(self.now + LATER))
            }
            None => Replacement::Possible,
        }
    }
}
