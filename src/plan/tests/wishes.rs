//! What people say: states, overrides, restarts, files.

use super::*;
use crate::model::view::Phase;
use crate::plan::blast::Leave;

fn stopped() -> Case {
    let mut case = Case::ready();
    case.db.state = WantedState::Stopped;
    case
}

#[test]
fn a_stopped_spec_stops_it_in_order_and_keeps_it_down() {
    let mut case = stopped();
    let lane = case.plan().lane.unwrap();
    assert_eq!(kinds(&lane), ["set_policy", "stop"]);
    assert_eq!(lane.cost, Cost::Stop);
    let Action::Stop(_, how) = &lane.actions[1] else {
        panic!("{lane:?}");
    };
    assert_eq!((how.deadline, how.hung), (300, false));
    case.down(Status::Exited, 0);
    case.container().restart = RestartPolicy::No;
    case.is_left_alone_for(Reason::Stopped);
    assert_eq!(case.phase(), (Phase::Stopped, Some(Reason::Stopped)));
}

#[test]
fn what_is_stopped_is_not_left_to_dockerd() {
    let mut case = stopped();
    case.down(Status::Exited, 0);
    assert_eq!(case.steps(), ["set_policy"]);
    case.container().status = Status::Dead;
    case.is_left_alone_for(Reason::Stopped);
}

#[test]
fn a_frozen_container_is_thawed_before_it_is_stopped() {
    let mut case = stopped();
    case.container().status = Status::Paused;
    assert_eq!(case.steps(), ["set_policy", "unpause", "stop"]);
}

#[test]
fn a_stopped_database_without_a_container_gets_none() {
    let mut case = Case::gone();
    case.db.state = WantedState::Stopped;
    case.is_left_alone_for(Reason::Stopped);
}

#[test]
fn what_somebody_stopped_by_hand_is_started_again_and_says_how_to_keep_it_stopped() {
    let lane = Case::exited(0).plan().lane.unwrap();
    assert_eq!(kinds(&lane), ["start"]);
    assert!(lane.repair);
    assert!(lane.why[0].contains("db4sci stop genomics"), "{lane:?}");
}

#[test]
fn what_somebody_paused_is_thawed() {
    let mut case = Case::ready();
    case.container().status = Status::Paused;
    case.seen.probe = Probe::NotAsked;
    assert_eq!(case.steps(), ["unpause"]);
}

#[test]
fn maintenance_means_hands_off_whatever_is_wrong() {
    for mut case in [Case::fresh(), Case::gone(), Case::exited(1), stopped()] {
        case.overridden(OverrideState::Maintenance, None);
        case.is_left_alone_for(Reason::Maintenance);
        assert_eq!(case.phase().0, Phase::Maintenance);
        case.over = None;
        case.db.state = WantedState::Maintenance;
        case.is_left_alone_for(Reason::Maintenance);
    }
}

#[test]
fn an_override_is_in_force_until_its_end_and_not_after() {
    let end = noon() + seconds(3600);
    let mut case = Case::ready();
    case.overridden(OverrideState::Stopped, Some(end));
    assert_eq!(case.steps(), ["set_policy", "stop"]);
    assert_eq!(case.held(Reason::Overridden).until, Some(end));
    case.now = end - seconds(1);
    assert_eq!(case.steps(), ["set_policy", "stop"]);
    case.now = end;
    assert_eq!(case.plan(), Verdict::default());
}

#[test]
fn an_override_starts_what_the_spec_keeps_stopped() {
    let mut case = stopped();
    case.down(Status::Exited, 0);
    case.container().restart = RestartPolicy::No;
    case.overridden(OverrideState::Running, None);
    assert_eq!(case.steps(), ["set_policy", "start"]);
    assert!(
        case.held(Reason::Overridden)
            .message
            .contains("db4sci resume genomics")
    );
}

#[test]
fn a_restart_that_was_asked_for_is_made_once_at_any_hour() {
    let mut case = Case::ready();
    case.restart_asked = Some(noon() - seconds(1));
    let lane = case.plan().lane.unwrap();
    assert_eq!(kinds(&lane), RESTART);
    assert_eq!(lane.cost, Cost::Restart);
    // The run that it ends did not fail.
    assert!(lane.stops_in_order());
    case.container().started_at = Some(noon());
    assert_eq!(case.plan(), Verdict::default());
}

#[test]
fn a_restart_that_was_asked_for_before_the_container_started_is_fulfilled() {
    let mut case = Case::ready();
    case.restart_asked = Some(noon() - seconds(7200));
    assert_eq!(case.plan(), Verdict::default());
}

#[test]
fn a_restart_brings_along_what_waits_for_one() {
    let mut case = Case::ready();
    case.restart_asked = Some(noon() - seconds(1));
    case.db.image.pinned = Some(image_id("17.6"));
    case.seen.image = Seen::Present(image("17.6"));
    assert_eq!(case.steps(), RECREATE);
}

#[test]
fn a_vanished_file_removes_nothing() {
    let mut case = Case::ready();
    case.orphan = true;
    case.is_left_alone_for(Reason::Orphan);
    let told = case.held(Reason::Orphan).message;
    assert!(told.contains("release genomics --to-rows"), "{told}");
    case.orphan = false;
    case.renamed_to = Some("genetics".to_owned());
    case.is_left_alone_for(Reason::Renamed);
    // Its last spec stays in force.
    case.down(Status::Exited, 0);
    assert_eq!(case.steps(), ["start"]);
}

