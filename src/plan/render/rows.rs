//! The rows of a plan: one a lane, one a thing held back.

use serde_json::{Value, json};

use super::{coming, cost};
use crate::model::view::{DatabaseView, Phase};
use crate::model::{Action, Coming, Cost, Expected, Held, Lane, Problem, Reason, Timestamp};
use crate::plan::approval;

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The database; `-` when a problem belongs to none.
    pub name: String,
    /// What kind of change it is; `None` when nothing will be done.
    pub which: Option<Which>,
    /// Whether it happens now, later or not.
    pub when: When,
    /// The instant, where one is known.
    pub until: Option<Timestamp>,
    /// Why it waits or is not done.
    pub reason: Option<Reason>,
    /// What it is, for people.
    pub what: String,
    /// What it costs, for people; empty when nothing will be done.
    pub cost_text: String,
    /// What it costs.
    pub cost: Cost,
    /// How long the server is away, or takes to be there, as far as that was measured.
    pub expected: Option<Expected>,
    /// What of its data is at risk, if anything.
    pub risk: Option<String>,
    /// What names the steps for `approve`, where they wait and a person may let them go.
    pub hash: Option<String>,
    /// Connections that would be cut, where known.
    pub connections: Option<u32>,
    /// What data it removes, and when, if it removes any.
    pub deletes: Option<String>,
    /// The steps' kinds.
    pub steps: Vec<&'static str>,
}

/// What kind of change it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Something that was not there: `+`.
    Create,
    /// A change or a repair: `~`.
    Change,
    /// Something goes away until a person says otherwise: `-`.
    Stop,
}

/// Whether it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Now.
    Now,
    /// Later, by itself.
    Waits,
    /// Not: what is asked for cannot be done, and the last good spec stays.
    Refused,
    /// Not now: something about the database must change first.
    Held,
}

impl When {
    /// The word in the JSON form.
    pub fn as_str(self) -> &'static str {
        match self {
            When::Now => "now",
            When::Waits => "waits",
            When::Refused => "refused",
            When::Held => "held",
        }
    }
}

/// The rows of one database.
pub fn of(view: &DatabaseView) -> Vec<Row> {
    let now = view
        .lane
        .as_ref()
        .map(|lane| of_lane(view, lane, When::Now, None));
    let held = view.held.iter().filter_map(|held| of_held(view, held));
    let mut rows = now.into_iter().chain(held).collect();
    coming::add(view, &mut rows);
    rows
}

/// The row of a problem that no database's view tells of.
pub fn of_problem(problem: &Problem) -> Row {
    Row {
        name: problem
            .name
            .as_ref()
            .map_or_else(|| "-".to_owned(), ToString::to_string),
        which: None,
        when: When::Refused,
        until: None,
        reason: Some(Reason::InvalidSpec),
        what: problem.to_string(),
        cost_text: String::new(),
        cost: Cost::None,
        expected: None,
        risk: None,
        hash: None,
        connections: None,
        deletes: None,
        steps: Vec::new(),
    }
}

fn of_lane(view: &DatabaseView, lane: &Lane, when: When, held: Option<&Held>) -> Row {
    let which = match (view.phase, lane.cost) {
        (_, Cost::Stop) => Which::Stop,
        (Phase::Pending | Phase::Creating, _) => Which::Create,
        (
            Phase::Ready
            | Phase::Degraded
            | Phase::Stopped
            | Phase::Maintenance
            | Phase::Restoring
            | Phase::Held
            | Phase::Retired
            | Phase::Ejected,
            Cost::None | Cost::Restart | Cost::Recreate,
        ) => Which::Change,
    };
    Row {
        name: view.name.to_string(),
        which: Some(which),
        when,
        until: held.and_then(|held| held.until),
        reason: held.map(|held| held.reason),
        what: what(view, lane, which),
        cost_text: cost::sentence(view, which, lane.cost),
        cost: lane.cost,
        expected: cost::expected(view, which, lane.cost),
        risk: lane.risk.clone(),
        hash: held
            .and_then(approval::approvable)
            .map(|lane| approval::hash(view.uid, lane)),
        connections: view.connections,
        deletes: None,
        steps: lane.actions.iter().map(Action::kind).collect(),
    }
}

