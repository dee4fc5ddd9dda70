use std::path::Path;

use futures_util::StreamExt;

use super::*;
use crate::model::action::StopHow;
use crate::model::server::{Protocol, Target};
use crate::model::{
    ContainerId, ContainerSpec, Database, FilesWanted, IdentityFile, Mount, PortBinding,
    RestartPolicy, Secret, SecretFile, SecretKind, SecretText, Seen, Site, Status, guard,
};
use crate::runtime::fixture::{database, site};
use crate::runtime::{DataDirs, DirError, Runtime, RuntimeError, ServerError, Servers};

const HOW: StopHow = StopHow {
    deadline: 10,
    hung: false,
};

fn second() -> TimeDelta {
    TimeDelta::seconds(1)
}

/// A world with one database, and what the daemon does for it.
struct Host {
    world: World,
    site: Site,
    db: Database,
}

impl Host {
    fn new() -> Self {
        let world = World::new(7);
        let image = SimImage::server(Protocol::Postgres, "17.5", &["/var/lib/postgresql/data"]);
        world.add_image("postgres:17", image);
        Host {
            world,
            site: site(Path::new("/state")),
            db: database("genomics", Path::new("/volume")),
        }
    }

    fn wanted() -> FilesWanted {
        FilesWanted {
            secrets: vec![SecretFile {
                name: "admin".to_owned(),
                from: None,
                kind: SecretKind::Password,
            }],
            ..FilesWanted::default()
        }
    }

    async fn spec(&self, db: &Database) -> ContainerSpec {
        let image = self.world.image("postgres:17").await.unwrap().unwrap();
        let data = "/var/lib/postgresql/data";
        let mount = |source, target: &str| Mount {
            source,
            target: target.to_owned(),
            read_only: false,
        };
        let words = ["/bin/sh", "/db4sci/guard/guard.sh"].map(str::to_owned);
        let arguments = [
            db.uid.to_string(),
            format!("{data}/PG_VERSION"),
            data.to_owned(),
        ];
        ContainerSpec {
            name: db.name.to_string(),
            image: image.id,
            reference: db.image.reference.clone(),
            entrypoint: words
                .into_iter()
                .chain(arguments)
                .chain(["--".to_owned()])
                .chain(image.entrypoint)
                .collect(),
            command: vec!["postgres".to_owned()],
            env: Default::default(),
            labels: [("db4sci.uid".to_owned(), db.uid.to_string())].into(),
            mounts: vec![
                mount(db.data_dir().join("data"), data),
                mount(db.marker_dir(), "/db4sci/marker"),
                mount(self.site.secrets_dir(&db.name), "/db4sci/secrets"),
            ],
            ports: vec![PortBinding {
                container: 5432,
                host: db.port.get(),
                ip: [127, 0, 0, 1].into(),
            }],
            memory: 1 << 30,
            nano_cpus: 0,
            shm: 64 << 20,
            restart: RestartPolicy::Always,
            stop_signal: "SIGINT".to_owned(),
            stop_timeout: 300,
        }
    }

    async fn create(&self, db: &Database) -> ContainerId {
        self.world.prepare(db).await.unwrap();
        let wanted = Host::wanted();
        self.world
            .write_files(&self.site, db, &wanted)
            .await
            .unwrap();
        let secrets = [SecretText {
            name: "admin".to_owned(),
            text: Secret::new("word"),
        }];
        self.world
            .write_secrets(&self.site, db, &secrets)
            .await
            .unwrap();
        self.world.create(&self.spec(db).await).await.unwrap()
    }

    /// A database with one row, its first start well over.
    async fn ready() -> (Self, ContainerId) {
        let host = Host::new();
        let id = host.create(&host.db).await;
        host.world.start(&id).await.unwrap();
        host.world.advance(second() * 5);
        host.world.mark_initialised(&host.db).await.unwrap();
        assert!(host.world.write(host.db.uid));
        (host, id)
    }

    async fn target(&self, user: &str) -> Target {
        Target {
            uid: self.db.uid,
            protocol: Protocol::Postgres,
            host: "127.0.0.1".to_owned(),
            port: self.db.port.get(),
            user: user.to_owned(),
            tls: false,
            password: self
                .world
                .secret_file(&self.site, &self.db, "admin")
                .await
                .unwrap()
                .unwrap(),
            database: "postgres".to_owned(),
        }
    }

    async fn status(&self, id: &ContainerId) -> (Status, i64) {
        let seen = self.world.inspect(id.as_str()).await.unwrap().unwrap();
        (seen.status, seen.exit_code)
    }
}

