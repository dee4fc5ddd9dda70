//! What people let go, how much is disrupted without them, and hands off the whole host.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;

use db4sci::admin::NewEntry;
use db4sci::control::Queue;
use db4sci::control::intake::Intake;
use db4sci::model::database::Window;
use db4sci::model::view::{DatabaseView, Phase};
use db4sci::model::{
    Change, Clock, Database, DbName, Entry, Outcome, Override, OverrideState, Reason, Who,
};
use db4sci::plan::approval;
use db4sci::plan::window::opens;

use crate::host::{Host, block_on};
use crate::laws::settles;
use crate::seeds::{Run, hold, hold_for};
use crate::specs::{Wish, rules};

/// One database of many.
fn numbered(n: usize) -> Wish {
    let name: &'static str = format!("db{n:02}").leak();
    Wish::new(
        name,
        if n.is_multiple_of(2) {
            "Postgres"
        } else {
            "MariaDB"
        },
    )
}

impl Host {
    fn views(&self) -> Vec<DatabaseView> {
        self.daemon.board.watch().borrow().databases.clone()
    }

    /// Everything that was written, oldest first.
    async fn entries(&self) -> Result<Vec<Entry>, String> {
        let records = self.daemon.ledger.records(0, usize::MAX).await;
        let records = records.map_err(|e| e.to_string())?;
        Ok(records.into_iter().map(|r| r.entry).collect())
    }

    /// A person approves whatever waits for that and nothing else.
    pub async fn approve_what_needs_it(&mut self) -> Result<(), String> {
        for n in 0..self.dbs.len() {
            let view = self.daemon.board.view(&self.dbs[n].name);
            let needs = |view: &DatabaseView| {
                let mut held = view.held.iter();
                held.any(|h| h.reason == Reason::NeedsApproval)
            };
            if let Some(view) = view.filter(|view| needs(view)) {
                self.approve(n, &view).await?;
            }
        }
        Ok(())
    }

    /// A person approves what waits of one database as it was shown. Whether that was accepted.
    pub async fn approve(&mut self, n: usize, shown: &DatabaseView) -> Result<bool, String> {
        let Some(waiting) = approval::waiting_of(shown) else {
            return Ok(false);
        };
        let (uid, hash) = (shown.uid, waiting.hash());
        self.tell(format!("{} is approved: {hash}", shown.name));
        self.append(n, Change::Approved { uid, hash }).await
    }
}

/// Whether each disruption went by an approval that was in force: given after the spec was, not void,
/// and not the one of steps that had ended. For databases whose windows never open, and nobody
/// restarts or stops. Gives how many approvals each database was given.
fn each_by_its_own_approval(entries: &[Entry]) -> Result<BTreeMap<DbName, usize>, String> {
    let mut open: BTreeMap<DbName, String> = BTreeMap::new();
    let mut under: BTreeMap<DbName, String> = BTreeMap::new();
    let mut given: BTreeMap<DbName, usize> = BTreeMap::new();
    for entry in entries {
        let Some(name) = &entry.name else { continue };
        match &entry.change {
            Change::Approved { hash, .. } => {
                open.insert(name.clone(), hash.clone());
                *given.entry(name.clone()).or_default() += 1;
            }
            Change::Admitted { .. } => {
                open.remove(name);
            }
            Change::ApprovalVoided { hash, .. } if open.get(name) == Some(hash) => {
                open.remove(name);
            }
            Change::Intended {
                approval, disrupts, ..
            } => {
                under.remove(name);
                match (approval, disrupts) {
                    (Some(hash), _) if open.get(name) == Some(hash) => {
                        under.insert(name.clone(), hash.clone());
                    }
                    (None, None) => {}
                    (used, _) => {
                        let open = open.get(name);
                        return Err(format!(
                            "entry {}: {name}: {} (approval {used:?}, in force {open:?})",
                            entry.seq, entry.message
                        ));
                    }
                }
            }
            Change::Acted { .. } if entry.outcome == Outcome::Done => {
                if let Some(hash) = under.remove(name)
                    && open.get(name) == Some(&hash)
                {
                    open.remove(name);
                }
            }
            _ => {}
        }
    }
    Ok(given)
}

