//! Waiting for databases: a question that is answered when it has come true, or when time is up.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backend::Backend;
use super::refusal::{Refusal, RefusalKind};
use crate::model::view::{DatabaseView, Phase, Snapshot};
use crate::model::{DbName, Reason};

/// The longest wait of one request; who wants longer asks again.
pub const LONGEST: Duration = Duration::from_secs(3600);

/// How many targets one request may name; as many as there are databases it may always name. Each is
/// looked at anew.
const MOST: usize = 1000;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WaitFor {
    /// It answers.
    Ready,
    /// It is down as wanted.
    Stopped,
    /// It is retired: down, its final backup verified.
    Retired,
    /// It answers, or is down or left alone as somebody wants it.
    Settled,
}

impl fmt::Display for WaitFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            WaitFor::Ready => "ready",
            WaitFor::Stopped => "stopped",
            WaitFor::Retired => "retired",
            WaitFor::Settled => "settled",
        })
    }
}

impl FromStr for WaitFor {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "ready" => Ok(WaitFor::Ready),
            "stopped" => Ok(WaitFor::Stopped),
            "retired" => Ok(WaitFor::Retired),
            "settled" => Ok(WaitFor::Settled),
            _ => Err("allowed: ready, stopped, retired, settled".to_owned()),
        }
    }
}

/// The question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WaitRequest {
    /// What is waited for.
    #[serde(rename = "for")]
    pub what: WaitFor,
    /// Which databases; empty: all, after the first pass over them.
    #[serde(default)]
    pub targets: Vec<Target>,
    /// How long, in seconds; at most an hour.
    pub timeout_seconds: u64,
}

/// One database that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Target {
    /// Its name.
    pub name: DbName,
    /// The generation of its spec that must be in force, as far as nothing holds it back.
    #[serde(default)]
    pub generation: Option<u64>,
}

/// The answer, when it came true or when time was up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitAnswer {
    /// Whether it came true.
    pub reached: bool,
    /// Each database at that instant.
    pub databases: Vec<WaitState>,
    /// What else kept it from coming true.
    pub note: Option<String>,
}

/// One database at the end of a wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitState {
    /// Its name.
    pub name: DbName,
    /// Whether it is as waited for.
    pub reached: bool,
    /// Its phase; `None` when there is no such database.
    pub phase: Option<Phase>,
    /// The phase's reason.
    pub reason: Option<Reason>,
    /// One line about that.
    pub message: String,
}

/// Waits. Looks at the databases anew first: right after a person removed a container, the snapshot
/// may still show it.
///
/// Safe to cancel: it changes nothing.
pub async fn wait(
    backend: &dyn Backend,
    stop: &CancellationToken,
    request: &WaitRequest,
) -> Result<WaitAnswer, Refusal> {
    let deadline = Instant::now() + Duration::from_secs(request.timeout_seconds).min(LONGEST);
    let mut snapshots = backend.snapshot();
    let request = &asked_once(request, snapshots.borrow().databases.len())?;
    let names: BTreeSet<DbName> = if request.targets.is_empty() {
        let snapshot = snapshots.borrow();
        snapshot.databases.iter().map(|d| d.name.clone()).collect()
    } else {
        request.targets.iter().map(|t| t.name.clone()).collect()
    };
    let looks = async {
        // A spec that was just saved may not have been read yet.
        backend.read_specs().await;
        futures_util::future::join_all(names.iter().map(|name| backend.look(name))).await
    };
    // Both other arms only give up waiting; a look that is given up changes nothing.
    tokio::select! {
        looked = looks => looked.into_iter().collect::<Result<(), Refusal>>()?,
        () = tokio::time::sleep_until(deadline) => {
            let mut answer = evaluate(&snapshots.borrow(), request);
            answer.reached = false;
            answer.note = Some("the daemon did not get to look at it anew in that time".to_owned());
            return Ok(answer);
        }
        () = stop.cancelled() => return Err(stopping()),
    }
    loop {
        let answer = evaluate(&snapshots.borrow_and_update(), request);
        if answer.reached {
            return Ok(answer);
        }
        // `changed` is safe to cancel, and the others hold nothing.
        tokio::select! {
            changed = snapshots.changed() => {
                if changed.is_err() {
                    return Err(stopping());
                }
            }
            () = tokio::time::sleep_until(deadline) => return Ok(answer),
            () = stop.cancelled() => return Err(stopping()),
        }
    }
}

