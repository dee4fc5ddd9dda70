//! A memory made of what lives: where neither journal, tables nor a copy of them are left, the markers
//! beside the data, the containers' labels and the stores' manifests say which databases there are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::admin::{Book, Ledger, NewEntry, Vault};
use crate::cli::{Found, RecoverArgs, Recovered};
use crate::engine;
use crate::model::action::StopHow;
use crate::model::container::{LABEL_INSTANCE, LABEL_UID};
use crate::model::{
    Change, Clock, Database, DbName, MarkerState, Outcome, RestartPolicy, Secret, Site,
    SystemClock, Timestamp, Uid,
};
use crate::plan::comeback::{self, Priority};
use crate::runtime::docker::Docker;
use crate::runtime::host::HostDirs;
use crate::runtime::host::lives::lives;
use crate::runtime::{ContainerBrief, DataDirs, Runtime};
use crate::settings::Settings;
use crate::store::Stores;

use super::history::{History, Place};
use super::rebuild::stub::left_alone;
use super::rebuild::{self, Wish};
use super::recover::{held, put_in_place, was_found};
use super::tombstones::{retired_again, tombstones, unknown_to};
use super::{daemon, home, rejoin, witness};

/// Where such a memory comes from.
const FROM: &str = "what lives on this host";
/// Why a database without its passwords is left alone.
const NO_SECRETS: &str = "its passwords are not known any more; restore one of its backups";

/// A host without a memory.
pub(super) struct Lost<'a> {
    pub(super) settings: &'a Settings,
    pub(super) args: &'a RecoverArgs,
    pub(super) stores: &'a Stores,
    /// What the stores hold, or why that cannot be known.
    pub(super) all: Result<History, String>,
    pub(super) coming: &'a Path,
}

/// What was found of one database.
pub(super) struct Alive {
    pub(super) db: Database,
    pub(super) state: MarkerState,
    pub(super) container: Option<ContainerBrief>,
}

/// Makes the memory anew, or (with `plan`) says what would be in it.
pub(super) async fn recover(lost: Lost<'_>) -> Result<Recovered, String> {
    let (settings, args, stores) = (lost.settings, lost.args, lost.stores);
    let mut problems = Vec::new();
    let docker = Docker::connect(None);
    let containers = docker.list().await.map_err(|e| daemon::chain(&e))?;
    let instance = instance(settings, args, &containers)?;
    let mut all = lost.all.unwrap_or_else(|why| {
        problems.push(format!("{why}; its backups are taken up once it answers"));
        History::default()
    });
    all.of_instance(&instance);
    let site = settings.site(instance.clone());
    refuse_better(lost.settings, &site, stores, &all, lost.coming).await?;
    let alive = alive(settings, &instance, containers, &mut problems)?;
    let now = SystemClock.now();
    let ledger = daemon::open_ledger(lost.coming, Arc::new(SystemClock)).await?;
    let vault = if args.plan {
        None
    } else {
        let vault = daemon::open_vault(&settings.state_dir, &ledger)?;
        ledger.seal_with(vault.sealer());
        Some(vault)
    };
    let mut maker = Maker {
        docker: &docker,
        settings,
        site: &site,
        ledger: &ledger,
        vault,
        now,
        databases: BTreeMap::new(),
    };
    let words = format!(
        "this host's memory was made of {FROM}: what the log said, and what people had ordered, is lost"
    );
    maker
        .note(&DbName::mydb_admin(), words, Change::Noted)
        .await?;
    for found in &alive {
        if let Err(why) = maker.take_up(found, stores, &all.places).await {
            problems.push(format!("{}: {why}", found.db.name));
        }
    }
    let (mut dead, unread) = tombstones(stores, &all.tombstones).await;
    problems.extend(unread);
    let retired: BTreeSet<Uid> = dead.keys().copied().collect();
    unknown_to(&ledger.book(), Timestamp::UNIX_EPOCH, &mut dead);
    for entry in retired_again(&ledger.book(), &dead) {
        ledger.append(entry).await.map_err(|e| e.to_string())?;
    }
    let book: Arc<Book> = ledger.book();
    let unknown = rebuild::unknown(&book, &all.places, &retired);
    let rules = daemon::rules(settings, None).map_err(daemon::lines)?;
    // Until when they were written to, nothing that is left tells.
    let wish = Wish {
        only: &args.only,
        lived: None,
        at: now,
    };
    let rebuilt = rebuild::rebuild(&book, stores, &all.places, unknown, rules, &wish).await;
    for entry in rebuilt.entries {
        ledger.append(entry).await.map_err(|e| e.to_string())?;
    }
    problems.extend(rebuilt.problems);
    let mut databases = maker.databases;
    databases.extend(rebuilt.databases);
    let recovered = Recovered {
        instance: instance.clone(),
        ledger: FROM.to_owned(),
        entries: ledger.book().head().seq,
        shipped: 0,
        as_of: now,
        problems,
        databases,
    };
    if args.plan {
        return Ok(recovered);
    }
    if let Some(admin) = alive.iter().find(|a| a.db.name.is_mydb_admin()) {
        give_up(&docker, settings, admin, now).await?;
    }
    put_in_place(settings, &instance, lost.coming)?;
    Ok(recovered)
}

