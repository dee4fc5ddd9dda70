//! Verbs that change something, wait, or run a client.

use super::fake::{out, world};
use crate::http::fake::PASSWORD;
use crate::model::{Cost, Outcome, Override, OverrideState, Reason, Who};
use crate::plan::render::sample::{at, hold, lane, now, ready};

fn me() -> String {
    let uid = rustix::process::geteuid().as_raw();
    if uid == 0 {
        "root(0)".to_owned()
    } else {
        String::new()
    }
}

#[tokio::test]
async fn stop_start_and_maintenance_are_overrides_with_an_end_and_a_reason() {
    let world = world(vec![ready("genomics", "Postgres", "17.5", 32011)]).await;
    for (line, said) in [
        (
            "stop genomics --for 2h --reason INC-812",
            "genomics Stopped until 2026-11-22T22:00:00+00:00: INC-812\n",
        ),
        ("start genomics", "genomics Running until resumed: \n"),
        (
            "maintenance on genomics --for 1h30m",
            "genomics Maintenance until 2026-11-22T21:30:00+00:00: \n",
        ),
        ("maintenance off genomics", "resume genomics: \n"),
        (
            "maintenance on --all --for 2h --reason disks",
            "hands off true until 2026-11-22T22:00:00+00:00: disks\n",
        ),
        ("maintenance on --all", "hands off true: \n"),
        (
            "maintenance off --all --reason done",
            "hands off false: done\n",
        ),
        (
            "release genomics --reason mended",
            "release genomics: mended\n",
        ),
        ("resume genomics --reason done", "resume genomics: done\n"),
        ("restart genomics", "restart genomics: \n"),
        ("retry genomics", "retry genomics: \n"),
        ("thaw offsite --reason gone", "thaw offsite: gone\n"),
    ] {
        let answer = world.run(line).await;
        assert_eq!((answer.exit, answer.err.as_str()), (0, ""), "{line}");
        assert!(
            answer.out.starts_with(&me()) && answer.out.ends_with(said),
            "{line}: {}",
            answer.out
        );
    }
    world.daemon.change(|snapshot| {
        snapshot.databases[0].overridden = Some(Override {
            state: OverrideState::Stopped,
            until: None,
            reason: String::new(),
            who: Who::Daemon,
            since: now(),
        });
    });
    let refused = world.run("maintenance off genomics").await;
    assert_eq!(refused.exit, 1);
    assert!(
        refused.err.contains("db4sci resume genomics"),
        "{}",
        refused.err
    );
}

