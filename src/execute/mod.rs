//! Carries out lanes, one step after the other.
//!
//! It decides nothing: which steps, and in which order, is the planner's word. What it adds is
//! care: the intent is on disk before the first step, the world is looked at again before a step
//! that takes something away, and each step may be repeated after a crash anywhere.

mod accounts;
pub mod backup;
mod certificates;
pub(crate) mod evidence;
pub mod failpoint;
mod reload;
mod secrets;
mod steps;
mod trial;

use std::sync::Arc;

use crate::admin::book::Row;
use crate::admin::{Authority, AuthorityError, Ledger, LedgerError, NewEntry, Vault, VaultError};
use crate::model::view::DatabaseView;
use crate::model::{
    Action, Change, Class, Clock, Database, FailedAttempt, Lane, Outcome, Reason, Site,
};
use crate::record::{Metrics, StepOutcome};
use crate::runtime::{DataDirs, DirError, Runtime, RuntimeError, ServerError, Servers};

use failpoint::failpoint;

/// Carries out lanes.
pub struct Executor {
    /// The container engine.
    pub runtime: Arc<dyn Runtime>,
    /// Data folders and mounted files.
    pub dirs: Arc<dyn DataDirs>,
    /// The servers.
    pub servers: Arc<dyn Servers>,
    /// Sealed secrets.
    pub vault: Arc<Vault>,
    /// Where servers' certificates come from.
    pub authority: Arc<Authority>,
    /// Where intents and results are written.
    pub ledger: Ledger,
    /// This host.
    pub site: Site,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

/// How a lane ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaneEnd {
    /// All steps were carried out.
    Done,
    /// The world or the spec moved; what remains is planned anew.
    Abandoned(String),
    /// A step failed; the rest was not tried.
    Failed(FailedAttempt),
}

/// Why a step did not go through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Dir(#[from] DirError),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("{0}")]
    Moved(String),
}

impl StepError {
    fn class(&self) -> Class {
        match self {
            StepError::Runtime(e) => e.class(),
            StepError::Dir(e) => e.class(),
            StepError::Server(e) => e.class(),
            StepError::Ledger(e) => e.class(),
            StepError::Vault(e) => e.class(),
            StepError::Authority(e) => e.class(),
            StepError::Moved(_) => Class::Cancelled,
        }
    }

    /// The reason that the database shows while the next attempt waits.
    fn reason(&self) -> Reason {
        match self {
            StepError::Runtime(RuntimeError::PortInUse { .. }) => Reason::PortInUse,
            StepError::Runtime(RuntimeError::Pull { .. }) => Reason::ImagePullFailed,
            StepError::Runtime(RuntimeError::MountMissing(_)) => Reason::DataUnmounted,
            StepError::Runtime(RuntimeError::DiskFull(_))
            | StepError::Dir(DirError::DiskFull(_)) => Reason::DiskFull,
            StepError::Runtime(RuntimeError::Unavailable(_)) => Reason::DockerUnavailable,
            StepError::Ledger(_) => Reason::LedgerUnavailable,
            StepError::Runtime(
                RuntimeError::NotFound(_)
                | RuntimeError::Conflict(_)
                | RuntimeError::Refused(_)
                | RuntimeError::Engine(_),
            )
            | StepError::Dir(DirError::Refused(_) | DirError::Io { .. })
            | StepError::Server(_)
            | StepError::Vault(_)
            | StepError::Authority(_)
            | StepError::Moved(_) => Reason::Backoff,
        }
    }
}

