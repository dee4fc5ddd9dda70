//! What the command line needs of the whole program.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::Serialize;

use super::recover::{Args as RecoverArgs, Recovered};
use crate::engine::Client;
use crate::model::view::{BackupView, Snapshot};
use crate::model::{BackupId, DbName, Entry, Problem, Secret};

/// Where everything is, as far as somebody said so.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Globals {
    /// The mode: prod, dev, test or demo
    #[arg(long, global = true, env = "DB4SCI_MODE", value_name = "MODE")]
    pub mode: Option<String>,
    /// The folder with prod/, dev/, desired-state/ and dbconfig/
    #[arg(
        long = "config",
        global = true,
        env = "DB4SCI_HOME",
        value_name = "FOLDER"
    )]
    pub home: Option<PathBuf>,
    /// The daemon's socket
    #[arg(long, global = true, env = "DB4SCI_SOCKET", value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// The whole program, as the command line sees it.
///
/// Errors are for a person: what, where, that nothing was changed (or what was), the next command.
#[async_trait]
pub trait Host: Send + Sync + 'static {
    /// The daemon's socket: as given, or from the settings, or the default. Never fails: without
    /// settings there is the default.
    fn socket(&self, globals: &Globals) -> PathBuf;

    /// Runs the daemon until it is told to stop.
    async fn run_daemon(&self, globals: &Globals) -> Result<(), String>;

    /// Writes commented settings, the keys and the folders; what exists is left alone. Gives what
    /// was done, one line each. `fresh`: the next start may begin beside the history of another host.
    async fn init(&self, globals: &Globals, fresh: bool) -> Result<Vec<String>, String>;

    /// Brings the memory of a lost host back from the stores, or says what would come back.
    async fn recover(&self, globals: &Globals, args: RecoverArgs) -> Result<Recovered, String>;

    /// Checks specs and settings: these files and folders, or (none given) all of the home folder.
    async fn check(&self, globals: &Globals, paths: &[PathBuf]) -> Result<Checked, String>;

    /// The JSON Schema of specs.
    fn schema(&self) -> serde_json::Value;

    /// Looks for what is wrong with this host; works without the daemon.
    async fn doctor(&self, globals: &Globals) -> Vec<Finding>;

    /// The certificate that servers' certificates are verified with, without the daemon.
    async fn authority(&self, globals: &Globals) -> Result<String, String>;

    /// The keys of this instance, oldest first; works without the daemon.
    async fn keys(&self, globals: &Globals) -> Result<Vec<KeyInfo>, String>;

    /// Copies all keys into a folder; gives the files that were written.
    async fn export_keys(&self, globals: &Globals, to: PathBuf) -> Result<Vec<String>, String>;

    /// Makes a new sealing key without the daemon; gives a line for a person.
    async fn renew_keys(&self, globals: &Globals, reason: &str) -> Result<String, String>;

    /// The images that the catalog offers or databases are pinned to; works without the daemon.
    async fn images(&self, globals: &Globals) -> Result<Vec<ImageInfo>, String>;

    /// Writes images (all of this host, or those named) as one archive, which must not exist yet;
    /// gives a line for a person.
    async fn save_images(
        &self,
        globals: &Globals,
        to: PathBuf,
        only: Vec<String>,
    ) -> Result<String, String>;

    /// Takes the images of an archive; gives a line for each, and what is still missing.
    async fn load_images(&self, globals: &Globals, from: PathBuf) -> Result<Vec<String>, String>;

    /// What Docker and the journal say, without the daemon, read-only.
    async fn offline_snapshot(&self, globals: &Globals) -> Result<Snapshot, String>;

    /// The journal's newest `limit` entries (of one database), oldest first, read-only.
    async fn offline_events(
        &self,
        globals: &Globals,
        name: Option<&DbName>,
        limit: usize,
    ) -> Result<Vec<Entry>, String>;

    /// The last lines that a server wrote, from Docker, read-only.
    async fn offline_logs(
        &self,
        globals: &Globals,
        name: &DbName,
        lines: u32,
    ) -> Result<String, String>;

    /// The backups of a database that lie whole in the stores, without the daemon, newest first.
    async fn offline_backups(
        &self,
        globals: &Globals,
        name: &DbName,
    ) -> Result<Vec<BackupView>, String>;

    /// Fetches the files of a backup into a folder; says what was fetched.
    async fn download(
        &self,
        globals: &Globals,
        id: &BackupId,
        to: &Path,
    ) -> Result<Vec<String>, String>;

    /// Runs a client in a job container that goes with it; gives the client's exit code.
    async fn run_job(&self, globals: &Globals, job: JobRequest) -> Result<i32, String>;
}

/// A key of this instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyInfo {
    /// Its id; of a key for backups, its public half.
    pub id: String,
    /// What it is for.
    pub kind: KeyKind,
    /// Whether its file is there.
    pub there: bool,
    /// Whether it seals what is new.
    pub seals: bool,
    /// How many of today's secrets, or of the backups, it opens.
    pub opens: usize,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyKind {
    /// Passwords in the ledger.
    Secrets,
    /// Backups.
    Backups,
}

/// An image that this host needs or may come to need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageInfo {
    /// Its name in the catalog; `None`: it is offered no more, and databases still run it.
    pub display: Option<String>,
    /// Its reference, the mirror's where there is one.
    pub reference: String,
    /// Its id; `None`: it is not on this host.
    pub id: Option<String>,
    /// Whether the reference names another image by now, or none: databases stay with theirs.
    pub moved: bool,
    /// The databases that are pinned to it.
    pub used_by: Vec<DbName>,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// Files that were read.
    pub files: usize,
    /// What is wrong with them.
    pub problems: Vec<Problem>,
    /// What is admitted, and will hardly do what was meant.
    pub warnings: Vec<Problem>,
}

/// One thing that `doctor` looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What was looked at: `docker`, `state_dir`.
    pub what: String,
    /// How it is.
    pub health: Health,
    /// What was found; one line.
    pub message: String,
    /// What to do about it.
    pub next: Option<String>,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Health {
    /// As it should be.
    Ok,
    /// It works, and should be looked at.
    Warn,
    /// Something does not work because of it.
    Bad,
}

/// A client to run in a job container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRequest {
    /// The database.
    pub name: DbName,
    /// The id of the image that holds the client.
    pub image: String,
    /// The id of the container whose network namespace it joins.
    pub container: String,
    /// The client with all its arguments; they name [`JobRequest::PASSFILE`].
    pub client: Client,
    /// The password file's text, to be mounted read-only at [`JobRequest::PASSFILE`] with mode 0600.
    pub passfile: Secret,
    /// The certificate to be mounted read-only at [`JobRequest::AUTHORITY`], where one is needed, in
    /// the form that the client reads.
    pub authority: Option<Vec<u8>>,
    /// Whether both ends are a terminal, so that the job gets one, too.
    pub terminal: bool,
}

impl JobRequest {
    /// Where the job finds its password file.
    pub const PASSFILE: &'static str = "/db4sci/passfile";
    /// Where it finds the authority's certificate.
    pub const AUTHORITY: &'static str = "/db4sci/ca.crt";
}