#[tokio::test]
async fn what_changes_next_by_itself_is_told_with_its_instant() {
    let host = Host::new();
    let world = &host.world;
    let id = host.create(&host.db).await;
    assert_eq!(world.next_change(), None);
    world.start(&id).await.unwrap();
    // The first start ends, and then the server answers.
    for seconds in [2, 1] {
        let change = world.next_change().unwrap();
        assert_eq!(change - world.now(), TimeDelta::seconds(seconds));
        assert_eq!(world.rows(host.db.uid), None);
        world.advance(TimeDelta::seconds(seconds));
    }
    assert_eq!(world.rows(host.db.uid), Some(0));
    assert_eq!(world.next_change(), None);
    world.mark_initialised(&host.db).await.unwrap();

    world.engine_away(second() * 10);
    assert_eq!(world.next_change(), Some(world.now() + second() * 10));
    assert!(world.engine_is_away());
    world.kill("genomics");
    let restart = TimeDelta::milliseconds(100);
    assert_eq!(world.next_change(), Some(world.now() + restart));
    // Frozen, nothing of it goes on.
    world.advance(restart);
    world.pause_by_hand("genomics");
    world.advance(second() * 2);
    assert_eq!(world.rows(host.db.uid), None);
    world.advance(second() * 10);
    assert_eq!((world.next_change(), world.engine_is_away()), (None, false));
}

#[tokio::test]
async fn a_first_start_ends_in_a_server_that_answers() {
    let host = Host::new();
    let id = host.create(&host.db).await;
    let target = host.target("postgres").await;
    let ask = async || host.world.ask(&target, "").await;
    assert!(matches!(ask().await, Err(ServerError::Unreachable(_))));
    host.world.start(&id).await.unwrap();
    assert!(matches!(ask().await, Err(ServerError::NotReady(_))));
    host.world.advance(second() * 5);
    let answer = ask().await.unwrap();
    assert_eq!((answer.version.as_str(), answer.account), ("17.5", false));

    let elsewhere = Target {
        host: "10.0.0.7".to_owned(),
        ..target.clone()
    };
    let silent = host.world.ask(&elsewhere, "").await;
    assert!(matches!(silent, Err(ServerError::Unreachable(_))));

    let account = host.target("genomics").await;
    let refused = host.world.login(&account).await.unwrap_err();
    assert!(matches!(refused, ServerError::LoginRefused(_)), "{refused}");
    host.world.run(&target, &[]).await.unwrap();
    host.world.login(&account).await.unwrap();
    let wrong = Target {
        password: Secret::new("wrong"),
        ..target
    };
    assert!(matches!(
        host.world.login(&wrong).await,
        Err(ServerError::LoginRefused(_))
    ));
}

#[tokio::test]
async fn what_is_killed_comes_back_by_its_policy_with_a_growing_delay() {
    let (host, id) = Host::ready().await;
    host.world.advance(second() * 60);
    host.world.kill("genomics");
    assert_eq!(host.status(&id).await, (Status::Restarting, 137));
    host.world.advance(TimeDelta::milliseconds(100));
    assert_eq!(host.status(&id).await, (Status::Running, 0));
    host.world.kill("genomics");
    host.world.advance(TimeDelta::milliseconds(150));
    assert_eq!(host.status(&id).await.0, Status::Restarting);
    host.world.advance(TimeDelta::milliseconds(50));
    assert_eq!(host.status(&id).await.0, Status::Running);
    host.world.advance(second() * 5);
    assert_eq!(host.world.rows(host.db.uid), Some(1));
}

#[tokio::test]
async fn a_stop_by_a_call_is_final_until_the_engine_restarts() {
    let (host, id) = Host::ready().await;
    host.world.stop(&id, &HOW).await.unwrap();
    host.world.advance(second() * 600);
    assert_eq!(host.status(&id).await, (Status::Exited, 0));
    host.world.restart_engine();
    assert_eq!(host.status(&id).await.0, Status::Running);
}

#[tokio::test]
async fn a_restart_that_is_due_happens_once_more_after_the_policy_changed() {
    let (host, id) = Host::ready().await;
    host.world.kill("genomics");
    host.world.set_policy(&id, RestartPolicy::No).await.unwrap();
    host.world.advance(second());
    assert_eq!(host.status(&id).await.0, Status::Running);
    host.world.kill("genomics");
    host.world.advance(second());
    assert_eq!(host.status(&id).await, (Status::Exited, 137));
}

