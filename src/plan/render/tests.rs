use super::sample::{at, first_start, held, hold, lane, now, ready, word};
use super::{Preview, When};
use crate::model::view::{DatabaseView, Phase};
use crate::model::{
    Action, BackupId, Coming, Cost, Expected, Lane, OverrideState, Place, Problem, Reason,
    Timestamp,
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
    chembank.held = vec![hold(Reason::InvalidSpec, message, None, None)];
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
x chembank  refused  InvalidSpec: Neo4j 5 -> 4 over data; set the image back
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

/// A database, and what is coming of it.
fn with(text: &str, port: u16, coming: Coming) -> DatabaseView {
    let mut view = ready(text, "Neo4j", "5.26", port);
    view.coming = vec![coming];
    view
}

#[test]
fn dumps_at_rest_and_retirements_say_what_they_take_away_and_when() {
    let mut waits = with(
        "a",
        32011,
        Coming::Rest {
            until: Some(at(22, 0)),
        },
    );
    waits.expected.rest = Some(Expected {
        seconds: 25,
        times: 3,
        own: true,
    });
    let now_due = with("b", 32012, Coming::Rest { until: None });
    let retire = Coming::Retire {
        data_hours: 14 * 24,
        backup_hours: Some(90 * 24),
    };
    let retires = with("c", 32013, retire);
    assert_eq!(
        text(&[waits.clone(), now_due, retires.clone()]).split_once('\n').unwrap().1,
        "\
~ a  22:00  dump: its server is stopped for it  about 25 s, 12 connections now; at once: db4sci backup now a
~ b  now    dump: its server is stopped for it  how long was not measured yet, 12 connections now
- c  now    retire: a final backup is taken and proven, then it is stopped  down until started, 12 connections now; its data is removed 14 days later, its backups 90 days after that
2 act now, 1 waits, 0 unchanged. Data of c is deleted.
"
    );
    let json = Preview::of(&[waits], &[]).json();
    assert_eq!(json["deletesData"], false);
    assert_eq!(json["changes"][0]["seconds"], 25);
    let json = Preview::of(std::slice::from_ref(&retires), &[]).json();
    assert_eq!(json["deletesData"], true);
    let deletes = json["changes"][0]["deletes"].as_str().unwrap();
    assert!(
        deletes.starts_with("its data is removed 14 days later"),
        "{deletes}"
    );

    // One that waits for a person has one row, which says it, too.
    let mut held = retires;
    let stop = lane("c", Cost::Stop, &["retire"], vec![]);
    held.held = vec![hold(Reason::NeedsApproval, "waits", None, Some(stop))];
    let preview = Preview::of(&[held], &[]);
    assert_eq!(preview.rows.len(), 1);
    assert!(preview.rows[0].deletes.is_some() && preview.rows[0].hash.is_some());
}

#[test]
fn a_removal_of_another_day_is_told_and_is_nothing_to_do_and_one_of_today_deletes() {
    let backup: BackupId = "genomics-20261122T021500Z-1@local".parse().unwrap();
    let removal = |now, stays: Option<&str>| Coming::Remove {
        at: Some(at(22, 0) + chrono::TimeDelta::days(3)),
        now,
        backup: Some(backup.clone()),
        stays: stays.map(str::to_owned),
    };
    let later = Preview::of(&[with("genomics", 32011, removal(false, None))], &[]);
    let shown = later.text(now(), &|t: Timestamp| t.naive_utc());
    assert_eq!(
        shown,
        format!(
            "\
= genomics  retired; its data is removed at 2026-11-25 22:00 UTC; {backup} has all of it; db4sci undelete genomics
nothing to do, 1 unchanged. Nothing is deleted now.
"
        )
    );
    assert_eq!(later.exit_code(), 0);
    let json = later.json();
    assert_eq!(json["deletesData"], false);
    assert_eq!(json["removals"][0]["at"], "2026-11-25T22:00:00Z");
    let stays = Preview::of(
        &[with("genomics", 32011, removal(false, Some("why not")))],
        &[],
    );
    assert!(
        stays
            .text(now(), &|t: Timestamp| t.naive_utc())
            .contains("why not")
    );

    let today = Preview::of(&[with("genomics", 32011, removal(true, None))], &[]);
    let shown = today.text(now(), &|t: Timestamp| t.naive_utc());
    let line = format!(
        "- genomics  now  remove its container and its data  its data is removed; {backup} has all of it\n"
    );
    assert!(shown.contains(&line), "{shown}");
    assert!(shown.ends_with("Data of genomics is deleted.\n"), "{shown}");
    assert_eq!(today.json()["deletesData"], true);
    assert_eq!(today.exit_code(), 3);
}
