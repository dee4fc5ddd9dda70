//! How `mydb_admin` comes back, stage by stage, for whoever looks: where it is, what comes next, and why.
//!
//! It decides nothing: [`super::recovery`] and the planner do. It lays out what is shown of `mydb_admin`
//! anyway, so that it can be asked while that is down.

use std::collections::BTreeMap;

use serde::Serialize;

use super::recovery::Recovery;
use crate::model::view::{ComesBack, DatabaseView, Phase, Snapshot};
use crate::model::{Action, Backup, BackupId, BackupState};

/// The stages, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// Its container is started.
    Start,
    /// Its container is made again, on the same data.
    Recreate,
    /// A backup of it is put into its place.
    Restore,
    /// Its tables are brought up to this program's schema.
    Migrate,
    /// What its tables do not have comes from the journal.
    Replay,
    /// It is looked whether all that lives has its row.
    Compare,
    /// Removals and retirements go on.
    Thaw,
}

impl Step {
    const ALL: [Step; 7] = [
        Step::Start,
        Step::Recreate,
        Step::Restore,
        Step::Migrate,
        Step::Replay,
        Step::Compare,
        Step::Thaw,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Step::Start => "start",
            Step::Recreate => "recreate",
            Step::Restore => "restore",
            Step::Migrate => "migrate",
            Step::Replay => "replay",
            Step::Compare => "compare",
            Step::Thaw => "thaw",
        }
    }
}

/// How far a stage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Done, or not needed.
    Over,
    /// Under way, or about to begin.
    Now,
    /// It is its turn, and something must change first.
    Waits,
    /// Comes later, if it is needed then.
    Next,
}

impl State {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Over => "over",
            State::Now => "now",
            State::Waits => "waits",
            State::Next => "next",
        }
    }
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// Which.
    pub step: Step,
    /// How far it is.
    pub state: State,
    /// What is done in it, and why, for people.
    pub what: String,
}

/// What is decided, as it is shown. `began` has the entries of the log that backups were begun with, `head`
/// is its last one.
pub fn told(
    recovery: &Recovery,
    backups: &BTreeMap<BackupId, Backup>,
    began: &BTreeMap<BackupId, u64>,
    failed: &BTreeMap<BackupId, u32>,
    head: u64,
) -> ComesBack {
    match recovery {
        Recovery::LetIn => ComesBack::LetIn,
        Recovery::StartOver => ComesBack::StartOver { head },
        Recovery::Restore(id) => {
            let backup = backups.get(id);
            ComesBack::Restore {
                from: id.clone(),
                taken: backup.map(|b| b.started),
                proven: backup.is_some_and(|b| b.state == BackupState::Verified),
                failed: failed.get(id).copied().unwrap_or_default(),
                entry: began.get(id).copied(),
                head,
            }
        }
    }
}

/// The stages of `mydb_admin`'s recovery; none: it is well, or as a person wants it.
pub fn stages(all: &Snapshot) -> Vec<Stage> {
    let admin = all.databases.iter().find(|d| d.name.is_mydb_admin());
    let Some((at, state, why)) = admin.and_then(|view| current(all, view)) else {
        return Vec::new();
    };
    let of = |step: Step| Stage {
        step,
        state: match step.cmp(&at) {
            std::cmp::Ordering::Less => State::Over,
            std::cmp::Ordering::Equal => state,
            std::cmp::Ordering::Greater => State::Next,
        },
        what: match (step == at, why.as_str()) {
            (false, _) | (true, "") => what(step, all),
            (true, why) => format!("{}: {why}", what(step, all)),
        },
    };
    Step::ALL.into_iter().map(of).collect()
}

/// Whether it is more than the look at each start of the daemon whether all that lives is known.
pub fn comes_back(all: &Snapshot, stages: &[Stage]) -> bool {
    let now = |stage: &&Stage| matches!(stage.state, State::Now | State::Waits);
    let at = stages.iter().find(now).map(|stage| stage.step);
    all.recovery.is_some() || all.tables_harm.is_some() || at.is_some_and(|at| at < Step::Replay)
}

/// The stage that it is in, and why.
fn current(all: &Snapshot, view: &DatabaseView) -> Option<(Step, State, String)> {
    match view.phase {
        Phase::Ready => in_tables(all),
        Phase::Degraded | Phase::Restoring | Phase::Held => Some(at_rest(all, view)),
        // Its first start, or as somebody wants it.
        Phase::Pending
        | Phase::Creating
        | Phase::Stopped
        | Phase::Maintenance
        | Phase::Retired
        | Phase::Ejected => None,
    }
}