#[tokio::test]
async fn the_guard_refuses_lost_swapped_and_half_made_data() {
    let (host, id) = Host::ready().await;
    let other = database("proteomics", Path::new("/volume"));
    host.world.prepare(&other).await.unwrap();

    host.world.stop(&id, &HOW).await.unwrap();
    host.world.set_policy(&id, RestartPolicy::No).await.unwrap();
    host.world.swap_data(&host.db, &other);
    host.world.start(&id).await.unwrap();
    assert_eq!(host.status(&id).await, (Status::Exited, guard::LOST));
    host.world.swap_data(&host.db, &other);

    host.world.delete_marker(&host.db);
    let error = host.world.start(&id).await.unwrap_err();
    assert!(matches!(error, RuntimeError::MountMissing(_)), "{error}");
    host.world.mark_initialised(&host.db).await.unwrap();
    host.world.start(&id).await.unwrap();
    host.world.advance(second() * 5);
    assert_eq!(host.world.rows(host.db.uid), Some(1));

    let half = Host::new();
    let id = half.create(&half.db).await;
    half.world.set_policy(&id, RestartPolicy::No).await.unwrap();
    half.world.start(&id).await.unwrap();
    half.world.kill("genomics");
    half.world.start(&id).await.unwrap();
    assert_eq!(half.status(&id).await, (Status::Exited, guard::HALF_MADE));
    let log = half.world.logs(&id, 1).await.unwrap();
    assert!(log.contains("nothing was changed"), "{log}");
    half.world
        .set_aside_half_made(&half.db, half.world.now())
        .await
        .unwrap();
    half.world.prepare(&half.db).await.unwrap();
    half.world.start(&id).await.unwrap();
    assert_eq!(half.status(&id).await.0, Status::Running);
    assert_eq!(host.world.violations(), [""; 0]);
    assert_eq!(half.world.violations(), [""; 0]);
}

#[tokio::test]
async fn a_second_server_on_the_same_data_is_refused() {
    let (host, _) = Host::ready().await;
    let mut spec = host.spec(&host.db).await;
    spec.name = "twin".to_owned();
    spec.ports.clear();
    spec.restart = RestartPolicy::No;
    let twin = host.world.create(&spec).await.unwrap();
    host.world.start(&twin).await.unwrap();
    assert_eq!(host.status(&twin).await, (Status::Exited, guard::BUSY));
    // Without the guard, nothing is in the way: the world notices.
    spec.name = "unguarded".to_owned();
    spec.entrypoint.clear();
    let unguarded = host.world.create(&spec).await.unwrap();
    host.world.start(&unguarded).await.unwrap();
    assert_eq!(host.world.violations().len(), 1);
}

#[tokio::test]
async fn each_first_start_gives_its_data_an_identity_that_stays_and_moves_with_it() {
    let (host, id) = Host::ready().await;
    let file = IdentityFile {
        path: "global/pg_control",
        length: 12,
        read: |_| None,
        needed: true,
    };
    let seen = async |db: &Database| {
        let seen = DataDirs::look(&host.world, db, Some(file)).await;
        seen.present().and_then(|data| data.identity.clone())
    };
    let own = seen(&host.db).await;
    assert!(own.is_some());
    host.world.kill("genomics");
    host.world.advance(second() * 5);
    assert_eq!(seen(&host.db).await, own);
    host.world.stop(&id, &HOW).await.unwrap();

    let other = database("proteomics", Path::new("/volume"));
    let second_id = host.create(&other).await;
    assert_eq!(seen(&other).await, None);
    host.world.start(&second_id).await.unwrap();
    let others = seen(&other).await;
    assert!(others.is_some() && others != own);
    host.world.swap_data(&host.db, &other);
    assert_eq!(seen(&host.db).await, others);
    let unasked = DataDirs::look(&host.world, &other, None).await;
    assert_eq!(unasked.present().unwrap().identity, None);
}

#[tokio::test]
async fn a_new_database_over_lost_rows_is_a_violation() {
    let (host, id) = Host::ready().await;
    host.world.stop(&id, &HOW).await.unwrap();
    host.world.empty_data(&host.db);
    host.world.delete_marker(&host.db);
    // A daemon that has forgotten everything.
    host.world.prepare(&host.db).await.unwrap();
    host.world.start(&id).await.unwrap();
    let violations = host.world.violations();
    assert!(violations[0].contains("which had data"), "{violations:?}");
    assert!(violations[1].contains("without rows"), "{violations:?}");
}

#[tokio::test]
async fn foreign_containers_hold_names_and_ports_and_are_not_to_be_touched() {
    let host = Host::new();
    let id = host.create(&host.db).await;
    let foreign = host.world.add_foreign("other", &[host.db.port.get()]);
    let error = host.world.start(&id).await.unwrap_err();
    assert!(
        matches!(error, RuntimeError::PortInUse { port: 32011, .. }),
        "{error}"
    );
    let error = host.world.rename(&id, "other").await.unwrap_err();
    assert!(matches!(error, RuntimeError::Conflict(_)), "{error}");
    assert_eq!(host.world.violations(), [""; 0]);
    host.world.stop(&foreign, &HOW).await.unwrap();
    assert_eq!(host.world.violations().len(), 1);
}

