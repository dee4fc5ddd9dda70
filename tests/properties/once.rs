//! Once, for backups: whatever fails, gets lost, restarts or jumps, a store holds at most one good
//! backup of one slot, and the work ends.
//!
//! The planner's `due` is asked in turns as the daemon asks it. Whoever carries it out is a model: a
//! dump may fail, may be stored without the ledger hearing of it, and may be cut off by a kill; the next
//! start ends what was begun, as `Archive::clear` does.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use db4sci::model::{
    Backup, BackupId, BackupKind, BackupState, Clock, Database, KeepRetired, Retention, Schedule,
    Slot, Timestamp, Tombstone, Verify,
};
use db4sci::plan::backups::{Known, Retirement, Work, due};
use db4sci::runtime::sim::World;

use crate::host::block_on;
use crate::rng::Rng;
use crate::seeds::{Run, hold};

/// How long a history is.
const DAYS: i64 = 6;
/// It was never to be retired before.
static NONE: BTreeSet<BackupId> = BTreeSet::new();
/// Between two questions.
const TURN: TimeDelta = TimeDelta::minutes(29);

/// What lies in a store: whole ones, by the key that the layout gives them.
type Lies = BTreeSet<(String, Slot, u32)>;

struct History {
    db: Database,
    stores: Vec<String>,
    /// The ledger's word.
    backups: BTreeMap<BackupId, Backup>,
    lies: Lies,
    now: Timestamp,
    since: Timestamp,
    rng: Rng,
    /// Slots that were taken in vain, and how often.
    attempts: BTreeMap<Slot, u32>,
    tell: bool,
}

impl History {
    fn new(run: &Run) -> Result<Self, String> {
        let mut rng = Rng::new(run.seed);
        let mut db = database()?;
        let schedules = ["0 2 * * *", "0 */6 * * *", "*/45 * * * *"];
        db.backup.schedule = Schedule::Cron((*rng.pick(&schedules)).to_owned());
        db.backup.verify = *rng.pick(&[Verify::Always, Verify::Weekly, Verify::Never]);
        db.backup.retention = Retention {
            last: 1 + u32::try_from(rng.below(4)).unwrap_or(0),
            daily: 2,
            weekly: 1,
            monthly: 1,
        };
        let stores = ["local", "offsite"].map(str::to_owned);
        let count = 1 + usize::try_from(rng.below(2)).unwrap_or(0);
        let now = World::new(0).clock().now();
        Ok(History {
            db,
            stores: stores[..count].to_vec(),
            backups: BTreeMap::new(),
            lies: Lies::new(),
            now,
            since: now,
            rng,
            attempts: BTreeMap::new(),
            tell: run.tell,
        })
    }

    fn tell(&self, text: impl FnOnce() -> String) {
        if self.tell {
            println!("{} {}", self.now, text());
        }
    }

    fn due(&self) -> Option<Work> {
        let untested = std::collections::BTreeSet::new();
        let known = Known {
            untested: &untested,
            hibernation: db4sci::model::Hibernation::None,
            db: &self.db,
            since: self.since,
            backups: &self.backups,
            stores: &self.stores,
            answers: true,
            initialised: true,
            given_up: None,
            earlier: &NONE,
            retirement: Retirement::None,
            last: None,
            frozen: false,
            tombstone: Tombstone::None,
            keep: KeepRetired::default(),
            unsaved: 0,
            cut_off: false,
        };
        due(&known, self.now)
    }

    /// Carries one work out; with `trouble`, not always to its end.
    fn carry_out(&mut self, work: Work, trouble: bool) -> Result<(), String> {
        self.tell(|| format!("{work:?}"));
        match work {
            Work::Take {
                slot,
                attempt,
                kind,
                stores,
            } => self.take(slot, attempt, kind, &stores, trouble),
            Work::Verify(id) => {
                let damaged = trouble && self.rng.percent(4);
                let could_not = trouble && self.rng.percent(10);
                let now = self.now;
                let backup = self
                    .backups
                    .get_mut(&id)
                    .ok_or("it verifies what is not there")?;
                if damaged {
                    backup.state = BackupState::Damaged;
                    backup.finished = Some(now);
                } else if could_not {
                    backup.error = Some("the test could not be made".to_owned());
                } else {
                    backup.state = BackupState::Verified;
                    backup.verified = Some(now);
                }
                Ok(())
            }
            Work::Prune(ids) => {
                for id in ids {
                    // The store first: what the ledger forgets must not lie there.
                    self.lies.remove(&(id.store.clone(), id.slot, id.attempt));
                    self.backups.remove(&id);
                }
                Ok(())
            }
            other => Err(format!("{other:?} of a database that is wanted")),
        }
    }

