//! The planner alone, over random situations: equal questions have equal answers, and nothing that
//! is not known is stopped, removed, overwritten or begun anew.

use db4sci::model::account::FurtherAccounts;
use std::sync::LazyLock;

use chrono::TimeDelta;
use uuid::Uuid;

use db4sci::engine;
use db4sci::model::container::LABEL_UID;
use db4sci::model::database::Window;
use db4sci::model::disk::Room;
use db4sci::model::trial::{Earlier, Trial};
use db4sci::model::view::Phase;
use db4sci::model::{
    Action, Attempts, CertificateSeen, Class, ContainerId, ContainerSeen, Cost, DataIdentity,
    DataSeen, Database, FailedAttempt, FilesSeen, ImageId, ImageSeen, Lane, Marker, MarkerState,
    Origin, Override, OverrideState, Probe, Reason, RestartPolicy, Seen, SeenDatabase, Silence,
    Site, Status, Timestamp, Uid, WantedState, Who,
};
use db4sci::plan::{Wanted, phase, plan};

use crate::rng::Rng;
use crate::seeds::{Run, hold};
use crate::specs::{Wish, rules};

/// Situations a seed.
const SITUATIONS: u32 = 40;

pub fn noon() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

pub fn site() -> Site {
    Site {
        instance: "laws".to_owned(),
        container_prefix: String::new(),
        state_dir: "/state".into(),
        publish_ip: [127, 0, 0, 1].into(),
        container_host: "db.example.org".to_owned(),
    }
}

/// A database and all that is said and seen of it.
#[derive(Debug)]
pub struct Situation {
    db: Database,
    over: Option<Override>,
    initialised: bool,
    identity: Option<DataIdentity>,
    quarantined: Option<String>,
    restart_asked: Option<Timestamp>,
    pub seen: SeenDatabase,
}

pub struct Draw(pub Rng);

impl Draw {
    fn ago(&mut self) -> Timestamp {
        let most = *self.0.pick(&[5, 60, 4000, 100_000]);
        let seconds = i64::try_from(self.0.below(most)).unwrap_or(0);
        noon() - TimeDelta::seconds(seconds)
    }

    fn certificate(&mut self, db: &Database) -> CertificateSeen {
        let days = *self.0.pick(&[300, 300, 10, -10]);
        CertificateSeen {
            mark: (*self.0.pick(&["3f9c2a1b", "00ff00ff"])).to_owned(),
            from: noon() - TimeDelta::days(60),
            until: noon() + TimeDelta::days(days),
            names: engine::certificate_names(db, &site()),
            origin: *self
                .0
                .pick(&[Origin::Issued, Origin::Given, Origin::Elsewhere]),
        }
    }

    fn maybe<T>(&mut self, percent: u64, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.0.percent(percent).then(|| value(self))
    }

    fn seen<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Seen<T> {
        match self.0.below(10) {
            0 => Seen::Absent,
            1 => Seen::Unknown("no answer".to_owned()),
            _ => Seen::Present(value(self)),
        }
    }

    fn uid(&mut self, own: Uid) -> Uid {
        if self.0.percent(85) {
            own
        } else {
            Uid(Uuid::from_u128(7))
        }
    }

    fn image_id(&mut self) -> ImageId {
        ImageId(self.0.pick(&["sha256:a", "sha256:b"]).to_string())
    }

    fn image(&mut self) -> ImageSeen {
        ImageSeen {
            id: self.image_id(),
            entrypoint: vec!["docker-entrypoint.sh".to_owned()],
            volumes: if self.0.percent(90) {
                vec!["/var/lib/postgresql/data".to_owned()]
            } else {
                vec!["/elsewhere".to_owned()]
            },
        }
    }

    fn database(&mut self) -> Database {
        static PLAIN: LazyLock<Database> = LazyLock::new(|| {
            let wish = Wish::new("genomics", "Postgres");
            wish.admit(None, &rules(), Uid(Uuid::from_u128(1))).unwrap()
        });
        let mut db = PLAIN.clone();
        let windows = [Window::Any, Window::AfterHours, Window::OfficeHours];
        db.maintenance_window = self.0.pick(&windows).clone();
        db.resources.cpus = self.maybe(50, |_| "1".parse().unwrap());
        let states = [
            WantedState::Running,
            WantedState::Running,
            WantedState::Stopped,
            WantedState::Maintenance,
            WantedState::Retired,
        ];
        db.state = *self.0.pick(&states);
        db.image.pinned = self.maybe(70, Draw::image_id);
        db
    }

