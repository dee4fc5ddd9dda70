//! What is shown: the newest view of each database, published as one snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::model::disk::{DiskUse, VolumeView};
use crate::model::view::{ComesBack, DatabaseView, Phase, Remark, Snapshot, Unshipped};
use crate::model::{Clock, DbName, Problem};

/// Collects views and publishes snapshots.
pub struct Board {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    snapshot: watch::Sender<Arc<Snapshot>>,
}

#[derive(Default)]
struct State {
    views: BTreeMap<DbName, Arc<DatabaseView>>,
    rest: Snapshot,
    disks: BTreeMap<DbName, DiskUse>,
    /// Databases that are shown, and were not looked at yet.
    announced: BTreeSet<DbName>,
    /// Databases that are dumped at rest, or restored in part.
    resting: BTreeSet<DbName>,
    /// Databases that the daemon took down itself, and that were not seen ready, or down as wanted, since.
    taken_down: BTreeSet<DbName>,
    /// Whether the snapshot is an older one, since nobody watched when something changed.
    behind: bool,
}

/// A database is left alone until this is dropped.
pub struct Resting {
    board: Arc<Board>,
    name: DbName,
    /// It answered before.
    served: bool,
}

impl Drop for Resting {
    fn drop(&mut self) {
        let mut state = self.board.state();
        state.resting.remove(&self.name);
        if self.served {
            // Whether it was stopped by then is not known here.
            state.taken_down.insert(self.name.clone());
        }
    }
}