/// Refuses where more is left than what lives.
async fn refuse_better(
    settings: &Settings,
    site: &Site,
    stores: &Stores,
    all: &History,
    coming: &Path,
) -> Result<(), String> {
    if let Some(last) = witness::tables_hold(settings, site).await {
        return Err(format!(
            "mydb_admin's tables hold {last} entries, from which db4sci run makes the journal whole; nothing \
             was changed"
        ));
    }
    if let Ok(rejoined) = rejoin::ledger(settings, stores, all, coming).await {
        return Err(format!(
            "the stores hold this host's ledger up to entry {}, which knows more than what lives; nothing \
             was changed. To bring that back: db4sci recover",
            rejoined.book.head().seq
        ));
    }
    rejoin::fresh(coming).map(|_| ())
}

/// Whose containers they are: what this host says of itself, or all of them.
fn instance(
    settings: &Settings,
    args: &RecoverArgs,
    containers: &[ContainerBrief],
) -> Result<String, String> {
    if let Some(wanted) = &args.instance {
        return Ok(wanted.clone());
    }
    if let Ok(own) = home::instance_of(&settings.state_dir) {
        return Ok(own);
    }
    let labels = containers
        .iter()
        .filter_map(|c| c.labels.get(LABEL_INSTANCE).map(String::as_str));
    let all: Vec<&str> = labels.collect::<BTreeSet<_>>().into_iter().collect();
    match all[..] {
        [one] => Ok(one.to_owned()),
        [] => Err(format!(
            "no container carries an instance's label, and {} is gone; say which instance this host was \
             with --instance; nothing was changed",
            settings.state_dir.join("instance").display()
        )),
        _ => Err(format!(
            "the containers are those of several instances: {}; say which with --instance; nothing was \
             changed",
            all.join(", ")
        )),
    }
}

/// The databases whose markers lie on the volumes of the settings, each with its container.
pub(super) fn alive(
    settings: &Settings,
    instance: &str,
    containers: Vec<ContainerBrief>,
    problems: &mut Vec<String>,
) -> Result<Vec<Alive>, String> {
    let label = |c: &ContainerBrief, key: &str| c.labels.get(key).cloned();
    let mut ours: BTreeMap<String, Vec<ContainerBrief>> = BTreeMap::new();
    for container in containers {
        if label(&container, LABEL_INSTANCE).as_deref() == Some(instance) {
            let uid = label(&container, LABEL_UID).unwrap_or_default();
            ours.entry(uid).or_default().push(container);
        }
    }
    let mut found: Vec<Alive> = Vec::new();
    for volume in &settings.data_volumes {
        for there in lives(&volume.path)? {
            match there.database {
                Err(why) => problems.push(format!("{}: {why}", there.name)),
                Ok((db, _)) if found.iter().any(|f| f.db.name == db.name) => {
                    let place = db.marker_dir();
                    problems.push(format!("{}: {} is a second one", db.name, place.display()));
                }
                Ok((db, state)) => {
                    let mut own = ours.remove(&db.uid.to_string()).unwrap_or_default();
                    own.sort_by_key(|c| !c.up);
                    let container = own.into_iter().next();
                    found.push(Alive {
                        db,
                        state,
                        container,
                    });
                }
            }
        }
    }
    for container in ours.into_values().flatten() {
        problems.push(format!(
            "the container {} is this instance's, and no marker on a data volume of the settings says whose \
             it is; look what it is: docker inspect {}",
            container.name, container.name
        ));
    }
    Ok(found)
}

/// Writes a memory.
struct Maker<'a> {
    docker: &'a Docker,
    settings: &'a Settings,
    site: &'a Site,
    ledger: &'a Ledger,
    /// What seals; `None`: nothing is to be made.
    vault: Option<Vault>,
    now: Timestamp,
    databases: BTreeMap<DbName, Found>,
}

