//! The four engines are equals: one table of promises, held by each of them.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use db4sci::engine::{self, Recipe};
use db4sci::model::EngineKind;
use db4sci::model::database::Tls;
use db4sci::runtime::ServerError;
use rustix::process::{Pid, Signal, kill_process};

use super::secrets::password_in;
use super::tls::{By, exported, foreign, login};
use crate::host::{Host, LONG, MariaDB, MongoDB, Neo4j, Postgres, SOON, Server, eventually};

/// The exit code of the guard for a folder that is in use.
const BUSY: i64 = 82;

/// What is particular to one engine in these tests.
struct Particulars {
    /// Its folder below `dbconfig/`, which is its name.
    engine: &'static str,
    /// A configuration file's text.
    file: &'static str,
    /// A parameter of the spec.
    parameter: &'static str,
    /// How it is seen that a setting is in force: a statement and its answer; a word that is not in
    /// the log; a line of the configuration that the server was started with.
    in_force: &'static [InForce],
    /// A statement that keeps its connection at work for some seconds.
    long: &'static str,
    /// Where the server counts no connections: what shows that the statement is being carried out.
    at_work: Option<&'static str>,
    /// The exit codes of an orderly stop.
    stopped: &'static [i64],
    /// Whether clients may come without TLS.
    tls: Tls,
}

enum InForce {
    Answer(&'static str, &'static str),
    Unsaid(&'static str),
    Rendered(&'static str),
}
use InForce::{Answer, Rendered, Unsaid};

fn particulars(server: Server) -> Particulars {
    match server {
        Postgres => Particulars {
            engine: "Postgres",
            file: "log_min_duration_statement = 1234\n",
            parameter: "{work_mem: 7MB}",
            in_force: &[
                Answer("show work_mem", "7MB"),
                Answer("show log_min_duration_statement", "1234ms"),
            ],
            long: "select pg_sleep(6), 'awake'",
            at_work: None,
            stopped: &[0],
            tls: Tls::Preferred,
        },
        MariaDB => Particulars {
            engine: "MariaDB",
            file: "[mariadbd]\nlong_query_time = 7\n",
            parameter: "{max_connections: 77}",
            in_force: &[
                Answer("select @@max_connections", "77"),
                Answer("select round(@@long_query_time)", "7"),
            ],
            long: "select sleep(6), 'awake'",
            at_work: None,
            stopped: &[0],
            tls: Tls::Preferred,
        },
        // The stand-in keeps to `quiet`, and to no setting of a storage that it has not.
        MongoDB => Particulars {
            engine: "MongoDB",
            file: "systemLog:\n  quiet: true\n",
            parameter: "{operationProfiling.slowOpThresholdMs: 50}",
            in_force: &[
                Unsaid("Listening on TCP [::]"),
                Rendered("slowOpThresholdMs: 50"),
            ],
            long: "void db.work.insertOne({}); sleep(9000); db.work.drop(); 'awake'",
            at_work: Some("db.work.countDocuments({})"),
            // The stop signal is repeated while a server goes down. FerretDB, which waits for its
            // clients up to 3 s, ends at once at the second one, with 2.
            stopped: &[0, 2],
            // It cannot speak both on one port.
            tls: Tls::Required,
        },
        Neo4j => Particulars {
            engine: "Neo4j",
            file: "# ours\ndb.lock.acquisition.timeout=7s\n",
            parameter: "{db.transaction.timeout: 71s}",
            in_force: &[
                Answer(
                    "SHOW SETTINGS 'db.transaction.timeout' YIELD value RETURN value",
                    "value\n\"1m11s\"",
                ),
                Answer(
                    "SHOW SETTINGS 'db.lock.acquisition.timeout' YIELD value RETURN value",
                    "value\n\"7s\"",
                ),
            ],
            long: "UNWIND range(1, 30000000) AS n WITH max(n) AS m RETURN 'awake' AS said",
            at_work: None,
            stopped: &[0],
            tls: Tls::Preferred,
        },
    }
}

impl Particulars {
    fn recipe(&self) -> &'static dyn Recipe {
        let kind: EngineKind = self.engine.parse().unwrap();
        engine::recipe(kind)
    }
}

/// Another container of the same making, by hand.
#[track_caller]
fn twin(host: &Host, name: &str) -> i64 {
    let ours = host.container(name);
    let json = ours.json();
    let words = |path: &str| -> Vec<String> {
        let list = json.pointer(path).and_then(|list| list.as_array()).unwrap();
        let words = list.iter().map(|word| word.as_str().unwrap().to_owned());
        words.collect()
    };
    let entrypoint = words("/Config/Entrypoint");
    let twin = host.name("twin");
    let mut args = vec!["run".to_owned(), "--name".to_owned(), twin.clone()];
    args.extend(["--label".to_owned(), host.label()]);
    for mount in json["Mounts"].as_array().unwrap() {
        let text = |key: &str| mount[key].as_str().unwrap();
        let (source, target) = (text("Source"), text("Destination"));
        let mount = format!("type=bind,source={source},target={target}");
        args.extend(["--mount".to_owned(), mount]);
    }
    for variable in words("/Config/Env") {
        args.extend(["--env".to_owned(), variable]);
    }
    args.extend([
        "--entrypoint".to_owned(),
        entrypoint[0].clone(),
        ours.image(),
    ]);
    args.extend(entrypoint[1..].iter().cloned());
    args.extend(words("/Config/Cmd"));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let said = host.try_docker(&args);
    assert!(said.err.contains("db4sci guard"), "{}", said.all());
    let ended = host.inspect(&twin).unwrap().exit_code();
    host.docker(&["rm", "-f", "-v", &twin]);
    ended
}

/// What anybody on this host can read about a container: its making, its log, its processes.
#[track_caller]
fn open_to_all(host: &Host, name: &str) -> String {
    let container = host.name(name);
    let processes = Command::new("ps").args(["-eo", "args"]).output().unwrap();
    let log = host.try_docker(&["logs", &container]).all();
    format!(
        "{}{log}{}",
        host.container(name).json(),
        String::from_utf8_lossy(&processes.stdout)
    )
}

fn keeps_its_promises(server: Server) {
    let kind = particulars(server);
    let mut host = Host::new();
    let folder = host.path("dbconfig").join(kind.engine);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("ours.conf"), kind.file).unwrap();
    let parameters = format!("parameters: {}", kind.parameter);
    let tls = format!("tls: {}", kind.tls.as_str());
    host.spec("assays", server, &["config: ours.conf", &parameters, &tls]);
    host.start();

