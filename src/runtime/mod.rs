//! What runs containers, holds data folders and answers queries: three traits and their backends.
//!
//! `docker`, `host` and `servers` are the real ones; `sim` is all three in memory, with seeded faults. Every
//! verb may be repeated: doing what is already done is no error. Nothing here decides anything.

pub mod docker;
#[cfg(test)]
pub(crate) mod fixture;
mod folders;
pub mod host;
pub mod jobs;
pub mod servers;
pub mod sim;

pub use folders::NamedFolder;

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::model::action::{Limits, StopHow};
use crate::model::disk::Room;
use crate::model::server::{Answer, Statement, Target};
use crate::model::session::Session;
use crate::model::view::Evidence;
use crate::model::{
    Class, ContainerId, ContainerSeen, ContainerSpec, DataSeen, Database, FilesNamed, FilesSeen,
    FilesWanted, FolderId, IdentityFile, ImageSeen, Labels, ReleasedFiles, RestartPolicy, Secret,
    SecretText, Seen, Site, Timestamp, Uid,
};

/// A container engine: a small set of idempotent verbs.
///
/// # Guarantees
/// A verb that returned `Ok` has happened. `inspect` and `list` show what the engine shows, never
/// something remembered.
///
/// # Caveats
/// A verb that returned `Err` may have happened all the same (the answer was lost); the caller
/// looks again before it repeats anything. Every call has a deadline of its own.
#[async_trait]
pub trait Runtime: Send + Sync + 'static {
    /// Whether the engine answers, and what it is.
    async fn info(&self) -> Result<EngineInfo, RuntimeError>;

    /// All containers, foreign ones included.
    async fn list(&self) -> Result<Vec<ContainerBrief>, RuntimeError>;

    /// One container by id or name; `None` when there surely is none.
    async fn inspect(&self, id_or_name: &str) -> Result<Option<ContainerSeen>, RuntimeError>;

    /// An image by reference or id; `None` when this host surely has none.
    async fn image(&self, reference_or_id: &str) -> Result<Option<ImageSeen>, RuntimeError>;

    /// Gets an image from its registry.
    async fn pull(&self, reference: &str) -> Result<(), RuntimeError>;

    /// Creates a container. A bind source that does not exist is an error, never made.
    async fn create(&self, spec: &ContainerSpec) -> Result<ContainerId, RuntimeError>;

    /// Starts a container; no error if it runs.
    async fn start(&self, id: &ContainerId) -> Result<(), RuntimeError>;

    /// Sends the container's stop signal, and kills it after the deadline. Returns once it is down;
    /// no error if it is.
    async fn stop(&self, id: &ContainerId, how: &StopHow) -> Result<(), RuntimeError>;

    /// Unfreezes a container; no error if it is not frozen.
    async fn unpause(&self, id: &ContainerId) -> Result<(), RuntimeError>;

    /// Gives a container another name.
    async fn rename(&self, id: &ContainerId, name: &str) -> Result<(), RuntimeError>;

    /// Changes limits without a restart.
    async fn update(&self, id: &ContainerId, limits: Limits) -> Result<(), RuntimeError>;

    /// Sets the restart policy.
    async fn set_policy(&self, id: &ContainerId, policy: RestartPolicy)
    -> Result<(), RuntimeError>;

    /// Removes a stopped container with its anonymous volumes; no error if there is none.
    async fn remove(&self, id: &ContainerId) -> Result<(), RuntimeError>;

    /// The last lines that a container wrote, both streams, oldest first.
    async fn logs(&self, id: &ContainerId, lines: u32) -> Result<String, RuntimeError>;

    /// What happens to containers from now on (or from an instant on). The stream ends with the
    /// connection; the caller subscribes again and relists.
    fn events(
        &self,
        since: Option<Timestamp>,
    ) -> BoxStream<'static, Result<RuntimeEvent, RuntimeError>>;
}

/// What an engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// Its version.
    pub version: String,
    /// The API version spoken with it.
    pub api: String,
    /// Processors of the host.
    pub cpus: u32,
    /// Memory of the host in bytes.
    pub memory: u64,
}

/// One row of the engine's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerBrief {
    /// Its id.
    pub id: ContainerId,
    /// Its name, without the leading slash.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Whether it runs now (running, paused or restarting).
    pub up: bool,
    /// Host ports that it holds now.
    pub host_ports: Vec<u16>,
}

/// Something happened to a container: a reason to look again, and nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeEvent {
    /// Which container.
    pub id: ContainerId,
    /// The engine's word: `die`, `start`, `rename`, `oom`, `destroy` …
    pub action: String,
    /// The container's labels, as far as the event carries them.
    pub labels: Labels,
    /// Its name.
    pub name: String,
    /// When.
    pub at: Timestamp,
}

