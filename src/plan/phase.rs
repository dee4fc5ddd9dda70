//! What a database is, in one word, with the reason. Derived; nothing is decided by it.

use crate::model::view::{Condition, ConditionStatus, DatabaseView, Phase};
use crate::model::{
    End, Lane, Probe, Reason, Seen, SeenDatabase, Status, Timestamp, Verdict, WantedState,
};

use super::lifecycle::up;
use super::{Hands, Wanted};

/// A phase, and the reason and message that go with it.
pub type Told = (Phase, Option<Reason>, String);

/// The phase of a database.
pub fn phase(wanted: &Wanted<'_>, seen: &SeenDatabase, verdict: &Verdict, now: Timestamp) -> Told {
    let uid = wanted.db.uid;
    let container = seen.containers.present().and_then(|all| {
        all.iter()
            .filter(|c| c.uid() == Some(uid))
            .max_by_key(|c| up(c.status))
    });
    let first = verdict.held.iter().max_by_key(|h| weight(h.reason));
    let told = |fallback: &str| match first {
        Some(held) => (Some(held.reason), held.message.clone()),
        None => (
            None,
            verdict
                .lane
                .as_ref()
                .map_or(fallback.to_owned(), |l| l.why.join(", ")),
        ),
    };
    let with = |phase: Phase, (reason, message)| (phase, reason, message);
    let running = container.is_some_and(|c| c.status == Status::Running);
    if let Some(End::Ejected(at)) = wanted.end {
        return (Phase::Ejected, None, ejected(at));
    }
    match wanted.hands {
        Some(Hands::Eject) => {
            let message = "it is being released from db4sci, and down meanwhile".to_owned();
            return (Phase::Degraded, None, message);
        }
        Some(Hands::Restore(from)) => {
            return (Phase::Restoring, None, format!("{from} is being restored"));
        }
        Some(Hands::Rename(to)) => {
            let message = format!("it is being renamed to `{to}`, and down meanwhile");
            return (Phase::Degraded, None, message);
        }
        Some(Hands::Dump) => {
            let why = if running {
                "a work on its backups has its hands on it; nothing else is done meanwhile"
            } else {
                "it is down for a work on its data, and is started again after that"
            };
            return (Phase::Degraded, None, why.to_owned());
        }
        None => {}
    }
    match wanted.state(now) {
        WantedState::Maintenance => return with(Phase::Maintenance, told("hands off")),
        WantedState::Stopped => {
            let unknown = matches!(seen.containers, Seen::Unknown(_));
            let down = !unknown && !container.is_some_and(|c| up(c.status));
            let waits = verdict.lane.is_none() && verdict.held.iter().any(|h| h.would.is_some());
            return if waits && running && seen.probe.answering() && wanted.initialised {
                // Its stop waits for a person; meanwhile it answers.
                with(Phase::Ready, told(""))
            } else if !down {
                with(Phase::Degraded, told("it is being stopped"))
            } else if wanted.retired {
                (Phase::Retired, None, retired(wanted.end))
            } else {
                with(Phase::Stopped, told("stopped as wanted"))
            };
        }
        WantedState::Running | WantedState::Retired => {}
    }
    // What came back with a backup may still let in who should not be, or keep out who should.
    let settled = !wanted.accounts.values().any(|account| account.returned);
    if running && seen.probe.answering() && wanted.initialised && settled {
        return with(Phase::Ready, told(""));
    }
    if first.is_some_and(|h| stands_still(h.reason)) && verdict.lane.is_none() && !running {
        return with(Phase::Held, told(""));
    }
    if !wanted.initialised {
        let phase = if container.is_some() {
            Phase::Creating
        } else {
            Phase::Pending
        };
        return with(phase, told("its first start is under way"));
    }
    with(Phase::Degraded, told("it is being brought back"))
}

/// What is there still of a retired database.
fn retired(end: Option<End>) -> String {
    match end {
        None => "it is retired and its data kept; `db4sci undelete` brings it back".to_owned(),
        Some(End::Removing) => "it is retired, and its data is being removed".to_owned(),
        Some(End::Removed(at)) => format!(
            "it is retired, and its data was removed at {}; its final backup is kept",
            at.format("%F %T UTC")
        ),
        Some(End::Ejected(at)) => ejected(at),
    }
}

/// What is known of a database that was released.
fn ejected(at: Timestamp) -> String {
    format!(
        "it was released from db4sci at {}, with its data; db4sci touches nothing of it, and its backups \
         stay in the stores",
        at.format("%F %T UTC")
    )
}

