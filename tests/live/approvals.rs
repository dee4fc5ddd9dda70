//! What waits outside its window, a person's leave for it, and hands off the whole host.

use std::time::Duration;

use db4sci::model::Reason;
use db4sci::model::view::Phase;

use crate::host::{Host, LONG, Postgres, SOON, throughout};
use crate::specs::far_away;

#[test]
fn a_change_outside_its_window_waits_and_happens_at_once_after_approve() {
    let mut host = Host::new();
    let far = far_away();
    host.spec("genomics", Postgres, &[&far]);
    host.spec("chembank", Postgres, &[&far]);
    host.start();
    host.ready(&["genomics", "chembank", "mydb_admin"]);
    host.write("genomics", 1);
    assert_eq!(host.db4sci(&["plan"]).code, 0);
    let (run, neighbour) = (host.run_of("genomics"), host.run_of("chembank"));

    let more = |n: u32| format!("parameters: {{max_connections: {n}}}");
    host.spec("genomics", Postgres, &[&far, &more(120)]);
    let told = host.told("genomics", Reason::OutsideWindow, SOON);
    let plan = host.plan("genomics");
    let hash = plan["hash"].as_str().unwrap().to_owned();
    let command = format!("db4sci approve {hash}");
    assert!(told.contains(&command), "{told}");
    assert_eq!(plan["when"], "waits", "{plan}");
    assert_eq!(plan["cost"], "restart", "{plan}");
    assert!(plan["connections"].is_u64(), "{plan}");
    assert!(plan["dataAtRisk"].is_null(), "{plan}");
    // Nobody was ever restarted here, and no number is made up.
    assert!(plan["seconds"].is_null(), "{plan}");
    let text = host.db4sci(&["plan"]);
    assert_eq!(text.code, 3, "{}", text.all());
    assert!(text.out.contains(&command), "{}", text.out);
    assert!(text.out.contains("was not measured yet"), "{}", text.out);

    // Neither another hash, nor another database, nor time lets it go.
    let other = if hash == "00000000" {
        "00000001"
    } else {
        "00000000"
    };
    for (args, says) in [
        (vec!["approve", other], hash.as_str()),
        (vec!["approve", &hash, "chembank"], "not of `chembank`"),
        (vec!["approve", &hash, "nobody"], "no database"),
        (vec!["approve", "soon"], "digits"),
    ] {
        let said = host.db4sci(&args);
        assert_ne!(said.code, 0, "{args:?}: {}", said.all());
        assert!(said.err.contains(says), "{args:?}: {}", said.err);
    }
    throughout(Duration::from_secs(5), "left running", || {
        let now = host.run_of("genomics");
        (now == run).then_some(()).ok_or(format!("{now:?}"))
    });

    let said = host.ok(&["approve", &hash, "--reason", "INC-812"]);
    assert!(said.contains("genomics") && said.contains(&hash), "{said}");
    let in_force = |host: &Host, generation: u64| {
        host.shows("genomics", LONG, "in force", |view| {
            view.ready && view.observed_generation == generation && view.held.is_empty()
        });
    };
    in_force(&host, 2);
    let after = host.run_of("genomics");
    assert_ne!(after.started_at, run.started_at);
    assert_eq!(host.sql("genomics", "show max_connections"), "120");
    assert_eq!(host.rows("genomics"), [1]);
    assert_eq!(host.run_of("chembank"), neighbour);
    let events = host.told_events("genomics");
    assert!(events.contains("INC-812"), "{events}");

    // It is used up; and the next one is for other steps, of which it is known by now how long they
    // take.
    let again = host.db4sci(&["approve", &hash]);
    assert_eq!(again.code, 1, "{}", again.all());
    assert!(
        again.err.contains("nothing waits for approval"),
        "{}",
        again.err
    );
    host.spec("genomics", Postgres, &[&far, &more(130)]);
    host.told("genomics", Reason::OutsideWindow, SOON);
    let second = host.plan("genomics");
    assert!(second["seconds"].as_u64() > Some(0), "{second}");
    assert_eq!(second["measured"]["own"], true, "{second}");
    host.spec("genomics", Postgres, &[&far, &more(140)]);
    host.shows("genomics", SOON, "generation 4", |view| {
        view.generation == 4
    });
    let old = second["hash"].as_str().unwrap();
    let said = host.db4sci(&["approve", old]);
    assert_eq!(said.code, 1, "{}", said.all());
    let third = host.plan("genomics");
    let third = third["hash"].as_str().unwrap();
    assert!(said.err.contains(third), "{}", said.err);
    assert_eq!(host.run_of("genomics"), after);

    // An approval is in the ledger: killed between its beginning and the first thing that anybody
    // would notice, another daemon goes on with it.
    host.stop();
    host.start_with(&[("DB4SCI_FAILPOINT", "stop.before")]);
    host.told("genomics", Reason::OutsideWindow, SOON);
    host.db4sci(&["approve", third, "genomics"]);
    host.wait_killed();
    assert_eq!(host.run_of("genomics"), after);
    host.start();
    in_force(&host, 4);
    assert_eq!(host.sql("genomics", "show max_connections"), "140");
    assert_eq!(host.rows("genomics"), [1]);
    assert_eq!(host.run_of("chembank"), neighbour);
}

#[test]
fn hands_off_the_whole_host_and_on_again() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    host.write("genomics", 1);
    let on = host.db4sci(&["maintenance", "off", "--all"]);
    assert_eq!(on.code, 1, "{}", on.all());
    assert!(on.err.contains("not off the host"), "{}", on.err);

    let said = host.ok(&["maintenance", "on", "--all", "--reason", "new disks"]);
    assert!(said.contains("mydb_admin included"), "{said}");
    for name in ["genomics", "mydb_admin"] {
        let view = host.shows(name, SOON, "left alone", |v| v.phase == Phase::Maintenance);
        assert!(
            view.message.contains("maintenance off --all"),
            "{}",
            view.message
        );
        host.docker(&["kill", &host.name(name)]);
        host.docker(&["rm", "-f", &host.name(name)]);
    }
    for args in [
        &["restart", "genomics"][..],
        &["stop", "genomics"],
        &["maintenance", "off", "genomics"],
    ] {
        let said = host.db4sci(args);
        assert_eq!(said.code, 1, "{args:?}: {}", said.all());
        assert!(said.err.contains("maintenance off --all"), "{}", said.err);
    }
    // Another daemon knows it, too.
    host.stop();
    host.start();
    throughout(Duration::from_secs(8), "left alone", || {
        let there = ["genomics", "mydb_admin"]
            .iter()
            .map(|name| host.containers_of(name).len())
            .sum::<usize>();
        (there == 0)
            .then_some(())
            .ok_or(format!("{there} containers"))
    });
    host.ok(&["maintenance", "off", "--all"]);
    host.ready(&["genomics", "mydb_admin"]);
    assert_eq!(host.rows("genomics"), [1]);
}
