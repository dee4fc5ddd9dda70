//! What the planner says, as tables of sentences.

mod accounts;
mod approval;
mod attempts;
mod config;
mod data;
mod drift;
mod edges;
mod identity;
mod ignorance;
mod phase;
mod repair;
mod replace;
mod room;
mod trial;
mod waits;
mod wishes;

use crate::model::account::FurtherAccounts;
use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::*;
use crate::model::container::LABEL_UID;
use crate::model::database::{
    Account, AccountRole, Image, Layout, OnLost, Resources, Tls, Volume, Window,
};
use crate::model::trial::Trial;
use crate::model::{
    Action, Attempts, CertificateSeen, Class, ContainerId, Cost, DataIdentity, DataSeen,
    EngineKind, FailedAttempt, FilesSeen, ImageId, ImageSeen, Marker, MarkerState, Memory,
    MountSeen, Origin, Probe, RestartPolicy, Silence, Source, Status, Uid, Who,
};

/// One database and all that is known about it: everything as it should be, until a test says
/// otherwise.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub db: Database,
    pub over: Option<Override>,
    pub initialised: bool,
    pub identity: Option<DataIdentity>,
    pub quarantined: Option<String>,
    pub refused: Option<Vec<String>>,
    pub restart_asked: Option<Timestamp>,
    pub retry_asked: Option<Timestamp>,
    pub retired: bool,
    pub hibernates: Option<BackupId>,
    pub orphan: bool,
    pub renamed_to: Option<String>,
    pub whose: Option<Whose>,
    pub approved: Option<String>,
    pub leave: blast::Leave,
    pub saved: Option<Timestamp>,
    pub seen: SeenDatabase,
    pub site: Site,
    pub now: Timestamp,
}

/// 2026-11-23 12:00 UTC, a Monday: outside `AfterHours`.
fn noon() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn seconds(n: i64) -> TimeDelta {
    TimeDelta::seconds(n)
}

fn uid(n: u128) -> Uid {
    Uid(uuid::Uuid::from_u128(n))
}

fn image_id(text: &str) -> ImageId {
    ImageId(format!("sha256:{text}"))
}

fn site() -> Site {
    Site {
        instance: "test".to_owned(),
        container_prefix: String::new(),
        state_dir: "/state".into(),
        publish_ip: [127, 0, 0, 1].into(),
        container_host: "db.example.org".to_owned(),
    }
}

pub(super) fn database() -> Database {
    let memory = Memory::mebibytes(2048);
    let recipe = engine::recipe(EngineKind::Postgres);
    Database {
        name: "genomics".parse().unwrap(),
        uid: uid(1),
        generation: 3,
        source: Source::File("genomics.yaml".into()),
        given: serde_json::json!({}),
        labels: BTreeMap::new(),
        state: WantedState::Running,
        engine: EngineKind::Postgres,
        image: Image {
            display: "PostgreSQL 17".to_owned(),
            reference: "postgres:17".parse().unwrap(),
            pinned: Some(image_id("17")),
            series: "17".to_owned(),
        },
        database: "genomics".to_owned(),
        owner: "lab".to_owned(),
        contact: "lab@example.org".to_owned(),
        description: String::new(),
        facts: BTreeMap::new(),
        volume: Volume {
            label: "Standard".to_owned(),
            path: "/data".into(),
        },
        port: 32011.try_into().unwrap(),
        account: Account {
            user: "genomics".to_owned(),
            role: AccountRole::Admin,
            password_file: None,
        },
        resources: Resources {
            memory,
            cpus: None,
            shm: Memory::mebibytes(256),
        },
        settings: recipe.settings(memory),
        config: None,
        time_zone: "UTC".parse().unwrap(),
        maintenance_window: Window::AfterHours,
        on_lost: OnLost::Hold,
        backup: Default::default(),
        layout: Layout {
            ports: vec![5432],
            data: vec![("/".to_owned(), "/var/lib/postgresql/data".to_owned())],
            command: vec!["postgres".to_owned()],
            sentinel: "PG_VERSION".to_owned(),
            uid: 999,
        },
        tls: Some(Tls::Preferred),
        encryption: Default::default(),
        read_only: false,
        bound: None,
    }
}

/// An image that declares the volume of the database's data.
fn image(text: &str) -> ImageSeen {
    ImageSeen {
        id: image_id(text),
        entrypoint: vec!["docker-entrypoint.sh".to_owned()],
        volumes: vec!["/var/lib/postgresql/data".to_owned()],
    }
}