/// Why a call to the engine failed. The message holds the engine's own words.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RuntimeError {
    /// The engine does not answer at all, or not in time.
    #[error("the container engine does not answer: {0}")]
    Unavailable(String),
    /// There is no such container or image.
    #[error("{0}")]
    NotFound(String),
    /// Something has that name already, or is in a state that does not allow the call.
    #[error("{0}")]
    Conflict(String),
    /// A host port belongs to somebody else.
    #[error("port {port} on the host is taken: {message}")]
    PortInUse {
        /// The port.
        port: u16,
        /// The engine's words.
        message: String,
    },
    /// A bind's source does not exist.
    #[error("a mount's source does not exist: {0}")]
    MountMissing(String),
    /// An image could not be had.
    #[error("image {reference} could not be had: {message}")]
    Pull {
        /// The image.
        reference: String,
        /// The registry's or engine's words.
        message: String,
        /// Whether the registry says that there is no such image.
        unknown: bool,
    },
    /// No space left on the engine's disk.
    #[error("no space left: {0}")]
    DiskFull(String),
    /// The engine refuses the request itself.
    #[error("the container engine refuses: {0}")]
    Refused(String),
    /// Anything else the engine reports.
    #[error("{0}")]
    Engine(String),
}

impl RuntimeError {
    /// What to do about it.
    pub fn class(&self) -> Class {
        match self {
            RuntimeError::Unavailable(_)
            | RuntimeError::NotFound(_)
            | RuntimeError::Conflict(_)
            | RuntimeError::PortInUse { .. }
            | RuntimeError::MountMissing(_)
            | RuntimeError::DiskFull(_)
            | RuntimeError::Engine(_) => Class::Transient,
            RuntimeError::Pull { unknown, .. } => {
                if *unknown {
                    Class::Permanent
                } else {
                    Class::Transient
                }
            }
            RuntimeError::Refused(_) => Class::Permanent,
        }
    }
}

/// The folders of databases on the host: data, marker, secrets, rendered configuration.
///
/// # Guarantees
/// `look` never takes an unreadable folder or an unmounted volume for an empty one. Nothing here
/// deletes data: what is in the way is moved aside.
#[async_trait]
pub trait DataDirs: Send + Sync + 'static {
    /// What lies in a database's place; `identity` says where its engine keeps an identity of it.
    async fn look(&self, db: &Database, identity: Option<IdentityFile>) -> Seen<DataSeen>;

    /// Which folder its data lies in: another one under the same path is another folder. `None`: there
    /// is none, or that cannot be told.
    async fn folder(&self, db: &Database) -> Option<FolderId>;

    /// What lies among the files that its container mounts.
    /// `secrets` are those that are sealed.
    async fn files(
        &self,
        site: &Site,
        db: &Database,
        wanted: &FilesNamed,
        secrets: &[SecretText],
    ) -> Seen<FilesSeen>;

    /// Makes data folders (0700, the engine's user) and the marker `initialising`. Refuses a folder
    /// that holds something and has no marker of this uid.
    async fn prepare(&self, db: &Database) -> Result<(), DirError>;

    /// Moves a half-made data folder aside and gives its new place. Refuses when the marker says
    /// `initialised` or another uid.
    async fn set_aside_half_made(&self, db: &Database, now: Timestamp)
    -> Result<PathBuf, DirError>;

    /// Moves `mydb_admin`'s data aside, if any is left, and marks its place for a first start: what it
    /// held is in the ledger. Gives where it is kept then. Refuses any other database.
    async fn give_up(&self, db: &Database, now: Timestamp) -> Result<PathBuf, DirError>;

    /// Removes a database's data, what was moved aside of it, its secrets and its marker, the marker last. What is gone already is
    /// no error. Refuses data that no marker of this uid claims, or that a server runs on.
    async fn remove(&self, site: &Site, db: &Database) -> Result<(), DirError>;

    /// Moves one of a database's folders from the place of its old name to that of its new one; what
    /// is there already stays. Refuses what no marker of this uid claims, what a server runs on, and
    /// a place that is taken.
    async fn move_folder(
        &self,
        site: &Site,
        from: &Database,
        to: &Database,
        which: NamedFolder,
    ) -> Result<(), DirError>;

    /// Writes what it takes to run a database without db4sci into a folder that only root passes: texts,
    /// and copies of its secret files and configuration. A folder of this database is written anew;
    /// refuses any other one that holds something, and a place that others than root could lead elsewhere.
    async fn write_released(
        &self,
        site: &Site,
        db: &Database,
        to: &Path,
        files: &ReleasedFiles,
    ) -> Result<(), DirError>;

    /// Removes what was written there, if it is this database's; what is gone already is no error.
    async fn remove_released(
        &self,
        db: &Database,
        to: &Path,
        files: &ReleasedFiles,
    ) -> Result<(), DirError>;

    /// Sets the marker to `ejected`, or back to `initialised`. Refuses while a server runs on its data.
    async fn mark_ejected(&self, db: &Database, ejected: bool) -> Result<(), DirError>;

    /// Writes guard and configuration.
    async fn write_files(
        &self,
        site: &Site,
        db: &Database,
        wanted: &FilesWanted,
    ) -> Result<(), DirError>;

    /// Writes secret files, which are the engine's user's alone.
    async fn write_secrets(
        &self,
        site: &Site,
        db: &Database,
        secrets: &[SecretText],
    ) -> Result<(), DirError>;

    /// Sets the marker to `initialised` and puts the uid inside the data.
    async fn mark_initialised(&self, db: &Database) -> Result<(), DirError>;

    /// What lies in a secret file: before secrets were sealed, they were kept there only. `None`:
    /// there is no such file.
    async fn secret_file(
        &self,
        site: &Site,
        db: &Database,
        file: &str,
    ) -> Result<Option<Secret>, DirError>;

    /// The one line of a person's password file.
    async fn given_password(&self, from: &Path) -> Result<Secret, DirError>;

    /// Keeps evidence (name, text) in a new folder `quarantine/NAME/<instant>/`.
    async fn keep_evidence(
        &self,
        site: &Site,
        db: &Database,
        now: Timestamp,
        files: &[(String, String)],
    ) -> Result<PathBuf, DirError>;

    /// Notes in a folder of evidence where the data lies that the evidence is about: its first line is the
    /// place. A later note takes the place of an earlier one.
    async fn note_data(&self, evidence: &Path, at: &Path, words: &str) -> Result<(), DirError>;

    /// The newest evidence of a database, if any was kept.
    async fn evidence(&self, site: &Site, db: &Database) -> Result<Option<Evidence>, DirError>;

    /// The room of its volume, and the bytes that its folder takes of it.
    async fn taken(&self, db: &Database) -> Result<(Room, u64), DirError>;
}

