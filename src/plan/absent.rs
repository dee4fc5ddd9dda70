//! No container carries its uid: one is made, if the data allows it.

use crate::model::{Action, Cost, ImageSeen, Lane, Reason, Seen, WantedState};

use super::Ask;
use super::data::{Gate, gate};
use super::lifecycle::{LATER, SOON};

impl Ask<'_> {
    /// No container of ours exists.
    pub(super) fn without_container(&mut self, state: WantedState) -> Option<Lane> {
        let db = self.wanted.db;
        if state == WantedState::Stopped {
            self.rests();
            return None;
        }
        if let Some(why) = self.wanted.quarantined {
            self.quarantined(why);
            return None;
        }
        let mut actions = Vec::new();
        let fresh = match gate(self.wanted, &self.seen.data) {
            Gate::Refused(reason, message) => {
                self.hold(reason, message, Some(self.now + LATER));
                return None;
            }
            // What never was is not begun in order to be retired.
            Gate::Fresh | Gate::Prepared | Gate::HalfMade if state == WantedState::Retired => {
                return None;
            }
            Gate::Fresh | Gate::Prepared => {
                actions.push(Action::PrepareData);
                true
            }
            Gate::HalfMade => {
                actions.extend([Action::SetAsideHalfMade, Action::PrepareData]);
                true
            }
            Gate::Ours => false,
            Gate::OursUnmarked => {
                actions.push(Action::MarkInitialised);
                false
            }
        };
        let image = match &self.seen.image {
            Seen::Unknown(why) => {
                let message = format!("{why}; nothing is done on a guess");
                self.hold(Reason::DockerUnavailable, message, Some(self.now + SOON));
                return None;
            }
            Seen::Absent => return Some(self.fetch()),
            Seen::Present(image) => image,
        };
        if let Some(message) = self.uncovered(image) {
            self.hold(Reason::AnonymousVolume, message, None);
            return None;
        }
        // What never ran is made again and again: nobody's data is at stake, and nobody is served.
        if !fresh && self.seen.attempts.exhausted(self.now) {
            return Some(self.quarantine_without());
        }
        if let Some(message) = self.port_taken() {
            self.hold(Reason::PortInUse, message, Some(self.now + LATER));
            return None;
        }
        if db.image.pinned.is_none() {
            actions.push(Action::PinImage(image.id.clone()));
        }
        actions.push(Action::WriteFiles);
        let spec = self.recipe.container(db, self.site, image);
        actions.push(Action::Create(Box::new(spec)));
        let why = if fresh {
            format!("create {}, port {}", db.image.display, db.port)
        } else {
            "its container is gone; another one is made on the same data".to_owned()
        };
        let mut lane = self.lane(None, actions, Cost::None, vec![why]);
        lane.repair = !fresh;
        Some(lane)
    }

    /// Gets the image.
    pub(super) fn fetch(&self) -> Lane {
        let reference = &self.wanted.db.image.reference;
        let why = format!("image {reference} is not on this host");
        let pull = Action::PullImage(reference.clone());
        self.lane(None, vec![pull], Cost::None, vec![why])
    }

    /// What is wrong with an image that declares volumes which no mount of ours covers.
    pub(super) fn uncovered(&self, image: &ImageSeen) -> Option<String> {
        let db = self.wanted.db;
        let covered = |volume: &String| {
            db.layout
                .data
                .iter()
                .any(|(_, target)| target.trim_end_matches('/') == volume.trim_end_matches('/'))
        };
        let uncovered: Vec<&str> = image
            .volumes
            .iter()
            .filter(|volume| !covered(volume))
            .map(String::as_str)
            .collect();
        (!uncovered.is_empty()).then(|| {
            format!(
                "image {} keeps data in {}, which no volume of the catalog covers: it would be \
                 lost with the container; add a row to `volumes`",
                db.image.reference,
                uncovered.join(", ")
            )
        })
    }

    /// What is wrong if somebody else holds a port.
    pub(super) fn port_taken(&self) -> Option<String> {
        let (port, owner) = self.seen.port_owner.as_ref()?;
        Some(format!(
            "port {port} on the host belongs to {owner}; free it, or set another `port`"
        ))
    }
}