async fn approved_now_and_then(run: Run) -> Result<(), String> {
    let mut host = Host::new(run).await?;
    for n in 0..4 {
        let mut wish = numbered(n);
        // The simulation begins on another day, and none of it lasts a week.
        wish.window = "\"Sun 03:00-03:01\"";
        host.add(wish).await?;
    }
    host.pass(TimeDelta::seconds(60)).await?;
    host.all_as_wanted()?;
    // Plans that were shown, and may be old by now.
    let mut shown: Vec<(usize, DatabaseView)> = Vec::new();
    let steps = 10 + host.rng.below(30);
    for step in 0..steps {
        if !host.begins(step) {
            continue;
        }
        let n = usize::try_from(host.rng.below(4)).unwrap_or(0);
        let name = host.dbs[n].name.clone();
        match host.rng.below(12) {
            0..=3 => {
                let mut wish = host.dbs[n].wish.clone();
                match host.rng.below(4) {
                    0 => wish.shm = *host.rng.pick(&[None, Some("128Mi"), Some("512Mi")]),
                    1 => wish.memory = *host.rng.pick(&[None, Some("1Gi"), Some("3Gi")]),
                    2 => wish.image = Some(*host.rng.pick(&wish.images())),
                    _ => wish.setting = *host.rng.pick(&[None, Some("50"), Some("60")]),
                }
                host.tell(format!("{wish:?}"));
                host.wish(n, wish).await?;
            }
            4..=6 => {
                if let Some(view) = host.daemon.board.view(&name) {
                    shown.push((n, DatabaseView::clone(&view)));
                    host.approve(n, &view).await?;
                }
            }
            7 | 8 if !shown.is_empty() => {
                let (n, view) = host.rng.pick(&shown).clone();
                host.tell("an old plan is approved");
                host.approve(n, &view).await?;
            }
            9 => host.crash().await?,
            10 => host.world.kill(name.as_str()),
            _ => host.world.remove_by_hand(name.as_str()),
        }
        let seconds = i64::try_from(host.rng.below(40)).unwrap_or(0);
        host.pass(TimeDelta::seconds(seconds)).await?;
    }
    host.calms();
    // Whatever still waits goes with leave of its own.
    for _ in 0..3 {
        host.pass(TimeDelta::seconds(90)).await?;
        for n in 0..host.dbs.len() {
            if let Some(view) = host.daemon.board.view(&host.dbs[n].name) {
                host.approve(n, &view).await?;
            }
        }
    }
    let stops_of: Vec<String> = host.journal.iter().map(|line| line.text.clone()).collect();
    settles(&mut host).await?;
    let given = each_by_its_own_approval(&host.entries().await?)?;
    // Whatever was killed in between: no server was stopped more often than people said.
    let mut stops: BTreeMap<String, usize> = BTreeMap::new();
    let names = stops_of
        .iter()
        .filter_map(|text| text.strip_prefix("stop "));
    for name in names {
        *stops.entry(name.to_owned()).or_default() += 1;
    }
    for (name, stops) in stops {
        let given = given.iter().find(|(of, _)| of.as_str() == name);
        let given = given.map_or(0, |(_, given)| *given);
        if stops > given {
            return Err(format!("{name}: {given} approvals, and {stops} stops"));
        }
    }
    Ok(())
}

#[test]
fn no_approval_is_ever_used_twice_and_none_for_other_steps() {
    hold(&[], |run| block_on(approved_now_and_then(run)));
}

/// Windows of databases: open now and then within hours of the beginning of a simulation, always, or never
/// in it.
const WINDOWS: [&str; 6] = [
    "Any",
    "\"Mon 12:04-12:08\"",
    "\"Mon 12:10-12:25\"",
    "\"Mon 12:20-13:00\"",
    "OfficeHours",
    "\"Sun 03:00-03:01\"",
];