    // A fresh start; a row written and read back by the engine's own client.
    host.ready(&["assays", "mydb_admin"]);
    host.write("assays", 1);
    assert_eq!(host.rows("assays"), [1]);

    // Configuration file and parameter.
    for seen in kind.in_force {
        match seen {
            Answer(statement, answer) => assert_eq!(host.sql("assays", statement), *answer),
            Unsaid(word) => {
                let log = host.try_docker(&["logs", &host.name("assays")]).all();
                assert!(!log.contains(word), "{log}");
            }
            Rendered(line) => {
                let text = fs::read_to_string(host.path("state/config/assays/mongod.conf"));
                assert!(text.as_ref().unwrap().contains(line), "{text:?}");
            }
        }
    }

    // The right password, a wrong one, none; and nobody else reads the right one.
    let password = fs::read_to_string(host.path("state/secrets/assays/user")).unwrap();
    let admin = fs::read_to_string(host.path("state/secrets/assays/admin")).unwrap();
    let (ours, foreign) = (exported(&host, "ours.crt"), foreign(&host));
    let by = match kind.tls {
        Tls::Preferred => By::Plain,
        Tls::Required => By::Tls(&ours),
    };
    login(&host, "assays", &password, &by).unwrap();
    for wrong in ["wrong-password", ""] {
        let said = login(&host, "assays", wrong, &by).unwrap_err();
        assert!(matches!(said, ServerError::LoginRefused(_)), "{said:?}");
    }

