use std::time::Duration;

use serde_json::json;

use super::{Metrics, StepOutcome};
use crate::model::Timestamp;
use crate::model::view::Snapshot;

fn snapshot(databases: &[(&str, &str, bool)]) -> Snapshot {
    let views: Vec<_> = databases
        .iter()
        .map(|(name, phase, ready)| {
            json!({
                "name": name, "uid": "00000000-0000-0000-0000-000000000001", "engine": "Postgres",
                "image": "PostgreSQL 17", "imageReference": "postgres:17", "port": 32011,
                "host": "h", "memory": "2Gi", "phase": phase, "message": "", "ready": ready,
                "owner": "o", "contact": "o@example.org", "lifeEnds": "2026-11-22T10:00:00Z", "source": "api", "generation": 1, "observedGeneration": 1,
                "dataDir": "/d", "seen": [],
                "reason": if *ready { None } else { Some("DataLost") },
                "lane": {"name": name, "generation": 1, "container": null, "why": [],
                    "cost": "none", "repair": false, "actions": ["prepareData", "prepareData"]},
                "conditions": [{"type": "BackupFresh", "reason": "x", "message": "m",
                    "status": if *ready {"True"} else {"False"},
                    "lastTransitionTime": "2026-11-22T10:00:00Z"},
                    {"type": "WithinLife", "reason": "x", "message": "m",
                    "status": if *ready {"True"} else {"False"},
                    "lastTransitionTime": "2026-11-22T10:00:00Z"}],
                "held": [{"reason": "Backoff", "message": "m", "until": null, "would": null}],
            })
        })
        .collect();
    serde_json::from_value(json!({
        "databases": views, "problems": [], "firstPassDone": true, "tablesBehind": 7,
        "mode": "test", "instance": "abc",
    }))
    .unwrap()
}

fn has(text: &str, line: &str) -> bool {
    text.lines().any(|l| l == line)
}

#[test]
fn a_snapshot_becomes_gauges_and_what_is_gone_goes() {
    let metrics = Metrics::new("test").unwrap();
    metrics.observe(&snapshot(&[("a", "Ready", true), ("b", "Held", false)]));
    let text = metrics.render();
    for line in [
        "db4sci_databases{engine=\"Postgres\",phase=\"Ready\"} 1",
        "db4sci_databases{engine=\"Postgres\",phase=\"Held\"} 1",
        "db4sci_databases{engine=\"Postgres\",phase=\"Degraded\"} 0",
        "db4sci_database_up{engine=\"Postgres\",name=\"a\"} 1",
        "db4sci_database_up{engine=\"Postgres\",name=\"b\"} 0",
        "db4sci_backup_fresh{name=\"a\"} 1",
        "db4sci_backup_fresh{name=\"b\"} 0",
        "db4sci_stewardship{condition=\"WithinLife\",contact=\"o@example.org\",name=\"a\",owner=\"o\"} 1",
        "db4sci_stewardship{condition=\"WithinLife\",contact=\"o@example.org\",name=\"b\",owner=\"o\"} 0",
        "db4sci_life_end_timestamp_seconds{contact=\"o@example.org\",name=\"a\",owner=\"o\"} 1795341600",
        "db4sci_held{reason=\"Backoff\"} 2",
        "db4sci_held{reason=\"DataLost\"} 1",
        "db4sci_drift{kind=\"prepare\"} 2",
        "db4sci_restarts_total{name=\"a\"} 0",
        "db4sci_tables_behind 7",
        "db4sci_docker_up 1",
    ] {
        assert!(has(&text, line), "{line}\n{text}");
    }
    metrics.observe(&snapshot(&[("a", "Ready", true)]));
    let text = metrics.render();
    assert!(
        !text.contains("db4sci_database_up{engine=\"Postgres\",name=\"b\"}"),
        "{text}"
    );
    assert!(!text.contains("reason=\"DataLost\""), "{text}");
}

#[test]
fn a_step_counts_as_abandoned_unless_it_ends() {
    let metrics = Metrics::new("test").unwrap();
    metrics.step("start").end(StepOutcome::Applied);
    drop(metrics.step("start"));
    let text = metrics.render();
    for outcome in ["Applied", "Abandoned"] {
        let line = format!("db4sci_actions_total{{kind=\"start\",outcome=\"{outcome}\"}} 1");
        assert!(has(&text, &line), "{text}");
    }
}

#[test]
fn only_a_pass_without_an_error_is_the_last_successful_one() {
    let metrics = Metrics::new("test").unwrap();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    metrics.pass(
        Duration::from_millis(20),
        true,
        at("2026-11-22T20:00:00.5Z"),
    );
    metrics.pass(Duration::from_millis(20), false, at("2026-11-22T21:00:00Z"));
    let text = metrics.render();
    assert!(
        has(
            &text,
            "db4sci_last_successful_pass_timestamp_seconds 1795377600.5"
        ),
        "{text}"
    );
    assert!(has(&text, "db4sci_pass_duration_seconds_count 2"));
}

#[test]
fn every_family_has_help_and_a_name_as_prometheus_wants_it() {
    let metrics = Metrics::new("test").unwrap();
    metrics.step("start").end(StepOutcome::Failed);
    metrics.observe(&snapshot(&[("a", "Ready", true)]));
    metrics.journal_entries(3);
    metrics.queue_depth(2);
    metrics.queue_waited(Duration::from_millis(3));
    let text = metrics.render();
    let types = text.lines().filter_map(|l| l.strip_prefix("# TYPE "));
    let mut seen = 0;
    for line in types {
        let (name, kind) = line.split_once(' ').unwrap();
        assert!(text.contains(&format!("# HELP {name} ")), "{name}");
        assert_eq!(
            kind == "counter",
            name.ends_with("_total"),
            "{name} is a {kind}"
        );
        seen += 1;
    }
    assert!(seen > 15, "{text}");
}

#[test]
fn the_first_failure_of_a_backup_is_an_increase_of_the_sum() {
    let metrics = Metrics::new("test").unwrap();
    let name = "a".parse().unwrap();
    let says = |rows: &[(u64, &str)]| {
        let text = metrics.render();
        let found = text
            .lines()
            .filter(|l| l.starts_with("db4sci_backup_failures_total{"));
        let wanted = rows.iter().map(|(count, reason)| {
            format!(
                "db4sci_backup_failures_total{{name=\"a\",reason=\"{reason}\",store=\"local\"}} {count}"
            )
        });
        assert_eq!(found.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
    };
    metrics.backup_wanted(&name, "local");
    says(&[(0, "unknown")]);
    metrics.backup_failed(&name, "local", "tool");
    metrics.backup_wanted(&name, "local");
    says(&[(1, "tool"), (0, "unknown")]);
    metrics.keep(&["b"].into());
    says(&[]);
}
