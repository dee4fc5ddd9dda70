//! What verbs that only look say, word for word.

use super::fake::{out, world};
use crate::model::audit::{AuditView, Finding, Findings, LogHarm};
use crate::model::disk::{DiskUse, VolumeView};
use crate::model::view::{
    ComesBack, Condition, ConditionStatus, DatabaseView, Evidence, Phase, Remark, Unshipped,
};
use crate::model::{Change, Cost, Outcome, Override, OverrideState, Problem, Reason, Who};
use crate::plan::render::sample::{at, held, hold, lane, ready};

/// The design's own example.
fn three() -> Vec<DatabaseView> {
    let mut genomics = ready("genomics", "Postgres", "17.5", 32011);
    let restart = lane(
        "genomics",
        Cost::Restart,
        &["shared_buffers 512MB -> 1GB"],
        vec![],
    );
    genomics.reason = Some(Reason::OutsideWindow);
    let message = "waits for its window";
    genomics.held = vec![hold(
        Reason::OutsideWindow,
        message,
        Some(at(22, 0)),
        Some(restart),
    )];
    genomics.generation = 4;
    genomics.disk = Some(DiskUse {
        bytes: 41 << 30,
        measured: at(19, 55),
        a_day: Some(1200 << 20),
    });
    genomics.backup.last_verified = Some(at(11, 0));
    let mut admin = ready("mydb_admin", "Postgres", "17.5", 32009);
    admin.owner = String::new();
    vec![
        genomics,
        held("proteomics", "MariaDB", 32012, Reason::DataLost),
        admin,
    ]
}

