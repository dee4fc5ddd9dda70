//! Nothing is stopped or removed before all that the next container needs is there.

use super::*;
use crate::model::view::Phase;

/// A spec with another image of the same series, at an hour when the window is open.
fn new_image() -> Case {
    let mut case = Case::ready();
    case.db.maintenance_window = Window::Any;
    case.db.image.reference = "postgres:17.6".parse().unwrap();
    case.db.image.pinned = None;
    case.seen.image = Seen::Present(image("17.6"));
    case
}

#[test]
fn a_spec_with_another_image_recreates_the_container() {
    assert_eq!(new_image().steps(), RECREATE);
}

#[test]
fn another_reference_to_the_same_image_is_only_pinned() {
    let mut case = new_image();
    case.seen.image = Seen::Present(image("17"));
    assert_eq!(case.steps(), ["pin"]);
}

#[test]
fn the_next_image_is_fetched_while_the_old_container_serves() {
    let mut case = new_image();
    case.seen.image = Seen::Absent;
    assert_eq!(case.steps(), ["pull"]);
    assert_eq!(case.phase().0, Phase::Ready);
    // Also outside the window: it costs nobody anything.
    case.db.maintenance_window = Window::AfterHours;
    assert_eq!(case.steps(), ["pull"]);
    // A pinned image that is not here.
    case.db.image.pinned = Some(image_id("17.6"));
    assert_eq!(case.steps(), ["pull"]);
}

#[test]
fn while_the_next_image_cannot_be_had_the_old_container_keeps_running() {
    let mut case = new_image();
    case.seen.image = Seen::Absent;
    case.failed(Class::Transient, "pull", 1);
    case.is_left_alone_for(Reason::Backoff);
    assert_eq!(case.phase(), (Phase::Ready, Some(Reason::Backoff)));
    // It is started, too, when it is down.
    case.down(Status::Exited, 0);
    case.seen.image = Seen::Absent;
    assert_eq!(case.steps(), ["start"]);
    case.failed(Class::Permanent, "pull", 1);
    assert_eq!(case.steps(), ["start"]);
    assert!(case.reasons().contains(&Reason::NeedsSpecChange));
}

#[test]
fn an_image_that_is_not_known_replaces_nothing() {
    let mut case = new_image();
    case.seen.image = Seen::Unknown("no answer".to_owned());
    assert_eq!(case.steps(), [""; 0]);
    case.db.image.pinned = Some(image_id("17.6"));
    case.is_left_alone_for(Reason::DockerUnavailable);
    case.down(Status::Exited, 0);
    case.seen.image = Seen::Unknown("no answer".to_owned());
    assert_eq!(case.steps(), ["start"]);
}

#[test]
fn an_image_with_an_uncovered_volume_replaces_nothing() {
    let mut case = new_image();
    let mut uncovered = image("17.6");
    uncovered.volumes.push("/var/lib/extra".to_owned());
    case.seen.image = Seen::Present(uncovered);
    case.is_left_alone_for(Reason::AnonymousVolume);
}

#[test]
fn a_new_port_that_is_taken_leaves_the_old_one_served() {
    let mut case = Case::ready();
    case.db.maintenance_window = Window::Any;
    case.db.port = 32099.try_into().unwrap();
    case.seen.port_owner = Some((32099, "nginx (process 77)".to_owned()));
    case.is_left_alone_for(Reason::PortInUse);
    let held = case.held(Reason::PortInUse);
    assert!(held.would.is_some(), "{held:?}");
    case.down(Status::Exited, 0);
    assert_eq!(case.steps(), ["start"]);
    case.seen.port_owner = None;
    assert_eq!(case.steps(), ["remove"]);
}

#[test]
fn with_its_name_taken_no_container_is_given_up() {
    let mut case = new_image();
    case.container().name = "renamed".to_owned();
    let mut foreign = container(&case.db, "f0e1");
    foreign.labels.clear();
    case.add(foreign);
    case.is_left_alone_for(Reason::NameConflict);
    case.down(Status::Exited, 0);
    assert_eq!(case.steps(), ["start"]);
}

#[test]
fn a_container_on_other_folders_is_never_started() {
    let mut case = Case::exited(0);
    case.container().mounts[0].source = "/elsewhere".into();
    assert_eq!(case.steps(), ["remove"]);
    case.seen.port_owner = Some((32011, "nginx".to_owned()));
    case.is_left_alone_for(Reason::PortInUse);
}

#[test]
fn a_restart_that_was_asked_for_does_not_wait_for_an_image() {
    let mut case = new_image();
    case.seen.image = Seen::Absent;
    case.restart_asked = Some(noon());
    assert_eq!(case.steps(), RESTART);
}
