//! All that is known of the database of a scenario, from step to step.

use std::sync::Arc;

use chrono::TimeDelta;
use db4sci::model::account::FurtherAccounts;
use serde_json::Value;

use db4sci::engine;
use db4sci::model::trial::Trial;
use db4sci::model::view::Phase;
use db4sci::model::{
    Attempts, CertificateSeen, Class, ContainerId, ContainerSeen, Database, FailedAttempt,
    FilesSeen, Origin, Override, OverrideState, Probe, Reason, RestartPolicy, Seen, SeenDatabase,
    Status, Timestamp, Verdict, Who,
};
use db4sci::plan::{Wanted, phase, plan};

use crate::words::{admit, answers, data, image, image_id, made, silent, site, span};
use crate::{Change, Scenario, Step};

/// All that is known at one step.
pub struct Known {
    pub now: Timestamp,
    db: Database,
    over: Option<Override>,
    initialised: bool,
    quarantined: Option<String>,
    restart_asked: Option<Timestamp>,
    orphan: bool,
    container: Option<ContainerSeen>,
    foreign: bool,
    docker: bool,
    image: String,
    seen: SeenDatabase,
}

impl Known {
    /// A database that runs as its spec wants.
    pub fn new(scenario: &Scenario) -> Self {
        let mut db = admit(&scenario.spec, None);
        db.image.pinned = Some(image_id("17"));
        let now = scenario.at;
        let wanted = engine::recipe(db.engine).files(&db);
        Known {
            now,
            over: None,
            initialised: true,
            quarantined: None,
            restart_asked: None,
            orphan: false,
            container: Some(made(&db, now)),
            foreign: false,
            docker: true,
            image: "17".to_owned(),
            seen: SeenDatabase {
                containers: Seen::Absent,
                image: Seen::Absent,
                tag: Seen::Absent,
                data: Seen::Present(data("whole")),
                files: Seen::Present(FilesSeen {
                    complete: true,
                    secrets: true,
                    settings: wanted.settings.into(),
                    config: wanted.config_text,
                    config_tried: None,
                    trial: Trial::default(),
                    certificate: Some(CertificateSeen {
                        mark: "3f9c2a1b".to_owned(),
                        from: now - TimeDelta::days(1),
                        until: now + TimeDelta::days(300),
                        names: engine::certificate_names(&db, &site()),
                        origin: Origin::Issued,
                    }),
                    in_use: Some("3f9c2a1b".to_owned()),
                }),
                probe: answers(now - TimeDelta::minutes(50)),
                attempts: Attempts::default(),
                port_owner: None,
                left_port: None,
                ledger_writable: true,
            },
            db,
        }
    }

    /// Takes notice of a step.
    pub fn take(&mut self, step: &Step) {
        if let Some(after) = &step.after {
            self.now += span(after);
        }
        let now = self.now;
        let ago = |text: &String| now - span(text);
        if let Some(changes) = &step.spec {
            self.respec(changes);
        }
        let change = &step.seen;
        if let Some(docker) = &change.docker {
            self.docker = docker == "answers";
        }
        self.change_container(change);
        if let Some(foreign) = change.foreign {
            self.foreign = foreign;
        }
        if let Some(word) = &change.data {
            self.seen.data = match word.as_str() {
                "nothing" => Seen::Absent,
                "unmounted" => Seen::Unknown("/data is not there: is it mounted?".to_owned()),
                word => Seen::Present(data(word)),
            };
        }
        if let Some(initialised) = change.initialised {
            self.initialised = initialised;
        }
        let silent_since = change.silent.as_ref().map_or(now, ago);
        if let Some(server) = &change.server {
            self.seen.probe = match server.as_str() {
                "none" => Probe::NotAsked,
                "answers" => answers(now - TimeDelta::minutes(50)),
                "starting" => silent(silent_since, false, false),
                "silent" => silent(silent_since, true, false),
                "refuses" => silent(silent_since, true, true),
                other => panic!("server: {other}"),
            };
        }
        if change.reloaded {
            self.reload();
        }
        if let Some(word) = &change.image {
            word.clone_into(&mut self.image);
        }
        if let Some(holder) = &change.port {
            let port = self.db.port.get();
            self.seen.port_owner = (holder != "nobody").then(|| (port, holder.clone()));
        }
        if let Some(writable) = change.ledger {
            self.seen.ledger_writable = writable;
        }
        self.change_history(change);
    }

    /// The server has taken every wanted setting that it takes while it runs.
    fn reload(&mut self) {
        let recipe = engine::recipe(self.db.engine);
        let wanted = recipe.files(&self.db).settings;
        if let Seen::Present(files) = &mut self.seen.files {
            let taken = |name: &str, value: &str| recipe.reloads(name, Some(value));
            let settings = Arc::make_mut(&mut files.settings);
            settings.retain(|name, value| !taken(name, value));
            let wanted = wanted.into_iter();
            let taken = wanted.filter(|(name, value)| taken(name, value));
            settings.extend(taken);
        }
    }

    /// A person edits the spec; it is admitted as the program would.
    fn respec(&mut self, changes: &Value) {
        let mut given = self.db.given.clone();
        let (Some(given_map), Some(changes)) = (given.as_object_mut(), changes.as_object()) else {
            panic!("spec: not a mapping");
        };
        given_map.retain(|_, value| !value.is_null());
        for (key, value) in changes {
            given_map.insert(key.clone(), value.clone());
        }
        given_map.retain(|_, value| !value.is_null());
        self.db = admit(&given, Some(&self.db));
    }

