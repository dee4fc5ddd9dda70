//! What waits says until when, and that is an instant to come.

use super::*;
use crate::model::guard;

fn with(mut case: Case, change: impl FnOnce(&mut Case)) -> Case {
    change(&mut case);
    case
}

#[test]
fn what_waits_is_asked_again_in_a_few_seconds_or_half_a_minute() {
    let silent_for = |cause: Silence| {
        with(Case::ready(), |case| {
            case.seen.probe = Probe::Silent {
                since: noon() - seconds(100),
                failures: 1,
                why: "so".to_owned(),
                cause,
                answered_before: true,
            };
        })
    };
    let lost = |case: &mut Case| case.seen.data = Seen::Absent;
    let foreign = |case: &mut Case| {
        let mut other = container(&case.db, "f00d");
        other
            .labels
            .insert(LABEL_UID.to_owned(), uid(9).to_string());
        case.seen.containers = Seen::Present(vec![other]);
    };
    let mut removing = Case::ready();
    removing.container().status = Status::Removing;
    let mut restarting = Case::exited(1);
    restarting.container().status = Status::Restarting;
    let cases = [
        (removing, Reason::Backoff, 5),
        (restarting.clone(), Reason::CrashLoop, 2),
        (with(restarting, lost), Reason::DataLost, 30),
        (with(Case::exited(1), lost), Reason::DataLost, 30),
        (with(Case::gone(), lost), Reason::DataLost, 30),
        (with(Case::ready(), lost), Reason::DataLost, 30),
        (Case::exited(guard::BUSY), Reason::DataBusy, 29),
        (with(Case::ready(), foreign), Reason::NameConflict, 30),
        (
            with(Case::ready(), |case| case.seen.ledger_writable = false),
            Reason::LedgerUnavailable,
            30,
        ),
        (
            with(Case::ready(), |case| {
                case.seen.containers = Seen::Unknown("no".to_owned());
            }),
            Reason::DockerUnavailable,
            5,
        ),
        (
            with(Case::gone(), |case| {
                case.seen.image = Seen::Unknown("no".to_owned());
            }),
            Reason::DockerUnavailable,
            5,
        ),
        (silent_for(Silence::Damaged), Reason::NotAnswering, 30),
        (silent_for(Silence::Refused), Reason::LoginRefused, 30),
        // Asked too seldom to call it hanging.
        (silent_for(Silence::Unexplained), Reason::NotAnswering, 5),
        (
            with(Case::ready(), |case| case.seen.probe = Probe::NotAsked),
            Reason::Starting,
            5,
        ),
    ];
    for (case, reason, after) in cases {
        let held = case.held(reason);
        assert_eq!(held.until, Some(noon() + seconds(after)), "{held:?}");
    }
}

#[test]
fn a_replacement_that_is_blocked_is_asked_for_again() {
    let mut changed = Case::ready();
    changed.db.maintenance_window = Window::Any;
    changed.db.image.reference = "postgres:17.6".parse().unwrap();
    changed.db.image.pinned = None;
    changed.seen.image = Seen::Present(image("17.6"));
    for (reason, after) in [
        (Reason::DockerUnavailable, 5),
        (Reason::PortInUse, 30),
        (Reason::NameConflict, 30),
    ] {
        let mut case = changed.clone();
        match reason {
            Reason::DockerUnavailable => {
                case.db.image.pinned = Some(image_id("17.6"));
                case.seen.image = Seen::Unknown("no".to_owned());
            }
            Reason::PortInUse => case.seen.port_owner = Some((32099, "nginx".to_owned())),
            _ => {
                case.container().name = "former".to_owned();
                let mut other = container(&case.db, "f00d");
                other
                    .labels
                    .insert(LABEL_UID.to_owned(), uid(9).to_string());
                case.add(other);
            }
        }
        let verdict = case.plan();
        let held: Vec<_> = verdict.held.iter().filter(|h| h.reason == reason).collect();
        assert!(!held.is_empty(), "{verdict:?}");
        for held in held {
            assert_eq!(held.until, Some(noon() + seconds(after)), "{held:?}");
        }
    }
}

#[test]
fn a_kill_for_its_memory_is_told_for_five_minutes() {
    for (ago, told) in [(299, true), (300, false)] {
        let mut case = Case::exited(137);
        case.seen.attempts.oom_at = Some(noon() - seconds(ago));
        assert_eq!(case.reasons().contains(&Reason::OOMKilled), told, "{ago}");
    }
}

#[test]
fn dockerds_hand_is_taken_only_where_it_still_holds() {
    let mut case = Case::exited(1);
    case.seen.data = Seen::Absent;
    assert_eq!(case.steps(), ["set_policy", "stop"]);
    case.container().restart = RestartPolicy::No;
    assert_eq!(case.steps(), [""; 0]);
    // About to be started, whatever its policy says.
    case.container().status = Status::Restarting;
    assert_eq!(case.steps(), ["set_policy", "stop"]);
}