/// Whether a reason means: down, and nothing is tried until somebody or something changes.
fn stands_still(reason: Reason) -> bool {
    match reason {
        Reason::DataLost
        | Reason::DataForeign
        | Reason::DataUnmounted
        | Reason::DataBusy
        | Reason::Quarantined
        | Reason::PortInUse
        | Reason::NameConflict
        | Reason::AnonymousVolume
        | Reason::NeedsSpecChange
        | Reason::LedgerUnavailable => true,
        Reason::HalfMade
        | Reason::DiskFull
        | Reason::DiskPressure
        | Reason::Duplicate
        | Reason::ImagePullFailed
        | Reason::InvalidSpec
        | Reason::Orphan
        | Reason::Renamed
        | Reason::Backoff
        | Reason::OutsideWindow
        | Reason::NeedsApproval
        | Reason::Overridden
        | Reason::Maintenance
        | Reason::Starting
        | Reason::NotAnswering
        | Reason::LoginRefused
        | Reason::OOMKilled
        | Reason::CrashLoop
        | Reason::DockerUnavailable
        | Reason::Unknown
        | Reason::RetireNeedsBackup
        | Reason::Stopped
        | Reason::ReadOnly
        | Reason::Hibernated => false,
    }
}

/// Which of several reasons is told first: what keeps it down, then what needs a person, then what
/// merely waits.
fn weight(reason: Reason) -> u8 {
    if stands_still(reason) {
        5
    } else if reason == Reason::DockerUnavailable {
        4
    } else if reason.needs_person() {
        3
    } else if reason == Reason::Maintenance {
        1
    } else if matches!(reason, Reason::Stopped | Reason::Hibernated) {
        0
    } else {
        2
    }
}

/// Whether what runs agrees with the spec, as far as is known: nothing is being done, nothing waits
/// to be done, and no attempt at it has failed.
pub fn agrees(verdict: &Verdict, phase: Phase) -> bool {
    let at_rest = match phase {
        Phase::Ready | Phase::Stopped | Phase::Maintenance | Phase::Retired | Phase::Ejected => {
            true
        }
        Phase::Pending | Phase::Creating | Phase::Degraded | Phase::Restoring | Phase::Held => {
            false
        }
    };
    let undone = verdict
        .held
        .iter()
        .any(|h| h.would.is_some() || undone(h.reason));
    at_rest && verdict.lane.is_none() && !undone
}

/// Whether a reason means, by itself, that something is not (or may not be) as the spec wants it.
fn undone(reason: Reason) -> bool {
    match reason {
        Reason::DiskFull
        | Reason::PortInUse
        | Reason::NameConflict
        | Reason::ImagePullFailed
        | Reason::AnonymousVolume
        | Reason::Backoff
        | Reason::NeedsSpecChange
        | Reason::OutsideWindow
        | Reason::NeedsApproval
        | Reason::DockerUnavailable
        | Reason::Unknown
        | Reason::LedgerUnavailable
        | Reason::RetireNeedsBackup => true,
        Reason::DataLost
        | Reason::DataForeign
        | Reason::DataUnmounted
        | Reason::DataBusy
        | Reason::HalfMade
        | Reason::Quarantined
        | Reason::DiskPressure
        | Reason::Duplicate
        | Reason::InvalidSpec
        | Reason::Orphan
        | Reason::Renamed
        | Reason::Overridden
        | Reason::Maintenance
        | Reason::Starting
        | Reason::NotAnswering
        | Reason::LoginRefused
        | Reason::OOMKilled
        | Reason::CrashLoop
        | Reason::Stopped
        | Reason::ReadOnly
        | Reason::Hibernated => false,
    }
}

/// The view while a lane that its users notice is carried out: what was seen before is over.
pub fn acting(before: &DatabaseView, lane: &Lane, now: Timestamp) -> DatabaseView {
    let mut view = before.clone();
    if view.phase == Phase::Ready {
        view.phase = Phase::Degraded;
        view.reason = None;
        view.message = lane.why.join(", ");
    }
    view.ready = false;
    view.connections = None;
    for condition in &mut view.conditions {
        if condition.kind == "Ready" && condition.status != ConditionStatus::False {
            condition.status = ConditionStatus::False;
            condition.reason = "Acting".to_owned();
            condition.message = lane.why.join(", ");
            condition.last_transition_time = now;
        }
    }
    view
}

