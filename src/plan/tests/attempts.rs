//! How runs are judged.

use super::*;

/// A container whose run began at an instant.
fn run(started: Timestamp, status: Status, code: i64) -> ContainerSeen {
    let mut c = container(&database(), "c0ffee");
    c.started_at = Some(started);
    c.status = status;
    c.exit_code = code;
    c
}

fn up(since: Timestamp) -> Probe {
    Probe::Answering {
        since,
        version: "17.5".to_owned(),
        account: true,
        further: Default::default(),
        resorted: Default::default(),
        connections: Some(0),
    }
}

/// Looks at a run that begins at an instant, and a second later at its end.
fn fails(attempts: &mut Attempts, at: Timestamp) {
    attempts.observe(Some(&run(at, Status::Running, 0)), &Probe::NotAsked, at);
    let end = at + seconds(1);
    let ended = run(at, Status::Exited, 1);
    attempts.observe(Some(&ended), &Probe::NotAsked, end);
    attempts.observe(Some(&ended), &Probe::NotAsked, end);
}

#[test]
fn a_run_that_ends_before_it_was_ready_has_failed_and_is_counted_once() {
    let mut attempts = Attempts::default();
    for n in 1..=5 {
        fails(&mut attempts, noon() + seconds(60 * n));
        assert_eq!(i64::try_from(attempts.failed_runs.len()).unwrap(), n);
    }
    assert!(attempts.exhausted(noon() + seconds(400)));
}

#[test]
fn a_run_whose_end_nobody_saw_is_counted_when_the_next_one_is_seen() {
    let mut attempts = Attempts::default();
    for n in 0..3 {
        let at = noon() + seconds(n);
        let mut c = run(at, Status::Running, 0);
        c.restart_count = u32::try_from(n).unwrap();
        attempts.observe(Some(&c), &Probe::NotAsked, at);
    }
    assert_eq!(attempts.failed_runs.len(), 2);
    // Three more came and went between two looks.
    let mut c = run(noon() + seconds(9), Status::Running, 0);
    c.restart_count = 6;
    attempts.observe(Some(&c), &Probe::NotAsked, noon() + seconds(9));
    assert_eq!(attempts.failed_runs.len(), 6);
}

#[test]
fn a_run_that_was_ready_for_a_while_has_not_failed() {
    let mut attempts = Attempts::default();
    let c = run(noon(), Status::Running, 0);
    attempts.observe(Some(&c), &up(noon()), noon() + seconds(9));
    assert!(!attempts.run_was_ready);
    attempts.observe(Some(&c), &up(noon()), noon() + seconds(10));
    assert!(attempts.run_was_ready);
    let ended = run(noon(), Status::Exited, 137);
    attempts.observe(Some(&ended), &Probe::NotAsked, noon() + seconds(11));
    assert!(attempts.failed_runs.is_empty());
}

#[test]
fn failures_count_for_half_an_hour_or_until_a_steady_run() {
    let mut attempts = Attempts::default();
    fails(&mut attempts, noon());
    let steady = attempts.clone();
    let c = run(noon() + seconds(5), Status::Running, 0);
    let since = noon() + seconds(6);
    attempts.observe(Some(&c), &up(since), since + seconds(60));
    assert_eq!(attempts.failed_runs.len(), 1);
    attempts.observe(Some(&c), &up(since), since + seconds(300));
    assert!(attempts.failed_runs.is_empty());
    let mut quiet = steady;
    quiet.observe(None, &Probe::NotAsked, noon() + seconds(1800));
    assert_eq!(quiet.failed_runs.len(), 1);
    quiet.observe(None, &Probe::NotAsked, noon() + seconds(1801));
    assert!(quiet.failed_runs.is_empty());
}

#[test]
fn five_failures_within_half_an_hour_are_too_many_and_five_over_longer_are_not() {
    for (between, too_many) in [(60, true), (440, true), (460, false), (1200, false)] {
        let mut attempts = Attempts::default();
        for n in 0..5 {
            fails(&mut attempts, noon() + seconds(between * n));
        }
        let now = noon() + seconds(between * 4 + 30);
        attempts.observe(None, &Probe::NotAsked, now);
        assert_eq!(attempts.exhausted(now), too_many, "{between}");
        // It slides: nothing but time is needed for it to end.
        let later = now + seconds(1800);
        attempts.observe(None, &Probe::NotAsked, later);
        assert!(!attempts.exhausted(later), "{between}");
    }
}

