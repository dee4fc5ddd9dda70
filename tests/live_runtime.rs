//! Real servers on a real Docker Engine: folders, guard and protocols together.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::DateTime;
use db4sci::admin::vault::password;
use db4sci::engine::backup::{IN, backups};
use db4sci::engine::{self, ADMIN_SECRET, Recipe, USER_SECRET};
use db4sci::model::action::StopHow;
use db4sci::model::server::{Answer, Target};
use db4sci::model::{
    BackupKind, ContainerId, ContainerSpec, Database, EngineKind, MarkerState, Mount,
    RestartPolicy, Secret, SecretText, Seen, Status, guard,
};
use db4sci::runtime::docker::Docker;
use db4sci::runtime::host::HostDirs;
use db4sci::runtime::jobs::{Job, Jobs, Network};
use db4sci::runtime::servers::WireServers;
use db4sci::runtime::{DataDirs, Runtime, RuntimeError, ServerError, Servers};

use support::{Corner, until};

/// First starts on a busy machine.
const START: Duration = Duration::from_secs(120);

/// One database, and what the daemon does for it.
struct Host {
    docker: Docker,
    dirs: HostDirs,
    servers: WireServers,
    db: Database,
    recipe: &'static dyn Recipe,
    corner: Corner,
}

impl Host {
    fn new(engine: EngineKind, reference: &str) -> Self {
        let corner = Corner::new();
        Host {
            docker: Docker::connect(None),
            dirs: HostDirs::new(corner.folder.join("state")),
            servers: WireServers::new(),
            db: corner.database("genomics", engine, reference),
            recipe: engine::recipe(engine),
            corner,
        }
    }

    fn postgres() -> Self {
        Host::new(EngineKind::Postgres, "postgres:15")
    }

    async fn spec(&self, db: &Database) -> ContainerSpec {
        let reference = db.image.reference.as_str();
        let image = self.docker.image(reference).await.unwrap();
        let image = image.unwrap_or_else(|| panic!("no image {reference}; run dev/setup"));
        self.recipe.container(db, &self.corner.site(), &image)
    }

    /// Folders, files and container; not started.
    async fn create(&self, db: &Database) -> ContainerId {
        self.dirs.prepare(db).await.unwrap();
        let (site, wanted) = (self.corner.site(), self.recipe.files(db));
        self.dirs.write_files(&site, db, &wanted).await.unwrap();
        let secrets = wanted.secrets.iter().map(|file| SecretText {
            name: file.name.clone(),
            text: password().unwrap(),
        });
        let secrets: Vec<SecretText> = secrets.collect();
        self.dirs.write_secrets(&site, db, &secrets).await.unwrap();
        self.docker.create(&self.spec(db).await).await.unwrap()
    }

    async fn target(&self) -> Target {
        let site = self.corner.site();
        let admin = self.secret(ADMIN_SECRET).await;
        self.recipe.target(&self.db, &site, admin)
    }

    async fn secret(&self, file: &str) -> Secret {
        let site = self.corner.site();
        let kept = self.dirs.secret_file(&site, &self.db, file).await.unwrap();
        kept.unwrap()
    }

    async fn answer(&self) -> Answer {
        let (target, query) = (self.target().await, self.recipe.probe_query(&self.db, &[]));
        until("an answer", START, async || {
            match self.servers.ask(&target, &query).await {
                Ok(answer) => Some(answer),
                Err(
                    ServerError::Unreachable(_)
                    | ServerError::NotReady(_)
                    | ServerError::Interrupted(_),
                ) => None,
                Err(error) => panic!("{error:?}"),
            }
        })
        .await
    }

    /// Through its first start, marked.
    async fn ready(engine: EngineKind, reference: &str) -> (Self, ContainerId) {
        let host = Host::new(engine, reference);
        let id = host.create(&host.db).await;
        host.docker.start(&id).await.unwrap();
        host.answer().await;
        let site = host.corner.site();
        let user = host.secret(USER_SECRET).await;
        let statements = host.recipe.account_statements(&host.db, &user);
        let target = host.target().await;
        for _ in 0..2 {
            host.servers.run(&target, &statements).await.unwrap();
        }
        let login = host.recipe.user_target(&host.db, &site, user);
        host.servers.login(&login).await.unwrap();
        host.dirs.mark_initialised(&host.db).await.unwrap();
        (host, id)
    }

