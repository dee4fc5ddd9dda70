//! TLS: what is demanded of clients, and how certificates change. That clients verify servers is a
//! promise of all engines (`engines.rs`).

use std::fs;
use std::path::{Path, PathBuf};

use db4sci::engine::{self, CERTIFICATE_AND_KEY, Reach, Trust, truststore};
use db4sci::model::server::Target;
use db4sci::model::{Database, Secret, Site};
use db4sci::runtime::servers::{ServerTrust, WireServers};
use db4sci::runtime::{ServerError, Servers};

use crate::host::{Host, LONG, MariaDB, MongoDB, Neo4j, Postgres, SOON, Server, eventually};

/// How a client connects.
pub enum By<'a> {
    /// Without TLS.
    Plain,
    /// By TLS, and only if this authority vouches for the server.
    Tls(&'a Path),
}

/// The database as the daemon has it: the file beside its data.
#[track_caller]
pub fn database(host: &Host, name: &str) -> Database {
    let file = host.path("volume/.db4sci").join(name).join("spec.yaml");
    serde_yaml::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// A login as the database's account, over the published port.
pub fn login(host: &Host, name: &str, password: &str, by: &By<'_>) -> Result<(), ServerError> {
    let db = database(host, name);
    let recipe = engine::recipe(db.engine);
    let site = Site {
        instance: String::new(),
        container_prefix: String::new(),
        state_dir: "/nowhere".into(),
        publish_ip: [127, 0, 0, 1].into(),
        container_host: "localhost".to_owned(),
    };
    let target = Target {
        tls: matches!(by, By::Tls(_)),
        ..recipe.user_target(&db, &site, Secret::new(password))
    };
    let servers = match by {
        By::Plain => WireServers::new(),
        By::Tls(authority) => WireServers::trusting(ServerTrust {
            authority: (*authority).to_owned(),
            name: None,
        }),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(servers.login(&target))
}

/// The password of a database's account.
#[track_caller]
pub fn password(host: &Host, name: &str) -> String {
    fs::read_to_string(host.path("state/secrets").join(name).join("user")).unwrap()
}

/// What `db4sci ca export` prints, as a file.
#[track_caller]
pub fn exported(host: &Host, file: &str) -> PathBuf {
    let text = host.ok(&["ca", "export"]);
    assert!(!text.contains("KEY"), "{text}");
    let path = host.path(file);
    fs::write(&path, text).unwrap();
    path
}

/// An authority that nobody here has anything of.
#[track_caller]
pub fn foreign(host: &Host) -> PathBuf {
    let folder = host.path("foreign");
    let now = db4sci::model::Clock::now(&db4sci::model::SystemClock);
    let (other, _) = db4sci::admin::Authority::open(&folder, "other", now).unwrap();
    let path = host.path("foreign.crt");
    fs::write(&path, other.certificate().unwrap()).unwrap();
    path
}

/// The mark of the certificate that a server was told to read.
#[track_caller]
fn in_use(host: &Host, name: &str) -> Option<String> {
    let path = host.path("state/config").join(name).join("applied.json");
    let text = fs::read_to_string(path).unwrap();
    let applied: serde_json::Value = serde_json::from_str(&text).unwrap();
    applied["certificate"].as_str().map(str::to_owned)
}

#[test]
fn tls_is_offered_and_demanded_without_another_run() {
    let mut host = Host::new();
    let names = ["genomics", "proteomics"];
    host.spec("genomics", Postgres, &[]);
    host.spec("proteomics", MariaDB, &[]);
    host.start();
    host.ready(&["genomics", "proteomics", "mydb_admin"]);
    let ours = exported(&host, "ours.crt");
    let runs = names.map(|name| host.run_of(name));
    for name in names {
        let word = password(&host, name);
        login(&host, name, &word, &By::Plain).unwrap();
    }
    host.spec("genomics", Postgres, &["tls: Required"]);
    host.spec("proteomics", MariaDB, &["tls: Required"]);
    for name in names {
        let word = password(&host, name);
        eventually(SOON, "plain connections are refused", || {
            match login(&host, name, &word, &By::Plain) {
                Ok(()) => Err("still let in".to_owned()),
                Err(_) => Ok(()),
            }
        });
        login(&host, name, &word, &By::Tls(&ours)).unwrap();
        // The client that `connect` starts verifies it, too, and the daemon goes on asking.
        assert_eq!(host.sql(name, "select 1"), "1");
        host.ready(&[name]);
        let print = host.ok(&["connect", name, "--print"]);
        assert!(print.contains("db4sci-ca.crt"), "{print}");
    }
    // The daemon starts anew, and finds them by TLS alone.
    host.stop();
    host.start();
    host.ready(&["genomics", "proteomics", "mydb_admin"]);
    host.spec("genomics", Postgres, &["tls: Preferred"]);
    let word = password(&host, "genomics");
    eventually(SOON, "let in without TLS again", || {
        login(&host, "genomics", &word, &By::Plain).map_err(|e| e.to_string())
    });
    assert_eq!(names.map(|name| host.run_of(name)), runs);
}

#[test]
fn certificates_are_replaced_under_running_servers() {
    let mut host = Host::new();
    let names = ["genomics", "proteomics"];
    host.spec("genomics", Postgres, &["tls: Required"]);
    host.spec("proteomics", MariaDB, &["tls: Required"]);
    host.start();
    host.ready(&["genomics", "proteomics", "mydb_admin"]);
    let old = exported(&host, "old.crt");
    let runs = names.map(|name| host.run_of(name));

    // One whose files are gone gets another one of the same authority.
    let before = in_use(&host, "genomics");
    let file = host
        .path("state/secrets/genomics")
        .join(CERTIFICATE_AND_KEY);
    fs::remove_file(file).unwrap();
    host.ok(&["retry", "genomics"]);
    eventually(LONG, "another certificate is in use", || {
        let now = in_use(&host, "genomics");
        let new = now.is_some() && now != before;
        new.then_some(()).ok_or_else(|| format!("{now:?}"))
    });
    login(
        &host,
        "genomics",
        &password(&host, "genomics"),
        &By::Tls(&old),
    )
    .unwrap();

    // Another authority: all of them follow it, and nobody is restarted.
    host.stop();
    fs::remove_file(host.path("state/keys/ca.key")).unwrap();
    host.start();
    let new = exported(&host, "new.crt");
    assert_ne!(fs::read(&old).unwrap(), fs::read(&new).unwrap());
    for name in names {
        let word = password(&host, name);
        eventually(LONG, "the new authority vouches for it", || {
            login(&host, name, &word, &By::Tls(&new)).map_err(|e| e.to_string())
        });
        login(&host, name, &word, &By::Tls(&old)).unwrap_err();
    }
    host.ready(&["genomics", "proteomics", "mydb_admin"]);
    assert_eq!(names.map(|name| host.run_of(name)), runs);
    let told = host.told_events("");
    assert!(told.contains("an authority for servers"), "{told}");
}

#[test]
fn killed_while_a_certificate_changes_it_is_changed_once_more() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &["tls: Required"]);
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    let run = host.run_of("genomics");
    for failpoint in ["reload.before", "reload.written", "reload.after"] {
        host.stop();
        let file = host
            .path("state/secrets/genomics")
            .join(CERTIFICATE_AND_KEY);
        fs::remove_file(file).unwrap();
        host.spawn(&[("DB4SCI_FAILPOINT", failpoint)]);
        host.wait_killed();
        host.start();
        host.ready(&["genomics"]);
        let ours = exported(&host, "ours.crt");
        eventually(SOON, "a certificate is in use", || {
            let now = in_use(&host, "genomics");
            now.map(drop).ok_or_else(|| failpoint.to_owned())
        });
        login(
            &host,
            "genomics",
            &password(&host, "genomics"),
            &By::Tls(&ours),
        )
        .unwrap();
    }
    assert_eq!(host.run_of("genomics"), run);
}

