//! What broke: started again, with patience, and not for ever.

use super::*;
use crate::plan::attempts::backoff;

/// So many runs failed in a row, the last one a moment ago.
fn crashing(runs: usize) -> Case {
    let mut case = Case::exited(1);
    case.container().restart = RestartPolicy::No;
    let ended = case.now - seconds(1);
    let at = |i: usize| ended - seconds(30) * i32::try_from(runs - 1 - i).unwrap();
    case.seen.attempts.failed_runs = (0..runs).map(at).collect();
    case
}

#[test]
fn a_server_that_exited_is_started_whatever_its_exit_code() {
    for code in [0, 1, 137, 139, 143] {
        assert_eq!(Case::exited(code).steps(), ["start"], "{code}");
    }
}

#[test]
fn what_dockerd_restarts_itself_is_left_to_it() {
    let mut case = Case::exited(1);
    case.container().status = Status::Restarting;
    case.is_left_alone_for(Reason::CrashLoop);
    assert_eq!(case.plan().wake_at, Some(noon() + seconds(2)));
}

#[test]
fn a_container_that_is_gone_is_made_again_on_the_same_data() {
    let lane = Case::gone().plan().lane.unwrap();
    assert_eq!(kinds(&lane), ["write_files", "create"]);
    assert!(lane.repair);
}

#[test]
fn out_of_memory_is_named_with_the_limit_and_it_is_started_again() {
    let mut case = Case::exited(137);
    case.seen.attempts.oom_at = Some(noon() - seconds(5));
    assert_eq!(case.steps(), ["start"]);
    assert!(case.held(Reason::OOMKilled).message.contains("2Gi"));
    case.container().status = Status::Restarting;
    assert!(case.reasons().contains(&Reason::OOMKilled));
    case.now += seconds(600);
    assert!(!case.reasons().contains(&Reason::OOMKilled));
}

#[test]
fn runs_that_fail_in_a_row_are_repeated_more_and_more_slowly() {
    assert_eq!(crashing(1).steps(), ["set_policy", "start"]);
    let mut waits = Vec::new();
    for runs in 2..5 {
        let mut case = crashing(runs);
        case.is_left_alone_for(Reason::CrashLoop);
        let until = case.plan().wake_at.unwrap();
        waits.push((until - noon()).num_seconds());
        case.now = until;
        assert_eq!(case.steps(), ["set_policy", "start"], "{runs}");
    }
    assert!(waits.windows(2).all(|w| w[0] < w[1]), "{waits:?}");
}

#[test]
fn a_crash_loop_ends_in_quarantine_after_five_failed_runs_and_not_before() {
    let loops = |runs, status| {
        let mut case = crashing(runs);
        case.container().status = status;
        case.container().restart = RestartPolicy::Always;
        case.now += seconds(600);
        case.steps()
    };
    let quarantine = ["set_policy", "stop", "quarantine"];
    assert_eq!(loops(4, Status::Exited), ["start"]);
    assert_eq!(loops(4, Status::Restarting), [""; 0]);
    for status in [Status::Exited, Status::Restarting] {
        assert_eq!(loops(5, status), quarantine);
    }
}

#[test]
fn five_failed_runs_within_a_few_seconds_may_be_the_host_s_trouble() {
    let mut case = crashing(5);
    case.container().status = Status::Restarting;
    let ended = noon() - seconds(1);
    case.seen.attempts.failed_runs = vec![ended; 5];
    case.is_left_alone_for(Reason::CrashLoop);
    case.now = ended + seconds(20);
    assert_eq!(case.steps(), ["set_policy", "stop", "quarantine"]);
}

#[test]
fn what_is_quarantined_is_left_alone_and_says_how_to_go_on() {
    for mut case in [Case::exited(1), Case::gone(), Case::fresh()] {
        case.quarantined = Some("5 runs failed in a row".to_owned());
        if case.seen.containers.present().is_some() {
            case.container().restart = RestartPolicy::No;
        }
        case.is_left_alone_for(Reason::Quarantined);
        let held = case.held(Reason::Quarantined);
        assert!(
            held.message
                .contains("db4sci release genomics --reason TEXT")
        );
    }
}