    // TLS, by a client that verifies the server; another authority vouches for nobody here.
    login(&host, "assays", &password, &By::Tls(&ours)).unwrap();
    let said = login(&host, "assays", &password, &By::Tls(&foreign)).unwrap_err();
    assert!(said.to_string().contains("certificate"), "{said}");

    let open = open_to_all(&host, "assays");
    assert!(!open.contains(&password) && !open.contains(&admin));

    rotates(&host, &kind, &password, &by);
    ends_a_session(&host, &kind);

    // A comment in its file, and another owner, are other rows of the books, and nothing to a
    // container.
    fs::write(folder.join("ours.conf"), format!("{}\n# ours\n", kind.file)).unwrap();
    let run = host.run_of("assays");
    let before = host.view("assays").unwrap().generation;
    let file = host.path("desired-state/assays.yaml");
    let text = fs::read_to_string(&file).unwrap();
    host.spec_text("assays", &text.replace("assays-lab", "proteomics-lab"));
    host.shows("assays", SOON, "the new owner", |view| {
        view.generation > before && view.owner == "proteomics-lab" && view.ready
    });
    eventually(LONG, "the comment is among its files", || {
        let known = fs::read_to_string(host.path("state/config/assays/applied.json")).unwrap();
        known.contains("# ours").then_some(()).ok_or(known)
    });
    host.shows("assays", SOON, "nothing waits", |view| {
        view.held.is_empty() && view.lane.is_none()
    });
    assert_eq!(host.run_of("assays"), run);

    // A second server on the same folder.
    assert_eq!(twin(&host, "assays"), BUSY);
    assert_eq!(host.run_of("assays"), run);

