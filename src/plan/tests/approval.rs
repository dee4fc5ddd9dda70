//! What waits for a window, an approval, or for others; and what an approval is worth.

use super::*;
use crate::model::DbName;
use crate::model::view::{DatabaseView, Phase};
use crate::plan::approval::{self, named, void, waiting};
use crate::plan::blast::{Leave, Looked, Pass, radius};
use crate::plan::render::sample::{self, hold, lane, ready};

const FULL: Leave = Leave::Full {
    begun: 5,
    radius: 5,
    databases: 50,
};

/// A change, with a name for messages.
type Change = (&'static str, fn(&mut Case));

const SEEN: Looked = Looked {
    known: true,
    answers: true,
};
const UNSEEN: Looked = Looked {
    known: false,
    answers: false,
};

/// A change that needs a restart.
fn restart() -> Case {
    let mut case = Case::ready();
    case.db.settings.remove("shared_buffers");
    case
}

/// One that needs another image's container.
fn other_image() -> Case {
    let mut case = Case::ready();
    case.db.image.pinned = Some(image_id("17.6"));
    case.seen.image = Seen::Present(image("17.6"));
    case.db.maintenance_window = Window::Any;
    case
}

fn hash_of(case: &Case, reason: Reason) -> String {
    approval::hash(case.db.uid, &case.held(reason).would.unwrap())
}

#[test]
fn outside_its_window_a_change_waits_and_says_what_lets_it_go() {
    let mut case = restart();
    let held = case.held(Reason::OutsideWindow);
    let hash = hash_of(&case, Reason::OutsideWindow);
    let command = format!("db4sci approve {hash} genomics");
    assert!(held.message.contains(&command), "{}", held.message);
    case.approved = Some(hash.clone());
    let lane = case.plan().lane.unwrap();
    assert_eq!(kinds(&lane), RESTART);
    assert_eq!((lane.approval, lane.counts), (Some(hash), true));
    // Whatever else would hold it.
    case.leave = FULL;
    assert_eq!(case.steps(), RESTART);
}

#[test]
fn an_approval_is_for_exactly_the_steps_that_were_shown() {
    let changes: [Change; 5] = [
        ("another generation", |c| c.db.generation += 1),
        ("another reason more", |c| {
            c.db.settings.remove("max_connections");
        }),
        ("another container", |c| {
            c.container().id = ContainerId("another".to_owned());
        }),
        ("another cost", |c| {
            c.db.image.pinned = Some(image_id("17.6"));
            c.seen.image = Seen::Present(image("17.6"));
        }),
        ("another database", |c| {
            c.db.uid = uid(2);
            c.container()
                .labels
                .insert(LABEL_UID.to_owned(), uid(2).to_string());
            c.data().marker.as_mut().unwrap().uid = uid(2);
            c.data().inner_uid = Some(uid(2));
        }),
    ];
    for (name, change) in changes {
        let mut case = restart();
        case.approved = Some(hash_of(&case, Reason::OutsideWindow));
        change(&mut case);
        assert!(case.reasons().contains(&Reason::OutsideWindow), "{name}");
        assert_eq!(case.steps(), [""; 0], "{name}");
    }
    // Neither time nor connections are among them.
    let mut case = restart();
    case.approved = Some(hash_of(&case, Reason::OutsideWindow));
    case.now += seconds(3600);
    case.seen.probe = Probe::Answering {
        since: noon(),
        version: "17.5".to_owned(),
        account: true,
        further: Default::default(),
        resorted: Default::default(),
        connections: Some(99),
    };
    assert_eq!(case.steps(), RESTART);
}

#[test]
fn beyond_the_radius_a_change_waits_inside_its_window_too() {
    let mut case = restart();
    case.db.maintenance_window = Window::Any;
    assert_eq!(case.steps(), RESTART);
    assert!(case.plan().lane.unwrap().counts);
    case.leave = FULL;
    case.is_left_alone_for(Reason::NeedsApproval);
    let message = case.held(Reason::NeedsApproval).message;
    assert!(message.contains("5 of 50") && message.contains("db4sci approve"));
    assert_eq!(case.phase(), (Phase::Ready, Some(Reason::NeedsApproval)));
    case.approved = Some(hash_of(&case, Reason::NeedsApproval));
    assert_eq!(case.steps(), RESTART);
}

#[test]
fn a_stop_by_the_spec_asks_for_no_window_and_for_the_radius() {
    let mut case = Case::ready();
    case.db.state = WantedState::Stopped;
    assert_eq!(case.steps(), ["set_policy", "stop"]);
    case.leave = FULL;
    case.is_left_alone_for(Reason::NeedsApproval);
    assert_eq!(case.phase(), (Phase::Ready, Some(Reason::NeedsApproval)));
    case.approved = Some(hash_of(&case, Reason::NeedsApproval));
    assert_eq!(case.steps(), ["set_policy", "stop"]);
}

#[test]
fn what_a_person_says_of_one_database_needs_no_approval_and_counts() {
    let asked = |change: fn(&mut Case)| {
        let mut case = Case::ready();
        case.leave = FULL;
        change(&mut case);
        let lane = case.plan().lane.unwrap();
        assert!(lane.counts && lane.approval.is_none(), "{lane:?}");
    };
    asked(|c| c.restart_asked = Some(noon() - seconds(1)));
    asked(|c| c.overridden(OverrideState::Stopped, None));
    asked(|c| {
        c.db.state = WantedState::Retired;
        c.retired = true;
    });
}

#[test]
fn of_many_retirements_at_once_those_beyond_the_radius_do_not_begin() {
    let mut case = Case::ready();
    case.db.state = WantedState::Retired;
    assert_eq!(case.reasons(), [Reason::RetireNeedsBackup]);
    let beginning = case.plan();
    case.leave = FULL;
    let both = [Reason::RetireNeedsBackup, Reason::NeedsApproval];
    assert_eq!(case.reasons(), both);
    let hash = hash_of(&case, Reason::NeedsApproval);
    case.approved = Some(hash.clone());
    assert_eq!(case.reasons(), [Reason::RetireNeedsBackup]);
    let verdict = case.plan();
    assert!(void_is_not(&case, &hash, &verdict));
    // Its end uses that up; without one it goes all the same, with its backup proven.
    case.retired = true;
    let stop = case.plan().lane.unwrap();
    assert_eq!((stop.approval, stop.counts), (Some(hash), true));
    case.approved = None;
    assert_eq!(case.steps(), ["set_policy", "stop"]);
    // Each takes its place at its beginning, and once.
    let mut pass = Pass::default();
    let names: Vec<DbName> = (0..5).map(|n| name(&format!("a{n}"))).collect();
    for name in &names {
        pass.note(name, &beginning, SEEN, noon());
    }
    assert_ne!(pass.leave(&name("z"), 50, noon()), Leave::Free);
    assert_eq!(pass.leave(&names[0], 50, noon()), Leave::Free);
    let later = noon() + seconds(3600);
    for name in &names {
        pass.note(name, &beginning, SEEN, later);
    }
    assert_eq!(pass.leave(&name("z"), 50, later), Leave::Free);
    // What is down is taken from nobody.
    let mut pass = Pass::default();
    for name in &names {
        pass.note(name, &beginning, UNSEEN, noon());
    }
    assert_eq!(pass.leave(&name("z"), 50, noon()), Leave::Free);
}

fn void_is_not(case: &Case, hash: &str, verdict: &Verdict) -> bool {
    !void(case.db.uid, hash, verdict, Phase::Ready)
}

#[test]
fn creation_start_and_repair_never_wait_and_never_count() {
    let mut hung = Case::ready();
    hung.seen.probe = silent(noon() - seconds(3600), true);
    let mut crashed = Case::exited(1);
    crashed.db.settings.remove("shared_buffers");
    let mut stopping = Case::ready();
    stopping.db.state = WantedState::Stopped;
    stopping.seen.probe = silent(noon() - seconds(3600), true);
    let account = {
        let mut case = Case::ready();
        case.initialised = false;
        case
    };
    for mut case in [
        Case::fresh(),
        Case::gone(),
        Case::exited(0),
        hung,
        crashed,
        stopping,
        account,
    ] {
        case.leave = FULL;
        let verdict = case.plan();
        let lane = verdict.lane.clone();
        let lane = lane.unwrap_or_else(|| panic!("nothing is done: {verdict:?}"));
        assert!(!lane.counts, "{lane:?}");
        assert!(!case.reasons().contains(&Reason::NeedsApproval));
    }
}

#[test]
fn another_image_over_data_that_no_new_backup_holds_waits_for_a_person() {
    let mut case = other_image();
    assert_eq!(case.steps(), RECREATE);
    case.saved = Some(noon() - seconds(26 * 3600));
    assert_eq!(case.steps(), RECREATE, "within its rpo");
    for (saved, says) in [
        (
            Some(noon() - seconds(26 * 3600 + 1)),
            "2026-11-22 09:59 UTC",
        ),
        (None, "there is no backup"),
    ] {
        case.saved = saved;
        case.is_left_alone_for(Reason::NeedsApproval);
        let held = case.held(Reason::NeedsApproval);
        assert!(held.message.contains(says), "{}", held.message);
        assert!(held.would.unwrap().risk.is_some());
    }
    let hash = hash_of(&case, Reason::NeedsApproval);
    case.approved = Some(hash);
    assert_eq!(case.steps(), RECREATE);
    // Neither a crash nor a restart that was asked for brings it along.
    for change in [
        |c: &mut Case| c.down(Status::Exited, 1),
        |c: &mut Case| c.restart_asked = Some(noon() - seconds(1)),
    ] {
        let mut other = case.clone();
        other.approved = None;
        change(&mut other);
        other.seen.image = Seen::Present(image("17.6"));
        let steps = other.steps();
        assert!(
            steps.contains(&"start") && !steps.contains(&"remove"),
            "{steps:?}"
        );
        other.saved = Some(noon());
        assert!(other.steps().contains(&"remove"), "{:?}", other.plan());
    }
    // Unless the container that it has cannot be started: its port was given to another database since.
    let mut stuck = case.clone();
    stuck.approved = None;
    stuck.down(Status::Exited, 128);
    stuck.seen.image = Seen::Present(image("17.6"));
    stuck.db.port = 32099.try_into().unwrap();
    stuck.seen.left_port = Some((32011, "container assays".to_owned()));
    // The engine does not try, either.
    assert_eq!(stuck.steps(), ["set_policy", "stop"]);
    let said = stuck.held(Reason::NeedsApproval).message;
    assert!(said.contains("32011 belongs to container assays"), "{said}");
    stuck.approved = Some(hash_of(&stuck, Reason::NeedsApproval));
    assert_eq!(stuck.steps(), ["remove"]);
    let mut crashed = case.clone();
    crashed.down(Status::Exited, 1);
    crashed.seen.image = Seen::Present(image("17.6"));
    assert_eq!(crashed.steps(), ["remove"], "it was approved");
    // The same data under the same image is at no risk.
    let mut port = Case::ready();
    port.db.maintenance_window = Window::Any;
    port.db.port = 32099.try_into().unwrap();
    port.saved = None;
    assert_eq!(port.steps(), RECREATE);
}

#[test]
fn an_approval_of_what_is_not_wanted_any_more_is_void() {
    let case = restart();
    let hash = hash_of(&case, Reason::OutsideWindow);
    let void = |case: &Case| void(case.db.uid, &hash, &case.plan(), case.phase().0);
    assert!(!void(&case));
    let mut approved = case.clone();
    approved.approved = Some(hash.clone());
    assert!(!void(&approved), "it is about to begin");
    assert!(void(&Case::ready()), "it is done, or wanted no more");
    let mut other = case.clone();
    other.db.generation += 1;
    assert!(void(&other));
    // What costs nobody anything goes first.
    let mut first = case.clone();
    first.db.resources.memory = Memory::mebibytes(4096);
    first.approved = Some(hash.clone());
    assert_eq!(first.steps(), ["update"]);
    assert!(!void(&first));
    // On ignorance, and while it is down, nothing is said.
    let mut unknown = case.clone();
    unknown.seen.containers = Seen::Unknown("no answer".to_owned());
    let mut down = case.clone();
    down.down(Status::Exited, 1);
    assert!(!void(&unknown) && !void(&down));
}

fn name(text: &str) -> DbName {
    text.parse().unwrap()
}

/// Disruptions of databases `a0`, `a1`, …, each so many seconds after noon.
fn pass(after: &[i64], held: &[&str]) -> Pass {
    let names: Vec<DbName> = (0..after.len()).map(|n| name(&format!("a{n}"))).collect();
    let held: Vec<DbName> = held.iter().map(|text| name(text)).collect();
    let begun = names
        .iter()
        .zip(after)
        .map(|(name, after)| (name, Some(noon() + seconds(*after)), false));
    let last = noon() + seconds(after.iter().copied().max().unwrap_or(0));
    Pass::of(
        begun.chain(held.iter().map(|name| (name, None, true))),
        last,
    )
}

#[test]
fn the_radius_is_five_or_a_tenth() {
    let all = [0, 5, 49, 50, 59, 60, 200].map(radius);
    assert_eq!(all, [5, 5, 5, 5, 5, 6, 20]);
}

#[test]
fn a_pass_is_what_follows_on_each_other_and_lasts_while_it_holds_something() {
    let minutes = |n: i64| n * 60;
    let five = [0, 1, 2, 3, 4];
    let chain = [0, minutes(9), minutes(18), minutes(27), minutes(36)];
    let broken = [0, minutes(10), minutes(19), minutes(28), minutes(37)];
    for (what, after, held, at, full) in [
        ("one is free", &five[..4], &[][..], 5, false),
        ("five are too many", &five, &[], 5, true),
        (
            "after ten quiet minutes",
            &five,
            &[],
            minutes(10) + 4,
            false,
        ),
        ("shortly before", &five, &[], minutes(10) + 3, true),
        ("one follows on the other", &chain, &[], minutes(40), true),
        ("with a pause", &broken, &[], minutes(40), false),
        ("something is held", &five, &["b"], minutes(600), true),
        (
            "held, and few begun",
            &five[..4],
            &["b"],
            minutes(600),
            false,
        ),
        ("a clock that was set back", &five, &[], -minutes(600), true),
    ] {
        let leave = pass(after, held).leave(&name("z"), 50, noon() + seconds(at));
        assert_eq!(leave != Leave::Free, full, "{what}");
    }
    // What was disrupted in it already is no further one.
    let now = noon() + seconds(5);
    assert_eq!(pass(&five, &[]).leave(&name("a3"), 50, now), Leave::Free);
    assert_eq!(pass(&five, &[]).leave(&name("z"), 60, now), Leave::Free);
}

#[test]
fn a_pass_takes_notice_of_what_begins_is_held_and_is_wanted_no_more() {
    let mut pass = Pass::default();
    let now = noon();
    let mut going = restart();
    going.db.maintenance_window = Window::Any;
    let going = going.plan();
    for n in 0..5 {
        let name = name(&format!("a{n}"));
        assert_eq!(pass.leave(&name, 50, now), Leave::Free);
        pass.note(&name, &going, SEEN, now);
    }
    let (b, c) = (name("b"), name("c"));
    assert_ne!(pass.leave(&b, 50, now), Leave::Free);
    let mut held = restart();
    held.db.maintenance_window = Window::Any;
    held.leave = FULL;
    pass.note(&b, &held.plan(), SEEN, now);
    let later = now + seconds(3600);
    assert_ne!(pass.leave(&c, 50, later), Leave::Free, "it goes on");
    // Its window closed; it waits all the same. And on ignorance nothing is forgotten.
    pass.note(&b, &restart().plan(), SEEN, later);
    pass.note(&b, &Verdict::default(), UNSEEN, later);
    assert_ne!(pass.leave(&c, 50, later), Leave::Free);
    // It is wanted no more.
    pass.note(&b, &Verdict::default(), SEEN, later);
    assert_eq!(pass.leave(&c, 50, later), Leave::Free);
    // What waits for another reason belongs to no pass.
    let mut risky = other_image();
    risky.saved = None;
    pass.note(&b, &risky.plan(), SEEN, later);
    assert_eq!(pass.leave(&c, 50, later), Leave::Free);
}

/// Two databases that wait, one that does not.
fn shown() -> Vec<DatabaseView> {
    let waits = |text: &str, port| {
        let would = lane(text, Cost::Restart, &["shared_buffers 1GB"], vec![]);
        DatabaseView {
            held: vec![hold(Reason::OutsideWindow, "waits", None, Some(would))],
            ..ready(text, "Postgres", "17.5", port)
        }
    };
    vec![
        waits("genomics", 32011),
        ready("assays", "MongoDB", "7.0", 32012),
        waits("proteomics", 32013),
    ]
}

#[test]
fn a_hash_names_one_database_s_steps_or_all_that_wait() {
    let all = shown();
    let hashes: Vec<String> = waiting(&all).iter().map(|one| one.hash()).collect();
    let whole = approval::hash_of_all(&waiting(&all)).unwrap();
    assert!(hashes.len() == 2 && hashes[0] != hashes[1] && !hashes.contains(&whole));
    let names = |hash: &str, of: Option<&str>| {
        let of = of.map(sample::name);
        named(&all, hash, of.as_ref()).map(|found| {
            let names = found.iter().map(|one| one.view.name.to_string());
            names.collect::<Vec<_>>().join(" ")
        })
    };
    assert_eq!(names(&whole, None).unwrap(), "genomics proteomics");
    assert_eq!(names(&whole, Some("proteomics")).unwrap(), "proteomics");
    assert_eq!(names(&hashes[0], None).unwrap(), "genomics");
    assert_eq!(names(&hashes[0], Some("genomics")).unwrap(), "genomics");
    // One alone is its own plan.
    let alone = approval::hash_of_all(&waiting(&all[2..]));
    assert_eq!(alone.as_ref(), Some(&hashes[1]));
    for (hash, of, says) in [
        ("00000000", None, "names nothing that waits"),
        ("00000000", None, &*format!("genomics {}", hashes[0])),
        ("00000000", None, "look again: db4sci plan"),
        ("00000000", Some("genomics"), "names no steps of `genomics`"),
        ("00000000", Some("genomics"), &hashes[0]),
        (
            &whole,
            Some("assays"),
            "names steps of `genomics`, not of `assays`",
        ),
        ("00000000", Some("assays"), "nothing of `assays` waits"),
        (&hashes[0], Some("proteomics"), "not of `proteomics`"),
    ] {
        let why = names(hash, of).unwrap_err();
        assert!(why.contains(says), "{hash} {of:?}: {why}");
        assert!(why.contains("nothing was changed"), "{why}");
    }
    let none = named(&all[1..2], "00000000", None).unwrap_err();
    assert!(none.contains("nothing waits for approval now"), "{none}");
}

/// Its spec wants it stopped, and too many others were already.
fn one_too_many() -> Case {
    let mut case = Case::ready();
    case.db.state = WantedState::Stopped;
    case.leave = FULL;
    case
}

#[test]
fn what_was_not_asked_yet_is_taken_from_nobody_by_a_daemon_that_has_just_started() {
    let mut case = one_too_many();
    case.seen.probe = Probe::NotAsked;
    case.is_left_alone_for(Reason::Starting);
    assert_eq!(case.plan().wake_at, Some(noon() + seconds(5)));
    // A person's own word about it waits for nothing.
    case.overridden(OverrideState::Stopped, None);
    assert_eq!(case.steps(), ["set_policy", "stop"]);
    // And neither does what no server can be asked of.
    let mut case = one_too_many();
    case.seen.probe = Probe::NotAsked;
    case.container().status = Status::Restarting;
    assert_eq!(case.steps(), ["set_policy", "stop"]);
}

#[test]
fn one_missed_answer_makes_nobody_s_server_anybody_s() {
    for (probe, waits) in [
        (silent(noon() - seconds(29), true), true),
        (silent(noon() - seconds(30), true), false),
        (silent(noon() - seconds(1), false), false),
    ] {
        let mut case = one_too_many();
        case.seen.probe = probe;
        if waits {
            case.is_left_alone_for(Reason::NeedsApproval);
        } else {
            assert_eq!(case.steps(), ["set_policy", "stop"]);
        }
    }
    // It lets its users in, whatever it thinks of db4sci.
    let mut case = one_too_many();
    case.seen.probe = silent(noon() - seconds(3000), true);
    if let Probe::Silent { cause, .. } = &mut case.seen.probe {
        *cause = Silence::Refused;
    }
    case.is_left_alone_for(Reason::NeedsApproval);
}

#[test]
fn a_leave_that_was_given_while_nothing_was_at_risk_is_none_once_something_is() {
    let mut case = other_image();
    case.db.maintenance_window = Case::ready().db.maintenance_window;
    let hash = hash_of(&case, Reason::OutsideWindow);
    case.approved = Some(hash);
    assert_eq!(case.steps(), RECREATE);
    case.saved = Some(noon() - seconds(27 * 3600));
    case.is_left_alone_for(Reason::OutsideWindow);
    case.approved = Some(hash_of(&case, Reason::OutsideWindow));
    assert_eq!(case.steps(), RECREATE);
}