#[tokio::test]
async fn an_unmounted_volume_is_unknown() {
    let (host, id) = Host::ready().await;
    host.world.unmount(Path::new("/volume"));
    assert!(matches!(
        DataDirs::look(&host.world, &host.db, None).await,
        Seen::Unknown(_)
    ));
    assert_eq!(
        host.world.rows(host.db.uid),
        Some(1),
        "what is open stays open"
    );
    host.world.kill("genomics");
    host.world.advance(second());
    let seen = host.world.inspect(id.as_str()).await.unwrap().unwrap();
    assert_eq!(seen.status, Status::Exited);
    assert!(seen.error.contains("does not exist"), "{}", seen.error);
    host.world.mount(Path::new("/volume"));
    host.world.start(&id).await.unwrap();
    host.world.advance(second() * 5);
    assert_eq!(host.world.rows(host.db.uid), Some(1));
}

#[tokio::test]
async fn a_lost_answer_is_no_lost_effect() {
    let host = Host::new();
    host.world.set_faults(Faults {
        unheard: 1000,
        ..Faults::default()
    });
    let error = host.world.prepare(&host.db).await.unwrap_err();
    assert!(matches!(error, DirError::Io { .. }), "{error}");
    assert!(
        DataDirs::look(&host.world, &host.db, None)
            .await
            .present()
            .is_some()
    );
}

#[tokio::test]
async fn faults_end_when_their_number_is_used_up() {
    let host = Host::new();
    host.world.set_faults(Faults {
        fails: 1000,
        left: Some(2),
        ..Faults::default()
    });
    assert!(host.world.info().await.is_err());
    assert!(host.world.info().await.is_err());
    assert!(host.world.info().await.is_ok());
}

#[tokio::test]
async fn an_engine_that_is_away_comes_back() {
    let host = Host::new();
    host.world.engine_away(second() * 30);
    let error = host.world.list().await.unwrap_err();
    assert!(matches!(error, RuntimeError::Unavailable(_)), "{error}");
    host.world.advance(second() * 30);
    host.world.list().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_killed_daemon_hears_nothing_and_a_new_one_finds_the_effect() {
    let host = Host::new();
    host.world.hang_at(host.world.calls(), true);
    let call = host.world.prepare(&host.db);
    assert!(
        tokio::time::timeout(std::time::Duration::from_secs(5), call)
            .await
            .is_err()
    );
    let call = host.world.info();
    assert!(
        tokio::time::timeout(std::time::Duration::from_secs(5), call)
            .await
            .is_err()
    );
    host.world.revive();
    assert!(
        DataDirs::look(&host.world, &host.db, None)
            .await
            .present()
            .is_some()
    );
}

#[tokio::test(start_paused = true)]
async fn time_can_follow_tokio_s_clock() {
    let world = World::with_tokio_time(1);
    let before = world.clock().now();
    tokio::time::sleep(std::time::Duration::from_secs(90)).await;
    assert_eq!(world.clock().now() - before, second() * 90);
    world.clock().jump(TimeDelta::days(1));
    assert_eq!(
        world.clock().now() - before,
        second() * 90 + TimeDelta::days(1)
    );
    assert_eq!(
        world.now() - before,
        second() * 90,
        "only the wall clock jumped"
    );
}

#[tokio::test]
async fn events_are_heard_and_a_break_ends_the_stream() {
    let host = Host::new();
    let mut events = host.world.events(None);
    let id = host.create(&host.db).await;
    let event = events.next().await.unwrap().unwrap();
    assert_eq!((event.action.as_str(), event.id), ("create", id));
    let listening = tokio::spawn(async move { events.next().await });
    tokio::task::yield_now().await;
    host.world.break_events();
    assert!(listening.await.unwrap().unwrap().is_err());
    let mut again = host.world.events(Some(host.world.now()));
    assert_eq!(again.next().await.unwrap().unwrap().action, "create");
}

#[tokio::test]
async fn the_same_seed_gives_the_same_world() {
    async fn story(seed: u64) -> (Vec<String>, Vec<String>) {
        let host = Host {
            world: World::new(seed),
            ..Host::new()
        };
        host.world
            .add_image("postgres:17", SimImage::plain("p", &[]));
        host.world.set_faults(Faults {
            fails: 300,
            unheard: 300,
            ..Faults::default()
        });
        let mut heard = Vec::new();
        for _ in 0..20 {
            heard.push(format!("{:?}", host.world.prepare(&host.db).await));
            let foreign = host.world.add_foreign("x", &[]);
            heard.push(format!("{:?}", host.world.start(&foreign).await));
            host.world.remove_by_hand("x");
        }
        (heard, host.world.take_journal())
    }
    assert_eq!(story(1).await, story(1).await);
    assert_ne!(story(1).await, story(2).await);
}