impl Board {
    /// An empty board.
    pub fn new(clock: Arc<dyn Clock>, mode: &str, instance: &str) -> Self {
        let rest = Snapshot {
            mode: mode.to_owned(),
            instance: instance.to_owned(),
            ..Snapshot::default()
        };
        let state = Mutex::new(State {
            views: BTreeMap::new(),
            disks: BTreeMap::new(),
            announced: BTreeSet::new(),
            rest,
            resting: BTreeSet::new(),
            taken_down: BTreeSet::new(),
            behind: false,
        });
        Board {
            clock,
            state,
            snapshot: watch::channel(Arc::default()).0,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The snapshots, newest first.
    pub fn watch(&self) -> watch::Receiver<Arc<Snapshot>> {
        let mut state = self.state();
        if state.behind {
            self.replace(&mut state);
        }
        self.snapshot.subscribe()
    }

    /// Whether nobody would see what is published, under the lock: then nothing is, until somebody watches.
    fn unwatched(&self, state: &mut State) -> bool {
        state.behind |= self.snapshot.receiver_count() == 0;
        state.behind
    }

    /// The last view of a database.
    pub fn view(&self, name: &DbName) -> Option<Arc<DatabaseView>> {
        self.state().views.get(name).cloned()
    }

    /// Keeps the reconciler's hands off a database. Nothing of it outlives the daemon: a new one
    /// finds the server down, and starts it.
    pub fn rest(self: &Arc<Self>, name: &DbName) -> Resting {
        let mut state = self.state();
        state.resting.insert(name.clone());
        let view = state.views.get(name);
        Resting {
            board: self.clone(),
            name: name.clone(),
            served: view.is_some_and(|view| view.phase == Phase::Ready),
        }
    }

    /// Remembers that the daemon is about to take a database down; the next look that shows where it
    /// ended up forgets it.
    pub fn take_down(&self, name: &DbName) {
        self.state().taken_down.insert(name.clone());
    }

    /// Databases that the daemon took down and did not see come up again.
    pub fn taken_down(&self) -> BTreeSet<DbName> {
        self.state().taken_down.clone()
    }

    /// Whether the reconciler's hands are to be off a database.
    pub fn rests(&self, name: &DbName) -> bool {
        self.state().resting.contains(name)
    }

    /// How many databases have a view.
    pub fn len(&self) -> usize {
        self.state().views.len()
    }

    /// Whether no database has a view yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shows a database that was not looked at yet, so that nobody takes it for gone.
    pub fn announce(&self, view: DatabaseView) {
        let mut state = self.state();
        state.announced.insert(view.name.clone());
        state.views.insert(view.name.clone(), Arc::new(view));
        self.publish(&mut state);
    }

    /// Whether a database was looked at.
    pub fn looked_at(&self, name: &DbName) -> bool {
        let state = self.state();
        state.views.contains_key(name) && !state.announced.contains(name)
    }

    /// Shows a database's newest view.
    pub fn show(&self, mut view: DatabaseView) {
        let mut state = self.state();
        state.announced.remove(&view.name);
        match view.phase {
            Phase::Pending | Phase::Creating | Phase::Degraded | Phase::Restoring => {}
            Phase::Ready
            | Phase::Stopped
            | Phase::Maintenance
            | Phase::Held
            | Phase::Retired
            | Phase::Ejected => {
                state.taken_down.remove(&view.name);
            }
        }
        view.disk = state.disks.get(&view.name).copied();
        if state.views.get(&view.name).is_some_and(|old| **old == view) {
            return;
        }
        let view = Arc::new(view);
        let new = state
            .views
            .insert(view.name.clone(), view.clone())
            .is_none();
        if new {
            self.publish(&mut state);
        } else {
            self.publish_one(&mut state, &view);
        }
    }

    /// Shows a database no more: its name is free.
    pub fn hide(&self, name: &DbName) {
        let mut state = self.state();
        state.announced.remove(name);
        if state.views.remove(name).is_some() {
            self.publish(&mut state);
        }
    }

    /// Shows what is wrong with specs and files.
    pub fn problems(&self, problems: Vec<Problem>) {
        self.change(|rest| rest.problems = problems);
    }

    /// Shows whether Docker answers; `Some`: what it said instead.
    pub fn docker(&self, trouble: Option<String>) {
        self.change(|rest| rest.docker = trouble);
    }

    /// Shows that every database was looked at once.
    pub fn first_pass_done(&self) {
        self.change(|rest| rest.first_pass_done = true);
    }

    /// Shows how far the tables are behind the ledger, and why they are left alone, if they are.
    pub fn tables(&self, behind: u64, harm: Option<String>) {
        self.change(|rest| (rest.tables_behind, rest.tables_harm) = (behind, harm));
    }

    /// Shows what is wrong with the journal, while it is; `None`: nothing.
    pub fn journal_harm(&self, harm: Option<String>) {
        self.change(|rest| rest.journal_harm = harm);
    }

    /// What is wrong with the journal.
    pub fn harm_of_journal(&self) -> Option<String> {
        self.state().rest.journal_harm.clone()
    }

    /// Shows how often the log was found altered, and nobody has acknowledged it.
    pub fn log_harms(&self, times: u64) {
        self.change(|rest| rest.log_harms = times);
    }

    /// Shows why nothing is removed or retired; empty when that is over.
    pub fn frozen(&self, why: Vec<String>) {
        self.change(|rest| rest.frozen = why);
    }

    /// Shows what is not as it should be, and no reason to wait.
    pub fn remarks(&self, remarks: Vec<Remark>) {
        self.change(|rest| rest.remarks = remarks);
    }

    /// Shows whether it is still to be found out if all that lives is known.
    pub fn comparing(&self, comparing: bool) {
        self.change(|rest| rest.comparing = comparing);
    }

    /// Shows how `mydb_admin` comes back; `None`: it need not.
    pub fn comes_back(&self, how: Option<ComesBack>) {
        self.change(|rest| rest.recovery = how);
    }

    /// Whether nothing is removed or retired.
    pub fn is_frozen(&self) -> bool {
        !self.state().rest.frozen.is_empty()
    }

    /// Shows what a database's data takes; `None`: that cannot be told.
    pub fn disk(&self, name: &DbName, disk: Option<DiskUse>) {
        let mut state = self.state();
        match disk {
            Some(disk) => state.disks.insert(name.clone(), disk),
            None => state.disks.remove(name),
        };
        if let Some(view) = state.views.get_mut(name) {
            Arc::make_mut(view).disk = disk;
            self.publish(&mut state);
        }
    }

    /// Shows the data volumes.
    pub fn volumes(&self, volumes: Vec<VolumeView>) {
        self.change(|rest| rest.volumes = volumes);
    }

    /// Shows that the journal does not reach a store, or (`None`) that it does.
    pub fn unshipped(&self, store: &str, failing: Option<Unshipped>) {
        self.change(|rest| {
            rest.unshipped.retain(|other| other.store != store);
            rest.unshipped.extend(failing);
        });
    }

    fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut state = self.state();
        let before = state.rest.clone();
        change(&mut state.rest);
        if state.rest != before {
            self.publish(&mut state);
        }
    }

    /// Publishes another view of a database that is shown, under the lock. Those of the others are copied
    /// only if somebody still holds the snapshot before.
    fn publish_one(&self, state: &mut State, view: &DatabaseView) {
        if self.unwatched(state) {
            return;
        }
        let now = self.clock.now();
        self.snapshot.send_modify(|snapshot| {
            let snapshot = Arc::make_mut(snapshot);
            snapshot.at = Some(now);
            let mut shown = snapshot.databases.iter_mut();
            if let Some(shown) = shown.find(|shown| shown.name == view.name) {
                shown.clone_from(view);
            }
        });
    }

    /// Publishes under the lock, so that snapshots never go backwards.
    fn publish(&self, state: &mut State) {
        if !self.unwatched(state) {
            self.replace(state);
        }
    }

    fn replace(&self, state: &mut State) {
        state.behind = false;
        let (admin, users): (Vec<_>, Vec<_>) = state
            .views
            .values()
            .partition(|view| view.name.is_mydb_admin());
        let databases = users
            .into_iter()
            .chain(admin)
            .map(|view| (**view).clone())
            .collect();
        let snapshot = Snapshot {
            at: Some(self.clock.now()),
            databases,
            ..state.rest.clone()
        };
        self.snapshot.send_replace(Arc::new(snapshot));
    }
}

#[cfg(test)]
mod tests;