#[test]
fn a_quarantine_that_was_cut_off_takes_dockerd_s_hand_away() {
    let mut case = Case::exited(1);
    case.container().status = Status::Restarting;
    case.quarantined = Some("5 runs failed in a row".to_owned());
    assert_eq!(case.steps(), ["set_policy", "stop"]);
}

#[test]
fn a_quarantined_server_that_somebody_started_and_that_answers_is_not_stopped() {
    let mut case = Case::ready();
    case.quarantined = Some("5 runs failed in a row".to_owned());
    case.is_left_alone_for(Reason::Quarantined);
}

#[test]
fn mydb_admin_is_put_down_when_its_data_is_damaged_while_it_answers() {
    let mut case = Case::ready();
    case.db.name = crate::model::DbName::mydb_admin();
    case.quarantined = Some("its data is damaged".to_owned());
    assert_eq!(case.steps(), ["set_policy", "stop"]);
}

#[test]
fn a_starting_server_is_not_restarted_before_its_start_deadline() {
    let mut case = Case::ready();
    let started = noon();
    case.container().started_at = Some(started);
    for after in [0, 1, 60, 899] {
        case.now = started + seconds(after);
        case.seen.probe = silent(started, false);
        case.is_left_alone_for(Reason::Starting);
        assert_eq!(case.plan().wake_at, Some(started + seconds(900)));
    }
    case.now = started + seconds(900);
    let steps = ["set_policy", "stop", "set_policy", "start"];
    assert_eq!(case.steps(), steps);
}

#[test]
fn a_server_that_says_that_it_recovers_is_left_running_however_long_it_takes() {
    let says = |cause| Probe::Silent {
        since: noon(),
        failures: 90_000,
        why: "not ready: the database system is starting up (57P03)".to_owned(),
        cause,
        answered_before: false,
    };
    for runs in [0, 5] {
        let mut case = Case::ready();
        case.container().started_at = Some(noon());
        case.seen.attempts.failed_runs = (0..runs).map(|i| noon() + seconds(i)).collect();
        for after in [899, 900, 86_400] {
            case.now = noon() + seconds(after);
            case.seen.probe = says(Silence::NotReady);
            case.is_left_alone_for(if after < 900 {
                Reason::Starting
            } else {
                Reason::NotAnswering
            });
        }
        let held = case.held(Reason::NotAnswering);
        assert!(held.message.contains("starting up (57P03)"), "{held:?}");
        assert!(held.message.contains("db4sci restart genomics"), "{held:?}");
        case.restart_asked = Some(noon() + seconds(86_000));
        assert_eq!(case.steps(), RESTART);
        let lane = case.plan().lane.unwrap();
        assert!(!lane.repair && lane.stops_in_order(), "{lane:?}");
        case.restart_asked = None;
        // One that says nothing, or that it ends, is ended.
        case.now = noon() + seconds(900);
        case.seen.probe = says(Silence::Unexplained);
        assert_eq!(case.steps()[1], "stop");
    }
    // Nor does it come up sooner because there is room again.
    let mut case = Case::ready();
    case.seen.attempts.starved = true;
    case.container().started_at = Some(noon());
    case.now = noon() + seconds(60);
    case.seen.probe = says(Silence::NotReady);
    case.is_left_alone_for(Reason::Starting);
}

#[test]
fn a_server_that_recovers_in_the_middle_of_a_run_has_its_start_deadline_anew() {
    let mut case = Case::ready();
    let fell = noon() + seconds(86_400);
    case.now = fell + seconds(600);
    case.seen.probe = silent(fell, false);
    case.is_left_alone_for(Reason::Starting);
    case.now = fell + seconds(900);
    assert_eq!(case.steps()[1], "stop");
}

