//! A memory made of what lives: where neither journal, tables nor a copy of them are left, the markers
//! beside the data, the containers' labels and the stores' manifests say which databases there are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::admin::Book;
use crate::cli::{RecoverArgs, Recovered};
use crate::engine;
use crate::model::action::StopHow;
use crate::model::container::{LABEL_INSTANCE, LABEL_UID};
use crate::model::{
    Change, Clock, Database, DbName, MarkerState, RestartPolicy, Site, SystemClock, Timestamp, Uid,
};
use crate::runtime::docker::Docker;
use crate::runtime::host::HostDirs;
use crate::runtime::host::lives::lives;
use crate::runtime::{ContainerBrief, DataDirs, Runtime};
use crate::settings::Settings;
use crate::store::Stores;

use super::backend::because;
use super::history::History;
use super::rebuild::{self, Wish};
use super::recover::put_in_place;
use super::tombstones::{retired_again, tombstones, unknown_to};
use super::{archive, daemon, home, rejoin, witness};

mod labelled;
mod maker;
use maker::Maker;

/// Where such a memory comes from.
const FROM: &str = "what lives on this host";

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
    /// Whether its container's labels alone say what it is.
    pub(super) labelled: bool,
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
    let (alive, unmarked) = alive(settings, &instance, containers, &mut problems)?;
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
        lived: BTreeMap::new(),
    };
    let words = format!(
        "this host's memory was made of {FROM}: what the log said, and what people had ordered, is lost{}",
        because(&args.reason)
    );
    maker
        .note(
            &DbName::mydb_admin(),
            words,
            Change::HistoryChosen {
                store: None,
                as_of: None,
                lived: None,
            },
        )
        .await?;
    for found in &alive {
        if let Err(why) = maker.take_up(found, stores, &all.places).await {
            problems.push(format!("{}: {why}", found.db.name));
        }
    }
    let rules = daemon::rules(settings, None).map_err(daemon::lines)?;
    for container in &unmarked {
        if let Err(why) = maker.take_in(container, stores, &all.places, &rules).await {
            problems.push(nobodys(container, &why));
        }
    }
    let (mut dead, unread) = tombstones(stores, &all.tombstones).await;
    problems.extend(unread);
    let retired: BTreeSet<Uid> = dead.keys().copied().collect();
    unknown_to(&ledger.book(), |uid| maker.lived(uid), &mut dead);
    for entry in retired_again(&ledger.book(), &dead) {
        ledger.append(entry).await.map_err(|e| e.to_string())?;
    }
    let book: Arc<Book> = ledger.book();
    let unknown = rebuild::unknown(&book, &all.places, &retired);
    // Until when they were written to, nothing that is left tells.
    let wish = Wish {
        only: &args.only,
        lived: None,
        at: now,
        keys: &archive::identities(&settings.state_dir)?,
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

/// What is told of a container that gets no row.
fn nobodys(container: &ContainerBrief, why: &str) -> String {
    format!(
        "the container {0} is this instance's, no marker on a data volume of the settings says whose it is, and \
         it gets no row: {why}; look what it is: docker inspect {0}",
        container.name
    )
}

/// The databases whose markers lie on the volumes of the settings, each with its container; and the other
/// containers of the instance.
pub(super) fn alive(
    settings: &Settings,
    instance: &str,
    containers: Vec<ContainerBrief>,
    problems: &mut Vec<String>,
) -> Result<(Vec<Alive>, Vec<ContainerBrief>), String> {
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
                        labelled: false,
                    });
                }
            }
        }
    }
    Ok((found, ours.into_values().flatten().collect()))
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
