//! What the planner says in situations that operators know, as stories in `*.yaml` of this folder.
//!
//! A story has a spec and steps. Each step says what is seen now (what it does not mention is as in
//! the step before) and what must follow: the steps of the lane, what is held, the phase. The keys
//! are those of [`Change`] and [`Expect`].
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod known;
mod words;

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use db4sci::model::view::Phase;
use db4sci::model::{Action, Cost, Memory, Timestamp};

use known::Known;
use words::span;

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    /// What it shows, as a sentence.
    title: String,
    /// When it begins.
    #[serde(default = "monday_noon")]
    at: Timestamp,
    /// `spec:` of its database, as in a file of `desired-state/`.
    spec: Value,
    story: Vec<Step>,
}

fn monday_noon() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// What happened, for the reader.
    when: String,
    /// How long after the step before: `90s`, `15m`, `2h`; a clock set back is `-1h`.
    after: Option<String>,
    /// Keys of the spec that a person changed; `null` takes one away.
    spec: Option<Value>,
    #[serde(default)]
    seen: Change,
    expect: Expect,
}

/// What is seen, where it differs from the step before.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Change {
    /// `answers` or `away`: nothing can be said about containers and images.
    docker: Option<String>,
    /// `none`, or its container's status.
    container: Option<String>,
    /// Its last exit code.
    exit: Option<i64>,
    /// Its name.
    name: Option<String>,
    /// Its restart policy: `always`, `no`, `other`.
    policy: Option<String>,
    /// Its memory limit.
    memory: Option<Memory>,
    /// The image it was made from, by a word for its id.
    made_from: Option<String>,
    /// How long ago it was started, or ended.
    started: Option<String>,
    ended: Option<String>,
    /// Whether the kernel killed it for its memory limit, and how long ago.
    oom: Option<String>,
    /// Whether a container of somebody else has its name.
    foreign: Option<bool>,
    /// `whole`, `empty`, `gone`, `nothing`, `unmounted`, `prepared`, `half-made`, `foreign`.
    data: Option<String>,
    /// Whether the ledger knows that it has data.
    initialised: Option<bool>,
    /// `answers`, `starting`, `silent` (it answered before), `refuses` (our login).
    server: Option<String>,
    /// For how long it has been silent or starting.
    silent: Option<String>,
    /// Whether the server took what it takes of the wanted settings while it runs.
    reloaded: bool,
    /// The image of its spec: a word for its id, `missing`, or `unknown`.
    image: Option<String>,
    /// Who else holds its port; `nobody`.
    port: Option<String>,
    /// Whether the state directory takes writes.
    ledger: Option<bool>,
    /// The last failure: `step class count ago reason`, as `pull transient 1 1s ImagePullFailed`; or
    /// `none`.
    failed: Option<String>,
    /// How long ago runs failed in a row.
    failed_runs: Option<Vec<String>>,
    /// Why it is quarantined; `no`.
    quarantined: Option<String>,
    /// A person's override: `Stopped 2h`, `Maintenance`; or `none`.
    overridden: Option<String>,
    /// How long ago a restart was asked for.
    restart_asked: Option<String>,
    /// Whether its file is gone.
    orphan: Option<bool>,
}

/// What must follow.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    /// The lane's steps; empty: nothing is done.
    steps: Vec<String>,
    /// What it costs users; not mentioned: nothing.
    cost: Option<Cost>,
    /// All reasons for which something is held; not mentioned: none.
    #[serde(default)]
    held: Vec<String>,
    /// The phase.
    phase: Phase,
    /// Its reason.
    reason: Option<String>,
    /// When it is looked at again although nothing happens: how long from now.
    again: Option<String>,
    /// Words that stand in what is held or done.
    says: Option<String>,
    /// Seconds that an orderly stop may take.
    stop_deadline: Option<u32>,
    /// What waits: the steps that would be taken.
    would: Option<Vec<String>>,
}

fn kinds(actions: &[Action]) -> Vec<String> {
    actions.iter().map(|a| a.kind().to_owned()).collect()
}

/// What differs from what must follow, a line each.
fn differences(known: &Known, expect: &Expect) -> Vec<String> {
    let (verdict, phase, reason) = known.ask();
    let mut found = Vec::new();
    let mut same = |what: &str, got: String, wanted: String| {
        if got != wanted {
            found.push(format!("{what}: {got}, and should be {wanted}"));
        }
    };
    let actions = verdict.lane.as_ref().map_or(&[][..], |l| &l.actions);
    same(
        "steps",
        format!("{:?}", kinds(actions)),
        format!("{:?}", expect.steps),
    );
    let cost = verdict.lane.as_ref().map_or(Cost::None, |l| l.cost);
    let wanted = expect.cost.unwrap_or(Cost::None);
    same("cost", format!("{cost:?}"), format!("{wanted:?}"));
    let held: BTreeSet<String> = verdict.held.iter().map(|h| h.reason.as_str()).collect();
    let wanted: BTreeSet<String> = expect.held.iter().cloned().collect();
    same("held", format!("{held:?}"), format!("{wanted:?}"));
    same("phase", phase.to_string(), expect.phase.to_string());
    let word = |reason: &Option<String>| reason.clone().unwrap_or("none".to_owned());
    same("reason", word(&reason), word(&expect.reason));
    // Whole seconds: waits are spread a little by the name.
    let again = verdict.wake_at.map(|at| (at - known.now).num_seconds());
    let wanted = expect.again.as_deref().map(|text| span(text).num_seconds());
    if expect.again.is_some() || verdict.lane.is_none() {
        same("again", format!("{again:?}"), format!("{wanted:?}"));
    }
    if let Some(words) = &expect.says {
        let lane = verdict.lane.iter().flat_map(|l| l.why.clone());
        let held = verdict.held.iter().map(|h| h.message.clone());
        let said: Vec<String> = lane.chain(held).collect();
        if !said.iter().any(|text| text.contains(words)) {
            found.push(format!("`{words}` is not said: {said:?}"));
        }
    }
    if let Some(deadline) = expect.stop_deadline {
        let stops = actions.iter().find_map(|a| match a {
            Action::Stop(_, how) => Some(how.deadline),
            _ => None,
        });
        if stops != Some(deadline) {
            found.push(format!(
                "stop deadline: {stops:?}, and should be {deadline}"
            ));
        }
    }
    let would = verdict.held.iter().find_map(|h| h.would.as_ref());
    let would = would.map(|lane| kinds(&lane.actions));
    if would != expect.would {
        found.push(format!(
            "would: {would:?}, and should be {:?}",
            expect.would
        ));
    }
    found
}

#[test]
fn every_story_ends_as_it_is_told() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() >= 15, "{} files in {folder:?}", files.len());
    let mut failures = Vec::new();
    for path in files {
        let file = path.file_name().unwrap().display().to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        let scenario: Scenario =
            serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{file}: {e}"));
        let mut known = Known::new(&scenario);
        for step in &scenario.story {
            known.take(step);
            for difference in differences(&known, &step.expect) {
                failures.push(format!(
                    "{file}: {}\n  {}: {difference}",
                    scenario.title, step.when
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
