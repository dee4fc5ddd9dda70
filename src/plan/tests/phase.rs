//! Phases and conditions.

use super::*;
use crate::model::view::{Condition, ConditionStatus, Phase};
use crate::plan::phase::{acting, agrees, conditions, phase};
use crate::plan::render::sample;

fn conditions_of(case: &Case, before: &[Condition]) -> Vec<Condition> {
    let verdict = case.plan();
    let wanted = case.wanted();
    let told = phase(&wanted, &case.seen, &verdict, case.now);
    conditions(&wanted, &case.seen, &verdict, &told, before, case.now)
}

fn condition(case: &Case, kind: &str) -> (ConditionStatus, String) {
    let all = conditions_of(case, &[]);
    let found = all.into_iter().find(|c| c.kind == kind).unwrap();
    (found.status, found.reason)
}

#[track_caller]
fn is(case: &Case, phase: Phase, reason: Option<Reason>) {
    assert_eq!(case.phase(), (phase, reason), "{:?}", case.plan());
}

#[test]
fn each_situation_has_its_phase_and_its_foremost_reason() {
    is(&Case::ready(), Phase::Ready, None);
    is(&Case::fresh(), Phase::Pending, None);
    is(&Case::created(), Phase::Creating, None);
    is(&Case::gone(), Phase::Degraded, None);
    let mut case = Case::gone();
    case.seen.data = Seen::Absent;
    is(&case, Phase::Held, Some(Reason::DataLost));
    let mut case = Case::exited(1);
    case.quarantined = Some("so".to_owned());
    case.container().restart = RestartPolicy::No;
    is(&case, Phase::Held, Some(Reason::Quarantined));
    let mut case = Case::gone();
    case.seen.containers = Seen::Unknown("no answer".to_owned());
    is(&case, Phase::Degraded, Some(Reason::DockerUnavailable));
    let mut case = Case::ready();
    case.seen.probe = silent(noon(), true);
    is(&case, Phase::Degraded, Some(Reason::NotAnswering));
    let mut case = Case::ready();
    case.orphan = true;
    is(&case, Phase::Ready, Some(Reason::Orphan));
    let mut case = Case::ready();
    case.db.settings.remove("shared_buffers");
    is(&case, Phase::Ready, Some(Reason::OutsideWindow));
}

#[test]
fn an_unknown_container_is_not_called_stopped() {
    let mut case = Case::ready();
    case.db.state = WantedState::Stopped;
    case.seen.containers = Seen::Unknown("no answer".to_owned());
    is(&case, Phase::Degraded, Some(Reason::DockerUnavailable));
}

#[test]
fn a_server_that_answers_before_its_first_start_is_over_is_not_ready() {
    let mut case = Case::ready();
    case.initialised = false;
    is(&case, Phase::Creating, None);
    assert_eq!(condition(&case, "Ready").0, ConditionStatus::False);
}

#[test]
fn what_keeps_it_down_is_told_before_what_merely_waits() {
    let mut case = Case::gone();
    case.orphan = true;
    case.overridden(OverrideState::Running, None);
    case.seen.data = Seen::Absent;
    is(&case, Phase::Held, Some(Reason::DataLost));
}

#[test]
fn it_is_in_sync_only_when_nothing_is_left_undone() {
    let sync = |case: &Case| condition(case, "InSync");
    let no = |reason: &str| (ConditionStatus::False, reason.to_owned());
    assert_eq!(
        sync(&Case::ready()),
        (ConditionStatus::True, "AsWanted".to_owned())
    );
    assert_eq!(sync(&Case::gone()), no("Acting"));
    let mut waits = Case::ready();
    waits.db.settings.remove("shared_buffers");
    assert_eq!(sync(&waits), no("OutsideWindow"));
    let mut refused = Case::ready();
    refused.refused = Some(vec!["no".to_owned()]);
    assert_eq!(sync(&refused), no("InvalidSpec"));
    let mut lost = Case::gone();
    lost.seen.data = Seen::Absent;
    assert_eq!(sync(&lost), no("DataLost"));
    let mut failed = Case::ready();
    failed.db.resources.memory = Memory::mebibytes(4096);
    failed.failed(Class::Transient, "update", 1);
    assert_eq!(sync(&failed), no("Backoff"));
    let mut unknown = Case::ready();
    unknown.seen.containers = Seen::Unknown("no answer".to_owned());
    assert_eq!(
        sync(&unknown),
        (ConditionStatus::Unknown, "DockerUnavailable".to_owned())
    );
}

#[test]
fn a_generation_is_in_force_once_nothing_is_left_undone() {
    let in_force = |case: &Case| agrees(&case.plan(), case.phase().0);
    assert!(in_force(&Case::ready()));
    let mut alarmed = Case::ready();
    alarmed.data().sentinel = false;
    assert!(in_force(&alarmed));
    let mut failed = Case::ready();
    failed.db.resources.memory = Memory::mebibytes(4096);
    assert!(!in_force(&failed));
    failed.failed(Class::Permanent, "update", 1);
    assert!(!in_force(&failed));
    let mut blocked = Case::ready();
    blocked.db.port = 32099.try_into().unwrap();
    blocked.seen.port_owner = Some((32099, "nginx".to_owned()));
    assert!(!in_force(&blocked));
    assert!(!in_force(&Case::exited(0)));
}