#[test]
fn a_server_that_hangs_is_restarted_with_a_short_stop() {
    let mut case = Case::ready();
    case.seen.probe = silent(noon() - seconds(29), true);
    case.is_left_alone_for(Reason::NotAnswering);
    case.seen.probe = silent(noon() - seconds(30), true);
    let lane = case.plan().lane.unwrap();
    assert_eq!(kinds(&lane), ["set_policy", "stop", "set_policy", "start"]);
    let Action::Stop(_, how) = &lane.actions[1] else {
        panic!("{lane:?}");
    };
    assert_eq!((how.deadline, how.hung), (10, true));
    // The run that it ends counts as failed.
    assert!(lane.repair && !lane.stops_in_order());
}

#[test]
fn a_clock_set_forward_makes_no_server_hang() {
    let mut case = Case::ready();
    case.seen.probe = Probe::Silent {
        since: noon() - seconds(86_400),
        failures: 1,
        why: "no answer".to_owned(),
        cause: Silence::Unexplained,
        answered_before: true,
    };
    case.is_left_alone_for(Reason::NotAnswering);
}

#[test]
fn a_clock_set_forward_ends_no_start() {
    let mut case = Case::ready();
    for (failures, left_alone) in [(1, true), (29, true), (30, false)] {
        case.seen.probe = Probe::Silent {
            since: noon() - seconds(86_400),
            failures,
            why: "no answer".to_owned(),
            cause: Silence::Unexplained,
            answered_before: false,
        };
        if left_alone {
            case.is_left_alone_for(Reason::Starting);
        } else {
            assert_eq!(case.steps()[1], "stop");
        }
    }
}

#[test]
fn restarts_of_a_hanging_server_are_bounded() {
    let mut case = Case::ready();
    case.seen.probe = silent(noon() - seconds(60), true);
    case.seen.attempts.failed_runs = (0..5).map(|i| noon() - seconds(60 * (5 - i))).collect();
    assert_eq!(case.steps(), ["set_policy", "stop", "quarantine"]);
}

#[test]
fn a_refused_login_is_no_reason_to_restart() {
    let mut case = Case::ready();
    case.seen.probe = Probe::Silent {
        since: noon() - seconds(86_400),
        failures: 1000,
        why: "login refused".to_owned(),
        cause: Silence::Refused,
        answered_before: true,
    };
    case.is_left_alone_for(Reason::LoginRefused);
    // Of mydb_admin, the desk lets itself in again: no lane of the reconciler does.
    case.db.name = crate::model::DbName::mydb_admin();
    case.is_left_alone_for(Reason::LoginRefused);
}

#[test]
fn a_server_that_cannot_read_its_files_is_left_running_and_mydb_admin_given_up() {
    let mut case = Case::ready();
    let damaged = |failures| Probe::Silent {
        since: noon() - seconds(86_400),
        failures,
        why: "invalid page in block 1".to_owned(),
        cause: Silence::Damaged,
        answered_before: false,
    };
    case.seen.probe = damaged(1000);
    case.is_left_alone_for(Reason::NotAnswering);
    let held = case.held(Reason::NotAnswering);
    assert!(held.message.contains("db4sci restore genomics"));

    case.db.name = crate::model::DbName::mydb_admin();
    assert_eq!(case.steps(), ["set_policy", "stop", "quarantine"]);
    case.seen.probe = damaged(1);
    case.is_left_alone_for(Reason::NotAnswering);
}

#[test]
fn a_failed_step_waits_and_longer_each_time() {
    let mut last = seconds(0);
    for count in 1..9 {
        let mut case = Case::exited(1);
        case.failed(Class::Transient, "start", count);
        case.is_left_alone_for(Reason::Backoff);
        let until = case.plan().wake_at.unwrap();
        let wait = backoff(&case.db.name, count);
        assert_eq!(until, noon() - seconds(1) + wait);
        assert!(wait >= last && wait <= seconds(300));
        last = wait;
        case.now = until;
        assert_eq!(case.steps(), ["start"]);
    }
}

#[test]
fn a_permanent_failure_waits_for_another_spec() {
    let mut case = Case::fresh();
    case.failed(Class::Permanent, "prepare", 1);
    case.is_left_alone_for(Reason::NeedsSpecChange);
    case.now += seconds(86_400);
    case.is_left_alone_for(Reason::NeedsSpecChange);
    assert_eq!(case.held(Reason::NeedsSpecChange).until, None);
    case.db.generation += 1;
    assert_eq!(case.steps(), CREATE);
}