/// The question with each target once, in its order.
fn asked_once(request: &WaitRequest, databases: usize) -> Result<WaitRequest, Refusal> {
    let mut request = request.clone();
    let mut seen = BTreeSet::new();
    request
        .targets
        .retain(|target| seen.insert((target.name.clone(), target.generation)));
    let (named, most) = (request.targets.len(), MOST.max(databases));
    if named > most {
        let message = format!(
            "{named} databases are named, and one request waits for at most {most}; name fewer, or none \
             to wait for all; nothing was changed"
        );
        return Err(Refusal::new(RefusalKind::Invalid, message));
    }
    Ok(request)
}

/// The refusal of a daemon that is going away.
pub fn stopping() -> Refusal {
    Refusal::new(
        RefusalKind::Unavailable,
        "the daemon is stopping; nothing was changed; ask again once it runs: db4sci status",
    )
}

/// Whether it has come true in a snapshot.
fn evaluate(snapshot: &Snapshot, request: &WaitRequest) -> WaitAnswer {
    if request.targets.is_empty() {
        let databases: Vec<WaitState> = snapshot
            .databases
            .iter()
            .map(|view| state(view, reached(view, request.what, None)))
            .collect();
        return WaitAnswer {
            reached: snapshot.first_pass_done && databases.iter().all(|d| d.reached),
            databases,
            note: (!snapshot.first_pass_done)
                .then(|| "the first pass over all databases is not done".to_owned()),
        };
    }
    let databases: Vec<WaitState> = request
        .targets
        .iter()
        .map(
            |target| match snapshot.databases.iter().find(|d| d.name == target.name) {
                Some(view) => state(view, reached(view, request.what, target.generation)),
                None => WaitState {
                    name: target.name.clone(),
                    reached: false,
                    phase: None,
                    reason: None,
                    message: "there is no such database".to_owned(),
                },
            },
        )
        .collect();
    WaitAnswer {
        reached: databases.iter().all(|d| d.reached),
        databases,
        note: None,
    }
}

fn state(view: &DatabaseView, reached: bool) -> WaitState {
    WaitState {
        name: view.name.clone(),
        reached,
        phase: Some(view.phase),
        reason: view.reason,
        message: view.message.clone(),
    }
}

/// Whether one database is as waited for.
fn reached(view: &DatabaseView, what: WaitFor, generation: Option<u64>) -> bool {
    let in_force = generation.is_none_or(|wanted| {
        let held_back = view.lane.is_none() && view.held.iter().any(|h| h.would.is_some());
        view.generation >= wanted && (view.observed_generation >= wanted || held_back)
    });
    let answers = view.phase == Phase::Ready && view.ready;
    in_force
        && match what {
            WaitFor::Ready => answers,
            WaitFor::Stopped => view.phase == Phase::Stopped,
            WaitFor::Retired => view.phase == Phase::Retired,
            WaitFor::Settled => answers || at_rest(view.phase),
        }
}

/// Whether it is down, or left alone, because somebody wants it so.
fn at_rest(phase: Phase) -> bool {
    match phase {
        Phase::Stopped | Phase::Maintenance | Phase::Retired | Phase::Ejected => true,
        Phase::Ready
        | Phase::Pending
        | Phase::Creating
        | Phase::Degraded
        | Phase::Restoring
        | Phase::Held => false,
    }
}