#[test]
fn data_is_safe_unknown_or_not() {
    let safe = |case: &Case| condition(case, "DataSafe");
    assert_eq!(safe(&Case::ready()).0, ConditionStatus::True);
    assert_eq!(
        safe(&Case::fresh()),
        (ConditionStatus::True, "NoDataYet".to_owned())
    );
    let mut lost = Case::ready();
    lost.data().sentinel = false;
    assert_eq!(safe(&lost), (ConditionStatus::False, "DataLost".to_owned()));
    lost.seen.data = Seen::Unknown("not mounted".to_owned());
    assert_eq!(
        safe(&lost),
        (ConditionStatus::Unknown, "DataUnmounted".to_owned())
    );
}

#[test]
fn text_that_is_sorted_otherwise_is_told_and_nothing_is_done() {
    let mut case = Case::ready();
    let kinds = |case: &Case| conditions_of(case, &[]).len();
    let (still, all) = (case.plan(), kinds(&case));
    if let Probe::Answering { resorted, .. } = &mut case.seen.probe {
        resorted.insert("genes".to_owned());
    }
    assert_eq!(kinds(&case), all + 1);
    let told = condition(&case, "CollationsCurrent");
    assert_eq!(told.0, ConditionStatus::False);
    let conditions = conditions_of(&case, &[]);
    let message = &conditions.last().unwrap().message;
    for word in ["`genes`", "REINDEX DATABASE", "REFRESH COLLATION VERSION"] {
        assert!(message.contains(word), "{message}");
    }
    assert_eq!(case.plan(), still);
}

#[test]
fn a_tag_that_moved_is_told_and_nothing_is_done() {
    let mut case = Case::ready();
    let current = |case: &Case| condition(case, "ImageCurrent");
    let pinned = case.db.image.pinned.clone().unwrap();
    case.seen.tag = Seen::Present(pinned.clone());
    assert_eq!(
        current(&case),
        (ConditionStatus::True, "AsPinned".to_owned())
    );
    let still = case.plan();
    case.seen.tag = Seen::Present(ImageId("sha256:newer".to_owned()));
    assert_eq!(
        current(&case),
        (ConditionStatus::False, "TagMoved".to_owned())
    );
    let all = conditions_of(&case, &[]);
    let told = all.iter().find(|c| c.kind == "ImageCurrent").unwrap();
    for word in ["sha256:newer", pinned.as_str(), "spec.image"] {
        assert!(told.message.contains(word), "{}", told.message);
    }
    assert_eq!(case.plan(), still);
    case.seen.tag = Seen::Absent;
    assert_eq!(current(&case).0, ConditionStatus::Unknown);
    case.db.image.pinned = None;
    assert_eq!(
        current(&case),
        (ConditionStatus::Unknown, "NotPinned".to_owned())
    );
}

#[test]
fn a_condition_keeps_its_instant_until_its_status_changes() {
    let mut case = Case::ready();
    let before = conditions_of(&case, &[]);
    case.now += seconds(60);
    let same = conditions_of(&case, &before);
    assert_eq!(same, before);
    case.down(Status::Exited, 0);
    let changed = conditions_of(&case, &before);
    for (old, new) in before.iter().zip(&changed) {
        let expected = if old.status == new.status {
            noon()
        } else {
            case.now
        };
        assert_eq!(new.last_transition_time, expected, "{}", new.kind);
    }
}

#[test]
fn what_is_on_its_way_down_is_not_shown_as_ready() {
    let before = sample::ready("genomics", "Postgres", "17.5", 32011);
    let why = ["asked by jane"];
    let lane = sample::lane("genomics", Cost::Restart, &why, vec![]);
    let view = acting(&before, &lane, noon());
    assert_eq!((view.phase, view.ready), (Phase::Degraded, false));
    assert_eq!(view.message, why[0]);
    assert_eq!(view.connections, None);
    let ready = view.conditions.iter().find(|c| c.kind == "Ready").unwrap();
    assert_eq!(ready.status, ConditionStatus::False);
    assert_eq!(ready.last_transition_time, noon());
    // Other conditions stay as they were.
    let others = |view: &crate::model::view::DatabaseView| {
        let mut all = view.conditions.clone();
        all.retain(|c| c.kind != "Ready");
        all
    };
    let mut more = before.clone();
    more.conditions.push(Condition {
        kind: "SpecAdmitted".to_owned(),
        ..before.conditions[0].clone()
    });
    assert_eq!(others(&acting(&more, &lane, noon())), others(&more));
    // What was not ready keeps its phase and its reason.
    let mut held = before;
    held.phase = Phase::Held;
    held.reason = Some(Reason::DataLost);
    let view = acting(&held, &lane, noon());
    assert_eq!((view.phase, view.reason), (held.phase, held.reason));
    assert!(!view.ready);
}