#[tokio::test]
async fn get_shows_a_table_and_who_needs_a_person() {
    let world = world(three()).await;
    assert_eq!(
        world.run("get").await,
        out("\
NAME        ENGINE         PHASE  PORT   MEM  DISK  VERIFIED  OWNER           REASON
genomics    Postgres 17.5  Ready  32011  2Gi  41Gi  9h        genomics-lab    OutsideWindow 22:00
proteomics  MariaDB 11.8   Held   32012  2Gi  -     -         proteomics-lab  DataLost
mydb_admin  Postgres 17.5  Ready  32009  2Gi  -     -         -               -
3 databases, 1 needs you: db4sci describe proteomics
")
    );
    assert_eq!(
        world.run("get -o name").await,
        out("genomics\nproteomics\nmydb_admin\n")
    );
    let wide = world.run("get genomics -o wide").await.out;
    for word in [
        "IMAGE ID",
        "4 (3 in force)",
        "file:genomics.yaml",
        "db.example.org",
    ] {
        assert!(
            wide.contains(word),
            "{word}
{wide}"
        );
    }
}

#[tokio::test]
async fn disk_shows_what_is_taken_and_what_is_left() {
    let world = world(three()).await;
    world.daemon.change(|snapshot| {
        snapshot.volumes = vec![VolumeView {
            label: "Standard".to_owned(),
            path: "/data".to_owned(),
            size: 98 << 30,
            free: 40 << 30,
        }];
    });
    assert_eq!(
        world.run("disk").await,
        out("\
VOLUME    SIZE  FREE  DATABASES  PATH
Standard  98Gi  40Gi  41Gi       /data

NAME        VOLUME    DISK  A DAY   OWNER
genomics    Standard  41Gi  +1.2Gi  genomics-lab
proteomics  Standard  -     -       proteomics-lab
mydb_admin  Standard  -     -       -
")
    );
    let describe = world.run("describe genomics").await.out;
    let line = "Disk:        41Gi, +1.2Gi a day, volume Standard\n";
    assert!(describe.contains(line), "{describe}");
}

#[tokio::test]
async fn describe_names_the_evidence_of_what_was_given_up_and_its_files() {
    let mut databases = three();
    assert!(
        !world(databases.clone())
            .await
            .run("describe proteomics")
            .await
            .out
            .contains("Evidence")
    );
    databases[1].evidence = Some(Evidence {
        folder: "/var/lib/db4sci/quarantine/proteomics/20261122T200000.000Z".to_owned(),
        files: vec!["log.txt".to_owned(), "why.txt".to_owned()],
        data: None,
    });
    let world_of = async |databases| world(databases).await.run("describe proteomics").await.out;
    let said = world_of(databases.clone()).await;
    let told = "Evidence\n  /var/lib/db4sci/quarantine/proteomics/20261122T200000.000Z  log.txt, why.txt\n";
    assert!(said.contains(told), "{said}");
    // And where its data is, if that is not in its place any more.
    let kept = databases[1].evidence.as_mut().unwrap();
    kept.data = Some("/data/.db4sci/.aside/proteomics-1".to_owned());
    let said = world_of(databases).await;
    let data = said
        .lines()
        .find(|line| line.ends_with("its data from then"));
    assert!(
        data.unwrap()
            .starts_with("  /data/.db4sci/.aside/proteomics-1 "),
        "{said}"
    );
}

#[tokio::test]
async fn audit_names_what_differs_and_fails_until_all_is_well() {
    let world = world(three()).await;
    let counts = |view: &mut AuditView| (view.entries, view.sealed, view.rows) = (41, 40, 41);
    counts(&mut world.daemon.audit.lock().unwrap());
    let figures = "41 entries of the journal, 40 of them sealed by this host; 41 rows of log; 0 ends in the stores\n";
    let good = format!("{figures}The log is as it was written.\n");
    assert_eq!(world.run("audit verify").await, out(&good));

    let mut findings = Findings::default();
    findings.add(Finding::new(7, "mydb_admin: its row of log is gone"));
    world.daemon.audit.lock().unwrap().harms = vec![LogHarm {
        entry: 40,
        at: at(19, 0),
        findings: findings.clone(),
    }];
    let said = world.run("audit verify").await;
    let told =
        "19:00 (60 min ago): found, mended, and not acknowledged:\n  entry 7: mydb_admin: its row";
    assert!(said.exit == 1 && said.out.starts_with(told), "{}", said.out);
    assert!(
        said.out.contains("db4sci audit acknowledge"),
        "{}",
        said.out
    );

    world.daemon.audit.lock().unwrap().findings = findings;
    let said = world.run("audit verify").await;
    assert!(
        said.exit == 1
            && said
                .out
                .contains("\nentry 7: mydb_admin: its row of log is gone\n")
    );
    assert!(
        said.out
            .ends_with("not as it was written. Next: docs/runbooks/audit.md\n")
    );

    *world.daemon.audit.lock().unwrap() = AuditView {
        unread: vec!["store offsite: no answer".to_owned()],
        ..AuditView::default()
    };
    let said = world.run("audit verify").await;
    assert!(
        said.exit == 1
            && said
                .out
                .starts_with("not compared: store offsite: no answer\n")
    );

    world.run("audit acknowledge --reason tested").await;
    let asked = world.daemon.asked.lock().unwrap().join("\n");
    assert!(asked.contains("acknowledge: tested"), "{asked}");
}

#[tokio::test]
async fn get_gives_programs_a_list_in_camel_case() {
    let world = world(three()).await;
    for line in ["get genomics -o json", "get genomics -o yaml"] {
        let said = world.run(line).await;
        let list: Vec<DatabaseView> = serde_yaml::from_str(&said.out).unwrap();
        assert_eq!(list, three()[..1], "{line}");
        assert!(said.out.contains("observedGeneration"));
    }
}

#[tokio::test]
async fn an_unknown_database_is_an_error_with_the_next_command() {
    let world = world(three()).await;
    let why = "there is no database `assays`; nothing was changed; all names: db4sci get\n";
    for line in [
        "get assays",
        "describe assays",
        "plan assays",
        "stop assays",
        "logs assays",
    ] {
        let said = world.run(line).await;
        assert_eq!((said.exit, said.err.as_str()), (1, why), "{line}");
    }
    let said = world.run("get Assays").await;
    assert_eq!(said.exit, 2);
    assert!(said.err.contains("^[a-z]"), "{}", said.err);
}

#[tokio::test]
async fn status_says_what_is_wrong_with_one_next_command_each() {
    let mut databases = three();
    databases[2].overridden = Some(Override {
        state: OverrideState::Running,
        until: Some(at(22, 0)),
        reason: "INC-812".to_owned(),
        who: Who::Socket {
            uid: 1000,
            user: "jane".to_owned(),
        },
        since: at(19, 0),
    });
    // Whatever else is told of it.
    databases[1].overridden = databases[2].overridden.clone();
    let shown = world(databases.clone()).await.run("get").await.out;
    let marked = ["proteomics", "mydb_admin"].map(|name| {
        let line = shown.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit("  ").next().unwrap().to_owned()
    });
    assert_eq!(
        marked,
        ["DataLost, Overridden 22:00", "Overridden 22:00"],
        "{shown}"
    );
    databases[1].overridden = None;
    let world = world(databases).await;
    world.daemon.change(|snapshot| {
        snapshot.tables_behind = 3;
        snapshot.problems = vec![Problem::new("spec.engine", "`x` is not an engine")];
    });
    let expected = out("\
3 databases: 2 Ready, 1 Held (mode test)
mydb_admin: 3 accepted changes are not yet in its tables; they are safe in the journal
  -> db4sci describe mydb_admin
spec: spec.engine: `x` is not an engine
  -> db4sci check
proteomics: Held (DataLost): the data directory is empty; it held data before
  -> db4sci describe proteomics
mydb_admin: running until 22:00 (in 2 h), by jane(1000): INC-812
  -> db4sci resume mydb_admin
");
    assert_eq!(world.run("status").await, expected);
    assert_eq!(world.run("").await, expected, "bare is status");

    world.daemon.change(|snapshot| {
        snapshot.tables_harm = Some("the journal has lost its end".to_owned());
    });
    let said = world.run("status").await.out;
    let told = "mydb_admin: its tables are left alone: the journal has lost its end; all that was";
    assert!(
        said.contains(told) && !said.contains("3 accepted"),
        "{said}"
    );

    world.daemon.change(|snapshot| {
        snapshot.unshipped = vec![Unshipped {
            store: "offsite".to_owned(),
            entries: 12,
            since: at(19, 0),
            why: "no answer to rely on".to_owned(),
        }];
    });
    let said = world.run("status").await.out;
    let told = "store offsite: 12 accepted changes are not known to be there, since 19:00";
    assert!(said.contains(told) && said.contains("no answer"), "{said}");

    world.daemon.change(|snapshot| {
        snapshot.frozen = vec!["the store offsite does not answer".to_owned()];
    });
    let said = world.run("status").await.out;
    let told = "db4sci: nothing is removed or retired anywhere: the store offsite does not";
    assert!(said.contains(told), "{said}");

    // What was found meanwhile, and is no reason to wait.
    let what = "the store local does not list what it should hold";
    world.daemon.change(|snapshot| {
        snapshot.remarks = vec![Remark {
            name: "genomics".parse().unwrap(),
            what: what.to_owned(),
            notable: true,
        }];
    });
    let said = world.run("status").await.out;
    let told = format!("genomics: {what}\n  -> db4sci describe genomics\n");
    assert!(said.contains(&told), "{said}");
    let own = format!("To look at\n  {what}\n");
    assert!(world.run("describe genomics").await.out.contains(&own));
    assert!(
        !world
            .run("describe proteomics")
            .await
            .out
            .contains("To look at")
    );
}

#[tokio::test]
async fn how_mydb_admin_comes_back_is_shown_while_it_is_down() {
    let mut admin = ready("mydb_admin", "Postgres", "17.5", 32009);
    admin.phase = Phase::Held;
    admin.message = "its data is gone".to_owned();
    let world = world(vec![ready("genomics", "Postgres", "17", 32011), admin]).await;
    let describe = async |name| world.run(&format!("describe {name}")).await.out;
    assert!(describe("mydb_admin").await.contains("waits  start "));
    world.daemon.change(|snapshot| {
        snapshot.comparing = true;
        snapshot.recovery = Some(ComesBack::StartOver { head: 42 });
    });
    let told = [
        "over  start     its container is started",
        "now   restore   it begins anew, since no backup of it is good; what is left is kept aside: its data is gone",
        "next  replay    the journal is brought in from entry 1 on, up to 42",
    ];
    let (plan, described) = (world.run("plan").await.out, describe("mydb_admin").await);
    for line in told {
        assert!(plan.contains(line), "{plan}");
        assert!(described.contains(&format!("  {line}")), "{described}");
    }
    assert!(!describe("genomics").await.contains("replay"));
    assert!(!world.run("plan genomics").await.out.contains("replay"));
    for verb in ["plan", "describe mydb_admin"] {
        let said = world.run(&format!("{verb} -o json")).await.out;
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        let stage = &said["recovery"][2];
        assert_eq!(
            (&stage["step"], &stage["state"]),
            (&"restore".into(), &"now".into()),
            "{verb}"
        );
    }
}

#[tokio::test]
async fn status_says_what_owners_are_told_and_only_a_broken_promise_is_wrong() {
    let mut first = ready("genomics", "Postgres", "17.5", 32011);
    let said = |kind: &str, status, reason: &str, message: &str| Condition {
        kind: kind.to_owned(),
        status,
        reason: reason.to_owned(),
        message: message.to_owned(),
        last_transition_time: at(19, 0),
    };
    let (yes, no) = (ConditionStatus::True, ConditionStatus::False);
    let beyond = said(
        DatabaseView::WITHIN_LIMITS,
        no,
        "Exceeded",
        "`lab` has too many",
    );
    first.conditions.extend([
        said(
            DatabaseView::WITHIN_LIFE,
            yes,
            DatabaseView::ENDS_SOON,
            "it ends in 6 days",
        ),
        said(DatabaseView::CONTACT_KNOWN, yes, "Given", "it is known"),
        beyond.clone(),
    ]);
    let mut second = ready("genomes", "Postgres", "17.5", 32012);
    second.conditions.push(beyond);
    let told = "\
genomics: it ends in 6 days
  -> db4sci describe genomics
owner genomics-lab: `lab` has too many
  -> db4sci get
";
    second.owner.clone_from(&first.owner);
    let world = world(vec![first, second]).await;
    let all_well = "all well: 2 databases: 2 Ready (mode test)\n";
    let owner = world.run("status").await;
    assert_eq!(owner, out(&format!("{all_well}{told}")));
    world.daemon.change(|snapshot| {
        let missing = said(
            DatabaseView::PROTECTED,
            no,
            "Missing",
            "no encrypted backups",
        );
        snapshot.databases[0].conditions.push(missing);
    });
    let broken = world.run("status").await.out;
    assert!(
        !broken.contains("all well") && broken.contains("genomics: no encrypted backups"),
        "{broken}"
    );
}

#[tokio::test]
async fn status_says_that_all_is_well() {
    let world = world(vec![ready("genomics", "Postgres", "17.5", 32011)]).await;
    let said = world.run("").await;
    assert_eq!(said, out("all well: 1 database: 1 Ready (mode test)\n"));
}

#[tokio::test]
async fn recover_says_what_comes_back_and_to_which_moment() {
    let world = world(three()).await;
    let said = world.run("recover --plan").await;
    assert_eq!(said.exit, 0);
    assert_eq!(
        said.out,
        "\
instance 4711: 42 entries, up to 2026-11-22 20:00:00, from mydb_admin-20261122T021500Z-1@local and, for the last 3, the journal in the stores
NAME      ENGINE       PRIORITY  AS OF                LOST                SIZE  FROM                               WHAT
notes     Postgres 17  Basic     -                    all of it           5Mi   -                                  is lost: there is no backup
genomics  Postgres 17  None      2026-11-22 20:00:00  at most 3 h 12 min  5Mi   genomics-20261122T021500Z-1@local  comes back
"
    );
    assert!(
        said.err.contains("one manifest cannot be read"),
        "{}",
        said.err
    );
    assert!(said.err.contains("nothing was changed"), "{}", said.err);
    let said = world.run("recover").await;
    assert!(said.err.contains("db4sci run"), "{}", said.err);
    assert_eq!(world.run("recover --instance x").await.exit, 1);
}

#[tokio::test]
async fn recover_says_afterwards_what_became_of_each_database() {
    let mut all = three();
    all[1].backup.last = Some(at(2, 15));
    all.push(held("unsaved", "MariaDB", 32013, Reason::DataLost));
    let world = world(all).await;
    let none = world.run("recover --status").await;
    assert_eq!(none.exit, 1);
    assert!(
        none.err.contains("did not come back from a store"),
        "{}",
        none.err
    );
    assert_eq!(world.run("recover --status --plan").await.exit, 2);
    let uid = crate::model::Uid(uuid::Uuid::nil());
    let from: crate::model::BackupId = "genomics-20261122T021500Z-1@local".parse().unwrap();
    let chosen = Change::HistoryChosen {
        store: None,
        as_of: Some(at(5, 15)),
        lived: Some(at(5, 16)),
    };
    let begins = Change::RestoreBegan {
        uid,
        from,
        aside: "/aside".into(),
    };
    for (name, change) in [
        ("mydb_admin", chosen),
        ("genomics", Change::RecoverAsked { uid }),
        ("proteomics", Change::RecoverAsked { uid }),
        ("unsaved", Change::RecoverAsked { uid }),
        ("mydb_admin", Change::StartedOver { uid }),
        ("genomics", begins),
        ("genomics", Change::RestoreEnded { uid }),
    ] {
        world.daemon.change_recorded(at(19, 0), name, change);
    }
    let said = world.run("recover --status").await;
    assert_eq!(
        said,
        out("\
NAME        PHASE  AS OF                LOST               FROM                               WHAT
genomics    Ready  2026-11-22 02:15:00  at most 3 h 1 min  genomics-20261122T021500Z-1@local  came back
mydb_admin  Ready  2026-11-22 05:15:00  at most 1 min      -                                  began anew, and is filled from the journal
proteomics  Held   -                    -                  -                                  waits for its turn; Held: the data directory is empty; it held data before
unsaved     Held   -                    -                  -                                  Held: the data directory is empty; it held data before
the memory is back since 2026-11-22 19:00:00; of 3 that come back by themselves, 2 did, 1 is on its way: db4sci wait --all
")
    );
    let json = world.run("recover --status -o json").await.out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let one = &json["databases"]["genomics"];
    assert_eq!(
        (&one["how"], &one["phase"]),
        (&"back".into(), &"Ready".into())
    );
    assert_eq!(one["lost"]["minutes"], 181);
    assert_eq!(
        world.run("recover --status -o name").await,
        out("proteomics\n")
    );
}

#[tokio::test]
async fn describe_answers_why_nothing_happens() {
    let world = world(three()).await;
    world
        .daemon
        .record(at(18, 0), Some("genomics"), Outcome::Done, "another one's");
    world.daemon.record(
        at(19, 0),
        Some("proteomics"),
        Outcome::Failed,
        "start refused",
    );
    assert_eq!(
        world.run("describe proteomics").await,
        out("\
Name:        proteomics
Phase:       Held (DataLost)
             the data directory is empty; it held data before
Engine:      MariaDB 11.8
Image:       MariaDB 11.8 (mariadb:11.8, id 000000000000)
Address:     db.example.org:32012
Connections: not known
Memory:      2Gi
Disk:        not measured yet, volume Standard
Owner:       proteomics-lab, lab@example.org
Spec:        file:proteomics.yaml, generation 3, in force 3
Uid:         00000000-0000-0000-0000-000000007d0c
Container:   000000000000
Data:        /data/proteomics

Conditions
  Ready  False  DataLost  60 min ago  the data directory is empty; it held data before

Held back
  DataLost  until something changes  the data directory is empty; it held data before

Doing now
  nothing

Last seen
  container: running, healthy
  data: marker initialised, sentinel there

Events
  2026-11-22 19:00:00  failed  db4sci  start refused

Next: bring its data back to its place (nothing here deletes or overwrites any), then: db4sci wait proteomics --for ready
")
    );
    let waits = world.run("describe genomics").await.out;
    assert!(
        waits.contains(
            "OutsideWindow  until 22:00 (in 2 h)  waits for its window; would: shared_buffers"
        ),
        "{waits}"
    );
}

#[tokio::test]
async fn events_are_shown_by_name_and_span() {
    let world = world(three()).await;
    world
        .daemon
        .record(at(12, 0), Some("genomics"), Outcome::Done, "created");
    world.daemon.record(
        at(19, 30),
        Some("genomics"),
        Outcome::Failed,
        "start failed",
    );
    world
        .daemon
        .record(at(19, 40), None, Outcome::Done, "daemon started");
    assert_eq!(
        world.run("events --since 1h").await,
        out("\
2026-11-22 19:30:00  genomics  failed  db4sci  start failed
2026-11-22 19:40:00  -         done    db4sci  daemon started
")
    );
    let one = world.run("events genomics -o json").await.out;
    let list: Vec<serde_json::Value> = serde_json::from_str(&one).unwrap();
    assert_eq!(list.len(), 2);
}

#[tokio::test]
async fn plan_tells_by_its_exit_code_whether_there_is_something_to_do() {
    let world = world(three()).await;
    let said = world.run("plan genomics").await;
    assert_eq!(said.exit, 3);
    assert!(
        said.out.contains(
            "22:00  restart: shared_buffers 512MB -> 1GB  how long was not measured yet, 12"
        ),
        "{}",
        said.out
    );
    let said = world.run("plan mydb_admin").await;
    assert_eq!(
        said,
        out("nothing to do, 1 unchanged. Nothing is deleted.\n")
    );
    let json = world.run("plan -o json").await.out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(world.run("plan -o name").await.out, "genomics\n");
}
