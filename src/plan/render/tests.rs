use super::sample::{at, first_start, held, hold, lane, now, ready, word};
use super::{Preview, When};
use crate::model::view::{DatabaseView, Phase};
use crate::model::{
    Action, Cost, Expected, Lane, OverrideState, Place, Problem, Reason, Timestamp,
};
use crate::plan::approval;

/// The design's own example.
fn example() -> Vec<DatabaseView> {
    let mut genomics = ready("genomics", "Postgres", "17.5", 32011);
    let took = |seconds, own| {
        Some(Expected {
            seconds,
            times: 3,
            own,
        })
    };
    genomics.expected.restart = took(9, true);
    genomics.lane = Some(lane("genomics", Cost::None, &["memory 2Gi -> 4Gi"], vec![]));
    let restart = lane(
        "genomics",
        Cost::Restart,
        &["shared_buffers 512MB -> 1GB"],
        vec![],
    );
    genomics.held = vec![hold(
        Reason::OutsideWindow,
        "waits",
        Some(at(22, 0)),
        Some(restart),
    )];
    let mut chembank = ready("chembank", "Neo4j", "5.26", 32014);
    let message = "Neo4j 5 -> 4 over data; set the image back";
    chembank.held = vec![hold(Reason::Incompatible, message, None, None)];
    let mut assays = ready("assays", "MongoDB", "7.0", 32015);
    assays.phase = Phase::Pending;
    assays.ready = false;
    assays.expected.create = took(20, false);
    assays.lane = Some(lane(
        "assays",
        Cost::None,
        &["create MongoDB 7.0, port 32015"],
        first_start(),
    ));
    let mut quiet = ready("mydb_admin", "Postgres", "17.5", 32009);
    // As somebody wants it: no row, but whose word it is.
    quiet.overridden = Some(word(OverrideState::Running, Some(at(23, 0))));
    quiet.held = vec![hold(
        Reason::Overridden,
        "running by jane",
        Some(at(23, 0)),
        None,
    )];
    vec![genomics, chembank, assays, quiet]
}

fn text(databases: &[DatabaseView]) -> String {
    Preview::of(databases, &[]).text(now(), &|t: Timestamp| t.naive_utc())
}

#[test]
fn a_plan_says_what_when_and_what_it_costs() {
    let preview = Preview::of(&example(), &[]);
    let lane = preview.hash.clone();
    let expected = format!(
        "plan {lane}\n\
~ genomics  now      memory 2Gi -> 4Gi                     no downtime
            22:00    restart: shared_buffers 512MB -> 1GB  about 9 s, 12 connections now; approve {lane}
x chembank  refused  Incompatible: Neo4j 5 -> 4 over data; set the image back
+ assays    now      create MongoDB 7.0, port 32015        about 20 s, as others here
= mydb_admin  started by jane(1000) until 2026-11-22 23:00 UTC (INC-812); db4sci resume mydb_admin
2 act now, 1 waits, 1 refused, 1 unchanged. Nothing is deleted.
What waits begins at once after: db4sci approve {lane}
"
    );
    assert_eq!(text(&example()), expected);
    assert_eq!(preview.exit_code(), 3);
}

#[test]
fn an_empty_plan_is_one_line_and_exit_code_0() {
    let all_well = vec![ready("genomics", "Postgres", "17.5", 32011)];
    assert_eq!(
        text(&all_well),
        "nothing to do, 1 unchanged. Nothing is deleted.\n"
    );
    assert_eq!(Preview::of(&all_well, &[]).exit_code(), 0);
}

#[test]
fn whose_word_is_in_force_is_said_and_is_nothing_to_do() {
    let mut stopped = ready("genomics", "Postgres", "17.5", 32011);
    stopped.overridden = Some(word(OverrideState::Stopped, Some(at(22, 0))));
    let mut kept = ready("db", "Postgres", "17.5", 32012);
    let mut silent = word(OverrideState::Maintenance, None);
    silent.reason.clear();
    kept.overridden = Some(silent.clone());
    let mut databases = vec![stopped, kept, ready("assays", "MongoDB", "7.0", 32015)];
    assert_eq!(
        text(&databases),
        "\
= genomics  stopped by jane(1000) until 2026-11-22 22:00 UTC (INC-812); db4sci resume genomics
= db        in maintenance by jane(1000) until that is ended (no reason given); db4sci resume db
nothing to do, 3 unchanged. Nothing is deleted.
"
    );
    let preview = Preview::of(&databases, &[]);
    assert_eq!(preview.exit_code(), 0);
    let json = preview.json();
    assert_eq!(
        json["overrides"][0],
        serde_json::json!({
            "name": "genomics",
            "state": "Stopped",
            "until": "2026-11-22T22:00:00Z",
            "reason": "INC-812",
            "who": "jane(1000)",
            "since": "2026-11-22T19:00:00Z",
            "endedBy": "db4sci resume genomics",
        })
    );
    assert_eq!(json["overrides"][1]["until"], serde_json::Value::Null);

    // Of the whole host, once, whatever else was said of single ones.
    for view in &mut databases {
        view.overridden = Some(silent.clone());
        view.whole_host = true;
    }
    let host = Preview::of(&databases, &[]);
    assert_eq!(
        host.text(now(), &|t: Timestamp| t.naive_utc()),
        "\
= all databases  in maintenance by jane(1000) until that is ended (no reason given); db4sci maintenance off --all
nothing to do, 3 unchanged. Nothing is deleted.
"
    );
    assert!(host.json()["overrides"][0]["name"].is_null());
    // Without any, the form is as it always was.
    assert!(Preview::of(&[], &[]).json().get("overrides").is_none());
}

