//! A PostgreSQL server of its own for each test, and samples of what the ledger holds.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use db4sci::admin::{Access, Ledger, MemoryStorage, MydbAdmin, NewEntry, Tables};
use db4sci::model::{
    Change, Database, DbName, Outcome, Override, OverrideState, Secret, SystemClock, Who,
};
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};

/// Runs `docker`; a missing Docker fails the test.
pub fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker")
        .args(arguments)
        .output()
        .expect("the `docker` program is needed for the live tests");
    assert!(
        output.status.success(),
        "docker {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let both = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&both).trim().to_owned()
}

/// The image that stands for one of the catalog.
fn image(name: &str) -> String {
    let file = std::env::var_os("DB4SCI_IMAGE_MIRRORS").map_or_else(
        || PathBuf::from("/var/cache/db4sci-lab/mirrors.yaml"),
        PathBuf::from,
    );
    let mirrors: BTreeMap<String, String> = match std::fs::read_to_string(&file) {
        Ok(text) => serde_yaml::from_str(&text).expect("a map of images"),
        Err(_) => BTreeMap::new(),
    };
    mirrors
        .get(name)
        .cloned()
        .unwrap_or_else(|| name.to_owned())
}

/// A server in a container that goes away with this value.
pub struct Server {
    container: String,
    pub access: Access,
}

impl Server {
    /// Starts a server of a catalog image and waits until it takes logins.
    pub async fn start(catalog: &str) -> Self {
        Server::start_with(catalog, &[]).await
    }

    /// The same, with arguments for the server.
    pub async fn start_with(catalog: &str, arguments: &[&str]) -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let (container, label) = (format!("db4sci-admin-{id}"), format!("db4sci.test={id}"));
        // The port is fixed, so that it is the same after a restart.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let publish = format!("127.0.0.1:{port}:5432");
        let image = image(catalog);
        let mut run = vec![
            "run",
            "--detach",
            "--name",
            &container,
            "--label",
            &label,
            "--publish",
            &publish,
            "--env",
            "POSTGRES_PASSWORD=first 'secret'",
            &image,
            "postgres",
            "-c",
            "fsync=off",
        ];
        run.extend_from_slice(arguments);
        docker(&run);
        let server = Server {
            container,
            access: Access {
                host: "127.0.0.1".to_owned(),
                port,
                superuser: "postgres".to_owned(),
                superuser_password: Secret::new("first 'secret'"),
                password: Secret::new(r"it's \ a secret"),
                identity: None,
            },
        };
        server.wait().await;
        server
    }

    /// Waits until the server takes logins over TCP; during its first start it does not.
    pub async fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            match PgConnection::connect_with(&self.options("postgres", "postgres")).await {
                Ok(connection) => return connection.close().await.unwrap(),
                Err(error) if Instant::now() > deadline => panic!("no server: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    pub fn container(&self) -> &str {
        &self.container
    }

    pub fn docker(&self, verb: &str) -> String {
        docker(&[verb, &self.container])
    }

    fn options(&self, user: &str, database: &str) -> PgConnectOptions {
        let password = match user {
            "postgres" => &self.access.superuser_password,
            "db4sci" => &self.access.password,
            _ => return self.person_options(user, database),
        };
        self.person_options(user, database)
            .password(password.expose())
    }

    fn person_options(&self, user: &str, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host(&self.access.host)
            .port(self.access.port)
            .username(user)
            .password("person")
            .database(database)
    }

    /// A session in `mydb_admin`.
    pub async fn session(&self, user: &str) -> PgConnection {
        self.session_in(user, "mydb_admin").await
    }

    pub async fn session_in(&self, user: &str, database: &str) -> PgConnection {
        PgConnection::connect_with(&self.options(user, database))
            .await
            .unwrap()
    }

    /// Tables that are made, by the same way as the daemon.
    pub async fn tables(&self) -> Tables {
        let access = self.access.clone();
        MydbAdmin::new(Arc::new(SystemClock), move || Some(access.clone()))
            .tables()
            .await
            .unwrap()
    }

    /// A login of a person who may edit `state`, and their session.
    pub async fn person(&self, user: &str) -> PgConnection {
        let mut superuser = self.session_in("postgres", "postgres").await;
        run(
            &mut superuser,
            &format!("create role \"{user}\" login password 'person'"),
        )
        .await
        .unwrap();
        db4sci::admin::bootstrap::admit_person(&self.access, user)
            .await
            .unwrap();
        self.session(user).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", docker(&["logs", "--tail", "30", &self.container]));
        }
        docker(&["rm", "--force", "--volumes", &self.container]);
    }
}