#[test]
fn certificates_of_the_settings_are_checked_at_the_start_and_used() {
    let mut host = Host::new();
    host.spec("genomics", Postgres, &["tls: Required"]);
    let now = db4sci::model::Clock::now(&db4sci::model::SystemClock);
    let folder = host.path("institute");
    let (institute, _) = db4sci::admin::Authority::open(&folder, "institute", now).unwrap();
    let place = host.folder.clone();
    let issue = |name: &str| {
        let names = [name.to_owned()].into();
        let issued = institute.issue("databases", &names, now).unwrap();
        fs::write(place.join("given.crt"), issued.chain).unwrap();
        fs::write(place.join("given.key"), issued.key.expose()).unwrap();
    };
    let ca = host.path("institute.crt");
    fs::write(&ca, institute.certificate().unwrap()).unwrap();
    let text = format!(
        "container_host: localhost\nstate_dir: {0}/state\ntls: {{certificate: given.crt, key: \
         given.key, ca: institute.crt}}\n",
        host.folder.display()
    );
    fs::write(host.path("config.yaml"), text).unwrap();
    issue("elsewhere.example.org");
    host.set("DB4SCI_CONFIG", "config.yaml");
    let said = host.db4sci(&["run"]);
    assert!(
        said.code == 1 && said.err.contains("container_host `localhost`"),
        "{}",
        said.all()
    );
    issue("localhost");
    host.start();
    host.ready(&["genomics", "mydb_admin"]);
    let run = host.run_of("genomics");
    assert_eq!(exported(&host, "x.crt"), host.path("x.crt"));
    assert_eq!(
        fs::read(host.path("x.crt")).unwrap(),
        fs::read(&ca).unwrap()
    );
    assert_eq!(host.sql("genomics", "select 1"), "1");
    // A renewal beside us, as `certbot` does it.
    let before = in_use(&host, "genomics");
    issue("localhost");
    host.ok(&["retry", "genomics"]);
    eventually(LONG, "the new certificate is in use", || {
        let now = in_use(&host, "genomics");
        let new = now.is_some() && now != before;
        new.then_some(()).ok_or_else(|| format!("{now:?}"))
    });
    assert_eq!(host.sql("genomics", "select 1"), "1");
    assert_eq!(host.run_of("genomics"), run);
}

