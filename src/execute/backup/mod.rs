//! Backups carried out: dumps, restore tests, restores, removal.
//!
//! It decides nothing about when, which and how long: `plan::backups` says so. What it adds is
//! proof. A dump counts when its tool ended well, said its own last word, every object was read back
//! from its store and its sums agree, and something is in it; only then its manifest is written.
//! A restore test restores into a throwaway container without network, and compares what is counted.

mod beginning;
mod bundle;
mod clear;
mod companion;
mod drill;
mod eject;
mod ended;
mod error;
mod fill;
mod folder;
mod known;
mod ledger;
mod login;
mod meter;
mod names;
mod objects;
mod one;
mod part;
mod place;
mod ready;
mod restore;
mod retired;
mod room;
mod ship;
mod stream;
mod take;
mod throwaway;
mod tools;
mod unsaid;

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::TaskTracker;

pub use beginning::first_block;
pub use error::BackupError;
pub use ledger::fetch_ledger;
pub use meter::Meters;
pub use one::Uncarried;
pub use ready::Ready;
pub use restore::{Built, Passwords};
pub use ship::{NEWEST_COPIES, Shipper, fetch_segment, shipped_in};
pub(crate) use stream::hex;
pub use take::{Order, Taking};
pub use throwaway::image_of;
pub use tools::{Dump, Dumped, JobTools, Tools};
pub use unsaid::Unsaid;

use self::ended::ended_well;
use self::folder::JobFolder;
use crate::admin::vault;
use crate::admin::{Ledger, LedgerError, NewEntry, Vault};
use crate::engine::backup::{self as recipes, Backups, Command, Inventory};
use crate::engine::{ADMIN_SECRET, DAEMON_SECRET, USER_SECRET};
use crate::model::{
    Backup, BackupKind, BackupState, Change, Clock, ContainerId, ContainerSeen, Database, Mount,
    Outcome, Secret, Seen, Site, Status,
};
use crate::record::Metrics;
use crate::runtime::jobs::{Job, Jobs, Network};
use crate::runtime::{DataDirs, Runtime};
use crate::store::manifest::Layout;
use crate::store::seal::{Identity, Recipient};
use crate::store::{BackupStore, Stores};

/// A dump or a count that takes longer is killed: its snapshot holds up what the server clears away.
const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// A dump of data at rest that takes longer is killed: its server is down meanwhile.
const LONGEST_AT_REST: Duration = Duration::from_secs(2 * 3600);
/// A question that takes longer is.
const QUESTION: Duration = Duration::from_secs(600);
/// Memory of a job that dumps, loads or counts.
const JOB_MEMORY: u64 = 1 << 30;

/// The spec of a database as a document that can be applied.
pub type SpecText = Box<dyn Fn(&Database) -> String + Send + Sync>;

/// Everything that backups are made with.
pub struct Archive {
    /// The container engine.
    pub runtime: Arc<dyn Runtime>,
    /// Its jobs.
    pub jobs: Arc<dyn Jobs>,
    /// What moves data between servers and stores.
    pub tools: Arc<dyn Tools>,
    /// Data folders and mounted files.
    pub dirs: Arc<dyn DataDirs>,
    /// What is sealed in the ledger.
    pub vault: Arc<Vault>,
    /// Where what is known of backups is written.
    pub ledger: Ledger,
    /// This host.
    pub site: Site,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// The stores of the settings.
    pub stores: Stores,
    /// Where this instance's backups lie in them.
    pub layout: Layout,
    /// The instance's own keys, which read backups.
    pub identities: Vec<Identity>,
    /// Whom backups are encrypted to.
    pub recipients: Vec<Recipient>,
    /// How far works are.
    pub meters: Meters,
    /// The text of `spec.yaml`.
    pub spec_text: SpecText,
    /// What the ledger is still to be told.
    pub unsaid: Unsaid,
    /// Stops of servers that are under way. Once it is closed, none is begun.
    pub stops: TaskTracker,
}

/// Where commands are run: at a server, in its own network, or at data at rest.
struct Server<'a> {
    db: &'a Database,
    recipe: &'static dyn Backups,
    image: &'a crate::model::ImageId,
    /// The container of the server, if it is there to talk to; without it, commands have the data.
    running: Option<ContainerId>,
    password: Secret,
}

impl Server<'_> {
    /// How long a dump may take.
    fn longest(&self) -> Duration {
        match self.running {
            Some(_) => LONGEST,
            None => LONGEST_AT_REST,
        }
    }
}

impl Archive {
    /// Whether a backup of this kind is taken while the database's server is down.
    pub fn at_rest(db: &Database, kind: BackupKind) -> bool {
        recipes::backups(db.engine, kind).at_rest()
    }