/// While its server answers.
fn in_tables(all: &Snapshot) -> Option<(Step, State, String)> {
    if let Some(harm) = &all.tables_harm {
        let why = format!("its tables are left alone: {harm}");
        return Some((Step::Replay, State::Waits, why));
    }
    match (all.comparing, all.tables_behind, all.frozen.is_empty()) {
        (false, _, _) => None,
        (true, 1.., _) => Some((Step::Replay, State::Now, String::new())),
        (true, 0, true) => Some((Step::Compare, State::Now, String::new())),
        (true, 0, false) => Some((Step::Compare, State::Waits, all.frozen.join("; "))),
    }
}

/// While it does not.
fn at_rest(all: &Snapshot, view: &DatabaseView) -> (Step, State, String) {
    let why = || view.message.clone();
    match (&all.recovery, &view.lane) {
        (Some(ComesBack::LetIn), _) => (Step::Start, State::Now, why()),
        (Some(ComesBack::Restore { .. } | ComesBack::StartOver { .. }), _) => {
            (Step::Restore, State::Now, why())
        }
        (None, _) if view.phase == Phase::Restoring => (Step::Restore, State::Now, why()),
        (None, Some(lane)) => {
            let made = |action: &Action| matches!(action, Action::Create(_));
            let step = if view.container.is_none() || lane.actions.iter().any(made) {
                Step::Recreate
            } else {
                Step::Start
            };
            (step, State::Now, lane.why.join(", "))
        }
        (None, None) if view.phase == Phase::Held => (Step::Start, State::Waits, why()),
        (None, None) => (Step::Start, State::Now, why()),
    }
}