impl Maker<'_> {
    async fn note(&self, name: &DbName, message: String, change: Change) -> Result<(), String> {
        let entry = NewEntry::of(name, Outcome::Done, message, change);
        let done = self.ledger.append(entry).await;
        done.map(drop).map_err(|e| e.to_string())
    }

    /// Writes all that is known of one database.
    async fn take_up(
        &mut self,
        found: &Alive,
        stores: &Stores,
        places: &[Place],
    ) -> Result<(), String> {
        let (db, name) = (&found.db, &found.db.name);
        let admitted = Change::Admitted {
            database: Box::new(db.clone()),
        };
        let message = format!(
            "{} on port {}, as its marker says",
            db.image.display, db.port
        );
        self.note(name, message, admitted).await?;
        self.pin(found).await?;
        let mut shown = Found {
            priority: Priority::of(db),
            lost: Some(comeback::Lost::Nothing),
            engine: format!("{} {}", db.engine, db.image.series),
            backup: None,
            as_of: None,
            bytes: 0,
            what: String::new(),
        };
        if name.is_mydb_admin() {
            "begins anew; what is left of it is moved aside".clone_into(&mut shown.what);
            shown.lost = Some(comeback::Lost::Everything);
            self.databases.insert(name.clone(), shown);
            return Ok(());
        }
        if found.state == MarkerState::Initialised {
            let change = Change::Initialised { uid: db.uid };
            let message = format!("{name} has data, as its marker says");
            self.note(name, message, change).await?;
        }
        let held = held(stores, places, db.uid).await;
        let all = held.backups.iter().map(|kept| &kept.backup);
        let newest = all.max_by_key(|backup| backup.started);
        if let Some(newest) = newest {
            shown.backup = Some(newest.id.to_string());
            (shown.as_of, shown.bytes) = (Some(newest.started), newest.bytes);
        }
        for kept in &held.backups {
            let entry = was_found(name, kept.backup.clone());
            self.ledger.append(entry).await.map_err(|e| e.to_string())?;
        }
        shown.what = match (found.state, found.container.as_ref().map(|c| c.up)) {
            (MarkerState::Initialising, _) => "its first start had not ended; is made",
            (MarkerState::Ejected, _) => "was released from db4sci; is left alone",
            (MarkerState::Initialised, Some(true)) => "lives; its container runs on",
            (MarkerState::Initialised, Some(false)) => "lives; its container is down",
            (MarkerState::Initialised, None) => "lives; its container is made again",
        }
        .to_owned();
        if found.state == MarkerState::Initialised {
            // Running without its passwords it would be taken for broken.
            let why = match self.secrets(db).await {
                Ok(true) => None,
                Ok(false) => Some(NO_SECRETS.to_owned()),
                Err(why) => Some(format!("its passwords cannot be read: {why}")),
            };
            if let Some(why) = why {
                shown.what = format!("is left alone: {why}");
                let entry = left_alone(name, why, self.now);
                self.ledger.append(entry).await.map_err(|e| e.to_string())?;
            }
        }
        self.databases.insert(name.clone(), shown);
        Ok(())
    }

    /// Notes which image its container runs: the marker may be from before that was known.
    async fn pin(&self, found: &Alive) -> Result<(), String> {
        let (db, Some(container)) = (&found.db, &found.container) else {
            return Ok(());
        };
        let seen = self.docker.inspect(container.id.as_str()).await;
        let Some(seen) = seen.map_err(|e| daemon::chain(&e))? else {
            return Ok(());
        };
        if db.image.pinned.as_ref() == Some(&seen.image) {
            return Ok(());
        }
        let message = format!(
            "{} is {}, as its container says",
            db.image.reference, seen.image
        );
        let (uid, image) = (db.uid, seen.image);
        self.note(&db.name, message, Change::ImagePinned { uid, image })
            .await
    }

    /// Seals the passwords that still lie in their files; `false`: not all of them do.
    async fn secrets(&self, db: &Database) -> Result<bool, String> {
        let dirs = HostDirs::new(&self.settings.state_dir);
        let mut texts = Vec::new();
        for file in engine::recipe(db.engine).files(db).secrets {
            let text = dirs.secret_file(self.site, db, &file.name).await;
            match text.map_err(|e| e.to_string())? {
                Some(text) => texts.push((file.name, text)),
                None => return Ok(false),
            }
        }
        let Some(vault) = &self.vault else {
            return Ok(true);
        };
        let seal = |(name, text): (String, Secret)| {
            let sealed = vault
                .seal(db.uid, &name, &text)
                .map_err(|e| e.to_string())?;
            Ok((name, sealed))
        };
        let secrets = texts.into_iter().map(seal).collect::<Result<_, String>>()?;
        let change = Change::Sealed {
            uid: db.uid,
            secrets,
        };
        self.note(
            &db.name,
            "its secrets are sealed, as their files say".to_owned(),
            change,
        )
        .await?;
        Ok(true)
    }
}

/// Takes the old `mydb_admin` out of the way: its tables show a ledger that nobody has any more.
pub(super) async fn give_up(
    docker: &Docker,
    settings: &Settings,
    admin: &Alive,
    now: Timestamp,
) -> Result<(), String> {
    let told = |e: crate::runtime::RuntimeError| daemon::chain(&e);
    if let Some(container) = &admin.container {
        let policy = RestartPolicy::No;
        docker
            .set_policy(&container.id, policy)
            .await
            .map_err(told)?;
        let how = StopHow {
            deadline: engine::recipe(admin.db.engine).defaults().stop_deadline,
            hung: false,
        };
        docker.stop(&container.id, &how).await.map_err(told)?;
        docker.remove(&container.id).await.map_err(told)?;
    }
    let dirs = HostDirs::new(&settings.state_dir);
    let kept = dirs
        .give_up(&admin.db, now)
        .await
        .map_err(|e| e.to_string())?;
    tracing::warn!(kept = %kept.display(), "what was left of mydb_admin is kept");
    Ok(())
}
