//! What the API needs of the daemon.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize, Serializer};
use tokio::sync::watch;

use super::api::backups::KeepRequest;
use super::document::Document;
use super::peer::Caller;
use super::refusal::Refusal;
use crate::engine::Client;
use crate::model::account::{AccountView, Rights};
use crate::model::audit::AuditView;
use crate::model::session::Session;
use crate::model::view::{BackupView, DatabaseView, Snapshot, WorkAsk, WorkView};
use crate::model::{BackupId, DbName, Entry, OverrideState, Problem, Secret, Timestamp};

/// The daemon, as the API sees it.
///
/// # Guarantees
/// A change that returned `Ok` is in the ledger: it survives a crash from then on. A change that
/// was refused has changed nothing. The message of both is one line for a person, without secrets.
///
/// # Assumptions
/// `snapshot` and `head` are cheap and never block; they are asked on every request.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Everything that is shown, and word of each newer one.
    fn snapshot(&self) -> watch::Receiver<Arc<Snapshot>>;

    /// The number of the ledger's newest entry, and word of each newer one.
    fn head(&self) -> watch::Receiver<u64>;

    /// Reads the specs that were saved just now, and admits them; before looks that are to know of them.
    /// All files are read, so it is asked once a request.
    async fn read_specs(&self);

    /// Looks at a database anew, and returns once a snapshot made after this call shows it. A name
    /// that nobody knows is looked for, too, and is no error.
    async fn look(&self, name: &DbName) -> Result<(), Refusal>;

    /// Admits specs: one answer a document, in their order. With `dry_run` nothing is written, and
    /// each answer holds the database as it would be after those before it, with the lane that would run.
    ///
    /// One bad document is an answer with `Refused`, not an error, and holds up no other. Places of
    /// problems are counted from the document's own first line.
    async fn apply(
        &self,
        caller: &Caller,
        documents: &[Document],
        reason: &str,
        dry_run: bool,
    ) -> Result<Vec<Applied>, Refusal>;

    /// Puts a person's word over the spec's state, until an instant or until `resume`.
    async fn set_override(
        &self,
        caller: &Caller,
        name: &DbName,
        state: OverrideState,
        until: Option<Timestamp>,
        reason: String,
    ) -> Result<String, Refusal>;

    /// Ends an override: the spec's own state is in force again.
    async fn resume(
        &self,
        caller: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal>;

    /// Wants it retired: a final verified backup, and then it is stopped. Its data is kept.
    async fn delete(
        &self,
        caller: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal>;

    /// Lets another database have the name of one whose data was removed.
    async fn forget(
        &self,
        caller: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal>;

    /// Wants what was deleted running again.
    async fn undelete(
        &self,
        caller: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal>;

    /// Restarts the server once.
    async fn restart(
        &self,
        caller: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal>;

    /// Forgets failed attempts, and tries again; a quarantine stays.
    async fn retry(
        &self,
        caller: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal>;

    /// Ends a quarantine; there must be one, and a reason.
    async fn release(
        &self,
        caller: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal>;

    /// Releases the spec of a database from its file, which must be gone, for good; there must be a reason.
    async fn to_rows(
        &self,
        caller: &Caller,
        name: &DbName,
        reason: String,
    ) -> Result<String, Refusal>;

    /// Lets steps begin that wait: those that the hash names, once. The message names each.
    async fn approve(
        &self,
        caller: &Caller,
        hash: &str,
        name: Option<&DbName>,
        reason: String,
    ) -> Result<String, Refusal>;

    /// Takes hands off every database of the host, until an instant or until that is ended by the
    /// same call with `off` false.
    async fn host_maintenance(
        &self,
        caller: &Caller,
        off: bool,
        until: Option<Timestamp>,
        reason: String,
    ) -> Result<String, Refusal>;

    /// What a rename would cost, in a plan's words; refused as the rename itself would be.
    async fn rename_cost(&self, name: &DbName, to: &DbName) -> Result<String, Refusal>;

    /// Gives up a store that is gone: what it may hold keeps nothing from being removed any more.
    async fn thaw(&self, caller: &Caller, store: &str, reason: String) -> Result<String, Refusal>;

    /// How to reach a database with its engine's own client: over the published port, or
    /// (`from_job`) from a job container in the network namespace of the database's own; with its own
    /// account, or with a further one.
    async fn connection(
        &self,
        caller: &Caller,
        name: &DbName,
        from_job: bool,
        user: Option<&str>,
    ) -> Result<Connection, Refusal>;

    /// The certificate that servers' certificates are verified with, as PEM; no secret.
    async fn authority(&self) -> Result<String, Refusal>;

    /// Shows the password of the user's account, or of a further one, once.
    async fn password(
        &self,
        caller: &Caller,
        name: &DbName,
        user: Option<&str>,
        reason: &str,
    ) -> Result<Password, Refusal>;

    /// The accounts that db4sci made, the database's own first.
    async fn accounts(&self, caller: &Caller, name: &DbName) -> Result<Vec<AccountView>, Refusal>;

    /// Wants a further account, and waits a while until it can log in.
    async fn add_account(
        &self,
        caller: &Caller,
        name: &DbName,
        user: &str,
        rights: Rights,
        reason: String,
    ) -> Result<Rotated, Refusal>;

    /// Wants a further account no more, and waits a while until it is gone.
    async fn remove_account(
        &self,
        caller: &Caller,
        name: &DbName,
        user: &str,
        reason: String,
    ) -> Result<String, Refusal>;

    /// Makes new passwords, and waits a while until the server knows them.
    async fn rotate(
        &self,
        caller: &Caller,
        name: &DbName,
        which: Rotate,
        reason: String,
    ) -> Result<Rotated, Refusal>;

    /// Compares the log with what proves it.
    async fn audit(&self) -> AuditView;

    /// Notes that somebody has looked into what was found of the log.
    async fn acknowledge(&self, caller: &Caller, reason: String) -> Result<String, Refusal>;

    /// Makes a new sealing key, and seals everything under it.
    async fn renew_keys(&self, caller: &Caller, reason: String) -> Result<String, Refusal>;

    /// Who is connected.
    async fn sessions(&self, caller: &Caller, name: &DbName) -> Result<Vec<Session>, Refusal>;

    /// Ends one connection.
    async fn end_session(
        &self,
        caller: &Caller,
        name: &DbName,
        id: &str,
        reason: String,
    ) -> Result<String, Refusal>;

    /// The last lines that the server wrote.
    async fn logs(&self, caller: &Caller, name: &DbName, lines: u32) -> Result<String, Refusal>;

    /// The newest `limit` entries of the ledger above `after_seq` (of one database), oldest first.
    async fn events(
        &self,
        name: Option<&DbName>,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, Refusal>;

    /// The spec as a document that can be applied, with the name, port and image it has now.
    async fn export(&self, name: &DbName) -> Result<serde_json::Value, Refusal>;

    /// The backups of a database, newest first.
    async fn backups(&self, name: &DbName) -> Result<Vec<BackupView>, Refusal>;

    /// A work on a database, under way or over.
    async fn work(&self, name: &DbName, id: u64) -> Result<Option<WorkView>, Refusal>;

    /// Takes on work on a database; it goes on after this returned.
    async fn take_on(
        &self,
        caller: &Caller,
        name: &DbName,
        ask: WorkAsk,
    ) -> Result<WorkView, Refusal>;

    /// Keeps a backup until an instant, whatever the retention says; `None` ends that.
    async fn keep_backup(
        &self,
        caller: &Caller,
        id: &BackupId,
        keep: KeepRequest,
    ) -> Result<String, Refusal>;

    /// All metrics in Prometheus' text format.
    fn metrics(&self) -> String;
}

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The database, as far as the document names one.
    pub name: Option<DbName>,
    /// What was done; with `dry_run`, what would be.
    pub outcome: AppliedOutcome,
    /// The spec's generation from now on; `None` when it was refused.
    pub generation: Option<u64>,
    /// What is wrong (then nothing was changed), or worth knowing.
    pub problems: Vec<Problem>,
    /// With `dry_run`: the database as it would be, with the lane that would run.
    pub view: Option<Box<DatabaseView>>,
}

/// What was done with one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AppliedOutcome {
    /// A database that was not there before.
    Created,
    /// Its spec is another one now.
    Configured,
    /// Its spec was this already.
    Unchanged,
    /// Nothing was changed; the problems say why.
    Refused,
}

impl AppliedOutcome {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            AppliedOutcome::Created => "created",
            AppliedOutcome::Configured => "configured",
            AppliedOutcome::Unchanged => "unchanged",
            AppliedOutcome::Refused => "refused",
        }
    }
}

/// Which passwords are to be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rotate {
    /// The account's and db4sci's own.
    All,
    /// The account's.
    User,
    /// db4sci's own.
    Own,
    /// That of a further account, by its login name.
    Account(String),
}

/// An account, and its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Password {
    /// The login name.
    pub user: String,
    /// The password.
    #[serde(serialize_with = "secret_out", deserialize_with = "secret_in")]
    pub password: Secret,
}

/// What became of a change of passwords.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rotated {
    /// One line for a person.
    pub message: String,
    /// The account's new password, where that was changed; it is not shown again.
    pub account: Option<Password>,
}