/// What a stage does.
fn what(step: Step, all: &Snapshot) -> String {
    match (step, &all.recovery) {
        (Step::Start, Some(ComesBack::LetIn)) => {
            "db4sci's own login is set again at rest, and its container started".to_owned()
        }
        (Step::Start, _) => "its container is started".to_owned(),
        (Step::Recreate, _) => "its container is made again, on the same data".to_owned(),
        (Step::Restore, Some(ComesBack::StartOver { .. })) => {
            "it begins anew, since no backup of it is good; what is left is kept aside".to_owned()
        }
        (
            Step::Restore,
            Some(ComesBack::Restore {
                from,
                taken,
                proven,
                failed,
                ..
            }),
        ) => {
            let taken = taken.map_or(String::new(), |at| {
                format!(" of {}", at.format("%F %H:%M UTC"))
            });
            let proven = if *proven { "verified" } else { "not verified" };
            let failed = match failed {
                0 => String::new(),
                n => format!("; it failed {n} times before"),
            };
            format!(
                "{from}{taken} ({proven}) is restored into a new directory{failed}; what is left is kept \
                 aside, and the server's log in quarantine/"
            )
        }
        (Step::Restore, Some(ComesBack::LetIn) | None) => {
            "should no server start on its data: the newest verified backup, into a new directory"
                .to_owned()
        }
        (Step::Migrate, _) => "its tables are brought up to this program's schema".to_owned(),
        (
            Step::Replay,
            Some(ComesBack::Restore {
                entry: Some(entry),
                head,
                ..
            }),
        ) => {
            format!("the journal is brought in from entry {entry} on, up to {head}")
        }
        (Step::Replay, Some(ComesBack::StartOver { head })) => {
            format!("the journal is brought in from entry 1 on, up to {head}")
        }
        (Step::Replay, _) if all.tables_behind > 0 => {
            format!(
                "the last {} entries of the journal are brought in",
                all.tables_behind
            )
        }
        (Step::Replay, _) => "what its tables do not have of the journal is brought in".to_owned(),
        (Step::Compare, _) => {
            "the uids of all containers and the manifests in the stores are compared with its rows"
                .to_owned()
        }
        (Step::Thaw, _) => "removals and retirements go on".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ContainerId, Cost, Reason, Slot, Timestamp};
    use crate::plan::render::sample::{held, lane, ready};

    fn admin(phase: Phase) -> DatabaseView {
        let mut view = match phase {
            Phase::Held => held("mydb_admin", "Postgres", 32009, Reason::DataLost),
            _ => ready("mydb_admin", "Postgres", "17.5", 32009),
        };
        view.phase = phase;
        view
    }

    fn shown(phase: Phase, change: impl FnOnce(&mut Snapshot)) -> Snapshot {
        let mut all = Snapshot {
            databases: vec![ready("genomics", "Postgres", "17", 32011), admin(phase)],
            comparing: true,
            ..Snapshot::default()
        };
        change(&mut all);
        all
    }

    fn restore() -> (Recovery, BTreeMap<BackupId, Backup>) {
        let taken: Timestamp = "2026-11-22T02:15:00Z".parse().unwrap();
        let id = BackupId {
            name: "mydb_admin".parse().unwrap(),
            slot: Slot::at(taken),
            attempt: 1,
            store: "local".to_owned(),
        };
        let backup = Backup {
            id: id.clone(),
            uid: admin(Phase::Ready).uid,
            kind: crate::model::BackupKind::Scheduled,
            state: BackupState::Verified,
            started: taken,
            finished: Some(taken),
            verified: Some(taken),
            bytes: 1,
            sha256: None,
            url: String::new(),
            error: None,
            keep_until: None,
            note: String::new(),
        };
        (Recovery::Restore(id.clone()), [(id, backup)].into())
    }

    #[test]
    fn the_stage_that_it_is_in_is_told_and_what_comes_next() {
        use Phase::{Creating, Degraded, Held, Maintenance, Ready, Restoring, Stopped};
        type Change = fn(&mut Snapshot);
        fn restores(all: &mut Snapshot) {
            let (how, backups) = restore();
            all.recovery = Some(told(&how, &backups, &BTreeMap::new(), &BTreeMap::new(), 9));
        }
        let over: Change = |all| all.recovery = Some(ComesBack::StartOver { head: 9 });
        let let_in: Change = |all| all.recovery = Some(ComesBack::LetIn);
        let behind: Change = |all| all.tables_behind = 3;
        let frozen: Change = |all| all.frozen = vec!["the store s does not answer".to_owned()];
        let harm: Change = |all| all.tables_harm = Some("another instance's".to_owned());
        let well: Change = |all| all.comparing = false;
        let nothing: Change = |_| {};
        for (phase, change, at, state, told) in [
            (Held, restores as Change, "restore", "now", true),
            (Restoring, nothing, "restore", "now", true),
            (Restoring, restores, "restore", "now", true),
            (Held, over, "restore", "now", true),
            (Held, nothing, "start", "waits", true),
            (Degraded, nothing, "start", "now", true),
            (Degraded, let_in, "start", "now", true),
            (Ready, restores, "compare", "now", true),
            (Ready, behind, "replay", "now", false),
            (Ready, frozen, "compare", "waits", false),
            (Ready, nothing, "compare", "now", false),
            (Ready, harm, "replay", "waits", true),
            (Ready, well, "", "", false),
            (Creating, nothing, "", "", false),
            (Maintenance, restores, "", "", true),
            (Stopped, nothing, "", "", false),
        ] {
            let all = shown(phase, change);
            let stages = stages(&all);
            let now = |stage: &&Stage| matches!(stage.state, State::Now | State::Waits);
            let found: Vec<_> = stages.iter().filter(now).collect();
            let found = found
                .first()
                .map_or(("", ""), |s| (s.step.as_str(), s.state.as_str()));
            assert_eq!(found, (at, state), "{phase}");
            assert_eq!(comes_back(&all, &stages), told, "{phase} {at}");
            let order: Vec<&str> = stages.iter().map(|s| s.state.as_str()).collect();
            let mut sorted = order.clone();
            sorted.sort_by_key(|s| ["over", "now", "waits", "next"].iter().position(|o| o == s));
            assert_eq!(order, sorted, "{phase}");
        }
    }

    #[test]
    fn a_server_that_is_made_again_is_told_apart_from_one_that_is_started() {
        for (container, step) in [(true, Step::Start), (false, Step::Recreate)] {
            let all = shown(Phase::Degraded, |all| {
                let view = &mut all.databases[1];
                view.container = view.container.take().filter(|_| container);
                let start = Action::Start(ContainerId("1".to_owned()));
                view.lane = Some(lane("mydb_admin", Cost::None, &["it is gone"], vec![start]));
            });
            let stages = stages(&all);
            let now = stages.iter().find(|stage| stage.state == State::Now);
            let now = now.unwrap();
            assert_eq!(now.step, step, "{stages:?}");
            assert!(now.what.ends_with(": it is gone"), "{}", now.what);
        }
    }

    #[test]
    fn which_backup_and_from_which_entry_is_told() {
        let (how, backups) = restore();
        let Recovery::Restore(id) = &how else {
            panic!()
        };
        let (began, failed) = ([(id.clone(), 812)].into(), [(id.clone(), 2)].into());
        let all = shown(Phase::Held, |all| {
            all.recovery = Some(told(&how, &backups, &began, &failed, 1044));
        });
        let said: Vec<String> = stages(&all).into_iter().map(|stage| stage.what).collect();
        let restore = &said[2];
        for part in [
            "mydb_admin-20261122T021500Z-1@local of 2026-11-22 02:15 UTC (verified)",
            "into a new directory; it failed 2 times before",
        ] {
            assert!(restore.contains(part), "{restore}");
        }
        assert_eq!(
            said[4],
            "the journal is brought in from entry 812 on, up to 1044"
        );
    }
}
