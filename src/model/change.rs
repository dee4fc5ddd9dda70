//! What the ledger holds: every accepted change, in order.

mod kind;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::account::Rights;
use super::audit::Findings;
use super::database::Source;
use super::view::Phase;
use super::{
    Backup, BackupId, Cost, DataIdentity, Database, DbName, ImageId, Notice, Override, Reason,
    Sealed, Timestamp, Uid, Who,
};

/// One entry of the ledger. Its number is also the id of its row in the `log` table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Counts from 1 without a gap.
    pub seq: u64,
    /// When it was accepted.
    pub at: Timestamp,
    /// Who wanted it.
    pub who: Who,
    /// The database, if it concerns one.
    pub name: Option<DbName>,
    /// How it ended.
    pub outcome: Outcome,
    /// What happened, for people; one line, no secret.
    pub message: String,
    /// What it changes.
    pub change: Change,
}

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// As wanted.
    Done,
    /// Not as wanted; it may be tried again.
    Failed,
    /// Refused: nothing was changed.
    Refused,
    /// Given up on purpose before its end.
    Abandoned,
}

/// What an entry changes. Folding the entries in order gives the book.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Change {
    /// A database was admitted, or its spec changed. Replaces what was there.
    Admitted {
        /// The database.
        database: Box<Database>,
    },
    /// A spec or edit was refused; the last good one stays. An empty reason clears it.
    SpecRefused {
        /// Generation of the `state` row that was refused, for edits made with SQL.
        row_generation: Option<u64>,
        /// All problems, one a line.
        problems: Vec<String>,
    },
    /// The image's id is known from now on.
    ImagePinned {
        /// Whose.
        uid: Uid,
        /// The id.
        image: ImageId,
    },
    /// The engine's own identity of its data is known from now on: a server answered on it. Other data
    /// is another one's, until a restore, a new beginning or a person's word ends that.
    DataIdentified {
        /// Whose.
        uid: Uid,
        /// The identity.
        identity: DataIdentity,
    },
    /// Secrets are these from now on: made, or sealed anew under another key.
    Sealed {
        /// Whose.
        uid: Uid,
        /// By the name of their file.
        secrets: BTreeMap<String, Sealed>,
    },
    /// Secrets are about to become these; until [`Change::SecretsTaken`] the server may know either.
    SecretsOffered {
        /// Whose.
        uid: Uid,
        /// By the name of their file.
        secrets: BTreeMap<String, Sealed>,
    },
    /// The server knows the offered secrets; the old ones are forgotten.
    SecretsTaken {
        /// Whose.
        uid: Uid,
        /// Names of their files.
        names: Vec<String>,
    },
    /// An account's password was shown to whoever wrote this entry; it is not shown again.
    PasswordShown {
        /// Whose.
        uid: Uid,
        /// The further account; `None`: the database's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// Somebody wants an account besides the database's own, with this password.
    AccountWanted {
        /// Whose.
        uid: Uid,
        /// Its login name.
        user: String,
        /// What it may do.
        rights: Rights,
        /// Its password.
        secret: Sealed,
    },
    /// Its server knows the account, with the password and the rights that are in force.
    AccountMade {
        /// Whose.
        uid: Uid,
        /// Its login name.
        user: String,
    },
    /// Nobody wants the account any more; its password is forgotten.
    AccountUnwanted {
        /// Whose.
        uid: Uid,
        /// Its login name.
        user: String,
    },
    /// Its server knows the account no more.
    AccountGone {
        /// Whose.
        uid: Uid,
        /// Its login name.
        user: String,
    },
    /// The first start is over: from now on this uid has data.
    Initialised {
        /// Whose.
        uid: Uid,
    },
    /// A person's override.
    Overridden {
        /// What is in force.
        by: Override,
    },
    /// The override ended.
    Resumed {
        /// Since when the word was in force whose time is over; `None`: whatever is in force ends.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Timestamp>,
    },
    /// A person wants it restarted once.
    RestartAsked,
    /// A person wants failed attempts forgotten. Ends a quarantine, too, in journals of before
    /// [`Change::Released`], and when the daemon itself brought other data.
    RetryAsked,
    /// A person ends a quarantine, or lets it run on data that the engine calls by another identity.
    Released {
        /// Why it may run again.
        reason: String,
    },
    /// A person lets the steps go that a hash names; used up by their end.
    Approved {
        /// Whose.
        uid: Uid,
        /// The steps' hash.
        hash: String,
    },
    /// What was approved is not to be done any more.
    ApprovalVoided {
        /// Whose.
        uid: Uid,
        /// The steps' hash; a later approval stands.
        hash: String,
    },
    /// Hands off every database of this host, `mydb_admin` included.
    HandsOff {
        /// The word, its end and its reason.
        by: Override,
    },
    /// That is over.
    HandsOn {
        /// As of [`Change::Resumed`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Timestamp>,
    },
    /// Rows of `log` in `mydb_admin` were not as they were written. They are kept, and others stand in
    /// their place.
    LogHarmed {
        /// What was found.
        findings: Findings,
    },
    /// Somebody has looked into all of that.
    AuditAcknowledged {
        /// What came of it.
        reason: String,
    },
    /// A person goes on with this history: what stores hold of another one by now stays where it is, and
    /// nothing waits for it.
    HistoryChosen {
        /// The store; `None`: all of them, since the host came back from them.
        store: Option<String>,
        /// Of a host that came back: up to when its memory knows, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        as_of: Option<Timestamp>,
        /// Of a host that came back: the last moment at which it is known to have lived.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lived: Option<Timestamp>,
    },
    /// It is left alone from now on.
    Quarantined {
        /// Why.
        why: String,
    },
    /// What is the case changed.
    Observed {
        /// The phase from now on.
        phase: Phase,
        /// Its reason.
        reason: Option<Reason>,
    },
    /// The container was inspected after a change: for the `container` table.
    Inspected {
        /// Whose.
        uid: Uid,
        /// What was seen.
        container: serde_json::Value,
    },
    /// Steps are about to be taken. It is on disk before the first of them.
    Intended {
        /// The steps' kinds, in order.
        actions: Vec<String>,
        /// The approval that lets them go, if they needed one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approval: Option<String>,
        /// What they cost the users of a server that answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disrupts: Option<Cost>,
    },
    /// A backup was begun, stored, verified, or something else about it changed: this is how it is
    /// from now on.
    Backup {
        /// The backup.
        backup: Box<Backup>,
    },
    /// A backup was removed from its store.
    BackupRemoved {
        /// Whose.
        uid: Uid,
        /// Which.
        id: BackupId,
    },
    /// A restore in place is about to touch the data. Until its end nothing else does.
    RestoreBegan {
        /// Whose.
        uid: Uid,
        /// What is restored.
        from: BackupId,
        /// Where the data that was there is kept.
        aside: PathBuf,
    },
    /// The restore in place is over; the outcome says how.
    RestoreEnded {
        /// Whose.
        uid: Uid,
    },
    /// It is retired from now on, until another state is admitted: its final backup is verified, or
    /// it never had data.
    Retired {
        /// Whose.
        uid: Uid,
        /// The final backup; `None`: there was nothing to save.
        backup: Option<BackupId>,
    },
    /// The stores say that it is retired, too.
    TombstoneSet {
        /// Whose.
        uid: Uid,
    },
    /// They say so no more: it is wanted again.
    TombstoneTaken {
        /// Whose.
        uid: Uid,
    },
    /// Its container and data are about to be removed, long after it was retired. From now on a
    /// restore is the only way back.
    RemovalBegan {
        /// Whose.
        uid: Uid,
    },
    /// Its container and data are gone.
    Removed {
        /// Whose.
        uid: Uid,
    },
    /// A person let go of its name: another database may take it.
    Forgotten {
        /// Whose.
        uid: Uid,
    },
    /// Its data is to come back from its newest backup when it is lost, whatever its spec says: a
    /// person brings a whole host back. Ended by a restore.
    RecoverAsked {
        /// Whose.
        uid: Uid,
    },
    /// Its data is beyond use and was moved aside; it begins anew, empty. Only `mydb_admin`: all that it
    /// showed is in the ledger.
    StartedOver {
        /// Whose.
        uid: Uid,
    },
    /// It is about to get another name. Until the end of that nothing else touches it, and nobody
    /// else gets the name.
    RenameBegan {
        /// Whose.
        uid: Uid,
        /// Its new name.
        to: DbName,
        /// Where its spec comes from then.
        source: Source,
    },
    /// It has another name from now on, and its entries carry that.
    Renamed {
        /// Its name until now.
        from: DbName,
        /// The database as it is now.
        database: Box<Database>,
    },
    /// It keeps its name: what was begun could not be done.
    RenameEnded {
        /// Whose.
        uid: Uid,
    },
    /// It is a copy that is to get its data from a backup of another one.
    CopyBegan {
        /// Whose.
        uid: Uid,
        /// The backup.
        from: BackupId,
    },
    /// The copy has its data; or, when it failed, it is gone, and its name is free.
    CopyEnded {
        /// Whose.
        uid: Uid,
    },
    /// Its owner and the admins are told something.
    Noticed {
        /// Whose.
        uid: Uid,
        /// What.
        notice: Notice,
    },
    /// It hibernates from now on: its life is over, and this final backup has all of it.
    Hibernated {
        /// Whose.
        uid: Uid,
        /// Which.
        backup: BackupId,
    },
    /// It is about to be released from db4sci: its container goes, its data stays, and what it takes to
    /// run it is written. Until the end of that nothing else touches it.
    EjectBegan {
        /// Whose.
        uid: Uid,
        /// The folder on this host with what it takes to run it.
        to: PathBuf,
    },
    /// db4sci has nothing to do with it any more: never again are its data, its folders or a container of
    /// it touched.
    Ejected {
        /// Whose.
        uid: Uid,
        /// The folder with what it takes to run it.
        to: PathBuf,
    },
    /// It stays with db4sci: what was begun could not be done.
    EjectEnded {
        /// Whose.
        uid: Uid,
    },
    /// Something was done to a database; changes no row but the log's.
    Acted {
        /// The action's kind.
        action: String,
    },
    /// The daemon started, stopped, or something concerns it as a whole.
    Noted,
}