fn demands_tls(server: Server) {
    let mut host = Host::new();
    host.spec("assays", server, &["tls: Required"]);
    host.start();
    host.ready(&["assays", "mydb_admin"]);
    let ours = exported(&host, "ours.crt");
    let word = password(&host, "assays");
    login(&host, "assays", &word, &By::Tls(&ours)).unwrap();
    login(&host, "assays", &word, &By::Plain).unwrap_err();
    host.write("assays", 1);
    assert_eq!(host.rows("assays"), [1]);
}

#[test]
fn mongodb_demands_tls() {
    demands_tls(MongoDB);
}

#[test]
fn neo4j_demands_tls() {
    demands_tls(Neo4j);
}

/// Java takes no certificate as PEM: the client in the image is given a store of its own format.
#[test]
fn neo4js_client_in_a_job_verifies_the_server() {
    let mut host = Host::new();
    host.spec("assays", Neo4j, &["tls: Required"]);
    host.start();
    host.ready(&["assays", "mydb_admin"]);
    assert_eq!(host.sql("assays", "RETURN 1 AS one"), "one\n1");
    let print = host.ok(&["connect", "assays", "--print"]);
    assert!(print.contains("bolt+ssc://"), "{print}");

    // The same as `connect` does it, with another authority's certificate.
    let foreign = fs::read_to_string(foreign(&host)).unwrap();
    let container = host.container("assays");
    for (authority, verified) in [(host.ok(&["ca", "export"]), true), (foreign, false)] {
        let store = host.path("store");
        fs::write(&store, truststore::of(&authority).unwrap()).unwrap();
        let arguments = host.path("arguments");
        let db = database(&host, "assays");
        let at = Reach {
            host: "localhost",
            port: 7687,
            trust: Some(Trust {
                authority: "/store",
                names: true,
                store: true,
            }),
        };
        let recipe = engine::recipe(db.engine);
        let word = Secret::new(password(&host, "assays"));
        let client = recipe.client(&db, &at, "/arguments");
        fs::write(&arguments, recipe.passfile(&db, &at, &word).expose()).unwrap();
        let mount = |file: &Path, target: &str| {
            format!(
                "type=bind,source={},target={target},readonly",
                file.display()
            )
        };
        let network = format!("container:{}", container.id());
        let mut args = vec!["run", "--rm", "--network", &network, "--label"];
        let label = host.label();
        let (one, two) = (mount(&store, "/store"), mount(&arguments, "/arguments"));
        args.extend([label.as_str(), "--mount", &one, "--mount", &two]);
        let image = container.image();
        args.extend(["--entrypoint", &client.program, &image]);
        args.extend(client.args.iter().map(String::as_str));
        args.push("RETURN 1 AS one");
        let said = host.try_docker(&args);
        assert_eq!(said.code == 0, verified, "{}", said.all());
        let why = "Failed to establish secured connection";
        assert!(verified || said.err.contains(why), "{}", said.all());
    }
}