    /// Where jobs have their folders.
    fn job_folders(&self) -> PathBuf {
        self.site.state_dir.join("jobs")
    }

    fn store(&self, name: &str) -> Result<&Arc<dyn BackupStore>, BackupError> {
        self.stores.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.stores.keys().map(String::as_str).collect();
            BackupError::NotNow(format!(
                "there is no store `{name}` in the settings; there are: {}",
                known.join(", ")
            ))
        })
    }

    /// The container of a database as a dump needs it: running, or at rest.
    async fn container(
        &self,
        db: &Database,
        recipe: &dyn Backups,
    ) -> Result<ContainerSeen, BackupError> {
        let name = self.site.container_name(&db.name);
        let found = self.runtime.inspect(&name).await?;
        let found = found.filter(|c| c.uid() == Some(db.uid));
        let status = found.as_ref().map(|c| c.status);
        let (fits, why) = if recipe.at_rest() {
            let down = matches!(status, Some(Status::Exited | Status::Created));
            (down, "is not at rest")
        } else {
            (status == Some(Status::Running), "does not run")
        };
        found.filter(|_| fits).ok_or_else(|| {
            BackupError::NotNow(format!(
                "{} {why}, so it cannot be dumped; nothing was changed",
                db.name
            ))
        })
    }

    /// The database as its server is now: another `tls` may wait for its window.
    async fn as_in_force<'d>(&self, db: &'d Database) -> Cow<'d, Database> {
        let wanted = crate::engine::recipe(db.engine).named(db);
        match self.dirs.files(&self.site, db, &wanted, &[]).await {
            Seen::Present(files) => db.as_in_force(&files.settings),
            // Without an answer, the wish is the best guess: the server says no to a wrong one.
            Seen::Absent | Seen::Unknown(_) => Cow::Borrowed(db),
        }
    }

    /// The database as its server is started: what it did not start with is as it was before.
    async fn startable<'d>(&self, db: &'d Database) -> Cow<'d, Database> {
        let wanted = crate::engine::recipe(db.engine).named(db);
        let seen = self.dirs.files(&self.site, db, &wanted, &[]).await;
        let book = self.ledger.book();
        let row = book.row(&db.name).filter(|row| row.database.uid == db.uid);
        match (seen.present(), row) {
            (Some(files), Some(row)) => crate::engine::trial::startable(db, files, row.retry_asked),
            (None, _) | (_, None) => Cow::Borrowed(db),
        }
    }

    fn server<'a>(
        &self,
        db: &'a Database,
        recipe: &'static dyn Backups,
        container: &'a ContainerSeen,
    ) -> Result<Server<'a>, BackupError> {
        Ok(Server {
            db,
            recipe,
            image: &container.image,
            running: (!recipe.at_rest()).then(|| container.id.clone()),
            password: self.vault.secret(db, ADMIN_SECRET)?,
        })
    }

    /// The passwords that are in force for a database now.
    fn passwords(&self, db: &Database) -> Result<Passwords, BackupError> {
        let secret = |file: &'static str| self.vault.secret(db, file);
        Ok(Passwords {
            admin: secret(ADMIN_SECRET)?,
            user: Some(secret(USER_SECRET)?),
            daemon: if db.name.is_mydb_admin() {
                Some(secret(DAEMON_SECRET)?)
            } else {
                None
            },
        })
    }

    fn folder(&self, server: &Server<'_>, command: &Command) -> Result<JobFolder, BackupError> {
        let passfile = server.recipe.passfile(server.db, &server.password);
        let owner = server.db.layout.uid;
        JobFolder::for_command(&self.job_folders(), owner, &passfile, command)
            .map_err(BackupError::io("make a job's folder"))
    }

    fn job(&self, server: &Server<'_>, command: &Command, folder: &JobFolder, what: &str) -> Job {
        let mut words = vec![command.program.clone()];
        words.extend(command.args.iter().cloned());
        let mut mounts = vec![folder.mount()];
        if server.running.is_none() {
            mounts.extend(server.db.data_mounts().map(|(source, target)| Mount {
                source,
                target: target.to_owned(),
                read_only: false,
            }));
        }
        Job {
            name: what.to_owned(),
            instance: self.site.instance.clone(),
            image: server.image.clone(),
            network: match &server.running {
                Some(id) => Network::Of(id.clone()),
                None => Network::None,
            },
            mounts,
            entrypoint: words,
            command: Vec::new(),
            env: command.env.clone(),
            user: Some(server.db.layout.uid),
            memory: JOB_MEMORY,
            nano_cpus: 0,
            shm: 0,
        }
    }

    /// Runs a command that asks; its whole answer.
    async fn ask(
        &self,
        server: &Server<'_>,
        command: &Command,
        what: &str,
        deadline: Duration,
    ) -> Result<Vec<u8>, BackupError> {
        let folder = self.folder(server, command)?;
        let job = self.job(server, command, &folder, what);
        let end = self.jobs.run(&job, deadline).await?;
        ended_well(&end, what)?;
        Ok(end.output)
    }

    /// What a server has, and what of it cannot be dumped.
    async fn inventory(&self, server: &Server<'_>) -> Result<Inventory, BackupError> {
        let what = format!("ask {} for its databases", server.db.name);
        let command = server.recipe.inventory(server.db);
        let answer = self.ask(server, &command, &what, QUESTION).await?;
        let lines = recipes::lines(&answer).map_err(|why| tool(&what, why))?;
        Inventory::read(lines).map_err(|why| tool(&what, why))
    }

    /// Writes what is known of a backup.
    async fn note(&self, backup: &Backup, message: String) -> Result<(), BackupError> {
        let outcome = match backup.state {
            BackupState::Failed | BackupState::Damaged => Outcome::Failed,
            BackupState::Running | BackupState::Stored | BackupState::Verified => Outcome::Done,
        };
        let entry = NewEntry::of(
            &self.owner(backup),
            outcome,
            message,
            Change::Backup {
                backup: Box::new(backup.clone()),
            },
        );
        loop {
            let entry = self.as_kept(&entry);
            let written = match backup.state {
                BackupState::Running => self.ledger.append(entry.clone()).await.map(drop),
                _ => self.say_end(entry.clone()).await,
            };
            match written {
                // Kept otherwise since it was asked a moment ago.
                Err(LedgerError::Refused(_)) if self.as_kept(&entry).change != entry.change => {}
                written => return Ok(written?),
            }
        }
    }

    /// Makes the secrets of a database that is to get its data from a backup, and seals them. Their files
    /// are written with the others, once it has a place. With `like` they are those of another: files alone
    /// know no others.
    ///
    /// # Errors
    /// As vault and ledger do.
    pub async fn seal_secrets(
        &self,
        db: &Database,
        like: Option<&Database>,
    ) -> Result<(), BackupError> {
        let mut secrets = std::collections::BTreeMap::new();
        for file in &crate::engine::recipe(db.engine).secrets(db) {
            let text = match like {
                Some(like) => self.vault.secret(like, &file.name)?,
                None => vault::make(file.kind)?,
            };
            let sealed = self.vault.seal(db.uid, &file.name, &text)?;
            secrets.insert(file.name.clone(), sealed);
        }
        let entry = NewEntry::of(
            &db.name,
            Outcome::Done,
            "its secrets are sealed".to_owned(),
            Change::Sealed {
                uid: db.uid,
                secrets,
            },
        );
        self.ledger.append(entry).await?;
        Ok(())
    }

    /// The same for a database whose place is there, with their files.
    ///
    /// # Errors
    /// As vault, ledger and folders do.
    pub async fn make_secrets(
        &self,
        db: &Database,
        like: Option<&Database>,
    ) -> Result<(), BackupError> {
        self.seal_secrets(db, like).await?;
        let wanted = crate::engine::recipe(db.engine).files(db);
        let secrets = self.vault.files(db)?;
        self.dirs.write_secrets(&self.site, db, &secrets).await?;
        self.dirs.write_files(&self.site, db, &wanted).await?;
        Ok(())
    }

    /// Removes a backup, or what is left of one that failed: the manifest first, so that half a backup is
    /// never listed.
    ///
    /// # Errors
    /// As the store does, or the ledger.
    pub async fn remove(&self, backup: &Backup, why: &str) -> Result<(), BackupError> {
        let id = &backup.id;
        // One that lies nowhere was never begun.
        if !backup.url.is_empty() {
            let store = self.store(&id.store)?;
            let prefix = self.prefix(backup);
            objects::remove(store.as_ref(), &prefix).await?;
            store.sweep(&prefix, self.clock.now()).await?;
        }
        let entry = NewEntry::of(
            &self.owner(backup),
            Outcome::Done,
            format!("{id} was removed: {why}"),
            Change::BackupRemoved {
                uid: backup.uid,
                id: id.clone(),
            },
        );
        self.ledger.append(entry).await?;
        Ok(())
    }
}

fn tool(what: &str, why: impl Into<String>) -> BackupError {
    BackupError::Tool {
        what: what.to_owned(),
        why: why.into(),
    }
}
