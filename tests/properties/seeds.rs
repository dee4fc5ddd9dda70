//! Many seeds, or one again.
//!
//! A run's troubles are numbered steps, and each draws from a sequence of its own: one that is left
//! out changes nothing in the others, so that a failure can be cut down to the few that it takes.
//!
//! `DB4SCI_SEEDS=N` chooses how many runs a law gets, `DB4SCI_FROM=n` the first of their seeds,
//! `DB4SCI_JOBS=n` how many run side by side. `DB4SCI_SEED=n` repeats one and tells what happens in
//! it, a line an event; `DB4SCI_STEPS=k` ends its troubles after `k` steps, and `DB4SCI_ONLY=3,17`
//! leaves out every other one.

use std::collections::BTreeSet;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::rng::Rng;

/// Runs of a law when nobody says otherwise.
const SEEDS: u64 = 120;
/// Time that may be spent on finding a shorter list.
const SHORTENING: Duration = Duration::from_secs(90);

/// One run: a seed, and which steps of its troubles happen.
#[derive(Debug, Clone)]
pub struct Run {
    pub seed: u64,
    /// Troubles end after so many steps.
    pub steps: Option<u64>,
    /// Whether each event is told.
    pub tell: bool,
    /// All other steps are left out.
    only: Option<Arc<BTreeSet<u64>>>,
    /// The steps that were begun.
    begun: Arc<Mutex<Vec<u64>>>,
}

impl Run {
    pub fn of(seed: u64) -> Self {
        Run {
            seed,
            steps: None,
            tell: false,
            only: None,
            begun: Arc::default(),
        }
    }

    /// Begins a step of trouble, unless it is left out: what it draws from.
    pub fn begin(&self, step: u64) -> Option<Rng> {
        let over = self.steps.is_some_and(|most| step >= most);
        let left_out = self.only.as_ref().is_some_and(|only| !only.contains(&step));
        if over || left_out {
            return None;
        }
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.push(step);
        Some(self.rng(step))
    }

    /// What is drawn from when the troubles are over.
    pub fn end(&self) -> Rng {
        self.rng(u64::MAX)
    }

    fn rng(&self, step: u64) -> Rng {
        // Another sequence for each pair, also for neighbours.
        let mut steps = Rng::new(step);
        Rng::new(Rng::new(self.seed ^ steps.next()).next())
    }

    /// The same again, with these steps alone.
    fn again(&self, only: &[u64]) -> Self {
        Run {
            only: Some(Arc::new(only.iter().copied().collect())),
            begun: Arc::default(),
            ..self.clone()
        }
    }

    fn begun(&self) -> Vec<u64> {
        let begun = self.begun.lock();
        // A law that holds twice in one run begins its steps twice.
        let begun: BTreeSet<u64> = begun
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .copied()
            .collect();
        begun.into_iter().collect()
    }
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|e| panic!("{name}={text}: {e}")),
    )
}

fn numbers(name: &str) -> Option<BTreeSet<u64>> {
    let text = env::var(name).ok()?;
    let each = text.split(',').map(|n| n.trim().parse());
    let all: Result<_, _> = each.collect();
    Some(all.unwrap_or_else(|e| panic!("{name}={text}: {e}")))
}

/// Holds a law to many seeds, those that once broke it first. Tells the story of one that breaks it,
/// and panics with the seed and the shortest list of steps that still does.
#[track_caller]
pub fn hold(once_broken: &[u64], law: impl Fn(Run) -> Result<(), String> + Sync) {
    hold_for(SEEDS, once_broken, law);
}