    fn change_container(&mut self, change: &Change) {
        let now = self.now;
        match change.container.as_deref() {
            None => {}
            Some("none") => self.container = None,
            Some(status) => {
                let c = self.container.get_or_insert_with(|| made(&self.db, now));
                c.status = serde_json::from_value(status.into()).unwrap();
                if c.status != Status::Running {
                    self.seen.probe = Probe::NotAsked;
                    c.finished_at = Some(now - TimeDelta::seconds(1));
                }
            }
        }
        let Some(c) = &mut self.container else {
            self.seen.probe = Probe::NotAsked;
            return;
        };
        c.exit_code = change.exit.unwrap_or(c.exit_code);
        if let Some(name) = &change.name {
            c.name.clone_from(name);
        }
        if let Some(policy) = &change.policy {
            c.restart = match policy.as_str() {
                "always" => RestartPolicy::Always,
                "no" => RestartPolicy::No,
                "other" => RestartPolicy::Other,
                other => panic!("policy: {other}"),
            };
        }
        c.memory = change.memory.map_or(c.memory, |memory| memory.bytes());
        if let Some(word) = &change.made_from {
            c.image = image_id(word);
        }
        if let Some(started) = &change.started {
            c.started_at = Some(now - span(started));
        }
        if let Some(ended) = &change.ended {
            c.finished_at = Some(now - span(ended));
        }
    }

    fn change_history(&mut self, change: &Change) {
        let now = self.now;
        let attempts = &mut self.seen.attempts;
        if let Some(oom) = &change.oom {
            attempts.oom_at = Some(now - span(oom));
        }
        if let Some(runs) = &change.failed_runs {
            attempts.failed_runs = runs.iter().map(|ago| now - span(ago)).collect();
        }
        if let Some(failed) = &change.failed {
            let words: Vec<&str> = failed.split(' ').collect();
            attempts.failed = match words.as_slice() {
                [step, class, count, ago, reason] => vec![FailedAttempt {
                    count: count.parse().unwrap(),
                    at: now - span(ago),
                    step: (*step).to_owned(),
                    class: serde_json::from_value::<Class>((*class).into()).unwrap(),
                    reason: serde_json::from_value::<Reason>((*reason).into()).unwrap(),
                    message: format!("{step}: it failed"),
                    generation: self.db.generation,
                }],
                ["none"] => Vec::new(),
                _ => panic!("failed: {failed}"),
            };
        }
        if let Some(why) = &change.quarantined {
            self.quarantined = (why != "no").then(|| why.clone());
        }
        if let Some(over) = &change.overridden {
            let (state, until) = over.split_once(' ').unwrap_or((over, ""));
            self.over = (state != "none").then(|| Override {
                state: serde_json::from_value::<OverrideState>(state.into()).unwrap(),
                until: (!until.is_empty()).then(|| now + span(until)),
                reason: "INC-812".to_owned(),
                who: Who::Socket {
                    uid: 1000,
                    user: "ada".to_owned(),
                },
                since: now,
            });
        }
        if let Some(asked) = &change.restart_asked {
            self.restart_asked = Some(now - span(asked));
        }
        self.orphan = change.orphan.unwrap_or(self.orphan);
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            db: &self.db,
            over: self.over.as_ref(),
            whole_host: false,
            approved: None,
            leave: Default::default(),
            saved: Some(self.now),
            initialised: self.initialised,
            identity: None,
            quarantined: self.quarantined.as_deref(),
            refused: None,
            restart_asked: self.restart_asked,
            retry_asked: None,
            accounts: {
                static NONE: FurtherAccounts = FurtherAccounts::new();
                &NONE
            },
            rotating: false,
            orphan: self.orphan,
            renamed_to: None,
            whose: None,
            hands: None,
            retired: false,
            hibernates: None,
            end: None,
        }
    }

    /// What the planner says.
    pub fn ask(&self) -> (Verdict, Phase, Option<String>) {
        let mut seen = self.seen.clone();
        if self.docker {
            let mut all: Vec<ContainerSeen> = self.container.iter().cloned().collect();
            if self.foreign {
                let mut foreign = made(&self.db, self.now);
                foreign.id = ContainerId("f0e1".to_owned());
                foreign.labels.clear();
                all.push(foreign);
            }
            seen.containers = if all.is_empty() {
                Seen::Absent
            } else {
                Seen::Present(all)
            };
            seen.image = match self.image.as_str() {
                "missing" => Seen::Absent,
                "unknown" => Seen::Unknown("no answer".to_owned()),
                word => Seen::Present(image(word)),
            };
        } else {
            let why = "the container engine does not answer".to_owned();
            seen.containers = Seen::Unknown(why.clone());
            seen.image = Seen::Unknown(why);
            seen.probe = Probe::NotAsked;
        }
        let verdict = plan(&self.wanted(), &seen, &site(), self.now);
        let (phase, reason, _) = phase::phase(&self.wanted(), &seen, &verdict, self.now);
        (verdict, phase, reason.map(|r| r.as_str()))
    }
}
