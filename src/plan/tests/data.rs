//! The interlock: a server never starts on a folder that is empty, foreign or not there, once there
//! was data.

use super::*;
use crate::model::guard;

/// With its container gone, exited and about to be restarted.
fn down() -> [Case; 3] {
    let mut restarting = Case::exited(1);
    restarting.container().status = Status::Restarting;
    [Case::gone(), Case::exited(1), restarting]
}

/// No start, and dockerd's hand is off.
#[track_caller]
fn is_refused(case: &Case, reason: Reason) {
    assert!(case.reasons().contains(&reason), "{:?}", case.plan().held);
    let steps = case.steps();
    assert!(
        steps.is_empty() || steps == ["set_policy", "stop"],
        "{steps:?}"
    );
}

#[test]
fn no_server_is_started_on_data_that_was_released() {
    for mut case in down() {
        case.data().marker.as_mut().unwrap().state = MarkerState::Ejected;
        is_refused(&case, Reason::DataForeign);
    }
}

#[test]
fn a_folder_that_held_data_and_is_empty_is_lost_data() {
    for mut case in down() {
        case.data().empty = true;
        case.data().sentinel = false;
        case.data().inner_uid = None;
        is_refused(&case, Reason::DataLost);
    }
}

#[test]
fn a_folder_that_is_gone_is_lost_data() {
    for mut case in down() {
        case.data().dirs_exist = false;
        is_refused(&case, Reason::DataLost);
        case.seen.data = Seen::Absent;
        is_refused(&case, Reason::DataLost);
    }
}

#[test]
fn a_folder_without_the_engine_s_own_file_is_lost_data() {
    for mut case in down() {
        case.data().sentinel = false;
        is_refused(&case, Reason::DataLost);
    }
}

#[test]
fn the_marker_alone_knows_of_data_that_the_ledger_forgot() {
    for mut case in down() {
        case.initialised = false;
        case.data().empty = true;
        case.data().sentinel = false;
        case.data().inner_uid = None;
        is_refused(&case, Reason::DataLost);
    }
}

#[test]
fn the_inner_file_alone_knows_of_data_that_marker_and_ledger_do_not() {
    for mut case in down() {
        case.initialised = false;
        case.data().marker.as_mut().unwrap().state = MarkerState::Initialising;
        case.data().sentinel = false;
        case.data().empty = true;
        is_refused(&case, Reason::DataLost);
    }
}

#[test]
fn another_database_s_marker_or_inner_file_is_foreign_data() {
    for mut case in down() {
        case.data().marker.as_mut().unwrap().uid = uid(2);
        is_refused(&case, Reason::DataForeign);
    }
    for mut case in down() {
        case.data().inner_uid = Some(uid(2));
        is_refused(&case, Reason::DataForeign);
        case.initialised = false;
        is_refused(&case, Reason::DataForeign);
    }
}

#[test]
fn data_without_the_inner_file_is_not_known_to_be_its_own() {
    for initialised in [true, false] {
        for mut case in down() {
            case.initialised = initialised;
            case.data().inner_uid = None;
            is_refused(&case, Reason::DataForeign);
        }
    }
}

#[test]
fn data_that_its_engine_calls_by_another_identity_is_foreign() {
    for mut case in down() {
        case.data().identity = Some(identity(2));
        is_refused(&case, Reason::DataForeign);
        let said = case.held(Reason::DataForeign).message;
        let both = [identity(1), identity(2)].map(|i| i.to_string());
        assert!(both.iter().all(|i| said.contains(i)), "{said}");
        assert!(said.contains("global/pg_control"), "{said}");
        // The inner file alone, which anybody can copy, does not outweigh that.
        case.data().marker = None;
        is_refused(&case, Reason::DataForeign);
    }
}

#[test]
fn where_no_server_starts_without_an_identity_its_loss_is_the_servers_own_to_say() {
    for mut case in down() {
        case.data().identity = None;
        let reasons = case.reasons();
        assert!(!reasons.iter().any(|r| r.no_data()), "{reasons:?}");
    }
}

#[test]
fn an_engine_that_would_give_its_data_another_identity_does_not_get_to_it() {
    for mut case in down() {
        case.db.engine = EngineKind::Neo4j;
        case.data().identity = None;
        is_refused(&case, Reason::DataForeign);
    }
}

#[test]
fn an_engine_without_an_identity_is_not_asked_for_one() {
    for mut case in down() {
        for engine in [EngineKind::MariaDB, EngineKind::MongoDB] {
            case.db.engine = engine;
            case.data().identity = None;
            let reasons = case.reasons();
            assert!(!reasons.iter().any(|r| r.no_data()), "{reasons:?}");
        }
    }
}