impl Executor {
    /// Carries out a lane, step by step, and writes what became of it. `row` is the one that it was
    /// planned for, `shown` how it looked then.
    pub async fn run(&self, row: &Row, lane: &Lane, shown: Option<&DatabaseView>) -> LaneEnd {
        let db = &row.database;
        let actions: Vec<String> = lane.actions.iter().map(|a| a.kind().to_owned()).collect();
        let why = lane.why.join(", ");
        let intent = format!("going to {}: {why}", actions.join(", "));
        failpoint("intent.before");
        let intended = Change::Intended {
            actions,
            approval: lane.approval.clone(),
            disrupts: lane.counts.then_some(lane.cost),
        };
        let intent = self.entry(lane, Outcome::Done, intent, intended);
        if let Err(error) = self.ledger.append(intent).await {
            let mut failure = self.failure(lane, "intent", &error.into());
            // Without an intent, its first step is what did not happen.
            failure.step = lane.actions.first().map_or("", Action::kind).to_owned();
            return LaneEnd::Failed(failure);
        }
        failpoint("intent.after");
        for action in &lane.actions {
            if action.is_destructive()
                && let Err(error) = self.unmoved(row, lane).await
            {
                return match error {
                    StepError::Moved(why) => LaneEnd::Abandoned(why),
                    other => LaneEnd::Failed(self.failure(lane, action.kind(), &other)),
                };
            }
            let step = self.metrics.step(action.kind());
            failpoint(&format!("{}.before", action.kind()));
            let result = self.step(db, lane, action, shown).await;
            failpoint(&format!("{}.after", action.kind()));
            match result {
                Ok(()) => step.end(StepOutcome::Applied),
                Err(error) => {
                    step.end(StepOutcome::Failed);
                    let failure = self.failure(lane, action.kind(), &error);
                    let change = Change::Acted {
                        action: action.kind().to_owned(),
                    };
                    let entry = self.entry(lane, Outcome::Failed, failure.message.clone(), change);
                    self.record(entry).await;
                    return match error {
                        StepError::Moved(why) => LaneEnd::Abandoned(why),
                        StepError::Runtime(_)
                        | StepError::Dir(_)
                        | StepError::Server(_)
                        | StepError::Vault(_)
                        | StepError::Authority(_)
                        | StepError::Ledger(_) => LaneEnd::Failed(failure),
                    };
                }
            }
        }
        if let Some(last) = lane.actions.last() {
            let change = Change::Acted {
                action: last.kind().to_owned(),
            };
            failpoint("record.before");
            self.record(self.entry(lane, Outcome::Done, why, change))
                .await;
            failpoint("record.after");
        }
        LaneEnd::Done
    }

    /// Looks again before something is taken away: the spec, what people said and the container
    /// must be those that the lane was planned for.
    async fn unmoved(&self, row: &Row, lane: &Lane) -> Result<(), StepError> {
        let db = &row.database;
        let book = self.ledger.book();
        let spoken = |row: &Row| {
            (
                row.over.clone(),
                row.host.clone(),
                row.restart_asked,
                row.retry_asked,
            )
        };
        match book.row(&db.name) {
            Some(now) if now.database.generation != lane.generation => {
                return Err(StepError::Moved("its spec changed meanwhile".to_owned()));
            }
            Some(now) if spoken(now) == spoken(row) => {}
            Some(_) | None => {
                return Err(StepError::Moved("somebody spoke meanwhile".to_owned()));
            }
        }
        if let Some(id) = &lane.container {
            match self.runtime.inspect(id.as_str()).await? {
                Some(container) if container.uid() == Some(db.uid) => {}
                Some(_) | None => {
                    return Err(StepError::Moved(
                        "its container is another one by now".to_owned(),
                    ));
                }
            }
        }
        Ok(())
    }

    fn failure(&self, lane: &Lane, step: &str, error: &StepError) -> FailedAttempt {
        FailedAttempt {
            count: 1,
            at: self.clock.now(),
            class: error.class(),
            reason: error.reason(),
            step: step.to_owned(),
            message: format!("{step}: {error}"),
            generation: lane.generation,
        }
    }

    fn entry(&self, lane: &Lane, outcome: Outcome, message: String, change: Change) -> NewEntry {
        NewEntry::of(&lane.name, outcome, message, change)
    }

    /// Writes a result. That it cannot be written changes nothing about what is done: the next
    /// intent will find the ledger unwritable.
    async fn record(&self, entry: NewEntry) {
        if let Err(error) = self.ledger.append(entry).await {
            tracing::error!(%error, "a result could not be recorded");
        }
    }

    async fn step(
        &self,
        db: &Database,
        lane: &Lane,
        action: &Action,
        shown: Option<&DatabaseView>,
    ) -> Result<(), StepError> {
        steps::carry_out(self, db, lane, action, shown).await
    }
}
