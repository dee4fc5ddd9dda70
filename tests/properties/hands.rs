//! Troubles: what people, programs and hardware do to a host while the daemon works.

use chrono::TimeDelta;

use db4sci::admin::journal::Fault;
use db4sci::model::{Change, Clock, ContainerId, Override, OverrideState, RestartPolicy, Who};
use db4sci::runtime::sim::Faults;

use crate::grudge::VERBS;
use crate::host::Host;
use crate::rng::Rng;
use crate::specs::Wish;

/// Which kinds of trouble a run has.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kinds {
    /// People at the `docker` command line.
    pub hands: bool,
    /// Calls that fail, answers that get lost, an engine that is away.
    pub faults: bool,
    /// Kills of the daemon.
    pub crashes: bool,
    /// Specs, overrides and requests of people.
    pub wishes: bool,
    /// Disks that are full, not mounted, swapped, corrupt.
    pub disks: bool,
    /// A wall clock that jumps.
    pub clock: bool,
    /// Data that is lost for good.
    pub losses: bool,
}

/// What has to be mended when the troubles end.
#[derive(Debug, Default)]
pub struct Damage {
    foreign: Vec<ContainerId>,
    unmounted: bool,
    swapped: Option<(usize, usize)>,
    corrupt: Vec<usize>,
}

type Done = Result<(), String>;

/// How many hands there are on one database, and in all.
pub const HANDS_ON_ONE: u64 = 12;
const HANDS: u64 = 15;

impl Host {
    pub fn any(&mut self) -> usize {
        let count = self.dbs.len() as u64;
        usize::try_from(self.rng.below(count)).unwrap_or(0)
    }

    pub fn seconds(&mut self, most: u64) -> TimeDelta {
        let millis = self.rng.below(most * 1000);
        TimeDelta::milliseconds(i64::try_from(millis).unwrap_or(0))
    }

