//! Names, uids, ports and images: whose is what.

use super::*;

/// A container of somebody else.
fn foreign(name: &str) -> ContainerSeen {
    let mut c = container(&database(), "f0e1");
    c.labels.clear();
    c.name = name.to_owned();
    c
}

#[test]
fn a_foreign_container_with_its_name_is_left_alone_and_nothing_is_made() {
    for mut case in [Case::fresh(), Case::gone()] {
        case.add(foreign("genomics"));
        case.is_left_alone_for(Reason::NameConflict);
        assert!(case.held(Reason::NameConflict).until.is_some());
    }
}

#[test]
fn a_container_of_another_database_counts_as_foreign() {
    let mut case = Case::gone();
    let mut other = foreign("genomics");
    other
        .labels
        .insert(LABEL_UID.to_owned(), uid(2).to_string());
    case.add(other);
    case.is_left_alone_for(Reason::NameConflict);
}

#[test]
fn with_its_name_taken_its_own_container_is_served_under_another_one() {
    let mut case = Case::ready();
    case.container().name = "renamed".to_owned();
    case.add(foreign("genomics"));
    case.is_left_alone_for(Reason::NameConflict);
    case.down(Status::Exited, 0);
    assert_eq!(case.steps(), ["start"]);
    assert!(case.reasons().contains(&Reason::NameConflict));
}

#[test]
fn a_renamed_container_gets_its_name_back_and_no_second_one_is_made() {
    let mut case = Case::ready();
    case.container().name = "renamed".to_owned();
    assert_eq!(case.steps(), ["rename"]);
    case.down(Status::Exited, 0);
    assert_eq!(case.steps(), ["rename", "start"]);
}

#[test]
fn of_two_containers_with_its_uid_the_running_one_is_used_and_none_removed() {
    let mut case = Case::ready();
    let mut second = container(&case.db, "0000");
    second.name = "copy".to_owned();
    second.status = Status::Exited;
    case.add(second);
    case.is_left_alone_for(Reason::Duplicate);
    // In whichever order they are seen.
    if let Seen::Present(all) = &mut case.seen.containers {
        all.reverse();
    }
    case.is_left_alone_for(Reason::Duplicate);
}

#[test]
fn of_two_that_are_down_the_one_with_its_name_is_started() {
    let mut case = Case::exited(0);
    let mut second = container(&case.db, "0000");
    second.name = "copy".to_owned();
    second.status = Status::Exited;
    case.add(second);
    let lane = case.plan().lane.unwrap();
    assert_eq!(
        lane.actions,
        [Action::Start(ContainerId("c0ffee".to_owned()))]
    );
}

#[test]
fn a_port_that_somebody_else_holds_keeps_it_down_and_names_the_holder() {
    for mut case in [Case::fresh(), Case::gone(), Case::exited(0)] {
        case.seen.port_owner = Some((32011, "nginx (process 77)".to_owned()));
        case.is_left_alone_for(Reason::PortInUse);
        let held = case.held(Reason::PortInUse);
        assert!(held.message.contains("nginx (process 77)"));
        assert_eq!(held.until, Some(noon() + seconds(30)));
    }
}

#[test]
fn a_missing_image_is_pulled_before_anything_else() {
    for mut case in [Case::fresh(), Case::gone()] {
        case.seen.image = Seen::Absent;
        assert_eq!(case.steps(), ["pull"]);
    }
}

#[test]
fn an_image_is_pinned_once() {
    let mut case = Case::gone();
    assert_eq!(case.steps(), ["write_files", "create"]);
    case.db.image.pinned = None;
    assert_eq!(case.steps(), ["pin", "write_files", "create"]);
}

#[test]
fn a_volume_of_the_image_that_nothing_covers_is_refused() {
    let mut case = Case::fresh();
    let mut uncovered = image("17");
    uncovered.volumes.push("/var/lib/extra".to_owned());
    case.seen.image = Seen::Present(uncovered);
    case.is_left_alone_for(Reason::AnonymousVolume);
    assert!(
        case.held(Reason::AnonymousVolume)
            .message
            .contains("/var/lib/extra")
    );
    let mut slash = image("17");
    slash.volumes = vec!["/var/lib/postgresql/data/".to_owned()];
    case.seen.image = Seen::Present(slash);
    assert_eq!(case.steps(), CREATE);
}

#[test]
fn a_container_with_an_anonymous_volume_is_not_started() {
    let mut case = Case::created();
    case.container().mounts.push(MountSeen {
        source: "/var/lib/docker/volumes/1f3a".into(),
        target: "/var/lib/extra".to_owned(),
        anonymous: true,
    });
    case.is_left_alone_for(Reason::AnonymousVolume);
}

#[test]
fn a_container_being_removed_is_waited_for_and_a_dead_one_removed() {
    let mut case = Case::exited(0);
    case.container().status = Status::Removing;
    case.is_left_alone_for(Reason::Backoff);
    case.container().status = Status::Dead;
    assert_eq!(case.steps(), ["remove"]);
}