    fn container(&mut self, db: &Database) -> ContainerSeen {
        let image = self.image();
        let mut spec = engine::recipe(db.engine).container(db, &site(), &image);
        if self.0.percent(20) {
            spec.labels.remove(LABEL_UID);
        }
        if self.0.percent(20) {
            "another".clone_into(&mut spec.name);
        }
        if self.0.percent(10) {
            spec.ports[0].host = 40_000;
        }
        if self.0.percent(10) {
            spec.mounts[0].source = "/elsewhere".into();
        }
        if self.0.percent(10) {
            spec.shm = 1 << 20;
        }
        let all = [
            Status::Running,
            Status::Running,
            Status::Exited,
            Status::Created,
            Status::Paused,
            Status::Restarting,
            Status::Dead,
            Status::Removing,
        ];
        let made = spec.made(ContainerId(format!("{:016x}", self.0.next())));
        ContainerSeen {
            status: *self.0.pick(&all),
            exit_code: *self.0.pick(&[0, 1, 81, 82, 83, 84, 85, 86, 137]),
            oom_killed: self.0.percent(5),
            started_at: self.maybe(90, Draw::ago),
            finished_at: self.maybe(90, Draw::ago),
            memory: *self
                .0
                .pick(&[made.memory, made.memory, 0, 1 << 30, 8 << 30]),
            nano_cpus: *self.0.pick(&[0, 1_000_000_000, 2_000_000_000]),
            restart: *self.0.pick(&[
                RestartPolicy::Always,
                RestartPolicy::Always,
                RestartPolicy::No,
                RestartPolicy::Other,
            ]),
            ..made
        }
    }

    fn data(&mut self, own: Uid) -> DataSeen {
        let whole = self.0.percent(60);
        let states = [MarkerState::Initialised, MarkerState::Initialising];
        DataSeen {
            marker: self.maybe(80, |d| Marker {
                uid: d.uid(own),
                state: *d.0.pick(&states),
            }),
            dirs_exist: whole || self.0.percent(80),
            empty: !whole && self.0.percent(50),
            sentinel: whole || self.0.percent(50),
            inner_uid: self.maybe(70, |d| d.uid(own)),
            identity: self.maybe(90, |d| {
                DataIdentity::new(if d.0.percent(80) { "4711" } else { "4712" })
            }),
            tight: self.maybe(20, |_| Room {
                size: 1 << 40,
                free: 0,
            }),
        }
    }

    fn probe(&mut self) -> Probe {
        match self.0.below(5) {
            0 => Probe::NotAsked,
            1 | 2 => Probe::Answering {
                since: self.ago(),
                version: "17.5".to_owned(),
                account: self.0.percent(80),
                further: Default::default(),
                resorted: Default::default(),
                connections: Some(0),
            },
            _ => Probe::Silent {
                since: self.ago(),
                failures: u32::try_from(self.0.below(9)).unwrap_or(0),
                why: "no answer".to_owned(),
                cause: match self.0.below(10) {
                    0 => Silence::Refused,
                    1 => Silence::Damaged,
                    2 => Silence::NotReady,
                    _ => Silence::Unexplained,
                },
                answered_before: self.0.percent(50),
            },
        }
    }

    fn attempts(&mut self) -> Attempts {
        let steps = ["start", "stop", "create", "pull", "prepare", "update"];
        let runs = self.0.below(8);
        Attempts {
            failed: self
                .maybe(30, |d| FailedAttempt {
                    count: 1 + u32::try_from(d.0.below(9)).unwrap_or(0),
                    at: d.ago(),
                    step: d.0.pick(&steps).to_string(),
                    class: *d
                        .0
                        .pick(&[Class::Transient, Class::Permanent, Class::Cancelled]),
                    reason: Reason::Backoff,
                    message: "no".to_owned(),
                    generation: 1,
                })
                .into_iter()
                .collect(),
            failed_runs: (0..runs).map(|_| self.ago()).collect(),
            starved: self.0.percent(20),
            ..Attempts::default()
        }
    }

