//! What is not known is never stopped, removed, overwritten or begun anew.

use super::*;

fn why() -> String {
    "no answer in 10 s".to_owned()
}

#[test]
fn unknown_containers_are_never_stopped_removed_or_made_again() {
    for mut case in [Case::ready(), Case::gone(), Case::fresh(), Case::exited(1)] {
        for state in [
            WantedState::Running,
            WantedState::Stopped,
            WantedState::Retired,
        ] {
            case.db.state = state;
            case.seen.containers = Seen::Unknown(why());
            case.is_left_alone_for(Reason::DockerUnavailable);
            assert_eq!(case.plan().wake_at, Some(noon() + seconds(5)));
        }
    }
}

#[test]
fn an_unknown_folder_starts_nothing_and_makes_nothing() {
    for mut case in [Case::gone(), Case::fresh()] {
        case.seen.data = Seen::Unknown("/data is not mounted".to_owned());
        case.is_left_alone_for(Reason::DataUnmounted);
    }
}

#[test]
fn an_unknown_folder_takes_dockerd_s_hand_from_a_server_that_is_down() {
    for status in [Status::Exited, Status::Restarting] {
        let mut case = Case::exited(1);
        case.container().status = status;
        case.seen.data = Seen::Unknown(why());
        assert_eq!(case.steps(), ["set_policy", "stop"]);
        case.container().restart = RestartPolicy::No;
        case.container().status = Status::Exited;
        case.is_left_alone_for(Reason::DataUnmounted);
    }
}

#[test]
fn a_server_that_runs_is_not_stopped_because_its_folder_is_unknown() {
    for probe in [answering(), Probe::NotAsked, silent(noon(), true)] {
        let mut case = Case::ready();
        case.seen.data = Seen::Unknown(why());
        case.seen.probe = probe;
        case.is_left_alone_for(Reason::DataUnmounted);
    }
}

#[test]
fn a_server_that_was_not_asked_yet_is_not_restarted_however_long_it_runs() {
    for days in [0, 1, 400] {
        let mut case = Case::ready();
        case.container().started_at = Some(case.now - seconds(86_400 * days));
        case.seen.probe = Probe::NotAsked;
        case.is_left_alone_for(Reason::Starting);
        assert_eq!(
            case.plan().wake_at,
            Some(case.now + seconds(5)),
            "{days} days"
        );
    }
}

#[test]
fn an_unknown_image_makes_no_container_and_is_not_pulled() {
    for mut case in [Case::gone(), Case::fresh()] {
        case.seen.image = Seen::Unknown(why());
        case.is_left_alone_for(Reason::DockerUnavailable);
    }
}

#[test]
fn unknown_files_are_no_drift_and_are_written_before_a_start() {
    let mut case = Case::ready();
    case.seen.files = Seen::Unknown(why());
    assert_eq!(case.plan(), Verdict::default());
    let mut case = Case::exited(0);
    case.seen.files = Seen::Unknown(why());
    assert_eq!(case.steps(), ["write_files", "start"]);
}

#[test]
fn without_a_place_for_intent_nothing_is_done() {
    let mut asked = Case::ready();
    asked.restart_asked = Some(noon());
    let mut stopped = Case::ready();
    stopped.db.state = WantedState::Stopped;
    let cases = [Case::fresh(), Case::gone(), Case::exited(1), asked, stopped];
    for mut case in cases {
        assert_ne!(case.steps(), [""; 0]);
        case.seen.ledger_writable = false;
        case.is_left_alone_for(Reason::LedgerUnavailable);
    }
}
