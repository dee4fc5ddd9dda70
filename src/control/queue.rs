//! The keyed queue: each name at most once, the earliest instant wins, one run in flight a name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::model::DbName;

/// Names to look at, each with the instant at which it is due.
///
/// # Guarantees
/// A name added while it is in flight comes again after [`Queue::done`]; none is lost, none is in
/// flight twice.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    due: BTreeMap<DbName, Instant>,
    /// Names in flight, with those who wait for the end of this run.
    in_flight: BTreeMap<DbName, Vec<oneshot::Sender<()>>>,
    /// Who waits for the next run of a name.
    waiting: BTreeMap<DbName, Vec<oneshot::Sender<()>>>,
}

/// A name whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The name.
    pub name: DbName,
    /// How long it waited beyond the instant at which it was due.
    pub waited: Duration,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a look at a name now.
    pub fn add(&self, name: &DbName) {
        self.add_at(name, Instant::now());
    }

    /// Asks for a look at a name at an instant; an earlier one already asked for wins.
    pub fn add_at(&self, name: &DbName, at: Instant) {
        let earlier = {
            let mut state = self.state();
            match state.due.get_mut(name) {
                Some(due) if *due <= at => false,
                Some(due) => {
                    *due = at;
                    true
                }
                None => {
                    state.due.insert(name.clone(), at);
                    true
                }
            }
        };
        if earlier {
            self.news.notify_one();
        }
    }

    /// Asks for a look at a name now, and waits for the end of a run that began after this call.
    pub async fn look(&self, name: &DbName) {
        let (waiter, done) = oneshot::channel();
        self.state()
            .waiting
            .entry(name.clone())
            .or_default()
            .push(waiter);
        self.add(name);
        // The queue outlives its runs; without it nobody looks any more.
        let _ = done.await;
    }

    /// Waits for the next name whose turn it is; it is in flight until [`Queue::done`].
    ///
    /// Safe to cancel: a name is taken only in the moment of return.
    pub async fn next(&self) -> Turn {
        self.next_where(|_| true).await
    }

    /// As [`Queue::next`], of these names alone; the others stay.
    pub async fn next_of(&self, names: &BTreeSet<DbName>) -> Turn {
        self.next_where(|name| names.contains(name)).await
    }

    async fn next_where(&self, wanted: impl Fn(&DbName) -> bool) -> Turn {
        loop {
            let wait = {
                let mut state = self.state();
                let now = Instant::now();
                let first = state
                    .due
                    .iter()
                    .filter(|(name, _)| wanted(name) && !state.in_flight.contains_key(*name))
                    .min_by_key(|(_, due)| **due)
                    .map(|(name, due)| (name.clone(), *due));
                match first {
                    Some((name, due)) if due <= now => {
                        state.due.remove(&name);
                        let waiting = state.waiting.remove(&name).unwrap_or_default();
                        state.in_flight.insert(name.clone(), waiting);
                        return Turn {
                            name,
                            waited: now - due,
                        };
                    }
                    Some((_, due)) => Some(due),
                    None => None,
                }
            };
            let news = self.news.notified();
            match wait {
                // Cancel-safe: both only wait.
                Some(due) => tokio::select! {
                    () = tokio::time::sleep_until(due) => {}
                    () = news => {}
                },
                None => news.await,
            }
        }
    }

    /// The run of a name is over.
    pub fn done(&self, name: &DbName) {
        let waiting = self.state().in_flight.remove(name).unwrap_or_default();
        for waiter in waiting {
            // One who does not wait any more does not mind.
            let _ = waiter.send(());
        }
        self.news.notify_one();
    }

    /// How many names are due now and wait.
    pub fn depth(&self) -> usize {
        let now = Instant::now();
        self.state().due.values().filter(|due| **due <= now).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DbName {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_instant_wins_and_a_name_comes_once() {
        let queue = Queue::default();
        let start = Instant::now();
        queue.add_at(&name("a"), start + Duration::from_secs(9));
        queue.add_at(&name("a"), start + Duration::from_secs(3));
        queue.add_at(&name("a"), start + Duration::from_secs(6));
        assert_eq!(queue.next().await.name, name("a"));
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        queue.done(&name("a"));
        let more = tokio::time::timeout(Duration::from_secs(60), queue.next()).await;
        assert!(more.is_err(), "{more:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_added_in_flight_comes_again_after_it_is_done() {
        let queue = Queue::default();
        queue.add(&name("a"));
        queue.next().await;
        queue.add(&name("a"));
        queue.add(&name("b"));
        assert_eq!(queue.next().await.name, name("b"));
        queue.done(&name("a"));
        assert_eq!(queue.next().await.name, name("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn of_some_names_each_comes_after_its_run_and_the_others_stay() {
        let queue = Queue::default();
        queue.add(&name("a"));
        queue.next().await;
        for text in ["a", "b", "c"] {
            queue.add(&name(text));
        }
        let some = [name("a"), name("c")].into();
        assert_eq!(queue.next_of(&some).await.name, name("c"));
        let early = tokio::time::timeout(Duration::from_secs(60), queue.next_of(&some)).await;
        assert!(early.is_err(), "{early:?}");
        queue.done(&name("a"));
        assert_eq!(queue.next_of(&some).await.name, name("a"));
        assert_eq!(queue.next().await.name, name("b"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_consumer_hears_of_an_earlier_one() {
        let queue = std::sync::Arc::new(Queue::default());
        queue.add_at(&name("late"), Instant::now() + Duration::from_secs(100));
        let consumer = tokio::spawn({
            let queue = queue.clone();
            async move { queue.next().await.name }
        });
        tokio::task::yield_now().await;
        queue.add(&name("now"));
        assert_eq!(consumer.await.unwrap(), name("now"));
    }
}