#[test]
fn a_refused_spec_leaves_the_last_good_one_in_force() {
    let mut case = Case::exited(0);
    case.refused = Some(vec!["spec.port: taken".to_owned()]);
    assert_eq!(case.steps(), ["start"]);
    assert_eq!(case.held(Reason::InvalidSpec).message, "spec.port: taken");
}

#[test]
fn a_retirement_without_a_backup_changes_nothing_and_begins_nothing() {
    let mut case = Case::ready();
    case.db.state = WantedState::Retired;
    case.is_left_alone_for(Reason::RetireNeedsBackup);
    case.down(Status::Exited, 0);
    assert_eq!(case.steps(), ["start"]);
    let mut never = Case::fresh();
    never.db.state = WantedState::Retired;
    never.is_left_alone_for(Reason::RetireNeedsBackup);
}

#[test]
fn a_retirement_is_held_for_a_server_that_may_serve_somebody_asked_or_not() {
    let mut case = Case::ready();
    case.db.state = WantedState::Retired;
    case.leave = Leave::Full {
        begun: 5,
        radius: 5,
        databases: 20,
    };
    // A daemon that has just started has asked none yet.
    case.seen.probe = Probe::NotAsked;
    let reasons = case.reasons();
    assert!(reasons.contains(&Reason::Starting), "{reasons:?}");
    // One that refuses db4sci's login, or missed one answer, serves others.
    let refuses = Probe::Silent {
        since: noon() - seconds(900),
        failures: 9,
        why: "login refused".to_owned(),
        cause: Silence::Refused,
        answered_before: true,
    };
    for probe in [refuses, silent(noon() - seconds(9), true)] {
        case.seen.probe = probe;
        let reasons = case.reasons();
        assert!(reasons.contains(&Reason::NeedsApproval), "{reasons:?}");
    }
    case.down(Status::Exited, 0);
    let reasons = case.reasons();
    assert!(!reasons.contains(&Reason::NeedsApproval), "{reasons:?}");
}

#[test]
fn what_was_released_is_left_alone_whatever_is_seen() {
    for mut case in [Case::ready(), Case::gone(), Case::fresh(), Case::exited(1)] {
        case.refused = Some(vec!["spec.port: taken".to_owned()]);
        case.orphan = true;
        let end = Some(crate::model::End::Ejected(noon()));
        let wanted = Wanted {
            end,
            ..case.wanted()
        };
        let verdict = plan(&wanted, &case.seen, &case.site, case.now);
        assert_eq!((verdict.lane, verdict.held), (None, Vec::new()));
        let hands = Wanted {
            hands: Some(Hands::Eject),
            ..case.wanted()
        };
        assert_eq!(plan(&hands, &case.seen, &case.site, case.now).lane, None);
    }
}

#[test]
fn a_retirement_with_its_backup_stops_the_server_and_keeps_the_container() {
    let mut case = Case::ready();
    case.db.state = WantedState::Retired;
    case.retired = true;
    assert_eq!(case.steps(), ["set_policy", "stop"]);
    case.down(Status::Exited, 0);
    assert_eq!(case.phase(), (Phase::Retired, None));
    // A person's word comes before it, as always.
    case.overridden(OverrideState::Running, None);
    assert!(case.steps().contains(&"start"));
}

#[test]
fn what_hibernates_is_stopped_in_order_says_on_which_backup_and_a_person_wakes_it() {
    let mut case = Case::ready();
    case.hibernates = Some("genomics-20261101T020000Z-1@local".parse().unwrap());
    let lane = case.plan().lane.unwrap();
    assert_eq!(kinds(&lane), ["set_policy", "stop"]);
    assert!(
        lane.counts,
        "it is one of those that may be too many at once"
    );
    case.down(Status::Exited, 0);
    case.container().restart = RestartPolicy::No;
    case.is_left_alone_for(Reason::Hibernated);
    assert_eq!(case.phase(), (Phase::Stopped, Some(Reason::Hibernated)));
    let held = case.plan().held;
    assert!(
        held[0]
            .message
            .contains("genomics-20261101T020000Z-1@local"),
        "{held:?}"
    );
    case.overridden(OverrideState::Running, None);
    assert!(case.steps().contains(&"start"));
}

#[test]
fn users_who_may_only_read_are_told_in_what_is_shown_and_the_server_takes_the_setting_while_it_runs()
 {
    let mut case = Case::ready();
    case.db.read_only = true;
    assert_eq!(case.steps(), ["reload"]);
    assert_eq!(case.reasons(), [Reason::ReadOnly]);
    assert_eq!(case.phase(), (Phase::Ready, Some(Reason::ReadOnly)));
}

#[test]
fn a_server_that_is_down_while_hands_are_off_is_told_to_stay_so() {
    let told = |mut case: Case| {
        case.overridden(OverrideState::Maintenance, None);
        case.held(Reason::Maintenance).message
    };
    let down = "its server is down: it stays so until hands are on it again";
    for (case, tells) in [
        (Case::gone(), true),
        (Case::exited(0), true),
        (Case::ready(), false),
        // Before its first start nobody misses it.
        (Case::fresh(), false),
    ] {
        let said = told(case);
        assert_eq!(said.contains(down), tells, "{said}");
    }
    let mut unknown = Case::gone();
    unknown.seen.containers = Seen::Unknown("no answer".to_owned());
    assert!(!told(unknown).contains(down));
}