/// Why something on the host's disk failed. The message names the path.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DirError {
    /// No space left.
    #[error("no space left for {0}")]
    DiskFull(String),
    /// What lies there is not ours to touch.
    #[error("{0}")]
    Refused(String),
    /// Anything else the system reports.
    #[error("{path}: {message}")]
    Io {
        /// The path.
        path: String,
        /// The system's words.
        message: String,
    },
}

impl DirError {
    /// What to do about it.
    pub fn class(&self) -> Class {
        match self {
            DirError::DiskFull(_) | DirError::Io { .. } => Class::Transient,
            DirError::Refused(_) => Class::Permanent,
        }
    }
}

/// Talks to database servers over their own protocols.
///
/// # Guarantees
/// One connection a target is kept for questions; statements that change something use one of
/// their own. Every call has a deadline.
#[async_trait]
pub trait Servers: Send + Sync + 'static {
    /// Asks the probe's one query (three columns: version text, connections bigint, account
    /// boolean or 0/1) over the kept connection, opening it if need be.
    async fn ask(&self, target: &Target, query: &str) -> Result<Answer, ServerError>;

    /// Carries out statements in order, each in the database it names.
    async fn run(&self, target: &Target, statements: &[Statement]) -> Result<(), ServerError>;

    /// Whether a login works; opens a new connection and closes it.
    async fn login(&self, target: &Target) -> Result<(), ServerError>;

    /// Who is connected, by the list that `query` asks for.
    async fn sessions(&self, target: &Target, query: &str) -> Result<Vec<Session>, ServerError>;

    /// Closes the kept connection of a database.
    async fn forget(&self, uid: Uid);
}

/// Why a server did not do as asked. No message holds a password or a statement's text.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ServerError {
    /// Nobody listens, or not in time.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// This machine lacks what a connection takes (files, memory, ports): that is no word about the server.
    #[error("not asked: {0}")]
    NotAsked(String),
    /// It listens, and says that it comes up, recovers, or has no room for another connection.
    #[error("not ready: {0}")]
    NotReady(String),
    /// It listens, and says that it ends, or broke off what was asked of it.
    #[error("interrupted: {0}")]
    Interrupted(String),
    /// It refuses the login.
    #[error("login refused: {0}")]
    LoginRefused(String),
    /// It cannot read its own files.
    #[error("damaged: {0}")]
    Damaged(String),
    /// It refuses a statement.
    #[error("{purpose}: {message}")]
    Statement {
        /// What the statement was for.
        purpose: &'static str,
        /// The server's words.
        message: String,
    },
}

impl ServerError {
    /// What to do about it: whatever a server says, it may say something else later.
    pub fn class(&self) -> Class {
        Class::Transient
    }
}