/// Whether each disruption began in the window that was in force then, or by an approval. Gives how many began in
/// a window that is not always open.
fn each_in_its_window_or_approved(entries: &[Entry]) -> Result<usize, String> {
    let mut specs: BTreeMap<&DbName, &Database> = BTreeMap::new();
    let mut in_windows = 0;
    for entry in entries {
        let Some(name) = &entry.name else { continue };
        match &entry.change {
            Change::Admitted { database } => {
                specs.insert(name, database);
            }
            Change::Intended {
                approval: None,
                disrupts: Some(_),
                ..
            } => {
                let db = specs.get(name).ok_or("it was not admitted")?;
                let (window, at) = (&db.maintenance_window, entry.at);
                if opens(window, db.time_zone.0, at) != Some(at) {
                    return Err(format!(
                        "entry {} at {at}: {name}: {} outside of {window:?}, and nobody approved it",
                        entry.seq, entry.message
                    ));
                }
                in_windows += usize::from(*window != Window::Any);
            }
            _ => {}
        }
    }
    Ok(in_windows)
}

async fn disrupted_in_windows(run: Run, in_windows: &AtomicUsize) -> Result<(), String> {
    let mut host = Host::new(run).await?;
    for n in 0..3 {
        let mut wish = numbered(n);
        wish.window = *host.rng.pick(&WINDOWS);
        host.add(wish).await?;
    }
    host.pass(TimeDelta::seconds(60)).await?;
    host.all_as_wanted()?;
    let steps = 8 + host.rng.below(16);
    for step in 0..steps {
        if !host.begins(step) {
            continue;
        }
        let n = usize::try_from(host.rng.below(3)).unwrap_or(0);
        let name = host.dbs[n].name.clone();
        let mut broken = false;
        match host.rng.below(12) {
            0..=5 => {
                let mut wish = host.dbs[n].wish.clone();
                match host.rng.below(4) {
                    0 => wish.shm = *host.rng.pick(&[None, Some("128Mi"), Some("512Mi")]),
                    1 => wish.memory = *host.rng.pick(&[None, Some("1Gi"), Some("3Gi")]),
                    2 => wish.setting = *host.rng.pick(&[None, Some("50"), Some("60")]),
                    _ => wish.window = *host.rng.pick(&WINDOWS),
                }
                host.tell(format!("{wish:?}"));
                host.wish(n, wish).await?;
            }
            6 => {
                if let Some(view) = host.daemon.board.view(&name) {
                    host.approve(n, &view).await?;
                }
            }
            7 => host.crash().await?,
            8 | 9 => {
                host.world.kill(name.as_str());
                broken = true;
            }
            _ => {
                host.world.remove_by_hand(name.as_str());
                broken = true;
            }
        }
        if broken {
            // Whatever its window, and whatever else waits for that.
            let mut told = None;
            for _ in 0..12 {
                host.pass(TimeDelta::seconds(5)).await?;
                let view = host.daemon.board.view(&name).ok_or("it is not shown")?;
                told = (view.phase != Phase::Ready).then(|| view.message.clone());
                if told.is_none() {
                    break;
                }
            }
            if let Some(told) = told {
                return Err(format!("{name} waits to be repaired: {told}"));
            }
        }
        let seconds = i64::try_from(host.rng.below(240)).unwrap_or(0);
        host.pass(TimeDelta::seconds(seconds)).await?;
    }
    host.calms();
    let found = each_in_its_window_or_approved(&host.entries().await?)?;
    in_windows.fetch_add(found, Ordering::Relaxed);
    Ok(())
}

#[test]
fn nothing_is_disrupted_outside_its_window_without_approval_and_no_repair_waits_for_one() {
    let in_windows = AtomicUsize::new(0);
    hold_for(60, &[], |run| {
        block_on(disrupted_in_windows(run, &in_windows))
    });
    // A run that is made again alone may have none.
    let alone = ["DB4SCI_SEED", "DB4SCI_ONLY", "DB4SCI_FROM", "DB4SCI_SEEDS"];
    let alone = alone.iter().any(|name| std::env::var_os(name).is_some());
    assert!(alone || in_windows.load(Ordering::Relaxed) > 0);
}