#[test]
fn data_is_identified_once_and_only_when_its_server_answers() {
    assert_eq!(Case::ready().steps(), [""; 0]);
    let mut case = Case::ready();
    case.identity = None;
    assert_eq!(case.steps(), ["identify"]);
    assert_eq!(case.plan().lane.unwrap().cost, Cost::None);
    // Before anybody is told that it is ready.
    case.initialised = false;
    let first = ["account", "mark_initialised", "identify"];
    assert_eq!(case.steps(), first);
    case.initialised = true;
    case.seen.probe = silent(noon() - seconds(5), true);
    assert_eq!(case.steps(), [""; 0]);
    case.seen.probe = answering();
    case.data().identity = None;
    assert_eq!(case.steps(), [""; 0]);
}

#[test]
fn a_server_that_runs_while_other_data_lies_in_its_place_is_alarmed_and_left_running() {
    let mut case = Case::ready();
    case.data().identity = Some(identity(2));
    case.is_left_alone_for(Reason::DataForeign);
}

#[test]
fn files_that_db4sci_did_not_put_there_are_left_alone() {
    let mut case = Case::fresh();
    case.seen.data = Seen::Present(DataSeen {
        dirs_exist: true,
        empty: false,
        ..DataSeen::default()
    });
    case.is_left_alone_for(Reason::DataForeign);
    case.data().sentinel = true;
    case.is_left_alone_for(Reason::DataForeign);
}

#[test]
fn a_server_that_runs_on_lost_or_foreign_data_is_alarmed_and_left_running() {
    let mut lost = Case::ready();
    lost.data().sentinel = false;
    lost.is_left_alone_for(Reason::DataLost);
    let mut foreign = Case::ready();
    foreign.data().inner_uid = Some(uid(2));
    foreign.is_left_alone_for(Reason::DataForeign);
    foreign.seen.probe = silent(noon() - seconds(3600), true);
    foreign.is_left_alone_for(Reason::DataForeign);
}

#[test]
fn mydb_admin_is_put_down_when_its_data_is_lost_under_it_and_not_when_that_is_unsure() {
    let admin = || {
        let mut case = Case::ready();
        case.db.name = crate::model::DbName::mydb_admin();
        case
    };
    let lost: [fn(&mut Case); 6] = [
        |case| case.seen.data = Seen::Absent,
        |case| case.data().empty = true,
        |case| case.data().sentinel = false,
        |case| case.data().inner_uid = Some(uid(2)),
        |case| case.data().inner_uid = None,
        |case| case.data().identity = Some(identity(2)),
    ];
    for lose in lost {
        let mut case = admin();
        lose(&mut case);
        assert_eq!(case.steps(), ["set_policy", "stop"]);
        assert!(
            case.held(Reason::DataLost)
                .message
                .contains("newest backup")
        );
        // A user's server may have all that is left in its memory.
        case.db.name = Case::ready().db.name;
        assert_eq!(case.steps(), [""; 0]);
    }
    let mut unsure = admin();
    unsure.seen.data = Seen::Unknown("the volume is not mounted".to_owned());
    unsure.is_left_alone_for(Reason::DataUnmounted);
    let mut swapped = admin();
    swapped.data().inner_uid = Some(uid(2));
    swapped.whose = Some(chembank(true));
    swapped.is_left_alone_for(Reason::DataForeign);
    let mut kept = admin();
    kept.seen.data = Seen::Absent;
    kept.overridden(OverrideState::Maintenance, None);
    kept.is_left_alone_for(Reason::Maintenance);
}

/// Another database, whose data lies there.
fn chembank(misses: bool) -> Whose {
    Whose {
        name: "chembank".parse().unwrap(),
        place: "/data/chembank".into(),
        misses,
    }
}

#[test]
fn foreign_data_in_the_place_of_mydb_admin_is_lost_data_unless_another_database_misses_it() {
    let foreign: [fn(&mut Case); 3] = [
        |case| case.data().inner_uid = Some(uid(2)),
        |case| case.data().inner_uid = None,
        |case| case.data().identity = Some(identity(2)),
    ];
    for put_there in foreign {
        for mut case in down() {
            put_there(&mut case);
            is_refused(&case, Reason::DataForeign);
            case.db.name = crate::model::DbName::mydb_admin();
            is_refused(&case, Reason::DataLost);
            // A first start has nothing that could come back.
            case.initialised = false;
            case.data().marker = None;
            if case.data().inner_uid != Some(uid(1)) {
                is_refused(&case, Reason::DataForeign);
            }
        }
    }
    for mut case in down() {
        case.db.name = crate::model::DbName::mydb_admin();
        case.data().inner_uid = Some(uid(2));
        case.whose = Some(chembank(false));
        is_refused(&case, Reason::DataLost);
        assert!(case.held(Reason::DataLost).message.contains("chembank"));
        // Exchanged: both are named, with both places, and what to do.
        case.whose = Some(chembank(true));
        is_refused(&case, Reason::DataForeign);
        let said = case.held(Reason::DataForeign).message;
        let own = case.db.data_dir().display().to_string();
        for part in [
            &own,
            "chembank",
            "/data/chembank",
            "put the data of both back",
        ] {
            assert!(said.contains(part), "{said}");
        }
    }
}