/// How to reach a database with its engine's own client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// The database.
    pub name: DbName,
    /// The client. Arguments and environment hold [`Connection::PASSFILE`] where the path of the
    /// password file belongs, and [`Connection::AUTHORITY`] where that of the certificate does.
    pub client: Client,
    /// The text of the password file; [`Connection::AUTHORITY`] stands in it, too.
    #[serde(serialize_with = "secret_out", deserialize_with = "secret_in")]
    pub passfile: Secret,
    /// The certificate that the server's is verified with, where TLS is demanded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// The id of the database's image, which holds the client.
    pub image: Option<String>,
    /// The id of the container whose network namespace a job joins.
    pub container: Option<String>,
}

impl Connection {
    /// Stands for the password file's path, which only the caller knows.
    pub const PASSFILE: &'static str = "{passfile}";
    /// Stands for the path of the authority's certificate.
    pub const AUTHORITY: &'static str = "{authority}";

    /// The client with the paths of the password file and of the certificate in their places.
    pub fn client_with(&self, passfile: &str, authority: &str) -> Client {
        let put = |text: &String| {
            let text = text.replace(Connection::PASSFILE, passfile);
            text.replace(Connection::AUTHORITY, authority)
        };
        Client {
            program: self.client.program.clone(),
            args: self.client.args.iter().map(put).collect(),
            env: self
                .client
                .env
                .iter()
                .map(|(key, value)| (key.clone(), put(value)))
                .collect(),
            shell_args: self.client.shell_args.clone(),
            in_image: self.client.in_image,
            truststore: self.client.truststore,
            url: put(&self.client.url),
        }
    }

    /// The password file's text with the path of the certificate in its place.
    pub fn passfile_with(&self, authority: &str) -> Secret {
        let text = self.passfile.expose();
        Secret::new(text.replace(Connection::AUTHORITY, authority))
    }
}

/// The one way by which a password leaves the daemon: over the socket, to somebody who may.
fn secret_out<S: Serializer>(secret: &Secret, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.expose())
}

fn secret_in<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
    String::deserialize(from).map(Secret::new)
}