fn what(view: &DatabaseView, lane: &Lane, which: Which) -> String {
    let why = lane.why.join(", ");
    // The image comes first, and by itself says nothing of what it is for.
    let only_image = matches!(lane.actions.as_slice(), [Action::PullImage(_)]);
    match (which, lane.cost) {
        (Which::Create, _) if only_image || why.is_empty() => {
            let image = if only_image {
                "; the image is fetched first"
            } else {
                ""
            };
            format!("create {}, port {}{image}", view.image, view.port)
        }
        (Which::Change, Cost::Restart) => format!("restart: {why}"),
        (Which::Change, Cost::Recreate) => format!("recreate on the same data: {why}"),
        (Which::Create | Which::Stop, _) | (Which::Change, Cost::None | Cost::Stop) => why,
    }
}

/// Whether a row of what comes says that it is to be retired.
fn says_retirement(view: &DatabaseView) -> bool {
    let mut coming = view.coming.iter();
    coming.any(|coming| matches!(coming, Coming::Retire { .. }))
}

fn of_held(view: &DatabaseView, held: &Held) -> Option<Row> {
    if let Some(lane) = &held.would {
        return Some(of_lane(view, lane, When::Waits, Some(held)));
    }
    let when = match held.reason {
        Reason::InvalidSpec | Reason::Renamed | Reason::NeedsSpecChange => When::Refused,
        Reason::RetireNeedsBackup if says_retirement(view) => return None,
        Reason::RetireNeedsBackup
        | Reason::DataLost
        | Reason::DataForeign
        | Reason::DataUnmounted
        | Reason::DataBusy
        | Reason::HalfMade
        | Reason::Quarantined
        | Reason::DiskFull
        | Reason::DiskPressure
        | Reason::PortInUse
        | Reason::NameConflict
        | Reason::Duplicate
        | Reason::ImagePullFailed
        | Reason::AnonymousVolume
        | Reason::Orphan
        | Reason::Backoff
        | Reason::NotAnswering
        | Reason::LoginRefused
        | Reason::OOMKilled
        | Reason::CrashLoop
        | Reason::DockerUnavailable
        | Reason::Unknown
        | Reason::LedgerUnavailable => When::Held,
        // As somebody wants it, or on its way: there is nothing to be done.
        Reason::Overridden
        | Reason::Maintenance
        | Reason::Stopped
        | Reason::ReadOnly
        | Reason::Hibernated
        | Reason::Starting
        | Reason::OutsideWindow
        | Reason::NeedsApproval => return None,
    };
    Some(Row {
        name: view.name.to_string(),
        which: None,
        when,
        until: held.until,
        reason: Some(held.reason),
        what: format!("{}: {}", held.reason.as_str(), held.message),
        cost_text: String::new(),
        cost: Cost::None,
        expected: None,
        risk: None,
        hash: None,
        connections: None,
        deletes: None,
        steps: Vec::new(),
    })
}

impl Row {
    /// The sign in the first column.
    pub fn sign(&self) -> char {
        match (self.which, self.when) {
            (Some(Which::Create), _) => '+',
            (Some(Which::Change), _) => '~',
            (Some(Which::Stop), _) => '-',
            (None, When::Refused) => 'x',
            (None, When::Now | When::Waits | When::Held) => '!',
        }
    }

    /// What makes it the same change as another one: no times, no connections, and no message of
    /// something held, which may hold a time.
    pub fn identity(&self) -> Vec<String> {
        let mut parts = vec![
            self.name.clone(),
            self.sign().to_string(),
            self.when.as_str().to_owned(),
            self.reason.map_or_else(String::new, Reason::as_str),
            format!("{:?}", self.cost),
        ];
        if self.which.is_some() {
            parts.push(self.what.clone());
            parts.extend(self.steps.iter().map(|step| (*step).to_owned()));
        }
        parts
    }

    /// The form for programs.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name,
            "change": self.which.map(|which| match which {
                Which::Create => "create",
                Which::Change => "change",
                Which::Stop => "stop",
            }),
            "when": self.when.as_str(),
            "until": self.until,
            "reason": self.reason,
            "what": self.what,
            "cost": self.cost,
            "costText": self.cost_text,
            "seconds": self.expected.map(|expected| expected.seconds),
            "measured": self.expected.map(|expected| json!({
                "times": expected.times,
                "own": expected.own,
            })),
            "connections": self.connections,
            "dataAtRisk": self.risk,
            "deletes": self.deletes,
            "steps": self.steps,
            "hash": self.hash,
        })
    }
}