/// Whether its reference still names the image that it is pinned to. Told, never acted on.
fn image_current(wanted: &Wanted<'_>, seen: &SeenDatabase) -> (ConditionStatus, String, String) {
    let image = &wanted.db.image;
    let (status, reason, message) = match (&image.pinned, &seen.tag) {
        (None, _) => (
            ConditionStatus::Unknown,
            "NotPinned",
            "its image has not been seen yet".to_owned(),
        ),
        (Some(pinned), Seen::Present(now)) if now == pinned => (
            ConditionStatus::True,
            "AsPinned",
            format!("{} names the image that it is pinned to", image.reference),
        ),
        (Some(pinned), Seen::Present(now)) => (
            ConditionStatus::False,
            "TagMoved",
            format!(
                "{} names {now} by now, and it stays with {pinned}; to take the new image, give it \
                 a row and a tag of its own in the catalog and name that in spec.image",
                image.reference
            ),
        ),
        (Some(_), Seen::Absent) => (
            ConditionStatus::Unknown,
            "TagGone",
            format!("no image on this host is called {}", image.reference),
        ),
        (Some(_), Seen::Unknown(why)) => (ConditionStatus::Unknown, "Unknown", why.clone()),
    };
    (status, reason.to_owned(), message)
}

/// Whether its text is sorted as it was when it was written; nothing, unless it is known that it is not.
fn resorted(probe: &Probe) -> Option<(ConditionStatus, String, String)> {
    let Probe::Answering { resorted, .. } = probe else {
        return None;
    };
    let status = ConditionStatus::False;
    let names: Vec<String> = resorted.iter().map(|name| format!("`{name}`")).collect();
    let message = format!(
        "the image's library sorts text otherwise than the one with which these databases were made: {}; \
         their indexes on text may miss rows and let doubles in. In each of them: REINDEX DATABASE …; then \
         ALTER DATABASE … REFRESH COLLATION VERSION",
        names.join(", ")
    );
    (!names.is_empty()).then(|| (status, "SortsOtherwise".to_owned(), message))
}

/// The conditions of a database that is in this phase; `before` keeps the transition times of those that did
/// not change.
pub fn conditions(
    wanted: &Wanted<'_>,
    seen: &SeenDatabase,
    verdict: &Verdict,
    (phase, reason, message): &Told,
    before: &[Condition],
    now: Timestamp,
) -> Vec<Condition> {
    let (phase, reason) = (*phase, *reason);
    let word = |r: Option<Reason>| r.map_or("AsWanted".to_owned(), |r| r.as_str());
    let ready = match (&seen.probe, phase) {
        (Probe::Answering { .. }, Phase::Ready) => (
            ConditionStatus::True,
            "Answering".to_owned(),
            "a login and a query work".to_owned(),
        ),
        _ if matches!(seen.containers, Seen::Unknown(_)) => {
            (ConditionStatus::Unknown, word(reason), message.clone())
        }
        _ => (ConditionStatus::False, word(reason), message.clone()),
    };
    let waits = verdict.held.iter().find_map(|held| {
        let lane = held.would.as_ref()?;
        Some((held.reason, lane.why.join(", ")))
    });
    let in_sync = if let Some(problems) = wanted.refused {
        (
            ConditionStatus::False,
            Reason::InvalidSpec.as_str(),
            problems.join("; "),
        )
    } else if let Some(lane) = &verdict.lane {
        let why = lane.why.join(", ");
        (ConditionStatus::False, "Acting".to_owned(), why)
    } else if let Some((reason, why)) = waits {
        (ConditionStatus::False, reason.as_str(), why)
    } else if phase == Phase::Maintenance || matches!(seen.containers, Seen::Unknown(_)) {
        (ConditionStatus::Unknown, word(reason), message.clone())
    } else if agrees(verdict, phase) {
        (
            ConditionStatus::True,
            "AsWanted".to_owned(),
            "what runs agrees with the spec".to_owned(),
        )
    } else {
        (ConditionStatus::False, word(reason), message.clone())
    };
    let data_safe = match super::data::gate(wanted, &seen.data) {
        super::data::Gate::Refused(reason, message) => {
            let unknown = matches!(seen.data, Seen::Unknown(_));
            let status = if unknown {
                ConditionStatus::Unknown
            } else {
                ConditionStatus::False
            };
            (status, reason.as_str(), message)
        }
        super::data::Gate::Fresh | super::data::Gate::Prepared | super::data::Gate::HalfMade => (
            ConditionStatus::True,
            "NoDataYet".to_owned(),
            "its first start is not over".to_owned(),
        ),
        super::data::Gate::Ours | super::data::Gate::OursUnmarked => (
            ConditionStatus::True,
            "Ours".to_owned(),
            "marker, uid and data belong together".to_owned(),
        ),
    };
    [
        ("Ready", ready),
        ("InSync", in_sync),
        ("DataSafe", data_safe),
        ("ImageCurrent", image_current(wanted, seen)),
    ]
    .into_iter()
    .chain(resorted(&seen.probe).map(|told| ("CollationsCurrent", told)))
    .map(|(kind, (status, reason, message))| {
        let kept = before.iter().find(|c| c.kind == kind && c.status == status);
        Condition {
            kind: kind.to_owned(),
            status,
            reason,
            message,
            last_transition_time: kept.map_or(now, |c| c.last_transition_time),
        }
    })
    .collect()
}