    /// One trouble of the allowed kinds, and some time for it to work.
    pub async fn trouble(&mut self, kinds: Kinds, damage: &mut Damage) -> Done {
        let allowed = [
            (kinds.hands, 0),
            (kinds.hands, 0),
            (kinds.faults, 1),
            (kinds.crashes, 2),
            (kinds.wishes, 3),
            (kinds.disks, 4),
            (kinds.clock, 5),
            (kinds.losses, 6),
        ];
        let allowed: Vec<u8> = allowed
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, kind)| *kind)
            .collect();
        match *self.rng.pick(&allowed) {
            0 => {
                let (n, what) = (self.any(), self.rng.below(HANDS));
                self.hand(n, what, damage);
            }
            1 => self.fault(),
            2 => {
                self.tell("the daemon is killed");
                self.crash().await?;
            }
            3 => self.person().await?,
            4 => self.disk(damage),
            5 => {
                let hours = i64::try_from(self.rng.below(50)).unwrap_or(0) - 25;
                self.tell(format!("the clock jumps by {hours} h"));
                self.world.clock().jump(TimeDelta::hours(hours));
            }
            _ => self.lose(),
        }
        for n in 0..self.dbs.len() {
            self.write(n);
        }
        let time = match self.rng.below(10) {
            0..=3 => self.seconds(3),
            4..=7 => self.seconds(40),
            8 => self.seconds(300),
            _ => TimeDelta::zero(),
        };
        self.pass(time).await
    }

    /// A hand on one database; the last three concern the whole host.
    pub fn hand(&mut self, n: usize, what: u64, damage: &mut Damage) {
        let name = self.dbs[n].name.to_string();
        let name = name.as_str();
        let world = self.world.clone();
        let told = match what {
            0 => {
                world.kill(name);
                "killed"
            }
            1 => {
                world.kill_for_memory(name);
                "killed for memory"
            }
            2 => {
                world.stop_by_hand(name);
                "stopped by hand"
            }
            3 | 4 => {
                world.remove_by_hand(name);
                "removed by hand"
            }
            5 => {
                let other = format!("{name}-{}", self.rng.below(1000));
                world.rename_by_hand(name, &other);
                "renamed by hand"
            }
            6 => {
                world.pause_by_hand(name);
                "paused by hand"
            }
            7 => {
                let policy = *self.rng.pick(&[RestartPolicy::No, RestartPolicy::Other]);
                world.set_policy_by_hand(name, policy);
                "given another policy"
            }
            8 => {
                let memory = (1 + self.rng.below(4)) << 30;
                let cpus = i64::try_from(self.rng.below(3)).unwrap_or(0);
                world.update_by_hand(name, memory, cpus * 1_000_000_000);
                "given other limits"
            }
            9 => {
                world.hang(name);
                "hung"
            }
            10 => {
                let out_of_the_way = format!("{name}-{}", self.rng.below(1000));
                if self.rng.percent(50) {
                    world.remove_by_hand(name);
                } else {
                    world.rename_by_hand(name, &out_of_the_way);
                }
                damage.foreign.push(world.add_foreign(name, &[]));
                "deprived of its name by a foreign container"
            }
            11 => {
                let Some(db) = self.database(n) else {
                    return;
                };
                if self.rng.percent(50) {
                    world.stop_by_hand(name);
                } else {
                    world.remove_by_hand(name);
                }
                let hog = format!("hog-{}", damage.foreign.len());
                let port = db.port.get();
                damage.foreign.push(world.add_foreign(&hog, &[port]));
                "deprived of its port by a foreign container"
            }
            12 => {
                world.restart_engine();
                "(all) restarted with the engine"
            }
            13 => {
                world.break_events();
                "(all) deprived of events"
            }
            _ => {
                let Some(id) = damage.foreign.pop() else {
                    return;
                };
                world.remove_by_hand(id.as_str());
                "(all) rid of a foreign container"
            }
        };
        self.tell(format!("{name} is {told}"));
    }

    pub fn fault(&mut self) {
        let faults = match self.rng.below(5) {
            0 => Faults::default(),
            1 => {
                let time = self.seconds(120);
                self.tell(format!("the engine is away for {time}"));
                self.world.engine_away(time);
                return;
            }
            2 => {
                let n = self.any();
                self.grudge(n);
                return;
            }
            _ => {
                let rate = u32::try_from(self.rng.below(150)).unwrap_or(0);
                let left = u32::try_from(self.rng.below(30)).unwrap_or(0);
                Faults {
                    fails: rate,
                    unheard: rate,
                    away: rate / 10,
                    away_for: self.seconds(20),
                    left: Some(left),
                }
            }
        };
        self.tell(format!("calls fail: {faults:?}"));
        self.world.set_faults(faults);
    }

    /// The engine refuses something of one database's container from now on, or nothing any more.
    pub fn grudge(&mut self, n: usize) {
        let verb = *self.rng.pick(&VERBS);
        let refused = self.rng.percent(60);
        let against = refused.then(|| (self.dbs[n].name.clone(), verb));
        self.tell(format!("the engine refuses: {against:?}"));
        self.daemon.grudge.bear(against);
    }

    async fn person(&mut self) -> Done {
        let n = self.any();
        let name = self.dbs[n].name.clone();
        let change = match self.rng.below(9) {
            4 => {
                if let Some(view) = self.daemon.board.view(&name) {
                    self.approve(n, &view).await?;
                }
                return Ok(());
            }
            0 => Change::RestartAsked,
            1 => Change::RetryAsked,
            2 => Change::Resumed { since: None },
            3 => {
                let states = [
                    OverrideState::Running,
                    OverrideState::Stopped,
                    OverrideState::Maintenance,
                ];
                let state = *self.rng.pick(&states);
                let now = self.world.clock().now();
                let until = self.rng.percent(70).then(|| now + self.seconds(600));
                let by = Override {
                    state,
                    until,
                    reason: "INC-812".to_owned(),
                    who: Who::Daemon,
                    since: now,
                };
                Change::Overridden { by }
            }
            _ => {
                let wish = another(&self.dbs[n].wish, &mut self.rng);
                self.tell(format!("{wish:?}"));
                self.wish(n, wish).await?;
                return Ok(());
            }
        };
        self.tell(format!("{name}: {change:?}"));
        self.append(n, change).await.map(|_| ())
    }

    fn disk(&mut self, damage: &mut Damage) {
        let n = self.any();
        let name = self.dbs[n].name.clone();
        let free = damage.swapped.is_none() && !self.dbs.iter().any(|db| db.lost());
        match self.rng.below(9) {
            0 => {
                let full = self.rng.percent(50);
                self.tell(format!("the data disk is full: {full}"));
                self.world.set_disk_full(full);
            }
            1 => {
                let full = self.rng.percent(50);
                self.tell(format!("the ledger's disk is full: {full}"));
                self.storage.set_full(full);
            }
            2 => {
                let after = usize::try_from(self.rng.below(200)).unwrap_or(0);
                let fault = *self
                    .rng
                    .pick(&[Fault::SyncFails, Fault::DiskFull { after }]);
                self.tell(format!("the ledger's disk: {fault:?}"));
                self.storage.fail_next(fault);
            }
            3 if damage.unmounted => {
                self.tell("the volume is mounted again");
                self.mount(damage);
            }
            3 => {
                self.tell("the volume is unmounted");
                self.world.unmount("/volume".as_ref());
                damage.unmounted = true;
                for db in &mut self.dbs {
                    db.barred.insert("unmounted");
                }
            }
            4 => {
                let others: Vec<usize> = (0..self.dbs.len())
                    .filter(|m| *m != n && self.dbs[*m].begun)
                    .collect();
                if free && self.dbs[n].begun && !others.is_empty() {
                    let m = *self.rng.pick(&others);
                    self.swap(n, m);
                    damage.swapped = Some((n, m));
                }
            }
            5 => {
                if let Some((n, m)) = damage.swapped.take() {
                    self.swap(n, m);
                }
            }
            6 => {
                if let Some(db) = self.database(n).filter(|_| free && self.dbs[n].begun) {
                    self.tell(format!("{name}'s marker is gone"));
                    self.world.delete_marker(&db);
                }
            }
            // While a folder is elsewhere, its path leads to another one.
            7 if !self.dbs.iter().any(|db| !db.barred.is_empty()) => {
                if let Some(db) = damage.corrupt.pop().and_then(|n| self.database(n)) {
                    self.tell(format!("{}'s data is mended", db.name));
                    self.world.mend_data(&db);
                }
            }
            7 => {}
            _ => {
                if let Some(db) = self.database(n).filter(|_| free && self.dbs[n].begun) {
                    self.tell(format!("{name}'s data is corrupt"));
                    self.world.corrupt_data(&db);
                    damage.corrupt.push(n);
                }
            }
        }
    }

    fn mount(&mut self, damage: &mut Damage) {
        self.world.mount("/volume".as_ref());
        damage.unmounted = false;
        for db in &mut self.dbs {
            db.barred.remove("unmounted");
        }
    }

    fn swap(&mut self, n: usize, m: usize) {
        let (Some(a), Some(b)) = (self.database(n), self.database(m)) else {
            return;
        };
        self.tell(format!("the data of {} and {} is swapped", a.name, b.name));
        self.world.swap_data(&a, &b);
        for i in [n, m] {
            let barred = &mut self.dbs[i].barred;
            if !barred.remove("swapped") {
                barred.insert("swapped");
            }
        }
    }

    /// Data that held something goes; what went before may come back.
    fn lose(&mut self) {
        let n = self.any();
        if self.dbs[n].lost() {
            if let Some(db) = self.database(n) {
                self.tell(format!("the data folder of {} is back", db.name));
                self.world.bring_back_data(&db);
                self.dbs[n].barred.remove("lost");
            }
            return;
        }
        let strange = self.dbs.iter().any(|db| !db.barred.is_empty());
        let Some(db) = self.database(n).filter(|_| self.dbs[n].begun && !strange) else {
            return;
        };
        if self.rng.percent(50) {
            self.tell(format!("the data folder of {} is deleted", db.name));
            self.world.delete_data(&db);
        } else {
            self.tell(format!("the data folder of {} is emptied", db.name));
            self.world.empty_data(&db);
        }
        self.dbs[n].barred.insert("lost");
    }

    pub fn end_troubles(&mut self, mut damage: Damage) {
        self.tell("the troubles end");
        self.world.set_faults(Faults::default());
        self.world.engine_away(TimeDelta::zero());
        self.daemon.grudge.bear(None);
        self.world.set_disk_full(false);
        self.storage.set_full(false);
        self.mount(&mut damage);
        if let Some((n, m)) = damage.swapped.take() {
            self.swap(n, m);
        }
        for n in damage.corrupt {
            if let Some(db) = self.database(n) {
                self.world.mend_data(&db);
            }
        }
        for id in damage.foreign {
            self.world.remove_by_hand(id.as_str());
        }
    }

    /// The troubles end, and people undo what only people can.
    pub async fn mend(&mut self, damage: Damage) -> Done {
        self.calms();
        self.end_troubles(damage);
        // Whatever was refused before (a full disk) is said again.
        self.pass(TimeDelta::seconds(61)).await?;
        for n in 0..self.dbs.len() {
            let mut wish = self.dbs[n].wish.clone();
            if wish.state == "Maintenance" {
                wish.state = "Running";
            }
            let changes = [Change::Resumed { since: None }, Change::RetryAsked];
            let name = self.dbs[n].name.clone();
            // A fault of the ledger's disk may still be under way: once.
            if !self.wish(n, wish.clone()).await? && !self.wish(n, wish).await? {
                return Err(format!("{name}: its spec is refused"));
            }
            for change in changes {
                if !self.append(n, change.clone()).await? && !self.append(n, change).await? {
                    return Err(format!("{name}: an entry is refused"));
                }
            }
        }
        Ok(())
    }
}

/// A spec with one field changed.
pub fn another(wish: &Wish, rng: &mut Rng) -> Wish {
    let mut wish = wish.clone();
    match rng.below(9) {
        0 => wish.memory = *rng.pick(&[None, Some("1Gi"), Some("2Gi"), Some("3Gi")]),
        1 => wish.cpus = *rng.pick(&[None, Some("1"), Some("2")]),
        2 => wish.shm = *rng.pick(&[None, Some("128Mi"), Some("512Mi")]),
        3 => wish.setting = *rng.pick(&[None, Some("50"), Some("60")]),
        4 => wish.port = Some(33_000 + u16::try_from(rng.below(6)).unwrap_or(0)),
        5 => wish.image = Some(*rng.pick(&wish.images())),
        6 => wish.state = *rng.pick(&["Running", "Stopped", "Running", "Maintenance"]),
        7 => wish.window = *rng.pick(&["Any", "Any", "AfterHours"]),
        _ => wish.description = *rng.pick(&[None, Some("one"), Some("two")]),
    }
    wish
}
