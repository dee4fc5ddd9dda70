use super::*;
use crate::admin::*;
use crate::model::*;
use crate::runtime::{docker::Docker, host::HostDirs, servers::SqlServers};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread")]
async fn smoke() {
    tracing_subscriber::fmt()
        .with_env_filter("db4sci=debug")
        .init();
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let state = dir.path().join("state");
    std::fs::create_dir_all(&state).unwrap();
    let vol = dir.path().join("vol");
    std::fs::create_dir_all(&vol).unwrap();
    let site = Site {
        instance: "smoke".into(),
        container_prefix: "smoke-".into(),
        state_dir: state.clone(),
        publish_ip: "127.0.0.1".parse().unwrap(),
        container_host: "localhost".into(),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (ledger, _) = Ledger::open(
        FileStorage::open(&state.join("journal")).unwrap(),
        clock.clone(),
    )
    .await
    .unwrap();
    let runtime: Arc<dyn crate::runtime::Runtime> = Arc::new(Docker::connect(None));
    let dirs: Arc<dyn crate::runtime::DataDirs> = Arc::new(HostDirs::new(&state));
    let servers: Arc<dyn crate::runtime::Servers> = Arc::new(SqlServers::new());
    let metrics = Arc::new(crate::record::Metrics::new("test").unwrap());
    let (tx, rx) = tokio::sync::mpsc::unbounded_channel();
    let probes = crate::observe::Probes::following(
        servers.clone(),
        dirs.clone(),
        clock.clone(),
        site.clone(),
        tx,
    );
    let observer = Arc::new(crate::observe::Observer::new(
        runtime.clone(),
        dirs.clone(),
        Arc::new(crate::observe::ports::ThisHost),
        probes,
        site.clone(),
    ));
    let exec = crate::execute::Executor {
        runtime: runtime.clone(),
        dirs,
        servers,
        ledger: ledger.clone(),
        site: site.clone(),
        clock: clock.clone(),
        metrics: metrics.clone(),
    };
    let board = Arc::new(Board::new(clock.clone(), "test", "smoke"));
    let reconciler = Arc::new(Reconciler::new(observer.clone(), exec, board.clone(), 4));
    let queue = Arc::new(Queue::default());
    let t = Triggers {
        reconciler,
        observer,
        runtime,
        queue: queue.clone(),
        board: board.clone(),
        ledger: ledger.clone(),
        site,
        clock,
        metrics,
        stop: CancellationToken::new(),
    };
    tokio::spawn(t.clone().run_events());
    tokio::spawn(t.clone().run_queue());
    tokio::spawn(t.clone().run_probes(rx));
    for (name, engine, image, port) in [
        (
            "pg",
            EngineKind::Postgres,
            "db4sci-lab/postgres:17",
            33011u16,
        ),
        ("my", EngineKind::MariaDB, "db4sci-lab/mariadb:11.8", 33012),
    ] {
        let mut db = crate::runtime::fixture::database(name, &vol);
        let r = crate::engine::recipe(engine).unwrap();
        db.engine = engine;
        db.image.reference = image.parse().unwrap();
        db.port = port.try_into().unwrap();
        db.layout = match engine {
            EngineKind::Postgres => crate::model::database::Layout {
                ports: vec![5432],
                data: vec![("/".into(), "/var/lib/postgresql/data".into())],
                command: vec!["postgres".into()],
                sentinel: "PG_VERSION".into(),
                uid: 999,
            },
            _ => crate::model::database::Layout {
                ports: vec![3306],
                data: vec![("/".into(), "/var/lib/mysql".into())],
                command: vec!["mariadbd".into()],
                sentinel: "ibdata1".into(),
                uid: 999,
            },
        };
        db.settings = r.settings(db.resources.memory);
        ledger
            .append(NewEntry {
                who: Who::Daemon,
                name: Some(db.name.clone()),
                outcome: Outcome::Done,
                message: "new".into(),
                change: Change::Admitted {
                    database: Box::new(db.clone()),
                },
            })
            .await
            .unwrap();
        queue.add(&db.name);
    }
    let mut snaps = board.watch();
    let t0 = std::time::Instant::now();
    let all = |s: &crate::model::view::Snapshot| {
        s.databases.len() == 2
            && s.databases
                .iter()
                .all(|d| d.phase == crate::model::view::Phase::Ready && d.lane.is_none())
    };
    let r = tokio::time::timeout(std::time::Duration::from_secs(60), async {
        loop {
            if all(&snaps.borrow_and_update()) {
                break;
            }
            snaps.changed().await.unwrap();
        }
    })
    .await;
    println!("ready after {:?} {}", t0.elapsed(), r.is_ok());
    for d in &board.watch().borrow().databases {
        println!(
            "{} {} {:?} {} {:?}",
            d.name, d.phase, d.reason, d.message, d.seen
        );
    }
    std::process::Command::new("docker")
        .args(["rm", "-f", "smoke-pg"])
        .status()
        .unwrap();
    std::process::Command::new("docker")
        .args(["kill", "smoke-my"])
        .status()
        .unwrap();
    let t0 = std::time::Instant::now();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let r = tokio::time::timeout(std::time::Duration::from_secs(30), async {
        loop {
            if all(&snaps.borrow_and_update()) {
                break;
            }
            snaps.changed().await.unwrap();
        }
    })
    .await;
    println!("healed after {:?} {}", t0.elapsed(), r.is_ok());
    for d in &board.watch().borrow().databases {
        println!(
            "{} {} {:?} {} {:?}",
            d.name, d.phase, d.reason, d.message, d.seen
        );
    }
    std::process::Command::new("docker")
        .args(["rm", "-f", "smoke-pg", "smoke-my"])
        .status()
        .unwrap();
}
