//! How one look is shown.

use crate::model::view::DatabaseView;
use crate::model::{
    DataSeen, Expectations, Probe, Seen, SeenDatabase, Site, Status, Timestamp, ToSecond, Verdict,
};
use crate::plan::{Wanted, phase};

/// The view of a database after one look.
pub(super) fn view(
    wanted: &Wanted<'_>,
    seen: &SeenDatabase,
    verdict: &Verdict,
    site: &Site,
    before: Option<&DatabaseView>,
    now: Timestamp,
) -> DatabaseView {
    let db = wanted.db;
    let told = phase::phase(wanted, seen, verdict, now);
    let conditions_before = before.map_or(&[][..], |view| &view.conditions);
    let conditions = phase::conditions(wanted, seen, verdict, &told, conditions_before, now);
    let (phase_now, reason, message) = told;
    let container = seen
        .containers
        .present()
        .and_then(|all| all.iter().find(|c| c.uid() == Some(db.uid)));
    let (version, connections) = match &seen.probe {
        Probe::Answering {
            version,
            connections,
            ..
        } => (Some(version.clone()), *connections),
        Probe::NotAsked | Probe::Silent { .. } => {
            (before.and_then(|view| view.version.clone()), None)
        }
    };
    // What waits for its window, and what is being done, is not yet the case.
    let settled = phase::agrees(verdict, phase_now);
    DatabaseView {
        name: db.name.clone(),
        uid: db.uid,
        engine: db.engine,
        image: db.image.display.clone(),
        image_reference: db.image.reference.to_string(),
        image_id: db.image.pinned.as_ref().map(ToString::to_string),
        version,
        port: container.map_or(db.port, |c| db.port_of(c)).get(),
        bound: container.and_then(|c| db.bound_by(c, site)),
        host: site.container_host.clone(),
        memory: db.resources.memory.to_string(),
        phase: phase_now,
        reason,
        message,
        ready: seen.probe.answering(),
        owner: db.owner.clone(),
        contact: db.contact.clone(),
        life_ends: None,
        source: db.source.to_string(),
        generation: db.generation,
        observed_generation: if settled {
            db.generation
        } else {
            before.map_or(0, |view| view.observed_generation.min(db.generation))
        },
        conditions,
        overridden: wanted.override_in_force(now).cloned(),
        whole_host: wanted.whole_host && wanted.override_in_force(now).is_some(),
        container: container.map(|c| c.id.to_string()),
        data_dir: db.data_dir().display().to_string(),
        connections,
        evidence: None,
        held: verdict.held.clone(),
        lane: verdict.lane.clone(),
        coming: before.map(|view| view.coming.clone()).unwrap_or_default(),
        seen: lines(wanted, seen, now),
        expected: Expectations::default(),
        volume: db.volume.label.clone(),
        disk: before.and_then(|view| view.disk),
        backup: before.map(|view| view.backup).unwrap_or_default(),
    }
}

/// What was last seen of each part, a line each.
fn lines(wanted: &Wanted<'_>, seen: &SeenDatabase, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    lines.push(match &seen.containers {
        Seen::Unknown(why) => format!("containers: unknown: {why}"),
        Seen::Absent => "container: none".to_owned(),
        Seen::Present(all) => all
            .iter()
            .map(|c| {
                let what = match c.status {
                    Status::Running => "running".to_owned(),
                    Status::Created => "created, never started".to_owned(),
                    Status::Paused => "paused".to_owned(),
                    Status::Restarting => format!("restarting, exit code {}", c.exit_code),
                    Status::Exited => format!("exited, code {}", c.exit_code),
                    Status::Removing => "being removed".to_owned(),
                    Status::Dead => "dead".to_owned(),
                };
                let since = match c.status {
                    Status::Running | Status::Paused => c.started_at,
                    Status::Created
                    | Status::Restarting
                    | Status::Exited
                    | Status::Removing
                    | Status::Dead => c.finished_at,
                };
                let since = since.map_or(String::new(), |at| format!(" since {}", ToSecond(at)));
                let foreign = if c.uid() == Some(wanted.db.uid) {
                    ""
                } else {
                    " (foreign)"
                };
                let error = if c.error.is_empty() {
                    String::new()
                } else {
                    format!(": {}", c.error)
                };
                format!("container {}{foreign}: {what}{since}{error}", c.name)
            })
            .collect::<Vec<_>>()
            .join("; "),
    });
    lines.push(match &seen.data {
        Seen::Unknown(why) => format!("data: unknown: {why}"),
        Seen::Absent => "data: nothing there".to_owned(),
        Seen::Present(data) => format!("data: {}", data_line(data)),
    });
    lines.push(match &seen.probe {
        Probe::NotAsked => "server: not asked".to_owned(),
        Probe::Answering {
            since,
            connections,
            version,
            ..
        } => format!(
            "server: {version} answers since {}, {} connections",
            ToSecond(*since),
            connections.map_or("an unknown number of".to_owned(), |n| n.to_string())
        ),
        Probe::Silent { since, why, .. } => {
            format!(
                "server: silent for {} s: {why}",
                (now - *since).num_seconds()
            )
        }
    });
    if let Seen::Unknown(why) = &seen.files {
        lines.push(format!("mounted files: unknown: {why}"));
    }
    if let Some(failed) = seen.attempts.failed.last() {
        lines.push(format!(
            "last failure: {} ({} in a row, {})",
            failed.message,
            failed.count,
            ToSecond(failed.at)
        ));
    }
    if !seen.attempts.failed_runs.is_empty() {
        lines.push(format!(
            "failed runs in a row: {}",
            seen.attempts.failed_runs.len()
        ));
    }
    lines
}

fn data_line(data: &DataSeen) -> String {
    let marker = match &data.marker {
        Some(marker) => format!("marker {:?} of {}", marker.state, marker.uid).to_lowercase(),
        None => "no marker".to_owned(),
    };
    let files = match (data.dirs_exist, data.empty, data.sentinel) {
        (false, _, _) => "no folder",
        (true, true, _) => "an empty folder",
        (true, false, true) => "data",
        (true, false, false) => "files, but not the engine's own",
    };
    format!("{files}, {marker}")
}
