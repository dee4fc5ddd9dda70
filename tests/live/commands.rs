//! The command line, the pages for programs, and what none of them may show.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use db4sci::model::view::Phase;
use db4sci::runtime::docker::{LABEL_JOB_INSTANCE, LABEL_WORK_INSTANCE};
use serde_json::Value;

use crate::host::{Host, LONG, MariaDB, Postgres, SOON, eventually};

/// A document that is handed in, and lies in no folder.
fn document(name: &str, more: &str) -> String {
    format!(
        "apiVersion: db4sci/v1\nkind: Database\nmetadata: {{name: {name}}}\nspec:\n  \
         engine: Postgres\n  owner: {name}-lab\n  contact: {name}@example.org\n  \
         resources: {{memory: 192Mi}}\n{more}"
    )
}

#[test]
fn every_verb_does_what_it_says() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    eventually(SOON, "all is well, the tables included", || {
        let status = host.ok(&[]);
        status.starts_with("all well: ").then_some(()).ok_or(status)
    });
    assert_eq!(host.db4sci(&["plan"]).code, 0);

    // apply: a dry run makes nothing; files win; what was exported applies again unchanged.
    let file = host.path("chembank.yaml");
    let path = file.display().to_string();
    fs::write(&file, document("chembank", "")).unwrap();
    let said = host.ok(&["apply", "-f", &path, "--dry-run"]);
    assert!(
        said.starts_with("chembank created (dry run)\nplan ") && said.contains("\n+ chembank "),
        "{said}"
    );
    let plan = host.db4sci(&["plan", "-f", &path]);
    assert!(
        plan.code == 3 && plan.out.contains("+ chembank"),
        "{}",
        plan.all()
    );
    assert!(host.view("chembank").is_none());
    let said = host.ok(&["apply", "-f", &path, "--wait", "--timeout", "2m"]);
    assert!(said.starts_with("chembank created\n"), "{said}");
    assert_eq!(host.view("chembank").unwrap().phase, Phase::Ready);
    let exported = host.ok(&["export", "chembank", "-o", "yaml"]);
    fs::write(&file, &exported).unwrap();
    let said = host.ok(&["apply", "-f", &path]);
    assert!(
        said.contains("chembank unchanged") || said.contains("chembank configured"),
        "{said}"
    );
    let run = host.run_of("chembank");
    let said = host.ok(&["apply", "-f", &path]);
    assert_eq!(said.trim(), "chembank unchanged");
    fs::write(&file, document("genomics", "  description: mine\n")).unwrap();
    let said = host.db4sci(&["apply", "-f", &path]);
    assert!(
        said.code == 1 && said.err.contains("genomics.yaml"),
        "{}",
        said.all()
    );
    fs::write(&file, document("chembank", "  colour: blue\n")).unwrap();
    let said = host.db4sci(&["apply", "-f", &path]);
    assert!(
        said.code == 1 && said.err.contains("chembank.yaml:9:3"),
        "{}",
        said.all()
    );
    assert!(said.err.contains("nothing was changed"), "{}", said.err);
    assert_eq!(host.run_of("chembank"), run);

    // check: of the folder, of a file.
    assert_eq!(host.db4sci(&["check"]).code, 0);
    let said = host.db4sci(&["check", &path]);
    assert!(
        said.code == 1 && said.out.contains("colour"),
        "{}",
        said.all()
    );

    // connect, logs, events, restart.
    host.write("genomics", 1);
    let print = host.ok(&["connect", "genomics", "--print"]);
    let url = print.lines().next().unwrap();
    assert!(
        url.starts_with("postgresql://genomics@") && !url.contains("genomics:"),
        "{url}"
    );
    let job = [
        "connect",
        "genomics",
        "--as-job",
        "--",
        "-X",
        "-Atc",
        "select n from kept",
    ];
    assert_eq!(host.ok(&job).trim(), "1");
    let said = host.db4sci(&["connect", "genomics", "--", "-X", "-c", "select nothing"]);
    assert!(
        said.code == 1 && said.err.contains("nothing"),
        "{}",
        said.all()
    );
    let logs = host.ok(&["logs", "genomics"]);
    assert!(logs.contains("database system is ready"), "{logs}");
    let run = host.run_of("genomics");
    host.ok(&["restart", "genomics", "--reason", "tired"]);
    host.shows("genomics", LONG, "another run", |view| {
        view.ready && host.run_of("genomics") != run
    });
    assert_eq!(host.run_of("genomics").id, run.id);
    assert!(host.ok(&["events", "genomics"]).contains("tired"));
    assert_eq!(host.rows("genomics"), [1]);

    // Shapes of answers.
    assert_eq!(
        host.ok(&["get", "-o", "name"]),
        "chembank\ngenomics\nmydb_admin\n"
    );
    assert!(host.ok(&["get", "-o", "wide"]).contains("CONTAINER"));
    assert!(host.ok(&["get", "-o", "yaml"]).contains("name: genomics"));
    let all: Value = serde_json::from_str(&host.ok(&["get", "-o", "json"])).unwrap();
    for key in [
        "name",
        "engine",
        "port",
        "phase",
        "ready",
        "observedGeneration",
        "conditions",
    ] {
        assert!(all[0].get(key).is_some(), "no {key} in {}", all[0]);
    }
    let describe = host.ok(&["describe", "genomics"]);
    for part in ["Conditions", "Last seen", "Events", "Next:"] {
        assert!(describe.contains(part), "{describe}");
    }
    let schema: Value = serde_json::from_str(&host.ok(&["schema"])).unwrap();
    assert!(schema["properties"]["spec"].is_object(), "{schema}");
    for shell in ["bash", "zsh", "fish"] {
        assert!(host.ok(&["completions", shell]).contains("db4sci"));
    }
    let doctor = host.db4sci(&["doctor"]);
    assert!(
        ["docker", "specs", "store local", "removed in"]
            .iter()
            .all(|part| doctor.out.contains(part)),
        "{}",
        doctor.all()
    );
    assert!(
        doctor.out.lines().all(|line| !line.starts_with("bad")),
        "{}",
        doctor.out
    );

    // Mistakes.
    assert_eq!(host.db4sci(&["got"]).code, 2);
    let said = host.db4sci(&["describe", "nobody"]);
    assert!(
        said.code == 1 && said.err.contains("nobody"),
        "{}",
        said.all()
    );
    let said = host.db4sci(&["stop", "mydb_admin"]);
    assert!(
        said.code == 1 && said.err.contains("maintenance"),
        "{}",
        said.all()
    );
}