    fn take(
        &mut self,
        slot: Slot,
        attempt: u32,
        kind: BackupKind,
        stores: &[String],
        trouble: bool,
    ) -> Result<(), String> {
        let started = self.now;
        for store in stores {
            let id = BackupId {
                name: self.db.name.clone(),
                slot,
                attempt,
                store: store.clone(),
            };
            let begun = Backup {
                id: id.clone(),
                uid: self.db.uid,
                kind,
                state: BackupState::Running,
                started,
                finished: None,
                verified: None,
                bytes: 1,
                sha256: None,
                url: String::new(),
                error: None,
                keep_until: None,
                note: String::new(),
            };
            if self.backups.insert(id.clone(), begun).is_some() {
                return Err(format!("{id} is taken twice"));
            }
            if self.lies.contains(&(store.clone(), slot, attempt)) {
                return Err(format!("{id} is written over another one"));
            }
        }
        *self.attempts.entry(slot).or_default() += 1;
        self.now += TimeDelta::minutes(i64::try_from(self.rng.below(4)).unwrap_or(0));
        for store in stores {
            let fails = trouble && self.rng.percent(30);
            if !fails {
                self.lies.insert((store.clone(), slot, attempt));
            }
            // A kill between the manifest and the ledger: stored, and nobody knows.
            if trouble && self.rng.percent(12) {
                self.tell(|| "killed".to_owned());
                return self.restart();
            }
            let now = self.now;
            let mine = self.backups.values_mut();
            for backup in mine.filter(|b| {
                b.id.store == *store && b.state == BackupState::Running && b.id.slot == slot
            }) {
                backup.finished = Some(now);
                backup.state = if fails {
                    BackupState::Failed
                } else {
                    BackupState::Stored
                };
            }
        }
        Ok(())
    }

    /// As `Archive::clear`: what was begun is stored where it lies in its store whole, and has failed
    /// where it does not, or where the store does not answer: then nobody asked.
    fn restart(&mut self) -> Result<(), String> {
        for backup in self.backups.values_mut() {
            if backup.state == BackupState::Running {
                let id = &backup.id;
                let lies = (id.store.clone(), id.slot, id.attempt);
                let found = self.lies.contains(&lies) && self.rng.percent(70);
                backup.finished = Some(self.now);
                backup.state = if found {
                    BackupState::Stored
                } else {
                    self.lies.remove(&lies);
                    BackupState::Failed
                };
            }
        }
        Ok(())
    }

    /// The law.
    fn once(&self) -> Result<(), String> {
        let mut good = BTreeSet::new();
        for backup in self.backups.values().filter(|b| b.state.good()) {
            let id = &backup.id;
            if !good.insert((id.store.clone(), id.slot)) {
                return Err(format!("two good backups of {} in {}", id.slot, id.store));
            }
            if !self.lies.contains(&(id.store.clone(), id.slot, id.attempt)) {
                return Err(format!("{id} is known as good, and is not there"));
            }
        }
        let mut whole = BTreeSet::new();
        for (store, slot, attempt) in &self.lies {
            let damaged = self.backups.values().any(|b| {
                (&b.id.store, b.id.slot, b.id.attempt) == (store, *slot, *attempt)
                    && b.state == BackupState::Damaged
            });
            if !damaged && !whole.insert((store, slot)) {
                return Err(format!("two whole backups of {slot} lie in {store}"));
            }
        }
        Ok(())
    }
}

fn database() -> Result<Database, String> {
    block_on(async {
        let mut host = crate::host::Host::new(Run::of(1)).await?;
        host.add(crate::specs::Wish::new("genomics", "Postgres"))
            .await?;
        let book = host.daemon.ledger.book();
        let mut rows = book.rows();
        let found = rows.find(|(name, _)| name.as_str() == "genomics");
        found
            .map(|(_, row)| Database::clone(&row.database))
            .ok_or_else(|| "there is no genomics".to_owned())
    })
}

fn history(run: Run) -> Result<(), String> {
    let mut history = History::new(&run)?;
    let end = history.now + TimeDelta::days(DAYS);
    for turn in 0.. {
        if history.now >= end {
            break;
        }
        let troubled = history.now < end - TimeDelta::days(2);
        let rng = troubled.then(|| run.begin(turn)).flatten();
        let trouble = rng.is_some();
        history.rng = rng.unwrap_or_else(|| run.end());
        // Until nothing is due: each answer is one work, and it ends.
        for works in 0.. {
            let Some(work) = history.due() else { break };
            history.carry_out(work.clone(), trouble)?;
            history.once()?;
            if works > 200 {
                return Err(format!("there is no end: {work:?}"));
            }
        }
        history.now += TURN;
        if trouble && history.rng.percent(3) {
            let hours = i64::try_from(history.rng.below(60)).unwrap_or(0) - 20;
            history.now = (history.now + TimeDelta::hours(hours)).max(history.since);
            history.tell(|| format!("the clock jumped by {hours} h"));
        }
    }
    // After two days without trouble, every store has a fresh one.
    for store in &history.stores {
        let mut good = history
            .backups
            .values()
            .filter(|b| b.id.store == *store && b.state.good());
        if !good.any(|b| b.started <= end && b.started > end - TimeDelta::hours(30)) {
            return Err(format!("{store} has none of the last day"));
        }
    }
    Ok(())
}

#[test]
fn a_store_holds_at_most_one_good_backup_of_a_slot() {
    // 30: one that replaced a damaged one at the same instant ended the schedule for ever.
    // 100: one that could not be replaced for hours did.
    hold(&[30, 100], history);
}