#[test]
fn repairs_stops_recreations_and_other_days_have_words_of_their_own() {
    let mut down = ready("a", "Postgres", "17.5", 32011);
    down.phase = Phase::Degraded;
    down.ready = false;
    down.lane = Some(lane(
        "a",
        Cost::None,
        &["it exited (137); started again"],
        vec![],
    ));
    let mut moved = ready("b", "MariaDB", "11.8", 32012);
    moved.connections = None;
    let recreate = lane("b", Cost::Recreate, &["port 32012 -> 32020"], vec![]);
    let monday = at(22, 0) + chrono::TimeDelta::days(1);
    moved.held = vec![hold(
        Reason::OutsideWindow,
        "",
        Some(monday),
        Some(recreate),
    )];
    let mut stopping = ready("c", "Postgres", "15.8", 32013);
    stopping.connections = Some(1);
    stopping.lane = Some(lane(
        "c",
        Cost::Stop,
        &["stop, as jane(1000) wants"],
        vec![],
    ));
    let mut backing_off = held("d", "Postgres", 32014, Reason::Backoff);
    backing_off.held[0].until = Some(at(20, 3));
    let lost = held("e", "MariaDB", 32016, Reason::DataLost);
    let hash = approval::hash(moved.uid, moved.held[0].would.as_ref().unwrap());
    let message = "the data directory is empty; it held data before";
    assert_eq!(
        text(&[down, moved, stopping, backing_off, lost])
            .split_once('\n')
            .unwrap()
            .1,
        format!(
            "\
~ a  now        it exited (137); started again                  it is down now
~ b  Mon 22:00  recreate on the same data: port 32012 -> 32020  how long was not measured yet, open connections unknown; approve {hash}
- c  now        stop, as jane(1000) wants                       down until started, 1 connection now
! d  20:03      Backoff: {message}
! e  held       DataLost: {message}
2 act now, 1 waits, 2 held, 0 unchanged. Nothing is deleted.
What waits begins at once after: db4sci approve {hash}
"
        )
    );
}

#[test]
fn the_hash_names_the_steps_and_neither_times_nor_connections() {
    let hash = |change: &dyn Fn(&mut DatabaseView)| {
        let mut databases = example();
        change(&mut databases[0]);
        Preview::of(&databases, &[]).hash
    };
    let same = hash(&|_| {});
    assert_eq!(same.len(), approval::DIGITS);
    assert_eq!(hash(&|db| db.held[0].until = Some(at(23, 30))), same);
    assert_eq!(hash(&|db| db.connections = Some(3)), same);
    // What is done meanwhile is not what is approved.
    assert_eq!(hash(&|db| db.lane = None), same);
    let other = |change: fn(&mut Lane)| {
        hash(&|db: &mut DatabaseView| change(db.held[0].would.as_mut().unwrap()))
    };
    assert_ne!(other(|lane| lane.why[0].push('2')), same);
    assert_ne!(other(|lane| lane.generation = 4), same);
    assert_ne!(other(|lane| lane.cost = Cost::Recreate), same);
    assert_ne!(other(|lane| lane.actions.push(Action::WriteFiles)), same);
    // Without anything that waits, all of it.
    let all = |databases: &[DatabaseView]| Preview::of(databases, &[]).hash;
    let rest = &example()[1..];
    assert_ne!(all(rest), all(&rest[1..]));
}

#[test]
fn a_problem_is_told_once() {
    let place = Place {
        file: "lab.yaml".into(),
        line: 4,
        column: 3,
    };
    let of_none = Problem::new("spec.engine", "`postgress` is not an engine").at(place);
    let mut refused = ready("genomics", "Postgres", "17.5", 32011);
    refused.held = vec![hold(
        Reason::InvalidSpec,
        "memory `12` has no unit",
        None,
        None,
    )];
    let of_db = Problem::new("spec.resources.memory", "`12` has no unit").of(&refused.name);
    let preview = Preview::of(&[refused], &[of_none, of_db]);
    let lines: Vec<_> = preview
        .rows
        .iter()
        .map(|r| (r.name.as_str(), r.what.as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            ("genomics", "InvalidSpec: memory `12` has no unit"),
            (
                "-",
                "lab.yaml:4:3: spec.engine: `postgress` is not an engine"
            ),
        ]
    );
}

#[test]
fn the_form_for_programs_is_versioned() {
    let json = Preview::of(&example(), &[]).json();
    assert_eq!(json["version"], 1);
    assert_eq!(json["counts"]["now"], 2);
    let row = &json["changes"][1];
    assert_eq!(row["when"], "waits");
    assert_eq!(row["until"], "2026-11-22T22:00:00Z");
    assert_eq!(row["cost"], "restart");
    assert_eq!(row["connections"], 12);
    assert_eq!(
        (&row["seconds"], &row["measured"]["times"]),
        (&9.into(), &3.into())
    );
    assert_eq!(row["hash"], json["hash"]);
    assert!(row["dataAtRisk"].is_null());
    assert_eq!(json["counts"]["approvable"], 1);
    assert_eq!(json["changes"][3]["steps"][0], "pull");
    assert_eq!(Preview::of(&example(), &[]).count(When::Waits), 1);
}