#[test]
fn lost_data_is_looked_at_again_before_long() {
    let mut case = Case::gone();
    case.seen.data = Seen::Absent;
    assert_eq!(case.plan().wake_at, Some(noon() + seconds(30)));
}

#[test]
fn a_first_start_prepares_pins_writes_and_creates() {
    assert_eq!(Case::fresh().steps(), CREATE);
    assert_eq!(Case::created().steps(), ["prepare", "start"]);
}

#[test]
fn a_first_start_cut_off_halfway_is_set_aside_and_begun_again() {
    let mut case = Case::created();
    case.down(Status::Exited, guard::HALF_MADE);
    case.data().empty = false;
    case.data().sentinel = true;
    assert_eq!(case.steps(), ["set_aside", "prepare", "start"]);
    // dockerd is about to start it: its hand is taken away first.
    case.container().status = Status::Restarting;
    assert_eq!(case.steps(), ["set_policy", "stop"]);
    case.seen.containers = Seen::Absent;
    assert_eq!(
        case.steps(),
        ["set_aside", "prepare", "write_files", "create"]
    );
}

#[test]
fn a_first_start_under_way_is_not_disturbed() {
    let mut case = Case::created();
    case.down(Status::Running, 0);
    case.data().empty = false;
    case.data().sentinel = true;
    case.container().started_at = Some(noon() - seconds(20));
    case.seen.probe = silent(noon() - seconds(20), false);
    case.is_left_alone_for(Reason::Starting);
}

#[test]
fn the_first_answer_makes_the_account_and_then_marks_the_data() {
    let mut case = Case::ready();
    case.initialised = false;
    case.data().marker.as_mut().unwrap().state = MarkerState::Initialising;
    case.data().inner_uid = None;
    assert_eq!(case.steps(), ["account", "mark_initialised"]);
}

#[test]
fn a_daemon_killed_between_inner_file_marker_and_ledger_goes_on_from_there() {
    // Inner file written, marker and ledger not.
    let mut case = Case::gone();
    case.initialised = false;
    case.data().marker.as_mut().unwrap().state = MarkerState::Initialising;
    assert_eq!(case.steps(), ["mark_initialised", "write_files", "create"]);
    // Marker written as well.
    case.data().marker.as_mut().unwrap().state = MarkerState::Initialised;
    assert_eq!(case.steps(), ["mark_initialised", "write_files", "create"]);
    // The server never stopped.
    let mut case = Case::ready();
    case.initialised = false;
    assert_eq!(case.steps(), ["account", "mark_initialised"]);
}

#[test]
fn a_lost_marker_is_made_again_where_the_inner_file_proves_the_data() {
    let mut case = Case::exited(guard::UNMOUNTED);
    case.data().marker = None;
    assert_eq!(case.steps(), ["mark_initialised", "start"]);
    let mut case = Case::ready();
    case.data().marker = None;
    assert_eq!(case.steps(), ["mark_initialised"]);
}

#[test]
fn data_that_another_server_holds_open_waits_for_it() {
    let mut case = Case::exited(guard::BUSY);
    case.container().restart = RestartPolicy::No;
    case.is_left_alone_for(Reason::DataBusy);
    case.now += seconds(60);
    assert_eq!(case.steps(), ["set_policy", "start"]);
}

#[test]
fn a_guard_that_sees_other_data_than_the_host_is_asked_again_after_a_while() {
    for (code, reason) in [
        (guard::FOREIGN, Reason::DataForeign),
        (guard::LOST, Reason::DataLost),
        (guard::UNMOUNTED, Reason::DataUnmounted),
    ] {
        let mut case = Case::exited(code);
        assert_eq!(case.steps(), ["set_policy", "stop"]);
        case.container().restart = RestartPolicy::No;
        case.is_left_alone_for(reason);
        case.now += seconds(60);
        assert_eq!(case.steps(), ["set_policy", "start"]);
    }
}

#[test]
fn dockerd_is_not_left_to_run_into_the_guard_again_and_again() {
    for code in [guard::BUSY, guard::FOREIGN, guard::LOST, guard::BROKEN] {
        let mut case = Case::exited(code);
        case.container().status = Status::Restarting;
        assert_eq!(case.steps(), ["set_policy", "stop"], "{code}");
    }
}
