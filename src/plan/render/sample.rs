//! Databases for tests of everything that shows them.

use chrono::{TimeZone, Utc};

use crate::model::view::{Condition, ConditionStatus, DatabaseView, NewestBackups, Phase};
use crate::model::{
    Action, Cost, DbName, EngineKind, Expectations, Held, ImageRef, Lane, Override, OverrideState,
    Reason, Timestamp, Uid, Who,
};

/// 2026-11-22 20:00 UTC, a Sunday: the instant of all samples.
pub(crate) fn now() -> Timestamp {
    Utc.with_ymd_and_hms(2026, 11, 22, 20, 0, 0).unwrap()
}

/// The same day at another time.
pub(crate) fn at(hour: u32, minute: u32) -> Timestamp {
    Utc.with_ymd_and_hms(2026, 11, 22, hour, minute, 0).unwrap()
}

/// A name.
pub(crate) fn name(text: &str) -> DbName {
    text.parse().unwrap()
}

/// A database that is Ready, of an engine by its name.
pub(crate) fn ready(text: &str, engine: &str, version: &str, port: u16) -> DatabaseView {
    let engine: EngineKind = engine.parse().unwrap();
    DatabaseView {
        name: name(text),
        uid: Uid(uuid::Uuid::from_u128(u128::from(port))),
        engine,
        image: format!("{engine} {version}"),
        image_reference: format!("{}:{version}", engine.as_str().to_lowercase()),
        image_id: Some(format!("sha256:{port:064x}")),
        version: Some(version.to_owned()),
        port,
        bound: None,
        host: "db.example.org".to_owned(),
        memory: "2Gi".to_owned(),
        phase: Phase::Ready,
        reason: None,
        message: String::new(),
        ready: true,
        owner: format!("{text}-lab"),
        contact: "lab@example.org".to_owned(),
        life_ends: None,
        source: format!("file:{text}.yaml"),
        generation: 3,
        observed_generation: 3,
        conditions: vec![
            condition(
                "Ready",
                ConditionStatus::True,
                "Answering",
                "answers since 3 h",
            ),
            condition(
                "InSync",
                ConditionStatus::True,
                "AsSpecified",
                "as specified",
            ),
        ],
        overridden: None,
        whole_host: false,
        container: Some(format!("{port:064x}")),
        data_dir: format!("/data/{text}"),
        connections: Some(12),
        evidence: None,
        held: Vec::new(),
        lane: None,
        coming: Vec::new(),
        seen: vec![
            "container: running, healthy".to_owned(),
            "data: marker initialised, sentinel there".to_owned(),
        ],
        expected: Expectations::default(),
        volume: "Standard".to_owned(),
        disk: None,
        backup: NewestBackups::default(),
    }
}

/// A person's word over a spec.
pub(crate) fn word(state: OverrideState, until: Option<Timestamp>) -> Override {
    Override {
        state,
        until,
        reason: "INC-812".to_owned(),
        who: Who::Socket {
            uid: 1000,
            user: "jane".to_owned(),
        },
        since: at(19, 0),
    }
}

/// A database that is down and left alone.
pub(crate) fn held(text: &str, engine: &str, port: u16, reason: Reason) -> DatabaseView {
    let message = "the data directory is empty; it held data before".to_owned();
    DatabaseView {
        phase: Phase::Held,
        reason: Some(reason),
        message: message.clone(),
        ready: false,
        connections: None,
        held: vec![hold(reason, &message, None, None)],
        conditions: vec![condition(
            "Ready",
            ConditionStatus::False,
            "DataLost",
            &message,
        )],
        ..ready(text, engine, "11.8", port)
    }
}

/// A condition since an hour.
fn condition(kind: &str, status: ConditionStatus, reason: &str, message: &str) -> Condition {
    Condition {
        kind: kind.to_owned(),
        status,
        reason: reason.to_owned(),
        message: message.to_owned(),
        last_transition_time: at(19, 0),
    }
}

/// Something held.
pub(crate) fn hold(
    reason: Reason,
    message: &str,
    until: Option<Timestamp>,
    would: Option<Lane>,
) -> Held {
    Held {
        reason,
        message: message.to_owned(),
        until,
        would: would.map(Box::new),
    }
}

/// A lane.
pub(crate) fn lane(text: &str, cost: Cost, why: &[&str], actions: Vec<Action>) -> Lane {
    Lane {
        name: name(text),
        generation: 3,
        container: None,
        actions,
        why: why.iter().map(|w| (*w).to_owned()).collect(),
        cost,
        repair: false,
        counts: false,
        risk: None,
        approval: None,
    }
}

/// The steps of a first start, as far as a plan shows them.
pub(crate) fn first_start() -> Vec<Action> {
    vec![
        Action::PullImage("mongo:7.0".parse::<ImageRef>().unwrap()),
        Action::PrepareData,
        Action::WriteFiles,
        Action::EnsureAccount,
        Action::MarkInitialised,
    ]
}