/// The container that the recipe makes, running since an hour.
fn container(db: &Database, id: &str) -> ContainerSeen {
    let recipe = engine::recipe(db.engine);
    let spec = recipe.container(db, &site(), &image("17"));
    ContainerSeen {
        status: Status::Running,
        started_at: Some(noon() - seconds(3600)),
        pid: Some(4711),
        ..spec.made(ContainerId(id.to_owned()))
    }
}

/// What an engine calls data.
fn identity(n: u64) -> DataIdentity {
    DataIdentity::new((7_390_000_000_000_000_000 + n).to_string())
}

/// Data that is the database's own, whole.
fn whole(uid: Uid) -> DataSeen {
    DataSeen {
        marker: Some(Marker {
            uid,
            state: MarkerState::Initialised,
        }),
        dirs_exist: true,
        empty: false,
        sentinel: true,
        inner_uid: Some(uid),
        identity: Some(identity(1)),
        tight: None,
    }
}

fn answering() -> Probe {
    Probe::Answering {
        since: noon() - seconds(3000),
        version: "17.5".to_owned(),
        account: true,
        further: Default::default(),
        resorted: Default::default(),
        connections: Some(3),
    }
}

fn silent(since: Timestamp, answered_before: bool) -> Probe {
    Probe::Silent {
        since,
        failures: 90,
        why: "no answer: connection refused".to_owned(),
        cause: Silence::Unexplained,
        answered_before,
    }
}

impl Case {
    /// It runs and answers, and nothing is to be done.
    fn ready() -> Self {
        let db = database();
        let recipe = engine::recipe(db.engine);
        let wanted = recipe.files(&db);
        let files = FilesSeen {
            complete: true,
            secrets: true,
            settings: wanted.settings.into(),
            config: wanted.config_text,
            config_tried: None,
            trial: Trial::default(),
            certificate: Some(CertificateSeen {
                mark: "3f9c2a1b".to_owned(),
                from: noon() - seconds(86400),
                until: noon() + seconds(300 * 86400),
                names: engine::certificate_names(&db, &site()),
                origin: Origin::Issued,
            }),
            in_use: Some("3f9c2a1b".to_owned()),
        };
        Case {
            seen: SeenDatabase {
                containers: Seen::Present(vec![container(&db, "c0ffee")]),
                image: Seen::Unknown("not looked at while it runs".to_owned()),
                tag: Seen::Unknown("not looked at yet".to_owned()),
                data: Seen::Present(whole(db.uid)),
                files: Seen::Present(files),
                probe: answering(),
                attempts: Attempts::default(),
                port_owner: None,
                left_port: None,
                ledger_writable: true,
            },
            db,
            over: None,
            initialised: true,
            identity: Some(identity(1)),
            quarantined: None,
            refused: None,
            restart_asked: None,
            retry_asked: None,
            retired: false,
            hibernates: None,
            orphan: false,
            renamed_to: None,
            whose: None,
            approved: None,
            leave: blast::Leave::Free,
            saved: Some(noon() - seconds(3600)),
            site: site(),
            now: noon(),
        }
    }

    /// It was admitted a moment ago: there is its image, and nothing else.
    fn fresh() -> Self {
        let mut case = Case::gone();
        case.initialised = false;
        case.identity = None;
        case.db.image.pinned = None;
        case.seen.data = Seen::Absent;
        case.seen.files = Seen::Present(FilesSeen::default());
        case
    }

    /// Its container is gone, its data is there.
    fn gone() -> Self {
        let mut case = Case::ready();
        case.seen.containers = Seen::Absent;
        case.seen.image = Seen::Present(image("17"));
        case.seen.probe = Probe::NotAsked;
        case
    }

    /// Its container exited a moment ago.
    fn exited(code: i64) -> Self {
        let mut case = Case::ready();
        case.down(Status::Exited, code);
        case
    }

    /// Its container was made and never started, on prepared folders.
    fn created() -> Self {
        let mut case = Case::ready();
        case.down(Status::Created, 0);
        case.container().started_at = None;
        case.container().finished_at = None;
        case.initialised = false;
        case.identity = None;
        case.data().marker.as_mut().unwrap().state = MarkerState::Initialising;
        case.data().inner_uid = None;
        case.data().identity = None;
        case.data().sentinel = false;
        case.data().empty = true;
        case
    }

    fn down(&mut self, status: Status, code: i64) {
        let now = self.now;
        let c = self.container();
        c.status = status;
        c.exit_code = code;
        c.finished_at = Some(now - seconds(1));
        c.pid = None;
        self.seen.probe = Probe::NotAsked;
        self.seen.image = Seen::Present(image("17"));
    }