    async fn stop(&self, id: &ContainerId) {
        self.docker.set_policy(id, RestartPolicy::No).await.unwrap();
        let how = StopHow {
            deadline: 60,
            hung: false,
        };
        self.docker.stop(id, &how).await.unwrap();
    }

    /// Starts a container whose guard must refuse, and gives its exit code and last line.
    async fn refusal(&self, id: &ContainerId) -> (i64, String) {
        self.docker.start(id).await.unwrap();
        let code = until("the guard's refusal", START, async || {
            let seen = self.docker.inspect(id.as_str()).await.unwrap().unwrap();
            (seen.status == Status::Exited).then_some(seen.exit_code)
        })
        .await;
        (code, self.docker.logs(id, 1).await.unwrap())
    }
}

/// Everything that a folder holds, names and sizes, for "nothing was changed".
fn listing(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.metadata().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            }
            found.push((entry.path(), kind.len()));
        }
    }
    found.sort();
    found
}

async fn a_life(engine: EngineKind, reference: &str, version: &str) {
    let (host, id) = Host::ready(engine, reference).await;
    let answer = host.answer().await;
    assert!(answer.version.starts_with(version), "{answer:?}");
    assert!(answer.account, "{answer:?}");
    assert_eq!(answer.connections.unwrap_or(0), 0, "only our own");
    match host.dirs.look(&host.db, None).await {
        Seen::Present(seen) => {
            assert_eq!(seen.marker.unwrap().state, MarkerState::Initialised);
            assert_eq!(seen.inner_uid, Some(host.db.uid));
            assert!(seen.sentinel && seen.dirs_exist && !seen.empty);
        }
        other => panic!("{other:?}"),
    }
    let files = host
        .dirs
        .files(
            &host.corner.site(),
            &host.db,
            &host.recipe.named(&host.db),
            &[],
        )
        .await;
    assert!(files.present().unwrap().complete, "{files:?}");

    let wrong = Target {
        password: Secret::new("wrong"),
        ..host.target().await
    };
    let refused = host.servers.login(&wrong).await.unwrap_err();
    assert!(
        matches!(refused, ServerError::LoginRefused(_)),
        "{refused:?}"
    );

    // The kept connection breaks with the server, and a new one takes its place.
    let target = host.target().await;
    host.stop(&id).await;
    let stopped = host.docker.inspect(id.as_str()).await.unwrap().unwrap();
    assert_eq!((stopped.status, stopped.exit_code), (Status::Exited, 0));
    let query = host.recipe.probe_query(&host.db, &[]);
    let gone = host.servers.ask(&target, &query).await.unwrap_err();
    assert!(matches!(gone, ServerError::Unreachable(_)), "{gone:?}");
    host.docker.start(&id).await.unwrap();
    assert!(host.answer().await.account);
    host.servers.forget(host.db.uid).await;
}

#[tokio::test]
async fn postgres_15_lives() {
    a_life(EngineKind::Postgres, "postgres:15", "15.").await;
}

#[tokio::test]
async fn postgres_17_lives() {
    a_life(EngineKind::Postgres, "postgres:17", "17.").await;
}

#[tokio::test]
async fn mariadb_10_11_lives() {
    a_life(EngineKind::MariaDB, "mariadb:10.11", "10.11.").await;
}

#[tokio::test]
async fn mariadb_11_8_lives() {
    a_life(EngineKind::MariaDB, "mariadb:11.8", "11.8.").await;
}

#[tokio::test]
async fn the_guard_refuses_lost_data_and_makes_no_new_database() {
    for (engine, reference) in [
        (EngineKind::Postgres, "postgres:15"),
        (EngineKind::MariaDB, "mariadb:10.11"),
    ] {
        let (host, id) = Host::ready(engine, reference).await;
        host.stop(&id).await;
        let data = host.db.data_dir();
        fs::remove_dir_all(&data).unwrap();
        fs::create_dir(&data).unwrap();
        let (code, line) = host.refusal(&id).await;
        assert_eq!(code, guard::LOST, "{line}");
        assert!(line.contains("nothing was changed"), "{line}");
        assert_eq!(listing(&data), [], "no initdb");
    }
}