#[test]
fn without_a_mode_the_daemon_says_what_to_set() {
    let mut host = Host::new();
    for (mode, words) in [("", "not a mode"), ("production", "`production`")] {
        host.set("DB4SCI_MODE", mode);
        let said = host.db4sci(&["run"]);
        assert_eq!(said.code, 1, "{}", said.all());
        assert!(
            said.err.contains("DB4SCI_MODE") && said.err.contains(words),
            "{}",
            said.err
        );
        assert!(said.err.contains("prod, dev, test, demo"), "{}", said.err);
    }
    assert!(!host.path("state").exists());
}

#[test]
fn with_the_daemon_dead_everything_can_still_be_read() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    let (run, before) = (host.run_of("genomics"), host.events("").len());
    host.kill();
    host.docker(&["stop", &host.name("mydb_admin")]);
    for (args, words) in [
        (&["get"][..], "genomics"),
        (&["status"], "mydb_admin"),
        (&["describe", "genomics"], "Ready"),
        (&["events", "genomics"], "Ready"),
        (&["logs", "genomics"], "database system is ready"),
    ] {
        let said = host.db4sci(args);
        assert_eq!(said.code, 0, "{args:?}: {}", said.all());
        assert!(said.out.contains(words), "{args:?}: {}", said.all());
        assert!(
            said.err.contains("does not answer"),
            "{args:?}: {}",
            said.err
        );
    }
    let get = host.ok(&["get", "-o", "json"]);
    let all: Value = serde_json::from_str(&get).unwrap();
    assert_eq!(all[0]["phase"], "Ready", "{get}");
    assert_ne!(all[1]["phase"], "Ready", "{get}");
    let doctor = host.db4sci(&["doctor"]);
    assert!(
        doctor.code == 1 && doctor.out.contains("db4sci run"),
        "{}",
        doctor.all()
    );
    // What would change something says that it did not.
    for args in [
        &["stop", "genomics"][..],
        &["restart", "genomics"],
        &["retry", "genomics"],
    ] {
        let said = host.db4sci(args);
        assert_eq!(said.code, 1, "{args:?}: {}", said.all());
        assert!(
            said.err.contains("nothing was changed"),
            "{args:?}: {}",
            said.err
        );
    }
    // Reading changed nothing.
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    let fresh = host.events("genomics");
    assert!(host.events("").len() > before);
    assert!(
        fresh.iter().all(|e| !e.message.contains("stop")),
        "{fresh:?}"
    );
    assert_eq!(host.run_of("genomics"), run);
}