/// A step of a repair failed at an instant.
fn step_failed(step: &str, reason: Reason, class: Class, at: Timestamp) -> FailedAttempt {
    FailedAttempt {
        count: 1,
        at,
        step: step.to_owned(),
        class,
        reason,
        message: format!("{step}: no"),
        generation: 3,
    }
}

#[test]
fn failed_steps_of_a_repair_count_with_runs_and_what_only_waits_does_not() {
    for (step, reason, class, counts) in [
        ("start", Reason::Backoff, Class::Transient, true),
        ("create", Reason::Backoff, Class::Transient, true),
        // An image that cannot be had, an engine that is away, a full disk, a port: each is waited for.
        ("pull", Reason::ImagePullFailed, Class::Transient, false),
        ("pull", Reason::Backoff, Class::Transient, false),
        ("start", Reason::DockerUnavailable, Class::Transient, false),
        ("create", Reason::DiskFull, Class::Transient, false),
        ("start", Reason::PortInUse, Class::Transient, false),
        ("account", Reason::Backoff, Class::Transient, false),
        // Only another spec helps, which ends it.
        ("create", Reason::Backoff, Class::Permanent, false),
    ] {
        let mut attempts = Attempts::default();
        fails(&mut attempts, noon());
        for n in 1..=4 {
            let at = noon() + seconds(60 * n);
            attempts.fail_repair(&step_failed(step, reason, class, at));
        }
        // What the engine refuses for a few minutes is its own trouble.
        assert!(!attempts.exhausted(noon() + seconds(500)));
        let now = noon() + seconds(700);
        assert_eq!(attempts.exhausted(now), counts, "{step} {reason:?}");
    }
}

#[test]
fn what_has_no_container_and_gets_none_is_given_up_too() {
    let mut case = Case::gone();
    assert!(case.steps().contains(&"create"));
    for n in 1..=5 {
        let at = case.now - seconds(150 * n);
        let failure = step_failed("create", Reason::Backoff, Class::Transient, at);
        case.seen.attempts.fail_repair(&failure);
    }
    assert_eq!(case.steps(), ["quarantine"]);
    // What never ran goes on being made.
    let mut fresh = Case::fresh();
    fresh.seen.attempts = case.seen.attempts.clone();
    assert!(fresh.steps().contains(&"create"));
}

#[test]
fn runs_that_never_come_up_before_their_deadline_add_up() {
    let mut attempts = Attempts::default();
    for n in 0..=5 {
        let at = noon() + seconds(910 * n);
        let c = run(at, Status::Running, 0);
        attempts.observe(Some(&c), &silent(at, false), at + seconds(900));
    }
    assert_eq!(attempts.failed_runs.len(), 5);
    assert!(attempts.exhausted(noon() + seconds(6000)));
}

#[test]
fn a_server_that_hangs_again_and_again_a_little_after_its_start_adds_up() {
    let mut attempts = Attempts::default();
    for n in 0..=5 {
        let at = noon() + seconds(100 * n);
        let c = run(at, Status::Running, 0);
        attempts.observe(Some(&c), &up(at), at + seconds(20));
        let hung = silent(at + seconds(20), true);
        attempts.observe(Some(&c), &hung, at + seconds(50));
    }
    assert_eq!(attempts.failed_runs.len(), 5);
}

#[test]
fn a_run_that_the_guard_refused_is_no_failure() {
    use crate::model::guard;
    for (code, failed) in [(guard::BUSY, 0), (guard::LOST, 0), (guard::BROKEN, 1)] {
        let mut attempts = Attempts::default();
        let c = run(noon(), Status::Running, 0);
        attempts.observe(Some(&c), &Probe::NotAsked, noon());
        let ended = run(noon(), Status::Restarting, code);
        attempts.observe(Some(&ended), &Probe::NotAsked, noon());
        assert_eq!(attempts.failed_runs.len(), failed, "{code}");
    }
}

#[test]
fn a_run_that_ended_before_the_first_look_is_not_judged() {
    let mut attempts = Attempts::default();
    let ended = run(noon() - seconds(9000), Status::Exited, 1);
    attempts.observe(Some(&ended), &Probe::NotAsked, noon());
    assert!(attempts.failed_runs.is_empty());
    attempts.observe(
        Some(&run(noon(), Status::Running, 0)),
        &Probe::NotAsked,
        noon(),
    );
    assert!(attempts.failed_runs.is_empty());
}