    fn container(&mut self) -> &mut ContainerSeen {
        match &mut self.seen.containers {
            Seen::Present(all) => &mut all[0],
            Seen::Absent | Seen::Unknown(_) => panic!("no container"),
        }
    }

    fn add(&mut self, more: ContainerSeen) {
        match &mut self.seen.containers {
            Seen::Present(all) => all.push(more),
            Seen::Absent => self.seen.containers = Seen::Present(vec![more]),
            Seen::Unknown(_) => panic!("unknown"),
        }
    }

    fn data(&mut self) -> &mut DataSeen {
        match &mut self.seen.data {
            Seen::Present(data) => data,
            Seen::Absent | Seen::Unknown(_) => panic!("no data"),
        }
    }

    fn failed(&mut self, class: Class, step: &str, count: u32) {
        self.seen.attempts.failed.push(FailedAttempt {
            count,
            at: self.now - seconds(1),
            step: step.to_owned(),
            class,
            reason: Reason::Backoff,
            message: format!("{step}: no"),
            generation: self.db.generation,
        });
    }

    fn overridden(&mut self, state: OverrideState, until: Option<Timestamp>) {
        self.over = Some(Override {
            state,
            until,
            reason: "INC-812".to_owned(),
            who: Who::Daemon,
            since: self.now - seconds(10),
        });
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            db: &self.db,
            over: self.over.as_ref(),
            whole_host: false,
            approved: self.approved.as_deref().map(|hash| (hash, noon())),
            leave: self.leave,
            saved: self.saved,
            initialised: self.initialised,
            identity: self.identity.as_ref(),
            quarantined: self.quarantined.as_deref(),
            refused: self.refused.as_deref(),
            restart_asked: self.restart_asked,
            retry_asked: self.retry_asked,
            hands: None,
            retired: self.retired,
            hibernates: self.hibernates.as_ref(),
            end: None,
            accounts: {
                static NONE: FurtherAccounts = FurtherAccounts::new();
                &NONE
            },
            rotating: false,
            orphan: self.orphan,
            renamed_to: self.renamed_to.as_deref(),
            whose: self.whose.as_ref(),
        }
    }

    fn plan(&self) -> Verdict {
        let verdict = plan(&self.wanted(), &self.seen, &self.site, self.now);
        let again = plan(&self.wanted(), &self.seen, &self.site, self.now);
        assert_eq!(verdict, again, "equal questions, unequal answers");
        verdict
    }

    /// The kinds of the steps that are taken now.
    fn steps(&self) -> Vec<&'static str> {
        let lane = self.plan().lane;
        lane.map_or(Vec::new(), |lane| kinds(&lane))
    }

    /// Why things are held.
    fn reasons(&self) -> Vec<Reason> {
        self.plan().held.iter().map(|h| h.reason).collect()
    }

    fn held(&self, reason: Reason) -> Held {
        let verdict = self.plan();
        let found = verdict.held.iter().find(|h| h.reason == reason);
        found
            .unwrap_or_else(|| panic!("{reason:?} is not among {:?}", verdict.held))
            .clone()
    }

    fn phase(&self) -> (crate::model::view::Phase, Option<Reason>) {
        let verdict = self.plan();
        let (phase, reason, _) =
            super::phase::phase(&self.wanted(), &self.seen, &verdict, self.now);
        (phase, reason)
    }

    /// Nothing is done, for exactly this reason.
    #[track_caller]
    fn is_left_alone_for(&self, reason: Reason) {
        assert_eq!(self.steps(), [""; 0], "{:?}", self.plan());
        assert!(
            self.reasons().contains(&reason),
            "{reason:?} is not among {:?}",
            self.plan().held
        );
    }
}

fn kinds(lane: &Lane) -> Vec<&'static str> {
    lane.actions.iter().map(Action::kind).collect()
}

const CREATE: [&str; 4] = ["prepare", "pin", "write_files", "create"];
const RESTART: [&str; 5] = ["set_policy", "stop", "write_files", "set_policy", "start"];
const RECREATE: [&str; 3] = ["set_policy", "stop", "remove"];

#[test]
fn a_database_that_is_as_it_should_be_needs_nothing() {
    let verdict = Case::ready().plan();
    assert_eq!(verdict, Verdict::default());
}

#[test]
fn it_is_looked_at_again_at_the_earliest_of_all_instants() {
    let mut case = Case::ready();
    case.overridden(OverrideState::Running, Some(noon() + seconds(7)));
    case.seen.probe = silent(noon() - seconds(2), true);
    let verdict = case.plan();
    assert_eq!(verdict.held.len(), 2);
    assert_eq!(verdict.wake_at, Some(noon() + seconds(7)));
}