#[test]
fn health_and_metrics_are_there_for_programs() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &[]);
    host.start();
    let get = |path: &str| host.page(path).unwrap();
    assert_eq!(get("/healthz").0, 200);
    host.ready(&["genomics", "mydb_admin"]);
    eventually(SOON, "ready", || match get("/readyz") {
        (200, _) => Ok(()),
        (code, body) => Err(format!("{code}: {body}")),
    });
    assert_eq!(get("/api/v1/snapshot").0, 404);
    assert_eq!(get("/nothing").0, 404);

    let (code, metrics) = get("/metrics");
    assert_eq!(code, 200);
    assert!(metrics.contains("genomics"), "{metrics}");
    let lab = std::env::var("DB4SCI_LAB").unwrap_or_else(|_| "/var/cache/db4sci-lab".to_owned());
    let promtool = Path::new(&lab).join("bin/promtool");
    let checks = Command::new(&promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut checks =
        checks.unwrap_or_else(|e| panic!("{}: {e}; run dev/setup", promtool.display()));
    checks
        .stdin
        .take()
        .unwrap()
        .write_all(metrics.as_bytes())
        .unwrap();
    let found = checks.wait_with_output().unwrap();
    let found = [found.stdout, found.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(found, ["", ""], "{metrics}");

    // Not ready says why: here, mydb_admin is away for a moment.
    host.docker(&["rm", "-f", &host.name("mydb_admin")]);
    let missing = eventually(SOON, "mydb_admin is missed", || match get("/readyz") {
        (503, body) => Ok(body),
        (code, body) => Err(format!("{code}: {body}")),
    });
    assert!(missing.contains("mydb_admin"), "{missing}");
    assert_eq!(get("/healthz").0, 200);
    eventually(LONG, "ready again", || match get("/readyz") {
        (200, _) => Ok(()),
        (code, body) => Err(format!("{code}: {body}")),
    });
}

/// All plain files below a folder, those of databases left out.
fn files(folder: &Path, all: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            files(&path, all);
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap_or_default();
            all.push((path.display().to_string(), bytes));
        }
    }
}

fn is_pem(text: &[u8]) -> bool {
    text.starts_with(b"-----BEGIN")
}

/// A line of the private key in a file, if there is one: certificates are for everybody.
fn private_key(text: &[u8]) -> Option<&[u8]> {
    let mut lines = text.split(|b| *b == b'\n');
    lines.find(|line| line.ends_with(b"PRIVATE KEY-----"))?;
    lines.nth(1)
}

/// The environments of the daemon, of the command line, and of the clients that it started. The
/// server's own, in its container, is the image's.
fn environments(host: &Host) -> Vec<(String, Vec<u8>)> {
    let home = format!("DB4SCI_HOME={}\0", host.folder.display());
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let read = processes.filter_map(|process| {
        let environment = fs::read(process.path().join("environ")).ok()?;
        let ours = String::from_utf8_lossy(&environment).contains(&home);
        ours.then(|| (process.path().display().to_string(), environment))
    });
    read.collect()
}

