//! Many seeds, or one again.
//!
//! `DB4SCI_SEEDS=N` chooses how many runs a law gets, `DB4SCI_SEED=n` repeats one and tells what
//! happens in it, a line an event; `DB4SCI_STEPS=k` ends its troubles after `k` of them.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs of a law when nobody says otherwise.
const SEEDS: u64 = 120;

/// One run: a seed, and after how many steps its troubles end.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    pub seed: u64,
    /// Troubles end after so many steps.
    pub steps: u64,
    /// Whether each event is told.
    pub tell: bool,
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|e| panic!("{name}={text}: {e}")),
    )
}

/// Holds a law to many seeds, those that once broke it first. Panics with the seed and the fewest
/// steps that still break it.
#[track_caller]
pub fn hold(once_broken: &[u64], law: impl Fn(Run) -> Result<(), String>) {
    let most = number("DB4SCI_STEPS").unwrap_or(u64::MAX);
    if let Some(seed) = number("DB4SCI_SEED") {
        let run = Run {
            seed,
            steps: most,
            tell: true,
        };
        if let Err(why) = law(run) {
            panic!("seed {seed}: {why}");
        }
        return;
    }
    let count = number("DB4SCI_SEEDS").unwrap_or(SEEDS);
    for seed in once_broken.iter().copied().chain(1..=count) {
        let run = Run {
            seed,
            steps: most,
            tell: false,
        };
        if let Err(why) = attempt(&law, run) {
            let (steps, why) = fewest(&law, run).unwrap_or((most, why));
            let name = std::thread::current().name().unwrap_or("?").to_owned();
            panic!(
                "{why}\n\nTo see it: DB4SCI_SEED={seed} DB4SCI_STEPS={steps} cargo test --test \
                 properties {name} -- --exact --nocapture"
            );
        }
    }
}

/// The fewest steps of trouble that break the law with this seed.
fn fewest(law: &impl Fn(Run) -> Result<(), String>, run: Run) -> Option<(u64, String)> {
    (0..=200).find_map(|steps| {
        let broken = attempt(law, Run { steps, ..run }).err()?;
        Some((steps, broken))
    })
}

fn attempt(law: &impl Fn(Run) -> Result<(), String>, run: Run) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| law(run))).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Err(format!("panicked: {}", text.unwrap_or_default()))
    })
}