/// Everything that this thread logs, at every level.
#[derive(Clone, Default)]
pub struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl Log {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Captures the log of this thread for as long as the guard lives.
pub fn capture_log() -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    (log, tracing::subscriber::set_default(subscriber))
}

/// Runs a statement; the number of rows it changed.
pub async fn run(session: &mut PgConnection, sql: &str) -> Result<u64, sqlx::Error> {
    let done = session.execute(AssertSqlSafe(sql.to_owned())).await?;
    Ok(done.rows_affected())
}

/// What a statement is refused with: message, then hint.
pub async fn refusal(session: &mut PgConnection, sql: &str) -> String {
    let error = run(session, sql).await.expect_err(sql);
    let error = error.into_database_error().expect("the server's own error");
    let error = error.downcast::<sqlx::postgres::PgDatabaseError>();
    format!("{} / {}", error.message(), error.hint().unwrap_or_default())
}

/// A row of a query as JSON.
pub async fn one(session: &mut PgConnection, sql: &str) -> Value {
    let wrapped = format!("select to_jsonb(q) from ({sql}) q");
    sqlx::query_scalar(AssertSqlSafe(wrapped))
        .fetch_one(session)
        .await
        .unwrap()
}

pub async fn ledger() -> Ledger {
    let opened = Ledger::open(MemoryStorage::new(), Arc::new(SystemClock)).await;
    opened.unwrap().0
}

/// Brings everything of the ledger in.
pub async fn apply(tables: &mut Tables, ledger: &Ledger) {
    let applied = tables.applied().await.unwrap();
    let book = ledger.book();
    let records = ledger.records(applied.seq, 10_000).await.unwrap();
    assert_eq!(tables.apply(&records, &book).await.unwrap(), book.head());
}

pub fn name(text: &str) -> DbName {
    text.parse().unwrap()
}

pub fn sql(user: &str, generation: u64) -> Who {
    let user = user.to_owned();
    Who::Sql { user, generation }
}

pub fn entry(who: Who, text: &str, change: Change) -> NewEntry {
    NewEntry {
        who,
        name: Some(name(text)),
        outcome: Outcome::Done,
        message: "as wanted".to_owned(),
        change,
    }
}

pub fn admitted(who: Who, database: Database) -> NewEntry {
    let text = database.name.to_string();
    let database = Box::new(database);
    entry(who, &text, Change::Admitted { database })
}

pub fn stopped(who: &Who) -> Change {
    Change::Overridden {
        by: Override {
            state: OverrideState::Stopped,
            until: Some("2030-01-02T03:04:05Z".parse().unwrap()),
            reason: "INC-812".to_owned(),
            who: who.clone(),
            since: "2026-01-01T00:00:00Z".parse().unwrap(),
        },
    }
}

/// A MariaDB database as a spec of three lines gives it.
pub fn database(text: &str, port: u16, generation: u64) -> Database {
    serde_json::from_value(json!({
        "name": text, "uid": uuid::Uuid::from_u128(u128::from(port)), "generation": generation,
        "source": "row",
        "given": {"engine": "MariaDB", "owner": "lab", "contact": "lab@example.org"},
        "labels": {}, "state": "Running", "engine": "MariaDB",
        "image": {"display": "MariaDB 11.8", "reference": "mariadb:11.8", "pinned": null,
                  "series": "11.8"},
        "database": text, "owner": "lab", "contact": "lab@example.org", "description": "",
        "facts": {}, "volume": {"label": "Standard", "path": "/data"}, "port": port,
        "account": {"user": text, "role": "Admin", "passwordFile": null},
        "resources": {"memory": "2Gi", "cpus": null, "shm": "256Mi"}, "settings": {},
        "config": null, "timeZone": "UTC", "maintenanceWindow": "any", "onLost": "Hold",
        "layout": {"ports": [3306], "data": [["/", "/var/lib/mysql"]], "command": [],
                   "sentinel": "ibdata1", "uid": 999}
    }))
    .unwrap()
}