/// As `hold`, with another number of seeds when nobody says otherwise.
#[track_caller]
pub fn hold_for(seeds: u64, once_broken: &[u64], law: impl Fn(Run) -> Result<(), String> + Sync) {
    let asked = |seed| Run {
        steps: number("DB4SCI_STEPS"),
        only: numbers("DB4SCI_ONLY").map(Arc::new),
        ..Run::of(seed)
    };
    let name = thread::current().name().unwrap_or("?").to_owned();
    if let Some(seed) = number("DB4SCI_SEED") {
        let told = Run {
            tell: true,
            ..asked(seed)
        };
        if let Err(why) = law(told) {
            panic!("seed {seed}: {why}");
        }
        return;
    }
    let count = number("DB4SCI_SEEDS").unwrap_or(seeds);
    let from = number("DB4SCI_FROM");
    let first = from.unwrap_or(1);
    // Whoever names the seeds wants those alone.
    let broken = if from.is_some() { &[] } else { once_broken };
    let mut runs = broken.to_vec();
    runs.extend((first..first.saturating_add(count)).filter(|seed| !broken.contains(seed)));
    let Some((run, why)) = all(&name, runs.iter().map(|seed| asked(*seed)).collect(), &law) else {
        return;
    };
    let whole = run.begun();
    let (list, why) = shortest(&law, &run, whole.clone(), why);
    let told = Run {
        tell: true,
        ..run.again(&list)
    };
    println!("\nThe story of seed {}:", run.seed);
    // It breaks as it did before, which is said below.
    let _ = attempt(&law, &told);
    let words: Vec<String> = list.iter().map(u64::to_string).collect();
    panic!(
        "{why}\n\nSeed {seed}, {} of {} steps of trouble. To see it again: DB4SCI_SEED={seed} \
         DB4SCI_ONLY={} cargo test --test properties {name} -- --exact --nocapture",
        list.len(),
        whole.len(),
        words.join(","),
        seed = run.seed,
    );
}

/// Makes all runs; gives the first one that breaks the law.
fn all(
    name: &str,
    runs: Vec<Run>,
    law: &(impl Fn(Run) -> Result<(), String> + Sync),
) -> Option<(Run, String)> {
    let began = Instant::now();
    let (next, made, steps) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let broken: Mutex<Option<(usize, String)>> = Mutex::new(None);
    let work = || {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let Some(run) = runs.get(n) else { return };
            let done = attempt(law, run);
            made.fetch_add(1, Ordering::Relaxed);
            steps.fetch_add(run.begun().len() as u64, Ordering::Relaxed);
            if let Err(why) = done {
                let mut broken = broken.lock().unwrap_or_else(PoisonError::into_inner);
                if broken.as_ref().is_none_or(|(earlier, _)| n < *earlier) {
                    *broken = Some((n, why));
                }
                next.store(runs.len(), Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..number("DB4SCI_JOBS").unwrap_or(1) {
            scope.spawn(work);
        }
        work();
    });
    let (made, steps) = (made.into_inner(), steps.into_inner());
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{name}: {made} runs, {steps} steps of trouble in {seconds:.1} s, {:.0} steps a second",
        steps as f64 / seconds
    );
    let broken = broken.into_inner();
    let (n, why) = broken.unwrap_or_else(PoisonError::into_inner)?;
    Some((runs[n].clone(), why))
}

/// The shortest list of steps that is found to break the law: pieces of it are left out, ever smaller
/// ones, for as long as it breaks without them.
fn shortest(
    law: &impl Fn(Run) -> Result<(), String>,
    run: &Run,
    whole: Vec<u64>,
    why: String,
) -> (Vec<u64>, String) {
    let began = Instant::now();
    let (mut list, mut why) = (whole, why);
    let mut piece = list.len();
    while piece > 0 {
        let mut at = 0;
        while at < list.len() {
            if began.elapsed() > SHORTENING {
                return (list, why);
            }
            let mut fewer = list.clone();
            fewer.drain(at..list.len().min(at + piece));
            let shorter = run.again(&fewer);
            match attempt(law, &shorter) {
                // It may have broken before its last steps.
                Err(broken) => (list, why) = (shorter.begun(), broken),
                Ok(()) => at += piece,
            }
        }
        piece /= 2;
    }
    (list, why)
}

fn attempt(law: &impl Fn(Run) -> Result<(), String>, run: &Run) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| law(run.clone()))).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Err(format!("panicked: {}", text.unwrap_or_default()))
    })
}
