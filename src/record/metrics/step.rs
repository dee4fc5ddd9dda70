//! One step on one database, counted however it ends.

use prometheus::IntCounterVec;

/// How a step ended, for the metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepOutcome {
    /// It was done.
    Applied,
    /// It failed.
    Failed,
    /// It was given up: shutdown, or the world moved under the plan.
    Abandoned,
}

impl StepOutcome {
    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            StepOutcome::Applied => "Applied",
            StepOutcome::Failed => "Failed",
            StepOutcome::Abandoned => "Abandoned",
        }
    }
}

/// A step under way. Dropped without an end (an early return, a cancelled task), it counts as
/// `Abandoned`, so that callers need no bookkeeping.
#[derive(Debug)]
#[must_use = "dropped at once, it counts as abandoned"]
pub struct Step {
    counter: IntCounterVec,
    kind: &'static str,
    outcome: StepOutcome,
}

impl Step {
    pub(super) fn new(counter: IntCounterVec, kind: &'static str) -> Self {
        Step {
            counter,
            kind,
            outcome: StepOutcome::Abandoned,
        }
    }

    /// It ended.
    pub fn end(mut self, outcome: StepOutcome) {
        self.outcome = outcome;
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.counter
            .with_label_values(&[self.kind, self.outcome.as_str()])
            .inc();
    }
}