#[test]
fn a_failed_step_holds_only_the_lanes_that_take_it() {
    for class in [Class::Transient, Class::Permanent] {
        let mut case = Case::exited(0);
        case.failed(class, "update", 7);
        assert_eq!(case.steps(), ["start"]);
        case.db.resources.memory = Memory::mebibytes(4096);
        assert_eq!(case.steps(), [""; 0]);
    }
}

#[test]
fn a_lane_that_gave_way_is_no_failure() {
    let mut case = Case::exited(0);
    case.failed(Class::Cancelled, "start", 1);
    assert_eq!(case.steps(), ["start"]);
}

#[test]
fn steps_that_fail_in_turn_wait_each_for_itself() {
    let mut case = Case::exited(1);
    case.failed(Class::Transient, "start", 3);
    case.failed(Class::Transient, "pull", 1);
    case.is_left_alone_for(Reason::Backoff);
}

#[test]
fn a_word_of_a_clock_that_was_ahead_does_not_end_every_wait_until_then() {
    let mut case = Case::exited(1);
    case.failed(Class::Transient, "start", 3);
    case.restart_asked = Some(noon() + seconds(7 * 3600));
    case.is_left_alone_for(Reason::Backoff);
    case.restart_asked = Some(noon());
    assert_eq!(case.steps(), ["start"]);
}

#[test]
fn whoever_speaks_after_a_failure_is_heard_at_once() {
    let mut case = Case::ready();
    case.failed(Class::Permanent, "stop", 1);
    case.restart_asked = Some(noon() - seconds(60));
    assert_eq!(case.steps(), [""; 0]);
    case.restart_asked = Some(noon());
    assert_eq!(case.steps(), RESTART);
    let mut case = Case::ready();
    case.failed(Class::Permanent, "stop", 1);
    case.overridden(OverrideState::Stopped, None);
    assert_eq!(case.steps(), [""; 0]);
    case.over.as_mut().unwrap().since = noon();
    assert_eq!(case.steps(), ["set_policy", "stop"]);
}

#[test]
fn a_clock_set_back_makes_nobody_wait_for_it() {
    let mut case = Case::exited(1);
    case.failed(Class::Transient, "start", 1);
    case.now -= seconds(86_400);
    case.container().finished_at = Some(noon());
    assert_eq!(case.steps(), ["start"]);
    let mut case = Case::ready();
    case.container().started_at = Some(noon() + seconds(86_400));
    case.seen.probe = silent(noon() - seconds(900), false);
    assert_eq!(case.steps()[1], "stop");
}

#[test]
fn no_lane_is_taken_again_at_once_after_it_failed() {
    let mut quarantined = Case::exited(1);
    quarantined.container().status = Status::Restarting;
    quarantined.quarantined = Some("so".to_owned());
    let mut stopped = Case::exited(0);
    stopped.db.state = WantedState::Stopped;
    let mut lost = Case::exited(0);
    lost.seen.data = Seen::Absent;
    let mut loops = crashing(5);
    loops.now += seconds(60);
    let mut dead = Case::exited(0);
    dead.container().status = Status::Dead;
    let mut paused = Case::ready();
    paused.container().status = Status::Paused;
    let mut asked = Case::ready();
    asked.restart_asked = Some(noon() - seconds(2));
    let mut account = Case::ready();
    account.initialised = false;
    let cases = [
        Case::fresh(),
        Case::gone(),
        Case::created(),
        Case::exited(1),
        quarantined,
        stopped,
        lost,
        loops,
        dead,
        paused,
        asked,
        account,
    ];
    for mut case in cases {
        for step in case.steps() {
            case.failed(Class::Transient, step, 1);
            assert_eq!(case.steps(), [""; 0], "after a failed {step}");
        }
        assert!(case.plan().wake_at.is_some());
    }
}