    pub fn situation(&mut self) -> Situation {
        let db = self.database();
        let count = *self.0.pick(&[1, 1, 1, 0, 2, 3]);
        let states = [
            OverrideState::Running,
            OverrideState::Stopped,
            OverrideState::Maintenance,
        ];
        let seen = SeenDatabase {
            containers: self.seen(|d| (0..count).map(|_| d.container(&db)).collect()),
            image: self.seen(Draw::image),
            tag: self.seen(|d| d.image().id),
            data: self.seen(|d| d.data(db.uid)),
            files: self.seen(|d| FilesSeen {
                complete: d.0.percent(80),
                secrets: d.0.percent(80),
                settings: if d.0.percent(80) {
                    db4sci::engine::settings(&db).into()
                } else {
                    Default::default()
                },
                config: None,
                config_tried: d.maybe(20, |_| "jit = off".to_owned()),
                trial: Trial {
                    open: d.maybe(20, |_| Earlier::default()),
                    refused: None,
                },
                certificate: d.maybe(80, |d| d.certificate(&db)),
                in_use: d.maybe(80, |_| "3f9c2a1b".to_owned()),
            }),
            probe: self.probe(),
            attempts: self.attempts(),
            port_owner: self.maybe(15, |_| (db.port.get(), "somebody".to_owned())),
            left_port: self.maybe(15, |_| (db.port.get() + 1, "somebody".to_owned())),
            ledger_writable: self.0.percent(95),
        };
        Situation {
            over: self.maybe(15, |d| Override {
                state: *d.0.pick(&states),
                until: d.maybe(50, |d| d.ago() + TimeDelta::seconds(60)),
                reason: String::new(),
                who: Who::Daemon,
                since: d.ago(),
            }),
            initialised: self.0.percent(70),
            identity: self.maybe(50, |_| DataIdentity::new("4711")),
            quarantined: self.maybe(10, |_| "so".to_owned()),
            restart_asked: self.maybe(15, Draw::ago),
            db,
            seen,
        }
    }
}

fn id_of(action: &Action) -> Option<&ContainerId> {
    match action {
        Action::Start(id)
        | Action::Unpause(id)
        | Action::Rename(id, _)
        | Action::Update(id, _)
        | Action::SetPolicy(id, _)
        | Action::Stop(id, _)
        | Action::Remove(id) => Some(id),
        Action::PullImage(_)
        | Action::PinImage(_)
        | Action::IdentifyData(_)
        | Action::PrepareData
        | Action::SetAsideHalfMade
        | Action::WriteFiles
        | Action::TakeBack
        | Action::ProveSettings
        | Action::WriteSecrets
        | Action::Reload(_)
        | Action::Create(_)
        | Action::EnsureAccount
        | Action::MakeAccount(_)
        | Action::DropAccount(_)
        | Action::RotateSecrets
        | Action::MarkInitialised
        | Action::Quarantine(_) => None,
    }
}