#[test]
fn no_password_is_shown_anywhere() {
    let mut host = Host::new();
    let given = host.path("given");
    fs::write(&given, "correct-horse-battery-staple\n").unwrap();
    let account = format!("account: {{passwordFile: {}}}", given.display());
    host.spec("genomics", Postgres, &[&account]);
    host.spec("proteomics", MariaDB, &[]);
    host.set("DB4SCI_LOG", "trace");
    host.start();
    let names = ["genomics", "proteomics", "mydb_admin"];
    host.ready(&names);
    assert!(
        host.ok(&["connect", "genomics", "--print"])
            .contains("correct-horse")
    );

    let mut passwords = Vec::new();
    files(&host.path("state/secrets"), &mut passwords);
    let words = |all: &[(String, Vec<u8>)]| all.iter().filter(|(_, text)| !is_pem(text)).count();
    assert_eq!(words(&passwords), 7, "two a database, and the daemon's own");
    // What opens the sealed ones is no less secret.
    files(&host.path("state/keys"), &mut passwords);
    assert_eq!(words(&passwords), 9, "a sealing key, and the backups' own");
    passwords.retain(|(_, text)| !is_pem(text) || private_key(text).is_some());
    assert!(
        passwords.len() > 9 + 2,
        "the servers' keys, and the authority's"
    );
    let mut shown: Vec<(String, Vec<u8>)> = Vec::new();
    // While clients are at work, and after repairs.
    let job = [
        "connect",
        "genomics",
        "--as-job",
        "--",
        "-X",
        "-c",
        "select pg_sleep(5)",
    ];
    std::thread::scope(|scope| {
        for (name, sql) in [
            ("genomics", "select pg_sleep(5)"),
            ("proteomics", "select sleep(5)"),
        ] {
            let host = &host;
            scope.spawn(move || host.sql(name, sql));
        }
        scope.spawn(|| host.ok(&job));
        let mut seen = [false; 3];
        eventually(SOON, "the clients are at work", || {
            let ps = Command::new("ps").arg("axww").output().unwrap().stdout;
            let text = String::from_utf8_lossy(&ps).into_owned();
            shown.push(("ps".to_owned(), ps));
            shown.extend(environments(&host));
            let own = format!("label={LABEL_JOB_INSTANCE}={}", host.instance());
            let jobs = host.docker(&["ps", "-q", "--filter", &own]);
            for job in jobs.split_whitespace() {
                shown.push((
                    "a job".to_owned(),
                    host.try_docker(&["inspect", job]).out.into(),
                ));
            }
            // One may be over before the next begins.
            let now = [
                text.contains("pg_sleep"),
                text.contains("select sleep"),
                !jobs.is_empty(),
            ];
            seen = std::array::from_fn(|i| seen[i] || now[i]);
            (seen == [true; 3]).then_some(()).ok_or(format!("{seen:?}"))
        });
    });
    // And while backups are taken and proven.
    std::thread::scope(|scope| {
        let host = &host;
        let work = scope.spawn(|| {
            for name in ["genomics", "proteomics"] {
                host.ok(&["backup", "now", name, "--wait"]);
                host.ok(&["backup", "verify", name]);
            }
        });
        let mut jobs_seen = 0;
        while !work.is_finished() {
            let ps = Command::new("ps").arg("axww").output().unwrap().stdout;
            shown.push(("ps during backups".to_owned(), ps));
            let own = format!("label={LABEL_WORK_INSTANCE}={}", host.instance());
            let jobs = host.docker(&["ps", "-q", "--filter", &own]);
            for job in jobs.split_whitespace() {
                let seen = host.try_docker(&["inspect", job]);
                jobs_seen += u32::from(seen.code == 0);
                shown.push(("a backup's job".to_owned(), seen.out.into()));
            }
        }
        work.join().unwrap();
        assert!(jobs_seen > 4, "{jobs_seen}");
    });
    host.docker(&["rm", "-f", &host.name("genomics")]);
    host.ready(&names);

    for name in names {
        let container = host.name(name);
        shown.push((
            format!("inspect {name}"),
            host.docker(&["inspect", &container]).into(),
        ));
        shown.push((
            format!("log of {name}"),
            host.try_docker(&["logs", &container]).all().into(),
        ));
        for verb in ["describe", "export", "logs", "events"] {
            shown.push((format!("{verb} {name}"), host.ok(&[verb, name]).into()));
        }
    }
    shown.push((
        "events".to_owned(),
        host.ok(&["events", "--since", "1h", "-o", "json"]).into(),
    ));
    shown.push((
        "snapshot".to_owned(),
        host.ok(&["get", "-o", "json"]).into(),
    ));
    shown.push((
        "metrics".to_owned(),
        host.page("/metrics").unwrap().1.into(),
    ));
    for table in ["log", "state", "container", "backup_log"] {
        let rows = host.sql("mydb_admin", &format!("select * from {table}"));
        shown.push((format!("table {table}"), rows.into()));
    }
    let sealed = host.sql("mydb_admin", "select name, secrets from container");
    assert!(sealed.matches("\"key\": \"0001-").count() >= 7, "{sealed}");
    shown.push(("the daemon's log".to_owned(), host.log().into()));
    for folder in ["state/journal", "state/config", "volume/.db4sci"] {
        files(&host.path(folder), &mut shown);
    }
    for (of, password) in &passwords {
        // Of a file with comments before it, the last line is the secret.
        let last = || password.trim_ascii().split(|b| *b == b'\n').next_back();
        let password = private_key(password).or_else(last).unwrap_or_default();
        assert!(password.len() >= 20, "{of}");
        for (place, text) in &shown {
            let found = text
                .windows(password.len())
                .any(|window| window == password);
            assert!(!found, "{of} is shown in: {place}");
        }
    }
    // And nobody else may read where they are.
    use std::os::unix::fs::MetadataExt;
    for (path, _) in &passwords {
        let mode = fs::metadata(path).unwrap().mode() & 0o777;
        let wanted = if path.contains("/keys/") {
            0o600
        } else {
            0o400
        };
        assert_eq!(mode, wanted, "{path}");
    }
    assert_eq!(
        fs::metadata(host.path("state")).unwrap().mode() & 0o777,
        0o700
    );
}
