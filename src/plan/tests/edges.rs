//! Where one rule ends and the next begins.

use super::*;
use crate::model::view::Phase;
use crate::model::{End, guard};
use crate::plan::data::{Gate, gate};

#[test]
fn the_guards_refusal_of_a_run_that_is_over_counts_for_a_while_and_for_that_run_only() {
    let refused = || {
        let mut case = Case::exited(guard::LOST);
        case.container().restart = RestartPolicy::No;
        case
    };
    refused().is_left_alone_for(Reason::DataLost);
    // A clock that was set back: the end lies ahead, and nobody waits for it.
    let mut case = refused();
    case.now -= seconds(60);
    assert_eq!(case.steps(), ["set_policy", "start"]);
    // What was wrong is put right from here.
    let mut case = refused();
    case.data().marker = None;
    assert_eq!(case.steps(), ["mark_initialised", "set_policy", "start"]);
    // A container that was made anew carries no refusal of its own.
    let mut case = refused();
    case.container().status = Status::Created;
    assert_eq!(case.steps(), ["set_policy", "start"]);
}

#[test]
fn a_first_start_whose_folders_went_begins_as_if_there_had_been_none() {
    let case = Case::created();
    let wanted = case.wanted();
    let mut data = whole(case.db.uid);
    data.marker.as_mut().unwrap().state = MarkerState::Initialising;
    (data.sentinel, data.inner_uid, data.identity) = (false, None, None);
    for (dirs_exist, empty, expected) in [
        (false, false, Gate::Fresh),
        (false, true, Gate::Fresh),
        (true, true, Gate::Prepared),
        (true, false, Gate::HalfMade),
    ] {
        (data.dirs_exist, data.empty) = (dirs_exist, empty);
        let found = gate(&wanted, &Seen::Present(data.clone()));
        assert_eq!(found, expected, "dirs_exist {dirs_exist}, empty {empty}");
    }
}

#[test]
fn a_change_of_limits_asks_for_all_of_them() {
    let mut case = Case::ready();
    case.db.resources.memory = Memory::mebibytes(4096);
    case.container().nano_cpus = 2_000_000_000;
    case.db.resources.cpus = Some("2".parse().unwrap());
    let limits = |case: &Case| {
        let lane = case.plan().lane.unwrap();
        let found = lane.actions.iter().find_map(|action| match action {
            Action::Update(_, limits) => Some(*limits),
            _ => None,
        });
        let limits = found.unwrap();
        (limits.memory >> 20, limits.nano_cpus, lane.why)
    };
    let (memory, cpus, why) = limits(&case);
    assert_eq!((memory, cpus), (4096, 2_000_000_000));
    assert_eq!(why, ["memory 2Gi -> 4Gi"]);
    case.db.resources.cpus = Some("1.5".parse().unwrap());
    let (memory, cpus, why) = limits(&case);
    assert_eq!((memory, cpus), (4096, 1_500_000_000));
    assert_eq!(why, ["memory 2Gi -> 4Gi", "cpus 2 -> 1.5"]);
}

#[test]
fn a_stop_says_for_whose_sake_it_is() {
    let mut case = Case::ready();
    case.db.state = WantedState::Stopped;
    let why = |case: &Case| case.plan().lane.unwrap().why;
    assert_eq!(why(&case), ["stop, as the spec wants"]);
    case.overridden(OverrideState::Stopped, None);
    assert_eq!(why(&case), ["stop, as db4sci wants"]);
    let mut case = Case::ready();
    case.hibernates = Some("genomics-20261101T020000Z-1@local".parse().unwrap());
    assert_eq!(
        why(&case),
        ["hibernate: its life is over, and its final backup is proven"]
    );
}

#[test]
fn a_stop_that_waits_for_a_person_leaves_ready_only_what_answers() {
    let mut case = Case::ready();
    case.db.state = WantedState::Stopped;
    let verdict = |lane: Option<Lane>, would: Option<Lane>| Verdict {
        lane,
        held: vec![Held {
            reason: Reason::NeedsApproval,
            message: "so".to_owned(),
            until: None,
            would: would.map(Box::new),
        }],
        ..Verdict::default()
    };
    let stop = case.plan().lane.unwrap();
    let phase = |case: &Case, verdict: &Verdict| {
        super::super::phase::phase(&case.wanted(), &case.seen, verdict, case.now).0
    };
    let waits = verdict(None, Some(stop.clone()));
    assert_eq!(phase(&case, &waits), Phase::Ready);
    assert_eq!(phase(&case, &verdict(None, None)), Phase::Degraded);
    assert_eq!(
        phase(&case, &verdict(Some(stop.clone()), Some(stop))),
        Phase::Degraded
    );
    case.seen.probe = silent(noon(), true);
    assert_eq!(phase(&case, &waits), Phase::Degraded);
}

#[test]
fn what_was_released_says_when_and_that_nothing_of_it_is_touched() {
    let case = Case::ready();
    let wanted = Wanted {
        end: Some(End::Ejected(noon())),
        ..case.wanted()
    };
    let verdict = Verdict::default();
    let found = super::super::phase::phase(&wanted, &case.seen, &verdict, case.now);
    let message = "it was released from db4sci at 2026-11-23 12:00:00 UTC, with its data; db4sci touches \
                   nothing of it, and its backups stay in the stores";
    assert_eq!(found, (Phase::Ejected, None, message.to_owned()));
}

#[test]
fn an_image_that_is_not_pinned_is_fetched_only_where_it_is_not_here() {
    let mut case = Case::ready();
    case.db.maintenance_window = Window::Any;
    case.db.image.pinned = Some(image_id("17"));
    case.seen.image = Seen::Absent;
    assert_eq!(case.steps(), [""; 0]);
    case.db.image.pinned = None;
    assert_eq!(case.steps(), ["pull"]);
    // What needs no other container asks for no port and no name.
    case.db.image.pinned = Some(image_id("17"));
    case.seen.port_owner = Some((32099, "nginx (process 77)".to_owned()));
    assert_eq!(case.plan(), Verdict::default());
}

#[test]
fn a_name_waits_equally_long_in_every_version_of_this_program() {
    for (name, waits) in [
        (
            "genomics",
            [4938, 4938, 9876, 19752, 296280, 296280, 296280],
        ),
        ("assays", [4471, 4471, 8942, 17884, 268260, 268260, 268260]),
    ] {
        let name = name.parse().unwrap();
        let found = [0, 1, 2, 3, 7, 8, u32::MAX]
            .map(|n| crate::plan::attempts::backoff(&name, n).num_milliseconds());
        assert_eq!(found, waits, "{name}");
    }
}

#[test]
fn what_is_forgotten_is_all_but_the_run_that_is_under_way() {
    let run = Some((noon() - seconds(60), 2));
    let mut attempts = Attempts {
        failed_runs: vec![noon()],
        run,
        oom_at: Some(noon()),
        run_judged: true,
        run_stopped: true,
        ..Attempts::default()
    };
    attempts.forget();
    let expected = Attempts {
        run,
        run_was_ready: true,
        ..Attempts::default()
    };
    assert_eq!(attempts, expected);
}