/// So many databases, ready.
async fn many(run: Run, count: usize) -> Result<Host, String> {
    let mut host = Host::new(run).await?;
    for n in 0..count {
        host.add(numbered(n)).await?;
    }
    host.pass(TimeDelta::seconds(90)).await?;
    host.all_as_wanted()?;
    host.journal.clear();
    Ok(host)
}

/// The databases that were stopped by the daemon since somebody last looked.
fn stopped(host: &Host) -> BTreeSet<String> {
    let of = |text: &str| text.strip_prefix("stop ").map(str::to_owned);
    host.journal
        .iter()
        .filter_map(|line| of(&line.text))
        .collect()
}

#[test]
fn of_fifty_that_change_at_once_five_are_restarted_and_the_rest_waits_for_a_person() {
    let run = Run::of(7);
    let law = async {
        let mut host = many(run, 50).await?;
        for n in 0..50 {
            let mut wish = host.dbs[n].wish.clone();
            wish.shm = Some("512Mi");
            host.wish_quietly(n, wish).await?;
        }
        let waits = |host: &Host| {
            let views = host.views();
            let needs = views
                .iter()
                .filter(|v| v.reason == Some(Reason::NeedsApproval));
            needs.count()
        };
        // Neither time nor another daemon is a person.
        for minutes in [30, 120] {
            host.pass(TimeDelta::minutes(minutes)).await?;
            let disrupted = stopped(&host);
            if (disrupted.len(), waits(&host)) != (5, 45) {
                return Err(format!("{disrupted:?}, and {} wait", waits(&host)));
            }
            host.crash().await?;
        }
        host.pass(TimeDelta::minutes(5)).await?;
        let views = host.views();
        let plan = approval::hash_of_all(&approval::waiting(&views)).ok_or("nothing waits")?;
        let one = host.dbs[40].name.clone();
        let some = approval::named(&views, &plan, Some(&one))?;
        assert_eq!(some.len(), 1);
        for one in approval::named(&views, &plan, None)? {
            let of_name = host.dbs.iter().position(|db| db.name == one.view.name);
            host.approve(of_name.ok_or("unknown")?, one.view).await?;
        }
        host.pass(TimeDelta::minutes(10)).await?;
        host.all_as_wanted()?;
        assert_eq!(stopped(&host).len(), 50);
        let entries = host.entries().await?;
        let approved = entries.iter().filter(|e| {
            matches!(
                &e.change,
                Change::Intended {
                    approval: Some(_),
                    ..
                }
            )
        });
        assert_eq!(approved.count(), 45);
        Ok::<(), String>(())
    };
    block_on(law).unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn specs_that_are_only_looked_at_together_say_which_ones_would_wait_for_a_person() {
    let law = async {
        let host = many(Run::of(5), 8).await?;
        let daemon = &host.daemon;
        let before = daemon.ledger.book();
        let intake = Intake::new(
            daemon.ledger.clone(),
            daemon.reconciler.clone(),
            daemon.board.clone(),
            Arc::new(Queue::default()),
            Arc::new(host.world.clock()),
            Path::new("/nowhere").to_owned(),
            Box::new(|| Ok(rules())),
        );
        let mut rehearsal = daemon.reconciler.rehearsal();
        let (mut goes, mut waits) = (0, 0);
        for db in &host.dbs {
            let mut wish = db.wish.clone();
            wish.shm = Some("512Mi");
            let parsed = db4sci::specs::parse(&wish.text(), Path::new("all.yaml"));
            let parsed = parsed.map_err(|problems| format!("{problems:?}"))?;
            let over = before.row(&db.name).map(|row| row.database.uid);
            let admitted = intake
                .api(Who::Daemon, &parsed, "", Some(&mut rehearsal), over)
                .await;
            admitted.map_err(|e| e.to_string())?;
            let row = rehearsal.book().row(&db.name).cloned().ok_or("no row")?;
            let view = daemon.reconciler.preview(&row, &mut rehearsal).await;
            goes += usize::from(view.lane.is_some_and(|lane| lane.counts));
            let mut held = view.held.iter();
            waits += usize::from(held.any(|h| h.reason == Reason::NeedsApproval));
        }
        assert_eq!((goes, waits), (5, 3));
        assert_eq!(daemon.ledger.book(), before, "nothing is written");
        Ok::<(), String>(())
    };
    block_on(law).unwrap_or_else(|why: String| panic!("{why}"));
}

#[test]
fn a_host_that_is_rebooted_with_fifty_databases_needs_no_approval() {
    let run = Run::of(11);
    let law = async {
        let mut host = many(run, 50).await?;
        let wrong = |host: &Host| {
            let views = host.views();
            let held = |view: &DatabaseView| {
                let mut all = view.held.iter();
                all.any(|h| h.reason == Reason::NeedsApproval)
            };
            views.iter().any(held)
        };
        for reboot in 0..2 {
            // All are down at once; of half of them the containers are gone, too.
            for n in 0..50 {
                let name = host.dbs[n].name.to_string();
                if reboot == 1 && n < 25 {
                    host.world.remove_by_hand(&name);
                } else {
                    host.world.stop_by_hand(&name);
                }
            }
            host.world.restart_engine();
            host.crash().await?;
            for _ in 0..60 {
                host.pass(TimeDelta::seconds(2)).await?;
                if wrong(&host) {
                    return Err("a repair waits for a person".to_owned());
                }
            }
            host.pass(TimeDelta::minutes(5)).await?;
            host.all_as_wanted()?;
        }
        let entries = host.entries().await?;
        let counted = entries.iter().any(|e| {
            let change = &e.change;
            matches!(
                change,
                Change::Intended {
                    disrupts: Some(_),
                    ..
                }
            )
        });
        assert!(!counted, "a repair was counted");
        Ok::<(), String>(())
    };
    block_on(law).unwrap_or_else(|why| panic!("{why}"));
}

async fn hands_off(run: Run) -> Result<(), String> {
    let mut host = many(run, 3).await?;
    let by = Override {
        state: OverrideState::Maintenance,
        until: None,
        reason: "disks".to_owned(),
        who: Who::Daemon,
        since: host.world.clock().now(),
    };
    let of_host = |change| NewEntry {
        who: Who::Daemon,
        name: None,
        outcome: Outcome::Done,
        message: "the whole host".to_owned(),
        change,
    };
    let ledger = host.daemon.ledger.clone();
    let off = of_host(Change::HandsOff { by });
    ledger.append(off).await.map_err(|e| e.to_string())?;
    host.pass(TimeDelta::seconds(120)).await?;
    host.journal.clear();
    let steps = 2 + host.rng.below(8);
    for step in 0..steps {
        if !host.begins(step) {
            continue;
        }
        let n = usize::try_from(host.rng.below(3)).unwrap_or(0);
        let name = host.dbs[n].name.to_string();
        match host.rng.below(5) {
            0 => host.world.kill(&name),
            1 => host.world.stop_by_hand(&name),
            2 => host.world.remove_by_hand(&name),
            3 => host.crash().await?,
            _ => {
                let mut wish = host.dbs[n].wish.clone();
                wish.shm = *host.rng.pick(&[None, Some("512Mi")]);
                host.wish(n, wish).await?;
            }
        }
        let seconds = i64::try_from(host.rng.below(200)).unwrap_or(0);
        host.pass(TimeDelta::seconds(seconds)).await?;
        if let Some(line) = host.journal.first() {
            return Err(format!("hands are off, and: {}", line.text));
        }
        let phases: Vec<Phase> = host.views().iter().map(|view| view.phase).collect();
        if phases.iter().any(|phase| *phase != Phase::Maintenance) {
            return Err(format!("hands are off, and: {phases:?}"));
        }
    }
    host.calms();
    // One that is new meanwhile is left alone, too.
    host.add(numbered(3)).await?;
    host.pass(TimeDelta::seconds(30)).await?;
    if let Some(line) = host.journal.first() {
        return Err(format!("hands are off, and: {}", line.text));
    }
    let ledger = host.daemon.ledger.clone();
    let on = of_host(Change::HandsOn { since: None });
    ledger.append(on).await.map_err(|e| e.to_string())?;
    host.pass(TimeDelta::seconds(61)).await?;
    settles(&mut host).await
}

#[test]
fn with_hands_off_the_host_nothing_is_done_and_then_all_is_made_good() {
    hold(&[], |run| block_on(hands_off(run)));
}

/// What is wrong with a spec, a hundred times over.
fn bad(n: usize) -> String {
    let head = |name: &str| {
        format!("apiVersion: db4sci/v1\nkind: Database\nmetadata: {{name: {name}}}\nspec:\n")
    };
    let people = "  owner: lab\n  contact: lab@example.org\n";
    let name = format!("bad{n:02}");
    match n % 7 {
        0 => format!("{}  engine: Oracle\n{people}", head(&name)),
        1 => format!("{}  engine: Postgres\n{people}  memroy: 2Gi\n", head(&name)),
        2 => format!("{}  engine: Postgres\n", head(&name)),
        3 => format!("{}  engine: [Postgres\n{people}", head(&name)),
        4 => format!(
            "{}  engine: Postgres\n{people}  resources: {{memory: 2g}}\n",
            head(&name)
        ),
        5 => format!(
            "{}  engine: Postgres\n{people}  maintenanceWindow: \"Sat 04:00-04:00\"\n",
            head(&name)
        ),
        _ => format!("{}  engine: Postgres\n{people}", head(&format!("Bad {n}"))),
    }
}

/// The most lanes that were under way at once, by what was written.
fn most_at_once(entries: &[Entry]) -> usize {
    let mut under_way: BTreeSet<&DbName> = BTreeSet::new();
    let mut most = 0;
    for entry in entries {
        match (&entry.name, &entry.change) {
            (Some(name), Change::Intended { .. }) => {
                under_way.insert(name);
            }
            (Some(name), Change::Acted { .. }) => {
                under_way.remove(name);
            }
            _ => {}
        }
        most = most.max(under_way.len());
    }
    most
}

#[test]
fn of_two_hundred_specs_at_once_the_good_half_runs_and_each_bad_one_is_named() {
    let run = Run::of(3);
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    for n in 0..100 {
        let mut good = numbered(n);
        good.name = format!("good{n:02}").leak();
        write(&format!("g{n:02}.yaml"), &good.text());
        write(&format!("b{n:02}.yaml"), &bad(n));
    }
    let law = async {
        let mut host = Host::new(run).await?;
        let daemon = &host.daemon;
        let intake = Intake::new(
            daemon.ledger.clone(),
            daemon.reconciler.clone(),
            daemon.board.clone(),
            Arc::new(Queue::default()),
            Arc::new(host.world.clock()),
            folder.path().to_owned(),
            Box::new(|| Ok(rules())),
        );
        intake.files().await;
        let good: Vec<DbName> = (0..100)
            .map(|n| format!("good{n:02}").parse().unwrap())
            .collect();
        for name in &good {
            host.daemon.add(name);
        }
        host.pass(TimeDelta::minutes(3)).await?;
        let views = host.views();
        let ready = views.iter().filter(|v| v.phase == Phase::Ready && v.ready);
        assert_eq!((views.len(), ready.count()), (100, 100));
        let problems = host.daemon.board.watch().borrow().problems.clone();
        for n in 0..100 {
            let file = format!("b{n:02}.yaml");
            let of_file = |p: &db4sci::model::Problem| {
                let place = p.place.as_ref();
                place.is_some_and(|place| Path::new(&place.file).ends_with(&file))
            };
            if !problems.iter().any(of_file) {
                return Err(format!("{file} is not named: {}", bad(n)));
            }
        }
        let clean =
            |p: &db4sci::model::Problem| p.name.as_ref().is_none_or(|name| !good.contains(name));
        assert!(problems.iter().all(clean), "a good one is blamed");
        let most = most_at_once(&host.entries().await?);
        // The limit of the simulated daemon.
        assert_eq!(most, 2, "lanes side by side");
        Ok::<(), String>(())
    };
    block_on(law).unwrap_or_else(|why| panic!("{why}"));
}