impl Situation {
    pub fn wanted(&self) -> Wanted<'_> {
        Wanted {
            db: &self.db,
            over: self.over.as_ref(),
            whole_host: false,
            approved: None,
            leave: Default::default(),
            saved: None,
            initialised: self.initialised,
            identity: self.identity.as_ref(),
            quarantined: self.quarantined.as_deref(),
            refused: None,
            restart_asked: self.restart_asked,
            retry_asked: None,
            accounts: {
                static NONE: FurtherAccounts = FurtherAccounts::new();
                &NONE
            },
            rotating: false,
            orphan: false,
            renamed_to: None,
            whose: None,
            hands: None,
            retired: false,
            hibernates: None,
            end: None,
        }
    }

    fn ours(&self) -> Vec<&ContainerSeen> {
        let all = self.seen.containers.present().into_iter().flatten();
        all.filter(|c| c.uid() == Some(self.db.uid)).collect()
    }

    /// Whether anything says that there was data.
    fn had_data(&self) -> bool {
        let data = self.seen.data.present();
        let marked = data.and_then(|d| d.marker.as_ref());
        self.initialised
            || marked.is_some_and(|m| m.state == MarkerState::Initialised)
            || data.is_some_and(|d| d.inner_uid.is_some())
    }

    /// Whether the data is surely its own and whole.
    fn whole(&self) -> bool {
        self.seen.data.present().is_some_and(|d| {
            let own = |m: &Marker| m.uid == self.db.uid;
            d.sentinel
                && d.dirs_exist
                && !d.empty
                && d.inner_uid == Some(self.db.uid)
                && d.marker.as_ref().is_none_or(own)
                // Where none can be told, no server of this engine starts.
                && (self.identity.is_none() || d.identity.is_none() || d.identity == self.identity)
        })
    }

    /// The laws of one lane.
    fn allows(&self, lane: &Lane) -> Result<(), &'static str> {
        let has = |kind: &str| lane.actions.iter().any(|a| a.kind() == kind);
        let starts = has("start") || has("create");
        let ours = self.ours();
        let ids: Vec<&ContainerId> = lane.actions.iter().filter_map(id_of).collect();
        if matches!(self.seen.containers, Seen::Unknown(_)) {
            return Err("the containers are not known");
        }
        if !self.seen.ledger_writable {
            return Err("no intent can be written");
        }
        if self.wanted().state(noon()) == WantedState::Maintenance {
            return Err("hands off");
        }
        if !ids.iter().all(|id| ours.iter().any(|c| c.id == **id)) {
            return Err("a container that is not its own");
        }
        if ids.windows(2).any(|w| w[0] != w[1]) {
            return Err("two containers in one lane");
        }
        let name_held = self
            .seen
            .containers
            .present()
            .is_some_and(|all| all.iter().any(|c| c.name == self.db.name.as_str()));
        if has("create") && (!ours.is_empty() || name_held) {
            return Err("a second container, or a name that is taken");
        }
        if has("create") && self.seen.image.present().is_none() {
            return Err("an image that is not known to be there");
        }
        if has("pull") && !self.seen.image.is_absent() {
            return Err("an image that is not known to be missing");
        }
        if has("set_aside") && self.had_data() {
            return Err("somebody's data set aside");
        }
        if has("prepare") && self.had_data() {
            return Err("a first start where there was data");
        }
        if starts && self.had_data() && !self.whole() {
            return Err("a start on data that is not whole");
        }
        let unknown_data = matches!(self.seen.data, Seen::Unknown(_));
        let writes = ["prepare", "set_aside", "mark_initialised", "quarantine"];
        if unknown_data && (starts || writes.iter().any(|kind| has(kind))) {
            // A quarantine keeps evidence and touches no data, but a person should see why first.
            return Err("data that is not known");
        }
        let answers = self.seen.probe.answering()
            && ours
                .iter()
                .any(|c| c.status == Status::Running && ids.first().is_some_and(|id| c.id == **id));
        if answers && (has("stop") || has("remove")) && lane.cost == Cost::None {
            return Err("a disruption that says it costs nothing");
        }
        if answers && has("stop") && unknown_data && lane.cost != Cost::Stop {
            return Err("a server that answers stopped for what is not known");
        }
        Ok(())
    }
}

fn law(run: Run) -> Result<(), String> {
    let mut draw = Draw(Rng::new(run.seed));
    for _ in 0..SITUATIONS {
        let situation = draw.situation();
        let wanted = situation.wanted();
        let verdict = plan(&wanted, &situation.seen, &site(), noon());
        if run.tell {
            println!("{situation:#?}\n{verdict:#?}\n");
        }
        let fails = |why: &str| Err(format!("{why}\n{situation:#?}\n{verdict:#?}"));
        if verdict != plan(&wanted, &situation.seen, &site(), noon()) {
            return fails("equal questions, unequal answers");
        }
        if let Some(lane) = &verdict.lane
            && let Err(why) = situation.allows(lane)
        {
            return fails(why);
        }
        for held in &verdict.held {
            if let Some(lane) = &held.would
                && let Err(why) = situation.allows(lane)
            {
                return fails(why);
            }
            if held.message.is_empty() {
                return fails("held without a word");
            }
        }
        if verdict.wake_at.is_some_and(|at| at <= noon()) {
            return fails("a wake-up in the past");
        }
        let (phase, reason, _) = phase::phase(&wanted, &situation.seen, &verdict, noon());
        let at_rest = match phase {
            Phase::Ready
            | Phase::Stopped
            | Phase::Maintenance
            | Phase::Retired
            | Phase::Ejected => true,
            Phase::Pending | Phase::Creating | Phase::Degraded | Phase::Restoring | Phase::Held => {
                false
            }
        };
        if !at_rest && verdict.lane.is_none() && reason.is_none() {
            return fails("nothing is done, and nobody says why");
        }
    }
    Ok(())
}

#[test]
fn what_is_not_known_is_not_touched_in_any_situation() {
    hold(&[], law);
}
