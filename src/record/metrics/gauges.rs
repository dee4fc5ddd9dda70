//! What a snapshot says, as gauges.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::families::{Family, Rows};
use super::{Metrics, whole};
use crate::model::disk::VolumeView;
use crate::model::view::{ConditionStatus, DatabaseView, Phase, Snapshot};

/// Sets all gauges that follow from a snapshot.
pub fn observe(metrics: &Metrics, snapshot: &Snapshot) {
    let harmed = i64::from(snapshot.journal_harm.is_some());
    metrics.journal_harmed.set(harmed);
    metrics.tables_behind.set(whole(snapshot.tables_behind));
    metrics.docker_up.set(i64::from(snapshot.docker.is_none()));
    metrics.problems.set(whole(snapshot.problems.len() as u64));
    show(&metrics.databases, phases(snapshot));
    show(&metrics.up, up(snapshot));
    show(&metrics.fresh, fresh(snapshot));
    show(&metrics.steward, steward(snapshot));
    show(&metrics.life_ends, life_ends(snapshot));
    show(&metrics.held, held(snapshot));
    show(&metrics.disk, disk(snapshot));
    let volumes = |of: fn(&VolumeView) -> u64| {
        let row = |volume: &VolumeView| (vec![volume.label.clone()], whole(of(volume)));
        snapshot.volumes.iter().map(row).collect()
    };
    show(&metrics.volume_size, volumes(|volume| volume.size));
    show(&metrics.volume_free, volumes(|volume| volume.free));
    show(&metrics.drift, drift(snapshot));
    for view in &snapshot.databases {
        // Shows 0 from the beginning, so that the first restart is an increase.
        metrics.restarts.with_label_values(&[view.name.as_str()]);
    }
}

fn show(family: &Mutex<Family>, rows: Rows) {
    family
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .show(rows);
}

/// Every phase of each engine in use, the empty ones as 0: an alert on `Held` must not be silent
/// because the row is missing.
fn phases(snapshot: &Snapshot) -> Rows {
    let mut rows = Rows::new();
    for view in &snapshot.databases {
        let engine = view.engine.as_str();
        for phase in Phase::ALL {
            let row = vec![engine.to_owned(), phase.as_str().to_owned()];
            *rows.entry(row).or_default() += i64::from(phase == view.phase);
        }
    }
    rows
}

fn up(snapshot: &Snapshot) -> Rows {
    let row = |view: &DatabaseView| {
        let labels = vec![view.name.to_string(), view.engine.as_str().to_owned()];
        (labels, i64::from(view.ready))
    };
    snapshot.databases.iter().map(row).collect()
}

/// None of what wants no backups.
fn fresh(snapshot: &Snapshot) -> Rows {
    let row = |view: &DatabaseView| {
        let fresh = match view.backup_fresh()?.status {
            ConditionStatus::True => 1,
            ConditionStatus::False => 0,
            ConditionStatus::Unknown => return None,
        };
        Some((vec![view.name.to_string()], fresh))
    };
    snapshot.databases.iter().filter_map(row).collect()
}

/// With owner and contact, so that an alert can be sent to them.
fn steward(snapshot: &Snapshot) -> Rows {
    let mut rows = Rows::new();
    for view in &snapshot.databases {
        for kind in DatabaseView::STEWARDSHIP {
            let Some(condition) = view.condition(kind) else {
                continue;
            };
            let mut labels = whom(view);
            labels.push(kind.to_owned());
            rows.insert(
                labels,
                i64::from(condition.status != ConditionStatus::False),
            );
        }
    }
    rows
}

/// None where no end is set.
fn life_ends(snapshot: &Snapshot) -> Rows {
    let row = |view: &DatabaseView| Some((whom(view), view.life_ends?.timestamp()));
    snapshot.databases.iter().filter_map(row).collect()
}

fn whom(view: &DatabaseView) -> Vec<String> {
    vec![
        view.name.to_string(),
        view.owner.clone(),
        view.contact.clone(),
    ]
}

/// None of what was not measured.
fn disk(snapshot: &Snapshot) -> Rows {
    let row = |view: &DatabaseView| {
        let disk = view.disk?;
        Some((vec![view.name.to_string()], whole(disk.bytes)))
    };
    snapshot.databases.iter().filter_map(row).collect()
}

fn held(snapshot: &Snapshot) -> Rows {
    count(snapshot, |view| {
        let mut reasons: BTreeSet<String> =
            view.held.iter().map(|held| held.reason.as_str()).collect();
        if view.phase == Phase::Held {
            reasons.extend(view.reason.map(|reason| reason.as_str()));
        }
        reasons
    })
}

fn drift(snapshot: &Snapshot) -> Rows {
    count(snapshot, |view| {
        let waiting = view.held.iter().filter_map(|held| held.would.as_deref());
        view.lane
            .iter()
            .chain(waiting)
            .flat_map(|lane| &lane.actions)
            .map(|action| action.kind().to_owned())
            .collect()
    })
}

/// Databases by each word that is said of them, a word once a database.
fn count(snapshot: &Snapshot, words: impl Fn(&DatabaseView) -> BTreeSet<String>) -> Rows {
    let mut rows = Rows::new();
    for view in &snapshot.databases {
        for word in words(view) {
            *rows.entry(vec![word]).or_default() += 1;
        }
    }
    rows
}