#[tokio::test]
async fn the_guard_refuses_swapped_data() {
    let (host, id) = Host::ready(EngineKind::Postgres, "postgres:15").await;
    host.stop(&id).await;
    let other = host
        .corner
        .database("proteomics", EngineKind::Postgres, "postgres:15");
    host.dirs.prepare(&other).await.unwrap();
    let other_data = other.data_dir();
    fs::write(other_data.join("PG_VERSION"), "15\n").unwrap();
    host.dirs.mark_initialised(&other).await.unwrap();

    let (mine, aside) = (host.db.data_dir(), host.corner.folder.join("aside"));
    fs::rename(&mine, &aside).unwrap();
    fs::rename(&other_data, &mine).unwrap();
    let before = listing(&mine);
    let (code, line) = host.refusal(&id).await;
    assert_eq!(code, guard::FOREIGN, "{line}");
    assert!(line.contains(&other.uid.to_string()), "{line}");
    assert_eq!(listing(&mine), before);
}

#[tokio::test]
async fn the_guard_refuses_a_second_server_on_the_same_data() {
    let (host, id) = Host::ready(EngineKind::Postgres, "postgres:15").await;
    let mut twin = host.spec(&host.db).await;
    twin.name = host.corner.name("twin");
    twin.ports.clear();
    twin.restart = RestartPolicy::No;
    let twin = host.docker.create(&twin).await.unwrap();
    let (code, line) = host.refusal(&twin).await;
    assert_eq!(code, guard::BUSY, "{line}");
    host.answer().await;
    // The lock goes with the server, not with its container.
    host.stop(&id).await;
    host.docker.start(&twin).await.unwrap();
    until("the twin's server", START, async || {
        let log = host.docker.logs(&twin, 20).await.unwrap();
        log.contains("ready to accept connections").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_first_start_that_was_killed_is_half_made_and_begun_again() {
    let host = Host::postgres();
    let id = host.create(&host.db).await;
    host.docker
        .set_policy(&id, RestartPolicy::No)
        .await
        .unwrap();
    host.docker.start(&id).await.unwrap();
    let sentinel = host.db.data_dir().join("PG_VERSION");
    until("the sentinel", START, async || {
        sentinel.exists().then_some(())
    })
    .await;
    support::docker(&["kill", id.as_str()]);
    let (code, line) = host.refusal(&id).await;
    assert_eq!(code, guard::HALF_MADE, "{line}");

    let now = DateTime::from_timestamp(1_795_363_378, 0).unwrap();
    let aside = host.dirs.set_aside_half_made(&host.db, now).await.unwrap();
    assert!(aside.join("PG_VERSION").exists());
    host.dirs.prepare(&host.db).await.unwrap();
    host.docker.start(&id).await.unwrap();
    host.answer().await;
}

#[tokio::test]
async fn data_under_a_running_server_is_not_set_aside() {
    let host = Host::postgres();
    let id = host.create(&host.db).await;
    host.docker.start(&id).await.unwrap();
    host.answer().await;
    let now = DateTime::from_timestamp(1_795_363_378, 0).unwrap();
    let error = host
        .dirs
        .set_aside_half_made(&host.db, now)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("a server runs"), "{error}");
}

#[tokio::test]
async fn signals_reach_the_server_through_the_guard() {
    let (host, id) = Host::ready(EngineKind::Postgres, "postgres:15").await;
    host.stop(&id).await;
    let seen = host.docker.inspect(id.as_str()).await.unwrap().unwrap();
    assert_eq!(seen.exit_code, 0);
    let log = host.docker.logs(&id, 50).await.unwrap();
    assert!(log.contains("received fast shutdown request"), "{log}");
}

#[tokio::test]
async fn a_killed_server_comes_back_through_the_guard() {
    let (host, id) = Host::ready(EngineKind::Postgres, "postgres:15").await;
    for times in 1..=3 {
        let before = host.docker.inspect(id.as_str()).await.unwrap().unwrap();
        let pid = i32::try_from(before.pid.unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        let after = until("the restart", START, async || {
            let seen = host.docker.inspect(id.as_str()).await.unwrap().unwrap();
            (seen.started_at > before.started_at).then_some(seen)
        })
        .await;
        // Not once more: the lock was free when dockerd started it.
        assert_eq!(after.restart_count, times);
        host.answer().await;
    }
}

#[tokio::test]
async fn a_registry_that_does_not_answer_is_no_unknown_image() {
    let reference = "registry.invalid/postgres:17";
    let error = Docker::connect(None).pull(reference).await.unwrap_err();
    assert!(
        matches!(error, RuntimeError::Pull { unknown: false, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains(reference), "{error}");
}

#[tokio::test]
async fn no_volume_of_the_image_is_left_uncovered() {
    for (engine, reference) in [
        (EngineKind::Postgres, "postgres:15"),
        (EngineKind::MariaDB, "mariadb:10.11"),
    ] {
        let host = Host::new(engine, reference);
        let id = host.create(&host.db).await;
        let seen = host.docker.inspect(id.as_str()).await.unwrap().unwrap();
        assert!(
            seen.mounts.iter().all(|m| !m.anonymous),
            "{:?}",
            seen.mounts
        );
    }
}

#[tokio::test]
async fn an_anonymous_volume_goes_with_its_container() {
    let host = Host::postgres();
    host.dirs.prepare(&host.db).await.unwrap();
    let mut spec = host.spec(&host.db).await;
    spec.mounts.clear();
    let id = host.docker.create(&spec).await.unwrap();
    let volumes = || support::docker(&["volume", "ls", "-q"]);
    let name = support::docker(&[
        "inspect",
        "--format",
        "{{(index .Mounts 0).Name}}",
        id.as_str(),
    ]);
    assert!(volumes().contains(&name));
    host.docker.remove(&id).await.unwrap();
    assert!(!volumes().contains(&name));
}

#[tokio::test]
async fn a_statement_that_fails_shows_no_password() {
    for (engine, reference) in [
        (EngineKind::Postgres, "postgres:15"),
        (EngineKind::MariaDB, "mariadb:10.11"),
    ] {
        let (host, _) = Host::ready(engine, reference).await;
        let target = host.target().await;
        let mut statement = host
            .recipe
            .account_statements(&host.db, &Secret::new("hunter2"))
            .remove(0);
        statement.text = Secret::new("create rubbish 'hunter2'");
        let error = host.servers.run(&target, &[statement]).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(matches!(error, ServerError::Statement { .. }), "{text}");
        assert!(
            !text.contains("hunter2") && !text.contains("rubbish"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_frozen_server_is_given_up_at_the_deadline_and_asked_anew() {
    let (host, id) = Host::ready(EngineKind::Postgres, "postgres:15").await;
    let (target, query) = (host.target().await, host.recipe.probe_query(&host.db, &[]));
    host.servers.ask(&target, &query).await.unwrap();
    support::docker(&["pause", id.as_str()]);
    let error = host.servers.ask(&target, &query).await.unwrap_err();
    assert!(matches!(error, ServerError::Unreachable(_)), "{error:?}");
    host.docker.unpause(&id).await.unwrap();
    host.answer().await;
}

#[tokio::test]
async fn a_kill_for_the_memory_limit_is_seen_as_one() {
    let host = Host::postgres();
    host.dirs.prepare(&host.db).await.unwrap();
    let mut spec = host.spec(&host.db).await;
    spec.mounts.clear();
    spec.memory = 16 << 20;
    spec.restart = RestartPolicy::No;
    spec.entrypoint = vec!["tail".to_owned()];
    spec.command = vec!["-f".to_owned(), "/dev/null".to_owned()];
    let id = host.docker.create(&spec).await.unwrap();
    host.docker.start(&id).await.unwrap();
    // Not by the container's own process: the engine listens for such kills once it is started, and one that
    // comes before that is never heard of (with control groups of version 1).
    let hog = ["exec", id.as_str(), "sh", "-c", "tail /dev/zero; echo $?"];
    assert_eq!(support::docker(&hog), "137");
    // The flag is set with the container's end.
    support::docker(&["kill", id.as_str()]);
    let seen = until("its end", START, async || {
        let seen = host.docker.inspect(id.as_str()).await.unwrap();
        seen.filter(|seen| seen.status == Status::Exited)
    })
    .await;
    assert!(seen.oom_killed && seen.exit_code == 137, "{seen:?}");
}

#[tokio::test]
async fn an_archive_of_files_is_unpacked_into_its_own_folders_alone() {
    let host = Host::postgres();
    let at = |below: &str| host.corner.folder.join(below);
    for folder in ["data", "job", "elsewhere", "made/good", "made/evil"] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    fs::write(at("made/good/kept"), "1").unwrap();
    fs::write(at("made/evil/planted"), "2").unwrap();
    let target = host.db.layout.data[0].1.clone();
    let inside = target.trim_start_matches('/').to_owned();
    std::os::unix::fs::symlink("/elsewhere", at("made/link")).unwrap();
    // Out of it upwards, beside it, by its whole path, and through a link that the archive brings along.
    let up = format!(
        "{inside}/{}elsewhere",
        "../".repeat(inside.split('/').count())
    );
    let members = [
        ("good", inside.clone()),
        ("evil", up),
        ("evil", "elsewhere".to_owned()),
        ("evil", "/elsewhere".to_owned()),
        ("link", format!("{inside}/link")),
        ("evil", format!("{inside}/link")),
    ];
    let archive = at("job/in");
    for (what, named) in members {
        let done = std::process::Command::new("tar")
            .arg("--append")
            .args(["--absolute-names", "--no-recursion"])
            .arg(format!("--transform=flags=r;s,^{what},{named},"))
            .args([
                format!("--file={}", archive.display()),
                format!("--directory={}", at("made").display()),
            ])
            .args(match what {
                "good" => vec!["good", "good/kept"],
                "evil" => vec!["evil/planted"],
                _ => vec!["link"],
            })
            .status();
        assert!(done.unwrap().success(), "{what} as {named}");
    }
    let load = backups(EngineKind::Postgres, BackupKind::Files).load(&host.db, "files.tar", None);
    let mount = |source: &str, target: &str| Mount {
        source: at(source),
        target: target.to_owned(),
        read_only: false,
    };
    let image = host.docker.image(host.db.image.reference.as_str()).await;
    let image = image.unwrap().unwrap();
    let job = Job {
        name: "load".to_owned(),
        instance: host.corner.instance.clone(),
        image: image.id,
        network: Network::None,
        mounts: vec![
            mount("data", &target),
            mount("job", Path::new(IN).parent().unwrap().to_str().unwrap()),
            mount("elsewhere", "/elsewhere"),
        ],
        entrypoint: vec![load.program],
        command: load.args,
        env: load.env,
        user: Some(0),
        memory: 1 << 30,
        nano_cpus: 0,
        shm: 0,
    };
    let end = host.docker.run(&job, START).await.unwrap();
    assert_ne!(end.code, 0, "a restore of it fails: {}", end.words);
    assert_eq!(
        fs::read_to_string(at("data/kept")).unwrap(),
        "1",
        "{}",
        end.words
    );
    let planted: Vec<_> = fs::read_dir(at("elsewhere")).unwrap().collect();
    assert!(planted.is_empty(), "{planted:?}: {}", end.words);
}

/// The daemon keeps a connection a database; a hundred must stay small.
#[tokio::test]
async fn kept_connections_are_small() {
    const CONNECTIONS: u64 = 80;
    let (host, _) = Host::ready(EngineKind::Postgres, "postgres:15").await;
    let (mut target, query) = (host.target().await, host.recipe.probe_query(&host.db, &[]));
    host.answer().await;
    let before = resident_kib();
    for _ in 0..CONNECTIONS {
        target.uid = db4sci::model::Uid(uuid::Uuid::new_v4());
        host.servers.ask(&target, &query).await.unwrap();
    }
    assert!(host.answer().await.connections >= Some(u32::try_from(CONNECTIONS).unwrap()));
    let each = resident_kib().saturating_sub(before) / CONNECTIONS;
    assert!(each < 128, "{each} KiB a connection");
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