#[tokio::test]
async fn what_waits_is_let_go_by_the_hash_that_plan_shows() {
    let waits = |text: &str, port| {
        let mut view = ready(text, "Postgres", "17.5", port);
        let would = lane(text, Cost::Restart, &["shared_buffers 1GB"], vec![]);
        let reason = Reason::OutsideWindow;
        view.held = vec![hold(reason, "waits", Some(at(22, 0)), Some(would))];
        view
    };
    let world = world(vec![
        waits("genomics", 32011),
        waits("proteomics", 32012),
        ready("assays", "MongoDB", "7.0", 32013),
    ])
    .await;
    let plan = world.run("plan").await.out;
    let whole = plan[5..13].to_owned();
    assert!(
        plan.contains(&format!(
            "What waits begins at once after: db4sci approve {whole} (all 2), or: db4sci approve \
             {whole} NAME\n"
        )),
        "{plan}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&world.run("plan -o json").await.out).unwrap();
    assert_eq!(json["hash"], *whole);
    let of_one = json["changes"][1]["hash"].as_str().unwrap().to_owned();
    assert!(plan.contains(&format!("approve {of_one}\n")), "{plan}");
    for (line, said) in [
        (
            format!("approve {whole}"),
            format!("approve {whole} genomics, proteomics: \n"),
        ),
        (
            format!("approve {whole} proteomics --reason INC-9"),
            format!("approve {whole} proteomics: INC-9\n"),
        ),
        (
            format!("approve {}", of_one.to_uppercase()),
            format!("approve {of_one} proteomics: \n"),
        ),
    ] {
        let answer = world.run(&line).await;
        assert_eq!((answer.exit, answer.err.as_str()), (0, ""), "{line}");
        assert!(answer.out.ends_with(&said), "{line}: {}", answer.out);
    }
    for (line, exit, says) in [
        (
            "approve 00000000".to_owned(),
            1,
            "nothing was changed; look again: db4sci plan",
        ),
        (format!("approve {of_one} genomics"), 1, "not of `genomics`"),
        (format!("approve {whole} assays"), 1, "not of `assays`"),
        ("approve 1a2b".to_owned(), 2, "8 digits"),
        ("approve genomics".to_owned(), 2, "8 digits"),
        ("approve".to_owned(), 2, "HASH"),
    ] {
        let answer = world.run(&line).await;
        assert_eq!(answer.exit, exit, "{line}: {}", answer.err);
        assert!(answer.err.contains(says), "{line}: {}", answer.err);
    }
    // Steps that have changed since are not what was shown.
    world.daemon.change(|snapshot| {
        let held = &mut snapshot.databases[1].held[0];
        held.would.as_mut().unwrap().why.push("jit off".to_owned());
    });
    for hash in [&whole, &of_one] {
        let answer = world.run(&format!("approve {hash}")).await;
        assert_eq!(answer.exit, 1);
        assert!(answer.err.contains("jit off"), "{}", answer.err);
    }
}

#[tokio::test]
async fn a_release_needs_a_reason_and_maintenance_one_database_or_all() {
    let world = world(vec![ready("genomics", "Postgres", "17.5", 32011)]).await;
    for (line, says) in [
        ("release genomics", "--reason"),
        ("release genomics --reason=", "say why `genomics` may run"),
        ("release", "NAME"),
        ("release genomics --to-rows", "--reason"),
        (
            "release genomics --to-rows --reason=",
            "`genomics` is released from its file",
        ),
        ("maintenance on", "NAME"),
        ("maintenance on genomics --all", "--all"),
        ("maintenance off", "NAME"),
    ] {
        let answer = world.run(line).await;
        assert_eq!(answer.exit, 2, "{line}: {}", answer.err);
        assert!(answer.err.contains(says), "{line}: {}", answer.err);
    }
    assert!(world.daemon.asked().is_empty());
    let answer = world
        .run("release genomics --to-rows --reason the-lab-left")
        .await;
    assert_eq!(answer.exit, 0, "{}", answer.err);
    let asked = world.daemon.asked();
    assert!(
        asked[0].ends_with(" to-rows genomics: the-lab-left"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_refusal_is_said_as_it_is() {
    let world = world(vec![]).await;
    let said = world.run("restart mydb_admin").await;
    assert_eq!(
        (said.exit, said.err.as_str()),
        (1, "mydb_admin restarts itself\n")
    );
}

#[tokio::test]
async fn apply_names_each_document_and_fails_if_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let world = world(vec![ready("genomics", "Postgres", "17.5", 32011)]).await;
    let good = write("a.yaml", "genomics\n---\nassays\n");
    let said = world.run(&format!("apply -f {good}")).await;
    assert_eq!(said, out("genomics configured\nassays created\n"));
    let bad = write("b.yaml", "proteomics\n# a comment\nbad\n");
    write("notes.txt", "not a spec");
    let said = world
        .run(&format!("apply -f {}", dir.path().display()))
        .await;
    assert_eq!(said.exit, 1);
    assert_eq!(said.out, "genomics configured\nassays created\n");
    assert_eq!(
        said.err,
        format!(
            "{bad}:3:3: spec.engine: `bad` is not an engine\nproteomics refused; nothing was \
             changed\n"
        )
    );
    let said = world.run(&format!("apply -f {good} --dry-run")).await;
    assert_eq!((said.exit, said.err.as_str()), (0, ""));
    for line in [
        "genomics configured (dry run)\nassays created (dry run)\n",
        "~ genomics  now  memory 2Gi -> 4Gi  no downtime\n",
        "Nothing is deleted.\n",
    ] {
        assert!(said.out.contains(line), "{line}: {}", said.out);
    }
    let said = world
        .run(&format!("apply -f {good} --dry-run -o name"))
        .await;
    assert_eq!(said, out("genomics\nassays\n"));
    assert!(
        world
            .daemon
            .asked()
            .last()
            .unwrap()
            .ends_with("dry_run=true")
    );
    world
        .run(&format!("apply -f {good} --reason INC-812"))
        .await;
    let asked = world.daemon.asked().pop().unwrap();
    assert!(
        asked.ends_with("assays \"INC-812\" dry_run=false"),
        "{asked}"
    );
    let said = world.run("apply -f /nonexistent.yaml").await;
    assert_eq!(said.exit, 1);
    assert!(
        said.err.starts_with("/nonexistent.yaml: reading it: "),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn plan_of_a_file_shows_what_it_would_change() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    std::fs::write(&path, "genomics\n").unwrap();
    let world = world(vec![ready("genomics", "Postgres", "17.5", 32011)]).await;
    let said = world.run(&format!("plan -f {}", path.display())).await;
    assert_eq!(said.exit, 3);
    assert!(
        said.out
            .contains("~ genomics  now  memory 2Gi -> 4Gi  no downtime"),
        "{}",
        said.out
    );
    std::fs::write(&path, "genomics\nbad\n").unwrap();
    let said = world.run(&format!("plan -f {}", path.display())).await;
    assert_eq!(said.exit, 1);
    assert!(said.out.contains("x -  refused"), "{}", said.out);
}

#[tokio::test]
async fn connect_prints_the_url_and_the_passfile_and_no_other_output_has_the_password() {
    let world = world(vec![ready("genomics", "Postgres", "17.5", 32011)]).await;
    world
        .daemon
        .record(at(12, 0), Some("genomics"), Outcome::Done, "created");
    let said = world.run("connect genomics --print").await;
    assert_eq!(
        said,
        out(&format!(
            "postgresql://genomics@127.0.0.1:32011/genomics\n127.0.0.1:32011:genomics:genomics:{PASSWORD}\n"
        ))
    );
    for line in [
        "get -o json",
        "describe genomics -o json",
        "events -o json",
        "export genomics",
        "connect genomics",
    ] {
        let said = world.run(line).await;
        assert!(
            !said.out.contains(PASSWORD) && !said.err.contains(PASSWORD),
            "{line}"
        );
    }
}

#[tokio::test]
async fn connect_runs_the_client_as_a_job_where_the_host_has_none_and_passes_its_code_on() {
    let world = world(vec![ready("genomics", "Postgres", "17.5", 32011)]).await;
    let said = world.run("connect genomics -- -Atc select").await;
    assert_eq!(said.exit, 3, "{}", said.err);
    let job = world.host.jobs.lock().unwrap().pop().unwrap();
    assert_eq!(job.client.args, ["-p", "5432", "-Atc", "select"]);
    assert_eq!(job.client.env["PASSFILE"], "/db4sci/passfile");
    assert_eq!(
        job.passfile.expose(),
        format!("127.0.0.1:5432:genomics:genomics:{PASSWORD}\n")
    );
    assert!(!job.terminal && !format!("{job:?}").contains(PASSWORD));
    assert_eq!(world.run("connect genomics --as-job").await.exit, 3);
    world
        .daemon
        .change(|snapshot| snapshot.databases[0].container = None);
    let said = world.run("connect genomics").await;
    assert_eq!(said.exit, 1);
    assert!(said.err.contains("no container"), "{}", said.err);
}

#[tokio::test]
async fn the_rest_of_the_verbs() {
    let world = world(vec![ready("genomics", "Postgres", "17.5", 32011)]).await;
    let export = world.run("export genomics").await.out;
    assert!(
        export.contains("apiVersion: db4sci/v1\n") && export.contains("  port: 32011\n"),
        "{export}"
    );
    assert_eq!(
        world.run("logs genomics -n 5").await,
        out("the last 5 lines of genomics\n")
    );
    assert_eq!(world.run("init").await, out("prod/config.yaml written\n"));
    assert_eq!(world.run("schema").await.exit, 0);
    assert_eq!(
        world.run("check a.yaml").await,
        out("1 file: no problem; see what would happen: db4sci plan\n")
    );
    let bad = world.run("check a.yaml bad.yaml").await;
    assert_eq!(bad.exit, 1);
    assert_eq!(
        bad.out,
        "bad.yaml:2:3: spec: wrong\n2 files: 1 problem; nothing was changed\n"
    );
    let run = world.run("run").await;
    assert_eq!(run.exit, 1);
    assert!(run.err.starts_with("DB4SCI_MODE"), "{}", run.err);
    let doctor = world.run("doctor").await;
    assert_eq!(doctor.exit, 0, "{}", doctor.out);
    assert!(
        doctor.out.contains("ok    daemon  answers on"),
        "{}",
        doctor.out
    );
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            world
                .run(&format!("completions {shell}"))
                .await
                .out
                .contains("db4sci")
        );
    }
    assert_eq!(world.run("frobnicate").await.exit, 2);
    assert_eq!(world.run("stop genomics --for 2").await.exit, 2);
}

#[test]
fn the_command_line_is_sound_and_explains_itself() {
    use clap::CommandFactory;
    let mut command = crate::cli::args::Cli::command();
    command.clone().debug_assert();
    let help = command.render_help().to_string();
    for verb in [
        "status",
        "plan",
        "approve",
        "release",
        "connect",
        "maintenance",
    ] {
        assert!(help.contains(&format!("\n  {verb} ")), "{help}");
    }
}

#[tokio::test]
async fn a_rename_says_its_cost_first_and_with_plan_does_no_more() {
    let world = world(vec![ready("genomics", "Postgres", "17.5", 32011)]).await;
    let cost = "~ genomics  -> gen-2: about 9 s, 3 connections now\n";
    let said = world.run("rename genomics gen-2 --plan").await;
    assert_eq!(said, out(cost));
    assert!(world.daemon.asked.lock().unwrap().is_empty());
    for work in [
        "clone genomics c",
        "restore genomics --from genomics-20261122T021500Z-1@local --as c",
    ] {
        world.run(&format!("{work} --reason INC-812")).await;
        let asked = world.daemon.asked().pop().unwrap();
        assert!(asked.contains("reason: \"INC-812\""), "{asked}");
    }
    for line in [
        "rename genomics Gen",
        "rename genomics",
        "clone genomics c --live --from x",
    ] {
        assert_eq!(world.run(line).await.exit, 2, "{line}");
    }
}
