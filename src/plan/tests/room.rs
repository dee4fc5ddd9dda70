//! Volumes with too little room: told, waited for, and never a reason to give a database up.

use super::*;
use crate::model::disk::Room;
use crate::plan::attempts::TOO_MANY;

fn tight(free_mebibytes: u64) -> Option<Room> {
    let room = Room {
        size: 10 << 30,
        free: free_mebibytes << 20,
    };
    Some(room).filter(|room| room.is_tight())
}

/// It ended, and so many of its volume's 10,240 MiB are free.
fn ended_with(free_mebibytes: u64) -> Case {
    let mut case = Case::exited(1);
    case.data().tight = tight(free_mebibytes);
    case
}

/// What is remembered of runs that all failed, half a minute apart, with so much room.
fn after_failures(runs: i64, tight: bool) -> Attempts {
    let mut attempts = Attempts::default();
    for n in 0..runs {
        let mut c = container(&database(), "c0ffee");
        c.started_at = Some(noon() + seconds(30 * n));
        attempts.starve_if(tight);
        attempts.observe(Some(&c), &Probe::NotAsked, noon() + seconds(30 * n));
        c.status = Status::Exited;
        attempts.observe(Some(&c), &Probe::NotAsked, noon() + seconds(30 * n + 1));
    }
    attempts
}

#[test]
fn a_server_that_ended_without_room_is_started_once_there_is_some_and_not_before() {
    for (free, starts) in [(0, false), (511, false), (512, true)] {
        let mut case = ended_with(free);
        // What it needs is not known before it was tried.
        assert_eq!(case.steps(), ["start"], "{free}");
        case.seen.attempts.starved = true;
        if starts {
            assert_eq!(case.steps(), ["start"], "{free}");
            continue;
        }
        // dockerd would start it again and again.
        assert_eq!(case.steps(), ["set_policy", "stop"], "{free}");
        case.container().restart = RestartPolicy::No;
        case.is_left_alone_for(Reason::DiskFull);
        assert_eq!(case.plan().wake_at, Some(noon() + seconds(5)));
        let told = case.held(Reason::DiskFull).message;
        assert!(
            told.contains(&format!("{free} MiB of 10240 are free on /data (Standard)")),
            "{told}"
        );
        assert!(told.contains("started when 512 are free"), "{told}");
        // There may be enough for it all the same.
        case.now += seconds(298);
        assert_eq!(case.plan().wake_at, Some(noon() + seconds(299)));
        case.now += seconds(1);
        assert_eq!(case.steps(), ["set_policy", "start"]);
        // Nor is a clock waited for that was set back.
        case.now -= seconds(500);
        assert_eq!(case.steps(), ["set_policy", "start"]);
        case.now = noon();
        assert_eq!(case.phase().0, crate::model::view::Phase::Degraded);
    }
}

#[test]
fn dockerd_s_hand_is_taken_from_a_server_that_ends_for_want_of_room() {
    let mut case = ended_with(3);
    case.seen.attempts.starved = true;
    case.container().status = Status::Restarting;
    for later in [0, 1000] {
        case.now += seconds(later);
        assert_eq!(case.steps(), ["set_policy", "stop"]);
        assert_eq!(
            case.held(Reason::DiskFull).until,
            Some(case.now + seconds(5))
        );
    }
}

#[test]
fn runs_that_end_for_want_of_room_never_add_up_to_a_quarantine() {
    let runs = i64::try_from(TOO_MANY).unwrap() + 3;
    let with_room = after_failures(runs, false);
    assert!(with_room.exhausted(noon() + seconds(600)) && !with_room.starved);
    let mut without = after_failures(runs, true);
    assert!(!without.exhausted(noon() + seconds(600)) && without.starved);
    // It is forgotten with the first run that begins with room.
    let mut c = container(&database(), "c0ffee");
    for (n, tight) in [(0, true), (1, false)] {
        let at = noon() + seconds(900 + n);
        c.started_at = Some(at);
        without.starve_if(tight);
        without.observe(Some(&c), &Probe::NotAsked, at);
        assert_eq!(without.starved, tight);
    }
}

#[test]
fn a_server_that_runs_is_told_of_in_time_and_left_running() {
    let mut case = Case::ready();
    case.data().tight = tight(512);
    assert_eq!(case.plan(), Verdict::default());
    case.data().tight = tight(511);
    case.is_left_alone_for(Reason::DiskPressure);
    let ready = crate::model::view::Phase::Ready;
    assert_eq!(case.phase(), (ready, Some(Reason::DiskPressure)));
    assert!(
        crate::plan::phase::agrees(&case.plan(), ready),
        "its spec is met"
    );
}

#[test]
fn a_server_that_hangs_without_room_is_restarted_when_there_is_some_and_not_before() {
    for answered_before in [true, false] {
        let mut case = Case::ready();
        let since = noon() - seconds(31);
        case.container().started_at = Some(since - seconds(100));
        case.seen.probe = silent(since, answered_before);
        case.data().tight = tight(0);
        case.seen.attempts.starve_if(true);
        let c = case.container().clone();
        let probe = case.seen.probe.clone();
        case.seen.attempts.observe(Some(&c), &probe, noon());
        let reason = if answered_before {
            Reason::NotAnswering
        } else {
            Reason::Starting
        };
        case.is_left_alone_for(reason);
        assert!(case.reasons().contains(&Reason::DiskPressure));
        case.data().tight = None;
        assert_eq!(case.steps().last(), Some(&"start"), "{answered_before}");
        // Not again and again: that was one run.
        case.seen.attempts.starve_if(false);
        let mut next = c.clone();
        next.started_at = Some(noon());
        case.seen
            .attempts
            .observe(Some(&next), &Probe::NotAsked, noon());
        assert!(!case.seen.attempts.starved);
    }
}