    // Its process killed on the host.
    let pid = Pid::from_raw(host.container("assays").pid()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    host.shows("assays", LONG, "back after a kill", |view| {
        view.ready && host.run_of("assays") != run
    });
    // What was shown may be older than the new run; a wait looks anew.
    host.ready(&["assays"]);
    assert_eq!(host.rows("assays"), [1]);
    host.write("assays", 2);

    // Its container removed.
    let id = host.container("assays").id();
    host.docker(&["rm", "-f", &id]);
    host.shows("assays", LONG, "back in another container", |view| {
        view.ready && view.container.as_ref().is_some_and(|now| *now != id)
    });
    assert_eq!(host.rows("assays"), [1, 2]);

    // An orderly stop, well before it would be a kill.
    let begun = Instant::now();
    host.ok(&["stop", "assays"]);
    host.ok(&["wait", "assays", "--for", "stopped"]);
    let deadline = Duration::from_secs(kind.recipe().defaults().stop_deadline.into());
    assert!(begun.elapsed() < deadline, "{:?}", begun.elapsed());
    let container = host.container("assays");
    let ended = container.exit_code();
    assert!(
        kind.stopped.contains(&ended),
        "{ended} {}",
        container.json()
    );
    host.ok(&["resume", "assays"]);
    host.ready(&["assays"]);
    assert_eq!(host.rows("assays"), [1, 2]);
}

/// New passwords, while a client is at work: it goes on, and nothing is restarted.
#[track_caller]
fn rotates(host: &Host, kind: &Particulars, old: &str, by: &By<'_>) {
    let run = host.run_of("assays");
    let new = std::thread::scope(|scope| {
        let idle = host.view("assays").unwrap().connections;
        let client = scope.spawn(|| host.sql("assays", kind.long));
        eventually(LONG, "the client is connected", || {
            let now = host.view("assays").unwrap().connections;
            let working = match kind.at_work {
                Some(question) => host.sql("assays", question) != "0",
                None => now > idle,
            };
            // One that is over already found no obstacle, either.
            let there = working || client.is_finished();
            there.then_some(()).ok_or(format!("{now:?} connections"))
        });
        let said = host.ok(&["rotate", "assays", "--reason", "a leak"]);
        assert!(client.join().unwrap().contains("awake"));
        password_in(&said)
    });
    login(host, "assays", &new, by).unwrap();
    let said = login(host, "assays", old, by).unwrap_err();
    assert!(matches!(said, ServerError::LoginRefused(_)), "{said:?}");
    host.ready(&["assays"]);
    assert_eq!(host.run_of("assays"), run);
    assert!(!open_to_all(host, "assays").contains(&new));
}

/// A client at work is seen, and its session ended; nobody else's is, and nothing of its statement that
/// stands in quotes is shown.
#[track_caller]
fn ends_a_session(host: &Host, kind: &Particulars) {
    let said = host.db4sci(&[
        "sessions", "assays", "--kill", "4711", "--reason", "INC-812",
    ]);
    assert_eq!(said.code, 1, "{}", said.all());
    assert!(said.err.contains("nothing was changed"), "{}", said.err);
    if kind.engine == "MongoDB" {
        // The stand-in has the command, and nothing to tell.
        assert!(
            host.ok(&["sessions", "assays"])
                .contains("nobody is connected")
        );
        return;
    }
    std::thread::scope(|scope| {
        // On a busy machine one statement may be over before it is seen.
        let again = || (0..20).find_map(|_| host.try_sql("assays", kind.long).err());
        let client = scope.spawn(again);
        // One that an earlier client left behind may be seen first.
        eventually(LONG, "the client's session is ended", || {
            let said = host.ok(&["sessions", "assays", "--output", "json"]);
            let all: serde_json::Value = serde_json::from_str(&said).unwrap();
            for session in all.as_array().unwrap() {
                let shown = session["statement"].as_str().unwrap_or_default();
                assert!(!shown.contains("awake"), "{shown}");
                if session["user"] == "assays" {
                    let id = session["id"].as_str().unwrap();
                    let kill = ["sessions", "assays", "--kill", id, "--reason", "INC-812"];
                    let said = host.db4sci(&kill);
                    let gone = said.err.contains("has no session");
                    assert!(said.code == 0 || gone, "{}", said.all());
                }
            }
            client.is_finished().then_some(()).ok_or(said)
        });
        let ended = client.join().unwrap();
        assert!(ended.is_some(), "no statement was cut off");
    });
    assert!(host.ok(&["events", "assays"]).contains("ended: INC-812"));
}

#[test]
fn postgres_keeps_its_promises() {
    keeps_its_promises(Postgres);
}

#[test]
fn mariadb_keeps_its_promises() {
    keeps_its_promises(MariaDB);
}

#[test]
fn mongodb_keeps_its_promises() {
    keeps_its_promises(MongoDB);
}

#[test]
fn neo4j_keeps_its_promises() {
    keeps_its_promises(Neo4j);
}

#[test]
fn neo4j_has_two_ports_in_a_row_and_tells_clients_the_right_ones() {
    let mut host = Host::new();
    host.spec("graph", Neo4j, &[]);
    host.spec("genomics", Postgres, &[]);
    host.start();
    host.ready(&["graph", "genomics", "mydb_admin"]);
    let (graph, genomics) = (host.view("graph").unwrap(), host.view("genomics").unwrap());
    let two = [graph.port, graph.port + 1];
    assert!(!two.contains(&genomics.port), "{two:?} {}", genomics.port);
    let shown = host.sql(
        "graph",
        "SHOW SETTINGS 'server.bolt.advertised_address' YIELD value RETURN value",
    );
    let (_, port) = shown.trim_matches('"').rsplit_once(':').unwrap();
    assert_eq!(port, two[1].to_string());
    // The browser's port tells its page where Bolt is.
    let page = Command::new("curl")
        .args([
            "--silent",
            "--fail",
            &format!("http://127.0.0.1:{}/", two[0]),
        ])
        .output()
        .unwrap();
    let page = String::from_utf8_lossy(&page.stdout).into_owned();
    assert!(page.contains(&format!(":{}", two[1])), "{page}");
    let print = host.ok(&["connect", "graph", "--print"]);
    assert!(
        print
            .lines()
            .next()
            .unwrap()
            .ends_with(&format!(":{}", two[1])),
        "{print}"
    );
}
