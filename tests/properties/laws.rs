//! Fixpoint, convergence, crash, once: the reconciler as a whole.

use chrono::TimeDelta;

use crate::hands::{Damage, Kinds, another};
use crate::host::{Host, block_on};
use crate::rng::Rng;
use crate::seeds::{Run, hold, hold_for};
use crate::specs::Wish;

/// How long after the last trouble all must be as wanted: a hang in the middle of a start lasts as
/// long as the engine's start deadline.
const PATIENCE: TimeDelta = TimeDelta::minutes(60);
/// Steps of trouble of a long history.
const LONG: u64 = 500;
/// Long histories when nobody says otherwise: `dev/sim` makes many more.
const LONG_SEEDS: u64 = 30;
/// How long it is watched that nothing more happens.
const QUIET: TimeDelta = TimeDelta::minutes(2);

const ALL_KINDS: Kinds = Kinds {
    hands: true,
    faults: true,
    crashes: true,
    wishes: true,
    disks: true,
    clock: true,
    losses: true,
};

pub fn wishes() -> [Wish; 3] {
    [
        Wish::new("genomics", "Postgres"),
        Wish::new("proteomics", "MariaDB"),
        Wish::new("assays", "Postgres"),
    ]
}

/// Waits until all is as wanted, and then watches that nothing more is done or written.
pub async fn settles(host: &mut Host) -> Result<(), String> {
    let begun = host.now();
    while let Err(why) = host.all_as_wanted() {
        let waited = host.now() - begun;
        if waited > PATIENCE + TimeDelta::hours(25) {
            return Err(format!("not as wanted: {why}"));
        }
        // What waits for tonight's window may do so.
        let step = if waited > PATIENCE {
            // At its opening there may be something that needs a person all the same.
            let words = ["OutsideWindow", "NeedsApproval"];
            let waits = words.iter().any(|word| why.contains(word));
            if !waits {
                return Err(format!("not as wanted after {PATIENCE}: {why}"));
            }
            TimeDelta::minutes(30)
        } else {
            TimeDelta::seconds(20)
        };
        // A person is there for what has none, and not for what has a window.
        host.approve_what_needs_it().await?;
        host.pass(step).await?;
    }
    host.tell("all is as wanted");
    // Runs are judged a little later, and the container is noted.
    host.pass(TimeDelta::seconds(15)).await?;
    host.journal.clear();
    let head = host.daemon.ledger.book().head();
    host.pass(QUIET).await?;
    host.all_as_wanted()?;
    if let Some(line) = host.journal.first() {
        return Err(format!("all was as wanted, and then: {}", line.text));
    }
    if host.daemon.ledger.book().head() != head {
        return Err("all was as wanted, and then something was written".to_owned());
    }
    host.reread().await
}

async fn troubled(run: Run, kinds: Kinds, steps: u64) -> Result<(), String> {
    let mut host = Host::new(run).await?;
    for wish in wishes() {
        host.add(wish).await?;
    }
    // Half of the runs have their troubles from the first moment on.
    if host.rng.percent(50) {
        host.pass(TimeDelta::seconds(30)).await?;
    }
    let mut damage = Damage::default();
    for step in 0..steps {
        if host.begins(step) {
            host.trouble(kinds, &mut damage).await?;
        }
    }
    host.mend(damage).await?;
    settles(&mut host).await
}

/// A few troubles.
fn some(run: Run, kinds: Kinds) -> Result<(), String> {
    let steps = 5 + Rng::new(run.seed).below(25);
    block_on(troubled(run, kinds, steps))
}

#[test]
fn without_trouble_a_few_looks_reach_a_plan_that_stays_empty() {
    hold(&[], |run| {
        block_on(async {
            let mut host = Host::new(run).await?;
            for wish in wishes() {
                let another = another(&wish, &mut host.rng);
                let runs = another.state == "Running";
                host.add(if runs { another } else { wish }).await?;
            }
            host.pass(TimeDelta::seconds(15)).await?;
            host.all_as_wanted()?;
            for name in ["genomics", "proteomics", "assays"] {
                let verbs = host.journal.iter().filter_map(|line| {
                    let (verb, of) = line.text.split_once(' ')?;
                    (of == name).then_some(verb)
                });
                let verbs: Vec<&str> = verbs.collect();
                // The folders are looked at again before the first start.
                let once = [
                    "prepare",
                    "write_secrets",
                    // Its certificate lies there, too.
                    "write_secrets",
                    "write_files",
                    "create",
                    "prepare",
                    "start",
                    "mark_initialised",
                ];
                if verbs != once {
                    return Err(format!("{name}: {verbs:?}"));
                }
            }
            settles(&mut host).await
        })
    });
}

#[test]
fn after_finitely_many_troubles_all_is_as_wanted() {
    let kinds = Kinds {
        hands: true,
        faults: true,
        wishes: true,
        disks: true,
        ..Kinds::default()
    };
    hold(&[], |run| some(run, kinds));
}

#[test]
fn a_daemon_killed_anywhere_goes_on_where_it_was() {
    let kinds = Kinds {
        hands: true,
        wishes: true,
        crashes: true,
        ..Kinds::default()
    };
    hold(&[], |run| some(run, kinds));
}

#[test]
fn all_troubles_at_once_lose_no_row_and_start_nothing_on_lost_data() {
    hold(&[], |run| some(run, ALL_KINDS));
}

#[test]
fn a_long_history_of_all_troubles_ends_as_wanted() {
    // 1: what a person had asked for before the clock was set back ended every wait after a failure,
    // until the clock came there again.
    // 40: the simulated engine's clock did not jump with the host's.
    // 34: two steps that failed in turn ended each other's wait.
    // 14: one that failed and one that went well did.
    hold_for(LONG_SEEDS, &[1, 14, 34, 40, 50704], |run| {
        let steps = run.steps.unwrap_or(LONG);
        block_on(troubled(run, ALL_KINDS, steps))
    });
}