#[test]
fn a_retry_forgets_failures_and_does_not_count_the_run_that_was() {
    let mut attempts = Attempts::default();
    fails(&mut attempts, noon());
    fails(&mut attempts, noon() + seconds(5));
    attempts.forget();
    assert!(attempts.failed_runs.is_empty());
    let next = run(noon() + seconds(60), Status::Running, 0);
    attempts.observe(Some(&next), &Probe::NotAsked, noon() + seconds(60));
    assert!(attempts.failed_runs.is_empty());
}

#[test]
fn a_run_that_db4sci_stops_has_not_failed_and_the_next_one_begins_at_once() {
    let mut attempts = Attempts::default();
    fails(&mut attempts, noon());
    fails(&mut attempts, noon() + seconds(5));
    fails(&mut attempts, noon() + seconds(15));
    let name = database().name;
    assert!(attempts.next_start(&name, noon()).is_some());
    for at in [noon() + seconds(60), noon() + seconds(70)] {
        let c = run(at, Status::Running, 0);
        attempts.observe(Some(&c), &Probe::NotAsked, at);
        attempts.stop_if(true);
        let ended = run(at, Status::Exited, 0);
        attempts.observe(Some(&ended), &Probe::NotAsked, at + seconds(1));
        assert_eq!(attempts.failed_runs.len(), 3);
        assert_eq!(attempts.next_start(&name, at + seconds(1)), None);
    }
    // Also where nobody saw it down.
    let c = run(noon() + seconds(80), Status::Running, 0);
    attempts.observe(Some(&c), &Probe::NotAsked, noon() + seconds(80));
    attempts.stop_if(true);
    let c = run(noon() + seconds(81), Status::Running, 0);
    attempts.observe(Some(&c), &Probe::NotAsked, noon() + seconds(81));
    assert_eq!(attempts.failed_runs.len(), 3);

    // One that was left running after all may fail like any other.
    attempts.stop_if(true);
    attempts.observe(Some(&c), &Probe::NotAsked, noon() + seconds(82));
    let ended = run(noon() + seconds(81), Status::Exited, 1);
    attempts.observe(Some(&ended), &Probe::NotAsked, noon() + seconds(83));
    assert_eq!(attempts.failed_runs.len(), 4);
}

#[test]
fn failures_of_one_step_and_spec_are_counted_together() {
    let mut attempts = Attempts::default();
    let failure = |step: &str, generation| FailedAttempt {
        count: 1,
        at: noon(),
        step: step.to_owned(),
        class: Class::Transient,
        reason: Reason::Backoff,
        message: String::new(),
        generation,
    };
    let counts: Vec<u32> = [
        ("start", 1),
        ("start", 1),
        ("pull", 1),
        ("start", 1),
        ("pull", 2),
        ("pull", 2),
    ]
    .into_iter()
    .map(|(step, generation)| {
        attempts.fail(failure(step, generation));
        attempts.failed.last().unwrap().count
    })
    .collect();
    assert_eq!(counts, [1, 2, 1, 3, 1, 2]);
    assert_eq!(attempts.failures(1).count(), 0);
    assert_eq!(attempts.failures(2).count(), 1);
    attempts.rest_if(false);
    assert_eq!(attempts.failures(2).count(), 1);
    attempts.rest_if(true);
    assert_eq!(attempts.failures(2).count(), 0);
}

#[test]
fn what_goes_well_ends_no_wait_of_another_step() {
    // The second half of a change fails again and again, and its first half is made good in between.
    let mut case = Case::ready();
    case.db.maintenance_window = Window::Any;
    case.container().shm = 1 << 20;
    assert_eq!(case.steps(), ["set_policy", "stop", "remove"]);
    case.failed(Class::Transient, "stop", 1);
    case.container().restart = RestartPolicy::No;
    let first = case.plan().lane.unwrap();
    assert_eq!(kinds(&first), ["set_policy"]);
    case.seen.attempts.succeed(&first);
    case.container().restart = RestartPolicy::Always;
    case.is_left_alone_for(Reason::Backoff);
    // Its own success ends that.
    case.seen.attempts.failed[0].at = case.now - seconds(600);
    let again = case.plan().lane.unwrap();
    assert_eq!(kinds(&again), ["set_policy", "stop", "remove"]);
    case.seen.attempts.succeed(&again);
    assert!(case.seen.attempts.failed.is_empty());
}
